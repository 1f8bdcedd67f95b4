//! What the tests of all stores share: a store from its settings, a whole listing.

use std::collections::BTreeSet;
use std::time::Duration;

use mdss_relay_core::{RetryPolicy, Role, Settings};
use mdss_relay_stores::{Cursor, Listed, Listing, Order, Passed, Store, StoreSettings, Trouble};

use crate::emulator::ODD_KEYS;

/// The settings of one `[[store]]`, with pauses that a test can wait for.
pub(crate) fn settings(members: &str) -> StoreSettings {
    let toml = format!("[[store]]\nname = \"here\"\nbuckets = \"*\"\n{members}");
    let read = Settings::read([("RELAY_CONFIG_TOML".into(), toml.into())], Role::Explain);
    assert_eq!(read.mistakes, []);
    let mut mistakes = Vec::new();
    let mut stores = StoreSettings::read(&read.settings, &mut mistakes);
    assert_eq!(mistakes, []);
    let mut settings = stores.remove(0);
    settings.retry = quick();
    settings
}

/// As many attempts as ever, a millisecond apart.
pub(crate) fn quick() -> RetryPolicy {
    let millisecond = Duration::from_millis(1);
    RetryPolicy { first: millisecond, most: millisecond, ..RetryPolicy::new(Some(6)) }
}

pub(crate) fn store(members: &str) -> Store {
    Store::open(&settings(members)).unwrap()
}

/// A file with a text, and its folder, which goes when the test does.
pub(crate) fn file(text: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret");
    std::fs::write(&path, text).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (folder, path)
}

/// A listing to its end.
pub(crate) struct Whole {
    pub(crate) objects: Vec<Listed>,
    pub(crate) passed: Vec<Passed>,
    pub(crate) pages: usize,
    pub(crate) order: Order,
    /// Where each page but the last ended.
    pub(crate) cursors: Vec<Cursor>,
}

impl Whole {
    pub(crate) fn keys(&self) -> Vec<String> {
        self.objects.iter().map(|object| String::from_utf8(object.key.clone()).unwrap()).collect()
    }
}

pub(crate) async fn whole(listing: Listing) -> Result<Whole, Trouble> {
    whole_from(listing, None).await
}

pub(crate) async fn whole_from(mut listing: Listing, from: Option<Cursor>) -> Result<Whole, Trouble> {
    let mut whole =
        Whole { objects: Vec::new(), passed: Vec::new(), pages: 0, order: Order::Bytes, cursors: Vec::new() };
    let mut next = from;
    loop {
        let page = listing.page(next.as_ref()).await?;
        whole.pages += 1;
        whole.objects.extend(page.objects);
        whole.passed.extend(page.passed);
        whole.order = listing.order();
        next = page.next;
        match &next {
            Some(cursor) => whole.cursors.push(cursor.clone()),
            None => return Ok(whole),
        }
    }
}

/// Each of the odd keys, once and unchanged, and what comes with each.
pub(crate) fn r6_every_odd_key_is_listed_unchanged(whole: &Whole, but: &[&str]) {
    let wanted: BTreeSet<&str> = ODD_KEYS.into_iter().filter(|key| !but.contains(key)).collect();
    let keys = whole.keys();
    assert_eq!(keys.iter().map(String::as_str).collect::<BTreeSet<_>>(), wanted);
    assert_eq!(keys.len(), wanted.len());
    for object in &whole.objects {
        assert_eq!(object.size, Some(u64::try_from(object.key.len()).unwrap()), "{object:?}");
        let modified = object.modified.unwrap_or_else(|| panic!("{object:?}"));
        let age = jiff::Timestamp::now().duration_since(modified).as_secs();
        assert!((-5..600).contains(&age), "{object:?}");
    }
}

/// A listing that is broken off after each of its pages and gone on with by another process: nothing is lost and nothing comes twice.
pub(crate) async fn r3_goes_on_where_it_was_broken_off(store: &Store, bucket: &str, pages: usize) {
    let all = whole(store.list(bucket, b"")).await.unwrap();
    assert_eq!(all.pages, pages);
    let mut before = 0;
    let mut reached = Vec::new();
    for cursor in &all.cursors {
        // As it would be written down and read again.
        let cursor: Cursor = cursor.to_string().parse().unwrap();
        let rest = whole_from(store.list(bucket, b""), Some(cursor.clone())).await.unwrap();
        before += (all.objects.len() - before) - rest.objects.len();
        assert_eq!(rest.keys(), all.keys()[before..], "{cursor}");
        reached.push(before);
    }
    assert!(reached.windows(2).all(|pair| pair[0] < pair[1]), "{reached:?}");
}
