//! Webhook subscriptions in the layer below: made, changed and ended for one of the caller's accounts.

use canonical_model::{
    SubscriptionId,
    subscription::{
        ChangeSubscription, Delivery, DeliveryPage, NewSubscription, ReplaySubscription,
        RotateSecret, Subscription, SubscriptionPage, SubscriptionTest,
    },
};
use http::{Method, header};
use service_runtime::{context::CallContext, extract::IdempotencyKey};
use std::time::Duration;
use uuid::Uuid;

use super::process::{CallError, Once, ProcessClient, once, read, with_query};

/// A test waits for the receiver's answer.
const TEST_TIME: Duration = Duration::from_secs(20);

/// A page of a list.
#[derive(Debug, Clone, Default)]
pub struct PageOf {
    /// `next` of the page before.
    pub cursor: Option<String>,
    /// How many.
    pub limit: Option<u16>,
}

impl PageOf {
    fn path(&self, path: &str) -> String {
        let limit = self.limit.map(|limit| limit.to_string());
        let page = [
            ("cursor", self.cursor.as_deref()),
            ("limit", limit.as_deref()),
        ];
        with_query(path, &page)
    }
}

fn path(id: SubscriptionId, what: &str) -> String {
    format!("/v1/subscriptions/{id}{what}")
}

impl ProcessClient {
    /// Subscribes an address to what happens to an account's orders.
    pub async fn create_subscription(
        &self,
        context: &CallContext,
        key: &IdempotencyKey,
        request: &NewSubscription,
    ) -> Result<Once<Subscription>, CallError> {
        let call = self.call(Method::POST, "/v1/subscriptions", context);
        once(call.json(request).idempotency_key(key.as_str())).await
    }

    /// A page of subscriptions.
    pub async fn subscriptions(
        &self,
        context: &CallContext,
        page: &PageOf,
    ) -> Result<SubscriptionPage, CallError> {
        self.get(&page.path("/v1/subscriptions"), context).await
    }

    /// A subscription.
    pub async fn subscription(
        &self,
        context: &CallContext,
        id: SubscriptionId,
    ) -> Result<Subscription, CallError> {
        self.get(&path(id, ""), context).await
    }

    /// Changes a subscription, unless it has changed since the caller read it.
    pub async fn change_subscription(
        &self,
        context: &CallContext,
        if_match: &str,
        id: SubscriptionId,
        change: &ChangeSubscription,
    ) -> Result<Subscription, CallError> {
        let call = self.call(Method::PUT, &path(id, ""), context).json(change);
        read(call.header(header::IF_MATCH, if_match).send().await)
    }

    /// Ends a subscription, unless it has changed since the caller read it.
    pub async fn delete_subscription(
        &self,
        context: &CallContext,
        if_match: &str,
        id: SubscriptionId,
    ) -> Result<(), CallError> {
        let call = self.call(Method::DELETE, &path(id, ""), context);
        let sent = call.header(header::IF_MATCH, if_match).send().await;
        sent.map(drop).map_err(CallError)
    }

    /// Gives a subscription a new secret.
    pub async fn rotate_subscription_secret(
        &self,
        context: &CallContext,
        key: &IdempotencyKey,
        id: SubscriptionId,
        request: &RotateSecret,
    ) -> Result<Once<Subscription>, CallError> {
        let call = self.call(Method::POST, &path(id, "/rotate-secret"), context);
        once(call.json(request).idempotency_key(key.as_str())).await
    }

    /// Sends a test event.
    pub async fn test_subscription(
        &self,
        context: &CallContext,
        id: SubscriptionId,
    ) -> Result<SubscriptionTest, CallError> {
        let call = self.call(Method::POST, &path(id, "/test"), context);
        read(call.timeout(TEST_TIME).send().await)
    }

    /// Sends again what was sent before.
    pub async fn replay_subscription(
        &self,
        context: &CallContext,
        key: &IdempotencyKey,
        id: SubscriptionId,
        request: &ReplaySubscription,
    ) -> Result<Once<Subscription>, CallError> {
        let call = self.call(Method::POST, &path(id, "/replay"), context);
        once(call.json(request).idempotency_key(key.as_str())).await
    }

    /// A page of events that failed and are tried again.
    pub async fn deliveries(
        &self,
        context: &CallContext,
        id: SubscriptionId,
        page: &PageOf,
    ) -> Result<DeliveryPage, CallError> {
        self.get(&page.path(&path(id, "/deliveries")), context)
            .await
    }

    /// A page of events that were given up.
    pub async fn dead_letters(
        &self,
        context: &CallContext,
        id: SubscriptionId,
        page: &PageOf,
    ) -> Result<DeliveryPage, CallError> {
        self.get(&page.path(&path(id, "/dead-letters")), context)
            .await
    }

    /// Sends one event that was given up once more.
    pub async fn replay_dead_letter(
        &self,
        context: &CallContext,
        key: &IdempotencyKey,
        id: SubscriptionId,
        event: Uuid,
    ) -> Result<Once<Delivery>, CallError> {
        let path = path(id, &format!("/dead-letters/{event}/replay"));
        let call = self.call(Method::POST, &path, context);
        once(call.idempotency_key(key.as_str())).await
    }
}
