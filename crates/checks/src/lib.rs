#![doc = include_str!("../README.md")]

mod bucket;
mod check;
mod mdss;
mod network;
mod outcome;
mod results;
mod setup;
mod words;

pub use bucket::run as bucket;
pub use check::{CHECKS, Check, DOCS, Group, Worst};
pub use mdss::run as mdss;
pub use network::run as network;
pub use outcome::{Outcome, Status};
pub use results::{Finding, LONGEST, Results};
pub use setup::{Scope, Setup};
pub use words::quoted;

/// The groups that a server repeats while it runs: the way to MDSS, MDSS, and its buckets. Nothing is submitted, and nothing is tried that could
/// raise an alarm there. What was found, in the order of the table.
pub async fn repeated(setup: &Setup) -> Vec<Finding> {
    let results = Results::new(LONGEST, false);
    let (of, to) = (setup, &results);
    tokio::join!(
        async {
            network(of, to).await;
            to.end(Group::Network);
        },
        async {
            mdss(of, to, Scope::Repeated).await;
            to.end(Group::Mdss);
        },
        async {
            bucket(of, to).await;
            to.end(Group::Bucket);
        },
    );
    results.findings()
}
