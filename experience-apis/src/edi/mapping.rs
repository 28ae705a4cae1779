//! A purchase order as a request for a sales order, or why it is none. Pure.

use canonical_model::{
    Currency, PurchaseOrderNumber,
    account::Account,
    order::{LinePolicy, SalesOrderRequest, SourceDocument},
};
use edi::x12::purchase_order::PurchaseOrder;
use jiff::civil::Date;

use super::{
    agreement::ReceivedOrder,
    lines::{Lines, lines},
    owed::{LineReason, Refusal},
    profile::{OnWarning, Profile},
    ship_to,
};

/// As many lines as an order may have.
const MOST_LINES: usize = 5_000;

/// The request, and which of its lines is which PO1.
pub(super) fn request(
    profile: &Profile,
    received: &ReceivedOrder,
    account: &Account,
    today: Date,
    document: SourceDocument,
) -> Result<(SalesOrderRequest, Lines), Refusal> {
    let order = &received.order;
    let mut messages = heading_faults(profile, received);
    let currency = currency(order, account).unwrap_or_else(|message| {
        messages.push(message);
        account.currency
    });
    let ship_to = ship_to::find(profile, order, account).unwrap_or_else(|message| {
        messages.push(message);
        None
    });
    let number = PurchaseOrderNumber::new(order.purchase_order_number.as_str());
    if number.is_err() {
        messages.push(
            "The purchase order number (BEG03) cannot be used: send 1 to 22 visible characters."
                .to_owned(),
        );
    }
    let lines = lines(profile, order, currency, today);
    let reasons = line_reasons(&lines);
    if lines.wanted.len() > MOST_LINES {
        messages.push(format!(
            "More than {MOST_LINES} lines and dates in one order: send several orders."
        ));
    }
    let all_needed = profile.line_policy == LinePolicy::AllOrNothing;
    let unsound = lines.wanted.is_empty() || (all_needed && !reasons.is_empty());
    match number {
        Ok(purchase_order_number) if messages.is_empty() && !unsound => {
            let request = SalesOrderRequest {
                account: profile.account.clone(),
                ship_to,
                purchase_order_number,
                release_number: order.release_number.as_deref().map(str::to_owned),
                currency: order.currency.is_some().then_some(currency),
                requested_delivery_date: None,
                quote_id: None,
                reservation_id: None,
                ship_complete: false,
                line_policy: profile.line_policy,
                lines: lines.wanted.clone(),
                document: Some(document),
                review: Vec::new(),
            };
            Ok((request, lines))
        }
        _ => Err(Refusal {
            messages,
            lines: reasons,
        }),
    }
}

fn line_reasons(lines: &Lines) -> Vec<LineReason> {
    let reasons = lines.of.iter().enumerate().filter_map(|(line, po1)| {
        let reason = po1.problem.clone()?;
        Some(LineReason { line, reason })
    });
    reasons.collect()
}

/// What is no new order, whatever its lines say.
fn heading_faults(profile: &Profile, received: &ReceivedOrder) -> Vec<String> {
    let order = &received.order;
    let mut messages = Vec::new();
    messages.extend(purpose_fault(order));
    if profile
        .refused_order_types
        .iter()
        .any(|refused| order.order_type == *refused)
    {
        messages.push(format!(
            "Order type {} (BEG02) asks for nothing to be shipped and is not taken as an order.",
            order.order_type
        ));
    }
    if profile.on_warning == OnWarning::Reject {
        messages.extend(
            received
                .warnings
                .iter()
                .take(20)
                .map(|warning| warning.message.clone()),
        );
    }
    messages
}

fn purpose_fault(order: &PurchaseOrder) -> Option<String> {
    let message = match order.purpose.as_str() {
        "00" => return None,
        "01" => {
            "BEG01 01 cancels an order: nothing was changed; ask for the cancellation by telephone or send an 860."
        }
        "04" | "05" => {
            "BEG01 says that this changes an order: nothing was changed; ask for the change by telephone or send an 860."
        }
        "06" => "BEG01 06 confirms an order given before: it was not taken a second time.",
        "07" => {
            "BEG01 07 marks a duplicate: it was not taken a second time; the order stands as it was."
        }
        other => {
            return Some(format!(
                "Only BEG01 00 is a new order; {other} was not taken."
            ));
        }
    };
    Some(message.to_owned())
}

fn currency(order: &PurchaseOrder, account: &Account) -> Result<Currency, String> {
    let Some(code) = order.currency.as_deref() else {
        return Ok(account.currency);
    };
    Currency::from_code(code).ok_or_else(|| {
        format!(
            "Currency {code} (CUR02) is not known: send the account's, {}.",
            account.currency.code()
        )
    })
}
