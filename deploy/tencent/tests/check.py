#!/usr/bin/env python3
"""Whether the Terraform of deploy/tencent is HCL, takes only arguments that the provider has, has all that it needs, and names only what
there is; and whether every file of arguments that deploy.sh writes is what Tencent's own models know.

Run by .ci/tencent, which has python-hcl2 and Tencent's SDK. arguments.py has taken the arguments from the provider's documentation;
whether values fit only Terraform and Tencent can tell.
"""

import importlib
import json
import os
import re
import subprocess
import sys
import tempfile
import warnings

import hcl2

HERE = os.path.dirname(os.path.abspath(__file__))
FOLDER = os.path.join(HERE, "..", "terraform")
# What Terraform itself adds to a resource.
OWN = {"for_each", "count", "depends_on", "provider", "lifecycle", "dynamic", "__is_block__", "__comments__"}
VERSIONS = {"scf": "v20180416", "cls": "v20201016", "tdmq": "v20200217"}


def bare(text):
    return text.strip('"')


def arguments(body, known, block, place, wrong):
    """Compares a block with what the provider knows."""
    given = set()
    for name, value in body.items():
        name = bare(name)
        if name == "dynamic":
            for one in value:
                for inner, content in one.items():
                    given.add(bare(inner))
                    for part in content.get("content", []):
                        arguments({inner: [part]}, known, block, place, wrong)
            continue
        if name in OWN:
            continue
        given.add(name)
        if name not in known[block]["arguments"]:
            wrong.append(f"{place}: the provider has no argument {name}")
        elif name in known and isinstance(value, list):
            for part in value:
                if isinstance(part, dict):
                    arguments(part, known, name, f"{place}.{name}", wrong)
                    wrong += [f"{place}.{name} needs {need}" for need in missing(part, known[name])]
    return given


def missing(body, known):
    given = {bare(name) for name in body} | {bare(inner) for one in body.get("dynamic", []) for inner in one}
    return sorted(set(known["required"]) - given)


def terraform(wrong):
    with open(os.path.join(HERE, "arguments.json")) as file:
        provider = json.load(file)["resource"]
    text, count = "", 0
    variables, locals_, made = set(), set(), set()
    parsed = []
    for name in sorted(os.listdir(FOLDER)):
        if name.endswith(".tf"):
            with open(os.path.join(FOLDER, name)) as file:
                source = file.read()
            text += re.sub(r"(?m)(^|\s)#.*", "", source)
            parsed.append(hcl2.loads(source))
    for file in parsed:
        variables |= {bare(name) for block in file.get("variable", []) for name in block if not name.startswith("__")}
        locals_ |= {bare(name) for block in file.get("locals", []) for name in block if not name.startswith("__")}
        for block in file.get("resource", []):
            for of, bodies in block.items():
                of = bare(of)
                if of.startswith("__"):
                    continue
                for name, body in bodies.items():
                    made.add(f"{of}.{bare(name)}")
                    count += 1
                    if of == "terraform_data":
                        continue # Terraform's own
                    if of not in provider:
                        wrong.append(f"resource {of}: not in arguments.json")
                        continue
                    place = f"{of}.{bare(name)}"
                    arguments(body, provider[of], "", place, wrong)
                    wrong += [f"{place} needs {need}" for need in missing(body, provider[of][""])]
    for kind, there in (("var", variables), ("local", locals_)):
        used = set(re.findall(rf"\b{kind}\.([a-z_]+)", text))
        wrong += [f"{kind}.{name} is nowhere" for name in sorted(used - there)]
        wrong += [f"{kind}.{name} is not used" for name in sorted(there - used)]
    for name in set(re.findall(r"\b(?:tencentcloud|terraform)_[a-z0-9_]+\.[a-z_]+\b", text)):
        if name not in made:
            wrong.append(f"{name} is nowhere")
    return count


def run_dry(*words):
    """What deploy.sh prints, with each file of arguments and the call that it is for."""
    with tempfile.TemporaryDirectory() as folder:
        zip_file = os.path.join(folder, "code.zip")
        with open(zip_file, "wb") as out:
            out.write(b"PK\x03\x04")
        words = [zip_file if word == "ZIP" else word for word in words]
        script = os.path.join(HERE, "..", "deploy.sh")
        shown = subprocess.run([script, "--dry-run", *words], capture_output=True, check=True, text=True).stdout
    files, name = {}, None
    for line in shown.splitlines():
        begun = re.match(r"# \$SCRATCH/([\w.-]+), mode 0600", line)
        call = re.match(r'tccli (\w+) (\w+) .*--cli-input-json "file://\$SCRATCH/([\w.-]+)"', line)
        if begun:
            name = begun[1]
            files[name] = ""
        elif line.startswith("#   ") and name:
            files[name] += line[4:] + "\n"
        else:
            name = None
        if call:
            yield call[1], call[2], json.loads(files[call[3]])


def told(value):
    """Without what was left out, which a model keeps as nothing."""
    if isinstance(value, dict):
        return {name: told(member) for name, member in value.items() if member is not None}
    return [told(one) for one in value] if isinstance(value, list) else value


def models(wrong):
    base = "--region ap-guangzhou --bucket in-1250000000 --endpoint https://mdss.internal --alarm-notice notice-1".split()
    count = 0
    for more in (
        "--zip ZIP --storage-client-id unit-1",
        "--image ccr.ccs.tencentyun.com/relay/mdss-relay-tencent-scf:0.1.0 --storage-client-id unit-1 --vpc-id vpc-1 --subnet-id subnet-1",
        "--image a.tencentcloudcr.com/relay/mdss-relay-tencent-scf:0.1.0 --registry-id tcr-1 --storage-client-id unit-1 --dead-letters none",
    ):
        for service, action, given in run_dry(*base, *more.split()):
            module = importlib.import_module(f"tencentcloud.{service}.{VERSIONS[service]}.models")
            request = getattr(module, action + "Request")()
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                request._deserialize(given)
            wrong += [f"{service} {action}: {one.message}" for one in caught]
            # What the model sends on is what was written.
            if told(json.loads(request.to_json_string())) != given:
                wrong.append(f"{service} {action}: the model sends something else")
            count += 1
    return count


def main():
    wrong = []
    resources, files = terraform(wrong), models(wrong)
    for sentence in wrong:
        print(f"tencent: {sentence}", file=sys.stderr)
    print(f"tencent: {resources} resources of Terraform, {files} files of arguments, {len(wrong)} mistakes")
    sys.exit(1 if wrong or not resources or not files else 0)


if __name__ == "__main__":
    main()
