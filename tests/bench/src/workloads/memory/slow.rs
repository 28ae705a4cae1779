//! Clients that send the head of a request byte by byte and never end it. They have a thread of their own, so that what they do
//! is not waited for by those that are measured beside them.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use anyhow::Context as _;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    runtime::Builder,
    task::JoinSet,
    time::{Instant, sleep},
};

/// Between two bytes.
const BYTE: Duration = Duration::from_secs(1);
/// They come one after the other in this time, so that their bytes and ends do not fall on one instant.
const RAMP: Duration = Duration::from_secs(5);
/// Until then they may come.
const PATIENCE: Duration = Duration::from_secs(15);
const HEAD: &[u8] = b"GET /portal/v1/products?limit=20 HTTP/1.1\r\nhost: slow\r\nx-slow: ";

/// What they have come to.
#[derive(Debug, Default)]
struct Tally {
    stop: AtomicBool,
    there: AtomicU64,
    cut: AtomicU64,
}

/// Slow clients, until they are dropped.
pub(super) struct Clients {
    tally: Arc<Tally>,
    count: usize,
    thread: Option<JoinHandle<()>>,
}

impl Clients {
    /// So many, of whom each comes again when it is cut.
    pub(super) fn start(address: SocketAddr, count: usize) -> anyhow::Result<Self> {
        let tally = Arc::new(Tally::default());
        let own = Arc::clone(&tally);
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let thread = std::thread::Builder::new()
            .name("slow-clients".to_owned())
            .spawn(move || runtime.block_on(all(address, count, own)))
            .context("slow clients have no thread")?;
        Ok(Self {
            tally,
            count,
            thread: Some(thread),
        })
    }

    /// How many are connected.
    pub(super) fn there(&self) -> u64 {
        self.tally.there.load(Ordering::Relaxed)
    }

    /// How often one was cut.
    pub(super) fn cut(&self) -> u64 {
        self.tally.cut.load(Ordering::Relaxed)
    }

    /// Waits until nearly all are connected at a time, or as many as come: those that were cut are on their way back.
    pub(super) async fn all_there(&self) -> anyhow::Result<()> {
        let wanted = u64::try_from(self.count)?.saturating_mul(98) / 100;
        let begun = Instant::now();
        while begun.elapsed() < RAMP || (self.there() < wanted && begun.elapsed() < PATIENCE) {
            sleep(Duration::from_millis(100)).await;
        }
        anyhow::ensure!(
            self.there() > wanted / 2,
            "{} slow clients of {} are there",
            self.there(),
            self.count
        );
        Ok(())
    }
}

impl Drop for Clients {
    fn drop(&mut self) {
        self.tally.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // It sees the mark within a moment; a thread that has failed has no client left.
            thread.join().ok();
        }
    }
}

async fn all(address: SocketAddr, count: usize, tally: Arc<Tally>) {
    let mut clients = JoinSet::new();
    let share = u32::try_from(count).unwrap_or(u32::MAX).max(1);
    for number in 0..share {
        let tally = Arc::clone(&tally);
        clients.spawn(async move {
            sleep((RAMP / share).saturating_mul(number)).await;
            loop {
                one(address, &tally).await;
                sleep(Duration::from_millis(20)).await;
            }
        });
    }
    while !tally.stop.load(Ordering::Relaxed) {
        sleep(Duration::from_millis(50)).await;
    }
    // All connections close with their tasks.
    clients.shutdown().await;
}

/// One connection, until it is cut.
async fn one(address: SocketAddr, tally: &Tally) {
    let Ok(mut stream) = TcpStream::connect(address).await else {
        return;
    };
    tally.there.fetch_add(1, Ordering::Relaxed);
    trickle(&mut stream).await;
    tally.there.fetch_sub(1, Ordering::Relaxed);
    tally.cut.fetch_add(1, Ordering::Relaxed);
}

/// A byte now and then, until the other side ends it or says anything.
async fn trickle(stream: &mut TcpStream) {
    let mut said = [0_u8; 256];
    for byte in HEAD.iter().chain(std::iter::repeat(&b'a')) {
        if stream.write_all(&[*byte]).await.is_err() {
            return;
        }
        // Whatever it says, such as 408, is its last word.
        if tokio::time::timeout(BYTE, stream.read(&mut said))
            .await
            .is_ok()
        {
            return;
        }
    }
}
