#!/usr/bin/env python3
"""Runs deploy.sh, verify.sh and destroy.sh with the real OCI CLI against a small stand-in for OCI on loopback.

Runs inside a virtual environment that holds `oci-cli` (see `make oci-cli-check`). It proves what a recording fake of `oci`
cannot: that the CLI takes our options, that it reads our files, what it sends, and that our queries find what it prints. The
stand-in knows the REST paths and members of OCI's public API as far as these scripts need them; that OCI itself agrees is
not proved by it.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

HERE = os.path.dirname(os.path.abspath(__file__))
KEY = 'k"e\\y-7f3a9c'
COMPARTMENT = "ocid1.compartment.oc1..there"
BUCKET_COMPARTMENT = "ocid1.compartment.oc1..buckets"


class Tenancy:
    """What exists: kind -> id -> members, as the REST API spells them."""

    def __init__(self):
        self.things = {kind: {} for kind in ("applications", "functions", "logGroups", "logs", "rules", "policies", "work")}
        self.bucket = {"name": "inbox", "namespace": "ns", "compartmentId": BUCKET_COMPARTMENT, "objectEventsEnabled": False}
        self.objects = {}
        self.requests = []
        self.log_lines = []
        self.work_ends = "SUCCEEDED"
        self.complaint = "no such image"

    def make(self, kind, members):
        ident = f"ocid1.{kind.lower().rstrip('s')}.oc1..{uuid.uuid4().hex}"
        self.things[kind][ident] = {"id": ident, "lifecycleState": "ACTIVE", **members}
        return self.things[kind][ident]

    def work(self):
        return self.make("work", {"status": self.work_ends, "operationType": "CREATE", "percentComplete": 100})["id"]

    def object_put(self, name):
        kind = "updateobject" if name in self.objects else "createobject"
        self.objects[name] = True
        # As it would be: only if the rule asks for this type, the function exists and the bucket emits.
        for rule in self.things["rules"].values():
            wanted = json.loads(rule["condition"])
            action = rule["actions"]["actions"][0]
            if (
                self.bucket["objectEventsEnabled"]
                and f"com.oraclecloud.objectstorage.{kind}" in wanted["eventType"]
                and self.bucket["name"] in wanted["data"]["additionalDetails"]["bucketName"]
                and action["functionId"] in self.things["functions"]
            ):
                line = {
                    "level": "INFO",
                    "message": "object accepted by MDSS",
                    "faas.document.name": name,
                    "cloudevents.event_type": f"com.oraclecloud.objectstorage.{kind}",
                    "mdss.correlation_id": f"correlation-{len(self.log_lines)}",
                }
                self.log_lines.append((name, json.dumps(line, separators=(",", ":"))))


def handler(tenancy):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args):
            pass

        def answer(self, status, body, headers=()):
            data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.send_header("opc-request-id", "request-1")
            for name, value in headers:
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        def list(self, kind, query, same):
            wanted = [(member, query[name]) for name, member in same.items() if name in query]
            found = [t for t in tenancy.things[kind].values() if all(t.get(m) == v for m, v in wanted)]
            self.answer(200, found)

        def serve(self):
            url = urlsplit(self.path)
            path = unquote(url.path)
            query = {name: values[0] for name, values in parse_qs(url.query).items()}
            if self.headers.get("Expect"):
                self.send_response_only(100)
                self.end_headers()
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            tenancy.requests.append((self.command, path, query, body.decode(errors="replace")))
            try:
                self.route(self.command, path, query, body)
            except Exception as error:  # noqa: BLE001  (a broken stand-in must not look like a broken script)
                self.answer(400, {"code": "InvalidParameter", "message": f"stand-in: {self.command} {path}: {error!r}"})

        do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = serve

        def route(self, method, path, query, body):
            things = tenancy.things
            work = lambda: [("opc-work-request-id", tenancy.work())]  # noqa: E731
            if re.fullmatch(r"/\d+/workRequests/[^/]+/errors", path):
                return self.answer(200, {"items": [{"code": "1", "message": tenancy.complaint}]})
            if re.fullmatch(r"/\d+/workRequests/[^/]+", path):
                return self.answer(200, things["work"][path.rsplit("/", 1)[1]])
            for kind, same in (
                ("applications", {"compartmentId": "compartmentId", "displayName": "displayName", "lifecycleState": "lifecycleState"}),
                ("functions", {"applicationId": "applicationId", "displayName": "displayName", "lifecycleState": "lifecycleState"}),
                ("rules", {"compartmentId": "compartmentId", "displayName": "displayName"}),
                ("policies", {"compartmentId": "compartmentId", "name": "name"}),
                ("logGroups", {"compartmentId": "compartmentId", "displayName": "displayName"}),
            ):
                if re.fullmatch(rf"/\d+/{kind}/?", path):
                    if method == "GET":
                        return self.list(kind, query, same)
                    members = json.loads(body)
                    if kind == "functions":
                        members["invokeEndpoint"] = f"http://127.0.0.1:{self.server.server_port}"
                    made = tenancy.make(kind, members)
                    if kind == "logGroups":
                        return self.answer(202, None, work())
                    return self.answer(200, made, work() if kind in ("applications", "functions") else ())
                one = re.fullmatch(rf"/\d+/{kind}/([^/]+)", path)
                if one:
                    thing = things[kind].get(one[1])
                    if thing is None:
                        return self.answer(404, {"code": "NotAuthorizedOrNotFound", "message": "not found"})
                    if method == "DELETE":
                        del things[kind][one[1]]
                        return self.answer(204 if kind in ("rules", "policies") else 202, None, work())
                    if method == "PUT":
                        thing.update(json.loads(body))
                        if kind == "functions":
                            return self.answer(202, None, work())
                    return self.answer(200, thing)
            if re.fullmatch(r"/\d+/functions/[^/]+/actions/invoke", path):
                event = json.loads(body)
                return self.answer(200, {"outcome": "done", "records": [{"key": event["data"]["resourceName"], "result": "accepted", "correlation_id": "direct-1"}]})
            logs = re.fullmatch(r"/\d+/logGroups/([^/]+)/logs(?:/([^/]+))?", path)
            if logs:
                if method == "DELETE":
                    del things["logs"][logs[2]]
                    return self.answer(202, None, work())
                if method == "POST":
                    tenancy.make("logs", {"logGroupId": logs[1], **json.loads(body)})
                    return self.answer(202, None, work())
                found = [
                    log
                    for log in things["logs"].values()
                    if log["logGroupId"] == logs[1]
                    and query.get("sourceResource", log["configuration"]["source"]["resource"]) == log["configuration"]["source"]["resource"]
                    and query.get("sourceService", log["configuration"]["source"]["service"]) == log["configuration"]["source"]["service"]
                ]
                return self.answer(200, found)
            if re.fullmatch(r"/\d+/search", path):
                wanted = re.search(r"logContent = '\*(.*)\*'", json.loads(body)["searchQuery"])[1]
                results = [
                    {"data": {"datetime": 1, "logContent": {"data": {"message": line, "opcRequestId": "/A/B"}, "id": "1", "type": "com.oraclecloud.functions.application.functioninvoke"}}}
                    for name, line in tenancy.log_lines
                    if name == wanted
                ]
                return self.answer(200, {"results": results, "summary": {"resultCount": len(results), "fieldCount": 0}})
            if path in ("/n", "/n/"):
                return self.answer(200, "ns")
            if path.rstrip("/") == "/n/ns/b/inbox":
                if method == "POST":
                    tenancy.bucket.update({k: v for k, v in json.loads(body).items() if v is not None})
                return self.answer(200, tenancy.bucket)
            item = re.fullmatch(r"/n/ns/b/inbox/o/(.+)", path)
            if item and method == "PUT":
                tenancy.object_put(item[1])
                return self.answer(200, None, [("etag", "e"), ("opc-content-md5", "x"), ("last-modified", "Mon, 02 Jan 2006 15:04:05 GMT")])
            if item and method == "DELETE":
                del tenancy.objects[item[1]]
                return self.answer(204, None)
            if item and method == "HEAD":
                return self.answer(404, None)
            return self.answer(404, {"code": "NotFound", "message": f"stand-in: {method} {path}"})

    return Handler


def main():
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    tenancy = Tenancy()
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler(tenancy))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as folder:
        pem = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        for name, text in (
            ("throwaway.pem", pem),
            ("config", f"[DEFAULT]\nuser=ocid1.user.oc1..u\nfingerprint={':'.join(['00'] * 16)}\ntenancy=ocid1.tenancy.oc1..t\n"
                       f"region=us-ashburn-1\nkey_file={folder}/throwaway.pem\n".encode()),
            ("mdss-key", (KEY + "\n").encode()),
        ):
            with open(os.path.join(folder, name), "wb") as out:
                out.write(text)
            os.chmod(os.path.join(folder, name), 0o600)
        environment = {
            **os.environ,
            "HOME": folder,
            "TMPDIR": folder,
            "OCI_CLI_CONFIG_FILE": f"{folder}/config",
            "OCI_CLI_ENDPOINT": f"http://127.0.0.1:{server.server_port}",
            "APIKEY_FILE": f"{folder}/mdss-key",
        }

        def run(script, *arguments, status=0):
            asked = len(tenancy.requests)
            done = subprocess.run([f"{HERE}/../{script}", *arguments], env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL)
            words = done.stdout + done.stderr
            print(f"$ {script} {' '.join(arguments)}\n{words}", flush=True)
            assert done.returncode == status, f"{script} ended with {done.returncode}"
            assert KEY not in words and KEY.replace("\\", "\\\\").replace('"', '\\"') not in words, "the key is in the output"
            assert not [n for n in os.listdir(folder) if n.startswith("mdss-relay.")], "files were left behind"
            return [f"{method} {path}" for method, path, _, _ in tenancy.requests[asked:] if method != "GET"], words

        base = ["--compartment-id", COMPARTMENT]
        deploy = [*base, "--subnet-id", "ocid1.subnet.oc1.iad.s", "--image", "registry.example/ns/mdss-relay-oci-fn:0.1.0", "--endpoint",
                  "https://mdss.example", "--storage-client-id", "unit-1", "--bucket", "inbox", "--with-policy"]
        things = tenancy.things

        # The work of making the function fails; then all goes well.
        tenancy.make("applications", {"compartmentId": COMPARTMENT, "displayName": "mdss-relay"})
        tenancy.work_ends, tenancy.complaint = "FAILED", f"no such image, and it repeats {KEY}"
        _, words = run("deploy.sh", *deploy, status=1)
        assert "its work failed: no such image, and it repeats ***" in words, words
        tenancy.work_ends, tenancy.complaint = "SUCCEEDED", "no such image"
        for kind in tenancy.things:
            tenancy.things[kind].clear()
        run("deploy.sh", *deploy)
        counts = {kind: len(found) for kind, found in things.items() if kind != "work"}
        assert counts == {"applications": 1, "functions": 1, "logGroups": 1, "logs": 2, "rules": 1, "policies": 1}, counts
        (function,) = things["functions"].values()
        assert function["config"] == {"APIENDPOINT": "https://mdss.example", "APIKEY": KEY, "STORAGECLIENTID": "unit-1"}, function
        assert (function["memoryInMBs"], function["timeoutInSeconds"]) == (128, 60), function
        assert "registry.example/ns/mdss-relay-oci-fn:0.1.0" in json.dumps(function), function
        (application,) = things["applications"].values()
        assert application["subnetIds"] == ["ocid1.subnet.oc1.iad.s"] and application["shape"] == "GENERIC_X86", application
        (rule,) = things["rules"].values()
        assert rule["compartmentId"] == BUCKET_COMPARTMENT and rule["isEnabled"] is True, rule
        assert json.loads(rule["condition"]) == {
            "eventType": [f"com.oraclecloud.objectstorage.{kind}" for kind in ("createobject", "updateobject")],
            "data": {"additionalDetails": {"bucketName": ["inbox"]}},
        }, rule
        (action,) = rule["actions"]["actions"]
        assert (action["actionType"], action["functionId"], action["isEnabled"]) == ("FAAS", function["id"], True), action
        sources = sorted((log["configuration"]["source"]["service"], log["configuration"]["source"]["category"]) for log in things["logs"].values())
        assert sources == [("cloudevents", "ruleexecutionlog"), ("functions", "invoke")], sources
        assert tenancy.bucket["objectEventsEnabled"] is True
        (policy,) = things["policies"].values()
        assert policy["statements"] == [f"Allow service cloudEvents to use functions-family in compartment id {COMPARTMENT}"], policy

        # Again: nothing new, everything brought to what is asked for.
        again, _ = run("deploy.sh", *deploy, "--memory", "256")
        assert [word.split("/")[-2] for word in again if word.startswith("PUT")] == ["functions", "rules"], again
        assert counts == {kind: len(found) for kind, found in things.items() if kind != "work"}
        assert function["memoryInMBs"] == 256

        # A variable somebody has added is not lost in silence.
        function["config"]["RELAY_LOG"] = "debug"
        _, words = run("deploy.sh", *deploy, status=1)
        assert "RELAY_LOG" in words and function["config"]["RELAY_LOG"] == "debug"
        image = next(i for i, word in enumerate(deploy) if word == "--image")
        keep = [*base, "--bucket", "inbox", *deploy[image : image + 2], "--keep-config"]
        tenancy.work_ends = "FAILED"
        _, words = run("deploy.sh", *keep, status=1)
        assert "its work failed: no such image" in words, words
        tenancy.work_ends = "SUCCEEDED"
        run("deploy.sh", *keep)
        assert function["config"]["RELAY_LOG"] == "debug" and function["config"]["APIKEY"] == KEY
        run("deploy.sh", *deploy, "--replace-config")
        assert "RELAY_LOG" not in function["config"]

        _, words = run("verify.sh", *base, "--bucket", "inbox", "--every", "1", "--wait", "20", "--remove")
        assert "correlation-0" in words and "correlation-1" in words and "updateobject" in words
        assert not tenancy.objects
        _, words = run("verify.sh", *base, "--bucket", "inbox", "--direct")
        assert "correlation id direct-1" in words, words

        run("destroy.sh", *base, "--bucket", "inbox", "--with-policy", "--emission-off", "--yes")
        assert not [kind for kind, found in things.items() if found and kind != "work"], things
        assert tenancy.bucket["objectEventsEnabled"] is False
        run("destroy.sh", *base, "--bucket", "inbox", "--with-policy", "--yes")
    print(f"oci-cli-check: {len(tenancy.requests)} requests of the real CLI, all as expected")


if __name__ == "__main__":
    sys.exit(main())
