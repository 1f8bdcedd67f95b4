//! Whose signatures are believed, where an operator says it: pinned certificates, or URLs of certificates, to the byte.

use jiff::Timestamp;

use super::objection::Objection;
use crate::key::{Key, Pinned};
use crate::key_url::{KeyUrl, shown};
use crate::keys::{Found, Keys};

/// Whose signatures are believed.
#[derive(Clone, Debug)]
pub(crate) enum Trust {
    /// The operator has the certificates.
    Pinned(Pinned),
    /// The operator knows their URLs, to the byte.
    Listed(Vec<KeyUrl>),
}

impl Trust {
    /// What an operator should know about it; `place` is the check's setting.
    pub(super) fn warnings(&self, place: &str, now: Timestamp) -> Vec<String> {
        match self {
            Self::Pinned(pinned) => pinned.warnings(now),
            Self::Listed(urls) => urls
                .iter()
                .filter(|url| url.as_str().starts_with("http://"))
                .map(|url| {
                    format!(
                        "{place}: {url} is fetched over plain HTTP, where anybody on the way can exchange it"
                    )
                })
                .collect(),
        }
    }

    /// The URL on the list that a request names; `None` where certificates are pinned, and a URL means nothing.
    ///
    /// # Errors
    ///
    /// The URL as it may be shown, if it is not on the list.
    pub(super) fn url(&self, named: &[u8]) -> Result<Option<&KeyUrl>, String> {
        match self {
            Self::Pinned(_) => Ok(None),
            Self::Listed(urls) => {
                let listed = urls.iter().find(|listed| listed.as_str().as_bytes() == named);
                listed.map(Some).ok_or_else(|| shown(named))
            }
        }
    }

    /// Whether a key that is believed fits: one of those that are pinned, or the one at the listed `url`.
    pub(super) fn proves(
        &self,
        url: Option<&KeyUrl>,
        now: Timestamp,
        keys: &Keys,
        fits: impl Fn(&Key) -> bool,
    ) -> Result<(), Objection> {
        match (self, url) {
            (Self::Listed(_), Some(url)) => fetched(url, now, keys, fits),
            (Self::Pinned(pinned), _) if pinned.keys.iter().any(fits) => Ok(()),
            _ => Err(WRONG),
        }
    }
}

const WRONG: Objection = Objection::Refused("the signature is wrong");

/// Whether the key at a URL fits. It is asked for if it is not here, and once more if it does not fit and may have been exchanged.
pub(super) fn fetched(
    url: &KeyUrl,
    now: Timestamp,
    keys: &Keys,
    fits: impl Fn(&Key) -> bool,
) -> Result<(), Objection> {
    match keys.find(url, now) {
        Found::Here { key, .. } if fits(key) => Ok(()),
        Found::Here { renewable: true, .. } | Found::Fetch => Err(Objection::NeedKey(url.clone())),
        Found::Here { .. } => Err(WRONG),
        Found::NotNow(why) => Err(Objection::Unavailable(why)),
    }
}
