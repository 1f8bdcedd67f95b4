#!/usr/bin/env python3
"""Whether the Terraform of deploy/huawei is HCL, takes only arguments that the provider has, and names only what there is; and whether
models.json is what Huawei Cloud's SDKs say.

Run by .ci/huawei, which has python-hcl2 and the SDKs. arguments.py has taken the arguments from the provider's schema; whether values fit
only Terraform itself can tell.
"""

import json
import os
import re
import subprocess
import sys
import tempfile

import hcl2

HERE = os.path.dirname(os.path.abspath(__file__))
FOLDER = os.path.join(HERE, "..", "terraform")
# What Terraform itself adds to a resource.
OWN = {"for_each", "count", "depends_on", "provider", "lifecycle", "__is_block__"}


def bare(text):
    return text.strip('"')


def block(body, known, place, wrong):
    """Compares a block with what the provider knows."""
    given = set()
    for name, value in body.items():
        name = bare(name)
        if name in OWN - set(known["arguments"]) or name.startswith("__"):
            continue
        parts = [(name, value)]
        if name == "dynamic":
            parts = [(bare(inner), content["content"]) for one in value for inner, content in one.items() if not inner.startswith("__")]
        for name, value in parts:
            given.add(name)
            if name in known["blocks"]:
                for part in value:
                    block(part, known["blocks"][name], f"{place}.{name}", wrong)
            elif name not in known["arguments"]:
                wrong.append(f"{place}: the provider has no argument {name}")
    wrong += [f"{place}: {name} is missing" for name in known["required"] if name not in given]


def texts_of_json(text, wrong):
    """What stands in jsonencode({…}) for the members that the SDKs leave open, by its names."""
    with open(os.path.join(HERE, "models.json")) as file:
        known = json.load(file)["open"]
    for place, member in (("source", "SubscriptionSource.detail"), ("target", "SubscriptionTarget.detail"), ("on_failure", "FuncDestinationConfig.param")):
        mark = {"source": "objectKeyEncode", "target": "invoke_type", "on_failure": "expires"}[place]
        found = [m for m in re.findall(r"jsonencode\(\{([^{}]*(?:\$\{[^}]*\}[^{}]*)*)\}\)", text) if mark in m]
        if len(found) != 1:
            wrong.append(f"{place}: {len(found)} texts with {mark}, expected one")
        for name in re.findall(r"(?:^|,)\s*(\w+)\s*=", found[0] if found else ""):
            if name not in known[member]:
                wrong.append(f"{place}: nobody knows {name}")


def terraform(wrong):
    with open(os.path.join(HERE, "arguments.json")) as file:
        provider = json.load(file)
    text, count, variables, locals_, made, parsed = "", 0, set(), set(), set(), []
    for name in sorted(os.listdir(FOLDER)):
        if name.endswith(".tf"):
            with open(os.path.join(FOLDER, name)) as file:
                source = file.read()
            text += re.sub(r"#.*", "", source)
            parsed.append(hcl2.loads(source))
    for file in parsed:
        variables |= {bare(name) for part in file.get("variable", []) for name in part if not name.startswith("__")}
        locals_ |= {bare(name) for part in file.get("locals", []) for name in part if not name.startswith("__")}
        for kind, prefix in (("resource", ""), ("data", "data.")):
            for part in file.get(kind, []):
                for of, bodies in part.items():
                    if bare(of) not in provider[kind]:
                        if not of.startswith("__"):
                            wrong.append(f"{kind} {bare(of)}: not in arguments.json")
                        continue
                    for name, body in bodies.items():
                        made.add(f"{prefix}{bare(of)}.{bare(name)}")
                        block(body, provider[kind][bare(of)], f"{bare(of)}.{bare(name)}", wrong)
                        count += 1
    for kind, there in (("var", variables), ("local", locals_)):
        used = set(re.findall(rf"\b{kind}\.([a-z_]+)", text))
        wrong += [f"{kind}.{name} is nowhere" for name in sorted(used - there)]
        wrong += [f"{kind}.{name} is not used" for name in sorted(there - used)]
    for name in set(re.findall(r"\b(?:data\.)?huaweicloud_[a-z0-9_]+\.[a-z_]+\b", text)):
        if name not in made:
            wrong.append(f"{name} is nowhere")
    texts_of_json(text, wrong)
    if not count:
        wrong.append("there are no resources")
    return count


def models(site, wrong):
    """Whether the committed extract is what the SDKs give."""
    with tempfile.NamedTemporaryFile("r", suffix=".json") as again:
        subprocess.run([sys.executable, os.path.join(HERE, "models.py"), site, again.name], check=True, stderr=subprocess.DEVNULL)
        with open(os.path.join(HERE, "models.json")) as committed:
            before, after = json.load(committed), json.load(again)
    if before != after:
        for part in ("operations", "models", "open", "sdk"):
            if before[part] != after[part]:
                wrong.append(f"models.json: {part} are not those of the SDKs; models.py writes it anew")
    return len(after["operations"])


def main():
    wrong = []
    count = terraform(wrong)
    operations = models(sys.argv[1], wrong)
    for sentence in wrong:
        print(f"huawei: {sentence}", file=sys.stderr)
    print(f"huawei: {count} resources of Terraform, {operations} operations of the SDKs, {len(wrong)} mistakes")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
