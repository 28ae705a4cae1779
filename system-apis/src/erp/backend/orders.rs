//! Sales orders in an ERP instance: created, found, amended, released and cancelled, never cached.

use std::{collections::HashMap, future::Future, sync::Arc};

use canonical_model::{
    CompanyId, ErpOrderNumber, Money, OrderReference,
    capabilities::CreateClass,
    erp_invoice::ErpInvoice,
    erp_order::{AmendErpOrder, CreateErpOrder, ErpOrder, ErpOrderState},
};
use tracing::warn;

use super::{ErpBackend, contradiction};
use crate::{
    connector::ConnectorError,
    crash_points::{ERP_CANCEL, ERP_CREATE, ERP_RELEASE},
    erp::connector::ErpConnector,
    guard::{GuardError, Operation, Terms},
};

impl ErpBackend {
    async fn call<T, F, Fut>(
        &self,
        operation: &Arc<Operation>,
        terms: Terms,
        call: F,
    ) -> Result<T, GuardError>
    where
        T: Send + 'static,
        F: Fn(Arc<dyn ErpConnector>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<T, ConnectorError>> + Send + 'static,
    {
        let connector = Arc::clone(&self.connector);
        let answer = operation
            .run(terms, move |_started| call(Arc::clone(&connector)))
            .await;
        answer.map(|(value, _started)| value)
    }

    /// Creates an order, and reads it back where the ERP lets us: its number is what counts.
    pub async fn create_order(
        &self,
        company: &CompanyId,
        order: CreateErpOrder,
        terms: Terms,
    ) -> Result<ErpOrder, GuardError> {
        let (order, of) = (Arc::new(order), company.clone());
        let wanted = Arc::clone(&order);
        let number = self
            .call(&self.create_order, terms, move |erp| {
                let (company, order) = (of.clone(), Arc::clone(&wanted));
                async move { ERP_CREATE.run(erp.create_order(&company, &order)).await }
            })
            .await?;
        match self.order(company, number.clone(), terms).await {
            Ok(Some(created)) => Ok(created),
            Ok(None) => {
                warn!(%number, "the ERP created an order that it cannot show yet");
                self.as_asked(number, &order)
            }
            Err(error) => {
                let cause: &(dyn std::error::Error + 'static) = &error;
                warn!(%number, error = cause, "a created order could not be read back");
                self.as_asked(number, &order)
            }
        }
    }

    /// The order as it was asked for, under the number the ERP gave.
    fn as_asked(
        &self,
        number: ErpOrderNumber,
        order: &CreateErpOrder,
    ) -> Result<ErpOrder, GuardError> {
        let mut total = Money::zero(order.currency);
        for line in &order.lines {
            total = line
                .unit_price
                .total(&line.quantity)
                .and_then(|amount| total.checked_add(amount))
                // It is created, so nobody may conclude that it is not.
                .map_err(|error| {
                    let unknown = ConnectorError::OutcomeUnknown(error.into());
                    GuardError::Connector(Arc::new(unknown))
                })?;
        }
        let staged = self.connector.capabilities().create_class == CreateClass::Staged;
        Ok(ErpOrder {
            number,
            reference: order.reference.clone(),
            purchase_order_number: order.purchase_order_number.clone(),
            account: order.account.clone(),
            state: if staged {
                ErpOrderState::Blocked
            } else {
                ErpOrderState::Open
            },
            lines: order.lines.clone(),
            total,
            added: Vec::new(),
            as_asked: true,
        })
    }

    /// The orders of a reference, lowest number first. Where there is none `besides` one that is known, none is read.
    pub async fn find_orders(
        &self,
        company: &CompanyId,
        reference: OrderReference,
        besides: Option<&ErpOrderNumber>,
        terms: Terms,
    ) -> Result<Vec<ErpOrder>, GuardError> {
        let of = company.clone();
        let numbers = self
            .call(&self.find_orders, terms, move |erp| {
                let (company, reference) = (of.clone(), reference.clone());
                async move { erp.find_orders(&company, &reference).await }
            })
            .await?;
        if numbers.iter().all(|number| Some(number) == besides) {
            return Ok(Vec::new());
        }
        let mut orders = self.orders(company, numbers.clone(), terms).await?;
        numbers
            .iter()
            .map(|number| {
                orders.remove(number).ok_or_else(|| {
                    contradiction(format!("the ERP lists order {number} but does not show it"))
                })
            })
            .collect()
    }

    async fn orders(
        &self,
        company: &CompanyId,
        numbers: Vec<ErpOrderNumber>,
        terms: Terms,
    ) -> Result<HashMap<ErpOrderNumber, ErpOrder>, GuardError> {
        let of = company.clone();
        let batch = self
            .call(&self.orders, terms, move |erp| {
                let (company, numbers) = (of.clone(), numbers.clone());
                async move { erp.orders(&company, &numbers).await }
            })
            .await?;
        match batch.implausible.into_iter().next() {
            Some(reason) => Err(contradiction(reason)),
            None => Ok(batch.found.into_iter().collect()),
        }
    }

    /// An order by the ERP's number.
    pub async fn order(
        &self,
        company: &CompanyId,
        number: ErpOrderNumber,
        terms: Terms,
    ) -> Result<Option<ErpOrder>, GuardError> {
        let mut orders = self.orders(company, vec![number.clone()], terms).await?;
        Ok(orders.remove(&number))
    }

    /// The posted invoices of an order.
    pub async fn invoices(
        &self,
        company: &CompanyId,
        number: ErpOrderNumber,
        terms: Terms,
    ) -> Result<Vec<ErpInvoice>, GuardError> {
        let of = company.clone();
        self.call(&self.invoices, terms, move |erp| {
            let (company, number) = (of.clone(), number.clone());
            async move { erp.invoices(&company, &number).await }
        })
        .await
    }

    /// Shows an order that was just changed. If that fails the change still happened, so nobody may conclude that
    /// nothing was done.
    async fn read_back(
        &self,
        company: &CompanyId,
        number: ErpOrderNumber,
        terms: Terms,
    ) -> Result<Option<ErpOrder>, GuardError> {
        self.order(company, number, terms).await.map_err(|error| {
            GuardError::Connector(Arc::new(ConnectorError::OutcomeUnknown(error.into())))
        })
    }

    /// Amends an order, and shows it.
    pub async fn amend_order(
        &self,
        company: &CompanyId,
        number: ErpOrderNumber,
        amendment: AmendErpOrder,
        terms: Terms,
    ) -> Result<Option<ErpOrder>, GuardError> {
        let (of, order, amendment) = (company.clone(), number.clone(), Arc::new(amendment));
        self.call(&self.amend_order, terms, move |erp| {
            let (company, number, amendment) = (of.clone(), order.clone(), Arc::clone(&amendment));
            async move { erp.amend_order(&company, &number, &amendment).await }
        })
        .await?;
        self.read_back(company, number, terms).await
    }

    /// Lets a blocked order go on. That the ERP says so is enough: it is not read back.
    pub async fn release_order(
        &self,
        company: &CompanyId,
        number: ErpOrderNumber,
        terms: Terms,
    ) -> Result<(), GuardError> {
        let of = company.clone();
        self.call(&self.release_order, terms, move |erp| {
            let (company, number) = (of.clone(), number.clone());
            async move { ERP_RELEASE.run(erp.release_order(&company, &number)).await }
        })
        .await
    }

    /// Cancels an order, and shows it.
    pub async fn cancel_order(
        &self,
        company: &CompanyId,
        number: ErpOrderNumber,
        terms: Terms,
    ) -> Result<Option<ErpOrder>, GuardError> {
        let (of, order) = (company.clone(), number.clone());
        self.call(&self.cancel_order, terms, move |erp| {
            let (company, number) = (of.clone(), order.clone());
            async move { ERP_CANCEL.run(erp.cancel_order(&company, &number)).await }
        })
        .await?;
        self.read_back(company, number, terms).await
    }
}
