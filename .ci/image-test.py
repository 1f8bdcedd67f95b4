"""Opens each image that `make image` made for this machine, unpacks it as an engine does, and runs it: as the user, with the variables and with
the command that the image names, and with nothing else in sight (chroot). Needs root.
"""

import hashlib
import json
import os
import pathlib
import re
import signal
import subprocess
import tarfile
import tempfile
import urllib.request

VERSION = re.search(r'\[workspace\.package\]\nversion = "(.+)"', pathlib.Path("Cargo.toml").read_text())[1]
ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine]
LIMIT = 20


def blob(archive: tarfile.TarFile, descriptor: dict) -> bytes:
    kind, digest = descriptor["digest"].split(":")
    content = archive.extractfile(f"blobs/{kind}/{digest}").read()
    assert hashlib.new(kind, content).hexdigest() == digest, f"{descriptor} holds something else"
    return content


def unpack(path: pathlib.Path, root: pathlib.Path) -> dict:
    """Puts an image's files below root, and gives its configuration."""
    with tarfile.open(path) as archive:
        index = json.load(archive.extractfile("index.json"))
        manifest = json.loads(blob(archive, index["manifests"][0]))
        image = json.loads(blob(archive, manifest["config"]))
        for layer in manifest["layers"]:
            layer_file = root.parent / "layer"
            layer_file.write_bytes(blob(archive, layer))
            with tarfile.open(layer_file) as files:
                # As it stands there: newer Pythons would change owners. The archive is ours.
                files.extraction_filter = lambda member, _: member
                files.extractall(root, numeric_owner=True)
    assert image["architecture"] == ARCHITECTURE, f"{path} is for {image['architecture']}"
    return image["config"]


def command(root: pathlib.Path, config: dict, words: list[str], variables: dict[str, str]) -> subprocess.Popen:
    """Runs words in an image as its user, with its variables and more."""
    user, group = (int(number) for number in config["User"].split(":"))
    environment = dict(pair.split("=", 1) for pair in config["Env"])
    return subprocess.Popen(
        ["chroot", f"--userspec={user}:{group}", str(root), *words],
        env={"PATH": os.environ["PATH"]} | environment | variables,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )


def says(root: pathlib.Path, config: dict, words: list[str], variables: dict[str, str] | None = None) -> str:
    process = command(root, config, words, variables or {})
    said, _ = process.communicate(timeout=LIMIT)
    assert process.returncode == 0, f"{words} ended with {process.returncode}: {said}"
    return said


def serves(root: pathlib.Path, config: dict) -> None:
    """The HTTP server with a spool: it may write to its volume, answers, has its tool beside it, and ends when it is asked to."""
    variables = {
        "RELAY_LISTEN": "127.0.0.1:0", "RELAY_MODE": "spooled", "RELAY_DATA_DIR": "/var/lib/mdss-relay", "RELAY_TOKEN": "of-the-image-test",
        "APIENDPOINT": "http://127.0.0.1:9", "APIKEY": "test-key", "STORAGECLIENTID": "00000000-0000-4000-8000-000000000002",
    }
    process = command(root, config, config["Entrypoint"], variables)
    try:
        for line in process.stdout:
            found = re.search(r'"server.port":(\d+)', line)
            if found and "listening on" in line:
                break
        else:
            raise AssertionError(f"it ended with {process.wait(LIMIT)} and did not listen")
        for page in ("healthz", "readyz"):
            with urllib.request.urlopen(f"http://127.0.0.1:{found[1]}/{page}", timeout=LIMIT) as answer:
                assert answer.status == 200 and answer.headers["server"] == f"mdss-relay/{VERSION}", answer.headers
        says(root, config, ["/usr/bin/mdss-relay", "spool", "stats"], {"RELAY_DATA_DIR": "/var/lib/mdss-relay"})
        assert (root / "var/lib/mdss-relay/spool.db").exists(), "it keeps nothing on its volume"
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=LIMIT)
        assert process.returncode == 0, f"it ended with {process.returncode}"
    finally:
        process.kill()


def main() -> None:
    images = sorted(pathlib.Path("dist").glob(f"*-{ARCHITECTURE}.tar"))
    assert images, "dist/ has no image for this machine; 'make dist image' makes them"
    for path in images:
        name = path.name.removesuffix(f"-{ARCHITECTURE}.tar")
        with tempfile.TemporaryDirectory() as scratch:
            root = pathlib.Path(scratch) / "root"
            root.mkdir()
            os.chmod(scratch, 0o755)
            config = unpack(path, root)
            assert config["User"] == "1000:1000", f"{path}: runs as {config['User']}"
            said = says(root, config, [config["Entrypoint"][0], "--version"])
            assert said == f"{name} {VERSION}\n", f"{path}: found {said!r}"
            if name == "mdss-relay-http":
                serves(root, config)
        print(f"image-test: {path}: unpacked and run")
    print(f"image-test: {len(images)} passed, 0 failed")


main()
