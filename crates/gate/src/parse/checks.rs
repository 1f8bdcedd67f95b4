//! One reader for each check of a secret, and of where a request comes from.

use jiff::SignedDuration;
use mdss_relay_core::Mistake;
use toml::{Table, Value};

use super::reader::{Found, Reader, kind};
use crate::check::{
    Basic, Bearer, Carrier, Encoding, Hmac, PathSecret, SharedSecret, SourceAddresses, bearer_remark,
};
use crate::networks::network;
use crate::secret::{short_remark, space_remark};

/// A sender signs when it posts, and signs a repetition anew, so only the difference between two clocks has to fit.
const HMAC_WINDOW: SignedDuration = SignedDuration::from_mins(5);

/// Secrets held at once: the old one and the new one, with room.
const MOST_SECRETS: usize = 8;

impl Reader<'_> {
    pub(super) fn bearer(&mut self, value: &Value, place: &str) -> Option<Bearer> {
        let table = self.table(value, place, &["token", "token_file"])?;
        let token = self.secret(table, place, "token")?;
        self.remarks.extend(bearer_remark(&token.place, &token.text));
        self.accepted(Bearer::new(&token.text), &token.place)
    }

    pub(super) fn basic(&mut self, value: &Value, place: &str) -> Option<Basic> {
        let table = self.table(value, place, &["user", "password", "password_file"])?;
        let user = self.user(table, place);
        let password = self.secret(table, place, "password")?;
        self.remarks.extend(short_remark(&password.place, &password.text));
        self.remarks.extend(space_remark(&password.place, &password.text));
        self.accepted(Basic::new(user?, &password.text), &password.place)
    }

    pub(super) fn path_secret(&mut self, value: &Value, place: &str) -> Option<PathSecret> {
        let table = self.table(value, place, &["secret", "secret_file"])?;
        let secret = self.secret(table, place, "secret")?;
        self.accepted(PathSecret::new(&secret.text), &secret.place)
    }

    pub(super) fn shared_secret(&mut self, value: &Value, place: &str) -> Option<SharedSecret> {
        let table = self.table(value, place, &["header", "query", "secret", "secret_file"])?;
        let carrier = self.carrier(table, place);
        let secret = self.secret(table, place, "secret")?;
        self.accepted(SharedSecret::new(carrier?, &secret.text), &secret.place)
    }

    fn carrier(&mut self, table: &Table, place: &str) -> Option<Carrier> {
        match self.one_of(table, place, &["header", "query"])? {
            ("header", _) => self.header(table, place).map(Carrier::Header),
            _ => {
                let name = self.text(table, place, "query")??;
                let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
                if name.is_empty() || !name.bytes().all(unreserved) {
                    let expected = "a parameter's name, of letters, digits and - . _ ~ only";
                    self.mistake(Mistake::found(format!("{place}.query"), name, expected));
                    return None;
                }
                Some(Carrier::Query(name.to_owned()))
            }
        }
    }

    pub(super) fn source_addresses(&mut self, value: &Value, place: &str) -> Option<SourceAddresses> {
        let networks =
            self.list(value, place, |reader, text, place| reader.accepted_text(network(text), place, text));
        networks.map(SourceAddresses::new)
    }

    pub(super) fn hmac(&mut self, value: &Value, place: &str) -> Option<Hmac> {
        const SECRETS: [&str; 4] = ["secret", "secret_file", "secrets", "secret_files"];
        let known = [
            "header",
            "encoding",
            "prefix",
            "timed",
            "date_window",
            SECRETS[0],
            SECRETS[1],
            SECRETS[2],
            SECRETS[3],
        ];
        let table = self.table(value, place, &known)?;
        let header = self.header(table, place);
        let encodings = [("hex", Encoding::Hex), ("base64", Encoding::Base64)];
        let encoding = self.word(table, place, "encoding", &encodings);
        let prefix = self.text(table, place, "prefix").map(Option::unwrap_or_default);
        if prefix.is_some_and(|prefix| !prefix.bytes().all(|b| matches!(b, b'!'..=b'~') && b != b',')) {
            let expected = "printable ASCII characters without spaces and commas";
            self.mistake(Mistake::new(format!("{place}.prefix"), expected));
            return None;
        }
        let timed = self.flag(table, place, "timed");
        let window = self.window(table, place, HMAC_WINDOW);
        if timed == Some(false) && table.contains_key("date_window") {
            let expected = "nothing: only beside timed = true the signature covers a time";
            self.mistake(Mistake::new(format!("{place}.date_window"), expected));
        }
        let (member, value) = self.one_of(table, place, &SECRETS)?;
        let secrets = self.secrets(member, value, &format!("{place}.{member}"))?;
        let window = Some(window?).filter(|_| timed == Some(true));
        let mut hmac = Hmac::new(&header?, prefix?, encoding?, window);
        for secret in &secrets {
            self.remarks.extend(space_remark(&secret.place, &secret.text));
            self.accepted(hmac.accept(&secret.text), &secret.place)?;
        }
        Some(hmac)
    }

    fn secrets(&mut self, member: &str, value: &Value, place: &str) -> Option<Vec<Found>> {
        let is_file = member.starts_with("secret_file");
        if !member.ends_with('s') {
            let secret = self.secret_in(value, place.to_owned(), is_file)?;
            return self.plain(secret).map(|secret| vec![secret]);
        }
        let secrets = self.list(value, place, |reader, text, place| {
            let secret = reader.secret_in(&Value::String(text.to_owned()), place.to_owned(), is_file)?;
            reader.plain(secret)
        })?;
        if secrets.len() > MOST_SECRETS {
            self.mistake(Mistake::new(place, format!("at most {MOST_SECRETS} secrets")));
            return None;
        }
        Some(secrets)
    }

    fn user<'v>(&mut self, table: &'v Table, place: &str) -> Option<&'v str> {
        let place = format!("{place}.user");
        // The name ends at the first colon: https://www.rfc-editor.org/rfc/rfc7617#section-2
        let expected = "a name that is not empty and has no colon and no control character";
        match table.get("user") {
            Some(Value::String(user))
                if !user.is_empty() && !user.contains(':') && !user.contains(char::is_control) =>
            {
                return Some(user);
            }
            Some(Value::String(user)) => {
                self.mistake(Mistake::found(place, user, expected));
            }
            Some(other) => self.mistake(Mistake::found(place, kind(other), expected)),
            None => self.mistake(Mistake::found(place, "nothing", expected)),
        }
        None
    }

    /// The member `header`: a header's name.
    fn header(&mut self, table: &Table, place: &str) -> Option<String> {
        // A token: https://www.rfc-editor.org/rfc/rfc9110#section-5.6.2
        let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        let name = self.text(table, place, "header")?;
        match name {
            Some(name) if !name.is_empty() && name.bytes().all(token) => Some(name.to_owned()),
            _ => {
                let found = name.unwrap_or("nothing");
                let expected = "a header's name, such as X-Signature";
                self.mistake(Mistake::found(format!("{place}.header"), found, expected));
                None
            }
        }
    }
}
