//! How a process ends.

use std::process::{ExitCode, Termination};

/// How a process ends; `main` returns it. The numbers are part of the documented interface, scripts test for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// 0: the work is done, or the process was asked to stop and did.
    Done = 0,
    /// 1: something failed while running.
    Failed = 1,
    /// 2: the process was called wrongly, or its settings have mistakes. Nothing was started.
    Usage = 2,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

impl Termination for Exit {
    fn report(self) -> ExitCode {
        self.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_the_documented_ones() {
        for (exit, number) in [(Exit::Done, 0), (Exit::Failed, 1), (Exit::Usage, 2)] {
            assert_eq!(exit.report(), ExitCode::from(number), "{exit:?}");
        }
    }
}
