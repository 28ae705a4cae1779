//! What is compared with the ERP's order, and what it adds is told and not compared.

use canonical_model::erp_order::{AddedCharge, ChargeKind};

use super::*;

/// The same, and the ERP added freight to it.
fn charged(no: u32, state: ErpOrderState) -> ErpOrder {
    let charge = |amount| AddedCharge {
        kind: ChargeKind::Freight,
        description: "Freight".to_owned(),
        amount: Money::new(amount, Currency::USD),
    };
    ErpOrder {
        added: vec![charge(dec!(7.50)), charge(dec!(-0.50))],
        ..order(no, state)
    }
}

#[test]
fn prices_are_compared_by_line_and_what_the_erp_adds_is_its_own() {
    let mut freight = order(1, ErpOrderState::Open);
    freight.total = Money::new(dec!(22.00), Currency::USD);
    assert_eq!(difference(&asked(), &freight), None);
    assert_eq!(difference(&asked(), &charged(1, ErpOrderState::Open)), None);
    let mut dearer = order(1, ErpOrderState::Open);
    dearer.lines[0].unit_price.amount = dec!(2.51);
    assert!(difference(&asked(), &dearer).is_some());
    let mut shortened = order(1, ErpOrderState::Open);
    shortened.purchase_order_number = PurchaseOrderNumber::new("PO").unwrap();
    assert_eq!(difference(&asked(), &shortened), None);
}

#[test]
fn what_the_erp_adds_is_told_with_the_acceptance_of_the_order_that_was_read() {
    let gross = |doer: &Doer, no: u32| {
        let totals = doer.progress.totals_of(&number(no));
        totals.map(|totals| (totals.gross.amount.to_string(), totals.added.len()))
    };
    let told = Some(("22.00".to_owned(), 2));

    // Created, chosen and released, with a crash between any two steps.
    let mut doer = Doer::new(CreateClass::Staged);
    doer.step(Observation::Fresh);
    doer.step(Observation::Created(charged(2, ErpOrderState::Blocked)));
    doer.step(Observation::Chosen);
    assert_eq!(doer.step(Observation::Released), Step::Accept(number(2)));
    assert_eq!((gross(&doer, 2), gross(&doer, 1)), (told.clone(), None));

    // Created and not read back: nobody knows. Once it is listed, it is told.
    let mut doer = Doer::new(CreateClass::Unique);
    doer.step(Observation::Fresh);
    let unread = ErpOrder {
        as_asked: true,
        ..charged(1, ErpOrderState::Open)
    };
    let accepted = doer.step(Observation::Created(unread));
    assert_eq!((accepted, gross(&doer, 1)), (Step::Accept(number(1)), None));
    let mut doer = Doer::new(CreateClass::Searchable);
    doer.step(Observation::Fresh);
    doer.step(Observation::Unknown);
    assert_eq!(doer.later(30), Step::List);
    let listed = Observation::Listed(vec![charged(1, ErpOrderState::Open)]);
    assert_eq!(doer.step(listed), Step::Accept(number(1)));
    assert_eq!(gross(&doer, 1), told);
}
