//! A storefront orders through the portal.

use anyhow::ensure;
use jiff::Timestamp;
use orderway::Estate;
use reqwest::{Client, RequestBuilder};
use serde_json::json;

use super::{
    http::{answer, money, text},
    say,
};

/// Prices, a quote, an order; gives its purchase order number.
pub(super) async fn order(
    estate: &Estate,
    http: &Client,
    now: Timestamp,
) -> anyhow::Result<String> {
    say("1. A storefront orders for ACME through the portal.\n")?;
    let token = token(estate, http).await?;
    let call = |request: RequestBuilder| {
        request
            .bearer_auth(&token)
            .header("Orderway-Account", "ACME")
    };
    let url = |path: &str| format!("{}/portal/v1{path}", estate.experience_url);

    let product = answer(call(http.get(url("/products/SKU-0002")))).await?;
    say(&format!(
        "   It looks at SKU-0002, {}: {} from {} on; {} available now.\n",
        text(&product, "/description"),
        money(&product, "/price/breaks/0/unit_price"),
        text(&product, "/price/breaks/0/from_quantity"),
        text(&product, "/availability/available_now"),
    ))?;
    let lines = json!([
        {"item": "SKU-0002", "quantity": {"value": "24", "unit": "EA"}},
        {"item": "SKU-0001", "quantity": {"value": "2", "unit": "XCT"}},
    ]);
    let key = format!("tour-quote-{}", now.as_nanosecond());
    let quote = call(http.post(url("/quotes")))
        .header("Idempotency-Key", key)
        .json(&json!({"lines": lines}));
    let quote = answer(quote).await?;
    say(&format!(
        "   It asks for a quote: {} in all, locked until {}.\n",
        money(&quote, "/total"),
        text(&quote, "/expires_at")
    ))?;
    let po = format!("PORTAL-{}", now.as_millisecond());
    let order = call(http.post(url("/orders")))
        .header("Idempotency-Key", format!("tour-order-{}", now.as_nanosecond()))
        .header("Prefer", "wait=20")
        .json(&json!({"purchase_order_number": po, "quote_id": quote.get("quote_id"), "lines": lines}));
    let order = answer(order).await?;
    ensure!(
        text(&order, "/status") != "held",
        "the order is held: {order}"
    );
    say(&format!(
        "   It orders as {po}: durable as {}, total {}, now {}.\n",
        text(&order, "/order_reference"),
        money(&order, "/total"),
        text(&order, "/status")
    ))?;
    let id = text(&order, "/order_id");
    let order = answer(call(http.get(url(&format!("/orders/{id}"))))).await?;
    let number = text(&order, "/sales_order_number");
    ensure!(
        !number.is_empty(),
        "the ERP has not confirmed the order: {order}"
    );
    say(&format!(
        "   The ERP has it as sales order {number}; line 1 arrives on {}.\n\n",
        text(&order, "/lines/0/schedule/0/promised_delivery_date")
    ))?;
    Ok(po)
}

async fn token(estate: &Estate, http: &Client) -> anyhow::Result<String> {
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", "acme-buyer"),
        ("client_secret", "acme-buyer-secret"),
    ];
    let answer = answer(
        http.post(format!("{}/token", estate.sandbox.issuer_url()))
            .form(&form),
    )
    .await?;
    Ok(text(&answer, "/access_token"))
}
