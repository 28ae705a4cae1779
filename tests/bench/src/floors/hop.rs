//! Bare hops: hyper alone, each connection with one of its own to the next.

use std::{net::SocketAddr, path::Path, sync::Arc};

use anyhow::Context as _;
use bytes::Bytes;
use http::{Request, Response, header::CONTENT_TYPE};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpListener, sync::Mutex};

use super::page::Page;
use crate::load::send;

type Answer = anyhow::Result<Response<Full<Bytes>>>;

/// Serves each connection by a handler of its own.
pub(super) async fn serve<H, A, F>(listen: SocketAddr, handler: H) -> anyhow::Result<()>
where
    H: Fn() -> A,
    A: Fn(Request<Incoming>) -> F + Send + Sync + 'static,
    F: Future<Output = Answer> + Send + 'static,
{
    let listener = TcpListener::bind(listen).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let answers = handler();
        tokio::spawn(async move {
            let served =
                http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answers));
            // A caller that goes away is no fault of a floor.
            served.await.ok();
        });
    }
}

pub(super) fn json(body: impl Into<Bytes>) -> Answer {
    Ok(Response::builder()
        .header(CONTENT_TYPE, "application/json")
        .body(Full::new(body.into()))?)
}

/// The pages of a folder: `0.json`, `1.json` and so on.
pub(crate) fn pages(folder: &Path) -> anyhow::Result<Vec<String>> {
    let read = (0..)
        .map(|number| folder.join(format!("{number}.json")))
        .take_while(|path| path.is_file())
        .map(std::fs::read_to_string);
    let pages: Vec<String> = read.collect::<Result<_, _>>()?;
    anyhow::ensure!(!pages.is_empty(), "no page in {}", folder.display());
    Ok(pages)
}

/// Which page is meant: the number that a path ends with.
pub(super) fn number(path: &str) -> usize {
    let end = path.rsplit('/').next().unwrap_or_default();
    end.parse().unwrap_or_default()
}

/// Pages as bytes.
pub(super) async fn serve_bytes(listen: SocketAddr, folder: &Path) -> anyhow::Result<()> {
    let pages: Arc<Vec<Bytes>> = Arc::new(pages(folder)?.into_iter().map(Bytes::from).collect());
    serve(listen, || {
        let pages = Arc::clone(&pages);
        move |request: Request<Incoming>| {
            let page = pages.get(number(request.uri().path())).cloned();
            std::future::ready(json(page.unwrap_or_default()))
        }
    })
    .await
}

/// Pages that are held as what they say, and put into JSON for each answer.
pub(super) async fn serve_typed(listen: SocketAddr, folder: &Path) -> anyhow::Result<()> {
    // They live as long as the process.
    let texts: &'static [String] = Box::leak(pages(folder)?.into_boxed_slice());
    let typed: Vec<Page<'static>> = texts
        .iter()
        .map(|text| serde_json::from_str(text).context("a page is not as the floor knows it"))
        .collect::<anyhow::Result<_>>()?;
    let typed = Arc::new(typed);
    serve(listen, || {
        let typed = Arc::clone(&typed);
        move |request: Request<Incoming>| {
            let page = typed.get(number(request.uri().path()));
            std::future::ready(written(page))
        }
    })
    .await
}

fn written(page: Option<&Page<'_>>) -> Answer {
    json(serde_json::to_vec(&page)?)
}

/// Passes on the answers of another.
pub(super) async fn pass_on(listen: SocketAddr, to: SocketAddr) -> anyhow::Result<()> {
    serve(listen, || {
        let next = Arc::new(Mutex::new(None));
        move |request: Request<Incoming>| {
            let next = Arc::clone(&next);
            async move {
                let path = request.uri().path().to_owned();
                let asked = Request::get(path)
                    .header("host", "floor")
                    .body(Full::default())?;
                let answer = send(&mut *next.lock().await, to, asked).await?;
                let page: Page<'_> = serde_json::from_slice(answer.body())?;
                written(Some(&page))
            }
        }
    })
    .await
}
