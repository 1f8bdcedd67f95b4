//! Connections that are there to be in the way.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// How often a connection does something to be kept: less than the 10 s that the relay gives an idle one.
const BEAT: Duration = Duration::from_secs(3);

/// What a connection does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Habit {
    /// It asks HEAD of a source now and then, which is answered before any proof
    Heads,
    /// It says nothing
    Silence,
    /// It sends a head that has no end
    Trickle,
}

/// So many connections from so many addresses of loopback, 127.0.0.2 and on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Crowd {
    pub(super) addresses: u8,
    pub(super) of_each: usize,
    /// What they do, in turn.
    pub(super) habits: &'static [Habit],
    /// Whether one that was closed comes again.
    pub(super) again: bool,
}

/// A crowd that is there until it is stopped.
pub(super) struct Running {
    members: JoinSet<()>,
    count: Arc<Count>,
}

#[derive(Default)]
struct Count {
    connections: AtomicU64,
    bytes: AtomicU64,
}

impl Crowd {
    pub(super) async fn start(self, to: SocketAddr) -> Result<Running, String> {
        let mut members = JoinSet::new();
        let count = Arc::new(Count::default());
        for number in 0..self.of_each {
            for address in 0..self.addresses {
                let from = Ipv4Addr::new(127, 0, 0, 2 + address);
                let habit = self.habits[(number + usize::from(address)) % self.habits.len()];
                let count = count.clone();
                members.spawn(async move {
                    loop {
                        if let Ok(stream) = connect(from, to, None).await {
                            count.connections.fetch_add(1, Ordering::Relaxed);
                            stay(stream, habit, &count).await;
                        }
                        if !self.again {
                            return;
                        }
                        sleep(Duration::from_millis(50)).await;
                    }
                });
            }
            // Not faster than the system's queue takes them.
            if number % 16 == 15 {
                sleep(Duration::from_millis(10)).await;
            }
        }
        Ok(Running { members, count })
    }
}

impl Running {
    /// Ends it; the connections it has had, and the bytes it has sent.
    pub(super) async fn stop(mut self) -> (u64, u64) {
        self.members.shutdown().await;
        (self.count.connections.load(Ordering::Relaxed), self.count.bytes.load(Ordering::Relaxed))
    }
}

/// Does what it does until the other side has had enough.
async fn stay(mut stream: TcpStream, habit: Habit, count: &Count) {
    let mut some = [0; 1024];
    let mut first = true;
    loop {
        let words: &[u8] = match (habit, first) {
            (Habit::Heads, _) => b"HEAD /open HTTP/1.1\r\nhost: x\r\n\r\n",
            (Habit::Silence, _) => b"",
            (Habit::Trickle, true) => b"POST /open HTTP/1.1\r\nhost: x\r\n",
            (Habit::Trickle, false) => b"a: b\r\n",
        };
        first = false;
        if stream.write_all(words).await.is_err() {
            return;
        }
        count.bytes.fetch_add(words.len() as u64, Ordering::Relaxed);
        let beat = sleep(BEAT);
        tokio::pin!(beat);
        loop {
            tokio::select! {
                () = &mut beat => break,
                read = stream.read(&mut some) => if !matches!(read, Ok(1..)) { return },
            }
        }
    }
}

/// Sends a request and reads nothing; the connection, with as little room for an answer as the system gives. From two addresses, so that
/// all of them find a seat, and none of them is the neighbour's, whose own share they would take.
pub(super) async fn never_read(number: usize, to: SocketAddr, request: &[u8]) -> Option<TcpStream> {
    let from = Ipv4Addr::new(127, 0, 0, if number.is_multiple_of(2) { 2 } else { 3 });
    let mut stream = connect(from, to, Some(4096)).await.ok()?;
    timeout(Duration::from_secs(60), stream.write_all(request)).await.ok()?.ok()?;
    Some(stream)
}

/// Connects from an address of loopback.
pub(super) async fn connect(from: Ipv4Addr, to: SocketAddr, room: Option<u32>) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    if let Some(room) = room {
        socket.set_recv_buffer_size(room)?;
    }
    socket.bind(SocketAddr::from((from, 0)))?;
    socket.connect(to).await
}
