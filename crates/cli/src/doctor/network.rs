//! Group `network`.

use crate::doctor::results::Results;
use crate::doctor::subject::Subject;

pub(crate) async fn run(_subject: &Subject, _results: &Results) {}
