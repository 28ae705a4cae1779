//! Caches before an upstream that is slow.

use std::{path::Path, sync::Arc};

use anyhow::Context as _;
use http::{Request, header::HOST};
use http_body_util::Full;
use rustix::process::Signal;
use tests::processes::{Kept, Ports};

use super::{
    NGINX, VARNISH,
    keys::{self, PRODUCTS_OF_A_PAGE},
    unpriced, utf8,
};
use crate::{
    floors::{self, slow::CALLS},
    load::{Outgoing, Target, succeeded},
    machine::Side,
    peers::{self, axum_moka, nginx, varnish},
};

/// One that has just begun.
pub(super) struct Cache {
    pub(super) kept: Kept,
    pub(super) version: String,
    pub(super) target: Arc<Target>,
    erp: floors::Running,
}

impl Cache {
    /// With nothing in it, and an ERP of its own.
    pub(super) async fn open(
        who: &str,
        ports: &mut Ports,
        aside: &Path,
        pages: &Path,
    ) -> anyhow::Result<Self> {
        let aside = aside.join(who.split([' ', ',']).next().unwrap_or_default());
        let erp = slow_erp(ports, &aside, pages).await?;
        let peer = match who {
            NGINX => nginx::cache(ports, &aside, erp.address).await?,
            VARNISH => varnish::cache(ports, &aside, erp.address).await?,
            _ => axum_moka::cache(ports, &aside, erp.address).await?,
        };
        Self::before(erp, peer)
    }

    fn before(erp: floors::Running, peer: peers::Running) -> anyhow::Result<Self> {
        let host: http::HeaderValue = peer.address.to_string().parse()?;
        let order = keys::order();
        let request = move |number: u64| -> Outgoing {
            let turn = usize::try_from(number).unwrap_or_default();
            let turn = turn.checked_rem(order.len()).unwrap_or_default();
            let page = order.get(turn).copied().unwrap_or_default();
            let mut request = Request::new(Full::default());
            if let Ok(uri) = format!("/{page}").parse() {
                *request.uri_mut() = uri;
            }
            request.headers_mut().insert(HOST, host.clone());
            request
        };
        let target = Target {
            address: peer.address,
            request: Box::new(request),
            judge: Box::new(|answer| {
                succeeded(answer).or_else(|| unpriced(answer.body(), PRODUCTS_OF_A_PAGE))
            }),
        };
        Ok(Self {
            kept: peer.kept,
            version: peer.version,
            target: Arc::new(target),
            erp,
        })
    }

    pub(super) async fn calls(&self) -> anyhow::Result<Vec<u64>> {
        let url = format!("http://{}{CALLS}", self.erp.address);
        let client = reqwest::Client::builder().no_proxy().build()?;
        let answer = client.get(url).send().await?.error_for_status()?;
        answer.json().await.context("the ERP tells its calls")
    }

    pub(super) async fn lose_the_erp(&self) {
        self.erp.kept.put_down(Signal::KILL).await;
    }
}

async fn slow_erp(
    ports: &mut Ports,
    aside: &Path,
    pages: &Path,
) -> anyhow::Result<floors::Running> {
    std::fs::create_dir_all(aside)?;
    let arguments = ["slow", "--folder", utf8(pages)?];
    floors::start(ports, Side::Load, &arguments, aside.join("erp.log")).await
}
