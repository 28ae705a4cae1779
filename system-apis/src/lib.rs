//! `system-apis`: one guarded, canonical face for each backend. No business rule, no store, and no vendor's word
//! outward; only `process-apis` call here.

pub mod bus;
#[cfg(test)]
mod bus_tests;
pub mod call;
pub mod config;
pub mod connector;
pub mod crash_points;
pub mod crm;
pub mod erp;
pub mod error;
pub mod guard;
pub mod intake;
pub mod notices;
pub mod router;
pub mod state;
pub mod systems;
#[cfg(test)]
pub(crate) mod tamper;
pub mod transport;
pub mod tryton;
pub mod wms;

#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use axum::Router;
use service_runtime::{
    clock::Clock,
    context::{ContextError, ContextKeys, ContextSigner, ContextVerifier, Hop, LayerIdentity},
    health::Readiness,
    http_client::HopClient,
};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::{
    bus::{Apply, Bus},
    config::Config,
    guard::breaker::BreakerState,
    intake::deliver::Upward,
    notices::Notices,
    state::AppState,
};

/// The layer's name in logs, metrics and files.
pub const LAYER: &str = "system-apis";

/// How often the state of the guards is told to the metrics.
const REPORT_EVERY: Duration = Duration::from_secs(5);

/// What the surroundings give: a binary takes the defaults, a test its own.
#[derive(Clone, Default)]
pub struct Deps {
    /// The time.
    pub clock: Clock,
    /// The probes.
    pub readiness: Readiness,
}

/// Why the layer cannot be put together.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A key of the call context cannot be used.
    #[error("the key of the call context cannot be used; see `context` in the configuration")]
    Context(#[source] ContextError),
    /// A backend's HTTP client cannot be made.
    #[error(
        "the HTTP client of backend `{backend}` cannot be made; see its `http` in the configuration"
    )]
    Client {
        /// Its name.
        backend: String,
        /// What the client said.
        #[source]
        source: reqwest::Error,
    },
    /// A company names a backend that there is not; `check-config` finds this first.
    #[error("company `{company}` names the backend `{backend}`, which is not configured")]
    Backend {
        /// The company.
        company: String,
        /// The name without a backend.
        backend: String,
    },
    /// The metrics cannot be installed.
    #[error("the metrics cannot be installed")]
    Metrics(#[source] service_runtime::metrics::MetricsError),
    /// The contract cannot be written.
    #[error("the OpenAPI document cannot be written")]
    Contract(#[source] serde_json::Error),
}

/// What runs beside the requests: the bus, the reading of backends' changes, and the guards' state for metrics.
pub struct Background {
    state: AppState,
    bus: Option<Bus>,
}

impl Background {
    /// Runs until told to stop.
    pub async fn run(mut self, shutdown: CancellationToken) {
        let bus = self.bus.take();
        let bus = async {
            if let Some(bus) = bus {
                Box::pin(bus.run(shutdown.clone())).await;
            }
        };
        let readers = self.state.readers().into_iter();
        let readers = readers.map(|reader| reader.run(shutdown.clone()));
        let reading = futures_util::future::join_all(readers);
        let masters = self.state.master_readers().into_iter();
        let masters = masters.map(|reader| reader.run(shutdown.clone()));
        let masters = futures_util::future::join_all(masters);
        tokio::join!(bus, reading, masters, self.report_until(&shutdown));
    }

    async fn report_until(&self, shutdown: &CancellationToken) {
        let mut ticks = tokio::time::interval(REPORT_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while shutdown.run_until_cancelled(ticks.tick()).await.is_some() {
            self.report();
        }
    }

    fn report(&self) {
        for system in self.state.systems().systems {
            let label = system.system.clone();
            metrics::gauge!("orderway_backend_calls_waiting", "backend" => label.clone())
                .set(system.budget.waiting);
            metrics::gauge!("orderway_backend_share_calls", "backend" => label.clone())
                .set(system.budget.share);
            metrics::gauge!("orderway_backend_pace_percent", "backend" => label.clone())
                .set(system.budget.pace_percent);
            for lane in &system.budget.lanes {
                let oldest = Duration::from_millis(lane.oldest_ms).as_secs_f64();
                metrics::gauge!("orderway_backend_lane_waiting", "backend" => label.clone(), "lane" => lane.lane.as_str())
                    .set(lane.waiting);
                metrics::gauge!("orderway_backend_lane_oldest_seconds", "backend" => label.clone(), "lane" => lane.lane.as_str())
                    .set(oldest);
            }
            for operation in system.operations {
                let open = u8::from(operation.breaker.state != BreakerState::Closed);
                metrics::gauge!("orderway_backend_breaker_open", "backend" => label.clone(), "operation" => operation.operation)
                    .set(open);
            }
        }
    }
}

/// Puts the layer together: its routes with all middleware, and what runs beside them. Nothing is listened on,
/// nothing is started and no backend is called.
pub fn build(config: Config, deps: Deps) -> Result<(Router, Background), BuildError> {
    service_runtime::metrics::install().map_err(BuildError::Metrics)?;
    let context = &config.context;
    let keys = ContextKeys::new(&context.process_key, context.process_key_previous.as_ref())
        .map_err(BuildError::Context)?;
    let verifier = ContextVerifier::new(
        LayerIdentity::SystemApis,
        vec![(LayerIdentity::ProcessApis, keys)],
        deps.clock.clone(),
    );
    let upward = context.intake_key.as_ref().map(|key| {
        let hop = Hop {
            from: LayerIdentity::SystemApis,
            to: LayerIdentity::ProcessApis,
        };
        let keys = ContextKeys::new(key, None)?;
        let signer = ContextSigner::new(hop, keys, deps.clock.clone());
        let hop = HopClient::new(config.process.clone(), signer);
        Ok(Upward::new(hop, deps.clock.clone()))
    });
    let upward = upward.transpose().map_err(BuildError::Context)?;
    let (notices, inbox) = Notices::new();
    let with_bus = config.bus.url.is_some();
    let notices = if with_bus {
        notices
    } else {
        Notices::default()
    };
    let state = AppState::new(&config, &deps.clock, upward.as_ref(), notices)?;
    let bus = Bus::new(&config.bus, state.guards(), inbox, apply(&state));
    state.register_checks(&deps.readiness);
    if let Some(bus) = &bus {
        let check = bus.check();
        deps.readiness
            .register("bus", move || std::future::ready(check()));
    }
    deps.readiness.set_started();
    let router =
        router::router(&config, &state, verifier, deps.readiness).map_err(BuildError::Contract)?;
    Ok((router, Background { state, bus }))
}

/// Does here what another instance has told.
fn apply(state: &AppState) -> Apply {
    let state = state.clone();
    Arc::new(move |notice| {
        let state = state.clone();
        Box::pin(async move { state.apply(&notice).await })
    })
}
