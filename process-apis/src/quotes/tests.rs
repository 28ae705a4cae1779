//! Quotes as a buyer meets them, on the embedded store.

use canonical_model::{
    basket::{BasketLine, LineProblemCode, PriceBasis},
    decision::DecisionRecord,
};
use jiff::SignedDuration;
use rust_decimal::dec;
use service_runtime::problem::Problem;

use super::*;
use crate::baskets::{
    assess::assess,
    codes,
    testing::{Seller, account_id, basket, call_for, keyed, line, noon},
};

async fn quoted(seller: &Seller, lines: Vec<BasketLine>) -> Result<Quote, Problem> {
    let call = call_for(&["A", "B"]);
    let request = QuoteRequest {
        account: account_id("A"),
        ship_to: None,
        lines,
        seconds: None,
    };
    match create(&seller.sources, &call, request, &keyed(&call, "key")).await {
        Ok(answer) => Ok(serde_json::from_value(answer.body).unwrap()),
        Err(WorkError::Problem(problem)) => Err(problem),
        Err(WorkError::KeyUsed(_)) => panic!("the key is fresh"),
    }
}

async fn stored(seller: &Seller, quote: &Quote) -> StoredQuote {
    load(
        seller.sources.store.as_ref(),
        &call_for(&[]).company,
        quote.quote_id,
    )
    .await
    .unwrap()
    .unwrap()
}

#[tokio::test]
async fn a_quote_locks_its_prices_until_it_expires() {
    let seller = Seller::open();
    let quote = quoted(&seller, vec![line("SKU-1", dec!(10))])
        .await
        .unwrap();
    assert_eq!(
        (quote.total.amount, quote.state),
        (dec!(100.00), QuoteState::Open)
    );
    seller.system.world().prices[0].records[0].unit_price = dec!(11);

    let call = call_for(&["A"]);
    let price = async |quantity, account: &str| {
        let mut request = basket(account, vec![line("SKU-1", quantity)]);
        request.quote_id = Some(quote.quote_id);
        let facts = gather(&seller.sources, &call, &request, Purpose::Order)
            .await
            .unwrap();
        assess(
            &request,
            LinePolicy::AllOrNothing,
            &facts,
            seller.sources.clock.now(),
        )
    };
    let locked = price(dec!(10), "A").await;
    let found = locked.lines[0].price.clone().unwrap();
    assert_eq!(found.total.amount, dec!(100.00));
    assert_eq!(
        found.basis,
        PriceBasis::Quote {
            quote_id: quote.quote_id
        }
    );
    assert_eq!(
        price(dec!(9), "A").await.lines[0]
            .price
            .clone()
            .unwrap()
            .total
            .amount,
        dec!(99.00)
    );
    let foreign = price(dec!(10), "B").await;
    assert_eq!(foreign.problems[0].code, LineProblemCode::QuoteNotUsable);

    seller.clock.advance(SignedDuration::from_hours(24));
    assert_eq!(
        stored(&seller, &quote)
            .await
            .at(seller.sources.clock.now())
            .state,
        QuoteState::Expired
    );
    assert_eq!(
        price(dec!(10), "A").await.problems[0].code,
        LineProblemCode::QuoteNotUsable
    );
}

#[tokio::test]
async fn a_quote_is_whole_or_it_is_not_made() {
    let seller = Seller::open();
    let refused = quoted(
        &seller,
        vec![line("SKU-1", dec!(1)), line("SKU-3", dec!(1))],
    )
    .await
    .unwrap_err();
    assert!(refused.is(codes::BASKET_REJECTED));
    assert_eq!(
        (
            refused.errors[0].pointer.as_str(),
            refused.errors[0].code.as_str()
        ),
        ("/lines/1/identifiers", "no-price")
    );
    assert_eq!(*seller.sources.store.position().borrow(), 0);
}

#[tokio::test]
async fn another_company_s_quote_does_not_exist() {
    let seller = Seller::open();
    let quote = quoted(&seller, vec![line("SKU-1", dec!(1))]).await.unwrap();
    let other = CompanyId::new("OTHER").unwrap();
    assert_eq!(
        load(seller.sources.store.as_ref(), &other, quote.quote_id)
            .await
            .unwrap(),
        None
    );
}

#[tokio::test]
async fn the_stored_decision_recomputes_to_the_quote() {
    let seller = Seller::open();
    let quote = quoted(
        &seller,
        vec![line("SKU-1", dec!(7)), line("SKU-2", dec!(12))],
    )
    .await
    .unwrap();
    let (_, record): (_, DecisionRecord) = seller
        .sources
        .store
        .decision(quote.decision_id)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (record.kind.as_str(), record.subject),
        ("quote", quote.quote_id.to_string())
    );
    let request: BasketRequest = serde_json::from_value(record.request).unwrap();
    let facts: Facts = serde_json::from_value(record.facts).unwrap();
    let again = assess(
        &request,
        LinePolicy::AllOrNothing,
        &facts,
        record.decided_at,
    );
    assert_eq!(record.decided_at, noon());
    assert_eq!(
        (again.checked_lines(), again.total, again.steps),
        (quote.lines, quote.total, record.steps)
    );
}

#[tokio::test]
async fn a_key_used_before_makes_no_second_quote() {
    let seller = Seller::open();
    quoted(&seller, vec![line("SKU-1", dec!(1))]).await.unwrap();
    let before = *seller.sources.store.position().borrow();
    let call = call_for(&["A"]);
    let request = QuoteRequest {
        account: account_id("A"),
        ship_to: None,
        lines: vec![line("SKU-1", dec!(1))],
        seconds: None,
    };
    let again = create(&seller.sources, &call, request, &keyed(&call, "key")).await;
    assert!(matches!(again, Err(WorkError::KeyUsed(_))));
    assert_eq!(*seller.sources.store.position().borrow(), before);
}
