//! What the ledger costs: bytes a million, microseconds an entry, seconds to verify a million, and what an operator waits for.
//!
//! `cargo bench -p mdss-relay-ledger`, or with a number of writes: `-- 10000000`. The disk is that of `TMPDIR`. With `-- postgres` it is in a database
//! of a server that is started for it, with its sync as PostgreSQL's own settings have it. It fails where an operator waits for longer than he may.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a bench ends where it fails, and prints")]

use std::time::{Duration, Instant};

use mdss_relay_ledger::{
    BucketName, Database, Export, Fact, Filter, Forget, Format, Ledger, Options, OutboxId, Place, ScanResult,
    Verify, Which,
};
use postgres_rig::Server;
use tempfile::TempDir;

/// What an operator waits for at most: one object and what has no result, of ten million; a million entries that are verified, and exported; and keys that are
/// forgotten.
const SHOW: Duration = Duration::from_secs(1);
const UNSCANNED: Duration = Duration::from_secs(2);
const VERIFY: Duration = Duration::from_secs(5);
const EXPORT: Duration = Duration::from_secs(60);
const FORGET: Duration = Duration::from_secs(60);

const BATCH: u64 = 2000;
const UNITS: u64 = 3;

fn main() {
    let number = std::env::args().filter_map(|arg| arg.parse().ok()).next().unwrap_or(1_000_000);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let server = std::env::args().any(|arg| arg == "postgres").then(|| {
        let binaries =
            postgres_rig::binaries().unwrap().expect("PostgreSQL is not installed: sh .ci/postgres");
        Server::setup(&binaries).fsync(true).start().unwrap()
    });
    runtime.block_on(all(number, server.as_ref()));
}

/// A ledger, in a file or in a database of a server.
struct Kept {
    dir: TempDir,
    url: Option<String>,
    ledger: Ledger,
}

impl Kept {
    async fn begin(server: Option<&Server>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (place, url) = match server {
            None => (Place::Directory(dir.path().to_owned()), None),
            Some(server) => {
                let url = server.database().await.unwrap();
                let database = Database::of_url(&url).unwrap();
                (Place::Database { database, key: Some(dir.path().to_owned()) }, Some(url))
            }
        };
        let ledger = Ledger::open(&place, Options::default()).await.unwrap();
        Self { dir, url, ledger }
    }

    /// What it takes on the disk: the file, or the tables with their indexes.
    async fn bytes(&self) -> f64 {
        const SIZE: &str = "SELECT sum(pg_total_relation_size(c.oid))::text FROM pg_class c
            JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'mdss_relay_ledger' AND c.relkind = 'r'";
        match &self.url {
            None => std::fs::metadata(self.dir.path().join("ledger.db")).unwrap().len() as f64,
            Some(url) => postgres_rig::ask(url, SIZE).await.unwrap()[0].parse().unwrap(),
        }
    }
}

/// A row of the outbox with a key of 74 characters. Three of four keys are as uploads of a day are; the others are by a hash, the worst an index can
/// get.
fn row(n: u64) -> String {
    row_of(n, n.is_multiple_of(4))
}

fn row_of(n: u64, by_hash: bool) -> String {
    let scattered = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let key = if by_hash {
        format!(
            "objects/{scattered:016x}/{:016x}/attachments/of-the-day/{n:011}.pdf",
            scattered.rotate_left(17)
        )
    } else {
        format!(
            "incoming/2026/11/{:02}/department-of-invoices/customer-{:06}/inv-{n:010}.pdf",
            n / 40_000 % 28,
            n % 997
        )
    };
    format!(
        r#"{{"timestamp":"2026-11-21T18:57:00.123Z","kind":"accepted","mdss.source":"minio","mdss.dialect":"minio","faas.document.collection":"invoices","faas.document.name":"{key}","mdss.object.etag":"{scattered:016x}{n:016x}","mdss.object.size_bytes":{},"faas.document.time":"2026-11-21T18:56:59.001Z","mdss.received_time":"2026-11-21T18:56:59.500Z","http.request.resend_count":0,"mdss.lane":"0c54{:032}","mdss.correlation_id":"{:024x}"}}"#,
        n % 1_000_000,
        n % UNITS,
        // As MDSS gives them: the seconds first.
        (u128::from(0x6560_0000 + n / 1000) << 64) | u128::from(scattered),
    )
}

/// Time of the processor that this process has used, in all threads (<https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html>, in hundredths).
fn used() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    Duration::from_millis(10 * (fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()))
}

/// A hundred thousand keys in their order, as the benches of the spool have them.
async fn ordered(server: Option<&Server>) {
    let Kept { ledger, dir: _dir, .. } = Kept::begin(server).await;
    let number = 100_000_u64;
    let facts = (0..number).map(|n| (OutboxId(n as i64), Fact::read(row_of(n, false).as_bytes()).unwrap()));
    let facts: Vec<_> = facts.collect();
    let (begin, before) = (Instant::now(), used());
    for rows in facts.chunks(BATCH as usize) {
        ledger.append(rows.to_vec()).await.unwrap();
    }
    let each = |time: Duration| time.as_secs_f64() * 1e6 / number as f64;
    let processor = format!("an entry; {:.1} µs of the processor", each(used() - before));
    line("append, keys in their order", format!("{:.1} µs", each(begin.elapsed())), &processor);
}

async fn all(number: u64, server: Option<&Server>) {
    ordered(server).await;
    let kept = Kept::begin(server).await;
    let (ledger, dir) = (&kept.ledger, &kept.dir);
    let millions = number as f64 / 1e6;
    println!("{number} accepted writes, keys of 74 characters, in batches of {BATCH}, each synced");

    let (mut read, mut written, mut slowest) = (Duration::ZERO, Duration::ZERO, Duration::ZERO);
    let mut processor = Duration::ZERO;
    let mut done = 0;
    while done < number {
        let texts: Vec<String> = (done..(done + BATCH).min(number)).map(row).collect();
        let begin = Instant::now();
        let rows: Vec<_> = texts
            .iter()
            .zip(done..)
            .map(|(text, n)| (OutboxId(n as i64), Fact::read(text.as_bytes()).unwrap()))
            .collect();
        read += begin.elapsed();
        let (begin, before) = (Instant::now(), used());
        let checkpoint = ledger.append(rows).await.unwrap().checkpoint;
        written += begin.elapsed();
        processor += used() - before;
        slowest = slowest.max(begin.elapsed());
        if let Some(checkpoint) = checkpoint {
            ledger.published(&checkpoint).await.unwrap();
        }
        done += BATCH;
    }
    let each = |time: Duration| time.as_secs_f64() * 1e6 / number as f64;
    line("read a row of the outbox", format!("{:.1} µs", each(read)), "");
    line(
        "append",
        format!("{:.1} µs", each(written)),
        &format!(
            "an entry; {:.1} µs of the processor; slowest batch {} ms",
            each(processor),
            slowest.as_millis()
        ),
    );
    line(
        if server.is_some() { "tables and indexes" } else { "file" },
        format!("{:.0} MB", kept.bytes().await / 1e6 / millions),
        "a million writes without a result",
    );

    let begin = Instant::now();
    let verified = ledger.verify(Verify::default()).await.unwrap();
    let a_million = begin.elapsed().mul_f64(1e6 / verified.entries as f64);
    assert_eq!(verified.faults, []);
    within(VERIFY, a_million, "verify, a million entries");
    line("verify", format!("{:.2} s", a_million.as_secs_f64()), "a million entries");

    let bucket = BucketName::new("invoices");
    let mut show = Duration::ZERO;
    for n in 0..20 {
        let fact = Fact::read(row(number / 20 * n).as_bytes()).unwrap();
        let begin = Instant::now();
        assert_eq!(ledger.show(&bucket, &fact.key.unwrap()).await.unwrap().len(), 1);
        show = show.max(begin.elapsed());
    }
    within(SHOW, show, "show");
    line("show", format!("{:.1} ms", show.as_secs_f64() * 1e3), "the slowest of 20");

    let filter = Filter { older: Some(Duration::from_secs(3600)), limit: 100, ..Filter::default() };
    let begin = Instant::now();
    let open = ledger.unscanned(&filter).await.unwrap();
    let took = begin.elapsed();
    within(UNSCANNED, took, "unscanned");
    line(
        "unscanned",
        format!("{:.0} ms", took.as_secs_f64() * 1e3),
        &format!("{} of them open", open.units.iter().map(|u| u.open).sum::<u64>()),
    );

    let (mut walked, mut after) = (0_u64, None);
    let begin = Instant::now();
    loop {
        let objects = ledger.writes_from(&bucket, after.as_deref(), 1000).await.unwrap();
        walked += objects.len() as u64;
        match objects.last() {
            Some(last) => after = Some(last.key.clone()),
            None => break,
        }
    }
    assert_eq!(walked, number);
    line(
        "walk in the order of keys",
        format!("{:.2} s", begin.elapsed().as_secs_f64() / millions),
        "a million objects, pages of 1000",
    );

    let some = number.min(100_000);
    let begin = Instant::now();
    for from in (1..=some).step_by(BATCH as usize) {
        let about: Vec<u64> = (from..(from + BATCH).min(some + 1)).collect();
        let result = ScanResult {
            about,
            result: Some("No Threat Detected".into()),
            file_state: Some("Allowed".into()),
            ..ScanResult::default()
        };
        // The first hundred thousand numbers have a few entries about checkpoints among them.
        let _ = ledger.result(result).await;
    }
    line(
        "result",
        format!("{:.1} µs", begin.elapsed().as_secs_f64() * 1e6 / some as f64),
        "an entry, 2000 at a time",
    );

    for (what, prefix) in [
        ("forget one key", "incoming/2026/11/00/department-of-invoices/customer-000001/inv-0000000001"),
        ("forget a day", "incoming/2026/11/02/"),
    ] {
        let (bucket, which) = (BucketName::new("invoices"), Which::Prefix(prefix.as_bytes().to_vec()));
        let begin = Instant::now();
        let forget = Forget { bucket, which, reason: "a bench".into(), actor: "bench".into() };
        let forgotten = ledger.forget(forget).await.unwrap();
        let took = begin.elapsed();
        within(FORGET, took, what);
        let what_remains =
            format!("{} entries; what is left of them elsewhere: {:?}", forgotten.entries, forgotten.remains);
        line(what, format!("{:.0} ms", took.as_secs_f64() * 1e3), &what_remains);
    }

    // It grows like the rest, and ten million are 9 GB.
    if number > 2_000_000 {
        return;
    }
    for (format, name) in [(Format::Jsonl, "export JSONL"), (Format::Csv, "export CSV")] {
        let out = std::fs::File::create(dir.path().join("export")).unwrap();
        let begin = Instant::now();
        let manifest = ledger
            .export(Export { format, ..Export::default() }, std::io::BufWriter::new(out))
            .await
            .unwrap();
        let a_million = begin.elapsed().mul_f64(1e6 / manifest.entries as f64);
        within(EXPORT, a_million, name);
        line(name, format!("{:.1} s", a_million.as_secs_f64()), "a million entries");
    }
}

fn within(most: Duration, took: Duration, what: &str) {
    assert!(took <= most, "{what}: {took:?}, and an operator waits for {most:?} at most");
}

fn line(what: &str, figure: String, unit: &str) {
    println!("  {what:<28} {figure:>12}   {unit}");
}
