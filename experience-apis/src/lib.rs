//! `experience-apis`: one folder a channel, each in its own dialect. It knows formats and partners; prices, stock,
//! credit and orders are the business of `process-apis` below, and no state is kept here.

pub mod admission;
pub mod asyncapi;
mod body;
pub mod clients;
pub mod config;
mod desk;
pub mod edi;
pub mod error;
pub mod feed;
mod logins;
mod places;
mod placing;
pub mod portal;
pub mod profiles;
pub mod punchout;
pub mod router;
pub mod share;
pub mod state;
#[cfg(test)]
mod testing;

use std::sync::Arc;

use axum::Router;
use service_runtime::{
    clock::Clock,
    context::{ContextError, ContextKeys, ContextSigner, Hop, LayerIdentity},
    health::Readiness,
    http_client::{BackendClientConfig, backend_client},
    jwt::{HttpJwksFetcher, JwksError, JwksFetcher, TokenVerifier},
};
use tokio_util::sync::CancellationToken;

use crate::{
    admission::Admission,
    clients::process::ProcessClient,
    config::Config,
    feed::{Feed, FeedLimits},
    portal::Pages,
    state::AppState,
};

/// The layer's name in logs, metrics and files.
pub const LAYER: &str = "experience-apis";

/// What the surroundings give: a binary takes the defaults, a test its own.
pub struct Deps {
    /// The time.
    pub clock: Clock,
    /// The probes.
    pub readiness: Readiness,
    /// Where issuers' key sets come from; `None` = over HTTP.
    pub jwks: Option<Arc<dyn JwksFetcher>>,
}

impl Default for Deps {
    fn default() -> Self {
        Self {
            clock: Clock::system(),
            readiness: Readiness::new(),
            jwks: None,
        }
    }
}

/// Why the layer cannot be put together.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A key of the call context cannot be used.
    #[error("the key of the call context cannot be used; see `context` in the configuration")]
    Context(#[source] ContextError),
    /// An issuer's keys cannot be used.
    #[error("the keys of a token issuer cannot be used; see `issuers` in the configuration")]
    Issuers(#[source] JwksError),
    /// An HTTP client cannot be made.
    #[error("the HTTP client for issuers' keys, or for documents to partners, cannot be made")]
    Client(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The metrics cannot be installed.
    #[error("the metrics cannot be installed")]
    Metrics(#[source] service_runtime::metrics::MetricsError),
    /// A partner profile is wrong.
    #[error(
        "a partner profile cannot be used; see `edi.partners_dir` and `punchout.partners_dir` in the configuration"
    )]
    Partners(#[source] profiles::ProfilesError),
    /// The contract cannot be written.
    #[error("the OpenAPI document cannot be written")]
    Contract(#[source] serde_json::Error),
}

/// What runs beside the requests: the feed, the issuers' keys, the channels' own work.
pub struct Background {
    state: AppState,
    tokens: TokenVerifier,
}

impl Background {
    /// Runs until told to stop.
    pub async fn run(self, shutdown: CancellationToken) {
        let Self { state, tokens } = self;
        let feed = state
            .feed
            .clone()
            .run(state.process.clone(), shutdown.clone());
        let keys = tokens.refresh_until(shutdown.clone());
        let edi = edi::background(state.clone(), shutdown.clone());
        let punchout = punchout::background(state, shutdown);
        tokio::join!(feed, keys, edi, punchout);
    }
}

/// Puts the layer together: its routes with all middleware, and what runs beside them. Nothing is listened on and
/// nothing is started.
pub fn build(config: Config, deps: Deps) -> Result<(Router, Background), BuildError> {
    service_runtime::metrics::install().map_err(BuildError::Metrics)?;
    let hop = Hop {
        from: LayerIdentity::ExperienceApis,
        to: LayerIdentity::ProcessApis,
    };
    let keys = ContextKeys::new(&config.context.process_key, None).map_err(BuildError::Context)?;
    let signer = ContextSigner::new(hop, keys, deps.clock.clone());
    let fetcher = match deps.jwks {
        Some(fetcher) => fetcher,
        None => http_fetcher()?,
    };
    let tokens = TokenVerifier::new(config.issuers.clone(), fetcher, deps.clock.clone())
        .map_err(BuildError::Issuers)?;
    let admission = Admission::new(
        tokens.clone(),
        &config.limits,
        config.requests.in_flight_per_credential,
    );
    let edi = edi::Channel::new(&config).map_err(BuildError::Partners)?;
    let client = punchout::client().map_err(|error| BuildError::Client(error.into()))?;
    let punchout = punchout::Channel::new(&config, client).map_err(BuildError::Partners)?;
    let state = AppState {
        edi: Arc::new(edi),
        punchout: Arc::new(punchout),
        clock: deps.clock,
        process: ProcessClient::new(config.process.clone(), signer),
        pages: Pages::default(),
        feed: Feed::new(FeedLimits {
            waiting: config.portal.max_waiting,
            streams: config.portal.max_streams,
            streams_per_account: config.portal.max_streams_per_account,
        }),
        config: Arc::new(config),
    };
    let feed = state.feed.clone();
    deps.readiness
        .register("feed", move || std::future::ready(feed.check()));
    deps.readiness.set_started();
    let router = router::router(&state, admission, deps.readiness).map_err(BuildError::Contract)?;
    Ok((router, Background { state, tokens }))
}

fn http_fetcher() -> Result<Arc<dyn JwksFetcher>, BuildError> {
    let client = backend_client(&BackendClientConfig::default())
        .map_err(|error| BuildError::Client(error.into()))?;
    Ok(Arc::new(HttpJwksFetcher::new(client)))
}
