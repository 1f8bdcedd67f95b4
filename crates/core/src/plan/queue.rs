//! The answer to a batch of queue messages.

use serde::Serialize;

use crate::read::item::Message;

/// The member that lists the failed messages in the answer to a queue batch.
pub const QUEUE_ANSWER: &str = "batchItemFailures";

/// The answer to a queue batch (AWS `lambda/latest/dg/services-sqs-errorhandling`, "Reporting batch item failures").
///
/// In a FIFO queue everything behind the first failure is reported too, so that the order holds. A failed record whose
/// message has no id gets an empty one, which Lambda reads as "the whole batch".
pub(crate) fn queue_answer(
    messages: &[Message],
    failed: impl Iterator<Item = Option<usize>>,
) -> Option<serde_json::Value> {
    let mut marked = vec![false; messages.len()];
    let mut all = false;
    for message in failed {
        match message.and_then(|m| marked.get_mut(m)) {
            Some(mark) => *mark = true,
            None => all = true,
        }
    }
    if let Some(first) = marked.iter().position(|m| *m)
        && messages.iter().any(|m| m.fifo)
    {
        marked[first..].fill(true);
    }
    let ids =
        messages.iter().zip(marked).filter(|(_, marked)| *marked).map(|(m, _)| m.id.as_deref().unwrap_or(""));
    let ids: Vec<_> = all.then_some("").into_iter().chain(ids).collect();
    #[derive(Serialize)]
    struct Identifier<'a> {
        #[serde(rename = "itemIdentifier")]
        id: &'a str,
    }
    let list: Vec<_> = ids.into_iter().map(|id| Identifier { id }).collect();
    Some(serde_json::json!({ QUEUE_ANSWER: list }))
}
