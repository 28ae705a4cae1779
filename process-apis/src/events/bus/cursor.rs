//! How far the bus has been published to, and who publishes. It stands in the store as one cursor, moved by compare-and-set:
//! memory, fence and lease in one.
//!
//! The cursor is of one incarnation of the stream: a stream that was made anew is another one, and what it holds is
//! nothing of what was confirmed before. Pure.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// As many marks are kept over the age of a stream.
const MARKS: i32 = 32;
/// A stream expires what is old within this time.
const EXPIRY: SignedDuration = SignedDuration::from_mins(2);

/// The cursor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct BusCursor {
    /// Who publishes.
    pub(super) holder: Uuid,
    /// Until when nobody else does.
    pub(super) until: Timestamp,
    /// Which stream: when it was created, in nanoseconds since 1970. Empty = none was seen yet.
    pub(super) incarnation: String,
    /// All events up to this position of the feed are in it.
    pub(super) position: u64,
    /// The newest message of ours in it.
    pub(super) sequence: u64,
    /// Where the feed was at some messages, oldest first.
    pub(super) marks: Vec<Mark>,
    /// Orders that cannot be told by this release, with the position of the first event that was passed over.
    pub(super) parked: BTreeMap<Uuid, u64>,
}

/// A message that is in the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Mark {
    /// Its number in the stream.
    pub(super) sequence: u64,
    /// The position in the feed up to which events were published before it.
    pub(super) before: u64,
    /// When it was confirmed.
    pub(super) at: Timestamp,
}

/// The stream as its server describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StreamFacts {
    /// When it was created.
    pub(super) incarnation: String,
    /// The oldest message that it holds, or would hold.
    pub(super) first: u64,
    /// The newest message that it was given.
    pub(super) last: u64,
    /// Whether it is so full that it drops what is old before its time.
    pub(super) full: bool,
    /// How long it keeps a message; None = for ever.
    pub(super) max_age: Option<SignedDuration>,
}

/// Why events are published again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refill {
    /// It is another stream than the one that was published to.
    NewStream,
    /// It holds less than was confirmed: its server has lost the end of it.
    Shortened,
    /// It lacks messages that had time left: somebody has purged it.
    Purged,
}

impl Refill {
    /// For the log.
    pub(super) fn reason(self) -> &'static str {
        match self {
            Self::NewStream => "the stream is a new one",
            Self::Shortened => "the stream lacks messages that its server had confirmed",
            Self::Purged => "the stream was purged of messages that had time left",
        }
    }
}

impl BusCursor {
    /// Nothing is published yet.
    pub(super) fn new(holder: Uuid, until: Timestamp) -> Self {
        Self {
            holder,
            until,
            incarnation: String::new(),
            position: 0,
            sequence: 0,
            marks: Vec::new(),
            parked: BTreeMap::new(),
        }
    }

    /// Compares what was confirmed with what is there, and goes back to where publishing has to go on. None = as it was.
    pub(super) fn compare(&mut self, stream: &StreamFacts, now: Timestamp) -> Option<Refill> {
        if self.incarnation != stream.incarnation {
            let known = !self.incarnation.is_empty();
            self.incarnation.clone_from(&stream.incarnation);
            self.restart(0);
            return known.then_some(Refill::NewStream);
        }
        if stream.last < self.sequence {
            self.restart(0);
            return Some(Refill::Shortened);
        }
        let alive = |mark: &Mark| {
            stream
                .max_age
                .is_none_or(|age| now.duration_since(mark.at) < age.saturating_sub(EXPIRY))
        };
        let gone = |mark: &Mark| mark.sequence < stream.first;
        let purged = self.marks.iter().any(|mark| alive(mark) && gone(mark));
        if purged && !stream.full {
            let oldest = self.marks.iter().find(|mark| alive(mark));
            let from = oldest.map_or(0, |mark| mark.before);
            self.restart(from);
            return Some(Refill::Purged);
        }
        None
    }

    fn restart(&mut self, from: u64) {
        self.position = from;
        self.sequence = 0;
        self.marks.clear();
    }

    /// Events up to a position are confirmed, the last as this message (None: none of them was to be published).
    pub(super) fn confirm(
        &mut self,
        position: u64,
        sequence: Option<u64>,
        max_age: Option<SignedDuration>,
        now: Timestamp,
    ) {
        let before = self.position;
        self.position = self.position.max(position);
        let Some(sequence) = sequence else { return };
        self.sequence = self.sequence.max(sequence);
        let mark = Mark {
            sequence,
            before,
            at: now,
        };
        let every = max_age.map_or(SignedDuration::from_hours(6), |age| age / MARKS);
        // The first and the newest are kept, and some between them; the newest gives way to its successor.
        let settled = self
            .marks
            .len()
            .checked_sub(2)
            .and_then(|at| self.marks.get(at));
        let young = settled.is_some_and(|settled| now.duration_since(settled.at) < every);
        if young {
            self.marks.pop();
        }
        self.marks.push(mark);
        if let Some(age) = max_age {
            self.marks
                .retain(|mark| now.duration_since(mark.at) < age || mark.sequence == sequence);
        }
        let most = usize::try_from(MARKS.saturating_mul(2)).unwrap_or(usize::MAX);
        if self.marks.len() > most {
            self.marks.remove(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn at(minutes: i64) -> Timestamp {
        let start: Timestamp = "2026-03-02T12:00:00Z".parse().unwrap();
        start + SignedDuration::from_mins(minutes)
    }

    const AGE: Option<SignedDuration> = Some(SignedDuration::from_hours(7 * 24));

    fn stream(incarnation: &str, first: u64, last: u64) -> StreamFacts {
        StreamFacts {
            incarnation: incarnation.to_owned(),
            first,
            last,
            full: false,
            max_age: AGE,
        }
    }

    /// One event a minute is published, each as a message of its own.
    fn published(events: u64) -> BusCursor {
        let mut cursor = BusCursor::new(Uuid::nil(), at(0));
        assert_eq!(cursor.compare(&stream("one", 0, 0), at(0)), None);
        for event in 1..=events {
            let now = at(i64::try_from(event).unwrap());
            cursor.confirm(event * 10, Some(event), AGE, now);
        }
        cursor
    }

    #[rstest]
    #[case(stream("one", 1, 100), None, 1_000)]
    #[case(stream("two", 1, 100), Some(Refill::NewStream), 0)]
    #[case(stream("one", 1, 60), Some(Refill::Shortened), 0)]
    // All of it is gone, or the older half.
    #[case(stream("one", 101, 100), Some(Refill::Purged), 0)]
    #[case(stream("one", 50, 100), Some(Refill::Purged), 0)]
    // It was full, and dropped what was old.
    #[case(StreamFacts { full: true, ..stream("one", 50, 100) }, None, 1_000)]
    fn what_is_there_is_compared_with_what_was_confirmed(
        #[case] found: StreamFacts,
        #[case] refill: Option<Refill>,
        #[case] position: u64,
    ) {
        let mut cursor = published(100);
        assert_eq!(cursor.compare(&found, at(101)), refill);
        assert_eq!(
            (cursor.position, &cursor.incarnation),
            (position, &found.incarnation)
        );
        assert_eq!(cursor.compare(&found, at(101)), None, "said once");
    }

    #[test]
    fn what_has_expired_is_not_missed_and_not_published_again() {
        let days = 24 * 60;
        let mut cursor = published(20 * 24 * 60);
        assert!(cursor.marks.len() <= 64, "{} marks", cursor.marks.len());
        // A stream that keeps seven days has dropped the first thirteen.
        let first = 13 * days;
        let last = 20 * days;
        let now = at(i64::try_from(last).unwrap());
        assert_eq!(cursor.compare(&stream("one", first, last), now), None);
        // Purged of all: what had time left comes again, and not much more.
        assert_eq!(
            cursor.compare(&stream("one", last + 1, last), now),
            Some(Refill::Purged)
        );
        let behind = first * 10;
        assert!(cursor.position <= behind + 10 * days, "{}", cursor.position);
        assert!(cursor.position + 10 * days >= behind, "{}", cursor.position);
    }

    #[test]
    fn what_tells_nothing_moves_the_position_only() {
        let mut cursor = published(3);
        cursor.confirm(99, None, AGE, at(4));
        assert_eq!((cursor.position, cursor.sequence), (99, 3));
    }
}
