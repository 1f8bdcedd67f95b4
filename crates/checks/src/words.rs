//! What sentences and paths are made of.

/// The path of the webhook below MDSS's base path
/// (<https://www.opswat.com/docs/mdss/configuration/event-based-request-format>).
pub(crate) const WEBHOOK_PATH: &str = "/api/webhook/realtime";

/// The path of MDSS's web interface, above the webhook's.
pub(crate) fn base_path(webhook: &str) -> String {
    format!("{}/", webhook.strip_suffix(WEBHOOK_PATH).unwrap_or_default())
}

/// Sentences of the log have a remedy behind the fault.
pub(crate) fn two_parts(sentence: &str) -> (String, String) {
    let (found, remedy) = sentence.split_once("; ").unwrap_or((sentence, ""));
    (found.to_owned(), remedy.to_owned())
}

/// A word that a shell takes as it is.
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-:=@%+,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_the_web_interface_is() {
        for (webhook, want) in
            [("/api/webhook/realtime", "/"), ("/mdss/api/webhook/realtime", "/mdss/"), ("/hook", "/")]
        {
            assert_eq!(base_path(webhook), want);
        }
    }
}
