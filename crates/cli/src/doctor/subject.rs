//! What is looked at: the set-up of one server, as its process would read it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use mdss_relay_core::{HttpSettings, MOST_FILE_BYTES, Mistake, Relay, Role, Settings, plain_text};
use mdss_relay_gate::{Proxies, Sources};
use mdss_relay_stores::StoreSettings;
use rustix::fs::Access as Wanted;

use super::account::Lists;
use super::files::{Handed, InToml, NamedFile};
use super::service::{CREDENTIALS, Service};
use super::unit_file::UnitFile;
use super::view::{Access, View, Want};
use crate::input;

/// The set-up of one server. Where there is a mistake in it, the default stands, so that the other checks can be made.
pub(crate) struct Subject {
    /// Where it is from and who looks, for the head line.
    pub(crate) name: String,
    /// The variables that the server's process has.
    pub(crate) variables: Vec<(OsString, OsString)>,
    pub(crate) settings: Settings,
    pub(crate) http: HttpSettings,
    /// The stores whose buckets are to tell us.
    pub(crate) stores: Vec<StoreSettings>,
    /// Everything for which the server would not start.
    pub(crate) mistakes: Vec<Mistake>,
    /// The service that it is, if a unit file was given.
    pub(super) service: Option<Service>,
    pub(super) eyes: Eyes,
    /// The TOML's file.
    pub(super) config: Option<PathBuf>,
    /// Every file that a setting names.
    pub(super) files: Vec<NamedFile>,
    /// Places of secrets that are written in the TOML.
    pub(super) written: Vec<String>,
    /// Places of files that this process cannot read, although the relay may; why.
    pub(super) unseen: BTreeMap<String, String>,
    /// Whether the routes are all there, so that their numbers are those of the TOML.
    pub(super) routes_are_whole: bool,
}

/// By whose rights files are looked at.
#[derive(Debug)]
pub(super) enum Eyes {
    /// This process's own: it opens them.
    Own,
    /// Another user's, by owner, group and mode.
    Others(View),
    /// Those of a user who is not known here; why.
    Nobodys(String),
}

impl Subject {
    /// Reads the set-up of a unit; without one, the set-up that this process has itself. `config` stands for `RELAY_CONFIG`.
    ///
    /// # Errors
    /// A unit file that cannot be read.
    pub(crate) fn read(config: Option<&Path>, unit_file: Option<&Path>) -> Result<Self, String> {
        let lists = Lists::of_this_machine();
        let service = unit_file.map(UnitFile::read).transpose()?.map(|unit| Service::of(unit, lists.clone()));
        let variables = match &service {
            Some(service) => input::with_config(service.variables.clone(), config),
            None => input::variables(config),
        };
        let uid = rustix::process::geteuid().as_raw();
        let (eyes, as_whom) = match service.as_ref().map(|service| &service.account) {
            None => (Eyes::Own, lists.user_name(uid)),
            Some(Err(why)) => (Eyes::Nobodys(why.clone()), "an unknown user".to_owned()),
            Some(Ok(Some(account))) if account.uid == uid && uid != 0 => (Eyes::Own, account.name.clone()),
            Some(Ok(account)) => {
                let name =
                    account.as_ref().map_or("a user that systemd makes", |account| &account.name).to_owned();
                (Eyes::Others(View(account.clone())), name)
            }
        };
        Ok(Self::of(variables, service, eyes, &as_whom))
    }

    fn of(variables: Vec<(OsString, OsString)>, service: Option<Service>, eyes: Eyes, as_whom: &str) -> Self {
        let value = |wanted: &str| {
            let found = variables.iter().find(|(name, _)| name == wanted)?.1.to_str()?.trim();
            (!found.is_empty()).then_some(found)
        };
        let files =
            ["RELAY_CONFIG", "APIKEY_FILE", "RELAY_CA_FILE", "RELAY_SPOOL_URL_FILE", "RELAY_SPOOL_CA_FILE"]
                .into_iter();
        let files =
            files.filter_map(|name| Some(NamedFile::of_variable(name, value(name)?, service.as_ref())));
        let mut files: Vec<_> = files.collect();
        let config = files.iter().find(|file| file.place == "RELAY_CONFIG");
        let config = config.and_then(NamedFile::path).map(Path::to_owned);
        let text = match &config {
            Some(path) => plain_text(path, MOST_FILE_BYTES).ok(),
            None => value("RELAY_CONFIG_TOML").map(str::to_owned),
        };
        let table = text.as_deref().and_then(|text| text.parse().ok()).unwrap_or_default();
        let InToml { files: more, written } = InToml::of(&table, service.as_ref());
        files.extend(more);
        let readable = on_this_machine(&variables, config.as_deref(), text.as_deref(), &files);

        // As `mdss-relay-http` reads it (`crates/http/src/configuration.rs`).
        let mut draft = Settings::read(readable, Role::Http);
        Sources::of(&mut draft, Timestamp::now(), &|path| plain_text(path, MOST_FILE_BYTES));
        Proxies::trusted(&mut draft);
        let stores = StoreSettings::read(&draft.settings, &mut draft.mistakes);
        let http = draft.settings.http.take().expect("every role except a function's has them");
        let (settings, mut mistakes) = (draft.settings, draft.mistakes);
        if mistakes.is_empty() {
            mistakes.extend(Relay::new(settings.clone()).err());
        }
        if let Some(config) = &config {
            for mistake in mistakes.iter_mut().filter(|mistake| mistake.name == "RELAY_CONFIG_TOML") {
                mistake.name = config.to_string_lossy().into_owned();
            }
        }
        let listed = table.get("route").and_then(toml::Value::as_array).map(Vec::len);
        let routes_are_whole = listed.is_none_or(|routes| routes == settings.rules.routes().len());
        let unseen =
            files.iter().filter_map(|file| Some((file.place.clone(), unseen(file, &eyes)?))).collect();
        let from = match (&service, &config) {
            (Some(service), _) => service.name.clone(),
            (None, Some(config)) => config.to_string_lossy().into_owned(),
            (None, None) => "the variables of this process".to_owned(),
        };
        let name = format!("{from}, as {as_whom}");
        Self {
            name,
            variables,
            settings,
            http,
            stores,
            mistakes,
            service,
            eyes,
            config,
            files,
            written,
            unseen,
            routes_are_whole,
        }
    }

    /// Whether something is wrong in the tables of this name.
    pub(super) fn mistakes_in(&self, table: &str) -> bool {
        let begins = |place: &str| place.strip_prefix(table).is_some_and(|rest| rest.starts_with('['));
        self.mistakes.iter().any(|mistake| begins(&mistake.name))
    }

    /// The unit that it is, without its suffix: of the unit file, or the one in which systemd runs this process.
    pub(super) fn unit(&self) -> Option<String> {
        let name = match &self.service {
            Some(service) => service.name.clone(),
            // systemd sets it for each process of a unit with credentials (systemd.exec(5), "Environment Variables").
            None => {
                let folder = self.variables.iter().find(|(name, _)| name == "CREDENTIALS_DIRECTORY")?;
                Path::new(&folder.1).strip_prefix(CREDENTIALS).ok()?.to_str()?.to_owned()
            }
        };
        Some(name.strip_suffix(".service").unwrap_or(&name).to_owned())
    }

    /// Whether the relay may do this with the file at a path.
    pub(super) fn access(&self, path: &Path, want: Want) -> Access {
        if let Some(setting) = self.service.as_ref().and_then(|service| service.hides(path)) {
            return Access::No(format!("{setting} of the unit hides {}", path.display()));
        }
        match &self.eyes {
            Eyes::Others(view) => view.access(path, want),
            Eyes::Nobodys(why) => Access::Unknown(why.clone()),
            Eyes::Own => {
                let tried = match want {
                    Want::Read => File::open(path).map(drop),
                    Want::Write => rustix::fs::access(path, Wanted::WRITE_OK).map_err(Into::into),
                    Want::Change => {
                        rustix::fs::access(path, Wanted::WRITE_OK | Wanted::EXEC_OK).map_err(Into::into)
                    }
                };
                match tried {
                    Ok(()) => Access::Yes,
                    Err(error) if error.kind() == ErrorKind::NotFound => {
                        Access::No(format!("{} does not exist", path.display()))
                    }
                    Err(error) => match View::own().map(|view| view.access(path, want)) {
                        // Says which right is missing.
                        Some(Access::No(why)) => Access::No(why),
                        _ => Access::No(format!("{}: {error}", path.display())),
                    },
                }
            }
        }
    }
}

/// Why this process cannot read a file that the relay may well be able to read.
fn unseen(file: &NamedFile, eyes: &Eyes) -> Option<String> {
    if let Handed::Hidden(why) = &file.handed {
        return Some((*why).to_owned());
    }
    let by_systemd = matches!(file.handed, Handed::Copied(_));
    if matches!(eyes, Eyes::Own) && !by_systemd {
        return None;
    }
    let path = file.path()?;
    let error = File::open(path).err()?;
    (error.kind() == ErrorKind::PermissionDenied)
        .then(|| format!("this process may not read {}; run doctor as root", path.display()))
}

/// The variables with the files that systemd copies in the place of the copies, which are there only while the service runs. Where the TOML
/// names such a copy, its text is handed in with the other path in it.
fn on_this_machine(
    variables: &[(OsString, OsString)],
    config: Option<&Path>,
    text: Option<&str>,
    files: &[NamedFile],
) -> Vec<(OsString, OsString)> {
    let mut variables = variables.to_vec();
    let mut changed = text.map(Cow::Borrowed);
    for file in files {
        let Handed::Copied(from) = &file.handed else { continue };
        if let Some((_, value)) = variables.iter_mut().find(|(name, _)| *name == *file.place) {
            *value = from.into();
        } else if let (Some(text), Some(from)) = (&mut changed, from.to_str()) {
            // The quotes of the TOML end the name.
            let named = file.named.to_string_lossy();
            for quote in ['"', '\''] {
                let (old, new) = (format!("{named}{quote}"), format!("{from}{quote}"));
                if text.contains(&old) {
                    *text = Cow::Owned(text.replace(&old, &new));
                }
            }
        }
    }
    if let Some(Cow::Owned(text)) = changed {
        // A variable is read without white space around it, and mistakes have the numbers of lines.
        let blank = text.len() - text.trim_start().len();
        let lines = "#\n".repeat(text[..blank].matches('\n').count());
        if config.is_some() {
            variables.retain(|(name, _)| name != "RELAY_CONFIG");
        }
        variables.retain(|(name, _)| name != "RELAY_CONFIG_TOML");
        variables.push(("RELAY_CONFIG_TOML".into(), format!("{lines}{}", text.trim_start()).into()));
    }
    variables
}
