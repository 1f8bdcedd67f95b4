//! `make demo`: every provider's events, through every adapter, into a stand-in for MDSS, on loopback.
//!
//! Starts the real binaries as processes, replays `events/` through each adapter with `mdss-relay replay`, and checks
//! what the replay says against what the stand-in has recorded. Ends by itself; status 0 means that all of it fits.

#![expect(clippy::print_stdout, reason = "the demo is for eyes")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use drive::{HttpPoster, Process, Program};
use serde_json::Value;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

const LIMIT: Duration = Duration::from_secs(30);
/// Made up for this run; it opens the stand-in and nothing else.
const API_KEY: &str = "key-of-the-demo";

/// Folder of `events/`, path of its source in `events/relay.toml`, and the credential that file gives the source.
const SOURCES: &[(&str, &str, &str)] = &[
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
    ("yandex", "/yandex", "not-a-secret-yandex"),
    ("volcengine-tos", "/volcengine", "not-a-secret-volcengine"),
    ("s3-compatible", "/events", "not-a-secret-other"),
    ("http-requests", "/events", ""),
    ("rewrapped", "/events", "not-a-secret-other"),
    ("foreign", "/events", "not-a-secret-other"),
];

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let started = Instant::now();
    let demo = Demo::start().await?;
    let mut summary = Vec::new();
    for adapter in
        [Adapter::http(&demo).await?, Adapter::function(&demo).await?, Adapter::lambda(&demo).await?]
    {
        summary.push(demo.replay_all(&adapter).await?);
        summary.push(demo.survive(&adapter).await?);
    }
    println!("\n== Summary\n");
    for line in summary {
        println!("{line}");
    }
    println!("\nEverything fits. {:.1} s.", started.elapsed().as_secs_f64());
    Ok(())
}

/// The stand-in and where things are.
struct Demo {
    binaries: PathBuf,
    folder: tempfile::TempDir,
    sim: Process,
    base: String,
}

/// A running adapter and how `replay` reaches it.
struct Adapter {
    short: &'static str,
    name: &'static str,
    target: Target,
    /// Kept alive; ended by its process id when this goes.
    _process: Option<Process>,
}

enum Target {
    Http {
        address: String,
    },
    Socket(PathBuf),
    /// `replay` is the platform here, so the function is started for each replay.
    RuntimeApi(Program),
}

impl Demo {
    async fn start() -> Result<Self> {
        // target/<profile>/examples/demo stands beside target/<profile>/mdss-relay.
        let executable = std::env::current_exe()?;
        let binaries = executable.parent().and_then(Path::parent).ok_or("no folder of binaries")?.to_owned();
        let mut program = Program::new(binaries.join("mdss-sim")).env("MDSS_SIM_API_KEY", API_KEY);
        for unit in units()? {
            program = program.arg("--unit").arg(unit);
        }
        let mut sim = program.start()?;
        let line = sim.wait_for_line("listening on", LIMIT).await?;
        let url = line.split_whitespace().last().ok_or("no URL")?;
        let base = url.trim_end_matches("/api/webhook/realtime").to_owned();
        println!("== A stand-in for MDSS listens at {base}, with the storage units of events/relay.toml");
        Ok(Self { binaries, folder: tempfile::tempdir()?, sim, base })
    }

    fn relay(&self, binary: &str) -> Program {
        Program::new(self.binaries.join(binary))
            .env("APIENDPOINT", &self.base)
            .env("APIKEY", API_KEY)
            .env("RELAY_CONFIG", "events/relay.toml")
    }

    /// Replays every delivery and compares what the relay says with what the stand-in has recorded.
    async fn replay_all(&self, adapter: &Adapter) -> Result<String> {
        println!("\n== {}\n", adapter.name);
        self.control("DELETE", "/_sim/requests", "").await?;
        let mut sums = Sums::default();
        match &adapter.target {
            Target::Http { .. } => {
                let folders =
                    std::fs::read_dir("events")?.filter_map(|f| f.ok()).filter(|f| f.path().is_dir());
                if folders.count() != SOURCES.len() {
                    return Err("a folder of events/ has no source here".into());
                }
                for (folder, path, token) in SOURCES {
                    println!("-- events/{folder} to {path}\n");
                    sums.add(&self.replay(adapter, path, token, &format!("events/{folder}")).await?);
                }
            }
            Target::Socket(_) | Target::RuntimeApi(_) => {
                sums.add(&self.replay(adapter, "", "", "events").await?);
            }
        }
        let recorded = self.control("GET", "/_sim/accepted", "").await?;
        if !matches!(adapter.target, Target::Http { .. }) {
            // A function plans every delivery as the answers beside the fixtures say; what two of them tell of one write is
            // sent once. Lambda's runtime client reads the JSON first and drops what trails behind it, so there one
            // more object may arrive than is wanted.
            let object = |a: &Value| (a["storage_client_id"].to_string(), a["key"].to_string());
            let objects: BTreeSet<_> = recorded.as_array().into_iter().flatten().map(object).collect();
            let wanted = wanted(matches!(adapter.target, Target::RuntimeApi(_)))?;
            let fits = match adapter.target {
                Target::RuntimeApi(_) => objects.is_superset(&wanted),
                _ => objects == wanted,
            };
            if !fits {
                let differ: Vec<_> = objects.symmetric_difference(&wanted).collect();
                return Err(format!("{}: accepted and wanted differ in {differ:?}", adapter.name).into());
            }
        }
        let times =
            recorded.as_array().into_iter().flatten().filter_map(|a| a["times"].as_u64()).sum::<u64>();
        // Who posts a form, as StorageGRID's SNS-type endpoint does, is answered with a receipt instead of a report.
        let reported = sums.of("accepted")..=sums.of("accepted") + sums.of("answered");
        if !reported.contains(&times) || times == 0 || sums.of("unanswered") != 0 {
            return Err(
                format!("{}: {sums:?} reported, {times} recorded by the stand-in", adapter.name).into()
            );
        }
        Ok(format!("{:6} {}; the stand-in has recorded {times}", adapter.short, sums.line()))
    }

    /// The stand-in answers 503 twice, then accepts.
    async fn survive(&self, adapter: &Adapter) -> Result<String> {
        println!("\n-- MDSS answers 503 twice, then accepts\n");
        self.control("DELETE", "/_sim/requests", "").await?;
        self.control("POST", "/_sim/script", r#"["unavailable","unavailable"]"#).await?;
        let (path, token, file) = match adapter.target {
            Target::Socket(_) => ("", "", "events/oci/create.json"),
            Target::RuntimeApi(_) => ("", "", "events/aws-s3/create.json"),
            Target::Http { .. } => ("/minio", "not-a-secret-minio", "events/minio/create.json"),
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
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("survivor.json");
        std::fs::write(&file, event.to_string())?;
        let last = self.replay(adapter, path, token, &file.display().to_string()).await?;
        let requests = self.control("GET", "/_sim/requests", "").await?;
        let statuses: Vec<_> =
            requests.as_array().into_iter().flatten().map(|r| r["status"].to_string()).collect();
        if statuses != ["503", "503", "200"] || last != "1 delivery: 1 accepted" {
            return Err(
                format!("{}: expected 503, 503, 200, found {statuses:?} and {last:?}", adapter.name).into()
            );
        }
        Ok(format!("{:6} one failure survived: the stand-in answered {}", adapter.short, statuses.join(", ")))
    }

    /// Runs `mdss-relay replay`, shows what it prints, and returns its last line, the sums.
    async fn replay(&self, adapter: &Adapter, path: &str, token: &str, files: &str) -> Result<String> {
        let target = match &adapter.target {
            Target::Http { address } => ["--url".to_owned(), format!("http://{address}{path}")],
            Target::Socket(socket) => ["--fn-socket".to_owned(), socket.display().to_string()],
            Target::RuntimeApi(_) => ["--runtime-api".to_owned(), free_address()?],
        };
        let program = Program::new(self.binaries.join("mdss-relay")).arg("replay").args(&target).arg(files);
        let mut replay = program.env("RELAY_TOKEN", token).start()?;
        let mut function = None;
        if let Target::RuntimeApi(program) = &adapter.target {
            replay.wait_for_line("waiting for a function", LIMIT).await?;
            function = Some(program.clone().env("AWS_LAMBDA_RUNTIME_API", &target[1]).start()?);
        }
        replay.wait(LIMIT * 4).await?;
        drop(function);
        let shown = replay.stdout();
        println!("{shown}");
        shown
            .lines()
            .last()
            .map(str::to_owned)
            .ok_or_else(|| format!("replay said only: {}", replay.output()).into())
    }

    async fn control(&self, method: &str, path: &str, body: &str) -> Result<Value> {
        let url = format!("{}{path}", self.base);
        let answer = HttpPoster::new(LIMIT).send(method, &url, &[], body.to_owned()).await?;
        if answer.status >= 300 {
            return Err(format!(
                "{method} {path}: {} {}, {}",
                answer.status,
                answer.text(),
                self.sim.output()
            )
            .into());
        }
        Ok(serde_json::from_slice(&answer.body).unwrap_or(Value::Null))
    }
}

impl Adapter {
    async fn http(demo: &Demo) -> Result<Self> {
        let mut process = demo.relay("mdss-relay-http").env("RELAY_LISTEN", "127.0.0.1:0").start()?;
        let line: Value = serde_json::from_str(&process.wait_for_line("listening on", LIMIT).await?)?;
        let address =
            format!("{}:{}", line["server.address"].as_str().unwrap_or_default(), line["server.port"]);
        let target = Target::Http { address };
        Ok(Self {
            short: "HTTP",
            name: "mdss-relay-http: one source per folder of events/",
            target,
            _process: Some(process),
        })
    }

    async fn function(demo: &Demo) -> Result<Self> {
        let socket = demo.folder.path().join("lsnr.sock");
        let program = demo.relay("mdss-relay-oci-fn").env("FN_FORMAT", "http-stream");
        let mut process = program.env("FN_LISTENER", format!("unix:{}", socket.display())).start()?;
        process.wait_for_path(&socket, LIMIT).await?;
        let target = Target::Socket(socket);
        Ok(Self {
            short: "OCI",
            name: "mdss-relay-oci-fn: an Fn function on its Unix socket",
            target,
            _process: Some(process),
        })
    }

    async fn lambda(demo: &Demo) -> Result<Self> {
        let program = demo
            .relay("mdss-relay-lambda")
            .env("AWS_LAMBDA_FUNCTION_NAME", "mdss-relay")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128");
        let target = Target::RuntimeApi(program);
        Ok(Self {
            short: "Lambda",
            name: "mdss-relay-lambda: a function that polls a Runtime API",
            target,
            _process: None,
        })
    }
}

/// Gives an event marks of a write of its own.
fn survivor(event: &mut Value) {
    for (pointer, mark) in [("/eventID", "survivor"), ("/Records/0/s3/object/sequencer", "0099")] {
        if let Some(value) = event.pointer_mut(pointer) {
            *value = mark.into();
        }
    }
}

/// The numbers of `replay`'s last line: `3 deliveries: 2 done, 1 unanswered; 4 records: 3 accepted, 1 failed`.
#[derive(Debug, Default)]
struct Sums {
    deliveries: u64,
    results: BTreeMap<String, u64>,
}

impl Sums {
    fn add(&mut self, line: &str) {
        let number = |text: &str| text.split(' ').next().and_then(|n| n.parse::<u64>().ok()).unwrap_or(0);
        self.deliveries += number(line);
        for part in
            line.split("; ").filter_map(|sums| sums.split_once(": ")).flat_map(|(_, parts)| parts.split(", "))
        {
            let result = part.split_once(' ').map_or("", |(_, result)| result);
            *self.results.entry(result.to_owned()).or_default() += number(part);
        }
    }

    fn of(&self, result: &str) -> u64 {
        self.results.get(result).copied().unwrap_or(0)
    }

    fn line(&self) -> String {
        let parts: Vec<_> = self.results.iter().map(|(result, n)| format!("{n} {result}")).collect();
        format!("{} deliveries: {}", self.deliveries, parts.join(", "))
    }
}

/// Which objects the answers beside the fixtures want sent to which unit, of the deliveries a function can get; with those in HTTP
/// requests, if it lets requests in.
fn wanted(with_requests: bool) -> Result<BTreeSet<(String, String)>> {
    let mut sends = BTreeSet::new();
    for folder in std::fs::read_dir("events")? {
        let folder = folder?.path();
        if !folder.is_dir() || (folder.ends_with("http-requests") && !with_requests) {
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
            if wrapped || base64 {
                continue;
            }
            let actions = want["records"].as_array().into_iter().flatten().filter(|r| r["action"] == "send");
            sends
                .extend(actions.map(|r| (r["request"]["storageClientId"].to_string(), r["key"].to_string())));
        }
    }
    Ok(sends)
}

/// The storage units that `events/relay.toml` routes to, as `mdss-sim --unit` takes them.
fn units() -> Result<BTreeSet<String>> {
    let config: toml::Table = std::fs::read_to_string("events/relay.toml")?.parse()?;
    let routes =
        config.get("route").and_then(toml::Value::as_array).ok_or("events/relay.toml has no route")?;
    let text =
        |route: &toml::Value, name: &str| route.get(name).and_then(toml::Value::as_str).map(str::to_owned);
    let unit = |route: &toml::Value| {
        let id = text(route, "storage_client_id").ok_or("a route without storage_client_id")?;
        let storage_type = text(route, "storage_type").unwrap_or_else(|| "amazon-s3".into());
        let scan_id = text(route, "scan_id").map(|s| format!(":event-based:{s}")).unwrap_or_default();
        Ok(format!("{id}={storage_type}{scan_id}"))
    };
    routes.iter().map(unit).collect()
}

/// A loopback address nobody listens at.
fn free_address() -> Result<String> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string())
}
