#!/usr/bin/env python3
"""Whether the Terraform and the s.yaml of deploy/alibaba take only what there is, and say the same as deploy.sh.

    check.py [SDKS]

Run by .ci/alibaba, which has python-hcl2 and PyYAML. facts.py has taken what there is from the provider's documentation, from Serverless
Devs' schema and from the SDKs' models; with SDKS, a folder of the SDKs unpacked, models.json is compared with them too. Whether values
fit only Alibaba can tell.
"""

import json
import os
import re
import sys

import hcl2
import yaml

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import facts

HERE = os.path.dirname(os.path.abspath(__file__))
FOLDER = os.path.join(HERE, "..")
# What Terraform itself adds to a resource.
OWN = {"for_each", "count", "depends_on", "provider", "lifecycle", "dynamic"}
# Of OSS ("Event types"): what announces content. All others are no object yet, metadata, or a removal.
CONTENT = [f"oss:ObjectCreated:{n}" for n in ("PutObject", "PostObject", "CopyObject", "CompleteMultipartUpload", "AppendObject")] + [
    f"oss:ObjectReplication:{n}" for n in ("ObjectCreated", "ObjectModified")
]

wrong = []


def load(name):
    with open(os.path.join(HERE, name)) as file:
        return json.load(file)


def bare(text):
    return text.strip('"')


# --- Terraform ------------------------------------------------------------------------------------------------------------


def arguments(body, known, block, place):
    """Compares a block with what the provider knows."""
    for name, value in body.items():
        name = bare(name)
        if name == "dynamic":
            for one in value:
                for inner, content in one.items():
                    for part in content.get("content", []):
                        arguments({inner: [part]}, known, block, place)
            continue
        if name in OWN or name.startswith("__"):
            continue
        inner = f"{block}-{name}" if block else name
        if name not in known[block] and inner not in known:
            wrong.append(f"{place}: the provider has no argument {name}")
        elif inner in known and isinstance(value, list):
            for part in value:
                if isinstance(part, dict):
                    arguments(part, known, inner, f"{place}.{name}")


def terraform():
    provider = load("arguments.json")
    text, count = "", 0
    variables, locals_, made, parsed = set(), set(), set(), []
    folder = os.path.join(FOLDER, "terraform")
    for name in sorted(os.listdir(folder)):
        if name.endswith(".tf"):
            with open(os.path.join(folder, name)) as file:
                source = file.read()
            text += re.sub(r"(?m)^\s*#.*", "", source)
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
                        arguments(body, provider[kind][bare(of)], "", f"{bare(of)}.{bare(name)}")
                        count += 1
    for kind, there in (("var", variables), ("local", locals_)):
        used = set(re.findall(rf"\b{kind}\.([a-z_]+)", text))
        wrong.extend(f"{kind}.{name} is nowhere" for name in sorted(used - there))
        wrong.extend(f"{kind}.{name} is not used" for name in sorted(there - used))
    for name in set(re.findall(r"\b(?:data\.)?alicloud_[a-z0-9_]+\.[a-z_]+\b", text)):
        if name not in made:
            wrong.append(f"{name} is nowhere")
    # trigger_config is text to the provider and to the API: nobody else looks into it.
    events = re.search(r"(?m)^  events = \[(.*?)^  \]", text, re.S)
    if not events or re.findall(r'"(oss:[^"]*)"', events[1]) != CONTENT:
        wrong.append(f"terraform: local.events is not {', '.join(CONTENT)}")
    if "jsonencode({ events = local.events, filter = { key = { prefix = var.prefix, suffix = var.suffix } } })" not in text:
        wrong.append("terraform: trigger_config is not events beside filter.key with prefix and suffix")
    return count


# --- Serverless Devs ----------------------------------------------------------------------------------------------------------


def fits(value, schema, definitions, place):
    """The part of JSON Schema that the component uses; members that it does not name are mistakes, too."""
    if "$ref" in schema:
        return fits(value, definitions[schema["$ref"].rsplit("/", 1)[1]], definitions, place)
    kind = schema.get("type")
    types = {"object": dict, "array": list, "string": str, "number": (int, float), "boolean": bool}
    if kind and not isinstance(value, types[kind]):
        wrong.append(f"{place}: expected {kind}")
        return
    if "enum" in schema and value not in schema["enum"]:
        wrong.append(f"{place}: '{value}' is none of {schema['enum']}")
    for limit, bad in (("minimum", lambda a, b: a < b), ("maximum", lambda a, b: a > b)):
        if limit in schema and bad(value, schema[limit]):
            wrong.append(f"{place}: {limit} {schema[limit]}")
    if kind == "object":
        for name in schema.get("required", []):
            if name not in value:
                wrong.append(f"{place}: {name} is missing")
        for name, part in value.items():
            if name not in schema["properties"]:
                wrong.append(f"{place}: there is no {name}")
            elif "anyOf" not in schema["properties"][name]:
                fits(part, schema["properties"][name], definitions, f"{place}.{name}")
    elif kind == "array":
        for at, part in enumerate(value):
            fits(part, schema["items"], definitions, f"{place}[{at}]")


def serverless():
    schema = load("serverless.json")
    with open(os.path.join(FOLDER, "s.yaml")) as file:
        relay = yaml.safe_load(file)["resources"]["relay"]
    props = relay["props"]
    definitions = schema["definitions"]
    wrong.extend(f"s.yaml: there is no {name}" for name in props if name not in schema["properties"])
    wrong.extend(f"s.yaml: {name} is missing" for name in schema["required"] if name not in props)
    for name, of in (("runtime", "IRuntime"), ("customRuntimeConfig", "ICustomRuntimeConfig"), ("logConfig", "ILogConfig"), ("asyncInvokeConfig", "IAsyncInvokeConfig")):
        fits(props[name], definitions[of], definitions, f"s.yaml: {name}")
    for trigger in props["triggers"]:
        fits(trigger, definitions["ITrigger"], definitions, "s.yaml: triggers")
        fits(trigger["triggerConfig"], definitions["IOssTriggerConfig"], definitions, "s.yaml: triggerConfig")
        if trigger["triggerConfig"]["events"] != CONTENT[:5]:
            wrong.append("s.yaml: its events are not those that announce content")
        # What the schema does not know is set afterwards, by a call that says the whole.
        calls = [step["run"] for step in relay["actions"]["post-deploy"] if f"/triggers/{trigger['triggerName']} " in step["run"]]
        set_later = [json.loads(json.loads(call.split("--body ")[1].strip("'"))["triggerConfig"]) for call in calls]
        if set_later != [{"events": CONTENT, "filter": trigger["triggerConfig"]["filter"]}]:
            wrong.append("s.yaml: post-deploy does not set all events that announce content, with the filter of the trigger")
    # The same function as that of deploy.sh: each member of the API's model, whatever its value.
    model = load("models.json")["bodies"]["CreateFunctionInput"]
    wrong.extend(f"s.yaml: CreateFunctionInput has no {name}" for name in props if name not in model and name not in ("region", "asyncInvokeConfig", "triggers"))
    return len(props)


def main():
    count, props = terraform(), serverless()
    with open(os.path.join(FOLDER, "deploy.sh")) as file:
        script = file.read()
    # Variables put together: the script's list is in two lines.
    listed = ",".join(re.findall(r"^events=(?:\$events,)?(Object\S*)$", script, re.M)).split(",")
    if [f"oss:{name}" for name in listed] != CONTENT:
        wrong.append("deploy.sh: its events are not those that announce content")
    compared = "the SDKs are not there to compare models.json with"
    if len(sys.argv) > 1:
        fresh = facts.models(sys.argv[1])
        if fresh != load("models.json"):
            wrong.append("models.json is not what the SDKs say; 'facts.py models' writes it anew")
        compared = "models.json is what " + ", ".join(f"{name} {version}" for name, version in sorted(fresh["versions"].items())) + " say"
    for sentence in wrong:
        print(f"alibaba: {sentence}", file=sys.stderr)
    print(f"alibaba: {count} resources of Terraform, {props} properties of s.yaml, {len(wrong)} mistakes; {compared}")
    sys.exit(1 if wrong or not count else 0)


if __name__ == "__main__":
    main()
