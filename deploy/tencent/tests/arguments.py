#!/usr/bin/env python3
"""Writes down what Terraform's resources take, for those that are used here.

    arguments.py TENCENTCLOUD

TENCENTCLOUD is a git directory of tencentcloudstack/terraform-provider-tencentcloud, whose documentation is read. The result is
committed as arguments.json, so that the ordinary check needs no such thing (`make tencent-check`).
"""

import json
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))


def git(repository, *words):
    return subprocess.run(["git", "-C", repository, *words], capture_output=True, check=True, text=True).stdout


def blocks(text):
    """Names by block, with those that have to be there; those of the resource itself by the empty name. A block's name may stand below
    several others: it has what any of them has, and needs what all of them need."""
    text = re.search(r"^## Argument Reference\n(.*?)(?:^## |\Z)", text, re.M | re.S)[1]
    found, needed, here = {"": set()}, {"": []}, ""
    for line in text.splitlines():
        block = re.match(r"The `(\w+)` object (?:of `(\w+)` )?supports", line)
        argument = re.match(r"\* `(\w+)` - \((Required|Optional)", line)
        if block:
            here = block[1]
            found.setdefault(here, set())
            needed.setdefault(here, []).append(set())
        elif argument:
            found[here].add(argument[1])
            if argument[2] == "Required":
                if not needed[here]:
                    needed[here].append(set())
                needed[here][-1].add(argument[1])
    return {
        name: {"arguments": sorted(names), "required": sorted(set.intersection(*needed[name])) if needed[name] else []}
        for name, names in sorted(found.items())
    }


def main():
    (repository,) = sys.argv[1:]
    with open(os.path.join(HERE, "..", "terraform", "main.tf")) as file:
        text = file.read()
    result = {"terraform-provider-tencentcloud": git(repository, "rev-parse", "HEAD").strip(), "resource": {}}
    for name in sorted(set(re.findall(r'^resource "tencentcloud_(\w+)"', text, re.M))):
        page = git(repository, "show", f"HEAD:website/docs/r/{name}.html.markdown")
        result["resource"]["tencentcloud_" + name] = blocks(page)
    target = os.path.join(HERE, "arguments.json")
    with open(target, "w") as out:
        json.dump(result, out, indent=1, sort_keys=True)
        out.write("\n")
    print(f"{target}: {len(result['resource'])} kinds", file=sys.stderr)


if __name__ == "__main__":
    main()
