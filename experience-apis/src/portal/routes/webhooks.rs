//! Webhooks: addresses that are told what happens to the account's orders.

use axum::extract::State;
use canonical_model::{
    SubscriptionId,
    subscription::{Delivery, DeliveryPage, ReplaySubscription, RotateSecret, SubscriptionTest},
};
use http::{HeaderMap, StatusCode, header};
use serde::Deserialize;
use service_runtime::{
    extract::{IdempotencyKey, IfMatch, Json, Path, Query},
    problem::Problem,
};
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

use super::{ActingFor, BodyRefusals, OneIntent, Refusals, check_limit, reply::Reply};
use crate::{
    admission::{Acting, WebhooksWrite},
    clients::{process::ProcessClient, subscriptions::PageOf},
    portal::{
        mapping,
        shape::webhook::{Webhook, WebhookChange, WebhookPage, WebhookRequest},
    },
    state::AppState,
};

pub(super) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(create_webhook, list_webhooks))
        .routes(routes!(read_webhook, change_webhook, delete_webhook))
        .routes(routes!(rotate_webhook_secret))
        .routes(routes!(test_webhook))
        .routes(routes!(replay_webhook))
        .routes(routes!(list_webhook_deliveries))
        .routes(routes!(list_webhook_dead_letters))
        .routes(routes!(replay_webhook_dead_letter))
}

/// Which page of a list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct WhichPage {
    /// `next` of the page before.
    #[serde(default)]
    pub(super) cursor: Option<String>,
    /// How many at most, 1 to 200; 50 unless said.
    #[serde(default)]
    #[param(minimum = 1, maximum = 200)]
    pub(super) limit: Option<u16>,
}

impl WhichPage {
    fn checked(self) -> Result<PageOf, Problem> {
        check_limit(self.limit)?;
        Ok(PageOf {
            cursor: self.cursor,
            limit: self.limit,
        })
    }
}

fn seen(headers: &HeaderMap) -> &str {
    let seen = headers.get(header::IF_MATCH);
    seen.and_then(|tag| tag.to_str().ok()).unwrap_or_default()
}

fn with_etag(status: StatusCode, webhook: Webhook) -> Reply<Webhook> {
    let version = webhook.version;
    Reply::new(status, webhook).version(version)
}

/// Asks to be told what happens to the account's orders, from now on.
///
/// Each event is posted to the address as a `CloudEvent` in structured mode (`application/cloudevents+json`; its shape is
/// `PublicEvent` here, and the messages are in openapi/asyncapi.json), signed as Standard Webhooks say (`webhook-id`, `webhook-timestamp`, `webhook-signature`). Answer
/// 2xx within 10 seconds; anything else is tried again for 72 hours. Events of one order come in order; an event may come
/// twice, under the same id. The signing secret is in the first answer and never shown again.
#[utoipa::path(post, path = "/portal/v1/webhooks", tag = "webhooks", security(("bearer" = [])),
    params(ActingFor, OneIntent), request_body = WebhookRequest,
    responses((status = 201, description = "The webhook; `secret` is shown here only, and not when the answer repeats an earlier one", body = Webhook,
        headers(("Location" = String, description = "The webhook"), ("ETag" = String, description = "Its version"), ("Idempotency-Replayed" = Option<String>, description = "`true`: an earlier request with this key made it"))),
        (status = 409, description = "`subscription-limit`: the account has as many as it may", body = Problem, content_type = "application/problem+json"),
        BodyRefusals))]
pub(super) async fn create_webhook(
    State(process): State<ProcessClient>,
    buyer: Acting<WebhooksWrite>,
    key: IdempotencyKey,
    Json(request): Json<WebhookRequest>,
) -> Result<Reply<Webhook>, Problem> {
    let request = mapping::new_subscription(request, buyer.account);
    let made = process
        .create_subscription(&buyer.context, &key, &request)
        .await?;
    let location = format!("/portal/v1/webhooks/{}", made.body.subscription_id);
    let reply = with_etag(StatusCode::CREATED, mapping::webhook(made.body.clone()));
    Ok(reply.location(&location).once(&made))
}

/// Lists the account's webhooks, oldest first.
#[utoipa::path(get, path = "/portal/v1/webhooks", tag = "webhooks", security(("bearer" = [])),
    params(ActingFor, WhichPage),
    responses((status = 200, description = "The webhooks", body = WebhookPage), Refusals))]
pub(super) async fn list_webhooks(
    State(process): State<ProcessClient>,
    buyer: Acting<WebhooksWrite>,
    Query(page): Query<WhichPage>,
) -> Result<Json<WebhookPage>, Problem> {
    let page = page.checked()?;
    let found = process.subscriptions(&buyer.context, &page).await?;
    Ok(Json(mapping::webhook_page(found)))
}

/// Reads a webhook, and how delivery goes.
#[utoipa::path(get, path = "/portal/v1/webhooks/{webhook_id}", tag = "webhooks", security(("bearer" = [])),
    params(ActingFor, ("webhook_id" = Uuid, Path, description = "The webhook's id")),
    responses((status = 200, description = "The webhook", body = Webhook, headers(("ETag" = String, description = "Its version"))), Refusals))]
pub(super) async fn read_webhook(
    State(process): State<ProcessClient>,
    buyer: Acting<WebhooksWrite>,
    Path(webhook_id): Path<SubscriptionId>,
) -> Result<Reply<Webhook>, Problem> {
    let found = process.subscription(&buyer.context, webhook_id).await?;
    Ok(with_etag(StatusCode::OK, mapping::webhook(found)))
}

/// Changes a webhook, unless it has changed since you read it.
#[utoipa::path(put, path = "/portal/v1/webhooks/{webhook_id}", tag = "webhooks", security(("bearer" = [])),
    params(ActingFor, ("webhook_id" = Uuid, Path, description = "The webhook's id"),
        ("If-Match" = String, Header, description = "The ETag last read", example = "\"v3\"")),
    request_body = WebhookChange,
    responses((status = 200, description = "The webhook as it now is", body = Webhook, headers(("ETag" = String, description = "Its version"))),
        (status = 412, description = "`precondition-failed`: it has changed since", body = Problem, content_type = "application/problem+json"),
        (status = 428, description = "`precondition-required`: send If-Match", body = Problem, content_type = "application/problem+json"),
        BodyRefusals))]
pub(super) async fn change_webhook(
    State(process): State<ProcessClient>,
    buyer: Acting<WebhooksWrite>,
    Path(webhook_id): Path<SubscriptionId>,
    _seen: IfMatch,
    headers: HeaderMap,
    Json(request): Json<WebhookChange>,
) -> Result<Reply<Webhook>, Problem> {
    let change = mapping::change_subscription(request);
    let changed = process
        .change_subscription(&buyer.context, seen(&headers), webhook_id, &change)
        .await?;
    Ok(with_etag(StatusCode::OK, mapping::webhook(changed)))
}

/// Ends a webhook, unless it has changed since you read it. What is on its way may still arrive.
#[utoipa::path(delete, path = "/portal/v1/webhooks/{webhook_id}", tag = "webhooks", security(("bearer" = [])),
    params(ActingFor, ("webhook_id" = Uuid, Path, description = "The webhook's id"),
        ("If-Match" = String, Header, description = "The ETag last read", example = "\"v3\"")),
    responses((status = 204, description = "It is gone"),
        (status = 412, description = "`precondition-failed`: it has changed since", body = Problem, content_type = "application/problem+json"),
        (status = 428, description = "`precondition-required`: send If-Match", body = Problem, content_type = "application/problem+json"),
        Refusals))]
pub(super) async fn delete_webhook(
    State(process): State<ProcessClient>,
    buyer: Acting<WebhooksWrite>,
    Path(webhook_id): Path<SubscriptionId>,
    _seen: IfMatch,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    process
        .delete_subscription(&buyer.context, seen(&headers), webhook_id)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Gives a webhook a new secret; those before sign too for a time, so that nothing is refused meanwhile.
#[utoipa::path(post, path = "/portal/v1/webhooks/{webhook_id}/rotate-secret", tag = "webhooks", security(("bearer" = [])),
    params(ActingFor, OneIntent, ("webhook_id" = Uuid, Path, description = "The webhook's id")),
    request_body = RotateSecret,
    responses((status = 200, description = "The webhook; `secret` is shown here only", body = Webhook, headers(("ETag" = String, description = "Its version"))),
        BodyRefusals))]
pub(super) async fn rotate_webhook_secret(
    State(process): State<ProcessClient>,
    buyer: Acting<WebhooksWrite>,
    key: IdempotencyKey,
    Path(webhook_id): Path<SubscriptionId>,
    Json(request): Json<RotateSecret>,
) -> Result<Reply<Webhook>, Problem> {
    let rotated = process
        .rotate_subscription_secret(&buyer.context, &key, webhook_id, &request)
        .await?;
    let reply = with_etag(StatusCode::OK, mapping::webhook(rotated.body.clone()));
    Ok(reply.once(&rotated))
}

/// Sends a test event now, signed as all are, and tells what the address answered.
#[utoipa::path(post, path = "/portal/v1/webhooks/{webhook_id}/test", tag = "webhooks", security(("bearer" = [])),
    params(ActingFor, ("webhook_id" = Uuid, Path, description = "The webhook's id")),
    responses((status = 200, description = "What came of it; it is not tried again, and counts for nothing", body = SubscriptionTest), Refusals))]
pub(super) async fn test_webhook(
    State(process): State<ProcessClient>,
    buyer: Acting<WebhooksWrite>,
    Path(webhook_id): Path<SubscriptionId>,
) -> Result<Json<SubscriptionTest>, Problem> {
    let came = process
        .test_subscription(&buyer.context, webhook_id)
        .await?;
    Ok(Json(came))
}

/// Sends again everything since an instant or a position, in order, under the ids it was sent under before.
#[utoipa::path(post, path = "/portal/v1/webhooks/{webhook_id}/replay", tag = "webhooks", security(("bearer" = [])),
    params(ActingFor, OneIntent, ("webhook_id" = Uuid, Path, description = "The webhook's id")),
    request_body = ReplaySubscription,
    responses((status = 202, description = "It is sent again from there", body = Webhook), BodyRefusals))]
pub(super) async fn replay_webhook(
    State(process): State<ProcessClient>,
    buyer: Acting<WebhooksWrite>,
    key: IdempotencyKey,
    Path(webhook_id): Path<SubscriptionId>,
    Json(request): Json<ReplaySubscription>,
) -> Result<Reply<Webhook>, Problem> {
    let replayed = process
        .replay_subscription(&buyer.context, &key, webhook_id, &request)
        .await?;
    let reply = with_etag(
        StatusCode::ACCEPTED,
        mapping::webhook(replayed.body.clone()),
    );
    Ok(reply.once(&replayed))
}

/// Lists the events that failed and are tried again: one an order, nothing later of that order is sent before it.
#[utoipa::path(get, path = "/portal/v1/webhooks/{webhook_id}/deliveries", tag = "webhooks", security(("bearer" = [])),
    params(ActingFor, ("webhook_id" = Uuid, Path, description = "The webhook's id"), WhichPage),
    responses((status = 200, description = "The events, oldest first", body = DeliveryPage), Refusals))]
pub(super) async fn list_webhook_deliveries(
    State(process): State<ProcessClient>,
    buyer: Acting<WebhooksWrite>,
    Path(webhook_id): Path<SubscriptionId>,
    Query(page): Query<WhichPage>,
) -> Result<Json<DeliveryPage>, Problem> {
    let page = page.checked()?;
    let found = process
        .deliveries(&buyer.context, webhook_id, &page)
        .await?;
    Ok(Json(found))
}

/// Lists the events that were given up after 72 hours. They are kept for 30 days.
#[utoipa::path(get, path = "/portal/v1/webhooks/{webhook_id}/dead-letters", tag = "webhooks", security(("bearer" = [])),
    params(ActingFor, ("webhook_id" = Uuid, Path, description = "The webhook's id"), WhichPage),
    responses((status = 200, description = "The events, oldest first", body = DeliveryPage), Refusals))]
pub(super) async fn list_webhook_dead_letters(
    State(process): State<ProcessClient>,
    buyer: Acting<WebhooksWrite>,
    Path(webhook_id): Path<SubscriptionId>,
    Query(page): Query<WhichPage>,
) -> Result<Json<DeliveryPage>, Problem> {
    let page = page.checked()?;
    let found = process.dead_letters(&buyer.context, webhook_id, &page);
    Ok(Json(found.await?))
}

/// Sends one event that was given up once more, out of its order. Once taken, it is a dead letter no longer.
#[utoipa::path(post, path = "/portal/v1/webhooks/{webhook_id}/dead-letters/{event_id}/replay", tag = "webhooks", security(("bearer" = [])),
    params(ActingFor, OneIntent, ("webhook_id" = Uuid, Path, description = "The webhook's id"), ("event_id" = Uuid, Path, description = "The event's id")),
    responses((status = 202, description = "It is sent again", body = Delivery), Refusals))]
pub(super) async fn replay_webhook_dead_letter(
    State(process): State<ProcessClient>,
    buyer: Acting<WebhooksWrite>,
    key: IdempotencyKey,
    Path((webhook_id, event_id)): Path<(SubscriptionId, Uuid)>,
) -> Result<Reply<Delivery>, Problem> {
    let replayed = process
        .replay_dead_letter(&buyer.context, &key, webhook_id, event_id)
        .await?;
    let reply = Reply::new(StatusCode::ACCEPTED, replayed.body.clone());
    Ok(reply.once(&replayed))
}
