//! A set-up of which nothing is to be said, seen by a person.

use std::time::{Duration, Instant};

use drive::until;
use mdss_sim::{Config, DEFAULT_API_KEY, units};

use crate::found::{TOKEN, file};
use crate::relay::{post, relay};
use crate::tool;
use crate::way::{signed, with_tls};

#[tokio::test]
async fn d1_all_is_well_in_a_line_for_each_group() {
    // On a disk, where the temporary directory may be in memory.
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let signed = signed(100, true);
    let sim = with_tls(signed.tls, Config::default()).await;
    let authority = file(dir.path(), "ca.pem", &signed.authority.pem());
    let config = format!(
        "[[route]]\nbucket = \"good\"\nexclude_prefix = [\"q/\"]\nstorage_client_id = \"{}\"\nstorage_type = \"s3-compatible\"\n",
        units::S3_COMPATIBLE
    );
    let (config, data) = (file(dir.path(), "relay.toml", &config), dir.path().join("spool"));
    let url = format!("https://localhost:{}", sim.addr().port());
    let set_up = [
        ("APIENDPOINT", url.as_str()),
        ("RELAY_CA_FILE", &authority),
        ("RELAY_CONFIG", &config),
        ("RELAY_MODE", "spooled"),
        ("RELAY_DATA_DIR", data.to_str().unwrap()),
        ("RELAY_SPOOL_LIMIT", "8MiB"),
    ];
    let running = relay(&set_up).await;
    post(&running, "good").await;
    until("the object is accepted", Duration::from_secs(20), async || sim.accepted().len() == 1)
        .await
        .unwrap();

    let (listens, shows) = (running.address.to_string(), running.pages.to_string());
    let process = [
        ("APIKEY", DEFAULT_API_KEY),
        ("RELAY_TOKEN", TOKEN),
        ("RELAY_LISTEN", &listens),
        ("RELAY_ADMIN_LISTEN", &shows),
    ];
    let variables: Vec<_> =
        set_up.iter().chain(&process).map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
    let look = move || {
        let variables: Vec<_> =
            variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let start = Instant::now();
        (tool::run("doctor", &["--strict"], &variables, ""), start.elapsed())
    };
    let (said, took) = tokio::task::spawn_blocking(look).await.unwrap();
    let lines: Vec<_> = said.stdout.lines().collect();
    assert_eq!((said.status, said.stderr.as_str()), (0, ""), "{}", said.stdout);
    assert!(lines.len() <= 24, "{}", said.stdout);
    let groups: Vec<_> =
        lines.iter().filter_map(|line| line.strip_prefix("ok ")?.split_whitespace().next()).collect();
    assert_eq!(groups, ["settings", "machine", "network", "mdss", "relay"], "{}", said.stdout);
    assert!(lines.last().unwrap().ends_with(" ok: all is well"), "{}", said.stdout);
    assert!(took < Duration::from_secs(5), "{took:?}");
    assert_eq!(sim.accepted().len(), 1, "doctor submits nothing");
}
