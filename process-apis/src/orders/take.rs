//! What becomes of an order that is asked for: taken, held or refused. Pure, as all of [`super::decide`].

use canonical_model::{
    CompanyId, OrderId, OrderReference, Quantity, UnitPrice,
    account::ShipTo,
    basket::{BasketLine, LineProblem},
    order::{HoldKind, HoldReason, LinePolicy, OrderHold, SalesOrderRequest},
};
use jiff::Timestamp;
use serde_json::json;
use service_runtime::problem::{FieldError, Problem};
use uuid::Uuid;

use super::{
    decide::Refusal,
    event::{
        ClaimedStock, CreditNeed, Held, OrderEvent, ProvisionallyAccepted, Received, ReceivedLine,
    },
};
use crate::{
    baskets::{AssessedLine, Assessment},
    idempotency::fingerprint,
};

/// The scope that releases what a channel wants looked at.
const RELEASES_REVIEW: &str = "holds:release";

/// What an order is decided from.
#[derive(Debug, Clone)]
pub struct Take<'a> {
    /// The id it will have.
    pub order_id: OrderId,
    /// The order that it takes the place of.
    pub replaces: Option<OrderId>,
    /// The id its decision record will have.
    pub decision_id: Uuid,
    /// The selling company.
    pub company: &'a CompanyId,
    /// The channel that brings it.
    pub channel: &'a str,
    /// The business correlation id.
    pub correlation_id: &'a str,
    /// The W3C trace id.
    pub trace_id: &'a str,
    /// What is asked.
    pub request: &'a SalesOrderRequest,
    /// What the engine says of it.
    pub assessment: &'a Assessment,
    /// Whether reaching the credit limit exactly is already too much.
    pub limit_is_exclusive: bool,
    /// How many characters of a purchase order number the ERP keeps.
    pub purchase_order_number_max_length: u8,
    /// That it stands on facts older than they should be.
    pub provisional: Option<ProvisionallyAccepted>,
    /// Now.
    pub now: Timestamp,
}

/// Takes an order, holds it, or refuses it.
pub fn take(take: Take<'_>) -> Result<Vec<OrderEvent>, Refusal> {
    let Take {
        request,
        assessment,
        ..
    } = take;
    let mut faults = faults(request, assessment);
    faults.extend(too_long(request, take.purchase_order_number_max_length));
    let ship_to = match (&assessment.ship_to, faults.is_empty()) {
        (Some(ship_to), true) => ship_to,
        (_, false) => return Err(Refusal::Faults(faults)),
        (None, true) => {
            let detail =
                "The account has no delivery address; name one with `ship_to`, or have one added.";
            return Err(Refusal::Faults(vec![FieldError::new(
                "/ship_to",
                "unknown-ship-to",
                detail,
            )]));
        }
    };
    let credit_held = assessment
        .holds
        .iter()
        .any(|hold| hold.kind == HoldKind::Credit);
    let holds = holds(request, assessment);
    let received = Received {
        held: !holds.is_empty(),
        ..received(&take, ship_to, credit_held)?
    };
    let mut events = vec![OrderEvent::Received(Box::new(received))];
    let provisional = take.provisional.map(Box::new);
    events.extend(provisional.map(OrderEvent::ProvisionallyAccepted));
    if !holds.is_empty() {
        let holds = (1_u32..).zip(holds).map(|(hold, reason)| OrderHold {
            hold,
            reason,
            erp_orders: Vec::new(),
            placed_at: take.now,
        });
        events.push(OrderEvent::Held(Held {
            holds: holds.collect(),
            not_released: None,
        }));
    }
    Ok(events)
}

/// What the order waits for: what the engine finds, and what the channel wants looked at. A line that is not taken needs
/// no look.
pub fn holds(request: &SalesOrderRequest, assessment: &Assessment) -> Vec<HoldReason> {
    let refused = |line: u32| {
        let refused = |known: &AssessedLine| known.line == line && !known.problems.is_empty();
        assessment.lines.iter().any(refused)
    };
    let reviews = request.review.iter().map(|reason| HoldReason {
        kind: HoldKind::Review,
        detail: reason.detail.clone(),
        released_by: RELEASES_REVIEW.to_owned(),
        line: reason.line,
    });
    let reviews = reviews.filter(|hold| !hold.line.is_some_and(refused));
    assessment.holds.iter().cloned().chain(reviews).collect()
}

fn faults(request: &SalesOrderRequest, assessment: &Assessment) -> Vec<FieldError> {
    let mut faults: Vec<FieldError> = assessment.problems.iter().map(field_error).collect();
    faults.extend(wrong_currency(request, assessment));
    let none_sound = assessment
        .lines
        .iter()
        .all(|line| !line.problems.is_empty());
    if none_sound || request.line_policy == LinePolicy::AllOrNothing || !faults.is_empty() {
        faults.extend(
            assessment
                .lines
                .iter()
                .flat_map(|line| &line.problems)
                .map(field_error),
        );
    }
    faults
}

/// A currency that is stated must be the account's. It is no part of the content, which is compared with that of an
/// earlier order: it is checked before.
pub fn check_currency(request: &SalesOrderRequest, assessment: &Assessment) -> Result<(), Refusal> {
    match wrong_currency(request, assessment) {
        Some(fault) => Err(Refusal::Faults(vec![fault])),
        None => Ok(()),
    }
}

fn wrong_currency(request: &SalesOrderRequest, assessment: &Assessment) -> Option<FieldError> {
    let stated = request
        .currency
        .filter(|stated| *stated != assessment.currency)?;
    let (stated, ours) = (stated.code(), assessment.currency.code());
    let detail =
        format!("The account buys in {ours}, not in {stated}; state that currency, or none.");
    Some(FieldError::new("/currency", "wrong-currency", detail))
}

/// The buyer's number must survive on the ERP's order and invoice: it is never cut.
fn too_long(request: &SalesOrderRequest, most: u8) -> Option<FieldError> {
    let length = request.purchase_order_number.as_str().chars().count();
    (length > usize::from(most)).then(|| {
        let detail = format!("The seller's ERP keeps {most} characters; this number has {length}.");
        FieldError::new("/purchase_order_number", "out-of-range", detail)
    })
}

fn field_error(problem: &LineProblem) -> FieldError {
    let code = serde_json::to_value(problem.code).ok();
    let code = code
        .as_ref()
        .and_then(|code| code.as_str())
        .unwrap_or("invalid-value")
        .to_owned();
    FieldError::new(problem.pointer.clone(), code, problem.detail.clone())
}

fn received(take: &Take<'_>, ship_to: &ShipTo, credit_held: bool) -> Result<Received, Refusal> {
    let Take {
        request,
        assessment,
        ..
    } = take;
    let lines = assessment
        .lines
        .iter()
        .map(received_line)
        .collect::<Result<Vec<_>, _>>()?;
    let stock = assessment.stock.iter().map(|need| ClaimedStock {
        line: need.line,
        item: need.key.item.clone(),
        site: need.key.site.clone(),
        day: need.day,
        quantity: need.quantity,
    });
    Ok(Received {
        order_id: take.order_id,
        reference: OrderReference::of(take.order_id),
        company: take.company.clone(),
        account: request.account.clone(),
        ship_to: ship_to.clone(),
        purchase_order_number: request.purchase_order_number.clone(),
        release_number: request.release_number.clone(),
        currency: assessment.currency,
        requested_delivery_date: request.requested_delivery_date,
        channel: take.channel.to_owned(),
        document: request.document.clone(),
        quote_id: request.quote_id,
        reservation_id: request.reservation_id,
        replaces: take.replaces,
        lines,
        total: assessment.total,
        stock: stock.collect(),
        credit: CreditNeed {
            levels: assessment
                .credit_levels
                .iter()
                .map(|level| level.account.clone())
                .collect(),
            amount: assessment.total.amount,
            limit_is_exclusive: take.limit_is_exclusive,
            claimed: !credit_held,
            unknown: assessment.credit_unknown,
        },
        held: false,
        content: content(request, assessment).map_err(|_problem| Refusal::Faults(Vec::new()))?,
        decision_id: take.decision_id,
        correlation_id: take.correlation_id.to_owned(),
        trace_id: take.trace_id.to_owned(),
        received_at: take.now,
    })
}

fn received_line(line: &AssessedLine) -> Result<ReceivedLine, Refusal> {
    let product = line.product.as_ref();
    let base = |quantity: Quantity| {
        product.map_or(Ok(quantity.value), |product| {
            product.units().to_base(quantity)
        })
    };
    let base_quantities = line
        .schedule
        .iter()
        .map(|part| base(part.quantity))
        .collect::<Result<Vec<_>, _>>();
    let base_quantities = base_quantities.map_err(|error| {
        let pointer = format!("/lines/{}/unit", line.line.saturating_sub(1));
        Refusal::Faults(vec![FieldError::new(
            pointer,
            "wrong-unit",
            error.to_string(),
        )])
    })?;
    Ok(ReceivedLine {
        line: line.line,
        buyer_line: line.buyer_line.clone(),
        identifiers: line.identifiers.clone(),
        item: product.map(|product| product.item.clone()),
        description: product.map(|product| product.description.clone()),
        ordered: line.ordered,
        price: line.price.clone(),
        schedule: line.schedule.clone(),
        base_unit: product.map(|product| product.base_unit),
        base_quantities,
        problems: line.problems.clone(),
    })
}

/// Fingerprint of what is ordered, whichever way the channel writes it: products by our number, decimals without
/// trailing zeros, nothing of the channel.
pub fn content(request: &SalesOrderRequest, assessment: &Assessment) -> Result<String, Problem> {
    let price = |price: &UnitPrice| {
        (
            price.amount.normalize().to_string(),
            price.currency.code(),
            price.unit,
        )
    };
    let line = |(asked, line): (&BasketLine, &AssessedLine)| {
        json!({
            "item": line.product.as_ref().map(|product| &product.item),
            "identifiers": line.product.is_none().then_some(&asked.identifiers),
            "quantity": line.ordered.value.normalize().to_string(),
            "unit": line.ordered.unit,
            "price": asked.expected_unit_price.as_ref().map(price),
            "date": asked.requested_delivery_date.or(request.requested_delivery_date),
        })
    };
    let lines: Vec<_> = request
        .lines
        .iter()
        .zip(&assessment.lines)
        .map(line)
        .collect();
    let content = json!({
        "account": request.account,
        "ship_to": assessment.ship_to.as_ref().map(|ship_to| &ship_to.ship_to),
        "ship_complete": request.ship_complete,
        "lines": lines,
    });
    fingerprint("order-content", &content)
}
