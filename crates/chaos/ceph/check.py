#!/usr/bin/env python3
"""The relay behind a real producer of events: uploads to a Ceph RADOS Gateway, and MDSS (mdss-sim) at the other end.

`make ceph` installs what it needs and runs it. It starts a Ceph of its own (cluster.py), the relay in spooled and in direct
mode, and the stand-in; uploads under odd keys, overwrites, copies, uploads in parts, kills the relay meanwhile; and compares
what the buckets list with what MDSS has accepted. It also looks whether the gateway does what docs/minio.md says of it.
Exit status: 0 all as it should be, 1 not, or the check itself failed.

    check.py BINARIES [--record FOLDER]    where mdss-relay-http and mdss-sim are; where to write what the gateway has posted
"""

import argparse
import collections
import http.client
import json
import os
import random
import secrets
import shutil
import signal
import sys
import tempfile
import threading
import time
import urllib.parse
import urllib.request
import uuid

# Newer ones send checksums that this gateway does not know; nothing here goes through a proxy.
os.environ.update(AWS_REQUEST_CHECKSUM_CALCULATION="when_required", NO_PROXY="127.0.0.1,localhost", no_proxy="127.0.0.1,localhost")

import boto3
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from cluster import Cluster
from processes import Failed, Processes, answers, free_port, wait
from tap import Tap

# Seconds after which it gives up, whatever it waits for. It takes about 70.
LONGEST = 120
# A gateway begins with a new persistent topic after up to 30 s.
NEW_TOPIC = 45
# Buckets whose events the spooled relay takes, by the source that they come through.
BUCKETS = {
    "lab-results": "ceph", "lab-archive": "ceph", "lab-versions": "ceph", "lab-load": "ceph", "lab-drop": "ceph", "lab-moved": "ceph",
    "lab-basic": "basic", "lab-query": "query", "lab-wrong": "wrong",
}
CREATED = ["s3:ObjectCreated:*"]
# How many objects are uploaded while the relay is killed, by how many threads, and how often it is.
LOAD, THREADS, KILLS = 400, 4, 6
# For how many seconds a gateway that repeats without a pause is watched, and how much log the relay may write meanwhile: some
# hundred lines, of which each post, a thousand and more, may not have one.
WATCHED, MOST_LOG = 5, 64 * 1024

# Every key is taken as it stands: nothing is decoded, joined, shortened or normalised on the way to MDSS.
KEYS = [
    "plain.txt", "a/b/c/d.txt", "UPPER.TXT", "no-suffix", ".hidden", "-dash", "~tilde", "@at", "key=value&other=1;x", "comma,semi;colon:",
    "with space", " leading space", "trailing space ", "two  spaces", " ", "a b/c d/e f.txt",
    "a+b", "+", "++", "a+b c%2B",
    "%", "%%", "100%", "%25", "%2525", "a%20b", "a%2Fb", "a%2fb", "%2b", "%zz", "%E4", "%C3%A4", "%00", "%u00e4", "x%",
    "/leading", "//two", "a//b", "a///b", "a/./b", "a/../b", "../up", "./here", ".", "..", "...",
    "q?x=1", "?", "#", "a#b?c", "back\\slash", "\\", "quote\"s", "it's", "`tick`", "<b>&amp;</b>", "<script>alert(1)</script>", "{\"a\":[1]}", "$(id)",
    "tab\tin", "line\nfeed", "return\r", "\x01", "esc\x1f[0m", "del\x7f", "\x1b[31mred",
    "\ufeffbom", "rlo\u202etxt.exe", "ls\u2028ps\u2029", "nel\u0085", "zwj\u200d", "\ufffe\uffff", "\U0010ffff", "\U0001f600.png",
    "caf\u00e9", "cafe\u0301", "\u65e5\u672c\u8a9e/\u30d5\u30a1\u30a4\u30eb", "\u0434\u043e\u043a", "null", "undefined", "true", "0",
    "k" * 1024, "\u65e5" * 341, "all of it: \x01\t\n\r\x1f\x7f \"\\ \ufeff\u202e\u2028\uffff\U0010ffff +%2B%2F&<>?#.txt",
    "trail/content/", "trail//",
]
EMPTY_FOLDERS = ["empty/", "a/empty/"]
# The route's exclude_prefix, as in the guide.
EXCLUDED = ["quarantine/x"]


class Lab:
    """All that runs: the gateway, the relays, MDSS."""

    def __init__(self, binaries, folder):
        self.binaries, self.folder = binaries, folder
        for name in ("logs", "ceph", "data"):
            os.mkdir(os.path.join(folder, name))
        self.processes = Processes(os.path.join(folder, "logs"))
        self.cluster = Cluster(os.path.join(folder, "ceph"), self.processes)
        self.secret = secrets.token_hex(20)
        self.units = {bucket: str(uuid.uuid4()) for bucket in [*BUCKETS, "lab-direct"]}
        self.journal = os.path.join(folder, "accepted")
        self.ports = {"": free_port(), "direct": free_port()}
        self.tap = Tap(self.ports)
        self.topics = {}

    def start(self):
        units = [word for unit in self.units.values() for word in ("--unit", f"{unit}=s3-compatible")]
        port_file = os.path.join(self.folder, "sim-port")
        self.processes.start("mdss-sim", os.path.join(self.binaries, "mdss-sim"), *units, "--journal", self.journal,
                             "--port-file", port_file, env={"MDSS_SIM_API_KEY": self.secret})
        self.sim = int(wait("mdss-sim", lambda: os.path.exists(port_file) and open(port_file).read().strip()))
        with open(os.path.join(self.folder, "secret"), "w") as file:
            file.write(self.secret)
        self.start_relay("spooled")
        self.start_relay("direct")
        self.cluster.start()
        access, secret = secrets.token_hex(10), secrets.token_hex(20)
        self.cluster.user(access, secret)

        def client(service, tls=False):
            url = f"https://localhost:{self.cluster.https}" if tls else f"http://127.0.0.1:{self.cluster.http}"
            return boto3.client(service, endpoint_url=url, aws_access_key_id=access, aws_secret_access_key=secret, region_name="default",
                                verify=self.cluster.certificate if tls else None,
                                config=Config(signature_version="s3v4" if service == "s3" else None, retries={"max_attempts": 0},
                                              s3={"addressing_style": "path"}, max_pool_connections=THREADS + 1))

        self.credentials = Credentials(access, secret)
        self.s3, self.sns, self.sns_tls = client("s3"), client("sns"), client("sns", tls=True)

    def start_relay(self, mode):
        spooled = mode == "spooled"
        file = f'secret_file = "{self.folder}/secret"'
        password = f'basic = {{ user = "relay", password_file = "{self.folder}/secret" }}'
        checks = {"ceph": f"path_secret = {{ {file} }}", "basic": password, "wrong": password, "query": f'shared_secret = {{ query = "token", {file} }}'}
        buckets = BUCKETS
        if not spooled:
            checks, buckets = {"direct": f"path_secret = {{ {file} }}"}, {"lab-direct": "direct"}
        parts = [f'[[source]]\nname = "{name}"\npath = "/{name}"\ndialect = "ceph"\nauth = {{ {check} }}\n' for name, check in checks.items()]
        parts += [f'[[route]]\nsource = "{source}"\nbucket = "{bucket}"\nexclude_prefix = ["quarantine/"]\n'
                  f'storage_client_id = "{self.units[bucket]}"\nstorage_type = "s3-compatible"\n' for bucket, source in buckets.items()]
        port = self.ports["" if spooled else "direct"]
        env = {"RELAY_LISTEN": f"127.0.0.1:{port}", "RELAY_MODE": mode, "RELAY_CONFIG_TOML": "\n".join(parts), "APIKEY": self.secret,
               "APIENDPOINT": f"http://127.0.0.1:{self.sim}/api/webhook/realtime"}
        if spooled:
            env["RELAY_DATA_DIR"] = os.path.join(self.folder, "data")
        process = self.processes.start(mode, os.path.join(self.binaries, "mdss-relay-http"), env=env)

        def up():
            if process.poll() is not None:
                raise Failed(f"the relay has ended by itself: {self.processes.printed(mode)[-2000:]}")
            return answers(f"http://127.0.0.1:{port}/readyz")

        wait("the relay", up, pause=0.02)

    def url(self, path, user=""):
        return f"http://{user}127.0.0.1:{self.tap.port}{path}"

    def topic(self, name, url, persistent, tls=False):
        sns = self.sns_tls if tls else self.sns
        made = sns.create_topic(Name=name, Attributes={"push-endpoint": url, "persistent": "true" if persistent else "false"})
        self.topics[name] = made["TopicArn"]

    def tell(self, bucket, topic, identity="mdss"):
        """As the guide does it."""
        self.s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={
            "TopicConfigurations": [{"Id": identity, "TopicArn": self.topics[topic], "Events": CREATED}]})

    def bucket(self, name, topic=None):
        self.s3.create_bucket(Bucket=name)
        if topic:
            self.tell(name, topic)

    def ask(self, method, target, headers=None, late=None, body=b""):
        """A signed request that boto3 has no call for. `late` headers are beside the signature."""
        request = AWSRequest(method, f"http://127.0.0.1:{self.cluster.http}{target}", headers or {}, body)
        S3SigV4Auth(self.credentials, "s3", "default").add_auth(request)
        gateway = http.client.HTTPConnection("127.0.0.1", self.cluster.http, timeout=30)
        try:
            gateway.request(method, target, body, {**dict(request.headers.items()), **(late or {})})
            answer = gateway.getresponse()
            return answer.status, answer.read().decode()
        finally:
            gateway.close()

    def hush(self, bucket, identity="mdss"):
        """Takes a notification of a bucket away; an empty configuration is refused by this gateway."""
        status, text = self.ask("DELETE", f"/{bucket}?notification={identity}")
        if status >= 300:
            raise Failed(f"the notification of {bucket} cannot be taken away: {status} {text}")

    def accepted(self, bucket):
        """Keys that MDSS has accepted for a bucket, and how often."""
        unit, count = self.units[bucket], collections.Counter()
        with open(self.journal, "rb") as journal:
            for line in journal:
                if line.endswith(b"\n"):
                    accepted = json.loads(line)
                    if accepted["storage_client_id"] == unit:
                        count[accepted["key"]] += 1
        return count

    def listed(self, bucket):
        """Keys of a bucket, and their sizes."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        return {entry["Key"]: entry["Size"] for page in pages for entry in page.get("Contents", [])}

    def log_size(self, mode, about=b""):
        """Bytes of the relay's log lines that say this."""
        with open(self.processes.log(mode), "rb") as log:
            return sum(len(line) for line in log if about in line)


class Table:
    """What came of it: objects of a bucket, and facts."""

    def __init__(self):
        self.buckets, self.facts, self.details, self.ok = [], [], [], True

    def judge(self, what, right, details):
        self.ok = self.ok and right
        self.details += [f"{what}: {detail}" for detail in details]
        return "as it should be" if right else "WRONG"

    def compare(self, what, listed, writes, skipped, posts, accepted, exact):
        """`writes`: how often each key with content was written, as the gateway took it. With `exact` each write is accepted once."""
        lost = sorted(key for key in writes if accepted[key] == 0)
        strangers = sorted(key for key in accepted if key not in writes)
        twice = sorted(key for key in accepted if key in writes and accepted[key] > writes[key])
        fewer = sorted(key for key in writes if 0 < accepted[key] < writes[key]) if exact else []
        unlisted = sorted(key for key in listed if key not in writes and key not in skipped)
        details = [f"{count} {word}, for example {', '.join(map(ascii, keys[:5]))}" for word, keys in [
            ("never accepted", lost), ("accepted, and nobody wrote them", strangers), ("accepted less often than written", fewer),
            ("listed, and unknown to this check", unlisted)] for count in [len(keys)] if count]
        told = sum(1 for post in posts if post.status is not None and post.status < 300)
        verdict = self.judge(what, not details, details)
        self.buckets.append([what, len(listed), sum(writes.values()), len(posts), told, sum(accepted.values()), len(lost), len(strangers), len(twice), verdict])

    def fact(self, what, right, found):
        self.facts.append([what, found, self.judge(what, right, [] if right else [f"found {found}"])])

    def show(self):
        head = ["objects", "listed", "writes", "posts", "answered 2xx", "accepted", "missing", "not written", "twice", ""]
        for rows, names in ((self.buckets, head), (self.facts, ["what ought to be", "found", ""])):
            rows = [[str(cell) for cell in row] for row in rows]
            widths = [max(len(row[n]) for row in [names, *rows]) for n in range(len(names))]
            for row in (names, ["-" * width for width in widths], *rows):
                print("| " + " | ".join(cell.rjust(width) if cell.isdigit() else cell.ljust(width) for cell, width in zip(row, widths)) + " |")
            print()
        for detail in self.details:
            print(detail)


def credentials(lab, table):
    """How the gateway proves who it is: password, path, query."""
    url = lab.url("/basic", f"relay:{lab.secret}@")
    try:
        lab.topic("basic", url, persistent=False)
        heard = 200
    except ClientError as error:
        heard = error.response["ResponseMetadata"]["HTTPStatusCode"]
    table.fact("create-topic over plain HTTP, a password in the URL: refused with 400", heard == 400, f"status {heard}")
    lab.topic("basic", url, persistent=False, tls=True)
    lab.topic("query", lab.url(f"/query?token={lab.secret}"), persistent=False)
    for name, how in (("basic", "create-topic over TLS, a password in the URL"), ("query", "a secret in the query, over plain HTTP")):
        lab.bucket(f"lab-{name}", name)
        lab.s3.put_object(Bucket=f"lab-{name}", Key="a+b c%2B.txt", Body=b"x")
        accepted = dict(arrived(lab, f"lab-{name}", 1))
        table.fact(f"{how}: accepted", accepted == {"a+b c%2B.txt": 1}, f"{accepted}")


def arrived(lab, bucket, objects, limit=20):
    """What is accepted of a bucket, once it is so much or waiting is in vain."""
    try:
        return wait("accepted", lambda: (found := lab.accepted(bucket)) and sum(found.values()) >= objects and found, limit)
    except Failed:
        return lab.accepted(bucket)


def settle(lab, expected):
    """Waits until MDSS has all of it, or nothing new has come for a while; and then for what comes beyond it."""
    size, quiet = -1, time.monotonic() + 10
    while time.monotonic() < quiet and any(sum(lab.accepted(bucket).values()) < count for bucket, count in expected.items()):
        if os.path.getsize(lab.journal) != size:
            size, quiet = os.path.getsize(lab.journal), time.monotonic() + 10
        time.sleep(0.2)
    time.sleep(2)


def odd_keys(lab, table):
    """Uploads them all; gives what is to be accepted."""
    writes = collections.Counter()
    for key in KEYS + EMPTY_FOLDERS + EXCLUDED:
        empty = key in EMPTY_FOLDERS
        lab.s3.put_object(Bucket="lab-results", Key=key, Body=b"" if empty else b"content of " + key.encode())
        if not empty and key not in EXCLUDED:
            writes[key] += 1
    # On a connection of its own: boto3's hangs for a minute after a refusal before the body was sent.
    status, _ = lab.ask("PUT", f"/lab-results/{'k' * 1025}", body=b"x")
    table.fact("a key of 1,025 bytes: refused by the gateway", status == 400, f"status {status}")
    return writes


def operations(lab, bucket):
    """Whatever makes content; gives how often each key was written."""
    s3, writes = lab.s3, collections.Counter()

    def put(key, body=b"first", **more):
        s3.put_object(Bucket=bucket, Key=key, Body=body, **more)
        writes[key] += 1

    for body in (b"first", b"second", b"second"):
        put("overwritten+ %2B.bin", body)
    put("source é.bin")
    s3.copy_object(Bucket=bucket, Key="copy ü.bin", CopySource={"Bucket": bucket, "Key": "source é.bin"})
    writes["copy ü.bin"] += 1
    s3.copy_object(Bucket=bucket, Key="source é.bin", CopySource={"Bucket": bucket, "Key": "source é.bin"},
                   MetadataDirective="REPLACE", Metadata={"state": "new"})
    writes["source é.bin"] += 1
    upload = s3.create_multipart_upload(Bucket=bucket, Key="parts/big.bin")["UploadId"]
    parts = []
    for number, size in ((1, 5 << 20), (2, 1000)):
        part = s3.upload_part(Bucket=bucket, Key="parts/big.bin", UploadId=upload, PartNumber=number, Body=b"p" * size)
        parts.append({"PartNumber": number, "ETag": part["ETag"]})
    s3.complete_multipart_upload(Bucket=bucket, Key="parts/big.bin", UploadId=upload, MultipartUpload={"Parts": parts})
    writes["parts/big.bin"] += 1
    aborted = s3.create_multipart_upload(Bucket=bucket, Key="parts/aborted.bin")["UploadId"]
    s3.upload_part(Bucket=bucket, Key="parts/aborted.bin", UploadId=aborted, PartNumber=1, Body=b"p")
    s3.abort_multipart_upload(Bucket=bucket, Key="parts/aborted.bin", UploadId=aborted)
    form(lab, bucket, "form upload.bin")
    writes["form upload.bin"] += 1
    # One byte, FC: Latin-1, and no UTF-8. Then the same in UTF-8.
    for key, author in (("author-latin-1.bin", "M\u00fcller"), ("author-utf-8.bin", "M\u00fcller".encode().decode("latin-1"))):
        status, text = lab.ask("PUT", f"/{bucket}/{key}", late={"x-amz-meta-author": author}, body=b"x")
        if status != 200:
            raise Failed(f"the gateway answers {status} to metadata of {ascii(author)}: {text}")
        writes[key] += 1
    put("much-metadata.bin", Metadata={f"n{n}": "x" * 100 for n in range(20)})
    # None of these is new content.
    s3.put_object_tagging(Bucket=bucket, Key="copy ü.bin", Tagging={"TagSet": [{"Key": "scan", "Value": "clean"}]})
    s3.put_object_acl(Bucket=bucket, Key="copy ü.bin", ACL="private")
    s3.get_object(Bucket=bucket, Key="copy ü.bin")["Body"].read()
    put("removed.bin")
    s3.delete_object(Bucket=bucket, Key="removed.bin")
    return writes


def form(lab, bucket, key):
    """A browser's upload: POST with a policy."""
    post = lab.s3.generate_presigned_post(bucket, key)
    boundary = "----b4d6c1"
    body = "".join(f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in post["fields"].items())
    body += f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="f"\r\nContent-Type: text/plain\r\n\r\ncontent\r\n--{boundary}--\r\n'
    request = urllib.request.Request(post["url"], body.encode(), {"Content-Type": f"multipart/form-data; boundary={boundary}"})
    urllib.request.urlopen(request, timeout=30).read()


def versions(lab, bucket):
    s3, writes = lab.s3, collections.Counter({"v.bin": 3})
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    first = s3.put_object(Bucket=bucket, Key="v.bin", Body=b"first")["VersionId"]
    s3.put_object(Bucket=bucket, Key="v.bin", Body=b"second")
    s3.delete_object(Bucket=bucket, Key="v.bin")
    s3.copy_object(Bucket=bucket, Key="v.bin", CopySource={"Bucket": bucket, "Key": "v.bin", "VersionId": first})
    return writes


def load(lab, bucket):
    """Uploads while the relay is killed again and again; gives how often each key was written."""
    writes, trouble = collections.Counter(), []

    def upload(which):
        try:
            for number in range(which, LOAD, THREADS):
                key = f"kills/{number} + %2B é.bin"
                lab.s3.put_object(Bucket=bucket, Key=key, Body=b"x")
                writes[key] += 1
                time.sleep(0.05)
        except Exception as error:  # Whatever it is, the row is worth nothing.
            trouble.append(error)

    threads = [threading.Thread(target=upload, args=(which,), daemon=True) for which in range(THREADS)]
    for thread in threads:
        thread.start()
    chance = random.Random(7)
    for _ in range(KILLS):
        time.sleep(chance.uniform(0.3, 1.0))
        lab.processes.kill("spooled")
        time.sleep(chance.uniform(0, 0.4))
        lab.start_relay("spooled")
    for thread in threads:
        thread.join()
    if trouble:
        raise Failed(f"an upload failed while the relay was killed: {trouble[0]}")
    return writes


def new_address(lab, table):
    """What a changed password needs: the push URL is copied into the bucket's notification."""
    old, new = lab.url(f"/ceph/{lab.secret}?old"), lab.url(f"/ceph/{lab.secret}?new")

    def used():
        before = len(lab.tap.seen("/ceph"))
        lab.s3.put_object(Bucket="lab-moved", Key="k", Body=b"x")
        return [post.target.split("?")[1] for post in lab.tap.seen("/ceph")[before:] if "?" in post.target]

    lab.topic("moved", old, persistent=False)
    lab.bucket("lab-moved", "moved")
    found = [used()]
    lab.topic("moved", new, persistent=False)
    found.append(used())
    lab.tell("lab-moved", "moved")
    found.append(used())
    what = "a topic's new URL is used once the bucket's notification is put again, and not before"
    table.fact(what, found == [["old"], ["old"], ["new"]], f"{found}")


def notifications(lab, table):
    """How notifications come and go."""
    lab.topic("other", lab.url(f"/ceph/{lab.secret}?other"), persistent=False)
    lab.tell("lab-moved", "other", identity="other")
    there = [entry["Id"] for entry in lab.s3.get_bucket_notification_configuration(Bucket="lab-moved")["TopicConfigurations"]]
    table.fact("put-bucket-notification-configuration adds to what is there, by Id", sorted(there) == ["mdss", "other"], f"{there}")
    lab.hush("lab-moved", "other")
    there = [entry["Id"] for entry in lab.s3.get_bucket_notification_configuration(Bucket="lab-moved")["TopicConfigurations"]]
    table.fact("DELETE ?notification=ID takes one away", there == ["mdss"], f"{there}")


def deletions(lab, table, bucket):
    """Many at a time, where only creations are told: with removals the gateway would abort (16.2.15)."""
    keys = [f"d{number}" for number in range(20)]
    for key in keys:
        lab.s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    answer = lab.s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key} for key in keys]})
    gone = len(answer.get("Deleted", []))
    table.fact("20 objects deleted with one request, where only ObjectCreated is told: the gateway lives", gone == 20 and lab.cluster.alive(), f"{gone} deleted")
    return collections.Counter(keys)


def without_a_pause(lab, table):
    """The gateway posts again whatever is not answered with 2xx, at once: in direct mode what stands behind one event that
    cannot be used, and anything with a wrong password."""
    wait("the gateway serves its new topics", lambda: lab.tap.seen("/direct") and lab.tap.seen("/wrong"), NEW_TOPIC)
    seen = {name: len(lab.tap.seen("/" + name)) for name in ("direct", "wrong")}
    logged = lambda: {"direct": lab.log_size("direct"), "wrong": lab.log_size("spooled", b'"mdss.source":"wrong"')}
    size = logged()
    time.sleep(WATCHED)
    posts = {name: len(lab.tap.seen("/" + name)) - count for name, count in seen.items()}
    log = {name: bytes - size[name] for name, bytes in logged().items()}
    times = sorted(lab.accepted("lab-direct").values())
    table.fact(f"direct mode, 20 good objects beside one that fails, {WATCHED} s, {posts['direct']} posts: each submitted once",
               len(times) == 20 and times[-1] == 1, f"{len(times)} objects, {sum(times)} times in all")
    heard = sorted({post.status for post in lab.tap.seen("/wrong")} - {None})
    table.fact(f"a wrong password, {WATCHED} s, {posts['wrong']} posts: 401", heard == [401], ", ".join(map(str, heard)))
    for name, what in (("direct", "the former"), ("wrong", "the latter")):
        table.fact(f"log of {what}: at most {MOST_LOG // 1024} KiB", log[name] <= MOST_LOG, f"{log[name] // 1024} KiB")
    forget(lab, ["lab-direct", "lab-nobody"], "direct")
    # The right password does not reach what is in the queue: each event has the URL of its upload.
    lab.topic("wrong", lab.url("/wrong", f"relay:{lab.secret}@"), persistent=True, tls=True)
    lab.tell("lab-wrong", "wrong")
    lab.s3.put_object(Bucket="lab-wrong", Key="after", Body=b"x")
    found = dict(arrived(lab, "lab-wrong", 1))
    before = len(lab.tap.seen("/wrong"))

    def refused():
        return [post for post in lab.tap.seen("/wrong")[before:] if post.objects()[0][1] == "k" and post.status == 401]

    try:
        found["k"] = wait("the old URL", refused, limit=10) and 0
    except Failed:
        found["k"] = "no longer posted with the old URL"
    table.fact("events in the queue keep the URL that was right at their upload", found == {"after": 1, "k": 0}, f"accepted: {found}")
    forget(lab, ["lab-wrong"], "wrong")
    time.sleep(1)
    before = len(lab.tap.posts)
    time.sleep(1)
    more = len(lab.tap.posts) - before
    table.fact("notifications and topics taken away: the gateway no longer repeats", more == 0, f"{more} posts in 1 s")


def forget(lab, buckets, topic):
    """In this order: a bucket that names a topic which is gone takes no uploads."""
    for bucket in buckets:
        lab.hush(bucket)
    lab.sns.delete_topic(TopicArn=lab.topics[topic])


def topic_first(lab, table):
    """The wrong order, which the guide warns of."""
    lab.sns.delete_topic(TopicArn=lab.topics["ceph"])
    heard = []
    for _ in range(2):
        try:
            lab.s3.put_object(Bucket="lab-drop", Key="late", Body=b"x")
            heard.append(200)
        except ClientError as error:
            heard.append(error.response["ResponseMetadata"]["HTTPStatusCode"])
        if len(heard) == 1:
            lab.hush("lab-drop")
    table.fact("a persistent topic deleted before the bucket's notification: uploads fail with 400, and go on without it", heard == [400, 200], f"{heard}")


def check(lab, table):
    say("starting Ceph")
    lab.start()
    say(f"radosgw {lab.cluster.version()} answers; {lab.cluster.resident()} MB resident")
    # First what takes its time: a new persistent topic is not served at once.
    lab.topic("ceph", lab.url(f"/ceph/{lab.secret}"), persistent=True)
    lab.topic("direct", lab.url(f"/direct/{lab.secret}"), persistent=True)
    lab.topic("wrong", lab.url("/wrong", "relay:not-the-password@"), persistent=True, tls=True)
    for bucket in ("lab-results", "lab-archive", "lab-versions", "lab-load", "lab-drop"):
        lab.bucket(bucket, "ceph")
    lab.bucket("lab-wrong", "wrong")
    for bucket in ("lab-direct", "lab-nobody"):
        lab.bucket(bucket, "direct")
    lab.s3.put_object(Bucket="lab-nobody", Key="nobody names this bucket", Body=b"x")
    for number in range(20):
        lab.s3.put_object(Bucket="lab-direct", Key=f"good {number}", Body=b"x")
    lab.s3.put_object(Bucket="lab-wrong", Key="k", Body=b"x")
    say("uploading")
    credentials(lab, table)
    writes = {"lab-results": odd_keys(lab, table), "lab-archive": operations(lab, "lab-archive"),
              "lab-versions": versions(lab, "lab-versions"), "lab-drop": deletions(lab, table, "lab-drop")}
    new_address(lab, table)
    notifications(lab, table)
    say("waiting for the gateway's new topics")
    without_a_pause(lab, table)
    say("killing the relay while there are uploads")
    writes["lab-load"] = load(lab, "lab-load")
    settle(lab, {bucket: sum(written.values()) for bucket, written in writes.items()})
    posts = [post for post in lab.tap.seen("/ceph") if "?" not in post.target]
    names = {"lab-results": "odd keys", "lab-archive": "overwrites, copies, parts, forms", "lab-versions": "versions",
             "lab-drop": "deleted at once", "lab-load": f"uploads, relay killed {KILLS} times"}
    for bucket, written in writes.items():
        table.compare(names[bucket], lab.listed(bucket), written, EMPTY_FOLDERS + EXCLUDED,
                      [post for post in posts if any(name == bucket for name, _, _ in post.objects())], lab.accepted(bucket), bucket != "lab-load")
    topic_first(lab, table)
    status = lab.processes.stop("spooled", limit=30)
    table.fact("SIGTERM ends the relay with status 0", status == 0, f"{status}")
    lab.cluster.alive()


def record(lab, folder):
    """The bodies that the gateway posted to the source `ceph`, each once."""
    os.makedirs(folder, exist_ok=True)
    bodies = dict.fromkeys(post.body for post in lab.tap.seen("/ceph"))
    for number, body in enumerate(bodies):
        with open(os.path.join(folder, f"{number:04}.json"), "wb") as file:
            file.write(body)


def say(text):
    print(f"ceph: {text}", file=sys.stderr, flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("binaries")
    parser.add_argument("--record", metavar="FOLDER")
    arguments = parser.parse_args()

    def stop(number, _):
        raise Failed("it takes too long" if number == signal.SIGALRM else f"stopped by {signal.Signals(number).name}")

    for number in (signal.SIGALRM, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, stop)
    signal.alarm(LONGEST)
    began, table, lab = time.monotonic(), Table(), None
    folder = tempfile.mkdtemp(prefix="mdss-ceph-")
    try:
        lab = Lab(os.path.abspath(arguments.binaries), folder)
        check(lab, table)
        if arguments.record:
            record(lab, arguments.record)
    except Exception as error:  # All that is known by then is shown.
        table.ok = False
        table.details.append(f"the check ended early: {error if isinstance(error, Failed) else repr(error)}")
    finally:
        signal.alarm(0)
        if lab:
            lab.processes.end()
        shutil.rmtree(folder, ignore_errors=True)
    table.show()
    print(f"{'as it should be' if table.ok else 'NOT as it should be'}, {time.monotonic() - began:.0f} s")
    return 0 if table.ok else 1


if __name__ == "__main__":
    sys.exit(main())
