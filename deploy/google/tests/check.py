#!/usr/bin/env python3
"""Whether the Terraform of deploy/google is HCL, takes only arguments that the provider has, and names only what there is.

Run by .ci/google, which has python-hcl2. arguments.py has taken the arguments from the provider's documentation; whether values fit
only Terraform itself can tell.
"""

import json
import os
import re
import sys

import hcl2

HERE = os.path.dirname(os.path.abspath(__file__))
FOLDER = os.path.join(HERE, "..", "terraform")
# What Terraform itself adds to a resource.
OWN = {"for_each", "count", "depends_on", "provider", "lifecycle", "dynamic", "__is_block__"}


def bare(text):
    return text.strip('"')


def arguments(body, known, block, place, wrong):
    """Compares a block with what the provider knows."""
    for name, value in body.items():
        name = bare(name)
        if name == "dynamic":
            for one in value:
                for inner, content in one.items():
                    for part in content.get("content", []):
                        arguments({inner: [part]}, known, block, place, wrong)
            continue
        if name in OWN:
            continue
        if name not in known[block] and name not in known:
            wrong.append(f"{place}: the provider has no argument {name}")
        elif name in known and isinstance(value, list):
            for part in value:
                if isinstance(part, dict):
                    arguments(part, known, name, f"{place}.{name}", wrong)


def main():
    with open(os.path.join(HERE, "arguments.json")) as file:
        provider = json.load(file)
    text, wrong, count = "", [], 0
    variables, locals_, made = set(), set(), set()
    parsed = []
    for name in sorted(os.listdir(FOLDER)):
        if name.endswith(".tf"):
            with open(os.path.join(FOLDER, name)) as file:
                source = file.read()
            text += re.sub(r"#.*", "", source)
            parsed.append(hcl2.loads(source))
    for file in parsed:
        variables |= {bare(name) for block in file.get("variable", []) for name in block if not name.startswith("__")}
        locals_ |= {bare(name) for block in file.get("locals", []) for name in block if not name.startswith("__")}
        for kind, prefix in (("resource", ""), ("data", "data.")):
            for block in file.get(kind, []):
                for of, bodies in block.items():
                    if bare(of) not in provider[kind]:
                        if not of.startswith("__"):
                            wrong.append(f"{kind} {bare(of)}: not in arguments.json")
                        continue
                    for name, body in bodies.items():
                        made.add(f"{prefix}{bare(of)}.{bare(name)}")
                        arguments(body, provider[kind][bare(of)], "", f"{bare(of)}.{bare(name)}", wrong)
                        count += 1
    for kind, there in (("var", variables), ("local", locals_)):
        for name in set(re.findall(rf"\b{kind}\.([a-z_]+)", text)):
            if name not in there:
                wrong.append(f"{kind}.{name} is nowhere")
        unused = there - set(re.findall(rf"\b{kind}\.([a-z_]+)", text))
        wrong += [f"{kind}.{name} is not used" for name in sorted(unused)]
    for name in set(re.findall(r"\b(?:data\.)?google_[a-z0-9_]+\.[a-z_]+\b", text)):
        if name not in made:
            wrong.append(f"{name} is nowhere")
    for sentence in wrong:
        print(f"google: {sentence}", file=sys.stderr)
    print(f"google: {count} resources of Terraform, {len(wrong)} mistakes")
    sys.exit(1 if wrong or not count else 0)


if __name__ == "__main__":
    main()
