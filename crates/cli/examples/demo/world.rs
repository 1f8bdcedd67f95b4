//! What the demo plays in: a stand-in for MDSS that can be stopped and started again at the same place, and the relay's binaries.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use drive::{HttpPoster, Process, Program};
use serde_json::Value;

pub(crate) type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// No step of the demo takes as long.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);
/// Made up for this run; it opens the stand-in and nothing else.
pub(crate) const API_KEY: &str = "key-of-the-demo";

pub(crate) struct World {
    binaries: PathBuf,
    pub(crate) folder: tempfile::TempDir,
    address: String,
    sim: Option<Process>,
}

impl World {
    pub(crate) async fn start() -> Result<Self> {
        // target/<profile>/examples/demo stands beside target/<profile>/mdss-relay.
        let executable = std::env::current_exe()?;
        let binaries = executable.parent().and_then(Path::parent).ok_or("no folder of binaries")?.to_owned();
        let folder = tempfile::tempdir()?;
        let mut world = Self { binaries, folder, address: free_address()?, sim: None };
        world.start_mdss().await?;
        Ok(world)
    }

    /// The stand-in, with every storage unit of `events/relay.toml`. It knows nothing of what it accepted before.
    pub(crate) async fn start_mdss(&mut self) -> Result<()> {
        let mut program = self.program("mdss-sim").env("MDSS_SIM_API_KEY", API_KEY);
        program = program.arg("--listen").arg(&self.address);
        for unit in units()? {
            program = program.arg("--unit").arg(unit);
        }
        let mut sim = program.start()?;
        sim.wait_for_line("listening on", LIMIT).await?;
        self.sim = Some(sim);
        Ok(())
    }

    pub(crate) fn stop_mdss(&mut self) {
        self.sim = None;
    }

    pub(crate) fn program(&self, binary: &str) -> Program {
        Program::new(self.binaries.join(binary))
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A binary of the relay with the stand-in as its MDSS, and the sources and routes of `events/relay.toml`.
    pub(crate) fn relay(&self, binary: &str) -> Program {
        self.program(binary)
            .env("APIENDPOINT", self.endpoint())
            .env("APIKEY", API_KEY)
            .env("RELAY_CONFIG", "events/relay.toml")
    }

    /// The server, and its address.
    pub(crate) async fn server(&self, more: &[(&str, &str)]) -> Result<(Process, String)> {
        let program =
            self.relay("mdss-relay-http").env("RELAY_LISTEN", "127.0.0.1:0").envs(more.iter().copied());
        let mut process = program.start()?;
        let line: Value = serde_json::from_str(&process.wait_for_line("listening on", LIMIT).await?)?;
        let address =
            format!("{}:{}", line["server.address"].as_str().unwrap_or_default(), line["server.port"]);
        Ok((process, address))
    }

    /// The OCI function, and its socket.
    pub(crate) async fn oci_function(&self) -> Result<(Process, PathBuf)> {
        let socket = self.folder.path().join("lsnr.sock");
        // One that an earlier function has left behind would be taken for this one's.
        let _ = std::fs::remove_file(&socket);
        let program = self.relay("mdss-relay-oci-fn").env("FN_FORMAT", "http-stream");
        let mut process = program.env("FN_LISTENER", format!("unix:{}", socket.display())).start()?;
        process.wait_for_path(&socket, LIMIT).await?;
        Ok((process, socket))
    }

    /// Runs `mdss-relay replay`: what became of each delivery.
    pub(crate) async fn replay(&self, target: &Target<'_>, files: &[String]) -> Result<Vec<Value>> {
        let (option, place, token) = match target {
            Target::Http { url, token } => ("--url", url.clone(), *token),
            Target::Socket(socket) => ("--fn-socket", socket.display().to_string(), ""),
            Target::RuntimeApi { option, .. } => (*option, free_address()?, ""),
            Target::Port { address, .. } => ("--function-port", (*address).to_owned(), ""),
        };
        let mut program = self.program("mdss-relay").arg("replay").arg("--json").arg(option).arg(&place);
        if let Target::Port { platform, .. } = target {
            program = program.arg("--platform").arg(platform);
        }
        let mut replay = program.args(files).env("RELAY_TOKEN", token).start()?;
        let mut function = None;
        if let Target::RuntimeApi { program, variables, .. } = target {
            replay.wait_for_line("waiting for a function", LIMIT).await?;
            function = Some((*program).clone().envs(variables(&place)).start()?);
        }
        replay.wait(LIMIT * 4).await?;
        drop(function);
        let lines: Vec<Value> =
            replay.stdout().lines().map(serde_json::from_str).collect::<std::result::Result<_, _>>()?;
        if lines.is_empty() {
            return Err(format!("replay said only: {}", replay.output()).into());
        }
        Ok(lines)
    }

    /// Everything the stand-in has accepted: storage unit, key, how often, and the last correlation id.
    pub(crate) async fn accepted(&self) -> Result<Vec<Value>> {
        match self.control("GET", "/_sim/accepted", "").await? {
            Value::Array(accepted) => Ok(accepted),
            other => Err(format!("the stand-in says {other} instead of what it has accepted").into()),
        }
    }

    /// A question to the stand-in about itself.
    pub(crate) async fn control(&self, method: &str, path: &str, body: &str) -> Result<Value> {
        let url = format!("{}{path}", self.endpoint());
        let answer = HttpPoster::new(LIMIT).send(method, &url, &[], body.to_owned()).await?;
        if answer.status >= 300 {
            return Err(format!("{method} {path}: {} {}", answer.status, answer.text()).into());
        }
        Ok(serde_json::from_slice(&answer.body).unwrap_or(Value::Null))
    }
}

/// A running adapter, as `replay` reaches it.
pub(crate) enum Target<'p> {
    Http {
        url: String,
        token: &'p str,
    },
    Socket(&'p Path),
    /// `replay` is the platform here, so the function is started for each replay, with variables made of the platform's address.
    RuntimeApi {
        option: &'static str,
        program: &'p Program,
        variables: fn(&str) -> Vec<(&'static str, String)>,
    },
    Port {
        address: &'p str,
        platform: &'static str,
    },
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
pub(crate) fn free_address() -> Result<String> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string())
}
