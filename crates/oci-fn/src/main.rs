#![doc = include_str!("../README.md")]

mod serve;

use mdss_relay_function::{Answers, start};
use mdss_relay_host::{Exit, Stream};

const NAME: &str = "mdss-relay-oci-fn";
const ABOUT: &str = "reports objects to MetaDefender Storage Security, as a function on OCI Functions (Fn).";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Exit {
    serve::serve(NAME, start(NAME, ABOUT, Answers::Fn, Stream::Stderr, |_| Vec::new())).await
}
