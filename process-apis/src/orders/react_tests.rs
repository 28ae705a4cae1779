//! What each event asks for.

use canonical_model::{ErpOrderNumber, order::OrderStatus, shipment::ShipmentNews};

use super::*;
use crate::{
    orders::{
        event::{
            Accepted, CancelRefused, CancelRequested, Cancelled, ErpOutcomeUnknown, Held,
            HoldReleased, Rejected, Replaced, ReplacementDropped, ReplacementRefused, Retried,
            Revalidated,
        },
        evolve::evolve,
        shipment::{Verdict, judge},
        testing::{
            after, around, begun_with, line, line_of_boxes, news, now, picks, released_order,
            replacement, site, taking, taking_provisionally,
        },
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
        EffectChange::Outcome(_) => "other",
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
        erp_totals: None,
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
    assert_eq!(kinds(reaction), [EffectKind::CreateErpOrder.word()]);
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
    assert_eq!(kinds(&released), [EffectKind::CreateErpOrder.word()]);
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
        [
            EffectKind::ReleaseToWarehouse.word(),
            EffectKind::ReleaseToWarehouse.word()
        ]
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

/// The movements of credit that news of shipments ask for in the end: site, line and pieces of each.
fn credit_after(mut events: Vec<OrderEvent>, shipped: &[(&str, i64)]) -> Vec<CreditMovement> {
    for (from, pieces) in shipped {
        let told = ShipmentNews {
            site: site(from),
            ..news(from, 1, &[picks(1, *pieces, *pieces, *pieces)])
        };
        let Verdict::Apply(news) = judge(&after(&events), "warehouse", &told, false) else {
            panic!()
        };
        events.extend(news);
    }
    reactions(&events).pop().unwrap().credit
}

#[test]
fn credit_of_an_erp_that_counts_from_the_invoice_is_confirmed_once_all_is_shipped() {
    let boxes = || begun_with(vec![line_of_boxes(1)], true);
    assert_eq!(credit_after(boxes(), &[("EAST", 12)]), [], "a part of it");
    let confirmed = |movements: &[CreditMovement], from| matches!(movements, [CreditMovement::Confirm { at, .. }] if *at == from);
    let all = credit_after(boxes(), &[("EAST", 24)]);
    assert!(confirmed(&all, now()), "{all:?}");
    // Also while a person is asked whether the ERP has another.
    let told = [boxes(), vec![held(HoldKind::ErpDuplicate)]].concat();
    let all = credit_after(told, &[("EAST", 24)]);
    assert!(confirmed(&all, now()), "{all:?}");
    // Of ten pieces one is on backorder, promised for the third: it counts until that day is over.
    let backorder = || begun_with(vec![line(1)], true);
    assert_eq!(credit_after(backorder(), &[("EAST", 6)]), []);
    let all = credit_after(backorder(), &[("EAST", 6), ("WEST", 3)]);
    let day_over = "2026-03-04T00:00:00Z".parse().unwrap();
    assert!(confirmed(&all, day_over), "{all:?}");
}

#[test]
fn one_that_was_accepted_while_it_was_being_cancelled_is_cancelled_there() {
    let mut events = taking(&[]);
    events.push(cancel_requested());
    let reaction = then(events, accepted());
    assert_eq!(kinds(&reaction), [EffectKind::CancelErpOrder.word()]);
    assert!(reaction.documents.is_empty());
    let mut events = taking(&[]);
    events.push(accepted());
    assert_eq!(
        kinds(&then(events, cancel_requested())),
        ["resume", EffectKind::CancelErpOrder.word()]
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

/// An order that is being cancelled, with another to take its place.
fn replaced_soon(kinds: &[HoldKind]) -> Vec<OrderEvent> {
    let mut events = taking(kinds);
    events.push(OrderEvent::ReplacementRequested(Box::new(replacement(8))));
    events
}

fn cancelled() -> OrderEvent {
    OrderEvent::Cancelled(Cancelled {
        principal: "b".to_owned(),
        note: String::new(),
    })
}

/// Channel, document answered, and what is said.
fn owed(reaction: &Reaction) -> (String, u128, serde_json::Value) {
    match &reaction.documents[..] {
        [
            DocumentChange::Owe {
                channel,
                answers,
                context,
                ..
            },
        ] => (
            channel.clone(),
            answers.unwrap().0.as_u128(),
            context.clone(),
        ),
        other => panic!("{other:?}"),
    }
}

#[test]
fn whatever_takes_its_place_is_taken_once_it_has_ended_and_speaks_for_it() {
    let reaction = then(replaced_soon(&[HoldKind::Credit]), cancelled());
    assert_eq!(kinds(&reaction), [EffectKind::TakeReplacement.word()]);
    assert!(reaction.documents.is_empty());
    let mut refused = replaced_soon(&[]);
    refused.push(cancel_requested());
    let reaction = then(
        refused,
        OrderEvent::Rejected(Rejected {
            detail: "Locked.".to_owned(),
            principal: "b".to_owned(),
        }),
    );
    assert_eq!(kinds(&reaction), [EffectKind::TakeReplacement.word()]);
    let replaced = Replaced {
        order_id: replacement(8).order_id,
    };
    let mut ended = replaced_soon(&[HoldKind::Credit]);
    ended.push(cancelled());
    assert_eq!(
        then(ended, OrderEvent::Replaced(replaced)),
        Reaction::default()
    );
}

#[test]
fn an_order_whose_replacement_has_no_document_or_was_dropped_says_itself_that_it_is_cancelled() {
    let mut silent = taking(&[HoldKind::Credit]);
    let mut other = replacement(8);
    other.request.document = None;
    silent.push(OrderEvent::ReplacementRequested(Box::new(other)));
    assert_eq!(purposes(&then(silent, cancelled())), ["cancelled"]);
    let mut dropped = replaced_soon(&[HoldKind::Credit]);
    dropped.push(OrderEvent::ReplacementDropped(ReplacementDropped {
        order_id: replacement(8).order_id,
        principal: "b".to_owned(),
    }));
    let reaction = then(dropped, cancelled());
    assert_eq!(purposes(&reaction), ["cancelled"]);
    assert!(kinds(&reaction).is_empty());
}

#[test]
fn an_end_that_another_order_was_to_speak_for_is_told_once_that_does_not_come() {
    let mut other = replacement(9);
    other.request.document = None;
    let dropped = ReplacementDropped {
        order_id: replacement(8).order_id,
        principal: "b".to_owned(),
    };
    let rejected = OrderEvent::Rejected(Rejected {
        detail: "Locked.".to_owned(),
        principal: "b".to_owned(),
    });
    for event in [
        OrderEvent::ReplacementDropped(dropped),
        OrderEvent::ReplacementRequested(Box::new(other)),
    ] {
        for (end, word) in [(cancelled(), "cancelled"), (rejected.clone(), "rejected")] {
            let mut ended = replaced_soon(&[]);
            ended.extend([cancel_requested(), end]);
            let reaction = then(ended, event.clone());
            let (_, answers, context) = owed(&reaction);
            assert_eq!((answers, &context["purpose"]), (1, &json!(word)));
            assert!(kinds(&reaction).is_empty());
        }
    }
    let mut ended = replaced_soon(&[HoldKind::Credit]);
    ended.push(cancelled());
    let later = OrderEvent::ReplacementRequested(Box::new(replacement(9)));
    assert_eq!(then(ended, later), Reaction::default(), "that one answers");
}

#[test]
fn whoever_waits_for_a_cancellation_that_the_erp_refuses_is_told_that_the_order_stands() {
    for events in [
        [accepted(), cancel_requested()],
        [cancel_requested(), accepted()],
    ] {
        let mut asked = taking(&[]);
        asked.extend(events);
        let refused = OrderEvent::CancelRefused(CancelRefused {
            detail: "All of it was delivered.".to_owned(),
        });
        let (_, answers, context) = owed(&then(asked, refused));
        assert_eq!((answers, &context["purpose"]), (1, &json!("accepted")));
        assert_eq!(context["order"]["status"], "accepted");
    }
}

#[test]
fn whoever_asked_for_another_order_is_told_that_it_is_not_taken() {
    let mut events = taking(&[]);
    events.push(accepted());
    events.push(OrderEvent::ReplacementRequested(Box::new(replacement(8))));
    events.push(cancel_requested());
    let reaction = then(
        events,
        OrderEvent::CancelRefused(CancelRefused {
            detail: "All of it was delivered.".to_owned(),
        }),
    );
    let (channel, answers, context) = owed(&reaction);
    assert_eq!((channel.as_str(), answers), ("punchout", 8));
    assert_eq!(context["purpose"], "change_refused");
    assert_eq!(context["transaction"], "0002");
    assert_eq!(context["order"]["replaced_by"], serde_json::Value::Null);
    assert_eq!(
        context["detail"],
        "The order stands as it was: All of it was delivered."
    );
    assert!(context["previous"].is_string(), "that it was accepted");

    let mut events = replaced_soon(&[HoldKind::Credit]);
    events.push(cancelled());
    let refused = ReplacementRefused {
        order_id: replacement(8).order_id,
        detail: "Not taken.".to_owned(),
        reasons: vec![service_runtime::problem::FieldError::new(
            "/lines/0",
            "not-available",
            "There is none.",
        )],
    };
    let (channel, answers, context) = owed(&then(events, OrderEvent::ReplacementRefused(refused)));
    assert_eq!((channel.as_str(), answers), ("punchout", 8));
    assert_eq!(
        (&context["purpose"], &context["detail"]),
        (&json!("replacement_refused"), &json!("Not taken."))
    );
    assert_eq!(context["reasons"][0]["pointer"], "/lines/0");
    assert_eq!(context["order"]["status"], "cancelled");
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
    assert_eq!(kinds(&then(taking(&[]), retried())), ["resume"]);
}

/// What an ERP of a class has to be asked, after these events.
fn last_kinds(events: &[OrderEvent], create_class: CreateClass) -> Vec<&'static str> {
    kinds(&last(events, create_class))
}

fn last(events: &[OrderEvent], create_class: CreateClass) -> Reaction {
    let (last, before) = events.split_last().unwrap();
    let before = after(before);
    let state = evolve(Some(before.clone()), last).unwrap();
    let around = Surroundings {
        create_class,
        ..around()
    };
    react(Some(&before), &state, last, around)
}

fn outcome_unknown() -> OrderEvent {
    OrderEvent::ErpOutcomeUnknown(ErpOutcomeUnknown { since: now() })
}

#[test]
fn ghosts_are_looked_for_wherever_they_can_come_and_be_found() {
    const SWEEP: &str = EffectKind::SweepErpOrder.word();
    let taken = taking(&[]);
    let clear = [taken.clone(), vec![accepted()]].concat();
    let doubted = [taken.clone(), vec![outcome_unknown(), accepted()]].concat();
    let given_up = [taken.clone(), vec![outcome_unknown(), cancelled()]].concat();
    let never_asked = [taken, vec![cancelled()]].concat();
    for (class, [after_clear, after_doubt, after_end]) in [
        (CreateClass::Staged, [true, true, true]),
        (CreateClass::Searchable, [true, true, true]),
        (CreateClass::Unique, [false, true, true]),
        (CreateClass::Blind, [false, false, false]),
    ] {
        let swept = |events| last_kinds(events, class).contains(&SWEEP);
        assert_eq!(swept(&clear), after_clear, "{class:?}");
        assert_eq!(swept(&doubted), after_doubt, "{class:?}");
        assert_eq!(swept(&given_up), after_end, "{class:?}");
        assert!(!swept(&never_asked), "{class:?}");
    }
    // Of one that was accepted nothing may stand any more, also what a person let stand beside it.
    let ended = [clear, vec![cancelled()]].concat();
    assert_eq!(last_kinds(&ended, CreateClass::Staged), ["resume", SWEEP]);
    assert_eq!(last_kinds(&ended, CreateClass::Blind), ["resume"]);
}

#[test]
fn a_doubt_and_a_ghost_that_is_told_ask_for_nothing_by_themselves() {
    assert_eq!(then(taking(&[]), outcome_unknown()), Reaction::default());
    let told = held(HoldKind::ErpDuplicate);
    let accepted = [taking(&[]), vec![accepted()]].concat();
    assert_eq!(kinds(&then(accepted.clone(), told.clone())), [""; 0]);
    let released = OrderEvent::HoldReleased(HoldReleased {
        hold: 1,
        kind: HoldKind::ErpDuplicate,
        principal: "c".to_owned(),
        note: "n".to_owned(),
    });
    let unnamed = match told.clone() {
        OrderEvent::Held(mut held) => {
            held.holds[0].erp_orders.clear();
            OrderEvent::Held(held)
        }
        other => panic!("{other:?}"),
    };
    // The sweep that told is over. What the hold names stands, what else comes is looked for; where it names nothing, a
    // person is asked again.
    for (told, payload) in [(told.clone(), json!({})), (unnamed, json!({ KEPT: true }))] {
        let over = then([accepted.clone(), vec![told]].concat(), released.clone());
        assert_eq!((over.stock, over.credit), (vec![], vec![]));
        let [EffectChange::New(sweep)] = &over.effects[..] else {
            panic!("{:?}", over.effects)
        };
        assert_eq!(sweep.kind, EffectKind::SweepErpOrder.word());
        assert_eq!(sweep.payload, payload);
    }
    // Whoever has it tried again, or ends the order, lets none of these stand.
    for event in [retried(), cancelled()] {
        let events = [accepted.clone(), vec![told.clone(), event]].concat();
        let reaction = last(&events, CreateClass::Staged);
        let [EffectChange::ResumeStopped { .. }, EffectChange::New(sweep)] = &reaction.effects[..]
        else {
            panic!("{:?}", reaction.effects)
        };
        assert_eq!(sweep.kind, EffectKind::SweepErpOrder.word());
        assert_eq!(sweep.payload, json!({}));
        assert!(after(&events).let_stand.is_empty());
    }
    let stands = [accepted, vec![told, released]].concat();
    assert_eq!(after(&stands).let_stand, ["SO-2".parse().unwrap()]);
    let ended = [stands, vec![cancelled()]].concat();
    assert!(after(&ended).let_stand.is_empty(), "nothing may stand now");
}

fn retried() -> OrderEvent {
    OrderEvent::Retried(Retried {
        holds: vec![1],
        principal: "c".to_owned(),
        note: String::new(),
    })
}

fn held(kind: HoldKind) -> OrderEvent {
    let reason = canonical_model::order::HoldReason {
        kind,
        detail: "Look.".to_owned(),
        released_by: "holds:release".to_owned(),
        line: None,
    };
    OrderEvent::Held(Held {
        holds: vec![canonical_model::order::OrderHold {
            hold: 1,
            reason,
            erp_orders: vec!["SO-2".parse().unwrap()],
            placed_at: now(),
        }],
        not_released: None,
    })
}

#[test]
fn an_order_takes_of_a_bound_until_the_erp_has_it_or_it_ends() {
    let taken = reactions(&taking_provisionally()).pop().unwrap();
    assert!(
        matches!(&taken.bounds[..], [BoundMovement::Claim(claim)]
            if claim.key.bound == "value/ACME" && claim.amount == 25.into() && claim.limit == 100.into()),
        "{taken:?}"
    );
    for (end, gives_back) in [
        (accepted(), true),
        (cancelled(), true),
        (outcome_unknown(), false),
        (revalidated(false), false),
    ] {
        let reaction = then(taking_provisionally(), end);
        let released = matches!(&reaction.bounds[..], [BoundMovement::Release { .. }]);
        assert_eq!(released, gives_back, "{reaction:?}");
    }
}

fn revalidated(credit_held: bool) -> OrderEvent {
    OrderEvent::Revalidated(Revalidated {
        decision_id: uuid::Uuid::from_u128(3),
        held: credit_held,
        credit_held,
    })
}

#[test]
fn what_was_looked_at_again_is_created_when_its_credit_hold_is_released() {
    let sound = then(taking_provisionally(), revalidated(false));
    assert_eq!((sound.credit, sound.effects), (vec![], vec![]));
    let differs = [taking_provisionally(), vec![revalidated(true)]].concat();
    let given_back = reactions(&differs).pop().unwrap();
    assert!(matches!(
        given_back.credit[..],
        [CreditMovement::Release { .. }]
    ));
    let waits = [differs, vec![held(HoldKind::Credit)]].concat();
    let released = OrderEvent::HoldReleased(HoldReleased {
        hold: 1,
        kind: HoldKind::Credit,
        principal: "c".to_owned(),
        note: "n".to_owned(),
    });
    let goes_on = then(waits, released);
    assert_eq!(kinds(&goes_on), [EffectKind::CreateErpOrder.word()]);
    assert!(matches!(&goes_on.credit[..], [CreditMovement::Claim(claim)] if claim.forced));
}

#[test]
fn what_a_warehouse_does_moves_the_lines_and_nothing_else() {
    let mut state = released_order();
    let life = [(1, 4, 0, 0), (2, 4, 4, 0), (3, 4, 4, 4)];
    let mut heard = Vec::new();
    for (version, picked, packed, shipped) in life {
        let news = news("SH-1", version, &[picks(1, picked, packed, shipped)]);
        let Verdict::Apply(events) = judge(&state, "warehouse", &news, false) else {
            panic!("{news:?}")
        };
        for event in events {
            let after = evolve(Some(state.clone()), &event).unwrap();
            let reaction = react(Some(&state), &after, &event, around());
            assert_eq!(reaction, Reaction::default(), "{event:?}");
            heard.push(event.word());
            state = after;
        }
    }
    assert_eq!(heard, ["order.picked", "order.packed", "order.shipped"]);
    assert_eq!(state.status(), OrderStatus::PartiallyShipped);
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
