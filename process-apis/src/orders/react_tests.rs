//! What each event asks for.

use canonical_model::{ErpOrderNumber, order::OrderStatus};

use super::*;
use crate::{
    orders::{
        event::{Accepted, CancelRequested, Cancelled, HoldReleased, Retried},
        evolve::evolve,
        testing::{after, around, now, taking},
    },
    store::{EffectChange, StockMovement},
};

fn reactions(events: &[OrderEvent]) -> Vec<Reaction> {
    let mut state: Option<OrderState> = None;
    let react_to = |event| {
        let before = state.clone();
        state = evolve(state.take(), event);
        react(before.as_ref(), state.as_ref().unwrap(), event, around())
    };
    events.iter().map(react_to).collect()
}

fn kinds(reaction: &Reaction) -> Vec<&'static str> {
    let kind = |change: &EffectChange| match change {
        EffectChange::New(effect) => effect.kind,
        EffectChange::ResumeStopped { .. } => "resume",
        EffectChange::Outcome(_) | EffectChange::DropAll { .. } => "other",
    };
    reaction.effects.iter().map(kind).collect()
}

fn purposes(reaction: &Reaction) -> Vec<String> {
    let purpose = |change: &DocumentChange| match change {
        DocumentChange::Owe { context, .. } => context["purpose"].as_str().unwrap().to_owned(),
        other => panic!("{other:?}"),
    };
    reaction.documents.iter().map(purpose).collect()
}

fn then(mut events: Vec<OrderEvent>, event: OrderEvent) -> Reaction {
    events.push(event);
    reactions(&events).pop().unwrap()
}

fn accepted() -> OrderEvent {
    let sales_order_number = ErpOrderNumber::new("SO-1").unwrap();
    OrderEvent::Accepted(Accepted {
        sales_order_number,
        accepted_at: now(),
    })
}

fn cancel_requested() -> OrderEvent {
    OrderEvent::CancelRequested(CancelRequested {
        principal: "b".to_owned(),
        note: String::new(),
    })
}

#[test]
fn a_taken_order_claims_stock_and_credit_and_is_created_in_the_erp() {
    let reaction = &reactions(&taking(&[]))[0];
    assert!(
        matches!(&reaction.stock[..], [StockMovement::Claim(claim)] if claim.quantity == 6.into())
    );
    assert!(
        matches!(&reaction.credit[..], [CreditMovement::Claim(claim)] if !claim.forced && claim.levels.len() == 2)
    );
    assert_eq!(kinds(reaction), [effects::CREATE_ERP_ORDER]);
    assert!(reaction.documents.is_empty());
}

#[test]
fn a_credit_hold_claims_stock_alone_until_a_person_takes_the_credit() {
    let taken = taking(&[HoldKind::Credit]);
    let reactions = reactions(&taken);
    assert_eq!(
        (reactions[0].stock.len(), reactions[0].credit.len()),
        (1, 0)
    );
    assert!(kinds(&reactions[0]).is_empty() && kinds(&reactions[1]).is_empty());
    assert_eq!(purposes(&reactions[1]), ["held"]);
    let (kind, principal, note) = (HoldKind::Credit, "c".to_owned(), "n".to_owned());
    let released = then(
        taken,
        OrderEvent::HoldReleased(HoldReleased {
            hold: 1,
            kind,
            principal,
            note,
        }),
    );
    assert!(matches!(&released.credit[..], [CreditMovement::Claim(claim)] if claim.forced));
    assert_eq!(kinds(&released), [effects::CREATE_ERP_ORDER]);
}

#[test]
fn an_accepted_order_is_confirmed_acknowledged_and_released_at_each_site_that_ships() {
    let reaction = then(taking(&[]), accepted());
    assert!(matches!(
        reaction.stock[..],
        [StockMovement::Confirm { .. }]
    ));
    assert!(matches!(
        reaction.credit[..],
        [CreditMovement::Confirm { .. }]
    ));
    assert_eq!(
        kinds(&reaction),
        [effects::RELEASE_TO_WAREHOUSE, effects::RELEASE_TO_WAREHOUSE]
    );
    assert_eq!(purposes(&reaction), ["accepted"]);
    let order = match &reaction.documents[0] {
        DocumentChange::Owe { context, .. } => &context["order"],
        other => panic!("{other:?}"),
    };
    assert_eq!(
        (&order["status"], &order["sales_order_number"]),
        (&json!("accepted"), &json!("SO-1"))
    );
}

#[test]
fn an_erp_that_counts_from_the_invoice_confirms_no_credit_yet() {
    let (before, event) = (after(&taking(&[])), accepted());
    let state = evolve(Some(before.clone()), &event).unwrap();
    let invoice = Surroundings {
        credit_basis: CreditBasis::Invoice,
        ..around()
    };
    assert!(
        react(Some(&before), &state, &event, invoice)
            .credit
            .is_empty()
    );
}

#[test]
fn one_that_was_accepted_while_it_was_being_cancelled_is_cancelled_there() {
    let mut events = taking(&[]);
    events.push(cancel_requested());
    let reaction = then(events, accepted());
    assert_eq!(kinds(&reaction), [effects::CANCEL_ERP_ORDER]);
    assert!(reaction.documents.is_empty());
    let mut events = taking(&[]);
    events.push(accepted());
    assert_eq!(
        kinds(&then(events, cancel_requested())),
        ["resume", effects::CANCEL_ERP_ORDER]
    );
}

#[test]
fn an_ended_order_gives_everything_back_and_says_so() {
    let mut events = taking(&[HoldKind::Credit]);
    events.push(OrderEvent::Cancelled(Cancelled {
        principal: "b".to_owned(),
        note: String::new(),
    }));
    assert_eq!(after(&events).status(), OrderStatus::Cancelled);
    let reaction = reactions(&events).pop().unwrap();
    assert!(matches!(
        reaction.stock[..],
        [StockMovement::Release { line: None, .. }]
    ));
    assert!(matches!(
        reaction.credit[..],
        [CreditMovement::Release { .. }]
    ));
    assert_eq!(purposes(&reaction), ["cancelled"]);
}

#[test]
fn each_acknowledgment_names_the_one_before_it() {
    let mut events = taking(&[HoldKind::Review]);
    let (kind, principal, note) = (HoldKind::Review, "c".to_owned(), String::new());
    events.push(OrderEvent::HoldReleased(HoldReleased {
        hold: 1,
        kind,
        principal,
        note,
    }));
    events.push(accepted());
    events.push(cancel_requested());
    events.push(OrderEvent::Cancelled(Cancelled {
        principal: "b".to_owned(),
        note: String::new(),
    }));
    let reactions = reactions(&events);
    let owed = reactions.iter().flat_map(|reaction| &reaction.documents);
    let owed: Vec<_> = owed
        .map(|document| match document {
            DocumentChange::Owe { id, context, .. } => (*id, context["previous"].clone()),
            other => panic!("{other:?}"),
        })
        .collect();
    let [(held, none), (accepted, first), (_, second)] = &owed[..] else {
        panic!("{owed:?}")
    };
    assert_eq!(
        (none, first, second),
        (&serde_json::Value::Null, &json!(held), &json!(accepted))
    );
}

#[test]
fn a_retry_resumes_what_stopped() {
    let retried = Retried {
        holds: vec![1],
        principal: "c".to_owned(),
        note: String::new(),
    };
    assert_eq!(
        kinds(&then(taking(&[]), OrderEvent::Retried(retried))),
        ["resume"]
    );
}

#[test]
fn creates_of_one_account_have_one_key_where_the_erp_wants_that() {
    let events = taking(&[]);
    let serial = Surroundings {
        serialize_creates_by_account: true,
        ..around()
    };
    let reaction = react(None, &after(&events), &events[0], serial);
    let [EffectChange::New(effect)] = &reaction.effects[..] else {
        panic!("{reaction:?}")
    };
    assert_eq!(effect.serial_key.as_deref(), Some("create:US01:ACME"));
}
