//! A bucket of Amazon's, or of a store that speaks the same protocol: its address and its region.

use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use http::Request;
use url::Url;

use crate::client::Client;
use crate::list::query::{encode, query};
use crate::settings::Style;
use crate::sign::Service;
use crate::trouble::{Trouble, TroubleKind};
use crate::wire::Answer;

/// The region in which a store without regions believes to be.
const ANY: &str = "us-east-1";

/// One bucket.
pub(crate) struct S3Bucket {
    pub(crate) client: Client,
    pub(crate) name: String,
    region: Mutex<String>,
}

impl S3Bucket {
    pub(crate) fn new(client: Client, name: &str) -> Self {
        let settings = &client.settings;
        let host = settings.endpoint.as_ref().and_then(|url| url.host_str());
        let region =
            settings.region.clone().or_else(|| host.and_then(of_host)).unwrap_or_else(|| ANY.to_owned());
        Self { client, name: name.to_owned(), region: Mutex::new(region) }
    }

    /// The region that its requests are signed for.
    pub(crate) fn region(&self) -> String {
        self.region.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Asks the bucket. If its store says that it is in another region, asks there.
    pub(crate) async fn get(&self, pairs: &[(&str, &[u8])]) -> Result<Answer, Trouble> {
        let answer = self.get_in(&self.region(), pairs).await?;
        let Some(other) = self.other_region(&answer) else { return Ok(answer) };
        let answer = self.get_in(&other, pairs).await?;
        if answer.status != 301 {
            *self.region.lock().unwrap_or_else(PoisonError::into_inner) = other;
        }
        Ok(answer)
    }

    async fn get_in(&self, region: &str, pairs: &[(&str, &[u8])]) -> Result<Answer, Trouble> {
        let address = self.address(region)?;
        let request = Request::get(format!("{address}?{}", query(pairs))).body(Bytes::new());
        let request = request.map_err(|_| self.odd_name())?;
        let sent = self.client.send(Service::Amazon { name: "s3", region }, request).await;
        sent.map_err(|trouble| trouble.of(&self.name))
    }

    /// The region that an answer names, if the bucket is not where it was asked for.
    /// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/Redirects.html>
    fn other_region(&self, answer: &Answer) -> Option<String> {
        if !matches!(answer.status, 301 | 307 | 400 | 403) || self.client.settings.region.is_some() {
            return None;
        }
        let text = String::from_utf8_lossy(&answer.body);
        let element = || {
            let (_, rest) = text.split_once("<Region>")?;
            Some(rest.split_once("</Region>")?.0.to_owned())
        };
        let named = answer.header("x-amz-bucket-region").map(str::to_owned).or_else(element)?;
        let plain = |region: &str| {
            (1..=64).contains(&region.len()) && region.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        };
        Some(named).filter(|region| plain(region) && *region != self.region())
    }

    /// Its address, without a query.
    fn address(&self, region: &str) -> Result<String, Trouble> {
        let settings = &self.client.settings;
        let mut base = match &settings.endpoint {
            Some(endpoint) => endpoint.clone(),
            None => {
                let above = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
                Url::parse(&format!("https://s3.{region}.{above}")).map_err(|_| self.odd_name())?
            }
        };
        if matches!(self.name.as_str(), "" | "." | "..") {
            return Err(self.odd_name());
        }
        // A name with dots fits no certificate of `*.s3.example`.
        let as_host = settings.style == Style::Virtual
            && !(base.scheme() == "https" && self.name.contains('.'))
            && self.name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.".contains(&b));
        base.set_path("/");
        if !as_host {
            return Ok(format!("{base}{}", encode(self.name.as_bytes())));
        }
        let host = format!("{}.{}", self.name, base.host_str().unwrap_or_default());
        base.set_host(Some(&host)).map_err(|_| self.odd_name())?;
        Ok(base.into())
    }

    fn odd_name(&self) -> Trouble {
        self.client.trouble(TroubleKind::Refused, "no bucket can have this name").of(&self.name)
    }
}

/// The region in the name of one of Amazon's hosts: `s3.eu-central-1.amazonaws.com`.
fn of_host(host: &str) -> Option<String> {
    let name = host.strip_suffix(".cn").unwrap_or(host).strip_suffix(".amazonaws.com")?;
    let region = name.rsplit('.').next()?;
    (region.contains('-') && !region.starts_with("s3")).then(|| region.to_owned())
}
