//! What tells one write of an object from the next.

use crate::model::event::Kind;
use crate::plan::plan::Planned;

/// A mark longer than this is none: whoever remembers marks must know how much memory that takes.
const MOST_MARK_BYTES: usize = 4096;

/// What makes one write of one object another than all others: equal marks are the same event, told twice.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct WriteMark(String);

impl WriteMark {
    /// The mark as text: a list in JSON, so that no two marks are written alike and a person can read it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Planned {
    /// The mark of the write that a record announces; `None` if nothing in the record tells one write from the next.
    ///
    /// Sequencer, version id, event id and request id are such marks, and whatever a record has of them must be equal.
    /// An ETag is none: the same file uploaded again after a removal has the same one and must be scanned again. Nor is
    /// the version id `null`, which every write of an unversioned bucket shares (AWS, "Working with objects in a
    /// versioning-suspended bucket"). ETag, size and time never make two writes equal; where they differ they prove that the
    /// writes are two, whatever a store repeats of what an uploader's request may have brought. So they belong to the mark.
    /// The source is part of it, too, or whoever may post to a weak source could make an event of a strong one look like a
    /// repetition.
    pub fn write_mark(&self, source: Option<&str>) -> Option<WriteMark> {
        let (Some(Kind::Created), Some(bucket), Some(key)) = (self.kind, &self.bucket, &self.key) else {
            return None;
        };
        let details = &self.details;
        let version = details.version_id.as_deref().filter(|version| *version != "null");
        let marks = [
            details.sequencer.as_deref(),
            version,
            details.event_id.as_deref(),
            details.request_id.as_deref(),
        ];
        if marks.iter().all(|mark| mark.is_none_or(str::is_empty)) {
            return None;
        }
        let place = [source, details.namespace.as_deref(), Some(bucket.as_str()), Some(key.as_str())];
        let proofs = (details.etag.as_deref(), details.size, details.time.map(|time| time.as_nanosecond()));
        let text =
            serde_json::to_string(&(place, marks, proofs)).expect("texts and numbers always serialise");
        (text.len() <= MOST_MARK_BYTES).then_some(WriteMark(text))
    }
}
