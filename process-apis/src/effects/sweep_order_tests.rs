//! What is looked for when, and what becomes of what is found.

use canonical_model::{
    AccountId, Currency, ItemNumber, OrderReference, PurchaseOrderNumber, Quantity, ShipToId,
    SiteId, UnitOfMeasure, UnitPrice,
    erp_order::{CreateErpOrder, ErpOrderLine},
};
use rust_decimal::dec;

use super::*;

const SCHEDULE: [SignedDuration; 3] = [
    SignedDuration::from_mins(1),
    SignedDuration::from_mins(5),
    SignedDuration::from_hours(24),
];

fn start() -> Timestamp {
    "2026-03-02T12:00:00Z".parse().unwrap()
}

fn asked() -> CreateErpOrder {
    CreateErpOrder {
        reference: OrderReference::new("OW1").unwrap(),
        purchase_order_number: PurchaseOrderNumber::new("PO-1").unwrap(),
        account: AccountId::new("ACME").unwrap(),
        ship_to: ShipToId::new("ACME-1").unwrap(),
        currency: Currency::USD,
        lines: Vec::new(),
    }
}

fn number(number: u32) -> ErpOrderNumber {
    ErpOrderNumber::new(format!("SO-{number}")).unwrap()
}

fn order(no: u32, state: ErpOrderState) -> ErpOrder {
    let asked = asked();
    ErpOrder {
        number: number(no),
        reference: asked.reference,
        purchase_order_number: asked.purchase_order_number,
        account: asked.account,
        state,
        lines: Vec::new(),
        total: Money::new(dec!(15.00), Currency::USD),
        added: Vec::new(),
        as_asked: false,
    }
}

/// A sweep, stepped by hand.
struct Sweep {
    asked: CreateErpOrder,
    right: Option<ErpOrderNumber>,
    doubt: bool,
    let_stand: Vec<ErpOrderNumber>,
    asks: bool,
    retries: u32,
    now: Timestamp,
    progress: Progress,
}

impl Sweep {
    fn of(right: Option<u32>, doubt: bool) -> Self {
        Self {
            asked: asked(),
            right: right.map(number),
            doubt,
            let_stand: Vec::new(),
            asks: false,
            retries: 0,
            now: start(),
            progress: Progress::default(),
        }
    }

    fn see(&mut self, observation: Observation) -> Step {
        let situation = Situation {
            schedule: &SCHEDULE,
            since: start(),
            doubt: self.doubt,
            asked: &self.asked,
            let_stand: &self.let_stand,
            asks: self.asks,
            right: self.right.as_ref(),
            retries: self.retries,
            settle_within: SignedDuration::from_hours(72),
            now: self.now,
        };
        let (step, progress) = next_step(situation, self.progress.clone(), observation);
        self.progress = progress;
        step
    }

    fn at(&mut self, minute: i64) -> Step {
        self.now = start() + SignedDuration::from_mins(minute);
        self.see(Observation::Fresh)
    }

    fn list(&mut self, orders: &[(u32, ErpOrderState)]) -> Step {
        let orders = orders.iter().map(|(no, state)| order(*no, *state));
        self.see(Observation::Listed(orders.collect()))
    }
}

fn wait_until(minute: i64) -> Step {
    Step::Wait(Pause::Until(start() + SignedDuration::from_mins(minute)))
}

use ErpOrderState::{Blocked, Cancelled, Completed, Open};

#[test]
fn a_doubtful_order_is_looked_at_as_often_as_the_schedule_says() {
    let mut sweep = Sweep::of(Some(1), true);
    assert_eq!(sweep.at(0), wait_until(1));
    assert_eq!(sweep.at(1), Step::List);
    assert_eq!(sweep.list(&[(1, Open)]), wait_until(5));
    assert_eq!(sweep.at(5), Step::List);
    assert_eq!(
        sweep.list(&[(1, Open), (2, Cancelled)]),
        wait_until(24 * 60)
    );
    assert_eq!(sweep.at(24 * 60), Step::List);
    assert_eq!(sweep.list(&[(1, Completed)]), Step::Finished);
}

#[test]
fn one_that_was_answered_clearly_is_looked_at_twice_and_looks_missed_are_made_once() {
    let mut sweep = Sweep::of(Some(1), false);
    assert_eq!(sweep.at(1), Step::List);
    assert_eq!(sweep.list(&[(1, Open)]), wait_until(24 * 60));
    let mut sweep = Sweep::of(Some(1), true);
    assert_eq!(
        sweep.at(90),
        Step::List,
        "after an hour and a half of standstill"
    );
    assert_eq!(sweep.list(&[(1, Open)]), wait_until(24 * 60));
}

#[test]
fn a_ghost_beside_the_right_one_is_cancelled_and_looked_for_again() {
    for state in [Blocked, Open] {
        let mut sweep = Sweep::of(Some(2), true);
        sweep.at(1);
        let Step::Cancel(ghost) = sweep.list(&[(1, state), (2, Open), (3, state)]) else {
            panic!("it is cancelled")
        };
        assert_eq!(ghost.number, number(1));
        assert_eq!(sweep.see(Observation::CancelDone(number(1))), Step::List);
        // Its search lags behind.
        let next = sweep.list(&[(1, state), (2, Open), (3, state)]);
        assert!(matches!(next, Step::Cancel(ghost) if ghost.number == number(3)));
        sweep.see(Observation::CancelDone(number(3)));
        assert_eq!(sweep.list(&[(2, Open)]), wait_until(5));
    }
}

#[test]
fn of_an_order_that_has_ended_nothing_may_stand() {
    let mut sweep = Sweep::of(None, true);
    sweep.at(1);
    assert!(matches!(sweep.list(&[(1, Open)]), Step::Cancel(_)));
    sweep.see(Observation::CancelDone(number(1)));
    assert_eq!(sweep.list(&[(1, Cancelled)]), wait_until(5));
    sweep.at(5);
    let Step::Tell { detail, others } = sweep.list(&[(4, Completed)]) else {
        panic!("a person is told")
    };
    assert!(
        others == [number(4)]
            && detail.contains("has ended")
            && detail.contains("SO-4 (15.00 USD, completed)"),
        "{detail}"
    );
}

#[test]
fn what_a_person_entered_in_the_erp_is_told_and_not_cancelled() {
    let line = |order_line| ErpOrderLine {
        line: 10,
        order_line,
        item: ItemNumber::new("SKU-1").unwrap(),
        quantity: Quantity::new(dec!(1), UnitOfMeasure::EACH),
        unit_price: UnitPrice {
            amount: dec!(15),
            currency: Currency::USD,
            unit: UnitOfMeasure::EACH,
        },
        site: SiteId::new("EAST").unwrap(),
        ship_date: jiff::civil::date(2026, 3, 3),
    };
    let mut sweep = Sweep::of(Some(1), true);
    sweep.at(1);
    let of_ours = ErpOrder {
        lines: vec![line(1)],
        ..order(2, Open)
    };
    let by_hand = ErpOrder {
        lines: vec![line(1), line(0)],
        ..order(3, Open)
    };
    let listed = || vec![order(1, Open), of_ours.clone(), by_hand.clone()];
    let next = sweep.see(Observation::Listed(listed()));
    assert!(matches!(next, Step::Cancel(ghost) if ghost.number == number(2)));
    sweep.see(Observation::CancelDone(number(2)));
    let left = vec![order(1, Open), by_hand.clone()];
    let Step::Tell { detail, others } = sweep.see(Observation::Listed(left)) else {
        panic!("a person is told")
    };
    assert_eq!(others, [number(3)]);
    assert!(
        detail.contains("SO-3 was entered there by hand"),
        "{detail}"
    );
}

#[test]
fn what_the_erp_keeps_is_told_with_all_that_is_needed_and_looked_for_again_on_a_retry() {
    let mut sweep = Sweep::of(Some(1), true);
    sweep.at(1);
    let Step::Cancel(ghost) = sweep.list(&[(1, Open), (2, Open)]) else {
        panic!("it is tried")
    };
    let refused = Observation::CancelRefused(*ghost, "It is being picked.".to_owned());
    assert_eq!(sweep.see(refused), Step::List);
    // There are others: one that can be cancelled, and one that cannot.
    let next = sweep.list(&[(1, Open), (2, Open), (3, Completed), (4, Open)]);
    assert!(matches!(next, Step::Cancel(ghost) if ghost.number == number(4)));
    sweep.see(Observation::CancelDone(number(4)));
    let step = sweep.list(&[(1, Open), (2, Open), (3, Completed), (4, Cancelled)]);
    let Step::Tell { detail, others } = step else {
        panic!("a person is told")
    };
    assert_eq!(others, [number(2), number(3)]);
    for needed in [
        "SO-1",
        "SO-2 (15.00 USD, open)",
        "ACME",
        "PO-1",
        "OW1",
        "SO-3 (15.00 USD, completed)",
        "it did not cancel SO-2: It is being picked; SO-3 is delivered already. Look",
        "retry",
    ] {
        assert!(detail.contains(needed), "{needed}: {detail}");
    }
    sweep.retries = 1;
    assert_eq!(sweep.at(60), Step::List);
    let next = sweep.list(&[(1, Open), (2, Open)]);
    assert!(matches!(next, Step::Cancel(_)), "it is tried again");
    assert_eq!(
        sweep.list(&[(1, Open), (2, Cancelled)]),
        wait_until(24 * 60)
    );
}

#[test]
fn nothing_is_cancelled_that_may_be_another_s_or_the_only_one() {
    let mut sweep = Sweep::of(Some(1), true);
    sweep.at(1);
    let theirs = ErpOrder {
        account: AccountId::new("OTHER").unwrap(),
        ..order(2, Open)
    };
    let step = sweep.see(Observation::Listed(vec![order(1, Open), theirs]));
    assert!(matches!(step, Step::Tell { .. }), "{step:?}");
    // Somebody cancelled the right one and keeps the other; or the search lags behind.
    let mut sweep = Sweep::of(Some(1), true);
    sweep.at(1);
    for _ in 0..LOOKS {
        let step = sweep.list(&[(1, Cancelled), (2, Open)]);
        assert!(
            matches!(step, Step::Wait(Pause::BackOff { .. })),
            "{step:?}"
        );
    }
    assert!(matches!(sweep.list(&[(2, Open)]), Step::Tell { .. }));
}

#[test]
fn what_a_person_has_let_stand_is_left_alone_and_what_comes_later_is_not() {
    let mut sweep = Sweep::of(Some(1), true);
    sweep.let_stand = vec![number(2)];
    assert_eq!(sweep.at(1), Step::List);
    let step = sweep.list(&[(1, Open), (2, Completed), (3, Open)]);
    assert!(
        matches!(&step, Step::Cancel(ghost) if ghost.number == number(3)),
        "{step:?}"
    );
    sweep.see(Observation::CancelDone(number(3)));
    assert_eq!(sweep.list(&[(1, Open), (2, Completed)]), wait_until(5));
}

#[test]
fn where_it_is_not_known_what_a_person_has_let_stand_it_is_told_and_not_cancelled() {
    let mut sweep = Sweep::of(Some(1), true);
    sweep.asks = true;
    sweep.at(1);
    let Step::Tell { detail, others } = sweep.list(&[(1, Open), (2, Open)]) else {
        panic!("a person is told")
    };
    assert_eq!(others, [number(2)]);
    assert!(detail.contains("SO-2 may be one"), "{detail}");
}

#[test]
fn calls_that_came_to_nothing_do_not_count_as_looks_that_lag_behind() {
    let mut sweep = Sweep::of(Some(1), true);
    sweep.at(1);
    for _ in 0..2 * LOOKS {
        sweep.see(Observation::Failed { retry_after: None });
    }
    for look in 1..=LOOKS {
        let step = sweep.list(&[(2, Open)]);
        let longer =
            matches!(step, Step::Wait(Pause::BackOff { failures, .. }) if failures == look);
        assert!(longer, "{look}: {step:?}");
        sweep.see(Observation::Failed { retry_after: None });
    }
    assert!(matches!(sweep.list(&[(2, Open)]), Step::Tell { .. }));
}

#[test]
fn a_look_that_comes_to_nothing_is_tried_again_for_days_and_then_told() {
    let fail = || Observation::Failed { retry_after: None };
    let mut sweep = Sweep::of(Some(1), true);
    sweep.at(1);
    for _ in 0..100 {
        let step = sweep.see(fail());
        assert!(
            matches!(step, Step::Wait(Pause::BackOff { .. })),
            "{step:?}"
        );
    }
    sweep.at(95 * 60);
    assert!(matches!(sweep.see(fail()), Step::Wait(_)));
    sweep.at(96 * 60);
    assert!(matches!(sweep.see(fail()), Step::Tell { .. }));
    sweep.doubt = false;
    assert_eq!(sweep.see(fail()), Step::Finished);
}
