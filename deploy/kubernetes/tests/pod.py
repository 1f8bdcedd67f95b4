#!/usr/bin/env python3
"""What the pods of plain/ run, run here: the relay and its tool with the manifests' variables and files, a stand-in for MDSS, and what Kubernetes
does with a pod: its probes, its end, and an update that starts a new one before it ends an old one.

Nothing is changed but addresses and folders. Runs behind `cargo build --workspace` (see .ci/kubernetes).
"""

import json
import os
import pathlib
import pwd
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

import yaml

HERE = pathlib.Path(__file__).resolve().parent
PLAIN = HERE.parent / "plain"
BUILT = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", HERE.parent.parent.parent / "target")) / "debug"
# A unit of mdss-sim's, in the place of the one that the manifests have.
UNIT, THEIRS = "00000000-0000-4000-8000-000000000002", "00000000-0000-4000-8000-000000000000"
LIMIT = 60

processes = []


def wait(what, sentence):
    end = time.monotonic() + LIMIT
    while time.monotonic() < end:
        found = what()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError(f"{sentence}, after {LIMIT} s")


def run(arguments, **more):
    process = subprocess.Popen(list(map(str, arguments)), **more)
    processes.append(process)
    return process


def ask(url, body=None, token=None):
    """The status and the text; 0 if nobody answers."""
    headers = {"content-type": "application/json", **({"authorization": f"Bearer {token}"} if token else {})}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError:
        return 0, ""


class Mdss:
    def __init__(self, folder):
        port, self.journal = folder / "mdss-port", folder / "accepted"
        run([BUILT / "mdss-sim", "--port-file", port, "--journal", self.journal], stdout=subprocess.DEVNULL)
        self.url = "http://127.0.0.1:" + wait(lambda: port.is_file() and port.read_text().strip(), "mdss-sim does not start")

    def has(self, key):
        return self.journal.is_file() and key in self.journal.read_text()


class Pod:
    """One pod of a workload, as a process. `secrets` are the Secrets of its namespace."""

    def __init__(self, things, folder, mdss, secrets, kind=None):
        self.owner = next(thing for thing in things if "template" in thing.get("spec", {}) and (thing["kind"] == "Job") == (kind == "Job"))
        spec = self.owner["spec"]["template"]["spec"]
        self.container, self.grace = spec["containers"][0], spec["terminationGracePeriodSeconds"] if kind != "Job" else 0
        self.folder = folder
        folder.mkdir()
        volumes = {volume["name"]: volume for volume in spec["volumes"]}
        maps = {thing["metadata"]["name"]: thing["data"] for thing in things if thing["kind"] == "ConfigMap"}
        places = {}
        for mount in self.container["volumeMounts"]:
            place = folder / mount["name"]
            place.mkdir()
            places[mount["mountPath"]] = str(place)
            volume = volumes.get(mount["name"], {})
            if "configMap" in volume:
                files = maps[volume["configMap"]["name"]]
            elif "secret" in volume:
                files = secrets[volume["secret"]["secretName"]]
            else:
                sources = [source["secret"] for source in volume.get("projected", {}).get("sources", [])]
                files = {item["path"]: secrets[source["name"]][item["key"]] for source in sources for item in source["items"]}
            for name, text in files.items():
                # As the kubelet lays them: the file is a link into a folder that changes as a whole.
                (place / "..data").mkdir(exist_ok=True)
                (place / "..data" / name).write_text(text)
                (place / name).symlink_to(f"..data/{name}")

        def here(text):
            # The longest first: one folder's name may begin with another's.
            for path in sorted(places, key=len, reverse=True):
                text = re.sub(re.escape(path) + r"(?=/|$)", places[path], text)
            return text.replace("0.0.0.0:8080", "127.0.0.1:0").replace("0.0.0.0:8081", "127.0.0.1:0")

        self.env = {variable["name"]: here(variable["value"]) for variable in self.container["env"]}
        for name in places.values():
            config = pathlib.Path(name, "..data", "relay.toml")
            if config.is_file():
                config.write_text(here(config.read_text()).replace("https://mdss.example", mdss.url).replace(THEIRS, UNIT))

    def start(self):
        self.log = (self.folder / "log").open("w+")
        self.process = run([BUILT / "mdss-relay-http"], env=self.env, stderr=self.log)
        lines = lambda: (self.folder / "log").read_text()  # noqa: E731
        self.admin = "http://" + wait(lambda: re.search(r"are on http://([\d.:]+),", lines()), f"no admin port: {lines()}")[1]
        self.events = "http://" + wait(lambda: re.search(r'"listening on http://([\d.:]+)"', lines()), f"no port: {lines()}")[1]
        return self

    def url(self, port, path):
        return {"admin": self.admin, "events": self.events}[port] + path

    def probe(self, name):
        asked = self.container[name]["httpGet"]
        return ask(self.url(asked["port"], asked["path"]))[0]

    def ready(self):
        wait(lambda: self.probe("readinessProbe") == 200, f"not ready: {(self.folder / 'log').read_text()}")
        return self

    def exec(self, *command):
        return subprocess.run([BUILT / command[0], *command[1:]], env=self.env, capture_output=True, text=True)

    def end(self, pace=0.0):
        """As Kubernetes ends it, with the pause before shortened to this share; how long the relay itself took."""
        time.sleep(pace * self.container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0))
        begun = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(self.grace)
        assert status == 0, f"ended with {status}: {(self.folder / 'log').read_text()}"
        return time.monotonic() - begun


def event(key):
    return json.dumps({"Records": [{
        "eventVersion": "2.1", "eventSource": "minio:s3", "eventName": "s3:ObjectCreated:Put", "eventTime": "2026-01-01T00:00:00.000Z",
        "s3": {"bucket": {"name": "uploads"}, "object": {"key": key, "size": 5, "eTag": key, "sequencer": key.encode().hex().upper()}},
    }]}).encode()


def posted(pod, key, token="a-token-of-the-check"):
    return ask(pod.url("events", "/store"), event(key), token)[0]


def things(name):
    return [thing for thing in yaml.safe_load_all((PLAIN / f"{name}.yaml").read_text()) if thing]


RELAYS = {"mdss-relay": {"api-key": "test-key\n", "token": "a-token-of-the-check\n"}}


def alone(name, folder, mdss):
    """A pod that needs nothing but itself: it is ready, takes an event, hands it to MDSS, and ends in time."""
    pod = Pod(things(name), folder / name, mdss, RELAYS).start().ready()
    assert pod.probe("livenessProbe") == 200
    for probe in ("livenessProbe", "readinessProbe"):
        path = pod.container[probe]["httpGet"]["path"]
        assert ask(pod.url("events", path))[0] == 404, f"{name}: senders see {path}"
    assert posted(pod, f"{name}-refused", "another token") == 401
    assert posted(pod, f"{name}-1") == 200
    wait(lambda: mdss.has(f"{name}-1"), f"{name}: MDSS was not told")
    if "RELAY_DATA_DIR" in pod.env:
        said = pod.exec("mdss-relay", "spool", "stats")
        assert said.returncode == 0, said.stderr
    else:
        changed = [path for path in pod.folder.rglob("*") if path.name != "log" and path.stat().st_mtime > pod.folder.stat().st_mtime + 1]
        assert not changed, f"{name}: has written {changed}"
    taken = pod.end()
    return f"{name}: ready, alive, an event, and ended after {taken:.1f} s of {pod.grace}"


# How much quicker an update goes here than in a cluster, and how long a sender does not know yet of a pod's end.
PACE, BEHIND = 0.1, 0.25


def replaced(name, mdss, pods, new):
    """A Deployment's update while a sender goes on: one more, then one less, as often as there are pods. No event may be refused, and MDSS hears of each; how
    many there were."""
    endpoints, sent, failed, going = list(pods), [], [], True

    def sender():
        while going:
            key = f"{name}-{len(sent)}"
            if posted(endpoints[len(sent) % len(endpoints)], key) != 200:
                failed.append(key)
            sent.append(key)

    def forgotten(pod):
        time.sleep(BEHIND)
        endpoints.remove(pod)

    thread = threading.Thread(target=sender)
    thread.start()
    try:
        for n, old in enumerate(pods):
            endpoints.append(new(n).start().ready())
            # The pod and its senders hear of its end at the same time, and the senders are slower.
            later = threading.Thread(target=forgotten, args=(old,))
            later.start()
            old.end(PACE)
            later.join()
    finally:
        going = False
        thread.join()
    assert not failed, f"{name}: an update had a gap: {failed}"
    wait(lambda: all(mdss.has(f'"{key}"') for key in sent), f"{name}: MDSS was not told of everything")
    for pod in endpoints:
        pod.end()
    return len(sent)


def update(folder, mdss):
    """Relays that keep nothing, so that an event that is refused is the sender's matter."""
    manifests = things("direct")
    replicas = next(thing for thing in manifests if thing["kind"] == "Deployment")["spec"]["replicas"]
    pods = [Pod(manifests, folder / f"old-{n}", mdss, RELAYS).start().ready() for n in range(replicas)]
    sent = replaced("update", mdss, pods, lambda n: Pod(manifests, folder / f"new-{n}", mdss, RELAYS))
    return f"direct: {replicas} relays replaced under load: {sent} events, none refused"


# --- with a database ---------------------------------------------------------------------------------------------------------------


def server_programs():
    """Where PostgreSQL's programs are; None without them, or if the relay was built without PostgreSQL."""
    places = [os.environ.get("PG_BINDIR", ""), *map(str, sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"), reverse=True))]
    found = next((pathlib.Path(place) for place in places if place and pathlib.Path(place, "initdb").exists()), None)
    knows = subprocess.run([BUILT / "mdss-relay", "spool", "migrate", "--help"], capture_output=True).returncode == 0
    return found if knows and shutil.which("openssl") else None


class Database:
    """As far as the relay sees it, what CloudNativePG makes of the guide's Cluster: a server with a certificate of an authority of its own, a database, the
    role that owns it, and the Secrets NAME-app and NAME-ca; and the guide's role without CREATE. One server alone: the durability is `server`."""

    def __init__(self, programs, folder):
        self.folder = folder
        folder.mkdir()
        # The server refuses root.
        user = next((name for name in ("postgres", "nobody") if name in {entry.pw_name for entry in pwd.getpwall()}), None)
        group = user and pwd.getpwnam(user).pw_gid
        become = ["setpriv", f"--reuid={user}", f"--regid={group}", "--clear-groups"] if os.geteuid() == 0 else []
        for command in (
            "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.crt -days 2 -subj /CN=relay-db "
            "-addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign",
            "openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout tls.key -out tls.csr -subj /CN=relay-db-rw",
            "openssl x509 -req -in tls.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -out tls.crt -extfile names",
        ):
            (folder / "names").write_text("subjectAltName=DNS:localhost\nbasicConstraints=CA:FALSE\n")
            subprocess.run(command.split(), cwd=folder, check=True, capture_output=True)
        (folder / "tls.key").chmod(0o600)
        if become:
            for path in [folder, *folder.iterdir()]:
                shutil.chown(path, user, group)
            # Its folder has to be reachable for that user.
            folder.parent.chmod(0o711)
        data, socket = folder / "data", folder
        subprocess.run([*become, programs / "initdb", "-N", "-U", "postgres", "-A", "reject", "-D", data], check=True, capture_output=True, cwd=folder)
        (data / "pg_hba.conf").write_text("local all all trust\nhostssl all all 127.0.0.1/32 scram-sha-256\n")
        port = self.free_port()
        options = {"listen_addresses": "127.0.0.1", "port": port, "unix_socket_directories": socket, "ssl": "on", "fsync": "off",
                   "ssl_cert_file": folder / "tls.crt", "ssl_key_file": folder / "tls.key", "wal_level": "replica"}
        log = (folder / "log").open("w")
        self.process = run([*become, programs / "postgres", "-D", data, *(word for name, value in options.items() for word in ("-c", f"{name}={value}"))],
                           stdout=log, stderr=log, cwd=folder)
        self.psql = [programs / "psql", "-h", socket, "-p", str(port), "-U", "postgres", "-v", "ON_ERROR_STOP=1", "-X", "-q", "-A", "-t"]
        wait(lambda: subprocess.run([*self.psql, "-c", "SELECT"], capture_output=True).returncode == 0, "PostgreSQL does not start")
        self.secrets = {"relay-db-ca": {"ca.crt": (folder / "ca.crt").read_text()}}
        for role, secret in (("relay", "relay-db-app"), ("relay_app", "relay-db-relay")):
            self.sql(f"CREATE ROLE {role} LOGIN PASSWORD 'p@ss/word'")
            self.secrets[secret] = {"uri": f"postgresql://{role}:p%40ss%2Fword@localhost:{port}/mdss_relay"}
        self.sql("CREATE DATABASE mdss_relay OWNER relay")
        # What the guide gives to the role that may create nothing.
        guide = (HERE.parent.parent.parent / "docs/kubernetes.md").read_text()
        rights = re.search(r"psql --dbname mdss_relay <<'END'\n(CREATE SCHEMA .*?)END\n", guide, re.DOTALL)[1]
        self.sql(rights, "mdss_relay")

    @staticmethod
    def free_port():
        import socket

        with socket.socket() as one:
            one.bind(("127.0.0.1", 0))
            return one.getsockname()[1]

    def sql(self, text, base="postgres"):
        return subprocess.run([*self.psql, "-d", base], input=text, check=True, capture_output=True, text=True).stdout


def shared(programs, folder, mdss):
    """Two relays and a database; then an update of both, while a sender goes on."""
    database = Database(programs, folder / "database")
    secrets = {**RELAYS, **database.secrets}
    secrets["mdss-relay"] = {**RELAYS["mdss-relay"], "mdss-ca.pem": database.secrets["relay-db-ca"]["ca.crt"]}
    # As the guide makes it.
    run([BUILT / "mdss-relay", "ledger", "key", folder / "ledger"], stdout=subprocess.DEVNULL).wait(LIMIT)
    secrets["mdss-relay-ledger"] = {"ledger.key": (folder / "ledger/ledger.key").read_text()}
    manifests = things("everything")
    for thing in manifests:
        for variable in thing.get("spec", {}).get("template", {}).get("spec", {}).get("containers", [{}])[0].get("env", []):
            if variable["name"] == "RELAY_SPOOL_DURABILITY":
                variable["value"] = "server"
    job = Pod(manifests, folder / "job", mdss, secrets, "Job")
    command = [pathlib.Path(job.container["command"][0]).name, *job.container["command"][1:]]
    for _ in range(2):
        said = job.exec(*command)
        assert said.returncode == 0, f"the Job: {said.stdout}{said.stderr}"
    pods = [Pod(manifests, folder / f"pod-{n}", mdss, secrets).start().ready() for n in range(2)]
    said = pods[0].exec("mdss-relay", "spool", "stats")
    assert said.returncode == 0, said.stderr
    sent = replaced("shared", mdss, pods, lambda n: Pod(manifests, folder / f"pod-new-{n}", mdss, secrets))
    # A database that is away takes the pods out of the Service and restarts none of them.
    last = Pod(manifests, folder / "last", mdss, secrets).start().ready()
    database.process.send_signal(signal.SIGQUIT)
    database.process.wait(LIMIT)
    wait(lambda: last.probe("readinessProbe") == 503, "it is ready without its database")
    assert last.probe("livenessProbe") == 200, "it is restarted because its database is away"
    assert posted(last, "shared-away") == 503
    taken = last.end()
    return (f"postgresql: tables by the Job, two relays with TLS and CloudNativePG's Secrets, both replaced under load: {sent} events, none refused; "
            f"without the database not ready, alive, 503, and ended after {taken:.1f} s")


def main():
    missing = [name for name in ("mdss-relay-http", "mdss-relay", "mdss-sim") if not (BUILT / name).is_file()]
    if missing:
        print(f"kubernetes: the pods' programs are not run: there is no {BUILT / missing[0]}", file=sys.stderr)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        try:
            mdss = Mdss(folder)
            said = [alone("sqlite", folder, mdss), alone("direct", folder, mdss), update(folder, mdss)]
            programs = server_programs()
            if programs:
                said.append(shared(programs, folder, mdss))
            else:
                said.append("postgresql: not run: no PostgreSQL server, no openssl, or a relay without it")
        finally:
            for process in processes:
                if process.poll() is None:
                    process.terminate()
            for process in processes:
                try:
                    process.wait(10)
                except subprocess.TimeoutExpired:
                    process.kill()
    for line in said:
        print(f"kubernetes: {line}")


main()
