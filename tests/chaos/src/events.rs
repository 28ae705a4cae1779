//! Events: what the portal's feed and the webhooks told of the orders, against what ERP and WMS have.
//!
//! Each order was told of once as received and once as accepted, in its order, and of none that is not there; a webhook
//! may come twice, and must have come.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use crate::{ack_log::Course, callers::USERS, judge::Key, report::Report, run::Run};

const PAGE: usize = 200;

/// What is read of an event.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Event {
    pub(crate) id: String,
    #[serde(rename = "type")]
    pub(crate) kind: String,
    /// The order's id.
    pub(crate) subject: String,
    /// Rises from event to event of an order.
    pub(crate) sequence: u64,
    /// Rises from event to event of the feed.
    pub(crate) position: u64,
    pub(crate) time: Timestamp,
    #[serde(default)]
    pub(crate) account: String,
    #[serde(default)]
    pub(crate) data: Value,
}

impl Event {
    /// Account and number of its order.
    pub(crate) fn key(&self) -> Key {
        let number = self
            .data
            .get("purchase_order_number")
            .and_then(Value::as_str);
        (self.account.clone(), number.unwrap_or_default().to_owned())
    }

    /// Whether it is of this kind, without what begins and ends them all.
    pub(crate) fn is(&self, word: &str) -> bool {
        self.kind == format!("com.orderway.{word}.v1")
    }
}

/// The whole feed of every account.
pub(crate) async fn feed(run: &Run) -> anyhow::Result<Vec<Event>> {
    let mut events = Vec::new();
    let callers = run.crowd.turn(0)?;
    for (account, _) in USERS {
        let mut after = "0".to_owned();
        loop {
            let page = callers
                .get(account, &format!("/events?after={after}&limit={PAGE}"))
                .await?;
            anyhow::ensure!(page.status == 200, "{}", page.text);
            let body = page.json();
            let listed = body.get("events").cloned().context("a page has events")?;
            let listed: Vec<Event> = serde_json::from_value(listed)?;
            let next = page.at("/next");
            let is_over = listed.is_empty() && next == after;
            events.extend(listed);
            if is_over {
                break;
            }
            after = next;
        }
    }
    Ok(events)
}

/// The events that were posted to the buyer's site.
pub(crate) fn posted(run: &Run) -> anyhow::Result<Vec<Event>> {
    let bodies = run.estate.site.webhooks();
    let read = |body: &Vec<u8>| serde_json::from_slice(body).context("a webhook is an event");
    bodies.iter().map(read).collect()
}

/// What is wrong with a feed, given the orders that the ERP has.
pub(crate) fn faults(
    events: &[Event],
    courses: &[Course],
    accepted: &BTreeSet<Key>,
) -> Vec<String> {
    let mut faults = Vec::new();
    let known: BTreeSet<Key> = courses.iter().map(Course::key).collect();
    let mut last: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    let mut counts: BTreeMap<(Key, &str), usize> = BTreeMap::new();
    let mut ids = BTreeSet::new();
    for event in events {
        let key = event.key();
        if !known.contains(&key) {
            faults.push(format!(
                "{} of {key:?} is told, and nobody ordered it",
                event.kind
            ));
        }
        if !ids.insert(&event.id) {
            faults.push(format!("event {} is in the feed twice", event.id));
        }
        let now = (event.sequence, event.position);
        let before = last.insert(&event.subject, now);
        if before.is_some_and(|before| before.0 >= now.0 || before.1 >= now.1) {
            faults.push(format!("{key:?}: event {now:?} came after {before:?}"));
        }
        for word in ["order.received", "order.accepted"] {
            if event.is(word) {
                let count = counts.entry((key.clone(), word)).or_default();
                *count = count.saturating_add(1);
            }
        }
    }
    for key in accepted {
        for word in ["order.received", "order.accepted"] {
            let count = counts.get(&(key.clone(), word)).copied().unwrap_or(0);
            if count != 1 {
                faults.push(format!("{key:?} is told {count} times as {word}"));
            }
        }
    }
    faults
}

/// What is wrong with what was posted, in the order in which it came: the first arrivals of an order's events come in its
/// order, and each says what the feed says.
pub(crate) fn misposted(posted: &[Event], feed: &[Event]) -> Vec<String> {
    let told: BTreeMap<&str, &Event> = feed
        .iter()
        .map(|event| (event.id.as_str(), event))
        .collect();
    let mut faults = Vec::new();
    let mut ids = BTreeSet::new();
    let mut last: BTreeMap<&str, u64> = BTreeMap::new();
    for event in posted {
        match told.get(event.id.as_str()) {
            None => faults.push(format!("webhook {} is of no event in the feed", event.id)),
            Some(told) if *told != event => {
                faults.push(format!("webhook {} differs from the feed", event.id));
            }
            Some(_) => {}
        }
        if !ids.insert(&event.id) {
            continue;
        }
        let before = last.insert(&event.subject, event.sequence);
        if before.is_some_and(|before| before >= event.sequence) {
            faults.push(format!(
                "{:?}: event {} was posted after {before:?}",
                event.key(),
                event.sequence
            ));
        }
    }
    faults
}

/// Judges the feed and the webhooks of a run whose orders are settled.
pub(crate) async fn judge(
    run: &Run,
    report: &mut Report,
    accepted: &BTreeSet<Key>,
) -> anyhow::Result<()> {
    let events = feed(run).await?;
    let faults = faults(&events, &run.log.courses(), accepted);
    report.note("events in the feed", events.len());
    report.violations.extend(faults.into_iter().take(20));
    if !run.plan.subscribed {
        return Ok(());
    }
    let posted = posted(run)?;
    let came: BTreeSet<&str> = posted.iter().map(|event| event.id.as_str()).collect();
    let missing = events
        .iter()
        .filter(|event| !came.contains(event.id.as_str()));
    let missing = missing.count();
    report.note("webhooks posted", posted.len());
    report.note(
        "posted more than once",
        posted.len().saturating_sub(came.len()),
    );
    report.must(missing == 0, || {
        format!("{missing} events were never posted")
    });
    let faults = misposted(&posted, &events);
    report.violations.extend(faults.into_iter().take(20));
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::orders::{Mix, planned};

    fn event(sequence: u64, word: &str, number: &str) -> Event {
        Event {
            id: format!("{number}-{sequence}"),
            kind: format!("com.orderway.{word}.v1"),
            subject: number.to_owned(),
            sequence,
            position: sequence,
            time: Timestamp::UNIX_EPOCH,
            account: "ACME".to_owned(),
            data: json!({"purchase_order_number": number}),
        }
    }

    fn told(events: &[Event]) -> Vec<String> {
        let order = planned(1, "A", 1, Mix::PORTAL).remove(0);
        let course = Course {
            order: crate::orders::PlannedOrder {
                account: "ACME",
                ..order
            },
            invoked_at: Timestamp::UNIX_EPOCH,
            sendings: Vec::new(),
            end: None,
        };
        let accepted = [course.key()].into();
        faults(events, &[course], &accepted)
    }

    #[test]
    fn each_order_is_told_once_and_in_its_order() {
        let number = "A-00001";
        let received = event(1, "order.received", number);
        let accepted = event(3, "order.accepted", number);
        let good = [received.clone(), accepted.clone()];
        assert_eq!(told(&good), Vec::<String>::new());
        assert_eq!(
            told(std::slice::from_ref(&received)).len(),
            1,
            "never accepted"
        );
        assert_eq!(
            told(&[accepted.clone(), received.clone()]).len(),
            1,
            "out of order"
        );
        let twice = [
            received.clone(),
            accepted.clone(),
            event(4, "order.accepted", number),
        ];
        assert_eq!(told(&twice).len(), 1, "accepted twice");
        let strange = [received, accepted, event(1, "order.received", "B-1")];
        assert_eq!(told(&strange).len(), 1, "of nobody's order");
    }

    #[test]
    fn what_is_posted_may_come_twice_and_neither_out_of_order_nor_changed() {
        let [first, second] = [1, 3].map(|sequence| event(sequence, "order.received", "A-1"));
        let feed = [first.clone(), second.clone()];
        let wrong = |posted: &[Event]| misposted(posted, &feed).len();
        assert_eq!(wrong(&[first.clone(), second.clone(), first.clone()]), 0);
        assert_eq!(wrong(&[second.clone(), first.clone()]), 1);
        let changed = Event {
            data: json!({}),
            ..second.clone()
        };
        assert_eq!(wrong(&[first.clone(), changed]), 1);
        assert_eq!(
            wrong(&[first, second, event(1, "order.received", "B-1")]),
            1
        );
    }
}
