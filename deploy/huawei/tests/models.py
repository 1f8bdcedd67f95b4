#!/usr/bin/env python3
"""Writes down what Huawei Cloud's APIs take, for the operations that the scripts and the guide call.

    models.py SITE [TARGET]

SITE is a folder with the SDKs of .ci/huawei unpacked (PyPI: huaweicloudsdk…). They are read as text and never run. KooCLI has the same
operations and the same names, because both are made of one description; KooCLI itself is not on a package registry. The result is
committed as models.json, which the recording stand-in of KooCLI and the tests read; `make huawei-check` compares it with the SDKs.
"""

import glob
import json
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))

# Service as KooCLI spells it, the SDK's package and version, and the operations.
SERVICES = {
    "FunctionGraph": (
        "functiongraph",
        "v2",
        """AsyncInvokeFunction CreateFunction DeleteFunction InvokeFunction ListActiveAsyncInvocations ListFunctions
        ShowFunctionAsyncInvokeConfig ShowFunctionConfig UpdateFunctionAsyncInvokeConfig UpdateFunctionCode UpdateFunctionConfig
        UpdateFunctionMaxInstanceConfig""",
    ),
    "EG": ("eg", "v1", "CreateSubscription DeleteSubscription ListChannels ListSubscriptions UpdateSubscription"),
    "LTS": (
        "lts",
        "v2",
        """CreateKeywordsAlarmRule CreateLogGroup CreateLogStream DeleteKeywordsAlarmRule DeleteLogGroup ListKeywordsAlarmRules
        ListLogGroups ListLogs ListLogStream""",
    ),
    "CES": ("ces", "v2", "BatchDeleteAlarmRules CreateAlarmRules ListAlarmRules"),
    "IAM": (
        "iam",
        "v3",
        """AssociateAgencyWithDomainPermission CreateAgency CreateCloudServiceCustomPolicy KeystoneAssociateGroupWithDomainPermission
        KeystoneAssociateGroupWithProjectPermission KeystoneListGroups KeystoneListProjects""",
    ),
    "SMN": ("smn", "v2", "AddSubscription CreateTopic"),
}

# What the models leave open: a JSON object, or a text of JSON. Names from the SDK's own remarks and from terraform-provider-huaweicloud,
# docs/resources/eg_event_subscription.md, eg_event_subscription_target.md and fgs_async_invoke_configuration.md.
OPEN = {
    "SubscriptionSource.detail": {"bucket": "str", "objectKeyEncode": "bool"},
    "SubscriptionSource.filter": {"source": "list[FilterRule]", "type": "list[FilterRule]", "subject": "object", "data": "object"},
    "SubscriptionTarget.detail": {"urn": "str", "invoke_type": "str", "agency_name": "str", "url": "str"},
    "FuncDestinationConfig.param": {"bucket": "str", "prefix": "str", "expires": "int", "topic_urn": "str", "stream_name": "str", "func_urn": "str"},
}
EXTRA = {"FilterRule": {"members": {"op": "str", "values": "list[str]"}, "required": ["op", "values"]}}


def snake(name):
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


class Sdk:
    def __init__(self, site, package, version):
        self.folder = os.path.join(site, f"huaweicloudsdk{package}", version)
        (client,) = [f for f in glob.glob(os.path.join(self.folder, "*_client.py")) if "async" not in f]
        with open(client) as file:
            self.client = file.read()
        # File names do not follow from the classes' names, so all are read.
        self.classes = {}
        for path in glob.glob(os.path.join(self.folder, "model", "*.py")):
            with open(path) as file:
                text = file.read()
            for name in re.findall(r"^class (\w+)", text, re.M):
                self.classes[name] = text

    def model(self, name):
        """Members by their names in JSON, and which of them must be there; None for what is no object, as an enumeration."""
        text = self.classes[name]
        types = dict(re.findall(r"'(\w+)': '([^']*)'", re.search(r"openapi_types = \{(.*?)\}", text, re.S)[1]))
        names = dict(re.findall(r"'(\w+)': '([^']*)'", re.search(r"attribute_map = \{(.*?)\}", text, re.S)[1]))
        if not types:
            return None
        begin = text.split("self.discriminator = None")[1].split("def ")[0]
        # What may be missing is set behind a question; what must be there is not.
        required = [n for n in types if re.search(rf"^ {{8}}self\.{n} = ", begin, re.M)]
        return {"members": {names[n]: t for n, t in types.items()}, "required": sorted(names[n] for n in required)}

    def operation(self, name):
        about = re.search(rf"def _{snake(name)}_http_info\(.*?(?=\n    def )", self.client, re.S)[0]
        request = self.model(f"{name}Request") or {"members": {}, "required": []}
        body = request["members"].pop("body", None)
        return {
            "body": body,
            "method": re.search(r'"method": "(\w+)"', about)[1],
            "path": re.search(r'"resource_path": "([^"]*)"', about)[1],
            "parameters": {n: n in request["required"] for n in request["members"]},
        }


def inner(type_name):
    return re.sub(r"(?:list\[|dict\(str, )", "", type_name).rstrip("])")


def main():
    site = sys.argv[1]
    target = sys.argv[2] if len(sys.argv) > 2 else os.path.join(HERE, "models.json")
    with open(glob.glob(os.path.join(site, "huaweicloudsdkfunctiongraph-*.dist-info", "METADATA"))[0]) as file:
        version = re.search(r"^Version: (.*)$", file.read(), re.M)[1]
    operations, models = {}, dict(EXTRA)
    for service, (package, sdk_version, names) in SERVICES.items():
        sdk = Sdk(site, package, sdk_version)
        for name in names.split():
            found = operations[f"{service} {name}"] = sdk.operation(name)
            # Every API of a project has it in its path; SDKs fill it in, KooCLI takes it as a parameter or from its profile.
            if "{project_id}" in found["path"]:
                found["parameters"].setdefault("project_id", False)
            wanted = [found["body"]] if found["body"] else []
            while wanted:
                kind = inner(wanted.pop())
                if kind in models or kind not in sdk.classes:
                    continue
                models[kind] = sdk.model(kind)
                if models[kind]:
                    wanted += models[kind]["members"].values()
    # An enumeration is a text.
    result = {"sdk": version, "operations": operations, "models": {n: m for n, m in models.items() if m}, "open": OPEN}
    with open(target, "w") as out:
        json.dump(result, out, indent=1, sort_keys=True, ensure_ascii=False)
        out.write("\n")
    print(f"{target}: {len(operations)} operations of the SDKs {version}", file=sys.stderr)


if __name__ == "__main__":
    main()
