//! Orders, which answer as a test says.

use axum::{
    Json,
    extract::{Path, Query, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use canonical_model::{
    OrderId,
    order::{OrderStatus, SalesOrder, SalesOrderAccepted, SalesOrderRequest},
};
use serde_json::json;
use service_runtime::context::Caller;

use super::{Placed, Shared, Stub, not_found, problem, refuse};
use crate::testing::facts::taken;

pub(super) async fn place(
    State(stub): Shared,
    caller: Caller,
    headers: http::HeaderMap,
    Json(request): Json<SalesOrderRequest>,
) -> Response {
    let key = headers["idempotency-key"].to_str().unwrap().to_owned();
    {
        let mut memory = stub.memory.lock().unwrap();
        memory.placed.push(Placed {
            key,
            context: caller.into_inner(),
            request: request.clone(),
        });
    }
    stub.arrived.notify_one();
    let gate = stub.gate.lock().unwrap().clone();
    if let Some(gate) = gate {
        gate.acquire().await.unwrap().forget();
    }
    if let Some((status, body)) = stub.refusals.lock().unwrap().pop_front() {
        return refuse(status, body);
    }
    let mut order = taken(&request, stub.channel);
    if !request.review.is_empty() {
        order.status = OrderStatus::Held;
    }
    let answer = SalesOrderAccepted {
        order_id: order.order_id,
        order_reference: order.order_reference.clone(),
        status: match order.status {
            OrderStatus::Held => OrderStatus::Held,
            _ => OrderStatus::Received,
        },
        version: 1,
        holds: Vec::new(),
        total: order.total,
        provisional: false,
    };
    stub.memory.lock().unwrap().orders.push(order);
    if std::mem::take(&mut *stub.duplicate.lock().unwrap()) {
        return (
            StatusCode::ACCEPTED,
            [("orderway-duplicate", "true")],
            Json(answer),
        )
            .into_response();
    }
    (StatusCode::ACCEPTED, Json(answer)).into_response()
}

pub(super) async fn orders(State(stub): Shared, Query(search): Query<OrderSearch>) -> Response {
    let mut items = stub.orders();
    items.retain(|order| order.purchase_order_number.as_str() == search.purchase_order_number);
    items.reverse();
    Json(json!({ "items": items })).into_response()
}

pub(super) async fn order(State(stub): Shared, Path(id): Path<OrderId>) -> Response {
    let memory = stub.memory.lock().unwrap();
    let found = memory.orders.iter().find(|order| order.order_id == id);
    found.map_or_else(not_found, |found| Json(found).into_response())
}

pub(super) async fn events(State(stub): Shared) -> Response {
    Json(json!({"events": *stub.events.lock().unwrap(), "next": 9})).into_response()
}

#[derive(serde::Deserialize)]
pub(super) struct OrderSearch {
    purchase_order_number: String,
}

/// The next refusal of a change; else what a change of a version needs.
fn changing(
    stub: &Stub,
    id: OrderId,
    headers: &http::HeaderMap,
) -> Result<SalesOrder, Box<Response>> {
    if let Some((status, body)) = stub.change_refusals.lock().unwrap().pop_front() {
        return Err(Box::new(refuse(status, body)));
    }
    assert!(headers.contains_key("idempotency-key"));
    let memory = stub.memory.lock().unwrap();
    let order = memory.orders.iter().find(|order| order.order_id == id);
    let order = order.ok_or_else(|| Box::new(not_found()))?.clone();
    if headers["if-match"] != format!("\"v{}\"", order.version) {
        return Err(Box::new(refuse(412, problem(412, "precondition-failed"))));
    }
    Ok(order)
}

pub(super) async fn cancel(
    State(stub): Shared,
    Path(id): Path<OrderId>,
    headers: http::HeaderMap,
) -> Response {
    let order = match changing(&stub, id, &headers) {
        Ok(order) => order,
        Err(response) => return *response,
    };
    let mut memory = stub.memory.lock().unwrap();
    let kept = memory
        .orders
        .iter_mut()
        .find(|kept| kept.order_id == order.order_id);
    let kept = kept.unwrap();
    kept.status = OrderStatus::Cancelled;
    kept.version += 1;
    Json(kept.clone()).into_response()
}

pub(super) async fn replace(
    State(stub): Shared,
    Path(id): Path<OrderId>,
    headers: http::HeaderMap,
    Json(request): Json<SalesOrderRequest>,
) -> Response {
    let order = match changing(&stub, id, &headers) {
        Ok(order) => order,
        Err(response) => return *response,
    };
    let mut memory = stub.memory.lock().unwrap();
    let mut next = taken(&request, stub.channel);
    next.replaces = Some(order.order_id);
    let kept = memory
        .orders
        .iter_mut()
        .find(|kept| kept.order_id == order.order_id);
    let kept = kept.unwrap();
    kept.status = OrderStatus::Cancelled;
    kept.replaced_by = Some(next.order_id);
    kept.version += 1;
    let answer = kept.clone();
    memory.orders.push(next);
    (StatusCode::ACCEPTED, Json(answer)).into_response()
}
