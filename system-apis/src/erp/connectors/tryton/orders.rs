//! Orders: a draft is created, and nothing happens until it is released, which quotes and confirms it.

use std::collections::{BTreeSet, HashMap, HashSet};

use canonical_model::{
    CompanyId, ErpOrderNumber, OrderReference,
    erp_order::{CreateErpOrder, ErpOrder},
};
use serde_json::json;

use super::{
    client::{TrytonErpConnector, only_asked},
    codes::whole,
    mapping, wire,
};
use crate::{
    connector::{Batch, ConnectorError},
    tryton::{CallError, Context, Search, values::Day},
};

/// Orders of one reference at most: more than a person would make by mistake.
const MOST_OF_A_REFERENCE: u32 = 500;
/// Warnings that are skipped at one press of a button: one for each line, of which there are 5,000 at most, comes at a time.
const MOST_WARNINGS: usize = 200;
/// Steps from draft to processing, and some for what others do meanwhile.
const MOST_STEPS: usize = 8;

/// Whether Orderway has decided already what a warning asks: it has promised the goods from its own ledger. Everything
/// else, above all a credit limit, is for people.
fn is_decided(warning: &str) -> bool {
    warning.starts_with("stock_quantity_warning_")
}

fn rejected(message: impl Into<String>) -> ConnectorError {
    ConnectorError::Rejected {
        message: message.into(),
    }
}

impl TrytonErpConnector {
    /// All that is looked up comes before the one call that creates, so that only this can be in doubt.
    pub(super) async fn create(
        &self,
        company: &CompanyId,
        order: &CreateErpOrder,
    ) -> Result<ErpOrderNumber, ConnectorError> {
        let mut sites: Vec<_> = order.lines.iter().map(|line| &line.site).collect();
        sites.sort_unstable();
        sites.dedup();
        let [site] = sites.as_slice() else {
            return Err(rejected(
                "The ERP ships an order from one warehouse; this one is to be shipped from several.",
            ));
        };
        let context = self.context(company).await?;
        let units = self.codes.units(&self.tryton, &context).await?;
        let places = self.codes.places(&self.tryton, &context).await?;
        let code = order.currency.code();
        let currency = self.codes.currency(&self.tryton, &context, code).await?;
        let account = order.account.as_str();
        let parties: Vec<wire::Party> = self.parties(&[account], wire::PARTY, &context).await?;
        only_asked(
            parties.iter().map(|party| party.code.as_str()),
            &HashSet::from([account]),
        )?;
        let party = parties.first().filter(|party| party.active);
        let party =
            party.ok_or_else(|| rejected(format!("The ERP has no open account {account}.")))?;
        if party.customer_tax_rule.is_some() {
            // Its taxes would be another's, silently.
            return Err(rejected(format!(
                "Account {account} has a tax rule in the ERP, which Orderway does not follow yet."
            )));
        }
        let ship_to = &order.ship_to;
        let address = mapping::ship_to_address(party, ship_to, &self.settings.ship_to_prefix);
        let items: BTreeSet<&str> = order.lines.iter().map(|line| line.item.as_str()).collect();
        let products = self
            .products_by_code(&items, wire::PRODUCT, &context)
            .await?;
        let named = mapping::Named {
            company: context.company(),
            party,
            address: address
                .ok_or_else(|| rejected(format!("The ERP has no delivery address {ship_to}.")))?,
            currency: currency
                .ok_or_else(|| rejected(format!("The ERP has no currency {code}.")))?,
            warehouse: places
                .warehouse(site.as_str())
                .ok_or_else(|| rejected(format!("The ERP has no warehouse {site}.")))?,
            products: &products,
            units: &units,
        };
        let sale = mapping::new_sale(order, &named)?;
        let created = self.tryton.create("sale.sale", &[sale], &context).await?;
        let [id] = created.as_slice() else {
            return Err(ConnectorError::OutcomeUnknown(
                "Tryton created another number of orders than one".into(),
            ));
        };
        // It is created, so nobody may conclude that it is not.
        mapping::order_number(*id).map_err(|error| ConnectorError::OutcomeUnknown(error.into()))
    }

    pub(super) async fn find(
        &self,
        company: &CompanyId,
        reference: &OrderReference,
    ) -> Result<Vec<ErpOrderNumber>, ConnectorError> {
        let context = self.context(company).await?;
        let domain = json!([
            ["reference", "=", reference],
            ["company", "=", context.company()]
        ]);
        let search = Search::of(domain, MOST_OF_A_REFERENCE, wire::STANDING);
        let found: Result<Vec<wire::Standing>, CallError> = self
            .tryton
            .search_read("sale.sale", &search, &context)
            .await;
        let found = found?;
        if u32::try_from(found.len()).is_ok_and(|count| count >= MOST_OF_A_REFERENCE) {
            return Err(ConnectorError::protocol(
                "more orders carry this reference than a person would make by mistake",
            ));
        }
        let references = found
            .iter()
            .map(|row| row.reference.as_deref().unwrap_or_default());
        only_asked(references, &HashSet::from([reference.as_str()]))?;
        found
            .iter()
            .map(|row| mapping::order_number(row.id))
            .collect()
    }

    pub(super) async fn read_orders(
        &self,
        company: &CompanyId,
        numbers: &[ErpOrderNumber],
    ) -> Result<Batch<ErpOrderNumber, ErpOrder>, ConnectorError> {
        let context = self.context(company).await?;
        let ids: HashMap<i64, &ErpOrderNumber> = numbers
            .iter()
            .filter_map(|number| Some((mapping::order_id(number)?, number)))
            .collect();
        let mut batch = Batch::default();
        if ids.is_empty() {
            return Ok(batch);
        }
        let asked: BTreeSet<i64> = ids.keys().copied().collect();
        let domain = json!([["id", "in", asked], ["company", "=", context.company()]]);
        let search = Search::of(domain, super::codes::MOST_ROWS, wire::SALE);
        let rows: Vec<wire::Sale> = whole(
            self.tryton
                .search_read("sale.sale", &search, &context)
                .await?,
        )?;
        for row in &rows {
            let Some(number) = ids.get(&row.id) else {
                return Err(ConnectorError::protocol(
                    "Tryton answered for another order than it was asked for",
                ));
            };
            batch.take(mapping::order(row).map(|(_, order)| ((*number).clone(), order)));
        }
        Ok(batch)
    }

    /// The record of an order that is there.
    pub(super) fn order_id(number: &ErpOrderNumber) -> Result<i64, ConnectorError> {
        mapping::order_id(number).ok_or(ConnectorError::NotFound)
    }

    /// Where an order stands now.
    pub(super) async fn standing(
        &self,
        id: i64,
        context: &Context,
    ) -> Result<wire::Standing, ConnectorError> {
        let domain = json!([["id", "=", id], ["company", "=", context.company()]]);
        let search = Search::of(domain, 2, wire::STANDING);
        let found: Result<Vec<wire::Standing>, CallError> =
            self.tryton.search_read("sale.sale", &search, context).await;
        let found = found?.into_iter().next().ok_or(ConnectorError::NotFound)?;
        if found.id != id {
            return Err(ConnectorError::protocol(
                "Tryton answered for another order than it was asked for",
            ));
        }
        Ok(found)
    }

    /// Goes on from wherever the order stands, and looks again after each step: the same release can have been cut off
    /// anywhere.
    pub(super) async fn release(
        &self,
        company: &CompanyId,
        number: &ErpOrderNumber,
    ) -> Result<(), ConnectorError> {
        let id = Self::order_id(number)?;
        let context = self.context(company).await?;
        let mut standing = self.standing(id, &context).await?;
        let mut put_aside = None;
        for _step in 0..MOST_STEPS {
            let button = match standing.state.as_str() {
                "draft" => "quote",
                "quotation" => "confirm",
                // A crash came between the two halves of `confirm`.
                "confirmed" => "process",
                "cancelled" => return Err(rejected("The order is cancelled.")),
                _processing => {
                    return if is_cancelled(&standing) {
                        Err(rejected("The order is cancelled."))
                    } else {
                        Ok(())
                    };
                }
            };
            let pressed = self
                .tryton
                .press(
                    "sale.sale",
                    button,
                    id,
                    &context,
                    (MOST_WARNINGS, is_decided),
                )
                .await;
            let before = std::mem::replace(&mut standing, self.seen(id, &context, &pressed).await?);
            if standing.state == before.state
                && let Err(error) = pressed
            {
                let (day, was) = (standing.shipping_date, put_aside.take());
                let put = |day: Option<Day>| json!({"shipping_date": day});
                if let (CallError::Refused { .. }, Some(day), None) = (&error, day, was) {
                    // A day that has passed is refused. The promised one stands in the lines' notes.
                    self.tryton
                        .write("sale.sale", &[id], &put(None), &context)
                        .await?;
                    put_aside = Some(day);
                    continue;
                }
                // It was not the day: it is put back.
                if was.is_some() {
                    self.tryton
                        .write("sale.sale", &[id], &put(was), &context)
                        .await?;
                }
                return Err(not_done(error));
            }
            put_aside = None;
        }
        Err(ConnectorError::OutcomeUnknown(
            "the order did not come to rest: look at it in Tryton".into(),
        ))
    }

    /// Looks what became of an order after a button. If that fails, and the button may have done something, nobody knows.
    pub(super) async fn seen<T>(
        &self,
        id: i64,
        context: &Context,
        pressed: &Result<T, CallError>,
    ) -> Result<wire::Standing, ConnectorError> {
        self.standing(id, context).await.map_err(|error| match pressed {
            Ok(_) | Err(CallError::Busy | CallError::Connector(ConnectorError::OutcomeUnknown(_))) => {
                ConnectorError::OutcomeUnknown(error.into())
            }
            Err(_nothing_done) => error,
        })
    }
}

/// What a failed step means once it has been seen that the order stands where it stood.
pub(super) fn not_done(error: CallError) -> ConnectorError {
    match error {
        // Tryton rolls back before it says so.
        CallError::Busy => ConnectorError::Unavailable(error.into()),
        error => error.into(),
    }
}

/// Whether it was cancelled when it was processed already.
pub(super) fn is_cancelled(standing: &wire::Standing) -> bool {
    use canonical_model::erp_order::ErpOrderState::Cancelled;
    let state = mapping::state(
        &standing.state,
        &standing.shipment_state,
        &standing.invoice_state,
    );
    state == Some(Cancelled)
}
