//! A token, taken apart: header, claims and signature, each read in one way only. Nothing here believes a word of it.
//!
//! The form is <https://www.rfc-editor.org/rfc/rfc7515#section-3.1>: three parts in base64url without padding.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::key_set::{Algorithm, is_key_id};
use crate::members::Members;

/// The longest token. Those of Entra grow with the roles in them; Google's have about 1,200 bytes.
const LONGEST: usize = 16 * 1024;

/// The longest header, decoded. One with `x5c` in it, a certificate, is longer, and nobody needs it.
const LONGEST_HEADER: usize = 1024;

/// What Cloud Run puts in place of the signature, once it has verified a token itself:
/// <https://cloud.google.com/run/docs/troubleshooting#signature-removed>.
const REMOVED: &[u8] = b"SIGNATURE_REMOVED_BY_GOOGLE";

pub(super) struct Token<'a> {
    pub(super) algorithm: Algorithm,
    pub(super) key_id: String,
    pub(super) claims: Members,
    /// What the signature covers: the first two parts as they were sent.
    pub(super) signed: &'a [u8],
    pub(super) signature: Vec<u8>,
}

impl<'a> Token<'a> {
    /// # Errors
    ///
    /// The reason for the log, without a byte of the token.
    pub(super) fn read(text: &'a [u8]) -> Result<Self, &'static str> {
        if text.len() > LONGEST {
            return Err("the token is longer than 16 KiB");
        }
        let mut parts = text.split(|byte| *byte == b'.');
        let (header, claims, signature) = match [(); 6].map(|()| parts.next()) {
            [Some(header), Some(claims), Some(signature), None, ..] => (header, claims, signature),
            [Some(_), Some(_), Some(_), Some(_), Some(_), None] => {
                return Err("the token is encrypted (JWE)");
            }
            _ => return Err("the token has not three parts"),
        };
        let signed = &text[..header.len() + 1 + claims.len()];
        if signature == REMOVED {
            return Err(
                "Cloud Run has verified the token itself and taken its signature away: let it admit calls without authentication, \
                 so that this check can verify them",
            );
        }
        if [header, claims, signature].iter().any(|part| part.is_empty()) {
            return Err("a part of the token is empty");
        }
        // Without padding, and with zeros in the bits that say nothing: one token has one spelling.
        let decoded =
            |part: &[u8]| URL_SAFE_NO_PAD.decode(part).map_err(|_| "a part of the token is not base64url");
        let header = decoded(header)?;
        if header.len() > LONGEST_HEADER {
            return Err("the token's header is longer than 1 KiB");
        }
        let header = Members::read(&header)
            .ok_or("the token's header is no JSON object, or a member stands in it twice")?;
        let (algorithm, key_id) = announced(&header)?;
        let claims = Members::read(&decoded(claims)?)
            .ok_or("the token's claims are no JSON object, or one of them stands there twice")?;
        Ok(Self { algorithm, key_id, claims, signed, signature: decoded(signature)? })
    }
}

/// How the token says it is signed, and by which key.
fn announced(header: &Members) -> Result<(Algorithm, String), &'static str> {
    let algorithm =
        header.text("alg").and_then(Algorithm::named).ok_or("the token's alg is none that is read")?;
    match header.get("typ") {
        None => {}
        // A logout token, for instance, is one too and says something else. `at+jwt`: https://www.rfc-editor.org/rfc/rfc9068
        Some(kind)
            if kind
                .as_str()
                .is_some_and(|kind| ["JWT", "at+jwt"].iter().any(|k| k.eq_ignore_ascii_case(kind))) => {}
        Some(_) => return Err("the token's typ is not JWT"),
    }
    if header.get("crit").is_some() {
        return Err("the token's header demands what is not understood (crit)");
    }
    let key_id = header.text("kid").filter(|id| is_key_id(id)).ok_or("the token's kid is no id of a key")?;
    Ok((algorithm, key_id.to_owned()))
}
