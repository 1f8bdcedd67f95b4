//! The stand-in as a whole: started, asked, stopped.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc as blocking;
use std::time::Duration;
use std::{fmt, io, thread};

use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;

use crate::config::Config;
use crate::connection;
use crate::ending::Visit;
use crate::notifier::Notified;
use crate::recorder::{Accepted, Recorded};
use crate::script::Script;
use crate::shared::Shared;
use crate::step::{Batch, Step};

/// A running stand-in; it stops when it is dropped.
///
/// It runs on a thread and a clock of its own, so it answers a test that blocks its runtime, and one that
/// has paused `tokio`'s time.
pub struct Sim {
    addr: SocketAddr,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Sim {
    /// Listens; connections are taken from the moment this returns.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidInput`] if the settings contradict each other or the PEM is none, all
    /// mistakes in one sentence; otherwise whatever the system says to the journal or the address.
    pub async fn start(config: Config) -> io::Result<Self> {
        Self::start_blocking(config)
    }

    /// [`Sim::start`] for callers without a runtime. It waits for the listening socket and nothing else.
    ///
    /// # Errors
    /// As [`Sim::start`].
    pub fn start_blocking(config: Config) -> io::Result<Self> {
        let mistakes = config.mistakes();
        if !mistakes.is_empty() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, mistakes.join("; ")));
        }
        let acceptor = config.tls.as_ref().map(|tls| tls.acceptor()).transpose()?;
        let shared = Arc::new(Shared::new(config)?);
        let (stop, stopped) = oneshot::channel();
        let (ready, listening) = blocking::channel();
        let thread = thread::Builder::new().name("mdss-sim".into()).spawn({
            let shared = Arc::clone(&shared);
            move || run(shared, acceptor, &ready, stopped)
        })?;
        let addr = listening.recv().map_err(|_| io::Error::other("the server's thread ended early"))??;
        Ok(Self { addr, shared, stop: Some(stop), thread: Some(thread) })
    }

    /// The webhook's full URL.
    pub fn url(&self) -> String {
        format!("{}{}", self.base_url(), crate::WEBHOOK_PATH)
    }

    /// Scheme, address and prefix, without a slash at the end.
    pub fn base_url(&self) -> String {
        let scheme = if self.shared.config.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}{}", self.addr, self.shared.config.prefix)
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Queues steps for the next webhook requests, one each. With the queue empty it behaves normally.
    pub fn push(&self, steps: impl IntoIterator<Item = Step>) {
        self.push_batch(Batch { key: None, steps: steps.into_iter().collect() });
    }

    /// Queues steps for the next webhook requests about this object key. They go before common steps, which
    /// such a request then leaves alone. A [`Step::SlowHandshake`] is for the next connection all the same.
    pub fn push_for(&self, key: impl Into<String>, steps: impl IntoIterator<Item = Step>) {
        self.push_batch(Batch { key: Some(key.into()), steps: steps.into_iter().collect() });
    }

    /// Queues what a script in JSON says.
    pub fn push_batch(&self, batch: Batch) {
        self.shared.script().push(batch);
    }

    /// Drops the steps that nobody has taken yet. What hangs already goes on hanging.
    pub fn calm(&self) {
        *self.shared.script() = Script::default();
    }

    /// Steps that nobody has taken yet.
    pub fn steps_left(&self) -> usize {
        self.shared.script().len()
    }

    /// Every request since the start, or since [`Sim::forget`], in the order of arrival, except those below
    /// `/_sim/`.
    pub fn requests(&self) -> Vec<Recorded> {
        self.shared.recorder().requests()
    }

    /// The accepted objects by storage unit and key.
    pub fn accepted(&self) -> Vec<Accepted> {
        self.shared.recorder().accepted()
    }

    /// The notifications that were sent, in their order, each with what was answered.
    pub fn notified(&self) -> Vec<Notified> {
        self.shared.scans().notified.iter().cloned().collect()
    }

    /// The keys of the accepted objects, by storage unit and key.
    pub fn accepted_keys(&self) -> Vec<String> {
        self.accepted().into_iter().map(|object| object.key).collect()
    }

    /// Forgets requests and accepted objects; queued steps stay.
    pub fn forget(&self) {
        self.shared.recorder().forget();
    }

    /// How many connections were opened, those that failed in the TLS handshake included.
    pub fn connections(&self) -> u64 {
        self.shared.connections()
    }

    /// Stops: the port is free and every connection is closed when this returns. Answers under way are lost.
    pub async fn stop(self) {
        drop(self);
    }
}

impl Drop for Sim {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // Nothing on that thread blocks, so this is a matter of microseconds.
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for Sim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Sim").field(&self.url()).finish()
    }
}

type Ready = blocking::Sender<io::Result<SocketAddr>>;

fn run(shared: Arc<Shared>, acceptor: Option<TlsAcceptor>, ready: &Ready, stopped: oneshot::Receiver<()>) {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return drop(ready.send(Err(error))),
    };
    runtime.block_on(async {
        let bound = TcpListener::bind(shared.config.listen).await;
        match bound.and_then(|listener| Ok((listener.local_addr()?, listener))) {
            Err(error) => drop(ready.send(Err(error))),
            Ok((addr, listener)) => {
                let _ = ready.send(Ok(addr));
                tokio::select! {
                    _ = stopped => {}
                    () = accept(shared, acceptor, listener) => {}
                }
            }
        }
    });
}

async fn accept(shared: Arc<Shared>, acceptor: Option<TlsAcceptor>, listener: TcpListener) {
    loop {
        let Ok((tcp, peer)) = listener.accept().await else {
            // Out of descriptors, most likely: a busy loop would not help.
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        let visit = Visit { connection: shared.count_connection(), peer };
        let wait = shared.script().next_handshake().unwrap_or(shared.config.handshake_delay);
        let _ = tcp.set_nodelay(true);
        let (shared, acceptor) = (Arc::clone(&shared), acceptor.clone());
        tokio::spawn(async move {
            if !wait.is_zero() {
                tokio::time::sleep(wait).await;
            }
            match acceptor {
                None => connection::serve(shared, visit, tcp).await,
                Some(acceptor) => {
                    if let Ok(tls) = acceptor.accept(tcp).await {
                        connection::serve(shared, visit, tls).await;
                    }
                }
            }
        });
    }
}
