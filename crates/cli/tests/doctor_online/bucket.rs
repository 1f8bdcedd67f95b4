//! The group `bucket` against stand-ins on loopback that answer as each cloud documents it, and against moto. All stores of a test are in
//! one run of doctor, so a test is as quick as its slowest store.

mod amazon;
mod azure;
mod google;
mod moto;
mod oci;
mod stand;
mod trouble;

use std::fmt::Write as _;

use mdss_sim::{Config, Sim, units};
use serde_json::Value;

use crate::found::{Found, doctor};
use stand::Stand;

/// A check, its status, and a part of what it says.
pub(crate) type Want = (&'static str, &'static str, &'static str);

/// One store of a run: its members without its name, and what is wanted of it.
pub(crate) struct Case {
    pub(crate) what: &'static str,
    pub(crate) members: String,
    pub(crate) want: Vec<Want>,
}

impl Case {
    pub(crate) fn of(what: &'static str, members: impl Into<String>, want: &[Want]) -> Self {
        Self { what, members: members.into(), want: want.to_vec() }
    }
}

/// Runs doctor over the stores of all cases and looks at what it says of each. `routes` is TOML; without one every bucket has a route.
pub(crate) async fn look(cases: &[Case], routes: &str, more: &[(&str, &str)]) -> Found {
    let found = run(cases, routes, more, &[]).await;
    for case in cases {
        for (id, status, part) in &case.want {
            let check = of_store(&found, id, case.what);
            let said = check.to_string();
            assert_eq!(check["status"], **status, "{}: {id}: {said}", case.what);
            assert!(said.contains(*part), "{}: {id} does not say {part:?}: {said}", case.what);
        }
    }
    found
}

pub(crate) async fn run(cases: &[Case], routes: &str, more: &[(&str, &str)], arguments: &[&str]) -> Found {
    let sim = Sim::start(Config::default()).await.unwrap();
    let mut toml = match routes {
        "" => format!(
            "[[route]]\nbucket = \"*\"\nexclude_prefix = [\"q/\"]\nstorage_type = \"s3-compatible\"\nstorage_client_id = \"{}\"\n",
            units::S3_COMPATIBLE
        ),
        routes => routes.replace("UNIT", units::S3_COMPATIBLE),
    };
    for case in cases {
        write!(toml, "[[store]]\nname = \"{}\"\n{}\n", case.what, case.members).unwrap();
    }
    let url = sim.url();
    let mut variables =
        vec![("APIENDPOINT", url.as_str()), ("RELAY_CONFIG_TOML", toml.as_str()), ("STORAGECLIENTID", "")];
    variables.extend_from_slice(more);
    let found = doctor(arguments, &variables).await;
    assert_eq!(found.one("settings.valid")["status"], "ok", "{}", found.one("settings.valid"));
    found
}

/// What a check says of the one bucket of a store.
pub(crate) fn of_store<'f>(found: &'f Found, id: &str, store: &str) -> &'f Value {
    let ends = format!("store {store:?}");
    let all = found.all(id);
    let of: Vec<_> = all.iter().filter(|check| check["subject"].as_str().unwrap().ends_with(&ends)).collect();
    match of[..] {
        [one] => one,
        _ => panic!("{id} of {store}: {of:?} in {}", found.text),
    }
}

/// Nothing is said of it.
pub(crate) fn says_nothing(found: &Found, id: &str, store: &str) {
    let ends = format!("store {store:?}");
    assert!(found.all(id).iter().all(|check| !check["subject"].as_str().unwrap().ends_with(&ends)), "{id}");
}

/// A file with a secret, of which no part may be printed (`found.rs` looks).
pub(crate) fn secret(folder: &tempfile::TempDir) -> String {
    crate::found::file(folder.path(), "key", "s3cretczNjcmV0AA")
}
