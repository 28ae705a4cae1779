//! `ConfirmationStatus`: what becomes of a part of a line. The parts sum to what was ordered.

use canonical_model::{
    Money,
    order::{OrderLine, OrderStatus, SalesOrder},
    promise::{Cover, ScheduleLine},
};
use jiff::civil::Date;
use rust_decimal::Decimal;

use super::{Confirmation, DoesNotAddUp, comments, money_element};
use crate::punchout::cxml::{order::ItemOut, xml::Element};

/// What becomes of a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// It comes as ordered.
    Accept,
    /// It comes, at another price or on another day.
    Detail,
    /// It comes once there is some.
    Backordered,
    /// It does not come.
    Reject,
    /// It is not known yet.
    Unknown,
}

impl Kind {
    const fn word(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Detail => "detail",
            Self::Backordered => "backordered",
            Self::Reject => "reject",
            Self::Unknown => "unknown",
        }
    }
}

/// A part of a line.
#[derive(Debug, Clone)]
pub(super) struct Part {
    kind: Kind,
    quantity: Decimal,
    /// As the buyer writes it.
    pub(super) unit: String,
    price: Option<Money>,
    ships: Option<Date>,
    arrives: Option<Date>,
    reasons: Vec<String>,
}

impl Part {
    pub(super) const fn kind(&self) -> Kind {
        self.kind
    }

    pub(super) fn element(&self) -> Element {
        let price = self
            .price
            .map(|price| Element::new("UnitPrice").child(money_element(price)));
        Element::new("ConfirmationStatus")
            .with("quantity", self.quantity.normalize().to_string())
            .with("type", self.kind.word())
            .with_some("shipmentDate", self.ships.map(noon))
            .with_some("deliveryDate", self.arrives.map(noon))
            .child(Element::new("UnitOfMeasure").text(self.unit.as_str()))
            .children(price)
            .children(comments(&self.reasons))
    }
}

/// A day as a time: at noon it is the same day nearly everywhere.
fn noon(date: Date) -> String {
    format!("{date}T12:00:00+00:00")
}

/// What becomes of every piece of a line.
pub(super) fn parts(
    confirmation: &Confirmation<'_>,
    order: &SalesOrder,
    line: &ItemOut,
) -> Result<Vec<Part>, DoesNotAddUp> {
    let number = line.line_number.to_string();
    let ordered: Vec<&OrderLine> = order
        .lines
        .iter()
        .filter(|candidate| candidate.buyer_line.as_deref() == Some(number.as_str()))
        .collect();
    let unit = line.unit.clone().or_else(|| {
        let first = ordered.first()?;
        Some(first.ordered.unit.code().to_owned())
    });
    let unit = unit.unwrap_or_else(|| "EA".to_owned());
    let whole = |kind, quantity| Part {
        kind,
        quantity,
        unit: unit.clone(),
        price: None,
        ships: None,
        arrives: None,
        reasons: Vec::new(),
    };
    if ordered.is_empty() {
        let about = confirmation.refused_lines.iter();
        let reasons = about.filter(|(refused, _)| *refused == line.line_number);
        return Ok(vec![Part {
            reasons: reasons.map(|(_, reason)| reason.clone()).collect(),
            ..whole(Kind::Reject, line.quantity)
        }]);
    }
    let wanted = line
        .requested_delivery_date
        .or(confirmation.received.requested_delivery_date);
    let held = order.status == OrderStatus::Held;
    let parts = ordered.iter().flat_map(|ordered| {
        let of = Ordered {
            line,
            ordered,
            wanted,
        };
        of.parts(&whole, held)
    });
    let parts: Vec<Part> = parts.filter(|part| !part.quantity.is_zero()).collect();
    let sum = parts
        .iter()
        .try_fold(Decimal::ZERO, |sum, part| sum.checked_add(part.quantity));
    if sum == Some(line.quantity) {
        Ok(parts)
    } else {
        Err(DoesNotAddUp {
            line: line.line_number,
        })
    }
}

/// A line as it was received, and one of the lines that it became.
struct Ordered<'a> {
    line: &'a ItemOut,
    ordered: &'a OrderLine,
    wanted: Option<Date>,
}

impl Ordered<'_> {
    fn parts(&self, whole: &impl Fn(Kind, Decimal) -> Part, held: bool) -> Vec<Part> {
        let gone = &self.ordered.quantities;
        let ordered = self.ordered.ordered.value;
        let problems = self.ordered.problems.iter();
        let mut parts = vec![
            Part {
                reasons: problems.map(|problem| problem.detail.clone()).collect(),
                ..whole(Kind::Reject, gone.rejected)
            },
            Part {
                reasons: vec!["Cancelled.".to_owned()],
                ..whole(Kind::Reject, gone.cancelled)
            },
        ];
        let rest = ordered
            .saturating_sub(gone.rejected)
            .saturating_sub(gone.cancelled);
        let schedule = &self.ordered.schedule;
        let scheduled: Decimal = schedule.iter().map(|part| part.quantity.value).sum();
        if held {
            parts.push(whole(Kind::Unknown, rest));
        } else if scheduled == rest {
            parts.extend(schedule.iter().map(|part| self.scheduled(part, whole)));
        } else if rest < ordered {
            // Some of it is gone, and the schedule does not say which.
            parts.push(self.priced(whole(Kind::Accept, rest)));
        }
        parts
    }

    fn scheduled(&self, part: &ScheduleLine, whole: &impl Fn(Kind, Decimal) -> Part) -> Part {
        let arrives = part.promised_delivery_date;
        let quantity = part.quantity.value;
        if part.cover == Cover::LeadTime {
            // Receivers look at nothing but dates in `backordered`: at another price it is told as `detail`.
            return self.priced(Part {
                arrives: Some(arrives),
                ..whole(Kind::Backordered, quantity)
            });
        }
        let late = self.wanted.is_some_and(|wanted| arrives > wanted);
        let kind = if late { Kind::Detail } else { Kind::Accept };
        self.priced(Part {
            ships: Some(part.ship_date),
            // The day asked for is not repeated.
            arrives: Some(arrives).filter(|_| self.wanted != Some(arrives)),
            ..whole(kind, quantity)
        })
    }

    /// With our price, where it is not the one stated.
    fn priced(&self, part: Part) -> Part {
        let ours = self.our_price();
        let changed = ours.filter(|ours| Some(*ours) != self.line.unit_price());
        match changed.and_then(|ours| self.as_stated(ours)) {
            Some(price) => Part {
                kind: Kind::Detail,
                price: Some(price),
                ..part
            },
            None => part,
        }
    }

    /// Per one unit ordered; `None` where it is per another unit.
    fn our_price(&self) -> Option<Money> {
        let price = &self.ordered.price.as_ref()?.unit_price;
        let same = price.unit == self.ordered.ordered.unit;
        same.then(|| Money::new(price.amount, price.currency))
    }

    /// For as much of what the buyer's own price stands for.
    fn as_stated(&self, ours: Money) -> Option<Money> {
        let Some(basis) = &self.line.price_basis else {
            return Some(ours);
        };
        let amount = ours
            .amount
            .checked_mul(basis.quantity)?
            .checked_div(basis.conversion_factor)?;
        Some(Money::new(amount.round_dp(9), ours.currency))
    }
}
