//! Sixty-four buyers reserve, order, give back and let run out what there is of twenty items, while the process that
//! counts is killed: never more is held than there is, and what each was told is right.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};
use rand::{Rng as _, SeedableRng as _, rngs::StdRng, seq::IndexedRandom as _};
use rustix::process::Signal;
use serde_json::{Value, json};
use tests::processes::{Binaries, Binary};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{
    actions::persist,
    callers::USERS,
    estate::{Plan, StorePlace},
    events,
    histories::{FIGURE_LASTS, Histories, Ordered},
    judge::Key,
    linear::{Found, Operation, What, search},
    orders::{PLENTIFUL, SCARCE, SITE},
    report::Report,
    run::Run,
    scenarios::Options,
};

const BUYERS: u32 = 64;
const STOCK: u32 = 100;
/// The longest that a buyer asks for one thing.
const PATIENCE: Duration = Duration::from_secs(60);
const KILL_EVERY: Duration = Duration::from_secs(4);
const ALL_OVER_WITHIN: Duration = Duration::from_secs(90);
/// The ERP has all that was ordered by then.
const ACCEPTED_WITHIN: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(500);
const EXACTLY_NOT_ENOUGH: What = What::NotEnough { doubled: 0 };
/// Operations of a broken history that are told.
const TOLD: usize = 60;
/// The sweep comes every second, and its process may just have been killed: a deadline of liveness, for a slow machine too.
const SWEPT_WITHIN: SignedDuration = SignedDuration::from_secs(15);
/// Beside the items of every run.
const MORE: [&str; 2] = ["SKU-0038", "SKU-0041"];

pub(super) async fn run(binaries: &Binaries, options: &Options) -> anyhow::Result<Report> {
    let instances = if options.store == StorePlace::Sqlite {
        1
    } else {
        2
    };
    let name = match options.store {
        StorePlace::Sqlite => "reservations sqlite",
        StorePlace::Postgres => "reservations postgres",
    };
    let run = Arc::new(Run::start(binaries, plan(options, instances), STOCK).await?);
    let mut report = Report::new(name, options.seed);
    let items: Vec<&'static str> = PLENTIFUL.into_iter().chain(SCARCE).chain(MORE).collect();
    for item in &items {
        run.estate
            .outside
            .set_stock(item, SITE, STOCK.into())
            .await?;
        run.estate.outside.set_stock(item, "WEST", 0).await?;
    }
    // Whoever looked before the stock was set remembers the old figure.
    for layer in run.estate.of(Binary::System) {
        layer.process.restart().await?;
    }
    run.estate.ready().await?;
    let lasts = Duration::from_secs(options.seconds.unwrap_or(20));
    let until = Instant::now() + lasts;
    let histories = Arc::<Mutex<Histories>>::default();
    let over = CancellationToken::new();
    let killing = tokio::spawn({
        let (run, over) = (Arc::clone(&run), over.clone());
        async move { kill(&run, &over).await }
    });
    let buyers = (0..BUYERS).map(|number| {
        let buyer = Buyer {
            run: Arc::clone(&run),
            histories: Arc::clone(&histories),
            items: items.clone(),
            number,
            luck: StdRng::seed_from_u64(options.seed ^ u64::from(number)),
        };
        tokio::spawn(buyer.trade(until))
    });
    let ended = tokio::time::timeout(lasts + ALL_OVER_WITHIN, join_all(buyers)).await;
    over.cancel();
    let kills = killing.await?;
    match ended {
        Ok(ended) => {
            for buyer in ended {
                buyer??;
            }
        }
        Err(_elapsed) => report
            .violations
            .push("a buyer never came to an end".to_owned()),
    }
    let mut histories = histories
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone();
    settle(&run, &mut report, &mut histories).await?;
    for (item, history) in &mut histories {
        if let Some(left) = history.left(STOCK) {
            let found = exactly(&run, &mut report, item, left).await?;
            history.operations.extend(found);
        }
    }
    judge(&run, &mut report, &histories).await?;
    report.note("buyers", BUYERS);
    report.note("instances", instances);
    report.note("kills of process-apis", kills);
    Ok(report)
}

fn plan(options: &Options, instances: usize) -> Plan {
    let lasts = format!("{FIGURE_LASTS:#}");
    let cache = format!("{{ fresh = \"{lasts}\", stale_if_error = \"1h\", entries = 1000 }}");
    Plan {
        class: options.class,
        store: options.store,
        instances,
        ..Plan::default()
    }
    .with("ORDERWAY_SYSTEM__ERP__MAIN__CACHE__STOCK", cache)
}

async fn kill(run: &Run, over: &CancellationToken) -> usize {
    let mut kills: usize = 0;
    loop {
        for layer in run.estate.of(Binary::Process) {
            let pause = tokio::time::sleep(KILL_EVERY);
            if over.run_until_cancelled(pause).await.is_none() {
                return kills;
            }
            layer.process.signal(Signal::KILL);
            kills = kills.saturating_add(1);
        }
    }
}

/// Waits until the ERP has accepted all that was ordered, every reservation is over, and every figure shows that.
async fn settle(run: &Run, report: &mut Report, histories: &mut Histories) -> anyhow::Result<()> {
    run.estate.ready().await?;
    let begun = Instant::now();
    let open = loop {
        let feed = events::feed(run).await?;
        let accepted: BTreeMap<Key, Timestamp> = feed
            .iter()
            .filter(|event| event.is("order.accepted"))
            .map(|event| (event.key(), event.time))
            .collect();
        let ordered = histories.values_mut().flat_map(|one| &mut one.ordered);
        let mut open: usize = 0;
        for ordered in ordered {
            ordered.accepted = accepted.get(&ordered.key).copied();
            open = open.saturating_add(usize::from(ordered.accepted.is_none()));
        }
        if open == 0 || begun.elapsed() > ACCEPTED_WITHIN {
            break open;
        }
        tokio::time::sleep(PAUSE).await;
    };
    report.note("settled after, s", begun.elapsed().as_secs());
    report.must(open == 0, || format!("{open} orders were never accepted"));
    let shown = histories.values().flat_map(|history| {
        let shown = history.ordered.iter().filter_map(Ordered::shown);
        shown.chain(history.operations.iter().filter_map(|one| one.to))
    });
    let shown = shown.max().unwrap_or(Timestamp::MIN);
    while run.clock.now() < shown {
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}

/// What is left of an item can be reserved, and not a piece more: no caution is left then.
async fn exactly(
    run: &Run,
    report: &mut Report,
    item: &'static str,
    left: u32,
) -> anyhow::Result<Vec<Operation>> {
    let callers = run.crowd.turn(0)?;
    let mut operations = Vec::new();
    for (key, pieces, wanted) in [("left", left, What::Taken), ("more", 1, EXACTLY_NOT_ENOUGH)] {
        if pieces == 0 {
            continue;
        }
        let line = json!({"item": item, "quantity": {"value": pieces.to_string(), "unit": "EA"}});
        let (key, body) = (format!("{key}-{item}"), json!({"lines": [line]}));
        let from = run.clock.now();
        let answer = persist(callers, "ACME", "/reservations", &key, (None, &body)).await?;
        let what = match (answer.status.as_u16(), answer.at("/code").as_str()) {
            (201, _) => What::Taken,
            (409, "insufficient-stock") => EXACTLY_NOT_ENOUGH,
            _ => anyhow::bail!("{} {}", answer.status, answer.text),
        };
        report.must(what == wanted, || {
            format!("{item}: {left} of {STOCK} are left, and {pieces} were answered {what:?}")
        });
        let to = Some(run.clock.now());
        operations.push(Operation {
            from,
            to,
            pieces,
            what,
        });
    }
    Ok(operations)
}

async fn judge(run: &Run, report: &mut Report, histories: &Histories) -> anyhow::Result<()> {
    let count = |what: What| {
        let all = histories.values().flat_map(|history| &history.operations);
        all.filter(|operation| operation.what == what).count()
    };
    let refused = count(EXACTLY_NOT_ENOUGH);
    report.note("taken", count(What::Taken));
    report.note("refused for want of stock", refused);
    report.note("given back, or run out", count(What::GivenBack));
    let (mut exact, mut cautious): (usize, usize) = (0, 0);
    for (item, history) in histories {
        let found = match search(STOCK, &history.operations) {
            Found::Linearizable => {
                exact = exact.saturating_add(1);
                continue;
            }
            Found::Not | Found::Undecided => search(STOCK, &history.cautious()),
        };
        match found {
            Found::Linearizable => cautious = cautious.saturating_add(1),
            Found::Not => {
                let text = format!("{item}: the history is not linearizable");
                report.violations.push(text);
                let all = history
                    .operations
                    .iter()
                    .map(|operation| format!("{operation:?}"));
                report.diagnostics.extend(all.take(TOLD));
            }
            Found::Undecided => {
                report
                    .violations
                    .push(format!("{item}: the search was too long"));
            }
        }
    }
    report.note("items with an exact linearizable history", exact);
    report.note(
        "items with a refusal while an order counted twice",
        cautious,
    );
    report.must(refused > 0, || {
        "nobody wanted more than there was: the run tried nothing".to_owned()
    });
    let mut otherwise: usize = 0;
    for ordered in histories.values().flat_map(|history| &history.ordered) {
        otherwise = otherwise.saturating_add(usize::from(!is_from_stock(run, ordered).await?));
    }
    report.must(otherwise == 0, || {
        format!("{otherwise} orders were reserved, and promised otherwise than from stock")
    });
    let records = run.estate.outside.records().await?;
    for item in histories.keys() {
        let sold: rust_decimal::Decimal = records
            .orders
            .iter()
            .filter(|order| !order.blocked)
            .flat_map(|order| &order.lines)
            .filter(|line| line.item == *item)
            .map(|line| line.base_quantity)
            .sum();
        report.must(sold <= STOCK.into(), || {
            format!("{item}: {sold} sold of {STOCK}")
        });
    }
    report.note("orders in the ERP", records.orders.len());
    Ok(())
}

/// Whether all of an order that was reserved is promised from stock.
async fn is_from_stock(run: &Run, ordered: &Ordered) -> anyhow::Result<bool> {
    let path = format!("/orders/{}", ordered.id);
    let seen = run.crowd.turn(0)?.get(&ordered.key.0, &path).await?;
    anyhow::ensure!(seen.status.is_success(), "{} {}", seen.status, seen.text);
    let body = seen.json();
    let parts = body.pointer("/lines/0/schedule").and_then(Value::as_array);
    Ok(parts.is_some_and(|parts| {
        !parts.is_empty()
            && parts
                .iter()
                .all(|part| part.get("cover").and_then(Value::as_str) == Some("stock"))
    }))
}

/// A reservation that a buyer holds.
struct Held {
    account: &'static str,
    item: &'static str,
    pieces: u32,
    /// What is to become of it.
    fate: u32,
    line: Value,
    id: String,
    expires_at: Timestamp,
}

struct Buyer {
    run: Arc<Run>,
    histories: Arc<Mutex<Histories>>,
    items: Vec<&'static str>,
    number: u32,
    luck: StdRng,
}

impl Buyer {
    async fn trade(mut self, until: Instant) -> anyhow::Result<()> {
        for round in 0_u32.. {
            if Instant::now() >= until {
                break;
            }
            self.once(round).await?;
        }
        Ok(())
    }

    fn note(&self, item: &'static str, operation: Operation) {
        let mut histories = self
            .histories
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        histories
            .entry(item)
            .or_default()
            .operations
            .push(operation);
    }

    fn now(&self) -> Timestamp {
        self.run.clock.now()
    }

    /// One reservation, and what becomes of it.
    async fn once(&mut self, round: u32) -> anyhow::Result<()> {
        let run = Arc::clone(&self.run);
        let callers = run.crowd.turn(self.number)?;
        let account = USERS
            .get(
                usize::try_from(self.number)?
                    .checked_rem(USERS.len())
                    .unwrap_or(0),
            )
            .map_or("ACME", |(account, _)| account);
        let item = self
            .items
            .choose(&mut self.luck)
            .copied()
            .unwrap_or("SKU-0001");
        let pieces = self.luck.random_range(1..=20);
        let fate = self.luck.random_range(0..10);
        let seconds = if fate < 3 { 2 } else { 600 };
        let line = json!({"item": item, "quantity": {"value": pieces.to_string(), "unit": "EA"}});
        let key = format!("r-{}-{round}", self.number);
        let body = json!({"lines": [line], "seconds": seconds});
        let from = self.now();
        let asking = persist(callers, account, "/reservations", &key, (None, &body));
        let Ok(answer) = tokio::time::timeout(PATIENCE, asking).await else {
            // Nobody knows, and the buyer has given up.
            let (to, what) = (None, What::MaybeTaken);
            self.note(
                item,
                Operation {
                    from,
                    to,
                    pieces,
                    what,
                },
            );
            return Ok(());
        };
        let answer = answer?;
        let told = |what| Operation {
            from,
            to: Some(self.now()),
            pieces,
            what,
        };
        match (answer.status.as_u16(), answer.at("/code").as_str()) {
            (201, _) => self.note(item, told(What::Taken)),
            (409, "insufficient-stock") => {
                self.note(item, told(EXACTLY_NOT_ENOUGH));
                return Ok(());
            }
            (_, "reservation-limit") => return Ok(()),
            _ => anyhow::bail!("{} {}", answer.status, answer.text),
        }
        let held = Held {
            account,
            item,
            pieces,
            fate,
            line,
            id: answer.at("/reservation_id"),
            expires_at: answer.at("/expires_at").parse()?,
        };
        self.dispose(held, round).await
    }

    /// What becomes of a reservation: given back, ordered, or left to run out.
    async fn dispose(&self, held: Held, round: u32) -> anyhow::Result<()> {
        let callers = self.run.crowd.turn(self.number)?;
        let Held {
            account,
            item,
            pieces,
            fate,
            line,
            id,
            expires_at,
        } = held;
        let path = format!("/reservations/{id}");
        let from = self.now();
        if fate >= 7 {
            let key = format!("g-{}-{round}", self.number);
            let release = format!("{path}/release");
            let asking = persist(callers, account, &release, &key, (None, &Value::Null));
            let Ok(answer) = tokio::time::timeout(PATIENCE, asking).await else {
                let (to, what) = (None, What::MaybeGivenBack);
                self.note(
                    item,
                    Operation {
                        from,
                        to,
                        pieces,
                        what,
                    },
                );
                return Ok(());
            };
            let answer = answer?;
            anyhow::ensure!(answer.status.is_success(), "{}", answer.text);
        } else if fate >= 3 {
            let number = format!("R-{}-{round}", self.number);
            let body =
                json!({"purchase_order_number": number, "reservation_id": id, "lines": [line]});
            let answer = persist(callers, account, "/orders", &number, (None, &body)).await?;
            if answer.status.is_success() {
                // It is the order's now: nothing is given back.
                let mut histories = self
                    .histories
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner);
                histories.entry(item).or_default().ordered.push(Ordered {
                    key: (account.to_owned(), number),
                    id: answer.at("/order_id"),
                    asked: from,
                    accepted: None,
                    pieces,
                });
                return Ok(());
            }
        }
        self.gone(account, &path, (from, expires_at), (item, pieces))
            .await
    }

    /// Waits until the reservation is gone, and notes that its stock is back.
    async fn gone(
        &self,
        account: &str,
        path: &str,
        (asked, expires_at): (Timestamp, Timestamp),
        (item, pieces): (&'static str, u32),
    ) -> anyhow::Result<()> {
        loop {
            let callers = self.run.crowd.turn(self.number)?;
            if let Ok(seen) = callers.get(account, path).await {
                let now = self.now();
                let span = match seen.at("/state").as_str() {
                    "released" => Some((asked, now)),
                    // It reads as run out at once, and its stock is back with the next round of the sweep.
                    "expired" => Some((expires_at, now.saturating_add(SWEPT_WITHIN)?)),
                    _ => None,
                };
                if let Some((from, to)) = span {
                    let (to, what) = (Some(to), What::GivenBack);
                    self.note(
                        item,
                        Operation {
                            from,
                            to,
                            pieces,
                            what,
                        },
                    );
                    return Ok(());
                }
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}
