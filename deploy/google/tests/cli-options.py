#!/usr/bin/env python3
"""Writes down what the real gcloud takes, for the commands the scripts and the guide use.

Needs Google's command line and neither an account nor a network (see `make gcloud-options`). Options, choices and words without
a name come from its own tree of commands. The result is committed as cli-options.json, so that the ordinary tests, which have
no gcloud, compare the scripts with it.
"""

import json
import os
import shutil
import sys
import tempfile

COMMANDS = """
artifacts repositories create
auth configure-docker
iam service-accounts add-iam-policy-binding
iam service-accounts create
iam service-accounts delete
iam service-accounts describe
logging read
alpha monitoring policies create
alpha monitoring policies delete
alpha monitoring policies list
alpha monitoring policies update
projects describe
pubsub subscriptions add-iam-policy-binding
pubsub subscriptions create
pubsub subscriptions delete
pubsub subscriptions describe
pubsub subscriptions modify-push-config
pubsub subscriptions pull
pubsub subscriptions update
pubsub topics add-iam-policy-binding
pubsub topics create
pubsub topics delete
pubsub topics describe
pubsub topics publish
run deploy
run services delete
run services describe
secrets add-iam-policy-binding
secrets create
secrets delete
secrets describe
secrets versions access
secrets versions add
secrets versions describe
services enable
storage buckets describe
storage buckets notifications create
storage buckets notifications delete
storage buckets notifications list
storage cp
storage rm
storage service-agent
alpha monitoring channels create
iam roles create
projects add-iam-policy-binding
""".strip().splitlines()

# Options that may stand after any command.
GLOBAL = ["--project", "--format", "--quiet"]


def about(argument):
    found = {}
    if argument.nargs == 0:
        found["flag"] = True
    choices = getattr(argument, "choices", None)
    if choices:
        found["choices"] = sorted(str(choice) for choice in choices)
    return found


def several(argument):
    """How many words without a name, at least and at most."""
    return {None: (1, 1), "?": (0, 1), "*": (0, 99), "+": (1, 99)}.get(argument.nargs, (1, 1))


def main():
    os.environ["CLOUDSDK_CONFIG"] = tempfile.mkdtemp(prefix="gcloud.")
    gcloud = shutil.which("gcloud") or sys.exit("gcloud is not installed")
    sdk = os.path.dirname(os.path.dirname(os.path.realpath(gcloud)))
    sys.path[:0] = [os.path.join(sdk, "lib"), os.path.join(sdk, "lib", "third_party")]
    from googlecloudsdk import gcloud_main
    from googlecloudsdk.core import config

    top = gcloud_main.CreateCLI([]).top_element
    commands = {}
    for name in sorted(COMMANDS):
        element, options = top, {}
        for part in name.split():
            element = element.LoadSubElement(part) or sys.exit(f"gcloud has no {name}")
            # What a group takes, its commands take, too.
            for argument in element.ai.flag_args:
                for option in argument.option_strings:
                    if option.startswith("--"):
                        options[option] = about(argument)
        limits = [several(argument) for argument in element.ai.positional_args]
        commands[name] = {"options": dict(sorted(options.items())), "positional": [sum(least for least, _ in limits), sum(most for _, most in limits)]}
    result = {"gcloud": config.CLOUD_SDK_VERSION, "global": GLOBAL, "commands": commands}
    target = os.path.join(os.path.dirname(os.path.abspath(__file__)), "cli-options.json")
    with open(target, "w") as out:
        json.dump(result, out, indent=1, sort_keys=True)
        out.write("\n")
    print(f"{target}: {len(commands)} commands of gcloud {config.CLOUD_SDK_VERSION}", file=sys.stderr)


if __name__ == "__main__":
    main()
