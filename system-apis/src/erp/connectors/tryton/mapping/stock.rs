//! Stock: what lies in a warehouse, and the moves over its border that are planned.

use std::collections::HashMap;

use canonical_model::{
    CompanyId,
    stock::{CommittedDemand, PlannedReceipt, StockFact},
};
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use rust_decimal::Decimal;

use super::{
    super::{codes::Places, wire},
    Implausible, Row,
};
use crate::erp::connector::StockKey;

/// What was read of some items in some warehouses.
#[derive(Debug, Default)]
pub(in super::super) struct Rows {
    /// What lies there, by warehouse.
    pub(in super::super) on_hand: HashMap<i64, Vec<wire::OnHand>>,
    /// Moves from a place in a warehouse that are not done.
    pub(in super::super) outward: Vec<wire::Move>,
    /// Moves to a place in a warehouse that are not done.
    pub(in super::super) inward: Vec<wire::Move>,
    /// What must remain.
    pub(in super::super) points: Vec<wire::OrderPoint>,
}

/// The stock of one item at one site; nothing where Tryton does not know the item.
///
/// A shipment moves goods twice: to the output zone (picking, planned by the first move) and out. The outward move is the
/// demand; as much of it as its picking has been assigned or done is allocated.
pub(in super::super) fn stock(
    company: &CompanyId,
    (item, site): &StockKey,
    warehouse: i64,
    rows: &Rows,
    places: &Places,
    as_of: Timestamp,
) -> Option<Result<(StockKey, StockFact), Implausible>> {
    let mut on_hand = rows.on_hand.get(&warehouse)?.iter();
    let on_hand = on_hand.find(|row| row.code == item.as_str())?.quantity.0;
    Some(fact(
        company,
        (item, site),
        (warehouse, on_hand),
        rows,
        places,
        as_of,
    ))
}

fn fact(
    company: &CompanyId,
    (item, site): (&canonical_model::ItemNumber, &canonical_model::SiteId),
    (warehouse, on_hand): (i64, Decimal),
    rows: &Rows,
    places: &Places,
    as_of: Timestamp,
) -> Result<(StockKey, StockFact), Implausible> {
    let of = Row(item.as_str());
    // What has no day is expected, or wanted, today; so is what should have been yesterday.
    let today = as_of.to_zoned(TimeZone::UTC).date();
    let is_here = |place: i64| places.around(place) == Some(warehouse);
    let is_it = |product: &wire::Coded| product.code.as_deref() == Some(item.as_str());
    let picked = picked(rows, is_here);
    let mut allocated = Decimal::ZERO;
    let mut demand = Vec::new();
    let leaves = |one: &&wire::Move| is_here(one.from_location) && !is_here(one.to_location);
    for one in rows
        .outward
        .iter()
        .filter(|one| is_it(&one.product))
        .filter(leaves)
    {
        let quantity = of.count("internal_quantity", one.internal_quantity.0)?;
        let given = match one.state.as_str() {
            "assigned" => quantity,
            _open => picked
                .get(&one.id)
                .copied()
                .unwrap_or_default()
                .min(quantity),
        };
        allocated += given;
        let open = quantity - given;
        if !open.is_zero() {
            let date = one.planned_date.map_or(today, |day| day.0.max(today));
            demand.push(CommittedDemand {
                date,
                quantity: open.normalize(),
            });
        }
    }
    let arrives = |one: &&wire::Move| is_here(one.to_location) && !is_here(one.from_location);
    // Tryton itself expects what has no day on no day.
    let receipts = rows
        .inward
        .iter()
        .filter(|one| is_it(&one.product))
        .filter(arrives)
        .filter_map(|one| Some((one, one.planned_date?.0)))
        .map(|(one, date)| receipt(&of, one, date.max(today)));
    let safety_stock = rows
        .points
        .iter()
        .filter(|point| is_it(&point.product) && point.location == Some(warehouse))
        .filter_map(|point| point.min_quantity)
        .map(|least| least.0)
        .max();
    let fact = StockFact {
        company: company.clone(),
        item: item.clone(),
        site: site.clone(),
        on_hand: on_hand.normalize(),
        allocated: allocated.normalize(),
        // What is inspected lies outside of the warehouse.
        quarantined: Decimal::ZERO,
        safety_stock: safety_stock
            .unwrap_or_default()
            .max(Decimal::ZERO)
            .normalize(),
        receipts: receipts.collect::<Result<_, _>>()?,
        demand,
        as_of,
    };
    Ok(((item.clone(), site.clone()), fact))
}

/// How much of a move out of the warehouse has been assigned to be picked, by its id.
fn picked(rows: &Rows, is_here: impl Fn(i64) -> bool) -> HashMap<i64, Decimal> {
    let mut picked: HashMap<i64, Decimal> = HashMap::new();
    for one in &rows.outward {
        let within = is_here(one.from_location) && is_here(one.to_location);
        let origin = one
            .origin
            .as_ref()
            .filter(|origin| origin.model == "stock.move");
        if let Some(origin) = origin.filter(|_| within && one.state == "assigned") {
            let so_far = picked.entry(origin.id).or_default();
            *so_far = so_far.saturating_add(one.internal_quantity.0);
        }
    }
    picked
}

fn receipt(of: &Row<'_>, one: &wire::Move, date: Date) -> Result<PlannedReceipt, Implausible> {
    Ok(PlannedReceipt {
        date,
        quantity: of.count("internal_quantity", one.internal_quantity.0)?,
        // A purchase plans its moves when it is confirmed.
        confirmed: true,
    })
}
