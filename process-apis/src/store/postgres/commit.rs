//! One [`Commit`] in one round trip: its arguments, how often it is tried, and what a refusal of the server means.

use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value, json};
use sqlx::{Connection as _, PgExecutor, PgPool, types::Json};
use tokio::time::{Instant, sleep, timeout};
use uuid::Uuid;

use super::{
    super::{Cause, Commit, Committed, StoreError, StreamKind, Written},
    audit, bounds, credit, decisions, documents, effects,
    fault::{Refusal, lost_connection, refusal, was_overtaken},
    idempotency, news,
    open::Server,
    sessions, stock, streams, subscriptions,
    value::{broken, json, nanoseconds},
};

/// A commit is tried so often when others were first, or the connection is lost.
const TRIES: u32 = 6;
/// None is begun later than this after the first: whoever asked has stopped waiting soon after.
const TRY_FOR: Duration = Duration::from_secs(15);
/// The wait before the second try; doubled before each further one.
const FIRST_WAIT: Duration = Duration::from_millis(5);
/// The same after a lost connection: a server that starts again needs longer.
const FIRST_WAIT_FOR_SERVER: Duration = Duration::from_millis(100);

/// What of a commit travels beside its JSON, which names it by its number (from 1, as `PostgreSQL` counts).
#[derive(Debug, Default)]
pub(super) struct Parts {
    texts: Vec<String>,
    contents: Vec<Vec<u8>>,
    event_id: Option<Uuid>,
}

impl Parts {
    /// A document of ours, as JSON text that the server stores and does not read: its number in `texts`.
    pub(super) fn text(&mut self, value: &impl Serialize) -> Result<usize, StoreError> {
        self.texts.push(json(value)?);
        Ok(self.texts.len())
    }

    /// JSON that is written already.
    pub(super) fn written(&mut self, value: &Written) -> usize {
        self.ready(value.as_str().to_owned())
    }

    /// Text that is JSON already.
    pub(super) fn ready(&mut self, text: String) -> usize {
        self.texts.push(text);
        self.texts.len()
    }

    /// Bytes: their number in `contents`.
    pub(super) fn content(&mut self, bytes: &[u8]) -> usize {
        self.contents.push(bytes.to_vec());
        self.contents.len()
    }

    /// The id of a new event; by one of them the commit is known again.
    pub(super) fn event_id(&mut self) -> Uuid {
        let id = Uuid::now_v7();
        self.event_id = Some(id);
        id
    }
}

/// A commit as the arguments of `orderway_commit`.
#[derive(Debug)]
pub(super) struct Arguments {
    given: Json<Value>,
    parts: Parts,
}

impl Arguments {
    pub(super) fn of(commit: &Commit) -> Result<Self, StoreError> {
        let mut parts = Parts::default();
        let given = Json(given(commit, &mut parts)?);
        Ok(Self { given, parts })
    }

    pub(super) async fn run(&self, connection: impl PgExecutor<'_>) -> Result<Value, sqlx::Error> {
        // The answer is complete only when the server is ready again, that is after its commit.
        sqlx::query_scalar("SELECT orderway_commit($1, $2, $3)")
            .bind(&self.given)
            .bind(&self.parts.texts)
            .bind(&self.parts.contents)
            .fetch_one(connection)
            .await
    }

    /// On a connection of the pool. The server tells a refusal before it has undone the commit: what that held would be
    /// passed over by who sweeps or leases next, so its end is waited for. Whether that succeeds changes nothing.
    async fn run_to_its_end(&self, pool: &PgPool) -> Result<Value, sqlx::Error> {
        let mut connection = pool.acquire().await?;
        let answer = self.run(&mut *connection).await;
        if answer.as_ref().is_err_and(|error| refusal(error).is_some()) {
            drop(connection.ping().await);
        }
        answer
    }

    /// Whether the commit was applied by an earlier try whose answer was lost.
    async fn are_written(&self, pool: &PgPool) -> Result<bool, StoreError> {
        let Some(id) = self.parts.event_id else {
            return Ok(false);
        };
        let found = sqlx::query_scalar("SELECT EXISTS (SELECT FROM event WHERE id = $1)")
            .bind(id)
            .fetch_one(pool)
            .await?;
        Ok(found)
    }
}

/// Applies the commit, or nothing of it. One whose connection is lost on the way is tried again if it brings events:
/// by their ids it is known, so that it is neither applied twice nor told to have failed where it had not.
pub(super) async fn commit(server: &Server, commit: &Commit) -> Result<Committed, StoreError> {
    server.in_service()?;
    let pool = server.pool();
    let arguments = Arguments::of(commit)?;
    let started = Instant::now();
    let mut uncertain = false;
    let mut tries = 1;
    loop {
        let error = match timeout(server.patience(), arguments.run_to_its_end(pool)).await {
            Ok(Ok(answer)) => return committed(&answer),
            Ok(Err(error)) => error,
            Err(late) => sqlx::Error::Io(late.into()),
        };
        server.in_service()?;
        let lost = lost_connection(&error);
        if lost {
            server.suspect_all();
            uncertain = true;
        }
        let again = was_overtaken(&error) || lost && arguments.parts.event_id.is_some();
        if again && tries < TRIES && started.elapsed() < TRY_FOR {
            wait_before(tries, lost).await;
            tries += 1;
            continue;
        }
        if uncertain && server.read(|| arguments.are_written(pool)).await? {
            return written_before(pool, commit).await;
        }
        return Err(match refusal(&error) {
            Some(refused) => meaning(pool, commit, refused).await,
            None => error.into(),
        });
    }
}

/// Does in one transaction what may be done again, as often as a commit is tried when others were first.
pub(super) async fn retried<T, F>(server: &Server, work: impl Fn() -> F) -> Result<T, StoreError>
where
    F: Future<Output = Result<T, StoreError>>,
{
    let mut tries = 1;
    loop {
        match server.bounded(work()).await {
            Err(StoreError::Contended(_)) if tries < TRIES => {
                wait_before(tries, false).await;
                tries += 1;
            }
            outcome => return outcome,
        }
    }
}

async fn wait_before(tries: u32, lost: bool) {
    let first = if lost {
        FIRST_WAIT_FOR_SERVER
    } else {
        FIRST_WAIT
    };
    let jitter = rand::random_range(0.5..1.5);
    sleep(first.saturating_mul(1 << (tries - 1)).mul_f64(jitter)).await;
}

/// The commit as `orderway_commit` takes it; what is empty is absent.
fn given(commit: &Commit, parts: &mut Parts) -> Result<Value, StoreError> {
    let mut given = Map::new();
    let mut put = |name: &str, part: Value| {
        let empty = part.is_null() || part.as_array().is_some_and(Vec::is_empty);
        if !empty {
            given.insert(name.to_owned(), part);
        }
    };
    let cause = commit.cause.as_ref();
    put("cause", cause.map_or(Value::Null, given_cause));
    if let Some(answer) = &commit.idempotency {
        put("idempotency", idempotency::given(answer, parts)?);
    }
    put("changes", streams::given(&commit.changes, parts)?);
    put("documents", documents::given(&commit.documents, parts)?);
    put("sessions", sessions::given(&commit.sessions, parts)?);
    put("stock", stock::given(&commit.stock)?);
    put("credit", credit::given(&commit.credit)?);
    put("bounds", bounds::given(&commit.bounds)?);
    put("effects", effects::given(&commit.effects, parts)?);
    if let Some(record) = &commit.decision {
        put("decision", decisions::given(record, parts)?);
    }
    put("cursors", news::cursors_given(&commit.cursors)?);
    put("parked", news::parked_given(&commit.parked, parts)?);
    put(
        "subscriptions",
        subscriptions::given(&commit.subscriptions, parts)?,
    );
    if let Some(cause) = cause {
        put("audit", audit::given(cause, &commit.audit, parts)?);
    }
    if cause.is_none() && needs_cause(commit) {
        return Err(broken(
            "a commit that writes events, documents, sessions, effects, decisions or audit says its cause",
        ));
    }
    Ok(Value::Object(given))
}

fn given_cause(cause: &Cause) -> Value {
    json!({
        "company": cause.company,
        "at": nanoseconds(cause.at),
        "principal": cause.principal,
        "channel": cause.channel,
        "correlation_id": cause.correlation_id,
        "traceparent": cause.traceparent,
    })
}

fn needs_cause(commit: &Commit) -> bool {
    let new_effect = |change: &_| matches!(change, super::super::EffectChange::New(_));
    !commit.changes.is_empty()
        || !commit.documents.is_empty()
        || !commit.sessions.is_empty()
        || commit.effects.iter().any(new_effect)
        || commit.decision.is_some()
        || !commit.audit.is_empty()
}

fn committed(answer: &Value) -> Result<Committed, StoreError> {
    Ok(Committed {
        position: None,
        documents: documents::committed(answer.get("documents"))?,
        sessions: sessions::committed(answer.get("sessions"))?,
    })
}

/// What the commit came to, read again.
async fn written_before(pool: &PgPool, commit: &Commit) -> Result<Committed, StoreError> {
    let Some(cause) = &commit.cause else {
        return Ok(Committed::default());
    };
    Ok(Committed {
        position: None,
        documents: documents::again(pool, cause, &commit.documents).await?,
        sessions: sessions::again(pool, cause, &commit.sessions).await?,
    })
}

/// The error that a refusal is for the caller. What the server names is read again where the caller gets all of it: an
/// error's detail stands in the server's log.
async fn meaning(pool: &PgPool, commit: &Commit, refused: Refusal) -> StoreError {
    let told = match refused.name.as_str() {
        "version_conflict" => version_conflict(&refused),
        "purchase_order_taken" => refused.get("order_id").map(StoreError::PurchaseOrderTaken),
        "stock_short" => refused.whole().map(StoreError::StockShort),
        "credit_short" => refused.whole().map(StoreError::CreditShort),
        "bound_reached" => refused.whole().map(StoreError::BoundReached),
        "cursor_moved" => refused.get("reader").map(StoreError::CursorMoved),
        "parked_full" => Ok(StoreError::ParkedFull),
        "lease_lost" => Ok(StoreError::LeaseLost),
        "session_limit" => Ok(StoreError::SessionLimit),
        "subscription_limit" => Ok(StoreError::SubscriptionLimit),
        "subscription_changed" => refused.get("id").map(StoreError::SubscriptionChanged),
        "session_changed" => refused.get("id").map(StoreError::SessionChanged),
        "key_used" => idempotency::key_used(pool, commit).await,
        "document_known" => documents::known(pool, commit, &refused).await,
        "session_known" => sessions::known(pool, commit, &refused).await,
        _ => Err(broken(
            "the store refused a commit by a name that is not known",
        )),
    };
    told.unwrap_or_else(|error| error)
}

fn version_conflict(refused: &Refusal) -> Result<StoreError, StoreError> {
    let kind: StreamKind = refused.get("kind")?;
    Ok(StoreError::VersionConflict {
        kind,
        id: refused.get("id")?,
    })
}
