//! What a buyer sends, as the canonical request of its account. Only the form is judged here.

use canonical_model::{
    AccountId,
    basket::{BasketLine, BasketRequest},
    item::{ItemIdentifier, ItemScheme},
    order::SalesOrderRequest,
    quote as quotes, reservation as reservations,
};
use service_runtime::problem::{FieldError, Problem};

use super::pointer::{Named, field};
use crate::portal::shape::{
    basket::{BasketCheckRequest, Line},
    order::OrderRequest,
    quote::QuoteRequest,
    reservation::ReservationRequest,
};

const MAX_LINES: usize = 5_000;
const MAX_IDENTIFIER: usize = 40;
const MAX_BUYER_LINE: usize = 20;
const MAX_RELEASE_NUMBER: usize = 30;

/// The canonical request, and by what its lines named their products.
type Mapped<T> = Result<(T, Named), Problem>;

/// A basket check for an account.
pub fn basket_request(request: BasketCheckRequest, account: AccountId) -> Mapped<BasketRequest> {
    let (lines, named) = lines(request.lines, Vec::new())?;
    let request = BasketRequest {
        account,
        ship_to: request.ship_to,
        requested_delivery_date: request.requested_delivery_date,
        quote_id: request.quote_id,
        reservation_id: request.reservation_id,
        ship_complete: request.ship_complete,
        lines,
    };
    Ok((request, named))
}

/// A quote for an account.
pub fn quote_request(request: QuoteRequest, account: AccountId) -> Mapped<quotes::QuoteRequest> {
    let (lines, named) = lines(request.lines, Vec::new())?;
    let request = quotes::QuoteRequest {
        account,
        ship_to: request.ship_to,
        lines,
        seconds: None,
    };
    Ok((request, named))
}

/// A reservation for an account.
pub fn reservation_request(
    request: ReservationRequest,
    account: AccountId,
) -> Mapped<reservations::ReservationRequest> {
    let (lines, named) = lines(request.lines, Vec::new())?;
    let request = reservations::ReservationRequest {
        account,
        ship_to: request.ship_to,
        lines,
        seconds: request.seconds,
    };
    Ok((request, named))
}

/// An order of an account.
pub fn order_request(request: OrderRequest, account: AccountId) -> Mapped<SalesOrderRequest> {
    let mut faults = Vec::new();
    if let Some(release) = &request.release_number {
        check_text("/release_number", release, MAX_RELEASE_NUMBER, &mut faults);
    }
    let (lines, named) = lines(request.lines, faults)?;
    let request = SalesOrderRequest {
        account,
        ship_to: request.ship_to,
        purchase_order_number: request.purchase_order_number,
        release_number: request.release_number,
        currency: request.currency,
        requested_delivery_date: request.requested_delivery_date,
        quote_id: request.quote_id,
        reservation_id: request.reservation_id,
        ship_complete: request.ship_complete,
        line_policy: request.line_policy,
        lines,
        document: None,
        review: Vec::new(),
    };
    Ok((request, named))
}

/// All lines, or all their faults together with those found before.
fn lines(lines: Vec<Line>, mut faults: Vec<FieldError>) -> Mapped<Vec<BasketLine>> {
    if lines.is_empty() || lines.len() > MAX_LINES {
        let detail = format!("Send 1 to {MAX_LINES} lines.");
        faults.push(FieldError::new("/lines", "out-of-range", detail));
        return Err(Problem::validation(faults));
    }
    let mapped: Vec<BasketLine> = lines
        .into_iter()
        .enumerate()
        .filter_map(|(index, line)| basket_line(index, line, &mut faults))
        .collect();
    if !faults.is_empty() {
        return Err(Problem::validation(faults));
    }
    let named = Named::of(mapped.iter().map(|line| line.identifiers.as_slice()));
    Ok((mapped, named))
}

fn basket_line(index: usize, line: Line, faults: &mut Vec<FieldError>) -> Option<BasketLine> {
    let at = format!("/lines/{index}");
    if let Some(buyer_line) = &line.buyer_line {
        check_text(
            &format!("{at}/buyer_line"),
            buyer_line,
            MAX_BUYER_LINE,
            faults,
        );
    }
    let item = line.item.map(|item| item.as_str().to_owned());
    let named = [
        (ItemScheme::SellerPartNumber, item),
        (ItemScheme::BuyerPartNumber, line.buyer_part_number),
        (ItemScheme::Gtin, line.gtin),
    ];
    let mut named = named
        .into_iter()
        .filter_map(|(scheme, value)| value.map(|value| ItemIdentifier { scheme, value }));
    let (Some(identifier), None) = (named.next(), named.next()) else {
        let detail = "Name the product in exactly one way: item, buyer_part_number or gtin.";
        faults.push(FieldError::new(at, "exactly-one-identifier", detail));
        return None;
    };
    let place = format!("{at}/{}", field(identifier.scheme));
    check_text(&place, &identifier.value, MAX_IDENTIFIER, faults);
    Some(BasketLine {
        identifiers: vec![identifier],
        quantity: line.quantity.value,
        unit: line.quantity.unit,
        expected_unit_price: line.expected_unit_price,
        requested_delivery_date: line.requested_delivery_date,
        buyer_line: line.buyer_line,
        quote_id: None,
    })
}

fn check_text(pointer: &str, text: &str, max: usize, faults: &mut Vec<FieldError>) {
    let sound = !text.is_empty()
        && text.trim() == text
        && text.chars().count() <= max
        && !text.chars().any(char::is_control);
    if !sound {
        let detail = format!("Send 1 to {max} visible characters without blanks at either end.");
        faults.push(FieldError::new(pointer, "invalid-value", detail));
    }
}
