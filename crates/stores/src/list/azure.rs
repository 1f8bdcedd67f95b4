//! Lists a container of Azure Blob Storage.
//! <https://learn.microsoft.com/en-us/rest/api/storageservices/list-blobs>
//!
//! It goes on where the store's `NextMarker` says; a way to go on after a name was not found in the documentation. Names that XML
//! does not have come percent-encoded, with an attribute that says so (since version 2021-02-12).

use bytes::Bytes;
use http::Request;
use jiff::fmt::rfc2822::DateTimeParser;
use percent_encoding::percent_decode_str;
use url::Url;

use crate::client::Client;
use crate::list::query::{encode, query};
use crate::list::xml::{Step, walk};
use crate::page::{Listed, Passed, PassedWhy};
use crate::raw::{Begin, MOST_OBJECTS, PAGE, Raw};
use crate::sign::Service;
use crate::trouble::{Trouble, TroubleKind};

/// What its credentials need: the role Storage Blob Data Reader, or of a shared access signature the permission to list.
const PERMISSION: &str =
    "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read (role Storage Blob Data Reader)";

/// The version of the protocol. Emulators and old installations of Azure Stack do not know the newest ones.
const VERSION: &str = "2021-12-02";

pub(crate) struct AzureLister {
    client: Client,
    container: String,
    prefix: Vec<u8>,
}

impl AzureLister {
    pub(crate) fn new(client: Client, container: &str, prefix: &[u8]) -> Self {
        Self { client, container: container.to_owned(), prefix: prefix.to_vec() }
    }

    pub(crate) async fn page(&self, begin: &Begin) -> Result<Raw, Trouble> {
        let number = PAGE.to_string();
        let mut pairs: Vec<(&str, &[u8])> =
            vec![("restype", b"container"), ("comp", b"list"), ("maxresults", number.as_bytes())];
        if !self.prefix.is_empty() {
            pairs.push(("prefix", &self.prefix));
        }
        match begin {
            Begin::First => {}
            Begin::Token { token, .. } => pairs.push(("marker", token.as_bytes())),
            Begin::After(_) => {
                return Err(self
                    .client
                    .trouble(TroubleKind::Unordered, "goes on after no key")
                    .of(&self.container));
            }
        }
        let address = format!("{}/{}?{}", self.base()?, encode(self.container.as_bytes()), query(&pairs));
        let request = Request::get(address).header("x-ms-version", VERSION).body(Bytes::new());
        let request = request.map_err(|_| self.odd_name())?;
        let answer = self.client.send(Service::Own, request).await.map_err(|t| t.of(&self.container))?;
        let answer = self.client.judged(answer, Some(&self.container), PERMISSION)?;
        parse(&answer.body).map_err(|why| {
            self.client.trouble(TroubleKind::Unreadable, format!("answers with {why}")).of(&self.container)
        })
    }

    /// The address of the account, without a slash at its end.
    fn base(&self) -> Result<String, Trouble> {
        let settings = &self.client.settings;
        let url = match &settings.endpoint {
            Some(endpoint) => endpoint.clone(),
            None => {
                let account = settings.account.as_deref().unwrap_or_default();
                Url::parse(&format!("https://{account}.blob.core.windows.net"))
                    .map_err(|_| self.odd_name())?
            }
        };
        Ok(url.as_str().trim_end_matches('/').to_owned())
    }

    fn odd_name(&self) -> Trouble {
        self.client.trouble(TroubleKind::Refused, "no container can have this name").of(&self.container)
    }
}

/// A page.
pub(crate) fn parse(body: &[u8]) -> Result<Raw, String> {
    let mut raw = Raw::default();
    let mut blob: Option<(Listed, bool)> = None;
    let mut complete = false;
    walk(body, |path, step| {
        let names: Vec<&str> = path.iter().map(String::as_str).collect();
        match (names.as_slice(), step) {
            (["EnumerationResults"], Step::Begin) => {}
            (["EnumerationResults", "Blobs", "Blob"], Step::Begin) => {
                if raw.objects.len() + raw.passed.len() >= MOST_OBJECTS {
                    return Err(format!("more than {MOST_OBJECTS} blobs in a page"));
                }
                blob = Some((Listed::default(), false));
            }
            (["EnumerationResults", "Blobs", "Blob"], Step::End { .. }) => {
                let Some((listed, folder)) = blob.take() else { return Ok(()) };
                match (listed.key.is_empty(), folder) {
                    (true, _) => return Err("a blob without a name".to_owned()),
                    (false, true) => raw.passed.push(Passed { key: listed.key, why: PassedWhy::Folder }),
                    (false, false) => raw.objects.push(listed),
                }
            }
            (["EnumerationResults", "Blobs", "Blob", inner @ ..], Step::End { text, encoded }) => {
                if let Some((listed, folder)) = &mut blob {
                    set(listed, folder, inner, text, encoded);
                }
            }
            (["EnumerationResults", "NextMarker"], Step::End { text, .. }) => {
                complete = true;
                raw.token = Some(text.to_owned()).filter(|marker| !marker.is_empty());
            }
            (["EnumerationResults", ..], _) => {}
            ([root, ..], _) => return Err(format!("<{root}> in place of a listing")),
            ([], _) => {}
        }
        Ok(())
    })?;
    if !complete {
        return Err("a listing that does not say whether it is complete".to_owned());
    }
    raw.more = raw.token.is_some();
    Ok(raw)
}

fn set(listed: &mut Listed, folder: &mut bool, inner: &[&str], text: &str, encoded: bool) {
    match inner {
        ["Name"] if encoded => listed.key = percent_decode_str(text).collect(),
        ["Name"] => listed.key = text.as_bytes().to_vec(),
        ["VersionId"] => listed.version = Some(text.to_owned()),
        ["Properties", "Etag"] => {
            listed.etag = Some(text.trim_matches('"').to_owned()).filter(|e| !e.is_empty())
        }
        ["Properties", "Content-Length"] => listed.size = text.trim().parse().ok(),
        ["Properties", "Last-Modified"] => {
            listed.modified = DateTimeParser::new().relaxed_weekday(true).parse_timestamp(text.trim()).ok();
        }
        // <https://learn.microsoft.com/en-us/azure/storage/blobs/archive-rehydrate-overview>
        ["Properties", "AccessTier"] => listed.archived = text.trim() == "Archive",
        // Of accounts with a hierarchical namespace.
        ["Properties", "ResourceType"] => *folder = text.trim() == "directory",
        _ => {}
    }
}
