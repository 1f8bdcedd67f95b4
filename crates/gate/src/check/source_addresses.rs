//! Where a request comes from, for senders whose addresses are known.
//!
//! An address is no credential: it says through which network a request came, and it says it only as truly as the adapter
//! knows the client (behind a proxy: only if that proxy is trusted). It is a second lock beside a weak first one.

use ipnet::IpNet;

use crate::head::Head;
use crate::networks::Networks;

#[derive(Clone, Debug)]
pub(crate) struct SourceAddresses {
    networks: Networks,
}

impl SourceAddresses {
    pub(crate) fn new(networks: Vec<IpNet>) -> Self {
        Self { networks: Networks::of(networks) }
    }

    /// Without an address nothing is admitted: a check that cannot be made has not passed.
    pub(crate) fn judge(&self, head: &Head<'_>) -> Result<(), &'static str> {
        let client = head.client.ok_or("the client's address is not known")?;
        self.networks
            .contains(client)
            .then_some(())
            .ok_or("the client's address is in none of the networks listed")
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use proptest::prelude::*;

    use super::*;
    use crate::networks::network;

    fn judge(networks: &[&str], client: Option<IpAddr>) -> Result<(), &'static str> {
        let networks = networks.iter().map(|text| network(text).unwrap()).collect();
        let head = Head { method: "POST", path: "/", path_rest: None, headers: &[], client };
        SourceAddresses::new(networks).judge(&head)
    }

    #[test]
    fn attacks() {
        let stranger = Err("the client's address is in none of the networks listed");
        let networks = ["192.0.2.0/24", "2001:db8::/32", "10.1.2.3", "fd00::7"];
        for (client, expected) in [
            ("192.0.2.0", Ok(())),
            ("192.0.2.255", Ok(())),
            ("192.0.1.255", stranger),
            ("192.0.3.0", stranger),
            ("10.1.2.3", Ok(())),
            ("10.1.2.2", stranger),
            ("::ffff:10.1.2.3", Ok(())),
            ("::ffff:10.1.2.4", stranger),
            // Other ways to write an IPv4 address into an IPv6 one are other addresses.
            ("::10.1.2.3", stranger),
            ("64:ff9b::10.1.2.3", stranger),
            ("2002:0a01:0203::", stranger),
            ("2001:db8::1", Ok(())),
            ("2001:db9::1", stranger),
            ("fd00::7", Ok(())),
            ("fd00::8", stranger),
            ("127.0.0.1", stranger),
            ("::1", stranger),
        ] {
            assert_eq!(judge(&networks, Some(client.parse().unwrap())), expected, "{client}");
        }
        assert_eq!(judge(&networks, None), Err("the client's address is not known"));
        // Everybody of one family is not everybody.
        assert_eq!(judge(&["0.0.0.0/0"], Some("::1".parse().unwrap())), stranger);
        assert_eq!(judge(&["::/0"], Some("127.0.0.1".parse().unwrap())), stranger);
    }

    #[test]
    fn what_the_list_may_hold() {
        let shape = Err("an address or a network, such as 192.0.2.7, 192.0.2.0/24 or 2001:db8::/32");
        let bits = Err("a network without bits beyond its prefix, such as 192.0.2.0/24");
        let mapped = Err("an IPv4 address in its own form, without ::ffff: before it");
        for (text, expected) in [
            ("10.1.2.3", Ok("10.1.2.3/32")),
            ("10.1.2.3/32", Ok("10.1.2.3/32")),
            ("10.0.0.0/8", Ok("10.0.0.0/8")),
            ("2001:DB8::/32", Ok("2001:db8::/32")),
            ("::1", Ok("::1/128")),
            ("10.1.2.3/8", bits),
            ("2001:db8::1/32", bits),
            ("::ffff:10.1.2.3", mapped),
            ("::ffff:10.0.0.0/104", mapped),
            ("10.0.0.0/33", shape),
            ("10.0.0.0/-1", shape),
            ("10.0.0/8", shape),
            ("10.0.0.0/", shape),
            ("010.0.0.1", shape),
            ("10.0.0.1:80", shape),
            ("fe80::1%eth0", shape),
            (" 10.0.0.1", shape),
            ("localhost", shape),
            ("*", shape),
            ("", shape),
        ] {
            assert_eq!(network(text).map(|found| found.to_string()), expected.map(str::to_owned));
        }
    }

    proptest! {
        #[test]
        fn a_network_is_its_prefix(client in any::<u32>(), network in any::<u32>(), prefix in 0u32..=32) {
            let mask = u32::MAX.checked_shl(32 - prefix).unwrap_or(0);
            let text = format!("{}/{prefix}", std::net::Ipv4Addr::from(network & mask));
            let inside = client & mask == network & mask;
            let client = std::net::Ipv4Addr::from(client);
            prop_assert_eq!(judge(&[&text], Some(client.into())).is_ok(), inside);
            prop_assert_eq!(judge(&[&text], Some(client.to_ipv6_mapped().into())).is_ok(), inside);
        }
    }
}
