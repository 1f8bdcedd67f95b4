//! Each fault, as a client sees it.

use std::io::ErrorKind::{ConnectionReset, UnexpectedEof};
use std::time::{Duration, Instant};

use mdss_sim::{Config, HeaderValue, Refusal, Sim, StatusCode, Step, units};
use serde_json::json;
use tokio::time::timeout;

use crate::client::{Answer, Client, object};

async fn with(steps: impl IntoIterator<Item = Step>) -> (Sim, Client) {
    let sim = Sim::start(Config::default()).await.unwrap();
    sim.push(steps);
    let client = Client::connect(sim.addr()).await;
    (sim, client)
}

fn good() -> String {
    object(units::ORACLE, "k")
}

/// The answer to one request under `step`; then the contract holds again, on the same connection.
async fn answered(step: Step) -> Answer {
    let (sim, mut client) = with([step]).await;
    let answer = client.ask(good()).await;
    assert_eq!(sim.accepted(), [], "nothing is accepted");
    assert_eq!(sim.requests()[0].status.unwrap().as_u16(), answer.status);
    client.ask(good()).await.correlation_id();
    assert_eq!((sim.accepted().len(), sim.connections()), (1, 1));
    answer
}

#[tokio::test]
async fn any_answer() {
    let answer = answered(Step::Answer {
        status: StatusCode::IM_A_TEAPOT,
        // A length that lies is not this step's business.
        headers: [("x-odd", "1"), ("content-length", "99")]
            .into_iter()
            .map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value)))
            .collect(),
        body: (&b"\xff"[..]).into(),
    })
    .await;
    assert_eq!((answer.status, answer.header("x-odd"), &answer.body[..]), (418, Some("1"), &b"\xff"[..]));
    let answer = answered(Step::json(StatusCode::INTERNAL_SERVER_ERROR, "{}")).await;
    assert_eq!((answer.status, answer.json()), (500, json!({})));
}

#[tokio::test]
async fn retry_after_in_seconds_and_as_a_date() {
    let answer = answered(Step::RetryAfter { status: StatusCode::TOO_MANY_REQUESTS, seconds: 7 }).await;
    assert_eq!((answer.status, answer.header("retry-after")), (429, Some("7")));

    let now = jiff::Timestamp::now().as_second();
    let step = Step::RetryAfterDate { status: StatusCode::SERVICE_UNAVAILABLE, seconds: 3600 };
    let answer = answered(step).await;
    let date = answer.header("retry-after").unwrap();
    assert!(date.ends_with(" GMT"), "{date}");
    let date = jiff::fmt::rfc2822::parse(date).unwrap().timestamp().as_second();
    assert!((now + 3600..=now + 3610).contains(&date), "{date} {now}");
    answered(Step::RetryAfterDate { status: StatusCode::SERVICE_UNAVAILABLE, seconds: u32::MAX }).await;
}

#[tokio::test]
async fn answers_that_are_not_what_they_seem() {
    let html = |answer: &Answer| {
        answer.header("content-type") == Some("text/html") && answer.text().contains("<html")
    };
    let answer = answered(Step::Unavailable).await;
    assert!(answer.status == 503 && html(&answer), "{answer:?}");
    let answer = answered(Step::WebPage).await;
    assert!(answer.status == 200 && html(&answer), "{answer:?}");
    let answer = answered(Step::OkButRefused(Refusal::NotEventBased)).await;
    let message = &answer.json()["responseMessage"];
    assert_eq!(
        (answer.status, message.as_str()),
        (200, Some("Real-Time Process is enabled, but it is not set to Event Based."))
    );
    let answer = answered(Step::EmptyObject).await;
    assert_eq!((answer.status, answer.json()), (200, json!({})));
    let answer = answered(Step::EmptyBody).await;
    assert_eq!((answer.status, answer.header("content-length"), answer.body.len()), (200, Some("0"), 0));
    let location = HeaderValue::from_static("https://mdss.example/login");
    let answer = answered(Step::Redirect { status: StatusCode::MOVED_PERMANENTLY, location }).await;
    assert_eq!((answer.status, answer.header("location")), (301, Some("https://mdss.example/login")));
}

#[tokio::test]
async fn half_a_body_then_an_orderly_close() {
    let (sim, mut client) = with([Step::HalfBody]).await;
    client.send(good()).await;
    assert_eq!(client.answer().await.unwrap_err().kind(), UnexpectedEof);
    assert_eq!(client.rest(), "{\"correlationId\":\"0000");
    assert_eq!((sim.accepted().len(), sim.requests()[0].status), (0, Some(StatusCode::OK)));
}

#[tokio::test]
async fn a_reset_comes_before_any_byte_or_in_the_middle() {
    // `rest` is what followed the head; without a head it would be all that came.
    for (step, status, rest) in [
        (Step::Reset, None, ""),
        (Step::ResetAfterHeaders, Some(200), ""),
        (Step::ResetAfterHalfBody, Some(200), "{\"correlationId\":\"0000"),
    ] {
        let (sim, mut client) = with([step.clone()]).await;
        client.send(good()).await;
        assert_eq!(client.answer().await.unwrap_err().kind(), ConnectionReset, "{step:?}");
        assert_eq!(client.rest(), rest, "{step:?}");
        assert_eq!(sim.requests()[0].status.map(|status| status.as_u16()), status, "{step:?}");
        assert_eq!(sim.accepted(), [], "{step:?}");
    }
}

#[tokio::test]
async fn accepted_and_dropped_counts() {
    let (sim, mut client) = with([Step::AcceptAndDrop, Step::AcceptAndDrop]).await;
    client.send(good()).await;
    assert_eq!(client.answer().await.unwrap_err().kind(), ConnectionReset);
    assert_eq!((client.rest().as_str(), sim.accepted()[0].times), ("", 1));

    // What the contract refuses is dropped without being counted.
    let mut client = Client::connect(sim.addr()).await;
    client.send(object("nobody", "k")).await;
    assert_eq!(client.answer().await.unwrap_err().kind(), ConnectionReset);
    assert_eq!((sim.accepted().len(), sim.requests()[1].status), (1, None));

    Client::connect(sim.addr()).await.ask(good()).await.correlation_id();
    assert_eq!(sim.accepted()[0].times, 2);
}

#[tokio::test]
async fn a_hanging_request_stays_unanswered_and_holds_nobody_up() {
    let (sim, mut client) = with([Step::Hang]).await;
    client.send(good()).await;
    assert!(timeout(Duration::from_millis(100), client.answer()).await.is_err());
    assert_eq!((sim.requests().len(), sim.requests()[0].status), (1, None));
    Client::connect(sim.addr()).await.ask(good()).await.correlation_id();
}

#[tokio::test]
async fn a_delay_delays_and_counts_only_for_those_who_wait() {
    let delays = [100, 300, 400].map(|ms| Step::Delay { ms });
    let (sim, mut client) = with(delays).await;
    let start = Instant::now();
    client.ask(good()).await.correlation_id();
    assert!(start.elapsed() >= Duration::from_millis(100), "{:?}", start.elapsed());

    client.send(good()).await;
    while sim.requests().len() < 2 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    drop(client);
    // Begun later, and longer: once it is over, so is the one that nobody waited for.
    Client::connect(sim.addr()).await.ask(good()).await.correlation_id();
    assert_eq!((sim.accepted()[0].times, sim.requests()[1].status), (2, None));
}

#[tokio::test]
async fn a_key_can_have_steps_of_its_own() {
    let (sim, mut client) = with([Step::Accept, Step::EmptyObject]).await;
    sim.push_for("bad", [Step::Unavailable, Step::Unavailable]);
    let mut got = Vec::new();
    for key in ["bad", "good", "bad", "bad", "bad/", "bad"] {
        got.push((key, client.ask(object(units::ORACLE, key)).await.body.len() > 2));
    }
    // "bad" twice unavailable, then it takes its turn in the common queue.
    let statuses: Vec<_> = sim.requests().iter().map(|one| one.status.unwrap().as_u16()).collect();
    assert_eq!(statuses, [503, 200, 503, 200, 200, 200]);
    assert_eq!(got[3], ("bad", false), "the common queue's empty object");
    let times: Vec<_> = sim.accepted().into_iter().map(|one| (one.key, one.times)).collect();
    assert_eq!(times, [("bad".to_owned(), 1), ("bad/".to_owned(), 1), ("good".to_owned(), 1)]);
    assert_eq!(sim.steps_left(), 0);
}

#[tokio::test]
async fn a_slow_connection_is_slow_without_tls_too() {
    let sim = Sim::start(Config::default()).await.unwrap();
    sim.push([Step::SlowHandshake { ms: 100 }, Step::EmptyObject]);
    let start = Instant::now();
    let mut client = Client::connect(sim.addr()).await;
    assert_eq!(client.ask(good()).await.json(), json!({}), "the next step is the request's");
    assert!(start.elapsed() >= Duration::from_millis(100), "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_script_may_be_there_from_the_start() {
    let script = vec![r#"[{"answer":{"status":500}}]"#.parse().unwrap()];
    let sim = Sim::start(Config { script, ..Config::default() }).await.unwrap();
    let mut client = Client::connect(sim.addr()).await;
    assert_eq!(client.ask(good()).await.status, 500);
    assert_eq!(client.ask(good()).await.status, 200);
}
