//! The outside world, as it tells of itself: what the ERP and the warehouses were given, by their own records.

use anyhow::Context as _;
use jiff::{Timestamp, civil::Date};
use reqwest::{Client, Method};
use rust_decimal::Decimal;
use sandbox::{
    SandboxConfig,
    fault::{CallRecord, FaultPlan, LogPage},
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

/// What begins the reference of a pick request that is none of Orderway's.
const STRANGER: &str = "STRANGER";

/// A sales order of the ERP.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct ErpOrder {
    pub(crate) number: String,
    /// What Orderway calls it.
    pub(crate) reference: String,
    pub(crate) account: String,
    pub(crate) purchase_order_number: String,
    /// A draft, or a draft that was cancelled.
    pub(crate) blocked: bool,
    pub(crate) status: ErpStatus,
    pub(crate) created_at: Timestamp,
    pub(crate) lines: Vec<ErpLine>,
}

/// Where an order stands in the ERP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ErpStatus {
    Open,
    Shipped,
    Cancelled,
}

/// A line of it.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct ErpLine {
    pub(crate) item: String,
    pub(crate) base_quantity: Decimal,
    pub(crate) site: String,
    pub(crate) confirmed_date: Option<Date>,
}

/// A pick request of the warehouse.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Pick {
    pub(crate) pick_request_id: String,
    pub(crate) client_ref: String,
    /// The ERP's number of the order.
    pub(crate) order_ref: String,
    pub(crate) site_code: String,
    pub(crate) lines: Vec<PickLine>,
    pub(crate) status: String,
    pub(crate) created_at: Timestamp,
}

/// A line of it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PickLine {
    pub(crate) sku_code: String,
    pub(crate) qty: Decimal,
}

impl Pick {
    /// Whether it counts.
    pub(crate) fn is_wanted(&self) -> bool {
        self.status != "CANCELLED"
    }
}

/// The records of both.
#[derive(Debug, Clone, Default)]
pub(crate) struct Records {
    pub(crate) orders: Vec<ErpOrder>,
    pub(crate) picks: Vec<Pick>,
}

/// One fault proxy.
#[derive(Debug, Clone)]
pub(crate) struct Proxy {
    http: Client,
    /// Where calls go through it.
    pub(crate) url: String,
    control: String,
}

impl Proxy {
    pub(crate) fn new(http: Client, url: String, control: String) -> Self {
        Self { http, url, control }
    }

    /// What goes wrong from now on.
    pub(crate) async fn set(&self, plan: &FaultPlan) -> anyhow::Result<()> {
        let url = format!("{}/__fault/rules", self.control);
        let answer = self.http.put(url).json(plan).send().await?;
        anyhow::ensure!(
            answer.status().is_success(),
            "the fault plan was refused: {}",
            answer.text().await?
        );
        Ok(())
    }

    /// Nothing goes wrong from now on.
    pub(crate) async fn heal(&self) -> anyhow::Result<()> {
        self.set(&FaultPlan::default()).await
    }

    /// Every call in the log.
    pub(crate) async fn log(&self) -> anyhow::Result<Vec<CallRecord>> {
        let mut calls: Vec<CallRecord> = Vec::new();
        loop {
            let since = calls.last().map_or(0, |call| call.sequence);
            let url = format!("{}/__fault/log?since={since}", self.control);
            let page: LogPage = get(&self.http, &url).await?;
            if page.entries.is_empty() {
                return Ok(calls);
            }
            calls.extend(page.entries);
        }
    }

    /// Empties the log.
    pub(crate) async fn clear_log(&self) -> anyhow::Result<()> {
        let url = format!("{}/__fault/log", self.control);
        self.http.delete(url).send().await?.error_for_status()?;
        Ok(())
    }
}

/// The ERP and the WMS behind their back doors, and the proxies before them.
#[derive(Debug, Clone)]
pub(crate) struct Outside {
    pub(crate) http: Client,
    pub(crate) erp: String,
    pub(crate) wms: String,
    pub(crate) issuer: String,
    pub(crate) erp_proxy: Proxy,
    pub(crate) wms_proxy: Proxy,
}

impl Outside {
    /// What both have of Orderway.
    pub(crate) async fn records(&self) -> anyhow::Result<Records> {
        let orders = format!("{}/erp/control/orders", self.erp);
        let picks = format!("{}/wms/control/pickRequests", self.wms);
        let mut picks: Vec<Pick> = get(&self.http, &picks).await?;
        picks.retain(|pick| !pick.client_ref.starts_with(STRANGER));
        Ok(Records {
            orders: get(&self.http, &orders).await?,
            picks,
        })
    }

    /// The floor does its work on a pick request: `pick`, `pack` or `ship`, all of it.
    pub(crate) async fn work(&self, pick: &str, step: &str) -> anyhow::Result<()> {
        let url = format!("{}/wms/control/pickRequests/{pick}/{step}", self.wms);
        self.http.post(url).send().await?.error_for_status()?;
        Ok(())
    }

    /// Somebody at the ERP releases a blocked order, ships it, and invoices it.
    pub(crate) async fn deliver_by_hand(&self, number: &str) -> anyhow::Result<()> {
        let url = format!("{}/erp/call/SALESORDER_RELEASE", self.erp);
        let request = self
            .http
            .post(url)
            .header("X-Api-Key", SandboxConfig::ERP_KEY);
        let body = json!({"BUKRS": "NWI", "VBELN": number});
        let released = request.json(&body).send().await?;
        released.error_for_status()?;
        let url = format!("{}/erp/control/orders/{number}/ship-and-invoice", self.erp);
        self.http.post(url).send().await?.error_for_status()?;
        Ok(())
    }

    /// A pick request of an order that Orderway never had, under a reference like ours; its id.
    pub(crate) async fn strange_pick(&self, number: u32, item: &str) -> anyhow::Result<String> {
        let body = json!({
            "clientRef": format!("{STRANGER}{number}-EAST"), "orderRef": format!("{number:010}"), "siteCode": "EAST",
            "lines": [{"lineRef": "1", "skuCode": item, "qty": "1", "unit": "EACH"}],
        });
        let url = format!("{}/wms/v2/pickRequests", self.wms);
        let request = self.http.post(url).bearer_auth(SandboxConfig::WMS_TOKEN);
        let answer = request.json(&body).send().await?.error_for_status()?;
        let answer: Value = answer.json().await?;
        let id = answer.get("pickRequestId").and_then(Value::as_str);
        Ok(id.context("a pick request has an id")?.to_owned())
    }

    /// What is on the shelf, in both systems.
    pub(crate) async fn set_stock(
        &self,
        item: &str,
        site: &str,
        on_hand: u64,
    ) -> anyhow::Result<()> {
        let on_hand = on_hand.to_string();
        let body =
            json!({"item": item, "site": site, "on_hand": on_hand, "safety": "0", "reserved": "0"});
        self.put(&format!("{}/erp/control/stock", self.erp), &body)
            .await?;
        let body = json!({"skuCode": item, "siteCode": site, "qtyOnHand": on_hand});
        self.put(&format!("{}/wms/control/stock", self.wms), &body)
            .await
    }

    /// Takes an account's credit limit away.
    pub(crate) async fn unlimited_credit(&self, account: &str) -> anyhow::Result<()> {
        let body = json!({"credit_limit": null});
        self.put(
            &format!("{}/erp/control/accounts/{account}", self.erp),
            &body,
        )
        .await
    }

    async fn put(&self, url: &str, body: &Value) -> anyhow::Result<()> {
        let answer = self
            .http
            .request(Method::PUT, url)
            .json(body)
            .send()
            .await?;
        anyhow::ensure!(
            answer.status().is_success(),
            "{url}: {}",
            answer.text().await?
        );
        Ok(())
    }

    /// A token of the sandbox's issuer.
    pub(crate) async fn token(&self, client: &str) -> anyhow::Result<String> {
        let secret = format!("{client}-secret");
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", client),
            ("client_secret", secret.as_str()),
        ];
        let url = format!("{}/token", self.issuer);
        let answer = self.http.post(url).form(&form).send().await?;
        let answer: Value = answer.error_for_status()?.json().await?;
        let token = answer.get("access_token").and_then(Value::as_str);
        Ok(token.context("no token")?.to_owned())
    }
}

async fn get<T: DeserializeOwned>(http: &Client, url: &str) -> anyhow::Result<T> {
    let answer = http.get(url).send().await?.error_for_status()?;
    let body = answer.bytes().await?;
    serde_json::from_slice(&body).with_context(|| format!("{url} answers something else"))
}
