//! Lists a tree of directories: a disk, or a share that is mounted.

pub(crate) mod names;
mod walk;

use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::raw::{Begin, PAGE, Raw};
use crate::settings::{BUCKET, StoreSettings};
use crate::trouble::{Trouble, TroubleKind};
use walk::{Met, Walk};

/// A walk that has been interrupted, and the path behind which that was.
type UnderWay = (Vec<u8>, Walk);

/// The tree of one bucket.
pub(crate) struct Tree {
    store: String,
    bucket: String,
    /// `None`: the name of the bucket is none of a directory.
    root: Option<PathBuf>,
    prefix: Vec<u8>,
    under_way: Arc<Mutex<Option<UnderWay>>>,
}

impl Tree {
    pub(crate) fn new(settings: &StoreSettings, bucket: &str, prefix: &[u8]) -> Self {
        let odd = matches!(bucket, "" | "." | "..") || bucket.contains(['/', '\0']);
        let path = settings.path.to_string_lossy();
        Self {
            store: settings.name.clone(),
            bucket: bucket.to_owned(),
            root: (!odd).then(|| Path::new(&path.replace(BUCKET, bucket)).to_owned()),
            prefix: prefix.to_vec(),
            under_way: Arc::default(),
        }
    }

    pub(crate) async fn page(&self, begin: &Begin) -> Result<Raw, Trouble> {
        let Some(root) = self.root.clone() else {
            return Err(self.trouble(TroubleKind::Refused, "no directory can have this name"));
        };
        let after = match begin {
            Begin::First => Vec::new(),
            Begin::Token { last, .. } | Begin::After(last) => last.clone(),
        };
        let (prefix, under_way) = (self.prefix.clone(), self.under_way.clone());
        // A directory of a million names takes a second, and a share that hangs takes longer.
        let page = move || page(&root, prefix, after, &under_way);
        let read = tokio::task::spawn_blocking(page).await.map_err(io::Error::other).flatten();
        read.map_err(|e| {
            let kind = match e.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => TroubleKind::Missing,
                io::ErrorKind::PermissionDenied => TroubleKind::Denied,
                _ => TroubleKind::Unreachable,
            };
            self.trouble(kind, e.to_string())
        })
    }

    fn trouble(&self, kind: TroubleKind, detail: impl Into<String>) -> Trouble {
        let mut trouble = Trouble::new(kind, &self.store, detail).of(&self.bucket);
        if kind == TroubleKind::Denied {
            trouble.permission = Some("the right to read and enter the directory");
        }
        trouble
    }
}

fn page(
    root: &Path,
    prefix: Vec<u8>,
    after: Vec<u8>,
    under_way: &Mutex<Option<UnderWay>>,
) -> io::Result<Raw> {
    let mut under_way = under_way.lock().unwrap_or_else(PoisonError::into_inner);
    let named = |e: io::Error| {
        io::Error::new(e.kind(), format!("{}: {e}", root.as_os_str().as_bytes().escape_ascii()))
    };
    let mut walk = match under_way.take() {
        Some((place, walk)) if place == after => walk,
        _ => Walk::new(root, prefix, after).map_err(named)?,
    };
    let (mut raw, mut last) = (Raw::default(), Vec::new());
    while raw.objects.len() + raw.passed.len() < PAGE {
        match walk.step().map_err(named)? {
            Some(Met::Object(object)) => {
                last.clone_from(&object.key);
                raw.objects.push(object);
            }
            Some(Met::Passed(passed)) => {
                last.clone_from(&passed.key);
                raw.passed.push(passed);
            }
            None => return Ok(raw),
        }
    }
    *under_way = Some((last, walk));
    raw.more = true;
    Ok(raw)
}
