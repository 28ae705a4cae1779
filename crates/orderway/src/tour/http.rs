//! Calls of the tour, and what it reads of their answers.

use anyhow::ensure;
use reqwest::RequestBuilder;
use serde_json::Value;

/// The body of a good answer.
pub(super) async fn body(request: RequestBuilder) -> anyhow::Result<String> {
    let response = request.send().await?;
    let (status, url) = (response.status(), response.url().clone());
    let body = response.text().await?;
    ensure!(status.is_success(), "{url} answered {status}: {body}");
    Ok(body)
}

/// The JSON of a good answer.
pub(super) async fn answer(request: RequestBuilder) -> anyhow::Result<Value> {
    Ok(serde_json::from_str(&body(request).await?)?)
}

/// A text in it; empty where there is none.
pub(super) fn text(value: &Value, pointer: &str) -> String {
    value
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}

/// An amount in it, with its currency.
pub(super) fn money(value: &Value, pointer: &str) -> String {
    format!(
        "{} {}",
        text(value, &format!("{pointer}/amount")),
        text(value, &format!("{pointer}/currency"))
    )
}
