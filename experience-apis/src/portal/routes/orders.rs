//! Orders: placed, listed, read, cancelled.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use canonical_model::{
    OrderId, PurchaseOrderNumber,
    order::{SalesOrderAccepted, SalesOrderRequest},
};
use http::{HeaderMap, HeaderName, StatusCode, header};
use service_runtime::{
    context::CallContext,
    extract::{IdempotencyKey, IfMatch, Json, Path, Prefer, Query},
    problem::Problem,
    trace::RequestScope,
};

use super::{
    ActingFor, BodyRefusals, OneIntent, Refusals, check_limit,
    reply::{Reply, not_changed},
    wait::until_decided,
};
use crate::{
    admission::{Acting, Needs as _, OrdersRead, OrdersWrite},
    clients::process::{CallError, Once, OrderFilter, ProcessClient, word},
    config::Config,
    feed::Feed,
    portal::{
        mapping,
        shape::order::{Order, OrderPage, OrderReceipt, OrderRequest, OrderSearch, Timeline},
    },
};

/// A time line is read whole: so many events a page, so many pages at most.
const EVENT_PAGE: u16 = 200;
const MAX_EVENT_PAGES: usize = 10;

/// Places an order.
///
/// The answer means that it is durable; its status tells when the seller's system has it. The same purchase order number
/// with the same content is the same order, whatever the key.
#[utoipa::path(post, path = "/portal/v1/orders", tag = "orders", security(("bearer" = [])),
    params(ActingFor, OneIntent,
        ("Prefer" = Option<String>, Header, description = "`wait=<seconds>`, at most 30: answers when the order is decided, or after that time", example = "wait=5")),
    request_body = OrderRequest,
    responses((status = 202, description = "The order is durable", body = OrderReceipt, headers(
            ("Location" = String, description = "The order"), ("ETag" = String, description = "Its version"),
            ("Preference-Applied" = Option<String>, description = "The wait that was granted"),
            ("Idempotency-Replayed" = Option<String>, description = "`true`: the stored answer of an earlier request with this key"),
            ("Orderway-Duplicate" = Option<String>, description = "`true`: this purchase order had been taken before; this is its order"))),
        (status = 409, description = "`duplicate-purchase-order`: the number belongs to another order, named in `order_id`. `request-in-progress`: the first request with this key still runs", body = Problem, content_type = "application/problem+json"),
        BodyRefusals))]
pub(super) async fn place_order(
    State(process): State<ProcessClient>,
    State(feed): State<Feed>,
    State(config): State<Arc<Config>>,
    buyer: Acting<OrdersWrite>,
    key: IdempotencyKey,
    prefer: Prefer,
    Json(request): Json<OrderRequest>,
) -> Result<Response, Problem> {
    let (request, named) = mapping::order_request(request, buyer.account)?;
    let context = buyer.context;
    let taken = take(process.clone(), context.clone(), key, request).await?;
    let taken = taken.map_err(|error| named.repoint(error.into()))?;
    let wait = prefer.wait_at_most(config.portal.max_wait.get());
    let order_id = taken.body.order_id;
    let receipt = match wait {
        Duration::ZERO => None,
        wait => until_decided(&feed, &process, &reading(&context), order_id, wait)
            .await
            .as_ref()
            .map(mapping::receipt_of_order),
    };
    let waited = receipt.is_some();
    let receipt = receipt.unwrap_or_else(|| mapping::receipt(&taken.body));
    let version = receipt.version;
    let mut reply = Reply::new(StatusCode::ACCEPTED, receipt)
        .version(version)
        .location(&format!("/portal/v1/orders/{order_id}"))
        .once(&taken);
    if waited {
        let applied = format!("wait={}", wait.as_secs());
        reply = reply.header(HeaderName::from_static("preference-applied"), &applied);
    }
    Ok(reply.into_response())
}

/// Lists the account's orders, newest first.
#[utoipa::path(get, path = "/portal/v1/orders", tag = "orders", security(("bearer" = [])),
    params(ActingFor, OrderSearch),
    responses((status = 200, description = "A page of orders", body = OrderPage), Refusals))]
pub(super) async fn list_orders(
    State(process): State<ProcessClient>,
    buyer: Acting<OrdersRead>,
    Query(search): Query<OrderSearch>,
) -> Result<Json<OrderPage>, Problem> {
    check_limit(search.limit)?;
    let number = search.purchase_order_number.as_ref();
    let filter = OrderFilter {
        account: Some(buyer.account),
        purchase_order_number: number.map(PurchaseOrderNumber::as_str).map(str::to_owned),
        status: search.status.as_ref().map(word),
        cursor: search.cursor,
        limit: search.limit,
    };
    let page = process.orders(&buyer.context, &filter).await?;
    Ok(Json(mapping::order_page(page)))
}

/// Reads an order: lines with their quantities, promises and holds.
#[utoipa::path(get, path = "/portal/v1/orders/{order_id}", tag = "orders", security(("bearer" = [])),
    params(ActingFor, ("order_id" = uuid::Uuid, Path, description = "The order's id"),
        ("If-None-Match" = Option<String>, Header, description = "The ETag last read: 304 where nothing has changed", example = "\"v3\"")),
    responses((status = 200, description = "The order", body = Order, headers(("ETag" = String, description = "Its version, for If-Match"))),
        (status = 304, description = "Not changed"), Refusals))]
pub(super) async fn read_order(
    State(process): State<ProcessClient>,
    buyer: Acting<OrdersRead>,
    Path(order_id): Path<OrderId>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let order = process.order(&buyer.context, order_id).await?;
    let version = order.version;
    Ok(not_changed(&headers, version).unwrap_or_else(|| {
        Reply::new(StatusCode::OK, mapping::order(order))
            .version(version)
            .into_response()
    }))
}

/// Reads what has happened to an order, oldest first.
#[utoipa::path(get, path = "/portal/v1/orders/{order_id}/timeline", tag = "orders", security(("bearer" = [])),
    params(ActingFor, ("order_id" = uuid::Uuid, Path, description = "The order's id")),
    responses((status = 200, description = "The time line", body = Timeline), Refusals))]
pub(super) async fn read_order_timeline(
    State(process): State<ProcessClient>,
    buyer: Acting<OrdersRead>,
    Path(order_id): Path<OrderId>,
) -> Result<Json<Timeline>, Problem> {
    let mut events = Vec::new();
    let mut after = 0;
    for _ in 0..MAX_EVENT_PAGES {
        let page = process
            .order_events(&buyer.context, order_id, after, EVENT_PAGE)
            .await?;
        let last = page.events.len() < usize::from(EVENT_PAGE);
        after = page.next;
        events.extend(page.events);
        if last {
            break;
        }
    }
    Ok(Json(mapping::timeline(order_id, events)))
}

/// Cancels an order, unless it has changed since you read it or it is too late.
#[utoipa::path(post, path = "/portal/v1/orders/{order_id}/cancel", tag = "orders", security(("bearer" = [])),
    params(ActingFor, OneIntent, ("order_id" = uuid::Uuid, Path, description = "The order's id"),
        ("If-Match" = String, Header, description = "The ETag last read", example = "\"v3\"")),
    responses((status = 200, description = "The order as it now stands", body = Order, headers(("ETag" = String, description = "Its version"))),
        (status = 409, description = "It can no longer be cancelled", body = Problem, content_type = "application/problem+json"),
        (status = 412, description = "`precondition-failed`: it has changed since", body = Problem, content_type = "application/problem+json"),
        (status = 428, description = "`precondition-required`: send If-Match", body = Problem, content_type = "application/problem+json"),
        Refusals))]
pub(super) async fn cancel_order(
    State(process): State<ProcessClient>,
    buyer: Acting<OrdersWrite>,
    key: IdempotencyKey,
    _seen: IfMatch,
    Path(order_id): Path<OrderId>,
    headers: HeaderMap,
) -> Result<Reply<Order>, Problem> {
    let seen = headers.get(header::IF_MATCH);
    let seen = seen.and_then(|tag| tag.to_str().ok()).unwrap_or_default();
    let cancelled = process
        .cancel_order(&buyer.context, &key, seen, order_id)
        .await?;
    let version = cancelled.body.version;
    let reply = Reply::new(StatusCode::OK, mapping::order(cancelled.body.clone()));
    Ok(reply.version(version).once(&cancelled))
}

/// Takes the order in a task of its own: a client that hangs up after sending loses nothing.
async fn take(
    process: ProcessClient,
    context: CallContext,
    key: IdempotencyKey,
    request: SalesOrderRequest,
) -> Result<Result<Once<SalesOrderAccepted>, CallError>, Problem> {
    let call = async move { process.create_order(&context, &key, &request).await };
    let task = match RequestScope::current() {
        Some(scope) => tokio::spawn(Arc::new(scope.detached()).run(call)),
        None => tokio::spawn(call),
    };
    task.await.map_err(|error| Problem::internal(&error))
}

/// Who may place an order may see what became of it, in the answer to it.
fn reading(context: &CallContext) -> CallContext {
    let mut context = context.clone();
    if !context.has_scope(OrdersRead::SCOPE) {
        context.scopes.push(OrdersRead::SCOPE.to_owned());
    }
    context
}
