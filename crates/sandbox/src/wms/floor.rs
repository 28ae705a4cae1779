//! What happens on the floor: goods of a pick request are picked, packed and shipped, in one shipment or several.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use super::records::{
    FloorStep, PickRequest, PickStatus, Shipment, ShipmentLine, ShipmentStatus, WmsError,
};
use super::shelves::{Shelves, key_of};
use crate::clock::Clock;

/// How much of each `lineRef`; what is not named is left as it is. Nobody checks that it is as was asked: people on a
/// floor make mistakes.
pub type Quantities = BTreeMap<String, Decimal>;

/// Shipments of all pick requests, and what is not shipped yet.
#[derive(Debug, Default)]
pub(super) struct Floor {
    /// By pick request, in order.
    shipments: BTreeMap<u64, Vec<Shipment>>,
    /// Requests that a worker on the floor goes on with.
    open: std::collections::BTreeSet<u64>,
}

impl Shelves {
    /// A request that came in is picked from now on.
    pub(super) fn opened(&mut self, id: u64) {
        self.floor.open.insert(id);
    }

    pub(super) fn closed(&mut self, id: u64) {
        self.floor.open.remove(&id);
    }

    /// Every shipment, in the order of its request.
    pub(super) fn shipments(&self) -> impl Iterator<Item = &Shipment> {
        self.floor.shipments.values().flatten()
    }

    pub(super) fn shipment(&self, id: &str) -> Result<&Shipment, WmsError> {
        let found = self.shipments().find(|shipment| shipment.shipment_id == id);
        found.ok_or_else(|| WmsError::UnknownShipment(id.to_owned()))
    }

    pub(super) fn shipment_of_request(&self, id: &str) -> impl Iterator<Item = &Shipment> {
        let of = key_of(id).and_then(|key| self.floor.shipments.get(&key));
        of.into_iter().flatten()
    }

    /// Takes a step with a request: with all that is left to do, or with so much. Answers the shipment after it.
    pub(super) fn work(
        &mut self,
        id: &str,
        step: FloorStep,
        quantities: Option<&Quantities>,
    ) -> Result<Shipment, WmsError> {
        let unknown = || WmsError::NotFound(id.to_owned());
        let key = key_of(id).ok_or_else(unknown)?;
        let request = self.requests.get(&key).ok_or_else(unknown)?.clone();
        if request.status == PickStatus::Cancelled {
            return Err(WmsError::Cancelled(id.to_owned()));
        }
        let shipments = self.floor.shipments.entry(key).or_default();
        let picked = picked(&request, shipments);
        let shipment = open_shipment(&request, shipments, &self.clock);
        let left = |index: usize, line: &ShipmentLine| match step {
            FloorStep::Pick => {
                let asked = request
                    .lines
                    .get(index)
                    .map_or(Decimal::ZERO, |line| line.qty);
                let before = picked.get(index).copied().unwrap_or_default();
                (asked - before).max(Decimal::ZERO)
            }
            FloorStep::Pack => line.qty_picked - line.qty_packed,
            FloorStep::Ship => line.qty_packed - line.qty_shipped,
        };
        let mut moved = Vec::new();
        for (index, line) in shipment.lines.iter_mut().enumerate() {
            let named = |all: &Quantities| all.get(&line.line_ref).copied().unwrap_or_default();
            let quantity = quantities.map_or_else(|| left(index, line), named);
            match step {
                FloorStep::Pick => line.qty_picked += quantity,
                FloorStep::Pack => line.qty_packed += quantity,
                FloorStep::Ship => {
                    line.qty_shipped += quantity;
                    moved.push((line.sku_code.clone(), quantity));
                }
            }
        }
        shipment.version = shipment.version.saturating_add(1);
        shipment.updated_at = self.clock.now();
        shipment.status = status(&shipment.lines);
        if shipment.status == ShipmentStatus::Shipped {
            label(shipment, key);
        }
        let after = shipment.clone();
        let now = request_status(&request, shipments);
        if let Some(request) = self.requests.get_mut(&key) {
            request.status = now;
        }
        for (sku, quantity) in moved {
            self.leave(&sku, &request.site_code, quantity);
        }
        if now == PickStatus::Shipped {
            self.closed(key);
        }
        Ok(after)
    }

    /// Each request that is not shipped goes one step on.
    pub(super) fn work_on(&mut self) -> Vec<Shipment> {
        let open: Vec<u64> = self.floor.open.iter().copied().collect();
        let mut changed = Vec::new();
        for key in open {
            let step = match self.requests.get(&key).map(|request| request.status) {
                Some(PickStatus::New) => FloorStep::Pick,
                Some(PickStatus::Picking) => FloorStep::Pack,
                Some(PickStatus::Packed) => FloorStep::Ship,
                Some(PickStatus::Shipped | PickStatus::Cancelled) | None => continue,
            };
            changed.extend(self.work(&super::shelves::public_id(key), step, None));
        }
        changed
    }
}

/// The shipment that is not complete yet, or a new one.
fn open_shipment<'a>(
    request: &PickRequest,
    shipments: &'a mut Vec<Shipment>,
    clock: &Clock,
) -> &'a mut Shipment {
    let is_open = |shipment: &Shipment| shipment.status != ShipmentStatus::Shipped;
    if !shipments.last().is_some_and(is_open) {
        let number = request.pick_request_id.trim_start_matches("PR-");
        let lines = request.lines.iter().map(|line| ShipmentLine {
            line_ref: line.line_ref.clone(),
            sku_code: line.sku_code.clone(),
            unit: line.unit.clone(),
            qty_picked: Decimal::ZERO,
            qty_packed: Decimal::ZERO,
            qty_shipped: Decimal::ZERO,
        });
        shipments.push(Shipment {
            shipment_id: format!("SH-{number}-{}", shipments.len().saturating_add(1)),
            pick_request_id: request.pick_request_id.clone(),
            client_ref: request.client_ref.clone(),
            order_ref: request.order_ref.clone(),
            site_code: request.site_code.clone(),
            version: 0,
            status: ShipmentStatus::Picking,
            lines: lines.collect(),
            carrier: None,
            tracking_no: None,
            ssccs: Vec::new(),
            updated_at: clock.now(),
        });
    }
    let last = shipments.len().saturating_sub(1);
    #[expect(clippy::indexing_slicing, reason = "one was pushed if there was none")]
    &mut shipments[last]
}

/// Picked of each line of the request so far.
fn picked(request: &PickRequest, shipments: &[Shipment]) -> Vec<Decimal> {
    sums(request, shipments, |line| line.qty_picked)
}

fn sums(
    request: &PickRequest,
    shipments: &[Shipment],
    part: fn(&ShipmentLine) -> Decimal,
) -> Vec<Decimal> {
    let of = |index: usize| {
        let lines = shipments.iter().filter_map(move |all| all.lines.get(index));
        lines.map(part).sum()
    };
    (0..request.lines.len()).map(of).collect()
}

fn status(lines: &[ShipmentLine]) -> ShipmentStatus {
    let all = |part: fn(&ShipmentLine) -> Decimal| {
        lines.iter().all(|line| part(line) >= line.qty_picked)
            && lines.iter().any(|line| part(line) > Decimal::ZERO)
    };
    if all(|line| line.qty_shipped) {
        ShipmentStatus::Shipped
    } else if all(|line| line.qty_packed) {
        ShipmentStatus::Packed
    } else {
        ShipmentStatus::Picking
    }
}

fn request_status(request: &PickRequest, shipments: &[Shipment]) -> PickStatus {
    let reaches = |part| {
        let sums = sums(request, shipments, part);
        let asked = request.lines.iter().map(|line| line.qty);
        sums.into_iter().zip(asked).all(|(sum, asked)| sum >= asked)
    };
    if reaches(|line| line.qty_shipped) {
        PickStatus::Shipped
    } else if reaches(|line| line.qty_packed) {
        PickStatus::Packed
    } else {
        PickStatus::Picking
    }
}

/// A carrier takes it: one carton, its number and the carrier's.
fn label(shipment: &mut Shipment, key: u64) {
    let carton = shipment.shipment_id.rsplit('-').next();
    let carton = carton.and_then(|number| number.parse::<u64>().ok());
    let serial = key.saturating_mul(100).saturating_add(carton.unwrap_or(0));
    shipment.carrier = Some("SWIFT".to_owned());
    shipment.tracking_no = Some(format!("1Z{serial:012}"));
    shipment.ssccs = vec![sscc(serial)];
}

/// 18 digits: extension, a company's prefix, a serial number, and GS1's check digit.
fn sscc(serial: u64) -> String {
    let digits = format!("00614141{:09}", serial % 1_000_000_000);
    let weighted = digits.bytes().rev().zip([3_u32, 1].into_iter().cycle());
    let sum: u32 = weighted
        .map(|(digit, weight)| u32::from(digit.saturating_sub(b'0')) * weight)
        .sum();
    format!("{digits}{}", (10 - sum % 10) % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_digit_is_gs1s() {
        assert_eq!(sscc(123_456_789), "006141411234567890");
        assert_eq!(sscc(0).len(), 18);
    }
}
