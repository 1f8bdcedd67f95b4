//! `notification write`: the document for a set of routes.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{ArgGroup, Args};
use mdss_relay_core::{Address, Notification, Role, Settings, Target};

use crate::input;
use crate::notification::format::Format;
use crate::notification::{say, say_all};

/// Writes the document that makes a bucket announce the objects that the routes take.
///
/// Each prefix of a route with each of its suffixes becomes a rule for s3:ObjectCreated:*. A rule whose objects another rule
/// takes anyway is left out, and a route that takes everything has no filter. A document cannot express exclude_prefix,
/// exclude_suffix or a condition: the store then announces more objects than the route takes, the relay skips them, and a warning says so. The settings are those of the
/// relay (variables and --config); an endpoint and a key are not needed.
///
/// Exit status: 0 if the document was written, 1 if there can be none, 2 for a wrong command line or wrong settings.
#[derive(Args)]
#[command(group(ArgGroup::new("target").args(["jd", "s3_topic", "s3_queue", "s3_lambda"])))]
pub(crate) struct Arguments {
    /// TOML configuration to use instead of RELAY_CONFIG.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The bucket whose document it will be.
    #[arg(long)]
    bucket: String,
    /// Leaves out the routes of other sources.
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// JD Cloud: 1 to 5 addresses of the relay. Every user of the machine can read a command line: see --url-file.
    #[arg(long, value_name = "URL", num_args = 1.., conflicts_with_all = ["s3_topic", "s3_queue", "s3_lambda"])]
    url: Vec<String>,
    /// JD Cloud: a file with one address on each line, for addresses with a secret in the path; - is standard input.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["s3_topic", "s3_queue", "s3_lambda"])]
    url_file: Option<PathBuf>,
    /// Writes JD Cloud's document, which notifies addresses. This is the default without another target.
    #[arg(long)]
    jd: bool,
    /// Writes S3's document, which sends to an SNS topic.
    #[arg(long, value_name = "ARN")]
    s3_topic: Option<String>,
    /// The same for an SQS queue, or for the webhook of MinIO.
    #[arg(long, value_name = "ARN")]
    s3_queue: Option<String>,
    /// The same for a Lambda function.
    #[arg(long, value_name = "ARN")]
    s3_lambda: Option<String>,
    /// xml: the document itself; json: for `aws s3api put-bucket-notification-configuration`; mc: lines of `mc event add`, for MinIO,
    /// with its target in --s3-queue (arn:minio:sqs::NAME:webhook).
    #[arg(long, value_enum, default_value = "xml", hide_possible_values = true)]
    format: Format,
}

pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    let target = match target(arguments) {
        Ok(target) => target,
        Err(sentences) => {
            for sentence in sentences {
                say(&sentence);
            }
            return ExitCode::from(2);
        }
    };
    let draft = Settings::read(input::variables(arguments.config.as_deref()), Role::Explain);
    let settings = match draft.finish() {
        Ok(settings) => settings,
        Err(mistakes) => {
            say_all("settings", &mistakes);
            return ExitCode::from(2);
        }
    };
    for warning in &settings.warnings {
        say(&format!("warning: {warning}"));
    }
    match Notification::for_routes(&settings.rules, &arguments.bucket, arguments.source.as_deref(), &target) {
        Ok(notification) => {
            for warning in notification.warnings() {
                say(&format!("warning: {warning}"));
            }
            let text = match arguments.format.write(&arguments.bucket, &notification) {
                Ok(text) => text,
                Err(sentence) => {
                    say(sentence);
                    return ExitCode::from(2);
                }
            };
            ExitCode::from(if crate::notification::print(&text) { 0 } else { 2 })
        }
        Err(mistakes) => {
            say_all("no document can express these routes", &mistakes);
            ExitCode::from(1)
        }
    }
}

fn target(arguments: &Arguments) -> Result<Target, Vec<String>> {
    if let Some(arn) = &arguments.s3_topic {
        return Ok(Target::Topic(arn.clone()));
    }
    if let Some(arn) = &arguments.s3_queue {
        return Ok(Target::Queue(arn.clone()));
    }
    if let Some(arn) = &arguments.s3_lambda {
        return Ok(Target::Lambda(arn.clone()));
    }
    let mut places: Vec<(String, String)> = arguments
        .url
        .iter()
        .enumerate()
        .map(|(i, url)| (format!("--url, number {}", i + 1), url.clone()))
        .collect();
    if let Some(file) = &arguments.url_file {
        let name = file.to_string_lossy();
        let unread = |why: String| vec![format!("--url-file {name}: expected addresses, one a line ({why})")];
        let text = input::read(file).map_err(|e| unread(e.to_string()))?;
        let text = String::from_utf8(text).map_err(|_| unread("it is not UTF-8".into()))?;
        let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        places.extend(lines.map(|(i, line)| (format!("{name}, line {}", i + 1), line.trim().to_owned())));
    }
    if places.is_empty() {
        return Err(vec![
            "expected an address (--url or --url-file), or a target of S3 (--s3-queue and others)".into(),
        ]);
    }
    let mut addresses = Vec::new();
    let mut sentences = Vec::new();
    for (place, text) in places {
        // The text is not shown: it may hold a secret.
        match Address::new(&text) {
            Ok(address) => addresses.push(address),
            Err(expected) => sentences.push(format!("{place}: expected {expected}")),
        }
    }
    if sentences.is_empty() { Ok(Target::Addresses(addresses)) } else { Err(sentences) }
}
