//! The sandbox's warehouse: it does its work while its news are held, and then all of them go out at once.

use std::collections::BTreeMap;

use anyhow::Context as _;
use reqwest::{Client, Response};
use sandbox::{
    SandboxConfig,
    wms::{PickLine, PickStatus, ShipTo},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// How often the warehouse tells of an order: picked in three goes, packed, shipped.
pub(super) const STEPS: usize = 5;
/// Lines of an order.
pub(super) const LINES: usize = 5;
/// Lines that are picked in one go.
const IN_A_GO: usize = 2;
/// Goes of picking.
const GOES: usize = LINES.div_ceil(IN_A_GO);

/// What news are of: a shipment, by its number, and its version.
pub(super) type Key = (String, u64);

/// A request to pick an order.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Pick {
    #[serde(skip_serializing)]
    pick_request_id: String,
    client_ref: String,
    order_ref: String,
    site_code: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ship_date: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ship_to: Option<ShipTo>,
    lines: Vec<PickLine>,
    #[serde(skip_serializing)]
    status: PickStatus,
}

/// A shipment, as far as news of it are told from each other.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Shipment {
    shipment_id: String,
    version: u64,
}

/// The warehouse's back door, and its front door.
pub(super) struct Warehouse {
    http: Client,
    url: String,
}

impl Warehouse {
    pub(super) fn new(http: Client, url: &str) -> Self {
        Self {
            http,
            url: format!("{url}/wms"),
        }
    }

    /// What nobody has begun to pick.
    pub(super) async fn new_picks(&self) -> anyhow::Result<Vec<Pick>> {
        let request = self.http.get(format!("{}/control/pickRequests", self.url));
        let mut picks: Vec<Pick> = good(request.send().await?).await?.json().await?;
        picks.retain(|pick| pick.status == PickStatus::New);
        Ok(picks)
    }

    /// The same once more, under references of their own, of which Orderway knows nothing.
    pub(super) async fn ask_again(&self, picks: &[Pick], mark: &str) -> anyhow::Result<Vec<Pick>> {
        let mut asked = Vec::with_capacity(picks.len());
        for pick in picks {
            let again = Pick {
                client_ref: format!("{mark}-{}", pick.client_ref),
                ..pick.clone()
            };
            let request = self.http.post(format!("{}/v2/pickRequests", self.url));
            let request = request.bearer_auth(SandboxConfig::WMS_TOKEN).json(&again);
            asked.push(good(request.send().await?).await?.json().await?);
        }
        Ok(asked)
    }

    /// Takes a step, from 0, with each of them, and holds the news of it; which news there are then to come.
    pub(super) async fn work(
        &self,
        picks: &[Pick],
        step: usize,
        news_to: &str,
    ) -> anyhow::Result<Vec<Key>> {
        let hold = self.http.put(format!("{}/control/news", self.url));
        let hold = hold.json(&json!({"hold": true, "url": news_to}));
        good(hold.send().await?).await?;
        let mut news = Vec::with_capacity(picks.len());
        for pick in picks {
            let (word, body) = pick.step(step)?;
            let id = &pick.pick_request_id;
            let url = format!("{}/control/pickRequests/{id}/{word}", self.url);
            let done = good(self.http.post(url).json(&body).send().await?).await?;
            let shipment: Shipment = done.json().await?;
            news.push((shipment.shipment_id, shipment.version));
        }
        Ok(news)
    }

    /// Lets the news go.
    pub(super) async fn release(&self) -> anyhow::Result<()> {
        let url = format!("{}/control/news/release", self.url);
        good(self.http.post(url).send().await?).await?;
        Ok(())
    }
}

impl Pick {
    /// The word of a step, and of which lines how much.
    fn step(&self, step: usize) -> anyhow::Result<(&'static str, Value)> {
        if step >= GOES {
            let word = if step == GOES { "pack" } else { "ship" };
            return Ok((word, json!({})));
        }
        let go = self.lines.chunks(IN_A_GO).nth(step);
        let go = go.with_context(|| format!("{} has too few lines", self.pick_request_id))?;
        let lines: BTreeMap<&str, Value> = go
            .iter()
            .map(|line| (line.line_ref.as_str(), json!(line.qty)))
            .collect();
        Ok(("pick", json!({"lines": lines})))
    }
}

/// The answer, where it is a good one.
async fn good(answer: Response) -> anyhow::Result<Response> {
    let (status, url) = (answer.status(), answer.url().clone());
    if status.is_success() {
        return Ok(answer);
    }
    let text = answer.text().await.unwrap_or_default();
    anyhow::bail!("{url} answers {status}: {text}")
}
