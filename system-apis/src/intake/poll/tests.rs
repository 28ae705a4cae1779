//! A source that commits late, stamps equally, deletes and answers in short pages, read by two readers that crash: every
//! change is delivered, and in the end each shipment is known as it is.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use async_trait::async_trait;
use canonical_model::{
    ShipmentNumber, UnitOfMeasure,
    intake::CursorStep,
    shipment::{ShipmentNews, ShipmentNewsLine},
};
use jiff::Timestamp;
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use rstest::rstest;
use service_runtime::{config::HumanDuration, http_client::HopError};
use tokio_util::sync::CancellationToken;

use super::{
    Delivered, Door, PollConfig, Reader, Source,
    reader::{Look, ReadError},
};
use crate::{
    guard::GuardError,
    intake::feed::{Change, From, Page, Position, Stamp, Told, Unread},
};

const OVERLAP: i64 = 50_000;

pub(super) fn shipment(number: &str, version: u64, picked: i64, shipped: i64) -> ShipmentNews {
    ShipmentNews {
        shipment: ShipmentNumber::new(number).unwrap(),
        version,
        order_reference: "OW7K2M4Q9T1B3C5D6E".parse().unwrap(),
        sales_order_number: None,
        release_number: None,
        site: "EAST".parse().unwrap(),
        lines: vec![ShipmentNewsLine {
            line: 1,
            item: "SKU-0001".parse().unwrap(),
            unit: UnitOfMeasure::EACH,
            picked: picked.into(),
            packed: shipped.into(),
            shipped: shipped.into(),
        }],
        carrier: None,
        tracking_numbers: Vec::new(),
        ssccs: Vec::new(),
        occurred_at: Timestamp::UNIX_EPOCH,
    }
}

/// A transaction that is not committed yet.
struct Begun {
    stamp: i64,
    commit_at: i64,
    row: usize,
    quantity: i64,
}

/// Both sides: the source's rows, and what `process-apis` know.
struct World {
    random: StdRng,
    now: i64,
    /// (stamp, quantity) as committed; None = deleted.
    rows: BTreeMap<String, Option<(i64, i64)>>,
    begun: Vec<Begun>,
    page: usize,
    known: BTreeMap<String, ShipmentNews>,
    cursor: Option<String>,
    /// One in so many calls breaks off, before or after it was done.
    breaks: Option<u32>,
    calls: u32,
    told: usize,
}

#[derive(Clone)]
struct Shared(Arc<Mutex<World>>);

impl Shared {
    fn new(seed: u64, page: usize) -> Self {
        Self(Arc::new(Mutex::new(World {
            random: StdRng::seed_from_u64(seed),
            now: 1_000,
            rows: BTreeMap::new(),
            begun: Vec::new(),
            page,
            known: BTreeMap::new(),
            cursor: None,
            breaks: None,
            calls: 0,
            told: 0,
        })))
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap()
    }

    fn breaks(&self) -> bool {
        let mut world = self.world();
        world.calls += 1;
        let breaks = world.breaks;
        breaks.is_some_and(|one_in| world.random.random_ratio(1, one_in))
    }

    /// The others have their turn, and time passes in the source.
    async fn meanwhile(&self) {
        let turns = {
            let mut world = self.world();
            world.step();
            world.random.random_range(0..3)
        };
        for _ in 0..turns {
            tokio::task::yield_now().await;
        }
    }

    fn reader(&self) -> Reader<Self, Self> {
        let config = PollConfig {
            interval: HumanDuration::from_millis(10),
            overlap: HumanDuration::from_millis(50),
            sweep: HumanDuration::from_secs(600),
        };
        Reader::new("wms".to_owned(), self.clone(), self.clone(), config)
    }
}

impl World {
    /// Time passes: transactions begin and end, some at the same instant.
    fn step(&mut self) {
        if self.breaks.is_none() {
            return;
        }
        self.now += 1_000 * self.random.random_range(0..15);
        for _ in 0..self.random.random_range(0..4) {
            let row = self.random.random_range(0..12);
            let busy = self.begun.iter().any(|begun| begun.row == row);
            let deleted = matches!(self.rows.get(&name(row)), Some(None));
            // A row that a transaction has written to is locked until that has ended.
            if !busy && !deleted {
                let lasts = self.random.random_range(0..=OVERLAP);
                let quantity = self.random.random_range(1..100);
                self.begun.push(Begun {
                    stamp: self.now,
                    commit_at: self.now + lasts,
                    row,
                    quantity,
                });
            }
        }
        if self.random.random_ratio(1, 30) {
            let row = self.random.random_range(0..12);
            let is_there = matches!(self.rows.get(&name(row)), Some(Some(_)));
            if is_there && !self.begun.iter().any(|begun| begun.row == row) {
                self.rows.insert(name(row), None);
            }
        }
        self.commit(self.now);
    }

    fn commit(&mut self, until: i64) {
        let (ended, begun) = std::mem::take(&mut self.begun)
            .into_iter()
            .partition(|begun: &Begun| begun.commit_at <= until);
        self.begun = begun;
        for Begun {
            stamp,
            row,
            quantity,
            ..
        } in ended
        {
            self.rows.insert(name(row), Some((stamp, quantity)));
        }
    }

    fn as_it_is(&self) -> BTreeMap<String, i64> {
        let rows = self.rows.iter();
        rows.map(|(row, is)| (row.clone(), is.map_or(0, |(_, quantity)| quantity)))
            .collect()
    }

    fn as_known(&self) -> BTreeMap<String, i64> {
        let known = self.known.iter().map(|(row, news)| {
            let held = news
                .lines
                .first()
                .map_or(0, |line| i64::try_from(line.picked).unwrap());
            (row.clone(), held)
        });
        known.collect()
    }
}

fn name(row: usize) -> String {
    format!("SH-{row}")
}

fn gone() -> GuardError {
    GuardError::DeadlineExceeded
}

#[async_trait]
impl Source for Shared {
    async fn changes(&self, from: From) -> Result<Page, GuardError> {
        self.meanwhile().await;
        if self.breaks() {
            return Err(gone());
        }
        let mut world = self.world();
        world.step();
        let mut changes: Vec<Change> = world
            .rows
            .iter()
            .filter_map(|(row, is)| {
                let (stamp, quantity) = (*is)?;
                let at = Position {
                    stamp: Stamp(stamp),
                    id: row.clone(),
                };
                let is_from = match &from {
                    From::Beginning => true,
                    From::Since(since) => at.stamp >= *since,
                    From::After(place) => (at.stamp, &at.id) > (place.stamp, &place.id),
                };
                let news = shipment(row, stamp.unsigned_abs(), quantity, 0);
                is_from.then(|| Change {
                    at,
                    told: Told::Shipment(Box::new(news)),
                })
            })
            .collect();
        changes
            .sort_by(|one, other| (one.at.stamp, &one.at.id).cmp(&(other.at.stamp, &other.at.id)));
        let more = changes.len() > world.page;
        changes.truncate(world.page);
        Ok(Page { changes, more })
    }

    async fn missing(
        &self,
        sought: Vec<ShipmentNumber>,
    ) -> Result<Vec<ShipmentNumber>, GuardError> {
        self.meanwhile().await;
        if self.breaks() {
            return Err(gone());
        }
        let world = self.world();
        let is_gone =
            |number: &ShipmentNumber| matches!(world.rows.get(number.as_str()), Some(None));
        Ok(sought.into_iter().filter(is_gone).collect())
    }
}

#[async_trait]
impl Door for Shared {
    async fn cursor(&self) -> Result<Option<String>, HopError> {
        self.meanwhile().await;
        if self.breaks() {
            return Err(HopError::TooLate);
        }
        Ok(self.world().cursor.clone())
    }

    async fn deliver(
        &self,
        shipments: Vec<ShipmentNews>,
        unread: Vec<Unread>,
        step: Option<CursorStep>,
    ) -> Result<Delivered, HopError> {
        assert!(unread.is_empty());
        self.meanwhile().await;
        if self.breaks() {
            return Err(HopError::TooLate);
        }
        {
            let mut world = self.world();
            if let Some(step) = step {
                if world.cursor != step.from {
                    return Ok(Delivered::CursorMoved);
                }
                world.cursor = Some(step.to);
            }
            world.told += shipments.len();
            for news in shipments {
                let row = news.shipment.to_string();
                let before = world.known.get(&row).map_or(0, |known| known.version);
                if news.version > before {
                    world.known.insert(row, news);
                }
            }
        }
        // It was done, and the answer is lost.
        if self.breaks() {
            return Err(HopError::Timeout);
        }
        Ok(Delivered::Taken)
    }
}

async fn look_about(shared: &Shared, reader: &mut Reader<Shared, Shared>, sweeps: bool) {
    let looked: Result<_, ReadError> = reader.look().await;
    if looked.is_err() && shared.breaks() {
        // The process is gone, and all that it remembered.
        *reader = shared.reader();
    }
    if sweeps {
        drop(reader.sweep().await);
    }
}

#[rstest]
#[tokio::test]
async fn two_readers_that_crash_deliver_every_change_and_end_with_what_is(
    #[values(2, 3, 7, 100)] page: usize,
) {
    let mut deletes = (0, 0);
    for seed in 0..150 {
        let shared = Shared::new(seed, page);
        shared.world().breaks = Some(10);
        let (mut one, mut other) = (shared.reader(), shared.reader());
        for round in 0..40 {
            tokio::join!(
                look_about(&shared, &mut one, round % 3 == 0),
                look_about(&shared, &mut other, round % 5 == 0),
            );
        }
        // Time stands still from here on: what began ends, and is still to be found.
        {
            let mut world = shared.world();
            world.breaks = None;
            let end = world.now + OVERLAP;
            world.commit(end);
        }
        one.look().await.unwrap();
        other.look().await.unwrap();
        for _ in 0..2 {
            one.sweep().await.unwrap();
            other.sweep().await.unwrap();
        }
        let world = shared.world();
        let mut is = world.as_it_is();
        let emptied = |row: &String| {
            let known = world.known.get(row);
            known.is_some_and(|news| news.lines.is_empty())
        };
        // Deleted while nobody knew it, or while all who did crashed: nobody can tell.
        let deleted = is.iter().filter(|(_, held)| **held == 0);
        let (told, untold): (Vec<_>, Vec<_>) = deleted.partition(|(row, _)| emptied(row));
        deletes = (deletes.0 + told.len(), deletes.1 + untold.len());
        is.retain(|row, held| *held > 0 || emptied(row));
        let mut known = world.as_known();
        known.retain(|row, _| is.contains_key(row));
        assert_eq!(known, is, "seed {seed}, pages of {page}");
        assert!(world.told > 20, "{}", world.told);
    }
    let (told, untold) = deletes;
    assert!(
        told > untold,
        "deletes: {told} were told, {untold} were not"
    );
}

#[tokio::test]
async fn what_was_delivered_is_not_delivered_again_while_the_overlap_is_read() {
    let shared = Shared::new(1, 100);
    shared.world().rows.insert(name(0), Some((1_000_000, 5)));
    let mut reader = shared.reader();
    assert_eq!(reader.look().await.unwrap(), Look::Told);
    for _ in 0..3 {
        assert_eq!(reader.look().await.unwrap(), Look::Quiet);
    }
    assert_eq!(shared.world().told, 1);
    // Committed late, behind what was read.
    shared.world().rows.insert(name(1), Some((960_000, 5)));
    assert_eq!(reader.look().await.unwrap(), Look::Told);
    let world = shared.world();
    assert_eq!((world.told, world.cursor.as_deref()), (2, Some("950000")));
}

#[tokio::test]
async fn who_was_not_first_delivers_nothing_twice_and_stands_back() {
    let shared = Shared::new(1, 100);
    shared.world().rows.insert(name(0), Some((1_000_000, 5)));
    let (mut one, mut other) = (shared.reader(), shared.reader());
    assert_eq!(one.look().await.unwrap(), Look::Told);
    let quick = one.pause(0);
    assert_eq!(
        other.look().await.unwrap(),
        Look::Told,
        "it remembers nothing yet"
    );
    shared.world().rows.insert(name(0), Some((2_000_000, 6)));
    one.look().await.unwrap();
    other.look().await.unwrap();
    assert!(other.pause(0) > quick && one.pause(0) == quick);
    // The first is gone: the second goes on, and is the first from then on.
    shared.world().rows.insert(name(0), Some((3_000_000, 7)));
    other.look().await.unwrap();
    assert_eq!(other.pause(0), quick);
    one.look().await.unwrap();
    assert!(one.pause(0) > quick);
}

#[tokio::test(start_paused = true)]
async fn failures_are_waited_out_longer_and_longer_and_a_stop_ends_it_at_once() {
    let shared = Shared::new(1, 100);
    shared.world().breaks = Some(1);
    let reader = shared.reader();
    assert_eq!(reader.pause(3), Duration::from_millis(80));
    assert_eq!(reader.pause(40), Duration::from_secs(60));
    let stop = CancellationToken::new();
    let reading = tokio::spawn(reader.run(stop.clone()));
    tokio::time::sleep(Duration::from_secs(600)).await;
    let calls = shared.world().calls;
    assert!((12..40).contains(&calls), "{calls} calls in ten minutes");
    stop.cancel();
    reading.await.unwrap();
}
