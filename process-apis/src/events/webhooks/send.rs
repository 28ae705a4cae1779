//! Sends one event to one receiver: a `CloudEvent` in structured mode, signed as Standard Webhooks say.

use std::time::Instant;

use axum::{
    body::Bytes,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
};
use canonical_model::{
    SubscriptionId,
    public_event::PublicEvent,
    subscription::{DeliveryFailure, FailureCause},
};
use jiff::Timestamp;
use serde::Serialize;
use service_runtime::{
    clock::Clock,
    http_client::{OutboundClient, OutboundError, OutboundReply, TargetRefused},
};
use uuid::Uuid;

use super::{
    config::WebhooksConfig,
    round::Failed,
    secret::{SecretError, SecretKeys, SigningSecret, signatures},
};
use crate::{crash_points, store::SealedSecret};

/// `CloudEvents` in structured mode.
const MEDIA_TYPE: HeaderValue = HeaderValue::from_static("application/cloudevents+json");

/// Why nothing can be sent at all.
#[derive(Debug, thiserror::Error)]
pub enum SenderError {
    /// The key of secrets cannot be used.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The client cannot be built.
    #[error("the client for webhooks cannot be built")]
    Client(#[from] reqwest::Error),
}

/// Sends events; cheap to clone.
#[derive(Debug, Clone)]
pub struct Sender {
    client: OutboundClient,
    keys: std::sync::Arc<SecretKeys>,
    clock: Clock,
}

/// Where to, and under which secrets.
#[derive(Debug, Clone)]
pub(super) struct Receiver {
    /// The address.
    pub(super) url: String,
    /// What signs, newest first.
    pub(super) secrets: Vec<SigningSecret>,
}

impl Sender {
    /// A sender by the configuration.
    pub fn new(config: &WebhooksConfig, clock: Clock) -> Result<Self, SenderError> {
        let keys = SecretKeys::new(&config.secret_key, config.secret_key_previous.as_ref())?;
        Ok(Self {
            client: OutboundClient::new(&config.outbound())?,
            keys: std::sync::Arc::new(keys),
            clock,
        })
    }

    /// The keys of secrets.
    pub(super) fn keys(&self) -> &SecretKeys {
        &self.keys
    }

    /// Whether an address may be called, as far as that is known now.
    pub(super) async fn check(&self, url: &str) -> Result<(), TargetRefused> {
        self.client.check(url).await.map(drop)
    }

    /// The receiver of a subscription, as it is now.
    pub(super) fn receiver(
        &self,
        id: SubscriptionId,
        url: &str,
        secrets: &[SealedSecret],
    ) -> Result<Receiver, SecretError> {
        Ok(Receiver {
            url: url.to_owned(),
            secrets: self.keys.signing(id, secrets, self.clock.now())?,
        })
    }

    /// Sends an event of the log.
    pub(super) async fn send(&self, to: &Receiver, event: &PublicEvent) -> Result<u16, Failed> {
        self.post(to, event.id, event).await
    }

    /// Sends a body under an id: Ok = answered 2xx.
    pub(super) async fn post(
        &self,
        to: &Receiver,
        id: Uuid,
        body: &(impl Serialize + Sync),
    ) -> Result<u16, Failed> {
        let began = Instant::now();
        let sent = self.call(to, id, body).await;
        let now = self.clock.now();
        let outcome = match sent {
            Ok(reply) if reply.status.is_success() => Ok(reply.status.as_u16()),
            Ok(reply) => Err(refused(reply, now)),
            Err(error) => Err(unanswered(error, now)),
        };
        let result = if outcome.is_ok() {
            "delivered"
        } else {
            "failed"
        };
        metrics::counter!("orderway_webhook_attempts_total", "result" => result).increment(1);
        metrics::histogram!("orderway_webhook_attempt_seconds").record(began.elapsed());
        outcome
    }

    async fn call(
        &self,
        to: &Receiver,
        id: Uuid,
        body: &(impl Serialize + Sync),
    ) -> Result<OutboundReply, OutboundError> {
        let body = serde_json::to_vec(body).map_err(|_never| OutboundError::Broken)?;
        let (now, id) = (self.clock.now(), id.to_string());
        let signature = signatures(&to.secrets, &id, now, &body);
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, MEDIA_TYPE);
        for (name, value) in [
            ("webhook-id", id),
            ("webhook-timestamp", now.as_second().to_string()),
            ("webhook-signature", signature),
        ] {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(HeaderName::from_static(name), value);
            }
        }
        let call = self.client.post(&to.url, headers, Bytes::from(body), now);
        crash_points::WEBHOOK_SEND.run(call).await
    }
}

fn refused(reply: OutboundReply, now: Timestamp) -> Failed {
    let asks = [
        StatusCode::TOO_MANY_REQUESTS,
        StatusCode::SERVICE_UNAVAILABLE,
    ];
    Failed {
        failure: DeliveryFailure {
            at: now,
            cause: FailureCause::Answer,
            status: Some(reply.status.as_u16()),
        },
        leave_alone: reply.retry_after.filter(|_| asks.contains(&reply.status)),
        gone: reply.status == StatusCode::GONE,
    }
}

fn unanswered(error: OutboundError, now: Timestamp) -> Failed {
    let cause = match error {
        OutboundError::Refused(_) => FailureCause::AddressRefused,
        OutboundError::Connect => FailureCause::Connect,
        OutboundError::Timeout => FailureCause::Timeout,
        OutboundError::Broken => FailureCause::Broken,
    };
    Failed {
        failure: DeliveryFailure {
            at: now,
            cause,
            status: None,
        },
        leave_alone: None,
        gone: false,
    }
}
