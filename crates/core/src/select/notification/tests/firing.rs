//! Which rule fires for an event and a key.

use super::*;

#[test]
fn an_event_is_told_by_its_name_or_its_family() {
    for (wanted, event, want) in [
        ("s3:ObjectCreated:Put", "ObjectCreated:Put", true),
        ("s3:ObjectCreated:Put", "s3:ObjectCreated:Put", true),
        ("s3:ObjectCreated:Put", "ObjectCreated:PutTagging", false),
        ("s3:ObjectCreated:Put", "ObjectCreated:put", false),
        ("s3:ObjectCreated:*", "ObjectCreated:CompleteMultipartUpload", true),
        ("s3:ObjectCreated:*", "ObjectCreated:SomethingNew", true),
        ("s3:ObjectCreated:*", "ObjectCreated", false),
        ("s3:ObjectCreated:*", "ObjectRemoved:Delete", false),
        ("s3:ObjectLifecycle:Expiration:*", "s3:ObjectLifecycle:Expiration:Current", true),
        ("s3:ObjectLifecycle:Expiration:*", "s3:ObjectLifecycle:Transition:Current", false),
        ("s3:LifecycleTransition", "LifecycleTransition", true),
        ("s3:Object*", "ObjectCreated:Put", false),
        ("s3:ObjectCreated:*", "", false),
    ] {
        assert_eq!(tells_of(wanted, event), want, "{wanted} {event}");
    }
}

#[test]
fn rules_fire_as_their_store_says() {
    let fired = |text: &str, event: &str, key: &str| match read(text).verdict(event, key) {
        NotificationVerdict::Fired(fired) => fired,
        NotificationVerdict::Not(misses) => {
            assert_eq!(misses.len(), read(text).rules.len());
            Vec::new()
        }
    };
    for (text, event, key, want) in [
        // The first match ends it.
        (JD, "s3:ObjectCreated:Put", "contracts/2026 & later/a.pdf", vec![0]),
        (JD, "s3:ObjectCreated:Put", "contracts/2025/a.pdf", vec![1]),
        (JD, "s3:ObjectCreated:Copy", "contracts/2026 & later/a.pdf", vec![0]),
        (JD, "s3:ObjectCreated:Copy", "contracts/2025/a.pdf", vec![]),
        (JD, "s3:ObjectRemoved:Delete", "contracts/2026 & later/a.pdf", vec![2]),
        (JD, "s3:ObjectCreated:Put", "contracts/2026 &amp; later/a.txt", vec![]),
        // Amazon's filters are encoded, the key is not any more.
        (AMAZON, "ObjectCreated:Post", "raw files&more/a", vec![0]),
        (AMAZON, "ObjectCreated:Post", "raw+files%26more/a", vec![]),
        (AMAZON, "ObjectCreated:Copy", "images/a.png", vec![1]),
        (AMAZON, "ObjectCreated:Copy", "images/a.jpg", vec![2]),
        (AMAZON, "ObjectRemoved:DeleteMarkerCreated", "images/a.jpg", vec![3]),
        (AMAZON, "ObjectCreated:Copy", "Images/a.jpg", vec![]),
        // Elsewhere every one that fits fires, and nothing is decoded.
        (MINIO, "s3:ObjectCreated:Put", "a+b/c", vec![0, 1]),
        (MINIO, "s3:ObjectCreated:Put", "a b/c", vec![0]),
        (MINIO, "s3:ObjectAccessed:Get", "a+b/c", vec![0]),
    ] {
        assert_eq!(fired(text, event, key), want, "{event} {key}");
    }
    let bridge = document(&(queue(AMAZONS, "in/", "", CREATED) + "<EventBridgeConfiguration/>"));
    assert_eq!(fired(&bridge, "ObjectCreated:Put", "in/a"), [0, 1]);
    assert_eq!(fired(&bridge, "Object Deleted", "in/a"), [1]);
    // A prefix may be cut inside a character.
    let cut = document(&queue(AMAZONS, "%E5%90", "", CREATED));
    assert_eq!(fired(&cut, "ObjectCreated:Put", "合同"), [0]);
    assert_eq!(fired(&document(""), "ObjectCreated:Put", "a"), [0; 0]);
}

#[test]
fn the_first_thing_that_decided_is_told() {
    let text = document(&jd("in/", ".pdf", &["s3:ObjectCreated:Put", "s3:ObjectCreated:Copy"]));
    for (event, key, want) in [
        (
            "ObjectRemoved:Delete",
            "out/a.txt",
            r#"event is "ObjectRemoved:Delete", wanted "s3:ObjectCreated:Put, s3:ObjectCreated:Copy""#,
        ),
        ("ObjectCreated:Put", "out/a.txt", r#"prefix is "out/a.txt", wanted "in/""#),
        ("ObjectCreated:Put", "in/a.txt", r#"suffix is "in/a.txt", wanted ".pdf""#),
    ] {
        let NotificationVerdict::Not(misses) = read(&text).verdict(event, key) else { panic!("{key}") };
        assert_eq!(misses.iter().map(ToString::to_string).collect::<Vec<_>>(), [want]);
    }
    let both = document(&(jd("a/", "", CREATED) + &jd("", ".b", CREATED) + &jd("", ".c", CREATED)));
    let both = read(&both);
    let (index, _, miss) = both.nearest_miss("ObjectCreated:Put", "k").unwrap();
    assert_eq!((index, miss.wanted.as_str()), (1, ".b"), "the first that came furthest");
    assert_eq!(both.nearest_miss("ObjectRemoved:Delete", "k").unwrap().0, 0);
}
