//! The judgment: pure, over the records of ERP and WMS and the log of what was acknowledged. Orderway's own word counts
//! only for what it says is held, refused or cancelled, as its buyer reads it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use rust_decimal::Decimal;
use sandbox::CreateClass;

use crate::{
    ack_log::{Course, Verdict},
    outside::{ErpOrder, ErpStatus, Pick, Records},
};

/// Account and purchase-order number.
pub(crate) type Key = (String, String);

/// What is needed to judge.
#[derive(Debug)]
pub(crate) struct Case<'a> {
    pub(crate) class: CreateClass,
    pub(crate) courses: &'a [Course],
    pub(crate) records: &'a Records,
    /// How each order stands at the portal.
    pub(crate) told: &'a BTreeMap<Key, String>,
    /// What each order that is held waits for, as the seller reads it.
    pub(crate) holds: &'a BTreeMap<Key, BTreeSet<String>>,
    /// What there was of each item whose stock is limited.
    pub(crate) stock: &'a BTreeMap<String, u32>,
    /// What is confirmed for a day before this is promised from stock.
    pub(crate) from_stock_before: Date,
}

/// What came of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Judgment {
    pub(crate) acknowledged: usize,
    pub(crate) refused: usize,
    pub(crate) unanswered: usize,
    /// In the ERP once, and at the warehouses whole.
    pub(crate) released: usize,
    /// Waits for a person, or has ended, and its buyer is told so.
    pub(crate) held: usize,
    /// How many of them for what: the kinds of their holds, or how they have ended.
    pub(crate) held_for: BTreeMap<String, usize>,
    pub(crate) lost: usize,
    pub(crate) released_twice: usize,
    pub(crate) oversold_units: Decimal,
    /// Drafts that were left behind blocked and open, of orders that wait for nobody.
    pub(crate) drafts_left: usize,
    /// Those of orders that are held: they are left to a person with them.
    pub(crate) drafts_held: usize,
    /// Orders of which the ERP had more than one, all but one of them never released.
    pub(crate) ghosts: usize,
    /// Orders of which the ERP has two that count, with a person to choose.
    pub(crate) left_to_a_person: usize,
    /// Orders that are neither settled nor held, with what is known of them.
    pub(crate) unsettled: BTreeMap<Key, String>,
    pub(crate) violations: Vec<String>,
}

impl Judgment {
    /// Whether nothing is left to come. What is lost now may only not have been taken yet: a document is acknowledged
    /// when it is stored. And a ghost is a draft, or in an ERP that knows no drafts a second order, until it is found.
    pub(crate) fn is_settled(&self) -> bool {
        let all_there = self.unanswered == 0 && self.lost == 0;
        let none_twice = self.released_twice == 0 && self.drafts_left == 0;
        self.unsettled.is_empty() && all_there && none_twice
    }

    /// Of both together.
    pub(crate) fn add(&mut self, other: Self) {
        for (sum, more) in [
            (&mut self.acknowledged, other.acknowledged),
            (&mut self.refused, other.refused),
            (&mut self.unanswered, other.unanswered),
            (&mut self.released, other.released),
            (&mut self.held, other.held),
            (&mut self.lost, other.lost),
            (&mut self.released_twice, other.released_twice),
            (&mut self.drafts_left, other.drafts_left),
            (&mut self.drafts_held, other.drafts_held),
            (&mut self.ghosts, other.ghosts),
            (&mut self.left_to_a_person, other.left_to_a_person),
        ] {
            *sum = sum.saturating_add(more);
        }
        self.oversold_units = self.oversold_units.saturating_add(other.oversold_units);
        for (what, count) in other.held_for {
            let sum = self.held_for.entry(what).or_default();
            *sum = sum.saturating_add(count);
        }
        self.unsettled.extend(other.unsettled);
        self.violations.extend(other.violations);
    }
}

/// Judges.
pub(crate) fn judge(case: &Case<'_>) -> Judgment {
    let mut judge = Judge::of(case);
    for course in case.courses {
        judge.course(course);
    }
    judge.strangers();
    judge.oversold();
    judge.judgment
}

struct Judge<'a> {
    case: &'a Case<'a>,
    by_key: BTreeMap<Key, Vec<&'a ErpOrder>>,
    by_number: BTreeMap<&'a str, Vec<&'a Pick>>,
    /// Those that a person is told of beside the first of an order: they promise nothing.
    set_aside: BTreeSet<&'a str>,
    judgment: Judgment,
}

/// Whether it ever counted: a draft that was cancelled keeps its block.
fn was_released(order: &ErpOrder) -> bool {
    !order.blocked
}

fn counts(order: &ErpOrder) -> bool {
    !order.blocked && order.status != ErpStatus::Cancelled
}

impl<'a> Judge<'a> {
    fn of(case: &'a Case<'a>) -> Self {
        let mut by_key: BTreeMap<Key, Vec<&ErpOrder>> = BTreeMap::new();
        for order in &case.records.orders {
            let key = (order.account.clone(), order.purchase_order_number.clone());
            by_key.entry(key).or_default().push(order);
        }
        let mut by_number: BTreeMap<&str, Vec<&Pick>> = BTreeMap::new();
        for pick in case.records.picks.iter().filter(|pick| pick.is_wanted()) {
            by_number.entry(&pick.order_ref).or_default().push(pick);
        }
        Self {
            case,
            by_key,
            by_number,
            set_aside: BTreeSet::new(),
            judgment: Judgment::default(),
        }
    }

    fn course(&mut self, course: &Course) {
        let key = course.key();
        let orders = self.by_key.get(&key).cloned().unwrap_or_default();
        let found = &mut self.judgment;
        let drafts = orders
            .iter()
            .filter(|order| order.blocked && order.status == ErpStatus::Open);
        let ever: Vec<&&ErpOrder> = orders.iter().filter(|order| was_released(order)).collect();
        found.ghosts = found.ghosts.saturating_add(usize::from(orders.len() > 1));
        let mut twice = ever.len() > 1;
        if self.case.class == CreateClass::Searchable || course.order.revised.is_some() {
            // It knows no drafts: a ghost that was cancelled was never let through to a warehouse. And a change is a
            // revision of its own: what it replaces was released before.
            twice = orders.iter().filter(|order| counts(order)).count() > 1;
        }
        let held = self.case.told.get(&key).is_some_and(|told| told == "held");
        let left = if held {
            &mut found.drafts_held
        } else {
            &mut found.drafts_left
        };
        *left = left.saturating_add(drafts.count());
        if twice && held && self.case.class == CreateClass::Searchable {
            // It cannot be told apart which of them is to stand: a person is told of both, and no warehouse of two.
            let picked = ever
                .iter()
                .filter(|order| self.by_number.contains_key(order.number.as_str()));
            twice = picked.count() > 1;
            if !twice {
                found.left_to_a_person = found.left_to_a_person.saturating_add(1);
                let others = orders.iter().filter(|order| counts(order)).skip(1);
                self.set_aside
                    .extend(others.map(|order| order.number.as_str()));
            }
        }
        if twice {
            found.released_twice = found.released_twice.saturating_add(1);
            let numbers: Vec<&str> = ever.iter().map(|order| order.number.as_str()).collect();
            found.violations.push(format!(
                "{key:?} was released twice in the ERP: {numbers:?}"
            ));
        }
        match course.end.as_ref().map(|end| &end.verdict) {
            None => found.unanswered = found.unanswered.saturating_add(1),
            Some(Verdict::Refused(why)) => {
                found.refused = found.refused.saturating_add(1);
                if !ever.is_empty() {
                    let text = format!("{key:?} was refused and is in the ERP: {why}");
                    found.violations.push(text);
                }
            }
            Some(Verdict::Acknowledged(_)) => {
                found.acknowledged = found.acknowledged.saturating_add(1);
                let live = orders.iter().copied().find(|order| counts(order));
                self.acknowledged(course, key, live);
            }
        }
    }

    fn acknowledged(&mut self, course: &Course, key: Key, live: Option<&ErpOrder>) {
        let told = self.case.told.get(&key).map(String::as_str);
        let Some(order) = live else {
            match told {
                Some(waits @ ("held" | "rejected" | "cancelled")) => self.held(&key, waits),
                Some(status) => {
                    let text = format!("{status}, and the ERP has no released order");
                    self.judgment.unsettled.insert(key, text);
                }
                None => {
                    self.judgment.lost = self.judgment.lost.saturating_add(1);
                    let text = format!("{key:?} was acknowledged, and is nowhere");
                    self.judgment.violations.push(text);
                }
            }
            return;
        };
        self.quantities(course, &key, order);
        match self.at_warehouses(order) {
            Ok(()) => self.judgment.released = self.judgment.released.saturating_add(1),
            Err(Missing::Wrong(text)) => {
                self.judgment.released_twice = self.judgment.released_twice.saturating_add(1);
                self.judgment.violations.push(format!("{key:?}: {text}"));
            }
            Err(Missing::NotYet(text)) => {
                if told == Some("held") {
                    self.held(&key, "held");
                } else {
                    let text = format!("{}: {text}", told.unwrap_or("not told"));
                    self.judgment.unsettled.insert(key, text);
                }
            }
        }
    }

    /// Counts one that is held or has ended, and for what.
    fn held(&mut self, key: &Key, word: &str) {
        let found = &mut self.judgment;
        found.held = found.held.saturating_add(1);
        let kinds = self.case.holds.get(key).filter(|_| word == "held");
        let what = kinds.map_or_else(
            || word.to_owned(),
            |kinds| Vec::from_iter(kinds.iter().map(String::as_str)).join(" and "),
        );
        let count = found.held_for.entry(what).or_default();
        *count = count.saturating_add(1);
    }

    /// The ERP's order has what was ordered, no more and no less.
    fn quantities(&mut self, course: &Course, key: &Key, order: &ErpOrder) {
        let mut has: BTreeMap<&str, Decimal> = BTreeMap::new();
        for line in &order.lines {
            let sum = has.entry(&line.item).or_default();
            *sum = sum.saturating_add(line.base_quantity);
        }
        let order = &course.order;
        let fits = [Some(&order.lines), order.revised.as_ref()]
            .into_iter()
            .flatten()
            .any(|lines| {
                let asked = lines.iter();
                asked
                    .map(|(item, pieces)| (*item, Decimal::from(*pieces)))
                    .eq(has.clone())
            });
        if !fits {
            let text = format!("{key:?} was ordered as {order:?} and is {has:?} in the ERP");
            self.judgment.violations.push(text);
        }
    }

    /// What leaves from stock is at the warehouses, each piece once.
    fn at_warehouses(&self, order: &ErpOrder) -> Result<(), Missing> {
        let mut wanted: BTreeMap<(&str, &str), Decimal> = BTreeMap::new();
        for line in &order.lines {
            let from_stock = line
                .confirmed_date
                .is_none_or(|day| day < self.case.from_stock_before);
            if from_stock {
                let sum = wanted.entry((&line.site, &line.item)).or_default();
                *sum = sum.saturating_add(line.base_quantity);
            }
        }
        let picks = self.by_number.get(order.number.as_str());
        let picks: Vec<&Pick> = picks.into_iter().flatten().copied().collect();
        let references: BTreeSet<&str> =
            picks.iter().map(|pick| pick.client_ref.as_str()).collect();
        if references.len() < picks.len() {
            return Err(Missing::Wrong(format!(
                "picked twice under one reference: {picks:?}"
            )));
        }
        let mut given: BTreeMap<(&str, &str), Decimal> = BTreeMap::new();
        for pick in &picks {
            for line in &pick.lines {
                let sum = given.entry((&pick.site_code, &line.sku_code)).or_default();
                *sum = sum.saturating_add(line.qty);
            }
        }
        if given == wanted {
            return Ok(());
        }
        let text = format!("to be picked {wanted:?}, at the warehouses {given:?}");
        let too_much = given
            .iter()
            .any(|(place, sum)| wanted.get(place).is_none_or(|most| sum > most));
        Err(if too_much {
            Missing::Wrong(text)
        } else {
            Missing::NotYet(text)
        })
    }

    /// What nobody ordered, and picks of what the ERP does not have.
    fn strangers(&mut self) {
        let ours: BTreeSet<Key> = self.case.courses.iter().map(Course::key).collect();
        for key in self.by_key.keys().filter(|key| !ours.contains(*key)) {
            let text = format!("{key:?} is in the ERP, and nobody ordered it");
            self.judgment.violations.push(text);
        }
        let live: BTreeSet<&str> = self
            .case
            .records
            .orders
            .iter()
            .filter(|order| counts(order))
            .map(|order| order.number.as_str())
            .collect();
        for number in self
            .by_number
            .keys()
            .filter(|number| !live.contains(*number))
        {
            let text = format!("{number} is picked, and is no released order of the ERP");
            self.judgment.violations.push(text);
        }
    }

    /// What was promised from stock is there.
    fn oversold(&mut self) {
        let mut promised: BTreeMap<&str, Decimal> = BTreeMap::new();
        let live = self
            .case
            .records
            .orders
            .iter()
            .filter(|order| counts(order) && !self.set_aside.contains(order.number.as_str()));
        for line in live.flat_map(|order| &order.lines) {
            let from_stock = line
                .confirmed_date
                .is_none_or(|day| day < self.case.from_stock_before);
            if from_stock {
                let sum = promised.entry(&line.item).or_default();
                *sum = sum.saturating_add(line.base_quantity);
            }
        }
        for (item, stock) in self.case.stock {
            let sum = promised.get(item.as_str()).copied().unwrap_or_default();
            let over = sum.saturating_sub(Decimal::from(*stock));
            if over > Decimal::ZERO {
                self.judgment.oversold_units = self.judgment.oversold_units.saturating_add(over);
                let text = format!("{item}: {sum} promised from a stock of {stock}");
                self.judgment.violations.push(text);
            }
        }
    }
}

enum Missing {
    NotYet(String),
    Wrong(String),
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
