#!/usr/bin/env python3
"""Writes down what the real Azure CLI takes, for the commands the scripts use.

Runs inside a virtual environment that holds `azure-cli` (see `make az-cli-options`); needs no account and no network.
Options, choices and what is required come from the CLI's own command table. The result is committed as cli-options.json,
so that the ordinary tests, which have no CLI, compare the scripts with it.
"""

import json
import os
import sys
import tempfile

COMMANDS = """
deployment group create
deployment group show
eventgrid system-topic delete
eventgrid system-topic event-subscription delete
eventgrid system-topic event-subscription list
eventgrid system-topic event-subscription show
eventgrid system-topic list
functionapp deployment source config-zip
functionapp function list
group create
group delete
group show
keyvault list-deleted
keyvault purge
monitor action-group create
monitor metrics alert delete
monitor metrics alert show
resource show
rest
role definition create
storage account show
storage blob delete
storage blob download
storage blob list
storage blob upload
storage container-rm show
storage message delete
storage message get
storage message put
""".strip().splitlines()

# What commands in the guides take besides.
GUIDES = """
account set
acr create
acr login
acr show
ad app create
ad app show
ad app update
ad signed-in-user show
ad sp create
containerapp create
containerapp env create
containerapp logs show
containerapp show
eventgrid event-subscription delete
eventgrid event-subscription list
eventgrid system-topic create
eventgrid system-topic event-subscription create
eventgrid system-topic update
functionapp config appsettings list
functionapp delete
identity create
identity show
keyvault create
keyvault secret set
keyvault show
login
role assignment create
storage blob download-batch
storage container-rm create
""".strip().splitlines()

# Options that may stand after any command.
GLOBAL = ["--query", "--output", "--subscription", "--only-show-errors"]


def options(command):
    found = {}
    for argument in command.arguments.values():
        settings = argument.type.settings
        about = {}
        if settings.get("required"):
            about["required"] = True
        # Newer commands are made from schemas and say "choices" by an enum of their own.
        choices = settings.get("choices")
        if choices:
            about["choices"] = sorted(str(choice) for choice in choices)
        if settings.get("action") in ("store_true", "store_false") or settings.get("nargs") == 0:
            about["flag"] = True
        if settings.get("nargs") in ("+", "*"):
            about["several"] = True
        if settings.get("nargs") == "?":
            about["value-optional"] = True
        names = [str(name) for name in settings.get("options_list") or () if str(name).startswith("--")]
        for name in names:
            others = [other for other in names if other != name]
            found[name] = {**about, "also": others} if others else about
    return dict(sorted(found.items()))


def main():
    os.environ["AZURE_CONFIG_DIR"] = tempfile.mkdtemp(prefix="az.")
    from azure.cli.core import __version__, get_default_cli
    from azure.cli.core.file_util import create_invoker_and_load_cmds_and_args

    cli = get_default_cli()
    create_invoker_and_load_cmds_and_args(cli)
    table = cli.invocation.commands_loader.command_table
    commands = {}
    for name in sorted(COMMANDS + GUIDES):
        if name not in table:
            sys.exit(f"the Azure CLI has no {name}")
        commands[name] = {"options": options(table[name])}
    result = {"azure-cli": __version__, "global": GLOBAL, "commands": commands}
    target = os.path.join(os.path.dirname(os.path.abspath(__file__)), "cli-options.json")
    with open(target, "w") as out:
        json.dump(result, out, indent=1, sort_keys=True)
        out.write("\n")
    print(f"{target}: {len(commands)} commands of azure-cli {__version__}", file=sys.stderr)


if __name__ == "__main__":
    main()
