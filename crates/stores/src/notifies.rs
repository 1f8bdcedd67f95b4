//! Whom a bucket tells of new objects: what the store and the services beside it say, and what is to be thought of it.
//!
//! A notification that somebody else has overwritten is the quietest way to lose objects, because nothing fails. Every store has its own
//! document for it; here each becomes the same list of entries. Nothing is ever written.

mod ask;
mod azure;
mod ceph;
mod document;
mod entry;
mod google;
mod oci;
mod pattern;
mod rule;
mod s3;
mod takes;
mod verdict;

pub use entry::{DeadLetter, Entry, Selects, Switch, Tells, Test, Tests};
pub use rule::{OciBucket, OciRule};
pub use takes::Takes;
pub use verdict::{Verdict, created_only, dead_letter, emits, filter, notifies};

use crate::kind::Kind;
use crate::store::Store;
use crate::trouble::Trouble;

/// Asks whom a bucket tells. A tree of directories tells nobody.
///
/// # Errors
/// What kept it from being told, with the name of the permission that may be missing.
pub async fn tells(store: &Store, bucket: &str) -> Result<Tells, Trouble> {
    match store.settings().kind {
        Kind::S3 => s3::tells(store, bucket).await,
        Kind::Azure => azure::tells(store, bucket).await,
        Kind::Gcs => google::tells(store, bucket).await,
        Kind::Oci => oci::tells(store, bucket).await,
        Kind::Directory => Ok(Tells::default()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::{ceph, document, pattern};

    const DOCUMENT: &str = "<NotificationConfiguration><QueueConfiguration><Id>a</Id><Filter><S3Key><FilterRule><Name>prefix</Name>\
        <Value>a%2</Value></FilterRule></S3Key></Filter><Queue>arn:aws:sqs:eu-west-1:111122223333:q</Queue><Event>s3:ObjectCreated:*</Event>\
        </QueueConfiguration><EventBridgeConfiguration/></NotificationConfiguration>";
    const PATTERN: &str = r#"{"source": ["aws.s3"], "detail": {"bucket": {"name": [{"prefix": "b"}]}, "object": {"key": [{"wildcard": "*\\*x"}]}}}"#;

    proptest! {
        /// Whatever a store, or somebody in its place, answers.
        #[test]
        fn no_bytes_make_a_reader_panic(bytes in vec(any::<u8>(), 0..200), at in 0usize..400, cut in 0usize..40) {
            for whole in [DOCUMENT, PATTERN] {
                let mut changed = whole.as_bytes().to_vec();
                let at = at.min(changed.len());
                let end = (at + cut).min(changed.len());
                changed.splice(at..end, bytes.iter().copied());
                for read in [&changed, &bytes] {
                    if let Ok(document) = document::Document::parse(read) {
                        for entry in &document.entries {
                            let _ = entry.takes("s3:ObjectCreated:Put", "a/ü");
                        }
                    }
                    let _ = pattern::tests(&String::from_utf8_lossy(read), "b");
                    let _ = ceph::endpoint_of(read);
                }
            }
        }
    }
}
