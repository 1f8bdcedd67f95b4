#!/usr/bin/env python3
"""Writes down what Alibaba Cloud's own tools and models take, for what is used here, so that the ordinary tests need none of them.

    facts.py models FOLDER      models.json: the members of the bodies, out of the SDKs' models (folders of unpacked wheels from PyPI)
    facts.py cli META           cli-options.json: options and paths of the command line (git directory of aliyun/aliyun-openapi-meta)
    facts.py terraform PROVIDER arguments.json: arguments of the resources (git directory of aliyun/terraform-provider-alicloud)
    facts.py serverless FC3     serverless.json: what an s.yaml may have (git directory of devsapp/fc3)

The results are committed; read the diff.
"""

import ast
import json
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))

# The bodies that the scripts send, by SDK.
BODIES = {
    "alibabacloud_fc20230330": ["CreateFunctionInput", "UpdateFunctionInput", "CreateTriggerInput", "UpdateTriggerInput", "PutAsyncInvokeConfigInput", "PutConcurrencyInput"],
    "alibabacloud_sls20201230": ["CreateProjectRequest", "CreateLogStoreRequest", "UpdateLogStoreRequest", "Index"],
}
# Calls whose parameters the command line does not know: it passes them on (--force).
QUERIES = {"alibabacloud_mns_open20220119": ["CreateQueueRequest", "DeleteQueueRequest", "GetQueueAttributesRequest", "SetQueueAttributesRequest"]}

# What the scripts, the guide and its stand-in call by name.
CALLS = """
cms DeleteMetricRules
cms DescribeMetricLast
cms PutContact
cms PutContactGroup
cms PutResourceMetricRule
eventbridge CreateRule
eventbridge CreateServiceLinkedRoleForProduct
eventbridge DeleteRule
ram AttachPolicyToRole
ram AttachPolicyToUser
ram CreatePolicy
ram CreatePolicyVersion
ram CreateRole
ram DeletePolicy
ram DeleteRole
ram DetachPolicyFromRole
ram GetPolicy
ram GetRole
ram ListPoliciesForRole
sls CreateIndex
sls CreateLogStore
sls CreateProject
sls DeleteLogStore
sls DeleteProject
sls GetIndex
sls GetLogStore
sls GetLogs
sls GetProject
sls UpdateLogStore
sts GetCallerIdentity
""".split("\n")[1:-1]

# Flags of the command line itself (aliyun-cli, openapi/flags.go and config/flags.go), and of its `oss cp` and `oss rm` (oss/lib).
GLOBAL = ["--region", "--body", "--body-file", "--header", "--force"]


def git(repository, *words):
    return subprocess.run(["git", "-C", repository, *words], capture_output=True, check=True, text=True).stdout


def write(name, result):
    with open(os.path.join(HERE, name), "w") as out:
        json.dump(result, out, indent=1, sort_keys=True, ensure_ascii=False)
        out.write("\n")
    print(f"{name}: written", file=sys.stderr)


# --- the SDKs' models -----------------------------------------------------------------------------------------------------


def classes(folder, package):
    """Each model's members with the text of their types."""
    found = {}
    models = os.path.join(folder, package, "models")
    for file in sorted(name for name in os.listdir(models) if name.endswith(".py")):
        with open(os.path.join(models, file)) as source:
            tree = ast.parse(source.read())
        for node in tree.body:
            functions = {f.name: f for f in getattr(node, "body", []) if isinstance(f, ast.FunctionDef)}
            if not isinstance(node, ast.ClassDef) or "to_map" not in functions:
                continue
            types = {a.arg: ast.unparse(a.annotation).replace("main_models.", "") for a in functions["__init__"].args.args if a.annotation}
            # `if self.code is not None: result['code'] = …`; lists and maps set their name before.
            members, text = {}, ast.unparse(functions["to_map"])
            for name, attribute in re.findall(r"result\['(\w+)'\] = (?:\[\]|\{\}|self\.(\w+))", text):
                snake = attribute or re.search(rf"result\['{name}'\] = (?:\[\]|\{{\}})\s+if self\.(\w+) is not None", text)[1]
                members[name] = types[snake]
            found[node.name] = members
    return found


def models(folder):
    result = {"versions": {}, "bodies": {}, "queries": {}}
    for section, packages in (("bodies", BODIES), ("queries", QUERIES)):
        for package, names in packages.items():
            (info,) = [n for n in os.listdir(folder) if n.startswith(package + "-") and n.endswith(".dist-info")]
            result["versions"][package.replace("_", "-")] = info[len(package) + 1 : -len(".dist-info")]
            known = classes(folder, package)
            todo = list(names)
            while todo:
                name = todo.pop()
                if name in result[section]:
                    continue
                result[section][name] = known[name]
                todo += [part for text in known[name].values() for part in re.findall(r"\w+", text) if part in known]
    return result


# --- the command line -----------------------------------------------------------------------------------------------------


def cli(meta):
    read = lambda path: json.loads(git(meta, "show", f"HEAD:metadatas/{path}"))
    commands = {}
    for call in CALLS:
        product, name = call.split()
        options = {}
        for parameter in read(f"{product}/{name}.json")["parameters"]:
            # A body is given by --body or --body-file, and a list with a number behind its name.
            if parameter["position"] != "Body":
                suffix = ".1" if parameter["type"] == "RepeatList" else ""
                options[f"--{parameter['name']}{suffix}"] = {"required": True} if parameter["required"] else {}
        commands[call] = {"options": options, "positional": [0, 0]}
    for name in ("CreateQueue", "DeleteQueue", "GetQueueAttributes", "SetQueueAttributes"):
        with open(os.path.join(HERE, "models.json")) as file:
            members = json.load(file)["queries"][f"{name}Request"]
        commands[f"mns-open {name}"] = {"options": {f"--{m}": {} for m in members} | {"--force": {"flag": True, "required": True}}, "positional": [0, 0]}
    paths = []
    for file in git(meta, "ls-tree", "--name-only", "HEAD", "metadatas/fc/").split():
        about = json.loads(git(meta, "show", f"HEAD:{file}"))
        if "pathPattern" in about:
            queries = [p["name"] for p in about["parameters"] if p["position"] == "Query"]
            headers = [p["name"] for p in about["parameters"] if p["position"] == "Header"]
            paths.append({"call": f"{about['method']} {about['pathPattern']}", "name": about["name"], "queries": queries, "headers": headers})
            commands[f"fc {about['method']}"] = {"options": {}, "positional": [1, 1]}
    for about in paths:
        for query in about["queries"]:
            commands[f"fc {about['call'].split()[0]}"]["options"][f"--{query}"] = {}
    # oss/lib/cp.go and rm.go of aliyun-cli; --force is their own: no question.
    commands["oss cp"] = {"options": {"--force": {"flag": True}}, "positional": [2, 2]}
    commands["oss rm"] = {"options": {"--force": {"flag": True}}, "positional": [1, 1]}
    commands["oss stat"] = {"options": {}, "positional": [1, 1]}
    return {"aliyun-openapi-meta": git(meta, "rev-parse", "HEAD").strip(), "commands": commands, "global": GLOBAL, "paths": sorted(paths, key=lambda p: p["call"])}


# --- Terraform's provider ---------------------------------------------------------------------------------------------------


def blocks(text):
    """Names by block; those of the resource itself by the empty name. A block within another has both names, with a dash."""
    text = re.search(r"^## Arguments? Reference\n(.*?)(?:^## |\Z)", text, re.M | re.S)[1]
    found, here = {"": []}, ""
    for line in text.splitlines():
        block = re.match(r"### `([\w-]+)`", line)
        argument = re.match(r"\* `(\w+)`\s*-", line)
        if block:
            here = block[1]
            found.setdefault(here, [])
        elif argument:
            found[here].append(argument[1])
    return {name: sorted(names) for name, names in found.items()}


def terraform(provider):
    text = open(os.path.join(HERE, "..", "terraform", "main.tf")).read()
    result = {"terraform-provider-alicloud": git(provider, "rev-parse", "HEAD").strip(), "resource": {}, "data": {}}
    for kind, folder in (("resource", "r"), ("data", "d")):
        for name in sorted(set(re.findall(rf'^{kind} "alicloud_(\w+)"', text, re.M))):
            page = git(provider, "show", f"HEAD:website/docs/{folder}/{name}.html.markdown")
            result[kind]["alicloud_" + name] = blocks(page) if "# Argument" in page else {"": []}
    return result


# --- Serverless Devs ----------------------------------------------------------------------------------------------------------


def serverless(repository):
    schema = json.loads(git(repository, "show", "HEAD:src/schema.json"))
    used = ["IAsyncInvokeConfig", "ICustomRuntimeConfig", "IDestination", "IDestinationConfig", "ILogConfig", "IOssTriggerConfig", "IRuntime", "ITrigger", "ITriggerType"]
    return {
        "fc3": git(repository, "rev-parse", "HEAD").strip(),
        "properties": sorted(schema["properties"]),
        "required": schema["required"],
        "definitions": {name: schema["definitions"][name] for name in used},
    }


def main():
    what, where = sys.argv[1:]
    name, function = {"models": ("models.json", models), "cli": ("cli-options.json", cli), "terraform": ("arguments.json", terraform), "serverless": ("serverless.json", serverless)}[what]
    write(name, function(where))


if __name__ == "__main__":
    main()
