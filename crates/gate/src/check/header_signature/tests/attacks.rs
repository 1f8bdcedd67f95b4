//! What a stranger may change of a request that was signed.

use super::*;

/// Each changes a request after it was signed.
#[test]
fn attacks() {
    type Change = fn(&mut Post) -> &mut Post;
    let refused = Objection::Refused;
    let window = Objection::OutOfDate("the Date header is outside the window");
    let table: Vec<(&str, Change, Objection)> = vec![
        ("no signature", |p| p.remove("Authorization"), refused("no Authorization header")),
        ("empty signature", |p| p.set("Authorization", ""), refused("no Authorization header")),
        ("not base64", |p| p.set("Authorization", "***"), refused("the signature is not base64")),
        (
            "a scheme",
            |p| {
                let s = format!("Bearer {}", p.value("Authorization"));
                p.set("Authorization", &s)
            },
            refused("the signature is not base64"),
        ),
        (
            "signature truncated",
            |p| {
                let s = p.value("Authorization")[4..].to_owned();
                p.set("Authorization", &s)
            },
            WRONG,
        ),
        (
            "signature in small letters",
            |p| {
                let s = p.value("Authorization");
                let s = s[..100].to_lowercase() + &s[100..];
                p.set("Authorization", &s)
            },
            WRONG,
        ),
        (
            "signature too long",
            |p| p.set("Authorization", &"A".repeat(1369)),
            refused("the signature is too long"),
        ),
        // Of 8192 bits, as the largest key that is read makes it.
        ("a signature of the longest", |p| p.set("Authorization", &BASE64.encode([0; 1024])), WRONG),
        ("signature of zeros", |p| p.set("Authorization", &BASE64.encode([0; 128])), WRONG),
        (
            "signature doubled",
            |p| {
                let s = p.value("Authorization");
                p.add("authorization", &s)
            },
            DOUBLED,
        ),
        ("a second, empty one", |p| p.add("authorization", ""), DOUBLED),
        ("other signer", |p| p.sign(Signer::other()), WRONG),
        (
            "PUT",
            |p| {
                p.method = "PUT";
                p
            },
            refused("the method is not POST"),
        ),
        (
            "post",
            |p| {
                p.method = "post";
                p
            },
            refused("the method is not POST"),
        ),
        (
            "other path",
            |p| {
                p.path = "/notifications2".into();
                p
            },
            WRONG,
        ),
        (
            "path in capitals",
            |p| {
                p.path = "/Notifications".into();
                p
            },
            WRONG,
        ),
        (
            "a slash more",
            |p| {
                p.path = "/notifications/".into();
                p
            },
            WRONG,
        ),
        (
            "a query more",
            |p| {
                p.path = "/notifications?a".into();
                p
            },
            WRONG,
        ),
        (
            "path encoded",
            |p| {
                p.path = "/%6eotifications".into();
                p
            },
            WRONG,
        ),
        (
            "path empty",
            |p| {
                p.path = String::new();
                p
            },
            refused("the request target is no path"),
        ),
        (
            "a whole URL",
            |p| {
                p.path = "http://x/notifications".into();
                p
            },
            refused("the request target is no path"),
        ),
        (
            "body changed",
            |p| {
                p.body[7] ^= 1;
                p
            },
            refused("the Content-MD5 header does not fit the body"),
        ),
        (
            "body empty",
            |p| {
                p.body.clear();
                p
            },
            refused("the Content-MD5 header does not fit the body"),
        ),
        (
            "body longer",
            |p| {
                p.body.push(b'\n');
                p
            },
            refused("the Content-MD5 header does not fit the body"),
        ),
        (
            "body and hash changed",
            |p| {
                p.body.push(b'\n');
                let h = BASE64.encode(Md5::digest(&p.body));
                p.set("Content-MD5", &h)
            },
            WRONG,
        ),
        // The same hash, spelled in another of the three ways, is another text.
        ("hash respelled", |p| p.set("Content-MD5", &hex_md5()), WRONG),
        (
            "no hash",
            |p| p.remove("Content-MD5"),
            refused("no Content-MD5 header, so that the body is not signed"),
        ),
        (
            "empty hash",
            |p| p.set("Content-MD5", ""),
            refused("no Content-MD5 header, so that the body is not signed"),
        ),
        (
            "hash truncated",
            |p| p.set("Content-MD5", &hex_md5()[..30]),
            refused("the Content-MD5 header is no MD5"),
        ),
        (
            "hash of another length",
            |p| p.set("Content-MD5", &BASE64.encode([0; 20])),
            refused("the Content-MD5 header is no MD5"),
        ),
        ("hash doubled", |p| p.add("content-md5", "x"), DOUBLED),
        ("type changed", |p| p.set("Content-Type", "application/json"), WRONG),
        ("type in other case", |p| p.set("Content-Type", "Text/xml;charset=utf-8"), WRONG),
        ("type missing", |p| p.remove("Content-Type"), WRONG),
        ("type doubled", |p| p.add("content-type", "text/xml;charset=utf-8"), DOUBLED),
        (
            "type and date swapped",
            |p| {
                let t = p.value("Content-Type");
                p.set("Content-Type", DATE).set("Date", &t)
            },
            refused("the Date header is no date"),
        ),
        ("no date", |p| p.remove("Date"), refused("no Date header")),
        ("date changed", |p| p.set("Date", "Sat, 21 Nov 2026 11:59:01 GMT"), WRONG),
        ("date respelled", |p| p.set("Date", "2026-11-21T11:59:00Z"), WRONG),
        ("stale", |p| p.set("Date", "Sat, 21 Nov 2026 11:44:59 GMT"), window.clone()),
        ("ahead", |p| p.set("Date", "Sat, 21 Nov 2026 12:15:01 GMT"), window.clone()),
        ("stale and signed", |p| p.set("Date", "Sat, 21 Nov 2026 11:44:59 GMT").sign(Signer::one()), window),
        ("date doubled", |p| p.add("Date", DATE), DOUBLED),
        ("id changed", |p| p.set("x-jdcloud-request-id", "57458276F0E3D56D7C00054C"), WRONG),
        ("id missing", |p| p.remove("x-jdcloud-request-id"), WRONG),
        ("id doubled", |p| p.add("X-JDCLOUD-REQUEST-ID", "57458276F0E3D56D7C00054B"), DOUBLED),
        ("message type changed", |p| p.set("x-jdcloud-message-type", "SubscriptionConfirmation"), WRONG),
        ("message type doubled", |p| p.add("x-jdcloud-message-type", "SubscriptionConfirmation"), DOUBLED),
        ("a header more", |p| p.add("x-jdcloud-extra", ""), WRONG),
        (
            "values swapped",
            |p| {
                let (a, b) = (p.value("x-jdcloud-version"), p.value("x-jdcloud-request-id"));
                p.set("x-jdcloud-version", &b).set("x-jdcloud-request-id", &a)
            },
            WRONG,
        ),
        // What is one line may not become two, nor the other way round.
        (
            "header in a value",
            |p| {
                p.remove("x-jdcloud-version")
                    .remove("x-jdcloud-signing-cert-url")
                    .set("x-jdcloud-request-id", "57458276F0E3D56D7C00054B\nx-jdcloud-version:2015-06-06")
            },
            refused("a signed header or the path holds a control character"),
        ),
        (
            "header in the path",
            |p| {
                p.path = "x-jdcloud-version:2015-06-06\n/notifications".into();
                p.remove("x-jdcloud-version")
            },
            refused("a signed header or the path holds a control character"),
        ),
        (
            "header in a name",
            |p| p.remove("x-jdcloud-version").add("x-jdcloud-version:2015-06-06", ""),
            refused("a signed header or the path holds a control character"),
        ),
        (
            "line feed in a name",
            |p| p.add("x-jdcloud-a\nx-jdcloud-b", "1"),
            refused("a signed header or the path holds a control character"),
        ),
        (
            "date in the type",
            |p| {
                let v = format!("text/xml;charset=utf-8\n{DATE}");
                p.set("Content-Type", &v)
            },
            refused("a signed header or the path holds a control character"),
        ),
    ];
    for (case, change, expected) in table {
        let mut post = signed();
        assert_eq!(change(&mut post).judge(), Err(expected), "{case}");
    }
}
