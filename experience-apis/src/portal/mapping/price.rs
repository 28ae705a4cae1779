//! Priced and promised lines: baskets, quotes, reservations.

use canonical_model::{
    basket::{self as canonical, LineProblem, PriceBasis},
    price::{AppliedPromotion, PriceLevel},
    quote as quotes, reservation as reservations,
};

use super::{hold, pointer::Named};
use crate::portal::shape::{
    basket::{BasketCheck, CheckedLine},
    price::{LinePrice, PriceSource, Promotion},
    quote::Quote,
    reservation::Reservation,
};

/// The agreement behind a level.
pub(super) fn source_of(level: PriceLevel) -> PriceSource {
    match level {
        PriceLevel::Resolved => PriceSource::Account,
        PriceLevel::ContractShipTo
        | PriceLevel::ContractSoldTo
        | PriceLevel::ContractParent
        | PriceLevel::ContractGroup => PriceSource::Contract,
        PriceLevel::AccountList | PriceLevel::GroupList => PriceSource::PriceList,
        PriceLevel::List => PriceSource::ListPrice,
    }
}

pub(super) fn promotion(applied: AppliedPromotion) -> Promotion {
    Promotion {
        promotion: applied.promotion,
        description: applied.description,
        instead_of: applied.base_unit_price,
    }
}

pub(super) fn line_price(price: canonical::LinePrice) -> LinePrice {
    let (source, quote_id, contract, applied) = match price.basis {
        PriceBasis::Quote { quote_id } => (PriceSource::Quote, Some(quote_id), None, None),
        PriceBasis::Record {
            level,
            contract,
            promotion,
            ..
        } => (
            source_of(level),
            None,
            contract.map(|contract| contract.number),
            promotion,
        ),
    };
    LinePrice {
        unit_price: price.unit_price,
        total: price.total,
        source,
        quote_id,
        contract,
        promotion: applied.map(promotion),
        as_of: price.as_of,
        degraded: price.degraded,
    }
}

fn checked_line(line: canonical::CheckedLine, named: &Named) -> CheckedLine {
    CheckedLine {
        line: line.line,
        buyer_line: line.buyer_line,
        item: line.item,
        quantity: line.quantity,
        price: line.price.map(line_price),
        schedule: line.schedule,
        problems: problems(line.problems, named),
    }
}

fn problems(problems: Vec<LineProblem>, named: &Named) -> Vec<LineProblem> {
    let problem = |problem: LineProblem| LineProblem {
        pointer: named.pointer(&problem.pointer),
        ..problem
    };
    problems.into_iter().map(problem).collect()
}

/// What would become of a basket; the credit position stays with the account.
pub fn basket_check(check: canonical::BasketCheck, named: &Named) -> BasketCheck {
    BasketCheck {
        verdict: check.verdict,
        holds: check
            .holds
            .iter()
            .map(|reason| hold(reason, None))
            .collect(),
        problems: problems(check.problems, named),
        lines: check
            .lines
            .into_iter()
            .map(|line| checked_line(line, named))
            .collect(),
        total: check.total,
        degraded: check.degraded,
    }
}

/// A quote.
pub fn quote(quote: quotes::Quote) -> Quote {
    let named = Named::default();
    Quote {
        quote_id: quote.quote_id,
        account: quote.account,
        ship_to: quote.ship_to,
        lines: quote
            .lines
            .into_iter()
            .map(|line| checked_line(line, &named))
            .collect(),
        total: quote.total,
        state: quote.state,
        created_at: quote.created_at,
        expires_at: quote.expires_at,
        decision_id: quote.decision_id,
    }
}

/// A reservation.
pub fn reservation(reservation: reservations::Reservation) -> Reservation {
    let named = Named::default();
    Reservation {
        reservation_id: reservation.reservation_id,
        account: reservation.account,
        ship_to: reservation.ship_to,
        lines: reservation
            .lines
            .into_iter()
            .map(|line| checked_line(line, &named))
            .collect(),
        state: reservation.state,
        created_at: reservation.created_at,
        expires_at: reservation.expires_at,
        decision_id: reservation.decision_id,
    }
}
