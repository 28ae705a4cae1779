//! An ERP behind a fault script: each call meets the next fate of its operation.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use canonical_model::{
    ErpOrderNumber, OrderReference, ShipmentNumber, SiteId,
    account::{AccountQuery, Accounts},
    capabilities::{Capabilities, CreateClass},
    credit::{CreditFacts, CreditQuery},
    erp_order::{CreateErpOrder, ErpOrder, ErpOrderState, ErpOrders},
    fulfilment::{CreateWarehouseRelease, WarehouseRelease, WarehouseReleases},
    price::{PriceQuery, PriceSchedules},
    product::{ProductMatches, ProductPage, ProductQuery, ProductSearch},
    shipment::ShipmentNews,
    stock::{StockFacts, StockQuery},
};

use tokio::sync::Barrier;

use crate::clients::{Call, SystemApis, SystemError, fake::FakeSystem};

/// What a call meets.
#[derive(Debug, Clone)]
pub(super) enum Fate {
    /// It is done, and the answer is lost.
    LosesTheAnswer,
    /// It never arrives, and nobody can tell.
    LosesTheRequest,
    /// It certainly does nothing.
    Throttles,
    /// The backend refuses.
    Refuses,
    /// It is done, and never answered.
    Hangs,
    /// It is at the gate, and done once the gate is passed again.
    Waits(Arc<Barrier>),
}

/// The ERP.
pub(super) struct Erp {
    pub(super) inner: Arc<FakeSystem>,
    fates: Mutex<HashMap<&'static str, VecDeque<Fate>>>,
    /// The oldest figures taken, in seconds, of each question for stock and credit.
    pub(super) ages: Mutex<Vec<Option<u32>>>,
}

impl Erp {
    pub(super) fn new(inner: Arc<FakeSystem>, class: CreateClass) -> Self {
        inner.world().capabilities.create_class = class;
        Self {
            inner,
            fates: Mutex::default(),
            ages: Mutex::default(),
        }
    }

    /// The next calls of this operation meet these fates.
    pub(super) fn will(&self, operation: &'static str, fates: &[Fate]) {
        let mut all = self.fates.lock().unwrap();
        all.entry(operation)
            .or_default()
            .extend(fates.iter().cloned());
    }

    pub(super) fn orders(&self, state: ErpOrderState) -> Vec<ErpOrder> {
        self.inner
            .world()
            .orders
            .iter()
            .filter(|order| order.state == state)
            .cloned()
            .collect()
    }

    pub(super) fn calls(&self, operation: &str) -> usize {
        self.inner
            .world()
            .calls
            .iter()
            .filter(|call| **call == operation)
            .count()
    }

    async fn meet<T>(
        &self,
        operation: &'static str,
        call: impl Future<Output = Result<T, SystemError>> + Send,
    ) -> Result<T, SystemError> {
        let fate = {
            let mut fates = self.fates.lock().unwrap_or_else(PoisonError::into_inner);
            fates.get_mut(operation).and_then(VecDeque::pop_front)
        };
        match fate {
            None => call.await,
            Some(Fate::LosesTheAnswer) => {
                call.await?;
                Err(SystemError::OutcomeUnknown)
            }
            Some(Fate::LosesTheRequest) => Err(SystemError::OutcomeUnknown),
            Some(Fate::Throttles) => Err(SystemError::Throttled { retry_after: None }),
            Some(Fate::Refuses) => Err(SystemError::Rejected {
                detail: "The material is locked.".to_owned(),
            }),
            Some(Fate::Hangs) => {
                call.await?;
                std::future::pending().await
            }
            Some(Fate::Waits(gate)) => {
                gate.wait().await;
                gate.wait().await;
                call.await
            }
        }
    }

    async fn create(&self, call: &Call, order: &CreateErpOrder) -> Result<ErpOrder, SystemError> {
        let class = self.inner.world().capabilities.create_class;
        let there = self
            .inner
            .world()
            .orders
            .iter()
            .any(|known| known.reference == order.reference);
        if class == CreateClass::Unique && there {
            return Err(SystemError::Conflict { existing: None });
        }
        let created = self.inner.create_order(call, order).await?;
        if class == CreateClass::Staged {
            return Ok(created);
        }
        let mut world = self.inner.world();
        let order = world
            .orders
            .iter_mut()
            .find(|order| order.number == created.number)
            .unwrap();
        order.state = ErpOrderState::Open;
        Ok(order.clone())
    }
}

#[async_trait]
impl SystemApis for Erp {
    async fn capabilities(&self, call: &Call) -> Result<Capabilities, SystemError> {
        self.inner.capabilities(call).await
    }
    async fn accounts(&self, call: &Call, query: &AccountQuery) -> Result<Accounts, SystemError> {
        self.meet("accounts", self.inner.accounts(call, query))
            .await
    }
    async fn products_search(
        &self,
        call: &Call,
        search: &ProductSearch,
    ) -> Result<ProductPage, SystemError> {
        self.inner.products_search(call, search).await
    }
    async fn products_query(
        &self,
        call: &Call,
        query: &ProductQuery,
    ) -> Result<ProductMatches, SystemError> {
        self.inner.products_query(call, query).await
    }
    async fn prices(&self, call: &Call, query: &PriceQuery) -> Result<PriceSchedules, SystemError> {
        self.inner.prices(call, query).await
    }
    async fn stock(&self, call: &Call, query: &StockQuery) -> Result<StockFacts, SystemError> {
        self.ages.lock().unwrap().push(query.max_age_seconds);
        self.inner.stock(call, query).await
    }
    async fn credit(&self, call: &Call, query: &CreditQuery) -> Result<CreditFacts, SystemError> {
        self.ages.lock().unwrap().push(query.max_age_seconds);
        self.inner.credit(call, query).await
    }
    async fn create_order(
        &self,
        call: &Call,
        order: &CreateErpOrder,
    ) -> Result<ErpOrder, SystemError> {
        self.meet("create_order", self.create(call, order)).await
    }
    async fn orders_by_reference(
        &self,
        call: &Call,
        reference: &OrderReference,
        besides: Option<&ErpOrderNumber>,
    ) -> Result<ErpOrders, SystemError> {
        self.meet(
            "orders_by_reference",
            self.inner.orders_by_reference(call, reference, besides),
        )
        .await
    }
    async fn order(&self, call: &Call, number: &ErpOrderNumber) -> Result<ErpOrder, SystemError> {
        self.inner.order(call, number).await
    }
    async fn release_order(&self, call: &Call, number: &ErpOrderNumber) -> Result<(), SystemError> {
        self.meet("release_order", self.inner.release_order(call, number))
            .await
    }
    async fn cancel_order(
        &self,
        call: &Call,
        number: &ErpOrderNumber,
    ) -> Result<ErpOrder, SystemError> {
        self.meet("cancel_order", self.inner.cancel_order(call, number))
            .await
    }
    async fn create_release(
        &self,
        call: &Call,
        release: &CreateWarehouseRelease,
    ) -> Result<WarehouseRelease, SystemError> {
        self.meet("create_release", self.inner.create_release(call, release))
            .await
    }
    async fn releases(
        &self,
        call: &Call,
        release_reference: &str,
        site: &SiteId,
    ) -> Result<WarehouseReleases, SystemError> {
        self.inner.releases(call, release_reference, site).await
    }
    async fn shipment(
        &self,
        call: &Call,
        site: &SiteId,
        shipment: &ShipmentNumber,
    ) -> Result<ShipmentNews, SystemError> {
        self.inner.shipment(call, site, shipment).await
    }
    async fn systems(&self, call: &Call) -> Result<serde_json::Value, SystemError> {
        self.inner.systems(call).await
    }
    async fn hold_breaker(
        &self,
        call: &Call,
        system: &str,
        operation: &str,
        order: Option<&serde_json::Value>,
    ) -> Result<serde_json::Value, SystemError> {
        self.inner
            .hold_breaker(call, system, operation, order)
            .await
    }
}
