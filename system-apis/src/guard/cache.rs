//! Facts by key, each with the time its backend call started: an older fact never replaces a newer one.
//!
//! That the source does not know a key is remembered too, for a short while and apart, so that no flood of such keys drives
//! facts out.

use std::{
    collections::VecDeque,
    hash::Hash,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use foldhash::quality::RandomState;
use jiff::Timestamp;
use moka::{
    future::Cache,
    ops::compute::{CompResult, Op},
};
use serde::Serialize;
use tokio::time::Instant;
use utoipa::ToSchema;

use super::policy::CachePolicy;

/// Evictions remembered at most against calls that began before them. The oldest go first; whatever began before those is
/// not kept, since nobody knows any more whether it has changed.
const MOST_MARKS: usize = 256;
/// Unknown keys remembered at most.
const MOST_ABSENT: u64 = 10_000;

/// When a backend call started, by the wall and by the process's own steady clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Started {
    /// For the fact itself.
    pub as_of: Timestamp,
    /// For its age.
    pub at: Instant,
}

/// What a backend said, and when it was asked.
#[derive(Debug)]
pub struct Fact<V> {
    /// What it said.
    pub value: V,
    /// When the call started.
    pub started: Started,
    /// Whether it may have changed since.
    doubted: AtomicBool,
}

impl<V> Fact<V> {
    /// What a call that started then said.
    pub(crate) const fn new(value: V, started: Started) -> Self {
        Self {
            value,
            started,
            doubted: AtomicBool::new(false),
        }
    }

    /// False where it was in doubt before.
    fn doubt(&self) -> bool {
        !self.doubted.swap(true, Ordering::AcqRel)
    }

    /// How old it is.
    pub fn age(&self) -> Duration {
        self.started.at.elapsed()
    }
}

/// A key and what it is a key of (the company, and the account where the answer depends on it), so that no scope ever
/// sees another's facts.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Scoped<S, K> {
    pub(super) scope: S,
    pub(super) key: K,
}

/// What is known of a key.
#[derive(Debug)]
pub(super) enum Known<V> {
    /// The source said this.
    Fact(Arc<Fact<V>>),
    /// The source did not know it, so long ago.
    Absent(Duration),
}

/// How a cache has served.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct CacheStatus {
    /// Facts kept.
    pub entries: u64,
    /// Keys kept that the source does not know.
    pub absent_entries: u64,
    /// Facts answered from it while fresh.
    pub hits: u64,
    /// Facts that the backend was asked for.
    pub misses: u64,
    /// Facts answered from it a little too old, while they were asked for anew.
    pub revalidated_hits: u64,
    /// Facts answered from it because the backend failed.
    pub stale_hits: u64,
    /// Facts thrown out because they have changed, and those not used again before they are asked for anew because they may
    /// have.
    pub evicted: u64,
}

/// What is left of a fact that was to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Forgotten {
    NothingIsLeft,
    NewerIsKept,
}

/// How the keys of one question were served.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Served {
    pub(super) hits: usize,
    pub(super) misses: usize,
    pub(super) revalidated: usize,
    pub(super) stale: usize,
}

/// What becomes of facts at a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Verdict {
    /// They may have changed: they serve nobody while the source answers, and stand in where it does not, for who looks around.
    Doubted,
    /// They have changed: they serve nobody any more.
    Changed,
}

/// One change: when, of which facts, and what became of them.
struct Mark<S, K> {
    at: Instant,
    matches: Matches<S, K>,
    verdict: Verdict,
}

/// The changes, by when they were.
struct Marks<S, K> {
    latest: VecDeque<Mark<S, K>>,
    /// When the last was of those that are no longer remembered.
    forgotten: Option<Instant>,
}

impl<S, K> Marks<S, K> {
    fn leave(&mut self, matches: Matches<S, K>, verdict: Verdict) {
        if self.latest.len() >= MOST_MARKS {
            self.forgotten = self.latest.pop_front().map(|mark| mark.at);
        }
        self.latest.push_back(Mark {
            at: Instant::now(),
            matches,
            verdict,
        });
    }

    /// What became since of what a call said that began then.
    fn verdict(&self, scope: &S, key: &K, began: Instant) -> Option<Verdict> {
        if self.forgotten.is_some_and(|at| began <= at) {
            return Some(Verdict::Changed);
        }
        let later = self.latest.iter().filter(|mark| began <= mark.at);
        let of_it = later.filter(|mark| (mark.matches)(scope, key));
        of_it.map(|mark| mark.verdict).max()
    }
}

/// Which facts have changed.
pub type Matches<S, K> = Arc<dyn Fn(&S, &K) -> bool + Send + Sync>;

pub(super) struct FactCache<S, K, V> {
    entries: Cache<Scoped<S, K>, Arc<Fact<V>>, RandomState>,
    absent: Cache<Scoped<S, K>, Started, RandomState>,
    marks: Mutex<Marks<S, K>>,
    hits: AtomicU64,
    misses: AtomicU64,
    revalidated_hits: AtomicU64,
    stale_hits: AtomicU64,
    evicted: AtomicU64,
}

impl<S, K, V> FactCache<S, K, V>
where
    S: Hash + Eq + Clone + Send + Sync + 'static,
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    pub(super) fn new(policy: &CachePolicy) -> Self {
        let capacity = u64::try_from(policy.entries.get()).unwrap_or(u64::MAX);
        let least = Duration::from_millis(1);
        Self {
            // Beyond its last limit a fact serves nobody; the exact age is checked at every read.
            entries: Cache::builder()
                .max_capacity(capacity)
                .time_to_live(policy.longest().max(least))
                .build_with_hasher(RandomState::default()),
            absent: Cache::builder()
                .max_capacity(capacity.min(MOST_ABSENT))
                .time_to_live(policy.absent.get().max(least))
                .build_with_hasher(RandomState::default()),
            marks: Mutex::new(Marks {
                latest: VecDeque::new(),
                forgotten: None,
            }),
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
            revalidated_hits: AtomicU64::new(0),
            stale_hits: AtomicU64::new(0),
            evicted: AtomicU64::new(0),
        }
    }

    /// What is known of the key, however old; what is in doubt is not known.
    pub(super) async fn known(&self, key: &Scoped<S, K>) -> Option<Known<V>> {
        // Both are there for a moment at most, while one of them is being kept.
        if let Some(fact) = self.entries.get(key).await {
            let sound = !fact.doubted.load(Ordering::Acquire);
            return sound.then_some(Known::Fact(fact));
        }
        let absent = self.absent.get(key).await;
        absent.map(|started| Known::Absent(started.at.elapsed()))
    }

    /// A fact younger than `limit`, in doubt or not as is asked for; a limit of zero accepts none.
    pub(super) async fn younger_than(
        &self,
        key: &Scoped<S, K>,
        limit: Duration,
        or_doubted: bool,
    ) -> Option<Arc<Fact<V>>> {
        let sound = |fact: &Fact<V>| or_doubted || !fact.doubted.load(Ordering::Acquire);
        let fact = self.entries.get(key).await;
        fact.filter(|fact| fact.age() < limit && sound(fact))
    }

    /// Keeps the fact, unless a newer one is there or it has changed since its call began.
    pub(super) async fn store(&self, key: Scoped<S, K>, fact: Arc<Fact<V>>) {
        let started = fact.started;
        self.entries
            .entry_by_ref(&key)
            .and_compute_with(|kept| {
                let newer_is_kept = kept.is_some_and(|kept| kept.value().started.at > started.at);
                std::future::ready(if newer_is_kept {
                    Op::Nop
                } else {
                    Op::Put(fact)
                })
            })
            .await;
        let absence = self.absent.entry_by_ref(&key);
        let left = absence
            .and_compute_with(|kept| remove_if_older(kept.map(|kept| *kept.value()), started))
            .await;
        if matches!(left, CompResult::Unchanged(_)) {
            // The source has said since that it does not know it.
            let entries = self.entries.entry_by_ref(&key);
            let remove = entries.and_compute_with(|kept| {
                let started_of = kept.map(|kept| kept.value().started);
                remove_if_older(started_of, started)
            });
            remove.await;
        }
        self.look_again(&key, started).await;
    }

    /// Remembers that the source did not know the key; what it said of it before is forgotten.
    pub(super) async fn store_absent(&self, key: Scoped<S, K>, started: Started) {
        if self.forget_until(&key, started).await == Forgotten::NewerIsKept {
            return;
        }
        self.absent
            .entry_by_ref(&key)
            .and_compute_with(|kept| {
                let newer = kept.is_some_and(|kept| kept.value().at > started.at);
                std::future::ready(if newer { Op::Nop } else { Op::Put(started) })
            })
            .await;
        // A fact that came between the two found no absence: a newer one would have removed it, and an older one would have gone.
        if self.forget_until(&key, started).await == Forgotten::NewerIsKept {
            self.absent.invalidate(&key).await;
        }
        self.look_again(&key, started).await;
    }

    /// Removes the fact, unless a newer one is there.
    async fn forget_until(&self, key: &Scoped<S, K>, started: Started) -> Forgotten {
        let entries = self.entries.entry_by_ref(key);
        let left = entries.and_compute_with(|kept| {
            let older = kept.filter(|kept| kept.value().started.at <= started.at);
            std::future::ready(older.map_or(Op::Nop, |_| Op::Remove))
        });
        match left.await {
            CompResult::Unchanged(_) => Forgotten::NewerIsKept,
            _ => Forgotten::NothingIsLeft,
        }
    }

    /// Whoever tells of a change leaves the mark first and looks then; this has stored first. So one of the two sees the
    /// other.
    async fn look_again(&self, key: &Scoped<S, K>, started: Started) {
        let verdict = {
            let marks = self.marks.lock().unwrap_or_else(PoisonError::into_inner);
            marks.verdict(&key.scope, &key.key, started.at)
        };
        match verdict {
            None => {}
            Some(Verdict::Changed) => {
                self.entries.invalidate(key).await;
                self.absent.invalidate(key).await;
            }
            Some(Verdict::Doubted) => {
                let kept = self.entries.get(key).await;
                if let Some(fact) = kept.filter(|fact| fact.started.at <= started.at) {
                    fact.doubt();
                }
                self.absent.invalidate(key).await;
            }
        }
    }

    /// Does to the facts of a change what is said, and to those of it whose calls began before now.
    pub(super) async fn change(&self, matches: Matches<S, K>, verdict: Verdict) {
        {
            let mut marks = self.marks.lock().unwrap_or_else(PoisonError::into_inner);
            marks.leave(Arc::clone(&matches), verdict);
        }
        let mut evicted = 0;
        for (key, fact) in &self.entries {
            if matches(&key.scope, &key.key) {
                let is_new = match verdict {
                    Verdict::Changed => {
                        self.entries.invalidate(&*key).await;
                        true
                    }
                    Verdict::Doubted => fact.doubt(),
                };
                evicted += u64::from(is_new);
            }
        }
        for (key, _) in &self.absent {
            if matches(&key.scope, &key.key) {
                self.absent.invalidate(&*key).await;
            }
        }
        self.evicted.fetch_add(evicted, Ordering::Relaxed);
    }

    pub(super) fn count(&self, served: Served) {
        for (counter, count) in [
            (&self.hits, served.hits),
            (&self.misses, served.misses),
            (&self.revalidated_hits, served.revalidated),
            (&self.stale_hits, served.stale),
        ] {
            counter.fetch_add(u64::try_from(count).unwrap_or(0), Ordering::Relaxed);
        }
    }

    pub(super) fn status(&self) -> CacheStatus {
        CacheStatus {
            entries: self.entries.entry_count(),
            absent_entries: self.absent.entry_count(),
            hits: self.hits.load(Ordering::Relaxed),
            misses: self.misses.load(Ordering::Relaxed),
            revalidated_hits: self.revalidated_hits.load(Ordering::Relaxed),
            stale_hits: self.stale_hits.load(Ordering::Relaxed),
            evicted: self.evicted.load(Ordering::Relaxed),
        }
    }
}

fn remove_if_older<T>(kept: Option<Started>, than: Started) -> std::future::Ready<Op<T>> {
    std::future::ready(match kept {
        Some(kept) if kept.at <= than.at => Op::Remove,
        _ => Op::Nop,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_older_fact_does_not_replace_a_newer_one() {
        let cache = FactCache::new(&CachePolicy::seconds(60, 60));
        let as_of: Timestamp = "2026-11-20T12:00:00Z".parse().unwrap();
        let early = Started {
            as_of,
            at: Instant::now(),
        };
        tokio::time::advance(Duration::from_secs(1)).await;
        let late = Started {
            as_of,
            at: Instant::now(),
        };
        let key = Scoped {
            scope: (),
            key: "SKU-0001",
        };
        let fact = |value, started| Arc::new(Fact::new(value, started));
        cache.store(key.clone(), fact("new", late)).await;
        cache.store(key.clone(), fact("old", early)).await;
        cache.store_absent(key.clone(), early).await;
        let kept = cache
            .younger_than(&key, Duration::from_secs(5), false)
            .await;
        assert_eq!(kept.unwrap().value, "new");
        cache.store_absent(key.clone(), late).await;
        tokio::time::advance(Duration::from_secs(1)).await;
        cache.store_absent(key.clone(), early).await;
        let known = cache.known(&key).await;
        assert!(matches!(known, Some(Known::Absent(age)) if age == Duration::from_secs(1)));
        // A fact of before is not kept behind the absence.
        cache.store(key.clone(), fact("old", early)).await;
        let limit = Duration::from_secs(5);
        assert!(cache.younger_than(&key, limit, true).await.is_none());
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn of_a_fact_and_an_absence_kept_at_once_the_newer_stays() {
        let cache = Arc::new(FactCache::new(&CachePolicy::seconds(60, 60)));
        let as_of: Timestamp = "2026-11-20T12:00:00Z".parse().unwrap();
        let at = Instant::now();
        let early = Started { as_of, at };
        let late = Started {
            as_of,
            at: at + Duration::from_millis(1),
        };
        for key in 0..4_000_u32 {
            let key = Scoped { scope: (), key };
            let is_found_last = key.key % 2 == 0;
            let (found, absent) = if is_found_last {
                (late, early)
            } else {
                (early, late)
            };
            let tasks = (Arc::clone(&cache), key.clone());
            let finding = tokio::spawn(async move {
                let (cache, key) = tasks;
                cache.store(key, Arc::new(Fact::new("found", found))).await;
            });
            let tasks = (Arc::clone(&cache), key.clone());
            let missing = tokio::spawn(async move {
                let (cache, key) = tasks;
                cache.store_absent(key, absent).await;
            });
            finding.await.unwrap();
            missing.await.unwrap();
            let known = cache.known(&key).await;
            let is_found = matches!(known, Some(Known::Fact(_)));
            assert_eq!((key.key, is_found), (key.key, is_found_last));
        }
    }
}
