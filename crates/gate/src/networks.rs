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
