//! Connecting: bounded pools, and a server that keeps what it acknowledges.

use std::{
    fmt,
    str::FromStr as _,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use service_runtime::clock::Clock;
use sqlx::{
    ConnectOptions as _, Connection as _, PgConnection, PgPool, Row as _,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::{super::StoreError, clocks::Clocks, fault::lost_connection, migrate, value::broken};

/// What is known to work is 14 and newer; older ones have no support by their makers.
const OLDEST_SERVER: i32 = 140_000;
/// A connection that lay idle so long is asked whether it lives before it is used.
const ASK_AFTER: Duration = Duration::from_secs(5);
/// So much longer than the server may take an answer is waited for; and so long for whether a connection lives.
const GRACE: Duration = Duration::from_secs(2);
/// Of its time a statement waits so much for one lock, and for another after it: ended by the statement's own time it would
/// not be told as contention, which is tried again.
const LOCK_SHARE: u32 = 4;
/// A read whose connection is lost is tried so often.
const READ_TRIES: u32 = 3;

/// How to connect.
#[derive(Clone)]
pub struct PostgresOptions {
    /// `postgres://user:password@host:port/database?…`
    pub url: String,
    /// The most connections; commits beyond them wait.
    pub connections: u32,
    /// The longest wait for a connection.
    pub connect_time: Duration,
    /// The longest that a statement may take.
    pub statement_time: Duration,
    /// For how long one instance gives the feed positions before another may.
    pub sequencer_lease: Duration,
    /// What this instance goes by; it works only while that is the server's time.
    pub clock: Clock,
}

impl fmt::Debug for PostgresOptions {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The address may hold a password.
        out.debug_struct("PostgresOptions")
            .field("connections", &self.connections)
            .finish_non_exhaustive()
    }
}

impl PostgresOptions {
    /// The usual limits.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            connections: 12,
            connect_time: Duration::from_secs(10),
            statement_time: Duration::from_secs(10),
            sequencer_lease: Duration::from_secs(15),
            clock: Clock::system(),
        }
    }

    pub(in super::super) fn server(&self) -> anyhow::Result<PgConnectOptions> {
        // The text may hold a password: it is not repeated.
        let options = PgConnectOptions::from_str(&self.url)
            .map_err(|_hidden| anyhow::Error::msg("`store.url` is not a postgres:// address"))?;
        Ok(options.application_name("orderway-process-apis"))
    }
}

/// The connections, and what is known of them.
#[derive(Debug, Clone)]
pub(super) struct Server {
    pool: PgPool,
    losses: Arc<Losses>,
    clocks: Clocks,
    retired: CancellationToken,
    patience: Duration,
}

impl Server {
    pub(super) fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// So long an answer is waited for, a connection included.
    pub(super) fn patience(&self) -> Duration {
        self.patience
    }

    /// Cancelled once a newer release has made the schema one that this release would spoil.
    pub(super) fn retired(&self) -> &CancellationToken {
        &self.retired
    }

    /// Refused once that is so.
    pub(super) fn in_service(&self) -> Result<(), StoreError> {
        if self.retired.is_cancelled() {
            return Err(StoreError::NewerRelease);
        }
        Ok(())
    }

    /// Takes note of the oldest schema that a release must know.
    pub(super) fn heed(&self, needs: i64) -> Result<(), StoreError> {
        if needs > migrate::newest() {
            retire(&self.retired);
        }
        self.in_service()
    }

    /// A connection was lost: those made before are closed, not used.
    pub(super) fn suspect_all(&self) {
        let mut newest = self.losses.0.lock().unwrap_or_else(PoisonError::into_inner);
        *newest = Some(Instant::now());
    }

    /// Refused where this instance's clock is not the server's.
    pub(super) async fn compare_clocks(&self) -> Result<(), StoreError> {
        self.clocks.compare(&self.pool).await
    }

    /// Does what goes by this instance's clock, if that is the server's.
    pub(super) async fn in_time<T>(
        &self,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        self.bounded(async {
            self.compare_clocks().await?;
            work.await
        })
        .await
    }

    /// Reads, or does what may be done twice; once more where the connection was lost.
    pub(super) async fn read<T, F>(&self, read: impl Fn() -> F) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        let mut tries = 1;
        loop {
            match self.bounded(read()).await {
                Err(StoreError::Failed(error)) if tries < READ_TRIES && is_lost(&error) => {
                    tries += 1;
                }
                outcome => return outcome,
            }
        }
    }

    /// Does not wait for ever for a server that is gone without a word: its kernel sends nothing any more, and ours would
    /// try for a quarter of an hour.
    pub(super) async fn bounded<T>(
        &self,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        self.in_service()?;
        let Ok(outcome) = timeout(self.patience, work).await else {
            self.in_service()?;
            self.suspect_all();
            return Err(broken("PostgreSQL did not answer in time"));
        };
        if let Err(StoreError::Failed(error)) = &outcome {
            // No connection can be had then.
            self.in_service()?;
            if is_lost(error) {
                self.suspect_all();
            }
        }
        outcome
    }
}

fn retire(retired: &CancellationToken) {
    if !retired.is_cancelled() {
        retired.cancel();
        let error = StoreError::NewerRelease;
        tracing::error!(%error, "this instance is not ready and writes nothing any more");
    }
}

fn is_lost(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<sqlx::Error>()
        .is_some_and(lost_connection)
}

/// When a connection was last lost.
#[derive(Debug, Default)]
struct Losses(Mutex<Option<Instant>>);

impl Losses {
    /// Whether a connection of this age was there when another was lost.
    fn suspect(&self, age: Duration) -> bool {
        let newest = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        newest.is_some_and(|at| at.elapsed() <= age)
    }
}

/// The connections. Each is checked when it is made: a server can be replaced by one that is set otherwise.
pub(super) async fn connect(options: &PostgresOptions) -> anyhow::Result<Server> {
    let losses = Arc::<Losses>::default();
    let (known, noticed) = (Arc::clone(&losses), Arc::clone(&losses));
    let retired = CancellationToken::new();
    let newer = retired.clone();
    let server = options.server()?;
    // Once outside the pool, which would try again in silence what is refused for a reason.
    let mut first = server
        .connect()
        .await
        .context("PostgreSQL cannot be used; see `store.url`")?;
    check(&mut first).await?;
    if !migrate::fits(&mut first).await? {
        return Err(StoreError::NewerRelease.into());
    }
    first.close().await?;
    let statement_time = options.statement_time;
    let pool = PgPoolOptions::new()
        .max_connections(options.connections)
        .min_connections(1)
        .acquire_timeout(options.connect_time)
        // A round trip before every statement; `before_acquire` asks only where there is a reason to.
        .test_before_acquire(false)
        .before_acquire(move |connection, about| {
            let (suspect, ask) = (known.suspect(about.age), about.idle_for >= ASK_AFTER);
            Box::pin(async move {
                if suspect || !ask {
                    return Ok(!suspect);
                }
                Ok(matches!(
                    timeout(GRACE, connection.ping()).await,
                    Ok(Ok(()))
                ))
            })
        })
        // Else it would be asked whether it lives, and its answer waited for however long that takes.
        .after_release(move |_, about| {
            let keep = !noticed.suspect(about.age);
            Box::pin(async move { Ok(keep) })
        })
        .after_connect(move |connection, _| {
            let newer = newer.clone();
            Box::pin(async move {
                prepare(connection, statement_time).await?;
                if !migrate::fits(connection).await? {
                    retire(&newer);
                    return Err(sqlx::Error::Configuration(StoreError::NewerRelease.into()));
                }
                check(connection)
                    .await
                    .map_err(|error| sqlx::Error::Configuration(error.into()))
            })
        })
        .connect_lazy_with(server);
    Ok(Server {
        pool,
        losses,
        clocks: Clocks::new(options.clock.clone()),
        retired,
        patience: options
            .connect_time
            .saturating_add(options.statement_time)
            .saturating_add(GRACE),
    })
}

/// Set for the session, so that a pooler in session mode between us and the server does no harm.
async fn prepare(
    connection: &mut PgConnection,
    statement_time: Duration,
) -> Result<(), sqlx::Error> {
    let milliseconds = |time: Duration| time.as_millis().to_string();
    let lock_time = statement_time.checked_div(LOCK_SHARE);
    sqlx::query(
        "SELECT set_config('statement_timeout', $1, false), set_config('lock_timeout', $2, false),
            set_config('idle_in_transaction_session_timeout', $1, false), set_config('jit', 'off', false),
            set_config('default_transaction_isolation', 'read committed', false)",
    )
    .bind(milliseconds(statement_time))
    .bind(milliseconds(lock_time.unwrap_or(statement_time)))
    .execute(connection)
    .await?;
    Ok(())
}

/// Whether what the server acknowledges is kept.
pub(super) async fn check(connection: &mut PgConnection) -> anyhow::Result<()> {
    let row = sqlx::query(
        "SELECT current_setting('server_version_num')::integer AS version,
            current_setting('server_encoding') AS encoding, current_setting('fsync') AS fsync,
            current_setting('synchronous_commit') AS synchronous_commit,
            current_setting('synchronous_standby_names') AS standbys, pg_is_in_recovery() AS is_standby",
    )
    .fetch_one(connection)
    .await?;
    let version: i32 = row.try_get("version")?;
    ensure!(
        version >= OLDEST_SERVER,
        "the PostgreSQL server is older than 14; use a newer one"
    );
    let encoding: String = row.try_get("encoding")?;
    ensure!(
        encoding == "UTF8",
        "the database is kept in {encoding}; make it with ENCODING 'UTF8'"
    );
    ensure!(
        !row.try_get::<bool, _>("is_standby")?,
        "the PostgreSQL server is a standby; name the primary in `store.url`"
    );
    let fsync: String = row.try_get("fsync")?;
    ensure!(
        fsync == "on",
        "fsync is off: the PostgreSQL server would lose acknowledged orders when the power fails; set fsync = on"
    );
    let commit: String = row.try_get("synchronous_commit")?;
    let standbys: String = row.try_get("standbys")?;
    is_durable(&commit, !standbys.is_empty())
}

/// `off` acknowledges before the disk has it. `local` has it on this disk only, although a standby was set up to have it
/// too: a failover would lose what was acknowledged.
fn is_durable(synchronous_commit: &str, has_standby: bool) -> anyhow::Result<()> {
    let durable = match synchronous_commit {
        "on" | "remote_apply" | "remote_write" => true,
        "local" => !has_standby,
        _ => false,
    };
    ensure!(
        durable,
        "synchronous_commit is {synchronous_commit}: acknowledged orders could be lost; set it to on, remote_apply or \
         remote_write for the server, the database and the user"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_acknowledged_must_be_kept() {
        for (setting, has_standby, durable) in [
            ("on", false, true),
            ("remote_apply", true, true),
            ("remote_write", true, true),
            ("local", false, true),
            ("local", true, false),
            ("off", false, false),
        ] {
            assert_eq!(
                is_durable(setting, has_standby).is_ok(),
                durable,
                "{setting}"
            );
        }
    }

    #[test]
    fn an_address_that_cannot_be_read_is_not_repeated() {
        let options = PostgresOptions::new("postgres://orderway:pa ss@:word");
        let error = format!("{:#}", options.server().unwrap_err());
        assert!(
            error.contains("store.url") && !error.contains("word"),
            "{error}"
        );
    }
}
