//! Lines that a platform wants around what it asks for. They are part of the contract with the platform, not lines of a log, which is why
//! they do not go through `tracing`.

use std::io::{self, Write};

use crate::profile::Lines;

/// Something that has begun. Its end is said in any case: as a failure when this is dropped, because whoever asked has gone away.
#[must_use]
pub(crate) struct Begun<'a> {
    lines: &'a Lines,
    what: &'a str,
    id: &'a str,
    failed: bool,
}

impl Begun<'_> {
    /// Says that it has ended.
    pub(crate) fn end(mut self, failed: bool) {
        self.failed = failed;
    }
}

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        self.lines.print(self.what, "End", self.id, if self.failed { self.lines.failed } else { "" });
    }
}

impl Lines {
    /// Says that something with this id begins. Nothing is said of what has no id: the lines are there for the id's sake.
    pub(crate) fn begin<'a>(&'a self, what: &'a str, id: &'a str) -> Begun<'a> {
        self.print(what, "Start", id, "");
        Begun { lines: self, what, id, failed: true }
    }

    /// A stream that cannot be written to is not worth losing the call for.
    fn print(&self, what: &str, moment: &str, id: &str, failed: &str) {
        if id.is_empty() {
            return;
        }
        // In one piece, so that nothing of another line gets into it. The id has no line break: it is the route's.
        let line = format!("{} {what} {moment} RequestId: {id}{failed}\n", self.who);
        let mut stream = io::stdout().lock();
        let _ = stream.write_all(line.as_bytes()).and_then(|()| stream.flush());
    }
}
