//! `process-apis`: prices, promises, credit, orders and what follows from them. It owns the coordination state and
//! nothing else; facts come from `system-apis` below, requests from `experience-apis` above.

pub mod approval;
pub mod baskets;
pub mod catalog;
pub mod clients;
pub mod config;
pub mod crash_points;
pub mod credit;
pub mod decisions;
pub mod documents;
pub mod effects;
pub mod error;
pub mod events;
pub mod exceptions;
mod faults;
pub mod idempotency;
pub mod intake;
pub mod maintenance;
pub mod operator;
pub mod orders;
pub mod outage;
pub mod policy;
pub mod pricing;
pub mod promise;
pub mod quotes;
pub mod router;
pub mod services;
pub mod sessions;
pub mod state;
pub mod store;

#[cfg(test)]
mod tests;

use std::{future::Future, sync::Arc, time::Duration};

use axum::Router;
use service_runtime::{
    clock::Clock,
    context::{ContextError, ContextKeys, ContextSigner, ContextVerifier, Hop, LayerIdentity},
    health::{CheckResult, Readiness},
    http_client::HopClient,
    server::ServerOptions,
};
use tokio_util::sync::CancellationToken;

use crate::{
    clients::hop::SystemClient,
    config::Config,
    effects::{housekeeping, worker::Worker},
    events::{bus::Publisher, webhooks::WebhookWorker},
    intake::pull::Puller,
    policy::Policies,
    state::AppState,
    store::{Engine, Store},
};

/// The layer's name in logs, metrics and files.
pub const LAYER: &str = "process-apis";

/// The exit code of a process whose store has failed for good: its supervisor starts it again, and that recovers.
pub const STORE_FAILED: u8 = 70;

/// From when the instance stops taking requests, all that is at work has so long: the requests, the effects and what else
/// runs beside them, together. With the pause before it and the store's end it stays under the 30 s after which
/// supervisors kill.
const WIND_DOWN: Duration = Duration::from_secs(22);
/// And the store so long for its end.
const CLOSE: Duration = Duration::from_secs(2);

/// What the surroundings give: a binary takes the defaults, a test its own.
#[derive(Clone, Default)]
pub struct Deps {
    /// The time.
    pub clock: Clock,
    /// The probes.
    pub readiness: Readiness,
    /// The rules that are data.
    pub policies: Policies,
}

/// Why the layer cannot be put together.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A key of the call context cannot be used.
    #[error("a key of the call context cannot be used; see `context` in the configuration")]
    Context(#[source] ContextError),
    /// The store cannot be opened.
    #[error("the store cannot be opened; see `store` in the configuration")]
    Store(#[source] anyhow::Error),
    /// The metrics cannot be installed.
    #[error("the metrics cannot be installed")]
    Metrics(#[source] service_runtime::metrics::MetricsError),
    /// Webhooks cannot be sent.
    #[error("webhooks cannot be sent; see `webhooks` in the configuration")]
    Webhooks(#[source] events::webhooks::send::SenderError),
    /// The contract cannot be written.
    #[error("the OpenAPI document cannot be written")]
    Contract(#[source] serde_json::Error),
}

/// What runs beside the requests: effects, what is told outside, and what is tidied up.
pub struct Background {
    state: AppState,
    bus: Option<Publisher>,
    wind_down: CancellationToken,
    store: Option<Engine>,
}

impl Background {
    /// Completes when the store has failed for good: nothing is taken any more, and only a restart recovers. The
    /// process is then to end, with [`STORE_FAILED`].
    pub fn store_failed(&self) -> impl Future<Output = ()> + Send + 'static {
        let failed = self.store.as_ref().map(Engine::failed);
        async move {
            match failed {
                Some(failed) => failed.await,
                None => std::future::pending().await,
            }
        }
    }

    /// Once cancelled, nothing more is begun beside the requests; those may still use the store.
    pub fn wind_down(&self) -> CancellationToken {
        self.wind_down.clone()
    }

    /// Runs until told to stop, then until what was begun has come to its end, or the time for that is over; then it closes
    /// the store, whatever came of the rest: the feed is another instance's at once, not when a lease has ended.
    pub async fn run(self, shutdown: CancellationToken) {
        let (state, wind_down) = (self.state, self.wind_down);
        let work = async {
            tokio::join!(
                Worker::new(&state).run(wind_down.clone()),
                WebhookWorker::new(&state).run(wind_down.clone()),
                async {
                    if let Some(bus) = self.bus {
                        bus.run(wind_down.clone()).await;
                    }
                },
                housekeeping::run(state.clone(), wind_down.clone()),
                outage::watch(state.clone(), wind_down.clone()),
                Puller::new(&state).run(wind_down.clone()),
                async {
                    shutdown.cancelled().await;
                    wind_down.cancel();
                    // Orders that are being taken: requests only await them.
                    state.once.drain().await;
                }
            );
        };
        let over = async {
            wind_down.cancelled().await;
            tokio::time::sleep(WIND_DOWN).await;
        };
        tokio::select! {
            () = work => {}
            () = over => tracing::warn!("some calls outward had no answer yet: they are cut, and made again"),
        }
        if let Some(store) = self.store
            && tokio::time::timeout(CLOSE, store.close()).await.is_err()
        {
            tracing::warn!("the store could not be closed in time; its leases end by themselves");
        }
    }
}

/// Puts the layer together over the store that its configuration names: its routes with all middleware, and what runs
/// beside them. Nothing is listened on, and no effect is begun.
pub async fn build(config: Config, deps: Deps) -> Result<(Router, Background), BuildError> {
    let store = open_store(&config).await?;
    let (router, background) = build_on(store.store(), config, deps)?;
    let store = Some(store);
    Ok((
        router,
        Background {
            store,
            ..background
        },
    ))
}

/// How this layer is served. Its commands run in tasks of their own; a lease of documents that nobody waits for any more
/// must end, or it would take a document for nobody.
pub fn server_options() -> ServerOptions {
    ServerOptions {
        carry_out_changes: false,
        ..ServerOptions::default()
    }
}

/// Opens the store: makes the file, where it is one, and brings its schema up; refuses a `PostgreSQL` schema that is
/// older than this release.
pub async fn open_store(config: &Config) -> Result<Engine, BuildError> {
    Engine::open(&config.store).await.map_err(BuildError::Store)
}

/// The same over a store that is open already, and that its owner closes.
pub fn build_on(
    store: Arc<dyn Store>,
    config: Config,
    deps: Deps,
) -> Result<(Router, Background), BuildError> {
    service_runtime::metrics::install().map_err(BuildError::Metrics)?;
    let context = &config.context;
    let above = ContextKeys::new(
        &context.experience_key,
        context.experience_key_previous.as_ref(),
    );
    let verifier = ContextVerifier::new(
        LayerIdentity::ProcessApis,
        vec![(
            LayerIdentity::ExperienceApis,
            above.map_err(BuildError::Context)?,
        )],
        deps.clock.clone(),
    )
    .with_services(services::known(context).map_err(BuildError::Context)?);
    // What comes up from below comes by one door, and opens no other.
    let below = context.intake_key.as_ref().map(|key| {
        let keys = ContextKeys::new(key, context.intake_key_previous.as_ref());
        keys.map(|keys| (LayerIdentity::SystemApis, keys))
    });
    let below = below.transpose().map_err(BuildError::Context)?;
    let intake = ContextVerifier::new(
        LayerIdentity::ProcessApis,
        below.into_iter().collect(),
        deps.clock.clone(),
    );
    let hop = Hop {
        from: LayerIdentity::ProcessApis,
        to: LayerIdentity::SystemApis,
    };
    let below = ContextKeys::new(&context.system_key, None).map_err(BuildError::Context)?;
    let signer = ContextSigner::new(hop, below, deps.clock.clone());
    let system = SystemClient::new(HopClient::new(config.system.clone(), signer));
    let state = AppState::new(store, Arc::new(system), deps.clock, deps.policies, config)
        .map_err(BuildError::Webhooks)?;
    let bus = Publisher::new(
        Arc::clone(&state.store),
        state.teller.clone(),
        state.clock.clone(),
        &state.config.bus,
    );
    register_checks(&state, bus.as_ref(), &deps.readiness);
    deps.readiness.set_started();
    let router =
        router::router(&state, [verifier, intake], deps.readiness).map_err(BuildError::Contract)?;
    let background = Background {
        state,
        bus,
        wind_down: CancellationToken::new(),
        store: None,
    };
    Ok((router, background))
}

fn register_checks(state: &AppState, bus: Option<&Publisher>, readiness: &Readiness) {
    if let Some(bus) = bus {
        let check = bus.check();
        readiness.register("bus", move || std::future::ready(check()));
    }
    let store = Arc::clone(&state.store);
    readiness.register("store", move || {
        let store = Arc::clone(&store);
        async move {
            match store.check().await {
                Ok(()) => CheckResult::ok(),
                Err(error) => CheckResult::failing(error.to_string()),
            }
        }
    });
}
