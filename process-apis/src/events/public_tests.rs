//! What is told, and what is not: every kind of event, against the bytes that were published first.

use canonical_model::{
    ErpOrderNumber, OrderId,
    order::{HoldKind, HoldReason, OrderHold},
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::*;
use crate::orders::{
    event::{
        Accepted, CancelRefused, CancelRequested, Cancelled, ErpOrderChosen, Held, HoldReleased,
        Rejected, ReleaseBegun, Released, Replaced, ReplacementDropped, ReplacementRefused,
        Retried,
    },
    evolve::evolve,
    shipment::{Verdict, judge},
    testing::{after, begun_with, line, news, now, picks, replacement, site, taking},
};

/// Tells a life, event by event: what is told, None where nothing is.
fn told(events: &[OrderEvent]) -> Vec<Option<Value>> {
    let mut state: Option<OrderState> = None;
    let mut told = Vec::new();
    for (sequence, event) in (1_u64..).zip(events) {
        let before = state.clone();
        state = evolve(state, event);
        let logged = CloudEvent {
            specversion: "1.0".to_owned(),
            id: Uuid::from_u128(u128::from(sequence)),
            source: "/companies/US01".to_owned(),
            event_type: format!("com.orderway.{}.v{}", event.word(), event.type_version()),
            subject: Uuid::from_u128(7).to_string(),
            time: now(),
            datacontenttype: "application/json".to_owned(),
            sequence,
            position: 100 + sequence,
            account: Some("ACME".parse().unwrap()),
            correlationid: "c-1".to_owned(),
            traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".to_owned(),
            data: event.to_new().unwrap().data.read().unwrap(),
        };
        let event = public_event(&logged, before.as_ref(), event, state.as_ref().unwrap());
        told.push(event.map(|event| serde_json::to_value(event).unwrap()));
    }
    told
}

fn held(hold: u32, kind: HoldKind) -> OrderEvent {
    let reason = HoldReason {
        kind,
        detail: "SAP F512: limit 10000.00 of GROUP is used up".to_owned(),
        released_by: "holds:release:credit".to_owned(),
        line: None,
    };
    OrderEvent::Held(Held {
        holds: vec![OrderHold {
            hold,
            reason,
            erp_orders: Vec::new(),
            placed_at: now(),
        }],
        not_released: None,
    })
}

fn released_hold(hold: u32, kind: HoldKind) -> OrderEvent {
    OrderEvent::HoldReleased(HoldReleased {
        hold,
        kind,
        principal: "clerk-17".to_owned(),
        note: "They are good for it.".to_owned(),
    })
}

fn retried(holds: &[u32]) -> OrderEvent {
    OrderEvent::Retried(Retried {
        holds: holds.to_vec(),
        principal: "clerk-17".to_owned(),
        note: "Looked at.".to_owned(),
    })
}

fn number() -> ErpOrderNumber {
    ErpOrderNumber::new("SO-1").unwrap()
}

fn accepted() -> OrderEvent {
    OrderEvent::Accepted(Accepted {
        sales_order_number: number(),
        accepted_at: now(),
        erp_totals: None,
    })
}

fn cancel() -> [OrderEvent; 2] {
    let (principal, note) = ("clerk-17".to_owned(), "By telephone.".to_owned());
    [
        OrderEvent::CancelRequested(CancelRequested {
            principal: principal.clone(),
            note: note.clone(),
        }),
        OrderEvent::Cancelled(Cancelled { principal, note }),
    ]
}

/// Picked, packed and gone, with what the carrier says.
fn shipped() -> Vec<OrderEvent> {
    let mut events = begun_with(vec![line(1)], true);
    for (version, (picked, packed, gone)) in (1..).zip([(6, 0, 0), (6, 6, 0), (6, 6, 6)]) {
        let mut news = news("SH-1", version, &[picks(1, picked, packed, gone)]);
        news.carrier = (gone > 0).then(|| "DHL".to_owned());
        news.tracking_numbers = vec!["JD0146".to_owned()];
        let Verdict::Apply(happened) = judge(&after(&events), "warehouse", &news, false) else {
            panic!("{news:?}")
        };
        events.extend(happened);
    }
    events
}

/// Lives in which orders end in every way there is.
fn lives() -> Vec<(&'static str, Vec<OrderEvent>)> {
    let mut held_first = taking(&[HoldKind::Credit]);
    held_first.extend([
        released_hold(1, HoldKind::Credit),
        held(2, HoldKind::ErpUnknown),
        retried(&[2]),
        retried(&[]),
        OrderEvent::ErpOrderChosen(ErpOrderChosen {
            sales_order_number: number(),
        }),
        accepted(),
        OrderEvent::ReleaseBegun(ReleaseBegun { site: site("EAST") }),
        OrderEvent::Released(Released {
            site: site("EAST"),
            release_number: "WMS-INTERNAL-9".to_owned(),
        }),
    ]);
    let mut rejected = taking(&[]);
    rejected.push(OrderEvent::Rejected(Rejected {
        detail: "SAP V1 302".to_owned(),
        principal: "clerk-17".to_owned(),
    }));
    let mut not_cancelled = taking(&[]);
    let [requested, cancelled] = cancel();
    not_cancelled.extend([
        accepted(),
        requested.clone(),
        OrderEvent::CancelRefused(CancelRefused {
            detail: "VA02: delivery exists".to_owned(),
        }),
    ]);
    let asked = || OrderEvent::ReplacementRequested(Box::new(replacement(8)));
    let mut replaced = taking(&[]);
    replaced.extend([
        asked(),
        requested.clone(),
        cancelled.clone(),
        OrderEvent::Replaced(Replaced {
            order_id: OrderId(Uuid::from_u128(8)),
        }),
    ]);
    let mut not_replaced = taking(&[]);
    not_replaced.extend([
        asked(),
        OrderEvent::ReplacementDropped(ReplacementDropped {
            order_id: OrderId(Uuid::from_u128(8)),
            principal: "clerk-17".to_owned(),
        }),
        asked(),
        requested,
        cancelled,
        OrderEvent::ReplacementRefused(ReplacementRefused {
            order_id: OrderId(Uuid::from_u128(8)),
            detail: "Credit limit.".to_owned(),
            reasons: Vec::new(),
        }),
    ]);
    vec![
        ("shipped", shipped()),
        ("held and released", held_first),
        ("rejected", rejected),
        ("not cancelled", not_cancelled),
        ("replaced", replaced),
        ("not replaced", not_replaced),
    ]
}

/// The golden file holds what is told of every life. It may grow; what stands in it never changes within a version of
/// its type. `ORDERWAY_WRITE_GOLDEN=1` writes it anew.
#[test]
fn what_is_told_stays_as_it_was_published() {
    let lives: serde_json::Map<String, Value> = lives()
        .iter()
        .map(|(name, events)| ((*name).to_owned(), json!(told(events))))
        .collect();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/events/public_golden.json");
    if std::env::var_os("ORDERWAY_WRITE_GOLDEN").is_some() {
        let text = serde_json::to_string_pretty(&lives).unwrap();
        std::fs::write(path, text + "\n").unwrap();
    }
    let golden: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    assert_eq!(Value::Object(lives), golden);
}

#[test]
fn nothing_inside_is_told() {
    for (name, events) in lives() {
        let told = json!(told(&events)).to_string();
        for inside in [
            "SAP",
            "VA02",
            "clerk",
            "limit",
            "GROUP",
            "good for it",
            "telephone",
            "decision",
            "credit\"",
            "WMS",
            "\"content\"",
            "P-1",
            "unit_price",
            "EAST\",\"quantity",
        ] {
            assert!(!told.contains(inside), "{name}: {inside} in {told}");
        }
    }
}

#[test]
fn each_event_says_what_it_means_and_only_the_lines_that_changed() {
    let life = told(&lives()[1].1);
    let types: Vec<Option<&str>> = life
        .iter()
        .map(|event| event.as_ref().map(|event| event["type"].as_str().unwrap()))
        .collect();
    assert_eq!(
        types,
        [
            Some("com.orderway.order.received.v1"),
            Some("com.orderway.order.held.v1"),
            Some("com.orderway.order.hold_released.v1"),
            Some("com.orderway.order.held.v1"),
            Some("com.orderway.order.hold_released.v1"),
            None,
            None,
            Some("com.orderway.order.accepted.v1"),
            None,
            Some("com.orderway.order.released.v1"),
        ]
    );
    let [received, held, released] =
        [0, 1, 9].map(|index| life[index].clone().unwrap()["data"].clone());
    assert_eq!(received["lines"].as_array().map(Vec::len), Some(2));
    assert_eq!(
        (&held["status"], &held["lines"], &held["holds"][0]["reason"]),
        (&json!("held"), &json!([]), &json!("credit_review"))
    );
    assert_eq!(released["lines"].as_array().map(Vec::len), Some(1));
    assert_eq!(released["lines"][0]["quantities"]["released"], "6");
    assert_eq!(
        (&released["site"], &released["version"]),
        (&json!("EAST"), &json!(10))
    );
    assert_eq!(received["sales_order_number"], Value::Null);
    assert_eq!(released["sales_order_number"], "SO-1");
}

#[test]
fn whoever_waits_for_goods_is_told_how_to_follow_them() {
    let life = told(&shipped());
    let last = life.last().unwrap().as_ref().unwrap();
    assert_eq!(last["type"], "com.orderway.order.shipped.v1");
    let shipment = &last["data"]["shipment"];
    assert_eq!(
        (
            &shipment["shipment"],
            &shipment["carrier"],
            &shipment["tracking_numbers"]
        ),
        (&json!("SH-1"), &json!("DHL"), &json!(["JD0146"]))
    );
    assert_eq!(shipment["lines"][0]["shipped"], "6");
    let accepted = life[1].as_ref().unwrap();
    assert!(accepted["data"].get("shipment").is_none());
}

#[test]
fn every_type_has_a_word_in_the_log() {
    let words = log_words(&[]);
    assert!(words.contains(&"order.retried".to_owned()));
    assert_eq!(log_words(&[PublicEventType::Held]), ["order.held"]);
    for (_, events) in lives() {
        for event in &events {
            if public_type(event).is_some() {
                assert!(words.contains(&event.word().to_owned()), "{}", event.word());
            }
        }
    }
}
