//! How far a part of a feed has been read, and which of its rows need not be acted on again. Pure.
//!
//! A stamp is the instant at which the source's transaction began, and others see the change when that has ended. So what
//! was the newest stamp at some time is settled an overlap later: nothing can appear behind it any more. Until then it is
//! read again with each look, and what was in the look before is left out. Stamps are compared with stamps of the source
//! alone, and our steady clock measures only how long ago a look was.

use std::{collections::HashSet, time::Duration};

use tokio::time::Instant;

use super::{Page, Row};
use crate::intake::feed::{Position, Stamp};

/// Rows that are remembered at most; what is forgotten is acted on again, which does no harm.
const MOST_SEEN: usize = 10_000;

/// What a look says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum News {
    /// These rows have changed; none = nothing has.
    Rows(Vec<Row>),
    /// More has changed than one look shows.
    All,
}

/// When a look began, and when its answer was there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Look {
    pub(super) began: Instant,
    pub(super) ended: Instant,
}

/// How far a part has been read.
#[derive(Debug)]
pub(super) struct Watermark {
    overlap: Duration,
    /// Everything up to here has been acted on.
    settled: Stamp,
    /// The newest stamp at some time, and when it is settled.
    settling: Option<(Instant, Stamp)>,
    /// What has been acted on of all that is later than what is settled.
    seen: HashSet<Position>,
    /// When what appeared behind a look that was cut off is there for certain.
    again: Option<Instant>,
}

impl Watermark {
    /// Begins at the source's present: the last change that is visible now, and what may still appear behind it.
    pub(super) fn begin(newest: Option<Stamp>, overlap: Duration) -> Self {
        let microseconds = i64::try_from(overlap.as_micros()).unwrap_or(i64::MAX);
        Self {
            overlap,
            settled: newest.map_or(Stamp(0), |newest| newest.earlier(microseconds)),
            settling: None,
            seen: HashSet::new(),
            again: None,
        }
    }

    /// After which stamp to look.
    pub(super) fn after(&self) -> Stamp {
        self.settled
    }

    /// Another has read these, and they are acted on here if any of them is news.
    pub(super) fn note(&mut self, rows: &[Position]) -> bool {
        let mut later = rows.to_vec();
        later.retain(|row| row.stamp > self.settled && !self.seen.contains(row));
        if self.seen.len().saturating_add(later.len()) > MOST_SEEN {
            self.seen.clear();
        }
        let is_news = !later.is_empty();
        self.seen.extend(later.into_iter().take(MOST_SEEN));
        is_news
    }

    /// Takes note of a page: what it says that has not been acted on. A page that holds not all says that everything may
    /// have changed, at once, and once more when nothing can appear behind it any more; reading goes on from its newest.
    pub(super) fn read(&mut self, page: Page, look: Look) -> News {
        let newest = page.rows.iter().map(|row| row.at.stamp).max();
        if page.more {
            self.settled = newest.map_or(self.settled, |newest| newest.max(self.settled));
            self.settling = None;
            self.seen.clear();
            self.again = Some(look.ended + self.overlap);
            return News::All;
        }
        let shown = page.rows.iter().map(|row| row.at.clone()).collect();
        let seen = std::mem::replace(&mut self.seen, shown);
        if let Some((_, stamp)) = self.settling.take_if(|(at, _)| *at <= look.began) {
            self.settled = self.settled.max(stamp);
            self.seen.retain(|row| row.stamp > stamp);
        }
        if self.settling.is_none() {
            let newest = newest.filter(|newest| *newest > self.settled);
            self.settling = newest.map(|newest| (look.ended + self.overlap, newest));
        }
        if self.again.take_if(|at| *at <= look.began).is_some() {
            return News::All;
        }
        let mut rows = page.rows;
        rows.retain(|row| !seen.contains(&row.at));
        News::Rows(rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::erp::feed::Of;

    const OVERLAP: Duration = Duration::from_secs(120);
    /// In the source's stamps.
    const SECOND: i64 = 1_000_000;

    fn at(stamp: i64, id: i64) -> Position {
        Position {
            stamp: Stamp(stamp),
            id: id.to_string(),
        }
    }

    fn rows(places: &[(i64, i64)]) -> Vec<Row> {
        let places = places.iter().map(|(stamp, id)| at(*stamp, *id));
        let rows = places.map(|at| Row { at, of: Of::Nobody });
        rows.collect()
    }

    /// What of a source is visible at a time that is later than where the mark stands.
    fn look(mark: &mut Watermark, seconds: u64, visible: &[(i64, i64)], start: Instant) -> News {
        let mut rows = rows(visible);
        rows.retain(|row| row.at.stamp > mark.after());
        let began = start + Duration::from_secs(seconds);
        let ended = began;
        mark.read(Page { rows, more: false }, Look { began, ended })
    }

    #[test]
    fn it_begins_an_overlap_before_the_last_change() {
        let mark = Watermark::begin(Some(Stamp(500 * SECOND)), OVERLAP);
        assert_eq!(mark.after(), Stamp(380 * SECOND));
        assert_eq!(Watermark::begin(None, OVERLAP).after(), Stamp(0));
    }

    #[test]
    fn what_is_read_again_is_acted_on_once() {
        let start = Instant::now();
        let mut mark = Watermark::begin(None, OVERLAP);
        let mut source = vec![(5, 1)];
        assert_eq!(
            look(&mut mark, 0, &source, start),
            News::Rows(rows(&[(5, 1)]))
        );
        for later in [30, 60, 90, 120, 150] {
            assert_eq!(look(&mut mark, later, &source, start), News::Rows(vec![]));
        }
        // The same record once more.
        source = vec![(9, 1)];
        assert_eq!(
            look(&mut mark, 180, &source, start),
            News::Rows(rows(&[(9, 1)]))
        );
        assert_eq!(look(&mut mark, 210, &source, start), News::Rows(vec![]));
    }

    #[test]
    fn what_appears_behind_the_newest_within_the_overlap_is_found() {
        let start = Instant::now();
        let mut mark = Watermark::begin(None, OVERLAP);
        look(&mut mark, 0, &[(50, 1)], start);
        // Newer ones go on coming, so that the window is never quiet.
        look(&mut mark, 60, &[(50, 1), (60, 2)], start);
        let late = look(&mut mark, 119, &[(40, 3), (50, 1), (60, 2)], start);
        assert_eq!(late, News::Rows(rows(&[(40, 3)])));
        // One that is as old as the newest of all.
        let equal = look(&mut mark, 119, &[(40, 3), (50, 1), (50, 4), (60, 2)], start);
        assert_eq!(equal, News::Rows(rows(&[(50, 4)])));
    }

    #[test]
    fn what_was_the_newest_an_overlap_ago_is_not_read_again() {
        let start = Instant::now();
        let mut mark = Watermark::begin(None, OVERLAP);
        look(&mut mark, 0, &[(50, 1)], start);
        look(&mut mark, 119, &[(50, 1), (60, 2)], start);
        assert_eq!(mark.after(), Stamp(0), "a look that began too early");
        look(&mut mark, 120, &[(50, 1), (60, 2)], start);
        assert_eq!(mark.after(), Stamp(50));
        look(&mut mark, 239, &[(60, 2)], start);
        assert_eq!(mark.after(), Stamp(50));
        look(&mut mark, 240, &[(60, 2)], start);
        assert_eq!(mark.after(), Stamp(60));
        look(&mut mark, 999, &[], start);
        assert_eq!(mark.after(), Stamp(60));
    }

    #[test]
    fn a_look_that_began_before_the_end_of_the_overlap_settles_nothing() {
        let start = Instant::now();
        let mut mark = Watermark::begin(None, OVERLAP);
        look(&mut mark, 0, &[(50, 1)], start);
        let page = Page {
            rows: rows(&[(50, 1)]),
            more: false,
        };
        let began = start + Duration::from_secs(119);
        let ended = start + Duration::from_secs(130);
        mark.read(page, Look { began, ended });
        assert_eq!(mark.after(), Stamp(0));
    }

    #[test]
    fn more_than_a_look_shows_is_everything_at_once_and_once_more_after_the_overlap() {
        let start = Instant::now();
        let mut mark = Watermark::begin(None, OVERLAP);
        look(&mut mark, 0, &[(5, 1)], start);
        let page = Page {
            rows: rows(&[(70, 7), (80, 8)]),
            more: true,
        };
        let began = start + Duration::from_secs(30);
        let ended = began;
        assert_eq!(mark.read(page, Look { began, ended }), News::All);
        assert_eq!(mark.after(), Stamp(80), "none of them is read again");
        let source = [(70, 7), (75, 9), (80, 8), (90, 2)];
        assert_eq!(
            look(&mut mark, 60, &source, start),
            News::Rows(rows(&[(90, 2)]))
        );
        // The one of 75 came late.
        assert_eq!(look(&mut mark, 149, &source, start), News::Rows(vec![]));
        assert_eq!(look(&mut mark, 150, &source, start), News::All);
        assert_eq!(look(&mut mark, 180, &source, start), News::Rows(vec![]));
    }

    #[test]
    fn what_another_instance_has_acted_on_is_left_out() {
        let start = Instant::now();
        let mut mark = Watermark::begin(None, OVERLAP);
        assert!(mark.note(&[at(5, 1)]));
        assert!(!mark.note(&[at(5, 1)]), "told twice");
        let news = look(&mut mark, 0, &[(5, 1), (6, 2)], start);
        assert_eq!(news, News::Rows(rows(&[(6, 2)])));
        // What it tells of is no more than it is: the same record, changed again, is news.
        assert!(mark.note(&[at(6, 2), at(7, 2)]));
        assert_eq!(
            look(&mut mark, 30, &[(8, 2)], start),
            News::Rows(rows(&[(8, 2)]))
        );
    }

    #[test]
    fn what_is_remembered_has_a_bound() {
        let mut mark = Watermark::begin(None, OVERLAP);
        for told in 0..20 {
            let some = (0..1_000).map(|id| at(1 + told, id));
            mark.note(&some.collect::<Vec<_>>());
        }
        assert!(mark.seen.len() <= MOST_SEEN);
    }
}
