//! An ERP that is slow: a page takes 150 ms, at most 20 are begun a second, and what comes sooner waits its turn.

use std::{
    net::SocketAddr,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http::Request;
use hyper::body::Incoming;
use tokio::time::Instant;

use super::hop::{json, number, pages, serve};

/// As the ERP behind Orderway in the same run.
pub(crate) const TAKES: Duration = Duration::from_millis(150);
/// What it does in a second.
pub(crate) const PER_SECOND: u32 = 20;
/// Where it tells the milliseconds at which it was called, this question apart.
pub(crate) const CALLS: &str = "/calls";

/// When it can begin the next, and when it was called.
struct Work {
    begun: Instant,
    next: Instant,
    calls: Vec<u64>,
}

impl Work {
    /// When what has just come is answered.
    fn taken(&mut self) -> Instant {
        let now = Instant::now();
        let at = now.duration_since(self.begun).as_millis();
        self.calls.push(u64::try_from(at).unwrap_or(u64::MAX));
        let turn = self.next.max(now);
        let apart = Duration::from_secs(1).checked_div(PER_SECOND);
        self.next = turn + apart.unwrap_or_default();
        turn + TAKES
    }
}

/// Serves the pages of a folder.
pub(super) async fn serve_slowly(listen: SocketAddr, folder: &Path) -> anyhow::Result<()> {
    let pages: Arc<Vec<Bytes>> = Arc::new(pages(folder)?.into_iter().map(Bytes::from).collect());
    let begun = Instant::now();
    let work = Arc::new(Mutex::new(Work {
        begun,
        next: begun,
        calls: Vec::new(),
    }));
    serve(listen, || {
        let (pages, work) = (Arc::clone(&pages), Arc::clone(&work));
        move |request: Request<Incoming>| {
            let (pages, work) = (Arc::clone(&pages), Arc::clone(&work));
            async move {
                let path = request.uri().path();
                if path == CALLS {
                    let calls = work.lock().unwrap_or_else(PoisonError::into_inner);
                    return json(serde_json::to_vec(&calls.calls)?);
                }
                let done = work.lock().unwrap_or_else(PoisonError::into_inner).taken();
                tokio::time::sleep_until(done).await;
                json(pages.get(number(path)).cloned().unwrap_or_default())
            }
        }
    })
    .await
}
