//! The first lines of every process: say what is wrong with the settings, or start the logs.

use crate::{Exit, Logs, Writing, logs, settings_failure};

/// Starts the logs with `filter`, the value of the setting named `filter_name`. What it gives is kept until the process
/// ends.
///
/// # Errors
/// [`Exit::Usage`] after printing every one of `mistakes`, and the one in the filter if there is one: then the process
/// must end, before it has opened anything.
pub fn start(
    program: &str,
    filter_name: &str,
    filter: &str,
    writing: Writing,
    mut mistakes: Vec<String>,
) -> Result<Logs, Exit> {
    match logs(filter, writing) {
        Ok(logs) if mistakes.is_empty() => return Ok(logs),
        Ok(_) => {}
        Err(mistake) => mistakes.push(format!("{filter_name}: {mistake}")),
    }
    Err(settings_failure(program, &mistakes))
}
