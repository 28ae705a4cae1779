//! An `OrderRequest` in the words of `orders`. Pure; done again when an order is confirmed, so that a line is told from
//! another in the same way.

use canonical_model::order::LinePolicy;

use super::{Brought, Ordered, OrderedLine, Purpose, Unsound, request::LONGEST_NUMBER, units};
use crate::punchout::{
    cxml::{
        order::{ItemOut, OrderRequest, OrderType},
        status::{Code, Status},
    },
    profile::Profile,
};

/// As many lines as an order may have, their parts by date counted.
const MOST_LINES: usize = 5_000;
/// As many reasons as one answer tells.
const MOST_TOLD: usize = 20;

/// Reads the order.
pub(super) fn read(profile: &Profile, order: &OrderRequest) -> Ordered {
    let mut lines = Vec::with_capacity(order.lines.len());
    let mut unsound = Vec::new();
    for item in &order.lines {
        match line(profile, item) {
            Ok(line) => lines.push(line),
            Err(reason) => unsound.push(Unsound {
                number: item.line_number,
                reason: format!("{}: {reason}", item.path),
            }),
        }
    }
    Ordered {
        number: order.order_id.clone(),
        purpose: match order.order_type {
            OrderType::New => Purpose::New,
            OrderType::Update => Purpose::Update,
            OrderType::Delete => Purpose::Delete,
        },
        total: order.total,
        ship_to: order.ship_to.clone(),
        requested_delivery_date: order.requested_delivery_date,
        ship_complete: order.ship_complete,
        lines,
        unsound,
    }
}

fn line(profile: &Profile, item: &ItemOut) -> Result<OrderedLine, String> {
    if item.item.supplier_part_id.chars().count() > LONGEST_NUMBER {
        return Err(format!(
            "the part number (SupplierPartID) is longer than {LONGEST_NUMBER} characters: send ours."
        ));
    }
    let unit = match item.unit.as_deref() {
        None => None,
        Some(text) => Some(units::read(profile, text).ok_or_else(|| {
            format!("the unit {text} (UnitOfMeasure) is not known: send a UN/ECE Recommendation 20 code, or have it added to the agreement.")
        })?),
    };
    let basis = item.price_basis.as_ref();
    if let Some(basis) = basis.filter(|basis| units::read(profile, &basis.unit).is_none()) {
        return Err(format!(
            "the unit {} (PriceBasisQuantity/UnitOfMeasure) is not known: send a UN/ECE Recommendation 20 code, or have it added to the agreement.",
            basis.unit
        ));
    }
    let lock = match item.item.auxiliary_id.as_deref() {
        None => Brought::Nothing,
        Some(text) => text.parse().map_or(Brought::Foreign, Brought::Lock),
    };
    Ok(OrderedLine {
        number: item.line_number,
        part: item.item.supplier_part_id.clone(),
        buyer_part: item.item.buyer_part_id.clone(),
        lock,
        quantity: item.quantity,
        unit,
        unit_price: item.unit_price(),
        date: item.requested_delivery_date,
        schedule: item.schedule.clone(),
        ship_to: item.ship_to.clone(),
    })
}

/// 400 where too little of it can be ordered by what was agreed, with every reason.
pub(super) fn check(profile: &Profile, ordered: &Ordered) -> Result<(), Status> {
    if ordered.purpose == Purpose::Delete {
        return Ok(());
    }
    let parts = ordered.lines.iter().map(|line| line.schedule.len().max(1));
    if parts.fold(0_usize, usize::saturating_add) > MOST_LINES {
        let sentence =
            format!("More than {MOST_LINES} lines and parts by date: send several orders.");
        return Err(Status::new(Code::BadRequest, sentence));
    }
    let all_needed = profile.line_policy == LinePolicy::AllOrNothing;
    if !ordered.lines.is_empty() && (ordered.unsound.is_empty() || !all_needed) {
        return Ok(());
    }
    let told = ordered.unsound.iter().take(MOST_TOLD);
    let mut told: Vec<String> = told.map(|line| line.reason.clone()).collect();
    let more = ordered.unsound.len().saturating_sub(MOST_TOLD);
    if more > 0 {
        told.push(format!("{more} more."));
    }
    Err(Status::new(Code::BadRequest, told.join(" ")))
}
