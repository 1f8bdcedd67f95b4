//! What fuzzing has started from and what it has found, tried again by ordinary tests; and every delivery of `events/`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where it fails")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mdss_relay_core::Dialect;
use mdss_relay_fuzz_targets::{POLICIES, TARGETS, gate, plan, token};
use serde_json::Value;

fn root() -> PathBuf {
    fs::canonicalize(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).unwrap()
}

/// The files of a folder, in order.
fn files(folder: &Path) -> Vec<PathBuf> {
    let list = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<_> = list.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// Says which input it was: a target's own sentence does not.
fn tried(name: &str, target: impl FnOnce() + std::panic::UnwindSafe) {
    assert!(std::panic::catch_unwind(target).is_ok(), "{name}: see above");
}

#[test]
fn every_target_stands_its_corpus() {
    let names: BTreeSet<_> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    let stems = |folder: &str| -> BTreeSet<String> {
        let stem = |path: PathBuf| path.file_stem().unwrap().to_str().unwrap().to_owned();
        files(&root().join("fuzz").join(folder)).into_iter().map(stem).collect()
    };
    assert_eq!((stems("fuzz_targets"), stems("corpus")), (names.clone(), names));
    for (name, target) in TARGETS {
        let corpus = files(&root().join("fuzz/corpus").join(name));
        assert!(corpus.len() >= 10, "{name}: {} files", corpus.len());
        for file in corpus {
            let bytes = fs::read(&file).unwrap();
            tried(&file.display().to_string(), || target(&bytes));
        }
    }
}

/// A delivery of `events/` as the target reads it: a wrapped one with its headers.
fn inputs(bytes: &[u8]) -> Vec<Vec<u8>> {
    let wrapped = serde_json::from_slice::<Value>(bytes).ok().filter(|value| value["method"].is_string());
    let Some(wrapped) = wrapped else {
        // As a function gets it, and as any source would: recognised, or pinned to any dialect.
        let pins = Dialect::ALL.iter().map(|dialect| dialect.name()).chain(["-"]);
        let pinned = pins.map(|pin| [pin.as_bytes(), b"\n\n", bytes].concat());
        return pinned.chain([bytes.to_vec()]).collect();
    };
    let body = match (&wrapped["body"], &wrapped["body_base64"]) {
        (Value::String(body), _) => body.clone().into_bytes(),
        (_, Value::String(body)) => STANDARD.decode(body).unwrap_or_default(),
        _ => Vec::new(),
    };
    let headers = wrapped["headers"].as_object().into_iter().flatten();
    let headers: String =
        headers.filter_map(|(name, value)| Some(format!("{name}: {}\n", value.as_str()?))).collect();
    let pins = Dialect::ALL.iter().map(|dialect| dialect.name()).chain(["-"]);
    pins.map(|pin| [format!("{pin}\n{headers}\n").as_bytes(), &body].concat()).collect()
}

#[test]
fn the_planner_stands_every_delivery_of_the_fixtures() {
    let mut count = 0;
    for folder in files(&root().join("events")).into_iter().filter(|path| path.is_dir()) {
        for file in files(&folder).into_iter().filter(|file| !file.to_string_lossy().ends_with(".want.json"))
        {
            for input in inputs(&fs::read(&file).unwrap()) {
                count += 1;
                tried(&format!("{} {:.40}", file.display(), String::from_utf8_lossy(&input)), || {
                    plan(&input)
                });
            }
        }
    }
    assert!(count > 1000, "{count} inputs");
}

/// Otherwise "nobody is let in without the credential" would hold of a gate that lets nobody in.
#[test]
fn every_policy_lets_somebody_of_the_corpus_in_and_turns_somebody_away() {
    let corpus: Vec<_> =
        files(&root().join("fuzz/corpus/gate")).iter().map(|file| gate(&fs::read(file).unwrap())).collect();
    for (index, (text, _)) in POLICIES.iter().enumerate() {
        let admitted = corpus.iter().filter(|admitted| admitted.contains(&index)).count();
        assert!(admitted > 0, "{text} lets nobody in");
        assert!(*text == "none" || admitted < corpus.len(), "{text} lets everybody in");
    }
}

/// A credential that is there and yet does not count, and one in another spelling, which does. The proofs say yes to some of
/// the former, and would not miss one of the latter.
#[test]
fn near_misses_are_let_in_by_none_alone_and_odd_spellings_by_a_check() {
    let none = POLICIES.iter().position(|(text, _)| *text == "none").unwrap();
    for name in [
        "address-compatible",
        "bearer-and-more",
        "bearer-twice",
        "credential-in-another-header",
        "eventbridge-signed-another-body",
        "eventbridge-signed-without-secret",
        "hmac-base64-short",
        "hmac-hex-without-prefix",
        "hmac-timed-another-time",
        "hmac-timed-old",
        "jd-signed-no-md5",
        "jd-signed-twice",
        "jwt-google-another-account",
        "jwt-google-in-the-query",
        "jwt-google-removed",
        "jwt-google-twice",
        "mns-signed-another-body",
        "mns-signed-foreign-topic",
        "path-secret-encoded",
        "shared-secret-header-and-more",
        "shared-secret-header-twice",
        "shared-secret-in-the-path",
        "shared-secret-query-twice",
        "smn-signed-another-message",
        "smn-signed-md5",
        "smn-signed-sha1",
        "sns-signed-raw-delivery",
        "sns-signed-with-a-subject",
    ] {
        let bytes = fs::read(root().join("fuzz/corpus/gate").join(name)).unwrap();
        assert_eq!(gate(&bytes), [none], "{name}");
    }
    for name in [
        "address-mapped",
        "eventbridge-signed",
        "eventbridge-signed-token",
        "eventbridge-signed-token-apart",
        "eventbridge-signed-without-end",
        "hmac-base64-without-padding",
        "hmac-hex-beside-an-old-one",
        "jd-signed",
        "jd-signed-in-another-order",
        "mns-signed",
        "mns-signed-json",
        "mns-signed-xml",
        "shared-secret-query-encoded",
        "smn-signed",
        "smn-signed-confirmation",
        "smn-signed-empty-subject",
        "smn-signed-empty-subject-left-out",
        "smn-signed-unsubscribed",
        "smn-signed-user-confirmed",
        "smn-signed-without-subject",
        "sns-signed",
        "sns-signed-and-more",
        "sns-signed-confirmation",
    ] {
        let bytes = fs::read(root().join("fuzz/corpus/gate").join(name)).unwrap();
        assert!(gate(&bytes).iter().any(|index| *index != none), "{name}");
    }
}

/// Each token that was signed is let in, and none of the others.
#[test]
fn tokens_that_were_signed_are_let_in_and_no_others() {
    let good =
        ["entra-v1", "entra-v2", "google", "keys", "keys-curve", "keys-no-use", "other-es256", "other-rs256"];
    let folder = root().join("fuzz/corpus/token");
    let admitted: Vec<_> = files(&folder)
        .into_iter()
        .filter(|file| token(&fs::read(file).unwrap()))
        .map(|file| file.file_name().unwrap().to_str().unwrap().to_owned())
        .collect();
    assert_eq!(admitted, good);
}
