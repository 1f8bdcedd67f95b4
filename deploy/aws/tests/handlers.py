#!/usr/bin/env python3
"""Writes down which permissions CloudFormation's handlers of the template's resource types name, as handlers.json.

CloudFormation makes resources with the rights of whoever deploys the stack. The schema of a resource type lists what its handlers call
("permissions" of "handlers", CloudFormation User Guide, "Resource type schema"). HashiCorp keeps the schemas of all types in
terraform-provider-awscc, internal/service/cloudformation/schemas.

    handlers.py AWSCC

AWSCC is a git directory of hashicorp/terraform-provider-awscc. It has no AWS::SQS::QueuePolicy; AWS::SQS::QueueInlinePolicy makes the
same calls. The result is committed, so that the ordinary tests need nothing.
"""

import json
import os
import subprocess
import sys

TYPES = """
CloudWatch_Alarm
Events_Rule
IAM_Role
Lambda_EventSourceMapping
Lambda_Function
Logs_LogGroup
Logs_MetricFilter
SQS_Queue
SQS_QueueInlinePolicy
""".split()


def git(*words):
    return subprocess.run(["git", "-C", sys.argv[1], *words], capture_output=True, text=True, check=True).stdout


def main():
    handlers = {}
    for name in TYPES:
        schema = json.loads(git("show", f"HEAD:internal/service/cloudformation/schemas/AWS_{name}.json"))
        used = (schema["handlers"][what]["permissions"] for what in ("create", "read", "update", "delete"))
        handlers[schema["typeName"]] = sorted({permission for permissions in used for permission in permissions})
    target = os.path.join(os.path.dirname(os.path.abspath(__file__)), "handlers.json")
    with open(target, "w") as out:
        json.dump({"terraform-provider-awscc": git("rev-parse", "HEAD").strip(), "handlers": handlers}, out, indent=1, sort_keys=True)
        out.write("\n")
    print(f"{target}: {len(handlers)} types", file=sys.stderr)


if __name__ == "__main__":
    main()
