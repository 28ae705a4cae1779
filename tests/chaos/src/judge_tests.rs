//! What the judge finds, and what it lets pass.

use jiff::{Timestamp, civil::date};
use serde_json::{Value, json};

use super::*;
use crate::{
    ack_log::End,
    orders::{Channel, PlannedOrder},
};

const AT: &str = "2026-11-20T10:00:00Z";

fn course(number: &str, verdict: Option<Verdict>) -> Course {
    let at: Timestamp = AT.parse().unwrap();
    Course {
        order: PlannedOrder {
            number: number.to_owned(),
            sequence: 1,
            account: "ACME",
            channel: Channel::Portal,
            lines: [("SKU-0023", 3)].into(),
            revised: None,
        },
        invoked_at: at,
        sendings: Vec::new(),
        end: verdict.map(|verdict| End { at, verdict }),
    }
}

fn acknowledged(number: &str) -> Course {
    course(number, Some(Verdict::Acknowledged(None)))
}

fn order(number: &str, po: &str, quantity: &str) -> Value {
    json!({
        "number": number, "reference": po, "account": "ACME", "purchase_order_number": po, "blocked": false, "status": "open",
        "created_at": AT, "lines": [{"item": "SKU-0023", "base_quantity": quantity, "site": "EAST",
                                     "confirmed_date": "2026-11-23"}],
    })
}

fn pick(id: &str, order: &str, quantity: &str) -> Value {
    json!({
        "pickRequestId": id, "clientRef": id, "orderRef": order, "siteCode": "EAST", "status": "NEW", "createdAt": AT,
        "lines": [{"skuCode": "SKU-0023", "qty": quantity}],
    })
}

fn judged(
    courses: &[Course],
    orders: Vec<Value>,
    picks: Vec<Value>,
    told: &[(&str, &str)],
) -> Judgment {
    judged_of(CreateClass::Staged, courses, orders, picks, told)
}

fn judged_of(
    class: CreateClass,
    courses: &[Course],
    orders: Vec<Value>,
    picks: Vec<Value>,
    told: &[(&str, &str)],
) -> Judgment {
    let read = |values: Vec<Value>| Value::Array(values);
    let records = Records {
        orders: serde_json::from_value(read(orders)).unwrap(),
        picks: serde_json::from_value(read(picks)).unwrap(),
    };
    let told = told
        .iter()
        .map(|(po, status)| (("ACME".to_owned(), (*po).to_owned()), (*status).to_owned()))
        .collect();
    judge(&Case {
        class,
        courses,
        records: &records,
        told: &told,
        holds: &BTreeMap::new(),
        stock: &[("SKU-0023".to_owned(), 4)].into(),
        from_stock_before: date(2026, 12, 1),
    })
}

#[test]
fn an_order_that_is_once_in_the_erp_and_once_at_the_warehouse_is_right() {
    let found = judged(
        &[acknowledged("PO-1")],
        vec![order("1", "PO-1", "3")],
        vec![pick("a", "1", "3")],
        &[("PO-1", "released")],
    );
    assert_eq!((found.released, found.acknowledged), (1, 1));
    assert!(
        found.is_settled() && found.violations.is_empty(),
        "{found:?}"
    );
}

#[test]
fn an_acknowledged_order_that_is_nowhere_is_lost_and_one_that_is_held_is_not() {
    let found = judged(&[acknowledged("PO-1")], vec![], vec![], &[]);
    assert_eq!((found.lost, found.violations.len()), (1, 1));
    let found = judged(&[acknowledged("PO-1")], vec![], vec![], &[("PO-1", "held")]);
    assert_eq!((found.lost, found.held), (0, 1));
    let found = judged(
        &[acknowledged("PO-1")],
        vec![],
        vec![],
        &[("PO-1", "received")],
    );
    assert!(!found.is_settled());
}

#[test]
fn two_that_were_ever_released_are_one_too_many_and_a_draft_is_not() {
    let mut second = order("2", "PO-1", "3");
    second["status"] = json!("cancelled");
    let orders = vec![order("1", "PO-1", "3"), second.clone()];
    let picks = vec![pick("a", "1", "3")];
    let found = judged(&[acknowledged("PO-1")], orders, picks.clone(), &[]);
    assert_eq!(found.released_twice, 1);
    second["blocked"] = json!(true);
    let orders = vec![order("1", "PO-1", "3"), second];
    let found = judged(&[acknowledged("PO-1")], orders, picks, &[]);
    assert_eq!(
        (found.released_twice, found.ghosts, found.drafts_left),
        (0, 1, 0)
    );
    assert!(found.violations.is_empty(), "{found:?}");
}

#[test]
fn a_draft_that_is_left_behind_is_a_person_s_matter_or_is_to_be_cleared_away() {
    let mut draft = order("2", "PO-1", "3");
    draft["blocked"] = json!(true);
    let judged = |told| {
        judged(
            &[acknowledged("PO-1")],
            vec![order("1", "PO-1", "3"), draft.clone()],
            vec![pick("a", "1", "3")],
            &[("PO-1", told)],
        )
    };
    let found = judged("released");
    assert!(found.drafts_left == 1 && !found.is_settled(), "{found:?}");
    let found = judged("held");
    assert_eq!((found.drafts_left, found.drafts_held), (0, 1));
    assert!(found.is_settled(), "{found:?}");
}

#[test]
fn what_an_order_waits_for_or_has_ended_as_is_told() {
    let both = [acknowledged("PO-1"), acknowledged("PO-2")];
    let told = [("PO-1", "cancelled"), ("PO-2", "held")];
    let found = judged(&both, vec![], vec![], &told);
    let told = [("cancelled".to_owned(), 1), ("held".to_owned(), 1)];
    assert_eq!(found.held_for, told.into());
}

#[test]
fn two_in_an_erp_without_drafts_are_one_too_many_until_a_person_is_told_of_them() {
    let orders = || vec![order("1", "PO-1", "3"), order("2", "PO-1", "3")];
    let one = [acknowledged("PO-1")];
    let judged = |picks, told| {
        let told = [("PO-1", told)];
        judged_of(CreateClass::Searchable, &one, orders(), picks, &told)
    };
    let picked = vec![pick("a", "1", "3")];
    let found = judged(picked, "released");
    assert!(
        found.released_twice == 1 && !found.is_settled(),
        "{found:?}"
    );
    let found = judged(Vec::new(), "held");
    assert_eq!((found.released_twice, found.left_to_a_person), (0, 1));
    assert_eq!(found.held, 1);
    let both = vec![pick("a", "1", "3"), pick("b", "2", "3")];
    assert_eq!(judged(both, "held").released_twice, 1);
}

#[test]
fn a_warehouse_that_was_given_too_much_or_nothing_is_found() {
    let one = [acknowledged("PO-1")];
    let twice = vec![pick("a", "1", "3"), pick("b", "1", "3")];
    let found = judged(&one, vec![order("1", "PO-1", "3")], twice, &[]);
    assert_eq!(found.released_twice, 1);
    let found = judged(&one, vec![order("1", "PO-1", "3")], vec![], &[]);
    assert!(!found.is_settled() && found.violations.is_empty());
    let found = judged(&[], vec![], vec![pick("a", "9", "3")], &[]);
    assert_eq!(found.violations.len(), 1);
}

#[test]
fn other_quantities_strangers_and_refused_orders_in_the_erp_are_found() {
    let found = judged(
        &[acknowledged("PO-1")],
        vec![order("1", "PO-1", "2")],
        vec![pick("a", "1", "2")],
        &[],
    );
    assert_eq!(found.violations.len(), 1, "{found:?}");
    let found = judged(&[], vec![order("1", "PO-1", "3")], vec![], &[]);
    assert_eq!(found.violations.len(), 1, "{found:?}");
    let refused = course("PO-1", Some(Verdict::Refused("no".to_owned())));
    let found = judged(&[refused], vec![order("1", "PO-1", "3")], vec![], &[]);
    assert_eq!(found.violations.len(), 1, "{found:?}");
}

#[test]
fn more_promised_than_there_is_is_oversold() {
    let found = judged(
        &[acknowledged("PO-1"), acknowledged("PO-2")],
        vec![order("1", "PO-1", "3"), order("2", "PO-2", "3")],
        vec![pick("a", "1", "3"), pick("b", "2", "3")],
        &[],
    );
    assert_eq!(found.oversold_units, Decimal::from(2));
}
