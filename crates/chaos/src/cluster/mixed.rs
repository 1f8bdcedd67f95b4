//! Two versions of the relay, or two configurations, side by side on one database: neither loses what the other one has to send.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::field::Field;
use super::play::LATE;
use crate::oracle::{Object, Unit};

/// Objects that one event announces, more than one relay has under way at a time.
const TOGETHER: usize = 100;

impl Field {
    /// Old relays, or those with the old routes, beside new ones, then new ones alone; all but one of the old ones come back, and are exchanged again.
    pub(super) async fn upgrade(&mut self) -> Result<(), String> {
        let all = self.replicas.len();
        for (many, newer) in [(all, true), (all - 1, false), (all - 1, true)] {
            for one in 0..many {
                self.replicas[one].ours.up().await?;
                self.replicas[one].ours.stop().await?;
                self.exchange(one, newer)?;
                self.replicas[one].ours.start()?;
                self.replicas[one].ours.up().await?;
                // From the first of them on there is always a newer one.
                self.pause(300..900).await;
                self.choose(if newer { one } else { all - 1 }).await?;
                self.nothing_is_held().await?;
            }
            self.pause(500..1500).await;
            self.recovered().await?;
        }
        Ok(())
    }

    /// Has a newer relay store what the older ones have a route for that takes nothing of it. Of so much at once those are given some, and must leave it: they
    /// would skip it, and nobody would send it.
    async fn choose(&self, newer: usize) -> Result<(), String> {
        let objects: Vec<Object> =
            (0..TOGETHER).map(|_| self.sender.book.issue(Unit::Chosen, true)).collect();
        let mut direct = self.sender.patient();
        direct.url = format!("http://{}/events", self.replicas[newer].ours.address());
        match direct.deliver(&objects, &[]).await {
            true => Ok(()),
            false => Err("a relay in order took no events".into()),
        }
    }

    /// Whether relays hold or park nothing that another one has a route for. It is stored before it is known that settings differ, so it may stand there for a
    /// moment; but before another relay starts, which would make it due, it must be put off.
    async fn nothing_is_held(&self) -> Result<(), String> {
        let held = self.ask("SELECT id::text FROM mdss_relay.item WHERE state <> 0").await?.join(", ");
        if held.is_empty() {
            return Ok(());
        }
        let still = format!("SELECT count(*)::text FROM mdss_relay.item WHERE state <> 0 AND id IN ({held})");
        let begin = Instant::now();
        loop {
            let many = self.ask(&still).await?.concat();
            if many == "0" {
                return Ok(());
            }
            if begin.elapsed() > LATE {
                return Err(format!("{many} objects are held or parked for which another relay has a route"));
            }
            sleep(Duration::from_millis(50)).await;
        }
    }
}
