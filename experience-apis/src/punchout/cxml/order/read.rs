//! The header of an `OrderRequest`, and the lines under it.

use canonical_model::PurchaseOrderNumber;

use super::{OrderRequest, OrderType, attachments, line};
use crate::punchout::cxml::{
    fields::{Faults, day},
    item::{comments, extrinsics, place},
    status::{Code, Status},
    xml::{Element, is_visible},
};

/// As many lines as an order may have.
const MOST_LINES: usize = 5_000;
const HEADER: &str = "OrderRequest/OrderRequestHeader";
/// Longest text of an attribute that is given back.
const MOST_ATTRIBUTE: usize = 256;

/// Reads the request element.
pub fn read(request: &Element) -> Result<OrderRequest, Status> {
    let mut faults = Faults::default();
    let Some(header) = request.first("OrderRequestHeader") else {
        faults.add(HEADER, "is missing.");
        return faults.or(None);
    };
    let order_type = order_type(header, &mut faults);
    let cancels = order_type == OrderType::Delete;
    if !cancels {
        offered(header)?;
    }
    let mut notes = Vec::new();
    let order_date = order_date(header, &mut notes);
    let order_id = order_id(header, &mut faults);
    let total = if cancels && header.at(&["Total", "Money"]).is_none() {
        None
    } else {
        faults.money(header.first("Total"), &format!("{HEADER}/Total"))
    };
    let requested = header.attribute("requestedDeliveryDate");
    let requested = faults.day(requested, &format!("{HEADER}/@requestedDeliveryDate"));
    let lines = if cancels {
        Vec::new()
    } else {
        lines(request, &mut faults, &mut notes)?
    };
    let attachments = attachments::all(request, &mut faults);
    let order = order_id.map(|order_id| OrderRequest {
        order_id,
        order_date,
        order_date_text: text(header, "orderDate"),
        order_type,
        order_version: text(header, "orderVersion"),
        replaces: header
            .first("DocumentReference")
            .and_then(|reference| text(reference, "payloadID")),
        total,
        ship_to: place(header, "ShipTo"),
        bill_to: place(header, "BillTo"),
        requested_delivery_date: requested,
        ship_complete: header.attribute("shipComplete") == Some("yes"),
        comments: comments(header),
        extrinsics: extrinsics(header),
        lines,
        attachments,
        notes,
    });
    faults.or(order)
}

fn text(element: &Element, attribute: &str) -> Option<String> {
    let text = element.attribute(attribute)?.trim();
    is_visible(text, MOST_ATTRIBUTE).then(|| text.to_owned())
}

fn order_type(header: &Element, faults: &mut Faults) -> OrderType {
    match header.attribute("type") {
        None | Some("new") => OrderType::New,
        Some("update") => OrderType::Update,
        Some("delete") => OrderType::Delete,
        Some(_) => {
            faults.add(&format!("{HEADER}/@type"), "must be new, update or delete.");
            OrderType::New
        }
    }
}

/// What would be understood wrongly if it were taken for an order to be shipped.
fn offered(header: &Element) -> Result<(), Status> {
    let kind = header.attribute("orderType").unwrap_or("regular");
    if kind == "regular" && header.attribute("isSTOOutbound").is_none() {
        return Ok(());
    }
    let kind: String = kind.chars().take(40).collect();
    Err(Status::new(
        Code::NotImplemented,
        format!(
            "{HEADER}/@orderType: only regular orders are taken here, and this is one of type {kind}: send a regular order for what is to be shipped."
        ),
    ))
}

fn order_id(header: &Element, faults: &mut Faults) -> Option<PurchaseOrderNumber> {
    let id = header.attribute("orderID").unwrap_or_default().trim();
    let number = PurchaseOrderNumber::new(id).ok();
    if number.is_none() {
        let sentence = "must be your purchase order number, 1 to 50 visible characters.";
        faults.add(&format!("{HEADER}/@orderID"), sentence);
    }
    number
}

fn order_date(header: &Element, notes: &mut Vec<String>) -> Option<jiff::civil::Date> {
    let date = header.attribute("orderDate").and_then(day);
    if date.is_none() {
        notes.push(format!("{HEADER}/@orderDate is missing or no time"));
    }
    date
}

fn lines(
    request: &Element,
    faults: &mut Faults,
    notes: &mut Vec<String>,
) -> Result<Vec<super::ItemOut>, Status> {
    let count = request.named("ItemOut").count();
    if count == 0 || count > MOST_LINES {
        let sentence = format!("there must be 1 to {MOST_LINES} of them, and there are {count}.");
        faults.add("OrderRequest/ItemOut", &sentence);
        return Ok(Vec::new());
    }
    let numbers = line::numbers(request, faults, notes);
    let mut lines = Vec::with_capacity(count);
    for ((index, element), number) in request.named("ItemOut").enumerate().zip(numbers) {
        let path = format!("OrderRequest/ItemOut[{}]", index + 1);
        lines.extend(line::read(element, path, number, faults, notes)?);
    }
    Ok(lines)
}
