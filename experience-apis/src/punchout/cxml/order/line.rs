//! A line of an `OrderRequest`.

use std::collections::BTreeSet;

use jiff::civil::Date;
use rust_decimal::Decimal;

use super::{ItemOut, PriceBasis};
use crate::punchout::cxml::{
    fields::{Faults, number},
    item::{ItemId, comments, description, extrinsics, place},
    status::{Code, Status},
    xml::{Element, is_visible},
};

/// Longest unit as a partner writes it.
const MOST_UNIT: usize = 20;
/// As many parts as one line may be split into.
const MOST_PARTS: usize = 100;

/// The number of every line: the buyer's, or the next free one where the buyer gives none.
pub(super) fn numbers(request: &Element, faults: &mut Faults, notes: &mut Vec<String>) -> Vec<u32> {
    let mut used = BTreeSet::new();
    let mut given = Vec::new();
    for (index, line) in request.named("ItemOut").enumerate() {
        let text = line.attribute("lineNumber").map(str::trim);
        let text = text.filter(|text| !text.is_empty());
        let number: Option<u32> = text.and_then(|text| text.parse().ok());
        let path = format!("OrderRequest/ItemOut[{}]/@lineNumber", index + 1);
        match (text, number) {
            (Some(_), None) => faults.add(&path, "must be a whole number."),
            (_, Some(number)) if !used.insert(number) => {
                faults.add(
                    &path,
                    "stands on another line as well: number every line once.",
                );
            }
            _ => {}
        }
        given.push(number);
    }
    if given.contains(&None) {
        notes.push("ItemOut/@lineNumber is missing on a line: the lines were counted".to_owned());
    }
    let mut free = (1..=u32::MAX).filter(|number| !used.contains(number));
    let numbers = given.iter().map(|number| number.or_else(|| free.next()));
    numbers.map(Option::unwrap_or_default).collect()
}

/// Reads a line; `None` where a fault was told.
pub(super) fn read(
    line: &Element,
    path: String,
    line_number: u32,
    faults: &mut Faults,
    notes: &mut Vec<String>,
) -> Result<Option<ItemOut>, Status> {
    offered(line, &path)?;
    let item = ItemId::read(line, &path, faults);
    let quantity = faults.quantity(line.attribute("quantity"), &format!("{path}/@quantity"));
    let detail = line.first("ItemDetail");
    let detail_path = format!("{path}/ItemDetail");
    let price = detail.and_then(|detail| {
        faults.money(
            detail.first("UnitPrice"),
            &format!("{detail_path}/UnitPrice"),
        )
    });
    if price.is_some_and(|price| price.amount.is_sign_negative() && !price.amount.is_zero()) {
        let sentence = "is below zero: send what one unit costs.";
        faults.add(&format!("{detail_path}/UnitPrice/Money"), sentence);
    }
    let unit = detail.and_then(|detail| unit(detail, &detail_path, faults));
    let price_basis = detail.and_then(|detail| basis(detail, &detail_path, faults));
    let date = line.attribute("requestedDeliveryDate");
    let date = faults.day(date, &format!("{path}/@requestedDeliveryDate"));
    let schedule = schedule(line, &path, faults);
    let (Some(item), Some(quantity)) = (item, quantity) else {
        return Ok(None);
    };
    let sum: Decimal = schedule.iter().map(|(part, _)| *part).sum();
    if !schedule.is_empty() && sum != quantity {
        notes.push(format!(
            "{path}: its ScheduleLines do not sum to its quantity"
        ));
    }
    let text = |name| {
        let text = detail.and_then(|detail| detail.first(name));
        text.map(Element::own_text)
    };
    let mut kept = extrinsics(line);
    kept.extend(detail.into_iter().flat_map(extrinsics));
    Ok(Some(ItemOut {
        path,
        line_number,
        quantity,
        item,
        manufacturer_part_id: text("ManufacturerPartID").filter(|text| is_visible(text, 80)),
        unit,
        price,
        price_basis,
        description: detail.and_then(description),
        requested_delivery_date: date,
        schedule,
        ship_to: place(line, "ShipTo"),
        comments: comments(line),
        extrinsics: kept,
    }))
}

/// What would be understood wrongly if it were taken for goods to be shipped.
fn offered(line: &Element, path: &str) -> Result<(), Status> {
    let refused = [
        (line.attribute("isReturn").is_some(), "a return (isReturn)"),
        (
            line.attribute("operation").is_some(),
            "a line that is deleted or blocked (operation); leave it out",
        ),
        (
            line.attribute("itemType") == Some("composite")
                || line.attribute("parentLineNumber").is_some(),
            "part of a group of items (itemType, parentLineNumber)",
        ),
        (
            line.first("BlanketItemDetail").is_some(),
            "of a blanket order (BlanketItemDetail)",
        ),
    ];
    match refused.into_iter().find(|(is, _)| *is) {
        None => Ok(()),
        Some((_, what)) => Err(Status::new(
            Code::NotImplemented,
            format!(
                "{path} is {what}, which is not taken here: send plain lines of what is to be shipped."
            ),
        )),
    }
}

fn unit(holder: &Element, path: &str, faults: &mut Faults) -> Option<String> {
    let unit = holder.first("UnitOfMeasure").map(Element::own_text);
    let unit = unit.filter(|unit| is_visible(unit, MOST_UNIT));
    if unit.is_none() {
        let sentence = "must be the unit ordered, such as EA.";
        faults.add(&format!("{path}/UnitOfMeasure"), sentence);
    }
    unit
}

fn basis(detail: &Element, path: &str, faults: &mut Faults) -> Option<PriceBasis> {
    let basis = detail.first("PriceBasisQuantity")?;
    let path = format!("{path}/PriceBasisQuantity");
    let quantity = faults.quantity(basis.attribute("quantity"), &format!("{path}/@quantity"));
    let factor = basis.attribute("conversionFactor").unwrap_or("1");
    let factor = faults.quantity(Some(factor), &format!("{path}/@conversionFactor"));
    let unit = unit(basis, &path, faults);
    Some(PriceBasis {
        quantity: quantity?,
        unit: unit?,
        conversion_factor: factor?,
    })
}

fn schedule(line: &Element, path: &str, faults: &mut Faults) -> Vec<(Decimal, Date)> {
    let mut parts = Vec::new();
    for (index, part) in line.named("ScheduleLine").enumerate() {
        let path = format!("{path}/ScheduleLine[{}]", index + 1);
        if index >= MOST_PARTS {
            faults.add(
                &path,
                "a line may be split into 100 parts: send several lines.",
            );
            break;
        }
        let quantity = part.attribute("quantity").and_then(number);
        let date = part.attribute("requestedDeliveryDate");
        let date = faults.day(date, &format!("{path}/@requestedDeliveryDate"));
        match (quantity, date) {
            (Some(quantity), Some(date)) if quantity > Decimal::ZERO => {
                parts.push((quantity, date))
            }
            _ => faults.add(
                &path,
                "must have a quantity above zero and a requestedDeliveryDate.",
            ),
        }
    }
    parts
}
