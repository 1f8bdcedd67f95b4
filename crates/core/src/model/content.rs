//! What a gateway between a store and the relay may have done to a body: compressed it.
//!
//! gzip is read, and nothing else: no store compresses what it posts, log shippers and gateways do, and gzip is what all of
//! them speak (RFC 9110, 8.4.1.3). The gate has seen the body as it was sent, because that is what a signature covers.

use std::io::Read;

use flate2::read::MultiGzDecoder;

use crate::model::delivery::Delivery;
use crate::model::failure::{Cause, Failure};
use crate::plain::line;

/// With which every gzip member begins (RFC 1952, 2.3.1), and no text.
const GZIP: &[u8] = b"\x1f\x8b";

/// Codings that somebody may use and that are not read (IANA, "HTTP Content Coding Registry").
const OTHER: &[&str] =
    &["br", "compress", "x-compress", "deflate", "zstd", "dcb", "dcz", "exi", "pack200-gzip", "aes128gcm"];

impl Delivery {
    /// Whether the body is packed, so that it is larger than it looks.
    pub fn is_packed(&self) -> bool {
        self.body.starts_with(GZIP)
    }

    /// The same delivery with its body unpacked, if it is packed; `most` bytes may come out.
    ///
    /// The bytes decide whether they are gzip: some boxes unpack a body and leave the header, others the other way round.
    ///
    /// # Errors
    /// [`Cause::UnsupportedEncoding`] for any other coding, by its name; [`Cause::BodyTooLarge`] if more than `most` bytes come
    /// out; [`Cause::Unreadable`] if the gzip is damaged.
    pub fn unpacked(mut self, most: usize) -> Result<Self, Failure> {
        if self.is_packed() {
            self.body = gunzip(&self.body, most)?;
            // Twice, if two boxes have done it.
            if self.is_packed() {
                self.body = gunzip(&self.body, most)?;
            }
            return Ok(self);
        }
        let codings = self.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("content-encoding"));
        let mut codings =
            codings.flat_map(|(_, value)| value.split(',')).map(|coding| coding.trim().to_ascii_lowercase());
        let begins_as_json = self.body.trim_ascii_start().first().is_none_or(|b| b"{[\"\xef".contains(b));
        // A name that is no coding (`utf-8` is seen) says nothing against a body that looks like JSON.
        let in_the_way = |coding: &String| match coding.as_str() {
            "" | "identity" | "gzip" | "x-gzip" => false,
            coding => OTHER.contains(&coding) || !begins_as_json,
        };
        match codings.find(in_the_way) {
            None => Ok(self),
            Some(coding) => {
                let coding = line::clip(&coding, 40);
                let detail = format!("header content-encoding: expected gzip, or none, found {coding:?}");
                Err(Failure::new(Cause::UnsupportedEncoding, detail))
            }
        }
    }
}

fn gunzip(packed: &[u8], most: usize) -> Result<Vec<u8>, Failure> {
    let mut unpacked = Vec::new();
    let mut reader = MultiGzDecoder::new(packed).take(most as u64 + 1);
    reader.read_to_end(&mut unpacked).map_err(|e| {
        Failure::new(
            Cause::Unreadable,
            format!("the body: expected gzip, as it begins, found a damaged one: {e}"),
        )
    })?;
    if unpacked.len() > most {
        let detail =
            format!("a body of more than {most} bytes once unpacked, expected at most RELAY_BODY_LIMIT");
        return Err(Failure::new(Cause::BodyTooLarge, detail));
    }
    Ok(unpacked)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn packed(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn unpacked(coding: Option<&str>, body: &[u8]) -> Result<Vec<u8>, (Cause, String)> {
        let headers = coding.map(|c| ("Content-Encoding".to_owned(), c.to_owned())).into_iter().collect();
        let delivery = Delivery { headers, body: body.to_owned(), ..Delivery::default() };
        delivery.unpacked(1000).map(|d| d.body).map_err(|f| (f.cause, f.detail))
    }

    #[test]
    fn gzip_is_read_and_other_codings_are_named() {
        let gzip = packed(b"{}");
        for coding in
            [None, Some("gzip"), Some("x-gzip"), Some("GZIP"), Some("identity"), Some("utf-8"), Some("br")]
        {
            assert_eq!(unpacked(coding, &gzip), Ok(b"{}".to_vec()), "{coding:?}");
        }
        // Somebody has unpacked it already, or means something else by the header.
        for coding in
            [None, Some("gzip"), Some(""), Some("identity, gzip"), Some("UTF-8"), Some("aws-chunked")]
        {
            assert_eq!(unpacked(coding, b" {}"), Ok(b" {}".to_vec()), "{coding:?}");
        }
        for (coding, body) in [
            ("br", &b"{}"[..]),
            ("deflate", b"\x78\x9c"),
            ("zstd", b"\x28\xb5\x2f\xfd"),
            ("unheard-of", b"\x00"),
        ] {
            let want = format!("header content-encoding: expected gzip, or none, found {coding:?}");
            assert_eq!(unpacked(Some(coding), body), Err((Cause::UnsupportedEncoding, want)));
        }
        assert_eq!(unpacked(None, b"\x00"), Ok(vec![0]), "the reader has the sentence");
    }

    #[test]
    fn what_comes_out_is_limited_and_whole() {
        assert_eq!(unpacked(Some("gzip, gzip"), &packed(&packed(b"{}"))), Ok(b"{}".to_vec()));
        let members = [packed(b"{"), packed(b"}")].concat();
        assert_eq!(unpacked(Some("gzip"), &members), Ok(b"{}".to_vec()));
        assert_eq!(unpacked(Some("gzip"), &packed(&[b' '; 1000])).unwrap().len(), 1000);
        let bomb = unpacked(Some("gzip"), &packed(&vec![b' '; 50_000_000])).unwrap_err();
        assert_eq!(bomb.0, Cause::BodyTooLarge);
        let mut broken = packed(b"{\"Records\":[]}");
        for length in [2, 12, broken.len() - 1] {
            assert_eq!(unpacked(None, &broken[..length]).unwrap_err().0, Cause::Unreadable, "{length}");
        }
        let last = broken.len() - 5;
        broken[last] ^= 1;
        assert_eq!(unpacked(None, &broken).unwrap_err().0, Cause::Unreadable, "its checksum is wrong");
    }
}
