//! A bucket that speaks the protocol of S3 as it is told to, and looks at signatures.

use std::collections::BTreeMap;

use percent_encoding::percent_decode_str;
use ring::digest::{SHA256, digest};
use ring::hmac;

use crate::server::{Asked, Reply};

/// The key of everybody who may ask here.
pub(crate) const SECRET: &str = "s3cret/key";

/// How a store writes keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Writes {
    /// As forms are: Amazon, MinIO.
    Form,
    /// As parts of a URL, a plus as well: Ceph.
    Percent,
    /// As parts of a path, in which a plus stays: SeaweedFS.
    Path,
    /// As they are, whatever it was asked.
    Plain,
}

#[derive(Clone, Debug)]
pub(crate) struct Bucket {
    pub(crate) keys: Vec<Vec<u8>>,
    pub(crate) page: usize,
    pub(crate) writes: Writes,
    /// Whether it knows only `ListObjects`, and what it says to the other call: nothing, or a refusal.
    pub(crate) old: Option<Option<&'static str>>,
    pub(crate) region: &'static str,
}

impl Bucket {
    /// Keys in order.
    pub(crate) fn of(mut keys: Vec<Vec<u8>>, page: usize) -> Self {
        keys.sort();
        Self { keys, page, writes: Writes::Form, old: None, region: "us-east-1" }
    }

    pub(crate) fn numbered(count: usize, page: usize) -> Self {
        Self::of((0..count).map(|n| format!("incoming/{n:06}.pdf").into_bytes()).collect(), page)
    }

    pub(crate) fn answer(&self, asked: &Asked) -> Reply {
        if let Err(why) = verified(asked, self.region) {
            return error(403, "SignatureDoesNotMatch", &why);
        }
        let second = asked.text("list-type").as_deref() == Some("2");
        if let (true, Some(Some(code))) = (second, self.old) {
            return error(501, code, "A header you provided implies functionality that is not implemented");
        }
        let version = if second && self.old.is_none() { 2 } else { 1 };
        let prefix = asked.parameter("prefix").unwrap_or_default();
        let keys: Vec<&Vec<u8>> = self.keys.iter().filter(|key| key.starts_with(&prefix)).collect();
        let marker = if version == 1 { asked.parameter("marker") } else { asked.parameter("start-after") };
        let start = match (asked.text("continuation-token").filter(|_| version == 2), marker) {
            (Some(token), _) => token.parse().unwrap(),
            (None, Some(after)) => keys.iter().position(|key| **key > after).unwrap_or(keys.len()),
            (None, None) => 0,
        };
        let page = self.page.min(asked.text("max-keys").map_or(1000, |most| most.parse().unwrap()));
        let end = (start + page).min(keys.len());
        let mut xml = format!(
            "<?xml version=\"1.0\"?>\n<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>b</Name>\
             <Prefix>{}</Prefix><IsTruncated>{}</IsTruncated>",
            self.written(&prefix),
            end < keys.len()
        );
        if self.writes != Writes::Plain {
            xml.push_str("<EncodingType>url</EncodingType>");
        }
        if version == 1 {
            xml.push_str("<Marker></Marker>");
        } else {
            xml.push_str(&format!("<KeyCount>{}</KeyCount>", end - start));
            if end < keys.len() {
                xml.push_str(&format!("<NextContinuationToken>{end}</NextContinuationToken>"));
            }
        }
        for key in &keys[start..end] {
            xml.push_str(&format!(
                "<Contents><Key>{}</Key><LastModified>{}</LastModified><ETag>&quot;e&quot;</ETag><Size>{}</Size>\
                 <StorageClass>STANDARD</StorageClass></Contents>",
                self.written(key),
                jiff::Timestamp::now(),
                key.len()
            ));
        }
        xml.push_str("</ListBucketResult>");
        Reply::of(200, xml)
    }

    fn written(&self, key: &[u8]) -> String {
        let written = |b: &u8| match (self.writes, b) {
            (_, b'-' | b'.' | b'_' | b'/') => char::from(*b).to_string(),
            (_, b) if b.is_ascii_alphanumeric() => char::from(*b).to_string(),
            (Writes::Form, b' ') | (Writes::Path, b'+') => "+".to_owned(),
            (Writes::Plain, b) => format!("&#{b};"),
            (_, b) => format!("%{b:02X}"),
        };
        key.iter().map(written).collect()
    }
}

pub(crate) fn error(status: u16, code: &str, message: &str) -> Reply {
    Reply::of(status, format!("<Error><Code>{code}</Code><Message>{message}</Message></Error>"))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes()).as_ref().to_vec()
}

/// Whether the signature is one of [`SECRET`], as Amazon computes it.
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>
fn verified(asked: &Asked, region: &str) -> Result<(), String> {
    let authorization =
        asked.header("authorization").strip_prefix("AWS4-HMAC-SHA256 ").ok_or("no signature")?;
    let parts: BTreeMap<&str, &str> =
        authorization.split(',').filter_map(|part| part.trim().split_once('=')).collect();
    let scope = parts["Credential"].strip_prefix("id/").ok_or("another key")?;
    let pieces: Vec<&str> = scope.split('/').collect();
    if pieces[1..] != [region, "s3", "aws4_request"] {
        return Err(format!("a scope of {scope}"));
    }
    let mut query: Vec<&str> =
        asked.target.split_once('?').map_or("", |(_, query)| query).split('&').collect();
    query.sort_unstable();
    let query: Vec<String> = query
        .into_iter()
        .map(|pair| if pair.contains('=') { pair.to_owned() } else { format!("{pair}=") })
        .collect();
    let headers: String =
        parts["SignedHeaders"].split(';').map(|name| format!("{name}:{}\n", asked.header(name))).collect();
    let path = asked.path();
    let path =
        path.strip_prefix("http://").map_or(path, |rest| &rest[rest.find('/').unwrap_or(rest.len())..]);
    let canonical = format!(
        "{}\n{path}\n{}\n{headers}\n{}\n{}",
        asked.method,
        query.join("&"),
        parts["SignedHeaders"],
        asked.header("x-amz-content-sha256")
    );
    let text = format!(
        "AWS4-HMAC-SHA256\n{}\n{scope}\n{}",
        asked.header("x-amz-date"),
        hex(digest(&SHA256, canonical.as_bytes()).as_ref())
    );
    let key = pieces.iter().fold(format!("AWS4{SECRET}").into_bytes(), |key, piece| mac(&key, piece));
    if hex(&mac(&key, &text)) != parts["Signature"] {
        return Err("the signature does not match".to_owned());
    }
    // What was signed is what came.
    assert!(percent_decode_str(&asked.target).decode_utf8().is_ok() || asked.target.is_ascii());
    Ok(())
}
