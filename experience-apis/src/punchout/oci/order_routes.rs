//! Orders by OCI: the approved cart is posted here by the buyer's system.

use axum::{
    extract::{DefaultBodyLimit, Path, Request, State},
    response::{IntoResponse, Response},
};
use canonical_model::{
    AccountId, OrderId, OrderReference, PurchaseOrderNumber,
    order::{OrderStatus, SalesOrder},
};
use http::StatusCode;
use serde::Serialize;
use service_runtime::{extract::Json, problem::Problem};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    contract::OciOrder,
    error::{DUPLICATE_PURCHASE_ORDER, ORDER_DIFFERS},
    login::{Partner, enter},
    order::{self, kept_form},
    page,
    routes::{Asked, asked},
};
use crate::{
    clients::process::OrderFilter,
    error::codes::TEMPORARILY_UNAVAILABLE,
    portal::{mapping::receipt_of_order, shape::hold::Hold},
    punchout::{
        context,
        cxml::status::{Code, Status},
        fingerprint,
        orders::{Failure, Incoming, NoReply, Reply, receive},
    },
    state::AppState,
};

/// The media type under which an order is stored.
pub(in crate::punchout) const MEDIA_TYPE: &str = "application/x-www-form-urlencoded";
/// 2 MiB of fields, as the reader takes them, and what their encoding adds.
const MOST_BYTES: usize = 6 * 1024 * 1024;
const TESTED: &str = "The order can be read. You are being set up: nothing was booked.";
const BUSY: &str = "The order was received and is being worked on: send the same order again to hear what became of it.";
/// Orders of one number that are looked at: all but one of them have ended.
const MOST_ORDERS: u16 = 20;

pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(order_oci_cart))
        .layer(DefaultBodyLimit::max(MOST_BYTES))
}

/// An order that was received.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
struct OrderTaken {
    /// The order; absent in a test, and where what becomes of it was not settled in time.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    order_id: Option<OrderId>,
    /// Our number of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    order_reference: Option<OrderReference>,
    /// Yours.
    purchase_order_number: PurchaseOrderNumber,
    /// Where it stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    status: Option<OrderStatus>,
    /// What it waits for; empty = nothing.
    holds: Vec<Hold>,
    /// What became of it, and each difference from the cart that left, as sentences.
    message: String,
    /// Nothing was booked: you are being set up.
    test: bool,
}

/// Orders an approved cart.
///
/// The body is the form as it left the shop, `NEW_ITEM` by `NEW_ITEM`, with `PO_NUMBER` and, where you like, `REQUESTED_DATE`
/// and `SHIP_TO`. `EXT_QUOTE_ID` and `EXT_QUOTE_ITEM` bring the locked price back. The same order again is answered as the
/// first, and nothing happens twice; the same `PO_NUMBER` with other content is refused.
#[utoipa::path(post, path = "/punchout/oci/{partner}/orders", tag = "punchout", security(("basic" = []), ()),
    params(("partner" = String, Path, description = "Your partner id", example = "acme-punchout")),
    request_body(content = OciOrder, content_type = "application/x-www-form-urlencoded", description = "The cart, and PO_NUMBER",
        example = json!({"PO_NUMBER": "4500017", "REQUESTED_DATE": "2026-03-09", "SHIP_TO": "21444",
            "NEW_ITEM-DESCRIPTION[1]": "Ball bearing 6001", "NEW_ITEM-QUANTITY[1]": "10", "NEW_ITEM-UNIT[1]": "EA",
            "NEW_ITEM-PRICE[1]": "9.99", "NEW_ITEM-CURRENCY[1]": "USD", "NEW_ITEM-VENDORMAT[1]": "SKU-0001",
            "NEW_ITEM-EXT_QUOTE_ID[1]": "0199e0a46c1f7d3a9a550c6f4f1d2b7e", "NEW_ITEM-EXT_QUOTE_ITEM[1]": "1"})),
    responses((status = 202, description = "It is stored, and will be in the ERP whatever fails in between", body = OrderTaken),
        (status = 401, description = "`unauthenticated`", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`duplicate-purchase-order`: the number was received before with other content", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "`payload-too-large`", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "`unsupported-media-type`", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "`validation-failed`: fields that are wrong, by name and index; `order-differs`: it cannot be taken as it is, or differs from the cart that left in what was agreed to be refused", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "`rate-limited`", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "`temporarily-unavailable`: send the same order again", body = Problem, content_type = "application/problem+json"),
        (status = 504, description = "`timeout`: send the same order again, nothing happens twice", body = Problem, content_type = "application/problem+json")))]
async fn order_oci_cart(
    State(state): State<AppState>,
    Path(partner): Path<String>,
    request: Request,
) -> Response {
    match take(&state, &partner, request).await {
        Ok(taken) => (StatusCode::ACCEPTED, Json(taken)).into_response(),
        Err(problem) => page::problem(problem, false, None),
    }
}

async fn take(state: &AppState, partner: &str, request: Request) -> Result<OrderTaken, Problem> {
    let Asked {
        caller,
        params,
        unfit,
        place: _place,
    } = asked(state, request).await?;
    let partner = enter(state, partner, caller, &params).await?;
    if let Some(problem) = unfit {
        return Err(problem);
    }
    let read = order::read(partner.profile(), partner.oci(), &params)?;
    let (number, content) = (read.ordered.number.clone(), kept_form(&params));
    let test = partner.profile().test_mode;
    let incoming = Incoming {
        ordered: read.ordered,
        content: content.as_bytes(),
        media_type: MEDIA_TYPE,
        key: key(&number, &content, test),
        test,
        notes: read.notes,
    };
    let reply = receive(state, partner.shared(), incoming).await;
    let reply = reply.map_err(|none| match none {
        NoReply::Status(status) => refused(&status, &number),
        NoReply::Failure(Failure::Call(error)) => error.into(),
        NoReply::Failure(failure) => Problem::internal(&failure),
    })?;
    if reply.status.code != Code::Ok {
        return Err(refused(&reply.status, &number));
    }
    taken(state, &partner, number, reply, test).await
}

/// The same content under the same number is the same order. A test is none.
fn key(number: &PurchaseOrderNumber, content: &str, test: bool) -> String {
    let word = if test { "oci-test" } else { "oci" };
    format!("{word}/{number}/{}", fingerprint(content.as_bytes()))
}

async fn taken(
    state: &AppState,
    partner: &Partner,
    number: PurchaseOrderNumber,
    reply: Reply,
    test: bool,
) -> Result<OrderTaken, Problem> {
    let order = if test {
        None
    } else {
        find(state, partner, &number, &reply).await?
    };
    let receipt = order.as_ref().map(receipt_of_order);
    let message = match &order {
        Some(_) => reply.status.detail,
        None if test => TESTED.to_owned(),
        None => BUSY.to_owned(),
    };
    Ok(OrderTaken {
        order_id: order.as_ref().map(|order| order.order_id),
        order_reference: order.as_ref().map(|order| order.order_reference.clone()),
        purchase_order_number: number,
        status: order.as_ref().map(|order| order.status),
        holds: receipt.map(|receipt| receipt.holds).unwrap_or_default(),
        message,
        test,
    })
}

/// The order that this request brought; or, if it was there before, the one with its number.
async fn find(
    state: &AppState,
    partner: &Partner,
    number: &PurchaseOrderNumber,
    reply: &Reply,
) -> Result<Option<SalesOrder>, Problem> {
    let account: &AccountId = &partner.profile().account;
    let filter = OrderFilter {
        account: Some(account.clone()),
        purchase_order_number: Some(number.as_str().to_owned()),
        limit: Some(MOST_ORDERS),
        ..OrderFilter::default()
    };
    let context = context::of_partner(partner.profile());
    let mut orders = state.process.orders(&context, &filter).await?.items;
    let ours = orders.iter().position(|order| {
        let source = order.document.as_ref();
        source.is_some_and(|source| source.document_id == reply.document)
    });
    let has_ended =
        |order: &SalesOrder| matches!(order.status, OrderStatus::Rejected | OrderStatus::Cancelled);
    let place = ours.or_else(|| orders.iter().position(|order| !has_ended(order)));
    Ok(place.map(|place| orders.swap_remove(place)))
}

/// A Status in the words of HTTP.
fn refused(status: &Status, number: &PurchaseOrderNumber) -> Problem {
    let detail = status.detail.clone();
    match status.code {
        Code::Conflict => Problem::new(
            DUPLICATE_PURCHASE_ORDER,
            format!(
                "Purchase order {number} was received before with other content; nothing was changed. Send a new order under a new number."
            ),
        ),
        Code::Forbidden => Problem::forbidden(detail),
        Code::BadRequest | Code::ExpectationFailed => Problem::new(ORDER_DIFFERS, detail),
        _ => Problem::new(TEMPORARILY_UNAVAILABLE, BUSY),
    }
}
