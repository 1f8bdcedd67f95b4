//! The log frame: a line by which the platform attributes what follows in the log to one request.
//!
//! Form, streams and conditions: fnproject/fdk-go, `handler.go` (`logFrameHeader`), and fnproject/fdk-python,
//! `fdk/event_handler.py`. It is part of the contract with the platform, not a log line of ours, which is why
//! it does not go through `tracing`.

use std::io::{self, Write};

use http::HeaderMap;

/// What `FN_LOGFRAME_NAME` and `FN_LOGFRAME_HDR` ask for.
#[derive(Clone, Debug)]
pub(crate) struct LogFrame {
    name: String,
    header: String,
}

impl LogFrame {
    pub(crate) fn new(name: String, header: String) -> Self {
        Self { name, header }
    }

    /// The frame of one request; `None` if it does not carry the header, or carries it empty.
    pub(crate) fn of(&self, headers: &HeaderMap) -> Option<Frame> {
        // A value holds no line break (`http` refuses one), so a caller cannot forge a second frame.
        let value = headers.get(&self.header).filter(|value| !value.is_empty())?.as_bytes();
        let name = self.name.as_bytes();
        Some(Frame([b"\n", name, b"=", value, b"\n"].concat()))
    }
}

/// The bytes to print before the handler runs.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Frame(Vec<u8>);

impl Frame {
    /// Prints the frame to both streams. A stream that cannot be written to is not worth losing the call for.
    pub(crate) fn print(&self) {
        let _ = self.write_to(io::stderr().lock());
        let _ = self.write_to(io::stdout().lock());
    }

    fn write_to(&self, mut stream: impl Write) -> io::Result<()> {
        stream.write_all(&self.0)?;
        stream.flush()
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn only_a_header_with_a_value_makes_a_frame() {
        let table: &[(&str, Option<&str>, Option<&str>)] = &[
            ("Fn-Call-Id", Some("12345"), Some("\nfoo=12345\n")),
            ("FN-CALL-ID", Some("12345"), Some("\nfoo=12345\n")),
            ("Fn-Call-Id", Some(""), None),
            ("Fn-Call-Id", None, None),
            ("not a header", Some("12345"), None),
        ];
        for (header, value, want) in table {
            let mut headers = HeaderMap::new();
            if let Some(value) = value {
                headers.insert("fn-call-id", HeaderValue::from_static(value));
            }
            let frame = LogFrame::new("foo".to_owned(), (*header).to_owned()).of(&headers);
            assert_eq!(frame, want.map(|text| Frame(text.into())), "{header} {value:?}");
        }
    }
}
