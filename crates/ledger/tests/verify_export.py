#!/usr/bin/env python3
"""Verifies an export of a ledger (JSONL), written from "The format" in crates/ledger/README.md alone.

usage: verify_export.py EXPORT [TEXT WITH CHECKPOINTS THAT WERE KEPT ELSEWHERE ...]
"""
import hashlib, json, re, struct, sys
from datetime import datetime, timezone

def sha(*parts): return hashlib.sha256(b"".join(parts)).digest()
def number(n): return struct.pack(">Q", n)
def moment(text):
    since = datetime.fromisoformat(text.replace("Z", "+00:00")) - datetime(1970, 1, 1, tzinfo=timezone.utc)
    return struct.pack(">q", (since.days * 86400 + since.seconds) * 1000 + since.microseconds // 1000)
def text(t): return t.encode()
def field(b): return b"\xff\xff\xff\xff" if b is None else struct.pack(">I", len(b)) + b

FIELDS = [("source", text), ("dialect", text), ("bucket", text), ("namespace", text), ("unit", text), ("keys", text),
          ("commitment", bytes.fromhex), ("version", text), ("etag", text), ("size", number), ("event_time", moment),
          ("received_time", moment), ("accepted_time", moment), ("attempts", number), ("correlation_id", text),
          ("origin", text), ("actor", text), ("count", number), ("reason", text), ("about", number), ("file_id", text),
          ("result", text), ("file_state", text), ("scan_completed_time", moment), ("confidence", text),
          ("digest", bytes.fromhex), ("detail", text)]

def fail(seq, what): sys.exit(f"entry {seq}: {what}")

lines = open(sys.argv[1], encoding="utf-8", newline="\n")
head = json.loads(next(lines))
previous, expected = bytes.fromhex(head["previous_hash"]), head["first_seq"]
genesis = sha(b"\x02", bytes.fromhex(head["ledger"]), moment(head["created"]), bytes.fromhex(head["public_key"]))
if expected == 1 and previous != genesis: fail(0, "the chain begins elsewhere")
kept = {}
for found in re.findall(r"mdss-relay-checkpoint:1:([0-9a-f:-]+)", " ".join(head["checkpoints"] + [open(p).read() for p in sys.argv[2:]])):
    ledger, seq, at, writes, digest, public, signature = found.split(":")
    if ledger != head["ledger"] or public != head["public_key"]: fail(seq, "a checkpoint of another ledger")
    signed = b"\x03" + bytes.fromhex(ledger) + number(int(seq)) + struct.pack(">q", int(at)) + number(int(writes)) + bytes.fromhex(digest)
    kept.setdefault(int(seq), []).append((bytes.fromhex(digest), signed, bytes.fromhex(signature)))
whole, entries = hashlib.sha256(b"\x05"), 0
for line in lines:
    entry = json.loads(line)
    seq = entry["seq"]
    if seq != expected: fail(seq, f"expected {expected}")
    for column in head["columns"]: whole.update(field(str(entry.get(column, "")).encode()))
    if "salt" in entry:
        key = bytes.fromhex(entry["key"]) if entry["keys"] == "hashed" else entry["key"].encode()
        entry["commitment"] = sha(bytes.fromhex(entry["salt"]), key).hex()
    subject = sha(b"\x00\x01", *(field(None if name not in entry else form(entry[name])) for name, form in FIELDS))
    kind = entry["kind"].encode()
    previous = sha(b"\x01", previous, number(seq), moment(entry["at"]), field(kind), subject)
    if subject.hex() != entry["subject"]: fail(seq, "its members are not those of its subject")
    if previous.hex() != entry["hash"]: fail(seq, "its hash does not fit")
    if any(digest != previous for digest, _, _ in kept.get(seq, [])): fail(seq, "a checkpoint was made over another entry")
    expected, entries = seq + 1, entries + 1
if previous.hex() != head["last_hash"] or whole.hexdigest() != head["digest"] or entries != head["entries"]: fail(expected, "the end does not fit")
try:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(head["public_key"]))
    for checkpoints in kept.values():
        for _, signed, signature in checkpoints: public.verify(signature, signed)
    signatures = "signatures valid"
except ImportError:
    signatures = "signatures not checked: no module 'cryptography'"
print(f"intact: {entries} entries up to {expected - 1}, {sum(map(len, kept.values()))} checkpoints, {signatures}")
