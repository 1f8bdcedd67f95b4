//! `ledger resend`: objects that were accepted and never scanned, told to MDSS once more.

use std::sync::Mutex;
use std::time::Duration;

use clap::Args;
use mdss_relay_ledger::{BucketName, Filter, Ledger};
use mdss_relay_reconcile::{RATE, Resend, Resent, resend};
use serde_json::json;

use super::journey::{nothing, span};
use super::{place, plural, say, sentence};
use crate::reconcile::{Whence, stopped};
use crate::spool::which::age;
use crate::terminal::{agreed, print};

#[derive(Args)]
pub(super) struct Arguments {
    /// Also what no result was received of and MDSS was not asked about. It may have been scanned: then it is scanned once more.
    #[arg(long, requires = "older")]
    unconfirmed: bool,
    /// Only what was accepted longer ago, such as 90m, 2h or 7d.
    #[arg(long, value_name = "AGE", value_parser = age)]
    older: Option<Duration>,
    /// Only of this storage unit.
    #[arg(long)]
    unit: Option<String>,
    /// Only of this bucket.
    #[arg(long)]
    bucket: Option<String>,
    /// How many objects at most, the oldest first.
    #[arg(long, default_value_t = 10_000)]
    limit: usize,
    /// Objects a second, at most.
    #[arg(long, default_value_t = RATE, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    rate: u32,
    /// Does not ask for confirmation.
    #[arg(long)]
    yes: bool,
}

pub(super) async fn run(
    ledger: Ledger,
    whence: &Whence,
    wanted: &Arguments,
    json: bool,
) -> Result<u8, String> {
    let filter = Filter {
        older: wanted.older,
        unit: wanted.unit.clone(),
        bucket: wanted.bucket.clone().map(BucketName::new),
        limit: wanted.limit,
    };
    let writes = match wanted.unconfirmed {
        true => ledger.unscanned(&filter).await.map_err(sentence)?.writes,
        false => ledger.never_scanned(&filter).await.map_err(sentence)?,
    };
    if writes.is_empty() {
        let resent = Resent { complete: true, ..Resent::default() };
        if json {
            print(&shown(&resent, true));
        }
        let older = filter.older.map(|older| format!(" accepted longer ago than {}", span(older)));
        say(&match wanted.unconfirmed {
            true => nothing(&filter),
            false => format!(
                "nothing{} is known to be never scanned for certain; `ledger unscanned` says what has no result, and how sure that is",
                older.unwrap_or_default()
            ),
        });
        return Ok(1);
    }
    let door = whence.open_door().await?;
    let count = plural(writes.len() as u64, "accepted write", "accepted writes");
    let question = format!("Tell MDSS once more of the objects of {count} that no scan is known of?");
    if !wanted.yes && !agreed(&question) {
        say("nothing was told");
        return Ok(1);
    }
    let means = Resend {
        ledger,
        door,
        rules: &whence.settings.rules,
        stores: &whence.stores,
        rate: wanted.rate,
        actor: place::actor(),
        reason: if wanted.unconfirmed { "no result" } else { "never scanned" }.to_owned(),
    };
    let waits = Mutex::new(false);
    let tell = |done: u64, why: Option<&str>| {
        let mut waiting = waits.lock().unwrap_or_else(|e| e.into_inner());
        if why.is_some() != *waiting {
            *waiting = why.is_some();
            match why {
                Some(why) => say(&format!("waiting: {why}")),
                None => say(&format!("going on, {done} done")),
            }
        }
    };
    let resent = resend(means, writes, stopped()?, tell).await.map_err(|trouble| trouble.to_string())?;
    print(&shown(&resent, json));
    if !resent.complete {
        say("interrupted; the same command goes on with the rest");
    }
    Ok(u8::from(!resent.complete))
}

fn shown(resent: &Resent, json: bool) -> String {
    if json {
        return json!({
            "resent": resent.resent, "in_spool": resent.in_spool, "unselected": resent.unselected,
            "unnamed": resent.unnamed, "complete": resent.complete,
        })
        .to_string();
    }
    let mut said = format!("{} put back", plural(resent.resent, "object", "objects"));
    for (count, why) in [
        (resent.in_spool, "in the spool already"),
        (resent.unselected, "that no route selects today"),
        (resent.unnamed, "whose keys the ledger does not have"),
    ] {
        if count > 0 {
            said += &format!(", {count} {why}");
        }
    }
    said
}
