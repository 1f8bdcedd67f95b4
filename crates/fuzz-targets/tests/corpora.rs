//! What fuzzing has started from and what it has found, tried again by ordinary tests; and every delivery of `events/`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test ends where it fails")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mdss_relay_core::Dialect;
use mdss_relay_fuzz_targets::{POLICIES, TARGETS, gate, plan};
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
