//! Promotions laid on prices: what they may take off, and what nothing makes them take off.

use canonical_model::{
    Currency, PromotionId, Quantity, UnitPrice,
    price::{PriceLevel, PriceSchedule},
};
use jiff::civil::{Date, date};
use proptest::prelude::*;
use rstest::rstest;
use rust_decimal::dec;

use super::*;
use crate::pricing::{
    breaks::browse,
    resolve::{
        LockedPrice, resolve,
        tests::{account, carton, each, product, record, schedule},
    },
};

const TODAY: Date = date(2026, 11, 20);

fn promotion(id: &str, off: Off) -> Promotion {
    Promotion {
        id: PromotionId::new(id).unwrap(),
        description: format!("{id} for everybody"),
        valid_from: TODAY,
        valid_to: date(2026, 11, 21),
        off,
        items: Vec::new(),
        unspsc: Vec::new(),
        accounts: Vec::new(),
        price_groups: Vec::new(),
    }
}

fn percent(id: &str, percent: Decimal) -> Promotion {
    promotion(id, Off::Percent(percent))
}

fn combined(
    number: &str,
    level: PriceLevel,
    price: Decimal,
    floor: Option<Decimal>,
) -> PriceRecord {
    PriceRecord {
        promotions: PromotionRule::Combined,
        floor,
        ..record(number, level, price)
    }
}

fn priced(
    quantity: Quantity,
    lock: Option<&LockedPrice>,
    prices: &PriceSchedule,
    promotions: &[Promotion],
) -> (Resolved, Vec<DecisionStep>) {
    let (account, product) = (account(), product());
    let asked = Asked {
        account: &account,
        product: &product,
        quantity,
        currency: Currency::USD,
        on: TODAY,
        promotions,
    };
    let (found, steps) = resolve(Some(1), &asked, lock, Some(prices));
    (found.unwrap(), steps)
}

/// The price of one, the promotion behind it, and what the decision record says of promotions.
fn one(
    records: Vec<PriceRecord>,
    promotions: &[Promotion],
) -> (Decimal, Option<AppliedPromotion>, DecisionStep) {
    let (found, mut steps) = priced(each(dec!(1)), None, &schedule(records), promotions);
    let PriceBasis::Record { promotion, .. } = found.basis else {
        panic!("{found:?}")
    };
    assert_eq!(steps.len(), 2, "{steps:?}");
    assert_eq!(
        (
            steps[0].about.as_str(),
            steps[1].about.as_str(),
            steps[1].line
        ),
        ("price", "promotion", Some(1))
    );
    (found.unit_price.amount, promotion, steps.remove(1))
}

fn reason(step: &DecisionStep) -> &str {
    &step.rejected[0].reason
}

#[test]
fn a_list_price_falls_and_says_by_what_and_from_where() {
    let list = combined("R", PriceLevel::List, dec!(9.99), Some(dec!(8.00)));
    let (amount, applied, step) = one(vec![list], &[percent("AUTUMN", dec!(10))]);
    assert_eq!(amount.to_string(), "8.99");
    let applied = applied.unwrap();
    assert_eq!(applied.promotion.as_str(), "AUTUMN");
    assert_eq!(applied.base_unit_price.amount, dec!(9.99));
    assert_eq!(step.chosen, "AUTUMN: list R: 8.99 USD per EA");
}

#[test]
fn nothing_goes_below_the_floor_that_the_record_states() {
    let list = combined("R", PriceLevel::GroupList, dec!(10), Some(dec!(9.5)));
    let (amount, applied, _) = one(vec![list.clone()], &[percent("HALF", dec!(50))]);
    assert_eq!(
        (amount.to_string().as_str(), applied.is_some()),
        ("9.50", true)
    );
    let at_floor = PriceRecord {
        floor: Some(dec!(10)),
        ..list
    };
    let (amount, applied, step) = one(vec![at_floor], &[percent("HALF", dec!(50))]);
    assert_eq!((amount, applied), (dec!(10), None));
    assert!(reason(&step).contains("at its floor of 10"), "{step:?}");
}

#[rstest]
#[case(PriceLevel::ContractShipTo, "contract's price stands")]
#[case(PriceLevel::ContractParent, "contract's price stands")]
#[case(PriceLevel::AccountList, "record lets no promotion")]
#[case(PriceLevel::List, "record lets no promotion")]
fn a_price_whose_record_does_not_allow_it_stands(#[case] level: PriceLevel, #[case] why: &str) {
    let list = combined("L", PriceLevel::List, dec!(10), None);
    let records = vec![record("A", level, dec!(9)), list];
    let (amount, applied, step) = one(records, &[percent("HALF", dec!(50))]);
    assert_eq!((amount, applied), (dec!(9), None));
    assert_eq!(step.chosen, "none");
    assert!(reason(&step).contains(why), "{step:?}");
}

#[test]
fn a_contract_that_combines_gives_way_to_its_own_floor() {
    let contract = combined("C", PriceLevel::ContractSoldTo, dec!(9), Some(dec!(8.5)));
    let list = combined("L", PriceLevel::List, dec!(10), Some(dec!(1)));
    let (amount, applied, _) = one(vec![contract, list], &[percent("HALF", dec!(50))]);
    assert_eq!(amount, dec!(8.50));
    assert_eq!(applied.unwrap().base_unit_price.amount, dec!(9.00));
}

#[rstest]
#[case::lower(dec!(20), None, "8.00", true)]
#[case::not_lower(dec!(10), None, "9.00", false)]
#[case::its_floor_holds(dec!(20), Some(dec!(8.75)), "8.75", true)]
#[case::its_floor_forbids(dec!(20), Some(dec!(9)), "9.00", false)]
fn a_contract_or_promotional_if_lower(
    #[case] off: Decimal,
    #[case] floor: Option<Decimal>,
    #[case] amount: &str,
    #[case] applies: bool,
) {
    let contract = PriceRecord {
        promotions: PromotionRule::IfLower,
        floor,
        ..record("C", PriceLevel::ContractGroup, dec!(9))
    };
    let list = combined("L", PriceLevel::List, dec!(10), None);
    let (found, applied, step) = one(vec![contract.clone(), list], &[percent("P", off)]);
    assert_eq!(
        (found.to_string().as_str(), applied.is_some()),
        (amount, applies),
        "{step:?}"
    );
    if let Some(applied) = applied {
        assert_eq!(
            applied.base_unit_price.amount,
            dec!(10),
            "off the price without the contract"
        );
    }
    let closed = record("L", PriceLevel::List, dec!(10));
    let (found, _, _) = one(vec![contract, closed], &[percent("P", dec!(90))]);
    assert_eq!(found, dec!(9), "the list takes no promotion");
}

#[test]
fn of_several_the_lowest_price_applies_alone_and_the_others_are_named() {
    let list = combined("L", PriceLevel::List, dec!(10), None);
    let half = UnitPrice {
        amount: dec!(6),
        currency: Currency::USD,
        unit: carton(),
    };
    let euro = UnitPrice {
        currency: Currency::EUR,
        ..half
    };
    let over = Promotion {
        valid_from: date(2026, 1, 1),
        valid_to: TODAY,
        ..percent("OVER", dec!(90))
    };
    let promotions = [
        percent("A-TENTH", dec!(10)),
        percent("B-FIFTH", dec!(20)),
        promotion("C-CARTON", Off::Amount(half)),
        promotion("D-EURO", Off::Amount(euro)),
        over,
    ];
    let (amount, applied, step) = one(vec![list], &promotions);
    assert_eq!(amount, dec!(8));
    assert_eq!(applied.unwrap().promotion.as_str(), "B-FIFTH");
    let reasons: Vec<(&str, &str)> = step
        .rejected
        .iter()
        .map(|other| (other.alternative.as_str(), other.reason.as_str()))
        .collect();
    assert_eq!(
        reasons,
        [
            ("A-TENTH: 10 % off", "another takes off more"),
            (
                "C-CARTON: 6 USD per CT off",
                "another takes off as much or more"
            ),
            ("D-EURO: 6 EUR per CT off", "it is in EUR"),
            ("OVER: 90 % off", "it ended before 2026-11-20"),
        ]
    );
}

#[test]
fn a_promotion_is_for_its_items_and_accounts_and_says_nothing_of_others() {
    let list = || vec![combined("L", PriceLevel::List, dec!(10), None)];
    let base = || percent("P", dec!(10));
    let applies = [
        Promotion {
            items: vec!["SKU-1".parse().unwrap()],
            accounts: vec!["ACME".parse().unwrap()],
            ..base()
        },
        Promotion {
            items: vec!["SKU-2".parse().unwrap()],
            unspsc: vec!["3117".to_owned()],
            price_groups: vec!["RETAIL".to_owned()],
            ..base()
        },
    ];
    let others = [
        Promotion {
            items: vec!["SKU-2".parse().unwrap()],
            ..base()
        },
        Promotion {
            unspsc: vec!["4014".to_owned()],
            ..base()
        },
        Promotion {
            accounts: vec!["BOREALIS".parse().unwrap()],
            ..base()
        },
        Promotion {
            price_groups: vec!["TRADE".to_owned()],
            ..base()
        },
    ];
    for promotion in applies {
        let (amount, _, _) = one(list(), std::slice::from_ref(&promotion));
        assert_eq!(amount, dec!(9), "{promotion:?}");
    }
    for promotion in others {
        let promotions = [promotion];
        let (found, steps) = priced(each(dec!(1)), None, &schedule(list()), &promotions);
        assert_eq!(
            (found.unit_price.amount, steps.len()),
            (dec!(10), 1),
            "{promotions:?}"
        );
    }
}

#[test]
fn a_lock_stays_a_lock() {
    let lock = LockedPrice {
        quote_id: canonical_model::QuoteId::generate(),
        from: each(dec!(1)),
        unit_price: UnitPrice {
            amount: dec!(9.75),
            currency: Currency::USD,
            unit: canonical_model::UnitOfMeasure::EACH,
        },
    };
    let prices = schedule(vec![combined("L", PriceLevel::List, dec!(10), None)]);
    let promotions = [percent("P", dec!(50))];
    let (found, steps) = priced(each(dec!(1)), Some(&lock), &prices, &promotions);
    assert_eq!(found.unit_price.amount, dec!(9.75));
    assert_eq!(reason(&steps[1]), "a quote locked the price");
}

#[test]
fn a_floor_that_cannot_be_told_in_the_unit_ordered_is_kept_by_taking_nothing_off() {
    let per_carton = PriceRecord {
        unit: carton(),
        ..combined("L", PriceLevel::List, dec!(120), Some(dec!(100)))
    };
    let (amount, _, step) = one(
        vec![PriceRecord {
            break_quantity: dec!(0),
            ..per_carton
        }],
        &[percent("P", dec!(10))],
    );
    assert_eq!(amount, dec!(10));
    assert!(reason(&step).contains("no exact price per EA"), "{step:?}");
}

#[test]
fn what_is_browsed_is_what_is_charged() {
    let deep = PriceRecord {
        break_quantity: dec!(10),
        ..combined("D", PriceLevel::List, dec!(7), Some(dec!(6.5)))
    };
    let prices = schedule(vec![combined("A", PriceLevel::List, dec!(8), None), deep]);
    let promotions = [percent("P", dec!(10))];
    let shown = browse(&account(), &product(), &prices, &promotions, TODAY).unwrap();
    assert_eq!(shown.breaks.len(), 2);
    for step in shown.breaks {
        let (found, _) = priced(each(step.from_quantity), None, &prices, &promotions);
        assert_eq!(found.unit_price, step.unit_price);
        let PriceBasis::Record { promotion, .. } = found.basis else {
            panic!("no record")
        };
        assert_eq!((promotion.is_some(), promotion), (true, step.promotion));
    }
}

fn any_level() -> impl Strategy<Value = PriceLevel> {
    prop_oneof![
        Just(PriceLevel::ContractShipTo),
        Just(PriceLevel::ContractSoldTo),
        Just(PriceLevel::ContractGroup),
        Just(PriceLevel::AccountList),
        Just(PriceLevel::GroupList),
        Just(PriceLevel::List),
    ]
}

fn any_record() -> impl Strategy<Value = PriceRecord> {
    let rule = prop_oneof![
        Just(PromotionRule::Excluded),
        Just(PromotionRule::Combined),
        Just(PromotionRule::IfLower),
    ];
    let price = (1_i64..100_000, 0_u32..4).prop_map(|(amount, scale)| Decimal::new(amount, scale));
    let floor = prop::option::of((1_i64..100_000, 0_u32..4));
    (any_level(), price, rule, floor, any::<bool>()).prop_map(
        |(level, price, promotions, floor, per_carton)| PriceRecord {
            promotions,
            floor: floor.map(|(amount, scale)| Decimal::new(amount, scale)),
            unit: if per_carton {
                carton()
            } else {
                canonical_model::UnitOfMeasure::EACH
            },
            break_quantity: dec!(0),
            ..record("R", level, price)
        },
    )
}

fn any_promotion() -> impl Strategy<Value = Promotion> {
    let off = prop_oneof![
        (1_i64..9_999).prop_map(|hundredths| Off::Percent(Decimal::new(hundredths, 2))),
        (1_i64..10_000, any::<bool>()).prop_map(|(cents, per_carton)| Off::Amount(UnitPrice {
            amount: Decimal::new(cents, 2),
            currency: Currency::USD,
            unit: if per_carton {
                carton()
            } else {
                canonical_model::UnitOfMeasure::EACH
            },
        })),
    ];
    (off, 0_u32..1_000).prop_map(|(off, number)| promotion(&format!("P{number}"), off))
}

proptest! {
    #[test]
    fn never_above_the_price_below_a_floor_or_below_a_contract(
        records in prop::collection::vec(any_record(), 1..6),
        promotions in prop::collection::vec(any_promotion(), 0..4),
        in_cartons in any::<bool>(),
    ) {
        let quantity = Quantity::new(dec!(12), if in_cartons { carton() } else { canonical_model::UnitOfMeasure::EACH });
        let (account, product) = (account(), product());
        let numbered = records.into_iter().zip(1..).map(|(record, number)| PriceRecord {
            record: format!("R{number}"),
            ..record
        });
        let prices = schedule(numbered.collect());
        let asked = Asked {
            account: &account,
            product: &product,
            quantity,
            currency: Currency::USD,
            on: TODAY,
            promotions: &[],
        };
        let (without, _) = resolve(None, &asked, None, Some(&prices));
        let asked = Asked { promotions: &promotions, ..asked };
        let (with, _) = resolve(None, &asked, None, Some(&prices));
        prop_assert_eq!(without.is_some(), with.is_some());
        let (Some(without), Some(with)) = (without, with) else {
            return Ok(());
        };
        let (PriceBasis::Record { record: won, .. }, PriceBasis::Record { record: used, promotion, .. }) = (&without.basis, &with.basis) else {
            panic!("no lock was given")
        };
        let (before, after) = (without.unit_price.amount, with.unit_price.amount);
        if promotion.is_none() {
            prop_assert_eq!(&without, &with);
            return Ok(());
        }
        prop_assert!(after < before && after > Decimal::ZERO, "{after} instead of {before}");
        let of = |number: &String| prices.records.iter().find(|record| record.record == *number).unwrap();
        let (won, used) = (of(won), of(used));
        for record in [won, used] {
            let per = Ratio::between(&product, quantity.unit, record.unit).unwrap();
            let kept = record.floor.is_none_or(|floor| after >= per.apply(floor).unwrap());
            prop_assert!(kept, "{after} is below the floor of {record:?}");
        }
        prop_assert_eq!(used.promotions, PromotionRule::Combined);
        let gives_way = won.level.is_contract() && won.promotions == PromotionRule::IfLower;
        prop_assert!(used == won || gives_way, "{won:?} gave way to {used:?}");
    }
}
