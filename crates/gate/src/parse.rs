//! From the text of an `auth` setting to a policy, or to every mistake in it.
//!
//! A mistake is printed when the process starts, and whoever starts it may not be the one who may know the secrets.
//! So nothing that stands where a secret can stand is ever shown, nor a text that may be a secret put in the wrong
//! place: `auth = "t0ken"` is reported as "a text".

mod checks;
mod jwt;
mod reader;
mod signatures;

use mdss_relay_core::Mistake;
use toml::{Table, Value};

use crate::check::{
    ALIBABA_EVENTBRIDGE, ALIBABA_MNS, BASIC, BEARER, Check, HMAC, HUAWEI_SMN, JDCLOUD_SIGNATURE, JWT,
    PATH_SECRET, SHARED_SECRET, SNS, SOURCE_ADDRESSES,
};
use crate::policy::Policy;

use reader::{Read, Reader, kind, unknown};

/// Every check, in the order in which they are made: what costs least first, and first of all what a request cannot
/// choose. The last ones may need a key, and no key is fetched for a request that another check refuses.
const KNOWN: [&str; 12] = [
    SOURCE_ADDRESSES,
    PATH_SECRET,
    SHARED_SECRET,
    BEARER,
    BASIC,
    JWT,
    HMAC,
    JDCLOUD_SIGNATURE,
    ALIBABA_EVENTBRIDGE,
    ALIBABA_MNS,
    HUAWEI_SMN,
    SNS,
];

impl Policy {
    /// Makes a policy of the value of an `auth` setting. `place` names the setting, `source[0].auth` for instance.
    ///
    /// The crate opens no file itself: `read` is given a path and returns the file's text, or a short reason without
    /// the path. Newlines at the end of a file are taken off; a text written into the settings is taken as it is.
    ///
    /// # Errors
    ///
    /// Every mistake in the value, each with its place, none with a secret.
    pub fn parse(value: &Value, place: &str, read: Read<'_>) -> Result<Self, Vec<Mistake>> {
        let table = match value {
            Value::String(text) if text == "none" => return Ok(Self::none()),
            Value::Table(table) if !table.is_empty() => table,
            other => return Err(vec![Mistake::found(place, kind(other), checks_expected())]),
        };
        let mut reader = Reader::new(read);
        let mut checks = Vec::new();
        for (name, value) in KNOWN.iter().filter_map(|name| Some((*name, table.get(*name)?))) {
            let place = format!("{place}.{name}");
            checks.extend(match name {
                SOURCE_ADDRESSES => reader.source_addresses(value, &place).map(Check::SourceAddresses),
                PATH_SECRET => reader.path_secret(value, &place).map(Check::PathSecret),
                SHARED_SECRET => reader.shared_secret(value, &place).map(Check::SharedSecret),
                BEARER => reader.bearer(value, &place).map(Check::Bearer),
                BASIC => reader.basic(value, &place).map(Check::Basic),
                JWT => reader.jwt(value, &place).map(Check::Jwt),
                HMAC => reader.hmac(value, &place).map(Check::Hmac),
                JDCLOUD_SIGNATURE => reader.jdcloud_signature(value, &place).map(Check::JdcloudSignature),
                ALIBABA_EVENTBRIDGE => {
                    reader.alibaba_eventbridge(value, &place).map(Check::AlibabaEventbridge)
                }
                ALIBABA_MNS => reader.alibaba_mns(value, &place).map(Check::AlibabaMns),
                HUAWEI_SMN => reader.huawei_smn(value, &place).map(Check::HuaweiSmn),
                _ => reader.sns(value, &place).map(Check::Sns),
            });
        }
        for name in table.keys().filter(|name| !KNOWN.contains(&name.as_str())) {
            reader.mistakes.push(unknown(place, name, &KNOWN));
        }
        reader.mistakes.extend(one_header_for_two(table, place));
        reader.mistakes.extend(without_secret(table, place));
        reader.remarks.extend(alone(table, place));
        if reader.mistakes.is_empty() {
            Ok(Self::all(checks).remarked(reader.remarks))
        } else {
            Err(reader.mistakes)
        }
    }

    /// The same from text, as it stands in a variable: `none`, or the table as TOML would have it.
    ///
    /// # Errors
    ///
    /// As [`Policy::parse`]. If the text is not TOML, the mistake does not quote it: it may hold a secret.
    pub fn parse_text(text: &str, place: &str, read: Read<'_>) -> Result<Self, Vec<Mistake>> {
        if text.trim() == "none" {
            return Ok(Self::none());
        }
        // `toml`'s own sentence quotes the line it stumbled over.
        let value: Value = text.parse().map_err(|_: toml::de::Error| {
            vec![Mistake::found(place, "a text that is not a TOML value", checks_expected())]
        })?;
        Self::parse(&value, place, read)
    }
}

/// JD's service signs the callbacks of every bucket of every customer with one key, so its signature says that JD has sent a
/// request and not for whom.
fn alone(table: &Table, place: &str) -> Option<String> {
    let own = [SOURCE_ADDRESSES, PATH_SECRET, SHARED_SECRET, HMAC];
    (table.contains_key(JDCLOUD_SIGNATURE) && !own.iter().any(|name| table.contains_key(*name))).then(|| {
        format!(
            "{place}.{JDCLOUD_SIGNATURE}: stands alone, and JD Cloud signs for all of its customers: any of them can have a \
             callback sent here; put path_secret or source_addresses beside it"
        )
    })
}

/// Alibaba's services sign for all of its customers with one key, and every customer can have our URL for a target. So their signatures say
/// that Alibaba has posted, and it takes a secret to know for whom.
fn without_secret(table: &Table, place: &str) -> Vec<Mistake> {
    let has = |names: &[&str]| names.iter().any(|name| table.contains_key(*name));
    let mut mistakes = Vec::new();
    if has(&[ALIBABA_EVENTBRIDGE]) && !has(&[PATH_SECRET, SHARED_SECRET, BEARER, BASIC]) {
        mistakes.push(Mistake::found(
            format!("{place}.{ALIBABA_EVENTBRIDGE}"),
            "a signature without a secret",
            "a secret beside it (path_secret, shared_secret for the target's token in x-eventbridge-signature-token, bearer or basic): \
             Alibaba signs for all of its customers, and any of them can have a bus post to this URL",
        ));
    }
    if has(&[ALIBABA_MNS]) && !has(&[PATH_SECRET]) {
        mistakes.push(Mistake::found(
            format!("{place}.{ALIBABA_MNS}"),
            "a signature without a secret path",
            "path_secret beside it: Alibaba signs for all of its customers, and signs the path alone, so a request that was made for another \
             host fits here too",
        ));
    }
    mistakes
}

/// Two checks that read one header: a request has that header once, so nobody could pass both.
fn one_header_for_two(table: &Table, place: &str) -> Option<Mistake> {
    let header = |name: &str| match name {
        BEARER | BASIC | JWT | JDCLOUD_SIGNATURE | ALIBABA_MNS => Some("authorization".to_owned()),
        HMAC | SHARED_SECRET => Some(table[name].get("header")?.as_str()?.to_ascii_lowercase()),
        _ => None,
    };
    let users: Vec<(&str, String)> = KNOWN
        .iter()
        .filter(|name| table.contains_key(**name))
        .filter_map(|name| Some((*name, header(name)?)))
        .collect();
    let clash =
        |header: &str| users.iter().filter(|(_, used)| used == header).map(|(name, _)| *name).collect();
    let clashes: Vec<Vec<&str>> = users.iter().map(|(_, header)| clash(header)).collect();
    let names = clashes.into_iter().find(|names| names.len() > 1)?.join(" or ");
    Some(Mistake::new(
        place,
        format!(
            "either {names}: a request has one header of a name, which cannot satisfy more than one of them"
        ),
    ))
}

fn checks_expected() -> String {
    format!("\"none\", or a table with one or more of {}", KNOWN.join(", "))
}

#[cfg(test)]
mod tests;
