//! Lists of addresses and networks, as settings name them.

use std::net::IpAddr;

use ipnet::IpNet;

/// Addresses and networks.
///
/// ```
/// use mdss_relay_gate::Networks;
///
/// let mut networks = Networks::default();
/// networks.add("10.0.0.0/8").unwrap();
/// // A server that listens on [::] sees an IPv4 client like this.
/// assert!(networks.contains("::ffff:10.1.2.3".parse().unwrap()));
/// assert!(networks.add("10.1.2.3/8").is_err());
/// ```
#[derive(Clone, Debug, Default)]
pub struct Networks(Vec<IpNet>);

impl Networks {
    /// Adds an address, or a network in CIDR form.
    ///
    /// # Errors
    ///
    /// What was expected.
    pub fn add(&mut self, text: &str) -> Result<(), &'static str> {
        self.0.push(network(text)?);
        Ok(())
    }

    /// The same for networks whose word about others is believed: not one that is so wide that strangers are in it. The widest
    /// private networks are 10.0.0.0/8 (<https://www.rfc-editor.org/rfc/rfc1918>, section 3) and fc00::/7
    /// (<https://www.rfc-editor.org/rfc/rfc4193>, section 3.1); of public addresses of IPv6 nobody's own network has fewer bits than 16.
    ///
    /// # Errors
    ///
    /// What was expected.
    pub fn add_believed(&mut self, text: &str) -> Result<(), &'static str> {
        let network = network(text)?;
        let fewest = match network {
            IpNet::V4(_) => 8,
            IpNet::V6(network) if network.addr().is_unique_local() => 7,
            IpNet::V6(_) => 16,
        };
        if network.prefix_len() < fewest {
            return Err(
                "networks of your own proxies, with 8 bits or more (IPv6: 16, or fc00::/7): every machine in such a network can name any \
                        address as the client's",
            );
        }
        self.0.push(network);
        Ok(())
    }

    pub(crate) fn of(networks: Vec<IpNet>) -> Self {
        Self(networks)
    }

    /// Whether an address is in one of them. A server that listens on `[::]` sees an IPv4 client as `::ffff:192.0.2.1`
    /// (RFC 4291, section 2.5.5.2); that is the same client.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address.to_canonical()))
    }
}

/// One entry of the list: an address, or a network in CIDR form.
///
/// # Errors
///
/// What was expected. Bits beyond the prefix are a mistake: `10.1.2.3/8` may be meant as one host or as a network
/// of millions, and the guess must not be ours.
pub(crate) fn network(text: &str) -> Result<IpNet, &'static str> {
    let network = match text.parse::<IpAddr>() {
        Ok(address) => IpNet::from(address),
        Err(_) => text
            .parse::<IpNet>()
            .map_err(|_| "an address or a network, such as 192.0.2.7, 192.0.2.0/24 or 2001:db8::/32")?,
    };
    if network.addr() != network.network() {
        return Err("a network without bits beyond its prefix, such as 192.0.2.0/24");
    }
    // A client of such an address is taken for its IPv4 one below, so this would match nobody.
    if network.addr().to_canonical() != network.addr() {
        return Err("an IPv4 address in its own form, without ::ffff: before it");
    }
    Ok(network)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_with_strangers_in_it_is_not_believed() {
        for (text, believed) in [
            ("127.0.0.1", true),
            ("10.0.0.0/8", true),
            ("0.0.0.0/0", false),
            ("0.0.0.0/1", false),
            ("128.0.0.0/1", false),
            ("10.0.0.0/7", false),
            ("::1", true),
            ("::/0", false),
            ("2000::/3", false),
            ("2001::/16", true),
            ("fc00::/7", true),
            ("fd00::/8", true),
            ("fd12::/16", true),
            ("fc00::/6", false),
        ] {
            assert_eq!(Networks::default().add_believed(text).is_ok(), believed, "{text}");
        }
    }
}
