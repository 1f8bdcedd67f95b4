#!/usr/bin/env python3
"""Puts the function app's zip together: pack.py BINARY ZIP.

At the top are host.json, a folder for each function and the binary, named as host.json names it and executable: the host does not
set that bit, and a worker without it does not start (Azure/functions-action#81, Azure/azure-functions-core-tools#2510). Always the
same date and order, so that the same binary is the same zip.
"""

import json
import pathlib
import sys
import zipfile


def main():
    binary, target = sys.argv[1:]
    function = pathlib.Path(__file__).resolve().parent / "function"
    host = json.loads((function / "host.json").read_text())
    name = host["customHandler"]["description"]["defaultExecutablePath"]
    files = [(path.relative_to(function).as_posix(), path, 0o644) for path in sorted(function.rglob("*.json"))]
    files.append((name, pathlib.Path(binary), 0o755))
    with zipfile.ZipFile(target, "w") as out:
        for inside, path, mode in files:
            entry = zipfile.ZipInfo(inside, (1980, 1, 1, 0, 0, 0))
            entry.create_system, entry.external_attr, entry.compress_type = 3, (0o100000 | mode) << 16, zipfile.ZIP_DEFLATED
            out.writestr(entry, path.read_bytes())
    print(f"{target}: {pathlib.Path(target).stat().st_size} bytes")


if __name__ == "__main__":
    main()
