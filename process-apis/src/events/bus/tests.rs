//! The publisher against real NATS servers: what it does while they are killed, purged, and robbed of the stream.

use std::{
    collections::{BTreeMap, HashSet},
    io::Write as _,
    net::TcpListener,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use async_nats::jetstream::{self, Context};
use serde_json::Value;
use service_runtime::config::{HumanDuration, Secret};
use tempfile::TempDir;
use tokio::task::JoinHandle;

use super::*;
use crate::{
    events::{
        harness::Harness,
        published::Teller,
        published_tests::{accepted, taken, write_unknown},
        router,
    },
    orders::OrderState,
    store::Store,
};
use service_runtime::clock::Clock;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Liveness only: far beyond what any of these should take.
const PATIENCE: Duration = Duration::from_secs(60);
const STREAM: &str = "ORDERWAY";

/// A NATS server of its own, on its own port and folder.
struct Server {
    program: PathBuf,
    port: u16,
    folder: TempDir,
    child: Option<Child>,
}

impl Server {
    /// None = there is no `nats-server`, which is said aloud, and is a failure where `ORDERWAY_TEST_REQUIRE` lists `nats`.
    fn start() -> Option<Self> {
        let mut server = Self::stopped()?;
        server.run();
        Some(server)
    }

    /// The same, not running yet.
    fn stopped() -> Option<Self> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
        let program = folders
            .map(|folder| folder.join("nats-server"))
            .find(|program| program.is_file());
        let required = std::env::var_os("ORDERWAY_TEST_REQUIRE").unwrap_or_default();
        let Some(program) = program else {
            let required = required.to_string_lossy();
            let is_required = required.split(',').any(|one| one.trim() == "nats");
            assert!(!is_required, "needs nats: install nats-server");
            // Past the capture of the test runner: a skip that nobody sees would look like a pass.
            drop(writeln!(
                std::io::stderr(),
                "skipped: needs nats (install nats-server)"
            ));
            return None;
        };
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        Some(Self {
            program,
            port: free.local_addr().unwrap().port(),
            folder: TempDir::new().unwrap(),
            child: None,
        })
    }

    fn run(&mut self) {
        let mut command = Command::new(&self.program);
        command
            .args([
                "-a",
                "127.0.0.1",
                "-p",
                &self.port.to_string(),
                "-js",
                "-sd",
            ])
            .arg(self.folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        self.child = Some(command.spawn().unwrap());
    }

    /// SIGKILL.
    fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    async fn context(&self) -> Context {
        let connect = async {
            loop {
                if let Ok(client) = async_nats::connect(self.url()).await {
                    return jetstream::new(client);
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, connect)
            .await
            .expect("it starts")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A publisher at work.
struct Running {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Running {
    fn start(store: &Arc<dyn Store>, url: String) -> Self {
        let config = BusConfig {
            url: Some(Secret::from(url)),
            lease: HumanDuration::from_millis(600),
            // As short as NATS has it: what was purged is published again at once.
            duplicate_window: HumanDuration::from_millis(100),
            ..BusConfig::default()
        };
        let publisher = Publisher::new(
            Arc::clone(store),
            Teller::new(Arc::clone(store)),
            Clock::system(),
            &config,
        )
        .unwrap();
        let stop = CancellationToken::new();
        let task = tokio::spawn(publisher.run(stop.clone()));
        Self { stop, task }
    }

    async fn end(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }
}

#[derive(Debug, Clone, PartialEq)]
struct Published {
    sequence: u64,
    subject: String,
    id: String,
    event: Value,
}

/// All that the stream holds; nothing where it is not there.
async fn read(context: &Context) -> Vec<Published> {
    let Ok(mut stream) = context.get_stream(STREAM).await else {
        return Vec::new();
    };
    let Ok(info) = stream.info().await else {
        return Vec::new();
    };
    let (first, last) = (info.state.first_sequence.max(1), info.state.last_sequence);
    let mut found = Vec::new();
    for sequence in first..=last {
        if let Ok(message) = stream.get_raw_message(sequence).await {
            found.push(Published {
                sequence,
                subject: message.subject.to_string(),
                id: message.headers.get("Nats-Msg-Id").unwrap().to_string(),
                event: serde_json::from_slice(&message.payload).unwrap(),
            });
        }
    }
    found
}

/// Reads until there are so many different events.
async fn read_until(context: &Context, events: usize) -> Vec<Published> {
    let wait = async {
        loop {
            let found = read(context).await;
            let ids: HashSet<&str> = found.iter().map(|message| message.id.as_str()).collect();
            if ids.len() >= events {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let found = tokio::time::timeout(PATIENCE, wait).await;
    match found {
        Ok(found) => found,
        Err(_) => panic!(
            "{events} events do not come; there is {:#?}",
            read(context).await
        ),
    }
}

/// Each event of the log is there, in the order of its order where each is seen first, and says the same each time.
async fn assert_whole(harness: &Harness, found: &[Published]) {
    let filter = crate::store::EventFilter {
        limit: 10_000,
        types: crate::events::public::log_words(&[]),
        ..crate::store::EventFilter::default()
    };
    let logged = harness.store.events(filter).await.unwrap();
    let mut first: BTreeMap<&str, &Published> = BTreeMap::new();
    for message in found {
        let known = first.entry(&message.id).or_insert(message);
        assert_eq!(known.event, message.event);
    }
    let of_the_log: HashSet<String> = logged.iter().map(|event| event.id.to_string()).collect();
    assert_eq!(first.len(), of_the_log.len());
    assert!(
        first.keys().all(|id| of_the_log.contains(*id)),
        "nothing that did not commit"
    );
    let mut orders: BTreeMap<&str, u64> = BTreeMap::new();
    let mut firsts: Vec<&&Published> = first.values().collect();
    firsts.sort_by_key(|message| message.sequence);
    for message in firsts {
        let order = message.event["subject"].as_str().unwrap();
        let sequence = message.event["sequence"].as_u64().unwrap();
        let before = orders.insert(order, sequence);
        assert!(
            before.is_none_or(|before| before < sequence),
            "{order}: {before:?} before {sequence}"
        );
    }
}

async fn some_orders(harness: &Harness, number: usize) {
    let mut orders: Vec<OrderState> = Vec::new();
    for _ in 0..number {
        orders.push(taken(harness, "ACME").await);
    }
    for order in orders {
        accepted(harness, &order).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_committed_is_published_in_its_order_and_under_its_id() {
    let Some(server) = Server::start() else {
        return;
    };
    let context = server.context().await;
    let harness = Harness::new(router());
    some_orders(&harness, 3).await;
    let publisher = Running::start(&harness.store, server.url());
    read_until(&context, 6).await;
    some_orders(&harness, 2).await;
    let found = read_until(&context, 10).await;
    publisher.end().await;
    assert_whole(&harness, &found).await;
    assert_eq!(found.len(), 10, "each once");
    let positions: Vec<u64> = found
        .iter()
        .map(|message| message.event["position"].as_u64().unwrap())
        .collect();
    assert!(positions.is_sorted(), "{positions:?}");
    assert_eq!(found[0].subject, "orderway.US01.order.received");
    assert_eq!(found[9].subject, "orderway.US01.order.accepted");
    assert_eq!(found[0].event["id"], found[0].id.as_str());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_and_comes_back_has_everything_in_the_end() {
    let Some(mut server) = Server::stopped() else {
        return;
    };
    let harness = Harness::new(router());
    let publisher = Running::start(&harness.store, server.url());
    // Nobody is there yet: orders are taken all the same.
    some_orders(&harness, 5).await;
    server.run();
    let context = server.context().await;
    read_until(&context, 10).await;
    for _ in 0..3 {
        some_orders(&harness, 20).await;
        server.kill();
        some_orders(&harness, 20).await;
        server.run();
    }
    let context = server.context().await;
    let found = read_until(&context, 250).await;
    publisher.end().await;
    assert_whole(&harness, &found).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_was_purged_or_made_anew_is_filled_again() {
    let Some(server) = Server::start() else {
        return;
    };
    let context = server.context().await;
    let harness = Harness::new(router());
    some_orders(&harness, 10).await;
    let publisher = Running::start(&harness.store, server.url());
    read_until(&context, 20).await;
    context
        .get_stream(STREAM)
        .await
        .unwrap()
        .purge()
        .await
        .unwrap();
    let found = read_until(&context, 20).await;
    assert!(found.iter().all(|message| message.sequence > 20));
    assert_whole(&harness, &found).await;

    context.delete_stream(STREAM).await.unwrap();
    some_orders(&harness, 1).await;
    let found = read_until(&context, 22).await;
    publisher.end().await;
    assert_whole(&harness, &found).await;
}

/// What a folder holds, written over another.
fn copy(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_lost_its_end_and_was_published_to_since_is_filled_again() {
    let Some(mut server) = Server::start() else {
        return;
    };
    let harness = Harness::new(router());
    some_orders(&harness, 10).await;
    let publisher = Running::start(&harness.store, server.url());
    read_until(&server.context().await, 20).await;
    publisher.end().await;
    server.kill();
    let before = TempDir::new().unwrap();
    copy(server.folder.path(), before.path());
    server.run();
    some_orders(&harness, 5).await;
    let publisher = Running::start(&harness.store, server.url());
    read_until(&server.context().await, 30).await;
    publisher.end().await;
    server.kill();
    // Ten are lost, and as many others, and more, are in their place.
    std::mem::replace(&mut server.folder, before)
        .close()
        .unwrap();
    server.run();
    let context = server.context().await;
    let other = |number: usize| format!("other-{number}");
    for number in 0..15 {
        let mut headers = async_nats::HeaderMap::new();
        headers.insert("Nats-Msg-Id", other(number).as_str());
        let subject = "orderway.US01.order.other";
        let sent = context.publish_with_headers(subject, headers, "{}".into());
        sent.await.unwrap().await.unwrap();
    }
    let publisher = Running::start(&harness.store, server.url());
    let mut found = read_until(&context, 45).await;
    publisher.end().await;
    found.retain(|message| !message.id.starts_with("other"));
    assert_whole(&harness, &found).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_instance_publishes_and_another_takes_over() {
    let Some(server) = Server::start() else {
        return;
    };
    let context = server.context().await;
    let harness = Harness::new(router());
    let first = Running::start(&harness.store, server.url());
    some_orders(&harness, 5).await;
    read_until(&context, 10).await;
    let second = Running::start(&harness.store, server.url());
    some_orders(&harness, 5).await;
    let found = read_until(&context, 20).await;
    assert_eq!(found.len(), 20, "each once, by whoever holds the lease");
    // As if it were killed: its lease is not given back.
    first.end().await;
    some_orders(&harness, 5).await;
    let found = read_until(&context, 30).await;
    second.end().await;
    assert_whole(&harness, &found).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_cannot_be_told_holds_up_no_other() {
    let Some(server) = Server::start() else {
        return;
    };
    let context = server.context().await;
    let harness = Harness::new(router());
    let order = taken(&harness, "ACME").await;
    write_unknown(&harness, &order).await;
    let order = OrderState {
        version: order.version + 1,
        ..order
    };
    accepted(&harness, &order).await;
    some_orders(&harness, 2).await;
    let publisher = Running::start(&harness.store, server.url());
    let found = read_until(&context, 5).await;
    publisher.end().await;
    let of_it: Vec<&Published> = found
        .iter()
        .filter(|message| message.event["subject"] == order.order_id().to_string().as_str())
        .collect();
    assert_eq!(of_it.len(), 1, "nothing after what is not understood");
}
