//! The engine: facts in, an [`Assessment`] out. Pure and deterministic, so that a decision record can be recomputed,
//! and so that a basket check, a quote, a reservation and an order never differ.

mod promise;

use std::collections::{BTreeMap, BTreeSet};

use canonical_model::{
    ItemNumber, Money, QuoteId,
    account::{Account, AccountStatus, ShipTo},
    basket::{BasketCheck, BasketRequest, CheckedLine, LineProblem, LineProblemCode, Verdict},
    credit::CreditPosition,
    decision::DecisionStep,
    order::{HoldReason, LinePolicy},
    price::PriceSchedule,
};
use jiff::{SignedDuration, Timestamp, ToSpan, civil::Date};
use rust_decimal::Decimal;

use super::{AssessedLine, Assessment, facts::Facts, ledgers, line, standing::taken_on};
use crate::{approval, credit::exposure, pricing::resolve::LockedPrice, quotes::StoredQuote};
use promise::{promise, total};

/// What a quote locks, by item.
pub(super) type Locks = BTreeMap<ItemNumber, Vec<LockedPrice>>;

/// Everything the lines are assessed with.
pub(super) struct Basket<'a> {
    pub(super) request: &'a BasketRequest,
    pub(super) facts: &'a Facts,
    pub(super) ship_to: Option<&'a ShipTo>,
    pub(super) now: Timestamp,
    pub(super) today: Date,
    pub(super) schedules: BTreeMap<&'a ItemNumber, &'a PriceSchedule>,
    /// By quote; one that cannot be used is absent.
    pub(super) locks: BTreeMap<QuoteId, Locks>,
}

/// Assesses a basket from its facts, as at an instant.
pub fn assess(
    request: &BasketRequest,
    line_policy: LinePolicy,
    facts: &Facts,
    now: Timestamp,
) -> Assessment {
    let ship_to = ship_to_of(request, &facts.account);
    let basket = Basket {
        request,
        facts,
        ship_to,
        now,
        today: facts.policies.default_site.zone().to_datetime(now).date(),
        schedules: facts
            .prices
            .iter()
            .map(|schedule| (&schedule.item, schedule))
            .collect(),
        locks: locks(request, facts, ship_to, now),
    };
    let mut steps = vec![account_step(&facts.account)];
    let mut problems = basket_problems(&basket, now);
    let products = facts.products_by_identifier();
    let mut lines = Vec::with_capacity(request.lines.len());
    let mut holds = Vec::new();
    for (index, asked) in request.lines.iter().enumerate() {
        let judged = line::judge(&basket, &products, index, asked);
        steps.extend(judged.steps);
        holds.extend(judged.hold);
        lines.push(judged.line);
    }
    let stock = promise(&basket, &mut lines, &mut steps, now);
    let total = total(&basket, &mut lines, &mut problems);
    let refused: BTreeSet<u32> = lines
        .iter()
        .filter(|line| !line.problems.is_empty())
        .map(|line| line.line)
        .collect();
    holds.retain(|hold| hold.line.is_none_or(|line| !refused.contains(&line)));
    let credit_levels = ledgers::chain(&facts.account);
    let oldest = now - credit_usable(facts);
    let checked = exposure::check(&exposure::Check {
        chain: &credit_levels,
        levels: &facts.credit,
        amount: total,
        oldest,
        policy: &facts.policies.credit,
    });
    holds.extend(checked.hold);
    steps.push(checked.step);
    let (approvals, step) = approve(&basket, &lines, &total);
    holds.extend(approvals);
    steps.extend(step);
    let credit = exposure::ruling(&credit_levels, &facts.credit);
    let credit = credit.map(|position| CreditPosition {
        degraded: facts.standing.credit.is_degraded(position.as_of, now),
        ..position
    });
    let taken_on = taken_on(facts, &lines, &credit_levels, now);
    let mut assessment = Assessment {
        verdict: Verdict::Accept,
        account: facts.account.clone(),
        ship_to: ship_to.cloned(),
        currency: facts.account.currency,
        lines,
        problems,
        holds,
        total,
        stock,
        credit_levels,
        credit_unknown: checked.unknown,
        credit,
        taken_on,
        degraded: facts.degraded,
        steps,
    };
    assessment.verdict = verdict(&assessment, line_policy);
    assessment
}

/// The rules look at what is taken.
fn approve(
    basket: &Basket<'_>,
    lines: &[AssessedLine],
    total: &Money,
) -> (Vec<HoldReason>, Option<DecisionStep>) {
    let taken = lines.iter().filter(|line| line.problems.is_empty());
    let items: Vec<&ItemNumber> = taken
        .filter_map(|line| Some(&line.product.as_ref()?.item))
        .collect();
    let asked = approval::Asked {
        account: &basket.facts.account,
        ship_to: basket.ship_to,
        items: &items,
        total,
    };
    approval::check(&basket.facts.policies.approval, asked)
}

/// Beyond this age credit is not known. Where its source does not answer, that is as the purpose allows.
fn credit_usable(facts: &Facts) -> SignedDuration {
    let usable = facts.policies.freshness.credit_usable.signed();
    let standing = facts.standing.credit;
    match standing.usable_seconds.filter(|_| standing.degraded) {
        Some(seconds) => SignedDuration::from_secs(i64::from(seconds)),
        None => usable,
    }
}

fn verdict(assessment: &Assessment, line_policy: LinePolicy) -> Verdict {
    let sound = assessment
        .lines
        .iter()
        .filter(|line| line.problems.is_empty())
        .count();
    let lines_refuse = match line_policy {
        LinePolicy::AllOrNothing => sound < assessment.lines.len(),
        LinePolicy::TakeSoundLines => false,
    };
    if !assessment.problems.is_empty() || lines_refuse || sound == 0 {
        Verdict::Reject
    } else if assessment.holds.is_empty() {
        Verdict::Accept
    } else {
        Verdict::Hold
    }
}

fn ship_to_of<'a>(request: &BasketRequest, account: &'a Account) -> Option<&'a ShipTo> {
    match &request.ship_to {
        Some(wanted) => account
            .ship_tos
            .iter()
            .find(|known| known.ship_to == *wanted),
        None => account.ship_tos.first(),
    }
}

fn account_step(account: &Account) -> DecisionStep {
    let status = match account.status {
        AccountStatus::Active => "active",
        AccountStatus::Blocked => "blocked",
        AccountStatus::Closed => "closed",
    };
    DecisionStep {
        about: "account".to_owned(),
        line: None,
        rule: "only an active account may order".to_owned(),
        chosen: format!("{} is {status}", account.account),
        rejected: Vec::new(),
    }
}

/// A problem of the basket or of a line.
pub(super) fn problem(
    code: LineProblemCode,
    pointer: impl Into<String>,
    detail: impl Into<String>,
) -> LineProblem {
    LineProblem {
        code,
        pointer: pointer.into(),
        detail: detail.into(),
    }
}

fn basket_problems(basket: &Basket<'_>, now: Timestamp) -> Vec<LineProblem> {
    let (request, facts) = (basket.request, basket.facts);
    let mut problems = Vec::new();
    match facts.account.status {
        AccountStatus::Active => {}
        AccountStatus::Blocked => problems.push(problem(
            LineProblemCode::AccountBlocked,
            "/account",
            "The account is blocked for orders; speak to your sales contact.",
        )),
        AccountStatus::Closed => problems.push(problem(
            LineProblemCode::AccountBlocked,
            "/account",
            "The account is closed; order under another one.",
        )),
    }
    if basket.ship_to.is_none() {
        problems.push(problem(
            LineProblemCode::UnknownShipTo,
            "/ship_to",
            "The delivery address is not one of the account's; use one of those that the account lists.",
        ));
    }
    problems.extend(date_problem(
        basket,
        request.requested_delivery_date,
        "/requested_delivery_date",
    ));
    if let Some(quote_id) = request.quote_id {
        problems.extend(quote_problem(basket, quote_id, "/quote_id"));
    }
    if request.reservation_id.is_some() && !reservation_usable(facts, now) {
        problems.push(problem(
            LineProblemCode::ReservationNotUsable,
            "/reservation_id",
            "The reservation is unknown, no longer held, or another account's; reserve again or order without it.",
        ));
    }
    problems
}

/// A date in the past, or further away than anything is promised.
pub(super) fn date_problem(
    basket: &Basket<'_>,
    wanted: Option<Date>,
    pointer: &str,
) -> Option<LineProblem> {
    let wanted = wanted?;
    let last = basket
        .today
        .saturating_add(i64::from(basket.facts.policies.promise.horizon_days).days());
    if (basket.today..=last).contains(&wanted) {
        return None;
    }
    let detail = format!(
        "Ask for a day from {} to {last}, or leave the date out.",
        basket.today
    );
    Some(problem(LineProblemCode::DateOutOfRange, pointer, detail))
}

/// A quote that does not apply.
pub(super) fn quote_problem(
    basket: &Basket<'_>,
    quote_id: QuoteId,
    pointer: &str,
) -> Option<LineProblem> {
    let detail = "The quote is unknown, has expired, or is for another account or delivery address; ask for a new one.";
    let usable = basket.locks.contains_key(&quote_id);
    (!usable).then(|| problem(LineProblemCode::QuoteNotUsable, pointer, detail))
}

fn reservation_usable(facts: &Facts, now: Timestamp) -> bool {
    facts.reservation.as_ref().is_some_and(|known| {
        let reservation = &known.stored.reservation;
        reservation.account == facts.account.account && known.stored.holds_at(now)
    })
}

fn locks(
    request: &BasketRequest,
    facts: &Facts,
    ship_to: Option<&ShipTo>,
    now: Timestamp,
) -> BTreeMap<QuoteId, Locks> {
    let usable = |stored: &&StoredQuote| {
        let quote = &stored.quote;
        let same_place = ship_to.is_some_and(|to| to.ship_to == quote.ship_to);
        quote.account == request.account && same_place && now < quote.expires_at
    };
    let usable = facts.quotes.iter().filter(usable);
    usable
        .map(|stored| (stored.quote.quote_id, locked_by(stored)))
        .collect()
}

fn locked_by(stored: &StoredQuote) -> Locks {
    let mut locks = Locks::new();
    for line in &stored.quote.lines {
        let (Some(item), Some(from), Some(price)) = (&line.item, line.quantity, &line.price) else {
            continue;
        };
        locks.entry(item.clone()).or_default().push(LockedPrice {
            quote_id: stored.quote.quote_id,
            from,
            unit_price: price.unit_price.clone(),
        });
    }
    locks
}

impl Assessment {
    /// The lines as a buyer sees them.
    pub fn checked_lines(&self) -> Vec<CheckedLine> {
        let lines = self.lines.iter().map(|line| CheckedLine {
            line: line.line,
            buyer_line: line.buyer_line.clone(),
            item: line.product.as_ref().map(|product| product.item.clone()),
            quantity: line.product.as_ref().map(|_| line.ordered),
            price: line.price.clone(),
            schedule: line.schedule.clone(),
            problems: line.problems.clone(),
        });
        lines.collect()
    }

    /// The whole as the answer to a basket check.
    pub fn to_check(&self) -> BasketCheck {
        BasketCheck {
            verdict: self.verdict,
            holds: self.holds.clone(),
            problems: self.problems.clone(),
            lines: self.checked_lines(),
            total: self.total,
            credit: self.credit.clone(),
            degraded: self.degraded,
        }
    }

    /// All problems, of the basket and of its lines.
    pub fn all_problems(&self) -> impl Iterator<Item = &LineProblem> {
        self.problems
            .iter()
            .chain(self.lines.iter().flat_map(|line| &line.problems))
    }

    /// How much of the base unit is wanted of each item.
    pub fn units_by_item(&self) -> BTreeMap<ItemNumber, Decimal> {
        let mut units = BTreeMap::<ItemNumber, Decimal>::new();
        for need in &self.stock {
            let sum = units.entry(need.key.item.clone()).or_default();
            *sum = sum.saturating_add(need.quantity);
        }
        units
    }
}

#[cfg(test)]
mod tests;
