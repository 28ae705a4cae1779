//! `decide(state, command, facts) → events`: what happens to an order, or why not. All the rules, and no I/O. Taking one
//! is [`super::take`].

use canonical_model::{
    OrderId,
    order::{HoldKind, HoldReason, OrderHold},
};
use jiff::Timestamp;
use service_runtime::problem::FieldError;
use uuid::Uuid;

use super::{
    command::Command,
    event::{
        Accepted, CancelRefused, CancelRequested, Cancelled, ErpOrderChosen, ErpOutcomeUnknown,
        Held, HoldReleased, OrderEvent, Rejected, ReleaseBegun, Released, Replaced, Replacement,
        ReplacementDropped, ReplacementRefused, Retried, Revalidated,
    },
    provisional::Bound,
    state::{CreateStage, OrderState, ReleaseStage},
};

/// The scope that releases what stopped in a backend.
const RELEASES_STOPPED: &str = "holds:release";

/// Why a command comes to nothing.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// The order has faults; each names its field.
    #[error("the order has faults")]
    Faults(Vec<FieldError>),
    /// The order's history holds what a later release wrote.
    #[error("the order's history holds {0}, which this release does not know")]
    NotUnderstood(String),
    /// There is no such hold.
    #[error("the order has no such hold")]
    NoSuchHold,
    /// The hold is about something that stopped.
    #[error("the hold is about something that stopped: retry the order, or cancel it")]
    HoldNeedsRetry,
    /// Nothing has stopped.
    #[error("nothing has stopped on this order")]
    NothingToRetry,
    /// It cannot be cancelled.
    #[error("{0}")]
    NotCancellable(&'static str),
    /// The ERP does not answer, and the order lies beyond what is taken then.
    #[error("{0}")]
    BeyondOutagePolicy(Bound),
}

/// What a command does to an order. Nothing where it is done already, or where the order has moved on meanwhile.
pub fn decide(
    state: &OrderState,
    command: &Command,
    now: Timestamp,
) -> Result<Vec<OrderEvent>, Refusal> {
    if let Some(unknown) = state.unknown_events.first() {
        return Err(Refusal::NotUnderstood(unknown.clone()));
    }
    match command {
        Command::ReleaseHold {
            hold,
            principal,
            note,
        } => release_hold(state, *hold, principal, note),
        Command::Retry { principal, note } => retry(state, principal, note),
        Command::Cancel {
            principal,
            note,
            by_seller,
        } => cancel_alone(state, principal, note, *by_seller),
        Command::Replace {
            replacement,
            by_seller,
        } => replace(state, replacement, *by_seller),
        Command::Replaced { order_id } => Ok(settled(state, *order_id, || {
            OrderEvent::Replaced(Replaced {
                order_id: *order_id,
            })
        })),
        Command::ReplacementRefused {
            order_id,
            detail,
            reasons,
        } => Ok(settled(state, *order_id, || {
            OrderEvent::ReplacementRefused(ReplacementRefused {
                order_id: *order_id,
                detail: detail.clone(),
                reasons: reasons.clone(),
            })
        })),
        Command::ReplacementUnsettled {
            order_id,
            detail,
            retries,
        } => {
            let held = hold(state, HoldKind::ErpUnknown, detail, *retries, now);
            Ok(held.map_or_else(Vec::new, |held| settled(state, *order_id, || held)))
        }
        Command::Revalidate {
            decision_id,
            differences,
        } => Ok(revalidate(state, *decision_id, differences, now)),
        // Also of one that has ended: the ERP may go on with it.
        Command::ErpDuplicate {
            detail,
            erp_orders,
            retries,
        } => {
            let held = (*retries == state.retries).then(|| {
                let mut held = placed(state, HoldKind::ErpDuplicate, detail, now);
                for hold in &mut held.holds {
                    hold.erp_orders.clone_from(erp_orders);
                }
                OrderEvent::Held(held)
            });
            Ok(held.into_iter().collect())
        }
        _ if state.has_ended() => Ok(Vec::new()),
        other => Ok(news(state, other, now).into_iter().collect()),
    }
}

/// What has changed since it was taken becomes holds, and it is not on its way into the ERP any more: that was never
/// asked.
fn revalidate(
    state: &OrderState,
    decision_id: Uuid,
    differences: &[HoldReason],
    now: Timestamp,
) -> Vec<OrderEvent> {
    let waits = state.provisional.is_some() && state.create == CreateStage::Begun;
    if !waits || state.cancelling.is_some() || state.is_closed() {
        return Vec::new();
    }
    let credit_held = |difference: &HoldReason| difference.kind == HoldKind::Credit;
    let mut events = vec![OrderEvent::Revalidated(Revalidated {
        decision_id,
        held: !differences.is_empty(),
        credit_held: differences.iter().any(credit_held),
    })];
    if !differences.is_empty() {
        let holds = (state.holds_placed.saturating_add(1)..).zip(differences);
        let hold = |(hold, reason): (u32, &HoldReason)| OrderHold {
            hold,
            reason: reason.clone(),
            erp_orders: Vec::new(),
            placed_at: now,
        };
        events.push(OrderEvent::Held(Held {
            holds: holds.map(hold).collect(),
            not_released: None,
        }));
    }
    events
}

fn release_hold(
    state: &OrderState,
    number: u32,
    principal: &str,
    note: &str,
) -> Result<Vec<OrderEvent>, Refusal> {
    let hold = state
        .holds
        .iter()
        .find(|hold| hold.hold == number)
        .ok_or(Refusal::NoSuchHold)?;
    match hold.reason.kind {
        HoldKind::Credit
        | HoldKind::PriceMismatch
        | HoldKind::Review
        | HoldKind::Allocation
        | HoldKind::ErpDuplicate => Ok(vec![OrderEvent::HoldReleased(HoldReleased {
            hold: number,
            kind: hold.reason.kind,
            principal: principal.to_owned(),
            note: note.to_owned(),
        })]),
        HoldKind::ErpUnknown | HoldKind::ErpRejected | HoldKind::Warehouse => {
            Err(Refusal::HoldNeedsRetry)
        }
    }
}

fn retry(state: &OrderState, principal: &str, note: &str) -> Result<Vec<OrderEvent>, Refusal> {
    let stopped = |kind| {
        matches!(
            kind,
            HoldKind::ErpUnknown
                | HoldKind::ErpRejected
                | HoldKind::ErpDuplicate
                | HoldKind::Warehouse
        )
    };
    let holds: Vec<u32> = state
        .holds
        .iter()
        .filter(|hold| stopped(hold.reason.kind))
        .map(|hold| hold.hold)
        .collect();
    if holds.is_empty() {
        return Err(Refusal::NothingToRetry);
    }
    Ok(vec![OrderEvent::Retried(Retried {
        holds,
        principal: principal.to_owned(),
        note: note.to_owned(),
    })])
}

/// Nothing takes the place of an order that is only cancelled.
fn cancel_alone(
    state: &OrderState,
    principal: &str,
    note: &str,
    by_seller: bool,
) -> Result<Vec<OrderEvent>, Refusal> {
    let cancelled = cancel(state, principal, note, by_seller)?;
    let dropped = state.replacement.as_ref().map(|replacement| {
        OrderEvent::ReplacementDropped(ReplacementDropped {
            order_id: replacement.order_id,
            principal: principal.to_owned(),
        })
    });
    Ok(dropped.into_iter().chain(cancelled).collect())
}

/// What is to take its place is known before it ends.
fn replace(
    state: &OrderState,
    replacement: &Replacement,
    by_seller: bool,
) -> Result<Vec<OrderEvent>, Refusal> {
    let note = format!("Order {} takes its place.", replacement.order_id);
    let cancelled = cancel(state, &replacement.principal, &note, by_seller)?;
    let requested = OrderEvent::ReplacementRequested(Box::new(replacement.clone()));
    Ok([requested].into_iter().chain(cancelled).collect())
}

/// What becomes of the order that was to take the place of one that has ended.
fn settled(
    state: &OrderState,
    order_id: OrderId,
    event: impl FnOnce() -> OrderEvent,
) -> Vec<OrderEvent> {
    let awaited = state.awaited();
    let awaited = awaited.is_some_and(|replacement| replacement.order_id == order_id);
    awaited.then(event).into_iter().collect()
}

fn cancel(
    state: &OrderState,
    principal: &str,
    note: &str,
    by_seller: bool,
) -> Result<Vec<OrderEvent>, Refusal> {
    // All that is left of it is what is to take its place.
    if state.awaited().is_some() {
        return Ok(Vec::new());
    }
    if state.is_closed() {
        return Err(Refusal::NotCancellable("The order has ended already."));
    }
    if state
        .releases
        .iter()
        .any(|release| release.stage != ReleaseStage::Waiting)
    {
        let detail = "The warehouse has the order, or is being told of it; ask for a return once it has arrived.";
        return Err(Refusal::NotCancellable(detail));
    }
    if state.cancelling.is_some() && !state.is_held_for(HoldKind::ErpUnknown) {
        return Ok(Vec::new());
    }
    if state.is_held_for(HoldKind::ErpUnknown) && !by_seller {
        let detail = "It is not known whether the ERP has the order; a person at the seller is looking at it.";
        return Err(Refusal::NotCancellable(detail));
    }
    let (principal, note) = (principal.to_owned(), note.to_owned());
    Ok(vec![match state.create {
        CreateStage::Waiting => OrderEvent::Cancelled(Cancelled { principal, note }),
        CreateStage::Begun => OrderEvent::CancelRequested(CancelRequested { principal, note }),
    }])
}

/// What an order that stands makes of news from a backend.
fn news(state: &OrderState, command: &Command, now: Timestamp) -> Option<OrderEvent> {
    let wanted = state.cancelling.is_none();
    let accepted = state.accepted_at.is_some();
    match command {
        // Answered by `decide` itself.
        Command::ReleaseHold { .. }
        | Command::Revalidate { .. }
        | Command::Retry { .. }
        | Command::Cancel { .. }
        | Command::Replace { .. }
        | Command::Replaced { .. }
        | Command::ErpDuplicate { .. }
        | Command::ReplacementRefused { .. }
        | Command::ReplacementUnsettled { .. } => None,
        Command::ErpOutcomeUnknown { since } => (!accepted && state.erp_unknown_since.is_none())
            .then_some(OrderEvent::ErpOutcomeUnknown(ErpOutcomeUnknown {
                since: *since,
            })),
        Command::ErpOrderChosen { number } => {
            (wanted && state.sales_order_number.is_none()).then(|| {
                OrderEvent::ErpOrderChosen(ErpOrderChosen {
                    sales_order_number: number.clone(),
                })
            })
        }
        Command::ErpAccepted { number, at, totals } => (!accepted).then(|| {
            OrderEvent::Accepted(Accepted {
                sales_order_number: number.clone(),
                accepted_at: *at,
                erp_totals: totals.clone(),
            })
        }),
        Command::ErpRejected { detail, retries } => {
            hold(state, HoldKind::ErpRejected, detail, *retries, now)
        }
        Command::ErpUnknown { detail, retries } => {
            hold(state, HoldKind::ErpUnknown, detail, *retries, now)
        }
        Command::ErpHasNone => ended(state),
        Command::ErpCancelRefused { detail } => (!wanted && accepted).then(|| {
            OrderEvent::CancelRefused(CancelRefused {
                detail: detail.clone(),
            })
        }),
        Command::BeginRelease { site } => (wanted
            && state.release_stage(site) == Some(ReleaseStage::Waiting))
        .then(|| OrderEvent::ReleaseBegun(ReleaseBegun { site: site.clone() })),
        Command::WarehouseReleased {
            site,
            release_number,
        } => {
            let waits = state
                .release_stage(site)
                .is_some_and(|stage| stage != ReleaseStage::Released);
            let released = || Released {
                site: site.clone(),
                release_number: release_number.clone(),
            };
            waits.then(|| OrderEvent::Released(released()))
        }
        Command::WarehouseFailed {
            site,
            detail,
            certain,
            retries,
        } => (*retries == state.retries
            && state.release_stage(site) != Some(ReleaseStage::Released))
        .then(|| {
            let held = placed(state, HoldKind::Warehouse, detail, now);
            OrderEvent::Held(Held {
                not_released: certain.then(|| site.clone()),
                ..held
            })
        }),
    }
}

fn ended(state: &OrderState) -> Option<OrderEvent> {
    let requested = state.cancelling.as_ref()?;
    let CancelRequested { principal, note } = requested.clone();
    let refused = state
        .holds
        .iter()
        .find(|hold| hold.reason.kind == HoldKind::ErpRejected);
    Some(match refused {
        Some(hold) => OrderEvent::Rejected(Rejected {
            detail: hold.reason.detail.clone(),
            principal,
        }),
        None => OrderEvent::Cancelled(Cancelled { principal, note }),
    })
}

/// Where a person retried or cancelled it meanwhile, it is looked at anew instead.
fn hold(
    state: &OrderState,
    kind: HoldKind,
    detail: &str,
    retries: u32,
    now: Timestamp,
) -> Option<OrderEvent> {
    (retries == state.retries).then(|| OrderEvent::Held(placed(state, kind, detail, now)))
}

fn placed(state: &OrderState, kind: HoldKind, detail: &str, now: Timestamp) -> Held {
    let reason = HoldReason {
        kind,
        detail: detail.to_owned(),
        released_by: RELEASES_STOPPED.to_owned(),
        line: None,
    };
    let hold = OrderHold {
        hold: state.holds_placed.saturating_add(1),
        reason,
        erp_orders: Vec::new(),
        placed_at: now,
    };
    Held {
        holds: vec![hold],
        not_released: None,
    }
}

#[cfg(test)]
#[path = "decide_tests.rs"]
mod tests;
