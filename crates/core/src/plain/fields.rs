//! The names of log fields, in one list. They follow the OpenTelemetry conventions (`faas.*`, `http.*`, `error.type`);
//! our own begin with `mdss.`.
//!
//! The names are an interface: people search their logs by them. A test reads every crate's sources and finds a name that is not
//! here; the same test prints the list into `docs/logging.md`. Crates that use none of ours (`host`, the shims) write the names
//! out.

/// What a line can say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its name in the line.
    pub name: &'static str,
    /// The constant that holds the name.
    pub constant: &'static str,
    /// `text`, `integer` or `boolean`, as JSON has it; the unit behind it, if it has one.
    pub kind: &'static str,
    /// Which lines have it.
    pub lines: &'static str,
    /// What it says, in one sentence.
    pub meaning: &'static str,
}

macro_rules! fields {
    ($($constant:ident = $name:literal, $kind:literal, $lines:literal, $meaning:literal;)+) => {
        $(#[doc = $meaning] pub const $constant: &str = $name;)+

        /// Every field that a line may have, in the order of the documentation.
        pub const ALL: &[Field] = &[$(Field {
            name: $name,
            constant: stringify!($constant),
            kind: $kind,
            lines: $lines,
            meaning: $meaning,
        },)+];
    };
}

fields! {
    BUCKET = "faas.document.collection", "text", "object", "the **bucket**; OpenTelemetry's name for it";
    KEY = "faas.document.name", "text", "object", "the object's **key**, decoded; OpenTelemetry's name for it";
    EVENT_TYPE = "cloudevents.event_type", "text", "object", "the event's name as its provider sent it";
    DIALECT = "mdss.dialect", "text", "object", "the record's dialect";
    INVOCATION = "faas.invocation_id", "text", "object",
        "the delivery: the platform's id of the call; of the HTTP server the source, when the process started, and a number, such as `minio-19abf2c3d4e-7`; in every function except Lambda's a field of the span `call`";
    REPETITIONS = "faas.repetitions", "integer", "process",
        "how often the platform has called for the same event before, where it says so (Azure Functions)";
    ITEM = "mdss.item", "text", "object", "the record's path in its delivery";
    NAMESPACE = "mdss.namespace", "text", "accepted object", "the namespace that the bucket is in (OCI)";
    VERSION = "mdss.object.version", "text", "accepted object", "the object's version, as the event names it";
    ETAG = "mdss.object.etag", "text", "accepted object", "the object's ETag, as the event names it, without quotes";
    OBJECT_SIZE_BYTES = "mdss.object.size_bytes", "integer, bytes", "accepted object", "how large the object is, by the event's word";
    EVENT_TIME = "faas.document.time", "text", "accepted object", "when the object was stored, by the store's clock, UTC; OpenTelemetry's name for it";
    RECEIVED_TIME = "mdss.received_time", "text", "accepted object", "when its delivery came, by the relay's clock, UTC";
    ORIGIN = "mdss.origin", "text", "accepted object",
        "what brought it here, if no event did: `reconcile`, or `retry` for an item that was retried by hand";
    CORRELATION_ID = "mdss.correlation_id", "text", "object", "what MDSS calls the accepted object";
    REASON = "mdss.reason", "text", "object",
        "why the record was skipped or failed: a token of the list in `docs/answers.md`; of a unit whose events wait, all its tokens with commas";
    DETAIL = "mdss.detail", "text", "object", "the sentence for the reason";
    ERROR_TYPE = "error.type", "text", "every failure",
        "a stable token for the failure, the same as `mdss.reason` where it is a record's; absent on success";
    FAILURE_KIND = "mdss.failure_kind", "text", "every failure", "`transient`, `config` or `permanent`: who can do something about it";
    RESEND_COUNT = "http.request.resend_count", "integer", "object", "requests to MDSS after the first one: one less than `attempts` in a report and `TRIED` in `mdss-relay spool list`";
    DURATION_MS = "duration_ms", "integer, ms", "object",
        "how long the record took, from the start of its delivery's work; in spooled mode, how long the request to MDSS took";
    UNTRUSTED = "mdss.untrusted", "text", "object", "what the uploader chose freely (JD Cloud's `callBackVar`), as one text of JSON";
    MORE = "mdss.more", "integer", "many objects", "how many records share this line";
    OBJECTS = "mdss.objects", "text", "many objects", "the objects they name: a text of JSON, a list of pairs of bucket and key";
    TIMES = "mdss.times", "integer", "many objects", "how many equal lines were left out within a minute";

    SOURCE = "mdss.source", "text", "accepted object, server", "the name of the HTTP source";
    CHECK = "mdss.check", "text", "server", "the check of the gate that refused";
    CHECK_ID = "mdss.check_id", "text", "server", "the check of doctor, repeated by the server, that says something else than before";
    CLIENT_ADDRESS = "client.address", "text", "server",
        "who posts: the connection's other end or, behind a trusted proxy, the address in `X-Forwarded-For`";
    REPEATS = "mdss.repeats", "integer", "server", "how many lines like this one were left out since the last one";
    STATUS = "http.response.status_code", "integer", "server, process", "the status that the client got; in a line about the server of Tencent SCF or Huawei FunctionGraph, the one that it answered with";
    SIZE_BYTES = "size_bytes", "integer, bytes", "server", "how large the body was, as far as it was read";
    KEY_URL = "mdss.key_url", "text", "server", "the URL of a certificate that a signature check fetched, or that a sender named";
    TOPIC = "mdss.topic", "text", "server", "the topic whose subscription waits for its confirmation, or was confirmed";
    SERVER_ADDRESS = "server.address", "text", "server", "the address that the server listens on";
    SERVER_PORT = "server.port", "integer", "server", "the port that the server listens on";

    LANE = "mdss.lane", "text", "accepted object, spool", "the storage unit's id, or `unrouted`";
    SPOOL_ITEM = "mdss.spool.item", "integer", "spool", "the item's number, as `mdss-relay spool show` takes it";
    SPOOL_STATE = "mdss.spool.state", "text", "spool", "`waiting`, `held` or `parked`: the item's state from now on";
    SPOOL_PAUSE_MS = "mdss.spool.pause_ms", "integer, ms", "spool", "how long the item waits for its next attempt";
    SPOOL_AGE_MS = "mdss.spool.age_ms", "integer, ms", "spool",
        "the time since the event's receipt; in the line about a unit, that of its oldest event";
    SPOOL_WAITING = "mdss.spool.waiting", "integer", "spool", "how many items of the unit wait; in the start line and in an outage, those of all units";
    SPOOL_HELD = "mdss.spool.held", "integer", "spool", "how many items of the unit are held; in the start line and in an outage, those of all units";
    SPOOL_DIR = "spool.dir", "text", "spool's files", "the spool's directory";
    SPOOL_DATABASE = "spool.database", "text", "spool's files", "the servers and the database of the spool, where several relays share one";
    SPOOL_FILE = "spool.file", "text", "spool's files", "the file that the line is about";
    SPOOL_ASIDE = "spool.aside", "text", "spool's files", "the name that the file has been given";
    SPOOL_DELIVERIES = "spool.deliveries", "integer", "spool's files", "deliveries that were saved";
    SPOOL_ITEMS = "spool.items", "integer", "spool's files", "items that were saved";
    SPOOL_ITEMS_MADE_AGAIN = "spool.items_made_again", "integer", "spool's files",
        "items that were lost and made again from the bodies of their deliveries";
    SPOOL_WITHOUT_ITEMS = "spool.without_items", "integer", "spool's files",
        "deliveries that have lost their items and cannot be planned: they are parked";
    SPOOL_WHOLE = "spool.whole", "boolean", "spool's files", "whether everything could be saved";
    FROM = "from", "integer", "spool's files", "the version of the spool's tables that was found";
    TO = "to", "integer", "spool's files", "the version that they have now";
    BEHIND_MS = "behind_ms", "integer, ms", "spool", "how far the clock was set back";
    AHEAD_MS = "ahead_ms", "integer, ms", "spool", "how far the clock was set ahead";

    SERVICE_VERSION = "service.version", "text", "start", "the version of the program";
    MODE = "mdss.mode", "text", "start", "`direct` or `spooled`";
    SOURCES = "mdss.sources", "text", "start", "the sources with their paths; a secret in a path is shown as `<secret>`";
    ROUTES = "mdss.routes", "text", "start", "which buckets go to which storage units; the first twenty routes";
    ENDPOINT = "mdss.endpoint", "text", "start", "scheme, host and port of MDSS";
    PROXY = "mdss.proxy", "text", "start", "scheme, host and port of the proxy on the way to MDSS; absent if there is none";
    CONFIGURATION = "mdss.configuration", "text", "start", "the configuration file, or `RELAY_CONFIG_TOML`; absent if there is none";
    OVERRIDDEN = "mdss.overridden", "text", "start", "variables that override a member of the configuration, with commas";
    SPOOL_PARKED = "mdss.spool.parked", "integer", "start", "how many items are parked";
    CHANGED = "mdss.changed", "text", "start", "what differs from the configuration before, after a SIGHUP: names, with commas";
    CALLS_FINISHED = "mdss.calls.finished", "integer", "end", "requests that were under way at the signal, or began after it, and were answered";
    CALLS_CUT = "mdss.calls.cut", "integer", "end", "requests that were under way when the process ended: their senders got no answer";

    OUTAGE_SINCE = "mdss.outage.since", "text", "outage", "when the first attempt failed, UTC";
    OUTAGE_MS = "mdss.outage.duration_ms", "integer, ms", "outage", "how long it lasts, or has lasted";
    OUTAGE_ATTEMPTS = "mdss.outage.attempts", "integer", "outage", "requests to MDSS that have failed since";
    OUTAGE_REFUSED = "mdss.outage.refused", "integer", "outage", "deliveries whose senders were answered 500 or 503 since (direct mode)";
    OUTAGE_NEXT_MS = "mdss.outage.next_ms", "integer, ms", "outage", "when the next request to MDSS is made (spooled mode)";

    LEDGER_DIR = "mdss.ledger.dir", "text", "start", "the directory of the ledger; absent if none is kept";
    CHECKPOINT = "mdss.ledger.checkpoint", "text", "ledger", "a signed word about where the ledger stood: keep it elsewhere, and `mdss-relay ledger verify --checkpoint` compares the ledger with it";
    LEDGER_ENTRIES = "mdss.ledger.entries", "integer", "ledger", "how many of its entries were removed because of their age, or for want of room";
    LEDGER_ASIDE = "mdss.ledger.aside", "text", "ledger", "the name that a damaged ledger was given";
    RESULT = "mdss.result", "text", "result", "what MDSS has found: `allowed`, `blocked`, `failed` (scanned, and not judged) or `unknown`";
    FILE_ID = "mdss.file_id", "text", "result", "what MDSS calls the file that it has scanned";
    FILE_PATH = "mdss.file_path", "text", "result", "the file's path as MDSS tells it, relative to something that only it knows; absent unless keys are kept in the clear";
    FILE_STATE = "mdss.file_state", "text", "result", "what became of the file in MDSS, in its words";
    CONFIDENCE = "mdss.confidence", "text", "result",
        "how sure it is that the result belongs to the object: `id`, `file-api`, `path`, or `path-shared` if another unit has an object of this path";
    WRITES = "mdss.writes", "integer", "result", "how many writes of the object it is the result of";
    UNCONFIRMED = "mdss.unconfirmed", "integer", "result", "accepted objects of the unit for which no result was received in time";
    OUTBOX_ROWS = "mdss.ledger.outbox_rows", "integer", "ledger", "how many facts wait for the ledger";
    OUTBOX_LOST = "mdss.ledger.outbox_lost", "integer", "ledger", "for how many facts there was no room: the ledger gets a gap that counts them";

    ERROR = "error", "text", "process", "what the system, the platform or a library said";
    SIGNAL = "signal", "text", "process", "the signal that asked the process to stop";
    CODE_FILE = "code.file.path", "text", "process", "where the program panicked";
    CODE_LINE = "code.line.number", "integer", "process", "the line in that file";
    SOCKET = "socket", "text", "process", "the socket that an OCI function serves";
    PATH = "path", "text", "process", "the name of a socket that could not be removed";
    DEBUG_ITEM = "item", "text", "debug", "the record's path in its delivery";
    DEBUG_FAILURE = "failure", "text", "debug", "the sentence of a failed attempt that is repeated";
}
