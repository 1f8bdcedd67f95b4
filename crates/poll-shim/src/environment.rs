//! The environment of a function, read once into a value.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::time::Duration;

use http::uri::Authority;
use shim::{SettingsError, given};

use crate::profile::{Address, LONGEST, Profile, Time};

/// What a program in a package has to be called, on both platforms (their pages, named in `profile.rs`).
const BOOTSTRAP: &str = "bootstrap";

/// What the platform says about this process.
#[derive(Debug)]
pub struct Environment {
    pub(crate) profile: &'static Profile,
    /// Host and port of the platform's server.
    pub(crate) server: Authority,
    /// How long a call may take, where a variable says so and it can be believed.
    pub(crate) time: Option<Duration>,
}

impl Environment {
    /// Reads the platform's variables among `vars`; all others are passed over. [`run`](crate::run) gives it
    /// `std::env::vars_os()`, a test an array.
    ///
    /// ```
    /// use poll_shim::{Environment, HUAWEI_FUNCTIONGRAPH};
    ///
    /// assert!(Environment::from_vars(&HUAWEI_FUNCTIONGRAPH, [("RUNTIME_API_ADDR", "127.0.0.1:31536")]).is_ok());
    /// let error = Environment::from_vars(&HUAWEI_FUNCTIONGRAPH, [("PATH", "/bin")]).unwrap_err();
    /// assert_eq!(
    ///     error.mistakes(),
    ///     ["RUNTIME_API_ADDR: expected host and port, which Huawei FunctionGraph sets"]
    /// );
    /// ```
    ///
    /// # Errors
    ///
    /// All mistakes at once: no variable names the platform's server, or what it names is none. A time limit that is none is no mistake: the
    /// calls then have no deadline.
    pub fn from_vars<K, V>(
        profile: &'static Profile,
        vars: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Self, SettingsError>
    where
        K: AsRef<OsStr>,
        V: AsRef<OsStr>,
    {
        let vars = given(vars);
        let value = |name: &str| vars.iter().find(|(given, _)| given == name).map(|(_, value)| &**value);
        let mut mistakes = Vec::new();
        let server = server(profile, value, &mut mistakes);
        let time = match profile.time {
            Time::Variable(name) => time(value(name), Duration::from_secs),
            Time::Header(_) => None,
        };
        match server {
            Some(server) if mistakes.is_empty() => Ok(Self { profile, server, time }),
            _ => Err(SettingsError::new(mistakes)),
        }
    }
}

/// What is wrong with the platform's variables among these, or none. Before that, those of the operator's are added that the platform hands
/// over in one of its own ([`Profile::configured`]).
#[must_use]
pub fn mistakes(profile: &'static Profile, vars: &mut Vec<(OsString, OsString)>) -> Vec<String> {
    let read = Environment::from_vars(profile, vars.iter().map(|(name, value)| (name, value)));
    let mut mistakes = read.err().map(|error| error.mistakes().to_vec()).unwrap_or_default();
    if let Err(error) = profile.configured(vars) {
        mistakes.extend_from_slice(error.mistakes());
    }
    mistakes
}

/// Whether this process runs in the platform's custom runtime, for a program that can also run in its images: a variable that names
/// the platform's server is set, or the program is called `bootstrap`, as every package's has to be. Then a missing variable is a mistake, and no
/// reason to listen on a port that nobody calls.
#[must_use]
pub fn is_here(profile: &Profile) -> bool {
    let program = std::env::current_exe().unwrap_or_default();
    is_in(profile, |name| std::env::var_os(name).is_some_and(|value| !value.is_empty()), &program)
}

fn is_in(profile: &Profile, is_set: impl Fn(&str) -> bool, program: &Path) -> bool {
    let named = match profile.address {
        Address::HostAndPort(name) => is_set(name),
        Address::Apart { host, port } => is_set(host) || is_set(port),
    };
    named || program.file_name().is_some_and(|name| name == BOOTSTRAP)
}

fn server<'a>(
    profile: &Profile,
    value: impl Fn(&str) -> Option<&'a OsStr>,
    mistakes: &mut Vec<String>,
) -> Option<Authority> {
    let mut of = |name: &str, expected: &str, read: &dyn Fn(&str) -> Option<Authority>| {
        let Some(found) = value(name) else {
            mistakes.push(format!("{name}: expected {expected}, which {} sets", profile.platform));
            return None;
        };
        let read = found.to_str().and_then(read);
        if read.is_none() {
            mistakes.push(format!("{name}: found {found:?}, expected {expected}"));
        }
        read
    };
    match profile.address {
        Address::HostAndPort(name) => of(name, "host and port", &authority),
        Address::Apart { host, port } => {
            // Each is read beside a stand-in for the other, so that each mistake has the name of its variable.
            let name = of(host, "a host without port", &|host| authority(&format!("{host}:1")));
            let port = of(port, "a port, 1 to 65535", &|port| authority(&format!("localhost:{port}")));
            authority(&format!("{}:{}", name?.host(), port?.port_u16()?))
        }
    }
}

/// Host and port, and nothing else.
fn authority(text: &str) -> Option<Authority> {
    let authority: Authority = text.parse().ok()?;
    let alone = !text.contains('@') && !authority.host().is_empty();
    authority.port_u16().filter(|port| alone && *port != 0).map(|_| authority)
}

/// A time limit as a number of the platform's unit; `None` if it is no number, zero, or longer than any call can be.
pub(crate) fn time(found: Option<&OsStr>, unit: fn(u64) -> Duration) -> Option<Duration> {
    let digits = found?.to_str()?;
    // Not `+1`, which is a number to Rust.
    let number = digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok())??;
    Some(unit(number)).filter(|time| !time.is_zero() && *time <= LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::{HUAWEI_FUNCTIONGRAPH, TENCENT_SCF};

    fn read(profile: &'static Profile, vars: &[(&str, &str)]) -> Result<(String, Option<Duration>), String> {
        Environment::from_vars(profile, vars.iter().copied())
            .map(|environment| (environment.server.to_string(), environment.time))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn a_variable_or_the_name_of_the_program_says_which_runtime_it_is() {
        for (set, program, want) in [
            ("RUNTIME_API_ADDR", "/usr/bin/mdss-relay", true),
            ("", "/opt/function/code/bootstrap", true),
            ("", "/usr/bin/mdss-relay", false),
            ("", "/opt/bootstrap/mdss-relay", false),
            ("", "", false),
        ] {
            assert_eq!(
                is_in(&HUAWEI_FUNCTIONGRAPH, |name| name == set, Path::new(program)),
                want,
                "{set} {program}"
            );
        }
        for set in ["SCF_RUNTIME_API", "SCF_RUNTIME_API_PORT"] {
            assert!(is_in(&TENCENT_SCF, |name| name == set, Path::new("/x")), "{set}");
        }
    }

    #[test]
    fn huaweis_variable_has_the_port() {
        let expected =
            |found: &str| Err(format!("RUNTIME_API_ADDR: found {found:?}, expected host and port"));
        for (address, want) in [
            ("127.0.0.1:31536", Ok("127.0.0.1:31536")),
            ("localhost:1", Ok("localhost:1")),
            ("[::1]:31536", Ok("[::1]:31536")),
            ("127.0.0.1", Err(())),
            ("127.0.0.1:0", Err(())),
            ("127.0.0.1:99999", Err(())),
            (":80", Err(())),
            ("http://127.0.0.1:80", Err(())),
            ("a@127.0.0.1:80", Err(())),
            ("127.0.0.1:80/v1", Err(())),
        ] {
            let got = read(&HUAWEI_FUNCTIONGRAPH, &[("RUNTIME_API_ADDR", address)]);
            let want = want.map(|server| (server.to_owned(), None)).or_else(|()| expected(address));
            assert_eq!(got, want, "{address}");
        }
        // Only what can be believed is a deadline.
        let address = ("RUNTIME_API_ADDR", "127.0.0.1:80");
        for (seconds, want) in [
            ("60", Some(60)),
            ("1", Some(1)),
            ("259200", Some(259_200)),
            ("259201", None),
            ("0", None),
            ("-1", None),
            ("+1", None),
            ("1.5", None),
            ("abc", None),
            ("", None),
            ("99999999999999999999", None),
        ] {
            let got = read(&HUAWEI_FUNCTIONGRAPH, &[address, ("RUNTIME_TIMEOUT", seconds)]).unwrap().1;
            assert_eq!(got, want.map(Duration::from_secs), "{seconds}");
        }
    }

    #[test]
    fn tencents_variable_has_not() {
        let host = "SCF_RUNTIME_API: expected a host without port, which Tencent SCF sets";
        let port = "SCF_RUNTIME_API_PORT: expected a port, 1 to 65535, which Tencent SCF sets";
        type Case<'a> = (&'a [(&'a str, &'a str)], Result<&'a str, String>);
        let table: &[Case<'_>] = &[
            (&[("SCF_RUNTIME_API", "127.0.0.1"), ("SCF_RUNTIME_API_PORT", "9001")], Ok("127.0.0.1:9001")),
            (&[("SCF_RUNTIME_API", "[::1]"), ("SCF_RUNTIME_API_PORT", "9001")], Ok("[::1]:9001")),
            (&[], Err(format!("{host}; {port}"))),
            (&[("SCF_RUNTIME_API", "127.0.0.1")], Err(port.to_owned())),
            (&[("SCF_RUNTIME_API", ""), ("SCF_RUNTIME_API_PORT", "9001")], Err(host.to_owned())),
            (
                &[("SCF_RUNTIME_API", "127.0.0.1:9001"), ("SCF_RUNTIME_API_PORT", "soon")],
                Err("SCF_RUNTIME_API: found \"127.0.0.1:9001\", expected a host without port; \
                     SCF_RUNTIME_API_PORT: found \"soon\", expected a port, 1 to 65535"
                    .to_owned()),
            ),
        ];
        for (vars, want) in table {
            let want = want.clone().map(|server| (server.to_owned(), None));
            assert_eq!(read(&TENCENT_SCF, vars), want, "{vars:?}");
        }
    }
}
