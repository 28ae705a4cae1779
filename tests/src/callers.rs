//! Callers as tests play them: each knows its credential and where to call.

use anyhow::Context as _;
use reqwest::{Client, Method, RequestBuilder, StatusCode, header::HeaderMap};
use serde_json::Value;

/// What came back.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, as text.
    pub text: String,
}

impl Answer {
    pub(crate) async fn of(request: RequestBuilder) -> anyhow::Result<Self> {
        let response = request.send().await?;
        Ok(Self {
            status: response.status(),
            headers: response.headers().clone(),
            text: response.text().await?,
        })
    }

    /// The body as JSON; null where it is none.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_default()
    }

    /// A text in the body; empty where there is none.
    pub fn at(&self, pointer: &str) -> String {
        match self.json().pointer(pointer) {
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
            None => String::new(),
        }
    }

    /// A header; empty where there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }
}

/// A storefront's user.
#[derive(Debug, Clone)]
pub struct PortalUser {
    http: Client,
    base: String,
    token: String,
    account: String,
}

impl PortalUser {
    /// A user with a token, good or bad, acting for an account.
    pub fn new(http: Client, experience_url: &str, token: String, account: &str) -> Self {
        Self {
            http,
            base: format!("{experience_url}/portal/v1"),
            token,
            account: account.to_owned(),
        }
    }

    /// A request below `/portal/v1`, with credential and account.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http
            .request(method, format!("{}{path}", self.base))
            .bearer_auth(&self.token)
            .header("Orderway-Account", &self.account)
    }

    /// Reads.
    pub async fn get(&self, path: &str) -> anyhow::Result<Answer> {
        Answer::of(self.request(Method::GET, path)).await
    }

    /// Posts under a key.
    pub async fn post(&self, path: &str, key: &str, body: &Value) -> anyhow::Result<Answer> {
        Answer::of(
            self.request(Method::POST, path)
                .header("Idempotency-Key", key)
                .json(body),
        )
        .await
    }

    /// Sends what the test has put together.
    pub async fn send(&self, request: RequestBuilder) -> anyhow::Result<Answer> {
        Answer::of(request).await
    }

    /// Cancels an order as it now is.
    pub async fn cancel(&self, order: &str, key: &str) -> anyhow::Result<Answer> {
        let seen = self.get(&format!("/orders/{order}")).await?;
        let request = self.request(Method::POST, &format!("/orders/{order}/cancel"));
        let request = request.header("Idempotency-Key", key);
        Answer::of(request.header("If-Match", seen.header("etag"))).await
    }

    /// Reads an order until it stands so.
    pub async fn order_until(&self, order: &str, status: &str) -> anyhow::Result<Answer> {
        let mut last = String::new();
        let what = format!("order {order}, {status},");
        let found = crate::until(&what, async || {
            let seen = self.get(&format!("/orders/{order}")).await?;
            last.clone_from(&seen.text);
            Ok((seen.at("/status") == status).then_some(seen))
        });
        let found = found.await;
        found.with_context(|| format!("it stands so: {last}"))
    }

    /// The user's own credential, for requests that a test writes by hand.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Places an order and waits until the ERP has it, it is held, or it is refused; 20 seconds at most.
    pub async fn order(&self, key: &str, body: &Value) -> anyhow::Result<Answer> {
        let request = self
            .request(Method::POST, "/orders")
            .header("Idempotency-Key", key);
        Answer::of(request.header("Prefer", "wait=20").json(body)).await
    }
}

/// A trading partner.
#[derive(Debug, Clone)]
pub struct EdiPartner {
    http: Client,
    base: String,
    id: String,
    secret: String,
}

impl EdiPartner {
    /// A partner with its secret, right or wrong.
    pub fn new(http: Client, experience_url: &str, id: &str, secret: &str) -> Self {
        let base = format!("{experience_url}/edi/v1/{id}");
        Self {
            http,
            base,
            id: id.to_owned(),
            secret: secret.to_owned(),
        }
    }

    /// A request below `/edi/v1/{partner}`, with credential.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http
            .request(method, format!("{}{path}", self.base))
            .basic_auth(&self.id, Some(&self.secret))
    }

    /// Sends an interchange.
    pub async fn send(&self, interchange: impl Into<Vec<u8>>) -> anyhow::Result<Answer> {
        let request = self
            .request(Method::POST, "/interchanges")
            .header("Content-Type", "application/edi-x12");
        Answer::of(request.body(interchange.into())).await
    }

    /// Reads.
    pub async fn get(&self, path: &str) -> anyhow::Result<Answer> {
        self.send_to(Method::GET, path).await
    }

    /// Sends a request without a body.
    pub async fn send_to(&self, method: Method, path: &str) -> anyhow::Result<Answer> {
        Answer::of(self.request(method, path)).await
    }

    /// Waits until the mailbox holds so many order acknowledgments, and gives their contents, oldest first. The
    /// deadline is one of liveness: 30 seconds.
    pub async fn order_acknowledgments(&self, count: usize) -> anyhow::Result<Vec<String>> {
        let mut found = Vec::new();
        for _ in 0..300 {
            found = self.list_order_acknowledgments().await?;
            if found.len() >= count {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        anyhow::ensure!(
            found.len() >= count,
            "{} of {count} order acknowledgments came",
            found.len()
        );
        Ok(found)
    }

    async fn list_order_acknowledgments(&self) -> anyhow::Result<Vec<String>> {
        let list = self.get("/mailbox?limit=200").await?.json();
        let entries = list
            .get("items")
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default();
        let mut contents = Vec::new();
        for entry in entries
            .iter()
            .filter(|entry| entry.get("transaction_set").is_some_and(|set| set == "855"))
        {
            let id = entry
                .get("document_id")
                .and_then(Value::as_str)
                .unwrap_or_default();
            contents.push(self.get(&format!("/mailbox/{id}")).await?.text);
        }
        Ok(contents)
    }
}
