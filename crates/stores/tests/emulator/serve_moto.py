"""Serves moto on a free port of loopback, with a bucket `many` of 2100 objects. Prints the address as one line, and ends with its stdin."""

import logging
import sys

from moto.core import DEFAULT_ACCOUNT_ID
from moto.s3.models import s3_backends
from moto.server import ThreadedMotoServer

logging.getLogger("werkzeug").setLevel(logging.ERROR)
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
store = s3_backends[DEFAULT_ACCOUNT_ID]["aws"]
store.create_bucket("many", "us-east-1")
for number in range(2100):
    store.put_object("many", f"incoming/{number:05}.pdf", b"")
host, port = server.get_host_and_port()
print(f"{host}:{port}", flush=True)
sys.stdin.read()
server.stop()
