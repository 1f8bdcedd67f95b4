"""Puts programs that count their own branches under the load that the shipped ones are made fast for.

`python3 .ci/train.py FOLDER`: the folder has mdss-relay-http, mdss-relay-oci-fn and mdss-sim. Each counts what it does and writes that, when it
ends, where LLVM_PROFILE_FILE says; the stand-in's counts are thrown away. The load is events of all clouds, most of them as S3 writes them, each of
another object, over 32 kept connections: direct mode over HTTP and HTTPS; the spool in a file, with MDSS away, back and there; the same with a ledger;
the spool in a PostgreSQL, if there is one; and the function. A part that cannot be had here is passed over with a line, and the code that it alone
uses is then laid out as code that is seldom run.
"""

import http.client
import itertools
import json
import os
import pathlib
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

CONNECTIONS = 32
SECONDS = 4
LIMIT = 60  # for everything that ends by itself
EVENTS = pathlib.Path(__file__).parent.parent / "events"
TOKEN = "a-token-for-training-alone-0123456789"
# The dialects that most senders speak, and how often each is taken for one of every other.
SHARES = {"aws-s3": 8, "minio": 4, "oci": 2, "s3-compatible": 2}
NUMBERS = itertools.count(1)


def fail(text):
    sys.exit(f"train: {text}")


class Template:
    """An event with the key of its object cut out."""

    def __init__(self, file):
        want = json.loads(file.with_suffix(".want.json").read_text())
        event = json.loads(file.read_text())
        # Of what comes over HTTP the fixture is the whole request.
        event = json.loads(event["body"]) if isinstance(event, dict) and "method" in event else event
        text = json.dumps(event, separators=(",", ":"))
        self.key = want["records"][0]["key"]
        self.parts = text.split(self.key) if self.key else [text]

    def body(self):
        number = next(NUMBERS)
        return f"incoming/2026/{number:09}.pdf".join(self.parts).encode()


def templates():
    """Those of every dialect that a server of one path takes."""
    found = []
    for file in sorted(EVENTS.glob("*/create.json")):
        try:
            found += [Template(file)] * SHARES.get(file.parent.name, 1)
        except (KeyError, IndexError, OSError, ValueError):
            continue
    if len(found) < sum(SHARES.values()):
        fail(f"{EVENTS}: expected events of {', '.join(SHARES)}, found too few")
    return found


class Process:
    """A program, until it is stopped; at the latest when the training ends, however it does."""

    running = []

    def __init__(self, argv, env, log, **more):
        self.log = log
        with open(log, "wb") as out:
            self.child = subprocess.Popen(argv, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=out, **more)
        Process.running.append(self.child)

    def wait_until(self, what, holds):
        end = time.monotonic() + LIMIT
        while not holds():
            if self.child.poll() is not None or time.monotonic() > end:
                fail(f"{what}: not within {LIMIT} s; {self.log} ends with: {pathlib.Path(self.log).read_bytes()[-500:]!r}")
            time.sleep(0.05)

    def stop(self, by=signal.SIGTERM):
        self.child.send_signal(by)
        try:
            if self.child.wait(LIMIT) != 0:
                fail(f"{self.child.args[0]} ended with {self.child.returncode}; see {self.log}")
        except subprocess.TimeoutExpired:
            self.child.kill()
            fail(f"{self.child.args[0]} did not end; see {self.log}")


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def post(stream, head, body):
    """Sends one request over a kept connection and gives the status."""
    stream.sendall(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
    answer = b""
    while b"\r\n\r\n" not in answer:
        more = stream.recv(65536)
        if not more:
            raise ConnectionError
        answer += more
    head, _, rest = answer.partition(b"\r\n\r\n")
    length = next((int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0)
    while len(rest) < length:
        more = stream.recv(65536)
        if not more:
            raise ConnectionError
        rest += more
    return int(head.split(b" ")[1])


def load(connect, path, header, events, connections=CONNECTIONS):
    """Sends events over so many connections for some seconds, and gives how many were taken."""
    taken, end, wrong = [0] * connections, time.monotonic() + SECONDS, {}
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\n{header}".encode()

    def one(at):
        with connect() as stream:
            for event in itertools.islice(itertools.cycle(events), at, None):
                if time.monotonic() > end:
                    return
                status = post(stream, head, event.body())
                if status == 200:
                    taken[at] += 1
                else:
                    wrong[status] = wrong.get(status, 0) + 1

    threads = [threading.Thread(target=one, args=(at,), daemon=True) for at in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS + LIMIT)
    return sum(taken), wrong


class Training:
    def __init__(self, programs, folder):
        self.programs, self.folder, self.count = programs, folder, itertools.count()
        self.events = templates()

    def file(self, name):
        return self.folder / f"{next(self.count)}-{name}"

    def environment(self, more):
        return {"LLVM_PROFILE_FILE": os.environ["LLVM_PROFILE_FILE"], **more}

    def mdss(self, port=0, tls=None):
        """The stand-in and its address."""
        port = port or free_port()
        argv = [self.programs / "mdss-sim", "--listen", f"127.0.0.1:{port}", "--any-unit"]
        if tls:
            argv += ["--tls-cert", tls[0], "--tls-key", tls[1]]
        sim = Process(argv, {"LLVM_PROFILE_FILE": "/dev/null"}, self.file("mdss"))
        sim.wait_until("the stand-in of MDSS listens", lambda: listens(port))
        return sim, port

    def settings(self, port, scheme="http"):
        return {
            "APIENDPOINT": f"{scheme}://127.0.0.1:{port}/api/webhook/realtime",
            "APIKEY": "test-key",
            "STORAGECLIENTID": "5b0e3f0c-6d2a-4b7e-9d55-0f6c1c2a9e04",
        }

    def server(self, settings, **more):
        port = free_port()
        env = self.environment({"RELAY_LISTEN": f"127.0.0.1:{port}", "RELAY_AUTH": "none", **settings, **more})
        server = Process([self.programs / "mdss-relay-http"], env, self.file("server"))
        server.wait_until("the server listens", lambda: listens(port))
        return server, port

    def send(self, name, port, header=""):
        connect = lambda: socket.create_connection(("127.0.0.1", port), LIMIT)
        taken, wrong = load(connect, "/events", header, self.events)
        print(f"train: {name}: {taken} events", f"(others: {wrong})" if wrong else "", flush=True)
        if taken < 100:
            fail(f"{name}: {taken} of the events were taken")

    def metric(self, port, name):
        link = http.client.HTTPConnection("127.0.0.1", port, timeout=LIMIT)
        link.request("GET", "/metrics")
        page = link.getresponse().read().decode()
        link.close()
        return sum(float(line.rsplit(" ", 1)[1]) for line in page.splitlines() if line.startswith(name))

    def direct(self):
        sim, mdss = self.mdss()
        server, port = self.server(self.settings(mdss))
        self.send("direct mode", port)
        server.stop()
        sim.stop()

    def direct_over_tls(self):
        cert, key = self.folder / "cert.pem", self.folder / "key.pem"
        argv = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1".split()
        if not shutil.which("openssl"):
            print("train: passed over: TLS: openssl is not here, which makes the certificate")
            return
        subprocess.run([*argv, "-out", cert, "-keyout", key], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        sim, mdss = self.mdss(tls=(cert, key))
        server, port = self.server(self.settings(mdss, "https"), RELAY_CA_FILE=str(cert), RELAY_AUTH="bearer", RELAY_TOKEN=TOKEN)
        self.send("direct mode, TLS and a token", port, f"Authorization: Bearer {TOKEN}\r\n")
        server.stop()
        sim.stop()

    def spooled(self, name, **more):
        mdss = free_port()
        server, port = self.server(self.settings(mdss), RELAY_MODE="spooled", **more)
        self.send(f"{name}, MDSS away", port)
        sim, _ = self.mdss(mdss)
        server.wait_until("what was spooled is delivered", lambda: self.metric(port, "mdss_relay_spool_items{") == 0)
        self.send(f"{name}, MDSS there", port)
        server.stop()
        sim.stop()

    def in_a_file(self):
        data = self.folder / "data"
        data.mkdir()
        self.spooled("spool in a file", RELAY_DATA_DIR=str(data))
        data = self.folder / "ledger"
        data.mkdir()
        self.spooled("spool with a ledger", RELAY_DATA_DIR=str(data), RELAY_LEDGER="on")

    def in_a_database(self):
        found = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin/initdb"))
        initdb = pathlib.Path(shutil.which("initdb") or (found[-1] if found else ""))
        if not initdb.is_file():
            print("train: passed over: the spool in a database: PostgreSQL is not here")
            return
        # Its programs refuse to run as root.
        user = {"user": "postgres"} if os.geteuid() == 0 else {}
        if user and "postgres" not in {entry.pw_name for entry in pwd.getpwall()}:
            print("train: passed over: the spool in a database: there is no user postgres")
            return
        place = pathlib.Path(tempfile.mkdtemp(prefix="train", dir="/tmp"))
        try:
            if user:
                shutil.chown(place, "postgres")
            argv = [initdb, "--auth=trust", "--username=relay", "--encoding=UTF8", "--locale=C", "--pgdata", place / "data"]
            subprocess.run(argv, check=True, stdout=subprocess.DEVNULL, cwd=place, **user)
            port = free_port()
            argv = [initdb.with_name("postgres"), "-D", place / "data", "-p", str(port), "-k", place, "-h", "127.0.0.1"]
            database = Process(argv, None, self.file("postgres"), cwd=place, **user)
            database.wait_until("the database listens", lambda: listens(port))
            url = self.folder / "url"
            url.write_text(f"postgres://relay@127.0.0.1:{port}/postgres?sslmode=disable")
            self.spooled("spool in a database", RELAY_SPOOL_URL_FILE=str(url), RELAY_SPOOL_DURABILITY="server")
            database.stop(signal.SIGINT)
        finally:
            shutil.rmtree(place, ignore_errors=True)

    def function(self):
        sim, mdss = self.mdss()
        listener = self.folder / "lsnr.sock"
        env = self.environment({"FN_FORMAT": "http-stream", "FN_LISTENER": f"unix:{listener}", **self.settings(mdss)})
        function = Process([self.programs / "mdss-relay-oci-fn"], env, self.file("function"))
        function.wait_until("the function listens", listener.exists)

        def connect():
            stream = socket.socket(socket.AF_UNIX)
            stream.connect(str(listener))
            return stream

        taken, wrong = load(connect, "/call", "Fn-Call-Id: 1\r\n", self.events, 1)
        print(f"train: function: {taken} calls", f"(others: {wrong})" if wrong else "", flush=True)
        if taken < 100:
            fail(f"{taken} calls of the function were good")
        function.stop()
        sim.stop()


def main():
    if len(sys.argv) != 2 or "LLVM_PROFILE_FILE" not in os.environ:
        sys.exit(__doc__)
    folder = pathlib.Path(tempfile.mkdtemp())
    try:
        training = Training(pathlib.Path(sys.argv[1]).resolve(), folder)
        for part in [training.direct, training.direct_over_tls, training.in_a_file, training.in_a_database, training.function]:
            part()
    except BaseException:
        print(f"train: what the programs said is in {folder}", file=sys.stderr)
        raise
    finally:
        for child in Process.running:
            child.kill()
            child.wait()
    shutil.rmtree(folder)


main()
