#!/usr/bin/env python3
"""The relay behind a real sender: Google's emulator of Pub/Sub pushes to it, and MDSS (mdss-sim) stands at the other end.

`make pubsub` runs it where the emulator is installed. It publishes what Cloud Storage would, under odd names, wrapped and
unwrapped; lets MDSS be away, kills the relay meanwhile; and compares what was published with what MDSS has accepted. The
emulator sends no token and counts no deliveries, so neither is tried here.
Exit status: 0 all as it should be, 1 not, or the check itself failed.

    check.py BINARIES EMULATOR    where mdss-relay-http and mdss-sim are; the emulator's jar
"""

import base64
import collections
import json
import os
import secrets
import shutil
import signal
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "ceph"))
os.environ.update(NO_PROXY="127.0.0.1,localhost", no_proxy="127.0.0.1,localhost")
from processes import Failed, Processes, answers, free_port, wait

# Seconds after which it gives up, whatever it waits for. It takes about 40.
LONGEST = 120
# The unit of mdss-sim that is registered as "Google Cloud".
UNIT = "00000000-0000-4000-8000-000000000005"
PROJECT = "relay-demo"
# How many messages wait while the relay is killed, and how often it is.
LOAD, KILLS = 300, 4

# Every name is taken as it stands. A name of Cloud Storage has no CR and no LF ("Object name requirements"); here they are.
NAMES = [
    "plain.txt", "a/b/c/d.txt", "UPPER.TXT", ".hidden", "-dash", "key=value&other=1;x", "with space", " leading", "trailing ", "two  spaces",
    "a+b", "+", "a+b c%2B", "%", "100%", "%25", "%2525", "a%20b", "a%2Fb", "%zz", "%C3%A4", "x%", "/leading", "a//b", "a/./b", "a/../b",
    "q?x=1", "#", "a#b?c", "back\\slash", "quote\"s", "it's", "<b>&amp;</b>", "{\"a\":[1]}", "$(id)", "tab\tin", "line\nfeed", "return\r",
    "\x01", "\x1b[31mred", "\ufeffbom", "rlo\u202etxt.exe", "ls\u2028ps\u2029", "\U0001f600.png", "caf\u00e9", "cafe\u0301",
    "\u65e5\u672c\u8a9e/\u30d5\u30a1\u30a4\u30eb", "\u0434\u043e\u043a", "null", "0", "k" * 1024, "\u65e5" * 341, "trail/content/",
]


class Lab:
    """All that runs: the emulator, the relay, MDSS."""

    def __init__(self, binaries, emulator, folder):
        self.binaries, self.emulator, self.folder = binaries, emulator, folder
        os.mkdir(os.path.join(folder, "logs"))
        self.processes = Processes(os.path.join(folder, "logs"))
        self.secret = secrets.token_hex(20)
        self.journal = os.path.join(folder, "accepted")
        self.ports = {name: free_port() for name in ("emulator", "relay", "sim")}

    def start(self):
        self.processes.start("emulator", "java", "-jar", self.emulator, "--host=127.0.0.1", f"--port={self.ports['emulator']}")
        self.start_sim()
        self.start_relay()
        wait("the emulator", lambda: answers(f"http://127.0.0.1:{self.ports['emulator']}/"))

    def start_sim(self):
        self.processes.start("mdss-sim", os.path.join(self.binaries, "mdss-sim"), "--listen", f"127.0.0.1:{self.ports['sim']}",
                             "--journal", self.journal, env={"MDSS_SIM_API_KEY": self.secret})
        wait("mdss-sim", lambda: answers(f"http://127.0.0.1:{self.ports['sim']}/"))

    def start_relay(self):
        path = f'path_secret = {{ secret = "{self.secret}" }}'
        config = [f'[[route]]\nsource = "{name}"\nbucket = "inbox"\nstorage_client_id = "{UNIT}"\nstorage_type = "google"\n'
                  f'[[source]]\nname = "{name}"\npath = "/{name}"\n{more}auth = {{ {path} }}\n'
                  for name, more in (("gcs", 'dialect = "gcs"\n'), ("kept", 'dialect = "gcs"\nredelivers = "dead-letters"\n'),
                                     ("storj", 'dialect = "s3-compatible"\n'))]
        process = self.processes.start("relay", os.path.join(self.binaries, "mdss-relay-http"), env={
            "RELAY_LISTEN": f"127.0.0.1:{self.ports['relay']}", "RELAY_CONFIG_TOML": "\n".join(config), "APIKEY": self.secret,
            "RELAY_DEADLINE": "1s", "APIENDPOINT": f"http://127.0.0.1:{self.ports['sim']}/api/webhook/realtime"})

        def up():
            if process.poll() is not None:
                raise Failed(f"the relay has ended by itself: {self.processes.printed('relay')[-2000:]}")
            return answers(f"http://127.0.0.1:{self.ports['relay']}/readyz")

        wait("the relay", up, pause=0.02)

    def ask(self, method, path, body):
        """A call of Pub/Sub's REST API."""
        url = f"http://127.0.0.1:{self.ports['emulator']}/v1/projects/{PROJECT}/{path}"
        request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"}, method=method)
        return json.load(urllib.request.urlopen(request, timeout=30))

    def subscribe(self, topic, source="gcs", unwrapped=False):
        """A topic with a push subscription to the relay. It has no retry policy: with one this emulator (0.8.20) pushes a message
        three times and never again; without one it pushes every second."""
        self.ask("PUT", f"topics/{topic}", {})
        push = {"pushEndpoint": f"http://127.0.0.1:{self.ports['relay']}/{source}/{self.secret}"}
        if unwrapped:
            push["noWrapper"] = {"writeMetadata": True}
        self.ask("PUT", f"subscriptions/{topic}", {"topic": f"projects/{PROJECT}/topics/{topic}", "pushConfig": push, "ackDeadlineSeconds": 60})

    def publish(self, topic, *messages):
        self.ask("POST", f"topics/{topic}:publish", {"messages": list(messages)})

    def accepted(self, prefix=""):
        """Keys that MDSS has accepted, and how often."""
        count = collections.Counter()
        if os.path.exists(self.journal):
            with open(self.journal, "rb") as journal:
                keys = [json.loads(line)["key"] for line in journal if line.endswith(b"\n")]
            count.update(key for key in keys if key.startswith(prefix))
        return count

    def arrived(self, wanted, prefix, limit=20):
        """What MDSS has accepted of these keys, once it is all, or waiting was in vain."""
        try:
            wait("accepted", lambda: set(self.accepted(prefix)) >= set(wanted), limit)
        except Failed:
            pass
        time.sleep(0.5)
        return self.accepted(prefix)

    def counted(self, metric):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.ports['relay']}/metrics", timeout=5) as page:
            lines = [line.split() for line in page.read().decode().splitlines() if line.startswith(metric)]
        return sum(float(line[-1]) for line in lines)

    def lines(self, *parts):
        """The relay's log lines that hold all of these."""
        return [line for line in self.processes.printed("relay").splitlines() if all(part in line for part in parts)]


def message(name, kind="OBJECT_FINALIZE", payload=True, headers=False):
    """What Cloud Storage publishes. With `headers` the attributes can stand in headers: the name is in the payload alone."""
    generation = str(int(time.time() * 1e6))
    attributes = {"bucketId": "inbox", "eventType": kind, "objectGeneration": generation, "payloadFormat": "JSON_API_V1" if payload else "NONE",
                  "eventTime": "2026-03-04T08:15:42.230000Z", "notificationConfig": "projects/_/buckets/inbox/notificationConfigs/1"}
    if not headers:
        attributes["objectId"] = name
    resource = {"kind": "storage#object", "name": name, "bucket": "inbox", "generation": generation, "size": "3", "contentType": "text/plain"}
    data = base64.b64encode(json.dumps(resource, indent=2).encode()).decode()
    return {"attributes": attributes, **({"data": data} if payload else {})}


class Table:
    def __init__(self):
        self.rows, self.ok = [], True

    def fact(self, what, right, found):
        self.ok = self.ok and right
        self.rows.append((what, str(found), "as it should be" if right else "WRONG"))

    def same(self, what, wanted, accepted, exactly=True):
        """Whether MDSS has each of them, once if `exactly`, and nothing else."""
        lost, strangers = sorted(set(wanted) - set(accepted)), sorted(set(accepted) - set(wanted))
        twice = sorted(key for key, times in accepted.items() if times > 1)
        found = f"{len(accepted)} of {len(wanted)} accepted"
        for word, keys in (("missing", lost), ("not published", strangers), ("more than once", twice)):
            if keys:
                found += f", {len(keys)} {word}: {', '.join(map(ascii, keys[:4]))}"
        self.fact(what, not lost and not strangers and not (exactly and twice), found)

    def show(self):
        rows = [("what ought to be", "found", ""), *self.rows]
        widths = [max(len(row[n]) for row in rows) for n in range(3)]
        for row in rows:
            print("| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |")


def odd_names(lab, table):
    for topic, more in (("wrapped", {}), ("without-payload", {"payload": False}), ("unwrapped", {"headers": True})):
        lab.subscribe(topic, unwrapped=topic == "unwrapped")
        names = [f"{topic}/{name}" for name in NAMES]
        names = [name for name in names if len(name.encode()) <= 1024 + len(topic) + 1]
        lab.publish(topic, *(message(name, **more) for name in names))
        table.same(f"{topic}: every name as it stands, once", names, lab.arrived(names, f"{topic}/"))


def other_events(lab, table):
    """Only the attribute, or only the header, tells them from a creation."""
    for topic in ("wrapped", "unwrapped"):
        headers = topic == "unwrapped"
        lab.publish(topic, *(message(f"other/{topic}/{kind}", kind, headers=headers) for kind in ("OBJECT_DELETE", "OBJECT_ARCHIVE", "OBJECT_METADATA_UPDATE")))
    skipped = ["removed", "not_content"]

    def said():
        return [line for reason in skipped for line in lab.lines(f'"{reason}"', '"other/')]

    try:
        wait("skipped", lambda: len(said()) == 6, 15)
    except Failed:
        pass
    table.fact("removals, archivings and metadata: skipped, both forms", len(said()) == 6 and not lab.accepted("other/"), f"{len(said())} lines")


def duplicates(lab, table):
    """The same change published twice has two ids, and one generation."""
    twice = message("twice.txt")
    lab.publish("wrapped", twice, twice)
    try:
        wait("the second", lambda: lab.lines('"duplicate"', '"twice.txt"'), 15)
    except Failed:
        pass
    table.same("a change published twice: accepted once", ["twice.txt"], lab.arrived(["twice.txt"], "twice.txt"))


def garbage(lab, table):
    lab.subscribe("kept-apart", source="kept")
    strange = {"attributes": {"buildId": "1"}, "data": base64.b64encode(b"no JSON").decode()}
    for topic, source, comes, what in (("wrapped", "gcs", 1, "acknowledged, with a line"),
                                       ("kept-apart", "kept", 3, "with redelivers = dead-letters it comes again")):
        metric = f'mdss_relay_unusable_total{{source="{source}"}}'
        lab.publish(topic, strange)
        try:
            wait("it", lambda: lab.counted(metric) >= comes, 15)
        except Failed:
            pass
        if comes == 1:
            time.sleep(4)  # As long as it would take to come again.
        count = lab.counted(metric)
        table.fact(f"a message about no object: {what}", count == 1 if comes == 1 else count >= comes, f"{count:.0f} deliveries")
    lab.ask("DELETE", "subscriptions/kept-apart", {})


def storj(lab, table):
    """Storj publishes S3-shaped records to topics of its users."""
    lab.subscribe("storj", source="storj")
    record = {"eventVersion": "2.1", "eventSource": "storj:s3", "eventName": "ObjectCreated:Put", "eventTime": "2026-03-04T08:15:42.417Z",
              "s3": {"bucket": {"name": "inbox"}, "object": {"key": "storj/take-17.mov", "size": 3, "sequencer": "01"}}}
    lab.publish("storj", {"data": base64.b64encode(json.dumps({"Records": [record]}).encode()).decode()})
    table.same("Storj's records in a push", ["storj/take-17.mov"], lab.arrived(["storj/take-17.mov"], "storj/"))


def away(lab, table):
    """MDSS is away: everything comes again until it is back."""
    lab.processes.kill("mdss-sim")
    names = [f"away/{number} é +.txt" for number in range(10)]
    lab.publish("wrapped", *map(message, names))
    try:
        wait("failures", lambda: len(lab.lines('"error.type"', '"away/')) >= 4, 30)
    except Failed:
        pass
    failed = len(lab.lines('"error.type"', '"away/'))
    none = not lab.accepted("away/")
    # After failures the emulator pushes less at a time, as Pub/Sub does, so not all of them have come by now.
    lab.start_sim()
    table.fact("while MDSS is away: nothing is accepted, each failure has its line", none and failed >= 4, f"{failed} lines")
    table.same("once it is back: pushed again, accepted once", names, lab.arrived(names, "away/", 30))


def killed(lab, table):
    """The relay is killed while it is pushed to."""
    names = [f"killed/{number}.txt" for number in range(LOAD)]

    def publish():
        for first in range(0, LOAD, 20):
            lab.publish("wrapped", *map(message, names[first:first + 20]))
            time.sleep(0.2)

    publisher = threading.Thread(target=publish, daemon=True)
    publisher.start()
    for _ in range(KILLS):
        time.sleep(0.5)
        lab.processes.kill("relay")
        time.sleep(0.2)
        lab.start_relay()
    publisher.join()
    # What was accepted and not answered is pushed again, and a relay that was killed remembers nothing.
    table.same(f"{LOAD} objects, the relay killed {KILLS} times: none is lost", names, lab.arrived(names, "killed/", 40), exactly=False)


def run(lab, table):
    lab.start()
    odd_names(lab, table)
    other_events(lab, table)
    duplicates(lab, table)
    garbage(lab, table)
    storj(lab, table)
    away(lab, table)
    killed(lab, table)


def main():
    binaries, emulator = sys.argv[1:3]
    folder = tempfile.mkdtemp(prefix="relay-pubsub.")
    lab, table = Lab(os.path.abspath(binaries), emulator, folder), Table()

    def give_up(*_):
        raise Failed(f"not done within {LONGEST} s")

    signal.signal(signal.SIGALRM, give_up)
    signal.alarm(LONGEST)
    began = time.monotonic()
    try:
        run(lab, table)
    except Failed as failure:
        table.fact("the check itself", False, failure)
        print(lab.processes.printed("emulator")[-2000:] if "emulator" in lab.processes.running else "", file=sys.stderr)
    finally:
        lab.processes.end()
        table.show()
        if table.ok:
            shutil.rmtree(folder)
        else:
            print(f"logs: {folder}/logs")
    print(f"pubsub: {'all as it should be' if table.ok else 'WRONG'}, {time.monotonic() - began:.0f} s")
    sys.exit(0 if table.ok else 1)


if __name__ == "__main__":
    main()
