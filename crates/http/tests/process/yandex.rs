//! Behind a trigger of Yandex Cloud: the server is the container (Yandex's vectors, Y1 to Y4). The trigger posts to a port that the
//! platform chooses, without `Authorization`, and takes everything but 2xx for a failure.

use super::*;

/// What a trigger sends: a list of messages, of which each has its type and its object.
fn messages(messages: &[(&str, &str, &str)]) -> String {
    let message = |(id, (what, bucket, key)): (usize, &(&str, &str, &str))| {
        json!({
            "event_metadata": {
                "event_id": format!("bb{id}"),
                "event_type": format!("yandex.cloud.events.{what}"),
                "created_at": "2026-01-02T03:04:05Z", "cloud_id": "c", "folder_id": "f"
            },
            "details": { "bucket_id": bucket, "object_id": key }
        })
    };
    json!({ "messages": messages.iter().enumerate().map(message).collect::<Vec<_>>() }).to_string()
}

/// The container, with the configuration of docs/other-stores.md, and its port.
async fn container(sim: &Sim) -> (Server, String) {
    let config = format!(
        "[[source]]\nname = \"yandex\"\npath = \"/yandex\"\ndialect = \"yandex\"\nauth = {{ path_secret = {{ secret = \"{SECRET}\" }} }}\n\
         [[route]]\nsource = \"yandex\"\nbucket = \"in\"\nstorage_client_id = \"{}\"\nstorage_type = \"s3-compatible\"\n",
        units::S3_COMPATIBLE
    );
    // Nobody else takes it: who asks the system for a port gets another one than the last.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let program = configured(sim)
        .env("RELAY_CONFIG_TOML", config)
        .env("RELAY_LISTEN", "127.0.0.1:$PORT")
        .env("PORT", &port);
    (start(program).await, port)
}

/// A trigger's call, whose path is the one that `--invoke-container-path` names.
async fn call(server: &Server, body: String) -> Answer {
    post(server, &format!("/yandex/{SECRET}"), &[("content-type", "application/json")], body).await
}

#[tokio::test]
async fn y1_an_object_is_sent_from_the_port_that_the_platform_names() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let (server, port) = container(&sim).await;
    assert_eq!(server.address, format!("127.0.0.1:{port}"));
    let answer = call(&server, messages(&[("storage.ObjectCreate", "in", "a b/中.bin")])).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(sim.accepted().iter().map(|a| a.key.as_str()).collect::<Vec<_>>(), ["a b/中.bin"]);
    // Yandex makes an error of an answer whose length is not told.
    assert_eq!(answer.header("transfer-encoding"), None);
    assert!(answer.header("content-length").is_some());
    // Whoever has no secret is nobody.
    let body = messages(&[("storage.ObjectCreate", "in", "x")]);
    assert_eq!(post(&server, "/yandex/another-secret-0123456789", &[], body).await.status, 403);
}

#[tokio::test]
async fn y2_the_edit_of_an_acl_is_taken_and_nothing_is_sent() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let (server, _) = container(&sim).await;
    let answer = call(&server, messages(&[("storage.ObjectUpdate", "in", "a")])).await;
    assert_eq!((answer.status, sim.accepted().len()), (200, 0), "{}", answer.text());
}

#[tokio::test]
async fn y3_a_message_that_fails_fails_the_call() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let (server, _) = container(&sim).await;
    let two = [("storage.ObjectCreate", "in", "good"), ("storage.ObjectCreate", "elsewhere", "bad")];
    let answer = call(&server, messages(&two)).await;
    assert_eq!(answer.status, 500, "{}", answer.text());
    assert_eq!(sim.accepted().iter().map(|a| a.key.as_str()).collect::<Vec<_>>(), ["good"]);
    // What can never succeed fails as well: the trigger's queue keeps it, as nobody else does.
    let answer = call(&server, "{\"messages\":[{\"event_metadata\":7}]}".to_owned()).await;
    assert_eq!(answer.status, 500, "{}", answer.text());
}

#[tokio::test]
async fn y4_a_timers_message_is_taken_with_a_warning() {
    let sim = Sim::start(Config::default()).await.unwrap();
    let (mut server, _) = container(&sim).await;
    let answer = call(&server, messages(&[("serverless.triggers.TimerMessage", "", "")])).await;
    assert_eq!((answer.status, sim.accepted().len()), (200, 0), "{}", answer.text());
    let line = server.process.wait_for_line("a timer calls", LIMIT).await.unwrap();
    assert!(line.contains("\"level\":\"WARN\""), "{line}");
}
