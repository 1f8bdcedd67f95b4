//! Lines that a platform wants around what it asks for. They are part of the contract with the platform, not lines of a log, which is why
//! they do not go through `tracing`.

use std::io::{self, Write};

use crate::profile::Lines;

impl Lines {
    /// Says that something with this id begins. Nothing is said of what has no id: the lines are there for the id's sake.
    pub(crate) fn start(&self, what: &str, id: &str) {
        self.print(what, "Start", id, "");
    }

    /// Says that it has ended.
    pub(crate) fn end(&self, what: &str, id: &str, failed: bool) {
        self.print(what, "End", id, if failed { self.failed } else { "" });
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
