#!/usr/bin/env python3
"""Writes down what the real wrangler takes, for the commands the scripts use, from its own `--help`.

Runs with `wrangler` on PATH (npm; no account is needed). The result is committed as cli-options.json, so that the ordinary
tests, which have no wrangler, compare the scripts with it.
"""

import json
import os
import re
import subprocess
import sys

COMMANDS = """
delete
deploy
queues create
queues delete
queues info
queues update
r2 bucket info
r2 bucket notification create
r2 bucket notification delete
r2 bucket notification list
r2 object delete
r2 object put
secret bulk
secret list
tail
""".strip().splitlines()


def wrangler(*words):
    env = {**os.environ, "NO_COLOR": "1", "WRANGLER_SEND_METRICS": "false", "COLUMNS": "400"}
    done = subprocess.run(["wrangler", *words], capture_output=True, text=True, stdin=subprocess.DEVNULL, env=env, check=True)
    return re.sub(r"\x1b\[[0-9;]*m", "", done.stdout)


def main():
    commands = {}
    for command in COMMANDS:
        text = wrangler(*command.split(), "--help")
        if f"wrangler {command}" not in text.splitlines()[0]:
            sys.exit(f"wrangler has no {command}: {text[:200]}")
        # "wrangler queues create <name>": what stands there without a name of its own.
        first = text.splitlines()[0]
        least = len(re.findall(r"<\w+>", first))
        about = {"positional": [least, least + len(re.findall(r"\[\w+\]", first))]}
        options = {}
        for line in text.splitlines():
            found = re.match(r"\s+((?:-\w, *)?--[\w-]+(?:, --?[\w-]+)*)\s\s", line)
            if not found:
                continue
            names = [name for name in re.split(", *", found[1].strip()) if name.startswith("--")]
            option = {}
            if "[boolean]" in line:
                option["flag"] = True
            if "[required]" in line:
                option["required"] = True
            if "[array]" in line:
                option["several"] = True
            choices = re.search(r"\[choices: ([^\]]*)\]", line)
            if choices:
                option["choices"] = re.findall('"([^"]*)"', choices[1])
            for name in names:
                options[name] = {**option, "also": [other for other in names if other != name]} if len(names) > 1 else option
        commands[command] = {**about, "options": options}
    result = {"wrangler": wrangler("--version").strip().splitlines()[-1], "global": [], "commands": commands}
    target = os.path.join(os.path.dirname(os.path.abspath(__file__)), "cli-options.json")
    with open(target, "w") as out:
        json.dump(result, out, indent=1, sort_keys=True)
        out.write("\n")
    print(f"{target}: {len(commands)} commands of wrangler {result['wrangler']}", file=sys.stderr)


if __name__ == "__main__":
    main()
