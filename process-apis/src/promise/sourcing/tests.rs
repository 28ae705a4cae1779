//! Where lines come from, site against site.

use canonical_model::{CompanyId, UnitConversion, UnitOfMeasure};
use jiff::{Timestamp, civil::date};
use proptest::prelude::*;
use rust_decimal::dec;

use super::*;
use crate::{
    policy::{SitePolicy, WorkingDay},
    promise::atp::FreeStep,
};

/// A Friday.
const TODAY: Date = date(2026, 11, 20);

fn now() -> Timestamp {
    "2026-11-20T12:00:00Z".parse().unwrap()
}

fn day(after: i64) -> Date {
    TODAY.saturating_add(after.days())
}

/// Works every day, so that days can be counted.
fn policy(transit_days: u8) -> SitePolicy {
    let all = [
        "monday",
        "tuesday",
        "wednesday",
        "thursday",
        "friday",
        "saturday",
        "sunday",
    ];
    let working_days: Vec<WorkingDay> = all
        .iter()
        .map(|day| serde_json::from_value(serde_json::json!(day)).unwrap())
        .collect();
    SitePolicy {
        transit_days,
        working_days,
        ..SitePolicy::default()
    }
}

fn product(conversions: Vec<UnitConversion>, replenishment_days: Option<u16>) -> Product {
    Product {
        company: CompanyId::new("NWI").unwrap(),
        item: ItemNumber::new("SKU-1").unwrap(),
        description: "Bearing".to_owned(),
        base_unit: UnitOfMeasure::EACH,
        sales_unit: UnitOfMeasure::EACH,
        conversions,
        gtin: None,
        unspsc: None,
        orderable: true,
        replenishment_days,
        buyer_part_number: None,
        as_of: now(),
    }
}

fn row(site: &str, steps: &[(usize, i64)]) -> FreeStock {
    FreeStock {
        item: ItemNumber::new("SKU-1").unwrap(),
        site: SiteId::new(site).unwrap(),
        as_of: now(),
        first_day: TODAY,
        last_day: day(90),
        steps: steps
            .iter()
            .map(|(after, free)| FreeStep {
                after: *after,
                free: Decimal::from(*free),
            })
            .collect(),
    }
}

struct World {
    east: SitePolicy,
    west: SitePolicy,
    stock: Stock,
}

impl World {
    fn new(east: &[(usize, i64)], west: &[(usize, i64)]) -> Self {
        let stock = Stock::of(&[row("EAST", east), row("WEST", west)]);
        Self {
            east: policy(1),
            west: policy(3),
            stock,
        }
    }

    fn source(
        &mut self,
        product: &Product,
        ordered: Quantity,
        requested: Option<Date>,
        whole: bool,
    ) -> Sourced {
        let sites = [("EAST", &self.east), ("WEST", &self.west)].map(|(site, policy)| Site {
            site: SiteId::new(site).unwrap(),
            calendar: Calendar::new(policy, None, now()),
        });
        let base = product.units().to_base(ordered).unwrap();
        source(
            &Wanted {
                line: 1,
                product,
                ordered,
                base,
                requested,
                whole,
            },
            &sites,
            &mut self.stock,
        )
    }
}

fn each(value: i64) -> Quantity {
    Quantity::new(Decimal::from(value), UnitOfMeasure::EACH)
}

fn parts(sourced: &Sourced) -> Vec<(&str, Decimal, Date, Cover)> {
    let lines = sourced.schedule.iter();
    lines
        .map(|part| {
            (
                part.site.as_str(),
                part.quantity.value,
                part.promised_delivery_date,
                part.cover,
            )
        })
        .collect()
}

#[test]
fn one_site_that_has_it_all_comes_before_two_that_share() {
    let mut world = World::new(&[(0, 60)], &[(0, 100)]);
    let sourced = world.source(&product(vec![], None), each(100), None, false);
    assert_eq!(parts(&sourced), [("WEST", dec!(100), day(3), Cover::Stock)]);
}

#[test]
fn of_two_sites_the_earlier_delivers_and_the_other_is_named() {
    let mut world = World::new(&[(0, 100)], &[(0, 100)]);
    let sourced = world.source(&product(vec![], None), each(100), None, false);
    assert_eq!(parts(&sourced), [("EAST", dec!(100), day(1), Cover::Stock)]);
    assert_eq!(sourced.step.rejected[0].reason, "it comes later");
}

#[test]
fn equal_sites_are_settled_by_their_number() {
    let mut world = World::new(&[(0, 10)], &[(0, 10)]);
    world.west = policy(1);
    let sourced = world.source(&product(vec![], None), each(10), None, false);
    assert_eq!(parts(&sourced)[0].0, "EAST");
}

#[test]
fn a_line_is_split_where_only_that_meets_the_date() {
    let mut world = World::new(&[(0, 60)], &[(0, 50), (20, 100)]);
    let sourced = world.source(&product(vec![], None), each(100), Some(day(5)), false);
    assert_eq!(
        parts(&sourced),
        [
            ("EAST", dec!(60), day(5), Cover::Stock),
            ("WEST", dec!(40), day(5), Cover::Stock)
        ]
    );
}

#[test]
fn a_whole_line_is_never_promised_as_a_sum_over_sites() {
    let mut world = World::new(&[(0, 60)], &[(0, 50)]);
    let product_without = product(vec![], None);
    assert!(
        world
            .source(&product_without, each(100), None, true)
            .schedule
            .is_empty()
    );
    assert_eq!(
        world
            .source(&product_without, each(100), None, true)
            .obtainable,
        dec!(60)
    );
    let sourced = world.source(&product(vec![], Some(10)), each(100), None, true);
    assert_eq!(
        parts(&sourced),
        [("EAST", dec!(100), day(11), Cover::LeadTime)]
    );
}

#[test]
fn a_later_date_is_honoured_on_that_day_and_leaves_stock_for_others() {
    let mut world = World::new(&[(0, 10), (5, 60)], &[]);
    let sourced = world.source(&product(vec![], None), each(40), Some(day(8)), false);
    assert_eq!(
        parts(&sourced),
        [("EAST", dec!(40), day(8), Cover::Receipt)]
    );
    assert_eq!(
        sourced.taken,
        [Taken {
            site: SiteId::new("EAST").unwrap(),
            day: day(7),
            quantity: dec!(40)
        }]
    );
    let now = world.source(&product(vec![], None), each(10), None, false);
    assert_eq!(parts(&now), [("EAST", dec!(10), day(1), Cover::Stock)]);
}

#[test]
fn a_receipt_covers_what_stock_does_not() {
    let mut world = World::new(&[(0, 10), (5, 60)], &[]);
    let sourced = world.source(&product(vec![], None), each(50), Some(day(2)), false);
    assert_eq!(
        parts(&sourced),
        [("EAST", dec!(50), day(6), Cover::Receipt)]
    );
}

#[test]
fn what_is_not_there_comes_with_the_lead_time_and_the_rest_before() {
    let mut world = World::new(&[(0, 30)], &[]);
    let sourced = world.source(&product(vec![], Some(14)), each(100), None, false);
    assert_eq!(
        parts(&sourced),
        [
            ("EAST", dec!(30), day(1), Cover::Stock),
            ("EAST", dec!(70), day(15), Cover::LeadTime)
        ]
    );
    assert_eq!(sourced.taken.len(), 1);
}

#[test]
fn without_lead_time_nothing_is_promised_and_nothing_taken() {
    let mut world = World::new(&[(0, 30)], &[(0, 30)]);
    let sourced = world.source(&product(vec![], None), each(100), None, false);
    assert!(sourced.schedule.is_empty() && sourced.taken.is_empty());
    assert_eq!(sourced.obtainable, dec!(60));
    assert_eq!(
        parts(&world.source(&product(vec![], None), each(30), None, false))[0].0,
        "EAST"
    );
}

#[test]
fn lines_of_one_basket_share_the_stock() {
    let mut world = World::new(&[(0, 10)], &[]);
    let product = product(vec![], None);
    assert_eq!(
        world.source(&product, each(6), None, false).schedule.len(),
        1
    );
    assert!(
        world
            .source(&product, each(5), None, false)
            .schedule
            .is_empty()
    );
    assert_eq!(
        world.source(&product, each(4), None, false).schedule.len(),
        1
    );
}

#[test]
fn parts_are_whole_units_of_what_was_ordered() {
    let carton = UnitOfMeasure::from_code("CT").unwrap();
    let boxed = product(
        vec![UnitConversion {
            unit: carton,
            numerator: 12,
            denominator: 1,
        }],
        None,
    );
    let mut world = World::new(&[(0, 35)], &[(0, 30)]);
    let sourced = world.source(&boxed, Quantity::new(dec!(4), carton), None, false);
    assert_eq!(
        parts(&sourced),
        [
            ("EAST", dec!(2), day(3), Cover::Stock),
            ("WEST", dec!(2), day(3), Cover::Stock)
        ]
        .map(|(site, quantity, delivery, cover)| {
            let delivery = if site == "EAST" { day(1) } else { delivery };
            (site, quantity, delivery, cover)
        })
    );
    assert_eq!(
        sourced
            .taken
            .iter()
            .map(|take| take.quantity)
            .collect::<Vec<_>>(),
        [dec!(24), dec!(24)]
    );
    let mut short = World::new(&[(0, 35)], &[(0, 23)]);
    assert!(
        short
            .source(&boxed, Quantity::new(dec!(4), carton), None, false)
            .schedule
            .is_empty()
    );
}

proptest! {
    /// The schedule always sums to the line, what is taken is always what was free, and nothing is taken twice.
    #[test]
    fn promises_never_exceed_supply(
        east in prop::collection::btree_map(0_usize..20, 0_i64..50, 1..4),
        west in prop::collection::btree_map(0_usize..20, 0_i64..50, 1..4),
        lines in prop::collection::vec((1_i64..40, prop::option::of(1_i64..40), any::<bool>(), any::<bool>()), 1..8),
    ) {
        let rising = |steps: std::collections::BTreeMap<usize, i64>| {
            let mut sum = 0;
            let mut rows: Vec<(usize, i64)> = steps.into_iter().map(|(after, more)| { sum += more; (after, sum) }).collect();
            rows[0].0 = 0;
            rows
        };
        let (east, west) = (rising(east), rising(west));
        let mut world = World::new(&east, &west);
        let mut taken: Vec<Taken> = Vec::new();
        for (quantity, requested, whole, lead) in lines {
            let product = product(vec![], lead.then_some(10));
            let sourced = world.source(&product, each(quantity), requested.map(day), whole);
            let total: Decimal = sourced.schedule.iter().map(|part| part.quantity.value).sum();
            prop_assert!(sourced.schedule.is_empty() || total == Decimal::from(quantity));
            prop_assert!(!whole || sourced.schedule.len() <= 1);
            taken.extend(sourced.taken);
        }
        for (site, steps) in [("EAST", &east), ("WEST", &west)] {
            for (after, free) in steps {
                let by_then = day(i64::try_from(*after).unwrap());
                // Within a step more may be taken up to the day before the next.
                let next = steps.iter().find(|step| step.0 > *after).map_or_else(|| day(91), |step| day(i64::try_from(step.0).unwrap()));
                let sum: Decimal = taken.iter().filter(|take| take.site.as_str() == site && take.day < next).map(|take| take.quantity).sum();
                prop_assert!(sum <= Decimal::from(*free), "{site} by {by_then}: {sum} of {free}");
            }
        }
    }
}
