//! `[[route]]`: which object belongs to which storage unit. Without any there is one, which takes everything.

use crate::model::unit::{ObjectName, StorageType};
use crate::plain::file::plain_file;
use crate::plain::line;
use crate::plain::mistake::Mistake;
use crate::plain::pattern::Pattern;
use crate::select::condition::Condition;
use crate::select::notification::Notification;
use crate::select::route::{Imported, Route};
use crate::settings::entry::Entry;
use crate::settings::groups::{Role, Source};
use crate::settings::reader::Reader;
use crate::settings::value::{STORAGE_CLIENT_ID, storage_client_id, words};

const ROUTE: &[&str] = &[
    "name",
    "source",
    "bucket",
    "namespace",
    "prefix",
    "suffix",
    "suffix_any_case",
    "exclude_prefix",
    "exclude_suffix",
    "condition",
    "notification",
    "notification_file",
    "compartments",
    "storage_client_id",
    "storage_type",
    "scan_id",
    "object_name",
];

impl Reader {
    /// The routes, when every row has been read; `sources` are those of whoever takes HTTP requests.
    pub(super) fn routes(&mut self, sources: &[Source]) -> Vec<Route> {
        if self.table.contains_key("route") {
            let entries = self.entries("route");
            for (place, table) in &entries {
                self.check_source(&format!("{place}.source"), table, sources);
            }
            return entries.into_iter().filter_map(|(place, table)| self.route(place, table)).collect();
        }
        let unit = std::mem::take(&mut self.given.unit);
        if self.place("STORAGECLIENTID").is_none() && self.role != Role::Explain {
            let expected = format!("{STORAGE_CLIENT_ID}; or [[route]] in the configuration");
            self.missing("STORAGECLIENTID", expected);
        }
        let route = unit.id.map(|id| Route {
            storage_type: unit.storage_type,
            scan_id: unit.scan_id,
            object_name: unit.object_name,
            ..Route::everything(id)
        });
        route.into_iter().collect()
    }

    /// The entry as it stands, also one that makes no route: its mistake has its own number.
    fn check_source(&mut self, place: &str, table: &toml::Table, sources: &[Source]) {
        let source = table.get("source").and_then(toml::Value::as_str).map(str::trim);
        let known =
            |name: &str| sources.iter().any(|s| s.name == name) || (sources.is_empty() && name == "events");
        let mistake = match source {
            None if sources.len() > 1 => Mistake::new(
                place,
                "the name of a source: with more than one, a weak source must not reach a strong source's unit",
            ),
            Some(name) if !known(name) && (self.role == Role::Http || !sources.is_empty()) => {
                let names: Vec<_> = sources.iter().map(|s| s.name.as_str()).collect();
                let hint = if names.is_empty() { "events".into() } else { names.join(", ") };
                Mistake::found(place, name, format!("the name of a source ({hint})"))
            }
            _ => return,
        };
        match self.role {
            Role::Http | Role::Function => self.mistakes.push(mistake),
            Role::Explain => self.warnings.push(format!("{mistake} (the HTTP server would not start)")),
        }
    }

    fn route(&mut self, place: String, table: toml::Table) -> Option<Route> {
        let warnings = &mut self.warnings;
        let mut entry = Entry { place, table, mistakes: &mut self.mistakes };
        entry.check_names(ROUTE);
        let bucket = entry.required("bucket", "a bucket's name or pattern; \"*\" is every bucket");
        let id = entry
            .required("storage_client_id", STORAGE_CLIENT_ID)
            .and_then(|text| entry.read("storage_client_id", &text, storage_client_id().read));
        let storage_type = entry
            .text("storage_type")
            .and_then(|text| entry.read("storage_type", &text, words(StorageType::NAMES).read));
        let object_name = entry
            .text("object_name")
            .and_then(|text| entry.read("object_name", &text, words(ObjectName::NAMES).read));
        let route = Route {
            name: entry.text("name"),
            source: entry.text("source"),
            bucket: Pattern::new(bucket.as_deref().unwrap_or_default()),
            namespace: entry.text("namespace").map(|n| Pattern::new(&n)),
            prefix: entry.list("prefix"),
            suffix: entry.list("suffix"),
            suffix_any_case: entry.list("suffix_any_case"),
            exclude_prefix: entry.list("exclude_prefix"),
            exclude_suffix: entry.list("exclude_suffix"),
            condition: entry.condition(warnings),
            notification: entry.notification(warnings),
            compartments: entry.compartments(),
            storage_type,
            scan_id: entry.text("scan_id"),
            object_name: object_name.unwrap_or_default(),
            storage_client_id: match (bucket, id) {
                (Some(_), Some(id)) => id,
                _ => return None,
            },
        };
        selection_warnings(&entry.place, &route, warnings);
        Some(route)
    }
}

impl Entry<'_> {
    fn condition(&mut self, warnings: &mut Vec<String>) -> Option<Box<Condition>> {
        let place = format!("{}.condition", self.place);
        match Condition::from_setting(&place, self.table.get("condition")?) {
            Ok(condition) => {
                warnings.extend_from_slice(condition.warnings());
                Some(Box::new(condition))
            }
            Err(mut mistakes) => {
                self.mistakes.append(&mut mistakes);
                None
            }
        }
    }

    /// A bucket's notification configuration, as a text or in a file. What stands in it is shown only as far as the
    /// reader of documents does: an address may hold a secret.
    fn notification(&mut self, warnings: &mut Vec<String>) -> Option<Box<Imported>> {
        const TEXT: &str = "notification";
        const FILE: &str = "notification_file";
        if self.table.contains_key(TEXT) && self.table.contains_key(FILE) {
            let place = format!("{}.{FILE}", self.place);
            self.mistakes
                .push(Mistake::new(place, format!("no value, because the route has {TEXT}: one of the two")));
            return None;
        }
        let (name, document) = match self.text(FILE) {
            Some(path) => {
                let place = format!("{}.{FILE}", self.place);
                match plain_file(&path, Notification::MOST_BYTES) {
                    Ok(document) => (format!("{place} {:?}", line::clip(&path, 100)), document),
                    Err(e) => {
                        let expected = format!("a readable file with a NotificationConfiguration ({e})");
                        self.mistakes.push(Mistake::path(place, &path, expected));
                        return None;
                    }
                }
            }
            None => (format!("{}.{TEXT}", self.place), self.text(TEXT)?.into_bytes()),
        };
        match Notification::parse(&document) {
            Ok(document) if document.tells_of_creation() => {
                warnings.extend(document.warnings().iter().map(|w| format!("{name}, {w}")));
                Some(Box::new(Imported { name, document }))
            }
            Ok(_) => {
                let expected = "at least one rule for s3:ObjectCreated:…: this document takes nothing";
                self.mistakes.push(Mistake::new(name, expected));
                None
            }
            Err(mistakes) => {
                let in_document = |m: Mistake| Mistake { name: format!("{name}, {}", m.name), ..m };
                self.mistakes.extend(mistakes.into_iter().map(in_document));
                None
            }
        }
    }

    /// Ids of OCI compartments; a tenancy is the compartment at the root. Ids of old tenancies begin with `ocidv1:`, all
    /// others with `ocid1.` (Oracle, "Resource Identifiers", .../iaas/Content/General/Concepts/identifiers.htm).
    fn compartments(&mut self) -> Vec<String> {
        const MEMBER: &str = "compartments";
        let compartments = self.list(MEMBER);
        if let Some(odd) = compartments.iter().find(|id| {
            !["ocid1.compartment.", "ocid1.tenancy."].iter().any(|kind| id.starts_with(kind))
                || id.contains(char::is_whitespace)
        }) {
            self.mistake(MEMBER, odd, "ids of compartments, such as ocid1.compartment.oc1..aaaa…");
        }
        if self.table.get(MEMBER).is_some_and(|list| list.as_array().is_some_and(Vec::is_empty)) {
            let place = format!("{}.{MEMBER}", self.place);
            self.mistakes
                .push(Mistake::new(place, "at least one id, or no such member: an empty list takes nothing"));
        }
        compartments
    }
}

/// Fields of a record that whoever uploads an object writes: its type, and metadata in the spellings of MinIO and of Ceph; the same and the
/// class of storage of Cloud Storage; what Event Grid, in its own schema and in CloudEvents, IBM, Tencent and a SeaweedFS filer tell of it.
const UPLOADERS: &[&[&str]] = &[
    &["s3", "object", "contentType"],
    &["s3", "object", "userMetadata"],
    &["s3", "object", "metadata"],
    &["contentType"],
    &["contentEncoding"],
    &["metadata"],
    &["storageClass"],
    &["data", "contentType"],
    &["data", "blobType"],
    &["blobType"],
    &["notification", "content_type"],
    &["cos", "cosObject", "meta"],
    &["message", "new_entry", "attributes", "mime"],
    &["message", "new_entry", "extended"],
];

/// What is no mistake, and selects less than it looks like: an object that a route does not take is not scanned.
fn selection_warnings(place: &str, route: &Route, warnings: &mut Vec<String>) {
    for (member, list) in [("prefix", &route.prefix), ("exclude_prefix", &route.exclude_prefix)] {
        for text in list.iter().filter(|text| text.starts_with('/')) {
            warnings.push(format!(
                "{place}.{member}: {:?} begins with a slash, and the names of objects rarely do; is {:?} meant?",
                line::clip(text, 100),
                line::clip(text.trim_start_matches('/'), 100)
            ));
        }
    }
    let cased = |text: &&String| text.chars().any(|c| c.is_lowercase() || c.is_uppercase());
    let suffixes: Vec<_> =
        route.suffix.iter().filter(cased).map(|s| format!("{:?}", line::clip(s, 40))).collect();
    if !suffixes.is_empty() {
        warnings.push(format!(
            "{place}.suffix: {} in this letter case only, and the uploader chooses the case; suffix_any_case takes the others, too",
            suffixes.join(", ")
        ));
    }
    let Some(condition) = &route.condition else { return };
    // What no encoding changes, and stars.
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._~*".contains(c);
    for text in condition.texts_wanted(&["s3", "object", "key"]) {
        if !text.chars().all(plain) {
            warnings.push(format!(
                "{place}.condition.s3.object.key: {:?} is tried on the key as it was sent, which most producers encode, and on the \
                 decoded one; prefix and suffix see the decoded one alone",
                line::clip(text, 100)
            ));
        }
    }
    for path in UPLOADERS.iter().filter(|path| condition.asks_at(path)) {
        warnings.push(format!(
            "{place}.condition.{}: the uploader chooses this value, and so whether this route takes the object",
            path.join(".")
        ));
    }
}
