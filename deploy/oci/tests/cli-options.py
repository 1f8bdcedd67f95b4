#!/usr/bin/env python3
"""Writes down what the real OCI CLI understands, for the commands the scripts use.

Runs inside a virtual environment that holds `oci-cli` (see `make oci-cli-options`); needs no account and no network.
Options, choices and what is required come from the CLI's own command tree, the JSON from its own
`--generate-full-command-json-input`. The result is committed as cli-options.json, so that the ordinary tests, which
have no CLI, compare the scripts with it.
"""

import json
import os
import subprocess
import sys
import tempfile

# The tree is loaded by the words of a command line, as the CLI itself does it.
COMMANDS = [line.split() for line in """
events rule create
events rule delete
events rule list
events rule update
fn application create
fn application delete
fn application list
fn function create container-function
fn function delete
fn function get
fn function invoke
fn function list
fn function update container-function
fn work-request get
fn work-request-error list
iam policy create
iam policy delete
iam policy list
logging log create
logging log delete
logging log list
logging log-group create
logging log-group delete
logging log-group list
logging-search search-logs
monitoring alarm create
ons subscription create
ons topic create
os bucket get
os bucket update
os object delete
os object put
sch service-connector create
streaming admin stream create
""".strip().splitlines()]

# Options of `oci` itself that may stand after any command.
GLOBAL = ["--query", "--raw-output", "--output", "--region", "--profile", "--auth"]


def options(command):
    from oci_cli import cli as whole  # noqa: F401  (adds the commands that are no service)
    from oci_cli import dynamic_loader
    from oci_cli.cli_root import cli

    import click

    dynamic_loader.load_service_from_command(["oci", *command])
    here = cli
    for word in command:
        here = here.get_command(click.Context(here), word)
        if here is None:
            sys.exit(f"the OCI CLI has no {' '.join(command)}")
    if hasattr(here, "commands"):
        sys.exit(f"{' '.join(command)} is a group: {sorted(here.commands)}")
    found = {}
    for parameter in here.params:
        about = {}
        if parameter.required or "[required]" in (getattr(parameter, "help", None) or ""):
            about["required"] = True
        if getattr(parameter, "is_flag", False):
            about["flag"] = True
        if parameter.multiple:
            about["multiple"] = True
        choices = getattr(parameter.type, "choices", None)
        if choices:
            about["choices"] = list(choices)
        names = [name for name in parameter.opts if name.startswith("--")]
        for name in names:
            others = [other for other in names if other != name]
            found[name] = {**about, "also": others} if others else about
    return dict(sorted(found.items()))


def skeleton(command):
    answer = subprocess.run(
        ["oci", *command, "--generate-full-command-json-input"],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "OCI_CLI_SUPPRESS_FILE_PERMISSIONS_WARNING": "True"},
    )
    if answer.returncode != 0:
        sys.exit(f"{' '.join(command)}: {answer.stderr}")
    return json.loads(answer.stdout)


def main():
    version = subprocess.run(["oci", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    commands = {}
    for command in COMMANDS:
        print(" ".join(command), file=sys.stderr)
        # A process each: two services' trees do not always live together in one.
        own = subprocess.run(
            [sys.executable, __file__, "--one", *command], capture_output=True, text=True
        )
        if own.returncode != 0:
            sys.exit(own.stderr)
        entry = {"options": json.loads(own.stdout)}
        # `os` asks the service for the namespace first, even here; its commands take no JSON that we use.
        if command[0] != "os" and command[-1] in ("create", "update", "container-function"):
            entry["json"] = skeleton(command)
        commands[" ".join(command)] = entry
    result = {"oci-cli": version, "global": GLOBAL, "commands": commands}
    target = os.path.join(os.path.dirname(os.path.abspath(__file__)), "cli-options.json")
    with tempfile.NamedTemporaryFile("w", dir=os.path.dirname(target), delete=False) as out:
        json.dump(result, out, indent=1, sort_keys=True)
        out.write("\n")
    os.chmod(out.name, 0o644)
    os.replace(out.name, target)
    print(f"{target}: {len(commands)} commands of oci-cli {version}", file=sys.stderr)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        json.dump(options(sys.argv[2:]), sys.stdout)
    else:
        main()
