//! What an operator does with the database itself: makes its tables, and looks whether it can keep what is asked of it.

use std::sync::Arc;

use super::config::Database;
use super::failure::Fault;
use super::line::Line;
use super::schema;
use super::standing::{self, Standing, Watched};
use crate::trouble::Trouble;

impl Database {
    /// The version of the tables that this program writes, and brings older ones to.
    pub const TABLES: i32 = schema::NEWEST;

    /// Makes the tables, or brings them to today's version, whatever `RELAY_SPOOL_MIGRATE` says; the role must be allowed to. Gives the version
    /// before, 0 if there were none, and the one after.
    ///
    /// # Errors
    /// If a step fails; nothing of it was done then.
    pub async fn migrate(&self) -> Result<(i32, i32), Trouble> {
        let line = Line::connect(self).await?;
        let steps = async {
            let before = schema::version(&line).await?.version;
            schema::ready(&line, true).await?;
            Ok((before, schema::version(&line).await?.version))
        };
        let steps: Result<_, Fault> = steps.await;
        line.close().await;
        steps.map_err(|fault| fault.trouble("making the tables"))
    }

    /// Looks whether the database can be used and how its server stands, and changes nothing.
    ///
    /// # Errors
    /// Why a relay would not work there: no connection, no tables, or tables for other relays. Whether it keeps what is asked of it is what
    /// [`Standing::holds`] says.
    pub async fn check(&self) -> Result<Standing, Trouble> {
        let line = Line::connect(self).await?;
        let watched = Arc::new(Watched::new(self.durability()));
        let looked = async {
            schema::ready(&line, false).await?;
            standing::look(&line, &watched).await
        };
        let looked: Result<(), Fault> = looked.await;
        line.close().await;
        looked.map_err(|fault| fault.trouble("looking at the database"))?;
        watched.last().map(|(standing, _)| standing).ok_or_else(Trouble::stopped)
    }

    /// The statements that make the tables, or bring them from a version to today's, for whoever runs them with a tool of their own.
    pub fn script(from: i32) -> String {
        schema::script(from)
    }
}
