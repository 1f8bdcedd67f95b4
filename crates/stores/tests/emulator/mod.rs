//! Stand-ins for stores that `.ci` installs, as processes of their own; and keys that are put into them as they are.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Keys that a store may hold and a program may damage.
pub(crate) const ODD_KEYS: [&str; 14] = [
    " lead",
    "./dot",
    "/lead",
    "a//b",
    "amp&<x>",
    "back\\slash",
    "ctl\u{1}x",
    "dir/",
    "per%2Fcent",
    "sp ace+plus.txt",
    "tab\there",
    "trail ",
    "x/../y",
    "ünï/cö.txt",
];

/// A program that prints a line when it is ready, and ends when its stdin does.
pub(crate) struct Program {
    child: Child,
    pub(crate) line: String,
}

impl Program {
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(!line.trim().is_empty(), "{command:?} has ended");
        Self { child, line: line.trim().to_owned() }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        self.child.wait().unwrap();
    }
}

/// Where `.ci` installs emulators.
pub(crate) fn installed(name: &str) -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target"), PathBuf::from);
    target.join(name)
}

/// Sends a request as it is, dots and slashes and all, which no client for URLs does. Gives the answer.
pub(crate) fn send_raw(address: &str, head: &str, body: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    let head = format!("{head}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(body).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

/// Every byte but letters and digits encoded; slashes too, if they are not to stay.
pub(crate) fn encoded(key: &str, slashes: bool) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b) || (slashes && b == b'/');
    key.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

/// Amazon S3, as moto plays it (`.ci/moto`), if that is installed.
pub(crate) fn moto() -> Option<Program> {
    let python = installed("moto").join("bin/python");
    if !drive::available("moto", python.is_file()).unwrap() {
        return None;
    }
    // Two crates use this file.
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../stores/tests/emulator/serve_moto.py");
    Some(Program::start(Command::new(python).arg(script)))
}

/// Puts an object at a path of a store that asks for no signature.
pub(crate) fn put(address: &str, path: &str, body: &str) {
    let answer = send_raw(address, &format!("PUT {path} HTTP/1.1\r\nHost: {address}"), body.as_bytes());
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}
