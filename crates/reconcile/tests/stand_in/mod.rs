//! A store that knows one call: `ListObjectsV2`. What it lists can be changed while it runs, may be a million objects that nobody keeps, and may
//! come in no order.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::panic,
    reason = "each of its users needs a part of it, and ends where it fails"
)]

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// One object.
#[derive(Clone, Debug)]
pub(crate) struct Object {
    pub(crate) etag: String,
    pub(crate) size: u64,
    pub(crate) modified: Timestamp,
    pub(crate) class: &'static str,
}

impl Object {
    pub(crate) fn of(modified: Timestamp) -> Self {
        Self { etag: "0d73".into(), size: 7, modified, class: "STANDARD" }
    }
}

/// What is listed.
pub(crate) enum Content {
    /// These, in order.
    Kept(BTreeMap<String, Object>),
    /// These, as they stand here: a store without an order, which cannot begin after a key either.
    Shuffled(Vec<(String, Object)>),
    /// So many, in order, all of this time.
    Made(usize, Timestamp),
}

pub(crate) struct Store {
    pub(crate) url: String,
    content: Arc<Mutex<Content>>,
}

impl Store {
    pub(crate) async fn start(content: Content) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let content = Arc::new(Mutex::new(content));
        let shared = content.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, shared.clone()));
            }
        });
        Self { url, content }
    }

    pub(crate) async fn of(objects: impl IntoIterator<Item = (String, Object)>) -> Self {
        Self::start(Content::Kept(objects.into_iter().collect())).await
    }

    pub(crate) fn put(&self, key: &str, object: Object) {
        let Content::Kept(objects) = &mut *self.content.lock().unwrap() else {
            panic!("it cannot be changed")
        };
        objects.insert(key.to_owned(), object);
    }

    pub(crate) fn remove(&self, key: &str) {
        let Content::Kept(objects) = &mut *self.content.lock().unwrap() else {
            panic!("it cannot be changed")
        };
        objects.remove(key);
    }
}

async fn serve(stream: TcpStream, content: Arc<Mutex<Content>>) {
    let mut stream = BufReader::new(stream);
    loop {
        let mut head = String::new();
        let mut line = String::new();
        while stream.read_line(&mut line).await.is_ok_and(|read| read > 0) && line.trim() != "" {
            head += &line;
            line.clear();
        }
        let Some(target) = head.split_whitespace().nth(1) else { return };
        let query = target.split_once('?').map_or("", |(_, query)| query);
        let pairs: HashMap<String, String> = query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .map(|(name, value)| (name.to_owned(), decoded(value)))
            .collect();
        let body = page(&content.lock().unwrap(), &pairs);
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/xml\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        if stream.write_all((head + &body).as_bytes()).await.is_err() {
            return;
        }
    }
}

fn page(content: &Content, pairs: &HashMap<String, String>) -> String {
    let most: usize = pairs.get("max-keys").and_then(|text| text.parse().ok()).unwrap_or(1000);
    let prefix = pairs.get("prefix").map_or("", String::as_str);
    let token = pairs.get("continuation-token");
    let after = pairs.get("start-after");
    let (objects, next): (Vec<(String, Object)>, Option<String>) = match content {
        Content::Kept(objects) => {
            let behind = token.or(after).map_or("", String::as_str);
            let all = objects.iter().filter(|(key, _)| key.as_str() > behind && key.starts_with(prefix));
            let some: Vec<_> =
                all.take(most + 1).map(|(key, object)| (key.clone(), object.clone())).collect();
            let next = (some.len() > most).then(|| some[most - 1].0.clone());
            (some.into_iter().take(most).collect(), next)
        }
        Content::Shuffled(objects) => {
            let from: usize = token.map_or(0, |token| token.parse().unwrap());
            let some = objects.iter().skip(from).take(most).cloned().collect();
            (some, (from + most < objects.len()).then(|| (from + most).to_string()))
        }
        Content::Made(count, modified) => {
            let behind = token.or(after).and_then(|key| key.rsplit('/').next()?.parse::<usize>().ok());
            let from = behind.map_or(0, |last| last + 1);
            let until = (from + most).min(*count);
            let some = (from..until).map(|n| (made(n), Object::of(*modified))).collect();
            (some, (until < *count).then(|| made(until - 1)))
        }
    };
    let mut body = format!(
        "<?xml version=\"1.0\"?><ListBucketResult><Prefix>{}</Prefix><EncodingType>url</EncodingType><KeyCount>{}</KeyCount><IsTruncated>{}</IsTruncated>",
        encoded(prefix),
        objects.len(),
        next.is_some()
    );
    if let Some(next) = next {
        body += &format!("<NextContinuationToken>{}</NextContinuationToken>", encoded(&next));
        // A token is opaque, and is not decoded by whoever has it.
        body = body.replace(&encoded(&next), &next.replace('&', "&amp;").replace('<', "&lt;"));
    }
    for (key, object) in objects {
        body += &format!(
            "<Contents><Key>{}</Key><LastModified>{:.3}</LastModified><ETag>&quot;{}&quot;</ETag><Size>{}</Size><StorageClass>{}</StorageClass></Contents>",
            encoded(&key),
            object.modified,
            object.etag,
            object.size,
            object.class
        );
    }
    body + "</ListBucketResult>"
}

/// The key of the object of that number.
pub(crate) fn made(number: usize) -> String {
    format!("incoming/2026/{number:08}")
}

fn encoded(text: &str) -> String {
    let plain = |b: &u8| b.is_ascii_alphanumeric() || b"-._~/".contains(b);
    text.bytes().map(|b| if plain(&b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(b) = rest.next() {
        bytes.push(match b {
            b'%' => {
                let hex: String = rest.by_ref().take(2).map(char::from).collect();
                u8::from_str_radix(&hex, 16).unwrap()
            }
            b => b,
        });
    }
    String::from_utf8(bytes).unwrap()
}
