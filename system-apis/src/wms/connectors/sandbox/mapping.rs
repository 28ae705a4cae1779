//! Between the WMS's shapes and canonical ones. No I/O.

use canonical_model::{
    ErpOrderNumber, ItemNumber, OrderReference, Quantity, ShipmentNumber, SiteId, UnitOfMeasure,
    decimal,
    fulfilment::{CreateWarehouseRelease, WarehouseRelease, WarehouseReleaseState},
    shipment::{ShipmentNews, ShipmentNewsLine, Sscc},
};

use jiff::Timestamp;

use super::wire;
use crate::{
    connector::ConnectorError,
    intake::feed::{Change, Position, Stamp, Told, Unread},
    wms::connector::{ReleaseRecord, ReleasedLine},
};

/// The release in the WMS's fields. The warehouse picks for one day: the earliest of the lines.
pub(super) fn new_pick_request(
    release: &CreateWarehouseRelease,
) -> Result<wire::NewPickRequest, ConnectorError> {
    let ship_date = release.lines.iter().map(|line| line.ship_date).min();
    let ship_date = ship_date.ok_or_else(|| ConnectorError::Rejected {
        message: "A release needs at least one line.".to_owned(),
    })?;
    Ok(wire::NewPickRequest {
        client_ref: release.release_reference.clone(),
        order_ref: release.sales_order_number.to_string(),
        site_code: release.site.to_string(),
        ship_date: ship_date.to_string(),
        ship_to: wire::ShipTo {
            code: release.ship_to_id.to_string(),
            name: release.ship_to_name.clone(),
        },
        lines: release
            .lines
            .iter()
            .map(|line| wire::PickLine {
                line_ref: line.order_line.to_string(),
                sku_code: line.item.to_string(),
                qty: line.quantity.value.normalize().to_string(),
                unit: wire::wms_unit(line.quantity.unit.code()).to_owned(),
            })
            .collect(),
    })
}

pub(super) fn release(row: wire::PickRequest) -> Result<WarehouseRelease, ConnectorError> {
    let state = match row.status.as_str() {
        "NEW" => WarehouseReleaseState::Released,
        "PICKING" | "PACKED" => WarehouseReleaseState::InProgress,
        "SHIPPED" => WarehouseReleaseState::Shipped,
        "CANCELLED" => WarehouseReleaseState::Cancelled,
        other => {
            let sentence = format!("a release is in the unknown state {other:?}");
            return Err(ConnectorError::protocol(sentence));
        }
    };
    Ok(WarehouseRelease {
        number: row.pick_request_id,
        release_reference: row.client_ref,
        site: SiteId::new(row.site_code).map_err(|error| ConnectorError::Protocol(error.into()))?,
        state,
    })
}

pub(super) fn record(mut row: wire::PickRequest) -> Result<ReleaseRecord, ConnectorError> {
    let lines = std::mem::take(&mut row.lines);
    Ok(ReleaseRecord {
        release: release(row)?,
        lines: lines.into_iter().map(line).collect::<Result<_, _>>()?,
    })
}

fn line(row: wire::PickLine) -> Result<ReleasedLine, ConnectorError> {
    let nonsense = |what: &str| {
        ConnectorError::protocol(format!(
            "a line of a release has no {what} that is understood"
        ))
    };
    let unit = UnitOfMeasure::from_code(wire::rec20_unit(&row.unit));
    let unit = unit.map_err(|_invalid| nonsense("unit"))?;
    let value = row.qty.parse().map_err(|_invalid| nonsense("quantity"))?;
    Ok(ReleasedLine {
        order_line: row.line_ref,
        item: ItemNumber::new(row.sku_code).map_err(|_invalid| nonsense("item"))?,
        quantity: Quantity::new(value, unit),
    })
}

/// Why a shipment of the WMS cannot be put into our words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("The shipment {shipment} has no {field} that is understood")]
pub(super) struct NotAShipment {
    shipment: String,
    field: &'static str,
}

/// The shipment as it is. The order's reference is the part of ours before the site.
pub(super) fn shipment(row: wire::Shipment) -> Result<ShipmentNews, NotAShipment> {
    let bad = |field| NotAShipment {
        shipment: row.shipment_id.chars().take(60).collect(),
        field,
    };
    let suffix = format!("-{}", row.site_code);
    let reference = row.client_ref.strip_suffix(&suffix);
    let reference = reference.and_then(|text| OrderReference::new(text).ok());
    let lines = row.lines.iter().map(|line| held(line).map_err(bad));
    let ssccs = row.ssccs.iter().map(|text| Sscc::new(text.as_str()));
    Ok(ShipmentNews {
        shipment: ShipmentNumber::new(row.shipment_id.as_str())
            .ok()
            .ok_or_else(|| bad("shipmentId"))?,
        version: Some(row.version)
            .filter(|version| *version > 0)
            .ok_or_else(|| bad("version"))?,
        order_reference: reference.ok_or_else(|| bad("clientRef"))?,
        sales_order_number: ErpOrderNumber::new(row.order_ref.as_str()).ok(),
        release_number: Some(row.pick_request_id.clone()),
        site: SiteId::new(row.site_code.as_str())
            .ok()
            .ok_or_else(|| bad("siteCode"))?,
        lines: lines.collect::<Result<_, _>>()?,
        carrier: row.carrier.clone(),
        tracking_numbers: row.tracking_no.clone().into_iter().collect(),
        ssccs: ssccs
            .collect::<Result<_, _>>()
            .ok()
            .ok_or_else(|| bad("ssccs"))?,
        occurred_at: row
            .updated_at
            .parse()
            .ok()
            .ok_or_else(|| bad("updatedAt"))?,
    })
}

/// A change: where it stands, and the shipment as it is. Without a place nothing after it could be read.
pub(super) fn change(row: serde_json::Value) -> Result<Change, ConnectorError> {
    let place: Result<wire::ShipmentPlace, _> = serde_json::from_value(row.clone());
    let place = place.map_err(|error| ConnectorError::Protocol(error.into()))?;
    let changed: Timestamp = place
        .updated_at
        .parse()
        .map_err(|error: jiff::Error| ConnectorError::Protocol(error.into()))?;
    let raw = row.to_string();
    let read: Result<wire::Shipment, _> = serde_json::from_value(row);
    let read = read.map_err(|error| format!("It is not a shipment as documented: {error}."));
    let told = read.and_then(|row| shipment(row).map_err(|error| format!("{error:#}.")));
    Ok(Change {
        at: Position {
            stamp: Stamp(changed.as_microsecond()),
            id: place.shipment_id,
        },
        told: match told {
            Ok(news) => Told::Shipment(Box::new(news)),
            Err(detail) => Told::Unreadable(Unread { detail, raw }),
        },
    })
}

fn held(row: &wire::ShipmentLine) -> Result<ShipmentNewsLine, &'static str> {
    let unit = UnitOfMeasure::from_code(wire::rec20_unit(&row.unit));
    let quantity = |text: &str, field| decimal::parse(text).ok().ok_or(field);
    Ok(ShipmentNewsLine {
        line: row.line_ref.parse().ok().ok_or("lineRef")?,
        item: ItemNumber::new(row.sku_code.as_str())
            .ok()
            .ok_or("skuCode")?,
        unit: unit.ok().ok_or("unit")?,
        picked: quantity(&row.qty_picked, "qtyPicked")?,
        packed: quantity(&row.qty_packed, "qtyPacked")?,
        shipped: quantity(&row.qty_shipped, "qtyShipped")?,
    })
}
