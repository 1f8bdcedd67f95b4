//! Where the server listens: for senders, and, if the settings say so, on a second port for those who watch it.

use std::net::SocketAddr;

use tokio::net::TcpListener;

use crate::configuration::Configuration;

/// The ports of a server, open.
#[derive(Debug)]
pub struct Listeners {
    /// For senders.
    pub events: TcpListener,
    /// For `/metrics`, `/readyz` and `/healthz`; `None`: they are on the senders' port.
    pub admin: Option<TcpListener>,
}

impl Listeners {
    /// Opens what the settings name.
    ///
    /// # Errors
    /// The setting, the address, and the operating system's word.
    pub async fn open(configuration: &Configuration) -> Result<Self, String> {
        let events = bind("RELAY_LISTEN", configuration.listen()).await?;
        let admin = match configuration.admin_listen() {
            Some(address) => Some(bind("RELAY_ADMIN_LISTEN", address).await?),
            None => None,
        };
        Ok(Self { events, admin })
    }
}

impl From<TcpListener> for Listeners {
    /// One port for everything.
    fn from(events: TcpListener) -> Self {
        Self { events, admin: None }
    }
}

async fn bind(setting: &str, address: SocketAddr) -> Result<TcpListener, String> {
    TcpListener::bind(address).await.map_err(|e| format!("cannot listen on {address} ({setting}): {e}"))
}
