//! The environment of a function, read once into a value.
//!
//! The platform's variables, and one of this crate's own: `PORT_SHIM_LISTEN`, an address with a port, in place of the platform's. On
//! somebody's own machine the platform's address would open the function to the whole network, and its port may be taken.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::net::{SocketAddr, SocketAddrV4};
use std::path::Path;
use std::time::Duration;

use shim::{SettingsError, given};

use crate::profile::{Calls, Profile, Time};

/// Where to listen, in place of the platform's own address and port.
const LISTEN: &str = "PORT_SHIM_LISTEN";

/// No platform's function may take longer (Huawei Cloud's FunctionGraph: 259200 s). A larger number is not believed.
const LONGEST: Duration = Duration::from_secs(259_200);

/// What the platform says about this process.
#[derive(Debug)]
pub struct Environment {
    pub(crate) profile: &'static Profile,
    pub(crate) listen: SocketAddr,
    /// How long a call may take, unless it says so itself; `None`: without end.
    pub(crate) time: Option<Duration>,
    /// The names of the functions, if they are known.
    pub(crate) functions: Option<BTreeSet<String>>,
}

impl Environment {
    /// Reads the platform's variables among `vars`; all others are passed over. [`run`](crate::run) gives it
    /// `std::env::vars_os()`, a test an array.
    ///
    /// ```
    /// use port_shim::{AZURE_FUNCTIONS, Environment};
    ///
    /// assert!(Environment::from_vars(&AZURE_FUNCTIONS, [("FUNCTIONS_CUSTOMHANDLER_PORT", "7071")]).is_ok());
    /// let error = Environment::from_vars(&AZURE_FUNCTIONS, [("PATH", "/bin")]).unwrap_err();
    /// assert_eq!(
    ///     error.mistakes(),
    ///     ["FUNCTIONS_CUSTOMHANDLER_PORT: expected a port, which the Azure Functions host sets"]
    /// );
    /// ```
    ///
    /// # Errors
    ///
    /// All mistakes at once: no variable names a port, or what it names is none; the time limit is no time; `PORT_SHIM_LISTEN` is no
    /// address with a port.
    pub fn from_vars<K, V>(
        profile: &'static Profile,
        vars: impl IntoIterator<Item = (K, V)>,
    ) -> Result<Self, SettingsError>
    where
        K: AsRef<OsStr>,
        V: AsRef<OsStr>,
    {
        let vars = given(vars);
        let mut mistakes = Vec::new();
        let listen = listen(profile, &vars).map_err(|mistake| mistakes.push(mistake)).ok();
        let time = time(&profile.time, &vars).map_err(|mistake| mistakes.push(mistake)).unwrap_or_default();
        let (Some(listen), []) = (listen, &mistakes[..]) else { return Err(SettingsError::new(mistakes)) };
        let functions = match profile.calls {
            Calls::Functions { root, file } => {
                vars.iter().find(|(name, _)| name == root).and_then(|(_, root)| functions(root, file))
            }
            Calls::Path { .. } | Calls::Marked(_) => None,
        };
        Ok(Self { profile, listen, time, functions })
    }
}

/// Whether `PORT_SHIM_LISTEN` says where to listen, for a program that can also ask for its events: then it is to listen.
#[must_use]
pub fn is_told_where() -> bool {
    std::env::var_os(LISTEN).is_some_and(|place| !place.is_empty())
}

/// What is wrong with the platform's variables among these: the mistakes of [`Environment::from_vars`], or none.
#[must_use]
pub fn mistakes(profile: &'static Profile, vars: &[(OsString, OsString)]) -> Vec<String> {
    let read = Environment::from_vars(profile, vars.iter().map(|(name, value)| (name, value)));
    read.err().map(|error| error.mistakes().to_vec()).unwrap_or_default()
}

fn listen(profile: &Profile, vars: &[(OsString, OsString)]) -> Result<SocketAddr, String> {
    if let Some((name, value)) = vars.iter().find(|(given, _)| given == LISTEN) {
        let address = value.to_str().and_then(|text| text.parse().ok());
        return address.ok_or_else(|| {
            format!(
                "{}: found {value:?}, expected an address and a port, such as 127.0.0.1:9000",
                name.to_string_lossy()
            )
        });
    }
    Ok(SocketAddrV4::new(profile.address, port(profile, vars)?).into())
}

fn port(profile: &Profile, vars: &[(OsString, OsString)]) -> Result<u16, String> {
    let set = profile.port.variables.iter().find_map(|name| {
        let (_, value) = vars.iter().find(|(given, _)| given == name)?;
        Some((name, value))
    });
    let Some((name, value)) = set else {
        let name = profile.port.variables.first().copied().unwrap_or_default();
        let missing = || format!("{name}: expected a port, which {} sets", profile.caller);
        return profile.port.without.ok_or_else(missing);
    };
    let port = value.to_str().and_then(|text| text.parse().ok()).filter(|port| *port != 0);
    port.ok_or_else(|| format!("{name}: found {value:?}, expected a port, 1 to 65535"))
}

fn time(time: &Time, vars: &[(OsString, OsString)]) -> Result<Option<Duration>, String> {
    match *time {
        Time::Unsaid | Time::Header { .. } => Ok(None),
        Time::Seconds { variable } => {
            let value =
                vars.iter().find(|(given, _)| given == variable).and_then(|(_, value)| value.to_str());
            Ok(value.and_then(|value| time_of(value, Duration::from_secs)))
        }
        Time::Span { variable, without } => {
            let Some((given, value)) = vars.iter().find(|(given, _)| given.eq_ignore_ascii_case(variable))
            else {
                return Ok(Some(without));
            };
            if value == "-1" {
                return Ok(None);
            }
            let read = value.to_str().and_then(time_span).filter(|time| !time.is_zero());
            read.map(Some).ok_or_else(|| {
                format!("{}: found {value:?}, expected a time as hh:mm:ss, or -1", given.to_string_lossy())
            })
        }
    }
}

/// The time that a platform's number says, if it is one that a call can have.
pub(crate) fn time_of(text: &str, read: fn(u64) -> Duration) -> Option<Duration> {
    let digits = (1..=9).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    let number = text.parse().ok().filter(|_| digits)?;
    Some(read(number)).filter(|time| !time.is_zero() && *time <= LONGEST)
}

/// A .NET `TimeSpan` in its constant form, `[d.]hh:mm:ss[.fffffff]`
/// (<https://learn.microsoft.com/dotnet/standard/base-types/standard-timespan-format-strings>).
fn time_span(text: &str) -> Option<Duration> {
    let number = |text: &str, below: u64| {
        let digits = (1..=8).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        text.parse::<u64>().ok().filter(|n| digits && *n < below)
    };
    let mut parts = text.split(':');
    let (Some(hours), Some(minutes), Some(seconds), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return None;
    };
    let (days, hours) = hours.split_once('.').unwrap_or(("0", hours));
    // A fraction of a second is nothing that a function's time-out needs.
    let seconds = seconds.split_once('.').map_or(seconds, |(seconds, _)| seconds);
    let hours = number(days, 100_000)? * 24 + number(hours, 24)?;
    Some(Duration::from_secs((hours * 60 + number(minutes, 60)?) * 60 + number(seconds, 60)?))
}

/// The folders below `root` that have the file; `None` if there are none, or they cannot be read.
fn functions(root: &OsStr, file: &str) -> Option<BTreeSet<String>> {
    let folders = Path::new(root).read_dir().ok()?.flatten();
    let functions: BTreeSet<_> = folders
        .filter(|entry| entry.path().join(file).is_file())
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    Some(functions).filter(|functions| !functions.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        ALIBABA_FC, AZURE_FUNCTIONS, HUAWEI_FUNCTIONGRAPH, TENCENT_SCF, VOLCENGINE_FAAS, YANDEX_CONTAINERS,
    };

    fn read(vars: &[(&str, &str)]) -> Result<Environment, String> {
        Environment::from_vars(&AZURE_FUNCTIONS, vars.iter().copied()).map_err(|error| error.to_string())
    }

    #[test]
    fn the_port_and_the_time() {
        const PORT: (&str, &str) = ("FUNCTIONS_CUSTOMHANDLER_PORT", "7071");
        const TIME: &str = "AzureFunctionsJobHost__functionTimeout";
        let minutes = |minutes: u64| Some(Duration::from_secs(minutes * 60));
        let expected = "expected a time as hh:mm:ss, or -1";
        type Case<'a> = (&'a [(&'a str, &'a str)], Result<Option<Duration>, String>);
        let table: &[Case<'_>] = &[
            (&[PORT], Ok(minutes(1))),
            (&[("FUNCTIONS_HTTPWORKER_PORT", "7071")], Ok(minutes(1))),
            (&[("FUNCTIONS_HTTPWORKER_PORT", "1"), PORT], Ok(minutes(1))),
            (&[PORT, (TIME, "00:05:00")], Ok(minutes(5))),
            (&[PORT, ("AZUREFUNCTIONSJOBHOST__FUNCTIONTIMEOUT", "1.02:00:00.5000000")], Ok(minutes(26 * 60))),
            (&[PORT, (TIME, "-1")], Ok(None)),
            (&[PORT, (TIME, "")], Ok(minutes(1))),
            (&[PORT, (TIME, "00:00:00")], Err(format!("{TIME}: found \"00:00:00\", {expected}"))),
            (&[PORT, (TIME, "5m")], Err(format!("{TIME}: found \"5m\", {expected}"))),
            (&[PORT, (TIME, "00:60:00")], Err(format!("{TIME}: found \"00:60:00\", {expected}"))),
            (&[PORT, (TIME, "00:+1:00")], Err(format!("{TIME}: found \"00:+1:00\", {expected}"))),
            (
                &[("FUNCTIONS_CUSTOMHANDLER_PORT", "0"), (TIME, "soon")],
                Err(format!(
                    "FUNCTIONS_CUSTOMHANDLER_PORT: found \"0\", expected a port, 1 to 65535; {TIME}: found \"soon\", {expected}"
                )),
            ),
            (
                &[("FUNCTIONS_CUSTOMHANDLER_PORT", "")],
                Err("FUNCTIONS_CUSTOMHANDLER_PORT: expected a port, which the Azure Functions host sets"
                    .to_owned()),
            ),
        ];
        for (vars, want) in table {
            let got = read(vars);
            if let Ok(environment) = &got {
                assert_eq!(environment.listen.to_string(), "127.0.0.1:7071", "{vars:?}");
            }
            assert_eq!(&got.map(|environment| environment.time), want, "{vars:?}");
        }
    }

    /// The platforms call from outside the machine, except one, which must not be called from there.
    #[test]
    fn each_platform_finds_the_function_where_it_looks() {
        type Case<'a> = (&'static Profile, &'a [(&'a str, &'a str)], Result<&'a str, &'a str>);
        let table: &[Case<'_>] = &[
            (&AZURE_FUNCTIONS, &[("FUNCTIONS_CUSTOMHANDLER_PORT", "1")], Ok("127.0.0.1:1")),
            (&ALIBABA_FC, &[], Ok("0.0.0.0:9000")),
            (&ALIBABA_FC, &[("FC_CUSTOM_LISTEN_PORT", "1")], Ok("0.0.0.0:1")),
            (&ALIBABA_FC, &[("FC_CUSTOM_LISTEN_PORT", "1"), ("FC_SERVER_PORT", "2")], Ok("0.0.0.0:2")),
            (&TENCENT_SCF, &[("PORT", "1")], Ok("0.0.0.0:9000")),
            (&HUAWEI_FUNCTIONGRAPH, &[("PORT", "1")], Ok("0.0.0.0:8000")),
            (&VOLCENGINE_FAAS, &[], Ok("0.0.0.0:8000")),
            (&VOLCENGINE_FAAS, &[("_FAAS_RUNTIME_PORT", "1")], Ok("0.0.0.0:1")),
            (&YANDEX_CONTAINERS, &[("PORT", "1")], Ok("0.0.0.0:1")),
            (
                &YANDEX_CONTAINERS,
                &[("PORT", "")],
                Err("PORT: expected a port, which Serverless Containers sets"),
            ),
            (&YANDEX_CONTAINERS, &[(LISTEN, "[::1]:7")], Ok("[::1]:7")),
            (&ALIBABA_FC, &[("FC_SERVER_PORT", "x"), (LISTEN, "127.0.0.1:0")], Ok("127.0.0.1:0")),
            (
                &TENCENT_SCF,
                &[(LISTEN, "9000")],
                Err(
                    "PORT_SHIM_LISTEN: found \"9000\", expected an address and a port, such as 127.0.0.1:9000",
                ),
            ),
        ];
        for (profile, vars, want) in table {
            let read = Environment::from_vars(profile, vars.iter().copied());
            let got = read.map(|read| read.listen.to_string()).map_err(|error| error.to_string());
            assert_eq!(got, want.map(str::to_owned).map_err(str::to_owned), "{vars:?}");
            let vars: Vec<_> = vars.iter().map(|(name, value)| (name.into(), value.into())).collect();
            assert_eq!(mistakes(profile, &vars).len(), usize::from(want.is_err()), "{vars:?}");
        }
    }

    #[test]
    fn a_number_of_seconds_that_no_call_has_says_nothing() {
        for (value, want) in [
            ("1", Some(1)),
            ("259200", Some(259_200)),
            ("259201", None),
            ("0", None),
            ("", None),
            ("-1", None),
            ("+1", None),
            ("1.5", None),
            (" 1", None),
            ("60s", None),
            ("9999999999999999999999", None),
        ] {
            for (profile, name) in
                [(&HUAWEI_FUNCTIONGRAPH, "RUNTIME_TIMEOUT"), (&VOLCENGINE_FAAS, "_FAAS_FUNC_TIMEOUT")]
            {
                let read = Environment::from_vars(profile, [(name, value)]).unwrap();
                assert_eq!(read.time, want.map(Duration::from_secs), "{name}={value:?}");
            }
            assert_eq!(time_of(value, Duration::from_secs), want.map(Duration::from_secs), "{value:?}");
        }
    }

    #[test]
    fn functions_are_the_folders_with_the_file() {
        let root = tempfile::tempdir().unwrap();
        let vars = [
            ("FUNCTIONS_CUSTOMHANDLER_PORT", "1"),
            ("FUNCTIONS_APP_ROOT_PATH", root.path().to_str().unwrap()),
        ];
        assert_eq!(read(&vars).unwrap().functions, None);
        for folder in ["ScanEvent", "ScanQueue", "other"] {
            std::fs::create_dir(root.path().join(folder)).unwrap();
        }
        for file in ["ScanEvent/function.json", "ScanQueue/function.json", "host.json", "other/readme"] {
            std::fs::write(root.path().join(file), "{}").unwrap();
        }
        let functions = ["ScanEvent", "ScanQueue"].map(str::to_owned).into();
        assert_eq!(read(&vars).unwrap().functions, Some(functions));
        let gone = [vars[0], ("FUNCTIONS_APP_ROOT_PATH", "/nowhere")];
        assert_eq!(read(&gone).unwrap().functions, None);
    }
}
