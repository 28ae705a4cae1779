//! The WMS: a clean REST service with its own words, for stock on shelves and
//! requests to pick. Picking, packing and shipping news come with their own issue.

mod records;
mod routes;
mod shelves;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;

pub use self::records::{PickLine, PickRequest, PickStatus, ShipTo, WmsError, WmsStockChange};
use self::shelves::Shelves;
use crate::clock::Clock;
use crate::seed::Seed;

/// How this WMS behaves.
#[derive(Debug, Clone)]
pub(crate) struct WmsRules {
    pub(crate) unique_client_ref: bool,
    pub(crate) token: String,
}

/// A handle on the WMS: tests read and change its records through it.
#[derive(Debug, Clone)]
pub struct Wms {
    shelves: Arc<Mutex<Shelves>>,
    token: Arc<str>,
}

impl Wms {
    pub(crate) fn new(seed: &Seed, rules: WmsRules, clock: Clock) -> Self {
        Self {
            shelves: Arc::new(Mutex::new(Shelves::new(
                seed,
                rules.unique_client_ref,
                clock,
            ))),
            token: rules.token.into(),
        }
    }

    pub(crate) fn router(&self) -> Router {
        routes::router(self.clone())
    }

    /// Every pick request, in order of creation.
    pub fn pick_requests(&self) -> Vec<PickRequest> {
        self.shelves().requests.values().cloned().collect()
    }

    /// The pick requests of one `clientRef`.
    pub fn pick_requests_by_client_ref(&self, client_ref: &str) -> Vec<PickRequest> {
        let mut requests = self.pick_requests();
        requests.retain(|request| request.client_ref == client_ref);
        requests
    }

    /// Sets stock figures of a SKU at a site.
    pub fn set_stock(&self, sku: &str, site: &str, change: WmsStockChange) -> Result<(), WmsError> {
        self.shelves().set_stock(sku, site, &change)
    }

    /// Calls per operation since the start, failed ones included.
    pub fn calls(&self) -> BTreeMap<&'static str, u64> {
        self.shelves().calls.clone()
    }

    fn shelves(&self) -> MutexGuard<'_, Shelves> {
        self.shelves.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
