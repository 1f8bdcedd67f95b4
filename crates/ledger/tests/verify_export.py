"""Verifies an export of the ledger by what docs/ledger-export.md says, and nothing else: verify_export.py EXPORT.jsonl [CHECKPOINTS]"""
import datetime, json, re, sys
from hashlib import sha256, sha512

# Ed25519 as in RFC 8032, section 5.1.
P, L = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P)
def point(data):
    y = int.from_bytes(data, "little") % 2**255
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    x = x if (x * x - square) % P == 0 else x * pow(2, (P - 1) // 4, P) % P
    return (x if x % 2 == data[31] >> 7 else P - x, y) if (x * x - square) % P == 0 else (0, 0)
def add(a, b):
    t = D * a[0] * b[0] * a[1] * b[1]
    return (a[0] * b[1] + b[0] * a[1]) * pow(1 + t, -1, P) % P, (a[1] * b[1] + a[0] * b[0]) * pow(1 - t, -1, P) % P
def times(n, a):
    return (0, 1) if n == 0 else add(times(n - 1, a), a) if n % 2 else times(n // 2, add(a, a))
def signed(key, text, sign):
    base = point((4 * pow(5, -1, P) % P).to_bytes(32, "little"))
    n, s = (int.from_bytes(part, "little") for part in (sha512(sign[:32] + key + text).digest(), sign[32:]))
    return s < L and times(s, base) == add(point(sign[:32]), times(n % L, point(key)))

EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
def number(n):
    return (int(n) % 2**64).to_bytes(8, "big")
def moment(text):
    return number(round((datetime.datetime.fromisoformat(text.replace("Z", "+00:00")) - EPOCH) / datetime.timedelta(milliseconds=1)))
def field(value):
    return b"\xff" * 4 if value is None else len(value).to_bytes(4, "big") + value
FIELDS = """source dialect bucket namespace unit keys #commitment version etag !size @event_time @received_time @accepted_time !attempts correlation_id
    origin actor !count reason !about file_id result file_state @scan_completed_time confidence #digest detail""".split()
FORM = {"#": bytes.fromhex, "!": number, "@": moment}
def subject(entry):
    if "salt" in entry:
        key = entry["key"].encode() if entry["keys"] == "clear" else bytes.fromhex(entry["key"])
        entry = entry | {"commitment": sha256(bytes.fromhex(entry["salt"]) + key).hexdigest()}
    values = ((FORM.get(name[0], str.encode), entry.get(name.lstrip("#!@"))) for name in FIELDS)
    return sha256(b"\x00\x01" + b"".join(field(value if value is None else form(value)) for form, value in values)).digest()

head, *entries = (json.loads(line) for line in open(sys.argv[1], encoding="utf-8"))
hashes, last, digest = {}, bytes.fromhex(head["previous_hash"]), sha256(b"\x05")
if head["first_seq"] == 1:
    begin = bytes.fromhex(head["ledger"]) + moment(head["created"]) + bytes.fromhex(head["public_key"])
    last == sha256(b"\x02" + begin).digest() or sys.exit("the hash before the first entry is not that of the beginning")
for seq, entry in enumerate(entries, head["first_seq"] or 1):
    link = number(entry["seq"]) + moment(entry["at"]) + field(entry["kind"].encode()) + subject(entry)
    last = hashes[seq] = sha256(b"\x01" + last + link).digest()
    (entry["seq"], entry["hash"]) == (seq, last.hex()) or sys.exit(f"entry {seq} does not fit the one before, or what it says")
    digest.update(b"".join(field(str(entry.get(name, "")).encode()) for name in head["columns"]))
if (len(entries), last.hex(), digest.hexdigest()) != (head["entries"], head["last_hash"], head["digest"]):
    sys.exit("the entries are not those that the first line speaks of")
kept = open(sys.argv[2], encoding="utf-8").read() if len(sys.argv) > 2 else ""
for text in head["checkpoints"] + re.findall(r"mdss-relay-checkpoint:1:[0-9a-f:-]+", kept):
    name, seq, at, writes, hash_, key, sign = text.split(":")[2:]
    covered = b"\x03" + bytes.fromhex(name) + number(seq) + number(at) + number(writes) + bytes.fromhex(hash_)
    signer = next(k["public_key"] for k in head.get("keys", [{"until_seq": None, "public_key": head["public_key"]}]) if k["until_seq"] is None or int(seq) <= k["until_seq"])
    good = signed(bytes.fromhex(key), covered, bytes.fromhex(sign)) and name == head["ledger"] and key == signer
    good and hashes.get(int(seq), bytes.fromhex(hash_)).hex() == hash_ or sys.exit(f"the checkpoint over entry {seq} does not fit")
    int(seq) <= head["last_seq"] or head["until"] or sys.exit(f"there was an entry {seq}; the export ends with {head['last_seq']}")
for entry in entries:
    if entry.get("reason") in ("chain_ends", "chain_succeeds"):
        print("link:", entry["seq"], entry["reason"], entry.get("digest", "-"), entry["detail"])
print("intact:", len(entries), "entries")
