//! A started sandbox and the calls the tests make.

use jiff::civil::date;
use reqwest::header::AUTHORIZATION;
use sandbox::{RunningSandbox, Sandbox, SandboxConfig, Seed};
use serde_json::{Value, json};

pub(crate) fn config() -> SandboxConfig {
    SandboxConfig::new(Seed::default_world(date(2026, 11, 20)))
}

pub(crate) async fn start() -> RunningSandbox {
    start_with(config()).await
}

pub(crate) async fn start_with(config: SandboxConfig) -> RunningSandbox {
    Sandbox::start(config).await.expect("free loopback ports")
}

#[expect(
    clippy::disallowed_methods,
    reason = "the sandbox stands alone: the layers' HTTP client is not for it"
)]
pub(crate) fn http() -> reqwest::Client {
    reqwest::Client::new()
}

/// Calls an ERP function at a base URL; the error is the transport's.
pub(crate) async fn try_erp(base: &str, function: &str, body: Value) -> reqwest::Result<Value> {
    let response = http()
        .post(format!("{base}/erp/call/{function}"))
        .header("x-api-key", SandboxConfig::ERP_KEY)
        .json(&body)
        .send()
        .await?;
    assert_eq!(response.status(), 200, "business answers are 200");
    response.json().await
}

pub(crate) async fn erp(base: &str, function: &str, body: Value) -> Value {
    try_erp(base, function, body).await.expect("an answer")
}

pub(crate) fn order(reference: &str) -> Value {
    json!({
        "BUKRS": "NWI", "KUNNR": "ACME", "KUNWE": "ACME-01", "BSTKD": "PO-4711", "XREF": reference,
        "LIFSK": "01", "VDATU": "20261127",
        "ITEMS": [{
            "POSNR": "000010", "MATNR": "SKU-0001", "KWMENG": "2.000", "VRKME": "KAR",
            "NETPR": "450.00", "PEINH": "100", "WERKS": "EAST", "BDDAT": "20261125", "POSEX": "1",
        }],
    })
}

/// `ID/NUMBER` of every entry of `RETURN`.
pub(crate) fn codes(answer: &Value) -> Vec<String> {
    let entries = answer["RETURN"].as_array().expect("RETURN is always there");
    let code = |entry: &Value| {
        let text = |field: &str| entry[field].as_str().expect("text").to_owned();
        format!("{} {}/{}", text("TYPE"), text("ID"), text("NUMBER"))
    };
    entries.iter().map(code).collect()
}

pub(crate) fn wms(request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
    request.header(
        AUTHORIZATION,
        format!("Bearer {}", SandboxConfig::WMS_TOKEN),
    )
}
