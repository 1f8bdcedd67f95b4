//! The TOML configuration: what variables cannot say. Walked by hand, so that every mistake in it is found at once and
//! named by its place.

use crate::model::dialect::Dialect;
use crate::model::unit::{StorageClientId, StorageType};
use crate::plain::file::{MOST_FILE_BYTES, plain_file, plain_text};
use crate::plain::line;
use crate::plain::mistake::{Mistake, nearest};
use crate::plain::pattern::Pattern;
use crate::read::table::topics;
use crate::select::condition::Condition;
use crate::select::notification::Notification;
use crate::select::route::{Imported, Route};
use crate::settings::{RESERVED_PATHS, Reader, SETTINGS, Source};

pub(super) const STORAGE_CLIENT_ID: &str = "the storage client id of a unit, as the MDSS dashboard shows it";

const ROUTE: &[&str] = &[
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
];
const SOURCE: &[&str] = &["name", "path", "public_path", "dialect", "auth", "redelivers", "confirm_topics"];

impl Reader {
    /// Reads the text that `RELAY_CONFIG` or `RELAY_CONFIG_TOML` names.
    pub(super) fn read_table(&mut self) {
        let (name, text) =
            match (self.vars.get("RELAY_CONFIG").cloned(), self.vars.get("RELAY_CONFIG_TOML").cloned()) {
                (None, None) => return,
                (Some(_), Some(_)) => {
                    let expected = "nothing beside RELAY_CONFIG: one configuration";
                    return self.mistakes.push(Mistake::new("RELAY_CONFIG_TOML", expected));
                }
                (None, Some(text)) => ("RELAY_CONFIG_TOML".to_owned(), text),
                (Some(path), None) => match plain_text(&path, MOST_FILE_BYTES) {
                    Ok(text) => (path, text),
                    Err(e) => {
                        let expected = format!("a readable TOML file ({e})");
                        return self.mistakes.push(Mistake::path("RELAY_CONFIG", &path, expected));
                    }
                },
            };
        match text.parse::<toml::Table>() {
            Ok(table) => self.table = table,
            // Its own text would quote the line, which may hold a secret.
            Err(e) => {
                let at = e.span().map_or(1, |span| text[..span.start.min(text.len())].lines().count().max(1));
                let expected = format!("TOML; line {at}: {}", e.message());
                self.mistakes.push(Mistake::new(name, expected));
            }
        }
        self.check_names();
    }

    fn check_names(&mut self) {
        let members: Vec<(&str, &str)> =
            SETTINGS.iter().filter_map(|s| s.toml).filter_map(|path| path.split_once('.')).collect();
        let mut tables: Vec<&str> = members.iter().map(|(table, _)| *table).collect();
        tables.dedup();
        tables.extend(["keys", "route", "source"]);
        let mut mistakes = Vec::new();
        for (name, value) in &self.table {
            match (name.as_str(), value) {
                ("route" | "source", toml::Value::Array(_)) => {}
                ("route" | "source", _) => {
                    mistakes.push(Mistake::new(name, format!("[[{name}]], with two brackets")))
                }
                ("keys", toml::Value::Table(_)) => {}
                (table, toml::Value::Table(found)) if tables.contains(&table) => {
                    let known: Vec<_> =
                        members.iter().filter(|(t, _)| *t == table).map(|(_, m)| *m).collect();
                    for member in found.keys().filter(|m| !known.contains(&m.as_str())) {
                        mistakes.push(unknown(&format!("{table}.{member}"), member, &known));
                    }
                }
                (table, _) if tables.contains(&table) => {
                    mistakes.push(Mistake::new(name, format!("a table, [{name}]")))
                }
                _ => mistakes.push(unknown(name, name, &tables)),
            }
        }
        self.mistakes.append(&mut mistakes);
    }

    pub(super) fn table_routes(&mut self, warnings: &mut Vec<String>) -> Vec<Route> {
        let mut routes = Vec::new();
        for (place, table) in self.entries("route") {
            let mut entry = Entry { place, table, mistakes: &mut self.mistakes };
            entry.check_names(ROUTE);
            let bucket = entry.required("bucket", "a bucket's name or pattern; \"*\" is every bucket");
            let id = entry.required("storage_client_id", STORAGE_CLIENT_ID).and_then(|text| {
                let id = StorageClientId::new(&text);
                if id.is_none() {
                    entry.mistake("storage_client_id", &text, STORAGE_CLIENT_ID);
                }
                id
            });
            let storage_type =
                entry.text("storage_type").and_then(|text| match text.parse::<StorageType>() {
                    Ok(storage_type) => Some(storage_type),
                    Err(expected) => {
                        entry.mistake("storage_type", &text, &expected);
                        None
                    }
                });
            let route = Route {
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
                storage_client_id: match (bucket, id) {
                    (Some(_), Some(id)) => id,
                    _ => continue,
                },
            };
            selection_warnings(&entry.place, &route, warnings);
            routes.push(route);
        }
        routes
    }

    pub(super) fn sources(&mut self) -> Vec<Source> {
        let mut sources: Vec<Source> = Vec::new();
        for (place, table) in self.entries("source") {
            let mut entry = Entry { place, table, mistakes: &mut self.mistakes };
            entry.check_names(SOURCE);
            let name = entry.required("name", "a name for routes and logs").unwrap_or_default();
            let path = entry.required("path", "the path it posts to, such as /minio").unwrap_or_default();
            if !path.is_empty() && !is_path(&path) {
                entry.mistake("path", &path, PATH);
            } else if RESERVED_PATHS.contains(&path.as_str()) {
                entry.mistake("path", &path, &format!("another path than {}", RESERVED_PATHS.join(", ")));
            } else if !path.is_empty() && sources.iter().any(|s| s.path == path) {
                entry.mistake("path", &path, "a path of its own");
            }
            if !name.is_empty() && sources.iter().any(|s| s.name == name) {
                entry.mistake("name", &name, "a name of its own");
            }
            let public_path = entry.text("public_path").filter(|path| {
                let fits = is_path(path);
                if !fits {
                    entry.mistake("public_path", path, PATH);
                }
                fits
            });
            let dialect = entry.text("dialect").and_then(|text| match text.parse::<Dialect>() {
                Ok(dialect) => Some(dialect),
                Err(expected) => {
                    entry.mistake("dialect", &text, &expected);
                    None
                }
            });
            let redelivers = entry.text("redelivers");
            if let Some(other) = redelivers.as_deref().filter(|r| *r != "forever") {
                entry.mistake("redelivers", other, "forever, or no such member");
            }
            let auth = entry.table.get("auth").cloned();
            if auth.is_none() {
                let place = format!("{}.auth", entry.place);
                let expected = "how this source proves who it is: { bearer = { token_file = \"…\" } }, another check, several of \
                                them, or \"none\" in writing";
                entry.mistakes.push(Mistake::new(place, expected));
            }
            let endless = dialect.is_some_and(Dialect::redelivers_forever);
            let confirm_topics = entry.list("confirm_topics");
            if let Some(odd) = confirm_topics.iter().find(|id| !topics().any(|topic| (topic.is)(id))) {
                let examples: Vec<_> = topics().map(|topic| topic.example).collect();
                entry.mistake(
                    "confirm_topics",
                    odd,
                    &format!("ids of topics, such as {}", examples.join(" or ")),
                );
            }
            if !confirm_topics.is_empty() && auth.as_ref().is_some_and(|auth| auth.as_str() == Some("none")) {
                let place = format!("{}.confirm_topics", entry.place);
                let expected =
                    "nothing beside auth = \"none\": whoever may post could make this host visit addresses";
                entry.mistakes.push(Mistake::new(place, expected));
            }
            sources.push(Source {
                name,
                path,
                public_path,
                dialect,
                auth,
                redelivers_forever: endless || redelivers.is_some(),
                confirm_topics,
            });
        }
        sources
    }

    pub(super) fn entries(&mut self, list: &str) -> Vec<(String, toml::Table)> {
        let Some(toml::Value::Array(entries)) = self.table.get(list) else { return Vec::new() };
        let mut tables = Vec::new();
        for (index, entry) in entries.iter().enumerate() {
            let place = format!("{list}[{index}]");
            match entry {
                toml::Value::Table(table) => tables.push((place, table.clone())),
                other => self.mistakes.push(Mistake::found(place, other.type_str(), "a table")),
            }
        }
        tables
    }
}

/// Fields of a record that whoever uploads an object writes: its type, and metadata in the spellings of MinIO and of Ceph.
const UPLOADERS: &[&[&str]] =
    &[&["s3", "object", "contentType"], &["s3", "object", "userMetadata"], &["s3", "object", "metadata"]];

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
            "{place}.suffix: {} in this letter case only, which whoever uploads chooses; suffix_any_case takes the others, too",
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
            "{place}.condition.{}: whoever uploads an object chooses this, and so whether this route takes it",
            path.join(".")
        ));
    }
}

const PATH: &str = "a path that begins with / and has no query, no / at its end and no empty or dot segment";

fn is_path(path: &str) -> bool {
    let segments_fit = path.split('/').skip(1).all(|s| !matches!(s, "" | "." | ".."));
    path.starts_with('/') && !path.contains(['?', '#', ' ']) && segments_fit
}

fn unknown(place: &str, name: &str, known: &[&str]) -> Mistake {
    let hint = match nearest(name, known.iter().copied()) {
        Some(nearest) => format!("a known name; is {nearest} meant?"),
        None => format!("a known name: one of {}", known.join(", ")),
    };
    Mistake::new(place, hint)
}

/// One element of `[[route]]` or `[[source]]`.
struct Entry<'m> {
    place: String,
    table: toml::Table,
    mistakes: &'m mut Vec<Mistake>,
}

impl Entry<'_> {
    fn check_names(&mut self, known: &[&str]) {
        for name in self.table.keys().filter(|n| !known.contains(&n.as_str())) {
            self.mistakes.push(unknown(&format!("{}.{name}", self.place), name, known));
        }
    }

    fn mistake(&mut self, member: &str, found: &str, expected: &str) {
        self.mistakes.push(Mistake::found(format!("{}.{member}", self.place), found, expected));
    }

    fn text(&mut self, member: &str) -> Option<String> {
        match self.table.get(member)? {
            toml::Value::String(text) if !text.trim().is_empty() => Some(text.trim().to_owned()),
            toml::Value::String(_) => {
                self.mistake(member, "", "a text that is not empty");
                None
            }
            other => {
                let found = other.type_str();
                self.mistake(member, found, "a text");
                None
            }
        }
    }

    fn required(&mut self, member: &str, expected: &str) -> Option<String> {
        if !self.table.contains_key(member) {
            self.mistakes.push(Mistake::new(format!("{}.{member}", self.place), expected));
        }
        self.text(member)
    }

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
            self.mistakes.push(Mistake::new(place, format!("nothing beside {TEXT}: one document")));
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
                let told = |m: Mistake| Mistake { name: format!("{name}, {}", m.name), ..m };
                self.mistakes.extend(mistakes.into_iter().map(told));
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

    /// A text or a list of texts. An empty one would take, or exclude, everything.
    fn list(&mut self, member: &str) -> Vec<String> {
        const EXPECTED: &str = "a text or a list of texts, none of them empty";
        let texts = match self.table.get(member) {
            None => return Vec::new(),
            Some(toml::Value::String(text)) => vec![Some(text.clone())],
            Some(toml::Value::Array(list)) => list.iter().map(|v| v.as_str().map(str::to_owned)).collect(),
            Some(_) => vec![None],
        };
        let good: Option<Vec<String>> = texts.into_iter().map(|t| t.filter(|t| !t.is_empty())).collect();
        good.unwrap_or_else(|| {
            self.mistakes.push(Mistake::new(format!("{}.{member}", self.place), EXPECTED));
            Vec::new()
        })
    }
}
