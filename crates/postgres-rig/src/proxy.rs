//! A line between two programs that can be cut, slowed, and led elsewhere; over several targets it is a balancer.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{self, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::sleep;

use crate::error::RigError;

/// What is kept of a direction at most while it is held; the system's own buffers come on top.
const PIECE: usize = 64 << 10;

/// What becomes of what is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Line {
    /// It arrives.
    #[default]
    Open,
    /// Nothing arrives and nothing is refused: connections stay open, new ones are taken and lead nowhere. What was sent
    /// meanwhile arrives when the line is open again, as TCP repeats it after a partition.
    Held,
    /// The same from the target to the client alone: what was asked for is done, and nobody hears of it.
    Unheard,
    /// Every connection is reset, also new ones.
    Reset,
}

/// A proxy on loopback. Its connections end when it is dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    state: watch::Sender<State>,
    passed: Arc<AtomicU64>,
    serve: AbortHandle,
}

#[derive(Clone, Debug)]
struct State {
    line: Line,
    delay: Duration,
    targets: Arc<[SocketAddr]>,
}

impl Proxy {
    /// Listens, and leads each connection to one of the targets: they take turns, and one that takes no connections is
    /// passed over.
    ///
    /// # Errors
    ///
    /// [`RigError::System`] if it cannot listen.
    pub async fn start(targets: impl Into<Arc<[SocketAddr]>>) -> Result<Self, RigError> {
        let failed = || RigError::system("a proxy cannot listen");
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(failed())?;
        let address = listener.local_addr().map_err(failed())?;
        let (state, seen) =
            watch::channel(State { line: Line::Open, delay: Duration::ZERO, targets: targets.into() });
        let passed = Arc::default();
        let serve = tokio::spawn(serve(listener, seen, Arc::clone(&passed))).abort_handle();
        Ok(Self { address, state, passed, serve })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many bytes have come from clients and were passed on.
    #[must_use]
    pub fn passed(&self) -> u64 {
        self.passed.load(Ordering::Relaxed)
    }

    /// Cuts the line, or mends it.
    pub fn set(&self, line: Line) {
        self.state.send_modify(|state| state.line = line);
    }

    /// Lets everything arrive so much later, in each direction.
    pub fn delay(&self, delay: Duration) {
        self.state.send_modify(|state| state.delay = delay);
    }

    /// Leads new connections elsewhere.
    pub fn aim(&self, targets: impl Into<Arc<[SocketAddr]>>) {
        let targets = targets.into();
        self.state.send_modify(|state| state.targets = targets);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.serve.abort();
    }
}

async fn serve(listener: TcpListener, state: watch::Receiver<State>, passed: Arc<AtomicU64>) {
    // Dropped with this, they end.
    let mut connections = JoinSet::new();
    let mut turn = 0;
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                // Out of file descriptors, for instance: the client sees a connection that leads nowhere.
                let Ok((client, _)) = accepted else { sleep(Duration::from_millis(10)).await; continue };
                connections.spawn(connect(client, state.clone(), turn, Arc::clone(&passed)));
                turn = turn.wrapping_add(1);
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connect(client: TcpStream, mut state: watch::Receiver<State>, turn: usize, passed: Arc<AtomicU64>) {
    let back = AtomicU64::new(0);
    let Ok(now) = state.wait_for(|state| state.line != Line::Held).await.map(|now| now.clone()) else {
        return;
    };
    let target = if now.line == Line::Reset { None } else { reach(&now.targets, turn).await };
    let Some(target) = target else {
        let _ = client.set_zero_linger();
        return;
    };
    // What is small must not wait for more.
    let _ = (client.set_nodelay(true), target.set_nodelay(true));
    let ((from_client, to_client), (from_target, to_target)) = (client.into_split(), target.into_split());
    let reset = |half: &OwnedReadHalf| half.as_ref().set_zero_linger();
    let mut broken = state.clone();
    let mut client_side = from_client;
    let mut target_side = from_target;
    tokio::select! {
        Ok(_) = broken.wait_for(|state| state.line == Line::Reset) => {}
        Ok(_) = async { tokio::try_join!(
            pump(&mut client_side, to_target, state.clone(), |line| matches!(line, Line::Open | Line::Unheard), &passed),
            pump(&mut target_side, to_client, state.clone(), |line| line == Line::Open, &back),
        ) } => return,
        else => {}
    }
    // One that breaks on one side breaks on the other.
    let _ = (reset(&client_side), reset(&target_side));
}

/// The first that takes a connection, beginning with the one whose turn it is.
async fn reach(targets: &[SocketAddr], turn: usize) -> Option<TcpStream> {
    for offset in 0..targets.len() {
        let target = targets[turn.wrapping_add(offset) % targets.len()];
        if let Ok(stream) = TcpStream::connect(target).await {
            return Some(stream);
        }
    }
    None
}

/// Carries one direction to its end.
async fn pump(
    from: &mut OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut state: watch::Receiver<State>,
    passes: impl Fn(Line) -> bool,
    passed: &AtomicU64,
) -> io::Result<()> {
    let mut piece = vec![0; PIECE];
    loop {
        let read = from.read(&mut piece).await?;
        let open = state.wait_for(|state| passes(state.line)).await;
        let delay = open.map_err(io::Error::other)?.delay;
        if !delay.is_zero() {
            sleep(delay).await;
        }
        if read == 0 {
            return to.shutdown().await;
        }
        passed.fetch_add(read as u64, Ordering::Relaxed);
        to.write_all(&piece[..read]).await?;
    }
}
