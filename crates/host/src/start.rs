//! The first lines of every process: say what is wrong with the settings, or start the logs.

use crate::{Exit, logs, settings_failure};

/// Starts the logs with `filter`, the value of the setting named `filter_name`.
///
/// # Errors
/// [`Exit::Usage`] after printing every one of `mistakes`, and the one in the filter if there is one: then the process
/// must end, before it has opened anything.
pub fn start(program: &str, filter_name: &str, filter: &str, mut mistakes: Vec<String>) -> Result<(), Exit> {
    if let Err(mistake) = logs(filter) {
        mistakes.push(format!("{filter_name}: {mistake}"));
    }
    if mistakes.is_empty() { Ok(()) } else { Err(settings_failure(program, &mistakes)) }
}
