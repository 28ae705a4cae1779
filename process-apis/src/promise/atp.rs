//! Cumulative availability with look-ahead: what may be promised from a day on without taking from a promise already
//! made for later. `CATP(t) = min over s >= t of (supply by s - demand by s)`. Pure.

use canonical_model::{ItemNumber, SiteId, decimal, stock::StockFact};
use jiff::{SignedDuration, Timestamp, ToSpan, civil::Date, tz::TimeZone};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::{
    policy::PromisePolicy,
    store::{Steps, StockKey, StockPosition, StockSnapshot},
};

/// `CATP` for each period, from what there is at the start and what comes and goes in each period. Not floored.
pub fn cumulative(start: Decimal, supply: &[Decimal], demand: &[Decimal]) -> Vec<Decimal> {
    let mut level = start;
    let mut row: Vec<Decimal> = supply
        .iter()
        .zip(demand)
        .map(|(comes, goes)| {
            level = level.saturating_add(*comes).saturating_sub(*goes);
            level
        })
        .collect();
    look_ahead(&mut row);
    row
}

/// Lowers each value to the least of those after it.
fn look_ahead(row: &mut [Decimal]) {
    let mut least = Decimal::MAX;
    for value in row.iter_mut().rev() {
        least = least.min(*value);
        *value = least;
    }
}

/// A stock fact made ready for the ledger, and whether the source has promised more than it has: such negative
/// availability counts as none. The first day is the site's own day when the fact was read.
pub fn snapshot(
    fact: &StockFact,
    zone: &TimeZone,
    policy: &PromisePolicy,
    lag: SignedDuration,
) -> (StockSnapshot, bool) {
    let first_day = zone.to_datetime(fact.as_of).date();
    let days = usize::from(policy.horizon_days).saturating_add(1);
    let (mut supply, mut demand) = (vec![Decimal::ZERO; days], vec![Decimal::ZERO; days]);
    let mut beyond = Decimal::ZERO;
    for receipt in &fact.receipts {
        // An overdue receipt has not come, and nobody knows when it will: it is no cover.
        let counts =
            (receipt.confirmed || policy.unconfirmed_receipts) && receipt.date >= first_day;
        if !counts || receipt.quantity <= Decimal::ZERO {
            continue;
        }
        match supply.get_mut(index_of(first_day, receipt.date)) {
            Some(bucket) => *bucket = bucket.saturating_add(receipt.quantity),
            None => beyond = beyond.saturating_add(receipt.quantity),
        }
    }
    for due in &fact.demand {
        // Overdue demand is still owed: it counts from the first day on.
        match demand.get_mut(index_of(first_day, due.date)) {
            Some(bucket) => *bucket = bucket.saturating_add(due.quantity),
            None => beyond = beyond.saturating_sub(due.quantity),
        }
    }
    // Beyond the horizon demand counts and surplus does not: a far receipt is no cover.
    supply.push(Decimal::ZERO);
    demand.push(-beyond.min(Decimal::ZERO));
    let start = [fact.allocated, fact.quarantined, fact.safety_stock]
        .into_iter()
        .fold(fact.on_hand, Decimal::saturating_sub);
    let available = cumulative(start, &supply, &demand);
    let oversold = available
        .iter()
        .any(|value| value.is_sign_negative() && !value.is_zero());
    let available = available.into_iter().map(|value| value.max(Decimal::ZERO));
    let key = StockKey::new(fact.company.clone(), fact.item.clone(), fact.site.clone());
    (
        StockSnapshot {
            key,
            as_of: fact.as_of,
            first_day,
            available: available.collect(),
            lag,
        },
        oversold,
    )
}

/// Days from the first to this one; days before the first count as the first.
fn index_of(first_day: Date, day: Date) -> usize {
    let days = day.duration_since(first_day).as_hours() / 24;
    usize::try_from(days).unwrap_or(0)
}

/// What is free of one item at one site, by day: availability less our claims, as the days on which it changes. It
/// never falls from one day to the next, since each value looks ahead.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FreeStock {
    /// The item.
    pub item: ItemNumber,
    /// The site.
    pub site: SiteId,
    /// Since when the fact behind it holds.
    pub as_of: Timestamp,
    /// The first day.
    pub first_day: Date,
    /// The last day within the horizon.
    pub last_day: Date,
    /// The days on which it changes, soonest first; the first day always stands here.
    pub steps: Vec<FreeStep>,
}

/// From a day on, that much is free.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FreeStep {
    /// Days after the first day.
    pub after: usize,
    /// How much.
    #[serde(with = "decimal")]
    pub free: Decimal,
}

impl FreeStock {
    /// What a ledger row leaves free.
    pub fn of(position: &StockPosition) -> Self {
        Self::by_bucket(position, position.free())
    }

    /// The same for an order that takes over what a reservation holds: that is its own, however short the row is.
    pub fn or_reserved(position: &StockPosition) -> Self {
        Self::by_bucket(position, position.free_or_reserved())
    }

    fn by_bucket(position: &StockPosition, mut free: Steps) -> Self {
        free.look_ahead();
        let mut steps: Vec<FreeStep> = Vec::new();
        for (after, value) in free.changes() {
            let free = value.max(Decimal::ZERO);
            if steps.last().is_none_or(|last| last.free != free) {
                steps.push(FreeStep { after, free });
            }
        }
        // The last bucket is all beyond the horizon; nothing is promised from it.
        let days = i64::try_from(free.days().saturating_sub(2)).unwrap_or(0);
        Self {
            item: position.key.item.clone(),
            site: position.key.site.clone(),
            as_of: position.as_of,
            first_day: position.first_day,
            last_day: position.first_day.saturating_add(days.days()),
            steps,
        }
    }

    /// What may be taken from a day on.
    pub fn at(&self, day: Date) -> Decimal {
        let index = index_of(self.first_day, day);
        let reached = self
            .steps
            .iter()
            .take_while(|step| step.after <= index)
            .last();
        reached.map_or(Decimal::ZERO, |step| step.free)
    }

    /// The days within the horizon on which more becomes free.
    pub fn days(&self) -> impl Iterator<Item = Date> {
        let days = self.steps.iter().map(|step| {
            let after = i64::try_from(step.after).unwrap_or(0);
            self.first_day.saturating_add(after.days())
        });
        days.filter(|day| *day <= self.last_day)
    }

    /// Takes a quantity from a day on; false, and nothing taken, where it is not free.
    pub fn take(&mut self, day: Date, quantity: Decimal) -> bool {
        let left = self.at(day).saturating_sub(quantity);
        if left < Decimal::ZERO {
            return false;
        }
        let index = index_of(self.first_day, day);
        let place = self.steps.partition_point(|step| step.after < index);
        if self.steps.get(place).is_none_or(|step| step.after != index) {
            let free = left.saturating_add(quantity);
            self.steps.insert(place, FreeStep { after: index, free });
        }
        for step in &mut self.steps {
            step.free = if step.after < index {
                step.free.min(left)
            } else {
                step.free.saturating_sub(quantity)
            };
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use canonical_model::{
        CompanyId,
        stock::{CommittedDemand, PlannedReceipt},
    };
    use jiff::civil::date;
    use proptest::prelude::*;
    use rust_decimal::dec;

    use super::*;

    fn row(values: &[i64]) -> Vec<Decimal> {
        values.iter().map(|value| Decimal::from(*value)).collect()
    }

    fn fact() -> StockFact {
        StockFact {
            company: CompanyId::new("NWI").unwrap(),
            item: ItemNumber::new("SKU-1").unwrap(),
            site: SiteId::new("EAST").unwrap(),
            on_hand: dec!(100),
            allocated: dec!(10),
            quarantined: dec!(5),
            safety_stock: dec!(15),
            receipts: Vec::new(),
            demand: Vec::new(),
            as_of: "2026-11-20T03:00:00Z".parse().unwrap(),
        }
    }

    fn receipt(day: Date, quantity: Decimal, confirmed: bool) -> PlannedReceipt {
        PlannedReceipt {
            date: day,
            quantity,
            confirmed,
        }
    }

    fn of(fact: &StockFact) -> (StockSnapshot, bool) {
        let policy = PromisePolicy {
            horizon_days: 10,
            unconfirmed_receipts: false,
        };
        snapshot(
            fact,
            &TimeZone::fixed(jiff::tz::offset(-5)),
            &policy,
            SignedDuration::ZERO,
        )
    }

    /// DOMAIN 5.1: begin 80; orders and receipts by period.
    #[test]
    fn the_published_vector_holds() {
        let supply = row(&[0, 0, 60, 0, 0, 60, 0, 0]);
        let demand = row(&[30, 25, 30, 10, 0, 35, 0, 0]);
        assert_eq!(
            cumulative(dec!(80), &supply, &demand),
            row(&[25, 25, 45, 45, 45, 70, 70, 70])
        );
    }

    #[test]
    fn stock_is_net_of_what_is_given_kept_or_not_for_sale() {
        let (snapshot, oversold) = of(&fact());
        assert_eq!(
            (
                snapshot.available.days(),
                snapshot.available.at(0),
                oversold
            ),
            (12, dec!(70), false)
        );
        // 03:00 in UTC is still the day before at the site.
        assert_eq!(snapshot.first_day, date(2026, 11, 19));
    }

    #[test]
    fn unconfirmed_overdue_and_far_receipts_are_no_cover() {
        let mut fact = fact();
        fact.receipts = vec![
            receipt(date(2026, 11, 18), dec!(1000), true),
            receipt(date(2026, 11, 22), dec!(1000), false),
            receipt(date(2026, 11, 24), dec!(30), true),
            receipt(date(2027, 11, 24), dec!(1000), true),
        ];
        let (snapshot, _) = of(&fact);
        assert_eq!(snapshot.available.at(4), dec!(70));
        assert_eq!(snapshot.available.at(5), dec!(100));
        assert_eq!(snapshot.available.at(11), dec!(100));
    }

    #[test]
    fn demand_counts_when_overdue_and_beyond_the_horizon() {
        let mut fact = fact();
        fact.demand = vec![
            CommittedDemand {
                date: date(2026, 11, 1),
                quantity: dec!(20),
            },
            CommittedDemand {
                date: date(2027, 6, 1),
                quantity: dec!(5),
            },
        ];
        assert_eq!(of(&fact).0.available.at(0), dec!(45));
    }

    #[test]
    fn negative_availability_is_none_and_is_told() {
        let mut fact = fact();
        fact.demand = vec![CommittedDemand {
            date: date(2026, 11, 21),
            quantity: dec!(71),
        }];
        let (snapshot, oversold) = of(&fact);
        assert!(oversold && snapshot.available.by_day().iter().all(Decimal::is_zero));
    }

    fn free(available: &[i64], claimed: &[i64]) -> FreeStock {
        FreeStock::of(&StockPosition {
            key: StockKey::new(
                CompanyId::new("NWI").unwrap(),
                ItemNumber::new("SKU-1").unwrap(),
                SiteId::new("EAST").unwrap(),
            ),
            as_of: "2026-11-20T12:00:00Z".parse().unwrap(),
            first_day: date(2026, 11, 20),
            available: row(available).into_iter().collect(),
            claimed: row(claimed).into_iter().collect(),
            own: Steps::default(),
        })
    }

    fn day(after: i64) -> Date {
        date(2026, 11, 20).saturating_add(after.days())
    }

    /// DOMAIN 5.10, the second vector, as one basket would net it.
    #[test]
    fn a_claim_on_a_future_receipt_leaves_what_is_there_now() {
        let mut stock = free(&[10, 10, 10, 10, 10, 60, 60, 60, 60], &[]);
        assert!(stock.take(day(7), dec!(40)));
        assert_eq!(
            (stock.at(day(0)), stock.at(day(5)), stock.at(day(7))),
            (dec!(10), dec!(20), dec!(20))
        );
        assert!(!stock.take(day(0), dec!(15)));
        assert!(stock.take(day(0), dec!(10)));
        assert_eq!(
            (stock.at(day(0)), stock.at(day(6)), stock.at(day(7))),
            (dec!(0), dec!(10), dec!(10))
        );
        assert!(!stock.take(day(6), dec!(15)));
        assert!(stock.take(day(6), dec!(10)));
    }

    #[test]
    fn claims_are_netted_and_looked_ahead() {
        let stock = free(&[10, 10, 30], &[0, 8, 25]);
        assert_eq!(
            (stock.at(day(0)), stock.at(day(1)), stock.at(day(2))),
            (dec!(2), dec!(2), dec!(5))
        );
    }

    proptest! {
        /// Whatever is taken in whatever order: on no day is more taken by then than there is by then.
        #[test]
        fn never_more_is_promised_than_there_is(
            start in 0_i64..50,
            receipts in prop::collection::vec(0_i64..30, 8),
            demand in prop::collection::vec(0_i64..15, 8),
            asked in prop::collection::vec((0_usize..8, 1_i64..40), 0..20),
        ) {
            let (supply, due) = (row(&receipts), row(&demand));
            let mut available = cumulative(Decimal::from(start), &supply, &due);
            for value in &mut available { *value = (*value).max(Decimal::ZERO); }
            let whole: Vec<i64> = available.iter().map(|value| i64::try_from(*value).unwrap()).collect();
            let mut stock = free(&whole, &[]);
            let mut taken = [0_i64; 8];
            for (on, quantity) in asked {
                if stock.take(day(i64::try_from(on).unwrap()), Decimal::from(quantity)) {
                    taken[on] += quantity;
                }
            }
            let mut total = 0;
            for (index, quantity) in taken.iter().enumerate() {
                total += quantity;
                prop_assert!(total <= whole[index], "day {index}: {total} of {}", whole[index]);
                prop_assert!(stock.at(day(i64::try_from(index).unwrap())) >= Decimal::ZERO);
            }
        }
    }
}
