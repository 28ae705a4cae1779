//! What the ledgers of stock and credit hold, and the arithmetic of claims (DESIGN section 6; DOMAIN 5.10). Pure.

use canonical_model::{AccountId, CompanyId, Currency, ItemNumber, SiteId};
use jiff::{SignedDuration, Timestamp, civil::Date};
use rust_decimal::Decimal;

use super::steps::Steps;

/// Whose stock: one row of the ledger.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub struct StockKey {
    /// The company.
    pub company: CompanyId,
    /// The item.
    pub item: ItemNumber,
    /// The site.
    pub site: SiteId,
}

/// A stock fact made ready for the ledger: cumulative availability by day, before our own claims.
#[derive(Debug, Clone, PartialEq)]
pub struct StockSnapshot {
    /// The row.
    pub key: StockKey,
    /// When the call that read it started.
    pub as_of: Timestamp,
    /// The day of the first bucket, by the site's calendar.
    pub first_day: Date,
    /// Cumulative availability with look-ahead, by day; the last bucket is all beyond the horizon.
    pub available: Steps,
    /// How long after its confirmation a movement may still be missing in the source's figures.
    pub lag: SignedDuration,
}

/// A row of the stock ledger as it stands.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct StockPosition {
    /// The row.
    pub key: StockKey,
    /// Since when its fact holds.
    pub as_of: Timestamp,
    /// The day of the first bucket.
    pub first_day: Date,
    /// Cumulative availability of the fact.
    pub available: Steps,
    /// What our claims take of each bucket.
    pub claimed: Steps,
    /// What of that the owner holds for whom the row was read; nothing where it was read for nobody.
    #[serde(skip)]
    pub own: Steps,
}

/// Whose credit: one level of a hierarchy.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub struct CreditKey {
    /// The company.
    pub company: CompanyId,
    /// The account at this level.
    pub account: AccountId,
}

/// A credit fact of one level.
#[derive(Debug, Clone, PartialEq)]
pub struct CreditLevelFact {
    /// The row.
    pub key: CreditKey,
    /// When the call that read it started.
    pub as_of: Timestamp,
    /// ISO 4217.
    pub currency: Currency,
    /// The limit; None = none at this level.
    pub limit: Option<Decimal>,
    /// The exposure the source counts.
    pub exposure: Decimal,
    /// Stopped by the credit department.
    pub blocked: bool,
    /// How long after its confirmation a movement may still be missing in the source's figures.
    pub lag: SignedDuration,
}

/// A row of the credit ledger as it stands.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct CreditLevel {
    /// The row.
    pub key: CreditKey,
    /// Since when its fact holds.
    pub as_of: Timestamp,
    /// ISO 4217.
    pub currency: Currency,
    /// The limit; None = none at this level.
    pub limit: Option<Decimal>,
    /// The exposure the source counts.
    pub exposure: Decimal,
    /// Our claims that the source does not count yet.
    pub claimed: Decimal,
    /// Stopped by the credit department.
    pub blocked: bool,
}

/// A claim that lives: neither released nor covered by a fact.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct LiveClaim<T> {
    /// The movement it is.
    pub(super) id: i64,
    /// What it takes.
    pub(super) takes: T,
    /// When the source's answer was received by which it counts the claim; None = it does not yet.
    pub(super) confirmed_at: Option<Timestamp>,
}

/// What a claim takes of a stock row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct DayQuantity {
    pub(super) day: Date,
    pub(super) quantity: Decimal,
}

/// A row after a newer fact, and the movements that the fact covers: they stop counting, once each.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Installed<P> {
    pub(super) row: P,
    pub(super) covered: Vec<i64>,
}

/// Whether a fact counts a movement: it was read later than the confirmation and the source's lag.
pub(super) fn covers(
    as_of: Timestamp,
    lag: SignedDuration,
    confirmed_at: Option<Timestamp>,
) -> bool {
    confirmed_at
        .and_then(|at| at.checked_add(lag).ok())
        .is_some_and(|counted_from| counted_from < as_of)
}

fn split<T>(as_of: Timestamp, lag: SignedDuration, live: Vec<LiveClaim<T>>) -> (Vec<T>, Vec<i64>) {
    let mut counting = Vec::new();
    let mut covered = Vec::new();
    for claim in live {
        if covers(as_of, lag, claim.confirmed_at) {
            covered.push(claim.id);
        } else {
            counting.push(claim.takes);
        }
    }
    (counting, covered)
}

impl StockPosition {
    /// What is left in each bucket, with what the owner holds; negative where claims exceed what a newer fact offers.
    pub fn free(&self) -> Steps {
        self.left(|left, own| left.saturating_add(own))
    }

    /// The same of a reservation that becomes an order: what it holds is its owner's also where the row is short. A row
    /// is while the source counts an order that still is a claim of ours (DESIGN section 6), and where a figure has fallen
    /// since: the warehouse tells then what cannot be had, as of every order.
    pub fn free_or_reserved(&self) -> Steps {
        self.left(|left, own| left.max(Decimal::ZERO).saturating_add(own))
    }

    /// What comes of each bucket, from what all claims leave of it and what the owner's take of it.
    fn left(&self, of: impl Fn(Decimal, Decimal) -> Decimal) -> Steps {
        let free = |available: Decimal, claimed, own| of(available.saturating_sub(claimed), own);
        self.available.with(&self.claimed, &self.own, free)
    }

    /// The bucket of a day: before the first it is the first, beyond the last it is the last. None = no bucket at all.
    pub fn bucket(&self, day: Date) -> Option<usize> {
        let last = self.available.days().checked_sub(1)?;
        let days = (day - self.first_day).get_days();
        Some(usize::try_from(days).unwrap_or(0).min(last))
    }

    /// Whether every bucket from the day on still has the quantity, or has it back from the same commit: `before` is the
    /// row as that found it. So what was reserved can be ordered also where the row is short. No commit both claims and
    /// confirms: what a confirmation ends is not given back.
    pub(super) fn fits(&self, day: Date, quantity: Decimal, before: &Self) -> bool {
        let Some(first) = self.bucket(day) else {
            return false;
        };
        let most =
            |available: Decimal, claimed, before| available.max(before).saturating_sub(claimed);
        let mut left = self.available.with(&self.claimed, &before.claimed, most);
        left.look_ahead();
        quantity > Decimal::ZERO && quantity <= left.at(first)
    }

    /// Takes the quantity out of every bucket from the day on; a negative one gives it back.
    pub(super) fn take(&mut self, day: Date, quantity: Decimal) {
        if let Some(first) = self.bucket(day) {
            self.claimed.add_from(first, quantity);
        }
    }

    /// Tells what the owner for whom it is read holds of it.
    pub(super) fn hold(&mut self, day: Date, quantity: Decimal) {
        if self.own.days() == 0 {
            self.own = Steps::level(Decimal::ZERO, self.available.days());
        }
        if let Some(first) = self.bucket(day) {
            self.own.add_from(first, quantity);
        }
    }

    /// The row after a fact; None = the fact is not newer and changes nothing. Claims move with their days: one whose
    /// day has passed is taken from the first bucket on.
    pub(super) fn install(
        current: Option<&Self>,
        fact: &StockSnapshot,
        live: Vec<LiveClaim<DayQuantity>>,
    ) -> Option<Installed<Self>> {
        if current.is_some_and(|row| fact.as_of <= row.as_of) {
            return None;
        }
        let (counting, covered) = split(fact.as_of, fact.lag, live);
        let mut row = Self {
            key: fact.key.clone(),
            as_of: fact.as_of,
            first_day: fact.first_day,
            available: fact.available.clone(),
            claimed: Steps::level(Decimal::ZERO, fact.available.days()),
            own: Steps::default(),
        };
        for claim in counting {
            row.take(claim.day, claim.quantity);
        }
        Some(Installed { row, covered })
    }
}

impl CreditLevel {
    /// What is left; None = no limit at this level. Negative = over it.
    pub fn available(&self) -> Option<Decimal> {
        let used = self.exposure.saturating_add(self.claimed);
        self.limit.map(|limit| limit.saturating_sub(used))
    }

    /// Whether the amount may still be taken.
    pub fn fits(&self, amount: Decimal, limit_is_exclusive: bool) -> bool {
        if self.blocked || amount < Decimal::ZERO {
            return false;
        }
        match self.available() {
            None => true,
            Some(available) if limit_is_exclusive => amount < available,
            Some(available) => amount <= available,
        }
    }

    /// The row after a fact; None = the fact is not newer and changes nothing.
    pub(super) fn install(
        current: Option<&Self>,
        fact: &CreditLevelFact,
        live: Vec<LiveClaim<Decimal>>,
    ) -> Option<Installed<Self>> {
        if current.is_some_and(|row| fact.as_of <= row.as_of) {
            return None;
        }
        let (counting, covered) = split(fact.as_of, fact.lag, live);
        let row = Self {
            key: fact.key.clone(),
            as_of: fact.as_of,
            currency: fact.currency,
            limit: fact.limit,
            exposure: fact.exposure,
            claimed: counting
                .into_iter()
                .fold(Decimal::ZERO, Decimal::saturating_add),
            blocked: fact.blocked,
        };
        Some(Installed { row, covered })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        format!("2026-03-02T{text}Z").parse().unwrap()
    }

    fn day(number: i8) -> Date {
        jiff::civil::date(2026, 3, 2)
            .checked_add(jiff::Span::new().days(number))
            .unwrap()
    }

    fn decimals(values: &[i64]) -> Steps {
        values.iter().map(|value| Decimal::from(*value)).collect()
    }

    fn fact(as_of: &str, available: &[i64]) -> StockSnapshot {
        StockSnapshot {
            key: StockKey {
                company: CompanyId::new("US01").unwrap(),
                item: ItemNumber::new("SKU-0001").unwrap(),
                site: SiteId::new("DC1").unwrap(),
            },
            as_of: at(as_of),
            first_day: day(0),
            available: decimals(available),
            lag: SignedDuration::from_secs(2),
        }
    }

    fn install(
        row: Option<&StockPosition>,
        fact: &StockSnapshot,
        live: &[LiveClaim<DayQuantity>],
    ) -> StockPosition {
        StockPosition::install(row, fact, live.to_vec())
            .expect("a newer fact")
            .row
    }

    fn fits(row: &StockPosition, number: i8, quantity: i64) -> bool {
        row.fits(day(number), Decimal::from(quantity), row)
    }

    fn claim(
        id: i64,
        number: i8,
        quantity: i64,
        confirmed_at: Option<&str>,
    ) -> LiveClaim<DayQuantity> {
        let takes = DayQuantity {
            day: day(number),
            quantity: Decimal::from(quantity),
        };
        LiveClaim {
            id,
            takes,
            confirmed_at: confirmed_at.map(at),
        }
    }

    /// DOMAIN 5.10, first vector.
    #[test]
    fn a_cached_figure_is_right_before_during_and_after_the_source_takes_the_order() {
        let mut row = install(None, &fact("12:00:00", &[100]), &[]);
        assert!(fits(&row, 0, 30));
        row.take(day(0), Decimal::from(30));
        assert_eq!(row.free(), decimals(&[70]));

        let live = [claim(1, 0, 30, Some("12:00:10"))];
        let within_lag = install(Some(&row), &fact("12:00:11", &[70]), &live);
        assert_eq!(
            within_lag.free(),
            decimals(&[40]),
            "short for the lag, never over"
        );

        let settled =
            StockPosition::install(Some(&within_lag), &fact("12:00:13", &[70]), live.to_vec())
                .unwrap();
        assert_eq!(settled.row.free(), decimals(&[70]));
        assert_eq!(settled.covered, [1]);

        let late = fact("12:00:03", &[100]);
        assert_eq!(
            StockPosition::install(Some(&settled.row), &late, Vec::new()),
            None
        );
        let same = fact("12:00:13", &[999]);
        assert_eq!(
            StockPosition::install(Some(&settled.row), &same, Vec::new()),
            None
        );
    }

    /// DOMAIN 5.10, second vector.
    #[test]
    fn a_claim_on_a_receipt_to_come_leaves_today_alone_and_takes_what_is_after() {
        let mut row = install(
            None,
            &fact("12:00:00", &[10, 10, 10, 10, 10, 60, 60, 60, 60]),
            &[],
        );
        let mut try_claim = |number: i8, quantity: i64| {
            let quantity = Decimal::from(quantity);
            let fits = row.fits(day(number), quantity, &row);
            if fits {
                row.take(day(number), quantity);
            }
            (fits, row.free())
        };
        assert_eq!(
            try_claim(7, 40),
            (true, decimals(&[10, 10, 10, 10, 10, 60, 60, 20, 20]))
        );
        assert!(!try_claim(0, 15).0);
        assert_eq!(
            try_claim(0, 10),
            (true, decimals(&[0, 0, 0, 0, 0, 50, 50, 10, 10]))
        );
        assert!(!try_claim(6, 15).0, "day 7 on holds 10");
        assert_eq!(
            try_claim(6, 10),
            (true, decimals(&[0, 0, 0, 0, 0, 50, 40, 0, 0]))
        );
    }

    #[test]
    fn the_edges_of_the_calendar_are_the_first_and_the_last_bucket() {
        let row = install(None, &fact("12:00:00", &[5, 10, 20]), &[]);
        assert_eq!(
            [-3, 0, 2, 99].map(|number| row.bucket(day(number))),
            [Some(0), Some(0), Some(2), Some(2)]
        );
        assert!(fits(&row, 99, 20) && !fits(&row, -3, 6));
        assert!(!fits(&row, 0, 0) && !fits(&row, 0, -1));
        assert!(
            !fits(&install(None, &fact("12:00:00", &[]), &[]), 0, 1),
            "no bucket, no stock"
        );
    }

    #[test]
    fn claims_keep_their_days_when_the_calendar_rolls_on() {
        let mut row = install(None, &fact("12:00:00", &[10, 10, 30]), &[]);
        row.take(day(0), Decimal::from(4));
        row.take(day(2), Decimal::from(5));
        let mut tomorrow = fact("13:00:00", &[10, 30, 30]);
        tomorrow.first_day = day(1);
        let rolled = install(
            Some(&row),
            &tomorrow,
            &[claim(1, 0, 4, None), claim(2, 2, 5, None)],
        );
        assert_eq!(
            rolled.claimed,
            decimals(&[4, 9, 9]),
            "a day that has passed counts from today on"
        );
    }

    fn level(limit: Option<i64>, exposure: i64) -> CreditLevel {
        CreditLevel {
            key: CreditKey {
                company: CompanyId::new("US01").unwrap(),
                account: AccountId::new("P").unwrap(),
            },
            as_of: at("12:00:00"),
            currency: Currency::USD,
            limit: limit.map(Decimal::from),
            exposure: Decimal::from(exposure),
            claimed: Decimal::ZERO,
            blocked: false,
        }
    }

    /// DOMAIN 5.3: equal to the limit passes under ">", and is reviewed under "≥".
    #[test]
    fn reaching_the_limit_exactly_is_a_setting() {
        let row = level(Some(10_000), 8_800);
        assert!(row.fits(Decimal::from(1_200), false) && !row.fits(Decimal::from(1_200), true));
        let over = Decimal::new(120_001, 2);
        assert!(!row.fits(over, false) && !row.fits(over, true));
        assert!(
            level(None, 8_800).fits(Decimal::from(1_000_000), true),
            "no limit at this level"
        );
        assert!(
            !CreditLevel {
                blocked: true,
                ..row
            }
            .fits(Decimal::ONE, false)
        );
    }

    /// DOMAIN 5.10, the end of the third vector.
    #[test]
    fn a_credit_claim_stops_counting_once_a_newer_fact_has_it() {
        let row = CreditLevel {
            claimed: Decimal::from(6_000),
            ..level(Some(10_000), 0)
        };
        let fact = CreditLevelFact {
            key: row.key.clone(),
            as_of: at("12:00:13"),
            currency: Currency::USD,
            limit: Some(Decimal::from(10_000)),
            exposure: Decimal::from(6_000),
            blocked: false,
            lag: SignedDuration::from_secs(2),
        };
        let live = vec![LiveClaim {
            id: 7,
            takes: Decimal::from(6_000),
            confirmed_at: Some(at("12:00:10")),
        }];
        let installed = CreditLevel::install(Some(&row), &fact, live).unwrap();
        assert_eq!(installed.row.available(), Some(Decimal::from(4_000)));
        assert_eq!(installed.covered, [7]);
    }
}
