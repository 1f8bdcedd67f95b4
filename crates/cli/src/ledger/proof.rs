//! What a verification has found, for people and for programs.

use mdss_relay_ledger::Verified;
use serde_json::json;

use crate::columns::columns;
use crate::visible::visible;

fn hex(key: &[u8; 32]) -> String {
    key.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The answer, with its line end.
pub(super) fn verified(found: &Verified, json: bool) -> String {
    let intact = found.faults.is_empty();
    if json {
        let faults: Vec<_> =
            found.faults.iter().map(|fault| json!({ "seq": fault.seq, "what": fault.what })).collect();
        let all = json!({
            "ledger": found.head.genesis.ledger.to_string(),
            "intact": intact,
            "keys": found.keys.iter().map(|(until, key)| {
                json!({ "until": (*until < u64::MAX).then_some(*until), "public_key": hex(key) })
            }).collect::<Vec<_>>(),
            "entries": found.entries,
            "first": found.range.map(|range| range.0),
            "last": found.range.map(|range| range.1),
            "from": found.times.map(|times| times.0.to_string()),
            "until": found.times.map(|times| times.1.to_string()),
            "removed_by_age": found.head.base,
            "checkpoints": found.checkpoints,
            "last_checkpoint": found.last_checkpoint.map(|checkpoint| checkpoint.to_string()),
            "foreign_checkpoints": found.foreign,
            "faults": faults,
            "all_faults": found.all_faults,
        });
        return visible(&all.to_string()) + "\n";
    }
    let row = |name: &str, value: String| vec![name.to_owned(), value];
    let mut rows =
        vec![row("ledger", format!("{}, begun {}", found.head.genesis.ledger, found.head.genesis.created))];
    rows.push(row(
        "key",
        found
            .keys
            .iter()
            .map(|(until, key)| match *until {
                u64::MAX => hex(key),
                until => format!("{} up to entry {until}, where the chain was ended; then", hex(key)),
            })
            .collect::<Vec<_>>()
            .join(" "),
    ));
    rows.push(row(
        "entries",
        match (found.range, found.times) {
            (Some((first, last)), Some((from, until))) => {
                format!("{}: {first} to {last}, {from} to {until}", found.entries)
            }
            _ => "none".to_owned(),
        },
    ));
    if found.head.base > 0 {
        rows.push(row("removed", format!("1 to {}, because of their age", found.head.base)));
    }
    rows.push(row(
        "signed",
        match &found.last_checkpoint {
            Some(last) => {
                format!("{} checkpoints, the last over entry {} at {}", found.checkpoints, last.seq, last.at)
            }
            None => "no checkpoint yet".to_owned(),
        },
    ));
    rows.push(row(
        "kept elsewhere",
        match found.foreign {
            0 => {
                "no checkpoint was handed in: whoever has the ledger's key could have written all of it anew"
                    .to_owned()
            }
            1 => "1 checkpoint fits".to_owned(),
            many => format!("{many} checkpoints fit"),
        },
    ));
    let mut lines = columns(&rows);
    if intact {
        lines.push("intact".to_owned());
    } else {
        lines.push(
            format!("NOT INTACT: {} do not fit", found.all_faults)
                .replace(": 1 do not fit", ": 1 thing does not fit"),
        );
        lines.extend(
            found.faults.iter().map(|fault| format!("  entry {}: {}", fault.seq, visible(&fault.what))),
        );
    }
    lines.join("\n") + "\n"
}
