//! What was asked and what was answered: the one thing besides the records of ERP and WMS that a run is judged by.
//!
//! Each sending is an `invoke`; it ends as `ok`, as `fail` (certainly not done) or as `info` (nobody knows). An order
//! whose outcome is not known is never dropped: it is sent again, the same in every byte, until an answer settles it.

use std::{
    collections::BTreeMap,
    fs::File,
    io::Write as _,
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use serde_json::json;
use service_runtime::clock::Clock;

use crate::{callers::Said, orders::PlannedOrder};

/// What became of an order, as its sender knows it.
#[derive(Debug, Clone)]
pub(crate) struct Course {
    pub(crate) order: PlannedOrder,
    pub(crate) invoked_at: Timestamp,
    /// Each sending, the same in every byte.
    pub(crate) sendings: Vec<Sending>,
    pub(crate) end: Option<End>,
}

/// One sending, from the call to its answer, or to when none could come any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sending {
    pub(crate) from: Timestamp,
    pub(crate) to: Option<Timestamp>,
}

/// How the asking ended.
#[derive(Debug, Clone)]
pub(crate) struct End {
    pub(crate) at: Timestamp,
    pub(crate) verdict: Verdict,
}

/// What the sender was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is acknowledged; its id where the channel tells it.
    Acknowledged(Option<String>),
    /// It is refused.
    Refused(String),
}

impl Course {
    /// From its first sending to the answer that settled it.
    pub(crate) fn took(&self) -> Option<Duration> {
        let end = self.end.as_ref()?;
        Duration::try_from(end.at.duration_since(self.invoked_at)).ok()
    }

    /// Account and number.
    pub(crate) fn key(&self) -> (String, String) {
        (self.order.account.to_owned(), self.order.number.clone())
    }
}

/// The log.
#[derive(Debug)]
pub(crate) struct AckLog {
    kept: Mutex<Kept>,
    clock: Clock,
}

#[derive(Debug)]
struct Kept {
    file: File,
    courses: BTreeMap<(String, String), Course>,
}

impl AckLog {
    /// An empty log; every line of it also goes to a file.
    pub(crate) fn new(file: &Path) -> anyhow::Result<Self> {
        Ok(Self {
            kept: Mutex::new(Kept {
                file: File::create(file)?,
                courses: BTreeMap::new(),
            }),
            clock: Clock::system(),
        })
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An order is about to be sent.
    pub(crate) fn invoke(&self, order: &PlannedOrder) -> anyhow::Result<()> {
        let now = self.clock.now();
        let mut kept = self.kept();
        let key = (order.account.to_owned(), order.number.clone());
        let course = kept.courses.entry(key).or_insert_with(|| Course {
            order: order.clone(),
            invoked_at: now,
            sendings: Vec::new(),
            end: None,
        });
        let sending = Sending {
            from: now,
            to: None,
        };
        course.sendings.push(sending);
        let attempt = course.sendings.len();
        kept.write(now, order, attempt, "invoke", "")
    }

    /// It was answered, or was not.
    pub(crate) fn answered(&self, order: &PlannedOrder, said: &Said) -> anyhow::Result<()> {
        let now = self.clock.now();
        let mut kept = self.kept();
        let key = (order.account.to_owned(), order.number.clone());
        let (word, detail, verdict) = match said {
            Said::Taken { order_id, .. } => (
                "ok",
                order_id.clone().unwrap_or_default(),
                Some(Verdict::Acknowledged(order_id.clone())),
            ),
            Said::Refused(text) => ("fail", text.clone(), Some(Verdict::Refused(text.clone()))),
            Said::Later(text) => ("fail", text.clone(), None),
            Said::Unclear(text) => ("info", text.clone(), None),
        };
        let mut attempt = 0;
        if let Some(course) = kept.courses.get_mut(&key) {
            attempt = course.sendings.len();
            let mut open = course.sendings.iter_mut().filter(|one| one.to.is_none());
            if let Some(open) = open.next() {
                open.to = Some(now);
            }
            // The first answer counts; that a later one agrees with it is the flood's matter.
            if course.end.is_none() {
                course.end = verdict.map(|verdict| End { at: now, verdict });
            }
        }
        kept.write(now, order, attempt, word, &detail)
    }

    /// Everything so far.
    pub(crate) fn courses(&self) -> Vec<Course> {
        self.kept().courses.values().cloned().collect()
    }

    /// How many were sent, and how many of them have no answer that settles them.
    pub(crate) fn counts(&self) -> (usize, usize) {
        let kept = self.kept();
        let open = kept.courses.values().filter(|course| course.end.is_none());
        (kept.courses.len(), open.count())
    }
}

impl Kept {
    fn write(
        &mut self,
        at: Timestamp,
        order: &PlannedOrder,
        attempt: usize,
        event: &str,
        detail: &str,
    ) -> anyhow::Result<()> {
        let line = json!({
            "at": at, "order": order.number, "account": order.account, "channel": order.channel,
            "attempt": attempt, "event": event, "detail": detail,
        });
        writeln!(self.file, "{line}")?;
        Ok(())
    }
}
