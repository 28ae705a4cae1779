//! A read of many keys: what the cache holds is answered from it, what is missing is asked for once, and when the
//! backend fails, facts that are a little too old stand in and say so.

use std::{
    collections::{HashMap, HashSet},
    hash::Hash,
    sync::Arc,
    time::Duration,
};

use futures_util::future::BoxFuture;
use service_runtime::trace::RequestScope;
use tokio::time::{Instant, timeout_at};
use tracing::warn;

use super::{
    GuardError,
    cache::{CacheStatus, Fact, FactCache, Started},
    operation::{Operation, Terms},
    policy::CachePolicy,
    single_flight::{Flights, Joined, Lead},
};
use crate::connector::{Batch, ConnectorError};

/// Asks the backend for some keys of one scope; one backend call.
pub type Fetch<S, K, V> = Arc<
    dyn Fn(S, Vec<K>, Started) -> BoxFuture<'static, Result<Batch<K, V>, ConnectorError>>
        + Send
        + Sync,
>;

/// A key and what it is a key of (the company, and the account where the answer depends on it), so that no scope ever
/// sees another's facts, and one call only carries keys of one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Scoped<S, K> {
    scope: S,
    key: K,
}

type Facts<K, V> = HashMap<K, Arc<Fact<V>>>;
type Outcome<K, V> = Result<Arc<Facts<K, V>>, GuardError>;

/// The facts found, and how they came.
#[derive(Debug)]
pub struct Answer<K, V> {
    /// By key; a key that the source does not know is absent.
    pub facts: HashMap<K, Arc<Fact<V>>>,
    /// How they came.
    pub provenance: Provenance,
}

/// Where the facts of an answer come from: for `Age`, `Cache-Status` and `degraded`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Provenance {
    /// Facts from the cache, fresh.
    pub hits: usize,
    /// Facts asked of the backend.
    pub misses: usize,
    /// Facts from the cache, older than they should be, because the backend failed.
    pub stale: usize,
    /// Facts that nobody can tell now: the backend failed, and the cache has none that is young enough.
    pub unknown: usize,
    /// The age of the oldest.
    pub age: Duration,
}

impl Provenance {
    /// Whether the backend failed, and older facts or none stand in.
    pub fn degraded(&self) -> bool {
        self.stale + self.unknown > 0
    }

    /// That of an answer made from both.
    pub fn and(self, other: Self) -> Self {
        Self {
            hits: self.hits + other.hits,
            misses: self.misses + other.misses,
            stale: self.stale + other.stale,
            unknown: self.unknown + other.unknown,
            age: self.age.max(other.age),
        }
    }
}

/// A cached read of facts by scope and key.
pub struct KeyedRead<S: Hash + Eq, K: Hash + Eq, V> {
    operation: Arc<Operation>,
    policy: CachePolicy,
    keys_per_call: usize,
    fetch: Fetch<S, K, V>,
    cache: Arc<FactCache<Scoped<S, K>, V>>,
    flights: Arc<Flights<Scoped<S, K>, Outcome<K, V>>>,
}

impl<S, K, V> KeyedRead<S, K, V>
where
    S: Hash + Eq + Clone + Send + Sync + 'static,
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    /// A read with an empty cache.
    pub fn new(
        operation: Arc<Operation>,
        policy: CachePolicy,
        keys_per_call: usize,
        fetch: Fetch<S, K, V>,
    ) -> Self {
        Self {
            operation,
            policy,
            keys_per_call,
            fetch,
            cache: Arc::new(FactCache::new(&policy)),
            flights: Flights::new(),
        }
    }

    /// The operation that asks the backend.
    pub fn operation(&self) -> &Operation {
        &self.operation
    }

    /// How its cache has served.
    pub fn cache_status(&self) -> CacheStatus {
        self.cache.status()
    }

    /// The facts for these keys, all or none: for facts whose absence means something.
    pub async fn get(
        &self,
        scope: &S,
        keys: Vec<K>,
        terms: Terms,
    ) -> Result<Answer<K, V>, GuardError> {
        let (answer, failed) = self.ask(scope, keys, terms).await?;
        failed.map_or(Ok(answer), Err)
    }

    /// The facts for these keys as far as they can be told now; an error where none can.
    pub async fn get_known(
        &self,
        scope: &S,
        keys: Vec<K>,
        terms: Terms,
    ) -> Result<Answer<K, V>, GuardError> {
        match self.ask(scope, keys, terms).await? {
            (answer, Some(error)) if answer.facts.is_empty() => Err(error),
            (answer, _) => Ok(answer),
        }
    }

    /// The facts, and why some of them are missing.
    async fn ask(
        &self,
        scope: &S,
        keys: Vec<K>,
        terms: Terms,
    ) -> Result<(Answer<K, V>, Option<GuardError>), GuardError> {
        let limit = self.policy.fresh_limit(terms.oldest);
        let mut answer = Answer {
            facts: HashMap::with_capacity(keys.len()),
            provenance: Provenance::default(),
        };
        let mut asked = HashSet::with_capacity(keys.len());
        let mut missing = Vec::new();
        for key in keys {
            if !asked.insert(key.clone()) {
                continue;
            }
            let scoped = Scoped {
                scope: scope.clone(),
                key,
            };
            match self.cache.younger_than(&scoped, limit).await {
                Some(fact) => {
                    answer.facts.insert(scoped.key, fact);
                }
                None => missing.push(scoped),
            }
        }
        answer.provenance.hits = answer.facts.len();
        answer.provenance.misses = missing.len();
        let mut failed = None;
        if !missing.is_empty() {
            failed = self.fill(&mut answer, scope, missing, terms).await?;
        }
        let (hits, misses) = (answer.provenance.hits, answer.provenance.misses);
        self.cache.count(hits, misses, answer.provenance.stale);
        let ages = answer.facts.values().map(|fact| fact.age());
        answer.provenance.age = ages.max().unwrap_or_default();
        Ok((answer, failed))
    }

    /// Asks for what is missing, and tells why some of it cannot be told. All flights are under way before the first is
    /// waited for.
    async fn fill(
        &self,
        answer: &mut Answer<K, V>,
        scope: &S,
        missing: Vec<Scoped<S, K>>,
        terms: Terms,
    ) -> Result<Option<GuardError>, GuardError> {
        let limit = self.policy.fresh_limit(terms.oldest);
        let Joined { mut waiting, leads } = self.flights.join(missing, limit, self.keys_per_call);
        for lead in leads {
            waiting.push((Arc::clone(&lead.flight), lead.keys.clone()));
            self.depart(lead, scope.clone(), limit, terms);
        }
        let mut failed = None;
        for (flight, keys) in waiting {
            let outcome = timeout_at(terms.deadline, flight.outcome())
                .await
                .map_or(Err(GuardError::DeadlineExceeded), |landed| {
                    landed.unwrap_or(Err(GuardError::Broken))
                });
            match outcome {
                Ok(facts) => answer.facts.extend(keys.into_iter().filter_map(|scoped| {
                    let fact = facts.get(&scoped.key)?;
                    Some((scoped.key, Arc::clone(fact)))
                })),
                Err(error) if error.allows_stale() => {
                    if !self.stand_in(answer, keys, terms).await {
                        failed = Some(error);
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(failed)
    }

    /// Answers from facts within the stale bound; false where there is none for some of the keys.
    async fn stand_in(
        &self,
        answer: &mut Answer<K, V>,
        keys: Vec<Scoped<S, K>>,
        terms: Terms,
    ) -> bool {
        let limit = self.policy.stale_limit(terms.oldest_stale.or(terms.oldest));
        let mut all = true;
        for scoped in keys {
            match self.cache.younger_than(&scoped, limit).await {
                Some(fact) => {
                    answer.facts.insert(scoped.key, fact);
                    answer.provenance.stale += 1;
                }
                None => {
                    answer.provenance.unknown += 1;
                    all = false;
                }
            }
        }
        all
    }

    /// Makes the call in a task of its own: those who wait for it may come and go. It has the operation's time, not
    /// that of whoever came first.
    fn depart(
        &self,
        lead: Lead<Scoped<S, K>, Outcome<K, V>>,
        scope: S,
        limit: Duration,
        terms: Terms,
    ) {
        let (operation, fetch, cache) = (
            Arc::clone(&self.operation),
            Arc::clone(&self.fetch),
            Arc::clone(&self.cache),
        );
        let terms = Terms {
            deadline: Instant::now() + operation.timeout(),
            ..terms
        };
        let work = async move {
            let outcome = fly(&lead, scope, &operation, fetch, &cache, limit, terms).await;
            lead.land(outcome);
        };
        match RequestScope::current() {
            Some(request) => tokio::spawn(request.run(work)),
            None => tokio::spawn(work),
        };
    }
}

async fn fly<S, K, V>(
    lead: &Lead<Scoped<S, K>, Outcome<K, V>>,
    scope: S,
    operation: &Arc<Operation>,
    fetch: Fetch<S, K, V>,
    cache: &FactCache<Scoped<S, K>, V>,
    limit: Duration,
    terms: Terms,
) -> Outcome<K, V>
where
    S: Hash + Eq + Clone + Send + Sync + 'static,
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    // A flight that landed between the miss and this departure has stored what is asked here.
    let mut facts: Facts<K, V> = HashMap::new();
    let mut keys = Vec::new();
    for scoped in &lead.keys {
        match cache.younger_than(scoped, limit).await {
            Some(fact) => {
                facts.insert(scoped.key.clone(), fact);
            }
            None => keys.push(scoped.key.clone()),
        }
    }
    if keys.is_empty() {
        return Ok(Arc::new(facts));
    }
    let flight = Arc::clone(&lead.flight);
    let asked = scope.clone();
    let (batch, started) = operation
        .run(terms, move |started| {
            flight.begin(started.at);
            fetch(asked.clone(), keys.clone(), started)
        })
        .await?;
    for reason in &batch.implausible {
        warn!(
            operation = operation.name(),
            reason, "a row of a backend's answer was refused"
        );
    }
    if let (true, Some(reason)) = (batch.found.is_empty(), batch.implausible.first()) {
        let refused = ConnectorError::protocol(reason.clone());
        return Err(GuardError::Connector(Arc::new(refused)));
    }
    for (key, value) in batch.found {
        let fact = Arc::new(Fact { value, started });
        let scoped = Scoped {
            scope: scope.clone(),
            key: key.clone(),
        };
        cache.store(scoped, Arc::clone(&fact)).await;
        facts.insert(key, fact);
    }
    Ok(Arc::new(facts))
}
