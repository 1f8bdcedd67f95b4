//! `mdss-sim`: the stand-in as a program. It prints where it listens and stops on SIGTERM or SIGINT.

mod args;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;
use mdss_sim::Sim;
use tokio::signal::unix::{SignalKind, signal};

use args::{Args, Program};

/// 0 stopped, 1 failed while running, 2 usage or settings.
fn main() -> ExitCode {
    let program = match Args::parse().program(std::env::var_os("MDSS_SIM_API_KEY")) {
        Ok(program) => program,
        Err(mistakes) => return complain(2, &mistakes),
    };
    match serve(program) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => complain(2, &[error.to_string()]),
        Err(error) => complain(1, &[error.to_string()]),
    }
}

#[tokio::main(flavor = "current_thread")]
async fn serve(program: Program) -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let sim = Sim::start(program.config).await?;
    if let Some(file) = program.port_file {
        file.write(sim.addr().port())?;
    }
    writeln!(io::stdout(), "listening on {}", sim.url())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    sim.stop().await;
    Ok(())
}

fn complain(code: u8, sentences: &[String]) -> ExitCode {
    for sentence in sentences {
        let _ = writeln!(io::stderr(), "mdss-sim: {sentence}");
    }
    ExitCode::from(code)
}
