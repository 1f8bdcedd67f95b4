#!/usr/bin/env python3
"""Writes down what Terraform's resources take, for those that are used here.

    arguments.py HUAWEICLOUD

HUAWEICLOUD is a git directory of huaweicloud/terraform-provider-huaweicloud, whose schema in docs/json is read. The result is committed
as arguments.json, so that the ordinary check needs no such thing (`make huawei-check`).
"""

import json
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))


def git(repository, *words):
    return subprocess.run(["git", "-C", repository, *words], capture_output=True, check=True, text=True).stdout


def arguments(block):
    """What may be given of a block, what must be, and the blocks in it."""
    settable = {n: a for n, a in block.get("attributes", {}).items() if a.get("required") or a.get("optional") or n == "region"}
    inner = {n: b["block"] for n, b in block.get("block_types", {}).items()}
    return {
        "arguments": sorted(settable),
        "required": sorted(n for n, a in settable.items() if a.get("required")),
        "blocks": {n: arguments(b) for n, b in sorted(inner.items())},
    }


def main():
    (repository,) = sys.argv[1:]
    with open(os.path.join(HERE, "..", "terraform", "main.tf")) as file:
        text = file.read()
    result = {"terraform-provider-huaweicloud": git(repository, "rev-parse", "HEAD").strip(), "resource": {}, "data": {}}
    for kind, folder, schemas in (("resource", "resources", "resource_schemas"), ("data", "data-sources", "data_source_schemas")):
        for name in sorted(set(re.findall(rf'^{kind} "huaweicloud_(\w+)"', text, re.M))):
            page = json.loads(git(repository, "show", f"HEAD:docs/json/{folder}/{name}.json"))
            (provider,) = page["provider_schemas"].values()
            result[kind]["huaweicloud_" + name] = arguments(provider[schemas]["huaweicloud_" + name]["block"])
    target = os.path.join(HERE, "arguments.json")
    with open(target, "w") as out:
        json.dump(result, out, indent=1, sort_keys=True)
        out.write("\n")
    print(f"{target}: {len(result['resource']) + len(result['data'])} kinds", file=sys.stderr)


if __name__ == "__main__":
    main()
