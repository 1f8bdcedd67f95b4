//! What must hold between the settings of `[mdss]`: an endpoint, and one key.

use crate::mdss::client::{API_KEY, ApiKey, ENDPOINT, MOST_KEY_FILE};
use crate::plain::file::plain_text;
use crate::plain::mistake::Mistake;
use crate::plain::secret::Secret;
use crate::settings::groups::{MdssSettings, Role};
use crate::settings::proxies::proxies;
use crate::settings::reader::Reader;

/// The end of the warning about an endpoint without TLS.
pub const KEY_IN_CLEAR: &str =
    "http, so the API key, which opens almost the whole of MDSS, travels in the clear; use https";

/// The warning about certificates that are not checked.
pub const NOT_VERIFIED: &str = "RELAY_TLS_VERIFY is off: anybody between here and MDSS can read the API key and swallow events; give the \
                                server's authority in RELAY_CA_FILE instead";

impl Reader {
    /// The group, when every row has been read.
    pub(super) fn mdss(&mut self) -> MdssSettings {
        let mut mdss = std::mem::take(&mut self.given.mdss);
        let place = self.place("APIENDPOINT");
        if place.is_none() && self.role != Role::Explain {
            self.missing("APIENDPOINT", format!("{ENDPOINT}; it is not set"));
        }
        if let Some(name) = place.filter(|_| mdss.url.as_ref().is_some_and(|url| url.scheme() == "http")) {
            self.warnings.push(format!("{name}: {KEY_IN_CLEAR}"));
        }
        mdss.api_key = self.api_key(&mdss);
        if !mdss.verify_certificates {
            self.warnings.push(NOT_VERIFIED.into());
        }
        mdss.proxies = proxies(&self.vars, &mut self.mistakes);
        mdss
    }

    /// The key as it is given, or as it stands in its file.
    fn api_key(&mut self, mdss: &MdssSettings) -> Option<Secret> {
        let mistake = match (self.place("APIKEY"), self.place("APIKEY_FILE")) {
            (Some(_), None) => return mdss.api_key.clone(),
            (Some(_), Some(name)) => Mistake::new(name, "no value, because APIKEY is set: one of the two"),
            (None, Some(name)) => {
                // Without a path there is a mistake already.
                let path = mdss.api_key_file.as_deref()?;
                match plain_text(path, MOST_KEY_FILE).map(|text| Secret::new(&text)) {
                    Ok(key) => match ApiKey::new(key.clone()) {
                        Ok(_) => return Some(key),
                        Err(expected) => Mistake::new(name, expected),
                    },
                    Err(e) => {
                        let expected = format!("a readable file with an API key ({e})");
                        Mistake::path(name, &path.to_string_lossy(), expected)
                    }
                }
            }
            (None, None) if self.role == Role::Explain => return None,
            (None, None) => {
                self.missing("APIKEY", format!("{API_KEY}; neither it nor APIKEY_FILE is set"));
                return None;
            }
        };
        self.mistakes.push(mistake);
        None
    }
}
