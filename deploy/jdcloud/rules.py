#!/usr/bin/env python3
"""The rules of a JD Cloud bucket's NotificationConfiguration, for notification.sh.

    rules.py show PRESENT                      a line for each rule: what it takes, and to which hosts its events go
    rules.py put PRESENT WANTED RULE           PRESENT with our rule in it; RULE is JSON: id, urls, events, prefix, suffix, place
    rules.py drop PRESENT WANTED ID            PRESENT without our rule
    rules.py same ONE OTHER                    status 0 if they say the same
    rules.py error ANSWER                      what an error document says

put and drop end with 0 if WANTED was written, 4 if PRESENT needs no change, 3 with a sentence on stderr if the operator
has to decide. Only hosts are ever printed of an address: what follows them may hold a secret.
"""

import json
import re
import sys
import xml.etree.ElementTree as ET
from urllib.parse import urlsplit

RULES = {"TopicConfiguration": "Topic", "CloudFunctionConfiguration": "CloudFunction"}
# "PUT Bucket notification": at most so many rules, and so many addresses in one.
MOST_RULES, MOST_URLS = 100, 5


def local(element):
    return element.tag.rsplit("}", 1)[-1]


def text(element, *path):
    for name in path:
        element = next((child for child in element if local(child) == name), None)
        if element is None:
            return ""
    return (element.text or "").strip()


def read(path):
    """The document's root; an empty one if there is nothing."""
    with open(path, "rb") as file:
        data = file.read()
    if not data.strip():
        return ET.Element("NotificationConfiguration")
    if b"<!DOCTYPE" in data:
        raise SystemExit("rules.py: the answer has a DOCTYPE, expected a NotificationConfiguration")
    try:
        root = ET.fromstring(data)
    except ET.ParseError as error:
        raise SystemExit(f"rules.py: the answer is no XML ({error}), expected a NotificationConfiguration") from None
    if local(root) != "NotificationConfiguration":
        raise SystemExit(f"rules.py: found the element {printable(local(root))}, expected NotificationConfiguration")
    return root


def rules(root):
    return [child for child in root if local(child) in RULES]


def printable(value):
    return "".join(c if c.isprintable() else "?" for c in value)[:200]


class Rule:
    """What decides whether a rule takes an object, and where its events go."""

    def __init__(self, element):
        self.id = text(element, "Id")
        self.target = text(element, RULES[local(element)])
        self.events = sorted((e.text or "").strip() for e in element if local(e) == "Event")
        self.prefix = self.suffix = ""
        for filter_rule in (e for e in element.iter() if local(e) == "FilterRule"):
            # Not stripped: a space may be meant.
            value = next((c.text or "" for c in filter_rule if local(c) == "Value"), "")
            if text(filter_rule, "Name").lower() == "prefix":
                self.prefix = value
            elif text(filter_rule, "Name").lower() == "suffix":
                self.suffix = value

    def key(self):
        return (self.id, self.target, self.events, self.prefix, self.suffix)

    def meets(self, other):
        """Whether some object could be taken by both."""
        stems = [[e.rstrip("*") for e in rule.events] for rule in (self, other)]
        return (
            any(a.startswith(b) or b.startswith(a) for a in stems[0] for b in stems[1])
            and (self.prefix.startswith(other.prefix) or other.prefix.startswith(self.prefix))
            and (self.suffix.endswith(other.suffix) or other.suffix.endswith(self.suffix))
        )

    def __str__(self):
        hosts = [urlsplit(u).hostname or "?" for u in self.target.removeprefix("NS:").split(",")] if self.target.startswith("NS:") else ["a function"]
        limits = [f"{name} '{value}'" for name, value in (("prefix", self.prefix), ("suffix", self.suffix)) if value]
        return printable(f"'{self.id}': {', '.join(self.events)}{' with ' if limits else ''}{' and '.join(limits)}, to {', '.join(hosts)}")


def ours(wanted, namespace):
    def child(parent, name, value=None):
        element = ET.SubElement(parent, namespace + name)
        element.text = value
        return element

    rule = ET.Element(namespace + "TopicConfiguration")
    child(rule, "Id", wanted["id"])
    limits = [(name, wanted[name]) for name in ("prefix", "suffix") if wanted[name]]
    if limits:
        key = child(child(rule, "Filter"), "S3Key")
        for name, value in limits:
            limit = child(key, "FilterRule")
            child(limit, "Name", name)
            child(limit, "Value", value)
    child(rule, "Topic", "NS:" + ",".join(wanted["urls"]))
    for event in wanted["events"]:
        child(rule, "Event", event)
    return rule


def decide(*sentences):
    print("\n".join(sentences), file=sys.stderr)
    raise SystemExit(3)


def write(root, path):
    namespace = re.match(r"\{(.*)\}", root.tag)
    if namespace:
        ET.register_namespace("", namespace[1])
    ET.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)


def put(present, path, wanted):
    root = read(present)
    namespace = root.tag.removesuffix("NotificationConfiguration")
    new = ours(wanted, namespace)
    old = [rule for rule in rules(root) if Rule(rule).id == wanted["id"]]
    place = len(rules(root))
    if old:
        # Rules are tried in order, so ours stays where it is unless somebody wants it elsewhere.
        place = rules(root).index(old[0])
    if wanted["place"] == "first":
        place = 0
    others = [rule for rule in rules(root) if rule not in old]
    if wanted["place"] == "last":
        place = len(others)
    before = [rule for rule in others[:place] if Rule(rule).meets(Rule(new))]
    behind = [rule for rule in others[place:] if Rule(rule).meets(Rule(new))]
    if before and wanted["place"] != "last":
        decide(
            "OSS tries rules in order, and only the first that takes an object fires. These rules come before ours and may take objects of ours:",
            *(f"  {Rule(rule)}" for rule in before),
            "--first puts ours before them, and then they get no event that ours takes; --last leaves them first, and then no object that they take is",
            f"scanned. To serve both, put our address into their rule: it has room for {MOST_URLS}",
        )
    for rule in before:
        print(f"warning: this rule comes first, and the relay gets no events of objects that it takes: {Rule(rule)}", file=sys.stderr)
    for rule in behind:
        print(f"warning: our rule comes first, and this rule gets no more events of objects that ours takes: {Rule(rule)}", file=sys.stderr)
    if len(others) >= MOST_RULES:
        decide(f"the bucket has {len(others)} rules already; JD accepts at most {MOST_RULES}")
    if len(old) == 1 and rules(root).index(old[0]) == place and Rule(old[0]).key() == Rule(new).key():
        raise SystemExit(4)
    for rule in old:
        root.remove(rule)
    if place < len(others):
        root.insert(list(root).index(others[place]), new)
    else:
        root.append(new)
    write(root, path)


def drop(present, path, ident):
    root = read(present)
    old = [rule for rule in rules(root) if Rule(rule).id == ident]
    if not old:
        raise SystemExit(4)
    for rule in old:
        root.remove(rule)
    write(root, path)


def main(command, *words):
    if command == "show":
        for number, rule in enumerate(rules(read(words[0])), 1):
            print(f"{number}. {Rule(rule)}")
    elif command == "put":
        with open(words[2], encoding="utf-8") as file:
            put(words[0], words[1], json.load(file))
    elif command == "drop":
        drop(*words)
    elif command == "same":
        one, other = ([Rule(rule).key() for rule in rules(read(path))] for path in words)
        raise SystemExit(0 if one == other else 1)
    elif command == "error":
        try:
            root = ET.parse(words[0]).getroot()
            print(printable(f"{text(root, 'Code')}: {text(root, 'Message')}"))
        except ET.ParseError:
            print("no error document")


if __name__ == "__main__":
    main(*sys.argv[1:])
