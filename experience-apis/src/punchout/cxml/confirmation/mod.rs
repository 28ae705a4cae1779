//! `ConfirmationRequest`: what became of an order, line by line, in the buyer's own numbers.

mod status;

use canonical_model::{
    Money,
    order::{OrderStatus, SalesOrder},
};

use super::{
    cart::money_element,
    order::OrderRequest,
    outgoing::{Outgoing, Parties, instant},
    version::Dtd,
    xml::Element,
};
use status::{Kind, Part};

/// Sentences in one document; a person reads no more.
const MOST_SENTENCES: usize = 100;
/// Characters of all of them.
const MOST_TEXT: usize = 4_000;

/// What is told of an order.
#[derive(Debug, Clone, Copy)]
pub struct Confirmation<'a> {
    /// The `OrderRequest` that is answered.
    pub received: &'a OrderRequest,
    /// Its payloadID.
    pub request_payload_id: &'a str,
    /// What became of it.
    pub outcome: Outcome<'a>,
    /// Why lines did not become part of the order, by their numbers.
    pub refused_lines: &'a [(u32, String)],
    /// The payloadID of the confirmation that this one takes the place of.
    pub previous: Option<&'a str>,
}

/// What became of an `OrderRequest`.
#[derive(Debug, Clone, Copy)]
pub enum Outcome<'a> {
    /// It is this order; its lines carry the buyer's line numbers in `buyer_line`.
    Order(&'a SalesOrder),
    /// It was refused, or the change that it asks for was: the reasons.
    Refused(&'a [String]),
}

/// The order tells of another quantity than the line that was ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "what became of line {line} does not add up to its quantity: compare the order with what was received"
)]
pub struct DoesNotAddUp {
    /// The buyer's number of the line.
    pub line: u32,
}

/// Writes it; goes by Fulfill.dtd.
pub fn write(
    outgoing: &Outgoing,
    parties: Parties<'_>,
    confirmation: &Confirmation<'_>,
) -> Result<String, DoesNotAddUp> {
    let request = match confirmation.outcome {
        Outcome::Refused(reasons) => {
            let mut sentences = reasons.to_vec();
            sentences.extend(about_lines(confirmation.refused_lines));
            rejected(outgoing, confirmation, None, &sentences)
        }
        Outcome::Order(order) => of_order(outgoing, confirmation, order)?,
    };
    Ok(outgoing.request(parties, request, Dtd::Fulfill))
}

fn of_order(
    outgoing: &Outgoing,
    confirmation: &Confirmation<'_>,
    order: &SalesOrder,
) -> Result<Element, DoesNotAddUp> {
    let word = match order.status {
        OrderStatus::Rejected => "The order was rejected.",
        OrderStatus::Cancelled => "The order was cancelled.",
        OrderStatus::Held => "The order is being checked; another confirmation follows.",
        OrderStatus::Received
        | OrderStatus::Accepted
        | OrderStatus::Released
        | OrderStatus::PartiallyShipped
        | OrderStatus::Shipped => "",
    };
    let mut sentences = vec![word.to_owned()];
    sentences.retain(|sentence| !sentence.is_empty());
    if matches!(order.status, OrderStatus::Rejected | OrderStatus::Cancelled) {
        let problems = order.lines.iter().flat_map(|line| &line.problems);
        sentences.extend(problems.map(|problem| problem.detail.clone()));
        sentences.extend(about_lines(confirmation.refused_lines));
        return Ok(rejected(outgoing, confirmation, Some(order), &sentences));
    }
    let mut items = Vec::with_capacity(confirmation.received.lines.len());
    let mut kinds = Vec::new();
    for line in &confirmation.received.lines {
        let parts = status::parts(confirmation, order, line)?;
        kinds.extend(parts.iter().map(Part::kind));
        items.push(item(line.line_number, line.quantity, &parts));
    }
    let repriced = items.iter().any(has_price).then_some(order.total);
    let header = header(outgoing, confirmation, Some(order), kind_of_all(&kinds));
    let header = header
        .children(repriced.map(total))
        .children(comments(&sentences));
    Ok(Element::new("ConfirmationRequest")
        .child(header)
        .child(reference(confirmation))
        .children(items))
}

/// The kind of the whole: only a `detail` may hold lines of several kinds.
fn kind_of_all(kinds: &[Kind]) -> &'static str {
    let all = |kind: Kind| kinds.iter().all(|each| *each == kind);
    if all(Kind::Accept) {
        "accept"
    } else if all(Kind::Backordered) {
        "backordered"
    } else {
        "detail"
    }
}

fn has_price(item: &Element) -> bool {
    item.named("ConfirmationStatus")
        .any(|status| status.first("UnitPrice").is_some())
}

/// A whole order that is not carried out holds no lines: the reasons stand above.
fn rejected(
    outgoing: &Outgoing,
    confirmation: &Confirmation<'_>,
    order: Option<&SalesOrder>,
    sentences: &[String],
) -> Element {
    let header = header(outgoing, confirmation, order, "reject");
    Element::new("ConfirmationRequest")
        .child(header.children(comments(sentences)))
        .child(reference(confirmation))
}

fn header(
    outgoing: &Outgoing,
    confirmation: &Confirmation<'_>,
    order: Option<&SalesOrder>,
    kind: &str,
) -> Element {
    let operation = if confirmation.previous.is_some() {
        "update"
    } else {
        "new"
    };
    let before = confirmation
        .previous
        .map(|id| Element::new("DocumentReference").with("payloadID", id));
    Element::new("ConfirmationHeader")
        .with_some(
            "confirmID",
            order.map(|order| order.order_reference.as_str()),
        )
        .with("operation", operation)
        .with("type", kind)
        .with("noticeDate", instant(outgoing.at))
        .children(before)
}

fn reference(confirmation: &Confirmation<'_>) -> Element {
    let received = confirmation.received;
    Element::new("OrderReference")
        .with("orderID", received.order_id.as_str())
        .with_some("orderDate", received.order_date_text.as_deref())
        .child(Element::new("DocumentReference").with("payloadID", confirmation.request_payload_id))
}

fn item(number: u32, quantity: rust_decimal::Decimal, parts: &[Part]) -> Element {
    let unit = parts.first().map_or("EA", |part| part.unit.as_str());
    Element::new("ConfirmationItem")
        .with("quantity", quantity.normalize().to_string())
        .with("lineNumber", number.to_string())
        .child(Element::new("UnitOfMeasure").text(unit))
        .children(parts.iter().map(Part::element))
}

fn total(total: Money) -> Element {
    Element::new("Total").child(money_element(total))
}

fn about_lines(lines: &[(u32, String)]) -> impl Iterator<Item = String> {
    lines
        .iter()
        .map(|(number, reason)| format!("Line {number}: {reason}"))
}

/// One Comments element: older versions take no more.
fn comments(sentences: &[String]) -> Option<Element> {
    let told: Vec<&str> = sentences
        .iter()
        .take(MOST_SENTENCES)
        .map(String::as_str)
        .collect();
    let text: String = told.join(" ").chars().take(MOST_TEXT).collect();
    (!text.is_empty()).then(|| Element::new("Comments").with("xml:lang", "en").text(text))
}
