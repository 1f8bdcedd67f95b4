//! What is to be thought of what a bucket says whom it tells. Pure: nothing is asked here.

use mdss_relay_core::Sample;

use crate::notifies::entry::{DeadLetter, Entry, Takes, Tells};
use crate::trouble::words;

/// What is to be thought of one thing. Each has what was found, as a sentence without a full stop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is as it should be.
    Ok(String),
    /// It is not; the words say how bad that is.
    Bad(String),
    /// It cannot be told.
    Unknown(String),
}

/// No more than these are shown of a list.
const MOST_SHOWN: usize = 10;

/// Whether the bucket tells anybody.
pub fn emits(tells: &Tells) -> Verdict {
    match &tells.switch {
        Some(switch) if switch.on == Some(false) => return Verdict::Bad(format!("{} is off", switch.name)),
        Some(switch) if switch.on == Some(true) => return Verdict::Ok(format!("{} is on", switch.name)),
        _ => {}
    }
    let told: Vec<&Entry> = tells.entries.iter().filter(|entry| entry.off.is_none()).collect();
    match (told.as_slice(), tells.unseen.first(), &tells.switch) {
        ([], Some(unseen), _) => Verdict::Unknown(unseen.to_string()),
        ([], None, Some(switch)) => Verdict::Unknown(format!("this store does not show {}", switch.name)),
        ([], None, None) => Verdict::Bad(format!("it tells nobody{}", listed(&tells.entries))),
        (told, ..) => Verdict::Ok(format!("it tells {}", shown(told.iter().copied()))),
    }
}

/// Whether it tells us: one of its entries names one of what is expected.
pub fn notifies(tells: &Tells, expects: &[String]) -> Verdict {
    if expects.is_empty() {
        let found = format!("what it should name is not known{}", listed(&tells.entries));
        return Verdict::Unknown(found);
    }
    if let Some(entry) = ours(tells, expects).next() {
        return match &tells.switch {
            Some(switch) if switch.on.is_none() => Verdict::Unknown(format!(
                "{} names us, and this store does not show {}",
                name(entry),
                switch.name
            )),
            _ => Verdict::Ok(format!("{} names us", name(entry))),
        };
    }
    let ours_off = tells.entries.iter().find(|entry| entry.names(expects));
    if let Some((entry, why)) = ours_off.and_then(|entry| Some((entry, entry.off.as_ref()?))) {
        return Verdict::Bad(format!("{} names us, and tells nobody: {why}", name(entry)));
    }
    // MinIO and RustFS show the name of a target and never its address.
    let only_addresses = expects.iter().all(|wanted| wanted.contains("://"));
    let hidden = tells
        .entries
        .iter()
        .find(|entry| entry.targets.iter().any(|t| t.starts_with("arn:") && !t.contains("://")));
    match (hidden, tells.unseen.first()) {
        (Some(hidden), _) if only_addresses => Verdict::Unknown(format!(
            "this store shows no addresses, and expects has nothing else; {} may be it{}",
            name(hidden),
            listed(&tells.entries)
        )),
        (_, Some(unseen)) => Verdict::Unknown(format!("{unseen}{}", listed(&tells.entries))),
        (_, None) => {
            let wanted: Vec<String> = expects.iter().map(|wanted| address(wanted)).collect();
            Verdict::Bad(format!(
                "none of its entries names {}{}",
                wanted.join(" or "),
                listed(&tells.entries)
            ))
        }
    }
}

/// Whether it tells us of every object that the routes take: each sample is tried on the entries that name us.
pub fn filter(tells: &Tells, expects: &[String], samples: &[Sample]) -> Verdict {
    if samples.is_empty() {
        return Verdict::Unknown(
            "no route takes objects of this bucket, so there is nothing to compare with".into(),
        );
    }
    let entries: Vec<&Entry> = ours(tells, expects).collect();
    let mut doubt = None;
    for sample in samples {
        let why = match told(&entries, &sample.key) {
            Takes::Yes => continue,
            Takes::Unclear(why) => {
                doubt = doubt.or(Some(why));
                continue;
            }
            Takes::No(why) => why,
        };
        let sentence =
            format!("route[{}] takes {:?}, and we are not told of it: {why}", sample.route, sample.key);
        match sample.undecided {
            None => return Verdict::Bad(sentence),
            Some(member) => {
                let sentence =
                    format!("{sentence}; whether the route's {member} asks for it is not known here");
                doubt = doubt.or(Some(sentence));
            }
        }
    }
    match doubt {
        Some(why) => Verdict::Unknown(why),
        None => Verdict::Ok("we are told of everything that the routes take".into()),
    }
}

/// Whether the entries that name us tell of nothing but new objects.
pub fn created_only(tells: &Tells, expects: &[String]) -> Verdict {
    for entry in ours(tells, expects) {
        let more = entry.superfluous();
        if !more.is_empty() {
            return Verdict::Bad(format!("{} also tells of {}", name(entry), more.join(", ")));
        }
    }
    Verdict::Ok("we are told of new objects only".into())
}

/// Whether what we do not take is kept; `None` if the store has no place for it.
pub fn dead_letter(tells: &Tells, expects: &[String]) -> Option<Verdict> {
    let mut best = None;
    for entry in ours(tells, expects) {
        let verdict = match &entry.dead_letter {
            DeadLetter::NoSuchThing => continue,
            DeadLetter::Nowhere => {
                return Some(Verdict::Bad(format!(
                    "{} has no place for events that are given up: they are lost",
                    name(entry)
                )));
            }
            DeadLetter::Doubtful(why) => return Some(Verdict::Bad(why.clone())),
            DeadLetter::Unknown(why) => Verdict::Unknown(why.clone()),
            DeadLetter::To(place) => Verdict::Ok(format!("events that are given up go to {place}")),
        };
        best = Some(match best {
            Some(unknown @ Verdict::Unknown(_)) => unknown,
            _ => verdict,
        });
    }
    best
}

/// The entries that name us and tell somebody.
fn ours<'t>(tells: &'t Tells, expects: &'t [String]) -> impl Iterator<Item = &'t Entry> {
    tells.entries.iter().filter(|entry| entry.off.is_none() && entry.names(expects))
}

/// Whether all of the entries together tell of a key, however it is made. Entries of one kind know the same events.
fn told(entries: &[&Entry], key: &str) -> Takes {
    let mut reason = Takes::No("no entry names us".into());
    let mut kinds: Vec<&[&str]> = Vec::new();
    for entry in entries {
        if !kinds.contains(&entry.creations) {
            kinds.push(entry.creations);
        }
    }
    for kind in kinds {
        let mut worst = Takes::Yes;
        for event in kind {
            let of_kind = entries.iter().filter(|entry| entry.creations == kind);
            let mut best: Option<Takes> = None;
            for entry in of_kind {
                let takes = match entry.takes(event, key) {
                    Takes::No(why) => Takes::No(format!("of {}, {why}", name(entry))),
                    Takes::Unclear(why) => Takes::Unclear(format!("of {}, {why}", name(entry))),
                    Takes::Yes => Takes::Yes,
                };
                best = Some(match (best, takes) {
                    (Some(Takes::Yes), _) | (_, Takes::Yes) => Takes::Yes,
                    (Some(Takes::Unclear(why)), _) | (_, Takes::Unclear(why)) => Takes::Unclear(why),
                    (Some(no), _) => no,
                    (None, no) => no,
                });
            }
            worst = match (worst, best) {
                (Takes::No(why), _) | (_, Some(Takes::No(why))) => Takes::No(why),
                (Takes::Unclear(why), _) | (_, Some(Takes::Unclear(why))) => Takes::Unclear(why),
                (yes, _) => yes,
            };
        }
        reason = match (reason, worst) {
            (_, Takes::Yes) => return Takes::Yes,
            (Takes::Unclear(why), _) | (_, Takes::Unclear(why)) => Takes::Unclear(why),
            (_, no) => no,
        };
    }
    reason
}

fn name(entry: &Entry) -> String {
    format!("{:?}", words(&entry.name))
}

/// `; its entries: "a" -> arn:…, "b" -> arn:…`, so that somebody can see what has taken our place.
fn listed(entries: &[Entry]) -> String {
    match entries {
        [] => "; it has no entries".to_owned(),
        entries => format!("; its entries: {}", shown(entries.iter())),
    }
}

fn shown<'e>(entries: impl ExactSizeIterator<Item = &'e Entry>) -> String {
    let left = entries.len().saturating_sub(MOST_SHOWN);
    let one = |entry: &Entry| {
        let targets: Vec<String> = entry.targets.iter().map(|target| address(target)).collect();
        let off = if entry.off.is_some() { " (off)" } else { "" };
        format!(
            "{} -> {}{off}",
            name(entry),
            if targets.is_empty() { "nobody".into() } else { targets.join(", ") }
        )
    };
    let mut list: Vec<String> = entries.take(MOST_SHOWN).map(one).collect();
    if left > 0 {
        list.push(format!("and {left} more"));
    }
    list.join("; ")
}

/// A target. An address is shown up to its host, because its path or its query may hold a secret.
fn address(target: &str) -> String {
    let Ok(url) = url::Url::parse(target) else { return words(target) };
    match url.scheme() {
        "http" | "https" => {
            let rest = if url.path() == "/" && url.query().is_none() { "" } else { "…" };
            format!("{}/{rest}", url.origin().ascii_serialization())
        }
        // `arn:…` is one too, by the look of it.
        _ => words(target),
    }
}
