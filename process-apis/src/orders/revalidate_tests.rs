//! What differs from what a provisional order was taken at.

use canonical_model::order::LinePolicy;
use jiff::civil::date;
use rust_decimal::dec;

use super::*;
use crate::{
    baskets::{
        assess::assess,
        facts::{Facts, Purpose, gather},
        testing::{Seller, call_for, noon},
    },
    orders::{
        event::{OrderEvent, ProvisionallyAccepted},
        evolve::evolve,
        testing::{line, received},
    },
};

/// An order of ten SKU-1 at 2.50 for account A, as it was taken.
fn taken() -> OrderState {
    let mut order = received(vec![line(1)]);
    order.account = "A".parse().unwrap();
    order.ship_to.ship_to = "A-01".parse().unwrap();
    order.credit.claimed = true;
    let taken = ProvisionallyAccepted {
        taken_on: canonical_model::order::TakenOn {
            erp_away: true,
            price: None,
            stock: None,
            credit: None,
        },
        bounds: Vec::new(),
    };
    let state = evolve(None, &OrderEvent::Received(Box::new(order)));
    let taken = OrderEvent::ProvisionallyAccepted(Box::new(taken));
    evolve(state, &taken).unwrap()
}

async fn now(seller: &Seller, order: &OrderState) -> Facts {
    let basket = basket(order);
    gather(&seller.sources, &call_for(&["A"]), &basket, Purpose::Order)
        .await
        .unwrap()
}

fn told(order: &OrderState, claims: &[ClaimedStock], facts: &Facts) -> Vec<(HoldKind, String)> {
    let assessment = assess(&basket(order), LinePolicy::TakeSoundLines, facts, noon());
    differences(order, claims, facts, &assessment)
        .into_iter()
        .map(|hold| (hold.kind, hold.detail))
        .collect()
}

fn claim(quantity: rust_decimal::Decimal) -> ClaimedStock {
    ClaimedStock {
        line: 1,
        item: "SKU-1".parse().unwrap(),
        site: "EAST".parse().unwrap(),
        day: date(2026, 11, 20),
        quantity,
    }
}

#[tokio::test]
async fn the_price_counts_within_the_tolerance_of_the_policy() {
    let seller = Seller::open();
    let price = |amount| {
        for schedule in &mut seller.system.world().prices {
            schedule.records[0].unit_price = amount;
        }
    };
    let order = taken();
    price(dec!(2.50));
    assert_eq!(told(&order, &[], &now(&seller, &order).await), []);
    price(dec!(2.60));
    let dearer = now(&seller, &order).await;
    let held = told(&order, &[], &dearer);
    assert!(
        matches!(held.as_slice(), [(HoldKind::PriceMismatch, detail)]
            if detail.contains("Line 1 was taken at 2.50 USD per EA") && detail.contains("2.60 USD per EA now")),
        "{held:?}"
    );
    let mut tolerant = dearer;
    tolerant.policies.price.tolerance_percent = dec!(5);
    assert_eq!(told(&order, &[], &tolerant), []);
}

#[tokio::test]
async fn what_was_claimed_must_still_be_free_claim_by_claim() {
    let seller = Seller::open();
    for schedule in &mut seller.system.world().prices {
        schedule.records[0].unit_price = dec!(2.50);
    }
    let order = taken();
    let facts = now(&seller, &order).await;
    assert_eq!(
        told(&order, &[claim(dec!(60)), claim(dec!(40))], &facts),
        []
    );
    let held = told(&order, &[claim(dec!(60)), claim(dec!(41))], &facts);
    assert!(
        matches!(held.as_slice(), [(HoldKind::Allocation, detail)]
            if detail.contains("41 of SKU-1 were promised from EAST") && detail.contains("40 are free now")),
        "{held:?}"
    );
}

#[tokio::test]
async fn an_account_that_is_blocked_meanwhile_holds_it() {
    let seller = Seller::open();
    for schedule in &mut seller.system.world().prices {
        schedule.records[0].unit_price = dec!(2.50);
    }
    let order = taken();
    let mut facts = now(&seller, &order).await;
    facts.account.status = canonical_model::account::AccountStatus::Blocked;
    let held = told(&order, &[], &facts);
    assert!(
        matches!(held.as_slice(), [(HoldKind::Review, detail)] if detail.contains("account is blocked")),
        "{held:?}"
    );
}

#[tokio::test]
async fn its_own_claim_does_not_stand_in_its_way_and_a_person_s_word_counts() {
    let seller = Seller::open();
    for schedule in &mut seller.system.world().prices {
        schedule.records[0].unit_price = dec!(2.50);
    }
    let mut order = taken();
    order.order.credit.levels = vec!["A".parse().unwrap(), "P".parse().unwrap()];
    order.order.credit.amount = dec!(25);
    let mut facts = now(&seller, &order).await;
    for level in &mut facts.credit {
        level.exposure = level.limit.unwrap() - dec!(25);
        level.claimed = dec!(25);
    }
    let before = facts.clone();
    without_own_claim(&order, &mut facts.credit);
    assert_eq!(told(&order, &[], &facts), []);
    let held = told(&order, &[], &before);
    assert!(
        matches!(held.as_slice(), [(HoldKind::Credit, _)]),
        "{held:?}"
    );
    order.order.credit.claimed = false;
    assert_eq!(told(&order, &[], &before), [], "it was released");
}
