//! Orders beside the browsing: how soon each is taken for good, and how soon it is in work in the ERP.

use std::time::Duration;

use anyhow::Context as _;
use reqwest::Method;
use serde_json::json;
use tokio::{task::JoinSet, time::Instant};

use super::tables;
use super::through::{Shop, lines_of};

/// Who orders: the account of the seed with the highest credit limit. Runs use it up: `tests/backends/tryton up --fresh`.
const BUYER: usize = 0;
/// A deadline of liveness.
const LONGEST: Duration = Duration::from_secs(300);
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// An order, from when it was to go out.
#[derive(Debug)]
pub(crate) struct Placed {
    /// Until it was taken for good.
    taken: Duration,
    /// Until the ERP had it in work.
    in_work: Duration,
}

/// Places an order every so often, and waits until the ERP has them all.
pub(crate) async fn place(
    shop: &Shop,
    run: &str,
    every: Duration,
    lasts: Duration,
) -> anyhow::Result<Vec<Placed>> {
    let begun = Instant::now();
    let mut under_way = JoinSet::new();
    for number in 0_u32.. {
        let due = begun + every.saturating_mul(number);
        if due.duration_since(begun) >= lasts {
            break;
        }
        let (shop, name) = (shop.clone(), format!("BENCH-{run}-{number}"));
        under_way.spawn(async move {
            tokio::time::sleep_until(due).await;
            one(&shop, &name, due).await
        });
    }
    let mut placed = Vec::new();
    while let Some(done) = under_way.join_next().await {
        placed.push(done??);
    }
    Ok(placed)
}

async fn one(shop: &Shop, name: &str, due: Instant) -> anyhow::Result<Placed> {
    let buyer = shop.buyer(BUYER)?;
    let lines = lines_of(&[(2, 1), (5, 1)]);
    let request = buyer
        .request(Method::POST, "/orders")
        .header("Idempotency-Key", name)
        .json(&json!({"purchase_order_number": name, "lines": lines}));
    let answer = buyer.send(request).await?;
    anyhow::ensure!(
        answer.status.as_u16() == 202,
        "an order was not taken: {}",
        answer.text
    );
    let taken = due.elapsed();
    let path = format!("/orders/{}", answer.at("/order_id"));
    let released = async {
        loop {
            let seen = buyer.get(&path).await?;
            match seen.at("/status").as_str() {
                "released" => return anyhow::Ok(()),
                "held" | "rejected" => anyhow::bail!("an order is in nobody's work: {}", seen.text),
                _ => tokio::time::sleep(LOOK_EVERY).await,
            }
        }
    };
    tokio::time::timeout(LONGEST, released)
        .await
        .with_context(|| format!("{name} is not in the ERP after {LONGEST:?}"))??;
    Ok(Placed {
        taken,
        in_work: due.elapsed(),
    })
}

/// What they say.
pub(crate) fn told(placed: &[Placed]) -> String {
    let [taken, _, taken_last] = tables::spread(placed.iter().map(|one| one.taken).collect());
    let [work, _, work_last] = tables::spread(placed.iter().map(|one| one.in_work).collect());
    format!(
        "{} orders of two lines: taken for good after {taken} ms at the median, {taken_last} ms at most; in work in Tryton after \
         {work} ms at the median, {work_last} ms at most.",
        placed.len()
    )
}
