//! Routes of what waits for a person: list holds, release one, retry, cancel.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use canonical_model::{
    AccountId, OrderId,
    order::{HeldOrder, HoldKind, SalesOrder},
};
use serde::{Deserialize, Serialize};
use service_runtime::{
    context::{CallContext, Caller},
    extract::{IdempotencyKey, IfMatch, Json, Path, Query},
    page::{Page, PageQuery},
    problem::{FieldError, Problem},
};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::commands::Commands;
use crate::{
    idempotency::{Keyed, Once},
    orders::{
        Command, projection,
        routes::{accounts_asked, page_of_orders, with_etag},
    },
    state::AppState,
    store::{OrderFilter, Store},
};

const NOTE: usize = 500;

/// The routes.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list_holds))
        .routes(routes!(release_hold))
        .routes(routes!(retry_order))
        .routes(routes!(cancel_order))
}

/// Which held orders to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct HoldSearch {
    /// Only with a hold of this kind.
    kind: Option<HoldKind>,
    /// Only of this account.
    account: Option<AccountId>,
    /// How many at most, 1 to 200; 50 if not given.
    limit: Option<u32>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// A page of held orders, newest first.
#[derive(Debug, Serialize, ToSchema)]
struct HeldOrderPage {
    /// The orders.
    items: Vec<HeldOrder>,
    /// The cursor of the page after, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// Lists the orders that wait for a person.
#[utoipa::path(
    get, path = "/v1/holds", tag = "holds", operation_id = "list_holds",
    security(("call_context" = ["holds:read"])), params(HoldSearch),
    responses((status = 200, description = "Held orders, newest first", body = HeldOrderPage)),
)]
async fn list_holds(
    State(store): State<Arc<dyn Store>>,
    caller: Caller,
    Query(search): Query<HoldSearch>,
) -> Result<Json<HeldOrderPage>, Problem> {
    caller.require("holds:read")?;
    let page = PageQuery {
        limit: search.limit,
        cursor: search.cursor,
    };
    let filter = OrderFilter {
        accounts: accounts_asked(&caller, search.account),
        held: Some(search.kind),
        ..OrderFilter::default()
    };
    let Page { items, next } = page_of_orders(store.as_ref(), &caller, filter, &page).await?;
    let items = items.iter().map(projection::held_order).collect();
    Ok(Json(HeldOrderPage { items, next }))
}

/// Why a hold is released.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct HoldRelease {
    /// A sentence for whoever asks later; 1 to 500 characters.
    #[schema(
        min_length = 1,
        max_length = 500,
        example = "Payment arrived this morning."
    )]
    note: String,
}

/// Releases a hold.
///
/// A credit hold needs `holds:release:credit`, and then takes the credit whatever the limit says. What stopped in a
/// backend is not released but retried, or cancelled.
#[utoipa::path(
    post, path = "/v1/orders/{order_id}/holds/{hold}/release", tag = "holds", operation_id = "release_hold",
    security(("call_context" = ["holds:release"])),
    params(
        ("order_id" = OrderId, Path, description = "The order"),
        ("hold" = u32, Path, description = "The number of the hold on it"),
        ("Idempotency-Key" = String, Header, description = "The caller's own key; the same for a repetition"),
        ("If-Match" = String, Header, description = "The ETag of the order as it was read"),
    ),
    request_body = HoldRelease,
    responses((status = 200, description = "The order as it is now", body = SalesOrder)),
)]
async fn release_hold(
    State(commands): State<Commands>,
    State(once): State<Once>,
    caller: Caller,
    Path((id, hold)): Path<(OrderId, u32)>,
    (key, if_match): (IdempotencyKey, IfMatch),
    Json(release): Json<HoldRelease>,
) -> Result<Response, Problem> {
    if !caller.has_scope("holds:release:credit") {
        caller.require("holds:release")?;
    }
    if !(1..=NOTE).contains(&release.note.trim().chars().count()) {
        let detail = format!("Say why, in 1 to {NOTE} characters.");
        return Err(Problem::validation(vec![FieldError::new(
            "/note",
            "out-of-range",
            detail,
        )]));
    }
    let operation = format!("release_hold:{id}:{hold}");
    let keyed = Keyed::new(&caller, &operation, &key, &release)?;
    let command = Command::ReleaseHold {
        hold,
        principal: caller.principal.clone(),
        note: release.note,
    };
    run(
        commands,
        once,
        caller.into_inner(),
        (id, if_match),
        command,
        keyed,
    )
    .await
}

/// Has what stopped tried again.
#[utoipa::path(
    post, path = "/v1/orders/{order_id}/retry", tag = "holds", operation_id = "retry_order",
    security(("call_context" = ["holds:release"])),
    params(
        ("order_id" = OrderId, Path, description = "The order"),
        ("Idempotency-Key" = String, Header, description = "The caller's own key; the same for a repetition"),
        ("If-Match" = String, Header, description = "The ETag of the order as it was read"),
    ),
    responses((status = 200, description = "The order as it is now", body = SalesOrder)),
)]
async fn retry_order(
    State(commands): State<Commands>,
    State(once): State<Once>,
    caller: Caller,
    Path(id): Path<OrderId>,
    (key, if_match): (IdempotencyKey, IfMatch),
) -> Result<Response, Problem> {
    caller.require("holds:release")?;
    let keyed = Keyed::new(&caller, &format!("retry_order:{id}"), &key, &())?;
    let command = Command::Retry {
        principal: caller.principal.clone(),
        note: String::new(),
    };
    run(
        commands,
        once,
        caller.into_inner(),
        (id, if_match),
        command,
        keyed,
    )
    .await
}

/// Cancels an order.
///
/// Possible until a warehouse has it. Where the ERP may have it, the order is cancelled there first, and the answer
/// shows it as it still stands; `order.cancelled` follows. An order that was to take its place is not taken, also where
/// this one has ended by then. Where the ERP goes on with the order, a partner who ordered in a document is told once more
/// that it is accepted.
#[utoipa::path(
    post, path = "/v1/orders/{order_id}/cancel", tag = "orders", operation_id = "cancel_order",
    security(("call_context" = ["orders:write"])),
    params(
        ("order_id" = OrderId, Path, description = "The order"),
        ("Idempotency-Key" = String, Header, description = "The caller's own key; the same for a repetition"),
        ("If-Match" = String, Header, description = "The ETag of the order as it was read"),
    ),
    responses((status = 200, description = "The order as it is now", body = SalesOrder)),
)]
async fn cancel_order(
    State(commands): State<Commands>,
    State(once): State<Once>,
    caller: Caller,
    Path(id): Path<OrderId>,
    (key, if_match): (IdempotencyKey, IfMatch),
) -> Result<Response, Problem> {
    let by_seller = caller.has_scope("holds:release");
    if !by_seller {
        caller.require("orders:write")?;
    }
    let keyed = Keyed::new(&caller, &format!("cancel_order:{id}"), &key, &())?;
    let command = Command::Cancel {
        principal: caller.principal.clone(),
        note: String::new(),
        by_seller,
    };
    run(
        commands,
        once,
        caller.into_inner(),
        (id, if_match),
        command,
        keyed,
    )
    .await
}

async fn run(
    commands: Commands,
    once: Once,
    caller: CallContext,
    (id, if_match): (OrderId, IfMatch),
    command: Command,
    keyed: Keyed,
) -> Result<Response, Problem> {
    // Before anything is replayed: whoever may no longer see it is told nothing.
    commands.order(&caller, id).await?;
    let work = move |keyed: Keyed| async move {
        commands
            .carry_out(&caller, id, &if_match, &command, &keyed)
            .await
    };
    Ok(with_etag(once.run(keyed, work).await?))
}
