//! What must hold whatever a store or a file says.

use std::collections::VecDeque;
use std::fs;

use proptest::prelude::*;

use crate::cursor::Cursor;
use crate::list::{azure, s3_page};
use crate::settings::Plus;
use crate::tree::names::{What, first};

/// Text that is often nearly a listing.
fn nearly(root: &'static str, object: &'static str) -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just(format!("<{root}>")),
        Just(format!("</{root}>")),
        Just(format!("<{object}>")),
        Just(format!("</{object}>")),
        Just("<Key>a%2Bb</Key>".to_owned()),
        Just("<Name Encoded=\"true\">%ff</Name>".to_owned()),
        Just("<IsTruncated>true</IsTruncated>".to_owned()),
        Just("<NextMarker/>".to_owned()),
        Just("<Blobs>".to_owned()),
        Just("</Blobs>".to_owned()),
        Just("&amp;&#0;".to_owned()),
        Just("<![CDATA[x]]>".to_owned()),
        any::<String>(),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn no_page_makes_a_reader_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        s3 in nearly("ListBucketResult", "Contents"),
        azure in nearly("EnumerationResults", "Blob"),
    ) {
        for body in [&bytes[..], s3.as_bytes(), azure.as_bytes()] {
            if let Ok(page) = s3_page::S3Page::parse(body) {
                prop_assert!(page.objects(Plus::Space).iter().all(|object| !object.key.is_empty()));
            }
            if let Ok(raw) = azure::parse(body) {
                prop_assert!(raw.objects.iter().all(|object| !object.key.is_empty()));
            }
        }
    }

    #[test]
    fn a_cursor_comes_back_from_its_text(
        last in prop::collection::vec(any::<u8>(), 0..50),
        token in prop::option::of(any::<String>()),
        ordered: bool,
    ) {
        let cursor = Cursor { last, token, ordered };
        let text = cursor.to_string();
        prop_assert!(text.is_ascii() && !text.contains(char::is_control), "{text}");
        prop_assert_eq!(text.parse::<Cursor>().unwrap(), cursor);
    }

    #[test]
    fn no_text_makes_a_cursor_panic(text: String) {
        let _ = text.parse::<Cursor>();
    }
}

/// A directory that has more names than there is room for gives them all, in order, a few at a time.
#[test]
fn a_directory_is_read_again_for_what_there_was_no_room_for() {
    let folder = tempfile::tempdir().unwrap();
    for number in 0..100 {
        fs::write(folder.path().join(format!("{:03}", number * 37 % 100)), "").unwrap();
    }
    fs::create_dir(folder.path().join("050a")).unwrap();
    let open = fs::File::open(folder.path()).unwrap();
    let (mut seen, mut after, mut reads) = (Vec::new(), Vec::new(), 0);
    loop {
        let (names, all): (VecDeque<_>, bool) = first(&open, 500, |name| name.bytes > after).unwrap();
        reads += 1;
        assert!(names.len() <= 10, "{}", names.len());
        after = names.back().map_or(after, |name| name.bytes.clone());
        seen.extend(names);
        if all {
            break;
        }
    }
    assert!(reads > 9, "{reads}");
    assert_eq!(seen.len(), 101);
    assert!(seen.windows(2).all(|pair| pair[0].bytes < pair[1].bytes));
    assert_eq!(seen.iter().filter(|name| name.what == What::Directory).count(), 1);
}

/// The signers ask for a token for Azure's storage; for its management another one is asked for, in an address and in a body.
#[tokio::test]
async fn a_token_for_the_management_of_azure() {
    use bytes::Bytes;
    use mdss_relay_core::{Role, Settings};
    use reqsign_core::HttpSend as _;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let served = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut read = [0; 4096];
        let mut seen = String::new();
        while !seen.ends_with("default") {
            let n = stream.read(&mut read).await.unwrap();
            seen.push_str(std::str::from_utf8(&read[..n]).unwrap());
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await.unwrap();
        seen
    });
    let toml = "[[store]]\nname = 'a'\nkind = 'azure'\naccount = 'a'\nbuckets = '*'";
    let settings = Settings::read([("RELAY_CONFIG_TOML".into(), toml.into())], Role::Explain).settings;
    let settings = crate::StoreSettings::read(&settings, &mut Vec::new()).remove(0);
    let wire = crate::wire::Wire::new(&settings).unwrap();
    let body = "scope=https%3A%2F%2Fstorage.azure.com%2F.default";
    let request =
        http::Request::post(format!("http://{address}/?resource=https%3A%2F%2Fstorage.azure.com%2F"))
            .header("content-length", body.len())
            .body(Bytes::from(body))
            .unwrap();
    crate::sign::ForManagement(wire).http_send(request).await.unwrap();
    let seen = served.await.unwrap();
    assert!(seen.starts_with("POST /?resource=https%3A%2F%2Fmanagement.azure.com%2F HTTP/1.1\r\n"), "{seen}");
    assert!(seen.ends_with("\r\n\r\nscope=https%3A%2F%2Fmanagement.azure.com%2F.default"), "{seen}");
}
