//! `/v1/subscriptions`: for channels, which pass on what a subscriber of theirs wants, under its account's scope.

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use canonical_model::{
    SubscriptionId,
    subscription::{
        ChangeSubscription, Delivery, DeliveryPage, DeliverySearch, NewSubscription,
        ReplaySubscription, RotateSecret, Subscription, SubscriptionPage, SubscriptionSearch,
        SubscriptionTest,
    },
};
use service_runtime::{
    context::Caller,
    extract::{Etag, IdempotencyKey, IfMatch, Json, Path, Query},
    problem::Problem,
};
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

use super::service::{Subscriptions, without_secret_if_repeated};
use crate::{
    idempotency::{Answer, Keyed},
    state::AppState,
    store::DeliveryState,
};

/// The routes.
pub fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(create_subscription, list_subscriptions))
        .routes(routes!(
            read_subscription,
            change_subscription,
            delete_subscription
        ))
        .routes(routes!(rotate_subscription_secret))
        .routes(routes!(test_subscription))
        .routes(routes!(replay_subscription))
        .routes(routes!(list_deliveries))
        .routes(routes!(list_dead_letters))
        .routes(routes!(replay_dead_letter))
}

/// Subscribes an address to what happens to an account's orders, from now on.
///
/// Events are posted to it as `CloudEvents`, signed as Standard Webhooks say. The answer shows the signing secret, once.
#[utoipa::path(post, path = "/v1/subscriptions", tag = "subscriptions", security(("call_context" = ["webhooks:write"])),
    params(("Idempotency-Key" = String, Header, description = "The caller's own name for this request")),
    request_body = NewSubscription,
    responses((status = 201, description = "The subscription, with its secret unless the answer repeats an earlier one", body = Subscription),
        (status = 409, description = "`subscription-limit`: the account has as many as it may", body = Problem),
        (status = "default", description = "A problem", body = Problem)))]
async fn create_subscription(
    State(state): State<AppState>,
    caller: Caller,
    key: IdempotencyKey,
    Json(request): Json<NewSubscription>,
) -> Result<Response, Problem> {
    let subscriptions = Subscriptions::of(state.clone(), &caller)?;
    caller.require_account(request.account.as_str())?;
    let keyed = Keyed::new(&caller, "create_subscription", &key, &request)?;
    let work = move |keyed: Keyed| async move { subscriptions.create(request, keyed).await };
    let answer = without_secret_if_repeated(state.once.run(keyed, work).await?);
    let location = format!("/v1/subscriptions/{}", answer.subject.unwrap_or_default());
    Ok(([(header::LOCATION, location)], answer).into_response())
}

/// Lists subscriptions, oldest first.
#[utoipa::path(get, path = "/v1/subscriptions", tag = "subscriptions", security(("call_context" = ["webhooks:write"])),
    params(SubscriptionSearch),
    responses((status = 200, description = "The subscriptions of the caller's accounts", body = SubscriptionPage),
        (status = "default", description = "A problem", body = Problem)))]
async fn list_subscriptions(
    State(state): State<AppState>,
    caller: Caller,
    Query(search): Query<SubscriptionSearch>,
) -> Result<Json<SubscriptionPage>, Problem> {
    let subscriptions = Subscriptions::of(state, &caller)?;
    subscriptions.list(search).await.map(Json)
}

/// Reads a subscription, and how delivery goes.
#[utoipa::path(get, path = "/v1/subscriptions/{subscription_id}", tag = "subscriptions",
    security(("call_context" = ["webhooks:write"])),
    params(("subscription_id" = Uuid, Path, description = "The subscription")),
    responses((status = 200, description = "The subscription", body = Subscription, headers(("ETag" = String, description = "Its version"))),
        (status = "default", description = "A problem", body = Problem)))]
async fn read_subscription(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<SubscriptionId>,
) -> Result<(HeaderMap, Json<Subscription>), Problem> {
    let subscriptions = Subscriptions::of(state, &caller)?;
    subscriptions.read(id).await.map(with_etag)
}

/// Changes a subscription that nobody has changed since it was read.
#[utoipa::path(put, path = "/v1/subscriptions/{subscription_id}", tag = "subscriptions",
    security(("call_context" = ["webhooks:write"])),
    params(("subscription_id" = Uuid, Path, description = "The subscription"),
        ("If-Match" = String, Header, description = "The ETag last read")),
    request_body = ChangeSubscription,
    responses((status = 200, description = "The subscription as it now is", body = Subscription, headers(("ETag" = String, description = "Its version"))),
        (status = 412, description = "`precondition-failed`: it has changed since it was read", body = Problem),
        (status = 428, description = "`precondition-required`: without If-Match nothing is changed", body = Problem),
        (status = "default", description = "A problem", body = Problem)))]
async fn change_subscription(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<SubscriptionId>,
    if_match: IfMatch,
    Json(request): Json<ChangeSubscription>,
) -> Result<(HeaderMap, Json<Subscription>), Problem> {
    let subscriptions = Subscriptions::of(state, &caller)?;
    let changed = subscriptions.change(id, &if_match, request).await?;
    Ok(with_etag(changed))
}

/// Ends a subscription. What is on its way may still arrive, for as long as one call takes.
#[utoipa::path(delete, path = "/v1/subscriptions/{subscription_id}", tag = "subscriptions",
    security(("call_context" = ["webhooks:write"])),
    params(("subscription_id" = Uuid, Path, description = "The subscription"),
        ("If-Match" = String, Header, description = "The ETag last read")),
    responses((status = 204, description = "It is gone"),
        (status = 412, description = "`precondition-failed`: it has changed since it was read", body = Problem),
        (status = 428, description = "`precondition-required`: without If-Match nothing is changed", body = Problem),
        (status = "default", description = "A problem", body = Problem)))]
async fn delete_subscription(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<SubscriptionId>,
    if_match: IfMatch,
) -> Result<StatusCode, Problem> {
    let subscriptions = Subscriptions::of(state, &caller)?;
    subscriptions.delete(id, &if_match).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Gives a subscription a new secret; those before sign too for a time. The answer shows the new one, once.
#[utoipa::path(post, path = "/v1/subscriptions/{subscription_id}/rotate-secret", tag = "subscriptions",
    security(("call_context" = ["webhooks:write"])),
    params(("subscription_id" = Uuid, Path, description = "The subscription"),
        ("Idempotency-Key" = String, Header, description = "The caller's own name for this request")),
    request_body = RotateSecret,
    responses((status = 200, description = "The subscription, with its secret unless the answer repeats an earlier one", body = Subscription),
        (status = "default", description = "A problem", body = Problem)))]
async fn rotate_subscription_secret(
    State(state): State<AppState>,
    caller: Caller,
    key: IdempotencyKey,
    Path(id): Path<SubscriptionId>,
    Json(request): Json<RotateSecret>,
) -> Result<Answer, Problem> {
    let subscriptions = Subscriptions::of(state.clone(), &caller)?;
    subscriptions.find(id).await?;
    let keyed = Keyed::new(&caller, &format!("rotate_secret/{id}"), &key, &request)?;
    let work = move |keyed: Keyed| async move { subscriptions.rotate(id, request, keyed).await };
    let answer = state.once.run(keyed, work).await?;
    Ok(without_secret_if_repeated(answer))
}

/// Sends a test event, signed, and tells what came of it. It is not retried, and counts for nothing.
#[utoipa::path(post, path = "/v1/subscriptions/{subscription_id}/test", tag = "subscriptions",
    security(("call_context" = ["webhooks:write"])),
    params(("subscription_id" = Uuid, Path, description = "The subscription")),
    responses((status = 200, description = "What came of it", body = SubscriptionTest),
        (status = "default", description = "A problem", body = Problem)))]
async fn test_subscription(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<SubscriptionId>,
) -> Result<Json<SubscriptionTest>, Problem> {
    let subscriptions = Subscriptions::of(state, &caller)?;
    subscriptions.test(id).await.map(Json)
}

/// Sends again everything since an instant or a position, in order, under the ids it was sent under before.
#[utoipa::path(post, path = "/v1/subscriptions/{subscription_id}/replay", tag = "subscriptions",
    security(("call_context" = ["webhooks:write"])),
    params(("subscription_id" = Uuid, Path, description = "The subscription"),
        ("Idempotency-Key" = String, Header, description = "The caller's own name for this request")),
    request_body = ReplaySubscription,
    responses((status = 202, description = "It is sent again from there", body = Subscription),
        (status = "default", description = "A problem", body = Problem)))]
async fn replay_subscription(
    State(state): State<AppState>,
    caller: Caller,
    key: IdempotencyKey,
    Path(id): Path<SubscriptionId>,
    Json(request): Json<ReplaySubscription>,
) -> Result<Answer, Problem> {
    let subscriptions = Subscriptions::of(state.clone(), &caller)?;
    subscriptions.find(id).await?;
    let operation = format!("replay_subscription/{id}");
    let keyed = Keyed::new(&caller, &operation, &key, &request)?;
    let work = move |keyed: Keyed| async move { subscriptions.replay(id, request, keyed).await };
    state.once.run(keyed, work).await
}

/// Lists the events that failed and are tried again: one an order, nothing later of the order is sent before it.
#[utoipa::path(get, path = "/v1/subscriptions/{subscription_id}/deliveries", tag = "subscriptions",
    security(("call_context" = ["webhooks:write"])),
    params(("subscription_id" = Uuid, Path, description = "The subscription"), DeliverySearch),
    responses((status = 200, description = "The events, oldest first", body = DeliveryPage),
        (status = "default", description = "A problem", body = Problem)))]
async fn list_deliveries(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<SubscriptionId>,
    Query(search): Query<DeliverySearch>,
) -> Result<Json<DeliveryPage>, Problem> {
    let subscriptions = Subscriptions::of(state, &caller)?;
    let page = subscriptions.deliveries(id, DeliveryState::Waiting, search);
    page.await.map(Json)
}

/// Lists the events that were given up. They are kept for 30 days.
#[utoipa::path(get, path = "/v1/subscriptions/{subscription_id}/dead-letters", tag = "subscriptions",
    security(("call_context" = ["webhooks:write"])),
    params(("subscription_id" = Uuid, Path, description = "The subscription"), DeliverySearch),
    responses((status = 200, description = "The events, oldest first", body = DeliveryPage),
        (status = "default", description = "A problem", body = Problem)))]
async fn list_dead_letters(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<SubscriptionId>,
    Query(search): Query<DeliverySearch>,
) -> Result<Json<DeliveryPage>, Problem> {
    let subscriptions = Subscriptions::of(state, &caller)?;
    let page = subscriptions.deliveries(id, DeliveryState::Dead, search);
    page.await.map(Json)
}

/// Sends one event that was given up once more, out of its order. Once taken, it is a dead letter no longer.
#[utoipa::path(post, path = "/v1/subscriptions/{subscription_id}/dead-letters/{event_id}/replay", tag = "subscriptions",
    security(("call_context" = ["webhooks:write"])),
    params(("subscription_id" = Uuid, Path, description = "The subscription"),
        ("event_id" = Uuid, Path, description = "The event"),
        ("Idempotency-Key" = String, Header, description = "The caller's own name for this request")),
    responses((status = 202, description = "It is sent again", body = Delivery),
        (status = "default", description = "A problem", body = Problem)))]
async fn replay_dead_letter(
    State(state): State<AppState>,
    caller: Caller,
    key: IdempotencyKey,
    Path((id, event)): Path<(SubscriptionId, Uuid)>,
) -> Result<Answer, Problem> {
    let subscriptions = Subscriptions::of(state.clone(), &caller)?;
    subscriptions.find(id).await?;
    let operation = format!("replay_dead_letter/{id}/{event}");
    let keyed = Keyed::new(&caller, &operation, &key, &event)?;
    let work =
        move |keyed: Keyed| async move { subscriptions.replay_dead_letter(id, event, keyed).await };
    state.once.run(keyed, work).await
}

fn with_etag(subscription: Subscription) -> (HeaderMap, Json<Subscription>) {
    let mut headers = HeaderMap::new();
    Etag::version(subscription.version).insert(&mut headers);
    (headers, Json(subscription))
}
