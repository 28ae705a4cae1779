//! The engine over facts gathered from a small seller.

use canonical_model::{
    Currency, SiteId, UnitOfMeasure, UnitPrice,
    basket::BasketLine,
    item::{ItemIdentifier, ItemScheme},
    order::HoldKind,
    promise::Cover,
};
use jiff::{SignedDuration, civil::date};
use rstest::rstest;
use rust_decimal::dec;
use serde_json::json;

use super::*;
use crate::baskets::{
    facts::{Purpose, gather},
    testing::{Seller, basket, call_for, carton, credit, line, noon, stock},
};
use crate::clients::SystemError;

async fn facts(seller: &Seller, request: &BasketRequest) -> Facts {
    gather(
        &seller.sources,
        &call_for(&["A", "B"]),
        request,
        Purpose::Checkout,
    )
    .await
    .unwrap()
}

async fn assessed(seller: &Seller, request: &BasketRequest) -> Assessment {
    assess(
        request,
        LinePolicy::AllOrNothing,
        &facts(seller, request).await,
        noon(),
    )
}

fn codes(assessment: &Assessment) -> Vec<(LineProblemCode, &str)> {
    assessment
        .all_problems()
        .map(|problem| (problem.code, problem.pointer.as_str()))
        .collect()
}

fn expecting(amount: Decimal, unit: UnitOfMeasure, currency: Currency) -> BasketLine {
    let expected_unit_price = Some(UnitPrice {
        amount,
        currency,
        unit,
    });
    BasketLine {
        expected_unit_price,
        ..line("SKU-1", dec!(12))
    }
}

#[tokio::test]
async fn a_sound_basket_is_priced_promised_and_passes() {
    let seller = Seller::open();
    let assessment = assessed(
        &seller,
        &basket("A", vec![line("SKU-1", dec!(100)), line("SKU-2", dec!(2))]),
    )
    .await;
    assert_eq!(assessment.verdict, Verdict::Accept);
    assert_eq!(assessment.total.amount, dec!(3000.00));
    // EAST is a working day away; Friday noon is before the cut-off.
    let part = &assessment.lines[0].schedule[0];
    assert_eq!(
        (part.site.as_str(), part.promised_delivery_date),
        ("EAST", date(2026, 11, 23))
    );
    assert_eq!(assessment.stock.len(), 2);
    assert_eq!(assessment.credit.as_ref().unwrap().account.as_str(), "A");
    let about: Vec<&str> = assessment
        .steps
        .iter()
        .map(|step| step.about.as_str())
        .collect();
    assert_eq!(
        about,
        [
            "account", "price", "price", "sourcing", "sourcing", "credit"
        ]
    );
}

#[tokio::test]
async fn lines_of_one_item_never_promise_the_same_stock_twice() {
    let seller = Seller::open();
    let request = basket(
        "A",
        vec![
            line("SKU-1", dec!(100)),
            line("SKU-1", dec!(40)),
            line("SKU-1", dec!(10)),
        ],
    );
    let assessment = assessed(&seller, &request).await;
    let sites: Vec<&str> = assessment
        .lines
        .iter()
        .map(|line| line.schedule[0].site.as_str())
        .collect();
    assert_eq!(sites[..2], ["EAST", "WEST"]);
    assert_eq!(assessment.lines[2].schedule[0].cover, Cover::LeadTime);
    let taken: Decimal = assessment.stock.iter().map(|need| need.quantity).sum();
    assert_eq!(taken, dec!(140));
}

#[rstest]
#[case(line("NOPE", dec!(1)), LineProblemCode::UnknownItem, "/lines/0/identifiers")]
#[case(BasketLine { unit: UnitOfMeasure::from_code("KGM").ok(), ..line("SKU-1", dec!(1)) }, LineProblemCode::WrongUnit, "/lines/0/unit")]
#[case(line("SKU-1", dec!(0.5)), LineProblemCode::WrongUnit, "/lines/0/quantity")]
#[case(line("SKU-1", dec!(0)), LineProblemCode::QuantityOutOfRange, "/lines/0/quantity")]
#[case(line("SKU-1", dec!(-1)), LineProblemCode::QuantityOutOfRange, "/lines/0/quantity")]
#[case(line("SKU-1", dec!(10000000)), LineProblemCode::QuantityOutOfRange, "/lines/0/quantity")]
#[case(BasketLine { unit: Some(carton()), ..line("SKU-1", dec!(9000000)) }, LineProblemCode::QuantityOutOfRange, "/lines/0/quantity")]
#[case(line("SKU-3", dec!(1)), LineProblemCode::NoPrice, "/lines/0/identifiers")]
#[case(line("SKU-2", dec!(61)), LineProblemCode::NotAvailable, "/lines/0/quantity")]
#[case(BasketLine { requested_delivery_date: Some(date(2026, 11, 19)), ..line("SKU-1", dec!(1)) }, LineProblemCode::DateOutOfRange, "/lines/0/requested_delivery_date")]
#[case(BasketLine { requested_delivery_date: Some(date(2027, 11, 19)), ..line("SKU-1", dec!(1)) }, LineProblemCode::DateOutOfRange, "/lines/0/requested_delivery_date")]
#[tokio::test]
async fn a_wrong_line_is_named_and_takes_nothing(
    #[case] wrong: BasketLine,
    #[case] code: LineProblemCode,
    #[case] pointer: &str,
) {
    let seller = Seller::open();
    let request = basket("A", vec![wrong, line("SKU-1", dec!(1))]);
    let assessment = assessed(&seller, &request).await;
    assert_eq!(codes(&assessment), [(code, pointer)]);
    assert_eq!(assessment.verdict, Verdict::Reject);
    assert_eq!(
        (assessment.total.amount, assessment.stock.len()),
        (dec!(10.00), 1)
    );
    let taking = assess(
        &request,
        LinePolicy::TakeSoundLines,
        &facts(&seller, &request).await,
        noon(),
    );
    assert_eq!(taking.verdict, Verdict::Accept);
}

#[tokio::test]
async fn the_basket_as_a_whole_can_be_wrong() {
    let seller = Seller::open();
    seller.system.world().accounts[0].status = AccountStatus::Blocked;
    let request = BasketRequest {
        ship_to: Some(canonical_model::ShipToId::new("B-01").unwrap()),
        requested_delivery_date: Some(date(2026, 11, 1)),
        quote_id: Some(canonical_model::QuoteId::generate()),
        reservation_id: Some(canonical_model::ReservationId::generate()),
        ..basket("A", vec![line("SKU-1", dec!(1))])
    };
    let assessment = assessed(&seller, &request).await;
    assert_eq!(
        codes(&assessment),
        [
            (LineProblemCode::AccountBlocked, "/account"),
            (LineProblemCode::UnknownShipTo, "/ship_to"),
            (LineProblemCode::DateOutOfRange, "/requested_delivery_date"),
            (LineProblemCode::QuoteNotUsable, "/quote_id"),
            (LineProblemCode::ReservationNotUsable, "/reservation_id"),
        ]
    );
}

#[tokio::test]
async fn the_first_identifier_that_names_a_product_counts() {
    let seller = Seller::open();
    let identifiers = [
        (ItemScheme::Gtin, "123"),
        (ItemScheme::BuyerPartNumber, "MY-SKU-2"),
    ]
    .map(|(scheme, value)| ItemIdentifier {
        scheme,
        value: value.to_owned(),
    });
    let named = BasketLine {
        identifiers: identifiers.to_vec(),
        ..line("SKU-1", dec!(1))
    };
    let assessment = assessed(&seller, &basket("A", vec![named])).await;
    assert_eq!(
        assessment.lines[0].product.as_ref().unwrap().item.as_str(),
        "SKU-2"
    );
}

#[rstest]
#[case(expecting(dec!(10), UnitOfMeasure::EACH, Currency::USD), dec!(0), false)]
#[case(expecting(dec!(10.0000), UnitOfMeasure::EACH, Currency::USD), dec!(0), false)]
#[case(expecting(dec!(120), carton(), Currency::USD), dec!(0), false)]
#[case(expecting(dec!(9.99), UnitOfMeasure::EACH, Currency::USD), dec!(0), true)]
#[case(expecting(dec!(9.99), UnitOfMeasure::EACH, Currency::USD), dec!(0.1), false)]
#[case(expecting(dec!(9.98), UnitOfMeasure::EACH, Currency::USD), dec!(0.1), true)]
#[case(expecting(dec!(10), UnitOfMeasure::EACH, Currency::EUR), dec!(99), true)]
#[tokio::test]
async fn a_price_that_differs_beyond_the_tolerance_is_held(
    #[case] line: BasketLine,
    #[case] percent: Decimal,
    #[case] held: bool,
) {
    let seller = Seller::open();
    let request = basket("A", vec![line]);
    let mut facts = facts(&seller, &request).await;
    facts.policies.price.tolerance_percent = percent;
    let assessment = assess(&request, LinePolicy::AllOrNothing, &facts, noon());
    let mismatch = assessment
        .holds
        .iter()
        .find(|hold| hold.kind == HoldKind::PriceMismatch);
    assert_eq!(mismatch.is_some(), held, "{:?}", assessment.holds);
    assert!(
        mismatch.is_none_or(|hold| hold.line == Some(1) && hold.released_by == "holds:release")
    );
    assert_eq!(assessment.total.amount, dec!(120.00));
}

#[tokio::test]
async fn an_order_beyond_the_credit_of_a_parent_is_held_and_names_it() {
    let seller = Seller::open();
    seller.system.world().credit[2] = credit("P", Some(dec!(10000)), dec!(9000), noon());
    let assessment = assessed(&seller, &basket("A", vec![line("SKU-2", dec!(2))])).await;
    assert_eq!(assessment.verdict, Verdict::Hold);
    assert!(
        assessment.holds[0]
            .detail
            .contains("credit of P leaves 1000"),
        "{:?}",
        assessment.holds
    );
    assert_eq!(assessment.credit.unwrap().account.as_str(), "P");
}

#[tokio::test]
async fn credit_that_nobody_can_tell_holds_and_stale_credit_too() {
    let seller = Seller::open();
    let request = basket("A", vec![line("SKU-1", dec!(1))]);
    let down = SystemError::Unavailable { retry_after: None };
    seller.system.world().failing.insert("credit", down);
    assert_eq!(assessed(&seller, &request).await.verdict, Verdict::Hold);
    seller.system.world().failing.clear();
    let fresh = facts(&seller, &request).await;
    let later = noon() + SignedDuration::from_mins(16);
    assert_eq!(
        assess(&request, LinePolicy::AllOrNothing, &fresh, noon()).verdict,
        Verdict::Accept
    );
    assert_eq!(
        assess(&request, LinePolicy::AllOrNothing, &fresh, later).verdict,
        Verdict::Hold
    );
}

#[tokio::test]
async fn stock_last_known_is_promised_for_a_while_and_never_invented() {
    let seller = Seller::open();
    let request = basket("A", vec![line("SKU-1", dec!(1))]);
    let call = call_for(&["A"]);
    let gathered = || gather(&seller.sources, &call, &request, Purpose::Order);
    let down = SystemError::Unavailable { retry_after: None };
    let promised = async || {
        let gathered = gathered().await.unwrap();
        assert!(gathered.degraded);
        let now = seller.sources.clock.now();
        let assessment = assess(&request, LinePolicy::AllOrNothing, &gathered, now);
        match codes(&assessment).as_slice() {
            [] => assessment.lines[0].schedule[0].as_of,
            [(LineProblemCode::DateUnconfirmed, _)] => None,
            other => panic!("{other:?}"),
        }
    };
    seller.system.world().failing.insert("stock", down.clone());
    assert_eq!(promised().await, None);
    seller.system.world().failing.clear();
    gathered().await.unwrap();
    seller.system.world().failing.insert("stock", down);
    seller.clock.advance(SignedDuration::from_mins(59));
    assert_eq!(promised().await, Some(noon()));
    seller.clock.advance(SignedDuration::from_mins(2));
    assert_eq!(promised().await, None);
}

#[tokio::test]
async fn what_must_come_together_comes_from_one_site_on_the_last_day() {
    let seller = Seller::open();
    let lines = vec![line("SKU-1", dec!(1)), line("SKU-2", dec!(20))];
    let request = BasketRequest {
        ship_complete: true,
        ..basket("A", lines)
    };
    let assessment = assessed(&seller, &request).await;
    let parts: Vec<(&str, Date)> = assessment
        .lines
        .iter()
        .flat_map(|line| &line.schedule)
        .map(|part| (part.site.as_str(), part.promised_delivery_date))
        .collect();
    // The receipt of SKU-2 comes on Wednesday the 25th.
    assert_eq!(
        parts,
        [("EAST", date(2026, 11, 26)), ("EAST", date(2026, 11, 26))]
    );
}

#[tokio::test]
async fn a_foreign_price_is_dropped_and_not_used() {
    let seller = Seller::open();
    for schedule in &mut seller.system.world().prices {
        schedule.company = canonical_model::CompanyId::new("OTHER").unwrap();
    }
    let assessment = assessed(&seller, &basket("A", vec![line("SKU-1", dec!(1))])).await;
    assert_eq!(codes(&assessment)[0].0, LineProblemCode::NoPrice);
}

#[tokio::test]
async fn facts_cost_one_call_of_a_kind_whatever_the_lines() {
    let seller = Seller::open();
    let lines = (0..500)
        .map(|_| line("SKU-1", dec!(1)))
        .chain([line("SKU-2", dec!(1))]);
    facts(&seller, &basket("A", lines.collect())).await;
    let mut calls = seller.system.world().calls.clone();
    calls.sort_unstable();
    assert_eq!(
        calls,
        [
            "accounts",
            "capabilities",
            "credit",
            "prices",
            "products_query",
            "stock"
        ]
    );
}

#[tokio::test]
async fn a_decision_recomputed_from_its_record_is_the_same() {
    let seller = Seller::open();
    let request = basket(
        "A",
        vec![
            expecting(dec!(9), UnitOfMeasure::EACH, Currency::USD),
            line("SKU-2", dec!(11)),
        ],
    );
    let gathered = facts(&seller, &request).await;
    let first = assess(&request, LinePolicy::AllOrNothing, &gathered, noon());
    let record = (
        serde_json::to_string(&request).unwrap(),
        serde_json::to_string(&gathered).unwrap(),
    );
    let again = assess(
        &serde_json::from_str(&record.0).unwrap(),
        LinePolicy::AllOrNothing,
        &serde_json::from_str(&record.1).unwrap(),
        noon(),
    );
    assert_eq!(first, again);
}

#[rstest]
#[case(json!({"from_value": {"amount": "1", "currency": "USD"}}), true)]
#[case(json!({"from_value": {"amount": "1", "currency": "EUR"}}), false)]
#[case(json!({"from_value": {"amount": "1000000", "currency": "USD"}}), false)]
#[case(json!({"items": ["SKU-1"]}), true)]
#[case(json!({"items": ["SKU-9"]}), false)]
#[case(json!({"accounts": ["A"]}), true)]
#[case(json!({"accounts": ["B"]}), false)]
#[case(json!({"accounts": ["A"], "items": ["SKU-9"]}), false)]
#[case(json!({"countries": ["FR"]}), false)]
#[tokio::test]
async fn an_order_that_meets_every_condition_of_a_rule_waits_for_a_person(
    #[case] mut rule: serde_json::Value,
    #[case] waits: bool,
) {
    let seller = Seller::open();
    let request = basket("A", vec![line("SKU-1", dec!(12))]);
    let mut facts = facts(&seller, &request).await;
    let before = assess(&request, LinePolicy::AllOrNothing, &facts, noon());
    assert_eq!(before.verdict, Verdict::Accept);
    assert!(before.steps.iter().all(|step| step.about != "approval"));
    rule["name"] = json!("rule");
    facts.policies.approval = vec![serde_json::from_value(rule).unwrap()];
    let after = assess(&request, LinePolicy::AllOrNothing, &facts, noon());
    let verdict = if waits {
        Verdict::Hold
    } else {
        Verdict::Accept
    };
    assert_eq!(after.verdict, verdict);
    let holds: Vec<HoldKind> = after.holds.iter().map(|hold| hold.kind).collect();
    let expected: &[HoldKind] = if waits { &[HoldKind::Review] } else { &[] };
    assert_eq!(holds, expected);
    let step = after.steps.iter().find(|step| step.about == "approval");
    let chosen = if waits { "hold" } else { "pass" };
    assert_eq!(step.unwrap().chosen, chosen);
}

/// SKU-1 lies at both sites, and WEST alone has what the second line wants: an ERP that ships an order from one site gets
/// it all from there.
#[tokio::test]
async fn where_the_erp_ships_from_one_site_all_lines_are_promised_from_the_same() {
    let seller = Seller::open();
    {
        let mut world = seller.system.world();
        world.stock.retain(|fact| fact.item.as_str() != "SKU-2");
        let mut west = stock("SKU-2", "WEST", dec!(50), noon());
        world.stock.push(west.clone());
        west.site = SiteId::new("EAST").unwrap();
        west.on_hand = Decimal::ZERO;
        world.stock.push(west);
    }
    let lines = vec![line("SKU-1", dec!(12)), line("SKU-2", dec!(2))];
    let request = basket("A", lines);
    let mut facts = facts(&seller, &request).await;
    let sites = |assessment: &Assessment| -> Vec<String> {
        let parts = assessment.lines.iter().flat_map(|line| &line.schedule);
        parts.map(|part| part.site.to_string()).collect()
    };
    let free = assess(&request, LinePolicy::AllOrNothing, &facts, noon());
    assert_eq!(sites(&free), ["EAST", "WEST"]);
    facts.capabilities.one_site_per_order = true;
    let bound = assess(&request, LinePolicy::AllOrNothing, &facts, noon());
    assert_eq!(bound.verdict, Verdict::Accept);
    assert_eq!(sites(&bound), ["WEST", "WEST"]);
}
