#!/usr/bin/env python3
"""Runs deploy.sh, verify.sh --direct and destroy.sh with the real tccli against the stand-in's account, on loopback.

`make tccli-check` puts tccli first on PATH. It proves what the stand-in alone cannot: that tccli takes our options, reads our files and
sends on every member of them, and that our searches find what it prints. The account is the one that fake/tccli keeps. Objects are not
among it: tccli signs those requests in another way.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HERE = os.path.dirname(os.path.abspath(__file__))
KEY = "k\"e\\y-7f3a9c"
BASE = "--region ap-guangzhou --endpoint https://mdss.internal --storage-client-id unit-1 --bucket in-1250000000"


class Cloud(BaseHTTPRequestHandler):
    """Tencent's API 3.0: the action in a header, what it is told as JSON."""

    def do_POST(self):
        action, body = self.headers["X-TC-Action"], self.rfile.read(int(self.headers["Content-Length"])).decode()
        service = next(known.split()[0] for known in SHAPES if known.endswith(f" {action}"))
        with open(os.path.join(FOLDER, "body.json"), "w") as out:
            out.write(body)
        words = [service, action, "--region", self.headers["X-TC-Region"], "--cli-input-json", f"file://{FOLDER}/body.json"]
        ran = subprocess.run([os.path.join(HERE, "fake", "tccli"), *words], capture_output=True, text=True)
        complaint = re.match(r"\[TencentCloudSDKException\] code:(\S+) message:(.*) requestId", ran.stderr)
        if ran.returncode == 0:
            answer = json.loads(ran.stdout)
        elif complaint:
            answer = {"Error": {"Code": complaint[1], "Message": complaint[2]}}
        else:
            answer = {"Error": {"Code": "StandIn", "Message": ran.stderr}}
        seen.append((action, json.loads(body)))
        payload = json.dumps({"Response": {**answer, "RequestId": "0"}}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def log_message(self, *_):
        pass


with open(os.path.join(HERE, "shapes.json")) as shapes:
    SHAPES = json.load(shapes)["actions"]
FOLDER = tempfile.mkdtemp(prefix="tccli-check.")
seen = []


def write(name, text):
    os.makedirs(os.path.dirname(os.path.join(FOLDER, name)), exist_ok=True)
    with open(os.path.join(FOLDER, name), "w") as out:
        out.write(text)


def run(script, words, status=0):
    seen.clear()
    environment = {
        "PATH": os.environ["PATH"], "HOME": FOLDER, "TMPDIR": FOLDER, "RELAY_DEPLOY_PAUSE": "0", "APIKEY_FILE": os.path.join(FOLDER, "key"),
        "TENCENTCLOUD_SECRET_ID": "id", "TENCENTCLOUD_SECRET_KEY": "key",
    }
    ran = subprocess.run([os.path.join(HERE, "..", script), *words.split()], env=environment, capture_output=True, text=True)
    assert ran.returncode == status, f"{script} {words}: {ran.returncode}\n{ran.stdout}{ran.stderr}"
    assert "7f3a9c" not in ran.stdout + ran.stderr, "the key is printed"
    return ran.stdout


def main():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Cloud)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    os.environ["FAKE_TCCLI"] = FOLDER
    os.makedirs(os.path.join(FOLDER, "calls"))
    os.makedirs(os.path.join(FOLDER, "given"))
    write("account.json", '{"buckets": ["in-1250000000"]}')
    write("waiting", "0")
    write("key", KEY)
    write("code.zip", "PK\x03\x04")
    write("report", json.dumps({"RetMsg": json.dumps({"outcome": "done", "records": [{"result": "accepted", "correlation_id": "42"}]}), "ErrMsg": ""}))
    versions = {"scf": "2018-04-16", "cls": "2020-10-16", "tdmq": "2020-02-17"}
    configure = {service: {"endpoint": f"http://127.0.0.1:{server.server_port}", "version": version} for service, version in versions.items()}
    write(".tccli/default.configure", json.dumps({"_sys_param": {"region": "ap-guangzhou", "output": "json", "arrayCount": 10, "warning": "off"}, **configure}))

    deploy = f"{BASE} --zip {FOLDER}/code.zip --alarm-notice notice-1"
    run("deploy.sh", deploy)
    sent = dict(seen)
    function = sent["CreateFunction"]
    assert {"Key": "APIKEY", "Value": KEY} in function["Environment"]["Variables"], function
    assert function["InitTimeout"] == 30 and function["DeadLetterConfig"]["Name"] == "mdss-relay-dead", function
    assert sent["CreateTrigger"]["TriggerDesc"] == '{"event":"cos:ObjectCreated:*","filter":{"Prefix":"","Suffix":""}}', sent["CreateTrigger"]
    assert sent["UpdateFunctionEventInvokeConfig"]["AsyncTriggerConfig"] == {"RetryConfig": [{"RetryNum": 2}], "MsgTTL": 21600}
    assert sum(action == "CreateAlarm" for action, _ in seen) == 5
    said = run("deploy.sh", deploy)
    assert not any(action.startswith("Create") for action, _ in seen), seen
    assert "there already: " in said
    run("deploy.sh", deploy + " --prefix a/ --prefix b/")
    assert "accepted; correlation id 42" in run("verify.sh", "--region ap-guangzhou --bucket in-1250000000 --direct")
    run("destroy.sh", "--region ap-guangzhou --yes")
    with open(os.path.join(FOLDER, "account.json")) as text:
        left = {name: what for name, what in json.load(text).items() if what and name != "buckets"}
    assert not left, left
    version = subprocess.run(["tccli", "--version"], capture_output=True, text=True).stdout.strip()
    print(f"tccli {version}: deploy.sh three times, verify.sh --direct, destroy.sh, as they should")


if __name__ == "__main__":
    try:
        main()
    finally:
        subprocess.run(["rm", "-rf", FOLDER])
        sys.stdout.flush()
