//! What handlers are given: shared services, each reachable by `State<…>` on its own.

use std::sync::Arc;

use axum::extract::FromRef;
use service_runtime::clock::Clock;

use crate::{
    catalog::Shown,
    clients::SystemApis,
    config::Config,
    effects::backend::CapabilityCache,
    events::{
        published::Teller,
        webhooks::{Sender, send::SenderError},
    },
    idempotency::Once,
    policy::Policies,
    store::Store,
};

/// The shared services.
#[derive(Clone)]
pub struct AppState {
    /// The coordination state.
    pub store: Arc<dyn Store>,
    /// The layer below.
    pub system: Arc<dyn SystemApis>,
    /// The time.
    pub clock: Clock,
    /// The rules that are data.
    pub policies: Arc<Policies>,
    /// The configuration.
    pub config: Arc<Config>,
    /// Runs what carries an idempotency key, once.
    pub once: Once,
    /// What the ERPs can do.
    pub capabilities: CapabilityCache,
    /// Tells what happened outside.
    pub teller: Teller,
    /// What pages of the catalogue showed last.
    pub shown: Shown,
    /// Sends webhooks.
    pub webhooks: Sender,
}

impl AppState {
    /// The services over a store and the layer below.
    pub fn new(
        store: Arc<dyn Store>,
        system: Arc<dyn SystemApis>,
        clock: Clock,
        policies: Policies,
        config: Config,
    ) -> Result<Self, SenderError> {
        Ok(Self {
            webhooks: Sender::new(&config.webhooks, clock.clone())?,
            once: Once::new(Arc::clone(&store), clock.clone()),
            capabilities: CapabilityCache::new(Arc::clone(&system), clock.clone()),
            teller: Teller::new(Arc::clone(&store)),
            shown: Shown::default(),
            policies: Arc::new(policies),
            config: Arc::new(config),
            store,
            system,
            clock,
        })
    }
}

impl FromRef<AppState> for Arc<dyn Store> {
    fn from_ref(state: &AppState) -> Self {
        Arc::clone(&state.store)
    }
}

impl FromRef<AppState> for Arc<dyn SystemApis> {
    fn from_ref(state: &AppState) -> Self {
        Arc::clone(&state.system)
    }
}

impl FromRef<AppState> for Shown {
    fn from_ref(state: &AppState) -> Self {
        state.shown.clone()
    }
}

impl FromRef<AppState> for Teller {
    fn from_ref(state: &AppState) -> Self {
        state.teller.clone()
    }
}

impl FromRef<AppState> for Clock {
    fn from_ref(state: &AppState) -> Self {
        state.clock.clone()
    }
}

impl FromRef<AppState> for Arc<Policies> {
    fn from_ref(state: &AppState) -> Self {
        Arc::clone(&state.policies)
    }
}

impl FromRef<AppState> for Arc<Config> {
    fn from_ref(state: &AppState) -> Self {
        Arc::clone(&state.config)
    }
}

impl FromRef<AppState> for Once {
    fn from_ref(state: &AppState) -> Self {
        state.once.clone()
    }
}

impl FromRef<AppState> for CapabilityCache {
    fn from_ref(state: &AppState) -> Self {
        state.capabilities.clone()
    }
}
