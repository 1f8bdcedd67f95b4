//! Exchanging the configuration of a server that runs.

use std::sync::Arc;

use tracing::{error, warn};

use crate::configuration::{InForce, ReadConfiguration};
use crate::serve::Server;
use crate::start_line::exchanged;

impl Server {
    /// Exchanges the configuration; the old one stays if there is a mistake in the new one. Requests under way are finished with
    /// the old one.
    pub fn reload(&self, read: ReadConfiguration) {
        let outcome = match read.outcome {
            Ok(configuration) => {
                let before = self.running.borrow().clone();
                for warning in &read.warnings {
                    warn!("{warning}");
                }
                let fixed = before.fixed(&configuration);
                if !fixed.is_empty() {
                    warn!("{} can only be changed by a restart, and stays as it was", fixed.join(", "));
                }
                self.counters.add_sources(configuration.sources.names_of_events(), configuration.takes_as());
                let newer = Arc::new(InForce::after(configuration, &before, self.watch.clone()));
                self.running.send_replace(newer.clone());
                self.counters.configured();
                exchanged(&before, &newer);
                "taken"
            }
            Err(mistakes) => {
                for mistake in &mistakes {
                    error!("the new configuration is not used, and the old one stays in force: {mistake}");
                }
                "refused"
            }
        };
        self.counters.reloaded(outcome);
    }
}
