//! From the text of an `auth` setting to a policy, or to every mistake in it.
//!
//! A mistake is printed when the process starts, and whoever starts it may not be the one who may know the secrets.
//! So nothing that stands where a secret can stand is ever shown, nor a text that may be a secret put in the wrong
//! place: `auth = "t0ken"` is reported as "a text".

use toml::{Table, Value};

use crate::check::{BASIC, BEARER, Basic, Bearer, Check, PATH_SECRET, PathSecret};
use crate::mistake::Mistake;
use crate::policy::Policy;

const KNOWN: [&str; 3] = [BEARER, BASIC, PATH_SECRET];

/// Names kept for checks that are planned, so that nobody gives them another meaning.
const RESERVED: [&str; 5] = ["jdcloud_signature", "hmac", "sns", "shared_secret", "source_addresses"];

/// Reads a file named in the settings: its path in, its text out, or why not (without the path, which is shown).
type Read<'a> = &'a mut dyn FnMut(&str) -> Result<String, String>;

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
            other => return Err(vec![Mistake::new(place, checks_expected()).found(kind(other))]),
        };
        let mut reader = Reader { read, mistakes: Vec::new() };
        let mut checks = Vec::new();
        for (name, value) in table {
            let place = format!("{place}.{name}");
            checks.extend(match name.as_str() {
                BEARER => reader.bearer(value, &place).map(Check::Bearer),
                BASIC => reader.basic(value, &place).map(Check::Basic),
                PATH_SECRET => reader.path_secret(value, &place).map(Check::PathSecret),
                other => reader.unknown_check(other, &place),
            });
        }
        if table.contains_key(BEARER) && table.contains_key(BASIC) {
            let expected =
                "either bearer or basic: a request has one Authorization header, which cannot satisfy both";
            reader.mistakes.push(Mistake::new(place, expected));
        }
        if reader.mistakes.is_empty() { Ok(Self::all(checks)) } else { Err(reader.mistakes) }
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
            vec![Mistake::new(place, checks_expected()).found("a text that is not a TOML value")]
        })?;
        Self::parse(&value, place, read)
    }
}

/// Reads tables member by member and keeps every mistake it meets.
struct Reader<'a> {
    read: Read<'a>,
    mistakes: Vec<Mistake>,
}

impl Reader<'_> {
    fn bearer(&mut self, value: &Value, place: &str) -> Option<Bearer> {
        let table = self.table(value, place, &["token", "token_file"])?;
        let token = self.secret(table, place, "token")?;
        self.accepted(Bearer::new(&token.text), &token.place)
    }

    fn basic(&mut self, value: &Value, place: &str) -> Option<Basic> {
        let table = self.table(value, place, &["user", "password", "password_file"])?;
        let user = self.user(table, place);
        let password = self.secret(table, place, "password")?;
        if password.text.is_empty() {
            self.mistakes.push(Mistake::new(password.place, "a text that is not empty"));
            return None;
        }
        self.accepted(Basic::new(user?, &password.text), &password.place)
    }

    fn path_secret(&mut self, value: &Value, place: &str) -> Option<PathSecret> {
        let table = self.table(value, place, &["secret", "secret_file"])?;
        let secret = self.secret(table, place, "secret")?;
        self.accepted(PathSecret::new(&secret.text), &secret.place)
    }

    fn unknown_check(&mut self, name: &str, place: &str) -> Option<Check> {
        let mistake = if RESERVED.contains(&name) {
            Mistake::new(
                place,
                format!("one of {} ({name} is reserved: not available yet)", KNOWN.join(", ")),
            )
        } else {
            let reserved = RESERVED.join(", ");
            Mistake::new(
                place,
                format!("one of {} (reserved, not available yet: {reserved})", KNOWN.join(", ")),
            )
        };
        self.mistakes.push(mistake.found(format!("the check {name:?}")));
        None
    }

    /// The table of one check; members it does not know are mistakes.
    fn table<'v>(&mut self, value: &'v Value, place: &str, known: &[&str]) -> Option<&'v Table> {
        let Value::Table(table) = value else {
            let expected = format!("a table with {}", known.join(", "));
            self.mistakes.push(Mistake::new(place, expected).found(kind(value)));
            return None;
        };
        for name in table.keys().filter(|name| !known.contains(&name.as_str())) {
            let expected = format!("one of {}", known.join(", "));
            self.mistakes.push(Mistake::new(format!("{place}.{name}"), expected).found(format!("{name:?}")));
        }
        Some(table)
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
                self.mistakes.push(Mistake::new(place, expected).found(format!("{user:?}")))
            }
            Some(other) => self.mistakes.push(Mistake::new(place, expected).found(kind(other))),
            None => self.mistakes.push(Mistake::new(place, expected).found("nothing")),
        }
        None
    }

    /// The secret `name`, written out or in the file named by `<name>_file`; exactly one of the two.
    fn secret(&mut self, table: &Table, place: &str, name: &str) -> Option<Found> {
        let file_name = format!("{name}_file");
        let (here, there) = (format!("{place}.{name}"), format!("{place}.{file_name}"));
        let (place, value, is_file) = match (table.get(name), table.get(&file_name)) {
            (Some(value), None) => (here, value, false),
            (None, Some(value)) => (there, value, true),
            (found, _) => {
                let seen = if found.is_some() { "both" } else { "neither" };
                let expected = format!("either {name} or {file_name}");
                self.mistakes.push(Mistake::new(place, expected).found(seen));
                return None;
            }
        };
        let Value::String(text) = value else {
            let expected = if is_file { "the path of a file" } else { "a text" };
            self.mistakes.push(Mistake::new(place, expected).found(kind(value)));
            return None;
        };
        if !is_file {
            return Some(Found { place, text: text.clone() });
        }
        match (self.read)(text) {
            Ok(read) => Some(Found { place, text: read.trim_end_matches(['\r', '\n']).to_owned() }),
            Err(why) => {
                let mistake = Mistake::new(place, format!("the path of a file that can be read ({why})"));
                // A token pasted where its file's name belongs must not be printed either.
                let looks_like_a_path = text.starts_with(['/', '.']);
                self.mistakes.push(if looks_like_a_path {
                    mistake.found(format!("{text:?}"))
                } else {
                    mistake
                });
                None
            }
        }
    }

    fn accepted<T>(&mut self, made: Result<T, &'static str>, place: &str) -> Option<T> {
        made.map_err(|expected| self.mistakes.push(Mistake::new(place, expected))).ok()
    }
}

/// A secret's text, and the place it came from.
struct Found {
    place: String,
    text: String,
}

fn checks_expected() -> String {
    format!("\"none\", or a table with one or more of {}", KNOWN.join(", "))
}

/// What kind of value stands there, instead of the value.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "a text",
        Value::Integer(_) | Value::Float(_) => "a number",
        Value::Boolean(_) => "true or false",
        Value::Datetime(_) => "a date",
        Value::Array(_) => "a list",
        Value::Table(table) if table.is_empty() => "an empty table",
        Value::Table(_) => "a table",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::head::Head;
    use crate::verdict::Verdict;

    const PATH_TOKEN: &str = "0123456789abcdef";

    fn files(path: &str) -> Result<String, String> {
        match path {
            "/token" => Ok("t0ken\r\n".to_owned()),
            "/empty" => Ok("\n".to_owned()),
            "/two-lines" => Ok("a\nb\n".to_owned()),
            _ => Err("no such file".to_owned()),
        }
    }

    fn parse(text: &str) -> Result<Policy, Vec<String>> {
        Policy::parse_text(text, "auth", &mut files)
            .map_err(|mistakes| mistakes.iter().map(ToString::to_string).collect())
    }

    fn mistakes(text: &str) -> Vec<String> {
        parse(text).map(|policy| format!("{policy:?}")).unwrap_err()
    }

    fn admits(policy: &Policy, authorization: &str, rest: Option<&str>) -> bool {
        let headers = [("Authorization", authorization.as_bytes())];
        let head = Head { method: "POST", path: "/", path_rest: rest, headers: &headers, client: None };
        matches!(policy.check_head(&head), Verdict::Admitted(_))
    }

    #[test]
    fn every_form_is_read() {
        assert!(parse("none").unwrap().is_none());
        assert!(parse("\"none\"").unwrap().is_none());
        assert!(admits(&parse("{ bearer = { token = 'abc' } }").unwrap(), "Bearer abc", None));
        // The newline at the end of a file is no part of the token.
        assert!(admits(&parse("{ bearer = { token_file = '/token' } }").unwrap(), "Bearer t0ken", None));
        let basic = parse("{ basic = { user = 'u', password_file = '/token' } }").unwrap();
        assert!(admits(&basic, "Basic dTp0MGtlbg==", None));
        assert!(admits(&parse("{ basic = { user = 'u', password = 'p' } }").unwrap(), "Basic dTpw", None));
        let path = parse("{ path_secret = { secret = '0123456789abcdef' } }").unwrap();
        assert!(path.has_path_secret() && admits(&path, "", Some("/0123456789abcdef")));
    }

    #[test]
    fn several_members_are_several_checks() {
        let text = format!("{{ bearer = {{ token = 'abc' }}, path_secret = {{ secret = '{PATH_TOKEN}' }} }}");
        let policy = parse(&text).unwrap();
        let path = format!("/{PATH_TOKEN}");
        assert!(admits(&policy, "Bearer abc", Some(&path)));
        assert!(!admits(&policy, "Bearer abc", None));
        assert!(!admits(&policy, "Bearer x", Some(&path)));
    }

    #[test]
    fn a_table_in_a_file_reads_like_the_variable() {
        let settings: Table = "[source.auth.bearer]\ntoken = 'abc'".parse().unwrap();
        let policy = Policy::parse(&settings["source"]["auth"], "source[0].auth", &mut files).unwrap();
        assert!(admits(&policy, "Bearer abc", None));
    }

    #[test]
    fn mistakes_name_the_place_and_what_was_expected() {
        let expected = "expected \"none\", or a table with one or more of bearer, basic, path_secret";
        for (text, sentence) in [
            ("'s3cret'", format!("auth: found a text, {expected}")),
            ("s3cret", format!("auth: found a text that is not a TOML value, {expected}")),
            ("'None'", format!("auth: found a text, {expected}")),
            ("{}", format!("auth: found an empty table, {expected}")),
            ("[]", format!("auth: found a list, {expected}")),
            ("7", format!("auth: found a number, {expected}")),
            (
                "{ barer = { token = 's3cret' } }",
                "auth.barer: found the check \"barer\", expected one of bearer, basic, path_secret (reserved, not \
                 available yet: jdcloud_signature, hmac, sns, shared_secret, source_addresses)"
                    .to_owned(),
            ),
            (
                "{ hmac = {} }",
                "auth.hmac: found the check \"hmac\", expected one of bearer, basic, path_secret (hmac is reserved: \
                 not available yet)"
                    .to_owned(),
            ),
            (
                "{ bearer = 's3cret' }",
                "auth.bearer: found a text, expected a table with token, token_file".to_owned(),
            ),
            ("{ bearer = {} }", "auth.bearer: found neither, expected either token or token_file".to_owned()),
            (
                "{ bearer = { token = 's3cret', token_file = '/token' } }",
                "auth.bearer: found both, expected either token or token_file".to_owned(),
            ),
            ("{ bearer = { token = '' } }", "auth.bearer.token: expected a text that is not empty".to_owned()),
            ("{ bearer = { token = 7 } }", "auth.bearer.token: found a number, expected a text".to_owned()),
            (
                "{ bearer = { token_file = '/empty' } }",
                "auth.bearer.token_file: expected a text that is not empty".to_owned(),
            ),
            (
                "{ bearer = { token_file = '/two-lines' } }",
                "auth.bearer.token_file: expected printable ASCII characters without spaces at the ends".to_owned(),
            ),
            (
                "{ bearer = { token_file = '/none' } }",
                "auth.bearer.token_file: found \"/none\", expected the path of a file that can be read (no such \
                 file)"
                    .to_owned(),
            ),
            (
                "{ bearer = { token_file = 's3cret' } }",
                "auth.bearer.token_file: expected the path of a file that can be read (no such file)".to_owned(),
            ),
            (
                "{ path_secret = { secret = 's3cret' } }",
                "auth.path_secret.secret: expected at least 16 characters, of letters, digits and - . _ ~ only"
                    .to_owned(),
            ),
            (
                "{ basic = { user = 'a:b', password = 's3cret' } }",
                "auth.basic.user: found \"a:b\", expected a name that is not empty and has no colon and no control \
                 character"
                    .to_owned(),
            ),
            (
                "{ basic = { user = 'u', password = '' } }",
                "auth.basic.password: expected a text that is not empty".to_owned(),
            ),
            (
                "{ basic = { user = 'u', password_file = '/empty' } }",
                "auth.basic.password_file: expected a text that is not empty".to_owned(),
            ),
            (
                "{ basic = { user = 'u', password = 's3cret' }, bearer = { token = 's3cret' } }",
                "auth: expected either bearer or basic: a request has one Authorization header, which cannot satisfy \
                 both"
                    .to_owned(),
            ),
        ] {
            assert_eq!(mistakes(text), [sentence], "{text}");
        }
    }

    #[test]
    fn all_mistakes_come_at_once_and_none_shows_a_secret() {
        let found = mistakes(
            "{ basic = { user = '', pass = 's3cret' }, sns = { topic = 's3cret' }, bearer = { token = 's3cret\\n', \
             tokenfile = 's3cret' }, path_secret = 's3cret' }"
                .replace('\'', "\"")
                .as_str(),
        );
        let places: Vec<_> =
            found.iter().map(|mistake| mistake.split(": ").next().unwrap_or_default()).collect();
        let mut sorted = places.clone();
        sorted.sort_unstable();
        assert_eq!(
            sorted,
            [
                "auth",
                "auth.basic",
                "auth.basic.pass",
                "auth.basic.user",
                "auth.bearer.token",
                "auth.bearer.tokenfile",
                "auth.path_secret",
                "auth.sns"
            ]
        );
        assert!(!found.join("\n").contains("s3cret"), "{found:#?}");
    }
}
