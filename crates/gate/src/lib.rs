#![doc = include_str!("../README.md")]

mod authorization;
mod check;
mod door;
mod encoding;
mod head;
mod key;
mod key_set;
mod key_url;
mod keys;
mod members;
mod moment;
mod networks;
mod parse;
mod policy;
mod proxies;
mod replay;
mod secret;
#[cfg(test)]
mod testing;
mod verdict;

pub use door::{Answered, DoorVerdict, Entered, RequestHead, Source, Sources, Takes};
pub use head::{Head, Request};
pub use key_url::KeyUrl;
pub use keys::Keys;
pub use networks::Networks;
pub use policy::Policy;
pub use proxies::Proxies;
pub use replay::{ReplayKey, Replays};
pub use verdict::{Admission, Refusal, Status, Unavailable, Verdict};
