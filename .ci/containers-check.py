"""deploy/compose.yaml against its schema, and against the rest of this repository."""

import json
import os
import pathlib
import re
import subprocess
import sys
import zipfile

import jsonschema
import yaml

FILE = pathlib.Path("deploy/compose.yaml")
# What a user has to make. Everything else has a default.
NEEDED = {"RELAY_TOKEN", "MINIO_ROOT_PASSWORD"}
# Built here, or MinIO's own names on Docker Hub.
IMAGES = re.compile(r"(mdss-relay-http|mdss-sim):VERSION|minio/(minio|mc):RELEASE\.[0-9TZ-]+")

bad = 0


def check(right: bool, sentence: str) -> None:
    global bad
    if not right:
        bad += 1
        print(f"{FILE}: {sentence}", file=sys.stderr)


text = FILE.read_text()
needed = set(re.findall(r"\$\{(\w+):\?", text))
check(needed == NEEDED, f"asks for {needed}, expected {NEEDED}")
given = dict.fromkeys(NEEDED, "0123456789abcdef0123456789abcdef")
# As Compose interpolates: ${NAME}, ${NAME:-default}, ${NAME:?message}.
filled = re.sub(r"\$\{(\w+)(?::([-?])([^}]*))?\}", lambda m: given.get(m[1]) or (m[3] if m[2] == "-" else ""), text)
# A date is a text to Compose.
document = yaml.load(filled, yaml.BaseLoader)

with zipfile.ZipFile(next(pathlib.Path(sys.prefix).glob("docker_compose-*.whl"))) as wheel:
    schema = json.loads(wheel.read("compose/config/compose_spec.json"))
# Newer than that schema: `name` (spec.md, "Name top-level element").
schema["properties"].setdefault("name", {"type": "string"})
typed = yaml.safe_load(filled)
for error in jsonschema.Draft7Validator(schema).iter_errors(typed):
    check(False, f"{'.'.join(map(str, error.absolute_path))}: {error.message}")

version = re.search(r'\[workspace\.package\]\nversion = "(.+)"', pathlib.Path("Cargo.toml").read_text())[1]
services = document["services"]
for name, service in services.items():
    image = service["image"]
    check(bool(IMAGES.fullmatch(image.replace(version, "VERSION", 1) if "RELEASE" not in image else image)), f"{name}: image {image} is not one of ours at {version}, nor MinIO's")
    if "build" in service:
        file = FILE.parent / service["build"]["context"] / service["build"]["dockerfile"]
        check(pathlib.Path(os.path.normpath(file)).is_file(), f"{name}: there is no {file}")
    for port in service.get("ports", []):
        check(port.startswith("127.0.0.1:"), f"{name}: {port} is open to the network")
    for volume in service.get("volumes", []):
        check(volume.split(":")[0] in document["volumes"], f"{name}: volume {volume} is not declared")

# What MinIO posts to is what the relay has, and the bucket that it announces is one that a route names.
relay, minio = services["relay"]["environment"], services["minio"]["environment"]
check(minio["MINIO_NOTIFY_WEBHOOK_ENDPOINT_MDSS"] == "http://relay:8080/minio" and 'path = "/minio"' in relay["RELAY_CONFIG_TOML"], "MinIO posts elsewhere than where the relay takes events")
check(minio["MINIO_NOTIFY_WEBHOOK_AUTH_TOKEN_MDSS"] in relay["RELAY_CONFIG_TOML"], "MinIO has another token than the relay")
tool = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", "target")).resolve() / "debug/mdss-relay"


def sends(variables: dict[str, str], path: str, token: str, unit: str) -> None:
    """What MinIO posts at that path would be sent, with these settings."""
    if not tool.exists():
        print(f"containers: what the relay makes of {FILE} is not checked: there is no {tool}")
        return
    event = pathlib.Path("events/minio/overwrite.json").read_text()
    request = {"method": "POST", "path": path, "headers": {"authorization": f"Bearer {token}", "content-type": "application/json"}, "body": event}
    said = subprocess.run([tool, "explain", "-"], input=json.dumps(request), env=variables, capture_output=True, text=True)
    right = said.returncode == 0 and '"action":"send"' in said.stdout and unit in said.stdout
    check(right, f"the relay would not send an upload: {said.stdout}{said.stderr}")


sends(relay, "/minio", minio["MINIO_NOTIFY_WEBHOOK_AUTH_TOKEN_MDSS"], "00000000-0000-4000-8000-000000000002")

if bad:
    sys.exit(1)
print(f"containers: {len(services)} services of compose.yaml, as the schema wants them")
