//! Events as they cannot be passed on for less: news of shipments are read as what they say, written over the row of their order and
//! behind a feed, one commit for all that wait, and posted, signed, over connections that are kept. Nobody is asked who they are, no
//! order is looked at, and nothing is kept of what was posted.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::Context as _;
use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{
    Method, Request, Response, StatusCode, Uri,
    header::{CONTENT_TYPE, HOST},
};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use rusqlite::{Connection, Transaction, params};
use serde::{Deserialize, Serialize};
use service_runtime::clock::Clock;
use tokio::sync::{Mutex, mpsc, oneshot};
use uuid::Uuid;

use super::hop;
use crate::load::{Outgoing, send};

type Answer = anyhow::Result<Response<Full<Bytes>>>;

/// So many news share a commit at most.
const BATCH: usize = 64;
/// So many wait for theirs, or to be posted, at most.
const QUEUE: usize = 1_024;
/// Events posted at a time: as many as `process-apis` post for one subscription.
const AT_ONCE: usize = 8;
/// Before an event is posted again.
const PAUSE: Duration = Duration::from_millis(10);

/// What a warehouse posts: the names are those of the sandbox's.
#[derive(Deserialize)]
struct News<'a> {
    #[serde(borrow)]
    shipment: Shipment<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Shipment<'a> {
    shipment_id: &'a str,
    order_ref: &'a str,
    site_code: &'a str,
    version: u64,
    status: &'a str,
    #[serde(borrow)]
    lines: Vec<Line<'a>>,
    #[serde(default)]
    carrier: Option<&'a str>,
    #[serde(default)]
    tracking_no: Option<&'a str>,
    #[serde(borrow)]
    ssccs: Vec<&'a str>,
    updated_at: &'a str,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    line_ref: &'a str,
    sku_code: &'a str,
    unit: &'a str,
    qty_picked: &'a str,
    qty_packed: &'a str,
    qty_shipped: &'a str,
}

/// What a subscriber is posted: the names are those of Orderway's events.
#[derive(Serialize)]
struct Event<'a> {
    specversion: &'a str,
    id: Uuid,
    source: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    subject: &'a str,
    time: &'a str,
    datacontenttype: &'a str,
    sequence: u64,
    position: u64,
    account: &'a str,
    data: Data<'a>,
}

#[derive(Serialize)]
struct Data<'a> {
    order_reference: &'a str,
    status: &'a str,
    site: &'a str,
    shipment: Shown<'a>,
}

#[derive(Serialize)]
struct Shown<'a> {
    shipment: &'a str,
    site: &'a str,
    status: &'a str,
    version: u64,
    lines: Vec<ShownLine<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    carrier: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tracking_number: Option<&'a str>,
    ssccs: &'a [&'a str],
    updated_at: &'a str,
}

#[derive(Serialize)]
struct ShownLine<'a> {
    line: &'a str,
    item: &'a str,
    unit: &'a str,
    picked: &'a str,
    packed: &'a str,
    shipped: &'a str,
}

impl Shipment<'_> {
    /// What is told of it, at this place of the feed.
    fn told(&self, id: Uuid, position: u64) -> serde_json::Result<Vec<u8>> {
        let (kind, status) = match self.status {
            "SHIPPED" => ("com.orderway.order.shipped.v1", "shipped"),
            "PACKED" => ("com.orderway.order.packed.v1", "released"),
            _ => ("com.orderway.order.picked.v1", "released"),
        };
        let lines = self.lines.iter().map(|line| ShownLine {
            line: line.line_ref,
            item: line.sku_code,
            unit: line.unit,
            picked: line.qty_picked,
            packed: line.qty_packed,
            shipped: line.qty_shipped,
        });
        serde_json::to_vec(&Event {
            specversion: "1.0",
            id,
            source: "/companies/NWI",
            kind,
            subject: self.order_ref,
            time: self.updated_at,
            datacontenttype: "application/json",
            sequence: self.version,
            position,
            account: "ACME",
            data: Data {
                order_reference: self.order_ref,
                status,
                site: self.site_code,
                shipment: Shown {
                    shipment: self.shipment_id,
                    site: self.site_code,
                    status: self.status,
                    version: self.version,
                    lines: lines.collect(),
                    carrier: self.carrier,
                    tracking_number: self.tracking_no,
                    ssccs: &self.ssccs,
                    updated_at: self.updated_at,
                },
            },
        })
    }
}

/// News to be written, and who waits for that.
struct Job {
    news: Bytes,
    done: oneshot::Sender<bool>,
}

/// An event that is written, to be posted.
struct Posting {
    id: Uuid,
    body: Bytes,
}

/// A file with the tables, made durable as Orderway makes its own.
fn open(file: &Path) -> anyhow::Result<Connection> {
    let connection = Connection::open(file)?;
    connection.execute_batch(
        "PRAGMA journal_mode = WAL;
         PRAGMA synchronous = FULL;
         CREATE TABLE IF NOT EXISTS shipment (id TEXT PRIMARY KEY, version INTEGER NOT NULL, state BLOB NOT NULL) WITHOUT ROWID;
         CREATE TABLE IF NOT EXISTS feed (position INTEGER PRIMARY KEY, body BLOB NOT NULL);",
    )?;
    Ok(connection)
}

/// Writes one of the news; none where it was written before.
fn insert(
    transaction: &Transaction<'_>,
    news: &[u8],
    position: u64,
) -> anyhow::Result<Option<Posting>> {
    let shipment = serde_json::from_slice::<News<'_>>(news)?.shipment;
    let changed = transaction
        .prepare_cached(
            "INSERT INTO shipment (id, version, state) VALUES (?1, ?2, ?3)
             ON CONFLICT (id) DO UPDATE SET version = excluded.version, state = excluded.state WHERE excluded.version > version",
        )?
        .execute(params![
            shipment.shipment_id,
            i64::try_from(shipment.version)?,
            news
        ])?;
    if changed == 0 {
        return Ok(None);
    }
    let id = Uuid::now_v7();
    let body = Bytes::from(shipment.told(id, position)?);
    transaction
        .prepare_cached("INSERT INTO feed (position, body) VALUES (?1, ?2)")?
        .execute(params![i64::try_from(position)?, body.as_ref()])?;
    Ok(Some(Posting { id, body }))
}

/// Writes what waits together; the feed ends where it says then.
fn commit(
    connection: &mut Connection,
    jobs: &[Job],
    end: &mut u64,
) -> anyhow::Result<Vec<Posting>> {
    let transaction = connection.transaction()?;
    let mut position = *end;
    let mut postings = Vec::with_capacity(jobs.len());
    for job in jobs {
        let next = position.saturating_add(1);
        if let Some(posting) = insert(&transaction, &job.news, next)? {
            position = next;
            postings.push(posting);
        }
    }
    transaction.commit()?;
    *end = position;
    Ok(postings)
}

/// The one writer: what waits shares a commit, and is answered and posted after it.
fn write(mut connection: Connection, mut queue: mpsc::Receiver<Job>, out: &mpsc::Sender<Posting>) {
    let mut end = 0;
    while let Some(first) = queue.blocking_recv() {
        let mut jobs = vec![first];
        while jobs.len() < BATCH
            && let Ok(job) = queue.try_recv()
        {
            jobs.push(job);
        }
        let written = commit(&mut connection, &jobs, &mut end);
        for job in jobs {
            // A warehouse that is gone has its news taken all the same.
            job.done.send(written.is_ok()).ok();
        }
        for posting in written.unwrap_or_default() {
            if out.blocking_send(posting).is_err() {
                return;
            }
        }
    }
}

/// Who is posted events.
struct Subscriber {
    address: SocketAddr,
    uri: Uri,
    key: hmac::Key,
    clock: Clock,
}

impl Subscriber {
    fn new(url: &str, secret: &str) -> anyhow::Result<Self> {
        let uri: Uri = url.parse()?;
        let authority = uri.authority().context("an address has a host")?;
        let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap_or(secret))?;
        Ok(Self {
            address: authority.as_str().parse()?,
            uri: uri.path().parse()?,
            key: hmac::Key::new(hmac::HMAC_SHA256, &key),
            clock: Clock::system(),
        })
    }

    /// The event as it is posted, signed as Standard Webhooks say.
    fn request(&self, posting: &Posting) -> anyhow::Result<Outgoing> {
        let (id, at) = (posting.id.to_string(), self.clock.now().as_second());
        let mut signed = hmac::Context::with_key(&self.key);
        signed.update(format!("{id}.{at}.").as_bytes());
        signed.update(&posting.body);
        let signature = format!("v1,{}", STANDARD.encode(signed.sign()));
        Ok(Request::post(self.uri.clone())
            .header(HOST, self.address.to_string())
            .header(CONTENT_TYPE, "application/cloudevents+json")
            .header("webhook-id", id)
            .header("webhook-timestamp", at)
            .header("webhook-signature", signature)
            .body(Full::new(posting.body.clone()))?)
    }

    /// Posts events over a connection of its own until there are no more to come.
    async fn post(&self, queue: &Mutex<mpsc::Receiver<Posting>>) -> anyhow::Result<()> {
        let mut connection = None;
        loop {
            let next = queue.lock().await.recv().await;
            let Some(posting) = next else {
                return Ok(());
            };
            loop {
                let sent = send(&mut connection, self.address, self.request(&posting)?).await;
                if sent.is_ok_and(|answer| answer.status().is_success()) {
                    break;
                }
                connection = None;
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// A page of the feed: what was written, as it was written.
fn page(connection: &Connection, query: &str) -> anyhow::Result<Vec<u8>> {
    let asked = |name: &str| -> Option<i64> {
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        let mut values = pairs.filter(|(key, _)| *key == name);
        values.next()?.1.parse().ok()
    };
    let mut next = asked("after").unwrap_or_default();
    let mut select = connection.prepare_cached(
        "SELECT position, body FROM feed WHERE position > ?1 ORDER BY position LIMIT ?2",
    )?;
    let mut rows = select.query(params![next, asked("limit").unwrap_or(100)])?;
    let mut page = b"{\"events\":[".to_vec();
    while let Some(row) = rows.next()? {
        if !page.ends_with(b"[") {
            page.push(b',');
        }
        next = row.get(0)?;
        page.extend_from_slice(row.get_ref(1)?.as_blob()?);
    }
    page.extend_from_slice(format!("],\"next\":{next}}}").as_bytes());
    Ok(page)
}

/// Takes news, and posts what they say.
pub(super) async fn serve(
    listen: SocketAddr,
    file: PathBuf,
    to: &str,
    secret: &str,
) -> anyhow::Result<()> {
    let subscriber = Arc::new(Subscriber::new(to, secret)?);
    let (queue, waiting) = mpsc::channel(QUEUE);
    let (out, to_post) = mpsc::channel(QUEUE);
    let connection = open(&file)?;
    std::thread::Builder::new().spawn(move || write(connection, waiting, &out))?;
    let to_post = Arc::new(Mutex::new(to_post));
    for _ in 0..AT_ONCE {
        let (subscriber, to_post) = (Arc::clone(&subscriber), Arc::clone(&to_post));
        tokio::spawn(async move { subscriber.post(&to_post).await });
    }
    let feed = Arc::new(std::sync::Mutex::new(open(&file)?));
    hop::serve(listen, || {
        let (queue, feed) = (queue.clone(), Arc::clone(&feed));
        move |request: Request<Incoming>| {
            let (queue, feed) = (queue.clone(), Arc::clone(&feed));
            async move {
                if request.method() == Method::GET {
                    let query = request.uri().query().unwrap_or_default();
                    let feed = feed.lock().ok().context("no reader")?;
                    return hop::json(page(&feed, query)?);
                }
                let news = request.into_body().collect().await?.to_bytes();
                take(&queue, news).await
            }
        }
    })
    .await
}

async fn take(queue: &mpsc::Sender<Job>, news: Bytes) -> Answer {
    let (done, written) = oneshot::channel();
    let job = Job { news, done };
    queue.send(job).await.ok().context("no writer")?;
    anyhow::ensure!(written.await?, "news are not written");
    Ok(Response::builder()
        .status(StatusCode::NO_CONTENT)
        .body(Full::default())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(version: u64) -> Job {
        let news = format!(
            r#"{{"deliveryId":"WN-1","event":"shipment.changed","shipment":{{"shipmentId":"SH-1-1","pickRequestId":"PR-1",
                "clientRef":"C","orderRef":"O-1","siteCode":"EAST","version":{version},"status":"PICKING","lines":[{{"lineRef":"1",
                "skuCode":"SKU-0001","unit":"EACH","qtyPicked":"3","qtyPacked":"0","qtyShipped":"0"}}],"ssccs":[],
                "updatedAt":"2026-11-22T14:00:00Z"}}}}"#
        );
        Job {
            news: news.into(),
            done: oneshot::channel().0,
        }
    }

    #[test]
    fn each_version_is_written_once_and_read_in_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let mut connection = open(&folder.path().join("limit.sqlite")).unwrap();
        let mut end = 0;
        let first = commit(&mut connection, &[job(1), job(1), job(2)], &mut end).unwrap();
        let again = commit(&mut connection, &[job(1), job(2)], &mut end).unwrap();
        assert_eq!((first.len(), again.len(), end), (2, 0, 2));
        let page = page(&connection, "after=1&limit=200").unwrap();
        let page: serde_json::Value = serde_json::from_slice(&page).unwrap();
        assert_eq!(page["next"], 2);
        let events = page["events"].as_array().unwrap();
        assert_eq!(events.len(), 1);
        assert_eq!(events[0]["id"], first[1].id.to_string());
        assert_eq!(events[0]["data"]["shipment"]["version"], 2);
    }
}
