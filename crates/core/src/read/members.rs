//! The names of an object's members, for sentences: what it holds is nobody's business, and may be a secret.

use crate::plain::{json, line};

/// The first few names: "an object with `a`, `b`, …".
pub(super) fn of(text: &str) -> String {
    const SHOWN: usize = 6;
    let (mut shown, mut count) = (Vec::new(), 0);
    let read = json::each_member(text, |name, _| {
        count += 1;
        if count <= SHOWN {
            shown.push(format!("`{}`", line::clip(name, 40)));
        }
    });
    match (read, count) {
        (Err(_), _) => "an object with unreadable members".into(),
        (Ok(()), 0) => "an object with no members".into(),
        (Ok(()), _) => {
            format!("an object with {}{}", shown.join(", "), if count > SHOWN { ", …" } else { "" })
        }
    }
}
