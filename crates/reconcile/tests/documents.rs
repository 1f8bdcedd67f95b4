//! The page has what the code has. `BLESS=1` writes it there.

#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

use std::path::Path;

use mdss_relay_reconcile::SCHEDULE_MEMBERS;

#[test]
fn the_members_of_a_schedule() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reconcile.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once("<!-- begin: schedule -->\n").unwrap();
    let (found, after) = rest.split_once("<!-- end: schedule -->").unwrap();
    let row = |(name, values, without, meaning): &(&str, &str, &str, &str)| {
        format!("| `{name}` | {values} | {without} | {meaning} |\n")
    };
    let rows: String = SCHEDULE_MEMBERS.iter().map(row).collect();
    let wanted = format!("\n| Member | Value | Without it | Meaning |\n| --- | --- | --- | --- |\n{rows}\n");
    if std::env::var_os("BLESS").is_some() && found != wanted {
        std::fs::write(
            &path,
            format!("{before}<!-- begin: schedule -->\n{wanted}<!-- end: schedule -->{after}"),
        )
        .unwrap();
        return;
    }
    assert_eq!(found, wanted, "BLESS=1 writes it there");
}
