#!/usr/bin/env python3
"""Writes down what Azure's resource types and Terraform's resources take, for those that are used here.

    schemas.py BICEP_TYPES AZURERM

BICEP_TYPES is a git directory of Azure/bicep-types-az, AZURERM one of hashicorp/terraform-provider-azurerm, whose documentation is
read. The result is committed as schemas.json, so that the ordinary check needs neither (`make azure-check`).
"""

import json
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
FOLDER = os.path.dirname(HERE)


def git(repository, *words):
    return subprocess.run(["git", "-C", repository, *words], capture_output=True, check=True, text=True).stdout


def bicep_types(repository):
    used = set()
    for name in sorted(os.listdir(FOLDER)):
        if name.endswith(".bicep"):
            with open(os.path.join(FOLDER, name)) as text:
                used |= set(re.findall(r"'(Microsoft\.[\w./]+@[\w-]+)'", text.read()))
    with open(os.path.join(FOLDER, "terraform", "main.tf")) as text:
        used |= set(re.findall(r'"(Microsoft\.[\w./]+@[\w-]+)"', text.read()))
    files = git(repository, "ls-tree", "-r", "--name-only", "HEAD", "generated").splitlines()
    found = {}
    for name in sorted(used):
        namespace, version = name.split("/")[0].lower(), name.split("@")[1]
        # A namespace may have several files: Microsoft.Insights has three.
        for file in (file for file in files if file.endswith(f"/{namespace}/{version}/types.json")):
            types = json.loads(git(repository, "show", f"HEAD:{file}"))
            for one in types:
                if one["$type"] == "ResourceType" and one["name"].lower() == name.lower():
                    found[name] = shape(types, one["body"], 12)
        if name not in found:
            sys.exit(f"there is no type {name}")
    return found


def shape(types, reference, depth):
    """Members by name, each with what it holds; `!` before the name of one that is required. A list of one is an array, a list
    beginning with "one of" the texts that are taken; null is anything."""
    here = types[int(reference["$ref"].rsplit("/", 1)[1])]
    kind = here["$type"]
    if depth == 0:
        return None
    if kind == "ObjectType":
        members = {}
        for name, member in here.get("properties", {}).items():
            if member["flags"] & 2:  # read only
                continue
            # What nobody could write here is not of interest.
            members[("!" if member["flags"] & 1 else "") + name] = shape(types, member["type"], depth - 1)
        if not members or "additionalProperties" in here:
            return None
        return members
    if kind == "DiscriminatedObjectType":
        base = {name: shape(types, member["type"], depth - 1) for name, member in here["baseProperties"].items()}
        return {"by": here["discriminator"], "base": base, "of": {name: shape(types, one, depth - 1) for name, one in here["elements"].items()}}
    if kind == "ArrayType":
        return [shape(types, here["itemType"], depth - 1)]
    if kind == "UnionType":
        texts = [types[int(one["$ref"].rsplit("/", 1)[1])] for one in here["elements"]]
        if all(text["$type"] == "StringLiteralType" for text in texts):
            return ["one of", *sorted(text["value"] for text in texts)]
    if kind == "StringLiteralType":
        return ["one of", here["value"]]
    return None


def pruned(schema, used):
    """A schema without what lies below members that are not used here: their names are enough."""
    if isinstance(schema, dict) and "by" in schema:
        return {**schema, "of": {name: pruned(one, used) for name, one in schema["of"].items()}}
    if isinstance(schema, dict):
        return {name: pruned(one, used) if name.lstrip("!") in used else None for name, one in schema.items()}
    if isinstance(schema, list) and schema[:1] != ["one of"]:
        return [pruned(schema[0], used)]
    return schema


def terraform(repository):
    with open(os.path.join(FOLDER, "terraform", "main.tf")) as text:
        text = text.read()
    found = {}
    for kind, folder in (("resource", "r"), ("data", "d")):
        for name in sorted(set(re.findall(rf'^{kind} "azurerm_(\w+)"', text, re.M))):
            page = git(repository, "show", f"HEAD:website/docs/{folder}/{name}.html.markdown")
            page = re.search(r"^## Arguments? Reference\n(.*?)^## ", page, re.M | re.S)
            page = page[1] if page else ""
            blocks, here = {"": []}, ""
            for line in page.splitlines():
                block = re.match(r"(?:An?|The|Each) `(\w+)` (?:block )?supports", line)
                argument = re.match(r"\* `(\w+)` - ", line)
                if block:
                    here = block[1]
                    blocks[here] = []
                elif argument:
                    required = "(Required)" in line
                    blocks[here].append(("!" if required else "") + argument[1])
            found[("data." if kind == "data" else "") + "azurerm_" + name] = {block: sorted(names) for block, names in blocks.items()}
    return found


def main():
    bicep, azurerm = sys.argv[1:]
    words = set()
    for name in os.listdir(FOLDER):
        if name.endswith(".bicep"):
            with open(os.path.join(FOLDER, name)) as text:
                words |= set(re.findall(r"[\w.]+", text.read()))
    result = {
        "bicep-types-az": git(bicep, "rev-parse", "HEAD").strip(),
        "terraform-provider-azurerm": git(azurerm, "rev-parse", "HEAD").strip(),
        "types": {name: pruned(schema, words) for name, schema in bicep_types(bicep).items()},
        "terraform": terraform(azurerm),
    }
    target = os.path.join(HERE, "schemas.json")
    with open(target, "w") as out:
        json.dump(result, out, indent=1, sort_keys=True)
        out.write("\n")
    print(f"{target}: {len(result['types'])} types, {len(result['terraform'])} resources of Terraform", file=sys.stderr)


if __name__ == "__main__":
    main()
