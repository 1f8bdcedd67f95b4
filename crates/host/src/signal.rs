//! Being asked to stop.

use std::fmt;
use std::io;

use tokio::signal::unix::{self, SignalKind};

/// Takes over SIGHUP, by which a service manager asks for the configuration to be read again, and gives a stream of it.
///
/// # Errors
///
/// If the handler cannot be set up, which on a working system it can.
///
/// # Panics
///
/// Outside of a tokio runtime with its I/O driver enabled.
pub fn hangups() -> io::Result<unix::Signal> {
    unix::signal(SignalKind::hangup())
}

/// The signal that asked the process to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGTERM: what a platform or a service manager sends.
    Terminate,
    /// SIGINT: Ctrl-C at a terminal.
    Interrupt,
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Terminate => "SIGTERM",
            Self::Interrupt => "SIGINT",
        })
    }
}

/// Takes over SIGTERM and SIGINT, and gives a future that resolves when the first of them comes.
///
/// They are taken over when this returns, not when the future is first polled: a signal that comes while the server
/// is still starting is kept and not fatal. From then on neither signal ends the process by itself, the second
/// Ctrl-C included, so whoever calls this must act on the future. As process 1 of a container this is also what makes
/// SIGTERM work at all: the kernel ignores it there without a handler
/// (<https://man7.org/linux/man-pages/man7/pid_namespaces.7.html>).
///
/// # Errors
///
/// If the handlers cannot be set up, which on a working system they can.
///
/// # Panics
///
/// Outside of a tokio runtime with its I/O driver enabled.
pub fn signal() -> io::Result<impl Future<Output = Signal> + Send + 'static> {
    let mut terminate = unix::signal(SignalKind::terminate())?;
    let mut interrupt = unix::signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => Signal::Terminate,
            _ = interrupt.recv() => Signal::Interrupt,
        }
    })
}
