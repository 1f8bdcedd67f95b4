//! `spool move`: everything from a directory into a database, or back.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use mdss_relay_spool::{Database, Moved, move_to_database, move_to_directory};
use serde_json::json;

use super::units::Units;
use super::{place, print, say};
use crate::database;

/// Where from and where to.
#[derive(Args)]
pub(super) struct Arguments {
    /// The data directory whose items go into the database.
    #[arg(long, value_name = "DIR", requires = "to_url_file")]
    from: Option<PathBuf>,
    /// A file with the URL of the database whose items go into the directory.
    #[arg(long, value_name = "FILE", requires = "to")]
    from_url_file: Option<PathBuf>,
    /// The data directory they go into; made if it is not there.
    #[arg(long, value_name = "DIR", requires = "from_url_file")]
    to: Option<PathBuf>,
    /// A file with the URL of the database they go into.
    #[arg(long, value_name = "FILE", requires = "from")]
    to_url_file: Option<PathBuf>,
}

/// Moves; the exit status.
pub(super) async fn run(way: &Arguments, config: Option<&Path>, json: bool) -> Result<u8, String> {
    let watched = std::io::stderr().is_terminal();
    let told = |moved: Moved| {
        if watched {
            let _ = write!(std::io::stderr(), "\r{} items moved so far", moved.items + moved.there);
        }
    };
    let outcome = match way {
        Arguments { from: Some(dir), to_url_file: Some(file), .. } => {
            move_to_database(dir, &named(file, config)?, told).await
        }
        Arguments { from_url_file: Some(file), to: Some(dir), .. } => {
            let units = Units::read(config)?;
            move_to_directory(&named(file, config)?, dir, units.rules(), told).await
        }
        _ => return Err("expected --from DIR --to-url-file FILE, or --from-url-file FILE --to DIR".into()),
    };
    if watched {
        let _ = writeln!(std::io::stderr());
    }
    let moved = outcome.map_err(|trouble| {
        format!("{}. What was moved is moved, nothing is lost: the same command goes on", trouble.detail)
    })?;
    if json {
        let Moved { items, there, marks, left } = moved;
        print(&json!({ "moved": items, "there_already": there, "marks": marks, "left": left }).to_string());
    } else {
        print(&format!(
            "{} moved, {} were there already; {} marks of what MDSS has accepted went along",
            super::items(count(moved.items)),
            moved.there,
            moved.marks
        ));
    }
    if let Some(ledger) = way.from.as_deref().map(|dir| dir.join("ledger.db")).filter(|file| file.is_file()) {
        say(&format!(
            "{}: the ledger stays where it is, and is asked with mdss-relay ledger --data-dir {}; the relay begins a new chain in the database",
            ledger.display(),
            ledger.parent().unwrap_or(&ledger).display()
        ));
    }
    if moved.left > 0 {
        say(&format!(
            "{} stay behind: the delivery they came in is missing, or a relay had them under way",
            super::items(count(moved.left))
        ));
        return Ok(1);
    }
    Ok(0)
}

fn count(items: u64) -> usize {
    usize::try_from(items).unwrap_or(usize::MAX)
}

fn named(file: &Path, config: Option<&Path>) -> Result<Database, String> {
    let found = database::meant(place::variables(config), Some(file))?;
    found.ok_or_else(|| format!("{}: expected the URL of a database", file.display()))
}
