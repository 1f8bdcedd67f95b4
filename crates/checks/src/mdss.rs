//! Group `mdss`: whether MDSS, once it is reached, is the right one and does what it is to do.
//!
//! MDSS documents no call that only tries a key or a unit. So it is told of an object of a unit that cannot exist: the documented answer is
//! "The storage could not be found", which comes from the API alone and submits nothing. Whatever would submit something waits for
//! `--live`.

mod list;
mod live;
mod units;

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::{Duration, Instant};

use mdss_relay_core::{Cause, Failure, ObjectKey, Relay, Secret, StorageClientId, StorageType, Submission};

use crate::check::{CHECKS, Group};
use crate::outcome::{Outcome, Status};
use crate::results::Results;
use crate::setup::{Scope, Setup};
use crate::words::two_parts;

/// Less than the frame gives a check, so that what hangs is a failure with a sentence.
const LONGEST_ANSWER: Duration = Duration::from_millis(4500);

/// An answer to something that was posted: the correlation id, or the verdict on anything else.
type Answer = Result<String, Failure>;

/// Looks whether MDSS is the right one and takes what the settings say.
pub async fn run(setup: &Setup, results: &Results, scope: Scope) {
    let live = scope == Scope::Live;
    let settings = &setup.settings;
    let (Some(approach), Ok(relay), Ok(client)) =
        (settings.approach(), Relay::new(settings.clone()), settings.client())
    else {
        let why = match settings.approach() {
            None => Outcome::skipped("settings.valid"),
            Some(_) => setup.key_missing.clone(),
        };
        // Those of MDSS's API for files are reported where it is asked.
        let ours = |id: &str| id != "mdss.file_api";
        let of_group = CHECKS.iter().filter(|check| check.group == Group::Mdss && ours(check.id));
        for check in of_group.filter(|check| live || !check.live) {
            // What is unknown is said once.
            let outcome = match why.status {
                Status::Unknown if check.id != "mdss.api" => Outcome::skipped("mdss.api"),
                _ => why.clone(),
            };
            results.report(check.id, vec![(setup.name.clone(), outcome, 0)]);
        }
        return;
    };
    let endpoint = format!("{}{}", client.server(), approach.path);

    let mut answer = None;
    let mut took = Duration::ZERO;
    let look = async {
        let started = Instant::now();
        let answered = ask(&relay, &of_no_unit()).await;
        took = started.elapsed();
        let outcome = api(&answered);
        answer = Some(answered);
        outcome
    };
    results.check("mdss.api", &endpoint, &["network.tls"], look).await;
    let look = async {
        match &answer {
            Some(answer) => accepts_key(answer, setup, scope).await,
            None => Outcome::unknown("MDSS gave no answer in time", ""),
        }
    };
    results.check("mdss.key", "the API key", &["mdss.api"], look).await;
    let takes_any = matches!(answer, Some(Ok(_)));
    if live && !takes_any {
        live::units(setup, relay, results).await;
    } else {
        let found = units::listed(setup, &client, &approach, takes_any);
        results.check_each("mdss.unit", "routes", &["mdss.api", "mdss.key"], found).await;
        if live {
            live::skipped(setup, results);
        }
    }
    let look = async { rate(setup, took) };
    results.check("mdss.rate", &endpoint, &["mdss.api"], look).await;
}

/// Posts once, as the relay does.
async fn ask(relay: &Relay, submission: &Submission) -> Answer {
    match tokio::time::timeout(LONGEST_ANSWER, relay.attempt(submission)).await {
        Ok(answer) => answer.map(|id| id.as_str().to_owned()),
        Err(_) => {
            let detail = format!("no answer within {LONGEST_ANSWER:?}");
            Err(Failure::new(Cause::MdssTimeout, detail))
        }
    }
}

/// An object that does not exist, of a unit that nobody has registered.
fn of_no_unit() -> Submission {
    let unit = StorageClientId::new(&random_id()).expect("a UUID is an id");
    Submission::new(&unit, StorageType::S3Compatible, &made_up_key(), None)
}

/// A key that no bucket has.
fn made_up_key() -> ObjectKey {
    ObjectKey::from_verbatim(&format!("mdss-relay-doctor/{}", random_id())).expect("plain text is a key")
}

/// A UUID of version 4 (RFC 9562, 5.4). The hasher's seed is the system's randomness, and nothing here is a secret.
fn random_id() -> String {
    let random = || RandomState::new().build_hasher().finish();
    let (high, low) = (random(), random());
    let high = (high & !0xf000) | 0x4000;
    let low = (low & !(0b11 << 62)) | (0b10 << 62);
    format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        high >> 32,
        (high >> 16) & 0xffff,
        high & 0xffff,
        low >> 48,
        low & 0xffff_ffff_ffff
    )
}

/// Whether what answers is MDSS's webhook, and not its web interface or somebody else.
fn api(answer: &Answer) -> Outcome {
    let failure = match answer {
        Ok(_) => return Outcome::ok("it answers like MDSS's webhook"),
        Err(failure) => failure,
    };
    let (found, remedy) = two_parts(&failure.detail);
    let expected =
        "MDSS's webhook, which answers \"The storage could not be found\" for a unit that does not exist";
    match failure.cause {
        Cause::MdssStorageNotFound | Cause::MdssNotEnabled | Cause::MdssNotEventBased => Outcome::ok(found),
        Cause::MdssUnauthorized => {
            Outcome::unknown(format!("{found}, before anything else could be seen"), "see mdss.key")
        }
        // An error of the API that no page has. A page in its place is somebody else's.
        Cause::MdssRefused if found.contains(" and said ") && remedy.is_empty() => {
            Outcome::unknown(found, "compare the endpoint with the one in MDSS's documentation")
        }
        _ if remedy.is_empty() => {
            Outcome::fail(found, expected, "see whether MDSS works: open its web interface, and its logs")
        }
        _ => Outcome::fail(found, expected, remedy),
    }
}

/// Whether MDSS accepts the key. An answer alone does not prove that it was looked at, so a wrong one is tried beside it: once, and only
/// here, because it may raise an alarm in MDSS.
async fn accepts_key(answer: &Answer, setup: &Setup, scope: Scope) -> Outcome {
    let remedy = "watch the first object, or ask MDSS's audit page for its requests; nothing else tells a good key from a wrong one here";
    let failure = match answer {
        Ok(_) => {
            let why = "MDSS took an object of a unit that does not exist, so its answers prove nothing";
            return Outcome::unknown(why, remedy);
        }
        Err(failure) => failure,
    };
    let (found, cure) = two_parts(&failure.detail);
    match failure.cause {
        Cause::MdssUnauthorized => {
            let remedy = format!("{cure}; to give the relay another one: {}", setup.replace_key);
            return Outcome::fail(found, "a key that MDSS accepts", remedy);
        }
        cause if cause.kind() == mdss_relay_core::FailureKind::Transient => {
            return Outcome::unknown(found, "run doctor again when MDSS answers");
        }
        _ => {}
    }
    if scope == Scope::Repeated {
        return Outcome::unknown("MDSS does not refuse it; only doctor tries a wrong one beside it", remedy);
    }
    let wrong = Secret::new(&format!("mdss-relay-doctor-{}", random_id()));
    let stranger = match Relay::new(setup.settings.clone().with_api_key(wrong)) {
        Ok(stranger) => stranger,
        Err(mistake) => return Outcome::unknown(mistake.to_string(), ""),
    };
    match ask(&stranger, &of_no_unit()).await {
        Err(refused) if refused.cause == Cause::MdssUnauthorized => {
            Outcome::ok("MDSS answers with it, and refuses another one")
        }
        Err(same) if same.cause == failure.cause => Outcome::unknown(
            "MDSS gives the same answer with a wrong key, so the answer does not tell whether this one is good",
            remedy,
        ),
        Err(other) => Outcome::unknown(
            format!(
                "MDSS's answers differ, and the one to a wrong key is not that it is wrong: {}",
                other.detail
            ),
            remedy,
        ),
        Ok(_) => {
            Outcome::unknown("MDSS accepts an object with a wrong key, so it does not look at keys", remedy)
        }
    }
}

/// A cap that so many times as many objects would pass was perhaps set for another MDSS.
const LOW: f64 = 10.0;

/// How many objects a second the relay can report.
fn rate(setup: &Setup, took: Duration) -> Outcome {
    let at_once = setup.settings.mdss.concurrency;
    let most = at_once as f64 / took.as_secs_f64().max(0.001);
    let reachable =
        format!("{at_once} at once, answers in {} ms: about {most:.0} objects a second", took.as_millis());
    match setup.http.spool.as_ref().map(|spool| spool.rate) {
        Some(rate) if f64::from(rate) * LOW < most => Outcome::warn(
            format!("RELAY_SPOOL_RATE allows {rate} a second; {reachable}"),
            "no cap far below what MDSS takes, which the relay finds by itself",
            "unset RELAY_SPOOL_RATE, unless MDSS must not get more",
        ),
        Some(rate) => Outcome::ok(format!("as many a second as MDSS takes, up to {rate}; {reachable}")),
        None => Outcome::ok(reachable),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_a_random_uuid() {
        let (one, other) = (random_id(), random_id());
        assert_ne!(one, other);
        let lengths: Vec<_> = one.split('-').map(str::len).collect();
        assert_eq!((lengths, &one[14..15]), (vec![8, 4, 4, 4, 12], "4"), "{one}");
        assert!(matches!(&one[19..20], "8" | "9" | "a" | "b"), "{one}");
    }
}
