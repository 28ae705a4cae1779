//! The precedence of prices, record against record.

use canonical_model::{
    AccountId, CompanyId, ItemNumber, UnitConversion, UnitOfMeasure,
    account::AccountStatus,
    price::{PriceLevel, PriceRecord, PromotionRule},
};
use jiff::civil::date;
use rstest::rstest;
use rust_decimal::dec;

use super::*;

pub(super) fn carton() -> UnitOfMeasure {
    UnitOfMeasure::from_code("CT").unwrap()
}

pub(super) fn product() -> Product {
    Product {
        company: CompanyId::new("NWI").unwrap(),
        item: ItemNumber::new("SKU-1").unwrap(),
        description: "Bearing".to_owned(),
        base_unit: UnitOfMeasure::EACH,
        sales_unit: UnitOfMeasure::EACH,
        conversions: vec![UnitConversion {
            unit: carton(),
            numerator: 12,
            denominator: 1,
        }],
        gtin: None,
        unspsc: Some("31171504".to_owned()),
        orderable: true,
        replenishment_days: None,
        buyer_part_number: None,
        as_of: "2026-11-20T12:00:00Z".parse().unwrap(),
    }
}

pub(super) fn record(number: &str, level: PriceLevel, price: Decimal) -> PriceRecord {
    PriceRecord {
        record: number.to_owned(),
        level,
        priority: 1,
        contract: None,
        unit_price: price,
        currency: Currency::USD,
        unit: UnitOfMeasure::EACH,
        break_quantity: dec!(1),
        valid_from: None,
        valid_to: None,
        promotions: PromotionRule::Excluded,
        floor: None,
    }
}

pub(super) fn schedule(records: Vec<PriceRecord>) -> PriceSchedule {
    PriceSchedule {
        company: CompanyId::new("NWI").unwrap(),
        account: AccountId::new("ACME").unwrap(),
        item: ItemNumber::new("SKU-1").unwrap(),
        records,
        as_of: "2026-11-20T12:00:00Z".parse().unwrap(),
    }
}

pub(super) fn account() -> Account {
    Account {
        company: CompanyId::new("NWI").unwrap(),
        account: AccountId::new("ACME-WEST").unwrap(),
        name: "Acme".to_owned(),
        status: AccountStatus::Active,
        ancestors: vec![AccountId::new("ACME").unwrap()],
        price_group: Some("RETAIL".to_owned()),
        currency: Currency::USD,
        ship_tos: Vec::new(),
        as_of: "2026-11-20T12:00:00Z".parse().unwrap(),
    }
}

fn price_of(quantity: Quantity, records: Vec<PriceRecord>) -> (Option<Decimal>, DecisionStep) {
    let (account, product) = (account(), product());
    let asked = Asked {
        account: &account,
        product: &product,
        quantity,
        currency: Currency::USD,
        on: date(2026, 11, 20),
        promotions: &[],
    };
    let (found, mut steps) = resolve(Some(1), &asked, None, Some(&schedule(records)));
    assert_eq!(
        steps.len(),
        1,
        "nothing is said of promotions where there are none"
    );
    (found.map(|found| found.unit_price.amount), steps.remove(0))
}

pub(super) fn each(value: Decimal) -> Quantity {
    Quantity::new(value, UnitOfMeasure::EACH)
}

#[rstest]
#[case(dec!(78.7), "78.70")]
#[case(dec!(78), "78.00")]
#[case(dec!(0.00335), "0.00335")]
fn a_price_has_at_least_the_digits_of_its_currency(#[case] price: Decimal, #[case] shown: &str) {
    let (amount, _) = price_of(each(dec!(1)), vec![record("R", PriceLevel::List, price)]);
    assert_eq!(amount.unwrap().to_string(), shown);
}

#[test]
fn levels_win_in_their_order_even_where_they_cost_more() {
    let levels = [
        PriceLevel::List,
        PriceLevel::GroupList,
        PriceLevel::AccountList,
        PriceLevel::ContractGroup,
        PriceLevel::ContractParent,
        PriceLevel::ContractSoldTo,
        PriceLevel::ContractShipTo,
    ];
    let mut records = Vec::new();
    for (number, level) in levels.into_iter().enumerate() {
        records.push(record(
            &format!("R{number}"),
            level,
            Decimal::from(number + 1),
        ));
        let (amount, step) = price_of(each(dec!(1)), records.clone());
        assert_eq!(amount, Some(Decimal::from(number + 1)), "{level:?}");
        assert_eq!(step.rejected.len(), number);
    }
}

#[test]
fn within_a_level_priority_then_break_then_start_decide() {
    let base = |number: &str, price| record(number, PriceLevel::List, price);
    let first = PriceRecord {
        priority: 0,
        ..base("P", dec!(9))
    };
    let deep = PriceRecord {
        break_quantity: dec!(10),
        ..base("D", dec!(7))
    };
    let later = PriceRecord {
        valid_from: Some(date(2026, 11, 1)),
        ..deep.clone()
    };
    let later = PriceRecord {
        record: "L".to_owned(),
        unit_price: dec!(6),
        ..later
    };
    assert_eq!(
        price_of(
            each(dec!(10)),
            vec![base("A", dec!(8)), deep.clone(), later.clone()]
        )
        .0,
        Some(dec!(6))
    );
    assert_eq!(
        price_of(
            each(dec!(9)),
            vec![base("A", dec!(8)), deep.clone(), later.clone()]
        )
        .0,
        Some(dec!(8))
    );
    assert_eq!(
        price_of(each(dec!(10)), vec![deep, later, first]).0,
        Some(dec!(9))
    );
}

#[rstest]
#[case(date(2026, 11, 20), date(2026, 11, 21), true)]
#[case(date(2026, 11, 21), date(2026, 12, 1), false)]
#[case(date(2026, 11, 1), date(2026, 11, 20), false)]
fn validity_begins_with_its_first_day_and_ends_before_its_last(
    #[case] from: Date,
    #[case] to: Date,
    #[case] valid: bool,
) {
    let bounded = PriceRecord {
        valid_from: Some(from),
        valid_to: Some(to),
        ..record("R", PriceLevel::List, dec!(5))
    };
    assert_eq!(price_of(each(dec!(1)), vec![bounded]).0.is_some(), valid);
}

#[test]
fn a_price_in_the_unit_ordered_comes_first_and_others_are_converted_exactly() {
    let per_each = record("EA", PriceLevel::List, dec!(2.5));
    let per_carton = PriceRecord {
        unit: carton(),
        ..record("CT", PriceLevel::List, dec!(27))
    };
    let two_cartons = Quantity::new(dec!(2), carton());
    assert_eq!(
        price_of(two_cartons, vec![per_each.clone(), per_carton.clone()]).0,
        Some(dec!(27))
    );
    let (amount, step) = price_of(two_cartons, vec![per_each]);
    assert_eq!(amount, Some(dec!(30)));
    assert!(step.rule.contains("converted"), "{step:?}");
    assert_eq!(
        price_of(each(dec!(24)), vec![per_carton]).0,
        Some(dec!(2.25))
    );
}

#[test]
fn a_break_in_another_unit_is_compared_and_not_rounded() {
    let per_carton = PriceRecord {
        unit: carton(),
        break_quantity: dec!(2),
        ..record("CT", PriceLevel::List, dec!(24))
    };
    assert_eq!(price_of(each(dec!(23)), vec![per_carton.clone()]).0, None);
    assert_eq!(price_of(each(dec!(24)), vec![per_carton]).0, Some(dec!(2)));
}

#[test]
fn what_cannot_be_a_price_is_refused_with_its_reason() {
    let zero = record("Z", PriceLevel::ContractShipTo, dec!(0));
    let negative = record("N", PriceLevel::ContractShipTo, dec!(-1));
    let euro = PriceRecord {
        currency: Currency::EUR,
        ..record("E", PriceLevel::List, dec!(1))
    };
    let pallet = UnitOfMeasure::from_code("PF").unwrap();
    let foreign = PriceRecord {
        unit: pallet,
        ..record("F", PriceLevel::List, dec!(1))
    };
    let endless = PriceRecord {
        unit: carton(),
        ..record("T", PriceLevel::List, dec!(10))
    };
    let (amount, step) = price_of(each(dec!(12)), vec![zero, negative, euro, foreign, endless]);
    assert_eq!(amount, None);
    let reasons: Vec<&str> = step
        .rejected
        .iter()
        .map(|other| other.reason.as_str())
        .collect();
    assert_eq!(reasons.len(), 5);
    assert!(reasons[0].contains("zero") && reasons[2].contains("EUR") && reasons[3].contains("PF"));
    assert!(reasons[4].contains("no exact price"), "{reasons:?}");
}

#[test]
fn a_lock_wins_for_its_unit_and_quantity_or_more() {
    let (account, product) = (account(), product());
    let lock = LockedPrice {
        quote_id: QuoteId::generate(),
        from: each(dec!(10)),
        unit_price: UnitPrice {
            amount: dec!(3),
            currency: Currency::USD,
            unit: UnitOfMeasure::EACH,
        },
    };
    let prices = schedule(vec![record("R", PriceLevel::ContractShipTo, dec!(4))]);
    let price = |quantity| {
        let asked = Asked {
            account: &account,
            product: &product,
            quantity,
            currency: Currency::USD,
            on: date(2026, 11, 20),
            promotions: &[],
        };
        resolve(None, &asked, Some(&lock), Some(&prices))
            .0
            .unwrap()
            .unit_price
            .amount
    };
    assert_eq!(price(each(dec!(10))), dec!(3));
    assert_eq!(price(each(dec!(9))), dec!(4));
    assert_eq!(price(Quantity::new(dec!(1), carton())), dec!(48));
}

#[test]
fn a_step_names_a_bounded_number_of_alternatives() {
    let records = (0..50).map(|number| record(&format!("R{number:02}"), PriceLevel::List, dec!(1)));
    let (_, step) = price_of(each(dec!(1)), records.collect());
    assert_eq!(step.rejected.len(), MAX_REJECTED + 1);
    assert_eq!(step.rejected.last().unwrap().alternative, "39 more");
}

#[test]
fn browsing_shows_each_break_once() {
    let deep = PriceRecord {
        break_quantity: dec!(10),
        ..record("D", PriceLevel::List, dec!(7))
    };
    let same = PriceRecord {
        break_quantity: dec!(20),
        ..record("S", PriceLevel::List, dec!(7))
    };
    let carton_price = PriceRecord {
        unit: carton(),
        ..record("C", PriceLevel::ContractSoldTo, dec!(60))
    };
    let prices = schedule(vec![
        record("A", PriceLevel::List, dec!(8)),
        deep,
        same,
        carton_price,
    ]);
    let on = date(2026, 11, 20);
    let shown = super::super::breaks::browse(&account(), &product(), &prices, &[], on).unwrap();
    let steps: Vec<(Decimal, Decimal)> = shown
        .breaks
        .iter()
        .map(|step| (step.from_quantity, step.unit_price.amount))
        .collect();
    assert_eq!(
        steps,
        [(dec!(1), dec!(8)), (dec!(10), dec!(7)), (dec!(12), dec!(5))]
    );
}

/// A product of which a drum holds 7 pieces and a pallet 70.
fn in_drums() -> Product {
    let of = |code, numerator| UnitConversion {
        unit: UnitOfMeasure::from_code(code).unwrap(),
        numerator,
        denominator: 1,
    };
    Product {
        sales_unit: UnitOfMeasure::from_code("DR").unwrap(),
        conversions: vec![of("DR", 7), of("PF", 70)],
        ..product()
    }
}

#[test]
fn breaks_of_two_units_are_compared_where_one_is_no_exact_number_of_the_unit_ordered() {
    // From 10 pieces, 1.43 drums, and from half a pallet, 5 drums.
    let pieces = PriceRecord {
        break_quantity: dec!(10),
        ..record("EA", PriceLevel::List, dec!(3))
    };
    let pallet = PriceRecord {
        break_quantity: dec!(0.5),
        unit: UnitOfMeasure::from_code("PF").unwrap(),
        ..record("PF", PriceLevel::List, dec!(140))
    };
    let (account, product) = (account(), in_drums());
    let asked = Asked {
        account: &account,
        product: &product,
        quantity: Quantity::new(dec!(6), product.sales_unit),
        currency: Currency::USD,
        on: date(2026, 11, 20),
        promotions: &[],
    };
    let prices = schedule(vec![pieces, pallet]);
    let (found, _) = resolve(None, &asked, None, Some(&prices));
    assert_eq!(found.unwrap().unit_price.amount, dec!(14));
}

#[test]
fn a_break_that_is_no_exact_number_of_the_sales_unit_is_shown_where_it_is_reached() {
    let pieces = PriceRecord {
        break_quantity: dec!(10),
        ..record("EA", PriceLevel::List, dec!(3))
    };
    let prices = schedule(vec![pieces]);
    let on = date(2026, 11, 20);
    let shown = super::super::breaks::browse(&account(), &in_drums(), &prices, &[], on).unwrap();
    let [step] = &shown.breaks[..] else {
        panic!("{shown:?}");
    };
    assert_eq!(
        (step.from_quantity, step.unit_price.amount),
        (dec!(1.428571429), dec!(21))
    );
}
