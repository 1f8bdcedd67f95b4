//! How MDSS writes the path of an object whose key we know.
//!
//! The documents call `FilePath` a "relative path" and show `folder/file.txt` (OPSWAT, "File scanned notifications",
//! <https://www.opswat.com/docs/mdss/4.5.0/configuration/file-scanned-notifications>, read 2026-11). Relative to what, they do not say: the bucket, the folder in which
//! the storage unit begins, or what holds the bucket. So each unit's form is learned.

use std::fmt;

/// What a path is relative to.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Base {
    /// The bucket: the path is the key.
    Key,
    /// What holds the bucket: the bucket's name and a slash stand before the key.
    Container,
    /// A folder in the bucket, which the path leaves out: `inbox/`, or whatever text the key begins with.
    Below(String),
}

/// The form of a unit's paths.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Form {
    /// Whether a slash stands before all of it.
    pub(crate) slash: bool,
    /// What it is relative to.
    pub(crate) base: Base,
}

impl Form {
    /// The documented one, in its plainest reading: the path is the key.
    pub(crate) const KEY: Self = Self { slash: false, base: Base::Key };

    /// The forms of which a key can be computed from the path alone.
    pub(crate) const COMPUTED: [Self; 4] = [
        Self::KEY,
        Self { slash: true, base: Base::Key },
        Self { slash: false, base: Base::Container },
        Self { slash: true, base: Base::Container },
    ];

    /// The key that has this path in this form, in a bucket of this name; `None`: none has.
    pub(crate) fn key(&self, path: &str, bucket: Option<&str>) -> Option<String> {
        let path = if self.slash { path.strip_prefix('/')? } else { path };
        let key = match &self.base {
            Base::Key => path.to_owned(),
            Base::Container => path.strip_prefix(bucket?)?.strip_prefix('/')?.to_owned(),
            Base::Below(folder) => format!("{folder}{path}"),
        };
        (!key.is_empty()).then_some(key)
    }

    /// The form below a folder by which this key has this path, if it has one: the folder ends in a slash.
    pub(crate) fn below(key: &str, path: &str, slash: bool) -> Option<Self> {
        let path = if slash { path.strip_prefix('/')? } else { path };
        let folder = key.strip_suffix(path)?;
        (!path.is_empty() && folder.ends_with('/'))
            .then(|| Self { slash, base: Base::Below(folder.to_owned()) })
    }

    /// As it stands in the ledger.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let (slash, text) = match text.strip_prefix('/') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let base = match text.split_once(':') {
            None if text == "key" => Base::Key,
            None if text == "container" => Base::Container,
            Some(("below", folder)) => Base::Below(folder.to_owned()),
            _ => return None,
        };
        Some(Self { slash, base })
    }
}

impl fmt::Display for Form {
    /// `key`, `container` or `below:FOLDER`, behind a slash if there is one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.slash {
            f.write_str("/")?;
        }
        match &self.base {
            Base::Key => f.write_str("key"),
            Base::Container => f.write_str("container"),
            Base::Below(folder) => write!(f, "below:{folder}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn forms_and_their_keys() {
        for (form, path, want) in [
            ("key", "a/b", Some("a/b")),
            ("key", "/a", Some("/a")),
            ("/key", "/a", Some("a")),
            ("/key", "a", None),
            ("/key", "/", None),
            ("container", "bucket/a", Some("a")),
            ("container", "bucket2/a", None),
            ("container", "bucket/", None),
            ("/container", "/bucket/a", Some("a")),
            ("below:in/", "a", Some("in/a")),
            ("/below:in/", "/a", Some("in/a")),
            // A key that begins with a slash which the path leaves out.
            ("below:/", "a", Some("/a")),
        ] {
            let key = Form::read(form).unwrap().key(path, Some("bucket"));
            assert_eq!(key.as_deref(), want, "{form} {path}");
        }
        assert_eq!(Form::read("container").unwrap().key("bucket/a", None), None);
        for text in ["", "keys", "below", "//key", "in:x"] {
            assert_eq!(Form::read(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_form_is_read_as_it_is_written_and_finds_its_key(slash: bool, which in 0usize..3, folder in "[a-z/:]{0,5}", path in "/?[a-z/]{1,6}") {
            let base = [Base::Key, Base::Container, Base::Below(folder)][which].clone();
            let form = Form { slash, base };
            prop_assert_eq!(Form::read(&form.to_string()), Some(form.clone()));
            // What is found below a folder is found by that form again.
            if let Some(key) = form.key(&path, Some("b"))
                && let Some(below) = Form::below(&key, &path, slash) {
                prop_assert_eq!(below.key(&path, Some("b")), Some(key));
            }
        }
    }
}
