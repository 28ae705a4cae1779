//! Where the sound lines come from and when, and what they come to together.

use canonical_model::{
    Money, SiteId,
    basket::{LineProblem, LineProblemCode},
    decision::DecisionStep,
    promise::{Cover, ScheduleLine},
};
use jiff::{Timestamp, civil::Date};

use super::{Basket, problem};
use crate::{
    baskets::{AssessedLine, StockNeed},
    promise::{
        calendar::Calendar,
        sourcing::{Site, Sourced, Stock, Wanted, source},
    },
    store::StockKey,
};

/// Finds where each sound line comes from; the lines share the stock, in their order.
pub(super) fn promise(
    basket: &Basket<'_>,
    lines: &mut [AssessedLine],
    steps: &mut Vec<DecisionStep>,
    now: Timestamp,
) -> Vec<StockNeed> {
    let (facts, to) = (basket.facts, basket.ship_to.map(|to| &to.address));
    let sites: Vec<Site<'_>> = facts
        .sites()
        .into_iter()
        .map(|site| Site {
            calendar: Calendar::new(facts.policies.site(&site), to, now),
            site,
        })
        .collect();
    let stock = Stock::of(&facts.stock);
    let together = basket.request.ship_complete;
    let from_one = if together || facts.capabilities.one_site_per_order {
        one_site(basket, lines, &sites, &stock)
    } else {
        None
    };
    let chosen_sites = from_one.as_deref().unwrap_or(&sites);
    let mut stock = stock;
    let mut needs = Vec::new();
    for (index, line) in lines.iter_mut().enumerate() {
        if is_unconfirmed(basket, line, &stock) {
            line.problems.push(unconfirmed(index));
            continue;
        }
        let Some(sourced) = source_line(basket, line, index, chosen_sites, &mut stock) else {
            continue;
        };
        if sourced.schedule.is_empty() {
            line.problems.push(not_available(line, index, &sourced));
        }
        needs.extend(needs_of(basket, line, &sourced));
        line.schedule = sourced.schedule;
        tell_ages(basket, line);
        steps.push(sourced.step);
    }
    if together {
        deliver_together(lines, &sites);
    }
    needs
}

/// Whether nobody can tell now what there is of a line's item. That it is nowhere is told by its source only.
fn is_unconfirmed(basket: &Basket<'_>, line: &AssessedLine, stock: &Stock) -> bool {
    let product = line.product.as_ref().filter(|_| line.problems.is_empty());
    basket.facts.standing.stock.degraded
        && product.is_some_and(|product| !stock.knows(&product.item))
}

fn unconfirmed(index: usize) -> LineProblem {
    let detail =
        "No date can be confirmed now, since the seller's system does not answer; try again later.";
    problem(
        LineProblemCode::DateUnconfirmed,
        format!("/lines/{index}/quantity"),
        detail,
    )
}

/// How old the figures are on which each part of a line is promised.
fn tell_ages(basket: &Basket<'_>, line: &mut AssessedLine) {
    let Some(product) = &line.product else { return };
    for part in &mut line.schedule {
        let mut rows = basket.facts.stock.iter();
        let row = rows.find(|row| row.item == product.item && row.site == part.site);
        part.as_of = row
            .filter(|_| part.cover != Cover::LeadTime)
            .map(|row| row.as_of);
        let standing = basket.facts.standing.stock;
        part.degraded = part
            .as_of
            .is_some_and(|as_of| standing.is_degraded(as_of, basket.now));
    }
}

fn source_line(
    basket: &Basket<'_>,
    line: &AssessedLine,
    index: usize,
    sites: &[Site<'_>],
    stock: &mut Stock,
) -> Option<Sourced> {
    let product = line.product.as_ref().filter(|_| line.problems.is_empty())?;
    let asked = basket.request.lines.get(index)?;
    let wanted = Wanted {
        line: line.line,
        product,
        ordered: line.ordered,
        base: product.units().to_base(line.ordered).ok()?,
        requested: asked
            .requested_delivery_date
            .or(basket.request.requested_delivery_date),
        whole: basket.request.ship_complete,
    };
    Some(source(&wanted, sites, stock))
}

/// How an order would leave one site.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Trial {
    /// Lines that cannot be had from there.
    without: usize,
    /// Lines that wait for what is neither there nor on order.
    waiting: usize,
    /// When the last part arrives.
    last: Option<Date>,
    site: SiteId,
}

/// The one site for an order that must come together: that which can ship all of it from stock or receipts the soonest, if
/// there is one. Where the ERP ships no order from several sites, there is always one: that which leaves the least out.
fn one_site<'a>(
    basket: &Basket<'_>,
    lines: &[AssessedLine],
    sites: &[Site<'a>],
    stock: &Stock,
) -> Option<Vec<Site<'a>>> {
    let attempt = |site: &Site<'a>| {
        let (only, mut left) = ([site.clone()], stock.clone());
        let mut trial = Trial {
            without: 0,
            waiting: 0,
            last: None,
            site: site.site.clone(),
        };
        for (index, line) in lines.iter().enumerate() {
            let Some(sourced) = source_line(basket, line, index, &only, &mut left) else {
                continue;
            };
            let days = sourced.schedule.iter();
            trial.without += usize::from(sourced.schedule.is_empty());
            trial.waiting += usize::from(sourced.taken.is_empty());
            trial.last = trial
                .last
                .max(days.map(|part| part.promised_delivery_date).max());
        }
        trial
    };
    let trials = sites.iter().map(|site| (attempt(site), site));
    let able = trials.filter(|(trial, _)| {
        basket.facts.capabilities.one_site_per_order || (trial.waiting == 0 && trial.last.is_some())
    });
    let (_, site) = able.min_by(|left, right| left.0.cmp(&right.0))?;
    Some(vec![site.clone()])
}

/// Puts every part on the day of the last.
fn deliver_together(lines: &mut [AssessedLine], sites: &[Site<'_>]) {
    let parts = |line: &AssessedLine| {
        line.schedule
            .iter()
            .map(|part| part.promised_delivery_date)
            .max()
    };
    let Some(day) = lines.iter().filter_map(parts).max() else {
        return;
    };
    let put = |part: &mut ScheduleLine| {
        let site = sites.iter().find(|site| site.site == part.site);
        if let Some(pick) = site.and_then(|site| site.calendar.latest_pick(day))
            && let Some(site) = site
        {
            part.ship_date = site.calendar.ship_date(pick).max(part.ship_date);
        }
        part.promised_delivery_date = day;
    };
    lines
        .iter_mut()
        .flat_map(|line| line.schedule.iter_mut())
        .for_each(put);
}

fn needs_of(basket: &Basket<'_>, line: &AssessedLine, sourced: &Sourced) -> Vec<StockNeed> {
    let Some(product) = &line.product else {
        return Vec::new();
    };
    let company = &basket.facts.account.company;
    let taken = sourced.taken.iter().map(|taken| StockNeed {
        key: StockKey::new(company.clone(), product.item.clone(), taken.site.clone()),
        line: line.line,
        day: taken.day,
        quantity: taken.quantity,
    });
    taken.collect()
}

fn not_available(line: &AssessedLine, index: usize, sourced: &Sourced) -> LineProblem {
    let (some, unit) = (sourced.obtainable.normalize(), line.ordered.unit);
    let detail = if some.is_zero() {
        "None of it is there or on order, and no date is known at which it would be; order another product.".to_owned()
    } else {
        format!(
            "Only {some} {unit} can be had, now or by receipts that are confirmed; order that much or less."
        )
    };
    problem(
        LineProblemCode::NotAvailable,
        format!("/lines/{index}/quantity"),
        detail,
    )
}

/// The total of the sound lines. A line that makes it too large to be held exactly is refused.
pub(super) fn total(
    basket: &Basket<'_>,
    lines: &mut [AssessedLine],
    problems: &mut Vec<LineProblem>,
) -> Money {
    let mut total = Money::zero(basket.facts.account.currency);
    for line in lines.iter().filter(|line| line.problems.is_empty()) {
        let sum = line
            .price
            .as_ref()
            .map(|price| total.checked_add(price.total));
        match sum {
            Some(Ok(sum)) => total = sum,
            Some(Err(_)) | None => {
                let detail = "The order is too large to be totalled; send it as several.";
                problems.push(problem(
                    LineProblemCode::QuantityOutOfRange,
                    "/lines",
                    detail,
                ));
                break;
            }
        }
    }
    total
}
