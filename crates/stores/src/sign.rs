//! Who asks: credentials, and the signatures made with them.
//!
//! The signers are those of Apache OpenDAL (`reqsign-…`). Where the settings name no credentials, they look where the cloud's own
//! tools look: variables, files in the home directory, the machine's identity. That is the one place where this program reads
//! variables that are not its own. No other program is run for them.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Request, Response};
use mdss_relay_core::{MOST_FILE_BYTES, plain_file};
use reqsign_aws_v4 as aws;
use reqsign_azure_storage as azure;
use reqsign_core::{Context, FileRead, HttpSend, OsEnv, ProvideCredential, Signer};
use reqsign_google as google;
use reqsign_oracle as oracle;

use crate::kind::Kind;
use crate::settings::{Credentials, StoreSettings};
use crate::wire::Wire;

/// Whose request it is to be, for the signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service<'a> {
    /// The store's own; for Google and OCI also any other service of theirs.
    Own,
    /// A service of Amazon, by its name in signatures, in a region.
    Amazon {
        /// `s3`, `sqs`, `events`.
        name: &'a str,
        /// `eu-central-1`.
        region: &'a str,
    },
    /// The management of Azure, which takes no key of an account: an identity is needed.
    AzureManagement,
}

/// Signs requests with a store's credentials. What a source of credentials has given is kept until it expires.
pub(crate) struct Signers {
    credentials: Credentials,
    kind: Kind,
    context: Context,
    wire: Wire,
    current: RwLock<Arc<Current>>,
}

enum Current {
    Amazon(Signer<aws::Credential>),
    Azure { storage: Signer<azure::Credential>, management: Signer<azure::Credential> },
    Google(Signer<google::Credential>),
    Oracle(Signer<oracle::Credential>),
    Nobody,
}

impl Signers {
    pub(crate) fn new(settings: &StoreSettings, wire: &Wire) -> Self {
        let context = Context::new().with_file_read(Files).with_env(OsEnv).with_http_send(wire.clone());
        let current = current(&settings.credentials, settings.kind, &context, wire);
        Self {
            credentials: settings.credentials.clone(),
            kind: settings.kind,
            context,
            wire: wire.clone(),
            current: RwLock::new(Arc::new(current)),
        }
    }

    /// Signs the head of a request.
    ///
    /// # Errors
    /// Why there are no credentials.
    pub(crate) async fn sign(&self, service: Service<'_>, parts: &mut Parts) -> Result<(), String> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner).clone();
        let signed = match (&*current, service) {
            (Current::Amazon(signer), Service::Amazon { name, region }) => {
                signer
                    .clone()
                    .with_request_signer(aws::RequestSigner::new(name, region))
                    .sign(parts, None)
                    .await
            }
            (Current::Azure { storage, .. }, Service::Own) => storage.sign(parts, None).await,
            (Current::Azure { management, .. }, Service::AzureManagement) => {
                management.sign(parts, None).await
            }
            (Current::Google(signer), Service::Own) => signer.sign(parts, None).await,
            (Current::Oracle(signer), Service::Own) => signer.sign(parts, None).await,
            _ => return Err(format!("credentials of {} sign no request of {service:?}", self.kind)),
        };
        for value in parts.headers.get_mut(http::header::AUTHORIZATION).into_iter() {
            HeaderValue::set_sensitive(value, true);
        }
        signed.map_err(|e| self.sentence(&e))
    }

    /// Reads credentials from their files again: the store has refused what stood there.
    ///
    /// Gives whether that can make a difference.
    pub(crate) fn refresh(&self) -> bool {
        if matches!(self.credentials, Credentials::Found { .. }) {
            return false;
        }
        let fresh = current(&self.credentials, self.kind, &self.context, &self.wire);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(fresh);
        true
    }

    fn sentence(&self, error: &reqsign_core::Error) -> String {
        match &self.credentials {
            Credentials::Found { .. } => format!(
                "no credentials were found where the tools of this cloud look for them, and the store's settings name none ({error})"
            ),
            _ => format!("the credentials cannot be used: {error}"),
        }
    }
}

fn current(credentials: &Credentials, kind: Kind, context: &Context, wire: &Wire) -> Current {
    match kind {
        Kind::S3 => Current::Amazon(amazon(credentials, context)),
        Kind::Azure => {
            let other = context.clone().with_http_send(ForManagement(wire.clone()));
            Current::Azure { storage: storage(credentials, context), management: management(&other) }
        }
        Kind::Gcs => Current::Google(google(credentials, context)),
        Kind::Oci => Current::Oracle(oracle(credentials, context)),
        Kind::Directory => Current::Nobody,
    }
}

fn amazon(credentials: &Credentials, context: &Context) -> Signer<aws::Credential> {
    let context = context.clone();
    // Service and region are chosen anew for each request.
    let signer = aws::RequestSigner::new("s3", "us-east-1");
    match credentials {
        Credentials::Aws { id, secret, token } => {
            let files = AmazonFiles { id: id.clone(), secret: secret.clone(), token: token.clone() };
            Signer::new(context, files, signer)
        }
        Credentials::Found { profile: Some(profile) } => {
            let chain = aws::DefaultCredentialProvider::builder().with_profile(profile).build();
            Signer::new(context, chain, signer)
        }
        _ => Signer::new(context, aws::DefaultCredentialProvider::new(), signer),
    }
}

fn storage(credentials: &Credentials, context: &Context) -> Signer<azure::Credential> {
    let (context, signer) = (context.clone(), azure::RequestSigner::new());
    match credentials {
        Credentials::AzureKey { account, key } => {
            Signer::new(context, AzureFile { account: Some(account.clone()), file: key.clone() }, signer)
        }
        Credentials::AzureSas { token } => {
            Signer::new(context, AzureFile { account: None, file: token.clone() }, signer)
        }
        _ => Signer::new(context, azure::DefaultCredentialProvider::new(), signer),
    }
}

/// Only who has an identity may ask the management: keys and signatures of an account are left out.
fn management(context: &Context) -> Signer<azure::Credential> {
    let chain = azure::DefaultCredentialProvider::builder().no_env().build();
    Signer::new(context.clone(), chain, azure::RequestSigner::new())
}

fn google(credentials: &Credentials, context: &Context) -> Signer<google::Credential> {
    let (context, signer) = (context.clone(), google::RequestSigner::new("storage"));
    match credentials {
        Credentials::GoogleFile { json } => {
            Signer::new(context, google::FileCredentialProvider::new(text(json)), signer)
        }
        Credentials::GoogleToken { token } => {
            Signer::new(context, google::TokenCredentialProvider::from_path(text(token)), signer)
        }
        _ => Signer::new(context, google::DefaultCredentialProvider::new(), signer),
    }
}

fn oracle(credentials: &Credentials, context: &Context) -> Signer<oracle::Credential> {
    let (context, signer) = (context.clone(), oracle::RequestSigner::new());
    match credentials {
        Credentials::Oracle { tenancy, user, fingerprint, key } => {
            let own = oracle::StaticCredentialProvider::new(user, tenancy, &text(key), fingerprint);
            Signer::new(context, own, signer)
        }
        _ => Signer::new(context, oracle::DefaultCredentialProvider::new(), signer),
    }
}

/// Paths come from settings, which are UTF-8.
fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// Reads plain files of a reasonable size, and nothing else.
#[derive(Debug)]
struct Files;

impl FileRead for Files {
    async fn file_read(&self, path: &str) -> reqsign_core::Result<Vec<u8>> {
        let read = {
            let path = path.to_owned();
            move || plain_file(&path, MOST_FILE_BYTES)
        };
        let read = tokio::task::spawn_blocking(read).await.map_err(std::io::Error::other).flatten();
        read.map_err(|e| reqsign_core::Error::config_invalid(format!("{path}: {e}")))
    }
}

/// What stands in a file, without white space around it.
async fn secret(context: &Context, path: &Path) -> reqsign_core::Result<String> {
    let path = text(path);
    let secret = context.file_read_as_string(&path).await?.trim().to_owned();
    if secret.is_empty() {
        return Err(reqsign_core::Error::config_invalid(format!("{path} is empty")));
    }
    Ok(secret)
}

#[derive(Debug)]
struct AmazonFiles {
    id: String,
    secret: PathBuf,
    token: Option<PathBuf>,
}

impl ProvideCredential for AmazonFiles {
    type Credential = aws::Credential;

    async fn provide_credential(&self, context: &Context) -> reqsign_core::Result<Option<aws::Credential>> {
        let session_token = match &self.token {
            Some(path) => Some(secret(context, path).await?),
            None => None,
        };
        Ok(Some(aws::Credential {
            access_key_id: self.id.clone(),
            secret_access_key: secret(context, &self.secret).await?,
            session_token,
            expires_in: None,
        }))
    }
}

/// A key of an account, or without one a signature that somebody has made with such a key.
#[derive(Debug)]
struct AzureFile {
    account: Option<String>,
    file: PathBuf,
}

impl ProvideCredential for AzureFile {
    type Credential = azure::Credential;

    async fn provide_credential(&self, context: &Context) -> reqsign_core::Result<Option<azure::Credential>> {
        let secret = secret(context, &self.file).await?;
        Ok(Some(match &self.account {
            Some(account) => azure::Credential::with_shared_key(account, &secret),
            // As the portal shows it, with a question mark in front.
            None => azure::Credential::with_sas_token(secret.trim_start_matches('?')),
        }))
    }
}

/// Asks for a token for the management of Azure where one for its storage is asked for: the signers know the latter alone
/// (reqsign-azure-storage 3.3.0, `provide_credential/`), and the name of the resource is the only difference.
#[derive(Clone, Debug)]
pub(crate) struct ForManagement(pub(crate) Wire);

impl HttpSend for ForManagement {
    async fn http_send(&self, request: Request<Bytes>) -> reqsign_core::Result<Response<Bytes>> {
        const STORAGE: &str = "storage.azure.com";
        const MANAGEMENT: &str = "management.azure.com";
        let (mut parts, body) = request.into_parts();
        let uri = parts.uri.to_string();
        if uri.contains(STORAGE) {
            parts.uri = uri
                .replace(STORAGE, MANAGEMENT)
                .parse()
                .map_err(|_| reqsign_core::Error::unexpected("an address for tokens that is none"))?;
        }
        let body = match std::str::from_utf8(&body) {
            Ok(text) if text.contains(STORAGE) => Bytes::from(text.replace(STORAGE, MANAGEMENT)),
            _ => body,
        };
        // The length that was said is of the other body.
        parts.headers.remove(http::header::CONTENT_LENGTH);
        HttpSend::http_send(&self.0, Request::from_parts(parts, body)).await
    }
}
