#!/usr/bin/env python3
"""redrive.py: brings dead letters back: takes each event out of the queue and lets Function Compute call the function with it again.

  ./redrive.py --region REGION

  --region REGION       default ALIBABA_CLOUD_REGION_ID
  --name NAME           default mdss-relay; the queue is NAME-dead
  --account ID          the account's number; default: what `aliyun sts GetCallerIdentity` says
  --look                only look whether something waits, without taking it; status 3 if so
  --endpoint URL        default https://ACCOUNT.mns.REGION.aliyuncs.com; in a VPC https://ACCOUNT.mns.REGION-internal.aliyuncs.com
  --help

The command line knows no call that reads a message, so this speaks the queue's own protocol (MNS, version 2015-06-06). It signs with
ALIBABA_CLOUD_ACCESS_KEY_ID, ALIBABA_CLOUD_ACCESS_KEY_SECRET and, if there is one, ALIBABA_CLOUD_SECURITY_TOKEN; without them with the
access key of the profile in ~/.aliyun/config.json, if that has one. Secrets are no arguments, and are not printed.

An event is removed from the queue when Function Compute has taken it, and not before. What is no event of a call stays, and is named.
Exit status: 0 done, 1 something failed or stays, 2 the arguments are wrong, 3 with --look: something waits.
"""

import base64
import email.utils
import hashlib
import hmac
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
import xml.etree.ElementTree

VERSION = "2015-06-06"
SECONDS = 30


def stop(sentence, status=1):
    print(f"redrive.py: {sentence}", file=sys.stderr)
    sys.exit(status)


def options(words):
    found = {"region": os.environ.get("ALIBABA_CLOUD_REGION_ID", ""), "name": "mdss-relay", "account": "", "endpoint": "", "look": False}
    words = list(words)
    while words:
        word = words.pop(0)
        if word in ("--help", "-h"):
            print(__doc__)
            sys.exit(0)
        if word == "--look":
            found["look"] = True
        elif word in ("--region", "--name", "--account", "--endpoint") and words:
            found[word[2:]] = words.pop(0)
        else:
            stop(f"'{word}': not an option, or its value is missing; --help explains them", 2)
    if not found["region"]:
        stop("--region: missing, and ALIBABA_CLOUD_REGION_ID is not set", 2)
    return found


def aliyun(*words):
    """Its answer; what it complains of is the reader's to see."""
    try:
        ran = subprocess.run(["aliyun", *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=False)
    except OSError as error:
        stop(f"aliyun: {error}")
    if ran.returncode != 0:
        stop(f"'aliyun {words[0]} {words[1]}' ended with status {ran.returncode}; what is in the queue stays there")
    return ran.stdout


def key():
    """Id, secret and token."""
    names = ("ALIBABA_CLOUD_ACCESS_KEY_ID", "ALIBABA_CLOUD_ACCESS_KEY_SECRET", "ALIBABA_CLOUD_SECURITY_TOKEN")
    given = [os.environ.get(name, "") for name in names]
    if given[0] and given[1]:
        return given
    try:
        with open(os.path.expanduser("~/.aliyun/config.json"), encoding="utf-8") as file:
            config = json.load(file)
        wanted = os.environ.get("ALIBABA_CLOUD_PROFILE") or config.get("current")
        profile = next(p for p in config["profiles"] if p["name"] == wanted)
    except (OSError, ValueError, KeyError, StopIteration):
        profile = {}
    found = [profile.get(member, "") for member in ("access_key_id", "access_key_secret", "sts_token")]
    # A profile that takes a role has a key that is not the role's.
    if profile.get("mode") not in ("AK", "StsToken") or not found[0] or not found[1]:
        stop(f"no access key: set {names[0]}, {names[1]} and, for temporary ones, {names[2]}")
    return found


class Queue:
    def __init__(self, endpoint, name, credentials):
        self.endpoint, self.path, self.credentials = endpoint.rstrip("/"), f"/queues/{name}/messages", credentials
        # No redirects: a signed request goes where it was signed for.
        self.opener = urllib.request.build_opener(type("Stay", (urllib.request.HTTPRedirectHandler,), {"redirect_request": lambda *_: None}))

    def call(self, method, query):
        """The answer, or nothing if there is no message ("Sign requests", SMQ)."""
        identity, secret, token = self.credentials
        resource = f"{self.path}?{query}"
        date = email.utils.formatdate(usegmt=True)
        headers = {"Date": date, "x-mns-version": VERSION}
        signed = "\n".join([method, "", "", date, f"x-mns-version:{VERSION}", resource])
        digest = hmac.new(secret.encode(), signed.encode(), hashlib.sha1).digest()
        headers["Authorization"] = f"MNS {identity}:{base64.b64encode(digest).decode()}"
        if token:
            headers["security-token"] = token
        try:
            with self.opener.open(urllib.request.Request(self.endpoint + resource, method=method, headers=headers), timeout=SECONDS) as answer:
                return answer.read(1 << 20)
        except urllib.error.HTTPError as error:
            said = error.read(1 << 16)
            if member(said, "Code") == "MessageNotExist":
                return None
            stop(f"the queue answered {error.code}: {member(said, 'Code')} {member(said, 'Message')}".rstrip())
        except OSError as error:
            stop(f"the queue was not reached: {error}")


def member(text, name):
    """The text of an element, whatever its namespace; a document with a type of its own is refused."""
    if not text or b"<!" in text:
        return ""
    try:
        root = xml.etree.ElementTree.fromstring(text)
    except xml.etree.ElementTree.ParseError:
        return ""
    return next((e.text or "" for e in root.iter() if e.tag.rsplit("}", 1)[-1] == name), "")


def event(body):
    """What the function was called with, out of a message of Function Compute's ("Destinations for asynchronous invocations"). Clients of
    MNS write base64; whether Function Compute does is not documented."""
    text = body.strip()
    if not text.startswith("{"):
        try:
            text = base64.b64decode(text, validate=True).decode()
        except ValueError:
            return None
    try:
        payload = json.loads(text)["requestPayload"]
    except (ValueError, KeyError, TypeError):
        return None
    return payload if isinstance(payload, str) else json.dumps(payload, ensure_ascii=False)


def invoke(found, payload):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "event.json")
        with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="utf-8") as file:
            file.write(payload)
        aliyun("fc", "POST", f"/2023-03-30/functions/{found['name']}/invocations", "--header", "x-fc-invocation-type=Async", "--body-file", path, "--region", found["region"])


def main():
    found = options(sys.argv[1:])
    credentials = key()
    account = found["account"] or json.loads(aliyun("sts", "GetCallerIdentity", "--region", found["region"]))["AccountId"]
    queue = Queue(found["endpoint"] or f"https://{account}.mns.{found['region']}.aliyuncs.com", found["name"] + "-dead", credentials)
    if found["look"]:
        waits = queue.call("GET", "peekonly=true") is not None
        print("dead letters wait" if waits else "no dead letters")
        sys.exit(3 if waits else 0)
    brought, stay, begun = 0, 0, time.time() * 1000
    # A message that was received is invisible for a while, so each is seen once.
    while (message := queue.call("GET", "waitseconds=0")) is not None:
        if float(member(message, "EnqueueTime") or 0) > begun:
            print("an event that was brought back, or another one, has failed again meanwhile; correct the cause before the next try", file=sys.stderr)
            stay += 1
            break
        payload = event(member(message, "MessageBody"))
        if payload is None:
            stay += 1
            print(f"message {member(message, 'MessageId')} is no event of a call; it stays", file=sys.stderr)
            continue
        invoke(found, payload)
        queue.call("DELETE", urllib.parse.urlencode({"ReceiptHandle": member(message, "ReceiptHandle")}))
        brought += 1
        print(f"brought back: {json.dumps(payload)[:200]}")
    print(f"{brought} events were brought back; {stay} messages stay")
    sys.exit(1 if stay else 0)


if __name__ == "__main__":
    main()
