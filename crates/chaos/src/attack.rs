//! Hostile senders: how much memory, log and room they can take, and whether others still get through.
//!
//! The rows ask for what the relay promises to strangers' neighbours, and know nothing of how it keeps that.

mod crowd;
mod row;
mod victim;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::ValueEnum;
use drive::Signer;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::options::Mode;
use crowd::{Crowd, Habit};
pub(crate) use row::Row;
use victim::{Errors, Neighbour, Setup, Victim, call, post};

/// Attacks the relay as hostile senders would, and prints a row for each.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The relay to attack; by default the mdss-relay-http beside this program
    #[arg(long, value_name = "PATH")]
    relay: Option<PathBuf>,
    /// The mode it runs in
    #[arg(long, value_enum, default_value = "spooled")]
    mode: Mode,
    /// Which attacks, repeatable; by default all
    #[arg(long = "attack", value_enum, value_name = "NAME", hide_possible_values = true)]
    attacks: Vec<Attack>,
    /// Fewer requests and less time, for a test
    #[arg(long)]
    small: bool,
    /// Print JSON instead of a table
    #[arg(long)]
    pub(crate) json: bool,
}

/// How long somebody with a good event, or a question for the relay's health, waits for an answer while the machine is busy.
const PATIENCE: Duration = Duration::from_secs(10);

/// The same where nothing keeps it busy: what probes and senders give a server that has only to be reached.
const PROBE: Duration = Duration::from_secs(5);

/// The relay's own limit of a body, `RELAY_BODY_LIMIT`, if nobody sets another.
const BODY_LIMIT: usize = 6 << 20;

/// One way to harm a relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Attack {
    /// Small bodies that make large reports, by clients that never read them
    UnreadReports,
    /// Bodies of 0.6 MB with 20,000 records, all at a time, whose answers are read
    ManyRecords,
    /// Bodies of 40 kB with 20,000 elements that are nothing, all at a time
    ManyNothings,
    /// Signed requests with large reports, which have to be answered alike if they come again
    SignedReports,
    /// Bodies as large as is allowed that never become whole, to sources that can only be proven by the whole
    HalfBodies,
    /// Somebody who has a credential, and events of a bucket that no route names
    UnnamedBucket,
    /// Two addresses that take all connections they get, and keep them by HEAD
    SeatsOfTwo,
    /// Twenty addresses that do so by every means, and come again when they are closed
    SeatsOfTwenty,
    /// Nobody reads the relay's log
    StalledLog,
    /// Requests to a path of no source, and with a wrong secret, as fast as they are answered
    Refusals,
    /// Silent connections, and a relay that may have 64 files open
    FewFiles,
}

impl Attack {
    pub(crate) fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}

/// What a run is to do.
struct Plan {
    relay: PathBuf,
    mode: Mode,
    small: bool,
}

impl Plan {
    fn of(&self, full: usize, small: usize) -> usize {
        if self.small { small } else { full }
    }

    fn seconds(&self, full: u64, small: u64) -> Duration {
        Duration::from_secs(if self.small { small } else { full })
    }

    async fn victim(&self, change: impl FnOnce(&mut Setup)) -> Result<Victim, String> {
        let mut setup = Setup::new(self.relay.clone(), self.mode);
        change(&mut setup);
        Victim::start(setup).await
    }
}

/// All rows, one after the other: each has the machine for itself.
///
/// # Errors
/// What is wrong with the command line.
pub(crate) async fn run(arguments: Arguments) -> Result<Vec<Row>, String> {
    let relay = match arguments.relay {
        Some(relay) => relay,
        None => std::env::current_exe().map_err(|e| e.to_string())?.with_file_name("mdss-relay-http"),
    };
    let relay = std::path::absolute(relay).map_err(|e| e.to_string())?;
    if !relay.is_file() {
        return Err(format!("{} is not a file; expected the relay, or --relay PATH", relay.display()));
    }
    let plan = Plan { relay, mode: arguments.mode, small: arguments.small };
    let attacks = match arguments.attacks.is_empty() {
        true => Attack::value_variants().to_vec(),
        false => arguments.attacks,
    };
    let mut rows = Vec::new();
    for attack in attacks {
        let mut row = Row::new(attack.name());
        let began = Instant::now();
        if let Err(trouble) = one(&plan, attack, &mut row).await {
            row.complain(trouble);
        }
        row.seconds = began.elapsed().as_secs_f64();
        crate::progress(&format!(
            "{}, {:.0} s: {}",
            row.attack,
            row.seconds,
            if row.ok() { "withstood" } else { "HARM DONE" }
        ));
        rows.push(row);
    }
    Ok(rows)
}

async fn one(plan: &Plan, attack: Attack, row: &mut Row) -> Result<(), String> {
    match attack {
        Attack::UnreadReports => unread_reports(plan, row).await,
        Attack::ManyRecords => {
            let record = br#"{"eventName":"s3:TestEvent","s3":{}}"#;
            at_a_time(plan, row, &records(record, 20_000), plan.of(32, 32)).await
        }
        Attack::ManyNothings => at_a_time(plan, row, &records(b"1", 20_000), plan.of(32, 32)).await,
        Attack::SignedReports => signed_reports(plan, row).await,
        Attack::HalfBodies => half_bodies(plan, row).await,
        Attack::UnnamedBucket => unnamed_bucket(plan, row).await,
        Attack::SeatsOfTwo => {
            let crowd = Crowd { addresses: 2, of_each: 405, habits: &[Habit::Heads], again: false };
            seats(plan, row, crowd).await
        }
        Attack::SeatsOfTwenty => {
            let habits = &[Habit::Heads, Habit::Silence, Habit::Trickle];
            seats(plan, row, Crowd { addresses: 20, of_each: 47, habits, again: true }).await
        }
        Attack::StalledLog => stalled_log(plan, row).await,
        Attack::Refusals => refusals(plan, row).await,
        Attack::FewFiles => few_files(plan, row).await,
    }
}

/// A body of so many records.
fn records(record: &[u8], count: usize) -> Vec<u8> {
    let mut body = b"{\"Records\":[".to_vec();
    for number in 0..count {
        if number > 0 {
            body.push(b',');
        }
        body.extend_from_slice(record);
    }
    body.extend_from_slice(b"]}");
    body
}

async fn unread_reports(plan: &Plan, row: &mut Row) -> Result<(), String> {
    let victim = plan.victim(|_| ()).await?;
    let request = Arc::new(post(victim.address, "/open", &[], &records(b"1", 20_000)));
    let neighbour = Neighbour::start(&victim, PATIENCE);
    let mut held = JoinSet::new();
    for number in 0..plan.of(390, 120) {
        row.sent(&request);
        let (to, request) = (victim.address, request.clone());
        held.spawn(async move { crowd::never_read(number, to, &request).await });
    }
    // What they asked for is answered by then, or waits for them.
    let end = Instant::now() + plan.seconds(15, 8);
    let mut open = Vec::new();
    while Instant::now() < end {
        tokio::select! {
            Some(joined) = held.join_next() => open.extend(joined.ok().flatten()),
            () = sleep(Duration::from_millis(100)) => {}
        }
    }
    row.neighbour(neighbour.stop().await);
    drop((held, open));
    row.log_within(&victim, row.bytes)?;
    row.memory(&victim)
}

/// Posts bodies to the open source, all at a time, and reads what comes.
async fn at_a_time(plan: &Plan, row: &mut Row, body: &[u8], count: usize) -> Result<(), String> {
    let victim = plan.victim(|_| ()).await?;
    let request = Arc::new(post(victim.address, "/open", &[], body));
    let neighbour = Neighbour::start(&victim, PATIENCE);
    let mut calls = JoinSet::new();
    for _ in 0..count {
        row.sent(&request);
        let (to, request) = (victim.address, request.clone());
        calls.spawn(async move { call(Ipv4Addr::LOCALHOST, to, &request, Duration::from_secs(60)).await });
    }
    let mut heard = Vec::new();
    while let Some(joined) = calls.join_next().await {
        heard.push(joined.map_err(|e| e.to_string())?);
    }
    row.neighbour(neighbour.stop().await);
    let unanswered = heard.iter().filter(|answer| answer.is_err()).count();
    if unanswered > 0 {
        row.complain(format!("{unanswered} of {count} requests had no answer"));
    }
    row.log_within(&victim, row.bytes)?;
    row.memory(&victim)
}

/// A post as JD Cloud's notification service signs it: of the signatures that the relay knows, one whose key can be made here.
fn signed_post(to: SocketAddr, path: &str, id: &str, body: &[u8]) -> Vec<u8> {
    let headers = Signer::one().jdcloud(id, path, "https://signer.example/c.pem", body);
    let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    post(to, path, &headers, body)
}

async fn signed_reports(plan: &Plan, row: &mut Row) -> Result<(), String> {
    let signer = Signer::one();
    let victim = plan.victim(|setup| setup.certificate = Some(signer.plain_certificate())).await?;
    let neighbour = Neighbour::start(&victim, PATIENCE);
    let record = br#"{"eventName":"s3:TestEvent","s3":{}}"#;
    let (mut first, count) = (None, plan.of(250, 60));
    let mut calls = JoinSet::new();
    for number in 0..count {
        // Each body is another one: what comes again needs no memory.
        let mut body = records(record, 7_500);
        body.extend(format!("{number:8}").bytes().map(|byte| if byte == b' ' { b' ' } else { b'\n' }));
        let request = signed_post(victim.address, "/jd", &format!("r{number}"), &body);
        row.sent(&request);
        if number == 0 {
            let answer = call(Ipv4Addr::LOCALHOST, victim.address, &request, Duration::from_secs(30)).await?;
            if answer.status != 200 {
                return Err(format!("a signed request was answered {}, expected 200", answer.status));
            }
            first = Some((request, answer));
            continue;
        }
        while calls.len() >= 8 {
            calls.join_next().await;
        }
        let to = victim.address;
        calls.spawn(async move { call(Ipv4Addr::LOCALHOST, to, &request, Duration::from_secs(30)).await });
    }
    while calls.join_next().await.is_some() {}
    // The promise to senders that repeat: the same answer, and it goes no further.
    if let Some((request, answer)) = first {
        let again = call(Ipv4Addr::LOCALHOST, victim.address, &request, Duration::from_secs(30)).await?;
        if again.status != answer.status {
            row.complain(format!(
                "a repetition was answered {}, the first one {}",
                again.status, answer.status
            ));
        }
    }
    row.neighbour(neighbour.stop().await);
    row.memory(&victim)
}

async fn half_bodies(plan: &Plan, row: &mut Row) -> Result<(), String> {
    let signer = Signer::one();
    let victim = plan.victim(|setup| setup.certificate = Some(signer.plain_certificate())).await?;
    let neighbour = Neighbour::start(&victim, PATIENCE);
    let mut held = JoinSet::new();
    let signed = signed_post(victim.address, "/jd", "h", &vec![b' '; BODY_LIMIT]);
    for mut request in [post(victim.address, "/open", &[], &vec![b' '; BODY_LIMIT]), signed] {
        request.pop();
        let request = Arc::new(request);
        // As many as may be under way of one source.
        for number in 0..32 {
            row.sent(&request);
            let (to, request) = (victim.address, request.clone());
            held.spawn(async move { crowd::never_read(number, to, &request).await });
        }
    }
    let open = held.join_all().await;
    sleep(Duration::from_secs(2)).await;
    row.neighbour(neighbour.stop().await);
    drop(open);
    row.memory(&victim)
}

async fn unnamed_bucket(plan: &Plan, row: &mut Row) -> Result<(), String> {
    if plan.mode == Mode::Direct {
        return Err("direct mode has no spool; try --mode spooled".to_owned());
    }
    let victim = plan.victim(|setup| setup.spool_limit = Some("1MiB")).await?;
    // Large ones until no more fit, then small ones for the rest.
    for padding in [4096, 0] {
        let mut refused = 0;
        for number in 0..2000 {
            let key = format!("flood/{padding}/{number}");
            let body = json!({ "Records": [{
                "eventSource": "minio:s3", "eventName": "s3:ObjectCreated:Put", "padding": "x".repeat(padding),
                "s3": { "bucket": { "name": "unmapped" }, "object": { "key": key } } }] });
            let bearer = [("authorization", victim::ODD_BEARER)];
            let request = post(victim.address, "/odd", &bearer, body.to_string().as_bytes());
            row.sent(&request);
            let answer = call(Ipv4Addr::LOCALHOST, victim.address, &request, Duration::from_secs(10)).await?;
            refused += usize::from(answer.status >= 500);
            if refused > 20 {
                break;
            }
        }
    }
    let neighbour = Neighbour::start(&victim, PATIENCE);
    sleep(Duration::from_secs(2)).await;
    row.neighbour(neighbour.stop().await);
    row.memory(&victim)
}

async fn seats(plan: &Plan, row: &mut Row, crowd: Crowd) -> Result<(), String> {
    let victim = plan.victim(|_| ()).await?;
    let crowd = crowd.start(victim.address).await?;
    // They have what there is to have.
    sleep(Duration::from_secs(2)).await;
    let neighbour = Neighbour::start(&victim, PROBE);
    sleep(plan.seconds(25, 8)).await;
    row.neighbour(neighbour.stop().await);
    let (requests, bytes) = crowd.stop().await;
    (row.requests, row.bytes) = (requests, bytes);
    row.log_within(&victim, bytes)?;
    row.memory(&victim)
}

async fn stalled_log(plan: &Plan, row: &mut Row) -> Result<(), String> {
    let mut victim = plan.victim(|setup| setup.errors = Errors::PipeNobodyReads).await?;
    let count = plan.of(1000, 400);
    for number in 0..count {
        let request = victim.good(&format!("stalled/{number}"));
        row.sent(&request);
        let answer = call(Ipv4Addr::LOCALHOST, victim.address, &request, Duration::from_secs(5)).await;
        match answer {
            Ok(answer) if answer.status == 200 => {}
            Ok(answer) => row.complain(format!("event {number} was answered {}", answer.status)),
            Err(error) => row.complain(format!("event {number}: {error}")),
        }
        if !row.ok() {
            break;
        }
    }
    let neighbour = Neighbour::start(&victim, PATIENCE);
    sleep(Duration::from_secs(1)).await;
    row.neighbour(neighbour.stop().await);
    row.memory(&victim)?;
    let began = Instant::now();
    match victim.stop(Duration::from_secs(20)).await? {
        Some(status) if status.success() => {}
        Some(status) => row.complain(format!("SIGTERM ended the relay with {status}, expected 0")),
        None => row.complain(format!("SIGTERM did not end the relay within {:?}", began.elapsed())),
    }
    Ok(())
}

async fn refusals(plan: &Plan, row: &mut Row) -> Result<(), String> {
    let victim = plan.victim(|_| ()).await?;
    let neighbour = Neighbour::start(&victim, PATIENCE);
    let end = Instant::now() + plan.seconds(5, 2);
    let nowhere = post(victim.address, "/nowhere", &[], b"{}");
    let wrong = post(victim.address, "/good", &[("authorization", "Bearer wrong-wrong-wrong-wrong")], b"{}");
    while Instant::now() < end {
        for request in [&nowhere, &wrong] {
            row.sent(request);
            let answer = call(Ipv4Addr::LOCALHOST, victim.address, request, Duration::from_secs(5)).await?;
            if ![401, 403, 404, 429].contains(&answer.status) {
                return Err(format!("a request that proves nothing was answered {}", answer.status));
            }
        }
    }
    row.neighbour(neighbour.stop().await);
    row.log_within(&victim, 64 * 1024)?;
    row.memory(&victim)
}

async fn few_files(plan: &Plan, row: &mut Row) -> Result<(), String> {
    let victim = plan.victim(|setup| setup.most_files = Some(64)).await?;
    let crowd = Crowd { addresses: 1, of_each: 130, habits: &[Habit::Silence], again: true };
    let crowd = crowd.start(victim.address).await?;
    sleep(Duration::from_secs(1)).await;
    let neighbour = Neighbour::start(&victim, PATIENCE);
    sleep(plan.seconds(30, 12)).await;
    row.neighbour(neighbour.stop().await);
    let (requests, bytes) = crowd.stop().await;
    (row.requests, row.bytes) = (requests, bytes);
    row.log_within(&victim, 64 * 1024)?;
    row.memory(&victim)
}

/// What came of it, for people.
pub(crate) fn table(rows: &[Row]) -> String {
    row::table(rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use row::MOST_MEMORY;

    #[test]
    fn every_attack_is_on_the_front_page() {
        let page = include_str!("../README.md");
        for attack in Attack::value_variants() {
            assert!(page.contains(&format!("| `{}` | ", attack.name())), "{}", attack.name());
        }
        assert!(page.contains(&format!("{MOST_MEMORY} MB")));
    }

    #[test]
    fn a_body_of_records_is_json() {
        let body: serde_json::Value = serde_json::from_slice(&records(b"1", 3)).unwrap();
        assert_eq!(body, json!({ "Records": [1, 1, 1] }));
    }
}
