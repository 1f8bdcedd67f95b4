//! A Runtime API, as a function's runtime sees it: Lambda's, Tencent's or Huawei's ([`Runtime`]).
//!
//! On these platforms it is the function that calls: it asks for an event (`next`), and the request hangs until there is
//! one. So an invocation is two things that meet, an event and a poller, and either may be there first.

mod invocations;
mod runtime;
mod serve;
mod wire;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::error::DriveError;
use crate::id;
use invocations::{Invocations, Waiting};
pub use runtime::Runtime;

/// How long an invocation waits for a poller: what a function has on Lambda to start
/// (<https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html>, "limited to 10 seconds").
const START: Duration = Duration::from_secs(10);

/// A Runtime API to run a function against. It serves until it is dropped; then every connection is closed.
///
/// Several functions, or one with several pollers, may ask at the same time; each event goes to one of them.
#[derive(Debug)]
pub struct RuntimeApi {
    runtime: Runtime,
    address: SocketAddr,
    invocations: Arc<Invocations>,
    server: JoinHandle<()>,
}

impl Runtime {
    /// Listens on a loopback address; port 0 takes a free one.
    ///
    /// # Errors
    ///
    /// [`DriveError::Usage`] for an address that is not loopback, [`DriveError::Connection`] if it cannot be bound.
    pub async fn listen(self, address: SocketAddr) -> Result<RuntimeApi, DriveError> {
        if !address.ip().to_canonical().is_loopback() {
            let sentence = format!(
                "{address} is not a loopback address, and everybody who reaches the Runtime API gets the events; \
                 listen_exposed allows it"
            );
            return Err(DriveError::Usage(sentence));
        }
        self.listen_exposed(address).await
    }

    /// Listens on any address, for a function in another container. Whoever reaches it gets the events and can answer
    /// for the function: there is no check of any kind, as there is none on the platform.
    ///
    /// # Errors
    ///
    /// [`DriveError::Connection`] if the address cannot be bound.
    pub async fn listen_exposed(self, address: SocketAddr) -> Result<RuntimeApi, DriveError> {
        let failed = |source: std::io::Error| DriveError::Connection {
            what: format!("cannot listen on {address}"),
            source: source.into(),
        };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let invocations = Arc::new(Invocations::default());
        let server = tokio::spawn(serve::serve(listener, Arc::clone(&invocations), self));
        Ok(RuntimeApi { runtime: self, address, invocations, server })
    }
}

impl RuntimeApi {
    /// Lambda's, on a loopback address: [`Runtime::listen`].
    ///
    /// # Errors
    ///
    /// As [`Runtime::listen`].
    pub async fn listen(address: SocketAddr) -> Result<Self, DriveError> {
        Runtime::Lambda.listen(address).await
    }

    /// Lambda's, on any address: [`Runtime::listen_exposed`].
    ///
    /// # Errors
    ///
    /// As [`Runtime::listen_exposed`].
    pub async fn listen_exposed(address: SocketAddr) -> Result<Self, DriveError> {
        Runtime::Lambda.listen_exposed(address).await
    }

    /// Where it listens, with the port that was taken.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The variables a function's process needs: where this is, and what else the platform sets. `lambda_runtime` panics without
    /// the first four of Lambda's. On FunctionGraph the time-out of the function is one of them, 60 seconds, whatever an invocation says.
    #[must_use]
    pub fn env(&self) -> Vec<(&'static str, String)> {
        self.runtime.env(self.address)
    }

    /// The credentials that the platform hands to a function, in variables and in the head of each event. They are made up, and must stand in nothing
    /// that the function prints or posts.
    #[must_use]
    pub fn credentials(&self) -> Vec<&'static str> {
        self.runtime.credentials()
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
    /// - [`DriveError::Usage`]: the request id or a header is none, or the id belongs to an invocation that is under way.
    pub async fn invoke_with(&self, invocation: Invocation) -> Result<Outcome, DriveError> {
        let Invocation { body, limit, deadline_ms, request_id, headers, poll_within } = invocation;
        if !self.runtime.is_request_id(&request_id) {
            let expected = match self.runtime {
                Runtime::Lambda => "a request id of letters, digits and hyphens",
                Runtime::TencentScf | Runtime::HuaweiFunctionGraph => "a request id that a header can have",
            };
            return Err(DriveError::Usage(format!("expected {expected}, found {request_id:?}")));
        }
        let headers: Option<Vec<_>> = headers.into_iter().map(read_header).collect();
        let Some(headers) = headers else {
            return Err(DriveError::Usage("expected headers that HTTP can carry".to_owned()));
        };
        let (taken_tell, mut taken) = oneshot::channel();
        let (answer_tell, mut answer) = oneshot::channel();
        let nonce = id::uuid();
        let waiting = Waiting {
            request_id,
            nonce: nonce.clone(),
            body,
            limit,
            deadline_ms,
            headers,
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

type Header = (String, Option<Vec<u8>>);

fn read_header((name, value): Header) -> Option<(HeaderName, Option<HeaderValue>)> {
    let name = HeaderName::try_from(name).ok()?;
    let value = value.map(HeaderValue::try_from).transpose().ok()?;
    Some((name, value))
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
    headers: Vec<Header>,
    poll_within: Duration,
}

impl Invocation {
    /// An event, and the time-out of the function. The request id is a new UUID.
    #[must_use]
    pub fn new(body: impl Into<Bytes>, limit: Duration) -> Self {
        let (body, request_id) = (body.into(), id::uuid());
        Self { body, limit, deadline_ms: None, request_id, headers: Vec::new(), poll_within: START }
    }

    /// The deadline the function is told on Lambda, in milliseconds since 1970, whatever the time-out: a past one, or the
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

    /// A header of the event, in place of the platform's own if it has one of that name. Any bytes that HTTP allows.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.to_owned(), Some(value.as_ref().to_vec())));
        self
    }

    /// Leaves a header of the platform's out.
    #[must_use]
    pub fn without_header(mut self, name: &str) -> Self {
        self.headers.push((name.to_owned(), None));
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
    /// The next poll is answered at once with these bytes, which need not be HTTP.
    NextRaw {
        /// All that is sent as they are: half a head, a head that promises more than comes.
        bytes: &'static [u8],
        /// What happens after them.
        then: Then,
    },
    /// The next result of a function, response or error, is refused with this status and lost: 413, 500. What then
    /// becomes of the invocation is the platform's way with an event that was not answered: Lambda and `FunctionGraph` end it as if no answer had
    /// come, Tencent's SCF hands it out again.
    AnswerStatus(u16),
    /// The next result of a function is lost, and its connection closed without an answer.
    AnswerClosed,
    /// A function that says it has started hears this status, and is given no event before it has said so again.
    ReadyStatus(u16),
}

/// How an answer that is none ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// The connection is closed.
    Closed,
    /// The connection is reset.
    Reset,
    /// Spaces follow, until the function closes the connection.
    Endless,
    /// Nothing follows, until the function closes the connection.
    Silent,
}
