//! A person of the seller: calls process-apis under the context that experience-apis would sign for a console.

use jiff::SignedDuration;
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};
use service_runtime::{
    clock::Clock,
    config::Secret,
    context::{
        AccountScope, CONTEXT_HEADER, CallContext, ContextKeys, ContextSigner, Hop, LayerIdentity,
    },
};

use crate::callers::Answer;

/// The development key between experience-apis and process-apis.
const KEY: &str = "development-only-experience-to-process-key";
const SCOPES: [&str; 13] = [
    "accounts:read",
    "documents:read",
    "orders:read",
    "orders:write",
    "holds:read",
    "holds:release",
    "holds:release:credit",
    "decisions:read",
    "feed:all",
    "news:read",
    "news:dismiss",
    "webhooks:write",
    "systems:read",
];
const PATIENCE: SignedDuration = SignedDuration::from_secs(30);

/// A person of the seller.
#[derive(Debug, Clone)]
pub struct Operator {
    http: Client,
    base: String,
    channel: String,
    signer: ContextSigner,
}

impl Operator {
    /// One who calls process-apis there, under the development key.
    pub fn new(http: Client, process_url: &str, clock: Clock) -> anyhow::Result<Self> {
        let hop = Hop {
            from: LayerIdentity::ExperienceApis,
            to: LayerIdentity::ProcessApis,
        };
        let keys = ContextKeys::new(&Secret::from(KEY.to_owned()), None)?;
        Ok(Self {
            http,
            base: process_url.to_owned(),
            channel: "ops".to_owned(),
            signer: ContextSigner::new(hop, keys, clock),
        })
    }

    /// The same person at a desk of this channel, where its documents can be seen.
    pub fn in_channel(mut self, channel: &str) -> Self {
        channel.clone_into(&mut self.channel);
        self
    }

    fn request(&self, method: Method, path: &str) -> anyhow::Result<RequestBuilder> {
        let context = CallContext {
            principal: "operator".to_owned(),
            accounts: AccountScope::All,
            company: Some("NWI".to_owned()),
            channel: self.channel.clone(),
            scopes: SCOPES.map(str::to_owned).to_vec(),
            correlation_id: "operator".to_owned(),
            deadline: self.signer.clock().now().saturating_add(PATIENCE)?,
            remaining_ms: u64::try_from(PATIENCE.as_millis())?,
            layer: LayerIdentity::ExperienceApis,
        };
        let request = self.http.request(method, format!("{}{path}", self.base));
        Ok(request.header(CONTEXT_HEADER, self.signer.sign(&context)?))
    }

    /// Reads.
    pub async fn get(&self, path: &str) -> anyhow::Result<Answer> {
        Answer::of(self.request(Method::GET, path)?).await
    }

    /// Posts under a key of its own.
    pub async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Answer> {
        let key = uuid::Uuid::new_v4().to_string();
        let request = self.request(Method::POST, path)?;
        Answer::of(request.header("Idempotency-Key", key).json(body)).await
    }

    /// The holds of a kind.
    pub async fn holds(&self, kind: &str) -> anyhow::Result<Vec<Value>> {
        let held = self.get(&format!("/v1/holds?kind={kind}")).await?;
        let items = held.json().get("items").and_then(Value::as_array).cloned();
        items.ok_or_else(|| anyhow::anyhow!("no list of holds: {}", held.text))
    }

    /// Every event of some types, from the beginning.
    pub async fn events(&self, types: &str) -> anyhow::Result<Vec<Value>> {
        let feed = self
            .get(&format!("/v1/events?limit=500&types={types}"))
            .await?;
        let events = feed.json().get("events").and_then(Value::as_array).cloned();
        events.ok_or_else(|| anyhow::anyhow!("no feed: {}", feed.text))
    }

    /// Releases a hold of an order as it now is.
    pub async fn release(&self, order: &str, hold: u32) -> anyhow::Result<Answer> {
        let body = json!({"note": "Looked at and found in order."});
        self.command(order, &format!("holds/{hold}/release"), &body)
            .await
    }

    /// Has what stopped tried again.
    pub async fn retry(&self, order: &str) -> anyhow::Result<Answer> {
        self.command(order, "retry", &Value::Null).await
    }

    async fn command(&self, order: &str, command: &str, body: &Value) -> anyhow::Result<Answer> {
        let seen = self.get(&format!("/v1/orders/{order}")).await?;
        let request = self.request(Method::POST, &format!("/v1/orders/{order}/{command}"))?;
        let key = uuid::Uuid::new_v4().to_string();
        let request = request
            .header("Idempotency-Key", key)
            .header("If-Match", seen.header("etag"));
        let request = if body.is_null() {
            request
        } else {
            request.json(body)
        };
        Answer::of(request).await
    }
}
