//! The usual variables that name the proxies on the way to MDSS.

use std::collections::BTreeMap;

use url::Url;

use crate::mdss::way::Proxies;
use crate::plain::mistake::Mistake;

/// Every one that is read. Lower case wins, as curl reads them.
pub(super) const PROXY_VARIABLES: &[&str] = &[
    "http_proxy",
    "HTTP_PROXY",
    "https_proxy",
    "HTTPS_PROXY",
    "all_proxy",
    "ALL_PROXY",
    "no_proxy",
    "NO_PROXY",
];

/// What the variables say. An address may hold a password and is not shown.
pub(super) fn proxies(vars: &BTreeMap<String, String>, mistakes: &mut Vec<Mistake>) -> Proxies {
    let mut address = |names: [&str; 4]| {
        let (name, value) = names.iter().find_map(|n| vars.get_key_value(*n))?;
        let text = if value.contains("://") { value.clone() } else { format!("http://{value}") };
        match Url::parse(&text) {
            Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Some(url),
            _ => {
                mistakes.push(Mistake::new(name, "the address of an HTTP proxy, such as http://proxy:3128"));
                None
            }
        }
    };
    Proxies {
        http: address(["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"]),
        https: address(["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]),
        exempt: ["no_proxy", "NO_PROXY"].iter().find_map(|n| vars.get(*n)).cloned(),
    }
}
