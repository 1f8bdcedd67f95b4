//! Asks MDSS itself what it knows of an object, where an operator has said at which path its file API is.

use std::time::Duration;

use mdss_relay_core::{Client, Credential, FileApiSettings, Mistake, Settings};
use mdss_relay_ledger::Question;
use tokio::time::sleep;

use crate::file_api::{FileApi, Said};

/// From one question to the next: MDSS lets an address ask 200 times a second for everything together (`OPSWAT/metadefender-k8s`, `config-template.yml`), and a poll is to be
/// no more than a fortieth of that.
const PAUSE: Duration = Duration::from_millis(250);

/// Pages that are read of one answer.
const MOST_PAGES: usize = 10;

/// Who is asked.
pub struct Referee {
    api: FileApi,
    client: Client,
}

/// Why MDSS's file API cannot be relied on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unheard {
    /// There was no answer.
    Unreachable(String),
    /// It was refused, with this status.
    Refused(u16),
    /// The answer is not understood.
    Unclear(String),
}

impl Referee {
    /// As the settings say; `None` if MDSS is not to be asked.
    ///
    /// # Errors
    /// The mistake in them.
    pub fn of(settings: &Settings, api: &FileApiSettings) -> Result<Option<Self>, Mistake> {
        let Some(api) = FileApi::of(api)? else { return Ok(None) };
        Ok(Some(Self { api, client: settings.client()? }))
    }

    /// How many files of a unit MDSS lists first, all of which are understood. One question, which submits nothing.
    ///
    /// # Errors
    /// [`Unheard`].
    pub async fn files(&self, unit: &str) -> Result<usize, Unheard> {
        let page = self.client.look(&self.api.ask_for_any(unit), Credential::Key).await;
        let page = page.map_err(|failure| Unheard::Unreachable(failure.detail))?;
        if page.status != 200 {
            return Err(Unheard::Refused(page.status));
        }
        self.api.count(&page.body).map_err(Unheard::Unclear)
    }

    /// What MDSS says of one object, page by page. Takes a quarter of a second at least.
    ///
    /// # Errors
    /// Why the answer says nothing: the next question would fare no better.
    pub async fn ask(&self, question: &Question) -> Result<Said, String> {
        let mut start = 0;
        let (mut under_way, mut unclear) = (false, false);
        for _ in 0..MOST_PAGES {
            let page = self.client.look(&self.api.ask(question, start), Credential::Key).await;
            let page = page.map_err(|failure| failure.detail)?;
            if page.status != 200 {
                return Err(format!("it answers {}", page.status));
            }
            let said = self.api.read(question, &page.body)?;
            sleep(PAUSE).await;
            match said {
                Said::NotThere { more: true } => {}
                Said::UnderWay => under_way = true,
                Said::Unclear { more: true } => unclear = true,
                Said::NotThere { more: false } | Said::Unclear { more: false } if under_way => {
                    return Ok(Said::UnderWay);
                }
                Said::NotThere { more: false } if unclear => return Ok(Said::Unclear { more: false }),
                said => return Ok(said),
            }
            start = FileApi::after(start);
        }
        // Nobody has read all of it, so nobody knows.
        Ok(Said::UnderWay)
    }
}
