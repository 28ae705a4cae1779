//! Between Tryton's shipments and canonical releases and shipments. No I/O.
//!
//! A move in Tryton has no place for the number of an order line, so the shipment's reference holds what was asked for
//! beside our own: `OW7K2M4Q9T1B-EAST | 1 24 EA SKU-0001 | 2 5 EA SKU-0002`. It is written with the shipment or not at all,
//! and people see on it what was ordered.

use std::collections::BTreeMap;

use canonical_model::{
    ItemNumber, OrderReference, Quantity, ShipmentNumber, SiteId, UnitOfMeasure, decimal,
    fulfilment::{CreateWarehouseRelease, WarehouseRelease, WarehouseReleaseState},
    shipment::{ShipmentNews, ShipmentNewsLine, Sscc},
};
use rust_decimal::Decimal;

use super::wire;
use crate::{
    connector::ConnectorError,
    wms::connector::{ReleaseRecord, ReleasedLine},
};

/// Between the parts of a shipment's reference.
const BETWEEN: &str = " | ";
/// Tryton indexes references, and the database takes no longer entries in an index; less, to be safe.
const MOST_BYTES: usize = 2_000;

/// What a shipment was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asked {
    /// Our key of the release.
    pub(super) reference: String,
    /// As they were asked for.
    pub(super) lines: Vec<AskedLine>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AskedLine {
    pub(super) line: u32,
    pub(super) item: ItemNumber,
    pub(super) quantity: Quantity,
}

fn rejected(message: impl Into<String>) -> ConnectorError {
    ConnectorError::Rejected {
        message: message.into(),
    }
}

/// What is written on the shipment of a release.
pub(super) fn reference(release: &CreateWarehouseRelease) -> Result<String, ConnectorError> {
    let lines = release.lines.iter().map(|line| {
        let Quantity { value, unit } = line.quantity;
        let (number, item) = (line.order_line, &line.item);
        format!("{number} {} {} {item}", value.normalize(), unit.code())
    });
    let parts: Vec<String> = std::iter::once(release.release_reference.clone())
        .chain(lines)
        .collect();
    if parts.iter().any(|part| part.contains('|')) {
        return Err(rejected(
            "Neither a reference nor an item's number may contain a | there.",
        ));
    }
    let text = parts.join(BETWEEN);
    if text.len() > MOST_BYTES {
        return Err(rejected(format!(
            "A shipment's reference holds {MOST_BYTES} bytes there, and this release has too many lines for it: order it in \
             several parts."
        )));
    }
    Ok(text)
}

/// What a shipment was asked for; None = it is not one of ours.
pub(super) fn asked(reference: &str) -> Option<Asked> {
    let mut parts = reference.split(BETWEEN);
    let reference = parts.next()?.to_owned();
    let lines: Option<Vec<AskedLine>> = parts.map(asked_line).collect();
    Some(Asked {
        reference,
        lines: lines.filter(|lines| !lines.is_empty())?,
    })
}

fn asked_line(text: &str) -> Option<AskedLine> {
    let mut words = text.splitn(4, ' ');
    let line = words.next()?.parse().ok()?;
    let value = decimal::parse(words.next()?).ok()?;
    let unit = UnitOfMeasure::from_code(words.next()?).ok()?;
    Some(AskedLine {
        line,
        item: ItemNumber::new(words.next()?).ok()?,
        quantity: Quantity::new(value, unit),
    })
}

/// The release that a shipment is; None = it is for another reference, or for nothing of ours.
pub(super) fn record(
    row: &wire::Shipment,
    release_reference: &str,
) -> Result<Option<ReleaseRecord>, ConnectorError> {
    let asked = row.reference.as_deref().and_then(asked);
    let Some(asked) = asked.filter(|asked| asked.reference == release_reference) else {
        return Ok(None);
    };
    let lines = asked.lines.into_iter().map(|line| ReleasedLine {
        order_line: line.line.to_string(),
        item: line.item,
        quantity: line.quantity,
    });
    Ok(Some(ReleaseRecord {
        release: release(row, asked.reference)?,
        lines: lines.collect(),
    }))
}

/// How a shipment that people may work on stands as a release.
pub(super) fn release(
    row: &wire::Shipment,
    release_reference: String,
) -> Result<WarehouseRelease, ConnectorError> {
    let state = match row.state.as_str() {
        "waiting" | "assigned" => WarehouseReleaseState::Released,
        "picked" | "packed" => WarehouseReleaseState::InProgress,
        "shipped" | "done" => WarehouseReleaseState::Shipped,
        "cancelled" => WarehouseReleaseState::Cancelled,
        other => {
            let sentence = format!("a shipment is in the unknown state {other:?}");
            return Err(ConnectorError::protocol(sentence));
        }
    };
    let number = row.number.clone();
    let site = row.warehouse.code.as_deref().map(SiteId::new);
    Ok(WarehouseRelease {
        number: number.ok_or_else(|| ConnectorError::protocol("a shipment has no number"))?,
        release_reference,
        site: site
            .ok_or_else(|| ConnectorError::protocol("a warehouse has no code"))?
            .map_err(|error| ConnectorError::Protocol(error.into()))?,
        state,
    })
}

/// A shipment as it is, with the goods that it holds, or why it cannot be put into our words. The version is the instant of
/// its last change: it rises with each, and not by one.
pub(super) fn shipment(
    row: &wire::Shipment,
    moves: &[wire::Move],
    packages: &[wire::Package],
) -> Result<ShipmentNews, String> {
    let number = row.number.as_deref().unwrap_or_default();
    let bad = |what: &str| format!("The shipment {number} has no {what} that is understood.");
    let asked = row.reference.as_deref().and_then(asked);
    let asked = asked.ok_or_else(|| bad("reference"))?;
    let site = row.warehouse.code.as_deref().unwrap_or_default();
    let order = asked.reference.strip_suffix(&format!("-{site}"));
    let order = order.and_then(|order| OrderReference::new(order).ok());
    let changed = row.last_modified_at.0;
    let (picked, packed, shipped) = match row.state.as_str() {
        "draft" | "waiting" | "assigned" | "cancelled" => (false, false, false),
        "picked" => (true, false, false),
        "packed" => (true, true, false),
        "shipped" | "done" => (true, true, true),
        _ => return Err(bad("state")),
    };
    let mut lines = Vec::new();
    if picked {
        for (asked, held) in shared_out(&asked, moves, number)? {
            let so_far = |reached| if reached { held } else { Decimal::ZERO };
            lines.push(ShipmentNewsLine {
                line: asked.line,
                item: asked.item.clone(),
                unit: asked.quantity.unit,
                picked: held,
                packed: so_far(packed),
                shipped: so_far(shipped),
            });
        }
    }
    let ssccs = packages
        .iter()
        .filter_map(|one| Sscc::new(one.number.as_str()).ok());
    Ok(ShipmentNews {
        shipment: ShipmentNumber::new(number).map_err(|_invalid| bad("number"))?,
        version: u64::try_from(changed.as_microsecond()).map_err(|_past| bad("date"))?,
        order_reference: order.ok_or_else(|| bad("reference"))?,
        sales_order_number: None,
        release_number: Some(number.to_owned()),
        site: SiteId::new(site).map_err(|_invalid| bad("warehouse"))?,
        lines,
        carrier: None,
        tracking_numbers: Vec::new(),
        ssccs: ssccs.collect(),
        occurred_at: changed,
    })
}

/// How much of each line the goods are: to the lines of an item in turn, what is beyond them to the last.
fn shared_out<'a>(
    asked: &'a Asked,
    moves: &[wire::Move],
    number: &str,
) -> Result<Vec<(&'a AskedLine, Decimal)>, String> {
    let mut held: BTreeMap<&str, Decimal> = BTreeMap::new();
    for one in moves {
        let item = one.product.code.as_deref().unwrap_or_default();
        let line = asked.lines.iter().find(|line| line.item.as_str() == item);
        let line = line.ok_or_else(|| {
            format!("The shipment {number} holds {item}, which it was not asked for.")
        })?;
        if wire::rec20_unit(&one.product.unit.symbol) != Some(line.quantity.unit.code()) {
            return Err(format!(
                "{item} was asked for in {}, and is kept there in {}.",
                line.quantity.unit.code(),
                one.product.unit.symbol
            ));
        }
        let sum = held.entry(item).or_default();
        *sum = sum.saturating_add(one.internal_quantity.0);
    }
    let mut shares = Vec::new();
    for (index, line) in asked.lines.iter().enumerate() {
        let item = line.item.as_str();
        let Some(left) = held.get_mut(item) else {
            continue;
        };
        let later = asked.lines.iter().skip(index.saturating_add(1));
        let is_last = later.filter(|later| later.item == line.item).count() == 0;
        let share = if is_last {
            *left
        } else {
            (*left).min(line.quantity.value)
        };
        *left = left.saturating_sub(share);
        if !share.is_zero() {
            shares.push((line, share));
        }
    }
    Ok(shares)
}
