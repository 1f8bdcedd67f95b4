//! From what a bucket gave to what the checks say.

use std::path::Path;

use mdss_relay_core::Sample;
use mdss_relay_stores::{
    Kind, StoreSettings, Tells, Trouble, TroubleKind, Verdict, created_only, dead_letter, emits, filter,
    notifies,
};

use crate::bucket::put_back::{Place, switch_on};
use crate::outcome::{Outcome, Status};
use crate::results::LONGEST;

/// What was asked: `None` if no answer came in time.
type Asked<T> = Option<Result<T, Trouble>>;

/// What was found of one bucket.
pub(super) struct Looked<'l> {
    pub(super) settings: &'l StoreSettings,
    pub(super) bucket: &'l str,
    /// The TOML's file, for commands.
    pub(super) config: Option<&'l Path>,
    pub(super) samples: Vec<Sample>,
    /// How many objects the first page has.
    pub(super) listed: Asked<usize>,
    pub(super) tells: Asked<Tells>,
    /// Whether stores of this kind tell anybody at all.
    pub(super) tells_anybody: bool,
}

impl Looked<'_> {
    /// Each check that concerns the bucket, with what it says.
    pub(super) fn outcomes(&self) -> Vec<(&'static str, Outcome)> {
        let exists = self.exists();
        let (is_there, unreached) = (exists.status != Status::Fail, self.unreached());
        let mut outcomes = vec![("bucket.exists", exists)];
        outcomes.push(match (is_there, unreached) {
            (false, _) | (_, true) => ("bucket.list", Outcome::skipped("bucket.exists")),
            _ => ("bucket.list", self.list()),
        });
        if !self.tells_anybody {
            return outcomes;
        }
        let skip =
            |ids: &[&'static str], by| ids.iter().map(|id| (*id, Outcome::skipped(by))).collect::<Vec<_>>();
        const BEHIND: [&str; 3] = ["bucket.filter", "bucket.dead_letter", "bucket.created_only"];
        let tells = match &self.tells {
            _ if !is_there || unreached => {
                outcomes.extend(skip(&["bucket.emits", "bucket.notifies"], "bucket.exists"));
                outcomes.extend(skip(&BEHIND, "bucket.exists"));
                return outcomes;
            }
            Some(Ok(tells)) => tells,
            other => {
                outcomes.push(("bucket.emits", unknown(other)));
                outcomes.extend(skip(&["bucket.notifies"], "bucket.emits"));
                outcomes.extend(skip(&BEHIND, "bucket.emits"));
                return outcomes;
            }
        };
        outcomes.push(("bucket.emits", self.emits(tells)));
        let notifies = self.notifies(tells);
        let is_ours = notifies.status == Status::Ok;
        outcomes.push(("bucket.notifies", notifies));
        if is_ours {
            outcomes.extend(self.behind(tells));
        } else {
            outcomes.extend(skip(&BEHIND, "bucket.notifies"));
        }
        outcomes
    }

    /// Whether nothing at all was to be had.
    fn unreached(&self) -> bool {
        let none =
            |trouble: &Trouble| matches!(trouble.kind, TroubleKind::Unreachable | TroubleKind::Credentials);
        let listed = matches!(&self.listed, Some(Err(trouble)) if none(trouble)) || self.listed.is_none();
        // Whoever has no right to ask for one thing may ask for the other.
        listed && (!self.tells_anybody || !matches!(&self.tells, Some(Ok(_))))
    }

    fn exists(&self) -> Outcome {
        let troubles: Vec<&Trouble> = [
            self.listed.as_ref().and_then(|listed| listed.as_ref().err()),
            self.tells.as_ref().and_then(|tells| tells.as_ref().err()),
        ]
        .into_iter()
        .flatten()
        .collect();
        if matches!(self.listed, Some(Ok(_))) || (self.tells_anybody && matches!(self.tells, Some(Ok(_)))) {
            return Outcome::ok("it answers");
        }
        let missing =
            |trouble: &&&Trouble| trouble.kind == TroubleKind::Missing && trouble.permission.is_none();
        match troubles.iter().find(missing) {
            // OCI: "Either the bucket named … does not exist in the namespace … or you are not authorized to access it".
            Some(trouble) if self.settings.kind == Kind::Oci => Outcome::unknown(
                format!("{trouble}; OCI says the same of a bucket that the credentials may not see"),
                "compare name and namespace, and let the credentials read the bucket (docs/doctor.md#rights)",
            ),
            Some(trouble) => Outcome::fail(
                trouble.to_string(),
                "a bucket of this name",
                format!(
                    "compare buckets of the store {:?} with the bucket's name; the routes name it, too",
                    self.settings.name
                ),
            ),
            None => match troubles.first() {
                Some(trouble) => of_trouble(trouble),
                None => too_long(),
            },
        }
    }

    fn list(&self) -> Outcome {
        match &self.listed {
            Some(Ok(0)) => Outcome::ok("it can be listed, and has no objects"),
            Some(Ok(_)) => Outcome::ok("it can be listed"),
            None => too_long(),
            Some(Err(trouble)) if trouble.permission.is_some() => Outcome::warn(
                trouble.to_string(),
                "credentials that may list the bucket: reconcile cannot tell without what is missing",
                "give them that permission (docs/doctor.md#rights)",
            ),
            Some(Err(trouble)) => of_trouble(trouble),
        }
    }

    fn emits(&self, tells: &Tells) -> Outcome {
        match emits(tells) {
            Verdict::Ok(found) => Outcome::ok(found),
            Verdict::Unknown(why) => unknown_of(tells, why),
            Verdict::Bad(found) => {
                let remedy = switch_on(self.settings.kind, self.bucket, tells)
                    .unwrap_or_else(|| "bucket.notifies has the command".to_owned());
                Outcome::fail(found, "a bucket that sends events of new objects", remedy)
            }
        }
    }

    fn notifies(&self, tells: &Tells) -> Outcome {
        let expects = &self.settings.expects;
        match notifies(tells, expects) {
            Verdict::Ok(found) => Outcome::ok(found),
            Verdict::Unknown(why) if expects.is_empty() => Outcome::unknown(
                why,
                format!(
                    "set expects of the store {:?} to what has to be named: our own {}",
                    self.settings.name,
                    identity(self.settings.kind)
                ),
            ),
            Verdict::Unknown(why) => unknown_of(tells, why),
            Verdict::Bad(found) => {
                let place = Place { settings: self.settings, bucket: self.bucket, config: self.config };
                let expected = format!("an entry that names {}", hidden(expects));
                Outcome::fail(found, expected, place.put_back(tells, &self.samples))
            }
        }
    }

    fn behind(&self, tells: &Tells) -> Vec<(&'static str, Outcome)> {
        let expects = &self.settings.expects;
        let place = Place { settings: self.settings, bucket: self.bucket, config: self.config };
        let mut outcomes = vec![(
            "bucket.filter",
            match filter(tells, expects, &self.samples) {
                Verdict::Ok(found) => Outcome::ok(found),
                Verdict::Unknown(why) if self.samples.is_empty() => {
                    Outcome::unknown(why, "add a route that names it, or take the bucket out of the store")
                }
                Verdict::Unknown(why) => Outcome::unknown(why, "compare the entry with the routes by hand"),
                Verdict::Bad(found) => Outcome::fail(
                    found,
                    "an entry at least as wide as the routes: the relay skips what no route takes",
                    place.widen(),
                ),
            },
        )];
        outcomes.extend(dead_letter(tells, expects).map(|verdict| {
            let outcome = match verdict {
                Verdict::Ok(found) => Outcome::ok(found),
                Verdict::Unknown(why) => Outcome::unknown(why, "see docs/doctor.md#rights"),
                Verdict::Bad(found) => {
                    Outcome::warn(found, "a place that keeps what is given up", place.dead_letter_place())
                }
            };
            ("bucket.dead_letter", outcome)
        }));
        outcomes.push((
            "bucket.created_only",
            match created_only(tells, expects) {
                Verdict::Ok(found) => Outcome::ok(found),
                Verdict::Unknown(why) => Outcome::unknown(why, ""),
                Verdict::Bad(found) => Outcome::warn(
                    found,
                    "new objects alone: all else is sent, received and skipped for nothing",
                    "take the other events out of that entry",
                ),
            },
        ));
        outcomes
    }
}

/// Our own identity, as each cloud's buckets name it.
fn identity(kind: Kind) -> &'static str {
    match kind {
        Kind::S3 => {
            "queue, topic or function by its ARN (of MinIO arn:minio:sqs::NAME:webhook; of JD Cloud the relay's address)"
        }
        Kind::Azure => "address, or the queue or function by its resource id",
        Kind::Gcs => "topic (projects/PROJECT/topics/TOPIC), subscription, or address",
        Kind::Oci => "function, topic or stream by its OCID",
        Kind::Directory => "address",
    }
}

/// Addresses up to the host: a path may hold a secret.
fn hidden(expects: &[String]) -> String {
    let one = |text: &String| match text.split_once("://") {
        Some((scheme, rest)) => {
            let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
            let host = host.rsplit('@').next().unwrap_or_default();
            format!("{scheme}://{host}/{}", if rest.len() > host.len() + 1 { "…" } else { "" })
        }
        None => text.clone(),
    };
    expects.iter().map(one).collect::<Vec<_>>().join(" or ")
}

fn unknown(tells: &Asked<Tells>) -> Outcome {
    match tells {
        Some(Err(trouble)) => of_trouble(trouble),
        _ => too_long(),
    }
}

fn unknown_of(tells: &Tells, why: String) -> Outcome {
    let lacks = tells.unseen.iter().any(|trouble| trouble.permission.is_some());
    let remedy = if lacks {
        "give the store's credentials that permission (docs/doctor.md#rights)"
    } else {
        "write an object and see whether it comes: relay.last_event"
    };
    Outcome::unknown(why, remedy)
}

fn of_trouble(trouble: &Trouble) -> Outcome {
    let remedy = match (trouble.permission, trouble.kind) {
        (Some(_), _) => "give the store's credentials that permission (docs/doctor.md#rights)",
        (None, TroubleKind::Credentials) => "give the store credentials (docs/doctor.md#rights)",
        (None, TroubleKind::Unreachable) => {
            "compare endpoint and region of the store, and see whether this machine may reach it"
        }
        (None, TroubleKind::Busy) => "run doctor again",
        (None, _) => "compare the settings of the store",
    };
    Outcome::unknown(trouble.to_string(), remedy)
}

fn too_long() -> Outcome {
    let why = format!("no answer within {} s", LONGEST.as_secs());
    Outcome::unknown(why, "run doctor again; if it stays so, see whether this machine may reach the store")
}
