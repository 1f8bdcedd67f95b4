//! `mdss-relay-oci-gateway-fn`: the same function, which also lets HTTP requests in that OCI's API Gateway hands on. It is a binary
//! of its own, because the gate makes it a tenth larger, and every cold start of a function that needs no gate would pay for it.

mod serve;

use mdss_relay_function::{Answers, start_with_requests};
use mdss_relay_host::{Exit, Stream};

const NAME: &str = "mdss-relay-oci-gateway-fn";
const ABOUT: &str = "reports objects to MetaDefender Storage Security, as a function on OCI Functions (Fn), also behind an API gateway.";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Exit {
    serve::serve(NAME, start_with_requests(NAME, ABOUT, Answers::Fn, Stream::Stderr, |_| Vec::new())).await
}
