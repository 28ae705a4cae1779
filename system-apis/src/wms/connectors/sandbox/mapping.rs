//! Between the WMS's shapes and canonical ones. No I/O.

use canonical_model::{
    ItemNumber, Quantity, SiteId, UnitOfMeasure,
    fulfilment::{CreateWarehouseRelease, WarehouseRelease, WarehouseReleaseState},
};

use super::wire;
use crate::{
    connector::ConnectorError,
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
