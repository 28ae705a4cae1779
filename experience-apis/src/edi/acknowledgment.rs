//! The 855: what became of a purchase order, line by line, in the partner's own numbers. Pure.

use canonical_model::{
    order::{OrderLine, OrderStatus, SalesOrder},
    promise::{Cover, ScheduleLine},
};
use edi::x12::{
    Delimiters, OutboundEnvelope, Usage, WriteError,
    po_acknowledgment::{
        AcknowledgedLine, LineStatus, PurchaseOrderAcknowledgment, ScheduleAcknowledgment,
    },
    purchase_order::{Line, PurchaseOrder},
    value,
};
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use rust_decimal::Decimal;

use super::{
    agreement::{Judged, ReceivedOrder, first_writable},
    failure::Failure,
    lines::{Lines, Po1},
    owed::Refusal,
    profile::Profile,
};

/// ACK04: current schedule ship.
const SHIPS: &str = "068";
/// Sentences in one answer; a person reads no more.
const MOST_MESSAGES: usize = 500;

/// Which answer to the same purchase order it is (BAK01).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// The first.
    Original,
    /// In place of an earlier one.
    Replacement,
    /// To a purchase order that had been taken before.
    Duplicate,
}

impl Purpose {
    fn code(self) -> &'static str {
        match self {
            Self::Original => "00",
            Self::Replacement => "05",
            Self::Duplicate => "07",
        }
    }
}

/// What an order is to its partner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Held,
    Taken,
    Rejected,
    Cancelled,
}

fn standing(status: OrderStatus) -> Standing {
    match status {
        OrderStatus::Held => Standing::Held,
        OrderStatus::Rejected => Standing::Rejected,
        OrderStatus::Cancelled => Standing::Cancelled,
        OrderStatus::Received
        | OrderStatus::Accepted
        | OrderStatus::Released
        | OrderStatus::PartiallyShipped
        | OrderStatus::Shipped => Standing::Taken,
    }
}

/// The answer to a purchase order that was refused.
pub(super) fn of_refusal<'o>(
    order: &'o PurchaseOrder,
    refusal: &Refusal,
    today: Date,
) -> PurchaseOrderAcknowledgment<'o> {
    let mut messages = refusal.messages.clone();
    let about_lines = refusal.lines.iter().filter_map(|reason| {
        let line = order.lines.get(reason.line)?;
        Some(about(line, reason.line, &reason.reason))
    });
    messages.extend(about_lines);
    let detailed = !refusal.lines.is_empty();
    let lines = order.lines.iter().filter(|_| detailed).map(|line| {
        let all = vec![part(LineStatus::Rejected, line.quantity, None)];
        echo(line, line.unit_price, all)
    });
    let kind = if detailed { "RD" } else { "RJ" };
    heading(
        order,
        kind,
        Purpose::Original,
        today,
        messages,
        lines.collect(),
    )
}

/// The answer to a purchase order that became an order.
pub(super) fn of_order<'o>(
    received: &'o PurchaseOrder,
    lines: &Lines,
    order: &SalesOrder,
    purpose: Purpose,
    today: Date,
) -> Result<PurchaseOrderAcknowledgment<'o>, Failure> {
    let standing = standing(order.status);
    let mut messages = sentences(standing, purpose);
    let mut answered = Vec::with_capacity(received.lines.len());
    for (index, (line, po1)) in received.lines.iter().zip(&lines.of).enumerate() {
        let ordered = order.lines.get(po1.wanted.clone()).unwrap_or_default();
        let problems = ordered
            .iter()
            .flat_map(|line| &line.problems)
            .map(|problem| &problem.detail);
        messages.extend(
            po1.problem
                .iter()
                .chain(problems)
                .map(|reason| about(line, index, reason)),
        );
        let price = ordered.first().and_then(|line| price_of(line, po1));
        let parts = parts(line, po1, ordered, standing).ok_or(Failure::DoesNotAddUp {
            line: index.saturating_add(1),
        })?;
        answered.push(echo(line, price.or(line.unit_price), parts));
    }
    let changed = answered
        .iter()
        .flat_map(|line| &line.schedules)
        .any(|part| part.status != LineStatus::Accepted);
    let kind = match standing {
        Standing::Held => "AH",
        Standing::Rejected | Standing::Cancelled => "RD",
        Standing::Taken if changed => "AC",
        Standing::Taken => "AD",
    };
    let number = order
        .sales_order_number
        .as_ref()
        .map_or_else(|| order.order_reference.as_str(), |number| number.as_str());
    Ok(PurchaseOrderAcknowledgment {
        sales_order_number: Some(number.into()),
        currency: Some(order.total.currency.code()),
        ..heading(received, kind, purpose, today, messages, answered)
    })
}

fn heading<'o>(
    order: &'o PurchaseOrder,
    kind: &'static str,
    purpose: Purpose,
    today: Date,
    mut messages: Vec<String>,
    lines: Vec<AcknowledgedLine<'o>>,
) -> PurchaseOrderAcknowledgment<'o> {
    messages.truncate(MOST_MESSAGES);
    PurchaseOrderAcknowledgment {
        purpose: purpose.code(),
        acknowledgment_type: kind,
        purchase_order_number: &order.purchase_order_number,
        purchase_order_date: order.date.unwrap_or(today),
        release_number: order.release_number.as_deref(),
        sales_order_number: None,
        acknowledgment_date: Some(today),
        currency: order.currency.as_deref(),
        references: Vec::new(),
        messages,
        lines,
    }
}

fn sentences(standing: Standing, purpose: Purpose) -> Vec<String> {
    let mut sentences = Vec::new();
    if purpose == Purpose::Duplicate {
        sentences.push("This purchase order was taken before; no second order was made.");
    }
    match standing {
        Standing::Held => {
            sentences.push("The order is being checked; another acknowledgment follows.")
        }
        Standing::Rejected => sentences.push("The order was rejected."),
        Standing::Cancelled => sentences.push("The order was cancelled."),
        Standing::Taken => {}
    }
    sentences.into_iter().map(str::to_owned).collect()
}

/// A sentence about a line, by the buyer's own number of it.
fn about(line: &Line, index: usize, reason: &str) -> String {
    let ordinal = index.saturating_add(1).to_string();
    let number = line.assigned_id.as_deref().unwrap_or(&ordinal);
    format!("Line {number}: {reason}")
}

/// The PO1 as it came, with our price and our answer.
fn echo(
    line: &Line,
    unit_price: Option<Decimal>,
    schedules: Vec<ScheduleAcknowledgment>,
) -> AcknowledgedLine<'_> {
    AcknowledgedLine {
        assigned_id: line.assigned_id.as_deref(),
        quantity: line.quantity,
        unit: line.unit.as_deref().unwrap_or_default(),
        unit_price,
        price_basis: line.price_basis.as_deref(),
        product_ids: &line.product_ids,
        schedules,
    }
}

/// Our price per what PO105 says; `None` where it is per another unit.
fn price_of(ordered: &OrderLine, po1: &Po1) -> Option<Decimal> {
    let price = &ordered.price.as_ref()?.unit_price;
    if price.unit == ordered.ordered.unit {
        price.amount.checked_mul(po1.basis.into())
    } else {
        None
    }
}

/// What happens to every piece; always the whole of PO102. `None` = the order tells of another quantity.
fn parts(
    line: &Line,
    po1: &Po1,
    ordered: &[OrderLine],
    standing: Standing,
) -> Option<Vec<ScheduleAcknowledgment>> {
    let whole = |status| Some(vec![part(status, line.quantity, None)]);
    match standing {
        _ if po1.problem.is_some() || line.quantity.is_zero() => {
            return whole(LineStatus::Rejected);
        }
        Standing::Rejected => return whole(LineStatus::Rejected),
        Standing::Cancelled => return whole(LineStatus::Deleted),
        Standing::Held | Standing::Taken => {}
    }
    let dates = po1.dates.iter().copied().chain(std::iter::repeat(None));
    let parts: Vec<ScheduleAcknowledgment> = ordered
        .iter()
        .zip(dates)
        .flat_map(|(ordered, date)| parts_of(ordered, po1, date, standing))
        .filter(|part| !part.quantity.is_zero())
        .collect();
    let sum = parts
        .iter()
        .try_fold(Decimal::ZERO, |sum, part| sum.checked_add(part.quantity));
    (sum == Some(line.quantity)).then_some(parts)
}

fn parts_of(
    ordered: &OrderLine,
    po1: &Po1,
    wanted: Option<Date>,
    standing: Standing,
) -> Vec<ScheduleAcknowledgment> {
    let quantity = ordered.ordered.value;
    let gone = &ordered.quantities;
    let mut parts = vec![
        part(LineStatus::Rejected, gone.rejected, None),
        part(LineStatus::Deleted, gone.cancelled, None),
    ];
    let rest = quantity
        .saturating_sub(gone.rejected)
        .saturating_sub(gone.cancelled);
    let scheduled: Decimal = ordered
        .schedule
        .iter()
        .map(|part| part.quantity.value)
        .sum();
    if standing == Standing::Held {
        parts.push(part(LineStatus::OnHold, rest, None));
    } else if scheduled == rest {
        let repriced = price_of(ordered, po1).is_some_and(|ours| {
            let stated = po1
                .price
                .and_then(|stated| stated.checked_mul(po1.basis.into()));
            stated != Some(ours)
        });
        parts.extend(ordered.schedule.iter().map(|schedule| {
            let status = status_of(schedule, wanted, repriced);
            part(status, schedule.quantity.value, Some(schedule.ship_date))
        }));
    } else if rest < quantity {
        // Some of it is gone, and the schedule does not say which.
        parts.push(part(LineStatus::Accepted, rest, None));
    }
    parts
}

fn status_of(schedule: &ScheduleLine, wanted: Option<Date>, repriced: bool) -> LineStatus {
    let late = wanted.is_some_and(|wanted| schedule.promised_delivery_date > wanted);
    match (schedule.cover, late, repriced) {
        (Cover::LeadTime, _, _) => LineStatus::Backordered,
        (Cover::Stock | Cover::Receipt, true, true) => LineStatus::AcceptedWithChanges,
        (Cover::Stock | Cover::Receipt, true, false) => LineStatus::DateRescheduled,
        (Cover::Stock | Cover::Receipt, false, true) => LineStatus::PriceChanged,
        (Cover::Stock | Cover::Receipt, false, false) => LineStatus::Accepted,
    }
}

fn part(status: LineStatus, quantity: Decimal, ships: Option<Date>) -> ScheduleAcknowledgment {
    ScheduleAcknowledgment {
        status,
        quantity,
        date: ships.map(|date| (SHIPS, date)),
    }
}

/// Writes it as an interchange to the sender of the purchase order.
pub(super) fn write(
    profile: &Profile,
    judged: &Judged,
    received: &ReceivedOrder,
    acknowledgment: &PurchaseOrderAcknowledgment<'_>,
    (control_number, at): (u32, Timestamp),
) -> Result<Vec<u8>, WriteError> {
    let header = &judged.header;
    let digits = |text: &str, length: usize| value::is_digits(text) && text.len() == length;
    let release = value::release(&received.version);
    let envelope = |delimiters: Delimiters| OutboundEnvelope {
        sender: profile.us.party_id(),
        receiver: header.sender.clone(),
        application_sender: profile.us.application.as_str().into(),
        application_receiver: received.application_sender.clone(),
        usage: Usage::Production,
        interchange_version: if digits(&header.version, 5) {
            header.version.as_str()
        } else {
            "00401"
        }
        .into(),
        version: if digits(release, 6) {
            release
        } else {
            "004010"
        }
        .into(),
        interchange_control_number: control_number,
        group_control_number: control_number,
        set_control_number: 1,
        acknowledgment_requested: false,
        date_time: TimeZone::UTC.to_datetime(at),
        delimiters,
    };
    first_writable(judged.delimiters(profile), |delimiters| {
        acknowledgment.write(&envelope(delimiters))
    })
}
