//! The load: requests go out by the clock over connections that are kept, and the time of each counts from when it was to go out,
//! so that a server that stalls is not spared the requests that it holds up.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::Context as _;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use tokio::{net::TcpStream, task::JoinSet, time::Instant};

/// A request as it goes out; its URI is a path.
pub(crate) type Outgoing = Request<Full<Bytes>>;

/// How requests go out.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Pace {
    /// How many a second; none = each connection sends when its last request is answered.
    pub(crate) per_second: Option<u32>,
    /// For how long.
    pub(crate) lasts: Duration,
    /// Connections, each with one request under way: what is due when all are busy waits, and its time runs.
    pub(crate) connections: u32,
    /// How long an answer is waited for, from when its request was to go out.
    pub(crate) patience: Duration,
}

impl Pace {
    /// By the clock: so many a second, with ten seconds of patience.
    pub(crate) const fn open(per_second: u32, lasts: Duration, connections: u32) -> Self {
        Self {
            per_second: Some(per_second),
            lasts,
            connections,
            patience: Duration::from_secs(10),
        }
    }

    /// As fast as it goes.
    pub(crate) const fn closed(lasts: Duration, connections: u32) -> Self {
        Self {
            per_second: None,
            lasts,
            connections,
            patience: Duration::from_secs(10),
        }
    }
}

/// What came of a load.
#[derive(Debug, Clone, Default)]
pub(crate) struct Came {
    /// The times of those that were answered well, sorted.
    pub(crate) times: Vec<Duration>,
    /// Answered otherwise, by what was said.
    pub(crate) refused: Vec<String>,
    /// Not answered in time, or not at all.
    pub(crate) lost: u64,
    /// Due and never sent, since every connection was busy until the end.
    pub(crate) not_sent: u64,
    /// From the first request until the last answer.
    pub(crate) took: Duration,
}

impl Came {
    /// How many were asked for.
    pub(crate) fn asked(&self) -> u64 {
        let answered = self.times.len().saturating_add(self.refused.len());
        u64::try_from(answered)
            .unwrap_or(u64::MAX)
            .saturating_add(self.lost)
            .saturating_add(self.not_sent)
    }

    /// How many were answered well.
    pub(crate) fn answered(&self) -> u64 {
        u64::try_from(self.times.len()).unwrap_or(u64::MAX)
    }
}

/// Who answers, and how an answer is judged.
pub(crate) struct Target {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// The request of a number, from 0.
    pub(crate) request: Box<dyn Fn(u64) -> Outgoing + Send + Sync>,
    /// What is wrong with an answer; none = it is good. It is called for every answer, with its whole body.
    pub(crate) judge: Judge,
}

/// Says what is wrong with an answer.
pub(crate) type Judge = Box<dyn Fn(&Response<Bytes>) -> Option<String> + Send + Sync>;

/// Any answer of the 2xx is good.
pub(crate) fn succeeded(answer: &Response<Bytes>) -> Option<String> {
    let status = answer.status();
    (!status.is_success()).then(|| status.as_u16().to_string())
}

/// Puts the load on a target, and waits for what is under way then.
pub(crate) async fn drive(pace: Pace, target: &Arc<Target>) -> Came {
    let begun = Instant::now();
    let tickets = Arc::new(AtomicU64::new(0));
    let all = Arc::new(Mutex::new(Came::default()));
    let mut workers = JoinSet::new();
    for _ in 0..pace.connections {
        let worker = Worker {
            pace,
            begun,
            target: Arc::clone(target),
            tickets: Arc::clone(&tickets),
        };
        let all = Arc::clone(&all);
        workers.spawn(async move {
            let own = worker.work().await;
            let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
            all.times.extend(own.times);
            all.refused.extend(own.refused);
            all.lost = all.lost.saturating_add(own.lost);
        });
    }
    while workers.join_next().await.is_some() {}
    let mut came = std::mem::take(&mut *all.lock().unwrap_or_else(PoisonError::into_inner));
    came.times.sort_unstable();
    came.took = begun.elapsed();
    if let Some(per_second) = pace.per_second {
        let due = u128::from(per_second).saturating_mul(pace.lasts.as_nanos()) / 1_000_000_000;
        let due = u64::try_from(due).unwrap_or(u64::MAX);
        came.not_sent = due.saturating_sub(came.asked());
    }
    came
}

struct Worker {
    pace: Pace,
    begun: Instant,
    target: Arc<Target>,
    /// The number of the next request of all workers.
    tickets: Arc<AtomicU64>,
}

impl Worker {
    async fn work(&self) -> Came {
        let mut own = Came::default();
        let mut connection = None;
        loop {
            let number = self.tickets.fetch_add(1, Ordering::Relaxed);
            let due = self.due(number);
            let late = Instant::now().duration_since(self.begun) >= self.pace.lasts;
            if late || due.duration_since(self.begun) >= self.pace.lasts {
                return own;
            }
            tokio::time::sleep_until(due).await;
            let request = (self.target.request)(number);
            let sent = tokio::time::timeout_at(
                due + self.pace.patience,
                send(&mut connection, self.target.address, request),
            );
            match sent.await {
                Ok(Ok(answer)) => match (self.target.judge)(&answer) {
                    None => own.times.push(due.elapsed()),
                    Some(why) => own.refused.push(why),
                },
                Ok(Err(_)) | Err(_) => {
                    connection = None;
                    own.lost = own.lost.saturating_add(1);
                    // A server that is gone refuses at once: it is not asked faster for that.
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            }
        }
    }

    fn due(&self, number: u64) -> Instant {
        let Some(per_second) = self.pace.per_second else {
            return Instant::now();
        };
        let nanos =
            u128::from(number).saturating_mul(1_000_000_000) / u128::from(per_second.max(1));
        self.begun + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

type Connection = SendRequest<Full<Bytes>>;

/// Sends a request over the connection, which is opened where there is none, and reads the whole answer.
pub(crate) async fn send(
    connection: &mut Option<Connection>,
    address: SocketAddr,
    request: Outgoing,
) -> anyhow::Result<Response<Bytes>> {
    if connection.as_ref().is_none_or(SendRequest::is_closed) {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (sender, driven) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(driven);
        *connection = Some(sender);
    }
    let sender = connection.as_mut().context("a connection was opened")?;
    sender.ready().await?;
    let (head, body) = sender.send_request(request).await?.into_parts();
    let body = body.collect().await?.to_bytes();
    Ok(Response::from_parts(head, body))
}

/// Asks once, over a connection of its own.
pub(crate) async fn ask(target: &Target, number: u64) -> anyhow::Result<Response<Bytes>> {
    send(&mut None, target.address, (target.request)(number)).await
}
