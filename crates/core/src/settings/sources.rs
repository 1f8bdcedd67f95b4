//! `[[source]]`: who may post where.

use crate::model::answers::Redelivers;
use crate::model::dialect::Dialect;
use crate::plain::mistake::Mistake;
use crate::read::table::topics;
use crate::settings::entry::Entry;
use crate::settings::groups::Source;
use crate::settings::reader::Reader;

const SOURCE: &[&str] = &["name", "path", "public_path", "dialect", "auth", "redelivers", "confirm_topics"];

/// Paths the HTTP server keeps for itself.
pub(super) const RESERVED_PATHS: &[&str] = &["/healthz", "/readyz", "/metrics"];

pub(super) const PATH: &str =
    "a path that begins with / and has no query, no / at its end and no empty or dot segment";

impl Reader {
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
                entry.mistake(
                    "path",
                    &path,
                    &format!(
                        "a path other than {}, which the server answers itself",
                        RESERVED_PATHS.join(", ")
                    ),
                );
            } else if !path.is_empty() && sources.iter().any(|s| s.path == path) {
                entry.mistake("path", &path, "a path that no other source has");
            }
            if !name.is_empty() && sources.iter().any(|s| s.name == name) {
                entry.mistake("name", &name, "a name that no other source has");
            }
            let public_path = entry.text("public_path").filter(|path| {
                let fits = is_path(path);
                if !fits {
                    entry.mistake("public_path", path, PATH);
                }
                fits
            });
            let dialect = entry.text("dialect").and_then(|text| entry.read("dialect", &text, Dialect::sent));
            let redelivers = entry
                .text("redelivers")
                .and_then(|text| entry.read("redelivers", &text, str::parse::<Redelivers>));
            let auth = entry.table.get("auth").cloned();
            if auth.is_none() {
                let place = format!("{}.auth", entry.place);
                let expected = "how this source proves who it is: { bearer = { token_file = \"…\" } }, another check, several of \
                                them, or \"none\" in writing";
                entry.mistakes.push(Mistake::new(place, expected));
            }
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
                    "no topics with auth = \"none\", because everybody could make this host visit addresses";
                entry.mistakes.push(Mistake::new(place, expected));
            }
            sources.push(Source { name, path, public_path, dialect, auth, redelivers, confirm_topics });
        }
        sources
    }
}

pub(super) fn is_path(path: &str) -> bool {
    let segments_fit = path.split('/').skip(1).all(|s| !matches!(s, "" | "." | ".."));
    path.starts_with('/') && !path.contains(['?', '#', ' ']) && segments_fit
}
