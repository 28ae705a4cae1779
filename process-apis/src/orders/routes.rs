//! Routes of orders: take one, list them, read one. An order's time line is read with the events.

use std::sync::Arc;

use axum::{
    extract::State,
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
};
use canonical_model::{
    AccountId, OrderId, PurchaseOrderNumber,
    order::{OrderStatus, SalesOrder, SalesOrderAccepted, SalesOrderPage, SalesOrderRequest},
};
use serde::Deserialize;
use service_runtime::{
    context::{CallContext, Caller},
    extract::{Etag, IdempotencyKey, IfMatch, Json, Path, Query},
    page::{Page, PageQuery},
    problem::Problem,
};
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    accept::{self, Orders},
    change, projection, shape,
    state::OrderState,
};
use crate::{
    clients::{Call, Lane},
    error::store_problem,
    events::reach,
    idempotency::{Answer, Keyed, Once, WorkError},
    state::AppState,
    store::{OrderFilter, Store},
};

/// The routes.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(create_order, list_orders))
        .routes(routes!(get_order))
        .routes(routes!(replace_order))
}

/// The order, if it is of the caller's company and accounts: any other looks like none.
pub async fn visible_order(
    store: &dyn Store,
    caller: &CallContext,
    id: OrderId,
) -> Result<OrderState, Problem> {
    let state =
        change::load(store, id)
            .await
            .map_err(|error| match accept::change_problem(error) {
                WorkError::Problem(problem) => problem,
                WorkError::KeyUsed(_) => Problem::not_found(),
            })?;
    let state = state.ok_or_else(Problem::not_found)?;
    if caller.company.as_deref() != Some(state.order.company.as_str()) {
        return Err(Problem::not_found());
    }
    caller.require_account(state.order.account.as_str())?;
    Ok(state)
}

/// Takes an order.
///
/// Durable when answered; the ERP's word follows. The same key and body get the stored answer with
/// `Idempotency-Replayed`; the same purchase order under another key gets the first answer with `Orderway-Duplicate`.
#[utoipa::path(
    post, path = "/v1/orders", tag = "orders", operation_id = "create_order",
    security(("call_context" = ["orders:write"])),
    params(("Idempotency-Key" = String, Header, description = "The caller's own key; the same for a repetition")),
    request_body = SalesOrderRequest,
    responses((status = 202, description = "Durable: `received`, or `held` until a person releases it", body = SalesOrderAccepted,
        headers(("location" = String, description = "The order"), ("etag" = String, description = "Its version")))),
)]
async fn create_order(
    State(orders): State<Orders>,
    State(once): State<Once>,
    caller: Caller,
    key: IdempotencyKey,
    Json(request): Json<SalesOrderRequest>,
) -> Result<Response, Problem> {
    caller.require("orders:write")?;
    caller.require_account(request.account.as_str())?;
    shape::check(&request)?;
    let caller = caller.into_inner();
    let keyed = Keyed::new(&caller, "create_order", &key, &request)?;
    let work = move |keyed| async move { Box::pin(orders.take(caller, request, keyed)).await };
    let answer = once.run(keyed, work).await?;
    let location = answer.subject.map(|order| format!("/v1/orders/{order}"));
    let mut response = with_etag(answer);
    if let Some(location) = location.and_then(|location| HeaderValue::from_str(&location).ok()) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

/// Puts another order in the place of one.
///
/// The order is cancelled, and once that is settled the other one is taken under the same purchase order number, with an
/// id of its own: `replaced_by` of the one and `replaces` of the other. Possible as long as the order can be cancelled.
/// What is asked is assessed first as it is for a new order, and nothing is cancelled for what has faults; the stock and
/// the credit that the order itself still holds are not counted as free in it. Asked for again before the other one is
/// taken, the last request counts, and a cancellation drops it, also of an order that has ended by then. The same content
/// as the order's changes nothing: it is answered 200 with `Orderway-Duplicate`. So does a `document` that was stored before
/// the one that stands, or is to stand: it was overtaken.
///
/// Where the ERP goes on with the order, it stands as it was and `replaced_by` is gone. The other order is assessed once
/// more when it is taken: if it has faults by then, `order.replacement_refused` says which. Either is told to the channel
/// of a `document`, as `change_refused` or `replacement_refused`.
#[utoipa::path(
    post, path = "/v1/orders/{order_id}/replace", tag = "orders", operation_id = "replace_order",
    security(("call_context" = ["orders:write"])),
    params(
        ("order_id" = OrderId, Path, description = "The order"),
        ("Idempotency-Key" = String, Header, description = "The caller's own key; the same for a repetition"),
        ("If-Match" = String, Header, description = "The ETag of the order as it was read"),
    ),
    request_body(content = SalesOrderRequest, example = json!({"account": "ACME", "purchase_order_number": "PO-1001",
        "lines": [{"identifiers": [{"scheme": "seller_part_number", "value": "NW-1001"}], "quantity": "8"}]})),
    responses(
        (status = 202, description = "The order as it is now; `replaced_by` is the order that will take its place",
            body = SalesOrder, headers(("etag" = String, description = "Its version"))),
        (status = 200, description = "The order has this content already: nothing changes", body = SalesOrder,
            headers(("etag" = String, description = "Its version"))),
        (status = 404, description = "`not-found`: no such order of the caller's accounts", body = Problem),
        (status = 409, description = "`order-not-cancellable`: it has ended, or gone too far", body = Problem),
        (status = 412, description = "`precondition-failed`: it has changed since it was read", body = Problem),
        (status = 422, description = "`validation-failed`: another account, purchase order or release than the order's, or \
            a field out of its range; `order-rejected`: the new content has faults, and nothing was cancelled",
            body = Problem),
        (status = 428, description = "`precondition-required`: `If-Match` is missing", body = Problem),
    ),
)]
async fn replace_order(
    State(orders): State<Orders>,
    State(once): State<Once>,
    caller: Caller,
    Path(id): Path<OrderId>,
    (key, if_match): (IdempotencyKey, IfMatch),
    Json(request): Json<SalesOrderRequest>,
) -> Result<Response, Problem> {
    caller.require("orders:write")?;
    caller.require_account(request.account.as_str())?;
    shape::check(&request)?;
    let caller = caller.into_inner();
    // What is replayed was asked with this body: the order is of an account that the caller still sees.
    let keyed = Keyed::new(&caller, &format!("replace_order:{id}"), &key, &request)?;
    let work = move |keyed: Keyed| async move {
        Box::pin(orders.replace(caller, (id, if_match), request, keyed)).await
    };
    Ok(with_etag(once.run(keyed, work).await?))
}

/// An answer whose body has a version, with its `ETag`.
pub fn with_etag(answer: Answer) -> Response {
    let version = answer
        .body
        .get("version")
        .and_then(serde_json::Value::as_u64);
    let mut response = answer.into_response();
    if let Some(version) = version {
        Etag::version(version).insert(response.headers_mut());
    }
    response
}

/// Which orders to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct OrderSearch {
    /// Only of this account.
    account: Option<AccountId>,
    /// Only of this purchase order.
    purchase_order_number: Option<PurchaseOrderNumber>,
    /// Only where they stand here.
    status: Option<OrderStatus>,
    /// How many at most, 1 to 200; 50 if not given.
    limit: Option<u32>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// Lists orders, newest first.
#[utoipa::path(
    get, path = "/v1/orders", tag = "orders", operation_id = "list_orders",
    security(("call_context" = ["orders:read"])), params(OrderSearch),
    responses((status = 200, description = "Orders of the caller's accounts", body = SalesOrderPage)),
)]
async fn list_orders(
    State(store): State<Arc<dyn Store>>,
    caller: Caller,
    Query(search): Query<OrderSearch>,
) -> Result<Json<SalesOrderPage>, Problem> {
    caller.require("orders:read")?;
    let page = PageQuery {
        limit: search.limit,
        cursor: search.cursor,
    };
    let filter = OrderFilter {
        accounts: accounts_asked(&caller, search.account),
        purchase_order_number: search.purchase_order_number,
        status: search.status,
        ..OrderFilter::default()
    };
    let page = page_of_orders(store.as_ref(), &caller, filter, &page).await?;
    let page = page.map(|state| projection::sales_order(&state));
    Ok(Json(SalesOrderPage {
        items: page.items,
        next: page.next,
    }))
}

/// The accounts to list: the one asked for if the caller may see it, else all of the caller's. A foreign one lists
/// nothing, as an absent one does.
pub fn accounts_asked(caller: &CallContext, asked: Option<AccountId>) -> Option<Vec<AccountId>> {
    match asked {
        Some(account) if caller.may_see(account.as_str()) => Some(vec![account]),
        Some(_) => Some(Vec::new()),
        None => reach::accounts(caller),
    }
}

/// A page of orders of the caller's company.
pub async fn page_of_orders(
    store: &dyn Store,
    caller: &CallContext,
    filter: OrderFilter,
    page: &PageQuery,
) -> Result<Page<OrderState>, Problem> {
    let call = Call::for_caller(caller, Lane::Browse)?;
    let limit = page.limit()?;
    let probe = u16::try_from(limit.saturating_add(1)).unwrap_or(u16::MAX);
    let filter = OrderFilter {
        before: page.after()?,
        limit: probe,
        ..filter
    };
    let found = store
        .orders(&call.company, filter)
        .await
        .map_err(|error| store_problem(&error))?;
    let states = found
        .into_iter()
        .map(|found| change::read(&found.state))
        .collect::<Result<Vec<_>, _>>();
    let states = states.map_err(|error| Problem::internal(&error))?;
    Page::from_probe(states, limit, OrderState::order_id)
}

/// Reads an order.
#[utoipa::path(
    get, path = "/v1/orders/{order_id}", tag = "orders", operation_id = "get_order",
    security(("call_context" = ["orders:read"])),
    params(("order_id" = OrderId, Path, description = "The order")),
    responses((status = 200, description = "The order as it is now", body = SalesOrder,
        headers(("etag" = String, description = "Its version")))),
)]
async fn get_order(
    State(store): State<Arc<dyn Store>>,
    caller: Caller,
    Path(id): Path<OrderId>,
) -> Result<(HeaderMap, Json<SalesOrder>), Problem> {
    caller.require("orders:read")?;
    let state = visible_order(store.as_ref(), &caller, id).await?;
    let mut headers = HeaderMap::new();
    Etag::version(state.version).insert(&mut headers);
    Ok((headers, Json(projection::sales_order(&state))))
}
