#!/usr/bin/env python3
"""Writes down what Terraform's resources take, for those that are used here.

    arguments.py GOOGLE

GOOGLE is a git directory of hashicorp/terraform-provider-google, whose documentation is read. The result is committed as
arguments.json, so that the ordinary check needs no such thing (`make google-check`).
"""

import json
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))


def git(repository, *words):
    return subprocess.run(["git", "-C", repository, *words], capture_output=True, check=True, text=True).stdout


def page(repository, folder, name):
    # Rights have a page for the resource that they are about, and some pages have the provider's name in front.
    rights = re.sub(r"_iam_member$", "_iam", name)
    for file in (name, rights, "google_" + name, "google_" + rights):
        shown = subprocess.run(["git", "-C", repository, "show", f"HEAD:website/docs/{folder}/{file}.html.markdown"], capture_output=True, text=True)
        if shown.returncode == 0:
            return shown.stdout
    sys.exit(f"there is no page of {name}")


def blocks(text):
    """Names by block; those of the resource itself by the empty name."""
    text = re.search(r"^## Arguments? Reference\n(.*?)(?:^## |\Z)", text, re.M | re.S)[1]
    found, here = {"": set()}, ""
    for line in text.splitlines():
        block = re.search(r"The `(?:[\w.]+\.)?(\w+)` block supports", line)
        argument = re.match(r"\s*[*-] `([\w/]+)`\s*-", line)
        if block:
            here = block[1]
            found.setdefault(here, set())
        elif argument:
            found[here].update(argument[1].split("/"))
    # A block that is spoken of by several names has all of them here.
    return {name: sorted(names) for name, names in sorted(found.items())}


def main():
    (repository,) = sys.argv[1:]
    with open(os.path.join(HERE, "..", "terraform", "main.tf")) as file:
        text = file.read()
    result = {"terraform-provider-google": git(repository, "rev-parse", "HEAD").strip(), "resource": {}, "data": {}}
    for kind, folder in (("resource", "r"), ("data", "d")):
        for name in sorted(set(re.findall(rf'^{kind} "google_(\w+)"', text, re.M))):
            result[kind]["google_" + name] = blocks(page(repository, folder, name))
    target = os.path.join(HERE, "arguments.json")
    with open(target, "w") as out:
        json.dump(result, out, indent=1, sort_keys=True)
        out.write("\n")
    print(f"{target}: {len(result['resource']) + len(result['data'])} kinds", file=sys.stderr)


if __name__ == "__main__":
    main()
