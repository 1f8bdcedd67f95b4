#!/usr/bin/env python3
"""Reads the templates and Terraform of this folder and holds them to what Azure takes, and to each other.

Runs where pycep-parser and python-hcl2 are (see .ci/azure). No compiler of Bicep and no provider of Terraform is needed: what they
know of types, members and arguments is in schemas.json, an extract of Azure/bicep-types-az and of the provider's documentation.
"""

import json
import pathlib
import re
import sys

import hcl2
import pycep

HERE = pathlib.Path(__file__).resolve().parent
FOLDER = HERE.parent

# "Azure built-in roles": learn.microsoft.com/azure/role-based-access-control/built-in-roles.
ROLES = {
    "Key Vault Secrets User": "4633458b-17de-408a-b874-0445c86b69e6",
    "Monitoring Metrics Publisher": "3913510d-42f4-4e42-8a64-420c390055eb",
    "Storage Blob Data Contributor": "ba92f5b4-2d11-453d-a403-e96b0029c9fe",
    "Storage Blob Data Owner": "b7e6dc6d-f1e8-4753-8033-0f276bb0955b",
    "Storage Queue Data Contributor": "974c5e8b-45b9-4653-ba55-5f855dd0fb88",
    "Storage Queue Data Message Sender": "c6a89b2d-59bc-44d0-9896-0f6e12d7b80a",
    "Storage Table Data Contributor": "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3",
}
# Of whoever runs Terraform, and of nobody in Bicep: see main.tf.
OF_THE_DEPLOYER = {"Key Vault Secrets Officer"}

mistakes = []


def must(condition, sentence):
    if not condition:
        mistakes.append(sentence)


# --- one value against the shape of its type -------------------------------------------------------------------------------


def held(value):
    """What an expression may come out as, as far as it is written out: both sides of a condition."""
    if not isinstance(value, dict) or set(value) - {"operator", "function"}:
        yield value
        return
    for one in value.values():
        operands = one.get("operands", {})
        for name, operand in operands.items():
            if name in ("true_value", "false_value"):
                if operand is not None:
                    yield from held(operand)
            elif isinstance(operand, dict):
                yield from (found for found in held(operand) if isinstance(found, (dict, list)))


def fits(value, schema, place, names):
    if schema is None or value is None:
        return
    for one in held(value):
        if isinstance(one, dict) and isinstance(schema, dict):
            one = {name.strip("'"): inner for name, inner in one.items()}  # the parser keeps the quotes of a name
            if "by" in schema:
                kind = one.get(schema["by"])
                must(kind in schema["of"], f"{place}: {schema['by']} is {kind!r}, expected one of {sorted(schema['of'])}")
                fits(one, {**schema["base"], **{schema["by"]: None}, **{n.lstrip("!"): s for n, s in (schema["of"].get(kind) or {}).items()}}, place, names)
                continue
            members = {name.lstrip("!"): inner for name, inner in schema.items()}
            for name, inner in one.items():
                must(name in members, f"{place}: there is no member {name}, only {sorted(members)}")
                fits(inner, members.get(name), f"{place}.{name}", names)
            for name in schema:
                must(not name.startswith("!") or name[1:] in one, f"{place}: {name[1:]} is missing")
        elif isinstance(one, list) and isinstance(schema, list) and schema[:1] != ["one of"]:
            for at, inner in enumerate(one):
                fits(inner, schema[0], f"{place}[{at}]", names)
        elif isinstance(one, str) and isinstance(schema, list) and schema[:1] == ["one of"]:
            # The parser does not say whether a word was a text or a name.
            must(one in schema[1:] or one in names, f"{place}: {one!r}, expected one of {schema[1:]}")


# --- Bicep -------------------------------------------------------------------------------------------------------------


def of_resource(config):
    while "config" in config and ("loop_type" in config or "condition" in config):
        config = config["config"]
    return config


def bicep(types):
    files = {path.name: pycep.BicepParser().parse(file_path=path) for path in sorted(FOLDER.glob("*.bicep"))}
    must(len(files) == 3, f"templates: {sorted(files)}")
    for file, parsed in files.items():
        names = set(parsed.get("parameters", {})) | set(parsed.get("variables", {})) | {"alarm"}
        for name, resource in parsed["resources"].items():
            place = f"{file}: {name}"
            kind = f"{resource['type']}@{resource['api_version']}"
            must(kind in types, f"{place}: no type {kind} in schemas.json; 'schemas.py' looks it up")
            config = of_resource(resource["config"])
            config = {member: value for member, value in config.items() if member not in ("parent", "scope", "dependsOn")}
            schema = types.get(kind)
            if resource["existing"] and schema:
                schema = {member.lstrip("!"): inner for member, inner in schema.items()}
            fits(config, schema, place, names)
        for called in parsed.get("modules", {}).values():
            takes = files[called["detail"]["path"]]["parameters"]
            must(set(called["config"]["params"]) == set(takes), f"{file}: module {called['detail']['path']} takes {sorted(takes)}")
    return files


def camel(name):
    first, *rest = name.split()
    return first.lower() + "".join(rest)


# --- Terraform -----------------------------------------------------------------------------------------------------------


def plain(value):
    """Texts without the quotes that the parser keeps, without its own marks."""
    if isinstance(value, str):
        return json.loads(value) if value.startswith('"') and value.endswith('"') and "${" not in value else value
    if isinstance(value, list):
        return [plain(one) for one in value]
    if isinstance(value, dict):
        return {plain(name): plain(inner) for name, inner in value.items() if not name.startswith("__")}
    return value


# Of the language itself.
META = {"count", "for_each", "depends_on", "lifecycle", "provider", "dynamic"}


def arguments(block, name, schema, place):
    """Only names that the page has for this block; and a block's blocks likewise."""
    known = {argument.lstrip("!") for argument in schema.get(name, [])}
    given = {argument for argument in block if argument not in META}
    inner = [(argument, one) for argument in given for one in (block[argument] if isinstance(block[argument], list) else []) if isinstance(one, dict)]
    for dynamic in block.get("dynamic", []):
        for argument, about in dynamic.items():
            given.add(argument)
            inner.append((argument, about["content"][0]))
    must(given <= known, f"{place}: no arguments {sorted(given - known)}, only {sorted(known)}")
    missing = {argument[1:] for argument in schema.get(name, []) if argument.startswith("!")} - given
    must(not missing or name != "", f"{place}: {sorted(missing)} missing")
    for argument, one in inner:
        # The filters of an advanced_filter are blocks of one shape, whose members the page lists below it.
        if name == "advanced_filter":
            must(set(one) <= {"key", "value", "values"}, f"{place}.{argument}: {sorted(one)}")
        else:
            arguments(one, argument, schema, f"{place}.{argument}")


def terraform(schemas, types):
    files = {}
    for path in sorted((FOLDER / "terraform").glob("*.tf")):
        files[path.name] = plain(hcl2.loads(path.read_text()))
    main = files["main.tf"]
    found = {}
    for group, prefix in (("resource", ""), ("data", "data.")):
        for entry in main[group]:
            for kind, named in entry.items():
                for name, block in named.items():
                    place = f"main.tf: {kind}.{name}"
                    found.setdefault(kind, {})[name] = block
                    if kind.startswith("azurerm_"):
                        must(prefix + kind in schemas, f"{place}: not in schemas.json; 'schemas.py' looks it up")
                        arguments(block, "", schemas.get(prefix + kind, {}), place)
                    elif kind == "azapi_resource":
                        must(block["type"] in types, f"{place}: {block['type']}")
                        schema = {member.lstrip("!"): inner for member, inner in types[block["type"]].items()}
                        fits(block["body"], schema, place, {text for text in re.findall(r"\$\{[^}]*\}", json.dumps(block))})
                    else:
                        must(False, f"{place}: a resource that nobody checks")
    used = set(re.findall(r"\bvar\.(\w+)", (FOLDER / "terraform/main.tf").read_text()))
    declared = {name for entry in files["variables.tf"]["variable"] for name in entry}
    must(used == declared, f"variables.tf: used {sorted(used)}, declared {sorted(declared)}")
    return found, main


# --- what both say, and what the function says ------------------------------------------------------------------------------


def together(templates, resources, main):
    relay, events, rights = templates["relay.bicep"], templates["events.bicep"], templates["rights.bicep"]
    roles = {**relay["variables"]["roles"]["value"], **rights["variables"]["roles"]["value"]}
    for name, guid in roles.items():
        must({camel(role): its for role, its in ROLES.items()}.get(name) == guid, f"role {name}: {guid} is not its id")
    theirs = {block["role_definition_name"] for block in resources["azurerm_role_assignment"].values()} - OF_THE_DEPLOYER
    must({camel(role) for role in theirs} == set(roles), f"roles: Bicep {sorted(roles)}, Terraform {sorted(theirs)}")
    must(set(ROLES) == theirs, f"roles: {sorted(theirs)}, not {sorted(ROLES)}")

    app = of_resource(relay["resources"]["app"]["config"])["properties"]
    other = resources["azapi_resource"]["app"]["body"]["properties"]
    must(set(app) == set(other), f"app: Bicep {sorted(app)}, Terraform {sorted(other)}")
    for member in ("runtime", "scaleAndConcurrency"):
        must(app["functionAppConfig"][member] == other["functionAppConfig"][member], f"app: {member} differs")
    settings = [{one["name"] for one in config["siteConfig"]["appSettings"]} for config in (app, other)]
    must(settings[0] - settings[1] == {"DEPLOYED_AT"} and not settings[1] - settings[0], f"app settings differ: {settings[0] ^ settings[1]}")

    def alarms(texts):
        return {re.sub(r"\\", "", text) for text in texts}

    log = [alarms(one["query"] for one in relay["variables"]["alarms"]["value"]), alarms(one["query"] for one in main["locals"][1]["log_alarms"].values())]
    must(log[0] == log[1], f"queries of alarms differ: {log[0] ^ log[1]}")
    metrics = {one["metric"] for one in events["variables"]["alarms"]["value"]}
    must(all(metric in main["locals"][1]["topic_alarms"] for metric in metrics), f"metrics of alarms differ: {metrics}")

    bicep_one = of_resource(events["resources"]["subscription"]["config"])["properties"]
    text = json.dumps(bicep_one)
    tf = resources["azurerm_eventgrid_system_topic_event_subscription"]["relay"]
    filters = bicep_one["filter"]
    must(filters["includedEventTypes"] == tf["included_event_types"], "event types differ")
    must(filters["subjectBeginsWith"] == tf["subject_filter"][0]["subject_begins_with"], "subject prefixes differ")
    not_in = next(one["values"] for one in filters["advancedFilters"] if one["operatorType"] == "StringNotIn")
    must(not_in == tf["advanced_filter"][0]["string_not_in"][0]["values"] == ["CreateFile", "SftpCreate", "SftpWrite"], "values of data.api differ")
    must(bicep_one["eventDeliverySchema"] == tf["event_delivery_schema"], "schemas of delivery differ")
    retry = bicep_one["retryPolicy"]
    must([retry["maxDeliveryAttempts"], retry["eventTimeToLiveInMinutes"]] == [30, 1440], "the retry policy is not the longest there is")
    must(tf["retry_policy"] == [{"max_delivery_attempts": 30, "event_time_to_live": 1440}], "retry policies differ")
    must('"queueMessageTimeToLiveInSeconds": {"operator": {"type": "minus"' in text, "messages of the queue expire")

    queue = relay["variables"]["queueName"]["value"]
    must(resources["azurerm_storage_queue"]["objects"]["name"] == queue, "queues differ")
    must(resources["azurerm_storage_container"]["dead_letters"]["name"] == relay["variables"]["deadLetterContainer"]["value"], "containers differ")
    must(queue in text and relay["variables"]["deadLetterContainer"]["value"] in text, "events.bicep names another queue or container")

    function = FOLDER / "function"
    host = json.loads((function / "host.json").read_text())
    trigger = json.loads((function / "ScanQueue/function.json").read_text())["bindings"][0]
    must(trigger["queueName"] == queue, f"ScanQueue reads {trigger['queueName']}")
    must(f"{trigger['connection']}__queueServiceUri" in settings[0], f"ScanQueue's connection is {trigger['connection']}")
    must(json.loads((function / "ScanEvent/function.json").read_text())["bindings"][0]["type"] == "eventGridTrigger", "ScanEvent is no trigger of Event Grid")
    must("ScanEvent" in text and "ScanEvent" in json.dumps(tf), "the direct way calls another function")
    # Every function whose connection is not set is switched off.
    for folder in sorted(path.parent for path in function.glob("*/function.json")):
        connection = json.loads((folder / "function.json").read_text())["bindings"][0].get("connection")
        known = connection is None or any(name.startswith(f"{connection}__") for name in settings[0])
        must(known or f"AzureWebJobs.{folder.name}.Disabled" in settings[0], f"{folder.name}: its connection {connection} is not set, and it is not disabled")
    pause = host["extensions"]["queues"]["visibilityTimeout"]
    must(pause == "00:05:00", f"host.json: {pause} between two tries; the scripts and the guide say five minutes")


def main():
    schemas = json.loads((HERE / "schemas.json").read_text())
    templates = bicep(schemas["types"])
    resources, parsed = terraform(schemas["terraform"], schemas["types"])
    together(templates, resources, parsed)
    if mistakes:
        sys.exit("\n".join(mistakes))
    print(f"deploy/azure: {len(templates)} templates, {sum(map(len, resources.values()))} resources of Terraform")


if __name__ == "__main__":
    main()
