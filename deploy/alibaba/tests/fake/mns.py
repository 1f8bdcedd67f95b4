#!/usr/bin/env python3
"""Stands in for MNS's own protocol in the tests of redrive.py: one queue, kept in a folder, one file a message.

    mns.py FOLDER QUEUE PORT-FILE

It checks each request's signature by itself, with the key testid and testsecret, and the token testtoken if one is sent. A message that was
received is not seen again. It ends when its standard input does.
"""

import base64
import hashlib
import hmac
import http.server
import os
import sys
import threading
import time
import urllib.parse

folder, queue, port_file = sys.argv[1:]
taken = set()


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *words):
        pass

    def answer(self, status, body=""):
        data = body.encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Content-Type", "text/xml;charset=utf-8")
        self.end_headers()
        self.wfile.write(data)

    def refused(self, status, code):
        self.answer(status, f'<?xml version="1.0"?><Error xmlns="http://mns.aliyuncs.com/doc/v1/"><Code>{code}</Code><Message>it says so</Message></Error>')

    def signed(self):
        named = sorted((name.lower(), value) for name, value in self.headers.items() if name.lower().startswith("x-mns-"))
        lines = [self.command, self.headers.get("Content-MD5", ""), self.headers.get("Content-Type", ""), self.headers["Date"]]
        text = "\n".join(lines + [f"{name}:{value}" for name, value in named] + [self.path])
        right = base64.b64encode(hmac.new(b"testsecret", text.encode(), hashlib.sha1).digest()).decode()
        return self.headers.get("Authorization") == f"MNS testid:{right}" and self.headers.get("security-token", "testtoken") == "testtoken"

    def do_any(self):
        path, _, query = self.path.partition("?")
        query = urllib.parse.parse_qs(query)
        if not self.signed():
            return self.refused(403, "SignatureDoesNotMatch")
        if path != f"/queues/{queue}/messages":
            return self.refused(404, "QueueNotExist")
        if self.command == "DELETE":
            name = os.path.basename(query["ReceiptHandle"][0])
            os.remove(os.path.join(folder, name))
            return self.answer(204)
        for name in sorted(os.listdir(folder)):
            if name not in taken:
                if "peekonly" not in query:
                    taken.add(name)
                with open(os.path.join(folder, name), encoding="utf-8") as file:
                    body = file.read().replace("&", "&amp;").replace("<", "&lt;")
                begun = int(name.split("-")[1]) if "-" in name else int(time.time() * 1000) - 60000
                return self.answer(
                    200,
                    f'<?xml version="1.0"?><Message xmlns="http://mns.aliyuncs.com/doc/v1/"><MessageId>id-{name}</MessageId><ReceiptHandle>{name}</ReceiptHandle>'
                    f"<MessageBody>{body}</MessageBody><EnqueueTime>{begun}</EnqueueTime></Message>",
                )
        return self.refused(404, "MessageNotExist")

    do_GET = do_DELETE = do_any


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
with open(port_file + ".new", "w", encoding="utf-8") as out:
    out.write(str(server.server_port))
os.rename(port_file + ".new", port_file)
server.serve_forever()
