//! The rules as a table of `docs/answers.md`; `BLESS=1` writes it.

use super::root;
use super::rules::{Content, GivesUp, SENDERS, Sender};

fn statuses(list: &[u16]) -> String {
    list.iter().map(u16::to_string).collect::<Vec<_>>().join(", ")
}

fn row(sender: &Sender) -> String {
    let content = match sender.content {
        Content::Ok => "200".to_owned(),
        Content::Listed(listed) => statuses(listed),
        Content::Success => "2xx".to_owned(),
    };
    let gives_up = match sender.gives_up {
        GivesUp::Never => "nothing".to_owned(),
        GivesUp::ClientErrors([]) => "4xx".to_owned(),
        GivesUp::ClientErrors(except) => format!("4xx, except {}", statuses(except)),
        GivesUp::Listed(listed) => statuses(listed),
        GivesUp::AnyFailure => "everything else".to_owned(),
    };
    let waits = sender.waits.map_or("not published".to_owned(), |seconds| format!("{seconds} s"));
    let Sender { dialect, who, goes_on, source, .. } = sender;
    format!("| `{dialect}` | {who} | {content} | {gives_up} | {goes_on} | {waits} | {source} |\n")
}

#[test]
fn the_rules_are_in_the_document() {
    const BEGIN: &str = "<!-- begin: senders -->\n";
    const END: &str = "<!-- end: senders -->\n";
    let path = root().join("docs/answers.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once(BEGIN).unwrap();
    let (there, after) = rest.split_once(END).unwrap();
    let head = "| Dialect | Posted by | Taken for success | Given up at once after | Otherwise posted again | Waits for an answer | Source |";
    let rows: String = SENDERS.iter().map(row).collect();
    let today = format!("\n{head}\n| --- | --- | --- | --- | --- | --- | --- |\n{rows}\n");
    if there == today {
        return;
    }
    assert!(
        std::env::var_os("BLESS").is_some(),
        "docs/answers.md does not have the table; `make bless` writes it:\n{today}"
    );
    std::fs::write(path, [before, BEGIN, &today, END, after].concat()).unwrap();
}
