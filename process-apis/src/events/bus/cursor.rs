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
/// A server loses what it confirmed within its last minutes, so marks stand denser there.
const RECENT: SignedDuration = SignedDuration::from_mins(10);
/// How dense.
const RECENT_GAP: SignedDuration = SignedDuration::from_mins(1);
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
    /// Where the feed was at some messages, oldest first; the last is the newest message.
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
    /// The event that it is. None = an older release wrote the mark.
    #[serde(default)]
    pub(super) event: Option<Uuid>,
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
            self.go_back(self.held_from(stream.max_age, now), 0);
            return known.then_some(Refill::NewStream);
        }
        if stream.last < self.sequence {
            return Some(self.lose_after(stream.last, stream.max_age, now));
        }
        let gone = |mark: &Mark| mark.sequence < stream.first && alive(mark, stream.max_age, now);
        if self.marks.iter().any(gone) && !stream.full {
            self.go_back(self.held_from(stream.max_age, now), 0);
            return Some(Refill::Purged);
        }
        None
    }

    /// No message after this one is ours any more: goes back to the newest mark that still stands.
    pub(super) fn lose_after(
        &mut self,
        last: u64,
        max_age: Option<SignedDuration>,
        now: Timestamp,
    ) -> Refill {
        let stands = self.marks.iter().rfind(|mark| mark.sequence <= last);
        let (from, sequence) = match stands {
            Some(mark) => (mark.before, mark.sequence),
            None => (self.held_from(max_age, now), 0),
        };
        self.go_back(from, sequence);
        Refill::Shortened
    }

    /// All events up to here are older than what a stream keeps.
    fn held_from(&self, max_age: Option<SignedDuration>, now: Timestamp) -> u64 {
        if max_age.is_none() {
            return 0;
        }
        let expired = |mark: &&Mark| !alive(mark, max_age, now);
        let newest_expired = self.marks.iter().rfind(expired);
        newest_expired
            .or_else(|| self.marks.first())
            .map_or(self.position, |mark| mark.before)
    }

    fn go_back(&mut self, from: u64, sequence: u64) {
        self.position = from;
        self.sequence = sequence;
        self.marks.retain(|mark| mark.sequence <= sequence);
    }

    /// Events up to a position are confirmed, with the newest message and the event that it is (None: none of them was to
    /// be published).
    pub(super) fn confirm(
        &mut self,
        position: u64,
        newest: Option<(u64, Uuid)>,
        max_age: SignedDuration,
        now: Timestamp,
    ) {
        let before = self.position;
        self.position = self.position.max(position);
        // What the stream knew already says nothing new of it.
        let newer = newest.filter(|(sequence, _)| *sequence > self.sequence);
        let Some((sequence, event)) = newer else {
            return;
        };
        self.sequence = sequence;
        self.marks.push(Mark {
            sequence,
            before,
            at: now,
            event: Some(event),
        });
        self.thin(max_age, now);
    }

    /// Leaves out marks that others stand near enough to, and all that have expired but the newest of those.
    fn thin(&mut self, max_age: SignedDuration, now: Timestamp) {
        let mut kept: Vec<Mark> = Vec::with_capacity(self.marks.len());
        let mut marks = std::mem::take(&mut self.marks).into_iter().peekable();
        while let Some(mark) = marks.next() {
            let after = marks.peek();
            if after.is_some_and(|after| now.duration_since(after.at) >= max_age) {
                continue;
            }
            let gap = if now.duration_since(mark.at) < RECENT {
                RECENT_GAP
            } else {
                max_age / MARKS
            };
            let between = kept.last().zip(after);
            if between.is_none_or(|(one, other)| other.at.duration_since(one.at) >= gap) {
                kept.push(mark);
            }
        }
        self.marks = kept;
    }
}

/// Whether a message has time left.
fn alive(mark: &Mark, max_age: Option<SignedDuration>, now: Timestamp) -> bool {
    max_age.is_none_or(|age| now.duration_since(mark.at) < age.saturating_sub(EXPIRY))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn at(minutes: i64) -> Timestamp {
        let start: Timestamp = "2026-03-02T12:00:00Z".parse().unwrap();
        start + SignedDuration::from_mins(minutes)
    }

    const AGE: SignedDuration = SignedDuration::from_hours(7 * 24);

    fn stream(incarnation: &str, first: u64, last: u64) -> StreamFacts {
        StreamFacts {
            incarnation: incarnation.to_owned(),
            first,
            last,
            full: false,
            max_age: Some(AGE),
        }
    }

    /// One event a minute is published, each as a message of its own.
    fn published(events: u64) -> BusCursor {
        let mut cursor = BusCursor::new(Uuid::nil(), at(0));
        assert_eq!(cursor.compare(&stream("one", 0, 0), at(0)), None);
        for event in 1..=events {
            let now = at(i64::try_from(event).unwrap());
            cursor.confirm(event * 10, Some((event, Uuid::nil())), AGE, now);
        }
        cursor
    }

    #[rstest]
    #[case(stream("one", 1, 100), None, 1_000)]
    #[case(stream("two", 1, 100), Some(Refill::NewStream), 0)]
    // The last message is gone, or the newer half: from the newest that is left, and what is between marks.
    #[case(stream("one", 1, 99), Some(Refill::Shortened), 980)]
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
        let mut cursor = published(20 * days);
        assert!(cursor.marks.len() <= 100, "{} marks", cursor.marks.len());
        // A stream that keeps seven days has dropped the first thirteen.
        let first = 13 * days;
        let last = 20 * days;
        let now = at(i64::try_from(last).unwrap());
        assert_eq!(cursor.compare(&stream("one", first, last), now), None);
        let lost = [
            (stream("one", last + 1, last), Refill::Purged),
            (stream("two", 1, 0), Refill::NewStream),
            (stream("one", 1, 3), Refill::Shortened),
        ];
        for (found, refill) in lost {
            let mut cursor = cursor.clone();
            assert_eq!(cursor.compare(&found, now), Some(refill));
            // All that had time left comes again, and not much more.
            let behind = first * 10;
            let from = cursor.position;
            assert!(
                from <= behind && from + 10 * days >= behind,
                "{refill:?}: {from}"
            );
        }
        // The server's last minutes are gone: hardly more comes again.
        let left = stream("one", first, last - 2);
        assert_eq!(cursor.compare(&left, now), Some(Refill::Shortened));
        let from = cursor.position;
        assert!(from <= (last - 2) * 10 && from >= (last - 6) * 10, "{from}");
        assert!(cursor.sequence <= last - 2, "newer messages come after it");
        assert_eq!(cursor.compare(&left, now), None, "said once");
    }

    #[test]
    fn a_stream_that_keeps_for_ever_is_given_all() {
        let mut cursor = published(20 * 24 * 60);
        let found = StreamFacts {
            max_age: None,
            ..stream("two", 1, 0)
        };
        let now = at(20 * 24 * 60);
        assert_eq!(cursor.compare(&found, now), Some(Refill::NewStream));
        assert_eq!(cursor.position, 0);
    }

    #[test]
    fn a_mark_of_an_older_release_can_be_read() {
        let mark = serde_json::json!({"sequence": 1, "before": 0, "at": at(0)});
        let mark: Mark = serde_json::from_value(mark).unwrap();
        assert_eq!(mark.event, None);
    }

    #[test]
    fn what_tells_nothing_moves_the_position_only() {
        let mut cursor = published(3);
        cursor.confirm(99, None, AGE, at(4));
        assert_eq!((cursor.position, cursor.sequence), (99, 3));
    }
}
