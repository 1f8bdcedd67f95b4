//! The environment of an Fn container, read once into a value.
//!
//! Which variables there are: fn-docs, `fn/develop/fn-format.md`; fnproject/fn, `api/agent/call.go`; and
//! <https://docs.oracle.com/en-us/iaas/Content/Functions/Tasks/functionsenvironmentvariables.htm>.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lambda_runtime::Config;

use crate::logframe::LogFrame;

const LISTENER: &str = "FN_LISTENER";
const FORMAT: &str = "FN_FORMAT";

/// fn-docs, `fn/develop/fn-format.md`: what fits into a `sockaddr_un` with its terminating zero.
const LISTENER_LIMIT: usize = 107;

/// What the platform says about this container and its function.
#[derive(Clone, Debug)]
pub struct Environment {
    listener: PathBuf,
    function_id: String,
    config: Arc<Config>,
    log_frame: Option<LogFrame>,
}

impl Environment {
    /// Reads the `FN_*` variables among `vars`; all others are passed over. [`run`](crate::run) gives it
    /// `std::env::vars_os()`, a test an array.
    ///
    /// ```
    /// let environment = fn_shim::Environment::from_vars([("FN_LISTENER", "unix:/tmp/iofs/lsnr.sock")])?;
    /// assert_eq!(environment.listener().to_str(), Some("/tmp/iofs/lsnr.sock"));
    ///
    /// let error = fn_shim::Environment::from_vars([("FN_FORMAT", "json")]).unwrap_err();
    /// assert_eq!(error.mistakes().len(), 2); // the format, and no listener at all
    /// # Ok::<(), fn_shim::SettingsError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// All mistakes at once: `FN_LISTENER` is not `unix:` and an absolute path of at most 107 bytes, or
    /// `FN_FORMAT` is neither empty nor `http-stream` (the variable is deprecated but still set).
    pub fn from_vars<K, V>(vars: impl IntoIterator<Item = (K, V)>) -> Result<Self, SettingsError>
    where
        K: AsRef<OsStr>,
        V: AsRef<OsStr>,
    {
        let vars: HashMap<OsString, OsString> = vars
            .into_iter()
            .filter(|(name, _)| name.as_ref().as_bytes().starts_with(b"FN_"))
            .map(|(name, value)| (name.as_ref().to_owned(), value.as_ref().to_owned()))
            .collect();
        // An empty variable says no more than none.
        let var = |name: &str| vars.get(OsStr::new(name)).filter(|value| !value.is_empty());
        let text = |name: &str| var(name).map(|value| value.to_string_lossy().into_owned());
        let mut mistakes = Vec::new();

        if let Some(format) = var(FORMAT).filter(|format| *format != "http-stream") {
            mistakes.push(Mistake::new(FORMAT, Some(format), "\"http-stream\" or nothing"));
        }
        let listener = match var(LISTENER) {
            Some(value) => socket_path(value),
            None => Err("\"unix:\" and an absolute path; an Fn container sets it"),
        };
        let listener = match listener {
            Ok(path) if mistakes.is_empty() => path,
            Ok(_) => return Err(SettingsError { mistakes }),
            Err(expected) => {
                mistakes.push(Mistake::new(LISTENER, var(LISTENER), expected));
                return Err(SettingsError { mistakes });
            }
        };
        Ok(Self {
            listener,
            function_id: text("FN_FN_ID").unwrap_or_default(),
            config: Arc::new(Config {
                // `FN_NAME` in fn-format.md, `FN_FN_NAME` on OCI.
                function_name: text("FN_FN_NAME").or_else(|| text("FN_NAME")).unwrap_or_default(),
                // Megabytes, as a decimal number. Only told, never acted upon, so nonsense is no reason to
                // stay down.
                memory: text("FN_MEMORY").and_then(|megabytes| megabytes.parse().ok()).unwrap_or_default(),
                ..Config::default()
            }),
            log_frame: text("FN_LOGFRAME_NAME")
                .zip(text("FN_LOGFRAME_HDR"))
                .map(|(name, header)| LogFrame::new(name, header)),
        })
    }

    /// Where the platform expects the socket: the path in `FN_LISTENER`.
    pub fn listener(&self) -> &Path {
        &self.listener
    }

    /// `FN_FN_ID`: an OCID on OCI; empty if the platform does not say.
    pub(crate) fn function_id(&self) -> &str {
        &self.function_id
    }

    pub(crate) fn config(&self) -> &Arc<Config> {
        &self.config
    }

    pub(crate) fn log_frame(&self) -> Option<&LogFrame> {
        self.log_frame.as_ref()
    }
}

/// The path of `unix:/path`, or what was expected instead.
fn socket_path(value: &OsStr) -> Result<PathBuf, &'static str> {
    let Some(path) = value.as_bytes().strip_prefix(b"unix:") else {
        return Err("\"unix:\" and an absolute path");
    };
    if path.first() != Some(&b'/') {
        return Err("an absolute path after \"unix:\"");
    }
    if path.len() > LISTENER_LIMIT {
        return Err("at most 107 bytes after \"unix:\"");
    }
    // Not `Path::file_name`, which reads "/tmp/." as "tmp".
    match path.rsplit(|byte| *byte == b'/').next() {
        None | Some(b"" | b"." | b"..") => Err("a path that ends in a file name"),
        Some(_) => Ok(PathBuf::from(OsString::from_vec(path.to_vec()))),
    }
}

/// Every variable that is not as the Fn contract wants it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingsError {
    mistakes: Vec<Mistake>,
}

impl SettingsError {
    /// The mistakes, at least one.
    pub fn mistakes(&self) -> &[Mistake] {
        &self.mistakes
    }
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, mistake) in self.mistakes.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{mistake}")?;
        }
        Ok(())
    }
}

impl std::error::Error for SettingsError {}

/// One variable that is not as the Fn contract wants it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    variable: &'static str,
    found: Option<OsString>,
    expected: &'static str,
}

impl Mistake {
    fn new(variable: &'static str, found: Option<&OsString>, expected: &'static str) -> Self {
        Self { variable, found: found.cloned(), expected }
    }

    /// The variable's name.
    pub fn variable(&self) -> &str {
        self.variable
    }

    /// Its value; `None` if it is empty or not set.
    pub fn found(&self) -> Option<&OsStr> {
        self.found.as_deref()
    }

    /// What would have been right.
    pub fn expected(&self) -> &str {
        self.expected
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { variable, found, expected } = self;
        match found {
            // The debug form escapes whatever a line or a terminal would stumble over.
            Some(found) => write!(f, "{variable} is {found:?}, expected {expected}"),
            None => write!(f, "{variable} is not set, expected {expected}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(vars: &[(&str, &str)]) -> Result<Environment, String> {
        Environment::from_vars(vars.iter().copied()).map_err(|error| error.to_string())
    }

    #[test]
    fn listener_and_format_are_checked() {
        let fits = format!("unix:/{}", "s".repeat(106));
        let too_long = format!("unix:/{}", "s".repeat(107));
        // Listener, format, and the sentence; without one, the listener is accepted.
        let table = [
            (Some("unix:/tmp/iofs/lsnr.sock"), None, ""),
            (Some("unix:/s"), Some(""), ""),
            (Some("unix:/s"), Some("http-stream"), ""),
            (Some(&fits), None, ""),
            (Some(&too_long), None, r#"FN_LISTENER is {value}, expected at most 107 bytes after "unix:""#),
            (
                None,
                None,
                r#"FN_LISTENER is not set, expected "unix:" and an absolute path; an Fn container sets it"#,
            ),
            (
                Some(""),
                None,
                r#"FN_LISTENER is not set, expected "unix:" and an absolute path; an Fn container sets it"#,
            ),
            (
                Some("tcp:127.0.0.1:80"),
                None,
                r#"FN_LISTENER is {value}, expected "unix:" and an absolute path"#,
            ),
            (
                Some("/tmp/lsnr.sock"),
                None,
                r#"FN_LISTENER is {value}, expected "unix:" and an absolute path"#,
            ),
            (Some("unix:"), None, r#"FN_LISTENER is {value}, expected an absolute path after "unix:""#),
            (
                Some("unix:lsnr.sock"),
                None,
                r#"FN_LISTENER is {value}, expected an absolute path after "unix:""#,
            ),
            (Some("unix:/"), None, "FN_LISTENER is {value}, expected a path that ends in a file name"),
            (Some("unix:/tmp/"), None, "FN_LISTENER is {value}, expected a path that ends in a file name"),
            (Some("unix:/tmp/.."), None, "FN_LISTENER is {value}, expected a path that ends in a file name"),
            (Some("unix:/s"), Some("json"), r#"FN_FORMAT is "json", expected "http-stream" or nothing"#),
            (
                Some("tcp:1"),
                Some("default"),
                r#"FN_FORMAT is "default", expected "http-stream" or nothing; FN_LISTENER is {value}, expected "unix:" and an absolute path"#,
            ),
        ];
        for (listener, format, want) in table {
            let vars = [("FN_LISTENER", listener), ("FN_FORMAT", format)];
            let vars: Vec<_> = vars.iter().filter_map(|(name, value)| Some((*name, (*value)?))).collect();
            match read(&vars) {
                Ok(environment) => {
                    assert_eq!(want, "", "{vars:?}");
                    let path = listener.and_then(|listener| listener.strip_prefix("unix:"));
                    assert_eq!(environment.listener().to_str(), path, "{vars:?}");
                }
                Err(said) => {
                    let value = format!("{:?}", listener.unwrap_or_default());
                    assert_eq!(said, want.replace("{value}", &value), "{vars:?}");
                }
            }
        }
    }

    #[test]
    fn a_mistake_can_be_taken_apart() {
        let error = Environment::from_vars([("FN_LISTENER", "tcp:1")]).unwrap_err();
        let [mistake] = error.mistakes() else { panic!("{error}") };
        assert_eq!(mistake.variable(), "FN_LISTENER");
        assert_eq!(mistake.found(), Some(OsStr::new("tcp:1")));
        assert_eq!(mistake.expected(), "\"unix:\" and an absolute path");
    }

    #[test]
    fn a_path_need_not_be_utf_8() {
        let value = OsStr::from_bytes(b"unix:/tmp/\xff.sock");
        let environment = Environment::from_vars([("FN_LISTENER", value)]).unwrap();
        assert_eq!(environment.listener().as_os_str().as_bytes(), b"/tmp/\xff.sock");
    }

    #[test]
    fn what_the_handler_is_told_of_the_function() {
        let listener = ("FN_LISTENER", "unix:/s");
        let told = |vars: &[(&str, &str)]| {
            let environment = read(vars).unwrap();
            let Config { function_name, memory, .. } = environment.config().as_ref();
            (environment.function_id().to_owned(), function_name.clone(), *memory)
        };
        let nothing = (String::new(), String::new(), 0);
        assert_eq!(told(&[listener]), nothing);
        let oci = [listener, ("FN_FN_ID", "ocid1.fnfunc.1"), ("FN_FN_NAME", "relay"), ("FN_MEMORY", "128")];
        assert_eq!(told(&oci), ("ocid1.fnfunc.1".to_owned(), "relay".to_owned(), 128));
        assert_eq!(told(&[listener, ("FN_NAME", "relay")]).1, "relay");
        assert_eq!(told(&[listener, ("FN_MEMORY", "a lot")]), nothing);
    }

    #[test]
    fn a_log_frame_needs_both_variables() {
        let listener = ("FN_LISTENER", "unix:/s");
        let framed = |vars: &[(&str, &str)]| read(vars).unwrap().log_frame().is_some();
        assert!(framed(&[listener, ("FN_LOGFRAME_NAME", "foo"), ("FN_LOGFRAME_HDR", "Fn-Call-Id")]));
        assert!(!framed(&[listener, ("FN_LOGFRAME_NAME", "foo")]));
        assert!(!framed(&[listener, ("FN_LOGFRAME_HDR", "Fn-Call-Id")]));
        assert!(!framed(&[listener, ("FN_LOGFRAME_NAME", ""), ("FN_LOGFRAME_HDR", "Fn-Call-Id")]));
    }
}
