//! One run: an estate, its callers, the log of what was acknowledged, and the wait until everything is settled.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::Context as _;
use jiff::{ToSpan as _, civil::Date, tz::TimeZone};
use sandbox::CreateClass;
use serde_json::{Value, json};
use service_runtime::clock::Clock;
use tests::processes::{Binaries, last_lines};
use tests::texts;
use tokio::{task::JoinHandle, time::Instant};

use crate::{
    ack_log::AckLog,
    callers::{Crowd, USERS},
    estate::{Estate, Plan},
    events,
    judge::{Case, Judgment, Key, judge},
    orders::{PLENTIFUL, SCARCE, SCARCE_LEAD_DAYS, SITE},
    outside::{Outside, Records},
    report::Report,
};

/// What there is of what there is plenty of.
const PLENTY: u64 = 1_000_000;
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Tokens live a quarter of an hour.
const LOG_IN_EVERY: Duration = Duration::from_secs(300);
/// After the orders are settled.
const POSTED_WITHIN: Duration = Duration::from_secs(90);
/// Orders and lines of logs that are told when a run does not settle.
const TOLD: usize = 8;
const TOLD_LINES: usize = 12;

/// Has the buyer's site posted every event of every account.
async fn subscribe(estate: &Estate, crowd: &Crowd) -> anyhow::Result<()> {
    for (account, _) in USERS {
        let body = json!({"account": account, "url": format!("{}/webhooks", estate.site.url)});
        let operator = crowd.turn(0)?.operator();
        let made = operator.post("/v1/subscriptions", &body).await?;
        anyhow::ensure!(made.status == 201, "no subscription: {}", made.text);
    }
    Ok(())
}

/// One run.
pub(crate) struct Run {
    pub(crate) estate: Estate,
    pub(crate) crowd: Crowd,
    pub(crate) log: Arc<AckLog>,
    pub(crate) plan: Plan,
    /// What there is of each scarce item.
    pub(crate) stock: BTreeMap<String, u32>,
    pub(crate) clock: Clock,
    /// Orders of the ERP that somebody there released and shipped: none of Orderway's doing.
    by_hand: Mutex<BTreeSet<String>>,
    keys: JoinHandle<()>,
}

impl Drop for Run {
    fn drop(&mut self) {
        self.keys.abort();
    }
}

/// Callers log in again, and again.
async fn keep_logged_in(crowd: Crowd, outside: Outside) {
    loop {
        tokio::time::sleep(LOG_IN_EVERY).await;
        // The tokens that they have are good for a while yet.
        drop(crowd.log_in(&outside).await);
    }
}

impl Run {
    /// Starts an estate with so many pieces of each scarce item.
    pub(crate) async fn start(
        binaries: &Binaries,
        plan: Plan,
        scarce: u32,
    ) -> anyhow::Result<Self> {
        let estate = Estate::start(binaries, &plan).await?;
        for item in PLENTIFUL {
            estate.outside.set_stock(item, SITE, PLENTY).await?;
            estate.outside.set_stock(item, "WEST", 0).await?;
        }
        let mut stock = BTreeMap::new();
        for item in SCARCE {
            estate.outside.set_stock(item, SITE, scarce.into()).await?;
            estate.outside.set_stock(item, "WEST", 0).await?;
            stock.insert(item.to_owned(), scarce);
        }
        let crowd = Crowd::of(&estate).await?;
        if plan.subscribed {
            subscribe(&estate, &crowd).await?;
        }
        let keys = tokio::spawn(keep_logged_in(crowd.clone(), estate.outside.clone()));
        let log = Arc::new(AckLog::new(&estate.folder().join("acknowledged.jsonl"))?);
        Ok(Self {
            estate,
            crowd,
            log,
            plan,
            stock,
            clock: Clock::system(),
            by_hand: Mutex::default(),
            keys,
        })
    }

    /// Notes that somebody at the ERP releases and ships this order of it.
    pub(crate) fn delivered_by_hand(&self, number: &str) {
        self.by_hand().insert(number.to_owned());
    }

    fn by_hand(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.by_hand.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is confirmed before this day is promised from stock.
    pub(crate) fn stock_horizon(&self) -> anyhow::Result<Date> {
        let days = SCARCE_LEAD_DAYS.saturating_sub(4);
        Ok(self.clock.today(&TimeZone::UTC).checked_add(days.days())?)
    }

    /// How every order stands, as its buyer reads it.
    pub(crate) async fn told(&self) -> anyhow::Result<BTreeMap<Key, String>> {
        let mut told = BTreeMap::new();
        let callers = self.crowd.turn(0)?;
        for (account, _) in USERS {
            let mut cursor = String::new();
            loop {
                let path = format!("/orders?limit=200{cursor}");
                let page = callers.get(account, &path).await?;
                anyhow::ensure!(page.status == 200, "{}", page.text);
                let page = page.json();
                let items = page.get("items").and_then(Value::as_array);
                for item in items.context("a page has items")? {
                    let text = |field: &str| {
                        let value = item.get(field).and_then(Value::as_str);
                        value.unwrap_or_default().to_owned()
                    };
                    let held = item.get("held").and_then(Value::as_bool) == Some(true);
                    let status = if held {
                        "held".to_owned()
                    } else {
                        text("status")
                    };
                    told.insert((account.to_owned(), text("purchase_order_number")), status);
                }
                match page.get("next").and_then(Value::as_str) {
                    Some(next) => cursor = format!("&cursor={next}"),
                    None => break,
                }
            }
        }
        Ok(told)
    }

    /// What each order that is held waits for, as the seller reads it.
    async fn holds(&self) -> anyhow::Result<BTreeMap<Key, BTreeSet<String>>> {
        let mut held: BTreeMap<Key, BTreeSet<String>> = BTreeMap::new();
        let operator = self.crowd.turn(0)?.operator();
        let mut cursor = String::new();
        loop {
            let page = operator
                .get(&format!("/v1/holds?limit=200{cursor}"))
                .await?;
            anyhow::ensure!(page.status == 200, "{}", page.text);
            let page = page.json();
            let text = |of: &Value, field: &str| {
                let text = of.get(field).and_then(Value::as_str);
                text.unwrap_or_default().to_owned()
            };
            for order in texts(&page, "/items") {
                let key = (
                    text(&order, "account"),
                    text(&order, "purchase_order_number"),
                );
                let holds = texts(&order, "/holds");
                let kinds = holds.iter().map(|hold| text(hold, "kind"));
                held.entry(key).or_default().extend(kinds);
            }
            match page.get("next").and_then(Value::as_str) {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return Ok(held),
            }
        }
    }

    /// How things stand now.
    pub(crate) async fn judge(&self) -> anyhow::Result<(Judgment, Records)> {
        // What is told first may be old when the records are read, and never the other way round.
        let told = self.told().await?;
        let holds = self.holds().await?;
        let mut records = self.estate.outside.records().await?;
        let by_hand = self.by_hand().clone();
        records
            .orders
            .retain(|order| !by_hand.contains(&order.number));
        let courses = self.log.courses();
        let judgment = judge(&Case {
            class: self.plan.class,
            courses: &courses,
            records: &records,
            told: &told,
            holds: &holds,
            stock: &self.stock,
            from_stock_before: self.stock_horizon()?,
        });
        Ok((judgment, records))
    }

    /// Waits until everything is settled or held, lets what may still be on its way arrive, and judges; after the time it
    /// judges what there is. Told is how long it took to settle.
    pub(crate) async fn settle(
        &self,
        within: Duration,
    ) -> anyhow::Result<(Judgment, Records, Duration)> {
        let begun = Instant::now();
        let mut last = None;
        loop {
            match self.judge().await {
                Ok((judgment, records)) => {
                    let took = begun.elapsed();
                    if took > within {
                        return Ok((judgment, records, took));
                    }
                    if judgment.is_settled() {
                        // A request that was held back, or one that somebody makes whose lease has ended.
                        tokio::time::sleep(self.plan.aftermath()).await;
                        let (judgment, records) = self.judge().await?;
                        return Ok((judgment, records, took));
                    }
                }
                Err(error) => last = Some(error),
            }
            if begun.elapsed() > within.saturating_mul(2) {
                let error = last.unwrap_or_else(|| anyhow::anyhow!("it does not settle"));
                return Err(error.context("the state of the orders cannot be read"));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Waits until every event has been posted that is in the feed, and judges both.
    pub(crate) async fn judge_events(
        &self,
        report: &mut Report,
        records: &Records,
    ) -> anyhow::Result<()> {
        let live = records
            .orders
            .iter()
            .filter(|order| !order.blocked && order.status != crate::outside::ErpStatus::Cancelled);
        let mut accepted: BTreeMap<Key, usize> = BTreeMap::new();
        for order in live {
            let key = (order.account.clone(), order.purchase_order_number.clone());
            let count = accepted.entry(key).or_default();
            *count = count.saturating_add(1);
        }
        // Of two that count, a person chooses: until then none is accepted.
        let accepted = accepted
            .into_iter()
            .filter(|(_, count)| *count == 1)
            .map(|(key, _)| key)
            .collect();
        let begun = Instant::now();
        while self.plan.subscribed && begun.elapsed() < POSTED_WITHIN {
            let came: BTreeSet<String> = events::posted(self)?
                .into_iter()
                .map(|event| event.id)
                .collect();
            let feed = events::feed(self).await?;
            if feed.iter().all(|event| came.contains(&event.id)) {
                break;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        events::judge(self, report, &accepted).await
    }

    /// Notes what a judgment found.
    pub(crate) fn note(&self, report: &mut Report, found: &Judgment, took: Duration) {
        report.note("orders acknowledged", found.acknowledged);
        report.note("orders refused", found.refused);
        report.note("orders without an answer", found.unanswered);
        report.note("released once, and whole at the warehouses", found.released);
        report.note("held for a person, or ended", found.held);
        if !found.held_for.is_empty() {
            report.note("of them", &found.held_for);
        }
        report.note("lost", found.lost);
        report.note("released twice", found.released_twice);
        report.note("oversold units", found.oversold_units.to_string());
        let ghosts = if self.plan.class == CreateClass::Searchable {
            "made twice by the ERP, one cancelled"
        } else {
            "with ghosts in the ERP, none released"
        };
        report.note(ghosts, found.ghosts.saturating_sub(found.left_to_a_person));
        if found.left_to_a_person > 0 {
            report.note(
                "made twice, with a person to choose",
                found.left_to_a_person,
            );
        }
        report.note("drafts left, of orders that are held", found.drafts_held);
        report.note("drafts left, of others", found.drafts_left);
        report.note("settled after, s", took.as_secs());
        report.violations.extend(found.violations.iter().cloned());
        report.must(found.is_settled(), || {
            format!(
                "{} orders are neither settled nor held, {} have no answer, and {} drafts are left in the ERP",
                found.unsettled.len(),
                found.unanswered,
                found.drafts_left
            )
        });
    }

    /// Notes how often each process was started, and what helps where the run is broken.
    pub(crate) async fn finish(&self, report: &mut Report, found: &Judgment) {
        for layer in &self.estate.layers {
            let name = layer.process.name();
            report.count(&format!("starts of {name}"), layer.process.starts());
        }
        if report.is_good() {
            return;
        }
        for (key, text) in found.unsettled.iter().take(TOLD) {
            report
                .diagnostics
                .push(format!("unsettled {key:?}: {text}"));
            let (account, number) = key;
            if let Ok(callers) = self.crowd.turn(0)
                && let Ok(seen) = callers
                    .get(account, &format!("/orders?purchase_order_number={number}"))
                    .await
            {
                report.diagnostics.push(seen.text);
            }
        }
        let unanswered = self.log.courses();
        let unanswered = unanswered.iter().filter(|course| course.end.is_none());
        for course in unanswered.take(TOLD) {
            report.diagnostics.push(format!(
                "unanswered {:?} after {} sendings",
                course.key(),
                course.sendings.len()
            ));
        }
        let acks = self.estate.folder().join("acknowledged.jsonl");
        report.diagnostics.extend(last_lines(&acks, TOLD_LINES));
        for layer in &self.estate.layers {
            report.diagnostics.push(format!(
                "{}: {} ends, the last lines of its log:",
                layer.process.name(),
                layer.process.exits().len()
            ));
            report
                .diagnostics
                .extend(layer.process.last_lines(TOLD_LINES));
        }
    }
}
