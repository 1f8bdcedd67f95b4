"""The licence texts of everything that is linked into some binaries, each text once, with the names of those that have it.

Arguments: the target, the binaries' packages. Licences such as MIT ask that their text goes with the program.
"""

import json
import pathlib
import subprocess
import sys

target, *wanted = sys.argv[1:]
told = subprocess.run(
    ["cargo", "metadata", "--format-version", "1", "--locked", "--filter-platform", target],
    check=True, stdout=subprocess.PIPE,
)
metadata = json.loads(told.stdout)
packages = {package["id"]: package for package in metadata["packages"]}
nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}

linked, left = set(), [identifier for identifier, package in packages.items() if package["name"] in wanted and package["source"] is None]
while left:
    identifier = left.pop()
    if identifier in linked:
        continue
    linked.add(identifier)
    for dependency in nodes[identifier]["deps"]:
        if any(kind["kind"] is None for kind in dependency["dep_kinds"]):
            left.append(dependency["pkg"])

texts, without = {}, []
for package in sorted((packages[identifier] for identifier in linked), key=lambda package: (package["name"], package["version"])):
    if package["source"] is None:
        continue
    name = f"{package['name']} {package['version']} ({package['license'] or 'see its text'})"
    folder = pathlib.Path(package["manifest_path"]).parent
    files = sorted(f for f in folder.iterdir() if f.is_file() and f.name.upper().startswith(("LICENSE", "LICENCE", "COPYING", "NOTICE", "UNLICENSE")))
    if not files:
        without.append(name)
    for file in files:
        text = file.read_text(encoding="utf-8", errors="replace").replace("\r\n", "\n").strip()
        texts.setdefault(text, []).append(f"{name}: {file.name}")

for text, names in texts.items():
    print("=" * 100, *names, "-" * 100, text, "", sep="\n")
if without:
    print("=" * 100, "Without a text of their own; the licence is the one named:", *without, sep="\n")
