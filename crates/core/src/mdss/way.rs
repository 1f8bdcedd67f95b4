//! The way to MDSS: directly, or through a proxy. Pure; the connection is made by [`connect`](super::connect).
//!
//! `no_proxy` is nobody's standard, and every library reads its own. What is read here is what curl
//! (<https://curl.se/libcurl/c/CURLOPT_NOPROXY.html>, and `lib/noproxy.c` in curl/curl) and Go (<https://pkg.go.dev/golang.org/x/net/http/httpproxy#Config>) read,
//! both together, because operators write it for both. Where they differ, the line says who is followed.

use std::fmt;
use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ipnet::IpNet;
use percent_encoding::percent_decode_str;
use url::Url;

use crate::plain::secret::Secret;

/// Proxy addresses, as the usual variables give them.
#[derive(Clone, Default)]
pub struct Proxies {
    pub(crate) http: Option<Url>,
    pub(crate) https: Option<Url>,
    pub(crate) exempt: Option<String>,
}

impl fmt::Debug for Proxies {
    /// A proxy's address may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = |url: &Option<Url>| url.as_ref().and_then(|u| u.host_str().map(str::to_owned));
        f.debug_struct("Proxies").field("http", &host(&self.http)).field("https", &host(&self.https)).finish()
    }
}

/// How MDSS is reached.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Way {
    Direct,
    /// Through this proxy, whose address may hold user and password.
    Through(Url),
}

impl Way {
    /// The proxy, without anything secret; `None` if there is none.
    pub(crate) fn proxy(&self) -> Option<String> {
        match self {
            Self::Direct => None,
            Self::Through(url) => Some(format!("the proxy {}", place(url))),
        }
    }

    /// User and password of the proxy's address, as it is sent them (RFC 9110, 11.7.2; RFC 7617).
    pub(crate) fn authorization(&self) -> Option<Secret> {
        let Self::Through(url) = self else { return None };
        if url.username().is_empty() && url.password().is_none() {
            return None;
        }
        let decoded = |text| percent_decode_str(text).collect::<Vec<u8>>();
        let pair = [decoded(url.username()), decoded(url.password().unwrap_or_default())].join(&b':');
        Some(Secret::new(&format!("Basic {}", STANDARD.encode(pair))))
    }
}

impl fmt::Debug for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.proxy().as_deref().unwrap_or("directly"))
    }
}

/// Scheme, host and port of a URL; never its user, path or query, which may be secrets.
pub(crate) fn place(url: &Url) -> String {
    format!("{}://{}", url.scheme(), authority(url))
}

/// Host and port of a URL.
pub(crate) fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or("the endpoint");
    url.port_or_known_default().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

impl Proxies {
    /// The way to a URL.
    pub(crate) fn way(&self, to: &Url) -> Way {
        let proxy = if to.scheme() == "https" { &self.https } else { &self.http };
        match proxy {
            Some(proxy) if !self.exempts(to) => Way::Through(proxy.clone()),
            _ => Way::Direct,
        }
    }

    /// The address of the proxy that leads to a URL, which may hold user and password; `None` if the way is direct.
    pub fn through(&self, to: &Url) -> Option<Url> {
        match self.way(to) {
            Way::Direct => None,
            Way::Through(proxy) => Some(proxy),
        }
    }

    fn exempts(&self, to: &Url) -> bool {
        let (Some(list), Some(host)) = (&self.exempt, to.host_str()) else { return false };
        let host = host.trim_end_matches('.');
        list.split([',', ' ', '\t', '\n'])
            .filter(|entry| !entry.is_empty())
            .any(|entry| fits(entry, host, to.port_or_known_default()))
    }
}

/// Whether an entry of `no_proxy` means a host, which stands here as URLs write it: lower case, an address in its usual form.
fn fits(entry: &str, host: &str, port: Option<u16>) -> bool {
    // curl takes it alone, Go also among others.
    if entry == "*" {
        return true;
    }
    let address = unbracketed(host).parse::<IpAddr>().ok();
    if let Some(address) = address
        && let Some(network) = network(entry)
    {
        return network.contains(&address.to_canonical());
    }
    let (name, only) = match entry.rsplit_once(':') {
        // A port is Go's. An address of version 6 without brackets has none.
        Some((name, port)) if name.ends_with(']') || !name.contains(':') => match port.parse::<u16>() {
            Ok(port) => (name, Some(port)),
            Err(_) => return false,
        },
        _ => (entry, None),
    };
    if only.is_some_and(|only| Some(only) != port) {
        return false;
    }
    if let Some(address) = address {
        return unbracketed(name)
            .parse::<IpAddr>()
            .is_ok_and(|own| own.to_canonical() == address.to_canonical());
    }
    // A dot in front is ignored, as curl does (Go would leave the domain itself out); with a star it is the names below.
    let below = name.strip_prefix("*.");
    let Some(name) = written(below.unwrap_or(name).trim_start_matches('.')) else { return false };
    let within = host.strip_suffix(name.as_str()).is_some_and(|rest| rest.ends_with('.'));
    within || (below.is_none() && host == name)
}

/// `10.0.0.0/8`, `fd00::/8`, `[fd00::]/8`; an address alone is none.
fn network(entry: &str) -> Option<IpNet> {
    let (address, length) = entry.split_once('/')?;
    IpNet::new(unbracketed(address).parse().ok()?, length.parse().ok()?).ok()
}

fn unbracketed(host: &str) -> &str {
    host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host)
}

/// A host's name as URLs write it.
fn written(name: &str) -> Option<String> {
    let name = name.trim_end_matches('.');
    let url = (!name.is_empty()).then(|| Url::parse(&format!("http://{name}/")).ok())??;
    url.host_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    fn way(to: &str, exempt: &str) -> Way {
        let proxies = Proxies {
            http: Some(url("http://plain:3128")),
            https: Some(url("http://user:s3cret@proxy:3128/?s3cret")),
            exempt: Some(exempt.to_owned()),
        };
        proxies.way(&url(to))
    }

    #[test]
    fn who_is_exempt() {
        let named = "https://mdss.example.com/api/webhook/realtime";
        for (exempt, to, direct) in [
            ("", named, false),
            (",, ,", named, false),
            ("*", named, true),
            ("*", "https://192.0.2.7/", true),
            ("*", "https://[2001:db8::7]/", true),
            ("other.example, *", "https://192.0.2.7/", true),
            // Names, the domain they are in, and none that only ends alike.
            ("mdss.example.com", named, true),
            ("example.com", named, true),
            ("com", named, true),
            (".example.com", named, true),
            ("*.example.com", named, true),
            ("ss.example.com", named, false),
            ("*ss.example.com", named, false),
            ("mdss.example.com.evil", named, false),
            ("mdss", named, false),
            ("mdss.example.com", "https://xmdss.example.com/", false),
            (".mdss.example.com", named, true),
            ("*.mdss.example.com", named, false),
            // Case, dots at the end, other alphabets.
            ("MDSS.Example.COM", named, true),
            ("mdss.example.com", "https://MDSS.EXAMPLE.com/", true),
            ("example.com.", named, true),
            ("example.com", "https://mdss.example.com./", true),
            (".example.com.", "https://mdss.example.com./", true),
            ("müller.example", "https://mdss.xn--mller-kva.example/", true),
            // Ports.
            ("mdss.example.com:443", named, true),
            ("mdss.example.com:8443", named, false),
            ("example.com:8443", "https://mdss.example.com:8443/", true),
            ("*.example.com:8443", "https://mdss.example.com:8443/", true),
            ("*.example.com:8443", named, false),
            ("mdss.example.com:80", "http://mdss.example.com/", true),
            ("mdss.example.com:port", named, false),
            // Separators.
            ("a,mdss.example.com,b", named, true),
            ("a mdss.example.com b", named, true),
            (" a ,\tmdss.example.com ", named, true),
            // Addresses.
            ("192.0.2.7", "https://192.0.2.7/", true),
            ("192.0.2.7", "https://192.0.2.77/", false),
            ("192.0.2.7:8443", "https://192.0.2.7:8443/", true),
            ("192.0.2.7:8443", "https://192.0.2.7/", false),
            ("192.0.2.0/24", "https://192.0.2.7/", true),
            ("192.0.3.0/24", "https://192.0.2.7/", false),
            ("0.0.0.0/0", "https://192.0.2.7/", true),
            ("192.0.2.0/33", "https://192.0.2.7/", false),
            ("2.7", "https://192.0.2.7/", false),
            (".0.2.7", "https://192.0.2.7/", false),
            ("192.0.2.0/24", named, false),
            ("2001:db8::7", "https://[2001:db8::7]/", true),
            ("[2001:db8::7]", "https://[2001:db8::7]/", true),
            ("2001:DB8:0::7", "https://[2001:db8::7]:8443/", true),
            ("[2001:db8::7]:8443", "https://[2001:db8::7]:8443/", true),
            ("[2001:db8::7]:8443", "https://[2001:db8::7]/", false),
            ("2001:db8::/32", "https://[2001:db8::7]/", true),
            ("[2001:db8::]/32", "https://[2001:db8::7]/", true),
            ("2001:db9::/32", "https://[2001:db8::7]/", false),
            ("127.0.0.1", "https://[::ffff:127.0.0.1]/", true),
            ("localhost", "http://127.0.0.1/", false),
            ("127.0.0.1", "http://localhost/", false),
        ] {
            assert_eq!(way(to, exempt) == Way::Direct, direct, "{exempt:?} {to}");
        }
    }

    #[test]
    fn each_scheme_has_its_proxy_and_no_sentence_a_secret() {
        assert_eq!(way("http://mdss/", "").proxy().unwrap(), "the proxy http://plain:3128");
        assert_eq!(way("https://mdss/", "").proxy().unwrap(), "the proxy http://proxy:3128");
        assert!(!format!("{:?}", way("https://mdss/", "")).contains("s3cret"));
        let none = Proxies::default();
        assert_eq!(none.way(&url("https://mdss/")), Way::Direct);
        assert_eq!(place(&url("https://u:p@[::1]/path?query")), "https://[::1]:443");
    }
}
