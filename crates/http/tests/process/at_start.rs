//! What stops a start, and what is printed at one.

use super::*;

#[tokio::test]
async fn mistakes_in_the_settings_are_shown_all_at_once_and_no_port_opens() {
    let secret = "s3cret-s3cret";
    let config = "[[source]]\nname = \"a\"\npath = \"/a\"\nauth = { bearer = { token_file = \"/nonexistent\" } }\n\
                  [[source]]\nname = \"b\"\npath = \"/b\"\nauth = { barer = { token = \"s3cret-s3cret\" } }\n";
    let mut process = program()
        .env("APIKEY", format!("{secret}\u{e9}"))
        .env("APIENDPOINT", "https://user:s3cret-s3cret@mdss.example")
        .env("RELAY_TIMEOUT", "10")
        .env("RELAY_LOG", "loud")
        .env("RELAY_TOKNE", secret)
        .env("RELAY_CONFIG_TOML", config)
        .start()
        .unwrap();
    assert_eq!(process.wait(LIMIT).await.unwrap().code(), Some(2));
    let output = process.output();
    for name in [
        "APIKEY",
        "APIENDPOINT",
        "RELAY_TIMEOUT",
        "RELAY_LOG",
        "RELAY_TOKNE",
        "STORAGECLIENTID",
        "source[0].auth",
        "source[1].auth",
    ] {
        assert!(output.contains(&format!("- {name}")), "{name}: {output}");
    }
    assert!(output.contains("is RELAY_TOKEN meant?"), "{output}");
    assert!(!output.contains("s3cret") && !output.contains("listening"), "{output}");

    // A source cannot be switched off by a value that is no proof.
    let config = "[[source]]\nname = \"a\"\npath = \"/a\"\nauth = false\n";
    let mut process = program().env("RELAY_CONFIG_TOML", config).start().unwrap();
    assert_eq!(process.wait(LIMIT).await.unwrap().code(), Some(2));
    assert!(process.output().contains("- source[0].auth"), "{}", process.output());

    // Every machine in a trusted network can name any address as the client's.
    let mut process = program()
        .env("RELAY_TOKEN", "a\nb")
        .env("RELAY_TRUSTED_PROXIES", "10.0.0.1,0.0.0.0/0")
        .start()
        .unwrap();
    assert_eq!(process.wait(LIMIT).await.unwrap().code(), Some(2));
    let output = process.output();
    assert!(
        output.contains("- RELAY_TRUSTED_PROXIES: found \"0.0.0.0/0\", expected networks of your own"),
        "{output}"
    );
    assert!(output.contains("- RELAY_TOKEN: expected a single line"), "{output}");

    // A file that nobody will ever have written to the end, and one that has no end.
    let folder = tempfile::tempdir().unwrap();
    let endless = folder.path().join("endless");
    std::os::unix::fs::symlink("/dev/zero", &endless).unwrap();
    let config = format!(
        "[[source]]\nname = \"a\"\npath = \"/a\"\nauth = {{ bearer = {{ token_file = \"{}\" }} }}\n",
        endless.display()
    );
    let mut process = program().env("RELAY_CONFIG_TOML", config).start().unwrap();
    assert_eq!(process.wait(LIMIT).await.unwrap().code(), Some(2));
    assert!(process.output().contains("expected a plain file, found "), "{}", process.output());

    let mut open = program().start().unwrap();
    assert_eq!(open.wait(LIMIT).await.unwrap().code(), Some(2));
    assert!(open.output().contains("RELAY_TOKEN"), "a guard is wanted in writing: {}", open.output());
}

#[tokio::test]
async fn a_secret_that_has_no_end_is_a_mistake_and_no_wait() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let auth = [
        ("bearer", "{ bearer = { token_file = \"/dev/zero\" } }"),
        ("hmac", "{ hmac = { header = \"x\", secret_file = \"/dev/zero\" } }"),
        ("jdcloud_signature", "{ jdcloud_signature = { certificate_file = \"/dev/zero\" } }"),
        (
            "jwt",
            "{ jwt = { issuer = \"google\", audience = \"a\", email = \"a@b\", jwks_file = \"/dev/zero\" } }",
        ),
    ];
    for (check, auth) in auth {
        let config = format!(
            "[[route]]\nbucket = \"b\"\nstorage_client_id = \"u\"\n[[source]]\nname = \"s\"\npath = \"/s\"\nauth = {auth}\n"
        );
        let mut process = configured(&sim).env("RELAY_CONFIG_TOML", config).start().unwrap();
        assert_eq!(process.wait(LIMIT).await.unwrap().code(), Some(2), "{check}");
        let output = process.output();
        assert!(output.contains("expected a plain file, found a device"), "{check}: {output}");
    }
}

#[tokio::test]
async fn it_says_what_it_is_and_takes_no_arguments() {
    let run = async |argument: &str| {
        let mut process = program().arg(argument).start().unwrap();
        let code = process.wait(LIMIT).await.unwrap().code();
        (code, process.stdout(), process.stderr())
    };
    let version = concat!("mdss-relay-http ", env!("CARGO_PKG_VERSION"), "\n");
    assert_eq!(run("--version").await, (Some(0), version.to_owned(), String::new()));
    let (code, help, _) = run("--help").await;
    assert!(code == Some(0) && help.contains("RELAY_CONFIG"), "{help}");
    // Its own settings, and nobody else's.
    assert!(
        help.contains("RELAY_LISTEN (http.listen)") && help.contains("RELAY_DATA_DIR (http.data_dir)"),
        "{help}"
    );
    for other in ["RELAY_ON_PERMANENT", "RELAY_QUEUE_PARTIAL"] {
        assert!(!help.contains(other), "{other}: {help}");
    }
    // Somebody meant something by it, and it may be a secret.
    let (code, out, told) = run("s3cret").await;
    assert!(
        (code, out.as_str()) == (Some(2), "") && told.contains("expected none") && !told.contains("s3cret"),
        "{told}"
    );
}

/// tokio's own runtimes panic at it.
#[tokio::test]
async fn a_number_of_threads_that_is_none_is_a_mistake() {
    for given in ["", "two", "0", "-1", "2.5", "100000", "99999999999999999999"] {
        let mut process = program().env("TOKIO_WORKER_THREADS", given).start().unwrap();
        assert_eq!(process.wait(LIMIT).await.unwrap().code(), Some(2), "{given:?}");
        let said = format!("TOKIO_WORKER_THREADS: expected a number from 1 to 1024, found {given:?}");
        assert!(process.output().contains(&said), "{}", process.output());
    }
    let sim = Sim::start(Config::default()).await.unwrap();
    let program = simple(&sim).env("TOKIO_WORKER_THREADS", "99");
    let server = Server::start(&program, LIMIT).await.unwrap();
    let tasks = std::fs::read_dir(format!("/proc/{}/task", server.process.id())).unwrap();
    let name =
        |task: std::io::Result<std::fs::DirEntry>| std::fs::read_to_string(task.unwrap().path().join("comm"));
    let workers =
        tasks.map(name).filter(|name| name.as_ref().is_ok_and(|name| name.starts_with("tokio"))).count();
    assert!(workers >= 99, "{workers}");
}
