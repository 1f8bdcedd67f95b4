//! The only requests the relay makes on a stranger's word: visiting the URL that confirms a subscription, and fetching
//! the key a signature names.
//!
//! The plan has checked that a confirmation leads to the provider's own host, and the source's configuration has named the
//! topic; the gate has compared a key's URL with the operator's list or with SNS's own hosts. What is left to a liar who
//! controls names or answers is stopped here: no private address is connected to, whatever a name resolves to, no redirect
//! is followed, no proxy is used, a confirmation's answer is not read and a key's no further than a key is long. Only a URL
//! that the operator has written down may lead to a private address, or use plain HTTP.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use mdss_relay_gate::KeyUrl;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect;

/// One GET to the provider's own service.
const VISIT_LIMIT: Duration = Duration::from_secs(10);

/// A sender waits for its answer while its key is fetched.
const KEY_LIMIT: Duration = Duration::from_secs(5);

/// Visits confirmation URLs and fetches keys.
pub(crate) struct Fetcher {
    /// For what a stranger has named.
    careful: reqwest::Client,
    /// For what the operator has written down.
    listed: reqwest::Client,
}

impl Fetcher {
    /// One that trusts the public roots.
    pub(crate) fn new() -> Result<Self, String> {
        Self::with(mdss_relay_core::public_tls(&[])?, Public)
    }

    /// One that trusts these, and resolves names so, where no operator has written down the URL.
    pub(crate) fn with(tls: rustls::ClientConfig, names: impl Resolve + 'static) -> Result<Self, String> {
        let client = || {
            reqwest::Client::builder()
                .tls_backend_preconfigured(tls.clone())
                .redirect(redirect::Policy::none())
                .no_proxy()
                .pool_max_idle_per_host(0)
        };
        let careful = client().https_only(true).dns_resolver(Arc::new(names)).build();
        let failed = |e: reqwest::Error| e.without_url().to_string();
        Ok(Self { careful: careful.map_err(failed)?, listed: client().build().map_err(failed)? })
    }

    /// What a key's URL answers with 200, up to one byte more than a key may be long.
    ///
    /// # Errors
    /// What kept it from being had, without the URL: it may hold a secret.
    pub(crate) async fn key(&self, url: &KeyUrl) -> Result<Vec<u8>, String> {
        let client = if url.is_listed() { &self.listed } else { &self.careful };
        let request = client.get(url.as_str()).timeout(KEY_LIMIT);
        let mut answer = request.send().await.map_err(|e| reason(&e.without_url()))?;
        if answer.status() != reqwest::StatusCode::OK {
            return Err(format!("its URL answered {}", answer.status().as_u16()));
        }
        let mut key = Vec::new();
        while let Some(bytes) = answer.chunk().await.map_err(|e| reason(&e.without_url()))? {
            key.extend_from_slice(&bytes);
            if key.len() > KeyUrl::MAX_BYTES {
                key.truncate(KeyUrl::MAX_BYTES + 1);
                break;
            }
        }
        Ok(key)
    }

    /// Visits one URL.
    ///
    /// # Errors
    /// What kept it from being confirmed, without the URL: it holds a token.
    pub(crate) async fn visit(&self, url: &str) -> Result<(), String> {
        let request = self.careful.get(url).timeout(VISIT_LIMIT);
        let answer = request.send().await.map_err(|e| reason(&e.without_url()))?;
        let status = answer.status();
        if status.is_success() {
            Ok(())
        } else {
            Err(format!("the confirmation URL answered {}", status.as_u16()))
        }
    }
}

/// An error with its causes, on one line.
fn reason(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        words.push_str(&format!(": {cause}"));
        next = cause.source();
    }
    words
}

/// Resolves names to public addresses, and to none if there is another one among them.
struct Public;

impl Resolve for Public {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            match found.iter().find(|address| !is_public(address.ip())) {
                Some(_) => {
                    Err(io::Error::other("the host name resolves to an address that is not public").into())
                }
                None => Ok(Box::new(found.into_iter()) as Addrs),
            }
        })
    }
}

/// Whether an address belongs to the public internet (IANA's special-purpose registries).
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !(address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_broadcast()
        || address.is_documentation()
        || address.is_multicast()
        || a == 0
        || a >= 240
        || (a == 100 && (64..128).contains(&b)) // shared address space
        || (a, b, c) == (192, 0, 0)
        || (a == 198 && (b & 0xfe) == 18)) // benchmarks
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    if let Some(v4) = address.to_ipv4_mapped() {
        return is_public_v4(v4);
    }
    let [a, b, c, d, e, f, g, h] = address.segments();
    if (a, b) == (0x64, 0xff9b) && [c, d, e, f] == [0; 4] {
        // NAT64: the last four bytes are where it leads.
        let [g1, g2] = g.to_be_bytes();
        let [h1, h2] = h.to_be_bytes();
        return is_public_v4(Ipv4Addr::new(g1, g2, h1, h2));
    }
    // Global unicast, without documentation and tunnels.
    (a & 0xe000) == 0x2000 && (a, b) != (0x2001, 0xdb8) && (a, b) != (0x2001, 0) && a != 0x2002
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Everywhere, TlsServer, tls_server};

    #[test]
    fn addresses() {
        for (address, public) in [
            ("8.8.8.8", true),
            ("134.70.16.1", true),
            ("10.0.0.1", false),
            ("172.16.0.1", false),
            ("172.32.0.1", true),
            ("192.168.1.1", false),
            ("127.0.0.1", false),
            ("169.254.169.254", false),
            ("100.64.0.1", false),
            ("0.0.0.0", false),
            ("192.0.0.192", false),
            ("198.18.0.1", false),
            ("224.0.0.1", false),
            ("255.255.255.255", false),
            ("::1", false),
            ("::", false),
            ("fe80::1", false),
            ("fd00::1", false),
            ("fd00:c1::a9fe:a9fe", false),
            ("::ffff:127.0.0.1", false),
            ("::ffff:8.8.8.8", true),
            ("64:ff9b::7f00:1", false),
            ("64:ff9b::808:808", true),
            ("2001:db8::1", false),
            ("2002:7f00:1::", false),
            ("2606:4700::1111", true),
        ] {
            assert_eq!(is_public(address.parse().unwrap()), public, "{address}");
        }
    }

    const NAME: &str = "x.oci.oraclecloud.com";

    #[tokio::test]
    async fn a_url_is_visited_once_and_no_redirect_is_followed() {
        let ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
        let elsewhere = "HTTP/1.1 302 Found\r\nLocation: https://x.oci.oraclecloud.com/elsewhere\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        for (answer, confirmed) in [(ok, true), (elsewhere, false)] {
            let TlsServer { address, certificate, seen } = tls_server(&[NAME], answer.to_owned()).await;
            let tls = mdss_relay_core::public_tls(&[certificate]).unwrap();
            let fetcher = Fetcher::with(tls, Everywhere(address)).unwrap();
            let url = format!("https://x.oci.oraclecloud.com:{}/confirm?token=t0ken", address.port());
            let visited = fetcher.visit(&url).await;
            assert_eq!(visited.is_ok(), confirmed, "{visited:?}");
            assert_eq!(*seen.lock().unwrap(), ["GET /confirm?token=t0ken HTTP/1.1"]);
            assert!(!format!("{visited:?}").contains("t0ken"));
        }
    }

    #[tokio::test]
    async fn a_name_that_leads_inside_is_not_visited() {
        let TlsServer { address, certificate, seen } = tls_server(&[NAME], String::new()).await;
        let tls = mdss_relay_core::public_tls(&[certificate]).unwrap();
        let fetcher = Fetcher::with(tls, Public).unwrap();
        let refused =
            fetcher.visit(&format!("https://localhost:{}/?token=t0ken", address.port())).await.unwrap_err();
        assert!(!refused.contains("t0ken") && seen.lock().unwrap().is_empty(), "{refused}");
        // And nothing in the clear.
        assert!(fetcher.visit("http://x.oci.oraclecloud.com/").await.is_err());
    }
}
