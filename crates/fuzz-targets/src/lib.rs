#![doc = include_str!("../README.md")]

mod cloudevents;
mod condition;
mod custom_handler;
mod faas_batch;
mod gate;
mod head;
mod notification;
mod plan;
mod pushes;
mod token;

pub use cloudevents::cloudevents;
pub use condition::condition;
pub use custom_handler::custom_handler;
pub use faas_batch::faas_batch;
pub use gate::{Admitted, POLICIES, Proof, gate};
pub use notification::notification;
pub use plan::plan;
pub use token::token;

/// A target's name, as in `fuzz/fuzz_targets/` and `fuzz/corpus/`, and the function it calls.
pub type Target = (&'static str, fn(&[u8]));

/// Every target.
pub const TARGETS: &[Target] = &[
    ("plan", plan),
    ("cloudevents", cloudevents),
    ("custom_handler", custom_handler),
    ("faas_batch", faas_batch),
    ("gate", |bytes| drop(gate(bytes))),
    ("token", |bytes| _ = token(bytes)),
    ("condition", condition),
    ("notification", notification),
];
