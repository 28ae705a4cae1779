//! The WMS: a clean REST service with its own words, for stock on shelves, requests to pick and shipments. It tells of
//! its shipments by signed webhooks.

mod control;
mod floor;
mod news;
mod records;
mod routes;
mod shelves;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use tokio_util::sync::{CancellationToken, DropGuard};

pub use self::floor::Quantities;
pub use self::news::{
    NewsFaults, NewsRecord, NewsState, NewsTarget, Release, SIGNATURE_HEADER, signature,
};
pub use self::records::{
    FloorStep, PickLine, PickRequest, PickStatus, ShipTo, Shipment, ShipmentLine, ShipmentStatus,
    WmsError, WmsStockChange,
};
use self::{news::NewsDesk, shelves::Shelves};
use crate::clock::Clock;
use crate::seed::Seed;

/// How this WMS behaves.
#[derive(Debug, Clone)]
pub(crate) struct WmsRules {
    pub(crate) unique_client_ref: bool,
    pub(crate) token: String,
    /// How often each request goes a step on by itself; None = never.
    pub(crate) floor: Option<Duration>,
}

/// A handle on the WMS: tests read and change its records through it.
#[derive(Debug, Clone)]
pub struct Wms {
    shelves: Arc<Mutex<Shelves>>,
    token: Arc<str>,
    desk: NewsDesk,
    /// Ends what runs beside the requests once the last handle is gone.
    _background: Arc<DropGuard>,
}

impl Wms {
    /// Starts its floor and its news, which run until the last handle is gone.
    pub(crate) fn new(seed: &Seed, rules: WmsRules, clock: Clock) -> Self {
        let stop = CancellationToken::new();
        let wms = Self::at_rest(seed, &rules, clock, stop.clone());
        tokio::spawn(wms.desk.clone().run(stop.clone()));
        if let Some(pace) = rules.floor {
            let (shelves, desk) = (Arc::downgrade(&wms.shelves), wms.desk.clone());
            tokio::spawn(async move {
                let mut ticks = tokio::time::interval(pace);
                ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
                while stop.run_until_cancelled(ticks.tick()).await.is_some() {
                    let Some(shelves) = shelves.upgrade() else {
                        return;
                    };
                    let mut shelves = shelves.lock().unwrap_or_else(PoisonError::into_inner);
                    for shipment in shelves.work_on() {
                        desk.tell(&shipment);
                    }
                }
            });
        }
        wms
    }

    fn at_rest(seed: &Seed, rules: &WmsRules, clock: Clock, stop: CancellationToken) -> Self {
        Self {
            desk: NewsDesk::new(clock.clone()),
            _background: Arc::new(stop.drop_guard()),
            shelves: Arc::new(Mutex::new(Shelves::new(
                seed,
                rules.unique_client_ref,
                clock,
            ))),
            token: rules.token.as_str().into(),
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

    /// Every shipment, in order of creation of its request.
    pub fn shipments(&self) -> Vec<Shipment> {
        self.shelves().shipments().cloned().collect()
    }

    /// Takes a step with a pick request: with all that is left to do, or with so much of each `lineRef`. Its shipment's
    /// news go out.
    pub fn work(
        &self,
        pick_request_id: &str,
        step: FloorStep,
        quantities: Option<&Quantities>,
    ) -> Result<Shipment, WmsError> {
        // Told under the lock: news leave in the order of their versions.
        let mut shelves = self.shelves();
        let shipment = shelves.work(pick_request_id, step, quantities)?;
        self.desk.tell(&shipment);
        Ok(shipment)
    }

    /// Tells of a shipment once more, as it is.
    pub fn send_again(&self, shipment_id: &str) -> Result<(), WmsError> {
        let shelves = self.shelves();
        self.desk.tell(shelves.shipment(shipment_id)?);
        Ok(())
    }

    /// Where news go from now on; None = nowhere, and they are lost.
    pub fn send_news_to(&self, target: Option<NewsTarget>) {
        self.desk.send_to(target);
    }

    /// Another address or secret of the same receiver.
    pub fn retarget_news(&self, url: Option<String>, secret: Option<String>) {
        self.desk.retarget(url, secret);
    }

    /// What goes wrong with news from now on.
    pub fn upset_news(&self, faults: NewsFaults) {
        self.desk.fail(faults);
    }

    /// What goes wrong with news now.
    pub fn news_faults(&self) -> NewsFaults {
        self.desk.faults()
    }

    /// Lets go what was held back, and holds back no more.
    pub fn release_news(&self, how: Release) {
        self.desk.release(how);
    }

    /// All news and what became of each, oldest first.
    pub fn news(&self) -> Vec<NewsRecord> {
        self.desk.records()
    }

    /// Calls per operation since the start, failed ones included.
    pub fn calls(&self) -> BTreeMap<&'static str, u64> {
        self.shelves().calls.clone()
    }

    fn shelves(&self) -> MutexGuard<'_, Shelves> {
        self.shelves.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
