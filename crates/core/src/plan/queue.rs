//! Which messages of a queue's batch have failed, and the answer that says so.

use crate::read::item::QueueMessage;

/// The member that lists the failed messages in the answer to a queue batch.
pub const QUEUE_ANSWER: &str = "batchItemFailures";

/// The ids of the messages to report as failed (AWS `lambda/latest/dg/services-sqs-errorhandling`, "Reporting batch item
/// failures").
///
/// In a FIFO queue everything behind the first failure is reported too, so that the order holds. A failed record whose
/// message has no id gets an empty one, which Lambda reads as "the whole batch".
pub(crate) fn failed_messages(
    messages: &[QueueMessage],
    failed: impl Iterator<Item = Option<usize>>,
) -> Vec<&str> {
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
    all.then_some("").into_iter().chain(ids).collect()
}

/// The answer to a queue batch as `explain` shows it. What a queue really hears is the function's to write.
pub(crate) fn queue_answer(failed: &[&str]) -> serde_json::Value {
    let list: Vec<_> = failed.iter().map(|id| serde_json::json!({ "itemIdentifier": id })).collect();
    serde_json::json!({ QUEUE_ANSWER: list })
}
