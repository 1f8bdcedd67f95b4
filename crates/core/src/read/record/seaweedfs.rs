//! SeaweedFS: the webhook of its filer, which announces every change in its tree of files. Buckets are folders of that tree.
//!
//! Shape: seaweedfs/seaweedfs, `weed/notification/webhook/http.go` (`key`, `event_type`, `message`) and `weed/pb/filer.proto`
//! (`EventNotification`, `Entry`), written by Go's `encoding/json`: names as in the proto, bytes in base64, and what is empty is
//! left out.
//!
//! **The two entries say what happened, and `event_type` does not.** `key` is the path of the old entry, or of the new one where
//! there is no old one; the new one is at `new_parent_path` (`weed/filer/filer_notify.go`, `NotifyUpdateEvent`). Releases before
//! April 2026 called every overwrite a `rename`, because they looked only whether `new_parent_path` is there, and it always is
//! (`weed/notification/webhook/types.go`, `detectEventType`, until commit ced2236).
//!
//! **No path is skipped for its looks.** Parts of an upload stand under `.uploads/`, versions under `NAME.versions/`
//! (`weed/s3api/s3_constants/s3_actions.go`). Nothing keeps an uploader from choosing such a name, or the attributes that such
//! an entry has (`s3api_object_handlers_put.go` takes the version id from a header), and the object is read back under it. So
//! it is sent; a route's `exclude_prefix` is for who has forbidden such names.
//!
//! An entry may hold its file's content, and the keys it is encrypted with: [`WITHHELD`].

use std::fmt::Display;

use crate::plain::checked::Checked;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::model::answers::Patience;
use crate::model::dialect::{Dialect, KeyEncoding};
use crate::model::event::{Bucket, Change, Details, Notice, NoticeKind, ObjectKey};
use crate::model::failure::{Cause, Failure};
use crate::plain::json::{self, NoText};
use crate::plain::line;
use crate::read::ending::{self, Ending};
use crate::read::item::{Item, Reading};
use crate::read::key;
use crate::read::row::{Context, Facts, Read, Row};
use crate::read::seen::{Mark, Seen, Test};

/// Longer names of events are none.
const MOST_NAME_BYTES: usize = 64;

/// More chunks than this are not compared: a file of 5 TiB in the filer's chunks of 8 MiB has some 650,000.
const MOST_CHUNKS: usize = 1_000_000;

const FACTS: Facts = Facts {
    // A path of Go's as JSON, never encoded (filer_notify.go).
    keys: Some(KeyEncoding::Verbatim),
    key_place: &[],
    looks_like: "an event with `event_type`, `key` and `message`",
    withheld: WITHHELD,
    // Ten seconds, and one attempt: the middleware that would repeat lies outside the one that takes every failure for good
    // (seaweedfs/seaweedfs `weed/notification/webhook/webhook_queue.go`, ThreeDotsLabs/watermill `message/router/middleware/poison.go`). Read and not
    // run.
    patience: Patience { repeats: false, ..Patience::seconds(10) },
    ..Facts::BASE
};

/// What of an entry is nobody's to keep: a small file's content, the key of an encrypted chunk, and what SSE has noted of it.
const WITHHELD: &[&str] = &["content", "cipher_key", "sse_metadata"];

pub(in crate::read) const EVENT: Row = Row {
    of: Dialect::SeaweedFs,
    marks: &[Mark::Members(&[("event_type", Test::There), ("key", Test::There), ("message", Test::There)])],
    either: "an event of SeaweedFS",
    expected: "`event_type`, `key` and `message`",
    facts: Some(&FACTS),
    read: Read::Event(read),
    ..Row::BASE
};

json::members! {
    struct Message {
        old = "old_entry",
        new = "new_entry",
        new_parent = "new_parent_path",
    }
}

json::members! {
    struct Entry {
        name = "name",
        is_directory = "is_directory",
        chunks = "chunks",
        attributes = "attributes",
        content = "content",
        remote = "remote_entry",
    }
}

json::members! {
    struct Attributes {
        size = "file_size",
        mtime = "mtime",
        mtime_ns = "mtime_ns",
        md5 = "md5",
    }
}

json::members! {
    struct Chunk {
        file_id = "file_id",
        fid = "fid",
        offset = "offset",
        size = "size",
    }
}

json::members! {
    struct FileId {
        volume = "volume_id",
        key = "file_key",
        cookie = "cookie",
    }
}

/// An entry of the tree, with its attributes.
struct File<'a> {
    place: &'static str,
    entry: Entry<'a>,
    attributes: Attributes<'a>,
}

impl<'a> File<'a> {
    fn of(raw: Option<Checked<'a>>, place: &'static str) -> Result<Option<Self>, String> {
        let Some(raw) = raw else { return Ok(None) };
        let entry: Entry<'a> = json::object(raw, place)?;
        let attributes = json::object_or_empty(entry.attributes, format_args!("{place}.attributes"))?;
        Ok(Some(Self { place, entry, attributes }))
    }

    fn is_directory(&self) -> bool {
        self.entry.is_directory.is_some_and(|raw| raw.get() == "true")
    }

    /// Whether there is nothing in it. Go leaves out what is empty, so there is no member for it either. A folder has content only where
    /// it stands in the entry itself.
    fn is_bare(&self) -> bool {
        let nothing =
            |raw: Option<Checked<'_>>| raw.is_none_or(|raw| matches!(raw.get(), "\"\"" | "[]" | "0"));
        let Entry { chunks, content, remote, .. } = self.entry;
        let elsewhere = || remote.is_some() || !nothing(self.attributes.size);
        nothing(chunks) && nothing(content) && (self.is_directory() || !elsewhere())
    }

    /// Its bytes. A size that is left out is 0 only where nothing else tells of content: releases have written 0 beside chunks
    /// (`weed/filer/filechunks.go`, `FileSize`, takes the larger of the two).
    fn size(&self, warnings: &mut Vec<String>) -> Option<u64> {
        if self.is_bare() {
            return Some(0);
        }
        let place = format_args!("{}.attributes.file_size", self.place);
        json::size(self.attributes.size, place, warnings).filter(|size| *size > 0)
    }

    /// What S3 calls its ETag, where the filer knows it: the MD5 in hexadecimal (`filechunks.go`, `ETag`).
    fn etag(&self) -> Option<String> {
        let md5 = STANDARD.decode(json::mark(self.attributes.md5)?).ok()?;
        Some(md5.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// Whether nothing of what is in a file has been written since `old`: then somebody has changed its owner, its tags or when
    /// it was read. In doubt it was.
    fn is_as_in(&self, old: &Self) -> bool {
        let chunks = |file: &Self| chunks(file.entry.chunks);
        self.is_directory() == old.is_directory()
            && self.parts() == old.parts()
            && chunks(self).is_some_and(|new| chunks(old) == Some(new))
    }

    /// What changes with each write, except for the chunks.
    fn parts(&self) -> [Option<&'a str>; 6] {
        let Entry { content, remote, .. } = self.entry;
        let Attributes { size, mtime, mtime_ns, md5 } = self.attributes;
        [content, remote, size, mtime, mtime_ns, md5].map(|raw| raw.map(Checked::get))
    }
}

/// What tells one chunk from all others: volume, key and cookie; and where in its file it stands.
type ChunkMark = (u64, u64, u64, String, String);

/// The chunks of a file; `None` if they cannot be read.
///
/// One chunk is written in two ways: the store packs `file_id` into `fid` and back, so an old entry has both and a new one only one
/// of them (`weed/pb/filer_pb/filer_pb_helper.go`, `BeforeEntrySerialization`).
fn chunks(raw: Option<Checked<'_>>) -> Option<Vec<ChunkMark>> {
    let Some(raw) = raw else { return Some(Vec::new()) };
    let (chunks, count) = json::array(raw, MOST_CHUNKS)?;
    let chunks: Option<Vec<_>> = chunks.into_iter().map(chunk).collect();
    chunks.filter(|chunks| chunks.len() == count)
}

fn chunk(raw: Checked<'_>) -> Option<ChunkMark> {
    let chunk: Chunk<'_> = json::object(raw, "").ok()?;
    let number = |raw: Option<Checked<'_>>| raw.map_or(Some(0), |raw| raw.get().parse::<u64>().ok());
    let (volume, key, cookie) = match chunk.fid {
        Some(fid) => {
            let fid: FileId<'_> = json::object(fid, "").ok()?;
            (number(fid.volume)?, number(fid.key)?, number(fid.cookie)?)
        }
        // "3,01637037d6": the volume, then key and cookie in hexadecimal, the cookie's eight digits last
        // (`weed/storage/needle/file_id.go`).
        None => {
            let text = json::string(chunk.file_id).ok()?;
            let (volume, rest) = text.split_once(',')?;
            let (key, cookie) = rest.split_at_checked(rest.len().checked_sub(8)?)?;
            let hex = |digits: &str| u64::from_str_radix(digits, 16).ok();
            (volume.parse().ok()?, if key.is_empty() { 0 } else { hex(key)? }, hex(cookie)?)
        }
    };
    let text = |raw: Option<Checked<'_>>| raw.map_or_else(String::new, |raw| raw.get().to_owned());
    Some((volume, key, cookie, text(chunk.offset), text(chunk.size)))
}

/// Where a path of the tree leads.
#[derive(Debug, PartialEq)]
enum Where<'p> {
    /// To no bucket.
    Outside,
    /// To a bucket itself.
    Bucket(&'p str),
    /// Into a bucket.
    Object(&'p str, &'p str),
}

fn place_of<'p>(path: &'p str, folder: &str) -> Where<'p> {
    let inside = path.strip_prefix(folder).and_then(|rest| rest.strip_prefix('/'));
    match inside.map(|rest| rest.split_once('/').unwrap_or((rest, ""))) {
        None | Some(("", _)) => Where::Outside,
        Some((bucket, "")) => Where::Bucket(bucket),
        Some((bucket, key)) => Where::Object(bucket, key),
    }
}

fn read(seen: &Seen<'_>, context: &Context<'_>) -> Item {
    let mut warnings = Vec::new();
    let reading = reading(seen, context, &mut warnings);
    Item { warnings, ..Item::new(String::new(), Some(Dialect::SeaweedFs), reading) }
}

fn reading(seen: &Seen<'_>, context: &Context<'_>, warnings: &mut Vec<String>) -> Reading {
    let message = seen.get("message").map_or("{}", Checked::get);
    let members = json::object_in::<Message<'_>>(message, "message").and_then(|message| {
        let old = File::of(message.old, "message.old_entry")?;
        Ok((old, File::of(message.new, "message.new_entry")?, message.new_parent))
    });
    let (old, new, new_parent) = match members {
        Ok(members) => members,
        Err(detail) => return Reading::failed(Cause::Unreadable, detail),
    };
    let file = new.as_ref().or(old.as_ref());
    let details = Details {
        event_name: json::string(seen.get("event_type"))
            .ok()
            .filter(|name| !name.is_empty() && name.len() <= MOST_NAME_BYTES)
            .map(|name| name.into_owned()),
        size: file.and_then(|file| file.size(warnings)),
        etag: file.and_then(File::etag),
        time: file.and_then(|file| {
            json::unix_time(
                file.attributes.mtime,
                1,
                format_args!("{}.attributes.mtime", file.place),
                warnings,
            )
        }),
        ..Details::default()
    };
    if details.event_name.is_none() {
        return ending::nameless("event_type", None, details);
    }
    let paths = path(seen.get("key"), "key").and_then(|key| {
        let target = match (&old, &new) {
            (Some(_), Some(new)) => target(&key, new_parent, new.entry.name)?,
            _ => key.clone(),
        };
        Ok((key, target))
    });
    let (from, to) = match paths {
        Ok(paths) => paths,
        Err(failure) => return ending::unreadable(None, details, failure),
    };
    let folder = context.keys.buckets_folder();
    let change = match (&old, &new) {
        (Some(old), Some(new)) if from == to && new.is_as_in(old) => Change::Other,
        (_, Some(_)) => Change::Created,
        (Some(_), None) => Change::Removed,
        (None, None) => Change::Unknown,
    };
    // What leaves a bucket is gone from it.
    let (change, path) = match (place_of(&from, folder), place_of(&to, folder)) {
        (Where::Object(..), Where::Outside | Where::Bucket(_)) => (Change::Removed, &from),
        _ => (change, &to),
    };
    let (bucket, name) = match place_of(path, folder) {
        Where::Object(bucket, name) => (bucket, name),
        Where::Bucket(bucket) => {
            return Reading::Notice(Notice {
                kind: NoticeKind::Bucket,
                bucket: Bucket::new(bucket),
                details,
            });
        }
        Where::Outside => {
            let shown = line::clip(path, 100);
            warnings.push(format!(
                "key: {shown:?} is in no bucket; if the buckets are not in {folder:?}, set RELAY_SEAWEEDFS_BUCKETS"
            ));
            return Reading::Notice(Notice { kind: NoticeKind::Bucket, bucket: None, details });
        }
    };
    let key = object_key(name, file, context);
    Ending { change, bucket: Bucket::new(bucket), bucket_place: "key", key, spoken_of: true, details }
        .reading()
}

/// The key of an object. S3 names a folder, which may have content of its own (`s3api_object_handlers_put.go` puts up to 1024 bytes of
/// it there), with a `/` behind.
fn object_key(name: &str, file: Option<&File<'_>>, context: &Context<'_>) -> Result<ObjectKey, Failure> {
    let encoding = FACTS.encoding(context.keys, Dialect::SeaweedFs);
    match file.is_some_and(File::is_directory) {
        true => key::decode(&format!("{name}/"), "key", encoding),
        false => key::decode(name, "key", encoding),
    }
}

/// Where an entry is now: in the folder that is named, or in the one it was in.
fn target(key: &str, parent: Option<Checked<'_>>, name: Option<Checked<'_>>) -> Result<String, Failure> {
    let name = path(name, "message.new_entry.name")?;
    let parent = match parent {
        Some(parent) => path(Some(parent), "message.new_parent_path")?,
        None => key.rsplit_once('/').map_or("", |(parent, _)| parent).to_owned(),
    };
    Ok(format!("{}/{name}", parent.strip_suffix('/').unwrap_or(&parent)))
}

/// A path, or a part of one.
fn path(raw: Option<Checked<'_>>, place: impl Display) -> Result<String, Failure> {
    match json::string(raw) {
        Ok(path) if path.is_empty() => Err(key::missing(place, "an empty string")),
        Ok(path) => Ok(path.into_owned()),
        Err(NoText::NotUnicode) => {
            let detail = format!("{place}: the string is not Unicode (a lone surrogate)");
            Err(Failure::new(Cause::InvalidKey, detail))
        }
        Err(problem) => Err(key::missing(place, problem.found())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_into_buckets_or_past_them() {
        for (path, folder, want) in [
            ("/buckets/b/k", "/buckets", Where::Object("b", "k")),
            ("/buckets/b/in/k", "/buckets", Where::Object("b", "in/k")),
            ("/buckets/b", "/buckets", Where::Bucket("b")),
            ("/buckets/b/", "/buckets", Where::Bucket("b")),
            ("/buckets", "/buckets", Where::Outside),
            ("/buckets/", "/buckets", Where::Outside),
            ("/buckets//k", "/buckets", Where::Outside),
            ("/bucketsful/b/k", "/buckets", Where::Outside),
            ("/etc/iam/identity.json", "/buckets", Where::Outside),
            ("", "/buckets", Where::Outside),
            ("/data/s3/b/k", "/data/s3", Where::Object("b", "k")),
            ("/buckets/b/k", "/data/s3", Where::Outside),
        ] {
            assert_eq!(place_of(path, folder), want, "{path} in {folder}");
        }
    }

    #[test]
    fn one_chunk_is_written_in_two_ways() {
        let same = |one: &str, other: &str| {
            let chunks = |text: &str| chunks(Some(Checked::read(text).unwrap()));
            chunks(one).is_some() && chunks(one) == chunks(other)
        };
        const PACKED: &str = r#"[{"size":7,"fid":{"volume_id":3,"file_key":355,"cookie":1932979414}}]"#;
        for (text, want) in [
            (PACKED, true),
            (r#"[{"file_id":"3,01637337 d6","size":7}]"#, false),
            (r#"[{"file_id":"3,01637336ecd6","size":7}]"#, true),
            (
                r#"[{"file_id":"3,01637336ecd6","fid":{"volume_id":3,"file_key":355,"cookie":1932979414},"size":7}]"#,
                true,
            ),
            (r#"[{"file_id":"4,01637336ecd6","size":7}]"#, false),
            (r#"[{"file_id":"3,01647336ecd6","size":7}]"#, false),
            (r#"[{"file_id":"3,01637336ecd7","size":7}]"#, false),
            (r#"[{"file_id":"3,01637336ecd6","size":8}]"#, false),
            (r#"[{"file_id":"3,01637336ecd6","size":7,"offset":1}]"#, false),
            (r#"[]"#, false),
            (r#"[7]"#, false),
            (r#"{}"#, false),
            (r#"[{"file_id":"3,7"}]"#, false),
            (r#"[{"file_id":"\u00e9,\u00e9\u00e9\u00e9\u00e9\u00e9"}]"#, false),
        ] {
            assert_eq!(same(PACKED, text), want, "{text}");
        }
        assert_eq!(chunks(None), Some(Vec::new()));
    }
}
