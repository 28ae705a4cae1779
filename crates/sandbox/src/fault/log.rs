//! The evidence: every call, when it came and how it ended. Bounded; what was pushed
//! out is counted, so that evidence with a gap says so.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// One call through the proxy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallRecord {
    /// 1, 2, 3 … in the order of arrival.
    pub sequence: u64,
    /// Milliseconds since the proxy's start.
    pub at_ms: u64,
    /// The same in microseconds.
    pub at_us: u64,
    /// Wall time.
    pub wall: Timestamp,
    /// Method.
    pub method: String,
    /// Path, without the query.
    pub path: String,
    /// Status the caller got; none if it got none.
    pub status: Option<u16>,
    /// How it ended.
    pub outcome: Outcome,
    /// Whether the backend was called.
    pub reached_backend: bool,
    /// The fault that struck.
    pub fault: Option<String>,
    /// How long it took.
    pub duration_ms: u64,
    /// Size of the request's body.
    pub request_bytes: u64,
    /// Size of the backend's answer.
    pub response_bytes: u64,
    /// Bytes of its body that the caller got, where it was cut.
    #[serde(default)]
    pub cut_at: Option<u64>,
    /// The call whose request this is, where nobody called: the proxy delivered it late, or a second time.
    #[serde(default)]
    pub repeat_of: Option<u64>,
    /// What stands in the request's body where the plan's `subject` points.
    #[serde(default)]
    pub subject: Option<String>,
}

/// How a call ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Not ended.
    #[default]
    InFlight,
    /// The backend's answer went back.
    Forwarded,
    /// 429 by the rate limit.
    RateLimited,
    /// 429 by the concurrency limit.
    ConcurrencyLimited,
    /// A rule struck.
    Faulted,
    /// 502: no answer from the backend.
    BackendUnreachable,
    /// The body was over the limit, or broke off.
    TooLarge,
}

/// A part of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogPage {
    /// Oldest first.
    pub entries: Vec<CallRecord>,
    /// How many were pushed out since the log was last emptied.
    pub lost: u64,
}

/// The log in figures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stats {
    /// Calls that arrived.
    pub calls: u64,
    /// Calls that reached the backend, the proxy's own repeats included.
    pub forwarded: u64,
    /// Requests that the proxy itself delivered late or a second time; the figures but `forwarded` are without them.
    pub repeats: u64,
    /// Under way now.
    pub in_flight: usize,
    /// Most at once.
    pub max_in_flight: usize,
    /// Most arrivals in any window.
    pub max_calls_in_window: usize,
    /// How wide the window was.
    pub window_ms: u64,
    /// Calls per outcome.
    pub by_outcome: BTreeMap<Outcome, u64>,
    /// How many entries were pushed out; above 0 the figures are of the rest.
    pub lost: u64,
}

/// How a call ended, to be written to its record.
#[derive(Debug, Default)]
pub(super) struct Ending {
    pub(super) status: Option<u16>,
    pub(super) outcome: Outcome,
    pub(super) reached_backend: bool,
    pub(super) fault: Option<String>,
    pub(super) duration: Duration,
    pub(super) request_bytes: usize,
    pub(super) response_bytes: usize,
    pub(super) cut_at: Option<usize>,
    pub(super) subject: Option<String>,
}

/// The bounded log.
#[derive(Debug)]
pub struct CallLog {
    records: VecDeque<CallRecord>,
    capacity: usize,
    next: u64,
    lost: u64,
    in_flight: usize,
    max_in_flight: usize,
}

impl CallLog {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            records: VecDeque::new(),
            capacity: capacity.max(1),
            next: 1,
            lost: 0,
            in_flight: 0,
            max_in_flight: 0,
        }
    }

    /// Writes down a call that just arrived; answers its sequence.
    pub(super) fn begin(
        &mut self,
        since_start: Duration,
        wall: Timestamp,
        method: &str,
        path: &str,
    ) -> u64 {
        self.in_flight = self.in_flight.saturating_add(1);
        self.max_in_flight = self.max_in_flight.max(self.in_flight);
        self.push(since_start, wall, (method, path), None)
    }

    /// Writes down that the proxy now delivers a request by itself; answers its sequence.
    pub(super) fn begin_repeat(
        &mut self,
        since_start: Duration,
        wall: Timestamp,
        call: (&str, &str),
        of: u64,
    ) -> u64 {
        self.push(since_start, wall, call, Some(of))
    }

    fn push(
        &mut self,
        since_start: Duration,
        wall: Timestamp,
        (method, path): (&str, &str),
        repeat_of: Option<u64>,
    ) -> u64 {
        let sequence = self.next;
        self.next = self.next.saturating_add(1);
        if self.records.len() >= self.capacity {
            self.records.pop_front();
            self.lost = self.lost.saturating_add(1);
        }
        self.records.push_back(CallRecord {
            sequence,
            at_ms: count(since_start.as_millis()),
            at_us: count(since_start.as_micros()),
            wall,
            method: method.to_owned(),
            path: path.to_owned(),
            status: None,
            outcome: Outcome::InFlight,
            reached_backend: false,
            fault: None,
            duration_ms: 0,
            request_bytes: 0,
            response_bytes: 0,
            cut_at: None,
            repeat_of,
            subject: None,
        });
        sequence
    }

    /// Writes down how a call ended; one that is no more in the log is only counted.
    pub(super) fn end(&mut self, sequence: u64, ending: Ending) {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.end_repeat(sequence, ending);
    }

    /// The same of a delivery of the proxy's own.
    pub(super) fn end_repeat(&mut self, sequence: u64, ending: Ending) {
        if let Some(record) = self.record_mut(sequence) {
            record.status = ending.status;
            record.outcome = ending.outcome;
            record.reached_backend = ending.reached_backend;
            record.fault = ending.fault;
            record.duration_ms = count(ending.duration.as_millis());
            record.request_bytes = u64::try_from(ending.request_bytes).unwrap_or(u64::MAX);
            record.response_bytes = u64::try_from(ending.response_bytes).unwrap_or(u64::MAX);
            record.cut_at = ending.cut_at.and_then(|at| u64::try_from(at).ok());
            record.subject = ending.subject;
        }
    }

    pub(super) fn in_flight(&self) -> usize {
        self.in_flight
    }

    fn record_mut(&mut self, sequence: u64) -> Option<&mut CallRecord> {
        let first = self.records.front()?.sequence;
        let index = usize::try_from(sequence.checked_sub(first)?).ok()?;
        self.records.get_mut(index)
    }

    /// Entries after a sequence, oldest first.
    pub(super) fn since(&self, sequence: u64, most: usize) -> LogPage {
        let later = self
            .records
            .iter()
            .filter(|record| record.sequence > sequence);
        LogPage {
            entries: later.take(most).cloned().collect(),
            lost: self.lost,
        }
    }

    pub(super) fn clear(&mut self) {
        self.records.clear();
        self.lost = 0;
        self.max_in_flight = self.in_flight;
    }

    /// Most arrivals in any window `[t, t + width)`, of the calls that `counts` takes.
    pub(super) fn max_in_window(
        &self,
        width: Duration,
        counts: impl Fn(&CallRecord) -> bool,
    ) -> usize {
        let width = count(width.as_micros());
        let mut window: VecDeque<u64> = VecDeque::new();
        let mut most = 0;
        for record in self.records.iter().filter(|record| counts(record)) {
            window.push_back(record.at_us);
            while window
                .front()
                .is_some_and(|first| record.at_us.saturating_sub(*first) >= width)
            {
                window.pop_front();
            }
            most = most.max(window.len());
        }
        most
    }

    pub(super) fn stats(&self, window: Duration, path_prefix: &str) -> Stats {
        let mut by_outcome: BTreeMap<Outcome, u64> = BTreeMap::new();
        let mut forwarded: u64 = 0;
        let (mut calls, mut repeats): (u64, u64) = (0, 0);
        let fits = |record: &CallRecord| record.path.starts_with(path_prefix);
        for record in self.records.iter().filter(|record| fits(record)) {
            forwarded = forwarded.saturating_add(u64::from(record.reached_backend));
            if record.repeat_of.is_some() {
                repeats = repeats.saturating_add(1);
                continue;
            }
            let entry = by_outcome.entry(record.outcome).or_default();
            *entry = entry.saturating_add(1);
            calls = calls.saturating_add(1);
        }
        let counts = |record: &CallRecord| fits(record) && record.repeat_of.is_none();
        Stats {
            calls,
            forwarded,
            repeats,
            in_flight: self.in_flight,
            max_in_flight: self.max_in_flight,
            max_calls_in_window: self.max_in_window(window, counts),
            window_ms: count(window.as_millis()),
            by_outcome,
            lost: self.lost,
        }
    }
}

fn count(value: u128) -> u64 {
    u64::try_from(value).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log_of(arrivals_ms: &[u64], capacity: usize) -> CallLog {
        let mut log = CallLog::new(capacity);
        for at in arrivals_ms {
            log.begin(
                Duration::from_millis(*at),
                Timestamp::UNIX_EPOCH,
                "GET",
                "/a",
            );
        }
        log
    }

    #[test]
    fn the_fullest_window_is_found_wherever_it_starts() {
        let log = log_of(&[0, 900, 950, 1000, 1899, 1900], 100);
        // 900, 950, 1000, 1899 lie in [900, 1900).
        assert_eq!(log.max_in_window(Duration::from_secs(1), |_| true), 4);
        assert_eq!(log.max_in_window(Duration::from_millis(1), |_| true), 1);
    }

    #[test]
    fn a_full_log_pushes_out_the_oldest_and_says_so() {
        let mut log = log_of(&[1, 2, 3], 2);
        let page = log.since(0, 10);
        let sequences: Vec<u64> = page.entries.iter().map(|record| record.sequence).collect();
        assert_eq!((sequences.as_slice(), page.lost), (&[2, 3][..], 1));
        log.clear();
        assert_eq!(log.since(0, 10).lost, 0);
    }
}
