//! An MDSS that is not there yet.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::net::TcpSocket;
use tokio::time::sleep;

use crate::config::{Config, WEBHOOK_PATH};
use crate::server::Sim;

/// As long as a host may take to start MDSS again, and less than the 25 s that a relay gives a delivery.
const RESTART: Duration = Duration::from_secs(20);

/// A loopback address at which nobody listens: a connection to it is refused, as by a host whose MDSS restarts. It is kept
/// for the stand-in that comes later; no other program gets it meanwhile.
#[derive(Debug)]
pub struct Away {
    addr: SocketAddr,
    /// Bound and not listening. With `SO_REUSEADDR` on both, another socket may be bound beside it and listen (Linux `socket(7)`:
    /// only a listening one is in the way).
    _kept: TcpSocket,
}

impl Away {
    /// An address that was free.
    ///
    /// # Errors
    /// Whatever the system says.
    pub fn new() -> io::Result<Self> {
        let kept = TcpSocket::new_v4()?;
        kept.set_reuseaddr(true)?;
        kept.bind((Ipv4Addr::LOCALHOST, 0).into())?;
        Ok(Self { addr: kept.local_addr()?, _kept: kept })
    }

    /// The URL of the webhook that will be there.
    pub fn url(&self) -> String {
        format!("http://{}{WEBHOOK_PATH}", self.addr)
    }

    /// The stand-in, at this address.
    ///
    /// # Errors
    /// As [`Sim::start`].
    pub async fn back(self, config: Config) -> io::Result<Sim> {
        Sim::start(Config { listen: self.addr, ..config }).await
    }

    /// The stand-in at this address, after as long as a real restart takes: 20 s of real time, in which every connection is
    /// refused. For the one promise that each relay keeps as a process: a restart of MDSS costs no event.
    ///
    /// # Errors
    /// As [`Sim::start`].
    pub async fn restarted(self) -> io::Result<Sim> {
        sleep(RESTART).await;
        self.back(Config::default()).await
    }
}
