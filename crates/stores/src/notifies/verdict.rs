//! What is to be thought of what a bucket says whom it tells. Pure: nothing is asked here.

use mdss_relay_core::Sample;

use crate::notifies::entry::{DeadLetter, Entry, Tells};
use crate::notifies::takes::Takes;
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
        (_, Some(unseen)) => Verdict::Unknown(format!("{unseen}{}", listed(&tells.entries))),
        (Some(hidden), None) if only_addresses => Verdict::Unknown(format!(
            "this store shows no addresses, and expects has nothing else; {} may be it{}",
            name(hidden),
            listed(&tells.entries)
        )),
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
        let takes = match told(&entries, &sample.key) {
            Takes::Yes if tells.first_alone => taken_before(tells, expects, &sample.key),
            takes => takes,
        };
        let why = match takes {
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

/// Where only the first entry that takes an object tells of it: whether that is one of ours.
fn taken_before(tells: &Tells, expects: &[String], key: &str) -> Takes {
    let entries: Vec<&Entry> = tells.entries.iter().filter(|entry| entry.off.is_none()).collect();
    for event in entries.iter().flat_map(|entry| entry.creations).collect::<std::collections::BTreeSet<_>>() {
        let first = entries.iter().find(|entry| entry.takes(event, key) == Takes::Yes);
        if let Some(first) = first.filter(|first| !first.names(expects)) {
            return Takes::No(format!(
                "{} stands before ours and takes it, and this store tells only the first",
                name(first)
            ));
        }
    }
    Takes::Yes
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notifies::entry::{Selects, Switch, Test, Tests};
    use crate::trouble::{Trouble, TroubleKind};

    const CREATIONS: &[&str] = &["new", "over"];

    /// `name target prefix events`; `-` is nothing.
    fn entry(text: &str) -> Entry {
        let mut words = text.split(' ').map(|word| if word == "-" { "" } else { word });
        let mut word = || words.next().unwrap_or_default().to_owned();
        let (name, target, prefix, events) = (word(), word(), word(), word());
        let mut tests = Tests::default();
        if !prefix.is_empty() {
            tests.all.push(vec![Test::Begins(prefix.into_bytes())]);
        }
        tests.events = events.split(',').filter(|event| !event.is_empty()).map(str::to_owned).collect();
        if name == "doubtful" {
            tests.unclear.push("it looks at tags".into());
        }
        Entry {
            targets: vec![target],
            off: (name == "off").then(|| "somebody has switched it off".to_owned()),
            name,
            selects: Selects::Tests(tests),
            creations: CREATIONS,
            dead_letter: DeadLetter::NoSuchThing,
        }
    }

    fn tells(entries: &[&str]) -> Tells {
        Tells { entries: entries.iter().map(|text| entry(text)).collect(), ..Tells::default() }
    }

    fn said(verdict: &Verdict) -> &'static str {
        match verdict {
            Verdict::Ok(_) => "ok",
            Verdict::Bad(_) => "bad",
            Verdict::Unknown(_) => "unknown",
        }
    }

    fn us() -> Vec<String> {
        vec!["us".to_owned()]
    }

    #[test]
    fn whether_entries_are_narrower_than_routes() {
        for (entries, key, want) in [
            (&["a us - new,over"][..], "in/x", "ok"),
            (&["a us in/ new,over"], "in/x", "ok"),
            (&["a us in/ new,over"], "x", "bad"),
            (&["a us - new"], "x", "bad"),
            (&["a us - -"], "x", "ok"),
            // Two entries together.
            (&["a us - new", "b us - over"], "x", "ok"),
            (&["a us in/ new,over", "b us out/ new,over"], "out/x", "ok"),
            (&["a us in/ new", "b us out/ over"], "in/x", "bad"),
            // Another's entry helps nobody, and neither does one that is off.
            (&["a us in/ new,over", "b them - new,over"], "x", "bad"),
            (&["off us - new,over"], "x", "bad"),
            (&["doubtful us - new,over"], "x", "unknown"),
            (&["doubtful us - new,over", "b us - new,over"], "x", "ok"),
            (&["doubtful us in/ new,over"], "x", "bad"),
        ] {
            let sample = Sample { route: 0, key: key.to_owned(), undecided: None };
            let verdict = filter(&tells(entries), &us(), std::slice::from_ref(&sample));
            assert_eq!(said(&verdict), want, "{entries:?} {key}: {verdict:?}");
            // Where the route has a condition, nobody can tell whether the key is one of its.
            let undecided = Sample { undecided: Some("condition"), ..sample };
            let want = if want == "bad" { "unknown" } else { want };
            assert_eq!(said(&filter(&tells(entries), &us(), &[undecided])), want, "{entries:?} {key}");
        }
        assert_eq!(said(&filter(&tells(&["a us - -"]), &us(), &[])), "unknown");
    }

    /// JD Cloud tells the first that takes an object, and nobody else.
    #[test]
    fn an_entry_before_ours_takes_its_objects() {
        for (entries, want) in [
            (&["a them in/ new,over", "b us - new,over"][..], "bad"),
            (&["b us - new,over", "a them in/ new,over"], "ok"),
            (&["a them out/ new,over", "b us - new,over"], "ok"),
            (&["a them - new", "b us - new,over"], "bad"),
        ] {
            let sample = Sample { route: 0, key: "in/x".into(), undecided: None };
            let tells = Tells { first_alone: true, ..tells(entries) };
            let verdict = filter(&tells, &us(), &[sample]);
            assert_eq!(said(&verdict), want, "{entries:?}: {verdict:?}");
        }
    }

    #[test]
    fn whether_it_tells_us() {
        let denied = || {
            let mut trouble = Trouble::new(TroubleKind::Denied, "s", "no");
            trouble.permission = Some("events:ListRules");
            trouble
        };
        let switch = |on| Some(Switch { name: "the switch", on });
        for (entries, expects, on, unseen, emitting, telling) in [
            (&["a us - -"][..], "us", None, false, "ok", "ok"),
            (&["a them - -"], "us", None, false, "ok", "bad"),
            (&["a them - -"], "us", None, true, "ok", "unknown"),
            (&[], "us", None, false, "bad", "bad"),
            (&[], "us", None, true, "unknown", "unknown"),
            (&["off us - -"], "us", None, false, "bad", "bad"),
            (&["a us - -"], "", None, false, "ok", "unknown"),
            (&["a arn:minio:sqs::R:webhook - -"], "https://r.example/x", None, false, "ok", "unknown"),
            (&["a https://r.example/x - -"], "https://r.example/x/", None, false, "ok", "ok"),
            (&["a us - -"], "us", Some(Some(false)), false, "bad", "ok"),
            (&[], "us", Some(Some(true)), false, "ok", "bad"),
            (&["a us - -"], "us", Some(None), false, "ok", "unknown"),
            (&[], "us", Some(None), false, "unknown", "bad"),
        ] {
            let mut tells = tells(entries);
            tells.switch = on.and_then(switch);
            tells.unseen = unseen.then(denied).into_iter().collect();
            let expects: Vec<String> =
                Some(expects.to_owned()).filter(|text| !text.is_empty()).into_iter().collect();
            let case = format!("{entries:?} {expects:?} {on:?} {unseen}");
            assert_eq!(said(&emits(&tells)), emitting, "{case}");
            let verdict = notifies(&tells, &expects);
            assert_eq!(said(&verdict), telling, "{case}: {verdict:?}");
            // D7: what is there is shown.
            if let (Verdict::Bad(found), [.., last]) = (&verdict, entries) {
                assert!(found.contains(last.split(' ').next().unwrap_or_default()), "{found}");
            }
            if let (Verdict::Unknown(why), true) = (&verdict, unseen) {
                assert!(why.contains("events:ListRules"), "{why}");
            }
        }
    }

    #[test]
    fn what_is_kept_and_what_is_superfluous() {
        let place = |text: &str| DeadLetter::To(text.to_owned());
        for (dead_letters, want) in [
            (&[place("q")][..], "ok"),
            (&[place("q"), DeadLetter::Nowhere], "bad"),
            (&[place("q"), DeadLetter::Unknown("no right".into())], "unknown"),
            (&[DeadLetter::Unknown("no right".into()), place("q")], "unknown"),
            (&[DeadLetter::Unknown("no right".into()), DeadLetter::Doubtful("short".into())], "bad"),
            (&[DeadLetter::NoSuchThing], "nothing"),
        ] {
            let of = |dead: &DeadLetter| Entry { dead_letter: dead.clone(), ..entry("a us - -") };
            let tells = Tells { entries: dead_letters.iter().map(of).collect(), ..Tells::default() };
            let verdict = dead_letter(&tells, &us());
            assert_eq!(verdict.as_ref().map_or("nothing", said), want, "{dead_letters:?}");
        }
        for (events, want) in [("new,over", "ok"), ("new,gone", "bad"), ("-", "bad"), ("ne*", "bad")] {
            assert_eq!(said(&created_only(&tells(&[&format!("a us - {events}")]), &us())), want, "{events}");
        }
    }

    #[test]
    fn addresses_are_shown_up_to_their_hosts() {
        for (target, want) in [
            ("https://relay.example/s3cret", "https://relay.example/…"),
            ("https://user:s3cret@relay.example:8443/", "https://relay.example:8443/"),
            ("https://relay.example", "https://relay.example/"),
            ("arn:aws:sqs:eu-west-1:111122223333:q", "arn:aws:sqs:eu-west-1:111122223333:q"),
            ("ocid1.fnfunc.oc1..x", "ocid1.fnfunc.oc1..x"),
        ] {
            assert_eq!(address(target), want);
        }
    }
}
