//! One HTTP server on a loopback address, with a graceful stop.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// How long a stop waits for calls under way.
const GRACE: Duration = Duration::from_secs(3);

/// Why a piece of the sandbox could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The sandbox has demo credentials, so it never listens to a network.
    #[error("{address} is not a loopback address: the sandbox listens on 127.0.0.1 or ::1 only")]
    NotLoopback {
        /// The address asked for.
        address: SocketAddr,
    },
    /// The port is taken, or may not be used.
    #[error("{address} cannot be listened on: choose another port, or 0 for a free one")]
    Bind {
        /// The address asked for.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The proxy's target is not usable.
    #[error("the target {target:?} is not a base URL of the form http://host:port")]
    Target {
        /// The target asked for.
        target: String,
    },
    /// A fault plan that contradicts itself.
    #[error("the fault plan cannot be used")]
    Plan(#[source] crate::fault::PlanError),
    /// The issuer could not make its key.
    #[error("the issuer's signing key could not be made: start again")]
    Key(#[source] crate::issuer::IssuerError),
}

/// A loopback listener, or why not.
pub(crate) async fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), StartError> {
    if !address.ip().is_loopback() {
        return Err(StartError::NotLoopback { address });
    }
    let listener = TcpListener::bind(address)
        .await
        .map_err(|source| StartError::Bind { address, source })?;
    let bound = listener
        .local_addr()
        .map_err(|source| StartError::Bind { address, source })?;
    Ok((listener, bound))
}

/// A running server; dropping it stops it too, without waiting.
#[derive(Debug)]
pub(crate) struct Server {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Server {
    pub(crate) fn start(listener: TcpListener, router: Router) -> Self {
        let stop = CancellationToken::new();
        let stopped = stop.clone().cancelled_owned();
        let task = tokio::spawn(async move {
            let serving = axum::serve(listener, router).with_graceful_shutdown(stopped);
            if let Err(error) = serving.await {
                tracing::error!(%error, "a sandbox server ended");
            }
        });
        Self { stop, task }
    }

    /// Lets calls under way end, for a few seconds at most.
    pub(crate) async fn stop(mut self) {
        self.stop.cancel();
        if tokio::time::timeout(GRACE, &mut self.task).await.is_err() {
            self.task.abort();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
