//! What is checked of a URL that a sender wants visited, whoever the sender says he is.

use url::Url;

/// The URL, if it is https, names a host and nothing beside it, and the host is one of the provider's. It is the URL as it was
/// understood here, so that nobody understands its text in another way (see [`Confirmation::url`]).
///
/// # Errors
/// What was found instead, without the URL: it holds a token.
///
/// [`Confirmation::url`]: super::item::Confirmation::url
pub(super) fn own_host(url: &str, is_own: impl FnOnce(&str) -> bool) -> Result<Url, &'static str> {
    let url = Url::parse(url).map_err(|_| if url.is_empty() { "none" } else { "no URL" })?;
    if url.scheme() != "https" {
        return Err("another scheme");
    }
    if !url.username().is_empty() || url.password().is_some() || url.port().is_some() {
        return Err("a user name, a password or a port in it");
    }
    match url.domain() {
        Some(host) if is_own(host) => Ok(url),
        _ => Err("another host"),
    }
}
