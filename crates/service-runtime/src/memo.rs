//! What pure work came to, by the bytes that it was done on: the same bytes come to the same, and the work is not done again.
//!
//! Nothing here is older than what it is asked about: what is kept is never an answer, only what an answer says.

use std::{fmt, sync::Arc, time::Duration};

use axum::body::Bytes;
use foldhash::quality::RandomState;
use moka::{policy::EvictionPolicy, sync::Cache};

/// What comes of some bytes is reckoned at so many times their size; the bytes themselves are in it.
const WEIGHT: u32 = 4;
/// What nobody asked about for so long goes.
const IDLE: Duration = Duration::from_secs(600);

/// What comes of some bytes, and nothing else: it captures nothing.
type Work<T, E> = fn(&[u8]) -> Result<T, E>;

/// What came of bytes, within a bounded amount of memory. Cheap to clone.
pub struct Memo<T, E> {
    work: Work<T, E>,
    /// The last used stay: bytes that are not written any more are not asked about again, however often they were.
    known: Cache<Bytes, Arc<T>, RandomState>,
}

impl<T, E> Clone for Memo<T, E> {
    fn clone(&self) -> Self {
        Self {
            work: self.work,
            known: self.known.clone(),
        }
    }
}

impl<T, E> fmt::Debug for Memo<T, E> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Memo")
    }
}

impl<T: Send + Sync + 'static, E> Memo<T, E> {
    /// What `work` makes of bytes, about so many bytes of it.
    pub fn new(most_bytes: u64, work: Work<T, E>) -> Self {
        let weight = |bytes: &Bytes, _: &Arc<T>| {
            let size = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
            size.saturating_mul(WEIGHT)
        };
        let known = Cache::builder()
            .weigher(weight)
            .max_capacity(most_bytes)
            .eviction_policy(EvictionPolicy::lru())
            .time_to_idle(IDLE)
            .build_with_hasher(RandomState::default());
        Self { work, known }
    }

    /// What comes of the bytes. A failure is not kept.
    pub fn of(&self, bytes: &[u8]) -> Result<Arc<T>, E> {
        if let Some(known) = self.known.get(bytes) {
            return Ok(known);
        }
        let came = Arc::new((self.work)(bytes)?);
        self.known
            .insert(Bytes::copy_from_slice(bytes), Arc::clone(&came));
        Ok(came)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        str,
        sync::atomic::{AtomicUsize, Ordering},
    };

    use super::*;

    static DONE: AtomicUsize = AtomicUsize::new(0);

    #[test]
    fn the_same_bytes_are_worked_on_once_and_others_for_themselves() {
        let memo = Memo::new(1024, |bytes| {
            DONE.fetch_add(1, Ordering::SeqCst);
            str::from_utf8(bytes).unwrap().parse::<u32>()
        });
        assert_eq!(*memo.of(b"12").unwrap(), 12);
        let twin = memo.clone();
        assert_eq!(*twin.of(b"12").unwrap(), 12);
        assert_eq!(DONE.load(Ordering::SeqCst), 1);
        assert_eq!(*memo.of(b"13").unwrap(), 13);
        memo.of(b"x").unwrap_err();
        memo.of(b"x").unwrap_err();
        assert_eq!(DONE.load(Ordering::SeqCst), 4);
    }

    #[test]
    fn no_more_is_kept_than_there_is_room_for_and_the_last_stays() {
        let memo = Memo::new(4096, |bytes| Ok::<_, ()>(bytes.len()));
        let bytes = |number: u32| [number.to_be_bytes().as_slice(), &[0; 60]].concat();
        for _ in 0..20 {
            memo.of(&bytes(0)).unwrap();
        }
        for number in 1..1_000 {
            memo.of(&bytes(number)).unwrap();
            memo.known.run_pending_tasks();
        }
        assert!(memo.known.weighted_size() <= 4096);
        assert!(memo.known.contains_key(bytes(999).as_slice()));
        assert!(!memo.known.contains_key(bytes(0).as_slice()));
    }
}
