//! Panics: one error line that says where, and not why.
//!
//! A panic's text is put together from the values at hand. In this program these are events, keys and answers, so the
//! text is not written anywhere. Rust's own hook would print it to stderr, which every platform keeps as a log.

use std::panic;

/// The target of a panic's line. The filter always lets it pass.
pub(crate) const TARGET: &str = "mdss_relay_host::panics";

/// From here on a panic is a log line. The process goes on as it would have: the thread or task unwinds.
pub(crate) fn mask() {
    panic::set_hook(Box::new(|info| {
        // Names: https://opentelemetry.io/docs/specs/semconv/registry/attributes/code/
        let (file, line) = info.location().map_or(("unknown", 0), |place| (place.file(), place.line()));
        tracing::error!(
            target: TARGET,
            { "error.type" = "panic", "code.file.path" = file, "code.line.number" = line },
            "the program panicked; the text of the panic is withheld, because it may hold data of an event"
        );
    }));
}
