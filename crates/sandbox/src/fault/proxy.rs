//! The running proxy: its ports, its connections, and the handle tests hold.
//!
//! It stands directly on hyper, not axum, since it must be able to close a connection
//! without a byte of answer: a service that returns an error does just that.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::backend::Dropped;
use super::control;
use super::core::Core;
use super::log::{CallRecord, Stats};
use super::plan::{FaultPlan, PlanError, RuleState};
use crate::clock::Clock;
use crate::server::{Server, StartError, listen};

const MAX_CONNECTIONS: usize = 1024;
const GRACE: Duration = Duration::from_secs(2);

/// How a proxy is started.
#[derive(Debug, Clone)]
pub struct FaultConfig {
    /// What goes wrong at first.
    pub plan: FaultPlan,
    /// Where it listens; port 0 takes a free one.
    pub address: SocketAddr,
    /// Where its control API listens.
    pub control_address: SocketAddr,
    /// Calls it remembers.
    pub log_capacity: usize,
    /// For the wall time in the log.
    pub clock: Clock,
}

impl Default for FaultConfig {
    fn default() -> Self {
        let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self {
            plan: FaultPlan::default(),
            address: any_port,
            control_address: any_port,
            log_capacity: 200_000,
            clock: Clock::system(),
        }
    }
}

/// A running proxy; dropping it stops it.
#[derive(Debug)]
pub struct FaultProxy {
    core: Arc<Core>,
    address: SocketAddr,
    control_address: SocketAddr,
    stop: CancellationToken,
    connections: TaskTracker,
    control: Option<Server>,
}

impl FaultProxy {
    /// Starts a proxy before `target`, a base URL such as `http://127.0.0.1:7101`.
    pub async fn start(target: &str, config: FaultConfig) -> Result<Self, StartError> {
        let bad_target = || StartError::Target {
            target: target.to_owned(),
        };
        let uri: Uri = target.trim_end_matches('/').parse().or(Err(bad_target()))?;
        if uri.scheme_str() != Some("http") || uri.authority().is_none() || uri.path() != "/" {
            return Err(bad_target());
        }
        config.plan.validate().map_err(StartError::Plan)?;
        let (listener, address) = listen(config.address).await?;
        let (control_listener, control_address) = listen(config.control_address).await?;
        let core = Arc::new(Core::new(
            uri,
            config.plan,
            config.log_capacity,
            config.clock,
        ));
        let stop = CancellationToken::new();
        let connections = TaskTracker::new();
        connections.spawn(accept(
            Arc::clone(&core),
            listener,
            stop.clone(),
            connections.clone(),
        ));
        let control = Server::start(control_listener, control::router(Arc::clone(&core)));
        Ok(Self {
            core,
            address,
            control_address,
            stop,
            connections,
            control: Some(control),
        })
    }

    /// The base URL to call instead of the target's.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The base URL of the control API (`/__fault/…`).
    pub fn control_url(&self) -> String {
        format!("http://{}", self.control_address)
    }

    /// Replaces the whole plan; the rules count anew.
    pub fn set_plan(&self, plan: FaultPlan) -> Result<(), PlanError> {
        self.core.set_plan(plan)
    }

    /// The rules and how often each has struck.
    pub fn rules(&self) -> Vec<RuleState> {
        self.core.plan().1
    }

    /// Every call that is still in the log.
    pub fn log(&self) -> Vec<CallRecord> {
        self.core.log_since(0, usize::MAX).entries
    }

    /// Delivers now what waits to be delivered late, or a second time.
    pub fn deliver_now(&self) {
        self.core.deliver_now();
    }

    /// Empties the log.
    pub fn clear_log(&self) {
        self.core.clear_log();
    }

    /// The log in figures, with a window of one second.
    pub fn stats(&self) -> Stats {
        self.core.stats(Duration::from_secs(1), "")
    }

    /// Most calls that arrived in any window of this width.
    pub fn max_calls_in_window(&self, width: Duration) -> usize {
        self.max_calls_in_window_where(width, |call| call.repeat_of.is_none())
    }

    /// The same for some of the calls, such as those of one path.
    pub fn max_calls_in_window_where(
        &self,
        width: Duration,
        counts: impl Fn(&CallRecord) -> bool,
    ) -> usize {
        self.core.max_in_window(width, counts)
    }

    /// Closes the ports; calls under way have two seconds.
    pub async fn stop(mut self) {
        self.stop.cancel();
        self.connections.close();
        if let Some(control) = self.control.take() {
            control.stop().await;
        }
        // What is still held then (a black hole) ends with its connection task.
        let ended = tokio::time::timeout(GRACE + GRACE, self.connections.wait()).await;
        if ended.is_err() {
            tracing::warn!("calls through the fault proxy were still under way when it stopped");
        }
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn accept(
    core: Arc<Core>,
    listener: TcpListener,
    stop: CancellationToken,
    connections: TaskTracker,
) {
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else {
            return;
        };
        let stream = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "the fault proxy could not accept a connection");
                    continue;
                }
            },
        };
        let (core, stop) = (Arc::clone(&core), stop.clone());
        connections.spawn(async move {
            serve(core, stream, stop).await;
            drop(slot);
        });
    }
}

async fn serve(core: Arc<Core>, stream: TcpStream, stop: CancellationToken) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "no TCP_NODELAY");
    }
    let service = service_fn(move |request| {
        // A task of its own: a caller that hangs up does not stop what has begun.
        let call = tokio::spawn(Arc::clone(&core).handle(request));
        async move { call.await.unwrap_or(Err(Dropped)) }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(60))
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            match tokio::time::timeout(GRACE, &mut connection).await {
                Ok(ended) => ended,
                Err(_) => return,
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection through the fault proxy ended");
    }
}
