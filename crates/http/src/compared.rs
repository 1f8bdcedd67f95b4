//! What a comparison of a bucket has found, as the metrics have it.

/// What was found, the last time that it came to its end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Compared {
    /// When it began, seconds since 1970.
    pub(crate) at: f64,
    /// Objects that were listed.
    pub(crate) listed: u64,
    /// Those that MDSS was never told of, or only of an earlier write.
    pub(crate) missing: u64,
    /// How much of what ought to be covered is, from 0 to 1; `None`: there is nothing.
    pub(crate) coverage: Option<f64>,
}
