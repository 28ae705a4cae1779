//! Reservations as buyers meet them, and as they race, on the embedded store.

use canonical_model::basket::BasketLine;
use rust_decimal::dec;

use super::*;
use crate::baskets::{
    facts::basket_of as order_basket,
    testing::{Seller, account_id, basket, call_for, company, keyed, line, stock},
};

fn request(account: &str, lines: Vec<BasketLine>) -> ReservationRequest {
    ReservationRequest {
        account: account_id(account),
        ship_to: None,
        lines,
        seconds: None,
    }
}

async fn held(sources: &Sources, request: ReservationRequest) -> Result<Reservation, Problem> {
    let call = call_for(&["A", "B"]);
    let key = keyed(&call, &Uuid::now_v7().to_string());
    settle(reserve(sources, &call, request, &key).await)
}

fn settle(done: Result<Answer, WorkError>) -> Result<Reservation, Problem> {
    match done {
        Ok(answer) => Ok(serde_json::from_value(answer.body).unwrap()),
        Err(WorkError::Problem(problem)) => Err(problem),
        Err(WorkError::KeyUsed(_)) => panic!("the key is fresh"),
    }
}

async fn free_now(seller: &Seller, item: &str) -> Decimal {
    let (call, request) = (call_for(&["A"]), basket("A", vec![line(item, dec!(1))]));
    let facts = gather(&seller.sources, &call, &request, Purpose::Browse)
        .await
        .unwrap();
    let today = jiff::civil::date(2026, 11, 20);
    facts.stock.iter().map(|row| row.at(today)).sum()
}

async fn state(seller: &Seller, id: ReservationId) -> Reservation {
    let known = load(seller.sources.store.as_ref(), &company(), id)
        .await
        .unwrap()
        .unwrap();
    known.stored.at(seller.sources.clock.now())
}

#[tokio::test]
async fn stock_is_held_and_given_back() {
    let seller = Seller::open();
    let reservation = held(&seller.sources, request("A", vec![line("SKU-1", dec!(90))]))
        .await
        .unwrap();
    assert_eq!(reservation.state, ReservationState::Held);
    assert_eq!(free_now(&seller, "SKU-1").await, dec!(50));
    let call = call_for(&["A"]);
    let done = release(
        &seller.sources,
        &call,
        reservation.reservation_id,
        &keyed(&call, "r1"),
    )
    .await;
    assert_eq!(settle(done).unwrap().state, ReservationState::Released);
    assert_eq!(free_now(&seller, "SKU-1").await, dec!(140));
    let again = release(
        &seller.sources,
        &call,
        reservation.reservation_id,
        &keyed(&call, "r2"),
    )
    .await;
    assert_eq!(settle(again).unwrap().state, ReservationState::Released);
}

#[tokio::test]
async fn nothing_is_held_unless_all_of_it_is() {
    let seller = Seller::open();
    let lines = vec![line("SKU-1", dec!(100)), line("SKU-1", dec!(45))];
    let refused = held(&seller.sources, request("A", lines))
        .await
        .unwrap_err();
    assert!(refused.is(codes::INSUFFICIENT_STOCK));
    assert_eq!(refused.errors[0].pointer, "/lines/1/quantity");
    assert_eq!(
        refused.extensions["available"][0]["available"]["value"],
        "140"
    );
    assert_eq!(free_now(&seller, "SKU-1").await, dec!(140));
}

#[tokio::test]
async fn a_foreign_reservation_cannot_be_released() {
    let seller = Seller::open();
    let reservation = held(&seller.sources, request("A", vec![line("SKU-1", dec!(1))]))
        .await
        .unwrap();
    let call = call_for(&["B"]);
    let foreign = release(
        &seller.sources,
        &call,
        reservation.reservation_id,
        &keyed(&call, "x"),
    )
    .await;
    let absent = release(
        &seller.sources,
        &call,
        ReservationId::generate(),
        &keyed(&call, "y"),
    )
    .await;
    assert_eq!(settle(foreign).unwrap_err(), settle(absent).unwrap_err());
}

/// One that ran out before all others, as a later release might write it.
async fn unreadable(seller: &Seller, at: Timestamp) {
    let id = Uuid::now_v7();
    let row = ReservationRow {
        state: Written::of(&serde_json::json!({"later": true})).unwrap(),
        expires_at: Some(at),
    };
    let event = NewEvent {
        event_type: "reservation.held",
        type_version: 2,
        data: Written::of(&serde_json::json!({})).unwrap(),
    };
    let change = StreamChange {
        kind: StreamKind::Reservation,
        id,
        expected_version: 0,
        account: account_id("A"),
        events: vec![event],
        row: StateRow::Reservation(row),
    };
    let commit = Commit {
        cause: Some(sweep(company(), at)),
        changes: vec![change],
        ..Commit::default()
    };
    seller.sources.store.commit(commit).await.unwrap();
}

#[tokio::test]
async fn a_reservation_expires_once_and_gives_its_stock_back() {
    let seller = Seller::open();
    let reservation = held(&seller.sources, request("A", vec![line("SKU-1", dec!(40))]))
        .await
        .unwrap();
    let (store, clock) = (seller.sources.store.as_ref(), &seller.sources.clock);
    assert_eq!(expire_due(store, clock, 10).await.unwrap(), 0);
    unreadable(&seller, reservation.created_at).await;
    seller.clock.set(reservation.expires_at);
    assert_eq!(
        state(&seller, reservation.reservation_id).await.state,
        ReservationState::Expired
    );
    assert_eq!(expire_due(store, clock, 10).await.unwrap(), 1);
    assert_eq!(expire_due(store, clock, 10).await.unwrap(), 0);
    assert_eq!(free_now(&seller, "SKU-1").await, dec!(140));
    let call = call_for(&["A"]);
    let late = release(
        &seller.sources,
        &call,
        reservation.reservation_id,
        &keyed(&call, "late"),
    )
    .await;
    assert!(settle(late).unwrap_err().is(codes::RESERVATION_NOT_HELD));
}

#[tokio::test]
async fn an_order_takes_over_what_was_reserved_for_it_and_nobody_else_does() {
    let seller = Seller::open();
    let reservation = held(&seller.sources, request("A", vec![line("SKU-2", dec!(60))]))
        .await
        .unwrap();
    let mut own = basket("A", vec![line("SKU-2", dec!(60))]);
    let call = call_for(&["A", "B"]);
    let verdict = async |request: &BasketRequest| {
        let facts = gather(&seller.sources, &call, request, Purpose::Order)
            .await
            .unwrap();
        let assessment = assess(
            request,
            LinePolicy::AllOrNothing,
            &facts,
            seller.sources.clock.now(),
        );
        (facts, assessment)
    };
    assert!(!verdict(&own).await.1.lines[0].problems.is_empty());
    own.reservation_id = Some(reservation.reservation_id);
    let (facts, assessment) = verdict(&own).await;
    assert!(assessment.lines[0].problems.is_empty() && assessment.problems.is_empty());
    let foreign = BasketRequest {
        account: account_id("B"),
        ..own.clone()
    };
    assert_eq!(
        verdict(&foreign).await.1.problems[0].code,
        LineProblemCode::ReservationNotUsable
    );

    let known = facts.reservation.unwrap();
    let order = OrderId::generate();
    let (change, given_back) = consume(&known, order).unwrap();
    let data: Value = change.events[0].data.read().unwrap();
    assert_eq!(data["order_id"], order.to_string());
    let commit = || Commit {
        cause: Some(sweep(company(), seller.sources.clock.now())),
        changes: vec![change.clone()],
        stock: vec![given_back.clone()],
        ..Commit::default()
    };
    seller.sources.store.commit(commit()).await.unwrap();
    // Whoever is second, the sweep or another order, finds it gone.
    assert!(matches!(
        seller.sources.store.commit(commit()).await,
        Err(StoreError::VersionConflict { .. })
    ));
    seller.clock.set(reservation.expires_at);
    assert_eq!(
        expire_due(seller.sources.store.as_ref(), &seller.sources.clock, 10)
            .await
            .unwrap(),
        0
    );
    assert_eq!(
        state(&seller, reservation.reservation_id).await.state,
        ReservationState::Consumed
    );
}

#[tokio::test]
async fn an_account_holds_no_more_than_the_policy_allows() {
    let seller = Seller::open();
    let few = seller.sources_with(|policies| policies.reservation.max_per_account = 1);
    held(&few, request("A", vec![line("SKU-1", dec!(1))]))
        .await
        .unwrap();
    let refused = held(&few, request("A", vec![line("SKU-1", dec!(1))]))
        .await
        .unwrap_err();
    assert!(refused.is(codes::RESERVATION_LIMIT));
    assert!(
        held(&few, request("B", vec![line("SKU-1", dec!(1))]))
            .await
            .is_ok()
    );

    let little = seller.sources_with(|policies| policies.reservation.max_units_per_item = dec!(10));
    assert!(
        held(&little, request("A", vec![line("SKU-1", dec!(9))]))
            .await
            .is_ok()
    );
    let refused = held(&little, request("A", vec![line("SKU-1", dec!(1))]))
        .await
        .unwrap_err();
    assert!(
        refused.is(codes::RESERVATION_LIMIT)
            && refused
                .detail
                .as_ref()
                .unwrap()
                .contains("holds 10 of SKU-1")
    );
}

#[tokio::test]
async fn of_many_that_want_the_same_stock_it_is_sold_once() {
    let seller = Seller::open();
    seller.system.world().stock = vec![stock(
        "SKU-1",
        "EAST",
        dec!(25),
        crate::baskets::testing::noon(),
    )];
    let asking = (0..8).map(|_| held(&seller.sources, request("A", vec![line("SKU-1", dec!(10))])));
    let answers = futures_util::future::join_all(asking).await;
    let got = answers.iter().filter(|answer| answer.is_ok()).count();
    assert_eq!(got, 2, "{answers:?}");
    let expected = [
        codes::INSUFFICIENT_STOCK,
        service_runtime::problem::codes::CONTENTION,
    ];
    for refused in answers.iter().filter_map(|answer| answer.as_ref().err()) {
        assert!(expected.iter().any(|code| refused.is(*code)), "{refused}");
    }
    assert_eq!(free_now(&seller, "SKU-1").await, dec!(5));
}

#[test]
fn a_time_asked_for_is_bounded_by_the_policy() {
    let policy = ReservationPolicy::default();
    assert_eq!(
        lifetime(None, &policy).unwrap(),
        SignedDuration::from_mins(15)
    );
    assert_eq!(
        lifetime(Some(60), &policy).unwrap(),
        SignedDuration::from_mins(1)
    );
    assert_eq!(
        lifetime(Some(u32::MAX), &policy).unwrap(),
        SignedDuration::from_mins(60)
    );
    assert_eq!(
        lifetime(Some(0), &policy).unwrap_err().errors[0].pointer,
        "/seconds"
    );
}

#[test]
fn an_order_names_the_same_basket() {
    let asked = serde_json::json!({
        "account": "A", "purchase_order_number": "PO-1", "ship_complete": true,
        "lines": [{ "identifiers": [{ "scheme": "seller_part_number", "value": "SKU-1" }], "quantity": "3" }],
    });
    let basket = order_basket(&serde_json::from_value(asked).unwrap());
    assert!(basket.ship_complete && basket.lines[0].quantity == dec!(3));
}
