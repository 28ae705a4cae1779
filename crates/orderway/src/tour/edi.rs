//! A purchasing system orders by an X12 850.

use anyhow::bail;
use jiff::{Timestamp, tz::TimeZone};
use orderway::Estate;
use reqwest::{Client, RequestBuilder};
use serde_json::Value;

use super::{
    LOOK_EVERY, LOOKS, booked,
    http::{answer, body, text},
    say,
};

/// The purchase order that the tour sends, with blanks for what changes.
const PURCHASE_ORDER: &str = include_str!("../../documents/purchase-order.edi");
/// The EDI partner of config/partners/acme-edi.toml, and its public secret.
const PARTNER: (&str, &str) = ("acme-edi", "acme-edi-demo");

/// An 850, its 997 and its 855; gives the purchase order number.
pub(super) async fn order(
    estate: &Estate,
    http: &Client,
    now: Timestamp,
) -> anyhow::Result<String> {
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
            let order = booked(estate, &po).await?;
            say(&format!(
                "   The ERP has it as sales order {}.\n\n",
                order.id
            ))?;
            return Ok(po);
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

fn indented(document: &str) -> String {
    let segments = document
        .split(['~', '\n', '\r'])
        .filter(|segment| !segment.trim().is_empty());
    segments
        .map(|segment| format!("      {}~\n", segment.trim()))
        .collect()
}
