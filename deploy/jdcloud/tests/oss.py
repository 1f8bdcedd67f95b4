#!/usr/bin/env python3
"""Stands in for a bucket of JD Cloud OSS: GET and PUT of its notifications, signed, on loopback. Prints its port.

    oss.py FOLDER    FOLDER/rules.xml is what there is; FOLDER/requests gets a line for each request, "PUT 200"

It checks Signature Version 4 by itself, from AWS's description of it and not with curl's code, and before it takes rules it
posts the handshake to every address in them, as JD's documentation says OSS does. FOLDER/meddle: somebody else writes afterwards.
"""

import base64
import hashlib
import hmac
import os
import re
import sys
import urllib.error
import urllib.request
import xml.etree.ElementTree as ET
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qsl, quote, urlsplit

# Everything that a configuration file of curl could trip over, unless it is typed by hand.
ACCESS_KEY, SECRET_KEY, REGION = "AKTEST", os.environ.get("OSS_SECRET_KEY", 'se"cr\\et/key+1'), "cn-north-1"
FOLDER = sys.argv[1]


def mac(key, message):
    return hmac.new(key, message.encode(), hashlib.sha256).digest()


def why_not(method, target, headers, body):
    """What is wrong with the signature; None if it is right."""
    found = re.fullmatch(
        r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/([^/]+)/aws4_request, ?SignedHeaders=([a-z0-9;-]+), ?Signature=([0-9a-f]{64})",
        headers.get("authorization", ""),
    )
    if not found:
        return "no Signature Version 4"
    key_id, day, region, service, signed, signature = found.groups()
    stamp = headers.get("x-amz-date", "")
    if (key_id, region, service) != (ACCESS_KEY, REGION, "s3") or not stamp.startswith(day):
        return f"credential {key_id}/{day}/{region}/{service}"
    if abs(datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=timezone.utc) - datetime.now(timezone.utc)) > timedelta(minutes=15):
        return "RequestTimeTooSkewed"
    names = signed.split(";")
    if names != sorted(names) or "host" not in names or any(n.startswith("x-amz-") and n not in names for n in headers):
        return f"signed headers {signed}"
    if headers.get("x-amz-content-sha256") != hashlib.sha256(body).hexdigest():
        return "x-amz-content-sha256, which S3 wants, is missing or is not the body's"
    path, _, query = target.partition("?")
    pairs = sorted((quote(k, safe="-_.~"), quote(v, safe="-_.~")) for k, v in parse_qsl(query, keep_blank_values=True))
    canonical = "\n".join(
        [
            method,
            path,
            "&".join(f"{k}={v}" for k, v in pairs),
            *(f"{name}:{' '.join(headers[name].split())}" for name in names),
            "",
            signed,
            headers["x-amz-content-sha256"],
        ]
    )
    text = "\n".join(["AWS4-HMAC-SHA256", stamp, f"{day}/{region}/{service}/aws4_request", hashlib.sha256(canonical.encode()).hexdigest()])
    key = mac(mac(mac(mac(b"AWS4" + SECRET_KEY.encode(), day), region), service), "aws4_request")
    return None if hmac.compare_digest(mac(key, text).hex(), signature) else f"SignatureDoesNotMatch for {canonical!r}"


def answers(url):
    """Whether the callback server passes JD's handshake."""
    text = f"handshake {os.urandom(4).hex()} 中文"
    request = urllib.request.Request(url, text.encode(), {"x-jdcloud-message-type": "SubscriptionConfirmation", "Content-Type": "text/plain"})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status == 200 and answer.read() == base64.b64encode(text.encode())
    except (urllib.error.URLError, OSError):
        return False


class Bucket(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def say(self, status, body=b""):
        with open(f"{FOLDER}/requests", "a", encoding="utf-8") as file:
            file.write(f"{self.command} {status}\n")
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def refuse(self, status, code, message):
        self.say(status, f"<Error><Code>{code}</Code><Message>{message}</Message></Error>".encode())

    def handle_it(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        reason = why_not(self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, body)
        if reason:
            print(reason, file=sys.stderr)
            return self.refuse(403, "SignatureDoesNotMatch", "see the stand-in")
        if urlsplit(self.path).path != "/" or [k for k, _ in parse_qsl(urlsplit(self.path).query, keep_blank_values=True)] != ["notification"]:
            return self.refuse(404, "NoSuchKey", "only ?notification")
        if self.command == "GET":
            with open(f"{FOLDER}/rules.xml", "rb") as file:
                return self.say(200, file.read())
        topics = [e.text or "" for e in ET.fromstring(body).iter() if e.tag.rsplit("}", 1)[-1] == "Topic"]
        with open(f"{FOLDER}/rules.xml", encoding="utf-8") as file:
            known = file.read()
        if not all(answers(url) for topic in topics if topic not in known for url in topic.removeprefix("NS:").split(",")):
            return self.refuse(400, "InvalidArgument", "Topic does not exist, verification failed")
        with open(f"{FOLDER}/rules.xml", "wb") as file:
            file.write(b"" if os.path.exists(f"{FOLDER}/meddle") else body)
        return self.say(200)

    do_GET = do_PUT = handle_it


if __name__ == "__main__":
    server = HTTPServer(("127.0.0.1", 0), Bucket)
    print(server.server_port, flush=True)
    server.serve_forever()
