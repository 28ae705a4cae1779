//! The feed over several instances: what is not committed yet, who gives the positions, and what a lost connection does.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use canonical_model::event::CloudEvent;
use serde_json::json;
use sqlx::{Connection as _, PgConnection};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    task::JoinSet,
    time::timeout,
};
use uuid::Uuid;

use super::{
    super::{
        AttemptStart, AuditEntry, Commit, EventFilter, Store, StoreError, StreamKind,
        suite::{effects, order},
    },
    PostgresOptions, PostgresStore,
    commit::Arguments,
    testing::TestDatabase,
};

/// A generous deadline: nothing here is expected to come near it.
const DEADLINE: Duration = Duration::from_secs(30);

async fn until_fed(store: &dyn Store, count: u64) -> Vec<CloudEvent> {
    let mut position = store.position();
    timeout(DEADLINE, position.wait_for(|newest| *newest >= count))
        .await
        .unwrap_or_else(|_| panic!("{count} events in the feed"))
        .unwrap();
    let filter = EventFilter {
        limit: 1_000,
        ..EventFilter::default()
    };
    store.events(filter).await.unwrap()
}

fn subjects(events: &[CloudEvent]) -> Vec<String> {
    events.iter().map(|event| event.subject.clone()).collect()
}

fn audited(commit: Commit) -> Commit {
    Commit {
        audit: vec![AuditEntry {
            action: "order.received".to_owned(),
            subject: "order".to_owned(),
            detail: serde_json::Value::Null,
        }],
        ..commit
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_feed_does_not_pass_an_event_that_commits_later() {
    let Some(database) = TestDatabase::make().await else {
        return;
    };
    let store = database.open().await;
    let (slow, quick) = (Uuid::now_v7(), Uuid::now_v7());
    let mut connection = database.connect().await;
    let mut open = connection.begin().await.unwrap();
    let arguments = Arguments::of(&audited(order(slow, 0, "PO-slow"))).unwrap();
    arguments.run(&mut *open).await.unwrap();
    store
        .commit(audited(order(quick, 0, "PO-quick")))
        .await
        .unwrap();
    let read = until_fed(store.as_ref(), 1).await;
    assert_eq!(subjects(&read), [quick.to_string()]);
    open.commit().await.unwrap();
    let read = until_fed(store.as_ref(), 2).await;
    assert_eq!(subjects(&read), [quick, slow].map(|id| id.to_string()));
    assert_eq!(store.first_broken_audit_line().await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_instances_make_one_feed_that_both_hear_of() {
    let Some(database) = TestDatabase::make().await else {
        return;
    };
    let stores = [database.open().await, database.open().await];
    let mut tasks = JoinSet::new();
    for number in 0..40_u32 {
        let store = Arc::clone(&stores[usize::from(number % 2 == 1)]);
        tasks.spawn(async move {
            let id = Uuid::now_v7();
            let name = format!("PO-{number}");
            for version in 0..3 {
                store
                    .commit(audited(order(id, version, &name)))
                    .await
                    .unwrap();
            }
        });
    }
    tasks.join_all().await;
    for store in &stores {
        let events = until_fed(store.as_ref(), 120).await;
        let positions: Vec<u64> = events.iter().map(|event| event.position).collect();
        assert_eq!(
            positions,
            (1..=120).collect::<Vec<_>>(),
            "each once, without a gap"
        );
        for event in &events {
            let stream: Vec<u64> = events
                .iter()
                .filter(|other| other.subject == event.subject)
                .map(|other| other.sequence)
                .collect();
            assert_eq!(stream, [1, 2, 3], "a stream in its order");
        }
    }
    let [one, other] = &stores;
    assert_eq!(one.first_broken_audit_line().await.unwrap(), None);
    let mut work = other.document_work();
    work.mark_unchanged();
    one.waker.document_changed();
    timeout(DEADLINE, work.changed())
        .await
        .expect("woken")
        .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_feed_of_an_instance_that_died_is_taken_over() {
    let Some(database) = TestDatabase::make().await else {
        return;
    };
    let store = database.open().await;
    store
        .commit(order(Uuid::now_v7(), 0, "PO-1"))
        .await
        .unwrap();
    until_fed(store.as_ref(), 1).await;
    let mut connection = database.connect().await;
    // Another has taken it over and died: nothing is stamped until its lease has ended.
    sqlx::query(
        "UPDATE sequencer SET holder = gen_random_uuid(), epoch = epoch + 1, until = clock_timestamp() + '3 s'",
    )
    .execute(&mut connection)
    .await
    .unwrap();
    store
        .commit(order(Uuid::now_v7(), 0, "PO-2"))
        .await
        .unwrap();
    let stamped_within =
        "SELECT until > clock_timestamp() AND holder IS NOT NULL AND position = 1 FROM sequencer";
    let held: bool = sqlx::query_scalar(stamped_within)
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert!(held, "the lease is respected");
    until_fed(store.as_ref(), 2).await;
    // One that ends in good order leaves it to the other at once.
    let next = database.open().await;
    store.close().await;
    next.commit(order(Uuid::now_v7(), 0, "PO-3")).await.unwrap();
    until_fed(next.as_ref(), 3).await;
}

async fn end_all_connections(connection: &mut PgConnection) {
    sqlx::query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )
    .execute(connection)
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_connections_heal_by_themselves() {
    let Some(database) = TestDatabase::make().await else {
        return;
    };
    let stores = [database.open().await, database.open().await];
    let mut connection = database.connect().await;
    for number in 0..6_u64 {
        let (here, there) = (&stores[0], &stores[1]);
        let id = Uuid::now_v7();
        end_all_connections(&mut connection).await;
        here.commit(order(id, 0, &format!("PO-{number}")))
            .await
            .unwrap();
        end_all_connections(&mut connection).await;
        let state = there.state(StreamKind::Order, id).await.unwrap();
        assert_eq!(state.unwrap().version, 1);
        until_fed(there.as_ref(), number + 1).await;
    }
}

/// A way to the server that can be upset.
#[derive(Debug, Default)]
struct Way {
    /// The next answer of the server is swallowed, and its connection closed.
    swallow: AtomicBool,
    /// On connections made before this one nothing is heard of the server any more, and nobody hangs up.
    silent_before: AtomicUsize,
    made: AtomicUsize,
}

impl Way {
    fn go_silent(&self) {
        self.silent_before
            .store(self.made.load(Ordering::SeqCst), Ordering::SeqCst);
    }

    async fn answers(&self, number: usize, mut server: OwnedReadHalf, mut client: OwnedWriteHalf) {
        let mut bytes = vec![0; 64 * 1024];
        while let Ok(count @ 1..) = server.read(&mut bytes).await {
            if number < self.silent_before.load(Ordering::SeqCst) {
                std::future::pending::<()>().await;
            }
            let swallowed = self.swallow.swap(false, Ordering::SeqCst);
            if swallowed || client.write_all(&bytes[..count]).await.is_err() {
                break;
            }
        }
    }

    /// The options by which a store goes this way to the database.
    async fn to(self: &Arc<Self>, database: &TestDatabase) -> PostgresOptions {
        let direct = database.options();
        let server = direct.server().unwrap();
        let address = (server.get_host().to_owned(), server.get_port());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let way = Arc::clone(self);
        tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let server = TcpStream::connect((address.0.as_str(), address.1))
                    .await
                    .unwrap();
                let number = way.made.fetch_add(1, Ordering::SeqCst);
                let (mut from_client, to_client) = client.into_split();
                let (from_server, mut to_server) = server.into_split();
                let way = Arc::clone(&way);
                tokio::spawn(async move {
                    let up = tokio::spawn(async move {
                        drop(copy(&mut from_client, &mut to_server).await);
                    });
                    way.answers(number, from_server, to_client).await;
                    up.abort();
                });
            }
        });
        let (user, name) = (server.get_username(), server.get_database().unwrap());
        PostgresOptions {
            url: format!("postgres://{user}@127.0.0.1:{port}/{name}?sslmode=disable"),
            ..direct
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_gone_without_a_word_is_not_waited_for() {
    let Some(database) = TestDatabase::make().await else {
        return;
    };
    let way = Arc::<Way>::default();
    let options = PostgresOptions {
        connect_time: Duration::from_secs(1),
        statement_time: Duration::from_secs(1),
        ..way.to(&database).await
    };
    let store = PostgresStore::open(&options).await.unwrap();
    let id = Uuid::now_v7();
    store.commit(order(id, 0, "PO-1")).await.unwrap();
    until_fed(&store, 1).await;
    way.go_silent();
    let committed = store.commit(order(id, 1, "PO-1"));
    timeout(DEADLINE, committed)
        .await
        .expect("in time")
        .unwrap();
    until_fed(&store, 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_whose_answer_was_lost_is_told_to_have_happened() {
    let Some(database) = TestDatabase::make().await else {
        return;
    };
    let way = Arc::<Way>::default();
    let through = way.to(&database).await;
    let store = PostgresStore::open(&through).await.unwrap();
    // The sequencer and the listener talk too: theirs may be the answer that is swallowed, so it is tried a few times.
    for number in 0..20_u64 {
        let id = Uuid::now_v7();
        way.swallow.store(true, Ordering::SeqCst);
        store
            .commit(order(id, 0, &format!("PO-{number}")))
            .await
            .unwrap();
        assert_eq!(
            store
                .state(StreamKind::Order, id)
                .await
                .unwrap()
                .unwrap()
                .version,
            1
        );
    }
    let events = until_fed(&store, 20).await;
    assert_eq!(events.len(), 20, "each once");
    store.close().await;
    let after = store.commit(order(Uuid::now_v7(), 0, "PO-late")).await;
    assert!(matches!(after, Err(StoreError::Failed(_))), "closed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_attempt_whose_answer_was_lost_is_begun_once() {
    let Some(database) = TestDatabase::make().await else {
        return;
    };
    let way = Arc::<Way>::default();
    let through = way.to(&database).await;
    let store: Arc<dyn Store> = Arc::new(PostgresStore::open(&through).await.unwrap());
    // Here too the answer that is swallowed may be another's.
    for number in 1..=20 {
        effects::add(&store, number, 0, None).await;
        let held = effects::lease(&store, 0).await.remove(0);
        way.swallow.store(true, Ordering::SeqCst);
        let start = AttemptStart {
            effect: held.effect,
            lease: held.lease,
            attempts_before: 0,
            now: held.created_at,
            progress: json!({"in_flight": true}),
        };
        store.begin_attempt(start.clone()).await.unwrap();
        way.swallow.store(false, Ordering::SeqCst);
        let again = store.begin_attempt(start).await;
        assert!(matches!(again, Err(StoreError::LeaseLost)), "{again:?}");
    }
    let begun: Vec<i32> = sqlx::query_scalar("SELECT attempt FROM effect")
        .fetch_all(&mut database.connect().await)
        .await
        .unwrap();
    assert_eq!(begun, [1; 20]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_schema_that_does_not_fit_is_refused_with_what_to_do() {
    let Some(database) = TestDatabase::make().await else {
        return;
    };
    let mut connection = database.connect().await;
    let refused = async || {
        let error = PostgresStore::open(&database.options()).await.err();
        error.map_or_else(String::new, |error| format!("{error:#}"))
    };
    let newest = "UPDATE schema_needs SET version = version + 1000";
    sqlx::query(newest).execute(&mut connection).await.unwrap();
    assert!(refused().await.contains("newer release"));
    let migrated = PostgresStore::migrate(&database.options()).await;
    assert!(format!("{:#}", migrated.unwrap_err()).contains("newer release"));
    sqlx::query("UPDATE schema_needs SET version = version - 1000")
        .execute(&mut connection)
        .await
        .unwrap();
    // The next release has added something that this one passes over.
    sqlx::query(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
         VALUES (9999, 'later', true, '', 0)",
    )
    .execute(&mut connection)
    .await
    .unwrap();
    assert_eq!(refused().await, "");
    PostgresStore::migrate(&database.options()).await.unwrap();
    sqlx::query("DELETE FROM _sqlx_migrations WHERE version = 2")
        .execute(&mut connection)
        .await
        .unwrap();
    assert!(refused().await.contains("process-apis migrate"));
    sqlx::query("DROP TABLE schema_needs")
        .execute(&mut connection)
        .await
        .unwrap();
    assert!(refused().await.contains("process-apis migrate"));
}

/// The migration came while the instances ran: each notices by itself, by its readiness, or by a new connection.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_of_before_writes_nothing_into_a_schema_that_it_would_spoil() {
    let Some(database) = TestDatabase::make().await else {
        return;
    };
    let mut connection = database.connect().await;
    let [quiet, asked, cut_off] = [
        database.open().await,
        database.open().await,
        database.open().await,
    ];
    sqlx::query("UPDATE schema_needs SET version = version + 1000")
        .execute(&mut connection)
        .await
        .unwrap();
    let commit = async |store: &PostgresStore| {
        let id = Uuid::now_v7();
        store.commit(order(id, 0, &id.simple().to_string())).await
    };
    let refused = asked.check().await;
    assert!(matches!(refused, Err(StoreError::NewerRelease)));
    assert!(matches!(
        commit(&asked).await,
        Err(StoreError::NewerRelease)
    ));
    let noticed = async { while commit(&quiet).await.is_ok() {} };
    timeout(DEADLINE, noticed).await.expect("by its heartbeat");
    assert!(matches!(
        commit(&quiet).await,
        Err(StoreError::NewerRelease)
    ));
    end_all_connections(&mut connection).await;
    let refused = commit(&cut_off).await;
    assert!(
        matches!(refused, Err(StoreError::NewerRelease)),
        "{refused:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_could_lose_what_it_acknowledged_is_refused() {
    let Some(database) = TestDatabase::make().await else {
        return;
    };
    let mut connection = database.connect().await;
    sqlx::query("DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET synchronous_commit = off', current_database()); END $$")
        .execute(&mut connection)
        .await
        .unwrap();
    let error = PostgresStore::open(&database.options()).await.unwrap_err();
    assert!(
        format!("{error:#}").contains("synchronous_commit is off"),
        "{error:#}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_audit_trail_is_not_changed() {
    let Some(database) = TestDatabase::make().await else {
        return;
    };
    let store = database.open().await;
    for number in 0..3 {
        let commit = order(Uuid::now_v7(), 0, &format!("PO-{number}"));
        store.commit(audited(commit)).await.unwrap();
    }
    until_fed(store.as_ref(), 3).await;
    let mut connection = database.connect().await;
    for sql in [
        "UPDATE audit SET line = 'x' WHERE seq = 2",
        "DELETE FROM audit WHERE seq = 2",
        "TRUNCATE audit",
    ] {
        let error = sqlx::query(sql).execute(&mut connection).await.unwrap_err();
        assert!(error.to_string().contains("audit trail"), "{sql}: {error}");
    }
    assert_eq!(store.first_broken_audit_line().await.unwrap(), None);
    sqlx::query("ALTER TABLE audit DISABLE TRIGGER audit_is_not_changed")
        .execute(&mut connection)
        .await
        .unwrap();
    sqlx::query("UPDATE audit SET line = 'x' WHERE seq = 2")
        .execute(&mut connection)
        .await
        .unwrap();
    assert_eq!(store.first_broken_audit_line().await.unwrap(), Some(2));
}
