//! Which site ships what, and when. Pure; the lines of one basket share one [`Stock`].
//!
//! The promise is met before lines are split, fewer parts come before an earlier date, and equals are settled by the
//! site's number.

mod plan;

use std::collections::BTreeMap;

use canonical_model::{
    ItemNumber, Quantity, SiteId,
    decision::{DecisionStep, RejectedAlternative},
    product::Product,
    promise::{Cover, ScheduleLine},
};
use jiff::{ToSpan, civil::Date};
use rust_decimal::Decimal;

use super::{atp::FreeStock, calendar::Calendar};
use crate::pricing::resolve::bounded;
use plan::{Part, Plan};

/// What is free, by item and site, while the lines of one basket take from it.
#[derive(Debug, Clone, Default)]
pub struct Stock(BTreeMap<ItemNumber, BTreeMap<SiteId, FreeStock>>);

impl Stock {
    /// From what each ledger row leaves free.
    pub fn of(rows: &[FreeStock]) -> Self {
        let mut stock = Self::default();
        for row in rows {
            stock
                .0
                .entry(row.item.clone())
                .or_default()
                .insert(row.site.clone(), row.clone());
        }
        stock
    }

    fn at(&self, item: &ItemNumber, site: &SiteId) -> Option<&FreeStock> {
        self.0.get(item)?.get(site)
    }

    /// Whether anything is known of an item, at any site.
    pub fn knows(&self, item: &ItemNumber) -> bool {
        self.0.get(item).is_some_and(|sites| !sites.is_empty())
    }

    fn take(&mut self, item: &ItemNumber, site: &SiteId, day: Date, quantity: Decimal) {
        if let Some(free) = self.0.get_mut(item).and_then(|sites| sites.get_mut(site)) {
            free.take(day, quantity);
        }
    }
}

/// A site that may ship, with its calendar for the destination.
#[derive(Debug, Clone)]
pub struct Site<'a> {
    /// The site.
    pub site: SiteId,
    /// Its calendar.
    pub calendar: Calendar<'a>,
}

/// What a line wants.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// The line.
    pub line: u32,
    /// The product.
    pub product: &'a Product,
    /// How much, in the unit ordered.
    pub ordered: Quantity,
    /// The same in the base unit.
    pub base: Decimal,
    /// When the buyer wants it.
    pub requested: Option<Date>,
    /// Whether it must come from one site in one part.
    pub whole: bool,
}

/// A quantity taken from one ledger row.
#[derive(Debug, Clone, PartialEq)]
pub struct Taken {
    /// The site.
    pub site: SiteId,
    /// From which day on.
    pub day: Date,
    /// How much, in the base unit.
    pub quantity: Decimal,
}

/// What a line gets.
#[derive(Debug, Clone, PartialEq)]
pub struct Sourced {
    /// Its parts; empty = it cannot be had.
    pub schedule: Vec<ScheduleLine>,
    /// What they take from stock.
    pub taken: Vec<Taken>,
    /// Why so.
    pub step: DecisionStep,
    /// How much of it could be had by the end of the horizon, in the unit ordered.
    pub obtainable: Decimal,
}

/// Chooses where the line comes from, and takes it from stock.
pub fn source(wanted: &Wanted<'_>, sites: &[Site<'_>], stock: &mut Stock) -> Sourced {
    let candidates: Vec<&Site<'_>> = if stock.knows(&wanted.product.item) {
        sites
            .iter()
            .filter(|site| stock.at(&wanted.product.item, &site.site).is_some())
            .collect()
    } else {
        sites.iter().collect()
    };
    let mut plans = plan::all(wanted, &candidates, stock);
    plans.sort_by(|left, right| {
        left.rank(wanted.requested)
            .cmp(&right.rank(wanted.requested))
    });
    let mut plans = plans.into_iter();
    let obtainable = plan::obtainable(wanted, &candidates, stock);
    let Some(chosen) = plans.next() else {
        return Sourced {
            schedule: Vec::new(),
            taken: Vec::new(),
            step: nothing(wanted, obtainable),
            obtainable,
        };
    };
    let rejected = plans.map(|other| RejectedAlternative {
        reason: why_not(&chosen, &other, wanted.requested).to_owned(),
        alternative: describe(&other, wanted),
    });
    let step = DecisionStep {
        about: "sourcing".to_owned(),
        line: Some(wanted.line),
        rule: "promise met, fewest parts, earliest date, site".to_owned(),
        chosen: describe(&chosen, wanted),
        rejected: bounded(rejected.collect()),
    };
    let taken: Vec<Taken> = chosen.parts.iter().filter_map(Part::taken).collect();
    for take in &taken {
        stock.take(&wanted.product.item, &take.site, take.day, take.quantity);
    }
    let schedule = chosen
        .parts
        .iter()
        .map(|part| part.schedule_line(wanted.ordered.unit))
        .collect();
    Sourced {
        schedule,
        taken,
        step,
        obtainable,
    }
}

fn nothing(wanted: &Wanted<'_>, obtainable: Decimal) -> DecisionStep {
    DecisionStep {
        about: "sourcing".to_owned(),
        line: Some(wanted.line),
        rule: "neither stock, receipts nor a replenishment time cover it".to_owned(),
        chosen: "none".to_owned(),
        rejected: vec![RejectedAlternative {
            alternative: format!(
                "{obtainable} {} by the end of the horizon",
                wanted.ordered.unit
            ),
            reason: format!("{} are wanted", wanted.ordered.value),
        }],
    }
}

fn why_not(chosen: &Plan, other: &Plan, requested: Option<Date>) -> &'static str {
    if chosen.meets(requested) != other.meets(requested) {
        "it comes later than requested"
    } else if chosen.parts.len() != other.parts.len() {
        "it comes in more parts"
    } else if chosen.delivery() != other.delivery() {
        "it comes later"
    } else {
        "equal: the lower site number comes first"
    }
}

fn describe(plan: &Plan, wanted: &Wanted<'_>) -> String {
    let parts = plan.parts.iter().map(|part| {
        let cover = match part.cover {
            Cover::Stock => "stock",
            Cover::Receipt => "receipt",
            Cover::LeadTime => "lead time",
        };
        let unit = wanted.ordered.unit;
        format!(
            "{} {unit} from {} for {} ({cover})",
            part.quantity, part.site, part.delivery
        )
    });
    parts.collect::<Vec<_>>().join(", ")
}

/// The day on which something that is neither there nor on order can be worked on.
fn replenished(wanted: &Wanted<'_>, site: &Site<'_>) -> Option<Date> {
    let days = wanted.product.replenishment_days?;
    Some(site.calendar.today().saturating_add(i64::from(days).days()))
}

#[cfg(test)]
mod tests;
