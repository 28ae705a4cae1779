//! What pure work came to, by the bytes that it was done on: the same bytes come to the same, and the work is not done again.
//!
//! Nothing here is older than what it is asked about: what is kept is never an answer, only what an answer says.

use std::{fmt, sync::Arc};

use axum::body::Bytes;
use foldhash::quality::RandomState;
use moka::sync::Cache;

/// What comes of some bytes is reckoned at so many times their size; the bytes themselves are in it.
const WEIGHT: u32 = 4;

/// What came of bytes, within a bounded amount of memory. Cheap to clone.
#[derive(Clone)]
pub struct Memo<T>(Cache<Bytes, Arc<T>, RandomState>);

impl<T> fmt::Debug for Memo<T> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Memo")
    }
}

impl<T: Send + Sync + 'static> Memo<T> {
    /// Keeps about so many bytes.
    pub fn new(most_bytes: u64) -> Self {
        let weight = |bytes: &Bytes, _: &Arc<T>| {
            let size = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
            size.saturating_mul(WEIGHT)
        };
        let kept = Cache::builder().weigher(weight).max_capacity(most_bytes);
        Self(kept.build_with_hasher(RandomState::default()))
    }

    /// What `work` makes of the bytes; it must follow from them alone. A failure is not kept.
    pub fn of<E>(
        &self,
        bytes: &[u8],
        work: impl FnOnce(&[u8]) -> Result<T, E>,
    ) -> Result<Arc<T>, E> {
        if let Some(known) = self.0.get(bytes) {
            return Ok(known);
        }
        let came = Arc::new(work(bytes)?);
        self.0
            .insert(Bytes::copy_from_slice(bytes), Arc::clone(&came));
        Ok(came)
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, str};

    use super::*;

    #[test]
    fn the_same_bytes_are_worked_on_once_and_others_for_themselves() {
        let (memo, done) = (Memo::new(1024), Cell::new(0));
        let read = |bytes: &[u8]| {
            done.set(done.get() + 1);
            str::from_utf8(bytes).unwrap().parse::<u32>()
        };
        assert_eq!(*memo.of(b"12", read).unwrap(), 12);
        assert_eq!(*memo.of(b"12", read).unwrap(), 12);
        assert_eq!(done.get(), 1);
        assert_eq!(*memo.of(b"13", read).unwrap(), 13);
        assert_eq!(done.get(), 2);
    }

    #[test]
    fn what_failed_is_tried_again() {
        let memo = Memo::new(1024);
        assert_eq!(memo.of(b"1", |_| Err::<u8, _>("not now")), Err("not now"));
        assert_eq!(memo.of(b"1", |_| Ok::<_, &str>(1)), Ok(Arc::new(1)));
    }

    #[test]
    fn no_more_is_kept_than_there_is_room_for() {
        let memo = Memo::new(4096);
        for number in 0..1_000_u32 {
            let same = |bytes: &[u8]| Ok::<_, ()>(bytes.len());
            memo.of(&[number.to_be_bytes().as_slice(), &[0; 60]].concat(), same)
                .unwrap();
        }
        memo.0.run_pending_tasks();
        assert!(memo.0.weighted_size() <= 4096);
        assert!(memo.0.entry_count() > 0);
    }
}
