//! The door: which source a request reaches, and whether the gate lets it in. Pure, so that `explain` stands at the
//! same door as the server.

use std::borrow::Cow;
use std::net::IpAddr;

use jiff::Timestamp;
use mdss_relay_core::{Dialect, Draft, MOST_FILE_BYTES, Mistake, plain_text};
use mdss_relay_gate::{Head, Keys, Policy, Refusal, Request, Unavailable, Verdict};

/// One source with its policy.
#[derive(Clone, Debug)]
pub struct Source {
    /// Its name, in routes and logs.
    pub name: String,
    /// The dialect it is pinned to.
    pub dialect: Option<Dialect>,
    /// Whether it repeats an event without end until it hears a 2xx.
    pub redelivers_forever: bool,
    /// The topics whose subscriptions are confirmed.
    pub confirm_topics: Vec<String>,
    /// Who may post.
    pub policy: Policy,
    path: String,
    /// The same as the sender sees it.
    public_path: Option<String>,
}

/// A request's head, as it came over the wire. It has no `Debug`: target and headers hold secrets.
#[derive(Clone, Copy)]
pub struct Knocker<'r> {
    /// The method.
    pub method: &'r str,
    /// The request target, undecoded, with its query.
    pub target: &'r str,
    /// The headers, a repeated one as often as it was sent.
    pub headers: &'r [(&'r str, &'r [u8])],
    /// The address of whoever sent it, if there is one.
    pub client: Option<IpAddr>,
}

/// Every source of a server.
#[derive(Clone, Debug)]
pub struct Doors(Vec<Source>);

/// What a request's head leads to.
#[derive(Debug)]
pub enum Knock<'d> {
    /// The gate has no objection to the head; the body may be read.
    Enter(&'d Source),
    /// A HEAD, by which RustFS and others ask whether somebody is there.
    Present(&'d Source),
    /// No source has this path.
    UnknownPath,
    /// Not a POST.
    WrongMethod(&'d Source),
    /// The gate refused.
    Refused(&'d Source, Refusal),
    /// The gate cannot say just now.
    Unavailable(&'d Source, Unavailable),
}

impl Doors {
    /// Where sources without `[[source]]` live.
    pub const DEFAULT: &str = "events";

    /// Makes the sources of a draft into doors, and adds the mistakes in their `auth` to the draft's.
    pub fn open(draft: &mut Draft) -> Self {
        // A function's platform decides who may call.
        let Some(settings) = &draft.settings.http else { return Self(Vec::new()) };
        if settings.sources.is_empty() {
            let policy = match &settings.token {
                Some(token) => Policy::bearer("RELAY_TOKEN", token.expose()),
                None => Ok(Policy::none()),
            };
            let policy = policy.unwrap_or_else(|mistake| {
                draft.mistakes.push(mistake_of(mistake));
                Policy::none()
            });
            draft.settings.warnings.extend(policy.warnings(Timestamp::now()));
            return Self(vec![Source {
                name: Self::DEFAULT.into(),
                dialect: None,
                redelivers_forever: false,
                confirm_topics: Vec::new(),
                policy,
                path: format!("/{}", Self::DEFAULT),
                public_path: None,
            }]);
        }
        let mut doors = Vec::new();
        let mut warnings = Vec::new();
        for (index, source) in settings.sources.iter().enumerate() {
            let place = format!("source[{index}].auth");
            let policy = match &source.auth {
                // A mistake that is told already.
                None => continue,
                Some(auth) => Policy::parse(auth, &place, &mut read_file),
            };
            match policy {
                Ok(policy) => {
                    warnings.extend(policy.warnings(Timestamp::now()));
                    let dialect = match source.dialect {
                        // What SNS has not signed stands in the same body, and must not choose who reads it.
                        None if policy.demands_sns() => Some(Dialect::AwsSns),
                        Some(dialect) if policy.demands_sns() && dialect != Dialect::AwsSns => {
                            draft.mistakes.push(Mistake {
                                name: format!("source[{index}].dialect"),
                                found: Some(dialect.name().to_owned()),
                                expected: "aws-sns, or nothing: its auth.sns lets in messages of SNS and nothing else"
                                    .to_owned(),
                            });
                            continue;
                        }
                        dialect => dialect,
                    };
                    doors.push(Source {
                        name: source.name.clone(),
                        dialect,
                        redelivers_forever: source.redelivers_forever,
                        confirm_topics: source.confirm_topics.clone(),
                        policy,
                        path: source.path.clone(),
                        public_path: source.public_path.clone(),
                    })
                }
                Err(mistakes) => draft.mistakes.extend(mistakes.into_iter().map(mistake_of)),
            }
        }
        draft.settings.warnings.append(&mut warnings);
        Self(doors)
    }

    /// The names of the sources.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|source| source.name.as_str())
    }

    /// The only source there is, if there is only one; `explain` without `[[source]]` ignores paths.
    pub fn only(&self) -> Option<&Source> {
        match self.0.as_slice() {
            [only] => Some(only),
            _ => None,
        }
    }

    /// What to tell the operator about a path that is no source's, without the path: it may hold a secret.
    pub(crate) fn unknown(&self, target: &str) -> String {
        let path = target.split('?').next().unwrap_or_default();
        let bare = path.trim_end_matches('/');
        let near = self.0.iter().find(|source| source.path.eq_ignore_ascii_case(bare));
        match near {
            Some(source) if bare == source.path => {
                format!("a path that is source {:?}'s but for a slash at its end", source.name)
            }
            Some(source) => format!("a path that is source {:?}'s but for capital letters", source.name),
            None => {
                let names: Vec<_> = self.names().take(8).collect();
                let more = if self.0.len() > names.len() { " and others" } else { "" };
                format!(
                    "a path of {} bytes, which belongs to no source; there are {}{more}",
                    path.len(),
                    names.join(", ")
                )
            }
        }
    }

    /// Judges a head.
    pub fn knock(&self, knocker: &Knocker<'_>) -> Knock<'_> {
        let path = knocker.path();
        // A path that is some source's own is never the secret of another one.
        let own = self.0.iter().find(|source| source.path == path).map(|source| (source, ""));
        let found = own.or_else(|| self.0.iter().find_map(|source| Some((source, source.rest(path)?))));
        let Some((source, rest)) = found else {
            return Knock::UnknownPath;
        };
        source.judge(knocker, rest)
    }
}

impl<'r> Knocker<'r> {
    /// The target without its query.
    fn path(&self) -> &'r str {
        self.target.split('?').next().unwrap_or_default()
    }
}

impl Source {
    /// What follows this source's path, if the path is this source's.
    fn rest<'p>(&self, path: &'p str) -> Option<&'p str> {
        match path.strip_prefix(self.path.as_str())? {
            "" => Some(""),
            // The secret is one more segment; whether it is the right one is the gate's matter.
            rest if self.policy.has_path_secret() && rest.starts_with('/') && !rest[1..].contains('/') => {
                Some(rest)
            }
            _ => None,
        }
    }

    /// The request target as the sender wrote it, where a proxy has rewritten its path.
    fn sent<'r>(&self, target: &'r str) -> Cow<'r, str> {
        match (&self.public_path, target.strip_prefix(self.path.as_str())) {
            (Some(public), Some(rest)) => Cow::Owned(format!("{public}{rest}")),
            _ => Cow::Borrowed(target),
        }
    }

    /// Judges a head that has found this source, of whose path `rest` is left.
    pub fn judge(&self, knocker: &Knocker<'_>, rest: &str) -> Knock<'_> {
        match knocker.method {
            "HEAD" => return Knock::Present(self),
            "POST" => {}
            _ => return Knock::WrongMethod(self),
        }
        let path = self.sent(knocker.target);
        match self.policy.check_head(&knocker.head(&path, rest)) {
            Verdict::Admitted(_) => Knock::Enter(self),
            Verdict::Refused(refusal) => Knock::Refused(self, refusal),
            Verdict::Unavailable(what) => Knock::Unavailable(self, what),
            // A signature covers the body, so nobody asks for its key before there is one.
            Verdict::NeedKey(_) => Knock::Enter(self),
        }
    }

    /// Judges a request whose head was let in, once its body is complete.
    pub fn judge_body(&self, knocker: &Knocker<'_>, body: &[u8], now: Timestamp, keys: &Keys) -> Verdict {
        let path = self.sent(knocker.target);
        let rest = self.rest(knocker.path()).unwrap_or_default();
        self.policy.check_body(&Request { head: knocker.head(&path, rest), body }, now, keys)
    }
}

impl Knocker<'_> {
    fn head<'h>(&'h self, path: &'h str, rest: &'h str) -> Head<'h> {
        Head { method: self.method, path, path_rest: Some(rest), headers: self.headers, client: self.client }
    }
}

/// The text of a file that a setting names: a secret, or certificates.
fn read_file(path: &str) -> Result<String, String> {
    plain_text(path, MOST_FILE_BYTES).map_err(|e| e.to_string())
}

fn mistake_of(mistake: mdss_relay_gate::Mistake) -> Mistake {
    // The gate quotes what it found, and so does whoever prints this.
    let bare = |found: String| match found.strip_prefix('"').and_then(|f| f.strip_suffix('"')) {
        Some(bare) => bare.to_owned(),
        None => found,
    };
    let found = mistake.found.map(bare);
    Mistake { name: mistake.place, found, expected: mistake.expected }
}

#[cfg(test)]
mod tests {
    use mdss_relay_core::{Role, Settings};

    use super::*;

    fn doors() -> Doors {
        let source = |name: &str, path: &str, policy| Source {
            name: name.into(),
            dialect: None,
            redelivers_forever: false,
            confirm_topics: Vec::new(),
            policy,
            path: path.into(),
            public_path: None,
        };
        let secret: toml::Value = "auth = { path_secret = { secret = \"0123456789abcdef\" } }"
            .parse::<toml::Table>()
            .unwrap()
            .remove("auth")
            .unwrap();
        let secret = Policy::parse(&secret, "auth", &mut |_| Err("no file".into())).unwrap();
        Doors(vec![
            source("open", "/open", Policy::none()),
            source("token", "/a/b", Policy::bearer("t", "t0ken").unwrap()),
            source("hidden", "/jd", secret),
            source("beside", "/jd/beside", Policy::none()),
        ])
    }

    #[test]
    fn what_sns_has_signed_is_read_as_its_message_and_nothing_else() {
        const SNS: &str = "auth = { sns = { topics = ['arn:aws:sns:eu-central-1:111122223333:claims'] } }";
        for (members, want) in [
            (SNS.to_owned(), Ok(Some(Dialect::AwsSns))),
            (format!("{SNS}\ndialect = 'aws-sns'"), Ok(Some(Dialect::AwsSns))),
            (
                format!("{SNS}\ndialect = 'jdcloud'"),
                Err(
                    "source[0].dialect: found \"jdcloud\", expected aws-sns, or nothing: its auth.sns lets in messages of SNS \
                     and nothing else",
                ),
            ),
            ("auth = { bearer = { token = 't' } }".to_owned(), Ok(None)),
            ("auth = 'none'\ndialect = 'jdcloud'".to_owned(), Ok(Some(Dialect::JdCloud))),
            (
                "auth = { nothing = 1 }".to_owned(),
                Err(
                    "source[0].auth.nothing: found \"nothing\", expected one of source_addresses, path_secret, \
                     shared_secret, bearer, basic, hmac, jdcloud_signature, sns",
                ),
            ),
        ] {
            let config = format!("[[source]]\nname = 's'\npath = '/s'\n{members}\n");
            let mut draft =
                Settings::read([("RELAY_CONFIG_TOML".into(), config.clone().into())], Role::Explain);
            let doors = Doors::open(&mut draft);
            let mistakes: Vec<String> = draft.mistakes.iter().map(ToString::to_string).collect();
            let got = match mistakes.first() {
                Some(first) => Err(first.as_str()),
                None => Ok(doors.only().and_then(|source| source.dialect)),
            };
            assert_eq!(got, want, "{config}");
        }
    }

    #[test]
    fn requests_find_their_source_and_nothing_else() {
        let token: (&str, &[u8]) = ("authorization", b"Bearer t0ken");
        for (method, target, headers, want) in [
            ("POST", "/open", vec![], "enter open"),
            ("POST", "/open?x=1", vec![], "enter open"),
            ("HEAD", "/open", vec![], "present open"),
            ("GET", "/open", vec![], "method open"),
            ("OPTIONS", "/open", vec![], "method open"),
            ("post", "/open", vec![], "method open"),
            ("POST", "/open/", vec![], "unknown"),
            ("POST", "/open/x", vec![], "unknown"),
            ("POST", "/OPEN", vec![], "unknown"),
            ("POST", "/", vec![], "unknown"),
            ("POST", "", vec![], "unknown"),
            ("POST", "/a/b", vec![token], "enter token"),
            ("POST", "/a/b", vec![], "refused token bearer"),
            ("POST", "/a", vec![token], "unknown"),
            ("POST", "/jd/0123456789abcdef", vec![], "enter hidden"),
            ("POST", "/jd/0123456789abcdef?q", vec![], "enter hidden"),
            ("POST", "/jd", vec![], "refused hidden path_secret"),
            ("POST", "/jd/0123456789abcdeF", vec![], "refused hidden path_secret"),
            ("POST", "/jd/0123456789abcdef/x", vec![], "unknown"),
            ("POST", "/jdx", vec![], "unknown"),
            ("POST", "/jd/beside", vec![], "enter beside"),
        ] {
            let knocker = Knocker { method, target, headers: &headers, client: None };
            let got = match doors().knock(&knocker) {
                Knock::Enter(s) => format!("enter {}", s.name),
                Knock::Present(s) => format!("present {}", s.name),
                Knock::UnknownPath => "unknown".into(),
                Knock::WrongMethod(s) => format!("method {}", s.name),
                Knock::Refused(s, r) => format!("refused {} {}", s.name, r.check),
                Knock::Unavailable(s, _) => format!("unavailable {}", s.name),
            };
            assert_eq!(got, want, "{method} {target}");
        }
    }
}
