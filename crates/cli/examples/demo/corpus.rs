//! Every recorded delivery of `events/` through the server and the functions: what the relay reports is what is wanted, and what the
//! stand-in has recorded.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::functions::{
    ALIBABA, Function, HUAWEI, HUAWEI_IMAGE, LAMBDA, TENCENT, TENCENT_IMAGE, VOLCENGINE, Way,
};
use crate::story::text;
use crate::world::{Result, Target, World};

/// Folder of `events/`, path of its source in `events/relay.toml`, and the credential that file gives the source.
pub(crate) const SOURCES: &[(&str, &str, &str)] = &[
    ("oci", "/oci", "Basic b2NpLWdhdGV3YXk6bm90LWEtc2VjcmV0LW9jaQ=="),
    ("oci-stream", "/oci", "Basic b2NpLWdhdGV3YXk6bm90LWEtc2VjcmV0LW9jaQ=="),
    ("oci-notifications", "/oci", ""),
    ("aws-s3", "/aws", "Basic YXdzLWdhdGV3YXk6bm90LWEtc2VjcmV0LWF3cw=="),
    ("aws-eventbridge", "/aws", "Basic YXdzLWdhdGV3YXk6bm90LWEtc2VjcmV0LWF3cw=="),
    ("aws-sns", "/aws", "Basic YXdzLWdhdGV3YXk6bm90LWEtc2VjcmV0LWF3cw=="),
    ("aws-sqs", "/aws", "Basic YXdzLWdhdGV3YXk6bm90LWEtc2VjcmV0LWF3cw=="),
    ("jdcloud", "/jdcloud/jd-9f3c2b71d8e64a05", ""),
    ("jdcloud-function", "/jdcloud-function", "not-a-secret-jd-function"),
    ("minio", "/minio", "not-a-secret-minio"),
    ("rustfs", "/rustfs", "not-a-secret-rustfs"),
    ("ceph", "/ceph", ""),
    ("storagegrid", "/storagegrid", "Basic c3RvcmFnZWdyaWQ6bm90LWEtc2VjcmV0LWdyaWQ="),
    ("azure-blob", "/azure?code=not-a-secret-azure", ""),
    ("gcs", "/gcs/gcs-5d1e8a07b4f2c936", ""),
    ("ibm-cos", "/ibm", ""),
    ("r2", "/r2", "not-a-secret-r2-worker"),
    ("b2", "/b2", ""),
    ("seaweedfs", "/seaweedfs", "not-a-secret-seaweedfs"),
    ("tigris", "/tigris", "Basic dGlncmlzOm5vdC1hLXNlY3JldC10aWdyaXM="),
    ("alibaba-oss", "/alibaba/al-5d1c07b92f3e4a68", ""),
    ("tencent-cos", "/tencent", "not-a-secret-tencent"),
    ("huawei-obs", "/huawei/hw-8e20b6f4a17c4d93", ""),
    ("yandex", "/yandex/ya-3f7c61e09b52d84a", ""),
    ("volcengine-tos", "/volcengine", "not-a-secret-volcengine"),
    ("s3-compatible", "/events", "not-a-secret-other"),
    ("http-requests", "/events", ""),
    ("rewrapped", "/events", "not-a-secret-other"),
    ("foreign", "/events", "not-a-secret-other"),
];

/// Folders that hold what several producers send.
const NO_PRODUCERS: &[&str] = &["http-requests", "rewrapped", "foreign"];

/// The ways in which functions are called, apart from OCI's.
const WAYS: &[Way] = &[LAMBDA, ALIBABA, TENCENT, TENCENT_IMAGE, HUAWEI, HUAWEI_IMAGE, VOLCENGINE];

/// Every delivery through the server and each function; a line for each object if `all`. veFaaS says by a header that what it
/// brings is TOS's, so its function gets these deliveries.
pub(crate) async fn every_delivery(world: &World, all: bool) -> Result<()> {
    if all {
        println!("\n5. Every recorded delivery:");
    }
    let (_server, address) = world.server(&[]).await?;
    let mut counts = Vec::new();
    let mut server = Sums::begin(world, Adapter::Server, all).await?;
    let folders = std::fs::read_dir("events")?.filter_map(|f| f.ok()).filter(|f| f.path().is_dir());
    if folders.count() != SOURCES.len() {
        return Err("a folder of events/ has no source here".into());
    }
    for (folder, path, token) in SOURCES {
        let target = Target::Http { url: format!("http://{address}{path}"), token };
        let open = token.is_empty() && path.matches(['/', '?']).count() == 1;
        server.adapter = if open { Adapter::ServerWithoutCredentials } else { Adapter::Server };
        server.add(&world.replay(&target, &[format!("events/{folder}")]).await?);
    }
    counts.push(("mdss-relay-http", server.checked(world).await?));
    survive(
        world,
        Adapter::Server,
        &Target::Http { url: format!("http://{address}/minio"), token: "not-a-secret-minio" },
    )
    .await?;

    let (_oci, socket) = world.oci_function().await?;
    let mut sums = Sums::begin(world, Adapter::Oci, all).await?;
    sums.add(&world.replay(&Target::Socket(&socket), &["events".to_owned()]).await?);
    counts.push(("mdss-relay-oci-fn", sums.checked(world).await?));
    survive(world, Adapter::Oci, &Target::Socket(&socket)).await?;
    for way in WAYS {
        let adapter = Adapter::of(*way);
        let function = Function::start(world, *way).await?;
        let mut sums = Sums::begin(world, adapter, all).await?;
        sums.add(&world.replay(&function.target(), &[adapter.folder()]).await?);
        counts.push((way.name, sums.checked(world).await?));
        survive(world, adapter, &function.target()).await?;
    }
    if all {
        for (name, counted) in &counts {
            println!("   {name:38} {}", counted.line);
        }
    }
    let deliveries = counts[0].1.deliveries;
    let producers = SOURCES.iter().filter(|(folder, ..)| !NO_PRODUCERS.contains(folder)).count();
    println!(
        "{} {deliveries} recorded deliveries of {producers} producers, through the server and the functions of six clouds: each as expected{}",
        if all { "  " } else { "\n5." },
        if all { "" } else { " (ALL=1)" }
    );
    Ok(())
}

/// What became of the deliveries of one adapter.
struct Sums {
    adapter: Adapter,
    show: bool,
    deliveries: usize,
    /// Objects, by result.
    objects: BTreeMap<String, u64>,
    complaints: Vec<String>,
}

impl Sums {
    async fn begin(world: &World, adapter: Adapter, show: bool) -> Result<Self> {
        world.control("DELETE", "/_sim/requests", "").await?;
        Ok(Self { adapter, show, deliveries: 0, objects: BTreeMap::new(), complaints: Vec::new() })
    }

    fn add(&mut self, deliveries: &[Value]) {
        for delivery in deliveries {
            self.deliveries += 1;
            let file = text(&delivery["file"]);
            let records = delivery["records"].as_array().map_or(&[][..], Vec::as_slice);
            let counts = delivery["counts"].as_object();
            if let Some(counts) = counts {
                for (result, count) in counts {
                    *self.objects.entry(result.clone()).or_default() += count.as_u64().unwrap_or(0);
                }
            }
            for record in records {
                if counts.is_none() {
                    *self.objects.entry(text(&record["result"])).or_default() += 1;
                }
                if self.show {
                    let reason =
                        record["reason"].as_str().or(record["correlation_id"].as_str()).unwrap_or("-");
                    println!(
                        "   {file:46} {:9} {reason:26} {}",
                        text(&record["result"]),
                        text(&record["key"])
                    );
                }
            }
            self.compare(&file, delivery);
        }
    }
}

impl Sums {
    /// Compares what became of a delivery with the answer that stands beside it.
    fn compare(&mut self, file: &str, delivery: &Value) {
        let at_the_door = matches!(delivery["status"].as_u64(), Some(401 | 403));
        let want = file.strip_suffix(".json").map(|name| std::fs::read(format!("{name}.want.json")));
        let Some(Ok(want)) = want else {
            return self.complaints.push(format!("{file}: no answer stands beside it"));
        };
        let want: Value = serde_json::from_slice(&want).unwrap_or_default();
        let wanted = want["records"].as_array().map_or(&[][..], Vec::as_slice);
        let records = delivery["records"].as_array().map_or(&[][..], Vec::as_slice);
        let fits = match delivery["outcome"].as_str() {
            // Functions get bodies alone; a handshake's answer and a receipt name no object.
            Some("left_out") => self.adapter.is_function(),
            Some("answered") => wanted.iter().all(|want| want["action"] != "fail"),
            Some("unanswered") => false,
            // What no sender would post without its credentials has none in its file.
            _ if at_the_door => {
                want["outcome"] == "unauthorized" || self.adapter == Adapter::ServerWithoutCredentials
            }
            _ if delivery.get("counts").is_some() => true,
            // A function's runtime client reads the JSON before the relay does, in its own words.
            _ if self.adapter.is_function() && !is_json(file) => true,
            // Only Lambda's function lets requests in.
            _ if self.adapter.is_function()
                && self.adapter != Adapter::Lambda
                && records.iter().any(|record| record["reason"] == "no_source") =>
            {
                file.starts_with("events/http-requests/")
            }
            _ => {
                records.len() == wanted.len()
                    && records.iter().zip(wanted).all(|(record, want)| self.adapter.fits(record, want))
            }
        };
        if !fits {
            self.complaints.push(format!("{file}: found {delivery}"));
        }
    }

    /// A line about all of them.
    ///
    /// # Errors
    /// What is not as expected: a delivery, or the objects that the stand-in has recorded.
    async fn checked(self, world: &World) -> Result<Counted> {
        if let Some(first) = self.complaints.first() {
            return Err(format!(
                "{} deliveries are not as expected; the first: {first}",
                self.complaints.len()
            )
            .into());
        }
        let recorded = world.accepted().await?;
        let times: u64 = recorded.iter().filter_map(|a| a["times"].as_u64()).sum();
        let accepted = self.of("accepted");
        // Who posts a form, as StorageGRID's SNS-type endpoint does, is answered with a receipt instead of a report.
        if !(accepted..=accepted + self.of("answered")).contains(&times) || times == 0 {
            return Err(format!("{:?} reported, {times} recorded by the stand-in", self.objects).into());
        }
        if self.adapter.is_function() {
            // A function plans every delivery as the answers beside the fixtures say. Lambda's runtime client reads the JSON first and
            // drops what trails behind it, so there one more object may arrive than is wanted.
            let lambda = self.adapter == Adapter::Lambda;
            let object = |a: &Value| (a["storage_client_id"].to_string(), a["key"].to_string());
            let objects: BTreeSet<_> = recorded.iter().map(object).collect();
            let wanted = wanted(self.adapter)?;
            if !(if lambda { objects.is_superset(&wanted) } else { objects == wanted }) {
                let differ: Vec<_> = objects.symmetric_difference(&wanted).collect();
                return Err(format!("accepted and wanted differ in {differ:?}").into());
            }
        }
        Ok(Counted {
            deliveries: self.deliveries,
            line: format!(
                "{} deliveries: {accepted} objects accepted, {} skipped, {} failed, each as expected",
                self.deliveries,
                self.of("skipped"),
                self.of("failed")
            ),
        })
    }

    fn of(&self, result: &str) -> u64 {
        self.objects.get(result).copied().unwrap_or(0)
    }
}

/// The deliveries of one adapter, all as expected.
struct Counted {
    deliveries: usize,
    line: String,
}

/// Through what a delivery goes.
#[derive(Clone, Copy, PartialEq)]
enum Adapter {
    Server,
    /// The server, at a source whose credential is no part of a bare body's file.
    ServerWithoutCredentials,
    Oci,
    Lambda,
    /// A function that gets events and no requests.
    Function,
    /// The same, of TOS alone, with the attributes of the event.
    Volcengine,
}

impl Adapter {
    fn of(way: Way) -> Self {
        match way.name {
            name if name == LAMBDA.name => Self::Lambda,
            name if name == VOLCENGINE.name => Self::Volcengine,
            _ => Self::Function,
        }
    }

    fn is_function(self) -> bool {
        !matches!(self, Self::Server | Self::ServerWithoutCredentials)
    }

    /// What it gets.
    fn folder(self) -> String {
        if self == Self::Volcengine { "events/volcengine-tos" } else { "events" }.to_owned()
    }

    /// Whether what was reported of a record is what is wanted.
    fn fits(self, record: &Value, want: &Value) -> bool {
        let (reason, key) = (&record["reason"], record["key"] == want["key"]);
        let same = key && *reason == want["reason"];
        match (record["result"].as_str(), want["action"].as_str()) {
            (Some("accepted"), Some("send")) => key,
            // Two deliveries may report one write; it is sent once.
            (Some("skipped"), Some("send")) => key && reason == "duplicate",
            (Some("skipped"), Some("skip")) => same,
            (Some("failed"), Some("fail")) if self.is_function() && self != Self::Volcengine => same,
            // A source that takes one format alone refuses another one in other words than who reads all of them; for the fixtures of TOS
            // the answers are those of its source.
            (Some("failed"), Some("fail")) => key,
            // A wrapper of another vendor comes through a source of its own here, which no route of that vendor's takes.
            (Some("failed"), Some("send")) => !self.is_function() && key && reason == "unmapped_bucket",
            _ => false,
        }
    }
}

fn is_json(file: &str) -> bool {
    std::fs::read(file).is_ok_and(|bytes| serde_json::from_slice::<serde::de::IgnoredAny>(&bytes).is_ok())
}

/// MDSS answers 503 twice, then accepts.
async fn survive(world: &World, adapter: Adapter, target: &Target<'_>) -> Result<()> {
    world.control("DELETE", "/_sim/requests", "").await?;
    world.control("POST", "/_sim/script", r#"["unavailable","unavailable"]"#).await?;
    let file = match adapter {
        Adapter::Oci | Adapter::Function => "events/oci/create.json",
        Adapter::Volcengine => "events/volcengine-tos/create.json",
        Adapter::Lambda => "events/aws-s3/create.json",
        Adapter::Server | Adapter::ServerWithoutCredentials => "events/minio/create.json",
    };
    // An event of its own: nobody sends again what MDSS has accepted.
    let mut event: Value = serde_json::from_slice(&std::fs::read(file)?)?;
    survivor(&mut event);
    // A fixture that is a whole request has the event in its body.
    if let Some(Value::String(body)) = event.get_mut("body") {
        let mut inner = serde_json::from_str(body)?;
        survivor(&mut inner);
        *body = inner.to_string();
    }
    let file = world.folder.path().join("survivor.json");
    std::fs::write(&file, event.to_string())?;
    let deliveries = world.replay(target, &[file.display().to_string()]).await?;
    let requests = world.control("GET", "/_sim/requests", "").await?;
    let statuses: Vec<_> =
        requests.as_array().into_iter().flatten().map(|r| r["status"].to_string()).collect();
    if statuses != ["503", "503", "200"] || deliveries[0]["records"][0]["result"] != "accepted" {
        return Err(format!("expected 503, 503, 200, found {statuses:?} and {}", deliveries[0]).into());
    }
    Ok(())
}

/// Gives an event marks of a write of its own.
fn survivor(event: &mut Value) {
    for (pointer, mark) in [
        ("/eventID", "survivor"),
        ("/Records/0/s3/object/sequencer", "0099"),
        ("/events/0/tos/object/key", "survivor.jpg"),
    ] {
        if let Some(value) = event.pointer_mut(pointer) {
            *value = mark.into();
        }
    }
}

/// Which objects the answers beside the fixtures want sent to which unit, of the deliveries a function can get; with those in HTTP
/// requests, if it lets requests in or gets their headers as attributes.
fn wanted(adapter: Adapter) -> Result<BTreeSet<(String, String)>> {
    let with_attributes = adapter == Adapter::Volcengine;
    let mut sends = BTreeSet::new();
    for folder in std::fs::read_dir("events")? {
        let folder = folder?.path();
        let requests = folder.ends_with("http-requests") && adapter != Adapter::Lambda;
        let others = with_attributes && !folder.ends_with("volcengine-tos");
        if !folder.is_dir() || requests || others {
            continue;
        }
        for file in std::fs::read_dir(folder)? {
            let file = file?.path();
            let name = file.display().to_string();
            let Some(fixture) = name.strip_suffix(".want.json") else { continue };
            let sent = std::fs::read(format!("{fixture}.json"))?;
            // A function's platform takes JSON and nothing else, so no base64.
            let base64 = sent.first().is_some_and(u8::is_ascii_alphanumeric);
            let wrapped = serde_json::from_slice::<Value>(&sent).is_ok_and(|v| v["method"].is_string());
            let want: Value = serde_json::from_slice(&std::fs::read(&file)?)?;
            if (wrapped && !with_attributes) || base64 {
                continue;
            }
            let actions = want["records"].as_array().into_iter().flatten().filter(|r| r["action"] == "send");
            sends
                .extend(actions.map(|r| (r["request"]["storageClientId"].to_string(), r["key"].to_string())));
        }
    }
    Ok(sends)
}
