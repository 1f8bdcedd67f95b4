//! Processes that are not this one's children, by their ids.

use std::process::{Command, Stdio};

use crate::error::RigError;

/// Sends a signal, by its name without `SIG`, to those that are still there.
pub(crate) fn signal(name: &str, pids: &[u32]) -> Result<(), RigError> {
    if pids.is_empty() {
        return Ok(());
    }
    // The shell's own `kill`: the program of that name is not on every machine.
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", "signal=$1; shift; kill -s \"$signal\" \"$@\"", "sh", name]);
    shell.args(pids.iter().map(u32::to_string)).stdin(Stdio::null()).stderr(Stdio::null());
    // One that has ended meanwhile makes it fail, and has what it was to have.
    shell.status().map_err(RigError::system(format!("SIG{name} cannot be sent"))).map(|_| ())
}

/// Whether it runs: one that has ended and was not waited for does not.
pub(crate) fn runs(pid: u32) -> Result<bool, RigError> {
    Ok(ps(&["-o", "stat=", "-p", &pid.to_string()])?.trim_start().starts_with(|c: char| c != 'Z'))
}

/// Its children.
pub(crate) fn children(pid: u32) -> Result<Vec<u32>, RigError> {
    let listed = ps(&["-A", "-o", "pid=,ppid="])?;
    let child = |line: &str| {
        let mut numbers = line.split_whitespace().map(str::parse::<u32>);
        let (Some(Ok(child)), Some(Ok(parent))) = (numbers.next(), numbers.next()) else { return None };
        (parent == pid).then_some(child)
    };
    Ok(listed.lines().filter_map(child).collect())
}

fn ps(args: &[&str]) -> Result<String, RigError> {
    let output = Command::new("ps").args(args).stdin(Stdio::null()).output();
    let output = output.map_err(RigError::system("ps cannot be started"))?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
