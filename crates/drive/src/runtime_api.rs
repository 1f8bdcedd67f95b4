//! The Lambda Runtime API, as a function's runtime sees it: <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>.
//!
//! On this platform it is the function that calls: it asks for an event (`next`), and the request hangs until there is
//! one. So an invocation is two things that meet, an event and a poller, and either may be there first.

mod invocations;
mod serve;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::error::DriveError;
use crate::id;
use invocations::{Invocations, Waiting};

/// How long an invocation waits for a poller: what a function has on the platform to start
/// (<https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html>, "limited to 10 seconds").
const START: Duration = Duration::from_secs(10);

/// A Lambda Runtime API to run a function against. It serves until it is dropped; then every connection is closed.
///
/// Several functions, or one with several pollers, may ask at the same time; each event goes to one of them.
#[derive(Debug)]
pub struct RuntimeApi {
    address: SocketAddr,
    invocations: Arc<Invocations>,
    server: JoinHandle<()>,
}

impl RuntimeApi {
    /// Listens on a loopback address; port 0 takes a free one.
    ///
    /// # Errors
    ///
    /// [`DriveError::Usage`] for an address that is not loopback, [`DriveError::Connection`] if it cannot be bound.
    pub async fn listen(address: SocketAddr) -> Result<Self, DriveError> {
        if !address.ip().to_canonical().is_loopback() {
            let sentence = format!(
                "{address} is not a loopback address, and everybody who reaches the Runtime API gets the events; \
                 listen_exposed allows it"
            );
            return Err(DriveError::Usage(sentence));
        }
        Self::listen_exposed(address).await
    }

    /// Listens on any address, for a function in another container. Whoever reaches it gets the events and can answer
    /// for the function: there is no check of any kind, as there is none on the platform.
    ///
    /// # Errors
    ///
    /// [`DriveError::Connection`] if the address cannot be bound.
    pub async fn listen_exposed(address: SocketAddr) -> Result<Self, DriveError> {
        let failed = |source: std::io::Error| DriveError::Connection {
            what: format!("cannot listen on {address}"),
            source: source.into(),
        };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let invocations = Arc::new(Invocations::default());
        let server = tokio::spawn(serve::serve(listener, Arc::clone(&invocations)));
        Ok(Self { address, invocations, server })
    }

    /// Where it listens, with the port that was taken.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The variables a function's process needs, `AWS_LAMBDA_RUNTIME_API` among them. `lambda_runtime` panics without
    /// the first four.
    ///
    /// Names: <https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html>.
    #[must_use]
    pub fn env(&self) -> Vec<(&'static str, String)> {
        vec![
            // No scheme: the platform sends host and port.
            ("AWS_LAMBDA_RUNTIME_API", self.address.to_string()),
            ("AWS_LAMBDA_FUNCTION_NAME", serve::FUNCTION_NAME.to_owned()),
            ("AWS_LAMBDA_FUNCTION_VERSION", serve::FUNCTION_VERSION.to_owned()),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128".to_owned()),
            ("AWS_LAMBDA_LOG_GROUP_NAME", format!("/aws/lambda/{}", serve::FUNCTION_NAME)),
            ("AWS_LAMBDA_LOG_STREAM_NAME", "2026/01/01/[$LATEST]00000000000000000000000000000000".to_owned()),
            ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand".to_owned()),
            ("AWS_REGION", serve::REGION.to_owned()),
            ("_HANDLER", "bootstrap".to_owned()),
        ]
    }

    /// Gives the function an event, and waits for what it says. `limit` is the function's time-out: the deadline it is
    /// told is `limit` after the moment it takes the event, and that long is waited for its answer.
    ///
    /// # Errors
    ///
    /// As [`invoke_with`](Self::invoke_with), with 10 seconds for the function to start.
    pub async fn invoke(&self, body: impl Into<Bytes>, limit: Duration) -> Result<Outcome, DriveError> {
        self.invoke_with(Invocation::new(body, limit)).await
    }

    /// The same, with everything else about the invocation chosen too.
    ///
    /// # Errors
    ///
    /// - [`DriveError::NoPoll`]: no function asked for the event in time. It has not been handed out.
    /// - [`DriveError::NoAnswer`]: a function took it and did not answer in time, or died. An answer that comes later
    ///   gets 410.
    /// - [`DriveError::InitError`]: a function said that it cannot start.
    /// - [`DriveError::Usage`]: the request id cannot stand in a path, or belongs to an invocation that is under way.
    pub async fn invoke_with(&self, invocation: Invocation) -> Result<Outcome, DriveError> {
        let Invocation { body, limit, deadline_ms, request_id, poll_within } = invocation;
        if request_id.is_empty()
            || !request_id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        {
            let sentence =
                format!("expected a request id of letters, digits and hyphens, found {request_id:?}");
            return Err(DriveError::Usage(sentence));
        }
        let (taken_tell, mut taken) = oneshot::channel();
        let (answer_tell, mut answer) = oneshot::channel();
        let nonce = id::uuid();
        let waiting = Waiting {
            request_id,
            nonce: nonce.clone(),
            body,
            limit,
            deadline_ms,
            taken: taken_tell,
            answer: answer_tell,
        };
        self.invocations.put(waiting)?;
        // However this ends, by an answer, by time, or because the caller drops it: the list is cleared of it.
        let _cleared = Cleared { invocations: &self.invocations, nonce: &nonce };
        tokio::select! {
            biased;
            // Also rung, or dropped, when the start has failed; the answer is there then.
            _ = &mut taken => {}
            () = sleep(poll_within) => {
                // If it is no longer there, a poller came at the same moment.
                if self.invocations.withdraw(&nonce) {
                    return Err(DriveError::NoPoll { after: poll_within });
                }
            }
        }
        match timeout(limit, &mut answer).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) | Err(_) => Err(DriveError::NoAnswer { after: limit }),
        }
    }

    /// Waits until a function asks for an event and gets none, which is when it has started.
    ///
    /// # Errors
    ///
    /// [`DriveError::NoPoll`] after `limit`, [`DriveError::InitError`] if it says that it cannot start.
    pub async fn wait_for_poll(&self, limit: Duration) -> Result<(), DriveError> {
        timeout(limit, self.invocations.polled()).await.unwrap_or(Err(DriveError::NoPoll { after: limit }))
    }

    /// Makes the next request that the fault is about fail. Faults of one kind are used up in the order they were set.
    pub fn fault(&self, fault: Fault) {
        self.invocations.fault(fault);
    }
}

impl Drop for RuntimeApi {
    fn drop(&mut self) {
        // The connections are tasks of this one and end with it.
        self.server.abort();
    }
}

/// Forgets an invocation when it is over.
struct Cleared<'a> {
    invocations: &'a Invocations,
    nonce: &'a str,
}

impl Drop for Cleared<'_> {
    fn drop(&mut self) {
        self.invocations.clear(self.nonce);
    }
}

/// An event for the function, with what it is told about it.
#[derive(Clone, Debug)]
pub struct Invocation {
    body: Bytes,
    limit: Duration,
    deadline_ms: Option<u64>,
    request_id: String,
    poll_within: Duration,
}

impl Invocation {
    /// An event, and the time-out of the function. The request id is a new UUID.
    #[must_use]
    pub fn new(body: impl Into<Bytes>, limit: Duration) -> Self {
        Self { body: body.into(), limit, deadline_ms: None, request_id: id::uuid(), poll_within: START }
    }

    /// The deadline the function is told, in milliseconds since 1970, whatever the time-out: a past one, or the
    /// 600000 that `cargo lambda` sends. How long is waited for the answer does not change.
    #[must_use]
    pub fn deadline_ms(mut self, deadline_ms: u64) -> Self {
        self.deadline_ms = Some(deadline_ms);
        self
    }

    /// The request id. The platform repeats an asynchronous invocation under the same one.
    #[must_use]
    pub fn request_id(mut self, request_id: impl Into<String>) -> Self {
        self.request_id = request_id.into();
        self
    }

    /// How long the event waits for a function that asks for it; 10 seconds unless set.
    #[must_use]
    pub fn poll_within(mut self, limit: Duration) -> Self {
        self.poll_within = limit;
        self
    }
}

/// What a function said about an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is done; its answer, at most 6 MiB and 100 bytes.
    Response(Bytes),
    /// It failed. An asynchronous invocation would be repeated.
    Error {
        /// `errorType` of the body, or else the header `Lambda-Runtime-Function-Error-Type`; empty without both.
        error_type: String,
        /// `errorMessage` of the body; empty without one.
        error_message: String,
        /// The whole body.
        body: Bytes,
    },
}

/// Something that goes wrong on the platform's side, once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The next poll is answered at once with this status and no event: 204, 500.
    NextStatus(u16),
    /// The connection of the next poll is closed without an answer.
    NextClosed,
    /// The next answer of a function, response or error, is refused with this status and lost: 413, 500. The
    /// invocation ends as if no answer had come.
    AnswerStatus(u16),
}
