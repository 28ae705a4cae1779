//! `evolve(state, event) → state`: what an order now is. No rule, no failure.

use canonical_model::{
    SiteId,
    order::{HoldKind, LineQuantities},
    promise::Cover,
};
use rust_decimal::Decimal;

use super::{
    acknowledgment::owed_id,
    event::{
        Accepted, Held, OrderEvent, ProvisionallyAccepted, Received, ReceivedLine, Recorded,
        Replacement, Revalidated,
    },
    shipment,
    state::{
        CreateStage, OrderState, ReleaseStage, SCHEMA_DOUBTED, SCHEMA_FIRST, SCHEMA_PROVISIONAL,
        SCHEMA_REPLACED, SCHEMA_TOLD, SiteRelease,
    },
};

/// The state after an event. Nothing comes before `order.received`: what would is passed over.
pub fn evolve(state: Option<OrderState>, event: &OrderEvent) -> Option<OrderState> {
    match (state, event) {
        (None, OrderEvent::Received(received)) => Some(begin(received)),
        (None, _) => None,
        (Some(mut state), event) => {
            state.version = state.version.saturating_add(1);
            if let Some(owed) = owed_id(&state, event, state.version) {
                state.acknowledged = Some(owed);
            }
            apply(&mut state, event);
            Some(state)
        }
    }
}

/// The state after all events; types that a later release wrote are kept by name.
pub fn fold<'a>(events: impl IntoIterator<Item = &'a Recorded>) -> Option<OrderState> {
    events
        .into_iter()
        .fold(None, |state, recorded| match recorded {
            Recorded::Known(event) => evolve(state, event),
            Recorded::Unknown { event_type, .. } => state.map(|mut state| {
                state.version = state.version.saturating_add(1);
                state.unknown_events.push(event_type.clone());
                state
            }),
        })
}

fn begin(received: &Received) -> OrderState {
    let quantities = received.lines.iter().map(|line| {
        let ordered = line.ordered.value;
        if line.problems.is_empty() {
            LineQuantities {
                open: ordered,
                ..LineQuantities::default()
            }
        } else {
            LineQuantities {
                rejected: ordered,
                ..LineQuantities::default()
            }
        }
    });
    OrderState {
        schema: SCHEMA_FIRST,
        version: 1,
        quantities: quantities.collect(),
        holds: Vec::new(),
        holds_placed: 0,
        create: if received.held {
            CreateStage::Waiting
        } else {
            CreateStage::Begun
        },
        sales_order_number: None,
        accepted_at: None,
        erp_totals: None,
        erp_unknown_since: None,
        erp_doubted: false,
        let_stand: Vec::new(),
        cancelling: None,
        retries: 0,
        releases: Vec::new(),
        shipments: Vec::new(),
        provisional: None,
        bounded: false,
        replacement: None,
        replaced_by: None,
        acknowledged: None,
        unknown_events: Vec::new(),
        order: Received {
            stock: Vec::new(),
            ..received.clone()
        },
    }
}

fn apply(state: &mut OrderState, event: &OrderEvent) {
    match event {
        // A second one would be another order's: the stream begins once.
        OrderEvent::Received(_) => {}
        OrderEvent::ProvisionallyAccepted(taken) => take_provisionally(state, taken),
        OrderEvent::Revalidated(revalidated) => revalidate(state, revalidated),
        OrderEvent::Held(held) => hold(state, held),
        OrderEvent::HoldReleased(released) => release_hold(state, released.hold),
        OrderEvent::Retried(retried) => {
            state
                .holds
                .retain(|hold| !retried.holds.contains(&hold.hold));
            state.retries = state.retries.saturating_add(1);
        }
        OrderEvent::ErpOrderChosen(chosen) => {
            state.sales_order_number = Some(chosen.sales_order_number.clone())
        }
        OrderEvent::ErpOutcomeUnknown(unknown) => {
            state.schema = state.schema.max(SCHEMA_DOUBTED);
            state.erp_unknown_since = Some(unknown.since);
            state.erp_doubted = true;
        }
        OrderEvent::Accepted(accepted) => accept(state, accepted),
        OrderEvent::ReleaseBegun(begun) => set_stage(state, &begun.site, ReleaseStage::Begun),
        OrderEvent::Released(released) => {
            set_stage(state, &released.site, ReleaseStage::Released);
            each_line(state, |line, quantities| {
                release_line(line, quantities, &released.site)
            });
        }
        OrderEvent::Picked(recorded)
        | OrderEvent::Packed(recorded)
        | OrderEvent::Shipped(recorded) => shipment::record(state, recorded),
        OrderEvent::Rejected(_) => {
            close(state);
            each_line(state, |_, quantities| {
                quantities.rejected = quantities
                    .rejected
                    .saturating_add(take_unshipped(quantities));
            });
        }
        OrderEvent::CancelRequested(requested) => {
            state.cancelling = Some(requested.clone());
            // Whoever asks for it while a person is needed is that person.
            state
                .holds
                .retain(|hold| hold.reason.kind != HoldKind::ErpUnknown);
            state.retries = state.retries.saturating_add(1);
        }
        OrderEvent::CancelRefused(_) => {
            state.cancelling = None;
            state.replacement = None;
            // The warehouses are told anew.
            state
                .holds
                .retain(|hold| hold.reason.kind != HoldKind::Warehouse);
        }
        OrderEvent::Cancelled(_) => {
            close(state);
            each_line(state, |_, quantities| {
                quantities.cancelled = quantities
                    .cancelled
                    .saturating_add(take_unshipped(quantities));
            });
        }
        OrderEvent::ReplacementRequested(replacement) => {
            state.schema = state.schema.max(SCHEMA_REPLACED);
            replace_soon(state, Some(replacement.clone()));
        }
        OrderEvent::ReplacementDropped(_) | OrderEvent::ReplacementRefused(_) => {
            replace_soon(state, None);
        }
        OrderEvent::Replaced(replaced) => {
            replace_soon(state, None);
            state.replaced_by = Some(replaced.order_id);
        }
    }
}

fn take_provisionally(state: &mut OrderState, taken: &ProvisionallyAccepted) {
    state.schema = state.schema.max(SCHEMA_PROVISIONAL);
    state.provisional = Some(taken.taken_on.clone());
    state.bounded = !taken.bounds.is_empty();
}

fn revalidate(state: &mut OrderState, revalidated: &Revalidated) {
    state.provisional = None;
    if revalidated.held {
        state.create = CreateStage::Waiting;
    }
    if revalidated.credit_held {
        state.order.credit.claimed = false;
    }
}

fn hold(state: &mut OrderState, held: &Held) {
    let last = held
        .holds
        .iter()
        .map(|hold| hold.hold)
        .max()
        .unwrap_or_default();
    state.holds_placed = state.holds_placed.max(last);
    state.holds.extend(held.holds.iter().cloned());
    if held.holds.iter().any(|hold| !hold.erp_orders.is_empty()) {
        state.schema = state.schema.max(SCHEMA_TOLD);
    }
    // It was refused, and the ERP has none.
    if state.is_held_for(HoldKind::ErpRejected) {
        state.erp_unknown_since = None;
    }
    if let Some(site) = &held.not_released {
        set_stage(state, site, ReleaseStage::Waiting);
    }
}

fn release_hold(state: &mut OrderState, number: u32) {
    let (over, left): (Vec<_>, Vec<_>) = std::mem::take(&mut state.holds)
        .into_iter()
        .partition(|hold| hold.hold == number);
    state.holds = left;
    let told = over.into_iter().flat_map(|hold| hold.erp_orders);
    state.let_stand.extend(told);
    if state.holds.is_empty() {
        state.create = CreateStage::Begun;
    }
}

fn accept(state: &mut OrderState, accepted: &Accepted) {
    state.sales_order_number = Some(accepted.sales_order_number.clone());
    state.accepted_at = Some(accepted.accepted_at);
    state.erp_totals = accepted.erp_totals.clone();
    state.bounded = false;
    state.erp_unknown_since = None;
    let settled = |kind| matches!(kind, HoldKind::ErpUnknown | HoldKind::ErpRejected);
    state.holds.retain(|hold| !settled(hold.reason.kind));
    let sites = state.shipping_sites();
    let waiting = |site| SiteRelease {
        site,
        stage: ReleaseStage::Waiting,
    };
    state.releases = sites.into_iter().map(waiting).collect();
    each_line(state, accept_line);
}

fn close(state: &mut OrderState) {
    state.holds.clear();
    state.let_stand.clear();
    state.cancelling = None;
    state.erp_unknown_since = None;
    state.provisional = None;
    state.bounded = false;
}

/// What a person was asked of the one before it is settled with it.
fn replace_soon(state: &mut OrderState, replacement: Option<Box<Replacement>>) {
    state.replacement = replacement;
    if state.is_closed() {
        state
            .holds
            .retain(|hold| hold.reason.kind != HoldKind::ErpUnknown);
    }
}

fn set_stage(state: &mut OrderState, site: &SiteId, stage: ReleaseStage) {
    if let Some(release) = state
        .releases
        .iter_mut()
        .find(|release| release.site == *site)
    {
        release.stage = stage;
    }
}

fn each_line(state: &mut OrderState, change: impl Fn(&ReceivedLine, &mut LineQuantities)) {
    for (line, quantities) in state.order.lines.iter().zip(&mut state.quantities) {
        change(line, quantities);
    }
}

/// Open becomes backordered as far as nothing but lead time covers it, and allocated for the rest.
fn accept_line(line: &ReceivedLine, quantities: &mut LineQuantities) {
    let uncovered = line
        .schedule
        .iter()
        .filter(|part| part.cover == Cover::LeadTime);
    let uncovered = uncovered
        .map(|part| part.quantity.value)
        .fold(Decimal::ZERO, Decimal::saturating_add);
    let backordered = uncovered.min(quantities.open);
    let allocated = quantities.open.saturating_sub(backordered);
    quantities.backordered = quantities.backordered.saturating_add(backordered);
    quantities.allocated = quantities.allocated.saturating_add(allocated);
    quantities.open = Decimal::ZERO;
}

fn release_line(line: &ReceivedLine, quantities: &mut LineQuantities, site: &SiteId) {
    let here = line
        .schedule
        .iter()
        .filter(|part| part.site == *site && part.cover != Cover::LeadTime);
    let here = here
        .map(|part| part.quantity.value)
        .fold(Decimal::ZERO, Decimal::saturating_add);
    let moved = here.min(quantities.allocated);
    quantities.allocated = quantities.allocated.saturating_sub(moved);
    quantities.released = quantities.released.saturating_add(moved);
}

/// Takes what no warehouse has.
fn take_unshipped(quantities: &mut LineQuantities) -> Decimal {
    [
        &mut quantities.open,
        &mut quantities.backordered,
        &mut quantities.allocated,
    ]
    .into_iter()
    .map(std::mem::take)
    .fold(Decimal::ZERO, Decimal::saturating_add)
}
