//! A tree of directories, which is also what a share is that is mounted.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::Path;

use mdss_relay_stores::{Cursor, Kind, Order, PassedWhy, Store, TroubleKind};

use crate::common::{
    r3_goes_on_where_it_was_broken_off, r6_every_odd_key_is_listed_unchanged, store, whole, whole_from,
};

fn of(root: &Path) -> Store {
    store(&format!("kind = \"directory\"\npath = \"{}/{{bucket}}\"", root.display()))
}

/// A file with its own name as its content, and the directories to it.
fn put(tree: &Path, key: &[u8]) {
    let path = tree.join(OsStr::from_bytes(key));
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, key).unwrap();
}

#[tokio::test]
async fn r6_a_tree() {
    let root = tempfile::tempdir().unwrap();
    let tree = root.path().join("share");
    // No file system can hold the other ones: their paths are those of other files, or of a directory.
    let none = ["/lead", "./dot", "a//b", "x/../y", "dir/"];
    for key in crate::emulator::ODD_KEYS.into_iter().filter(|key| !none.contains(key)) {
        put(&tree, key.as_bytes());
    }
    let store = of(root.path());
    assert_eq!(store.settings().kind, Kind::Directory);
    let odd = whole(store.list("share", b"")).await.unwrap();
    r6_every_odd_key_is_listed_unchanged(&odd, &none);
    assert_eq!((odd.order, odd.passed.len()), (Order::Bytes, 0));
}

/// Names that are not UTF-8, and paths that are ordered otherwise than their directories.
#[tokio::test]
async fn paths_are_bytes_and_come_in_their_order() {
    let root = tempfile::tempdir().unwrap();
    let tree = root.path().join("share");
    let keys: [&[u8]; 12] = [
        b"a",
        b"a-b",
        b"a.txt",
        b"b/c/d",
        b"b/c-d",
        b"b/c0",
        b"b-",
        b"b0",
        b"caf\xe9",
        b"caf\xe9/x",
        b"\xff\xfe",
        b"zz/\xc3",
    ];
    // `caf\xe9` cannot be both.
    let keys: Vec<&[u8]> = keys.into_iter().filter(|key| *key != b"caf\xe9").collect();
    for key in &keys {
        put(&tree, key);
    }
    let mut wanted: Vec<Vec<u8>> = keys.iter().map(|key| key.to_vec()).collect();
    wanted.sort();
    let store = of(root.path());
    let all = whole(store.list("share", b"")).await.unwrap();
    let listed: Vec<_> = all.objects.iter().map(|object| object.key.clone()).collect();
    assert_eq!((listed, all.order), (wanted.clone(), Order::Bytes));

    // From behind every path on, also behind those that are none.
    let behind = |key: &[u8]| {
        let text: String = key.iter().map(|b| format!("%{b:02X}")).collect();
        format!("ordered {text}").parse::<Cursor>().unwrap()
    };
    let others: [&[u8]; 6] = [b"b/", b"b/c", b"b/c/", b"b/c/d/e", b"zzz", b"a.txt/x"];
    for key in wanted.iter().map(Vec::as_slice).chain(others) {
        let rest = whole_from(store.list("share", b""), Some(behind(key))).await.unwrap();
        let rest: Vec<_> = rest.objects.into_iter().map(|object| object.key).collect();
        let want: Vec<_> = wanted.iter().filter(|own| own.as_slice() > key).cloned().collect();
        assert_eq!(rest, want, "{}", key.escape_ascii());
    }
    for prefix in [&b"b"[..], b"b/", b"b/c", b"b/c/d", b"caf\xe9/", b"x", b"b/c/d/e"] {
        let below = whole(store.list("share", prefix)).await.unwrap();
        let below: Vec<_> = below.objects.into_iter().map(|object| object.key).collect();
        let want: Vec<_> = wanted.iter().filter(|own| own.starts_with(prefix)).cloned().collect();
        assert_eq!(below, want, "{}", prefix.escape_ascii());
    }
}

#[tokio::test]
async fn r3_a_tree_goes_on() {
    let root = tempfile::tempdir().unwrap();
    let tree = root.path().join("many");
    for number in 0..2500 {
        put(&tree, format!("{:02}/{:01}/{number:04}", number % 31, number % 7).as_bytes());
    }
    r3_goes_on_where_it_was_broken_off(&of(root.path()), "many", 3).await;
}

/// Whoever may write in the tree leads nobody out of it, and nothing is left out in silence.
#[tokio::test]
async fn links_lead_nowhere_and_what_is_no_file_is_named() {
    let (root, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let tree = root.path().join("share");
    put(&tree, b"dir/file");
    put(outside.path(), b"secret/passwords");
    symlink(outside.path().join("secret"), tree.join("out")).unwrap();
    symlink(outside.path().join("secret/passwords"), tree.join("out-file")).unwrap();
    symlink("..", tree.join("dir/up")).unwrap();
    symlink("loop", tree.join("loop")).unwrap();
    symlink("dir", tree.join("same")).unwrap();
    symlink("dir/file", tree.join("shortcut")).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, tree.join("pipe"), rustix::fs::Mode::RUSR).unwrap();
    let all = whole(of(root.path()).list("share", b"")).await.unwrap();
    assert_eq!(all.keys(), ["dir/file", "shortcut"]);
    assert!(all.objects.iter().all(|object| object.size == Some(8)));
    let passed: BTreeSet<String> =
        all.passed.iter().map(|passed| format!("{}: {}", passed.key.escape_ascii(), passed.why)).collect();
    let link = "a symbolic link to no file in the tree";
    let wanted = ["dir/up", "loop", "out", "out-file", "same"].map(|name| format!("{name}: {link}"));
    assert_eq!(passed, wanted.into_iter().chain(["pipe: no plain file".to_owned()]).collect());
}

/// A directory that cannot be read stops nobody's run, and is no reason to believe that it is empty.
#[tokio::test]
async fn a_directory_that_cannot_be_read_is_named() {
    // A path too long for anybody; root may read everything else.
    let root = tempfile::tempdir().unwrap();
    let tree = root.path().join("share");
    put(&tree, b"zz");
    let name = "n".repeat(250);
    let mut directory =
        rustix::fs::open(&tree, rustix::fs::OFlags::DIRECTORY, rustix::fs::Mode::empty()).unwrap();
    for _ in 0..20 {
        rustix::fs::mkdirat(&directory, name.as_str(), rustix::fs::Mode::RWXU).unwrap();
        directory = rustix::fs::openat(
            &directory,
            name.as_str(),
            rustix::fs::OFlags::DIRECTORY,
            rustix::fs::Mode::empty(),
        )
        .unwrap();
    }
    let store = of(root.path());
    let all = whole(store.list("share", b"")).await.unwrap();
    assert_eq!(all.keys(), ["zz"]);
    assert_eq!(all.passed.len(), 1);
    assert_eq!(all.passed[0].why, PassedWhy::Unreadable("its path is too long".to_owned()));

    let missing = store.list("nothing", b"").page(None).await.unwrap_err();
    assert_eq!(missing.kind, TroubleKind::Missing, "{missing}");
    for odd in ["..", ".", "", "share/../../etc"] {
        let trouble = store.list(odd, b"").page(None).await.unwrap_err();
        assert_eq!(trouble.kind, TroubleKind::Refused, "{trouble}");
    }
}

/// What changes while it is walked: what is gone is gone, and what is there all the time comes once.
#[tokio::test]
async fn a_tree_may_change_under_way() {
    let root = tempfile::tempdir().unwrap();
    let tree = root.path().join("share");
    for number in 0..1500 {
        put(&tree, format!("{number:04}/file").as_bytes());
    }
    let store = of(root.path());
    let mut listing = store.list("share", b"");
    let first = listing.page(None).await.unwrap();
    fs::remove_dir_all(tree.join("1499")).unwrap();
    fs::remove_file(tree.join("1498/file")).unwrap();
    fs::remove_dir_all(tree.join("1497")).unwrap();
    symlink("1496", tree.join("1497")).unwrap();
    // Asked for again, because the page ahead has been walked already.
    let cursor: Cursor = first.next.unwrap().to_string().parse().unwrap();
    let rest = whole_from(store.list("share", b""), Some(cursor)).await.unwrap();
    assert_eq!(first.objects.len() + rest.objects.len(), 1497);
    assert_eq!(rest.passed.len(), 1);
}
