//! What an operator reads: one line at the start and one at the end, one a minute while MDSS is away, who was refused, and the
//! recipes of docs/logging.md on a log that a process has written.

use std::path::Path;
use std::process::Command;

use drive::until;
use mdss_relay_ledger::Fact;
use mdss_sim::Away;

use super::*;

/// The lines so far that have a text in them.
fn lines(server: &Server, text: &str) -> Vec<Value> {
    let log = server.process.stderr();
    log.lines().filter(|line| line.contains(text)).map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The one line that has this text.
fn line(server: &Server, text: &str) -> Value {
    let mut found = lines(server, text);
    assert_eq!(found.len(), 1, "{text}: {}", server.process.stderr());
    found.remove(0)
}

/// Asks it to stop, and waits until it has.
async fn stop(server: &mut Server) {
    server.process.signal("TERM").unwrap();
    assert_eq!(server.process.wait(LIMIT).await.unwrap().code(), Some(0), "{}", server.process.output());
}

/// A server with a spool, and a file that says more.
fn spooled(folder: &Path, endpoint: &str) -> Program {
    let file = folder.join("relay.toml");
    if !file.exists() {
        let config = format!(
            "[http]\nmode = \"direct\"\nbody_limit = \"1MiB\"\ntrusted_proxies = \"127.0.0.1\"\n\
             [[route]]\nsource = \"minio\"\nbucket = \"b\"\nprefix = \"in/\"\nstorage_client_id = \"{0}\"\n\
             [[route]]\nsource = \"jd\"\nbucket = \"*\"\nstorage_client_id = \"{0}\"\n\
             [[source]]\nname = \"minio\"\npath = \"/minio\"\nauth = {{ bearer = {{ token = \"{TOKEN}\" }} }}\n\
             [[source]]\nname = \"jd\"\npath = \"/jd\"\nauth = {{ path_secret = {{ secret = \"{SECRET}\" }} }}\n\
             [[source]]\nname = \"open\"\npath = \"/open\"\nauth = \"none\"\n",
            units::S3_COMPATIBLE
        );
        std::fs::write(&file, config).unwrap();
    }
    program()
        .env("APIENDPOINT", endpoint)
        .env("APIKEY", DEFAULT_API_KEY)
        .env("RELAY_CONFIG", file)
        .env("RELAY_MODE", "spooled")
        .env("RELAY_DATA_DIR", folder.join("data"))
}

#[tokio::test]
async fn one_line_says_what_runs_and_one_what_the_end_has_cut() {
    let away = Away::new().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let proxied = |program: Program| {
        program
            .env("http_proxy", "http://proxy-user:s3cret-of-the-proxy@127.0.0.1:9")
            .env("RELAY_BODY_LIMIT", "1MiB")
    };
    let mut server = start(proxied(spooled(folder.path(), &away.url()))).await;
    let body = mdss_sim::created("minio:s3", "b", &["in/a", "in/b"]);
    assert_eq!(post(&server, "/jd/a-long-path-secret-1", &[], body).await.status, 200);
    stop(&mut server).await;
    let first = line(&server, "spooled mode");
    assert_eq!(first["mdss.spool.waiting"], 0, "{first}");
    let invocation = lines(&server, "in/a")[0]["faas.invocation_id"].clone();

    let mut server = start(proxied(spooled(folder.path(), &away.url()))).await;
    let log = server.process.stderr();
    let started = line(&server, " starts in spooled mode");
    assert!(log.find("starts in").unwrap() < log.find("listening on").unwrap(), "{log}");
    let dir = folder.path().join("data").display().to_string();
    for (field, want) in [
        ("service.version", json!(env!("CARGO_PKG_VERSION"))),
        ("mdss.mode", json!("spooled")),
        ("spool.dir", json!(dir)),
        ("mdss.spool.waiting", json!(2)),
        ("mdss.spool.held", json!(0)),
        ("mdss.spool.parked", json!(0)),
        ("mdss.sources", json!("minio at /minio, jd at /jd/<secret>, open at /open (open to everybody)")),
        ("mdss.routes", json!(format!("b of minio (a part) -> {0}, * of jd -> {0}", units::S3_COMPATIBLE))),
        ("mdss.endpoint", json!(away.url().strip_suffix("/api/webhook/realtime").unwrap())),
        ("mdss.proxy", json!("http://127.0.0.1:9")),
        ("mdss.configuration", json!(folder.path().join("relay.toml"))),
        ("mdss.overridden", json!("RELAY_MODE")),
        ("level", json!("INFO")),
    ] {
        assert_eq!(started[field], want, "{field}: {started}");
    }
    let sentence = started["message"].as_str().unwrap();
    assert!(
        sentence.contains("with 2 waiting, 0 held, 0 parked; 3 sources, 2 routes; MDSS at"),
        "{sentence}"
    );
    // What the variable says is not what the file says, and that is told once, at once. The limit of a body is the same in both.
    let overridden = line(&server, "variables win");
    assert_eq!(overridden["level"], "WARN");
    assert!(
        overridden["message"]
            .as_str()
            .unwrap()
            .starts_with("http.mode in the configuration has no effect: RELAY_MODE")
    );

    // The deliveries of both processes have names of their own.
    let body = mdss_sim::created("minio:s3", "b", &["in/c"]);
    assert_eq!(post(&server, "/jd/a-long-path-secret-1", &[], body).await.status, 200);
    server.process.wait_for_line("in/c", LIMIT).await.unwrap();
    let other = &lines(&server, "in/c")[0]["faas.invocation_id"];
    assert!(other.as_str().unwrap().starts_with("jd-") && *other != invocation, "{other}");
    stop(&mut server).await;
    let log = server.process.output();
    for secret in ["s3cret", "proxy-user", "path-secret", TOKEN, DEFAULT_API_KEY] {
        assert!(!log.contains(secret), "{secret}: {log}");
    }
    let last = log.lines().rfind(|line| line.starts_with('{')).unwrap();
    assert!(last.contains("\"message\":\"stopped by SIGTERM"), "{last}");
}

#[tokio::test]
async fn a_new_configuration_says_what_has_changed() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (file, key) = (folder.path().join("relay.toml"), folder.path().join("api-key"));
    let config = |more: &str| {
        let text = format!(
            "[mdss]\napi_key_file = {key:?}\n{more}[[route]]\nbucket = \"b\"\nstorage_client_id = \"{}\"\n\
             [[source]]\nname = \"open\"\npath = \"/open\"\nauth = \"none\"\n",
            units::S3_COMPATIBLE
        );
        std::fs::write(&file, text).unwrap();
    };
    std::fs::write(&key, "the-old-key").unwrap();
    config("");
    let program = program().env("APIENDPOINT", sim.url()).env("RELAY_CONFIG", &file);
    let mut server = start(program.env("RELAY_DEADLINE", "2s")).await;

    // MDSS has another key by now, and so has the file.
    std::fs::write(&key, DEFAULT_API_KEY).unwrap();
    let answer = post(&server, "/open", &[], created(&["a"])).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    server.process.wait_for_line("a new API key was read from its file", LIMIT).await.unwrap();
    assert_eq!(line(&server, "a new API key")["level"], "INFO");

    config("deadline = \"3s\"\n");
    server.process.signal("HUP").unwrap();
    server.process.wait_for_line("variables win", LIMIT).await.unwrap();
    let told = server.process.wait_for_line("a new configuration is in force", LIMIT).await.unwrap();
    let told: Value = serde_json::from_str(&told).unwrap();
    // The variable says it before and after.
    assert_eq!(told["mdss.changed"], "the API key");
    config("timeout = \"1s\"\n");
    server.process.signal("HUP").unwrap();
    server.process.wait_for_line("changed: mdss.timeout; 1 source, 1 route; MDSS at", LIMIT).await.unwrap();
    server.process.signal("HUP").unwrap();
    server.process.wait_for_line("nothing in it has changed", LIMIT).await.unwrap();
    stop(&mut server).await;
    let log = server.process.output();
    assert!(!log.contains("the-old-key") && !log.contains(DEFAULT_API_KEY), "{log}");
}

#[tokio::test]
async fn an_outage_has_a_line_and_so_has_its_end_in_both_modes() {
    let away = Away::new().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut stored = start(spooled(folder.path(), &away.url())).await;
    let direct = program()
        .env("APIENDPOINT", away.url())
        .env("APIKEY", DEFAULT_API_KEY)
        .env("STORAGECLIENTID", units::S3_COMPATIBLE)
        .env("RELAY_TOKEN", TOKEN)
        .env("RELAY_DEADLINE", "1s");
    let mut direct = start(direct).await;
    let path = "/jd/a-long-path-secret-1";
    for key in ["a", "b"] {
        assert_eq!(post(&stored, path, &[], created(&[key])).await.status, 200);
        assert_eq!(event(&direct, created(&[key])).await.status, 503);
    }
    for server in [&mut stored, &mut direct] {
        server.process.wait_for_line("MDSS unreachable since", LIMIT).await.unwrap();
    }
    let told = line(&stored, "MDSS unreachable since");
    assert_eq!(
        (&told["mdss.spool.waiting"], &told["error.type"], &told["level"]),
        (&json!(2), &json!("mdss_unreachable"), &json!("WARN"))
    );
    let sentence = told["message"].as_str().unwrap();
    assert!(
        sentence.contains("2 objects wait, last: no connection to 127.0.0.1")
            && sentence.contains("next try in"),
        "{sentence}"
    );
    assert!(
        told["mdss.outage.duration_ms"].as_u64().unwrap() >= 5000 && told["mdss.outage.next_ms"].is_u64(),
        "{told}"
    );
    let told = line(&direct, "MDSS unreachable since");
    assert_eq!(
        (&told["mdss.outage.refused"], &told["mdss.spool.waiting"]),
        (&json!(2), &Value::Null),
        "{told}"
    );
    assert!(
        told["message"].as_str().unwrap().contains("2 deliveries were answered 500 or 503, last: no"),
        "{told}"
    );

    let sim = away.back(Config::default()).await.unwrap();
    assert_eq!(event(&direct, created(&["c"])).await.status, 200);
    until("what waited is accepted", LIMIT, async || sim.accepted_keys() == ["a", "b", "c"]).await.unwrap();
    for server in [&mut stored, &mut direct] {
        server.process.wait_for_line("MDSS answers again, after ", LIMIT).await.unwrap();
        stop(server).await;
        let told = line(server, "MDSS answers again, after ");
        assert!(told["mdss.outage.attempts"].as_u64().unwrap() > 1, "{told}");
        line(server, "MDSS unreachable since");
    }
}

#[tokio::test]
async fn who_was_refused_is_in_the_line_and_so_are_the_paths_there_are() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut server = start(spooled(folder.path(), &sim.url())).await;
    let large = "x".repeat((1 << 20) + 1);
    let whom = "203.0.113.9";
    let forwarded = ("x-forwarded-for", whom);
    for (path, headers, body, status) in [
        ("/minio", vec![forwarded], "{}", 401),
        ("/jd/a-wrong-path-secret", vec![forwarded], "{}", 403),
        ("/mino/a-wrong-path-secret", vec![forwarded], "{}", 404),
        ("/open", vec![forwarded], &large, 413),
    ] {
        let answer = post(&server, path, &headers, body).await;
        assert_eq!(answer.status, status, "{path} {}", answer.text());
    }
    assert_eq!(send(&server, "GET", "/open", &[forwarded], "").await.status, 405);
    stop(&mut server).await;
    for (text, source) in [
        ("\"mdss.check\":\"bearer\"", json!("minio")),
        ("\"mdss.check\":\"path_secret\"", json!("jd")),
        ("unknown_path", Value::Null),
        ("body_too_large", json!("open")),
        ("method_not_allowed", json!("open")),
    ] {
        let told = line(&server, text);
        assert_eq!((&told["client.address"], &told["mdss.source"]), (&json!(whom), &source), "{told}");
    }
    let told = line(&server, "unknown_path");
    let sentence = told["message"].as_str().unwrap();
    assert!(
        sentence
            .ends_with("its path of 25 bytes belongs to no source; there are /minio, /jd/<secret>, /open"),
        "{sentence}"
    );
    assert!(!server.process.output().contains("path-secret"), "{}", server.process.output());
}

#[tokio::test]
async fn lines_for_a_person_say_the_same_and_move_no_cursor() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let mut process = simple(&sim).env("RELAY_LOG_FORMAT", "text").start().unwrap();
    let listening = process.wait_for_line("listening on", LIMIT).await.unwrap();
    assert!(listening.contains(" INFO  listening on http://127.0.0.1:"), "{listening}");
    let port = listening.rsplit_once("server.port=").unwrap().1;
    let url = format!("http://127.0.0.1:{port}/events");
    let bearer = format!("Bearer {TOKEN}");
    let key = "a%1B%5B2J%0Ab%C2%9B%E2%80%AE";
    let poster = drive::HttpPoster::new(LIMIT);
    let answer = poster.send("POST", &url, &[("authorization", &bearer)], created(&[key])).await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    process.signal("TERM").unwrap();
    process.wait(LIMIT).await.unwrap();
    let log = process.stderr();
    let accepted = log.lines().find(|line| line.contains("object accepted by MDSS")).unwrap();
    assert!(accepted.contains(r#"faas.document.name="a\u001b[2J\u000ab\u009b\u202e" "#), "{accepted}");
    assert!(log.lines().all(|line| !line.contains(char::is_control) && !line.starts_with('{')), "{log}");
    assert!(log.lines().next_back().unwrap().contains("INFO  stopped by SIGTERM"), "{log}");
}

/// Where there is no ledger the log is the record: a line says which write it was, as the ledger's own facts do, in both modes.
#[tokio::test]
async fn a_ledger_can_be_made_of_the_lines_of_accepted_objects() {
    let folder = tempfile::tempdir().unwrap();
    let body = json!({ "Records": [{ "eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "eventTime": "2026-11-27T01:02:03.500Z",
        "s3": { "bucket": { "name": "b" }, "object": { "key": "a+b.pdf", "size": 7, "eTag": "e", "versionId": "v" } } }] });
    for is_spooled in [false, true] {
        let sim = Sim::start(Config::default()).await.unwrap();
        let program = match is_spooled {
            true => simple(&sim).env("RELAY_MODE", "spooled").env("RELAY_DATA_DIR", folder.path()),
            false => simple(&sim),
        };
        let mut server = start(program).await;
        let before = jiff::Timestamp::now();
        assert_eq!(event(&server, body.to_string()).await.status, 200);
        let line = server.process.wait_for_line("object accepted by MDSS", LIMIT).await.unwrap();
        let fact = Fact::read(line.as_bytes()).unwrap();
        assert_eq!((fact.bucket.as_deref(), fact.key.as_deref()), (Some("b"), Some(&b"a b.pdf"[..])));
        assert_eq!(
            (fact.version.as_deref(), fact.etag.as_deref(), fact.size),
            (Some("v"), Some("e"), Some(7))
        );
        assert_eq!(fact.event_time.unwrap().to_string(), "2026-11-27T01:02:03.500Z");
        assert_eq!((fact.source.as_deref(), fact.attempts), (Some("events"), Some(1)));
        assert!(fact.unit.is_some() && fact.correlation_id.is_some(), "{line}");
        let (received, settled) = (fact.received_time.unwrap(), fact.settled_time.unwrap());
        assert!(received >= before.into() && settled >= received, "{line}");
    }
}

/// The blocks of commands of the page, in order.
fn recipes() -> Vec<String> {
    let page =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/logging.md")).unwrap();
    page.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn every_recipe_of_the_page_finds_something_in_a_real_log() {
    let jq = Command::new("jq").arg("--version").output().is_ok_and(|output| output.status.success());
    if !drive::available("jq", jq).unwrap() {
        return;
    }
    // A log with everything that the page looks for.
    let away = Away::new().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut server = start(spooled(folder.path(), &away.url())).await;
    let path = "/jd/a-long-path-secret-1";
    assert_eq!(post(&server, path, &[], created(&["a+b.pdf"])).await.status, 200);
    assert_eq!(post(&server, path, &[], "no JSON").await.status, 200);
    for _ in 0..3 {
        assert_eq!(post(&server, "/minio", &[], "{}").await.status, 401);
    }
    server.process.wait_for_line("MDSS unreachable since", LIMIT).await.unwrap();
    let waiting = server.process.stderr();
    let sim = away.back(Config::default()).await.unwrap();
    server.process.wait_for_line("MDSS answers again", LIMIT).await.unwrap();
    assert_eq!(sim.accepted().len(), 1);
    stop(&mut server).await;
    let log = format!("a line that is no JSON\n{}", server.process.stderr());
    let id = line(&server, "event is on disk, to be sent")["faas.invocation_id"].as_str().unwrap().to_owned();

    let journal = folder.path().join("bin");
    std::fs::create_dir(&journal).unwrap();
    let stand_in = "#!/bin/sh\n[ \"$1 $2 $3 $4 $5\" = '-u mdss-relay-http -o cat --since' ] && [ -n \"$6\" ] && cat \"$LOG\"\n";
    std::fs::write(journal.join("journalctl"), stand_in).unwrap();
    let run = |block: &str, log: &str| {
        let file = folder.path().join("log");
        std::fs::write(&file, log).unwrap();
        let script = format!(
            "set -eu\nchmod +x {0}/journalctl\nPATH={0}:$PATH\n{1}{block}",
            journal.display(),
            recipes()[0]
        );
        let output =
            Command::new("bash").args(["-o", "pipefail", "-c", &script]).env("LOG", &file).output().unwrap();
        assert!(output.status.success(), "{block}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let wanted: [(&str, &str, &[&str]); 8] = [
        ("a b.pdf", &log, &["event is on disk", "object accepted by MDSS", "mdss_unreachable"]),
        ("minio-19abf2c3d4e-7", &log, &["a b.pdf", &id]),
        ("1 hour ago", &log, &["1 unreadable", "unreadable\tevent cannot be used; it is on disk, parked"]),
        ("duration_ms", &log, &["\tb\ta b.pdf"]),
        ("client.address", &log, &["3\t127.0.0.1\tminio\trefused\tbearer"]),
        ("mdss.spool.state", &waiting, &["\twaiting\tmdss_unreachable\tb\ta b.pdf"]),
        ("mdss.outage.since", &log, &["MDSS unreachable since", "MDSS answers again", "\"service.version\""]),
        ("log()", &log, &[]),
    ];
    let blocks = recipes();
    assert_eq!(blocks.len(), wanted.len(), "each block has its row here");
    for (mark, log, found) in wanted {
        let block = blocks.iter().find(|block| block.contains(mark)).unwrap();
        let printed = run(&block.replace("minio-19abf2c3d4e-7", &id), log);
        for text in found {
            assert!(printed.contains(text), "{mark}: {text}: {printed}");
        }
    }
}
