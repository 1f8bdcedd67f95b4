//! What both benches do: the event, the loop that is the floor of a drain, and rows that are measured in a process of their own.

use std::ffi::OsString;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use mdss_relay_core::{Decision, Delivery, Relay, Role, Settings};
use mdss_sim::{DEFAULT_API_KEY, units};

/// How many a drain sends.
pub(crate) const DRAINED: usize = 60_000;

/// Of these so many do not count: the pace begins at a hundred a second and has found what MDSS takes half a second later, which is a figure of its
/// own and would hide this one.
const BEGUN: u64 = 10_000;

/// What tells a process that it is one of the bench's own.
const CHILD: &str = "in-child";

pub(crate) fn relay(url: &str) -> Arc<Relay> {
    let vars = [("APIENDPOINT", url), ("APIKEY", DEFAULT_API_KEY), ("STORAGECLIENTID", units::AMAZON_S3)];
    let vars = vars.into_iter().map(|(n, v)| (OsString::from(n), OsString::from(v)));
    Arc::new(Relay::new(Settings::read(vars, Role::Function).finish().unwrap()).unwrap())
}

/// An event of the size that S3 sends.
pub(crate) fn event(n: usize) -> Delivery {
    let body = format!(
        r#"{{"Records":[{{"eventVersion":"2.1","eventSource":"aws:s3","awsRegion":"eu-central-1","eventTime":"2026-11-21T12:00:00.000Z",
        "eventName":"ObjectCreated:Put","userIdentity":{{"principalId":"AWS:EXAMPLE"}},"requestParameters":{{"sourceIPAddress":"192.0.2.1"}},
        "responseElements":{{"x-amz-request-id":"0123456789ABCDEF","x-amz-id-2":"an id of about eighty bytes, which nobody needs and everybody sends, always there"}},
        "s3":{{"s3SchemaVersion":"1.0","configurationId":"rule","bucket":{{"name":"invoices","ownerIdentity":{{"principalId":"EXAMPLE"}},"arn":"arn:aws:s3:::invoices"}},
        "object":{{"key":"incoming/2026/11/21/invoice-{n:08}.pdf","size":1024,"eTag":"0123456789abcdef0123456789abcdef","sequencer":"{n:016X}"}}}}}}]}}"#
    );
    Delivery { source: Some("s".into()), method: "POST".into(), body: body.into(), ..Delivery::default() }
}

/// A client loop that does nothing else: what a drain could be at most; a second.
pub(crate) async fn bare(url: &str, count: usize) -> f64 {
    let relay = relay(url);
    let (begin, next) = (Instant::now(), Arc::new(AtomicUsize::new(0)));
    let tasks: Vec<_> = (0..relay.settings().mdss.concurrency)
        .map(|_| {
            let (relay, next) = (Arc::clone(&relay), Arc::clone(&next));
            tokio::spawn(async move {
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    if n >= count {
                        return;
                    }
                    let plan = relay.plan(&event(n));
                    let Decision::Send(submission) = &plan.records[0].decision else { panic!("{plan:?}") };
                    relay.attempt(submission).await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    count as f64 / begin.elapsed().as_secs_f64()
}

/// What this process is to measure, if it is one of the bench's own.
pub(crate) fn is_child(args: &[String]) -> Option<&[String]> {
    args.iter().position(|arg| arg == CHILD).map(|at| &args[at + 1..])
}

/// Runs this program again; what it measured, and its peak memory in MB.
pub(crate) fn run(args: &[&str]) -> (f64, f64) {
    let out = Command::new(std::env::current_exe().unwrap()).arg(CHILD).args(args).output().unwrap();
    let text = String::from_utf8(out.stdout).unwrap();
    let mut numbers = text.split_whitespace().map(|n| n.parse().unwrap());
    (numbers.next().unwrap(), numbers.next().unwrap())
}

/// Says what was measured to whoever has run this.
pub(crate) fn tell(figure: f64) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let peak: f64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    println!("{figure} {}", peak / 1024.0);
}

/// Items a second that leave, once the pace is found, until so many have; `delivered` tells how many have by now.
pub(crate) async fn pace(count: u64, mut delivered: impl AsyncFnMut() -> u64) -> f64 {
    let mut begun = None;
    loop {
        tokio::time::sleep(Duration::from_millis(5)).await;
        let now = delivered().await;
        let (since, first) = *begun.get_or_insert((Instant::now(), now));
        if first < BEGUN && now >= BEGUN {
            begun = Some((Instant::now(), now));
        } else if now >= count {
            return (now - first) as f64 / since.elapsed().as_secs_f64();
        }
    }
}
