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
    quoted_for(seller, lines, None, "key").await
}

async fn quoted_for(
    seller: &Seller,
    lines: Vec<BasketLine>,
    seconds: Option<u32>,
    key: &str,
) -> Result<Quote, Problem> {
    let call = call_for(&["A", "B"]);
    let request = QuoteRequest {
        account: account_id("A"),
        ship_to: None,
        lines,
        seconds,
    };
    match create(&seller.sources, &call, request, &keyed(&call, key)).await {
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

/// The facts and the assessment of an order of account A, as of now.
async fn ordered(seller: &Seller, request: &BasketRequest) -> (Facts, Assessment) {
    let call = call_for(&["A"]);
    let facts = gather(&seller.sources, &call, request, Purpose::Order)
        .await
        .unwrap();
    let now = seller.sources.clock.now();
    let assessment = assess(request, LinePolicy::AllOrNothing, &facts, now);
    (facts, assessment)
}

fn of_quote(quote: &Quote, line: BasketLine) -> BasketLine {
    let quote_id = Some(quote.quote_id);
    BasketLine { quote_id, ..line }
}

#[tokio::test]
async fn each_line_has_the_price_of_its_own_quote_and_the_basket_s_holds_for_the_others() {
    let seller = Seller::open();
    let cheap = quoted(&seller, vec![line("SKU-1", dec!(10))])
        .await
        .unwrap();
    seller.system.world().prices[0].records[0].unit_price = dec!(11);
    let whole = quoted_for(&seller, vec![line("SKU-1", dec!(1))], None, "later")
        .await
        .unwrap();
    seller.system.world().prices[0].records[0].unit_price = dec!(12);

    let mut request = basket(
        "A",
        vec![
            of_quote(&cheap, line("SKU-1", dec!(10))),
            line("SKU-1", dec!(10)),
            of_quote(&cheap, line("SKU-1", dec!(9))),
            of_quote(&cheap, line("SKU-2", dec!(1))),
        ],
    );
    request.quote_id = Some(whole.quote_id);
    let (facts, assessment) = ordered(&seller, &request).await;
    let quote_of = |index: usize| match &assessment.lines[index].price.as_ref().unwrap().basis {
        PriceBasis::Quote { quote_id } => Some(*quote_id),
        PriceBasis::Record { .. } => None,
    };
    assert_eq!(
        [quote_of(0), quote_of(1), quote_of(2), quote_of(3)],
        [Some(cheap.quote_id), Some(whole.quote_id), None, None],
        "below its quantity a lock does not hold, and what it does not name has today's price"
    );
    assert_eq!(assessment.total.amount, dec!(1318.00));

    let read: Facts = serde_json::from_value(serde_json::to_value(&facts).unwrap()).unwrap();
    let again = assess(&request, LinePolicy::AllOrNothing, &read, noon());
    assert_eq!(again, assessment, "the facts alone come to the same");
}

#[tokio::test]
async fn a_quote_that_cannot_be_used_is_a_fault_of_the_line_that_names_it() {
    let seller = Seller::open();
    let quote = quoted(&seller, vec![line("SKU-1", dec!(1))]).await.unwrap();
    seller.clock.advance(SignedDuration::from_hours(24));
    let request = basket(
        "A",
        vec![
            line("SKU-1", dec!(1)),
            of_quote(&quote, line("SKU-1", dec!(1))),
        ],
    );
    let (_, assessment) = ordered(&seller, &request).await;
    assert!(assessment.problems.is_empty() && assessment.lines[0].problems.is_empty());
    let problem = &assessment.lines[1].problems[0];
    assert_eq!(
        (problem.code, problem.pointer.as_str()),
        (LineProblemCode::QuoteNotUsable, "/lines/1/quote_id")
    );
}

#[tokio::test]
async fn a_quote_is_of_its_account_and_its_place_alone() {
    let seller = Seller::open();
    let quote = quoted(&seller, vec![line("SKU-1", dec!(1))]).await.unwrap();
    {
        // Places of two accounts may have one name.
        let mut world = seller.system.world();
        let of = |account: &str| {
            let account = account_id(account);
            world
                .accounts
                .iter()
                .position(|known| known.account == account)
                .unwrap()
        };
        let (a, b) = (of("A"), of("B"));
        let places = [
            world.accounts[a].ship_tos.clone(),
            world.accounts[b].ship_tos.clone(),
        ]
        .concat();
        world.accounts[a].ship_tos = places.clone();
        world.accounts[b].ship_tos = places;
    }
    for (account, place, usable) in [("A", 0, true), ("A", 1, false), ("B", 0, false)] {
        let mut request = basket(account, vec![of_quote(&quote, line("SKU-1", dec!(1)))]);
        let places = seller.system.world().accounts[0].ship_tos.clone();
        request.ship_to = Some(places[place].ship_to.clone());
        let (_, assessment) = ordered(&seller, &request).await;
        let problems: Vec<_> = assessment
            .all_problems()
            .map(|problem| problem.code)
            .collect();
        let expected = [LineProblemCode::QuoteNotUsable];
        assert_eq!(
            problems,
            expected[usize::from(usable)..],
            "{account} at place {place}"
        );
    }
}

#[tokio::test]
async fn one_order_gathers_from_so_many_quotes_and_no_more() {
    let seller = Seller::open();
    let lines = |distinct: u128| {
        let of = |number| BasketLine {
            quote_id: Some(QuoteId(Uuid::from_u128(number))),
            ..line("SKU-1", dec!(1))
        };
        (0..distinct).chain(0..distinct).map(of).collect()
    };
    let call = call_for(&["A"]);
    let gathered = async |distinct| {
        let request = basket("A", lines(distinct));
        let gathered = gather(&seller.sources, &call, &request, Purpose::Order).await;
        gathered.map_err(Problem::from)
    };
    assert!(gathered(50).await.is_ok());
    let refused = gathered(51).await.unwrap_err();
    assert_eq!(
        (refused.status, refused.errors[0].pointer.as_str()),
        (422, "/lines")
    );
}

#[tokio::test]
async fn facts_of_before_lines_named_quotes_still_read() {
    let seller = Seller::open();
    let quote = quoted(&seller, vec![line("SKU-1", dec!(1))]).await.unwrap();
    let mut request = basket("A", vec![line("SKU-1", dec!(1))]);
    request.quote_id = Some(quote.quote_id);
    let (facts, assessment) = ordered(&seller, &request).await;
    let mut older = serde_json::to_value(&facts).unwrap();
    let quotes = older.as_object_mut().unwrap().remove("quotes").unwrap();
    older["quote"] = quotes[0].clone();
    let read: Facts = serde_json::from_value(older.clone()).unwrap();
    assert_eq!(read, facts);
    assert_eq!(
        assess(&request, LinePolicy::AllOrNothing, &read, noon()),
        assessment
    );
    older["quote"] = serde_json::Value::Null;
    let read: Facts = serde_json::from_value(older).unwrap();
    assert!(read.quotes.is_empty());
}

#[tokio::test]
async fn a_quote_holds_as_long_as_asked_and_never_longer_than_the_policy_allows() {
    let seller = Seller::open();
    let lasts = async |seconds, key| {
        let quote = quoted_for(&seller, vec![line("SKU-1", dec!(1))], seconds, key).await;
        quote.map(|quote| quote.expires_at.duration_since(quote.created_at))
    };
    assert_eq!(
        lasts(None, "1").await.unwrap(),
        SignedDuration::from_hours(24)
    );
    assert_eq!(
        lasts(Some(90), "2").await.unwrap(),
        SignedDuration::from_secs(90)
    );
    assert_eq!(
        lasts(Some(u32::MAX), "3").await.unwrap(),
        SignedDuration::from_hours(30 * 24)
    );
    let refused = lasts(Some(0), "4").await.unwrap_err();
    assert_eq!(refused.errors[0].pointer, "/seconds");
}

#[tokio::test]
async fn a_quote_is_made_of_the_prices_of_now_and_renews_no_other() {
    let seller = Seller::open();
    let cheap = quoted(&seller, vec![line("SKU-1", dec!(1))]).await.unwrap();
    seller.system.world().prices[0].records[0].unit_price = dec!(12);
    let lines = vec![of_quote(&cheap, line("SKU-1", dec!(1)))];
    let renewed = quoted_for(&seller, lines, None, "again").await.unwrap();
    assert_eq!(renewed.total.amount, dec!(12.00));
}
