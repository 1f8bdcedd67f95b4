//! D5 and D6: MDSS, and what it is never sent.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::time::Duration;

use mdss_sim::{
    Config, DEFAULT_API_KEY, KeyCheck, Sim, Step, StorageList, StorageType, Unit, UnitState, units,
};

use crate::found::{MDSS, doctor, file, said};
use crate::way::says;

/// Nothing that a relay was told to send to MDSS has reached it: no object, of no unit that there is.
fn assert_nothing_submitted(sim: &Sim) {
    assert_eq!(sim.accepted(), []);
    for request in sim.requests() {
        let known = units::all();
        let unit = request.storage_client_id.as_deref();
        assert!(known.iter().all(|known| Some(known.storage_client_id.as_str()) != unit), "{request:?}");
    }
}

#[tokio::test]
async fn d5_a_wrong_key_is_never_ok() {
    let cases = [
        // MDSS looks at the key first, and the unit has to wait.
        (KeyCheck::First, StorageList::KeyOrBearer, false, "ok", "fail"),
        // MDSS says of any key that there is no such unit: nobody can tell, and nobody pretends to.
        (KeyCheck::AfterUnit, StorageList::Forbidden, false, "unknown", "unknown"),
        (KeyCheck::AfterUnit, StorageList::WebPage, false, "unknown", "unknown"),
        // Any unit is taken: the answer proves nothing, and is not asked for twice.
        (KeyCheck::First, StorageList::KeyOrBearer, true, "unknown", "fail"),
    ];
    for (key_check, storage_list, any_unit, of_right, of_wrong) in cases {
        for (key, want) in [(DEFAULT_API_KEY, of_right), ("s3cret-wrong-key", of_wrong)] {
            let sim =
                Sim::start(Config { key_check, storage_list, any_unit, ..Config::default() }).await.unwrap();
            let found = doctor(&[], &[("APIENDPOINT", &sim.url()), ("APIKEY", key)]).await;
            let check = found.one("mdss.key");
            let what = format!("{key_check:?} {storage_list:?} {any_unit} {key}: {check}");
            assert_eq!(said(check, "status"), want, "{what}");
            assert!(found.took < Duration::from_secs(5), "{:?}", found.took);
            match want {
                "fail" => {
                    assert!(said(check, "found").contains("MDSS answered 401"), "{what}");
                    assert!(said(check, "remedy").contains("check the API key"), "{what}");
                    found.assert_skipped(&["mdss.unit"], "mdss.key");
                }
                "unknown" => assert!(
                    said(check, "found").contains("wrong key")
                        || said(check, "found").contains("prove nothing"),
                    "{what}"
                ),
                _ => {}
            }
            // The wrong key beside the own one: once at most, and not where it would submit something.
            let posts = sim.requests().into_iter().filter(|request| request.method == "POST");
            let posts: Vec<_> =
                posts.map(|request| (request.authorized, request.storage_client_id)).collect();
            let strangers = posts.iter().filter(|(authorized, _)| !authorized).count();
            assert!(strangers <= if key == DEFAULT_API_KEY { 1 } else { 2 }, "{posts:?}");
            assert!(posts.len() <= 2 && (!any_unit || posts.len() == 1), "{posts:?}");
            let taken: Vec<_> = sim.accepted().into_iter().map(|object| object.key).collect();
            assert_eq!(taken.len(), usize::from(any_unit && key == DEFAULT_API_KEY), "{taken:?}");
            assert!(taken.iter().all(|key| key.starts_with("mdss-relay-doctor/")), "{taken:?}");
        }
    }
}

/// A key that the relay reads itself is stored with its owner's rights; one that is a variable is set where it is set.
#[tokio::test]
async fn how_another_key_comes_to_the_relay_depends_on_where_it_comes_from() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let key = file(dir.path(), "api-key", "s3cret-wrong-key");
    let url = sim.url();
    for (variable, value, want) in [
        ("APIKEY", "s3cret-wrong-key", "set APIKEY to it where".to_owned()),
        ("APIKEY_FILE", &key, format!("rm {key} && mdss-relay secret --from-stdin {key}")),
    ] {
        let found = doctor(&[], &[("APIENDPOINT", &url), ("APIKEY", ""), (variable, value)]).await;
        let check = found.one("mdss.key");
        assert!(said(check, "remedy").contains(&want), "{check}");
        assert!(!said(check, "remedy").contains("restart"), "{check}");
    }
}

/// What needs the key names the cause for which there is none; what does not need it is looked at.
#[tokio::test]
async fn without_the_key_its_file_is_named_and_nothing_is_said_of_the_key() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let url = sim.url();
    let with = [("APIENDPOINT", url.as_str()), ("APIKEY", ""), ("APIKEY_FILE", "/nowhere/api-key")];
    let found = doctor(&[], &with).await;
    found.assert_skipped(&MDSS, "settings.secrets_readable");
    for id in ["network.clock", "network.latency"] {
        assert_eq!(found.status_of(id), "ok", "{}", found.text);
    }
    assert!(!found.text.contains("visible ASCII"), "{}", found.text);

    // Root's file, which the service may read and this user may not.
    let dir = tempfile::tempdir().unwrap();
    std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let key = file(dir.path(), "api-key", DEFAULT_API_KEY);
    std::fs::set_permissions(&key, PermissionsExt::from_mode(0o600)).unwrap();
    let unit = format!(
        "[Service]\nUser=root\nLoadCredential=api-key:{key}\nEnvironment=APIKEY_FILE=%d/api-key APIENDPOINT={url} RELAY_TOKEN=t0ken-t0ken-t0ken \
         STORAGECLIENTID={}\n",
        units::S3_COMPATIBLE
    );
    let unit = file(dir.path(), "mdss-relay-http.service", &unit);
    let tool = dir.path().join("mdss-relay");
    std::fs::copy(env!("CARGO_BIN_EXE_mdss-relay"), &tool).unwrap();
    let mut command = std::process::Command::new(&tool);
    command.args(["doctor", "--unit-file", &unit]).env_clear().uid(65_002).gid(65_002);
    let Ok(output) = tokio::task::spawn_blocking(move || command.output()).await.unwrap() else {
        return eprintln!("skipped: only root can run a program as another user");
    };
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("unknown mdss.api: mdss-relay-http.service"), "{text}");
    assert!(text.contains(&format!("this process may not read {key}; run doctor as root")), "{text}");
    assert!(text.contains("ok    network "), "{text}");
    assert!(!text.contains("visible ASCII"), "{text}");
}

#[tokio::test]
async fn d6_a_unit_that_is_unknown_off_or_polling_has_the_documented_sentence_and_remedy() {
    let sim = Sim::start(Config {
        units: vec![
            Unit::new("unit-good", StorageType::S3Compatible),
            Unit { state: UnitState::NotEnabled, ..Unit::new("unit-off", StorageType::S3Compatible) },
            Unit { state: UnitState::Polling, ..Unit::new("unit-polling", StorageType::S3Compatible) },
            Unit { scan_id: Some("scan-7".into()), ..Unit::new("unit-scan", StorageType::S3Compatible) },
        ],
        ..Config::default()
    })
    .await
    .unwrap();
    let dir = tempfile::tempdir().unwrap();
    let routes = [
        ("good", "unit-good", ""),
        ("typo", "unit-godo", ""),
        ("off", "unit-off", ""),
        ("polling", "unit-polling", ""),
        ("again", "unit-good", ""),
        ("scanned", "unit-scan", "scan_id = \"scan-7\"\n"),
        ("unscanned", "unit-scan", ""),
    ];
    let routes: String = routes
        .iter()
        .map(|(bucket, unit, more)| {
            format!("[[route]]\nbucket = \"{bucket}\"\nstorage_client_id = \"{unit}\"\nstorage_type = \"s3-compatible\"\nexclude_prefix = [\"q/\"]\n{more}")
        })
        .collect();
    let config = file(dir.path(), "relay.toml", &routes);
    let variables =
        [("APIENDPOINT", sim.url()), ("RELAY_CONFIG", config), ("STORAGECLIENTID", String::new())];
    let variables: Vec<(&str, &str)> = variables.iter().map(|(n, v)| (*n, v.as_str())).collect();

    let found = doctor(&["--live"], &variables).await;
    assert_eq!(found.status, 1);
    assert!(found.took < Duration::from_secs(5), "{:?}", found.took);
    let check = |id: &str, bucket: &str| {
        let subject = format!("(bucket \"{bucket}\")");
        let all = found.all(id);
        let own: Vec<_> = all.into_iter().filter(|c| said(c, "subject").contains(&subject)).collect();
        assert_eq!(own.len(), 1, "{id} {bucket}: {}", found.text);
        own[0].clone()
    };
    for (bucket, id, sentence, remedy) in [
        (
            "typo",
            "mdss.unit",
            "The storage could not be found",
            "verify the storage client id and that the storage is configured in MDSS",
        ),
        (
            "off",
            "mdss.real_time",
            "Real-Time Process is not enabled",
            "enable real-time processing for this storage in MDSS",
        ),
        (
            "polling",
            "mdss.event_based",
            "Real-Time Process is enabled, but it is not set to Event Based",
            "stop the current real-time scan in MDSS and start another one as Event-Based",
        ),
    ] {
        let failed = check(id, bucket);
        assert_eq!((said(&failed, "status"), said(&failed, "remedy")), ("fail", remedy), "{failed}");
        assert!(said(&failed, "found").contains(sentence), "{failed}");
        assert!(said(&failed, "subject").starts_with("route["), "{failed}");
        let others = ["mdss.unit", "mdss.real_time", "mdss.event_based", "mdss.scan_id"];
        let others = others.iter().filter(|other| **other != id).map(|other| check(other, bucket));
        assert!(others.clone().all(|other| other["status"] != "fail"), "exactly one: {}", found.text);
        for other in others.filter(|other| other["status"] == "skipped") {
            assert_eq!(other["by"], id);
        }
    }
    for id in ["mdss.unit", "mdss.real_time", "mdss.event_based", "mdss.scan_id"] {
        for bucket in ["good", "again", "scanned"] {
            assert_eq!(check(id, bucket)["status"], "ok", "{}", found.text);
        }
    }
    let scan = check("mdss.scan_id", "unscanned");
    assert_eq!(said(&scan, "status"), "fail", "{scan}");
    // One file for each unit, which does not exist.
    let accepted = sim.accepted();
    let told: Vec<_> =
        accepted.iter().map(|object| (object.storage_client_id.as_str(), object.times)).collect();
    assert_eq!(told, [("unit-good", 1), ("unit-scan", 1)]);
    assert!(accepted.iter().all(|object| object.key.starts_with("mdss-relay-doctor/")), "{accepted:?}");

    // Without --live MDSS's list alone is asked, and says as much of the id that it does not have.
    sim.forget();
    let found = doctor(&[], &variables).await;
    let units: Vec<_> = found.all("mdss.unit").iter().map(|c| said(c, "status").to_owned()).collect();
    assert_eq!(units, ["ok", "fail", "ok", "ok", "ok", "ok", "ok"], "{}", found.text);
    assert!(said(found.all("mdss.unit")[2], "found").contains("isRealTimeProcessingEnabled: false"));
    assert!(found.all("mdss.real_time").is_empty());
    assert_eq!(sim.accepted(), []);
}

#[tokio::test]
async fn nothing_is_submitted_to_a_unit_that_there_is_without_live() {
    for config in [
        Config::default(),
        Config { key_check: KeyCheck::AfterUnit, ..Config::default() },
        Config { storage_list: StorageList::Bearer, ..Config::default() },
        Config { storage_list: StorageList::Forbidden, ..Config::default() },
    ] {
        let journal = tempfile::NamedTempFile::new().unwrap();
        let config = Config { journal: Some(journal.path().to_owned()), ..config };
        let what = format!("{:?} {:?}", config.key_check, config.storage_list);
        let listed = config.storage_list != StorageList::Forbidden;
        let sim = Sim::start(config).await.unwrap();
        let found = doctor(&[], &[("APIENDPOINT", &sim.url())]).await;
        assert_eq!(found.status_of("mdss.api"), "ok", "{what}: {}", found.text);
        assert_eq!(
            found.status_of("mdss.unit"),
            if listed { "ok" } else { "unknown" },
            "{what}: {}",
            found.text
        );
        assert_nothing_submitted(&sim);
        assert_eq!(std::fs::read_to_string(journal.path()).unwrap(), "", "{what}");
        assert!(sim.requests().len() >= 4, "{what}");
    }
}

#[tokio::test]
async fn what_is_not_mdss_is_told_from_it() {
    let page = b"HTTP/1.1 200 OK\r\nContent-Length: 13\r\nConnection: close\r\n\r\n<html></html>";
    let prefixed = Sim::start(Config { prefix: "/mdss".into(), ..Config::default() }).await.unwrap();
    let busy = Sim::start(Config::default()).await.unwrap();
    busy.push([Step::Unavailable]);
    let moved = Sim::start(Config::default()).await.unwrap();
    let location = mdss_sim::HeaderValue::from_static("https://mdss.example/");
    moved.push([Step::Redirect { status: mdss_sim::StatusCode::MOVED_PERMANENTLY, location }]);
    for (what, url, sentence, remedy) in [
        ("a page", format!("http://{}", says(page).await), "answered 200 and sent HTML", "webhook URL"),
        (
            "another path",
            format!("http://{}/api/hook", prefixed.addr()),
            "answered 405 and sent HTML",
            "/api/webhook/realtime",
        ),
        ("another API", format!("{}/api/hook", prefixed.base_url()), "answered 404", "/api/webhook/realtime"),
        ("overload", busy.url(), "answered 503", "see whether MDSS works"),
        ("a redirect", moved.url(), "answered 301", "set the endpoint to the final address"),
    ] {
        let found = doctor(&[], &[("APIENDPOINT", &url)]).await;
        let api = found.one("mdss.api");
        assert_eq!(said(api, "status"), "fail", "{what}: {api}");
        assert!(said(api, "found").contains(sentence), "{what}: {api}");
        assert!(said(api, "remedy").contains(remedy), "{what}: {api}");
        found.assert_skipped(&MDSS[1..], "mdss.api");
    }
}

/// What no document tells is unknown; where an operator has named the path, MDSS is asked, and nothing is submitted.
#[tokio::test]
async fn whether_mdss_can_be_asked_for_files() {
    let sim = Sim::start(Config { file_api: true, ..Config::default() }).await.unwrap();
    let (dir, url) = (tempfile::tempdir().unwrap(), sim.url());
    let data = dir.path().to_str().unwrap().to_owned();
    let look = async |arguments: &[&str], more: &[(&str, &str)]| {
        let own = [("APIENDPOINT", url.as_str()), ("RELAY_MODE", "spooled"), ("RELAY_DATA_DIR", &data)];
        doctor(arguments, &[&own[..], more].concat()).await
    };
    let api = ("RELAY_LOOP_FILE_API", "/api/files");
    // Nobody asks where no ledger is kept.
    assert!(look(&[], &[]).await.all("mdss.file_api").is_empty());
    let found = look(&[], &[("RELAY_LEDGER", "on")]).await;
    for id in ["mdss.file_api", "loop.canary"] {
        assert_eq!(found.status_of(id), "unknown", "{}", found.text);
    }
    assert!(said(found.one("mdss.file_api"), "found").contains("on no public page"), "{}", found.text);
    // Without a key each is said once as well.
    let found =
        look(&[], &[("RELAY_LEDGER", "on"), ("APIKEY", ""), ("APIKEY_FILE", "/nowhere/api-key")]).await;
    found.assert_skipped(&MDSS, "settings.secrets_readable");
    assert_eq!(found.status_of("mdss.file_api"), "unknown", "{}", found.text);

    let found = look(&[], &[api]).await;
    assert_eq!(found.status_of("mdss.file_api"), "unknown", "{}", found.text);
    assert!(said(found.one("mdss.file_api"), "found").contains("lists no file"), "{}", found.text);
    assert_nothing_submitted(&sim);
    // The file that does not exist is one that MDSS has looked at.
    assert_eq!(look(&["--live"], &[]).await.status_of("mdss.real_time"), "ok");
    let (names, nowhere) =
        (("RELAY_LOOP_FILE_API_NAMES", "path=name"), ("RELAY_LOOP_FILE_API", "/api/other"));
    for (more, want, says) in [
        (&[api][..], "ok", "each of the first 1 is understood"),
        (&[api, names], "warn", "without a text \"name\""),
        // MDSS has its web page at every path that is none of its API's.
        (&[nowhere], "warn", "not JSON"),
        (&[api, ("APIKEY", "s3cret-wrong-key")], "skipped", "mdss.key"),
    ] {
        let found = look(&[], more).await;
        let check = found.one("mdss.file_api");
        assert_eq!(said(check, "status"), want, "{check}");
        assert!(said(check, "found").contains(says), "{check}");
    }
    let asked: Vec<_> = sim.requests().into_iter().filter(|request| request.method == "GET").collect();
    assert!(!asked.is_empty() && sim.accepted().len() == 1, "{:?}", sim.accepted());
}
