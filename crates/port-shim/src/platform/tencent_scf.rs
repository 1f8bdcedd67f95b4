//! An event function of Tencent Cloud's SCF, from an image.

use std::net::Ipv4Addr;
use std::time::Duration;

use shim::Turns;

use crate::profile::{Body, Calls, Port, Profile, Signs, Time, Wrapping, not_found_or_failed};

/// An event function of Tencent Cloud's SCF, from an image.
///
/// Contract: Tencent Cloud, "Deploying functions with images" (<https://cloud.tencent.com/document/product/583/56051>,
/// <https://www.tencentcloud.com/document/product/583/41076>).
pub static TENCENT_SCF: Profile = Profile {
    caller: "SCF",
    address: Ipv4Addr::UNSPECIFIED,
    port: Port { variables: &[], without: Some(9000) },
    hooks: &[],
    calls: Calls::Path { path: "/event-invoke", control: None },
    served: "POST /event-invoke",
    request_id: &["x-scf-request-id"],
    time: Time::Header { name: "x-scf-timeout", read: time },
    // One call at a time, as far as is documented for event functions. More would not hurt.
    turns: Turns::AtOnce(64),
    // Of a synchronous call; an asynchronous one has 128 KB (583/11637, "Quotas and limits").
    body_limit: 6 * 1024 * 1024,
    body: Body::Bare,
    answer: Wrapping::Bare,
    // **Inference:** what another status than 200 means is not documented. 500 is what the web frameworks of the samples answer for a
    // function that threw.
    signs: Signs { failure: not_found_or_failed, status: None, error: None },
    lines: None,
    stopped: 0,
};

/// No page says the unit. A request that a web function showed had 300000, which in seconds would be more than any function may take
/// (`X-Scf-Timeout` beside `X-Scf-Memory: 512`); the runtime API has milliseconds, too (583/47274, `time_limit_in_ms`). A function has a second
/// at least, so a smaller number can only be seconds. **Inference:** a number of a thousand and more is read as milliseconds; if it
/// were seconds after all, calls would end too early and never too late. `RELAY_DEADLINE`, or the handler's own limit, is below it as a rule.
fn time(number: u64) -> Duration {
    if number < 1000 { Duration::from_secs(number) } else { Duration::from_millis(number) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_that_no_function_has_is_in_the_other_unit() {
        for (number, want) in
            [(1, 1_000), (900, 900_000), (999, 999_000), (1000, 1_000), (60_000, 60_000), (300_000, 300_000)]
        {
            assert_eq!(time(number), Duration::from_millis(want), "{number}");
        }
    }
}
