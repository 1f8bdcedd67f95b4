//! Reads `[[store]]`. Every mistake is found at once, and named by its place.

use std::path::{Path, PathBuf};
use std::time::Duration;

use mdss_relay_core::{Element, Entry, Mistake, Pattern, Proxies, RetryPolicy, certificates_in, duration_in};
use url::Url;

use crate::kind::Kind;
use crate::settings::members::of;
use crate::settings::store::{Credentials, Plus, StoreSettings, Style};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
const TIMEOUT: Duration = Duration::from_secs(30);
const LONGEST: Duration = Duration::from_secs(3600);

/// The first attempt at a page, and five more.
const ATTEMPTS: u32 = 6;

/// The part of a path that stands for the name of a bucket.
pub(crate) const BUCKET: &str = "{bucket}";

const ENDPOINT: &str = "a URL such as https://s3.example:9000, without a path, a user or a query";

impl StoreSettings {
    /// The stores of a configuration. `sources` are the names of its sources; `proxies` lead to the stores.
    ///
    /// ```
    /// use mdss_relay_core::{Role, Settings};
    /// use mdss_relay_stores::{Kind, StoreSettings};
    ///
    /// let toml = "[[store]]\nname = 'share'\nkind = 'directory'\nbuckets = 'share'\npath = '/mnt/share'\n";
    /// let settings = Settings::read([("RELAY_CONFIG_TOML".into(), toml.into())], Role::Explain).settings;
    /// let mut mistakes = Vec::new();
    /// let stores = StoreSettings::read(&settings, &mut mistakes);
    /// assert!(mistakes.is_empty());
    /// assert_eq!((stores[0].name.as_str(), stores[0].kind), ("share", Kind::Directory));
    /// ```
    pub fn read(settings: &mdss_relay_core::Settings, mistakes: &mut Vec<Mistake>) -> Vec<Self> {
        let sources = settings.http.as_ref().map_or(&[][..], |http| &http.sources);
        let sources: Vec<&str> = sources.iter().map(|source| source.name.as_str()).collect();
        let mut stores: Vec<Self> = Vec::new();
        for Element { place, table } in &settings.stores {
            let mut entry = Entry { place: place.clone(), table: table.clone(), mistakes: &mut *mistakes };
            let Some(store) = one(&mut entry, &sources, settings.proxies()) else { continue };
            if stores.iter().any(|other| other.name == store.name) {
                entry.mistake("name", &store.name, "a name that no other store has");
            }
            stores.push(store);
        }
        stores
    }
}

/// One of them; `None` if it has no name, or is of no kind, which is a mistake already.
fn one(entry: &mut Entry<'_>, sources: &[&str], proxies: Proxies) -> Option<StoreSettings> {
    let name = entry.required("name", "a name for commands, reports and logs");
    let words: Vec<&str> = Kind::NAMES.iter().map(|(word, _)| *word).collect();
    let kind = entry
        .required("kind", &format!("one of {}", words.join(", ")))
        .and_then(|text| entry.read("kind", &text, |text| word(text, Kind::NAMES)));
    let (name, kind) = (name?, kind?);
    entry.check_names(&of(kind));
    let buckets = entry.list("buckets");
    if buckets.is_empty() && !entry.table.contains_key("buckets") {
        missing(entry, "buckets", "the names of its buckets, or patterns; \"*\" is every bucket");
    }
    let source = entry.text("source");
    if let Some(source) = source.as_deref().filter(|source| !sources.contains(source) && *source != "events")
    {
        entry.mistake("source", source, &format!("the name of a source ({})", sources.join(", ")));
    }
    let endpoint =
        entry.text("endpoint").and_then(|text| address(entry, "endpoint", &text, kind == Kind::Azure));
    let management_endpoint = entry
        .text("management_endpoint")
        .and_then(|text| address(entry, "management_endpoint", &text, false));
    let resource_id = entry.text("resource_id").filter(|id| {
        let parts: Vec<String> = id.trim_end_matches('/').split('/').map(str::to_lowercase).collect();
        let plain = id.bytes().all(|b| b.is_ascii_alphanumeric() || b"/-._()".contains(&b)) && !id.contains("..");
        let fits = plain && matches!(parts.as_slice(), [empty, subscriptions, _, groups, _, providers, _, accounts, _]
            if empty.is_empty() && subscriptions == "subscriptions" && groups == "resourcegroups" && providers == "providers"
                && accounts == "storageaccounts");
        if !fits {
            entry.mistake("resource_id", id, "/subscriptions/ID/resourceGroups/GROUP/providers/Microsoft.Storage/storageAccounts/NAME");
        }
        fits
    });
    let region = entry.text("region").filter(|region| region != "auto");
    let style = entry.text("style").and_then(|text| {
        entry.read("style", &text, |text| word(text, &[("path", Style::Path), ("virtual", Style::Virtual)]))
    });
    let without_style = if endpoint.is_none() { Style::Virtual } else { Style::Path };
    let plus = entry.text("plus").and_then(|text| {
        entry.read("plus", &text, |text| word(text, &[("space", Plus::Space), ("plus", Plus::Plus)]))
    });
    let certificates = entry
        .text("ca_file")
        .and_then(|path| entry.read("ca_file", &path, certificates_in))
        .unwrap_or_default();
    let account = entry.text("account");
    match kind {
        Kind::Azure if endpoint.is_none() && account.is_none() && !entry.table.contains_key("account") => {
            missing(entry, "account", "the name of the storage account; or endpoint");
        }
        Kind::Oci if endpoint.is_none() && region.is_none() => {
            missing(entry, "region", "the region's name, such as eu-frankfurt-1; or endpoint");
        }
        _ => {}
    }
    let path = if kind == Kind::Directory { path(entry, &buckets) } else { PathBuf::new() };
    Some(StoreSettings {
        name,
        kind,
        endpoint,
        management_endpoint,
        resource_id,
        region,
        style: style.unwrap_or(without_style),
        plus,
        buckets: buckets.iter().map(|text| Pattern::new(text)).collect(),
        source,
        expects: entry.list("expects"),
        namespace: entry.text("namespace"),
        account,
        path,
        credentials: credentials(entry, kind),
        certificates,
        proxies,
        connect_timeout: limit(entry, "connect_timeout").unwrap_or(CONNECT_TIMEOUT),
        timeout: limit(entry, "timeout").unwrap_or(TIMEOUT),
        retry: RetryPolicy::new(Some(ATTEMPTS)),
    })
}

fn missing(entry: &mut Entry<'_>, member: &str, expected: &str) {
    let place = format!("{}.{member}", entry.place);
    entry.mistakes.push(Mistake::new(place, expected));
}

/// What a word stands for.
fn word<T: Copy>(text: &str, words: &[(&str, T)]) -> Result<T, String> {
    let found = words.iter().find(|(word, _)| *word == text).map(|(_, means)| *means);
    found.ok_or_else(|| {
        let words: Vec<_> = words.iter().map(|(word, _)| *word).collect();
        format!("one of {}", words.join(", "))
    })
}

fn limit(entry: &mut Entry<'_>, member: &str) -> Option<Duration> {
    let text = entry.text(member)?;
    entry.read(member, &text, |text| duration_in(text, Duration::from_millis(1)..=LONGEST))
}

/// An address. One of Azure's may end in the account, as the emulator's does.
fn address(entry: &mut Entry<'_>, member: &str, text: &str, with_account: bool) -> Option<Url> {
    let url = Url::parse(text).ok().filter(|url| {
        let plain = url.username().is_empty() && url.password().is_none();
        let segments = url.path().split('/').filter(|segment| !segment.is_empty()).count();
        matches!(url.scheme(), "http" | "https")
            && url.host_str().is_some_and(|host| !host.is_empty())
            && plain
            && url.query().is_none()
            && url.fragment().is_none()
            && segments <= usize::from(with_account)
    });
    if url.is_none() {
        // A URL may hold a password or a token.
        missing(entry, member, ENDPOINT);
    }
    url
}

/// A tree. Where every bucket has one, its name stands in the path; where there is one tree, it is one bucket.
fn path(entry: &mut Entry<'_>, buckets: &[String]) -> PathBuf {
    const EXPECTED: &str = "an absolute path such as /mnt/share";
    let Some(text) = entry.required("path", EXPECTED) else { return PathBuf::new() };
    if !text.starts_with('/') {
        entry.mistake("path", &text, EXPECTED);
    } else if text.matches(BUCKET).count() > 1 {
        entry.mistake("path", &text, &format!("{BUCKET} once at most"));
    } else if !text.contains(BUCKET) && (buckets.len() > 1 || buckets.iter().any(|b| b.contains('*'))) {
        let expected =
            format!("{BUCKET} in the path, which stands for the name of a bucket; or one bucket in buckets");
        entry.mistake("path", &text, &expected);
    }
    PathBuf::from(text)
}

/// What the store is shown. Files are read when they are needed, and again when the store refuses what stood in them.
fn credentials(entry: &mut Entry<'_>, kind: Kind) -> Credentials {
    match kind {
        Kind::S3 => {
            let id = entry.text("access_key_id");
            let secret = file(entry, "secret_access_key_file");
            let token = file(entry, "session_token_file");
            let profile = entry.text("profile");
            together(entry, &["access_key_id", "secret_access_key_file"]);
            match (id, secret) {
                (Some(id), Some(secret)) => {
                    alone(entry, "profile", "access_key_id");
                    Credentials::Aws { id, secret, token }
                }
                _ => {
                    if token.is_some() {
                        missing(entry, "session_token_file", "no value without access_key_id");
                    }
                    Credentials::Found { profile }
                }
            }
        }
        Kind::Azure => {
            let key = file(entry, "account_key_file");
            let sas = file(entry, "sas_token_file");
            match (key, sas) {
                (Some(key), _) => {
                    alone(entry, "sas_token_file", "account_key_file");
                    if !entry.table.contains_key("account") {
                        missing(entry, "account", "the name of the storage account, whose key is given");
                    }
                    Credentials::AzureKey { account: entry.text("account").unwrap_or_default(), key }
                }
                (None, Some(token)) => Credentials::AzureSas { token },
                (None, None) => Credentials::Found { profile: None },
            }
        }
        Kind::Gcs => match (file(entry, "credentials_file"), file(entry, "access_token_file")) {
            (Some(json), _) => {
                alone(entry, "access_token_file", "credentials_file");
                Credentials::GoogleFile { json }
            }
            (None, Some(token)) => Credentials::GoogleToken { token },
            (None, None) => Credentials::Found { profile: None },
        },
        Kind::Oci => {
            const MEMBERS: [&str; 4] = ["tenancy", "user", "fingerprint", "private_key_file"];
            together(entry, &MEMBERS);
            let [tenancy, user, fingerprint] = ["tenancy", "user", "fingerprint"].map(|m| entry.text(m));
            match (tenancy, user, fingerprint, file(entry, "private_key_file")) {
                (Some(tenancy), Some(user), Some(fingerprint), Some(key)) => {
                    Credentials::Oracle { tenancy, user, fingerprint, key }
                }
                _ => Credentials::Found { profile: None },
            }
        }
        Kind::Directory => Credentials::Found { profile: None },
    }
}

/// A file that must be there now. What stands in it is not looked at here, and never shown.
fn file(entry: &mut Entry<'_>, member: &str) -> Option<PathBuf> {
    let text = entry.text(member)?;
    if let Err(e) = mdss_relay_core::plain_text(Path::new(&text), mdss_relay_core::MOST_FILE_BYTES) {
        let place = format!("{}.{member}", entry.place);
        entry.mistakes.push(Mistake::path(place, &text, format!("a readable file ({e})")));
    }
    Some(PathBuf::from(text))
}

/// A mistake for each member that is missing beside the others.
fn together(entry: &mut Entry<'_>, members: &[&str]) {
    if !members.iter().any(|member| entry.table.contains_key(*member)) {
        return;
    }
    for member in
        members.iter().filter(|member| !entry.table.contains_key(**member)).copied().collect::<Vec<_>>()
    {
        missing(entry, member, &format!("a value, because {} belong together", members.join(", ")));
    }
}

/// A mistake if a member stands beside one that excludes it.
fn alone(entry: &mut Entry<'_>, member: &str, other: &str) {
    if entry.table.contains_key(member) {
        missing(entry, member, &format!("no value, because {other} is set: one of the two"));
    }
}
