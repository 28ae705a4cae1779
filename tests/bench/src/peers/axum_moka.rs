//! What a team would write for itself: a small cache proxy of axum and moka, run as a process of its own: `bench axum-moka`.

use std::{
    net::SocketAddr,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, Uri, header::CONTENT_TYPE},
    response::{IntoResponse as _, Response},
    routing::get,
    serve::ListenerExt as _,
};
use bytes::Bytes;
use moka::future::Cache;
use reqwest::Client;
use tests::processes::Ports;
use tokio::{net::TcpListener, time::Instant};

use super::{PROBE, Running, start};
use crate::machine::Side;

/// As long as the other caches.
const FRESH: Duration = Duration::from_secs(10);
const KEPT: Duration = Duration::from_secs(3_600);
const PATIENCE: Duration = Duration::from_secs(60);
/// Of all pages.
const BYTES: u64 = 64 * 1_024 * 1_024;

/// A cache before an upstream that is slow.
pub(crate) async fn cache(
    ports: &mut Ports,
    folder: &Path,
    world: SocketAddr,
) -> anyhow::Result<Running> {
    std::fs::create_dir_all(folder)?;
    let address: SocketAddr = format!("127.0.0.1:{}", ports.take()?).parse()?;
    let (listen, to) = (address.to_string(), world.to_string());
    let arguments = ["axum-moka", "--listen", &listen, "--to", &to];
    let kept = start(
        Side::Measured,
        (&std::env::current_exe()?, &arguments),
        &[],
        address,
        (PROBE, folder.join("log")),
    )
    .await?;
    Ok(Running {
        kept,
        address,
        version: "(0.8 and 0.12)".to_owned(),
    })
}

struct Page {
    body: Bytes,
    read: Instant,
    /// Whether somebody asks for it anew.
    asked: AtomicBool,
}

struct Proxy {
    pages: Cache<String, Arc<Page>>,
    http: Client,
    to: SocketAddr,
}

/// Answers from what is kept, and asks once for each page: what is too old is answered while it is asked for anew.
pub(crate) async fn serve(listen: SocketAddr, to: SocketAddr) -> anyhow::Result<()> {
    let weight = |path: &String, page: &Arc<Page>| {
        u32::try_from(path.len().saturating_add(page.body.len())).unwrap_or(u32::MAX)
    };
    let proxy = Proxy {
        pages: Cache::builder()
            .max_capacity(BYTES)
            .weigher(weight)
            .time_to_live(FRESH.saturating_add(KEPT))
            .build(),
        http: Client::builder().no_proxy().timeout(PATIENCE).build()?,
        to,
    };
    let router = Router::new()
        .route(PROBE, get(|| async {}))
        .fallback(answer)
        .with_state(Arc::new(proxy));
    let listener = TcpListener::bind(listen).await?.tap_io(|stream| {
        // One that cannot be is slower, and answers all the same.
        stream.set_nodelay(true).ok();
    });
    axum::serve(listener, router).await?;
    Ok(())
}

async fn answer(State(proxy): State<Arc<Proxy>>, uri: Uri) -> Response {
    let path = uri.path();
    let page = match proxy.pages.get(path).await {
        Some(page) => Ok(page),
        None => {
            let read = proxy.read(path);
            proxy.pages.try_get_with(path.to_owned(), read).await
        }
    };
    match page {
        Ok(page) => {
            if page.read.elapsed() >= FRESH && !page.asked.swap(true, Ordering::Relaxed) {
                tokio::spawn(Arc::clone(&proxy).renew(path.to_owned(), Arc::clone(&page)));
            }
            ([(CONTENT_TYPE, "application/json")], page.body.clone()).into_response()
        }
        Err(_) => StatusCode::BAD_GATEWAY.into_response(),
    }
}

impl Proxy {
    async fn read(&self, path: &str) -> reqwest::Result<Arc<Page>> {
        let asked = self.http.get(format!("http://{}{path}", self.to)).send();
        let body = asked.await?.error_for_status()?.bytes().await?;
        Ok(Arc::new(Page {
            body,
            read: Instant::now(),
            asked: AtomicBool::new(false),
        }))
    }

    /// What cannot be read anew stays as it is.
    async fn renew(self: Arc<Self>, path: String, old: Arc<Page>) {
        match self.read(&path).await {
            Ok(page) => self.pages.insert(path, page).await,
            Err(_) => old.asked.store(false, Ordering::Relaxed),
        }
    }
}
