//! Orders as they cannot be taken for less: read as what they say, priced, promised and credit-checked in memory, and written with
//! their lines and a row for whoever takes them further, one commit for all that wait. Nobody is asked who they are, nothing is kept
//! of why, and nothing is sent on.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::Context as _;
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header::CONTENT_TYPE};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use rusqlite::{Connection, Transaction, params};
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use super::hop;
use crate::{load::send, say};

type Answer = anyhow::Result<Response<Full<Bytes>>>;

/// So many orders share a commit at most.
const BATCH: usize = 64;
/// So many wait for theirs at most.
const QUEUE: usize = 1_024;
/// Items there are.
const ITEMS: u32 = 1_000;

/// An order as it is posted: the names are those of `process-apis`.
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Order<'a> {
    account: &'a str,
    purchase_order_number: &'a str,
    #[serde(borrow)]
    lines: Vec<Line<'a>>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Line<'a> {
    #[serde(borrow)]
    identifiers: Vec<Identifier<'a>>,
    quantity: &'a str,
    unit: &'a str,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Identifier<'a> {
    scheme: &'a str,
    value: &'a str,
}

/// What it answers.
#[derive(Serialize)]
struct Accepted<'a> {
    order_id: Uuid,
    status: &'a str,
    total_cents: u64,
}

/// What there is, what it costs, and what is owed.
struct Shop {
    items: BTreeMap<String, Item>,
    owed: u64,
    limit: u64,
}

struct Item {
    id: Arc<str>,
    cents: u64,
    free: u64,
}

/// A line with its price.
struct Sold {
    item: Arc<str>,
    quantity: u64,
    cents: u64,
}

impl Shop {
    fn open() -> Self {
        let item = |number: u32| {
            let id = format!("SKU-{number:04}");
            let item = Item {
                id: Arc::from(id.as_str()),
                cents: u64::from(number).saturating_mul(7).saturating_add(250),
                free: 1_000_000_000_000,
            };
            (id, item)
        };
        Self {
            items: (1..=ITEMS).map(item).collect(),
            owed: 0,
            limit: u64::MAX / 2,
        }
    }

    /// Prices each line, and takes stock and credit for all of them; none where one does not go.
    fn sell(&mut self, order: &Order<'_>) -> Option<(Vec<Sold>, u64)> {
        let mut sold = Vec::with_capacity(order.lines.len());
        let mut total = 0_u64;
        for line in &order.lines {
            let item = self.items.get(line.identifiers.first()?.value)?;
            let quantity: u64 = line.quantity.parse().ok()?;
            item.free.checked_sub(quantity)?;
            total = total.checked_add(item.cents.checked_mul(quantity)?)?;
            sold.push(Sold {
                item: Arc::clone(&item.id),
                quantity,
                cents: item.cents,
            });
        }
        self.owed = self
            .owed
            .checked_add(total)
            .filter(|owed| *owed <= self.limit)?;
        for line in &sold {
            if let Some(item) = self.items.get_mut(&*line.item) {
                item.free = item.free.saturating_sub(line.quantity);
            }
        }
        Some((sold, total))
    }
}

/// An order to be written.
struct Job {
    id: Uuid,
    account: String,
    number: String,
    sold: Vec<Sold>,
    total: u64,
    /// As it was posted.
    body: Bytes,
}

/// A file with the tables, made durable as Orderway makes its own.
fn open(file: &Path) -> anyhow::Result<Connection> {
    let connection = Connection::open(file)?;
    connection.execute_batch(
        "PRAGMA journal_mode = WAL;
         PRAGMA synchronous = FULL;
         CREATE TABLE sales_order (id BLOB PRIMARY KEY, account TEXT NOT NULL, number TEXT NOT NULL, cents INTEGER NOT NULL,
            UNIQUE (account, number)) WITHOUT ROWID;
         CREATE TABLE line (order_id BLOB NOT NULL, line INTEGER NOT NULL, item TEXT NOT NULL, quantity INTEGER NOT NULL,
            cents INTEGER NOT NULL, PRIMARY KEY (order_id, line)) WITHOUT ROWID;
         CREATE TABLE outbox (seq INTEGER PRIMARY KEY, order_id BLOB NOT NULL, body BLOB NOT NULL);",
    )?;
    Ok(connection)
}

fn insert(transaction: &Transaction<'_>, job: &Job) -> rusqlite::Result<()> {
    let id = job.id.as_bytes().as_slice();
    transaction
        .prepare_cached(
            "INSERT INTO sales_order (id, account, number, cents) VALUES (?1, ?2, ?3, ?4)",
        )?
        .execute(params![
            id,
            job.account,
            job.number,
            i64::try_from(job.total).unwrap_or(i64::MAX)
        ])?;
    let mut line = transaction.prepare_cached(
        "INSERT INTO line (order_id, line, item, quantity, cents) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?;
    for (number, sold) in (1_i64..).zip(&job.sold) {
        let [quantity, cents] =
            [sold.quantity, sold.cents].map(|figure| i64::try_from(figure).unwrap_or(i64::MAX));
        line.execute(params![id, number, &*sold.item, quantity, cents])?;
    }
    transaction
        .prepare_cached("INSERT INTO outbox (order_id, body) VALUES (?1, ?2)")?
        .execute(params![id, job.body.as_ref()])?;
    Ok(())
}

fn commit(connection: &mut Connection, jobs: &[Job]) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    for job in jobs {
        insert(&transaction, job)?;
    }
    transaction.commit()
}

type Waiting = (Job, oneshot::Sender<bool>);

/// The one writer: what waits shares a commit, and is answered after it.
fn write(mut connection: Connection, mut queue: mpsc::Receiver<Waiting>) {
    while let Some((first, answer)) = queue.blocking_recv() {
        let mut jobs = vec![first];
        let mut answers = vec![answer];
        while jobs.len() < BATCH
            && let Ok((job, answer)) = queue.try_recv()
        {
            jobs.push(job);
            answers.push(answer);
        }
        let done = commit(&mut connection, &jobs).is_ok();
        for answer in answers {
            // A caller that is gone has its order all the same.
            answer.send(done).ok();
        }
    }
}

/// Takes orders.
pub(super) async fn serve(listen: SocketAddr, file: &Path) -> anyhow::Result<()> {
    let (queue, waiting) = mpsc::channel(QUEUE);
    let connection = open(file)?;
    std::thread::Builder::new().spawn(move || write(connection, waiting))?;
    let shop = Arc::new(Mutex::new(Shop::open()));
    hop::serve(listen, || {
        let (queue, shop) = (queue.clone(), Arc::clone(&shop));
        move |request: Request<Incoming>| {
            let (queue, shop) = (queue.clone(), Arc::clone(&shop));
            async move {
                if request.method() == Method::GET {
                    return hop::json("{}");
                }
                let body = request.into_body().collect().await?.to_bytes();
                take(&shop, &queue, body).await
            }
        }
    })
    .await
}

async fn take(shop: &Mutex<Shop>, queue: &mpsc::Sender<Waiting>, body: Bytes) -> Answer {
    let order: Order<'_> = serde_json::from_slice(&body)?;
    let sold = shop
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .sell(&order);
    let Some((sold, total)) = sold else {
        return answer(StatusCode::UNPROCESSABLE_ENTITY, Vec::new());
    };
    let id = Uuid::now_v7();
    let job = Job {
        id,
        account: order.account.to_owned(),
        number: order.purchase_order_number.to_owned(),
        sold,
        total,
        body: body.clone(),
    };
    let (done, committed) = oneshot::channel();
    queue.send((job, done)).await.ok().context("no writer")?;
    anyhow::ensure!(committed.await?, "an order is not written");
    let accepted = Accepted {
        order_id: id,
        status: "received",
        total_cents: total,
    };
    answer(StatusCode::ACCEPTED, serde_json::to_vec(&accepted)?)
}

fn answer(status: StatusCode, body: Vec<u8>) -> Answer {
    Ok(Response::builder()
        .status(status)
        .header(CONTENT_TYPE, "application/json")
        .body(Full::new(body.into()))?)
}

/// Passes on orders to another, and its answers back.
pub(super) async fn pass_on(listen: SocketAddr, to: SocketAddr) -> anyhow::Result<()> {
    hop::serve(listen, || {
        let next = Arc::new(tokio::sync::Mutex::new(None));
        move |request: Request<Incoming>| {
            let next = Arc::clone(&next);
            async move {
                if request.method() == Method::GET {
                    return hop::json("{}");
                }
                let path = request.uri().path().to_owned();
                let body = request.into_body().collect().await?.to_bytes();
                let order: Order<'_> = serde_json::from_slice(&body)?;
                let asked = Request::post(path)
                    .header("host", "floor")
                    .header(CONTENT_TYPE, "application/json")
                    .body(Full::new(serde_json::to_vec(&order)?.into()))?;
                let said = send(&mut *next.lock().await, to, asked).await?;
                answer(said.status(), said.into_body().into())
            }
        }
    })
    .await
}

/// One order after the other, each with a commit of its own.
pub(super) fn raw(file: &Path, body: &Path, millis: u64) -> anyhow::Result<()> {
    let body = Bytes::from(std::fs::read(body)?);
    let order: Order<'_> = serde_json::from_slice(&body)?;
    let mut shop = Shop::open();
    let mut connection = open(file)?;
    let begun = Instant::now();
    let lasts = Duration::from_millis(millis);
    let mut written = 0_u64;
    while begun.elapsed() < lasts {
        let (sold, total) = shop.sell(&order).context("the order does not go")?;
        let job = Job {
            id: Uuid::now_v7(),
            account: order.account.to_owned(),
            number: format!("RAW-{written}"),
            sold,
            total,
            body: body.clone(),
        };
        commit(&mut connection, std::slice::from_ref(&job))?;
        written = written.saturating_add(1);
    }
    let per_second =
        u128::from(written).saturating_mul(1_000_000_000) / begun.elapsed().as_nanos().max(1);
    say(&per_second.to_string())
}
