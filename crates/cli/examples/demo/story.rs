//! The two scenes of the relay: each cloud's upload is reported, and an outage loses nothing.

use std::time::{Duration, Instant};

use drive::{FunctionsHost, Invoked, Process, Triggered};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::corpus::SOURCES;
use crate::functions::{ALIBABA, Function, HUAWEI, LAMBDA, TENCENT, VOLCENGINE, Way};
use crate::world::{LIMIT, Result, Target, World};

/// Who hears of an upload.
#[derive(Clone, Copy)]
enum Adapter {
    Oci,
    Function(Way),
    Azure,
    Server,
}

/// A cloud or a store, its folder of `events/`, and the adapter that its guide recommends.
const CLOUDS: &[(&str, &str, Adapter)] = &[
    ("Oracle Cloud", "oci", Adapter::Oci),
    ("Amazon S3", "aws-s3", Adapter::Function(LAMBDA)),
    ("Azure Blob Storage", "azure-blob", Adapter::Azure),
    ("Google Cloud Storage", "gcs", Adapter::Server),
    ("Alibaba OSS", "alibaba-oss", Adapter::Function(ALIBABA)),
    ("Tencent COS", "tencent-cos", Adapter::Function(TENCENT)),
    ("Huawei OBS", "huawei-obs", Adapter::Function(HUAWEI)),
    ("Volcengine TOS", "volcengine-tos", Adapter::Function(VOLCENGINE)),
    ("Cloudflare R2", "r2", Adapter::Server),
    ("MinIO", "minio", Adapter::Server),
    ("Ceph RGW", "ceph", Adapter::Server),
];

/// Those that share a line.
const OTHERS: &[(&str, &str)] = &[
    ("JD Cloud", "jdcloud"),
    ("Yandex", "yandex"),
    ("IBM", "ibm-cos"),
    ("Backblaze", "b2"),
    ("Tigris", "tigris"),
    ("StorageGRID", "storagegrid"),
    ("RustFS", "rustfs"),
    ("SeaweedFS", "seaweedfs"),
];

/// How many uploads there are while MDSS is away.
pub(crate) const UPLOADS: usize = 5;

/// An upload in each cloud becomes a correlation id.
pub(crate) async fn each_cloud(world: &World) -> Result<()> {
    println!("1. A file is uploaded. The cloud's event becomes a scan in MDSS.");
    let (_oci, socket) = world.oci_function().await?;
    let azure = world
        .relay("mdss-relay-azure-functions")
        .env("FUNCTIONS_APP_ROOT_PATH", "deploy/azure/function")
        .env("RelayQueue__queueServiceUri", "https://demo.queue.core.windows.net");
    let azure = FunctionsHost::start(azure, LIMIT).await?;
    let (_server, address) = world.server(&[]).await?;
    for (cloud, folder, adapter) in CLOUDS {
        let file = format!("events/{folder}/create.json");
        let began = Instant::now();
        let (key, id) = match adapter {
            Adapter::Oci => reported(&world.replay(&Target::Socket(&socket), &[file]).await?)?,
            Adapter::Function(way) => {
                let function = Function::start(world, *way).await?;
                reported(&world.replay(&function.target(), &[file]).await?)?
            }
            Adapter::Server => reported(&world.replay(&at(&address, folder)?, &[file]).await?)?,
            Adapter::Azure => {
                invoke(&azure, &file).await?;
                let last = world.accepted().await?.pop().ok_or("MDSS has accepted nothing")?;
                (text(&last["key"]), text(&last["last_correlation_id"]))
            }
        };
        let by = match adapter {
            Adapter::Oci => "mdss-relay-oci-fn",
            Adapter::Function(way) => way.binary,
            Adapter::Azure => "mdss-relay-azure-functions",
            Adapter::Server => "mdss-relay-http",
        };
        println!("   {cloud:21} {key:26.26} {by:31} → {id}  {:3} ms", began.elapsed().as_millis());
    }
    for (_, folder) in OTHERS {
        reported(&world.replay(&at(&address, folder)?, &[format!("events/{folder}/create.json")]).await?)?;
    }
    let names: Vec<_> = OTHERS.iter().map(|(name, _)| *name).collect();
    println!("   and {}: {} more accepted", names.join(", "), OTHERS.len());
    Ok(())
}

/// MDSS stops, uploads go on, the relay is killed, both come back.
pub(crate) async fn an_outage(world: &mut World) -> Result<()> {
    let directory = world.folder.path().join("spool").display().to_string();
    let spooled = [("RELAY_MODE", "spooled"), ("RELAY_DATA_DIR", directory.as_str()), ("RELAY_LEDGER", "on")];
    let (mut relay, address) = world.server(&spooled).await?;
    world.stop_mdss();
    println!("\n2. MDSS stops. {UPLOADS} uploads go on.");
    let uploads = uploads(world)?;
    let answers = world.replay(&at(&address, "minio")?, &uploads).await?;
    let statuses: Vec<_> = answers.iter().map(|answer| answer["status"].to_string()).collect();
    println!("   the sender hears      {}, because the events are on disk:", statuses.join(" "));
    expect("the answers while MDSS is away", statuses.iter().all(|status| status == "200"), &statuses)?;
    // Each has been tried once: then the list has something to say.
    let is_item = |line: &&str| line.starts_with(|c: char| c.is_ascii_digit());
    let tried =
        |list: &String| list.lines().filter(is_item).filter(|line| line.contains("mdss_unreachable")).count();
    let list = until(|| waiting(world, &directory), |list| tried(list) == UPLOADS).await?;
    expect("what the list shows", tried(&list) == UPLOADS, &list)?;
    // Of what stands above the table, how MDSS stands; without the sentence below each item, which is the same five times.
    let is_shown = |line: &&str| is_item(line) || line.starts_with("ID ") || line.starts_with("endpoint:");
    for line in list.lines().filter(is_shown) {
        println!("   {line:.118}");
    }

    let killed = relay.id();
    relay.signal("KILL")?;
    relay.wait(LIMIT).await?;
    println!("\n3. The relay is killed (kill -9 {killed}). Then both come back.");
    world.start_mdss().await?;
    let began = Instant::now();
    let (_relay, _) = world.server(&spooled).await?;
    let accepted = until(|| world.accepted(), |accepted| accepted.len() >= UPLOADS).await?;
    let times: u64 = accepted.iter().filter_map(|object| object["times"].as_u64()).sum();
    println!(
        "   accepted {} of {UPLOADS} after {:.1} s, lost {}, sent twice {}",
        accepted.len(),
        began.elapsed().as_secs_f64(),
        UPLOADS - accepted.len(),
        times as usize - accepted.len(),
    );
    expect("what MDSS has accepted after the outage", accepted.len() == UPLOADS, &accepted)
}

/// The list of what waits, as an operator sees it.
async fn waiting(world: &World, directory: &str) -> Result<String> {
    let program = world.program("mdss-relay").arg("spool").arg("--data-dir").arg(directory).arg("list");
    let mut list: Process = program.start()?;
    list.wait(LIMIT).await?;
    Ok(list.stdout())
}

/// Asks until the answer is as wished, or the demo's patience ends; gives the last answer.
pub(crate) async fn until<T, F: Future<Output = Result<T>>>(
    ask: impl Fn() -> F,
    wished: impl Fn(&T) -> bool,
) -> Result<T> {
    let end = Instant::now() + LIMIT;
    loop {
        let answer = ask().await?;
        if wished(&answer) || Instant::now() > end {
            return Ok(answer);
        }
        sleep(Duration::from_millis(50)).await;
    }
}

/// Uploads to a bucket of MinIO's, each a write of its own.
pub(crate) fn uploads(world: &World) -> Result<Vec<String>> {
    // A whole request: the event is its body.
    let request: Value = serde_json::from_slice(&std::fs::read("events/minio/create.json")?)?;
    let event: Value = serde_json::from_str(request["body"].as_str().ok_or("the fixture has no body")?)?;
    let mut files = Vec::new();
    for n in 1..=UPLOADS {
        let mut event = event.clone();
        let object = event.pointer_mut("/Records/0/s3/object").ok_or("the fixture has no object")?;
        object["key"] = format!("upload-{n}.pdf").into();
        object["sequencer"] = format!("00DE{n:012}").into();
        let file = world.folder.path().join(format!("upload-{n}.json"));
        std::fs::write(&file, event.to_string())?;
        files.push(file.display().to_string());
    }
    Ok(files)
}

/// Where a folder's deliveries are posted to.
fn at(address: &str, folder: &str) -> Result<Target<'static>> {
    let (_, path, token) =
        SOURCES.iter().find(|(name, ..)| *name == folder).ok_or("a folder without a source")?;
    Ok(Target::Http { url: format!("http://{address}{path}"), token })
}

/// Key and correlation id of the one object of a delivery.
fn reported(deliveries: &[Value]) -> Result<(String, String)> {
    let record = &deliveries[0]["records"][0];
    match record["result"].as_str() {
        Some("accepted") => Ok((text(&record["key"]), text(&record["correlation_id"]))),
        // A receipt in the place of a report: the sender understands nothing else.
        None if deliveries[0]["status"] == 200 => Ok((String::new(), String::new())),
        _ => Err(format!("expected an accepted object, found {}", deliveries[0]).into()),
    }
}

/// Event Grid calls the function with one event.
async fn invoke(host: &FunctionsHost, file: &str) -> Result<()> {
    let mut events: Value = serde_json::from_slice(&std::fs::read(file)?)?;
    let event = if events.is_array() { events[0].take() } else { events };
    let body = drive::request("event", &Triggered::Object(event), &json!({}));
    match host.invoke("ScanEvent", &body).await {
        Invoked::Succeeded(_) => Ok(()),
        Invoked::Failed { why, body, .. } => Err(format!("the Azure function failed: {why}: {body}").into()),
        Invoked::Hung => Err("the Azure function gave no result".into()),
    }
}

pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Ends the demo if something is not as it ought to be.
pub(crate) fn expect(what: &str, holds: bool, found: &impl std::fmt::Debug) -> Result<()> {
    if holds { Ok(()) } else { Err(format!("{what}: found {found:?}").into()) }
}
