//! What the worker says to `system-apis`, and what it makes of their answers: the class of an error decides.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use canonical_model::{
    CompanyId, ErpOrderNumber, OrderReference, Quantity, SiteId,
    capabilities::{Capabilities, ReleaseClass},
    erp_order::{CreateErpOrder, ErpOrder, ErpOrderLine, ErpOrderState, ErpOrders},
    fulfilment::{
        CreateWarehouseRelease, WarehouseRelease, WarehouseReleaseLine, WarehouseReleases,
    },
    promise::Cover,
};
use jiff::{SignedDuration, Timestamp};
use service_runtime::clock::Clock;

use super::{cancel_order, create_order, release_warehouse, sweep_order};
use crate::{
    clients::{Call, SystemApis, SystemError},
    orders::OrderState,
};

/// How long the abilities of an ERP are taken for known.
const FRESH: SignedDuration = SignedDuration::from_mins(1);
/// Companies remembered.
const MAX_COMPANIES: usize = 1_000;

type Known = HashMap<CompanyId, (Timestamp, Capabilities)>;

/// What the ERPs can do, asked once a minute; cheap to clone.
#[derive(Clone)]
pub struct CapabilityCache {
    system: Arc<dyn SystemApis>,
    clock: Clock,
    known: Arc<Mutex<Known>>,
}

impl CapabilityCache {
    /// Nothing is known yet.
    pub fn new(system: Arc<dyn SystemApis>, clock: Clock) -> Self {
        Self {
            system,
            clock,
            known: Arc::default(),
        }
    }

    /// What the ERP of the call's company can do. What was true a while ago is better than no answer: it changes with
    /// the configuration only.
    pub async fn of(&self, call: &Call) -> Result<Capabilities, SystemError> {
        let now = self.clock.now();
        let before = self
            .known
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&call.company)
            .cloned();
        if let Some((_, known)) = before
            .as_ref()
            .filter(|(asked, _)| now.duration_since(*asked) < FRESH)
        {
            return Ok(known.clone());
        }
        match (self.system.capabilities(call).await, before) {
            (Ok(capabilities), _) => {
                let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
                if known.len() >= MAX_COMPANIES {
                    known.clear();
                }
                known.insert(call.company.clone(), (now, capabilities.clone()));
                Ok(capabilities)
            }
            (Err(_), Some((_, known))) => Ok(known),
            (Err(error), None) => Err(error),
        }
    }
}

/// A duration that a backend states in milliseconds.
pub fn millis(millis: u64) -> SignedDuration {
    SignedDuration::from_millis(i64::try_from(millis).unwrap_or(i64::MAX))
}

/// The order's reference as the ERP's field holds it: the end of it, where references differ most.
fn fitted(reference: &OrderReference, max: u8) -> OrderReference {
    let text = reference.as_str();
    let surplus = text.len().saturating_sub(usize::from(max));
    let end = text
        .get(surplus..)
        .and_then(|end| OrderReference::new(end).ok());
    end.unwrap_or_else(|| reference.clone())
}

/// The order as the ERP is asked to create it.
pub fn create_request(state: &OrderState, capabilities: &Capabilities) -> CreateErpOrder {
    let order = &state.order;
    let parts = order
        .lines
        .iter()
        .filter(|line| line.problems.is_empty())
        .flat_map(|line| {
            let priced = line.item.as_ref().zip(line.price.as_ref());
            line.schedule
                .iter()
                .filter_map(move |part| priced.map(|(item, price)| (line, part, item, price)))
        });
    let lines = (1_u32..)
        .zip(parts)
        .map(|(number, (line, part, item, price))| ErpOrderLine {
            line: number,
            order_line: line.line,
            item: item.clone(),
            quantity: part.quantity,
            unit_price: price.unit_price.clone(),
            site: part.site.clone(),
            ship_date: part.ship_date,
        });
    CreateErpOrder {
        reference: fitted(&order.reference, capabilities.reference_max_length),
        purchase_order_number: order.purchase_order_number.clone(),
        account: order.account.clone(),
        ship_to: order.ship_to.ship_to.clone(),
        currency: order.currency,
        lines: lines.collect(),
    }
}

/// What the warehouse of a site does about a second release, and how long its search may miss one. Where nothing is
/// said of it, a person looks.
pub fn warehouse(capabilities: &Capabilities, site: &SiteId) -> (ReleaseClass, SignedDuration) {
    let warehouses = &capabilities.warehouses;
    warehouses
        .iter()
        .find(|warehouse| warehouse.site == *site)
        .map_or((ReleaseClass::Blind, SignedDuration::ZERO), |can| {
            (can.release_class, millis(can.quiet_period_ms))
        })
}

/// The key of what ships from a site.
pub fn release_reference(state: &OrderState, site: &SiteId) -> String {
    format!("{}-{site}", state.order.reference)
}

/// What ships from a site, as its warehouse is told; None while the ERP's number is not known.
pub fn release_request(state: &OrderState, site: &SiteId) -> Option<CreateWarehouseRelease> {
    let order = &state.order;
    let lines = order
        .lines
        .iter()
        .filter(|line| line.problems.is_empty())
        .flat_map(|line| {
            let base = line.schedule.iter().zip(&line.base_quantities);
            let here = base.filter(|(part, _)| part.site == *site && part.cover != Cover::LeadTime);
            let named = line.item.as_ref().zip(line.base_unit);
            here.filter_map(move |(part, quantity)| {
                named.map(|(item, unit)| WarehouseReleaseLine {
                    order_line: line.line,
                    item: item.clone(),
                    quantity: Quantity::new(*quantity, unit),
                    ship_date: part.ship_date,
                })
            })
        });
    Some(CreateWarehouseRelease {
        release_reference: release_reference(state, site),
        order_reference: order.reference.clone(),
        sales_order_number: state.sales_order_number.clone()?,
        purchase_order_number: order.purchase_order_number.clone(),
        site: site.clone(),
        ship_to_name: order.ship_to.name.clone(),
        ship_to_id: order.ship_to.ship_to.clone(),
        ship_to: order.ship_to.address.clone(),
        lines: lines.collect(),
    })
}

/// What became of a call that changes something.
enum Came<T> {
    Done(T),
    Refused(String),
    Conflict,
    NotDone(Option<SignedDuration>),
    Unknown,
}

/// An answer that cannot be used says nothing of what was done: unknown, never "failed".
fn came<T>(answer: Result<T, SystemError>) -> Came<T> {
    match answer {
        Ok(done) => Came::Done(done),
        Err(SystemError::Rejected { detail }) => Came::Refused(detail),
        Err(SystemError::NotFound) => Came::Refused("There is no such order.".to_owned()),
        Err(SystemError::Conflict { .. }) => Came::Conflict,
        Err(SystemError::Throttled { retry_after } | SystemError::Unavailable { retry_after }) => {
            Came::NotDone(retry_after)
        }
        Err(SystemError::DeadlineExceeded) => Came::NotDone(None),
        Err(
            SystemError::OutcomeUnknown
            | SystemError::Parameter { .. }
            | SystemError::Protocol { .. },
        ) => Came::Unknown,
    }
}

const IN_ANOTHER_STATE: &str = "It is in a state that forbids this.";

/// What a create came to.
pub fn create_observed(answer: Result<ErpOrder, SystemError>) -> create_order::Observation {
    use create_order::Observation;
    match came(answer) {
        Came::Done(order) => Observation::Created(order),
        Came::Refused(detail) => Observation::Refused(detail),
        Came::Conflict => Observation::Conflict,
        Came::NotDone(retry_after) => Observation::NotDone { retry_after },
        Came::Unknown => Observation::Unknown,
    }
}

/// What a list came to.
pub fn list_observed(answer: Result<ErpOrders, SystemError>) -> create_order::Observation {
    use create_order::Observation;
    match came(answer) {
        Came::Done(found) => Observation::Listed(found.orders),
        Came::NotDone(retry_after) => Observation::Failed { retry_after },
        Came::Refused(_) | Came::Conflict | Came::Unknown => {
            Observation::Failed { retry_after: None }
        }
    }
}

/// What a release of a blocked order came to.
pub fn release_observed(answer: Result<(), SystemError>) -> create_order::Observation {
    use create_order::Observation;
    match came(answer) {
        Came::Done(()) => Observation::Released,
        Came::Refused(detail) => Observation::ReleaseRefused(detail),
        Came::Conflict => Observation::ReleaseRefused(IN_ANOTHER_STATE.to_owned()),
        Came::NotDone(retry_after) => Observation::Failed { retry_after },
        Came::Unknown => Observation::Failed { retry_after: None },
    }
}

/// What the cancellation of a surplus or unwanted order came to.
pub fn surplus_cancel_observed(
    number: ErpOrderNumber,
    answer: Result<ErpOrder, SystemError>,
) -> create_order::Observation {
    use create_order::Observation;
    match came(answer) {
        Came::Done(order) if order.state == ErpOrderState::Cancelled => {
            Observation::CancelDone(number)
        }
        Came::Refused(detail) => Observation::CancelRefused(number, detail),
        Came::Conflict => Observation::CancelRefused(number, IN_ANOTHER_STATE.to_owned()),
        Came::NotDone(retry_after) => Observation::Failed { retry_after },
        Came::Done(_) | Came::Unknown => Observation::Failed { retry_after: None },
    }
}

/// What a look for other orders came to.
pub fn ghosts_observed(answer: Result<ErpOrders, SystemError>) -> sweep_order::Observation {
    use sweep_order::Observation;
    match came(answer) {
        Came::Done(found) => Observation::Listed(found.orders),
        Came::NotDone(retry_after) => Observation::Failed { retry_after },
        Came::Refused(_) | Came::Conflict | Came::Unknown => {
            Observation::Failed { retry_after: None }
        }
    }
}

/// What the cancellation of another order came to.
pub fn ghost_cancel_observed(
    ghost: ErpOrder,
    answer: Result<ErpOrder, SystemError>,
) -> sweep_order::Observation {
    use sweep_order::Observation;
    match came(answer) {
        Came::Done(order) if order.state == ErpOrderState::Cancelled => {
            Observation::CancelDone(ghost.number)
        }
        Came::Refused(detail) => Observation::CancelRefused(ghost, detail),
        Came::Conflict => Observation::CancelRefused(ghost, IN_ANOTHER_STATE.to_owned()),
        Came::NotDone(retry_after) => Observation::Failed { retry_after },
        Came::Done(_) | Came::Unknown => Observation::Failed { retry_after: None },
    }
}

/// What a person finds an order by in the ERP.
pub fn about_order(state: &OrderState) -> String {
    let order = &state.order;
    format!(
        "reference {}, account {}, purchase order {}",
        order.reference, order.account, order.purchase_order_number
    )
}

/// What a person finds a release by in the warehouse.
pub fn about_release(state: &OrderState, site: &SiteId) -> String {
    let reference = release_reference(state, site);
    format!("release {reference} ({})", about_order(state))
}

/// What the cancellation of an accepted order came to.
pub fn cancel_observed(answer: Result<ErpOrder, SystemError>) -> cancel_order::Observation {
    use cancel_order::Observation;
    match came(answer) {
        Came::Done(order) if order.state == ErpOrderState::Cancelled => Observation::Seen(order),
        Came::Refused(detail) => Observation::Refused(detail),
        Came::Conflict => Observation::Refused(IN_ANOTHER_STATE.to_owned()),
        Came::NotDone(retry_after) => Observation::Failed { retry_after },
        Came::Done(_) | Came::Unknown => Observation::Failed { retry_after: None },
    }
}

/// What a look at an order came to.
pub fn read_observed(answer: Result<ErpOrder, SystemError>) -> cancel_order::Observation {
    use cancel_order::Observation;
    match answer {
        Err(SystemError::NotFound) => Observation::NotThere,
        answer => match came(answer) {
            Came::Done(order) => Observation::Seen(order),
            Came::NotDone(retry_after) => Observation::Failed { retry_after },
            Came::Refused(_) | Came::Conflict | Came::Unknown => {
                Observation::Failed { retry_after: None }
            }
        },
    }
}

/// What was asked for would have been found: what the warehouse has picks something else, or was cancelled there.
const ANOTHER_RELEASE: &str = "It has another release under this reference, or a cancelled one.";

/// What telling a warehouse came to.
pub fn warehouse_observed(
    answer: Result<WarehouseRelease, SystemError>,
) -> release_warehouse::Observation {
    use release_warehouse::Observation;
    match came(answer) {
        Came::Done(release) => Observation::Created(release),
        Came::Refused(detail) => Observation::Refused(detail),
        Came::Conflict => Observation::Refused(ANOTHER_RELEASE.to_owned()),
        Came::Unknown => Observation::Unknown,
        Came::NotDone(retry_after) => Observation::NotDone { retry_after },
    }
}

/// What a search in a warehouse came to.
pub fn search_observed(
    answer: Result<WarehouseReleases, SystemError>,
) -> release_warehouse::Observation {
    use release_warehouse::Observation;
    match came(answer) {
        Came::Done(found) => Observation::Found(found.releases),
        Came::NotDone(retry_after) => Observation::SearchFailed { retry_after },
        Came::Refused(_) | Came::Conflict | Came::Unknown => {
            Observation::SearchFailed { retry_after: None }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_of_something_else_is_not_taken_for_ours() {
        let conflict = SystemError::Conflict { existing: None };
        let observed = warehouse_observed(Err(conflict));
        assert!(
            matches!(&observed, release_warehouse::Observation::Refused(detail) if detail.contains("another release")),
            "{observed:?}"
        );
    }
}
