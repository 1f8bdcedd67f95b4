//! `make demo`: what the relay is for, in some thirty lines, with the real binaries, on loopback.
//!
//! An upload in each cloud becomes a correlation id. MDSS stops and uploads go on; the relay is killed; both come back, and nothing
//! is lost. The same uploads with a stand-in for the vendor's function. Then every recorded delivery of `events/` through the server and
//! the functions of each cloud, in each way in which it runs them: one line, or with `ALL=1` a line for each object. Status 0 means that
//! all of it was as it ought to be.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the demo is for eyes")]

mod corpus;
mod functions;
mod story;
mod vendor;
mod world;

use std::path::Path;
use std::process::ExitCode;

use world::{Result, World};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("demo: {error}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn run() -> Result<()> {
    // Fixtures and deployments are named by their place in the project, wherever the demo is started.
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    std::env::set_current_dir(&project)
        .map_err(|e| format!("the project's folder {} cannot be entered: {e}", project.display()))?;
    let all = std::env::var_os("ALL").is_some_and(|all| !all.is_empty() && all != "0");

    println!("mdss-relay {}: real binaries, a stand-in for MDSS, no cloud", env!("CARGO_PKG_VERSION"));
    let mut world = World::start().await?;
    story::each_cloud(&world).await?;
    story::an_outage(&mut world).await?;
    vendor::the_same(&mut world).await?;
    corpus::every_delivery(&world, all).await?;
    Ok(())
}
