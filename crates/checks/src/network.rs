//! Group `network`: the way to MDSS one step at a time. Each step is made as the relay makes it, and the first that fails is named, so
//! that nobody looks for a fault of MDSS in what a proxy or a resolver has refused.

mod certificates;
mod way;

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use mdss_relay_core::{Approach, Credential, Failure, Page, ProxyPlace, Secret};
use rustls::pki_types::CertificateDer;

use crate::check::{CHECKS, Group};
use crate::outcome::Outcome;
use crate::results::Results;
use crate::setup::Setup;
use crate::words::{base_path, two_parts};
use certificates::{Chain, Recorder};
use way::{Place, Stopped, Way};

/// Before a certificate ends somebody has to renew it, and that takes a change window. Of one that lives shorter than nine weeks it is a
/// third of its life, as those who issue them recommend (<https://letsencrypt.org/docs/integration-guide/>, "When to renew").
const RENEW_BEFORE: SignedDuration = SignedDuration::from_hours(21 * 24);

/// The clock may be off by so much before it is a warning; from the second on it fails, because the signatures of clouds end after
/// fifteen minutes, and a certificate is judged by this clock.
const CLOCK_WARN: SignedDuration = SignedDuration::from_secs(60);
const CLOCK_FAIL: SignedDuration = SignedDuration::from_mins(5);

/// MDSS only takes the object down before it answers. Slower than this, `RELAY_CONCURRENCY` requests at once are the limit.
const SLOW: Duration = Duration::from_secs(1);

/// Looks at the way to MDSS, one step after the other.
pub async fn run(setup: &Setup, results: &Results) {
    let Some(approach) = setup.settings.approach() else {
        for check in CHECKS.iter().filter(|check| check.group == Group::Network) {
            let skipped = (setup.name.clone(), Outcome::skipped("settings.valid"), 0);
            results.report(check.id, vec![skipped]);
        }
        return;
    };
    let mdss = Place { host: approach.host.clone(), port: approach.port };
    let mut way = Way::new(&approach);
    let first = way.first.clone();

    results.check("network.dns", &first.host, &[], dns(&mut way)).await;
    results.check("network.connect", first.to_string(), &["network.dns"], connect(&way)).await;
    let passed = approach.proxy.as_ref().map_or_else(|| "none".to_owned(), |proxy| proxy.name.clone());
    results.check("network.proxy", passed, &["network.connect"], proxy(&way, &approach)).await;
    let mut sent = Vec::new();
    let look = tls(&way, &approach, &mdss, &mut sent);
    results.check("network.tls", mdss.to_string(), &["network.proxy"], look).await;
    let look = async { expiry(&approach, &sent) };
    results.check("network.tls_expiry", mdss.to_string(), &["network.tls"], look).await;

    let mut answered = None;
    let look = async {
        let looked = two_looks(setup, &approach).await;
        let outcome = clock(&looked);
        answered = Some(looked);
        outcome
    };
    results.check("network.clock", mdss.to_string(), &["network.tls"], look).await;
    let look = async { latency(answered) };
    results.check("network.latency", mdss.to_string(), &["network.tls"], look).await;
}

async fn dns(way: &mut Way<'_>) -> Outcome {
    let host = way.first.host.clone();
    match way.resolve().await {
        Ok(()) => {
            let addresses: Vec<_> = way.addresses.iter().map(|address| address.ip().to_string()).collect();
            Outcome::ok(addresses.join(", "))
        }
        Err(answer) => Outcome::fail(
            format!("no address for {host:?}; the resolver's answer: {answer}"),
            "a name that this machine can resolve",
            format!(
                "compare the name in APIENDPOINT (or of the proxy) with MDSS's; getent ahosts {host:?} asks the same resolver"
            ),
        ),
    }
}

async fn connect(way: &Way<'_>) -> Outcome {
    match way.connect().await {
        Ok((_, address, took)) => Outcome::ok(format!("{address} in {} ms", took.as_millis())),
        Err(why) => Outcome::fail(
            format!("no connection to {}: {why}", way.first),
            "a TCP connection",
            "start what should listen there, compare the port in APIENDPOINT, or open the firewall between here and there",
        ),
    }
}

async fn proxy(way: &Way<'_>, approach: &Approach) -> Outcome {
    let Some(proxy) = &approach.proxy else { return Outcome::ok("none is set: MDSS is reached directly") };
    match way.to_mdss().await {
        Ok(_) if approach.tls => Outcome::ok(format!("the proxy {} lets through", proxy.name)),
        Ok(stream) => match way.ask_plainly(stream, proxy).await {
            Ok(status) if status.starts_with("407") => refused(proxy, &status, approach),
            Ok(_) => Outcome::ok(format!("the proxy {} passes requests on", proxy.name)),
            Err(why) => unusable(proxy, &why),
        },
        Err(Stopped::Status(status)) => refused(proxy, &status, approach),
        Err(Stopped::Tls(error)) => {
            let (found, remedy) = two_parts(&tls_words(&error, &format!("the proxy {}", proxy.name)));
            Outcome::fail(found, "TLS with the proxy", remedy)
        }
        Err(Stopped::Broken(why)) => unusable(proxy, &why),
    }
}

/// The proxy's own word. MDSS has not been reached, and has no part in it.
fn refused(proxy: &ProxyPlace, status: &str, approach: &Approach) -> Outcome {
    let mdss = Place { host: approach.host.clone(), port: approach.port };
    let asked = if approach.tls { format!("CONNECT {mdss}") } else { format!("a request for {mdss}") };
    let remedy = match status.get(..3) {
        Some("407") => {
            "put user and password, or other ones, into the proxy's address: https_proxy=http://USER:PASSWORD@HOST:PORT".to_owned()
        }
        Some("502" | "503" | "504") => {
            format!("the proxy has not reached {mdss}; its log says why")
        }
        _ => format!("let the proxy pass {mdss}, or name {} in no_proxy", mdss.host),
    };
    Outcome::fail(
        format!("the proxy {} answered {status} to {asked}", proxy.name),
        "a proxy that lets through to MDSS",
        remedy,
    )
}

fn unusable(proxy: &ProxyPlace, why: &str) -> Outcome {
    Outcome::fail(
        format!("the proxy {} gave no answer that can be used: {why}", proxy.name),
        "an HTTP proxy",
        "compare the proxy's address and its port (http:// or https://) with the one that is meant",
    )
}

async fn tls(
    way: &Way<'_>,
    approach: &Approach,
    mdss: &Place,
    sent: &mut Vec<CertificateDer<'static>>,
) -> Outcome {
    if !approach.tls {
        return Outcome::ok("no TLS: the endpoint is http://");
    }
    let config = match approach.tls() {
        Ok(config) => config,
        Err(why) => return Outcome::unknown(why, ""),
    };
    match way.handshake(config).await {
        Ok(chain) => {
            *sent = chain;
            let unchecked =
                if approach.verify { "" } else { ", not checked because RELAY_TLS_VERIFY is off" };
            Outcome::ok(format!("{}{unchecked}", Chain::of(sent)))
        }
        Err(Stopped::Tls(error @ rustls::Error::InvalidCertificate(_))) => {
            // Once more, only to see what is sent: an error does not have it.
            let recorder = Recorder::new();
            let _ = way.handshake(recorder.config()).await;
            *sent = recorder.seen();
            let chain = Chain::of(sent);
            let (found, remedy) = match chain.untrusted(&error, mdss) {
                Some(both) => both,
                None => two_parts(&tls_words(&error, &mdss.to_string())),
            };
            let expected = format!(
                "a certificate for {} from a public authority, or from one in RELAY_CA_FILE",
                mdss.host
            );
            Outcome::fail(format!("{chain}; {found}"), expected, remedy)
        }
        Err(Stopped::Tls(error)) => {
            let (found, remedy) = two_parts(&tls_words(&error, &mdss.to_string()));
            Outcome::fail(found, "TLS 1.2 or 1.3", remedy)
        }
        Err(Stopped::Broken(why)) => Outcome::fail(
            format!("TLS with {mdss} did not come about: {why}"),
            "TLS 1.2 or 1.3",
            "see whether MDSS, or what stands before it, is overloaded, and whether this port is the one with TLS",
        ),
        // What the proxy refuses it has refused before.
        Err(Stopped::Status(status)) => Outcome::unknown(format!("the proxy now answered {status}"), ""),
    }
}

fn expiry(approach: &Approach, sent: &[CertificateDer<'static>]) -> Outcome {
    if !approach.tls {
        return Outcome::ok("no certificate: the endpoint is http://");
    }
    let chain = Chain::of(sent);
    let Some(first) = chain.first_to_end() else {
        return Outcome::unknown("no certificate that can be read", "");
    };
    let (now, until) = (Timestamp::now(), first.until);
    let before = RENEW_BEFORE.min(until.duration_since(first.from) / 3);
    let left = until.duration_since(now);
    let found = format!("{} ends on {until}, in {} days", first.subject, left.as_hours() / 24);
    if left < before {
        let expected = format!("at least {} days", before.as_hours() / 24);
        return Outcome::warn(found, expected, "renew the certificate of MDSS, or of the gateway before it");
    }
    Outcome::ok(found)
}

/// What was asked twice, so that the second time shows an answer alone, on a connection that was there.
struct Looked {
    first: Page,
    second: Page,
    /// The middle of the first exchange, by this machine's clock.
    middle: Timestamp,
}

async fn two_looks(setup: &Setup, approach: &Approach) -> Result<Looked, String> {
    // No key is sent, so it does not matter whether doctor may read the relay's.
    let settings = setup.settings.clone().with_api_key(Secret::new("none"));
    let client = settings.client().map_err(|mistake| mistake.to_string())?;
    let base = base_path(&approach.path);
    let before = Timestamp::now();
    let first = client.look(&base, Credential::Nothing).await.map_err(|failure: Failure| failure.detail)?;
    let middle = before + Timestamp::now().duration_since(before) / 2;
    let second = client.look(&base, Credential::Nothing).await.map_err(|failure| failure.detail)?;
    Ok(Looked { first, second, middle })
}

fn clock(looked: &Result<Looked, String>) -> Outcome {
    let looked = match looked {
        Ok(looked) => looked,
        Err(why) => return Outcome::unknown(why, ""),
    };
    let Some(date) = looked.first.date else {
        return Outcome::unknown("the answer has no Date header", "compare the clocks by hand: timedatectl");
    };
    // It is cut to whole seconds, so on the average it is half a second behind.
    let off = looked.middle.duration_since(date + SignedDuration::from_millis(500));
    let seconds = (off.as_millis() + off.as_millis().signum() * 500) / 1000;
    let found = match seconds {
        0 => "as MDSS's to the second".to_owned(),
        ahead @ 1.. => format!("{ahead} s ahead of MDSS's"),
        behind => format!("{} s behind MDSS's", behind.abs()),
    };
    let expected = format!("less than {} s", CLOCK_WARN.as_secs());
    let remedy =
        "set the clock of this machine, or of MDSS, by NTP; timedatectl shows whether it is synchronized";
    match off.abs() {
        off if off > CLOCK_FAIL => Outcome::fail(found, expected, remedy),
        off if off > CLOCK_WARN => Outcome::warn(found, expected, remedy),
        _ => Outcome::ok(found),
    }
}

fn latency(looked: Option<Result<Looked, String>>) -> Outcome {
    match looked {
        Some(Ok(Looked { first, second, .. })) => {
            let took = second.took.min(first.took);
            let found = format!(
                "an answer in {} ms, and {} ms with a new connection",
                took.as_millis(),
                first.took.as_millis()
            );
            if took > SLOW {
                let expected = format!("less than {} ms", SLOW.as_millis());
                let remedy = "see whether MDSS is overloaded; raise RELAY_CONCURRENCY if it is only far away";
                return Outcome::warn(found, expected, remedy);
            }
            Outcome::ok(found)
        }
        Some(Err(why)) => Outcome::unknown(why, "see mdss.api, which says more"),
        None => Outcome::unknown("nothing was answered in time", "see whether MDSS is overloaded"),
    }
}

fn tls_words(error: &rustls::Error, server: &str) -> String {
    Approach::tls_fault(error, server).unwrap_or_else(|| format!("TLS with {server} failed: {error}"))
}
