//! A second server that follows the first one.

use std::time::{Duration, Instant};

use crate::error::RigError;
use crate::folder::Folder;
use crate::server::Server;
use crate::template::ADMIN;

const LIMIT: Duration = Duration::from_secs(60);

impl Server {
    /// A standby of this server, made by `pg_basebackup`, with this one's settings. `name` is what
    /// `synchronous_standby_names` calls it. It takes questions as soon as this returns, and may not be level yet:
    /// [`Server::followed`] waits for that.
    ///
    /// # Errors
    ///
    /// If the copy fails, or the standby does not start; with its log.
    pub fn standby(&self, name: &str) -> Result<Self, RigError> {
        self.standby_by(name, self.port())
    }

    /// The same by way of another port on 127.0.0.1, of a [`Proxy`](crate::Proxy) for instance, through which it follows, too.
    ///
    /// # Errors
    ///
    /// As [`Server::standby`].
    pub fn standby_by(&self, name: &str, port: u16) -> Result<Self, RigError> {
        let folder = Folder::new(&self.binaries)?;
        let mut standby = self.sibling(folder);
        standby.name(name);
        self.copy_to(&standby, port)?;
        standby.first_start()?;
        Ok(standby)
    }

    /// Makes this server, which is stopped or killed, a standby of `primary`: all that it has is thrown away and copied
    /// anew. It keeps its port and its settings.
    ///
    /// # Errors
    ///
    /// As [`Server::standby`]; if it runs.
    pub fn rejoin(&mut self, primary: &Self, name: &str) -> Result<(), RigError> {
        self.rejoin_by(primary, name, primary.port())
    }

    /// The same by way of another port, as [`Server::standby_by`].
    ///
    /// # Errors
    ///
    /// As [`Server::rejoin`].
    pub fn rejoin_by(&mut self, primary: &Self, name: &str, port: u16) -> Result<(), RigError> {
        if self.pid().is_ok() {
            return Err(RigError::Failed {
                what: "a server that runs cannot rejoin".into(),
                said: String::new(),
            });
        }
        std::fs::remove_dir_all(self.data()).map_err(RigError::system("old data cannot be removed"))?;
        self.name(name);
        primary.copy_to(self, port)?;
        self.start()
    }

    /// Ends its being a standby; returns when it takes writes.
    ///
    /// # Errors
    ///
    /// If it is none, or does not become a primary within a minute.
    pub async fn promote(&self) -> Result<(), RigError> {
        match self.ask("SELECT pg_promote(true, 60)").await?.first().map(String::as_str) {
            Some("t") => Ok(()),
            _ => Err(RigError::Failed { what: "the standby is not promoted".into(), said: self.log() }),
        }
    }

    /// Waits until the standby of that name follows, and is synchronous or not as asked for.
    ///
    /// # Errors
    ///
    /// If it does not within a minute.
    pub async fn followed(&self, name: &str, synchronous: bool) -> Result<(), RigError> {
        let state = if synchronous { "sync_state IN ('sync', 'quorum')" } else { "true" };
        let question = format!(
            "SELECT 1 FROM pg_stat_replication WHERE application_name = '{name}' AND state = 'streaming' AND {state}"
        );
        let begin = Instant::now();
        while self.ask(&question).await?.is_empty() {
            if begin.elapsed() > LIMIT {
                return Err(RigError::Failed {
                    what: format!("no standby {name} follows"),
                    said: self.log(),
                });
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }

    fn name(&mut self, name: &str) {
        // What a standby calls itself, unless its connection says something else
        // (https://www.postgresql.org/docs/15/runtime-config-logging.html, cluster_name).
        self.override_setting("cluster_name", name);
        // Five seconds, by default, between two tries to reach a primary that was started again.
        self.override_setting("wal_retrieve_retry_interval", "100ms");
    }

    fn copy_to(&self, standby: &Self, port: u16) -> Result<(), RigError> {
        self.binaries.run("pg_basebackup", |command| {
            command
                .args(["--checkpoint=fast", "--no-sync", "--write-recovery-conf", "--wal-method=stream"])
                .arg(format!("--dbname=host=127.0.0.1 port={port} user={ADMIN} sslmode=disable"))
                .arg("--pgdata")
                .arg(standby.data())
        })
    }
}
