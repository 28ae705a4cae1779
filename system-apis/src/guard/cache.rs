//! Facts by key, each with the time its backend call started: an older fact never replaces a newer one.

use std::{
    hash::Hash,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use jiff::Timestamp;
use moka::{future::Cache, ops::compute::Op};
use serde::Serialize;
use tokio::time::Instant;
use utoipa::ToSchema;

use super::policy::CachePolicy;

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
}

impl<V> Fact<V> {
    /// How old it is.
    pub fn age(&self) -> Duration {
        self.started.at.elapsed()
    }
}

/// How a cache has served.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct CacheStatus {
    /// Facts kept.
    pub entries: u64,
    /// Facts answered from it while fresh.
    pub hits: u64,
    /// Facts that the backend was asked for.
    pub misses: u64,
    /// Facts answered from it because the backend failed.
    pub stale_hits: u64,
}

pub(super) struct FactCache<K, V> {
    entries: Cache<K, Arc<Fact<V>>>,
    hits: AtomicU64,
    misses: AtomicU64,
    stale_hits: AtomicU64,
}

impl<K, V> FactCache<K, V>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    pub(super) fn new(policy: &CachePolicy) -> Self {
        let capacity = u64::try_from(policy.entries.get()).unwrap_or(u64::MAX);
        Self {
            // Beyond its stale limit a fact serves nobody; the exact age is checked at every read.
            entries: Cache::builder()
                .max_capacity(capacity)
                .time_to_live(policy.stale_limit(None).max(Duration::from_millis(1)))
                .build(),
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
            stale_hits: AtomicU64::new(0),
        }
    }

    /// A fact younger than `limit`; a limit of zero accepts none.
    pub(super) async fn younger_than(&self, key: &K, limit: Duration) -> Option<Arc<Fact<V>>> {
        self.entries
            .get(key)
            .await
            .filter(|fact| fact.age() < limit)
    }

    /// Keeps the fact unless a newer one is there.
    pub(super) async fn store(&self, key: K, fact: Arc<Fact<V>>) {
        self.entries
            .entry(key)
            .and_compute_with(|kept| {
                let newer_is_kept =
                    kept.is_some_and(|kept| kept.value().started.at > fact.started.at);
                std::future::ready(if newer_is_kept {
                    Op::Nop
                } else {
                    Op::Put(fact)
                })
            })
            .await;
    }

    pub(super) fn count(&self, hits: usize, misses: usize, stale_hits: usize) {
        for (counter, count) in [
            (&self.hits, hits),
            (&self.misses, misses),
            (&self.stale_hits, stale_hits),
        ] {
            counter.fetch_add(u64::try_from(count).unwrap_or(0), Ordering::Relaxed);
        }
    }

    pub(super) fn status(&self) -> CacheStatus {
        CacheStatus {
            entries: self.entries.entry_count(),
            hits: self.hits.load(Ordering::Relaxed),
            misses: self.misses.load(Ordering::Relaxed),
            stale_hits: self.stale_hits.load(Ordering::Relaxed),
        }
    }
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
        let fact = |value, started| Arc::new(Fact { value, started });
        cache.store("SKU-0001", fact("new", late)).await;
        cache.store("SKU-0001", fact("old", early)).await;
        let kept = cache
            .younger_than(&"SKU-0001", Duration::from_secs(5))
            .await;
        assert_eq!(kept.unwrap().value, "new");
    }
}
