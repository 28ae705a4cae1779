//! A backend's source as `system-apis` speak for it: delivers news to process-apis under its identity.

use jiff::SignedDuration;
use reqwest::{Client, Method};
use serde_json::Value;
use service_runtime::{
    clock::Clock,
    config::Secret,
    context::{
        AccountScope, CONTEXT_HEADER, CallContext, ContextKeys, ContextSigner, Hop, LayerIdentity,
    },
};

use crate::callers::Answer;

/// The development key between system-apis and process-apis, upward.
const KEY: &str = "development-only-system-to-process-key";
const PATIENCE: SignedDuration = SignedDuration::from_secs(30);

/// A source.
#[derive(Debug, Clone)]
pub struct Source {
    http: Client,
    base: String,
    name: String,
    signer: ContextSigner,
}

impl Source {
    /// One of this name that calls process-apis there, under the development key.
    pub fn new(http: Client, process_url: &str, name: &str, clock: Clock) -> anyhow::Result<Self> {
        let hop = Hop {
            from: LayerIdentity::SystemApis,
            to: LayerIdentity::ProcessApis,
        };
        let keys = ContextKeys::new(&Secret::from(KEY.to_owned()), None)?;
        Ok(Self {
            http,
            base: process_url.to_owned(),
            name: name.to_owned(),
            signer: ContextSigner::new(hop, keys, clock),
        })
    }

    /// Calls process-apis under its identity.
    pub async fn call(&self, method: Method, path: &str, body: &Value) -> anyhow::Result<Answer> {
        let context = CallContext {
            principal: format!("intake:{}", self.name),
            accounts: AccountScope::List(Vec::new()),
            company: Some("NWI".to_owned()),
            channel: "intake".to_owned(),
            scopes: Vec::new(),
            correlation_id: "news".to_owned(),
            deadline: self.signer.clock().now().saturating_add(PATIENCE)?,
            remaining_ms: u64::try_from(PATIENCE.as_millis())?,
            layer: LayerIdentity::SystemApis,
        };
        let request = self
            .http
            .request(method, format!("{}{path}", self.base))
            .header(CONTEXT_HEADER, self.signer.sign(&context)?)
            .header("Idempotency-Key", uuid::Uuid::new_v4().to_string());
        let request = if body.is_null() {
            request
        } else {
            request.json(body)
        };
        Answer::of(request).await
    }
}
