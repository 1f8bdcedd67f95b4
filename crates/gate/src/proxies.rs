//! Who posts, if a proxy stands between: an address is only as true as the one who tells it.

use std::net::{IpAddr, SocketAddr};

use mdss_relay_core::{Draft, Mistake};

use crate::head::printable;
use crate::networks::Networks;

const FORWARDED: &str = "x-forwarded-for";

/// The proxies whose word is believed.
#[derive(Clone, Debug, Default)]
pub struct Proxies(Networks);

impl Proxies {
    /// Those of a draft; what is wrong with them is added to its mistakes.
    pub fn trusted(draft: &mut Draft) -> Self {
        let mut networks = Networks::default();
        // A function has no proxies before it.
        let Some(http) = &draft.settings.http else { return Self::default() };
        let listed = &http.trusted_proxies;
        for text in &listed.texts {
            if let Err(expected) = networks.add_believed(text) {
                let (name, found) = (listed.name.clone(), Some(text.clone()));
                draft.mistakes.push(Mistake { name, found, expected: expected.to_owned() });
            }
        }
        Self(networks)
    }

    /// Whether this is one of them.
    pub fn trust(&self, peer: IpAddr) -> bool {
        self.0.contains(peer)
    }

    /// The client's address: the peer's, unless the peer is trusted; then the right-most entry of `X-Forwarded-For` that is
    /// not trusted. What stands left of that one was written by a stranger. `None` if that entry is no address: then
    /// nobody knows.
    pub fn client(&self, peer: IpAddr, headers: &[(&str, &[u8])]) -> Option<IpAddr> {
        if !self.trust(peer) {
            return Some(peer);
        }
        let mut nearest = peer;
        // Each proxy appends, to the last line or as a line of its own, so the order of all lines is the order of the way.
        let lines = headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case(FORWARDED));
        for (_, line) in lines.rev() {
            for entry in printable(line)?.rsplit(',') {
                nearest = address(entry.trim_matches([' ', '\t']))?;
                if !self.0.contains(nearest) {
                    return Some(nearest);
                }
            }
        }
        Some(nearest)
    }
}

/// An entry: an address, with a port as some proxies write it, or an IPv6 address in brackets.
fn address(entry: &str) -> Option<IpAddr> {
    let bracketed = entry.strip_prefix('[').and_then(|e| e.strip_suffix(']'));
    let plain = bracketed.unwrap_or(entry).parse().ok();
    plain.or_else(|| entry.parse::<SocketAddr>().ok().map(|a| a.ip()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rightmost_address_that_is_not_trusted_counts() {
        let mut networks = Networks::default();
        for network in ["10.0.0.0/8", "2001:db8:1::/48"] {
            networks.add(network).unwrap();
        }
        let proxies = Proxies(networks);
        for (peer, lines, want) in [
            ("192.0.2.1", vec![], Some("192.0.2.1")),
            // A stranger's word about itself.
            ("192.0.2.1", vec!["198.51.100.1"], Some("192.0.2.1")),
            ("10.0.0.1", vec![], Some("10.0.0.1")),
            ("::ffff:10.0.0.1", vec!["198.51.100.1"], Some("198.51.100.1")),
            ("10.0.0.1", vec!["198.51.100.1"], Some("198.51.100.1")),
            ("10.0.0.1", vec!["203.0.113.9, 198.51.100.1"], Some("198.51.100.1")),
            ("10.0.0.1", vec!["203.0.113.9,198.51.100.1 ,\t10.0.0.2"], Some("198.51.100.1")),
            ("10.0.0.1", vec!["203.0.113.9", "198.51.100.1, 10.0.0.2"], Some("198.51.100.1")),
            ("10.0.0.1", vec!["203.0.113.9", "10.0.0.3"], Some("203.0.113.9")),
            ("10.0.0.1", vec!["10.0.0.2, 10.0.0.3"], Some("10.0.0.2")),
            ("10.0.0.1", vec!["198.51.100.1:4711"], Some("198.51.100.1")),
            ("10.0.0.1", vec!["[2001:db8::7]:443"], Some("2001:db8::7")),
            ("10.0.0.1", vec!["[2001:db8::7]"], Some("2001:db8::7")),
            ("2001:db8:1::5", vec!["2001:db8::7"], Some("2001:db8::7")),
            // Whoever stands there is nobody that could be listed.
            ("10.0.0.1", vec!["unknown"], None),
            ("10.0.0.1", vec!["198.51.100.1, unknown"], None),
            ("10.0.0.1", vec!["198.51.100.1,"], None),
            ("10.0.0.1", vec![""], None),
            // Not text, so nobody knows what the proxy has read there.
            ("10.0.0.1", vec!["\u{e9}, 198.51.100.1"], None),
        ] {
            let mut headers = vec![("host", &b"10.0.0.1"[..])];
            headers.extend(lines.iter().map(|line| ("X-Forwarded-For", line.as_bytes())));
            let client = proxies.client(peer.parse().unwrap(), &headers);
            assert_eq!(client, want.map(|w| w.parse().unwrap()), "{peer} {lines:?}");
        }
    }
}
