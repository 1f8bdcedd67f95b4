//! Where the database is, how it is reached, and what an operator asks of it.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use mdss_relay_core::{DatabaseSettings, DatabaseUrl, Mistake};
use rustls_pki_types::CertificateDer;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};

/// How long a server may take to take a connection, unless the URL says otherwise (`connect_timeout`).
const CONNECT: Duration = Duration::from_secs(3);

/// How soon a connection without a word is asked whether it is alive, how often, and how often in vain. A proxy that swallows everything answers
/// all the same; what finds that out is the deadline of a statement.
const KEEP_ALIVE: (Duration, Duration, u32) = (Duration::from_secs(10), Duration::from_secs(5), 3);

/// How long what was sent may stay without the other kernel's word.
const UNHEARD: Duration = Duration::from_secs(10);

/// What a commit must have outlived before a sender hears "done".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// A synchronous standby has it as well: the loss of one machine loses nothing.
    #[default]
    Replicated,
    /// What the one server promises is enough, or its storage is replicated below it, as with managed services.
    Server,
}

impl Durability {
    /// The stable name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Replicated => "replicated",
            Self::Server => "server",
        }
    }
}

impl FromStr for Durability {
    type Err = String;

    /// # Errors
    /// The list of the names.
    fn from_str(name: &str) -> Result<Self, String> {
        let known = [Self::Replicated, Self::Server];
        let found = known.into_iter().find(|durability| durability.name() == name);
        found.ok_or_else(|| "one of replicated, server".to_owned())
    }
}

/// A database that keeps events, and what is asked of it. Its password is never shown.
#[derive(Clone)]
pub struct Database {
    url: Url,
    /// Authorities that are trusted beside the compiled-in ones.
    pub(crate) roots: Vec<CertificateDer<'static>>,
    durability: Durability,
    migrate: bool,
}

#[derive(Clone)]
enum Url {
    Text(String),
    /// Read at each connect: passwords of some services hold for minutes.
    File(PathBuf),
}

impl Database {
    /// The database of a URL: `postgres://user@host:port,host2:port2/name?target_session_attrs=read-write`.
    ///
    /// # Errors
    /// What is wrong with it, without its password.
    pub fn of_url(url: &str) -> Result<Self, String> {
        read(url)?;
        Ok(Self::of(Url::Text(url.to_owned())))
    }

    /// The database of the URL in a file, which is read again at each connect.
    ///
    /// # Errors
    /// What is wrong with the file or the URL in it, without its password.
    pub fn of_file(path: PathBuf) -> Result<Self, String> {
        let database = Self::of(Url::File(path));
        database.config()?;
        Ok(database)
    }

    fn of(url: Url) -> Self {
        Self { url, roots: Vec::new(), durability: Durability::default(), migrate: true }
    }

    /// The database that the settings name.
    ///
    /// # Errors
    /// The mistake in the URL, or in the file that has it; without its password.
    pub fn of_settings(settings: &DatabaseSettings) -> Result<Self, Mistake> {
        let database = match &settings.url {
            DatabaseUrl::Text(url) => Self::of_url(url.expose())
                .map_err(|why| Mistake::new("RELAY_SPOOL_URL", format!("the URL of a database: {why}")))?,
            DatabaseUrl::File(path) => Self::of_file(path.clone()).map_err(|why| {
                let expected = format!("a file with the URL of a database ({why})");
                Mistake::path("RELAY_SPOOL_URL_FILE", &path.to_string_lossy(), expected)
            })?,
        };
        let trusting = database.trusting(settings.certificates.clone());
        let trusting =
            trusting.map_err(|why| Mistake::new("RELAY_SPOOL_CA_FILE", format!("authorities: {why}")))?;
        let durability = if settings.replicated { Durability::Replicated } else { Durability::Server };
        Ok(trusting.durable(durability).migrating(settings.migrate))
    }

    /// Trusts authorities beside the compiled-in ones.
    ///
    /// # Errors
    /// What is wrong with one of them.
    pub fn trusting(mut self, roots: Vec<CertificateDer<'static>>) -> Result<Self, String> {
        mdss_relay_core::public_tls(&roots)?;
        self.roots = roots;
        Ok(self)
    }

    /// What a commit must have outlived before a sender hears "done".
    #[must_use]
    pub fn durable(self, durability: Durability) -> Self {
        Self { durability, ..self }
    }

    /// Whether the tables may be made and brought to today's version; otherwise they must be.
    #[must_use]
    pub fn migrating(self, migrate: bool) -> Self {
        Self { migrate, ..self }
    }

    /// Whether the tables may be made and brought to today's version.
    pub fn migrates(&self) -> bool {
        self.migrate
    }

    /// What a commit must have outlived.
    pub fn durability(&self) -> Durability {
        self.durability
    }

    /// Servers and database, as logs show them: no user, no password.
    pub fn place(&self) -> String {
        match self.config() {
            Ok(config) => place(&config),
            Err(_) => "a database".to_owned(),
        }
    }

    /// Whether connections are encrypted and the server's certificate is checked.
    pub fn is_verified(&self) -> bool {
        self.config().is_ok_and(|config| config.get_ssl_mode() == SslMode::Require)
    }

    /// Whether it is reached without leaving this machine.
    pub fn is_local(&self) -> bool {
        let is_local = |host: &Host| match host {
            Host::Tcp(name) => {
                name == "localhost"
                    || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
            }
            Host::Unix(_) => true,
        };
        self.config().is_ok_and(|config| config.get_hosts().iter().all(is_local))
    }

    /// What the driver needs, as the URL says it now.
    ///
    /// # Errors
    /// What is wrong with the URL, or with the file that has it; without its password.
    pub fn config(&self) -> Result<Config, String> {
        match &self.url {
            Url::Text(url) => read(url),
            Url::File(path) => {
                let text = std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
                read(text.trim()).map_err(|e| format!("{}: {e}", path.display()))
            }
        }
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Database({}, {})", self.place(), self.durability.name())
    }
}

fn place(config: &Config) -> String {
    let ports = config.get_ports();
    let port = |n: usize| ports.get(n).or(ports.first()).copied().unwrap_or(5432);
    let host = |(n, host): (usize, &Host)| match host {
        Host::Tcp(name) => format!("{name}:{}", port(n)),
        Host::Unix(path) => format!("{}:{}", path.display(), port(n)),
    };
    let hosts: Vec<_> = config.get_hosts().iter().enumerate().map(host).collect();
    format!("{}/{}", hosts.join(","), config.get_dbname().unwrap_or_default())
}

/// Reads a URL. TLS is either checked in full or off: what may be turned off by whoever is in between is no protection.
fn read(url: &str) -> Result<Config, String> {
    if !["postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme)) {
        return Err("expected postgres://user@host:port/database".into());
    }
    let (url, mode) = without_mode(url)?;
    // The driver's message may hold a piece of the URL, which may be of the password.
    let mut config = Config::from_str(&url)
        .map_err(|_| "expected postgres://user@host:port/database?name=value, percent-encoded".to_owned())?;
    if config.get_hosts().is_empty() {
        return Err("no host in it".into());
    }
    for (what, there) in [("user", config.get_user()), ("database", config.get_dbname())] {
        if there.is_none_or(str::is_empty) {
            return Err(format!("no {what} in it"));
        }
    }
    let sockets = config.get_hosts().iter().all(|host| matches!(host, Host::Unix(_)));
    config.ssl_mode(mode.unwrap_or(if sockets { SslMode::Disable } else { SslMode::Require }));
    config.target_session_attrs(TargetSessionAttrs::ReadWrite);
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(CONNECT);
    }
    let (idle, interval, retries) = KEEP_ALIVE;
    config.keepalives_idle(idle).keepalives_interval(interval).keepalives_retries(retries);
    if config.get_tcp_user_timeout().is_none() {
        config.tcp_user_timeout(UNHEARD);
    }
    if config.get_application_name().is_none() {
        config.application_name("mdss-relay");
    }
    Ok(config)
}

/// Takes `sslmode` out of the URL: the driver knows fewer words than libpq, and `require` is checked in full here.
fn without_mode(url: &str) -> Result<(String, Option<SslMode>), String> {
    let Some((before, query)) = url.split_once('?') else { return Ok((url.to_owned(), None)) };
    let (mut mode, mut kept) = (None, Vec::new());
    for pair in query.split('&') {
        match pair.split_once('=') {
            Some(("sslmode", "verify-full" | "require")) => mode = Some(SslMode::Require),
            Some(("sslmode", "disable")) => mode = Some(SslMode::Disable),
            Some(("sslmode", other)) => {
                return Err(format!("sslmode={other}: expected verify-full or disable"));
            }
            _ => kept.push(pair),
        }
    }
    Ok((format!("{before}?{}", kept.join("&")), mode))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_read_and_tls_is_full_unless_it_is_off() {
        for (url, place, verified, local) in [
            ("postgres://relay@db.example/mdss_relay", "db.example:5432/mdss_relay", true, false),
            ("postgresql://r:p%40ss@a:5432,b:5433/d?sslmode=verify-full", "a:5432,b:5433/d", true, false),
            ("postgres://r@127.0.0.1:1/d?sslmode=disable&application_name=x", "127.0.0.1:1/d", false, true),
            ("postgres://r@localhost/d?sslmode=require", "localhost:5432/d", true, true),
            ("postgres://r@%2Frun%2Fpostgresql/d", "/run/postgresql:5432/d", false, true),
        ] {
            let database = Database::of_url(url).unwrap();
            assert_eq!(
                (database.place().as_str(), database.is_verified(), database.is_local()),
                (place, verified, local),
                "{url}"
            );
            let config = database.config().unwrap();
            assert_eq!(config.get_target_session_attrs(), TargetSessionAttrs::ReadWrite, "{url}");
            assert_eq!(config.get_connect_timeout(), Some(&CONNECT));
        }
    }

    #[test]
    fn what_is_wrong_with_a_url_is_said_without_its_password() {
        for (url, want) in [
            ("mysql://r:secret@a/d", "expected postgres://"),
            ("postgres://r:secret@a", "no database"),
            ("postgres://:secret@a/d", "no user"),
            ("postgres://r:secret@a/d?sslmode=prefer", "sslmode=prefer: expected verify-full or disable"),
            ("postgres://r:sec ret@a:x/d", "percent-encoded"),
            ("postgres:///d?user=r&password=secret", "no host"),
        ] {
            let why = Database::of_url(url).unwrap_err();
            assert!(why.contains(want) && !why.contains("secret"), "{url}: {why}");
        }
        let database = Database::of_url("postgres://r:secret@a/d").unwrap();
        assert!(!format!("{database:?}").contains("secret"));
        assert!(database.trusting(vec![CertificateDer::from_slice(b"x")]).is_err());
    }

    #[test]
    fn a_file_is_read_again_at_each_connect() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "postgres://r:one@a/d\n").unwrap();
        let database = Database::of_file(file.path().to_owned()).unwrap();
        let password = |database: &Database| database.config().unwrap().get_password().map(<[u8]>::to_vec);
        assert_eq!(password(&database), Some(b"one".to_vec()));
        std::fs::write(file.path(), "postgres://r:two@a/d\n").unwrap();
        assert_eq!(password(&database), Some(b"two".to_vec()));
        assert!(Database::of_file("/nonexistent/url".into()).is_err());
    }
}
