//! What the benches against nginx share: the server as a process, wrk as its senders, an nginx that accepts everything in MDSS's place.

mod post;
mod relay;
mod running;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

pub(crate) use post::Connection;
pub(crate) use running::{Running, metric, page, port};

/// What the load does before anything is counted: connections are made, files grow, a pool fills.
pub(crate) const WARM_UP: u32 = 1;

/// What nginx answers in MDSS's place: the documented answer to an accepted object.
const ACCEPTED: &str = r#"{"correlationId":"0123456789abcdef01234567"}"#;

/// A record of S3 with a number in the places of `%d` and filling in that of `%s`.
const RECORD: &str = r#"{"eventVersion":"2.1","eventSource":"aws:s3","awsRegion":"eu-central-1","eventTime":"2026-11-21T12:00:00.000Z","eventName":"ObjectCreated:Put","userIdentity":{"principalId":"AWS:EXAMPLE%s"},"requestParameters":{"sourceIPAddress":"192.0.2.1"},"s3":{"s3SchemaVersion":"1.0","configurationId":"rule","bucket":{"name":"invoices","ownerIdentity":{"principalId":"EXAMPLE"},"arn":"arn:aws:s3:::invoices"},"object":{"key":"incoming/2026/invoice-%d.pdf","size":1024,"eTag":"0123456789abcdef0123456789abcdef","sequencer":"%d"}}}"#;

/// The settings that have no default.
pub(crate) const SETTINGS: [(&str, &str); 3] = [
    ("APIKEY", "an-api-key-that-nobody-checks"),
    ("STORAGECLIENTID", "00000000-0000-4000-8000-000000000004"),
    ("RELAY_AUTH", "none"),
];

/// The numbers of one load's objects, at most: no object is in two loads.
const OBJECTS: usize = 2_000_000;

/// What wrk sends.
#[derive(Clone, Copy)]
pub(crate) struct Load {
    pub(crate) connections: u32,
    pub(crate) seconds: u32,
    /// Records in a delivery, each of another object.
    pub(crate) records: usize,
    /// What is added to a record's 540 bytes.
    pub(crate) filling: usize,
}

/// What was measured of one server in one load.
#[derive(Clone, Copy)]
pub(crate) struct Row {
    pub(crate) per_second: f64,
    /// Microseconds of the processor an event, while events came.
    pub(crate) cpu: f64,
    /// The same until the last one was delivered.
    pub(crate) until_delivered: Option<f64>,
    /// Milliseconds.
    pub(crate) p50: f64,
    pub(crate) p99: f64,
}

pub(crate) fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

/// A delivery whose first object has this number.
pub(crate) fn event(number: usize, records: usize, filling: usize) -> String {
    let filling = "x".repeat(filling);
    let record = |n| RECORD.replace("%d", &format!("{n:09}")).replace("%s", &filling);
    let records: Vec<_> = (number..number + records).map(record).collect();
    format!(r#"{{"Records":[{}]}}"#, records.join(","))
}

/// The server under test.
pub(crate) struct Server {
    pub(crate) process: Running,
    pub(crate) port: u16,
    /// Its log; and its spool, unless somebody else made the directory.
    _data: tempfile::TempDir,
}

pub(crate) struct Rig {
    nginx: PathBuf,
    wrk: PathBuf,
    script: PathBuf,
    relay: PathBuf,
    pub(crate) folder: tempfile::TempDir,
    /// The port of the nginx that plays MDSS.
    pub(crate) sink: u16,
    _sink: Running,
    loads: AtomicUsize,
}

impl Rig {
    /// Nothing, and a line that says why, without nginx or wrk.
    pub(crate) fn new(bench: &str) -> Option<Self> {
        let (Some(program), Some(wrk)) = (running::find("nginx"), running::find("wrk")) else {
            println!(
                "{bench}: skipped: nginx or wrk is missing; 'apt-get install nginx-light wrk' installs them"
            );
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        let script = folder.path().join("load.lua");
        fs::write(&script, lua()).unwrap();
        let sink = port();
        let http = format!(
            "server {{ listen 127.0.0.1:{sink}; location / {{ default_type application/json; return 200 '{ACCEPTED}'; }} }}"
        );
        let process = nginx(&program, folder.path(), "sink", 1, &http);
        process.wait_until_it_listens(sink);
        let relay = relay::relay();
        println!("server: {}", relay.display());
        Some(Self {
            nginx: program,
            wrk,
            script,
            relay,
            folder,
            sink,
            _sink: process,
            loads: AtomicUsize::new(1),
        })
    }

    /// Another nginx, whose `http` block holds this.
    pub(crate) fn nginx(&self, name: &str, workers: u32, http: &str) -> Running {
        nginx(&self.nginx, self.folder.path(), name, workers, http)
    }

    /// Starts the server, with MDSS on a port; in spooled mode if it is given a directory for the spool.
    pub(crate) fn start(&self, mdss: u16, spool: Option<&Path>) -> Server {
        let (port, data) = (port(), tempfile::tempdir_in(self.folder.path()).unwrap());
        let mut command = Command::new(&self.relay);
        command.env_clear().envs(SETTINGS);
        command.env("RELAY_LISTEN", format!("127.0.0.1:{port}"));
        command.env("APIENDPOINT", format!("http://127.0.0.1:{mdss}/api/webhook/realtime"));
        if let Some(spool) = spool {
            command
                .env("RELAY_MODE", "spooled")
                .env("RELAY_DATA_DIR", spool)
                .env("RELAY_SPOOL_LIMIT", "16GiB");
        }
        let process = Running::start(&mut command, &data.path().join("log"));
        process.wait_until_it_listens(port);
        process.wait_until(|| page(port, "/readyz").starts_with("HTTP/1.1 200"));
        Server { process, port, _data: data }
    }

    /// Loads a server, after a warm-up; `warmed` waits for what that has left.
    pub(crate) fn load(&self, port: u16, server: &Running, load: Load, warmed: impl FnOnce()) -> Row {
        self.wrk(port, Load { seconds: WARM_UP, ..load });
        warmed();
        let before = server.cpu();
        let (requests, seconds, p50, p99) = self.wrk(port, load);
        let cpu = micros(server.cpu() - before) / requests;
        Row { per_second: requests / seconds, cpu, until_delivered: None, p50, p99 }
    }

    /// How many requests, in how many seconds, and two times in milliseconds.
    fn wrk(&self, port: u16, load: Load) -> (f64, f64, f64, f64) {
        let mut command = Command::new(&self.wrk);
        command.args(["--threads", "1", "--timeout", "10s"]);
        command.args(["--connections", &load.connections.to_string()]);
        command.args(["--duration", &format!("{}s", load.seconds)]);
        command.env("FIRST", (self.loads.fetch_add(1, Ordering::Relaxed) * OBJECTS).to_string());
        command.env("RECORDS", load.records.to_string()).env("FILLING", load.filling.to_string());
        command.arg("--script").arg(&self.script).arg(format!("http://127.0.0.1:{port}/events"));
        let output = command.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let line = text.lines().find_map(|line| line.strip_prefix("figures "));
        let line = line.unwrap_or_else(|| panic!("{text}"));
        let cells: Vec<f64> = line.split(' ').map(|cell| cell.parse().unwrap()).collect();
        let [requests, micros, p50, p99, failed] = cells[..] else { panic!("{line}") };
        assert_eq!(failed, 0.0, "requests without an answer of 2xx; {text}");
        (requests, micros / 1e6, p50 / 1e3, p99 / 1e3)
    }
}

fn nginx(program: &Path, folder: &Path, name: &str, workers: u32, http: &str) -> Running {
    let (place, file) = (folder.display(), folder.join(format!("{name}.conf")));
    let text = format!(
        "daemon off; worker_processes {workers}; pid {place}/{name}.pid; error_log {place}/{name}.log;\n\
         events {{ worker_connections 1024; }}\n\
         http {{ access_log off; keepalive_requests 100000000; client_body_temp_path {place}/{name}.body; proxy_temp_path {place}/{name}.proxy;\n\
         fastcgi_temp_path {place}/{name}.f; uwsgi_temp_path {place}/{name}.u; scgi_temp_path {place}/{name}.s;\n{http}\n}}\n"
    );
    fs::write(&file, text).unwrap();
    let mut command = Command::new(program);
    command.arg("-c").arg(&file).arg("-e").arg(folder.join(format!("{name}.log")));
    Running::start(&mut command, &folder.join(format!("{name}.out")))
}

/// What wrk sends, and prints at the end.
fn lua() -> String {
    format!(
        "local number, records = tonumber(os.getenv('FIRST')), tonumber(os.getenv('RECORDS'))\n\
         local filling = string.rep('x', tonumber(os.getenv('FILLING')))\n\
         function request()\n  local all = {{}}\n  for i = 1, records do\n    \
         number = number + 1\n    local id = string.format('%09d', number)\n    \
         all[i] = string.format([[{}]], filling, id, id)\n  end\n  \
         return wrk.format('POST', nil, nil, '{{\"Records\":[' .. table.concat(all, ',') .. ']}}')\nend\n\
         wrk.headers['Content-Type'] = 'application/json'\n\
         function done(summary, latency)\n  \
         local failed = summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout\n  \
         print(string.format('figures %d %d %d %d %d', summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), failed))\n\
         end\n",
        RECORD.replace("%d", "%s"),
    )
}
