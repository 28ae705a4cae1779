//! Orderway over so many stored orders.

use std::{
    collections::BTreeMap,
    fs::File,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use http::StatusCode;
use rustix::fs::{Advice, fadvise};
use tests::{
    multiply::{Facts, multiply, open_effects},
    processes::Binaries,
};
use tokio_util::sync::CancellationToken;

use super::{PROCESS, THREE, number, over, reader};
use crate::{
    contest::{Contestant, Kind},
    estate::{Estate, Plan, Started},
    load::ask,
    workloads::orders::{
        self, CALLERS,
        sheets::{Identity, Numbers, Sheet, Signer, Token, target},
        turn::{Behind, Racer, Turn},
    },
};

/// Orders that are taken, to be copied.
pub(super) const ORIGINALS: u32 = 100;
const LINES: usize = 5;
/// When to look for what else the ERP has of an order.
const SWEEP: &str = "ORDERWAY_PROCESS__EFFECTS__GHOST_SWEEP";
/// How long the originals may take until nothing is left to do.
const DONE_WITHIN: Duration = Duration::from_secs(300);
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Orderway over a store that was grown.
pub(super) struct Stored {
    estate: Estate,
    token: Token,
    numbers: Numbers,
    /// How many, when the first round begins.
    pub(super) orders: u32,
    pub(super) made: Made,
    pub(super) starts: Vec<Started>,
}

/// How it was grown.
pub(super) struct Made {
    pub(super) copies: u32,
    pub(super) took: Duration,
    /// Of the file, with the originals alone and with all.
    pub(super) bytes_before: u64,
    pub(super) bytes: u64,
    rows: BTreeMap<String, i64>,
}

/// What a table takes of the file.
pub(super) struct Part {
    pub(super) table: String,
    /// None where they were not counted.
    pub(super) rows: Option<u64>,
    pub(super) bytes: u64,
    pub(super) indexes: u64,
}

/// The file as it stands, while nobody has it open.
pub(super) struct Measured {
    pub(super) bytes: u64,
    pub(super) orders: u64,
}

/// A round over one store.
pub(super) struct Round {
    pub(super) contestants: Vec<Contestant>,
    pub(super) turns: Vec<Turn>,
}

impl Stored {
    /// Takes the originals, and copies them.
    pub(super) async fn make(binaries: &Binaries, orders: u32) -> anyhow::Result<Self> {
        let plan = Plan::default().with(SWEEP, "[\"1s\"]");
        let estate = orders::start(binaries, plan).await?;
        let (token, numbers) = (Token::new(), Numbers::default());
        originals(&estate, &token, &numbers).await?;
        estate.stop().await;
        estate.set(SWEEP, "[\"24h\"]");
        let file = estate.store();
        let bytes_before = size(&file)?;
        let (stop, begun) = (CancellationToken::new(), Instant::now());
        // Whoever is interrupted does not wait for it.
        let (path, stopped, _stops) = (file.clone(), stop.clone(), stop.drop_guard());
        let more = orders.saturating_sub(ORIGINALS);
        let copying =
            tokio::task::spawn_blocking(move || multiply(&path, more, Facts::Own, &stopped));
        let multiplied = copying.await??;
        let took = begun.elapsed();
        let made = Made {
            copies: multiplied.copies,
            took,
            bytes_before,
            bytes: size(&file)?,
            rows: multiplied.rows,
        };
        forget(&file)?;
        Ok(Self {
            estate,
            token,
            numbers,
            orders,
            made,
            starts: Vec::new(),
        })
    }

    /// What each table takes of the file. Each of its pages is looked at: of a large store that takes longer than to make it.
    pub(super) fn parts(&self) -> anyhow::Result<Vec<Part>> {
        let file = self.estate.store();
        let parts = parts(&file, |table| {
            let rows = self.made.rows.get(table);
            rows.and_then(|rows| u64::try_from(*rows).ok())
        })?;
        forget(&file)?;
        Ok(parts)
    }

    /// Starts the layers, has each contestant's turn, and ends the layers.
    pub(super) async fn round(&mut self, lasts: Duration, round: usize) -> anyhow::Result<Round> {
        self.starts.push(self.estate.start_again().await?);
        let behind = Behind::new(&self.estate, self.token.clone())?;
        let (mut contestants, mut turns) = (Vec::new(), Vec::new());
        for racer in self.racers(&behind)? {
            racer.turn(Duration::from_secs(1), 0).await?;
            turns.push(racer.turn(lasts, round).await?);
            contestants.push(racer.contestant);
        }
        self.estate.stop().await;
        Ok(Round { contestants, turns })
    }

    fn racers<'a>(&self, behind: &'a Behind<'a>) -> anyhow::Result<[Racer<'a>; 2]> {
        let estate = &self.estate;
        let contestant = |name, target, pids| Contestant {
            name: over(name, self.orders),
            kind: Kind::Orderway,
            version: String::new(),
            target: Arc::new(target),
            pids,
            kept: Vec::new(),
        };
        let racer = |contestant| Racer {
            contestant,
            callers: CALLERS,
            behind: Some(behind),
        };
        let signed = Identity::Signed(Box::new(Signer::new()?));
        let sheet = (Sheet::process(LINES), self.numbers.clone());
        let alone = target(&estate.process, "/v1/orders", signed, sheet)?;
        let whole = portal(estate, &self.token, &self.numbers)?;
        Ok([
            racer(contestant(PROCESS, alone, estate.process_pid())),
            racer(contestant(THREE, whole, estate.pids())),
        ])
    }

    /// The file as it stands between two rounds.
    pub(super) fn measured(&self) -> anyhow::Result<Measured> {
        let file = self.estate.store();
        Ok(Measured {
            bytes: size(&file)?,
            orders: number(&file, "SELECT count(*) FROM sales_order")?,
        })
    }
}

fn portal(
    estate: &Estate,
    token: &Token,
    numbers: &Numbers,
) -> anyhow::Result<crate::load::Target> {
    let sheet = (Sheet::portal(LINES), numbers.clone());
    let identity = Identity::Token(token.clone());
    target(&estate.experience, "/portal/v1/orders", identity, sheet)
}

/// Has the originals taken and shipped, and waits until nothing is left to do.
async fn originals(estate: &Estate, token: &Token, numbers: &Numbers) -> anyhow::Result<()> {
    let behind = Behind::new(estate, token.clone())?;
    behind.log_in().await?;
    let target = portal(estate, token, numbers)?;
    for number in 0..u64::from(ORIGINALS) {
        let answer = ask(&target, number).await?;
        anyhow::ensure!(
            answer.status() == StatusCode::ACCEPTED,
            "an order is not taken: {}",
            String::from_utf8_lossy(answer.body())
        );
    }
    anyhow::ensure!(behind.drained().await?, "the originals do not arrive");
    estate.ship().await?;
    let (file, begun) = (estate.store(), Instant::now());
    loop {
        let shipped = "SELECT count(*) FROM sales_order WHERE status = 'shipped'";
        let (shipped, open) = (number(&file, shipped)?, open_effects(&file)?);
        if shipped == u64::from(ORIGINALS) && open == 0 {
            return Ok(());
        }
        anyhow::ensure!(
            begun.elapsed() < DONE_WITHIN,
            "{shipped} originals are shipped, and {open} effects open"
        );
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// What each table takes of the file, the largest first; what is small is left out.
fn parts(file: &Path, rows: impl Fn(&str) -> Option<u64>) -> anyhow::Result<Vec<Part>> {
    let connection = reader(file)?;
    let mut statement = connection.prepare(
        "SELECT coalesce(s.tbl_name, d.name), sum(d.pgsize), sum(d.pgsize) FILTER (WHERE s.type = 'index')
         FROM dbstat AS d LEFT JOIN sqlite_schema AS s ON s.name = d.name WHERE d.aggregate = TRUE
         GROUP BY 1 HAVING sum(d.pgsize) > 1048576 ORDER BY 2 DESC",
    )?;
    let found = statement.query_map((), |row| {
        let indexes: Option<i64> = row.get(2)?;
        Ok((row.get(0)?, row.get(1)?, indexes.unwrap_or_default()))
    })?;
    let part = |found: rusqlite::Result<(String, i64, i64)>| {
        let (table, bytes, indexes) = found?;
        Ok(Part {
            rows: rows(&table),
            table,
            bytes: u64::try_from(bytes)?,
            indexes: u64::try_from(indexes)?,
        })
    };
    found.map(part).collect()
}

fn with_log(file: &Path) -> [PathBuf; 2] {
    let mut log = file.as_os_str().to_owned();
    log.push("-wal");
    [file.to_owned(), log.into()]
}

fn size(file: &Path) -> anyhow::Result<u64> {
    let sizes = with_log(file).map(|file| file.metadata().map_or(0, |found| found.len()));
    anyhow::ensure!(sizes.iter().any(|size| *size > 0), "there is no file");
    Ok(sizes.iter().sum())
}

/// Everything is on the disk, and nothing in memory.
fn forget(file: &Path) -> anyhow::Result<()> {
    for file in with_log(file) {
        if let Ok(file) = File::open(&file) {
            file.sync_all()?;
            fadvise(&file, 0, None, Advice::DontNeed)?;
        }
    }
    Ok(())
}
