//! The plans a line may be filled by: from one site, from several, or partly by replenishment.

use canonical_model::{
    Quantity, SiteId, UnitOfMeasure,
    promise::{Cover, ScheduleLine},
};
use jiff::civil::Date;
use rust_decimal::Decimal;

use super::{Site, Stock, Taken, Wanted, replenished};
use crate::promise::atp::FreeStock;

/// One part of a line.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Part {
    pub(super) site: SiteId,
    /// In the unit ordered.
    pub(super) quantity: Decimal,
    /// In the base unit.
    base: Decimal,
    pick: Date,
    ship: Date,
    pub(super) delivery: Date,
    pub(super) cover: Cover,
}

/// A way to fill a line.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Plan {
    pub(super) parts: Vec<Part>,
}

impl Part {
    fn new(
        site: &Site<'_>,
        pick: Date,
        (quantity, base): (Decimal, Decimal),
        cover: Cover,
    ) -> Self {
        Self {
            site: site.site.clone(),
            quantity,
            base,
            pick,
            ship: site.calendar.ship_date(pick),
            delivery: site.calendar.delivery_date(pick),
            cover,
        }
    }

    /// What it takes from stock: nothing where nothing is there to be taken.
    pub(super) fn taken(&self) -> Option<Taken> {
        match self.cover {
            Cover::Stock | Cover::Receipt => Some(Taken {
                site: self.site.clone(),
                day: self.pick,
                quantity: self.base,
            }),
            Cover::LeadTime => None,
        }
    }

    pub(super) fn schedule_line(&self, unit: UnitOfMeasure) -> ScheduleLine {
        ScheduleLine {
            site: self.site.clone(),
            quantity: Quantity::new(self.quantity, unit),
            ship_date: self.ship,
            promised_delivery_date: self.delivery,
            cover: self.cover,
            as_of: None,
            degraded: false,
        }
    }
}

impl Plan {
    /// The day on which all of it has arrived.
    pub(super) fn delivery(&self) -> Option<Date> {
        self.parts.iter().map(|part| part.delivery).max()
    }

    /// Whether all of it arrives in time.
    pub(super) fn meets(&self, requested: Option<Date>) -> bool {
        requested.is_none_or(|requested| {
            self.delivery()
                .is_some_and(|delivery| delivery <= requested)
        })
    }

    /// Less is better.
    pub(super) fn rank(&self, requested: Option<Date>) -> (bool, usize, Option<Date>, Vec<SiteId>) {
        let sites = self.parts.iter().map(|part| part.site.clone()).collect();
        (
            !self.meets(requested),
            self.parts.len(),
            self.delivery(),
            sites,
        )
    }
}

/// All plans worth comparing.
pub(super) fn all(wanted: &Wanted<'_>, sites: &[&Site<'_>], stock: &Stock) -> Vec<Plan> {
    let mut plans: Vec<Plan> = sites
        .iter()
        .filter_map(|site| single(wanted, site, stock))
        .collect();
    if !wanted.whole {
        if !plans.iter().any(|plan| plan.meets(wanted.requested)) {
            let in_time = wanted
                .requested
                .and_then(|requested| split(wanted, sites, stock, requested));
            plans.extend(in_time);
        }
        if plans.is_empty() {
            plans.extend(earliest_split(wanted, sites, stock));
        }
    }
    if plans.is_empty() {
        plans.extend(with_lead_time(wanted, sites, stock));
    }
    plans
}

/// How much could be had over all sites, or (for a line that must be whole) from the best, by the end of the horizon.
pub(super) fn obtainable(wanted: &Wanted<'_>, sites: &[&Site<'_>], stock: &Stock) -> Decimal {
    let by_site = sites.iter().filter_map(|site| {
        let free = stock.at(&wanted.product.item, &site.site)?;
        Some(whole_units(wanted, free.at(free.last_day))?.0)
    });
    if wanted.whole {
        by_site.max().unwrap_or_default()
    } else {
        by_site.fold(Decimal::ZERO, Decimal::saturating_add)
    }
}

/// The day to begin with: as late as the requested date allows, else as soon as possible.
fn target(wanted: &Wanted<'_>, site: &Site<'_>) -> Date {
    let latest = wanted
        .requested
        .and_then(|requested| site.calendar.latest_pick(requested));
    latest.unwrap_or_else(|| site.calendar.first_pick())
}

/// The days on which work may begin at a site, soonest first: its target, then each day on which more becomes free.
fn pick_days(wanted: &Wanted<'_>, site: &Site<'_>, free: &FreeStock) -> Vec<Date> {
    // An older fact sees less far than a date may be asked for.
    let target = target(wanted, site).min(free.last_day);
    let later = free
        .days()
        .filter(|day| *day > target)
        .map(|day| site.calendar.pick_day(day));
    let mut days: Vec<Date> = std::iter::once(target).chain(later).collect();
    days.retain(|day| *day <= free.last_day);
    days.dedup();
    days
}

fn cover(site: &Site<'_>, free: &FreeStock, base: Decimal) -> Cover {
    if free.at(site.calendar.today()) >= base {
        Cover::Stock
    } else {
        Cover::Receipt
    }
}

fn single(wanted: &Wanted<'_>, site: &Site<'_>, stock: &Stock) -> Option<Plan> {
    let free = stock.at(&wanted.product.item, &site.site)?;
    let pick = pick_days(wanted, site, free)
        .into_iter()
        .find(|day| free.at(*day) >= wanted.base)?;
    let quantities = (wanted.ordered.value, wanted.base);
    Some(Plan {
        parts: vec![Part::new(
            site,
            pick,
            quantities,
            cover(site, free, wanted.base),
        )],
    })
}

/// The fewest sites that together deliver all of it by a day.
fn split(wanted: &Wanted<'_>, sites: &[&Site<'_>], stock: &Stock, by: Date) -> Option<Plan> {
    let (parts, left) = greedy(wanted, sites, stock, by);
    left.is_zero().then_some(Plan { parts })
}

/// The same for the first day by which it is possible.
fn earliest_split(wanted: &Wanted<'_>, sites: &[&Site<'_>], stock: &Stock) -> Option<Plan> {
    let mut days: Vec<Date> = sites
        .iter()
        .filter_map(|site| {
            let free = stock.at(&wanted.product.item, &site.site)?;
            let picks = pick_days(wanted, site, free);
            Some(
                picks
                    .into_iter()
                    .map(|pick| site.calendar.delivery_date(pick)),
            )
        })
        .flatten()
        .collect();
    days.sort_unstable();
    days.dedup();
    days.into_iter()
        .find_map(|by| split(wanted, sites, stock, by))
}

/// Takes from the site that gives most, then from the next, in whole units ordered; and what is left to be found.
fn greedy(
    wanted: &Wanted<'_>,
    sites: &[&Site<'_>],
    stock: &Stock,
    by: Date,
) -> (Vec<Part>, Decimal) {
    let mut offers: Vec<(Decimal, &Site<'_>, &FreeStock, Date)> = sites
        .iter()
        .filter_map(|site| {
            let free = stock.at(&wanted.product.item, &site.site)?;
            let pick = site.calendar.latest_pick(by)?.min(free.last_day);
            let pick = if pick < site.calendar.first_pick() {
                return None;
            } else {
                pick
            };
            Some((free.at(pick), *site, free, pick))
        })
        .collect();
    offers.sort_by(|left, right| {
        right
            .0
            .cmp(&left.0)
            .then_with(|| left.1.site.cmp(&right.1.site))
    });
    let mut left = wanted.ordered.value;
    let mut parts = Vec::new();
    for (offered, site, free, latest) in offers {
        if left.is_zero() {
            break;
        }
        let all_of_it = base_of(wanted, left)
            .filter(|base| *base <= offered)
            .map(|base| (left, base));
        let Some((quantity, base)) = all_of_it.or_else(|| whole_units(wanted, offered)) else {
            continue;
        };
        if quantity.is_zero() {
            continue;
        }
        let days = pick_days(wanted, site, free);
        let pick = days
            .into_iter()
            .find(|day| free.at(*day) >= base)
            .map_or(latest, |day| day.min(latest));
        parts.push(Part::new(
            site,
            pick,
            (quantity, base),
            cover(site, free, base),
        ));
        left -= quantity;
    }
    (parts, left)
}

/// What can be had by the end of the replenishment time, and the rest with it.
fn with_lead_time(wanted: &Wanted<'_>, sites: &[&Site<'_>], stock: &Stock) -> Option<Plan> {
    let replenishing = sites.iter().filter_map(|site| {
        let pick = site
            .calendar
            .pick_day(replenished(wanted, site)?)
            .max(target(wanted, site));
        Some((site.calendar.delivery_date(pick), &site.site, *site, pick))
    });
    let (by, _, site, pick) =
        replenishing.min_by_key(|(delivery, name, _, _)| (*delivery, (*name).clone()))?;
    let (mut parts, mut left) = (Vec::new(), wanted.ordered.value);
    if !wanted.whole {
        (parts, left) = greedy(wanted, sites, stock, by);
    }
    let base = base_of(wanted, left)?;
    if !left.is_zero() {
        parts.push(Part::new(site, pick, (left, base), Cover::LeadTime));
    }
    Some(Plan { parts })
}

fn base_of(wanted: &Wanted<'_>, quantity: Decimal) -> Option<Decimal> {
    wanted
        .product
        .units()
        .to_base(Quantity::new(quantity, wanted.ordered.unit))
        .ok()
}

/// The most whole units ordered that so much of the base unit makes, and how much of it they take.
fn whole_units(wanted: &Wanted<'_>, base: Decimal) -> Option<(Decimal, Decimal)> {
    let units = base
        .checked_mul(wanted.ordered.value)?
        .checked_div(wanted.base)?
        .floor();
    let units = units.min(wanted.ordered.value);
    let needed = base_of(wanted, units)?;
    (needed <= base).then_some((units, needed))
}
