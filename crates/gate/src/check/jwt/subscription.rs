//! The Pub/Sub subscription that a message comes from. The token says which account pushes, and one account can push for many
//! subscriptions; which one it is stands in the request.

use crate::head::Request;
use crate::members::Members;

/// Its header where the message is not wrapped: <https://cloud.google.com/pubsub/docs/payload-unwrapping>.
const HEADER: &str = "x-goog-pubsub-subscription-name";

/// # Errors
///
/// The reason for the log, if the request names no subscription, or one that is not `listed`.
pub(super) fn is_listed(request: &Request<'_>, listed: &[String]) -> Result<(), &'static str> {
    // A wrapped message names it beside itself: https://cloud.google.com/pubsub/docs/push
    let wrapper = Members::read(request.body);
    let wrapped = wrapper.as_ref().and_then(|wrapper| wrapper.get("subscription"));
    let wrapped = wrapped.map(|name| name.as_str().unwrap_or_default().as_bytes());
    let mut names = request.head.values(HEADER).chain(wrapped).peekable();
    if names.peek().is_none() {
        return Err("the request names no subscription");
    }
    let is_listed = |name: &[u8]| listed.iter().any(|listed| listed.as_bytes() == name);
    names.all(is_listed).then_some(()).ok_or("the subscription is not on the list")
}
