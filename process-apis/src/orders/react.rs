//! `react(before, after, event) → reaction`: what must now be done outside and in the ledgers. Compensation is just
//! another reaction. Pure.

use canonical_model::{
    capabilities::{CreateClass, CreditBasis},
    order::HoldKind,
    promise::Cover,
};
use jiff::{Timestamp, tz::TimeZone};
use serde_json::{Value, json};

use super::{
    acknowledgment::acknowledge,
    event::{Accepted, ClaimedStock, OrderEvent, ProvisionallyAccepted, Received},
    state::{CreateStage, OrderState, ReleaseStage},
};
use crate::{
    effects::EffectKind,
    store::{
        BoundClaim, BoundKey, BoundMovement, CreditClaim, CreditKey, CreditMovement,
        DocumentChange, EffectChange, NewEffect, Owner, StockClaim, StockKey, StockMovement,
        StreamKind,
    },
};

/// The member of a sweep's payload that says that a person has let stand what the ERP has of the order, and not what that
/// is: the hold named nothing.
pub const KEPT: &str = "kept";

/// What a reaction must know besides the order.
#[derive(Debug, Clone, Copy)]
pub struct Surroundings {
    /// Now.
    pub now: Timestamp,
    /// Whether the ERP takes creates for one account only one at a time.
    pub serialize_creates_by_account: bool,
    /// From which document on the ERP counts an order in its credit exposure.
    pub credit_basis: CreditBasis,
    /// What the ERP does about a second create.
    pub create_class: CreateClass,
}

/// What must be done.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Reaction {
    /// In the stock ledger.
    pub stock: Vec<StockMovement>,
    /// In the credit ledger.
    pub credit: Vec<CreditMovement>,
    /// In the sums that bound what is outstanding while the ERP does not answer.
    pub bounds: Vec<BoundMovement>,
    /// Outside.
    pub effects: Vec<EffectChange>,
    /// Told to the channel.
    pub documents: Vec<DocumentChange>,
}

/// What an event asks for, given the order before and after it.
pub fn react(
    before: Option<&OrderState>,
    after: &OrderState,
    event: &OrderEvent,
    around: Surroundings,
) -> Reaction {
    let mut reaction = Reaction::default();
    let owner = owner(after);
    match event {
        OrderEvent::Received(received) => claim(&mut reaction, received, owner),
        OrderEvent::HoldReleased(released) if released.kind == HoldKind::Credit => {
            reaction.credit.push(CreditMovement::Claim(credit_claim(
                &after.order,
                owner,
                true,
            )));
        }
        OrderEvent::HoldReleased(released) if released.kind == HoldKind::ErpDuplicate => {
            let sweep = sweep_for_more(before, released.hold, after, around);
            reaction.effects.push(sweep);
        }
        OrderEvent::ProvisionallyAccepted(taken) => {
            reaction.bounds.extend(bound_claims(taken, after));
        }
        OrderEvent::Revalidated(revalidated) if revalidated.credit_held => {
            reaction.credit.push(CreditMovement::Release { owner });
        }
        OrderEvent::Retried(_) => {
            reaction.effects.push(resume(after, around));
            // A sweep that has told a person of another order is over: what that person does begins the next.
            if before.is_some_and(|before| before.is_held_for(HoldKind::ErpDuplicate)) {
                let sweep = to_do(EffectKind::SweepErpOrder, after, around);
                reaction.effects.push(sweep);
            }
        }
        OrderEvent::Accepted(accepted) => accept(&mut reaction, after, accepted, around),
        OrderEvent::CancelRequested(_) => {
            reaction.effects.push(resume(after, around));
            // The effect that creates it sees to the rest until the ERP has it; from then on it is one of its own. A
            // second request resumes the first's.
            let first = before.is_some_and(|before| before.cancelling.is_none());
            if after.accepted_at.is_some() && first {
                reaction
                    .effects
                    .push(to_do(EffectKind::CancelErpOrder, after, around));
            }
        }
        OrderEvent::CancelRefused(_) => release_to_warehouses(&mut reaction, after, around),
        OrderEvent::Rejected(_) | OrderEvent::Cancelled(_) => {
            end(&mut reaction, after, around);
        }
        // The effect that was to take another has stopped for a person.
        OrderEvent::ReplacementDropped(_) | OrderEvent::ReplacementRequested(_)
            if before.is_some_and(|before| {
                before.is_closed() && before.is_held_for(HoldKind::ErpUnknown)
            }) =>
        {
            reaction.effects.push(resume(after, around));
        }
        OrderEvent::Held(_)
        | OrderEvent::HoldReleased(_)
        | OrderEvent::Revalidated(_)
        | OrderEvent::ErpOrderChosen(_)
        | OrderEvent::ErpOutcomeUnknown(_)
        | OrderEvent::ReleaseBegun(_)
        | OrderEvent::Released(_)
        | OrderEvent::Picked(_)
        | OrderEvent::Packed(_)
        | OrderEvent::Shipped(_)
        | OrderEvent::ReplacementRequested(_)
        | OrderEvent::ReplacementDropped(_)
        | OrderEvent::Replaced(_)
        | OrderEvent::ReplacementRefused(_) => {}
    }
    if after.has_left() && !before.is_some_and(OrderState::has_left) {
        // An ERP that counts invoices begins to count it; for one that counts orders the first confirmation rules.
        let at = invoiced(after, around.now);
        reaction.credit.push(CreditMovement::Confirm { owner, at });
    }
    if before.is_some_and(|before| before.bounded) && !after.bounded {
        reaction.bounds.push(BoundMovement::Release { owner });
    }
    let acknowledgment = before.and_then(|before| acknowledge(before, after, event));
    reaction.documents.extend(acknowledgment);
    let begun_before = before.is_some_and(|before| before.create == CreateStage::Begun);
    if after.create == CreateStage::Begun && !begun_before {
        reaction
            .effects
            .push(to_do(EffectKind::CreateErpOrder, after, around));
    }
    reaction
}

/// Who holds an order's claims.
pub fn owner(state: &OrderState) -> Owner {
    Owner {
        kind: StreamKind::Order,
        id: state.order_id().0,
    }
}

fn claim(reaction: &mut Reaction, received: &Received, owner: Owner) {
    if let Some(reservation) = received.reservation_id {
        let held = Owner {
            kind: StreamKind::Reservation,
            id: reservation.0,
        };
        reaction.stock.push(StockMovement::Release {
            owner: held,
            line: None,
        });
    }
    let claims = received
        .stock
        .iter()
        .map(|need| StockMovement::Claim(stock_claim(received, need, owner)));
    reaction.stock.extend(claims);
    if received.credit.claimed && !received.credit.levels.is_empty() {
        reaction.credit.push(CreditMovement::Claim(credit_claim(
            received,
            owner,
            received.credit.unknown,
        )));
    }
}

fn bound_claims(
    taken: &ProvisionallyAccepted,
    after: &OrderState,
) -> impl Iterator<Item = BoundMovement> {
    taken.bounds.iter().map(|claimed| {
        BoundMovement::Claim(BoundClaim {
            key: BoundKey {
                company: after.order.company.clone(),
                bound: claimed.bound.clone(),
            },
            owner: owner(after),
            amount: claimed.amount,
            limit: claimed.limit,
        })
    })
}

fn stock_claim(received: &Received, need: &ClaimedStock, owner: Owner) -> StockClaim {
    StockClaim {
        key: StockKey::new(
            received.company.clone(),
            need.item.clone(),
            need.site.clone(),
        ),
        owner,
        line: need.line,
        day: need.day,
        quantity: need.quantity,
    }
}

fn credit_claim(received: &Received, owner: Owner, forced: bool) -> CreditClaim {
    let company = &received.company;
    let level = |account| CreditKey {
        company: company.clone(),
        account,
    };
    CreditClaim {
        levels: received.credit.levels.iter().cloned().map(level).collect(),
        owner,
        amount: received.credit.amount,
        limit_is_exclusive: received.credit.limit_is_exclusive,
        forced,
    }
}

fn accept(reaction: &mut Reaction, after: &OrderState, accepted: &Accepted, around: Surroundings) {
    let (owner, at) = (owner(after), accepted.accepted_at);
    reaction.stock.push(StockMovement::Confirm { owner, at });
    match around.credit_basis {
        CreditBasis::Order => reaction.credit.push(CreditMovement::Confirm { owner, at }),
        // It goes on counting until all of it has left.
        CreditBasis::Invoice => {}
    }
    if ghosts_can_come(after, around) {
        let sweep = to_do(EffectKind::SweepErpOrder, after, around);
        reaction.effects.push(sweep);
    }
    if after.cancelling.is_some() {
        reaction
            .effects
            .push(to_do(EffectKind::CancelErpOrder, after, around));
    } else {
        release_to_warehouses(reaction, after, around);
    }
}

/// When all of an order is taken for invoiced whose other parts have left. Nobody tells us when a backorder leaves: it
/// counts until the day that was promised for it is over.
fn invoiced(after: &OrderState, now: Timestamp) -> Timestamp {
    let backordered = after
        .lines()
        .filter(|(_, quantities)| !quantities.backordered.is_zero());
    let parts = backordered.flat_map(|(line, _)| &line.schedule);
    let days = parts
        .filter(|part| part.cover == Cover::LeadTime)
        .filter_map(|part| part.ship_date.tomorrow().ok()?.to_zoned(TimeZone::UTC).ok());
    days.map(|day| day.timestamp()).fold(now, Timestamp::max)
}

/// Whether the ERP may yet show another of it: a create whose answer was lost may be done minutes later, and one that was
/// answered may have come there twice on the way.
fn ghosts_can_come(after: &OrderState, around: Surroundings) -> bool {
    match around.create_class {
        CreateClass::Staged | CreateClass::Searchable => true,
        CreateClass::Unique => after.erp_doubted,
        // It cannot be searched.
        CreateClass::Blind => false,
    }
}

fn end(reaction: &mut Reaction, after: &OrderState, around: Surroundings) {
    let owner = owner(after);
    reaction
        .stock
        .push(StockMovement::Release { owner, line: None });
    reaction.credit.push(CreditMovement::Release { owner });
    let accepted = after.accepted_at.is_some();
    if accepted {
        // What has stopped has nothing left to do.
        reaction.effects.push(resume(after, around));
    }
    if (accepted || after.erp_doubted) && ghosts_can_come(after, around) {
        // Nothing may stand now. What was swept before may be over, since a person let another stand.
        let sweep = to_do(EffectKind::SweepErpOrder, after, around);
        reaction.effects.push(sweep);
    }
    if after.replacement.is_some() {
        reaction
            .effects
            .push(to_do(EffectKind::TakeReplacement, after, around));
    }
}

/// Looks for what comes besides the orders that a person has let stand with a hold.
fn sweep_for_more(
    before: Option<&OrderState>,
    hold: u32,
    after: &OrderState,
    around: Surroundings,
) -> EffectChange {
    let mut holds = before.iter().flat_map(|before| &before.holds);
    let told = holds.find(|told| told.hold == hold);
    let payload = if told.is_some_and(|told| !told.erp_orders.is_empty()) {
        json!({})
    } else {
        json!({ KEPT: true })
    };
    to_do_with(EffectKind::SweepErpOrder, payload, after, around)
}

fn release_to_warehouses(reaction: &mut Reaction, after: &OrderState, around: Surroundings) {
    let waiting = after
        .releases
        .iter()
        .filter(|release| release.stage == ReleaseStage::Waiting);
    reaction.effects.extend(waiting.map(|release| {
        let payload = json!({ "site": release.site });
        to_do_with(EffectKind::ReleaseToWarehouse, payload, after, around)
    }));
}

fn to_do(kind: EffectKind, after: &OrderState, around: Surroundings) -> EffectChange {
    to_do_with(kind, json!({}), after, around)
}

fn to_do_with(
    kind: EffectKind,
    payload: Value,
    after: &OrderState,
    around: Surroundings,
) -> EffectChange {
    let Received {
        company, account, ..
    } = &after.order;
    EffectChange::New(NewEffect {
        kind: kind.word(),
        order_id: after.order_id(),
        payload,
        due_at: around.now,
        serial_key: kind.serial_key(company, account, around.serialize_creates_by_account),
    })
}

fn resume(after: &OrderState, around: Surroundings) -> EffectChange {
    EffectChange::ResumeStopped {
        order_id: after.order_id(),
        due_at: around.now,
    }
}

#[cfg(test)]
#[path = "react_tests.rs"]
mod tests;
