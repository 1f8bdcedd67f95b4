//! What relays that share a spool ask of each other before they send: how many requests may be made, and what another one is finding out.

/// What a relay asks for, and says.
#[derive(Clone, Debug, Default)]
pub struct Ask {
    /// Requests that it would make in the next quarter of a second.
    pub wish: u32,
    /// Requests a second that all relays may make together, by its settings.
    pub most: u32,
    /// The lanes whose breakers are not closed here, with the token of the last failure; MDSS itself is `""`.
    pub open: Vec<(String, String)>,
}

/// What it may do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grant {
    /// So many requests, within the next quarter of a second.
    pub tokens: u32,
    /// The lanes that another relay finds out about, and that are to be left alone; MDSS itself is `""`.
    pub elsewhere: Vec<String>,
}
