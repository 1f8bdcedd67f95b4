//! What stands around a thing and speaks of it: the headers of its request, or the attributes of its CloudEvent.

use std::borrow::Cow;

use crate::model::delivery::Delivery;

/// Around a thing.
#[derive(Clone, Copy, Default)]
pub(super) struct Around<'e> {
    /// The request it is the body of; `None` for what lies in an envelope.
    pub(super) request: Option<&'e Delivery>,
    /// The CloudEvent whose data it is.
    pub(super) event: Option<&'e CloudEvent<'e>>,
}

/// The attributes of a CloudEvent (CloudEvents 1.0, "Context attributes"). Values are as they were sent: what is absent or no
/// text is `None`.
pub(super) struct CloudEvent<'a> {
    /// `type`: what happened, in the words of who says so.
    pub(super) kind: Cow<'a, str>,
    /// `source`: where.
    pub(super) source: Option<Cow<'a, str>>,
    /// `subject`: to what. Bindings encode it differently, so a body that names the same thing has the last word.
    pub(super) subject: Option<Cow<'a, str>>,
    /// `id`; equal to another event's of the same source only where it is the same event.
    pub(super) id: Option<Cow<'a, str>>,
    /// `time`.
    pub(super) time: Option<Cow<'a, str>>,
}
