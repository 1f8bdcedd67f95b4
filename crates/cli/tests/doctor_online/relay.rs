//! The relay that runs with the set-up.

use std::net::SocketAddr;
use std::time::Duration;

use drive::until;
use mdss_relay_http::{Configuration, Listeners, Server};
use mdss_sim::{Config, DEFAULT_API_KEY, Sim, units};

use crate::found::{TOKEN, doctor, file, said};

/// A server that stops when this is dropped.
pub(crate) struct Relay {
    pub(crate) address: SocketAddr,
    pub(crate) pages: SocketAddr,
    _stop: tokio::sync::oneshot::Sender<()>,
}

pub(crate) async fn relay(variables: &[(&str, &str)]) -> Relay {
    let own = [
        ("APIKEY", DEFAULT_API_KEY),
        ("RELAY_TOKEN", TOKEN),
        ("RELAY_LISTEN", "127.0.0.1:0"),
        ("RELAY_ADMIN_LISTEN", "[::1]:0"),
    ];
    let variables =
        own.into_iter().chain(variables.iter().copied()).map(|(name, value)| (name.into(), value.into()));
    let configuration = Configuration::read(variables).outcome.unwrap();
    let listeners = Listeners::open(&configuration).await.unwrap();
    let address = listeners.events.local_addr().unwrap();
    let pages = listeners.admin.as_ref().unwrap().local_addr().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    tokio::spawn(async move {
        let server = Server::new(configuration);
        server
            .serve(listeners, async {
                drop(stopped.await);
                "the test is over"
            })
            .await
            .unwrap();
    });
    Relay { address, pages, _stop: stop }
}

pub(crate) async fn post(relay: &Relay, bucket: &str) {
    let event = format!(
        r#"{{"Records":[{{"eventSource":"minio:s3","eventName":"s3:ObjectCreated:Put","s3":{{"bucket":{{"name":"{bucket}"}},"object":{{"key":"k"}}}}}}]}}"#
    );
    let poster = drive::HttpPoster::new(Duration::from_secs(10));
    let authorization = format!("Bearer {TOKEN}");
    let headers = [("authorization", authorization.as_str()), ("content-type", "application/json")];
    let answer =
        poster.send("POST", &format!("http://{}/events", relay.address), &headers, event).await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
}

#[tokio::test]
async fn a_relay_that_runs_is_asked_and_what_waits_is_named() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("spool");
    let config = file(
        dir.path(),
        "relay.toml",
        &format!(
            "[[route]]\nbucket = \"good\"\nexclude_prefix = [\"q/\"]\nstorage_client_id = \"{}\"\nstorage_type = \"s3-compatible\"\n\
             [[route]]\nbucket = \"off\"\nexclude_prefix = [\"q/\"]\nstorage_client_id = \"{}\"\nstorage_type = \"oracle\"\n",
            units::S3_COMPATIBLE,
            units::NOT_ENABLED
        ),
    );
    let url = sim.url();
    let set_up = [
        ("APIENDPOINT", url.as_str()),
        ("RELAY_CONFIG", &config),
        ("RELAY_MODE", "spooled"),
        ("RELAY_DATA_DIR", data.to_str().unwrap()),
        ("STORAGECLIENTID", ""),
    ];
    let running = relay(&set_up[..4]).await;
    let (listens, shows) = (running.address.to_string(), running.pages.to_string());
    let with = [&set_up[..], &[("RELAY_LISTEN", &listens), ("RELAY_ADMIN_LISTEN", &shows)]].concat();
    post(&running, "good").await;
    until("the object is accepted", Duration::from_secs(20), async || sim.accepted().len() == 1)
        .await
        .unwrap();

    let found = doctor(&[], &with).await;
    for id in ["running", "ready", "reloaded", "breaker", "oldest", "held", "parked", "last_event"] {
        assert_eq!(found.status_of(&format!("relay.{id}")), "ok", "{}", found.text);
    }
    assert!(said(found.one("relay.running"), "found").starts_with("mdss-relay 0."), "{}", found.text);
    assert_eq!(sim.accepted().len(), 1, "doctor submits nothing");

    // A unit that is off, and a bucket that nobody has named, wait for an operator; and the file is changed.
    post(&running, "off").await;
    post(&running, "nameless").await;
    let held = async || {
        let found = doctor(&[], &with).await;
        found.all("relay.held").len() == 2
    };
    until("both are held", Duration::from_secs(20), held).await.unwrap();
    let later = std::time::SystemTime::now() + Duration::from_secs(60);
    std::fs::File::options().append(true).open(&config).unwrap().set_modified(later).unwrap();
    let found = doctor(&[], &with).await;
    assert_eq!(found.status, 1);
    let off = found.all("relay.held");
    let off = off.iter().find(|c| said(c, "subject").contains("route[1] (bucket \"off\")")).unwrap();
    assert!(said(off, "found").contains("1 for mdss_not_enabled"), "{off}");
    assert!(said(off, "remedy").contains("list --state held"), "{off}");
    assert_eq!(found.status_of("relay.reloaded"), "warn", "{}", found.text);
    drop(running);

    // Nobody runs: the file says what is there.
    let gone = async || doctor(&[], &with).await.status_of("relay.running") == "fail";
    until("it has stopped", Duration::from_secs(20), gone).await.unwrap();
    let found = doctor(&[], &with).await;
    assert_eq!(found.all("relay.held").len(), 2, "{}", found.text);
    assert_eq!(found.status_of("relay.parked"), "ok", "{}", found.text);
    found.assert_skipped(
        &["relay.ready", "relay.reloaded", "relay.breaker", "relay.last_event"],
        "relay.running",
    );
}

/// Before the first start nothing runs, and that is no fault.
#[tokio::test]
async fn a_relay_that_was_never_started_is_a_warning() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let data = dir.path().join("spool");
    let asks = ["relay.ready", "relay.reloaded", "relay.breaker", "relay.last_event"];
    for (mode, sentence) in [("spooled", "no relay runs yet"), ("direct", "no relay runs now")] {
        let set_up = [
            ("APIENDPOINT", sim.url()),
            ("RELAY_MODE", mode.to_owned()),
            ("RELAY_DATA_DIR", if mode == "spooled" { data.display().to_string() } else { String::new() }),
        ];
        let set_up: Vec<_> = set_up.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let found = doctor(&[], &set_up).await;
        let running = found.one("relay.running");
        assert_eq!((said(running, "status"), found.status), ("warn", 0), "{}", found.text);
        assert!(said(running, "found").contains(sentence), "{running}");
        assert!(said(running, "found").contains("efore the first start"), "{running}");
        assert!(said(running, "remedy").contains("systemctl enable --now mdss-relay-http"), "{running}");
        found.assert_skipped(&asks, "relay.running");
        assert_eq!(found.status_of("relay.held"), "ok", "{}", found.text);
        assert_eq!(doctor(&["--strict"], &set_up).await.status, 1);
    }
}

/// The file of the key has been written anew, and systemd's copy has not: only a restart brings it.
#[tokio::test]
async fn a_relay_with_another_key_than_the_file_is_to_be_restarted() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let (url, data) = (sim.url(), dir.path().join("spool"));
    let set_up = [
        ("APIENDPOINT", url.as_str()),
        ("APIKEY", "s3cret-wrong-key"),
        ("RELAY_MODE", "spooled"),
        ("RELAY_DATA_DIR", data.to_str().unwrap()),
        ("STORAGECLIENTID", units::S3_COMPATIBLE),
    ];
    let running = relay(&set_up).await;
    post(&running, "any").await;
    let key = file(dir.path(), "api-key", DEFAULT_API_KEY);
    let later = std::time::SystemTime::now() + Duration::from_secs(60);
    std::fs::File::options().append(true).open(&key).unwrap().set_modified(later).unwrap();
    let unit = format!(
        "[Service]\nUser=root\nLoadCredential=api-key:{key}\nEnvironment=APIKEY_FILE=%d/api-key APIENDPOINT={url} RELAY_TOKEN={TOKEN} \
         RELAY_MODE=spooled RELAY_DATA_DIR={} STORAGECLIENTID={} RELAY_LISTEN={} RELAY_ADMIN_LISTEN={}\n",
        data.display(),
        units::S3_COMPATIBLE,
        running.address,
        running.pages
    );
    let unit = file(dir.path(), "mdss-relay-http.service", &unit);
    let with = ["--unit-file", unit.as_str()];
    let held = async || {
        let found = doctor(&with, &[]).await;
        found.status_of("relay.held") == "fail"
    };
    until("it is held", Duration::from_secs(20), held).await.unwrap();
    let found = doctor(&with, &[]).await;
    let replace =
        format!("rm {key} && mdss-relay secret --from-stdin {key} && systemctl restart mdss-relay-http");
    let held = found.one("relay.held");
    assert!(said(held, "found").contains("mdss_unauthorized"), "{held}");
    let renew =
        "if mdss.key is ok by now: systemctl restart mdss-relay-http; else give the relay another key: ";
    assert!(said(held, "remedy").ends_with(&format!("{renew}{replace}")), "{held}");
    let reloaded = found.all("relay.reloaded");
    let of_key = reloaded.iter().find(|check| said(check, "subject") == "APIKEY_FILE");
    let of_key = of_key.unwrap_or_else(|| panic!("{}", found.text));
    assert_eq!(said(of_key, "status"), "warn", "{of_key}");
    assert!(said(of_key, "found").contains("has another secret than"), "{of_key}");
    assert!(said(of_key, "remedy").starts_with("systemctl restart mdss-relay-http"), "{of_key}");
    assert_eq!(found.status_of("mdss.key"), "ok", "the file has the right one: {}", found.text);

    // And the file with a wrong one.
    std::fs::write(&key, "s3cret-wrong-key").unwrap();
    let found = doctor(&with, &[]).await;
    assert!(said(found.one("mdss.key"), "remedy").ends_with(&replace), "{}", found.text);
}

#[tokio::test]
async fn who_has_the_port_of_the_relay_is_looked_at() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let other = Sim::start(Config::default()).await.unwrap();
    let listens = other.addr().to_string();
    let found = doctor(&[], &[("APIENDPOINT", &sim.url()), ("RELAY_LISTEN", &listens)]).await;
    let running = found.one("relay.running");
    assert_eq!(said(running, "status"), "fail", "{running}");
    assert!(said(running, "found").starts_with("something else answers"), "{running}");

    // Where nobody could post no server can be missed.
    let found = doctor(&[], &[("APIENDPOINT", &sim.url()), ("RELAY_TOKEN", "")]).await;
    found.assert_skipped(&["relay.running", "relay.held"], "settings.valid");
}
