//! What handlers are given: shared services, each reachable by `State<…>` on its own.

use std::sync::Arc;

use axum::extract::FromRef;
use service_runtime::clock::Clock;

use crate::{
    clients::process::ProcessClient, config::Config, edi, feed::Feed, portal::Pages, punchout,
};

/// The shared services; cheap to clone.
#[derive(Clone)]
pub struct AppState {
    /// The configuration.
    pub config: Arc<Config>,
    /// The time.
    pub clock: Clock,
    /// The layer below.
    pub process: ProcessClient,
    /// News of orders, for callers that wait.
    pub feed: Feed,
    /// Pages of the catalogue.
    pub pages: Pages,
    /// The EDI channel's partners and limits.
    pub edi: Arc<edi::Channel>,
    /// The punchout channel's partners and keys.
    pub punchout: Arc<punchout::Channel>,
}

impl FromRef<AppState> for Arc<Config> {
    fn from_ref(state: &AppState) -> Self {
        Arc::clone(&state.config)
    }
}

impl FromRef<AppState> for Clock {
    fn from_ref(state: &AppState) -> Self {
        state.clock.clone()
    }
}

impl FromRef<AppState> for ProcessClient {
    fn from_ref(state: &AppState) -> Self {
        state.process.clone()
    }
}

impl FromRef<AppState> for Pages {
    fn from_ref(state: &AppState) -> Self {
        state.pages.clone()
    }
}

impl FromRef<AppState> for Feed {
    fn from_ref(state: &AppState) -> Self {
        state.feed.clone()
    }
}
