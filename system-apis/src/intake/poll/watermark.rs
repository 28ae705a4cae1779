//! How far a source's changes are safely read: which may still appear behind those that were read, and where to read on.
//! Pure.
//!
//! The mark is the stamp before which every change has been read. It follows the newest stamp that was seen before a scan
//! ended its first page, by the overlap: a transaction that was not visible then began later than that, or lasted longer
//! than the overlap. Only stamps of the source are compared, so no clock of ours matters.

use crate::intake::feed::{From, Page, Position, Stamp};

/// Whether a scan goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// There are more pages.
    More,
    /// Everything that was visible has been read.
    Rest,
}

/// One reading of everything from the mark on.
#[derive(Debug, Clone)]
pub(super) struct Scan {
    /// In microseconds.
    overlap: i64,
    mark: Option<Stamp>,
    /// The newest that was seen before anything of this scan was.
    began: Option<Stamp>,
    newest: Option<Stamp>,
    at: Option<Position>,
}

impl Scan {
    /// From a mark, by a reader who has seen changes up to `newest` before.
    pub(super) fn begin(mark: Option<Stamp>, newest: Option<Stamp>, overlap: i64) -> Self {
        Self {
            overlap,
            mark,
            began: newest,
            newest,
            at: None,
        }
    }

    /// Where to read on.
    pub(super) fn from(&self) -> From {
        match (&self.at, self.mark) {
            (Some(at), _) => From::After(at.clone()),
            (None, Some(mark)) => From::Since(mark),
            (None, None) => From::Beginning,
        }
    }

    /// Takes note of a page that was read from there.
    pub(super) fn read(&mut self, page: &Page) -> Next {
        let last = page.changes.last();
        self.newest = self.newest.max(last.map(|last| last.at.stamp));
        if self.at.is_none() {
            // What is on its first page was there before the page was read.
            self.began = self.newest;
        }
        let more = last.filter(|_| page.more);
        if let Some(began) = self.began {
            let safe = began.earlier(self.overlap);
            let safe = more.map_or(safe, |last| safe.min(last.at.stamp));
            self.mark = self.mark.max(Some(safe));
        }
        let Some(last) = more else {
            return Next::Rest;
        };
        // Reading the overlap again with each page is dear where a page is hardly longer than it.
        let behind = page.changes.iter().map(|change| Some(change.at.stamp));
        let behind = behind.filter(|stamp| *stamp < self.mark).count();
        self.at = if behind.saturating_mul(2) >= page.changes.len() {
            None
        } else {
            Some(last.at.clone())
        };
        Next::More
    }

    /// Every change before this has been read.
    pub(super) fn mark(&self) -> Option<Stamp> {
        self.mark
    }

    /// The newest that was seen.
    pub(super) fn newest(&self) -> Option<Stamp> {
        self.newest
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intake::feed::{Change, Told};

    const OVERLAP: i64 = 100;

    fn page(stamps: &[i64], more: bool) -> Page {
        let changes = stamps.iter().enumerate().map(|(number, stamp)| Change {
            at: Position {
                stamp: Stamp(*stamp),
                id: format!("{number:03}"),
            },
            told: Told::NotOurs,
        });
        Page {
            changes: changes.collect(),
            more,
        }
    }

    fn after(stamp: i64, id: &str) -> From {
        From::After(Position {
            stamp: Stamp(stamp),
            id: id.to_owned(),
        })
    }

    #[test]
    fn what_may_still_be_committed_behind_the_newest_is_read_again() {
        let mut scan = Scan::begin(None, None, OVERLAP);
        assert_eq!(scan.from(), From::Beginning);
        assert_eq!(scan.read(&page(&[10, 950, 1_000], false)), Next::Rest);
        assert_eq!(scan.mark(), Some(Stamp(900)));
        let again = Scan::begin(scan.mark(), scan.newest(), OVERLAP);
        assert_eq!(again.from(), From::Since(Stamp(900)));
    }

    #[test]
    fn a_page_that_ends_among_equal_stamps_is_followed_by_the_rest_of_them() {
        let mut scan = Scan::begin(Some(Stamp(500)), None, OVERLAP);
        assert_eq!(scan.read(&page(&[550, 560, 560], true)), Next::More);
        assert_eq!(scan.from(), after(560, "002"));
        assert_eq!(scan.mark(), Some(Stamp(500)), "within the overlap");
    }

    #[test]
    fn what_a_later_page_shows_says_nothing_about_what_the_first_could_see() {
        let mut scan = Scan::begin(Some(Stamp(500)), None, OVERLAP);
        scan.read(&page(&[550, 560, 590], true));
        assert_eq!(scan.read(&page(&[2_000], false)), Next::Rest);
        // A change of stamp 580 may have been committed between the two.
        assert_eq!(scan.mark(), Some(Stamp(500)));
        let mut next = Scan::begin(scan.mark(), scan.newest(), OVERLAP);
        next.read(&page(&[550, 560, 590, 2_000], false));
        assert_eq!(next.mark(), Some(Stamp(1_900)));
    }

    #[test]
    fn who_catches_up_keeps_the_mark_with_every_page() {
        let mut scan = Scan::begin(None, None, OVERLAP);
        scan.read(&page(&[0, 1_000, 2_000], true));
        assert_eq!(
            (scan.mark(), scan.from()),
            (Some(Stamp(1_900)), From::Since(Stamp(1_900)))
        );
        // But not where it would read nearly the same again.
        scan.read(&page(&[2_000, 2_001, 2_010], true));
        assert_eq!(
            (scan.mark(), scan.from()),
            (Some(Stamp(1_910)), after(2_010, "002"))
        );
    }

    #[test]
    fn a_mark_never_goes_back() {
        let mut scan = Scan::begin(Some(Stamp(5_000)), None, OVERLAP);
        assert_eq!(scan.read(&page(&[5_010], false)), Next::Rest);
        assert_eq!(scan.mark(), Some(Stamp(5_000)));
        let mut nothing = Scan::begin(None, None, OVERLAP);
        assert_eq!(nothing.read(&page(&[], true)), Next::Rest);
        assert_eq!(nothing.mark(), None);
    }

    #[test]
    fn a_scan_that_knows_newer_stamps_still_covers_only_what_it_has_read() {
        let mut scan = Scan::begin(Some(Stamp(0)), Some(Stamp(9_000)), OVERLAP);
        scan.read(&page(&[100, 200, 300], true));
        assert_eq!(scan.mark(), Some(Stamp(300)));
    }
}
