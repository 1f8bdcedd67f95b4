"""Between gateway and relay: passes each request on as it is, and writes down what was asked and what was answered."""

import http.client
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Post:
    """A request of the gateway's. `status` is what it heard; None if the relay was away or hung up."""

    def __init__(self, target, headers, body):
        self.target, self.headers, self.body, self.status = target, headers, body, None

    def objects(self):
        """Bucket, key and event name of each record; read as Latin-1, which takes every byte, so for ASCII names only."""
        records = json.loads(self.body.decode("latin-1"))["Records"]
        return [(record["s3"]["bucket"]["name"], record["s3"]["object"]["key"], record["eventName"]) for record in records]


class Tap(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, ports):
        """`ports`: the first segment of a path, and who listens for it; "" is everything else."""
        super().__init__(("127.0.0.1", 0), Handler)
        self.ports, self.posts, self.lock = ports, [], threading.Lock()
        self.port = self.server_address[1]
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def seen(self, start):
        """What was posted to targets that begin so."""
        with self.lock:
            return [post for post in self.posts if post.target.startswith(start)]

    def handle_error(self, request, client_address):
        pass  # The gateway, or the relay, has gone in the middle: `status` says so.


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # One packet an answer.
    disable_nagle_algorithm = True

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        post = Post(self.path, self.headers.items(), body)
        with self.server.lock:
            self.server.posts.append(post)
        first = self.path.split("/")[1].split("?")[0]
        relay = http.client.HTTPConnection("127.0.0.1", self.server.ports.get(first, self.server.ports[""]), timeout=60)
        try:
            relay.putrequest("POST", self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in post.headers:
                relay.putheader(name, value)
            relay.endheaders(body)
            answer = relay.getresponse()
            text = answer.read()
        except (OSError, http.client.HTTPException):
            # As the gateway would see it without us: no answer.
            self.close_connection = True
            return
        finally:
            relay.close()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("connection", "transfer-encoding", "content-length", "date", "server"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)
        # Before it leaves: who asks what was answered must not be told too little.
        post.status = answer.status

    def log_message(self, *_):
        pass
