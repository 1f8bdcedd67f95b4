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
