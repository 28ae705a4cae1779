//! The tour: a portal order and an X12 850, from the buyer's side, each step said in plain words.

use std::{io::Write as _, time::Duration};

use anyhow::{Context as _, bail, ensure};
use jiff::{Timestamp, tz::TimeZone};
use orderway::Estate;
use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};
use service_runtime::{
    clock::Clock,
    http_client::{BackendClientConfig, backend_client},
};

/// The purchase order that the tour sends, with blanks for what changes.
const PURCHASE_ORDER: &str = include_str!("../documents/purchase-order.edi");
/// The EDI partner of config/partners/acme-edi.toml, and its public secret.
const PARTNER: (&str, &str) = ("acme-edi", "acme-edi-demo");
/// How often the mailbox is looked into, and how often at most.
const LOOK_EVERY: Duration = Duration::from_millis(250);
const LOOKS: u32 = 120;

/// Sends the documents and says what became of them; an error is a step that did not go as it should.
pub(crate) async fn run(estate: &Estate, clock: &Clock) -> anyhow::Result<()> {
    let http = backend_client(&BackendClientConfig::default())?;
    say(&format!(
        "Orderway is up.\n  portal and EDI  {}   (experience-apis)\n  orders          {}   (process-apis)\n  \
         backends        {}   (system-apis)\n",
        estate.experience_url, estate.process_url, estate.system_url
    ))?;
    let now = clock.now();
    let portal = portal_order(estate, &http, now).await?;
    let edi = edi_order(estate, &http, now).await?;
    say("What the ERP has now:\n")?;
    for number in [portal, edi] {
        let order = estate
            .sandbox
            .erp
            .order(&number)
            .with_context(|| format!("the ERP has no order {number}"))?;
        say(&format!(
            "  sales order {}: {} of account {}, {} line(s), reference {}\n",
            order.number,
            order.purchase_order_number,
            order.account,
            order.lines.len(),
            order.reference
        ))?;
    }
    say("\n")
}

async fn portal_order(estate: &Estate, http: &Client, now: Timestamp) -> anyhow::Result<String> {
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
    Ok(number)
}

async fn edi_order(estate: &Estate, http: &Client, now: Timestamp) -> anyhow::Result<String> {
    say("2. ACME's purchasing system sends an X12 850.\n")?;
    let document = purchase_order(now);
    say(&indented(&document))?;
    let url = |path: &str| format!("{}/edi/v1/{}{path}", estate.experience_url, PARTNER.0);
    let call = |request: RequestBuilder| request.basic_auth(PARTNER.0, Some(PARTNER.1));
    let sent = call(http.post(url("/interchanges")))
        .header("Content-Type", "application/edi-x12")
        .body(document);
    let acknowledgment = body(sent).await?;
    say("   The answer is a 997: the syntax is understood, and the bytes are kept.\n")?;
    say(&indented(&acknowledgment))?;

    let po = format!("EDI-{}", now.as_millisecond());
    for _ in 0..LOOKS {
        if let Some(content) = fetch_acknowledgment(&call, http, &url, &po).await? {
            say("   Its mailbox holds an 855: what becomes of the order.\n")?;
            say(&indented(&content))?;
            let orders = estate.sandbox.erp.orders();
            let order = orders
                .into_iter()
                .find(|order| order.purchase_order_number == po && !order.blocked)
                .with_context(|| format!("the ERP has no released order for {po}: {content}"))?;
            say(&format!(
                "   The ERP has it as sales order {}.\n\n",
                order.number
            ))?;
            return Ok(order.number);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    bail!("no 855 for {po} came into the mailbox")
}

/// The 855 for a purchase order, fetched and confirmed, if it is in the mailbox.
async fn fetch_acknowledgment(
    call: &impl Fn(RequestBuilder) -> RequestBuilder,
    http: &Client,
    url: &impl Fn(&str) -> String,
    po: &str,
) -> anyhow::Result<Option<String>> {
    let mailbox = answer(call(http.get(url("/mailbox?limit=200")))).await?;
    let documents = mailbox.get("items").and_then(Value::as_array);
    for entry in documents.into_iter().flatten() {
        let place = format!("/mailbox/{}", text(entry, "/document_id"));
        if text(entry, "/transaction_set") != "855" {
            continue;
        }
        let content = body(call(http.get(url(&place)))).await?;
        if content.contains(po) {
            answer(call(http.post(url(&format!("{place}/confirm"))))).await?;
            return Ok(Some(content));
        }
    }
    Ok(None)
}

fn purchase_order(now: Timestamp) -> String {
    let utc = now.to_zoned(TimeZone::UTC);
    let control = format!("{:09}", now.as_second().rem_euclid(1_000_000_000));
    PURCHASE_ORDER
        .replace("{date6}", &utc.strftime("%y%m%d").to_string())
        .replace("{date8}", &utc.strftime("%Y%m%d").to_string())
        .replace("{time4}", &utc.strftime("%H%M").to_string())
        .replace("{group}", control.trim_start_matches('0'))
        .replace("{control}", &control)
        .replace("{po}", &format!("EDI-{}", now.as_millisecond()))
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

async fn body(request: RequestBuilder) -> anyhow::Result<String> {
    let response = request.send().await?;
    let (status, url) = (response.status(), response.url().clone());
    let body = response.text().await?;
    ensure!(status.is_success(), "{url} answered {status}: {body}");
    Ok(body)
}

async fn answer(request: RequestBuilder) -> anyhow::Result<Value> {
    Ok(serde_json::from_str(&body(request).await?)?)
}

fn text(value: &Value, pointer: &str) -> String {
    value
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}

fn money(value: &Value, pointer: &str) -> String {
    format!(
        "{} {}",
        text(value, &format!("{pointer}/amount")),
        text(value, &format!("{pointer}/currency"))
    )
}

fn indented(document: &str) -> String {
    let segments = document
        .split(['~', '\n', '\r'])
        .filter(|segment| !segment.trim().is_empty());
    segments
        .map(|segment| format!("      {}~\n", segment.trim()))
        .collect()
}

/// Says what to open and what to try, before it waits to be told to stop.
pub(crate) fn say_what_to_try(estate: &Estate) -> anyhow::Result<()> {
    let (portal, issuer) = (&estate.experience_url, estate.sandbox.issuer_url());
    say(&format!(
        "Open  {portal}/docs   {}/docs   {}/docs\n\nTry\n\
         \x20 TOKEN=$(curl -s {issuer}/token -d grant_type=client_credentials -d client_id=acme-buyer \\\n\
         \x20   -d client_secret=acme-buyer-secret | sed 's/.*\"access_token\":\"\\([^\"]*\\)\".*/\\1/')\n\
         \x20 curl -s -H \"Authorization: Bearer $TOKEN\" -H 'Orderway-Account: ACME' '{portal}/portal/v1/products?search=bearing&limit=2'\n\
         \x20 curl -s -H \"Authorization: Bearer $TOKEN\" -H 'Orderway-Account: ACME' '{portal}/portal/v1/orders'\n\
         \x20 curl -s -u acme-edi:acme-edi-demo '{portal}/edi/v1/acme-edi/mailbox?state=delivered'\n\
         \x20 curl -s {}/erp/control/orders\n\
         \x20 curl -s -X PUT {}/__fault/rules -d '{{\"latency\":{{\"kind\":\"fixed\",\"ms\":2000}}}}'   # a slow ERP; {{}} heals it\n\n\
         Ctrl-C ends it.\n",
        estate.process_url,
        estate.system_url,
        estate.sandbox.erp_url(),
        estate.erp_proxy.control_url(),
    ))
}

fn say(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush().context("the output cannot be written")
}
