//! The orders that are shipped: placed through the portal before any clock begins, and looked at when all is over.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::Context as _;
use serde_json::{Value, json};
use service_runtime::clock::Clock;
use tests::{Operator, PortalUser};
use tokio::{task::JoinSet, time::Instant};

use super::warehouse::{LINES, Pick, Warehouse};
use crate::estate::Estate;

/// The account of every order.
pub(super) const ACCOUNT: &str = "ACME";
/// Buyers that place orders at a time.
const BUYERS: usize = 16;
/// How long it may take until the warehouse has the next order.
const PATIENCE: Duration = Duration::from_secs(120);
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Where an order stands that is not in the warehouse yet.
const BEFORE: [&str; 3] = ["received", "held", "accepted"];
/// Where one stands that has not left.
const NOT_GONE: [&str; 5] = [
    "received",
    "held",
    "accepted",
    "released",
    "partially_shipped",
];

/// Whoever sees to orders.
pub(super) struct Orders<'a> {
    estate: &'a Estate,
    operator: Operator,
}

impl<'a> Orders<'a> {
    pub(super) fn new(estate: &'a Estate) -> anyhow::Result<Self> {
        let http = estate.http.clone();
        Ok(Self {
            operator: Operator::new(http, &estate.process, Clock::system())?,
            estate,
        })
    }

    /// A buyer with a token that is new: it lives a quarter of an hour.
    pub(super) async fn buyer(&self) -> anyhow::Result<PortalUser> {
        let token = self.estate.token("acme-buyer").await?;
        let http = self.estate.http.clone();
        Ok(PortalUser::new(
            http,
            &self.estate.experience,
            token,
            ACCOUNT,
        ))
    }

    /// Has every event of shipments posted there; what signs them.
    pub(super) async fn subscribe(&self, url: &str) -> anyhow::Result<String> {
        let types = ["order.picked", "order.packed", "order.shipped"];
        let body = json!({"account": ACCOUNT, "url": url, "types": types});
        let made = self.operator.post("/v1/subscriptions", &body).await?;
        anyhow::ensure!(made.status == 201, "no subscription: {}", made.text);
        Ok(made.at("/secret"))
    }

    /// Places so many orders, and waits until the warehouse has them and every layer knows.
    pub(super) async fn place(
        &self,
        count: usize,
        mark: &str,
        warehouse: &Warehouse,
    ) -> anyhow::Result<Vec<Pick>> {
        let buyer = self.buyer().await?;
        let next = Arc::new(AtomicUsize::new(0));
        let mut buyers = JoinSet::new();
        for _ in 0..BUYERS {
            let (buyer, next, mark) = (buyer.clone(), Arc::clone(&next), mark.to_owned());
            buyers.spawn(async move {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= count {
                        return Ok(());
                    }
                    place(&buyer, &format!("{mark}-{number:06}")).await?;
                }
            });
        }
        while let Some(placed) = buyers.join_next().await {
            let placed: anyhow::Result<()> = placed?;
            placed?;
        }
        self.until_released().await?;
        let picks = warehouse.new_picks().await?;
        let has = picks.len();
        anyhow::ensure!(
            has == count,
            "of {count} orders the warehouse is to pick {has}"
        );
        Ok(picks)
    }

    async fn until_released(&self) -> anyhow::Result<()> {
        let (mut last, mut moved) = (usize::MAX, Instant::now());
        loop {
            let left = self.standing(&BEFORE).await?;
            if left == 0 {
                return Ok(());
            }
            if left != last {
                (last, moved) = (left, Instant::now());
            }
            anyhow::ensure!(
                moved.elapsed() < PATIENCE,
                "{left} orders do not come to the warehouse"
            );
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// How many orders have not left.
    pub(super) async fn not_gone(&self) -> anyhow::Result<usize> {
        self.standing(&NOT_GONE).await
    }

    /// How many orders stand so.
    async fn standing(&self, statuses: &[&str]) -> anyhow::Result<usize> {
        let mut count: usize = 0;
        for status in statuses {
            let first = format!("/v1/orders?status={status}&limit=200");
            let mut path = first.clone();
            loop {
                let page = self.operator.get(&path).await?;
                let listed = page.json();
                let items = listed.get("items").and_then(Value::as_array);
                let items = items.with_context(|| format!("no list of orders: {}", page.text))?;
                count = count.saturating_add(items.len());
                let Some(next) = listed.get("next").and_then(Value::as_str) else {
                    break;
                };
                path = format!("{first}&cursor={next}");
            }
        }
        Ok(count)
    }
}

/// Places an order, and again under its own key while it is told to come back: no clock runs yet.
async fn place(buyer: &PortalUser, number: &str) -> anyhow::Result<()> {
    let line = |item: usize| json!({"item": format!("SKU-{item:04}"), "quantity": {"value": "3", "unit": "EA"}});
    let lines: Vec<Value> = (1..=LINES).map(line).collect();
    let order = json!({"purchase_order_number": number, "lines": lines});
    let begun = Instant::now();
    loop {
        let placed = buyer.post("/orders", number, &order).await?;
        if placed.status == 202 {
            return Ok(());
        }
        let again = placed.at("/retryable") == "true" && begun.elapsed() < PATIENCE;
        anyhow::ensure!(again, "{number} is not taken: {}", placed.text);
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
