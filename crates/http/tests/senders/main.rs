//! Whether a new object is ever given up by its sender: each sender's own rules, replayed against the server as a process, while MDSS
//! is away, misconfigured, or refuses.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests, which clippy takes for production code"
)]

mod document;
mod rules;
mod troubles;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use drive::{Program, Server};
use mdss_relay_core::Dialect;
use mdss_sim::{Sim, StorageType, Unit};
use serde_json::Value;

use rules::{FUNCTIONS, Heard, SENDERS, Sender};

const LIMIT: Duration = Duration::from_secs(60);

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A new object as its sender posts it, and what MDSS gets of it.
struct Event {
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    keys: BTreeSet<String>,
}

impl Event {
    /// The fixture of a new object.
    fn of(sender: &Sender) -> Self {
        let path = |end: &str| root().join(format!("events/{}/create{end}", sender.dialect));
        let sent = std::fs::read(path(".json")).unwrap();
        let request: Value = serde_json::from_slice(&sent).unwrap();
        let (headers, body) = match (&request["method"], &request["body"]) {
            (Value::String(_), Value::String(body)) => {
                let credential = |name: &str| name.eq_ignore_ascii_case("authorization");
                let headers = request["headers"].as_object().into_iter().flatten();
                let headers = headers.filter(|(name, value)| !credential(name) && value.is_string());
                let headers = headers.map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()));
                (headers.collect(), body.clone().into_bytes())
            }
            _ => (Vec::new(), sent),
        };
        let want: Value = serde_json::from_slice(&std::fs::read(path(".want.json")).unwrap()).unwrap();
        let keys = want["records"].as_array().unwrap().iter().map(|r| r["key"].as_str().unwrap().to_owned());
        let keys: BTreeSet<String> = keys.collect();
        assert!(!keys.is_empty(), "{}", sender.dialect);
        Self { headers, body, keys }
    }
}

/// Every sender's storage unit in the stand-in: the same id as the route's.
fn units() -> Vec<Unit> {
    SENDERS.iter().map(|sender| Unit::new(unit(sender), storage_type(sender))).collect()
}

fn unit(sender: &Sender) -> String {
    let index = SENDERS.iter().position(|s| s.dialect == sender.dialect).unwrap();
    format!("00000000-0000-4000-8000-1000000000{index:02x}")
}

fn storage_type(sender: &Sender) -> StorageType {
    dialect(sender).usual_storage_type().name().parse().unwrap()
}

fn dialect(sender: &Sender) -> Dialect {
    sender.dialect.parse().unwrap_or_else(|e| panic!("{}: {e}", sender.dialect))
}

/// A configuration with a source for each of `senders`, guarded by `auth`.
fn config(senders: &[&Sender], bucket: &str, auth: &str) -> String {
    let entry = |sender: &&Sender| {
        let (name, unit) = (sender.dialect, unit(sender));
        format!(
            "[[route]]\nsource = \"{name}\"\nbucket = \"{bucket}\"\nstorage_client_id = \"{unit}\"\n\
             [[source]]\nname = \"{name}\"\npath = \"/{name}\"\ndialect = \"{name}\"\nauth = {auth}\n"
        )
    };
    senders.iter().map(entry).collect()
}

/// A server whose settings stand in a folder: `relay.toml`, and `key` with the API key.
fn program(url: &str, folder: &Path) -> Program {
    Program::new(env!("CARGO_BIN_EXE_mdss-relay-http"))
        .env("RELAY_LISTEN", "127.0.0.1:0")
        .env("APIENDPOINT", url)
        .env("APIKEY_FILE", folder.join("key"))
        .env("RELAY_CONFIG", folder.join("relay.toml"))
        .env("RELAY_DEADLINE", "2s")
}

/// Posts as a sender does, with the token that it has from its platform, and says what it makes of the answer.
async fn post(server: &Server, sender: &Sender, event: &Event, token: &str) -> Heard {
    let token = ("authorization", token);
    let headers: Vec<_> =
        event.headers.iter().map(|(n, v)| (n.as_str(), v.as_str())).chain([token]).collect();
    let asked = Instant::now();
    let answer =
        server.send("POST", &format!("/{}", sender.dialect), &headers, event.body.clone()).await.unwrap();
    let waited = sender.waits.is_none_or(|seconds| asked.elapsed() < Duration::from_secs(seconds));
    let heard = if waited { sender.hears(answer.status) } else { Heard::ComesAgain };
    assert_ne!(
        heard,
        Heard::GivenUp,
        "{}: gives a new object up after {} {}",
        sender.dialect,
        answer.status,
        answer.text()
    );
    heard
}

/// Whether MDSS has what the event announces.
fn has(sim: &Sim, sender: &Sender, event: &Event) -> bool {
    let accepted = sim.accepted().into_iter().filter(|a| a.storage_client_id == unit(sender));
    let accepted: BTreeSet<String> = accepted.map(|a| a.key).collect();
    event.keys.is_subset(&accepted)
}

#[test]
fn every_dialect_has_a_sender_with_rules_or_is_a_functions() {
    let known: BTreeSet<&str> = SENDERS.iter().map(|s| s.dialect).chain(FUNCTIONS.iter().copied()).collect();
    let all: BTreeSet<&str> = Dialect::ALL.iter().map(|d| d.name()).collect();
    assert_eq!(known, all);
    assert_eq!(SENDERS.len() + FUNCTIONS.len(), all.len(), "none stands there twice");
}

/// The statuses that a dialect gives to what could succeed later are never those after which its sender gives up, and what is done
/// is what it takes for success.
#[test]
fn the_statuses_of_each_dialect_fit_its_sender() {
    for sender in SENDERS {
        let answers = dialect(sender).answers();
        assert_eq!(sender.hears(answers.done), Heard::Taken, "{}: done", sender.dialect);
        if !sender.can_wait() {
            continue;
        }
        let later = [
            ("transient", answers.transient),
            ("config", answers.config),
            ("key unavailable", answers.key_unavailable),
            ("incomplete", answers.incomplete.unwrap_or(400)),
            ("incomplete", answers.incomplete.unwrap_or(408)),
            ("unacceptable", answers.unacceptable.unwrap_or(413)),
            ("unacceptable", answers.unacceptable.unwrap_or(415)),
        ];
        for (what, status) in later {
            assert_eq!(sender.hears(status), Heard::ComesAgain, "{}: {what} {status}", sender.dialect);
        }
        // A sender without an end has to hear "done" of what can never succeed, or it keeps everything behind it waiting.
        let permanent = sender.hears(answers.permanent);
        assert!(
            sender.attempts < u32::MAX || permanent != Heard::ComesAgain,
            "{}: permanent",
            sender.dialect
        );
    }
}

/// Of a dialect the relay knows as much of its sender's patience as stands here.
#[test]
fn patience_is_what_the_rules_say() {
    for sender in SENDERS {
        let patience = dialect(sender).patience();
        assert_eq!(patience.waits.map(|w| w.as_secs()), sender.waits, "{}", sender.dialect);
        assert_eq!(
            patience.repeats,
            !matches!(sender.gives_up, rules::GivesUp::AnyFailure),
            "{}",
            sender.dialect
        );
    }
}
