//! Orderway before an ERP that is slow.

use std::{
    net::SocketAddr,
    sync::{Arc, OnceLock},
};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Request, Response,
    header::{AUTHORIZATION, HOST},
};
use http_body_util::Full;
use jiff::Timestamp;
use sandbox::fault::{Fault, FaultPlan, FaultRule, Latency};
use service_runtime::clock::Clock;
use tests::processes::Binaries;

use super::{
    FRESH,
    keys::{ACCOUNTS, Keys, PRODUCTS_OF_A_PAGE, place},
    unpriced,
};
use crate::{
    estate::{Estate, Plan},
    floors::slow::{PER_SECOND, TAKES},
    load::{Outgoing, Target, succeeded},
    workloads::portal::path,
};

/// What is a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// 20 products.
    Lists,
    /// One product.
    Products,
}

/// One that has just begun.
pub(super) struct Shop {
    estate: Estate,
    pub(super) target: Arc<Target>,
    /// When its ERP went.
    gone: Arc<OnceLock<Timestamp>>,
}

impl Shop {
    /// With empty caches.
    pub(super) async fn open(
        binaries: &Binaries,
        keys: &Keys,
        shape: Shape,
    ) -> anyhow::Result<Self> {
        let estate = Estate::start(binaries, &plan()).await?;
        estate.erp_does(&slow()).await?;
        let gone = Arc::new(OnceLock::new());
        let target = Arc::new(target(&estate, keys, shape, Arc::clone(&gone)).await?);
        Ok(Self {
            estate,
            target,
            gone,
        })
    }

    pub(super) async fn calls(&self) -> anyhow::Result<Vec<u64>> {
        self.estate.erp_calls().await
    }

    pub(super) async fn lose_the_erp(&self) -> anyhow::Result<()> {
        let lost = FaultRule::new("", Fault::DropConnection);
        self.estate
            .erp_does(&FaultPlan::of_rules(vec![lost]))
            .await?;
        // What is under way is answered still; no later call is.
        tokio::time::sleep(TAKES).await;
        self.gone.get_or_init(|| Clock::system().now());
        Ok(())
    }

    pub(super) fn pids(&self) -> Vec<u32> {
        self.estate.pids()
    }
}

/// The budget that protects the ERP, facts that are fresh for as long as the peers' pages, and no other limit that a shop meets.
fn plan() -> Plan {
    let mut plan = Plan {
        through_proxy: true,
        ..Plan::default().far_budgets()
    };
    let erp = "ORDERWAY_SYSTEM__ERP__MAIN";
    plan = plan
        .with(&format!("{erp}__BUDGET__CALLS_PER_SECOND"), PER_SECOND)
        .with(&format!("{erp}__BUDGET__IN_FLIGHT"), 8);
    for kind in ["PRODUCTS", "PRICES", "STOCK"] {
        let name = format!("{erp}__CACHE__{kind}");
        plan = plan
            .with(&format!("{name}__FRESH"), FRESH)
            .with(&format!("{name}__STALE_WHILE_REVALIDATE"), "10m")
            .with(&format!("{name}__STALE_IF_ERROR"), "1h");
    }
    for limit in [
        "SYSTEM__REQUESTS__IN_FLIGHT",
        "PROCESS__REQUESTS__IN_FLIGHT",
        "EXPERIENCE__REQUESTS__IN_FLIGHT",
        "EXPERIENCE__REQUESTS__IN_FLIGHT_PER_CREDENTIAL",
    ] {
        plan = plan.with(&format!("ORDERWAY_{limit}"), 10_000);
    }
    plan
}

/// As long for each call as for one of the peers'.
fn slow() -> FaultPlan {
    let ms = u64::try_from(TAKES.as_millis()).unwrap_or_default();
    FaultPlan {
        latency: Some(Latency::Fixed { ms }),
        ..FaultPlan::default()
    }
}

async fn target(
    estate: &Estate,
    keys: &Keys,
    shape: Shape,
    gone: Arc<OnceLock<Timestamp>>,
) -> anyhow::Result<Target> {
    let host = estate.experience.trim_start_matches("http://");
    let address: SocketAddr = host.parse()?;
    let mut heads = Vec::new();
    for (account, client) in ACCOUNTS {
        let token = estate.token(client).await?;
        let mut head = HeaderMap::new();
        head.insert(HOST, host.parse()?);
        head.insert(AUTHORIZATION, format!("Bearer {token}").parse()?);
        head.insert("orderway-account", HeaderValue::from_static(account));
        heads.push(head);
    }
    let mut pages: Vec<(http::Uri, HeaderMap)> = Vec::new();
    for number in 0..super::PAGES {
        let (account, begin) = place(number);
        let path = match shape {
            Shape::Lists => {
                let begin = keys.begins.get(begin).and_then(Option::as_deref);
                path(PRODUCTS_OF_A_PAGE, begin)
            }
            Shape::Products => {
                let item = keys.items.get(begin).map(String::as_str);
                format!("/portal/v1/products/{}", item.unwrap_or_default())
            }
        };
        pages.push((
            path.parse()?,
            heads.get(account).cloned().unwrap_or_default(),
        ));
    }
    let order = keys.order.clone();
    let request = move |number: u64| -> Outgoing {
        let turn = usize::try_from(number).unwrap_or_default();
        let turn = turn.checked_rem(order.len()).unwrap_or_default();
        let page = order.get(turn).and_then(|page| pages.get(*page));
        let mut request = Request::new(Full::default());
        if let Some((uri, head)) = page {
            *request.uri_mut() = uri.clone();
            *request.headers_mut() = head.clone();
        }
        request
    };
    let products = match shape {
        Shape::Lists => PRODUCTS_OF_A_PAGE,
        Shape::Products => 1,
    };
    Ok(Target {
        address,
        request: Box::new(request),
        judge: Box::new(move |answer| {
            succeeded(answer)
                .or_else(|| unpriced(answer.body(), products))
                .or_else(|| untrue(answer, *gone.get()?))
        }),
    })
}

/// Whether an answer says of a fact that it was read when the ERP gave none any more.
fn untrue(answer: &Response<Bytes>, gone: Timestamp) -> Option<String> {
    let text = std::str::from_utf8(answer.body()).unwrap_or_default();
    let younger = text.split("\"as_of\":\"").skip(1).any(|rest| {
        let at = rest.split('"').next().and_then(|at| at.parse().ok());
        at.is_none_or(|at: Timestamp| at > gone)
    });
    let told = text.contains("\"as_of\":\"");
    (younger || !told).then(|| "without its true age".to_owned())
}
