//! Volcengine TOS, as veFaaS delivers its events: a binary CloudEvent whose body is a list of `events`.
//!
//! Shape: Volcengine TOS, "Event notification" (6349/128981), and volcengine/vefaas-golang-runtime, `events/cloudevent.go` (the types of
//! CloudEvents); the older types stand in Volcengine's samples. No captured event is known.

use crate::model::answers::Answers;
use crate::model::dialect::{Dialect, KeyEncoding};
use crate::model::event::{Details, Notice, NoticeKind};
use crate::model::failure::Cause;
use crate::plain::line;
use crate::read::event_name;
use crate::read::item::{Item, Reading};
use crate::read::record::oss_shaped::{self, Vendor};
use crate::read::row::{Context, Facts, Inside, Read, Row, Stands};
use crate::read::seen::{Mark, Seen, Test};

const FACTS: Facts = Facts {
    // No page says it. An inference from Alibaba's events, whose shape this is: RELAY_KEYS_VOLCENGINE_TOS overrides.
    keys: Some(KeyEncoding::Verbatim),
    key_place: &["tos", "object", "key"],
    looks_like: "a list of `events` with `tos`",
    // veFaaS calls up to ten times in six hours, after any status of 400 or above (6662/130472); its own library answers 500 to a call that
    // failed. So does the relay, whose answer to a call that shall come again is never a 4xx.
    answers: Answers::FINAL_4XX,
    ..Facts::BASE
};

const VENDOR: Vendor =
    Vendor { of: Dialect::VolcengineTos, facts: &FACTS, block: "tos", meaning: event_name::meaning };

/// An element of `events`.
pub(in crate::read) const EVENT: Row = Row {
    of: Dialect::VolcengineTos,
    stands: Stands::InEvents,
    marks: &[Mark::Members(&[("tos", Test::There)])],
    expected: "an event of TOS with `tos`",
    members: oss_shaped::MEMBERS,
    facts: Some(&FACTS),
    read: Read::Event(read),
    ..Row::BASE
};

/// An event that says by its type whose it is, and has no list.
pub(in crate::read) const CLOUDEVENT: Row = Row {
    stands: Stands::Alone,
    marks: &[Mark::Type(Test::Begins("faas.tos.")), Mark::Type(Test::Begins("bytefaas.tos."))],
    lies_in: &[Inside::Event],
    expected: "",
    members: &["tos", "eventName", "eventTime", "region", "responseElements", "xVars"],
    read: Read::Event(read_alone),
    ..EVENT
};

/// What a function gets that has a timer beside its store.
pub(in crate::read) const TIMER: Row = Row {
    of: Dialect::VolcengineTos,
    marks: &[Mark::Type(Test::Begins("faas.timer.")), Mark::Type(Test::Begins("bytefaas.timer."))],
    lies_in: &[Inside::Event],
    read: Read::Notice(timer),
    ..Row::BASE
};

/// The same when its data is a text that its owner has chosen (veFaaS, "Trigger event structure", 6662/127868: `Hello Volcengine`). It is
/// asked before other texts are, because the text may look like one of them.
pub(in crate::read) const TIMER_TEXT: Row = Row {
    marks: &[
        Mark::TypeOfText(Test::Begins("faas.timer.")),
        Mark::TypeOfText(Test::Begins("bytefaas.timer.")),
    ],
    ..TIMER
};

fn read(seen: &Seen<'_>, context: &Context<'_>) -> Item {
    oss_shaped::read(&VENDOR, seen, context)
}

/// The type says no more than that it is an event of TOS: without the block nobody knows of which object, so nobody may pass over it.
fn read_alone(seen: &Seen<'_>, context: &Context<'_>) -> Item {
    if seen.get("tos").is_some() {
        return read(seen, context);
    }
    let detail = "data: expected a list of `events`, or an event of TOS with `tos`";
    Item::new(
        String::new(),
        Some(Dialect::VolcengineTos),
        Reading::failed(Cause::Unreadable, detail.to_owned()),
    )
}

fn timer(_: &Seen<'_>, context: &Context<'_>) -> Item {
    let kind = context.around.event.map(|event| line::clip(&event.kind, 60));
    let details = Details { event_name: kind, ..Details::default() };
    let notice = Notice { kind: NoticeKind::Bucket, bucket: None, details };
    let mut item = Item::new(String::new(), Some(Dialect::VolcengineTos), Reading::Notice(notice));
    item.warnings.push("a timer calls; there is nothing to scan for it".into());
    item
}
