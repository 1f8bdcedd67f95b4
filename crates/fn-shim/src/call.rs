//! One call: what the agent's request says of it.

use std::sync::Arc;

use http::{HeaderMap, Method, Uri};
use lambda_runtime::Context;

use crate::deadline::Deadline;
use crate::environment::Environment;
use crate::logframe::{Frame, LogFrame};

/// Which calls a handler wants to have translated.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Translate {
    Nothing,
    HttpRequests,
}

/// How the body of a call is meant, and the response to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Intent {
    /// As the handler's own JSON.
    Plain,
    /// As the body of an HTTP request, of which the headers tell the rest.
    HttpRequest,
}

impl Intent {
    /// The header decides, for those that go with it may be a caller's own (fnproject/fdk-python,
    /// `test_request_url_and_method_set_with_gateway`). Without the request's URL there is no request, though: every
    /// caller of a function may set the intent, and a gateway always says the URL (fnproject/fn,
    /// `api/server/runner_httptrigger.go`). The intent's other value, `cloudevent`, is about the body, which is the
    /// handler's matter.
    pub(crate) fn of(headers: &HeaderMap, translate: Translate) -> Self {
        match translate {
            Translate::HttpRequests
                if headers.get("fn-intent").is_some_and(|is| is == "httprequest")
                    && headers.contains_key("fn-http-request-url") =>
            {
                Self::HttpRequest
            }
            Translate::HttpRequests | Translate::Nothing => Self::Plain,
        }
    }
}

/// Whether a request is a call at all: `POST /call`, nothing else
/// (fn-docs, `fn/develop/fn-format.md`; fnproject/fn, `api/agent/agent.go`, `createUDSRequest`).
pub(crate) fn is_call(method: &Method, uri: &Uri) -> bool {
    method == Method::POST && uri.path() == "/call"
}

/// When the platform gives up on the call with these headers.
pub(crate) fn deadline(headers: &HeaderMap) -> Deadline {
    Deadline::from_header(headers.get("fn-deadline"))
}

/// What is the same for every call of this process.
#[derive(Clone, Debug)]
pub(crate) struct Function {
    /// The handler's context, but for what a call says.
    context: Context,
    log_frame: Option<LogFrame>,
}

impl Function {
    pub(crate) fn new(environment: &Environment) -> Self {
        let mut context = Context::default();
        environment.function_id().clone_into(&mut context.invoked_function_arn);
        context.env_config = Arc::clone(environment.config());
        Self { context, log_frame: environment.log_frame().cloned() }
    }

    /// The handler's context. Fields without a counterpart in Fn stay as `Context::default()` has them.
    ///
    /// A call without `Fn-Call-Id` has an empty id: an invented one would be found in no log of the platform.
    pub(crate) fn context(&self, headers: &HeaderMap, deadline: Deadline) -> Context {
        let mut context = self.context.clone();
        if let Some(id) = headers.get("fn-call-id") {
            context.request_id = String::from_utf8_lossy(id.as_bytes()).into_owned();
        }
        context.deadline = deadline.epoch_ms();
        context
    }

    pub(crate) fn frame(&self, headers: &HeaderMap) -> Option<Frame> {
        self.log_frame.as_ref()?.of(headers)
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use lambda_runtime::Config;

    use super::*;

    #[test]
    fn only_post_call_is_a_call() {
        let table = [
            ("POST", "/call", true),
            ("POST", "http://localhost/call", true),
            ("POST", "/call?a=b", true),
            ("GET", "/call", false),
            ("post", "/call", false),
            ("POST", "/other", false),
            ("POST", "/call/", false),
            ("POST", "/CALL", false),
            ("OPTIONS", "*", false),
        ];
        for (method, uri, want) in table {
            let got = is_call(&method.parse().unwrap(), &uri.parse().unwrap());
            assert_eq!(got, want, "{method} {uri}");
        }
    }

    #[test]
    fn intent_is_asked_about_only_by_those_who_want_to_know() {
        let table = [
            (None, Intent::Plain),
            (Some("httprequest"), Intent::HttpRequest),
            (Some("cloudevent"), Intent::Plain),
            (Some("HTTPRequest"), Intent::Plain),
            (Some(""), Intent::Plain),
        ];
        for (intent, want) in table {
            let mut headers = HeaderMap::new();
            headers.insert("fn-http-method", HeaderValue::from_static("PUT"));
            headers.insert("fn-http-request-url", HeaderValue::from_static("/foo-bar?baz"));
            if let Some(intent) = intent {
                headers.insert("fn-intent", HeaderValue::from_static(intent));
            }
            assert_eq!(Intent::of(&headers, Translate::HttpRequests), want, "{intent:?}");
            assert_eq!(Intent::of(&headers, Translate::Nothing), Intent::Plain, "{intent:?}");
        }
    }

    #[test]
    fn context_of_a_call() {
        let environment = Environment::from_vars([
            ("FN_LISTENER", "unix:/s"),
            ("FN_FN_ID", "ocid1.fnfunc.1"),
            ("FN_FN_NAME", "relay"),
            ("FN_MEMORY", "128"),
        ])
        .unwrap();
        let function = Function::new(&environment);

        let mut headers = HeaderMap::new();
        headers.insert("fn-call-id", HeaderValue::from_static("01ABC"));
        headers.insert("fn-deadline", HeaderValue::from_static("2026-12-01T02:00:00+02:00"));
        // Whatever a caller adds is copied through by the agent, and is none of the handler's business here.
        headers.insert("lambda-runtime-trace-id", HeaderValue::from_static("Root=1"));

        let mut want = Context::default();
        want.request_id = "01ABC".to_owned();
        want.deadline = 1_796_083_200_000;
        want.invoked_function_arn = "ocid1.fnfunc.1".to_owned();
        let config = Config { function_name: "relay".to_owned(), memory: 128, ..Config::default() };
        want.env_config = Arc::new(config);
        assert_eq!(function.context(&headers, deadline(&headers)), want);

        want.request_id = String::new();
        want.deadline = 0;
        let none = HeaderMap::new();
        assert_eq!(function.context(&none, deadline(&none)), want);
    }
}
