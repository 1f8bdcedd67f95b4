//! `mdss-relay`: the operator's tool.

use std::process::ExitCode;

fn main() -> ExitCode {
    mdss_relay::run()
}
