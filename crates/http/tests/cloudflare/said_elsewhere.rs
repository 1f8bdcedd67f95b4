//! What `wrangler.toml`, the Worker and the scripts say of each other.

use std::os::unix::fs::PermissionsExt;

use super::*;

fn wrangler() -> toml::Table {
    fs::read_to_string(folder().join("wrangler.toml")).unwrap().parse().unwrap()
}

#[test]
fn the_worker_asks_for_what_is_set() {
    let worker = fs::read_to_string(folder().join("worker.js")).unwrap();
    let asked: BTreeSet<_> = worker
        .split("env.")
        .skip(1)
        .map(|rest| rest.split(|c: char| !(c.is_ascii_uppercase() || c == '_')).next().unwrap().to_owned())
        .collect();
    let mut set: BTreeSet<_> = wrangler()["vars"].as_table().unwrap().keys().cloned().collect();
    // The secrets, which deploy.sh sets.
    set.extend(["RELAY_SECRET", "ALERT_URL"].map(str::to_owned));
    assert_eq!(asked, set);
}

/// Cloudflare's limits: `src/content/docs/queues/platform/limits.mdx` and `configuration/batching-retries.mdx` of cloudflare-docs.
#[test]
fn no_event_expires_before_it_is_given_up() {
    const KEPT: i64 = 14 * 24 * 3600;
    let toml = wrangler();
    let number = |value: &toml::Value| value.as_integer().unwrap();
    let var = |name: &str| number(&toml["vars"][name]);
    let consumers = toml["queues"]["consumers"].as_array().unwrap();
    let [objects, dead] = &consumers[..] else { panic!("{consumers:?}") };
    assert_eq!(objects["dead_letter_queue"], dead["queue"]);
    assert_eq!(toml["vars"]["DEAD_LETTERS"], dead["queue"]);
    let retries = number(&objects["max_retries"]);
    assert!(retries <= 100 && number(&dead["max_retries"]) <= 100);
    let pauses = (0..retries).map(|n| var("LONGEST_PAUSE").min(var("FIRST_PAUSE") << n.min(20)));
    let total: i64 = pauses.sum();
    assert!((23 * 3600..KEPT).contains(&total), "a day: {total} s");
    assert!((12 * 24 * 3600..KEPT).contains(&(var("DEAD_PAUSE") * number(&dead["max_retries"]))));
    // What a batch posts at once has its connections ("simultaneous open connections": six).
    assert!(consumers.iter().all(|c| number(&c["max_batch_size"]) <= 6));
}

#[test]
fn scripts_may_be_run() {
    for script in ["deploy.sh", "destroy.sh", "verify.sh", "tests/fake/wrangler"] {
        let mode = fs::metadata(folder().join(script)).unwrap().permissions().mode();
        assert_eq!(mode & 0o111, 0o111, "{script}");
    }
}
