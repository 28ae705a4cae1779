//! A read of many keys: what the cache holds is answered from it, what is missing is asked for once, and when the
//! backend fails, facts that are a little too old stand in and say so.

use std::{
    collections::{HashMap, HashSet},
    hash::Hash,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::future::BoxFuture;
use service_runtime::trace::RequestScope;
use tokio::time::{Instant, timeout_at};
use tracing::warn;

use super::{
    GuardError,
    batch::{Boarding, Gatherings, Joined, Seat, Stranded},
    cache::{CacheStatus, Fact, FactCache, Known, Matches, Scoped, Served, Started, Verdict},
    lane::{Lane, Ride},
    operation::{Operation, Terms},
    policy::CachePolicy,
};
use crate::connector::{Batch, ConnectorError};

/// A buyer who only looks around waits so long for a younger fact where an older one would do, so that a backend that hangs
/// holds up no page …
const PATIENCE: Duration = Duration::from_secs(2);
/// … and so long for one that nobody knows yet, where the page can be shown without it.
const FIRST_PATIENCE: Duration = Duration::from_secs(5);

/// Asks the backend for some keys of one scope; one backend call.
pub type Fetch<S, K, V> = Arc<
    dyn Fn(S, Vec<K>, Started) -> BoxFuture<'static, Result<Batch<K, V>, ConnectorError>>
        + Send
        + Sync,
>;

/// What came of asking for one key: nothing where the source does not know it.
type Outcome<V> = Result<Option<Arc<Fact<V>>>, GuardError>;

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
    /// Facts from the cache, fresh; keys that the source did not know a short while ago too.
    pub hits: usize,
    /// Facts asked of the backend.
    pub misses: usize,
    /// Facts from the cache, a little older than fresh, while they are asked for anew.
    pub revalidated: usize,
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

    /// So many that nobody can tell now, and nothing else.
    pub(crate) fn untold(count: usize) -> Self {
        Self {
            misses: count,
            unknown: count,
            ..Self::default()
        }
    }

    /// Whether nobody can tell anything of what was asked.
    fn tells_nothing(&self) -> bool {
        self.unknown == self.hits + self.misses + self.revalidated
    }

    /// That of an answer made from both.
    pub fn and(self, other: Self) -> Self {
        Self {
            hits: self.hits + other.hits,
            misses: self.misses + other.misses,
            revalidated: self.revalidated + other.revalidated,
            stale: self.stale + other.stale,
            unknown: self.unknown + other.unknown,
            age: self.age.max(other.age),
        }
    }
}

/// A cached read of facts by scope and key. The scope is the company, and the account where the answer depends on it; no
/// scope ever sees another's facts, and one call only carries keys of one.
pub struct KeyedRead<S: Hash + Eq, K: Hash + Eq, V> {
    inner: Arc<Inner<S, K, V>>,
}

struct Inner<S: Hash + Eq, K: Hash + Eq, V> {
    operation: Arc<Operation>,
    policy: CachePolicy,
    fetch: Fetch<S, K, V>,
    cache: FactCache<S, K, V>,
    gatherings: Arc<Gatherings<S, K, Outcome<V>>>,
}

/// Whether an answer with gaps is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Need {
    All,
    WhatIsKnown,
}

/// What the cache says to a question.
struct Looked<K> {
    /// Asked for while the caller waits.
    missing: Vec<K>,
    /// Asked for while the caller has its answer.
    ageing: Vec<K>,
    /// The age of the oldest absence that was told.
    age: Duration,
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
        let inner = Inner {
            operation,
            policy,
            fetch,
            cache: FactCache::new(&policy),
            gatherings: Gatherings::new(keys_per_call),
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// The operation that asks the backend.
    pub fn operation(&self) -> &Operation {
        &self.inner.operation
    }

    /// How its cache has served.
    pub fn cache_status(&self) -> CacheStatus {
        self.inner.cache.status()
    }

    /// Keys that wait for a call.
    pub fn waiting_keys(&self) -> usize {
        self.inner.gatherings.waiting()
    }

    /// Throws out what has changed at the source. Who asks from now on gets nothing that was asked for before.
    pub async fn evict(&self, matches: Matches<S, K>) {
        self.change(matches, Verdict::Changed).await;
    }

    /// Has what may have changed at the source asked for anew before anybody gets it again; while the backend fails it still
    /// stands in for who looks around.
    pub async fn doubt(&self, matches: Matches<S, K>) {
        self.change(matches, Verdict::Doubted).await;
    }

    async fn change(&self, matches: Matches<S, K>, verdict: Verdict) {
        let inner = &self.inner;
        inner.cache.change(Arc::clone(&matches), verdict).await;
        inner.gatherings.part(|scope, key| matches(scope, key));
    }

    /// The facts for these keys, all or none: for facts whose absence means something.
    pub async fn get(
        &self,
        scope: &S,
        keys: Vec<K>,
        terms: Terms,
    ) -> Result<Answer<K, V>, GuardError> {
        let (answer, failed) = self.ask(scope, keys, terms, Need::All).await?;
        failed.map_or(Ok(answer), Err)
    }

    /// The facts for these keys as far as they can be told now, or soon enough for who looks around; an error where none can.
    pub async fn get_known(
        &self,
        scope: &S,
        keys: Vec<K>,
        terms: Terms,
    ) -> Result<Answer<K, V>, GuardError> {
        match self.ask(scope, keys, terms, Need::WhatIsKnown).await? {
            (answer, Some(error)) if answer.provenance.tells_nothing() => Err(error),
            (answer, _) => Ok(answer),
        }
    }

    /// The facts, and why some of them are missing.
    async fn ask(
        &self,
        scope: &S,
        keys: Vec<K>,
        terms: Terms,
        need: Need,
    ) -> Result<(Answer<K, V>, Option<GuardError>), GuardError> {
        let mut answer = Answer {
            facts: HashMap::with_capacity(keys.len()),
            provenance: Provenance::default(),
        };
        let looked = self.look(&mut answer, scope, keys, terms).await;
        let mut failed = None;
        if !looked.ageing.is_empty() {
            self.refresh(scope, looked.ageing);
        }
        if !looked.missing.is_empty() {
            let missing = looked.missing;
            failed = self.fill(&mut answer, scope, missing, terms, need).await?;
        }
        let Provenance {
            hits,
            misses,
            revalidated,
            stale,
            ..
        } = answer.provenance;
        self.inner.cache.count(Served {
            hits,
            misses,
            revalidated,
            stale,
        });
        let ages = answer.facts.values().map(|fact| fact.age());
        answer.provenance.age = ages.max().unwrap_or_default().max(looked.age);
        Ok((answer, failed))
    }

    /// Answers what the cache can answer.
    async fn look(
        &self,
        answer: &mut Answer<K, V>,
        scope: &S,
        keys: Vec<K>,
        terms: Terms,
    ) -> Looked<K> {
        let policy = &self.inner.policy;
        let fresh = policy.fresh_limit(terms.oldest);
        let ageing = policy.revalidate_limit(terms.oldest);
        let absent = policy.absent_limit(terms.oldest);
        let mut looked = Looked {
            missing: Vec::new(),
            ageing: Vec::new(),
            age: Duration::ZERO,
        };
        let mut asked = HashSet::with_capacity(keys.len());
        for key in keys {
            if !asked.insert(key.clone()) {
                continue;
            }
            let scoped = Scoped {
                scope: scope.clone(),
                key,
            };
            match self.inner.cache.known(&scoped).await {
                Some(Known::Fact(fact)) if fact.age() < fresh => {
                    answer.provenance.hits += 1;
                    answer.facts.insert(scoped.key, fact);
                }
                Some(Known::Fact(fact)) if fact.age() < ageing => {
                    answer.provenance.revalidated += 1;
                    looked.ageing.push(scoped.key.clone());
                    answer.facts.insert(scoped.key, fact);
                }
                Some(Known::Absent(age)) if age < absent => {
                    answer.provenance.hits += 1;
                    looked.age = looked.age.max(age);
                }
                _ => looked.missing.push(scoped.key),
            }
        }
        answer.provenance.misses = looked.missing.len();
        looked
    }

    /// Asks anew for what was answered a little too old, behind everybody who waits.
    fn refresh(&self, scope: &S, keys: Vec<K>) {
        let limit = self.inner.policy.fresh_limit(None);
        let joined = self.inner.gatherings.join(scope, keys, limit, Lane::Bulk);
        self.inner.send_for(scope.clone(), joined.new);
    }

    /// Asks for what is missing, and tells why some of it cannot be told.
    async fn fill(
        &self,
        answer: &mut Answer<K, V>,
        scope: &S,
        missing: Vec<K>,
        terms: Terms,
        need: Need,
    ) -> Result<Option<GuardError>, GuardError> {
        let limit = self.inner.policy.fresh_limit(terms.oldest);
        let Joined { seats, new } = self
            .inner
            .gatherings
            .join(scope, missing, limit, terms.lane);
        self.inner.send_for(scope.clone(), new);
        let now = Instant::now();
        let within = |patience| match terms.lane {
            Lane::Browse => terms.deadline.min(now + patience),
            Lane::Order | Lane::Checkout | Lane::Bulk => terms.deadline,
        };
        let first = match need {
            Need::All => terms.deadline,
            Need::WhatIsKnown => within(FIRST_PATIENCE),
        };
        let patience = within(PATIENCE);
        let mut failed = None;
        for (key, seat) in seats {
            let mut came = outcome(&seat, patience).await;
            if patience < terms.deadline && matches!(came, Err(GuardError::DeadlineExceeded)) {
                // What was asked for goes on for whoever comes next.
                if self.stand_in(answer, scope, &key, terms).await {
                    continue;
                }
                came = outcome(&seat, first).await;
            }
            match came {
                Ok(fact) => answer.facts.extend(fact.map(|fact| (key, fact))),
                Err(error) if error.allows_stale() => {
                    if !self.stand_in(answer, scope, &key, terms).await {
                        answer.provenance.unknown += 1;
                        failed = Some(error);
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(failed)
    }

    /// Answers from a fact within the stale bound; false where there is none.
    async fn stand_in(&self, answer: &mut Answer<K, V>, scope: &S, key: &K, terms: Terms) -> bool {
        let limit = self
            .inner
            .policy
            .stale_limit(terms.oldest_stale.or(terms.oldest));
        let scoped = Scoped {
            scope: scope.clone(),
            key: key.clone(),
        };
        // Nobody orders by what may be wrong however young it is.
        let or_doubted = terms.lane == Lane::Browse;
        let cache = &self.inner.cache;
        let fact = cache.younger_than(&scoped, limit, or_doubted).await;
        let found = fact.is_some();
        if let Some(fact) = fact {
            answer.facts.insert(scoped.key, fact);
            answer.provenance.stale += 1;
        }
        found
    }
}

async fn outcome<V>(seat: &Seat<Outcome<V>>, deadline: Instant) -> Outcome<V> {
    timeout_at(deadline, seat.outcome())
        .await
        .map_or(Err(GuardError::DeadlineExceeded), |landed| {
            landed.unwrap_or(Err(GuardError::Broken))
        })
}

/// Runs what nobody waits for by itself; in the trace of the request that made it necessary.
fn apart(work: impl Future<Output = ()> + Send + 'static) {
    match RequestScope::current() {
        Some(request) => tokio::spawn(request.run(work)),
        None => tokio::spawn(work),
    };
}

/// One call, from when it begins to wait for its slot.
struct Departure<S: Hash + Eq, K: Hash + Eq, V> {
    inner: Arc<Inner<S, K, V>>,
    scope: S,
    ride: Arc<Ride>,
    boarding: Mutex<Option<Boarding<S, K, Outcome<V>>>>,
}

impl<S, K, V> Departure<S, K, V>
where
    S: Hash + Eq + Clone + Send + Sync + 'static,
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    /// The slot is there: the batch closes. A second attempt carries the same keys.
    fn board(&self, at: Instant) -> Vec<K> {
        let mut boarding = self.boarding.lock().unwrap_or_else(PoisonError::into_inner);
        boarding
            .get_or_insert_with(|| self.inner.gatherings.board(&self.scope, &self.ride, at))
            .keys()
    }

    fn boarded(&self) -> Option<Boarding<S, K, Outcome<V>>> {
        self.boarding
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }
}

impl<S, K, V> Inner<S, K, V>
where
    S: Hash + Eq + Clone + Send + Sync + 'static,
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    /// Sees to it that these keys, which nobody had asked for, are asked for. Those who wait may come and go.
    fn send_for(self: &Arc<Self>, scope: S, keys: Vec<K>) {
        if keys.is_empty() {
            return;
        }
        let inner = Arc::clone(self);
        apart(async move {
            // A call that ended between the miss and the wait has stored what is asked here.
            for key in keys {
                let scoped = Scoped {
                    scope: scope.clone(),
                    key,
                };
                if let Some(Known::Fact(fact)) = inner.cache.known(&scoped).await {
                    let (age, outcome) = (fact.age(), Ok(Some(fact)));
                    let gatherings = &inner.gatherings;
                    gatherings.land_early(&scope, &scoped.key, age, outcome);
                }
            }
            inner.depart(&scope);
        });
    }

    /// Sends as many calls on their way as what waits needs.
    fn depart(self: &Arc<Self>, scope: &S) {
        for ride in self.gatherings.claim(scope) {
            let departure = Arc::new(Departure {
                inner: Arc::clone(self),
                scope: scope.clone(),
                ride,
                boarding: Mutex::new(None),
            });
            apart(fly(departure));
        }
    }

    /// Keeps what the source said, and what it did not know.
    async fn keep(
        &self,
        boarding: Boarding<S, K, Outcome<V>>,
        batch: Batch<K, V>,
        started: Started,
    ) {
        for reason in &batch.implausible {
            warn!(
                operation = self.operation.name(),
                reason, "a row of a backend's answer was refused"
            );
        }
        if let (true, Some(reason)) = (batch.found.is_empty(), batch.implausible.first()) {
            let refused = Arc::new(ConnectorError::protocol(reason.clone()));
            boarding.land(|_| Err(GuardError::Connector(Arc::clone(&refused))));
            return;
        }
        let scoped = |key: K| Scoped {
            scope: boarding.scope().clone(),
            key,
        };
        let mut facts = HashMap::with_capacity(batch.found.len());
        for (key, value) in batch.found {
            let fact = Arc::new(Fact::new(value, started));
            self.cache
                .store(scoped(key.clone()), Arc::clone(&fact))
                .await;
            facts.insert(key, fact);
        }
        // A row that was refused may be that of a key which is not here: that it is absent is not known then.
        if batch.implausible.is_empty() && !self.policy.absent.get().is_zero() {
            for key in boarding.keys() {
                if !facts.contains_key(&key) {
                    self.cache.store_absent(scoped(key), started).await;
                }
            }
        }
        // What is neither shown nor known to be absent cannot be told: an older fact may stand in.
        let refused = batch.implausible.into_iter().next();
        let refused = refused.map(|reason| Arc::new(ConnectorError::protocol(reason)));
        boarding.land(|key| match (facts.get(key), &refused) {
            (Some(fact), _) => Ok(Some(Arc::clone(fact))),
            (None, Some(error)) => Err(GuardError::Connector(Arc::clone(error))),
            (None, None) => Ok(None),
        });
    }
}

/// Makes one call. It has the operation's time, not that of whoever waits for it.
async fn fly<S, K, V>(departure: Arc<Departure<S, K, V>>)
where
    S: Hash + Eq + Clone + Send + Sync + 'static,
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    let inner = Arc::clone(&departure.inner);
    let since = Instant::now();
    let (ride, deadline) = (
        Arc::clone(&departure.ride),
        since + inner.operation.timeout(),
    );
    let calling = Arc::clone(&departure);
    let outcome = inner
        .operation
        .run_on(ride, deadline, move |started: Started| {
            let keys = calling.board(started.at);
            // All of them were found meanwhile.
            let call = (!keys.is_empty())
                .then(|| (calling.inner.fetch)(calling.scope.clone(), keys, started));
            async move {
                match call {
                    Some(call) => call.await,
                    None => Ok(Batch::default()),
                }
            }
        })
        .await;
    match (departure.boarded(), outcome) {
        (Some(boarding), Ok((batch, started))) => inner.keep(boarding, batch, started).await,
        (Some(boarding), Err(error)) => boarding.land(|_| Err(error.clone())),
        (None, outcome) => {
            let error = outcome.err().unwrap_or(GuardError::Broken);
            let why = match error {
                GuardError::DeadlineExceeded => Stranded::TooLate { since },
                _ => Stranded::Refused,
            };
            let stranded = inner
                .gatherings
                .strand(&departure.scope, &departure.ride, why);
            stranded.land(|_| Err(error.clone()));
            // Who came while it waited has time left.
            inner.depart(&departure.scope);
        }
    }
}
