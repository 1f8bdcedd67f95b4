#!/usr/bin/env python3
"""Writes down what the calls of the scripts and of the guide take, by tccli's own tables.

    pip install tccli; shapes.py

The result is committed as shapes.json, so that the ordinary tests need no such thing. tccli drops names in a file of arguments
that it does not know without a word, and Tencent refuses some others only at run time; so the stand-in refuses what is not here.
"""

import json
import os
import sys

import tccli
from tccli.plugins import cos

HERE = os.path.dirname(os.path.abspath(__file__))
ACTIONS = {
    "cam": ["AttachUserPolicy", "CreatePolicy"],
    "cls": [
        "CreateAlarm", "CreateAlarmNotice", "CreateIndex", "CreateLogset", "CreateTopic", "DeleteAlarm", "DeleteLogset", "DeleteTopic",
        "DescribeAlarms", "DescribeIndex", "DescribeLogsets", "DescribeTopics", "ModifyAlarm", "ModifyIndex", "ModifyTopic", "SearchLog",
    ],
    "scf": [
        "CreateFunction", "CreateTrigger", "DeleteFunction", "DeleteTrigger", "GetAccount", "GetFunction", "GetFunctionEventInvokeConfig", "GetReservedConcurrencyConfig",
        "InvokeFunction", "ListTriggers", "PutReservedConcurrencyConfig", "UpdateFunctionCode", "UpdateFunctionConfiguration",
        "UpdateFunctionEventInvokeConfig",
    ],
    "sts": ["GetCallerIdentity"],
    "tdmq": ["CreateCmqQueue", "DeleteCmqQueue", "DescribeCmqQueueDetail", "DescribeCmqQueues", "ModifyCmqQueueAttribute"],
}
BASE = {"int64": "Integer", "uint64": "Integer", "float": "Float", "bool": "Boolean"}


def members(objects, name, seen=()):
    """What an object has, each with its kind; an object in itself is left open."""
    found = {}
    for member in objects[name]["members"]:
        about = {"required": True} if member.get("required") else {}
        of = member["member"]
        if of in objects and of not in seen:
            about["members"] = members(objects, of, (*seen, of))
        about["type"] = "Array" if member["type"] == "list" else "Object" if of in objects else BASE.get(of, "String")
        if about["type"] == "Array":
            about["of"] = "Object" if of in objects else BASE.get(of, "String")
        found[member["name"]] = about
    return found


def main():
    folder = os.path.join(os.path.dirname(tccli.__file__), "services")
    result = {"tccli": tccli.__version__, "actions": {}}
    for service, actions in ACTIONS.items():
        newest = max(name for name in os.listdir(os.path.join(folder, service)) if name.startswith("v2"))
        with open(os.path.join(folder, service, newest, "api.json"), encoding="utf-8") as file:
            api = json.load(file)
        for action in actions:
            result["actions"][f"{service} {action}"] = members(api["objects"], api["actions"][action]["input"])
    for action in ("upload", "delete"):
        options = cos._spec["objects"][cos._spec["actions"][action]["input"]]["members"]
        result["actions"][f"cos {action}"] = {
            option["name"]: {"type": BASE.get(option["type"], "String"), **({"required": True} if option["required"] else {})} for option in options
        }
    target = os.path.join(HERE, "shapes.json")
    with open(target, "w") as out:
        json.dump(result, out, indent=1, sort_keys=True)
        out.write("\n")
    print(f"{target}: {len(result['actions'])} calls", file=sys.stderr)


if __name__ == "__main__":
    main()
