//! The accept loop: what `axum::serve` leaves open (slow headers, silent and idle connections, slow
//! readers, a drain without end) is bounded here.

mod head_scan;
mod timed_io;

use std::collections::HashMap;
use std::convert::Infallible;
use std::future::{Future, pending};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, FromRequestParts};
use futures_util::future::Either;
use http::request::Parts;
use http::{HeaderValue, Request, Response, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::{JoinError, JoinHandle};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use crate::health::Readiness;
use crate::layers::AmbiguousHead;
use crate::telemetry::error_chain;
use timed_io::{Phase, PhaseBody, TimedIo};

/// The limits of a server.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// For the first byte and for the whole head of a request.
    pub header_timeout: Duration,
    /// Between two requests on one connection.
    pub idle_timeout: Duration,
    /// Without any byte taken by the client.
    pub write_timeout: Duration,
    pub max_headers: usize,
    pub max_header_bytes: usize,
    pub max_connections: usize,
    pub max_connections_per_ip: Option<usize>,
    /// Whether a request that changes something is carried out although its client has hung up. Without, it ends
    /// with its client, as one that only reads always does: for a layer that sees to its commands itself.
    pub carry_out_changes: bool,
    /// For requests at work when the server is told to stop.
    pub drain_timeout: Duration,
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self {
            header_timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(60),
            write_timeout: Duration::from_secs(30),
            max_headers: 64,
            max_header_bytes: 32 * 1024,
            max_connections: 10_000,
            max_connections_per_ip: None,
            carry_out_changes: true,
            drain_timeout: Duration::from_secs(20),
        }
    }
}

/// A port that cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    #[error(
        "{address} is already in use: stop what listens there, or choose another address with {how}"
    )]
    InUse {
        address: SocketAddr,
        how: String,
        #[source]
        source: io::Error,
    },
    #[error("cannot listen on {address}: choose another address with {how}")]
    Other {
        address: SocketAddr,
        how: String,
        #[source]
        source: io::Error,
    },
}

/// Listens. `how` tells the operator what to change, such as "`listen` in config/process-apis.toml".
pub async fn bind(address: SocketAddr, how: &str) -> Result<TcpListener, BindError> {
    TcpListener::bind(address).await.map_err(|source| {
        let how = how.to_owned();
        match source.kind() {
            io::ErrorKind::AddrInUse => BindError::InUse {
                address,
                how,
                source,
            },
            _ => BindError::Other {
                address,
                how,
                source,
            },
        }
    })
}

/// Of a request: whether its server is told to stop. Who only waits for news answers then with what there is, or the
/// drain would wait for them, and nobody is served meanwhile.
#[derive(Clone, Debug, Default)]
pub struct Stopping(CancellationToken);

impl Stopping {
    /// Completes when the server is told to stop; without a server, never.
    pub async fn told(&self) {
        self.0.cancelled().await;
    }
}

impl From<CancellationToken> for Stopping {
    fn from(token: CancellationToken) -> Self {
        Self(token)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Stopping {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get().cloned().unwrap_or_default())
    }
}

/// How a server ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drained {
    /// Every request at work was answered.
    Clean,
    /// Some were cut when the drain's time was over.
    Forced,
}

/// Serves until `shutdown` completes.
///
/// Then it stops accepting, lets requests at work finish within the drain's time, and cuts what is left.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    options: ServerOptions,
    shutdown: impl Future<Output = ()> + Send,
) -> Drained {
    let server = Arc::new(Server {
        router,
        slots: Arc::new(Semaphore::new(options.max_connections)),
        per_ip: Arc::default(),
        stop: CancellationToken::new(),
        cut: CancellationToken::new(),
        begun: TaskTracker::new(),
        options,
    });
    let connections = TaskTracker::new();
    let mut upkeep = tokio::time::interval(Duration::from_secs(5));
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        tokio::select! {
            biased;
            () = &mut shutdown => break,
            _ = upkeep.tick() => crate::metrics::upkeep(),
            accepted = server.accept(&listener) => {
                if let Some(connection) = accepted {
                    connections.spawn(connection);
                }
            }
        }
    }
    drop(listener);
    connections.close();
    server.stop.cancel();
    // A task that is begun later has a connection that is waited for.
    server.begun.close();
    let drained = async {
        connections.wait().await;
        server.begun.wait().await;
    };
    if tokio::time::timeout(server.options.drain_timeout, drained)
        .await
        .is_ok()
    {
        return Drained::Clean;
    }
    tracing::warn!(
        connections = connections.len(),
        "the drain's time is over; open connections are cut"
    );
    server.cut.cancel();
    connections.wait().await;
    server.begun.wait().await;
    Drained::Forced
}

struct Server {
    router: Router,
    slots: Arc<Semaphore>,
    per_ip: Arc<Mutex<HashMap<IpAddr, usize>>>,
    /// No new requests on any connection.
    stop: CancellationToken,
    /// No connection and no request any more.
    cut: CancellationToken,
    /// Requests that go on without their client.
    begun: TaskTracker,
    options: ServerOptions,
}

impl Server {
    /// The next connection, as the future that serves it. With all slots taken, further ones wait in
    /// the system's own bounded backlog.
    async fn accept(
        self: &Arc<Self>,
        listener: &TcpListener,
    ) -> Option<impl Future<Output = ()> + Send + use<>> {
        let slot = Arc::clone(&self.slots).acquire_owned().await.ok()?;
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file descriptors, mostly: wait for some to be freed rather than spin.
                let error = error_chain(&error);
                tracing::warn!(error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
                return None;
            }
        };
        let counted = Counted::enter(&self.per_ip, peer.ip(), self.options.max_connections_per_ip)?;
        let server = Arc::clone(self);
        Some(async move {
            server.connection(stream, peer).await;
            drop((slot, counted));
        })
    }

    /// Begins the request at once, and gives its answer. What changes something runs in a task of its own: a client that
    /// hangs up right after sending has its request carried out. What only reads ends with its reader.
    fn answer(
        &self,
        request: Request<Body>,
    ) -> impl Future<Output = Result<Response<Body>, Cut>> + use<> {
        let changes = self.options.carry_out_changes && !request.method().is_safe();
        let answer = self.router.clone().oneshot(request);
        let begun = if changes {
            let cut = self.cut.clone();
            let task = async move { cut.run_until_cancelled_owned(answer).await };
            Either::Left(self.begun.spawn(task))
        } else {
            Either::Right(answer)
        };
        async move {
            match begun {
                Either::Left(task) => match task.await {
                    Ok(Some(Ok(response))) => Ok(response),
                    Ok(None) | Err(_) => Err(Cut),
                },
                Either::Right(answer) => match answer.await {
                    Ok(response) => Ok(response),
                },
            }
        }
    }

    async fn connection(&self, stream: TcpStream, peer: SocketAddr) {
        // Answers are written whole; waiting to fill a packet only adds delay.
        drop(stream.set_nodelay(true));
        let phase = Phase::new(Instant::now() + self.options.header_timeout);
        let mut io = TimedIo::new(stream, Arc::clone(&phase), &self.options);
        let stopped_in_reserve = async {
            self.stop.cancelled().await;
            // Clients open some in reserve, and would be waited for until their first head.
            if !phase.is_untouched() {
                pending::<()>().await;
            }
        };
        let came = tokio::select! {
            biased;
            () = self.cut.cancelled() => return,
            // Before it hears of the stop: what has come is answered.
            came = io.first_head() => came,
            () = stopped_in_reserve => return,
        };
        if came.is_ok() {
            // In a box, for the sake of those whose head does not come.
            Box::pin(self.requests(io, phase, peer)).await;
        }
    }

    /// Answers what comes on a connection whose first head is there.
    async fn requests(&self, io: TimedIo<TcpStream>, phase: Arc<Phase>, peer: SocketAddr) {
        let idle = self.options.idle_timeout;
        let service = service_fn(move |request: Request<Incoming>| {
            let ambiguous = phase.busy();
            let mut request = request.map(Body::new);
            if ambiguous {
                request.extensions_mut().insert(AmbiguousHead);
            }
            request.extensions_mut().insert(ConnectInfo(peer));
            request
                .extensions_mut()
                .insert(Stopping::from(self.stop.clone()));
            let phase = Arc::clone(&phase);
            let answer = self.answer(request);
            async move {
                let mut response = answer.await?;
                if ambiguous {
                    let close = HeaderValue::from_static("close");
                    response.headers_mut().insert(header::CONNECTION, close);
                }
                Ok::<_, Cut>(response.map(|body| PhaseBody::new(body, phase, idle)))
            }
        });
        let mut builder = http1::Builder::new();
        builder
            .max_headers(self.options.max_headers)
            .max_header_size(self.options.max_header_bytes);
        let connection = builder.serve_connection(TokioIo::new(io), service);
        let mut connection = std::pin::pin!(connection);
        let mut stopping = false;
        loop {
            tokio::select! {
                biased;
                () = self.cut.cancelled() => return,
                // Before it hears of the stop: hyper closes at once what it has read nothing of, and the head is there.
                // A broken connection is the client's own affair; requests are logged where they end.
                _ = connection.as_mut() => return,
                () = self.stop.cancelled(), if !stopping => {
                    stopping = true;
                    connection.as_mut().graceful_shutdown();
                }
            }
        }
    }
}

/// A request was ended with the server, unanswered.
#[derive(Debug, thiserror::Error)]
#[error("the server has ended before the request was answered")]
struct Cut;

/// One connection of an address, counted while it is open.
struct Counted {
    per_ip: Arc<Mutex<HashMap<IpAddr, usize>>>,
    ip: IpAddr,
}

impl Counted {
    fn enter(
        per_ip: &Arc<Mutex<HashMap<IpAddr, usize>>>,
        ip: IpAddr,
        most: Option<usize>,
    ) -> Option<Self> {
        let mut counts = per_ip.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(ip).or_insert(0);
        if most.is_some_and(|most| *count >= most) {
            return None;
        }
        *count = count.saturating_add(1);
        Some(Self {
            per_ip: Arc::clone(per_ip),
            ip,
        })
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut counts = self.per_ip.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.ip) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                counts.remove(&self.ip);
            }
        }
    }
}

/// How long an instance that goes away still takes requests, in which load balancers take note.
const DRAIN_PAUSE: Duration = Duration::from_secs(3);
/// How long work beside the requests may take to end once they are over. With the pause and the requests' time it stays
/// under the 30 s after which supervisors kill.
const FINISH: Duration = Duration::from_secs(5);

/// Completes after SIGTERM or Ctrl-C.
///
/// The instance says at once that it is not ready; in production it goes on serving for three seconds,
/// since load balancers send it requests until they have noticed.
pub async fn drain_signal(readiness: Readiness, development: bool) {
    shutdown_signal().await;
    readiness.drain();
    if !development {
        tokio::time::sleep(DRAIN_PAUSE).await;
    }
}

/// Waits for what runs beside the requests, once it is told to stop. Past its time it is left where it is: what is
/// durable is safe from any end, and a process that was told to go is gone within 30 s.
pub async fn finish(background: JoinHandle<()>) -> Result<Drained, JoinError> {
    match tokio::time::timeout(FINISH, background).await {
        Ok(ended) => ended.map(|()| Drained::Clean),
        Err(_elapsed) => {
            tracing::warn!("background work was still running at the end of the drain; it is cut");
            Ok(Drained::Forced)
        }
    }
}

/// Completes on SIGTERM or Ctrl-C; a second one ends the process at once.
pub async fn shutdown_signal() {
    wait_for_signal().await;
    tokio::spawn(async {
        wait_for_signal().await;
        #[expect(
            clippy::exit,
            reason = "the operator asked twice: whatever is open is cut now"
        )]
        std::process::exit(130);
    });
}

async fn wait_for_signal() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        match signal(SignalKind::terminate()) {
            Ok(mut terminate) => {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = tokio::signal::ctrl_c() => {}
                }
            }
            Err(_) => drop(tokio::signal::ctrl_c().await),
        }
    }
    #[cfg(not(unix))]
    drop(tokio::signal::ctrl_c().await);
}
