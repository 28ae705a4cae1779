//! The bus between the instances of this layer (NATS): notices to each other, and the shares of each backend's budget.
//!
//! Nothing waits for it. Without it each instance keeps to the share that its configuration states, and what has changed at
//! a source is noticed when its facts have aged.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_nats::{
    Client, ConnectOptions, Subscriber,
    jetstream::{
        self,
        kv::{self, CreateErrorKind, Store, UpdateErrorKind},
        stream::{self, DiscardPolicy, StorageType},
    },
};
use futures_util::{StreamExt as _, future::BoxFuture};
use serde::{Deserialize, Serialize};
use service_runtime::{
    config::{Faults, HumanDuration, Secret, Validate},
    health::CheckResult,
    telemetry::error_chain,
};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;
use tracing::warn;
use uuid::Uuid;

use crate::{
    guard::{
        Guard,
        shares::{Observer, Shares},
    },
    notices::Notice,
};

const CONNECT_TIME: Duration = Duration::from_secs(2);
/// For one answer of the bus.
const ANSWER_TIME: Duration = Duration::from_secs(2);
/// Between two attempts to reach it.
const PAUSE: Duration = Duration::from_millis(500);
/// So often a share is written again that another was quicker with.
const TRIES: usize = 10;

/// Where the instances meet. Without an address each is by itself.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BusConfig {
    /// The NATS server: `nats://host:4222`, or several separated by commas; `tls://` for TLS. None = no bus.
    pub url: Option<Secret>,
    /// A credentials file of NATS (JWT and seed).
    pub credentials_file: Option<PathBuf>,
    /// What subjects begin with: notices go over `<prefix>.guard`.
    pub subject_prefix: String,
    /// The key-value bucket of `JetStream` in which budgets are shared; made where there is none.
    pub bucket: String,
    /// On how many servers the bucket is kept, where it is made here.
    pub replicas: usize,
    /// For how long a share of a budget is held; it is renewed three times as often.
    pub lease: HumanDuration,
}

impl Default for BusConfig {
    fn default() -> Self {
        Self {
            url: None,
            credentials_file: None,
            subject_prefix: "orderway".to_owned(),
            bucket: "ORDERWAY_BUDGETS".to_owned(),
            replicas: 1,
            lease: HumanDuration::from_secs(6),
        }
    }
}

impl Validate for BusConfig {
    fn validate(&self, faults: &mut Faults) {
        let token = |text: &str| {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
            (1..=100).contains(&text.len()) && text.bytes().all(plain)
        };
        for (name, text) in [
            ("subject_prefix", &self.subject_prefix),
            ("bucket", &self.bucket),
        ] {
            let sentence = "give 1 to 100 letters, digits, `-` and `_`";
            faults.check(token(text), name, sentence);
        }
        faults.check(
            (1..=5).contains(&self.replicas),
            "replicas",
            "give 1 to 5, an odd number",
        );
        faults.check(
            self.lease >= HumanDuration::from_millis(500)
                && self.lease <= HumanDuration::from_secs(60),
            "lease",
            "give 500ms to 60s",
        );
    }
}

/// Why the bus is not used for now; it is tried again.
#[derive(Debug, thiserror::Error)]
enum BusError {
    #[error("the bus is not reached, or does not answer as it should")]
    Nats(#[source] async_nats::Error),
    #[error("a message to the other instances cannot be written")]
    Write(#[from] serde_json::Error),
    #[error("the share of a budget could not be written: others were always quicker")]
    Contention,
}

impl BusError {
    fn nats(error: impl Into<async_nats::Error>) -> Self {
        Self::Nats(error.into())
    }
}

/// Does what another instance has told.
pub(crate) type Apply = Arc<dyn Fn(Notice) -> BoxFuture<'static, ()> + Send + Sync>;

/// A notice, and who tells it.
#[derive(Serialize, Deserialize)]
struct Told {
    instance: String,
    #[serde(flatten)]
    notice: Notice,
}

/// The share of one backend's budget.
struct Leasing {
    guard: Arc<Guard>,
    key: String,
    observer: Observer,
    /// The end of what was written last; at the start, of the time in which the bus is waited for.
    end: Instant,
    /// What was gained, and when it may be used.
    gained: Option<(Instant, u32)>,
}

impl Leasing {
    fn new(guard: Arc<Guard>, lease: Duration) -> Self {
        // Nothing is called before the bus was heard, or given up.
        let end = Instant::now();
        guard.budget().set_share(Some((0, end + lease)));
        Self {
            key: key_of(guard.name()),
            guard,
            observer: Observer::default(),
            end,
            gained: None,
        }
    }

    /// Renews the share.
    async fn renew(&mut self, store: &Store, me: &str, lease: Duration) -> Result<(), BusError> {
        let terms = self.guard.budget().sharing(lease);
        for _ in 0..TRIES {
            let entry = store.entry(self.key.as_str()).await;
            let entry = entry.map_err(BusError::nats)?;
            let written = entry.filter(|entry| entry.operation == kv::Operation::Put);
            let read = written.as_ref().map(|entry| shares_of(&entry.value));
            let begun = Instant::now();
            let renewal = self.observer.renew(read, me, terms, begun);
            let holds = self.guard.budget().status().share;
            if renewal.calls < holds {
                // Given up before anybody can be told of it.
                self.gained = None;
                self.guard
                    .budget()
                    .set_share(Some((renewal.calls, self.end)));
            }
            let revision = written.map(|entry| entry.revision);
            if !self.write(store, revision, &renewal.shares).await? {
                continue;
            }
            self.observer.confirm(&renewal);
            self.end = begun + lease;
            let holds = holds.min(renewal.calls);
            self.guard.budget().set_share(Some((holds, self.end)));
            match self.gained {
                Some((_, calls)) if calls == renewal.calls => {}
                _ => {
                    let at = Instant::now() + renewal.settling;
                    self.gained = (renewal.calls > holds).then_some((at, renewal.calls));
                }
            }
            return Ok(());
        }
        Err(BusError::Contention)
    }

    /// Whether it was the first.
    async fn write(
        &self,
        store: &Store,
        revision: Option<u64>,
        shares: &Shares,
    ) -> Result<bool, BusError> {
        let value = serde_json::to_vec(shares)?.into();
        match revision {
            Some(revision) => match store.update(&self.key, value, revision).await {
                Ok(_) => Ok(true),
                Err(error) if error.kind() == UpdateErrorKind::WrongLastRevision => Ok(false),
                Err(error) => Err(BusError::nats(error)),
            },
            None => match store.create(&self.key, value).await {
                Ok(_) => Ok(true),
                Err(error) if error.kind() == CreateErrorKind::AlreadyExists => Ok(false),
                Err(error) => Err(BusError::nats(error)),
            },
        }
    }

    /// Uses what was gained, when it is time.
    fn use_gained(&mut self, now: Instant) {
        if let Some((_, calls)) = self.gained.take_if(|(at, _)| *at <= now) {
            self.guard.budget().set_share(Some((calls, self.end)));
        }
    }

    /// Goes on by the stated share, when nothing was written for two leases.
    fn fall_back(&mut self, now: Instant, lease: Duration) {
        if now >= self.end + lease {
            self.gained = None;
            self.guard.budget().set_share(None);
        }
    }

    /// Gives the share back.
    async fn leave(&self, store: &Store, me: &str) -> Result<(), BusError> {
        self.guard.budget().set_share(Some((0, self.end)));
        for _ in 0..TRIES {
            let entry = store.entry(self.key.as_str()).await;
            let Some(entry) = entry.map_err(BusError::nats)? else {
                return Ok(());
            };
            let left = Observer::leave(shares_of(&entry.value), me);
            if self.write(store, Some(entry.revision), &left).await? {
                return Ok(());
            }
        }
        Err(BusError::Contention)
    }
}

/// What stands there; what cannot be read counts as nothing.
fn shares_of(value: &[u8]) -> Shares {
    serde_json::from_slice(value).unwrap_or_else(|error| {
        warn!(%error, "the shares of a budget cannot be read; they are written anew");
        Shares::default()
    })
}

/// A backend's name as a key of the bucket.
fn key_of(system: &str) -> String {
    system
        .bytes()
        .fold(String::from("budget."), |mut key, byte| {
            if byte.is_ascii_alphanumeric() || b"-_".contains(&byte) {
                key.push(char::from(byte));
            } else {
                key.push_str(&format!("={byte:02X}"));
            }
            key
        })
}

/// The bus.
pub(crate) struct Bus {
    config: BusConfig,
    url: String,
    instance: String,
    leasings: Vec<Leasing>,
    inbox: mpsc::Receiver<Notice>,
    apply: Apply,
    reached: Arc<AtomicBool>,
}

/// What was opened.
struct Session {
    client: Client,
    store: Store,
    heard: Subscriber,
}

impl Bus {
    /// The bus that a configuration asks for; None = there is none.
    pub(crate) fn new(
        config: &BusConfig,
        guards: impl Iterator<Item = Arc<Guard>>,
        inbox: mpsc::Receiver<Notice>,
        apply: Apply,
    ) -> Option<Self> {
        let url = config.url.as_ref()?.expose().to_owned();
        let lease = config.lease.get();
        Some(Self {
            config: config.clone(),
            url,
            instance: Uuid::now_v7().to_string(),
            leasings: guards.map(|guard| Leasing::new(guard, lease)).collect(),
            inbox,
            apply,
            reached: Arc::new(AtomicBool::new(true)),
        })
    }

    /// For `/readyz`: without the bus budgets are shared as stated, and nothing else is amiss.
    pub(crate) fn check(&self) -> impl Fn() -> CheckResult + Send + Sync + 'static {
        let reached = Arc::clone(&self.reached);
        move || {
            if reached.load(Ordering::Relaxed) {
                CheckResult::ok()
            } else {
                CheckResult::degraded("the bus is not reached; budgets are shared as stated")
            }
        }
    }

    /// Runs until told to stop, whatever breaks in between.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        loop {
            match Box::pin(self.session(&stop)).await {
                Ok(()) => return,
                Err(error) => {
                    if self.reached.swap(false, Ordering::Relaxed) {
                        let error = error_chain(&error);
                        warn!(error, "the bus is not used; budgets are shared as stated");
                    }
                }
            }
            self.fall_back();
            let pause = tokio::time::sleep(PAUSE);
            if stop.run_until_cancelled(pause).await.is_none() {
                return;
            }
        }
    }

    fn fall_back(&mut self) {
        let (now, lease) = (Instant::now(), self.config.lease.get());
        for leasing in &mut self.leasings {
            leasing.use_gained(now);
            leasing.fall_back(now, lease);
        }
    }

    /// Works until told to stop, or until the bus fails.
    async fn session(&mut self, stop: &CancellationToken) -> Result<(), BusError> {
        let Some(session) = stop.run_until_cancelled(self.open()).await else {
            return Ok(());
        };
        let mut session = session?;
        let mut tick = Instant::now();
        loop {
            let gained = self.leasings.iter().filter_map(|of| Some(of.gained?.0));
            let wake = gained.min().map_or(tick, |at| at.min(tick));
            tokio::select! {
                () = stop.cancelled() => break,
                () = sleep_until(wake) => {
                    let now = Instant::now();
                    for leasing in &mut self.leasings {
                        leasing.use_gained(now);
                    }
                    if now >= tick {
                        self.renew(&session.store).await?;
                        self.reached.store(true, Ordering::Relaxed);
                        tick = now + self.config.lease.get() / 3;
                    }
                }
                Some(notice) = self.inbox.recv() => self.tell(&session.client, notice).await?,
                heard = session.heard.next() => {
                    let closed = || BusError::nats("the subscription has ended");
                    self.hear(&heard.ok_or_else(closed)?.payload).await;
                }
            }
        }
        for leasing in &self.leasings {
            leasing.leave(&session.store, &self.instance).await?;
        }
        session.client.flush().await.map_err(BusError::nats)
    }

    async fn open(&self) -> Result<Session, BusError> {
        let mut options = ConnectOptions::new()
            .name("orderway system-apis")
            .connection_timeout(CONNECT_TIME)
            // A connection that is lost ends the session.
            .max_reconnects(1)
            .request_timeout(Some(ANSWER_TIME));
        if let Some(file) = &self.config.credentials_file {
            options = options
                .credentials_file(file)
                .await
                .map_err(BusError::nats)?;
        }
        let servers: Vec<&str> = self.url.split(',').map(str::trim).collect();
        let client = options.connect(servers).await.map_err(BusError::nats)?;
        let heard = client.subscribe(self.subject()).await;
        let heard = heard.map_err(BusError::nats)?;
        let mut context = jetstream::new(client.clone());
        context.set_timeout(ANSWER_TIME);
        // As a bucket is made, but for the account's limits: their answer of a server of 2.9 cannot be read.
        let bucket = stream::Config {
            name: format!("KV_{}", self.config.bucket),
            subjects: vec![format!("$KV.{}.>", self.config.bucket)],
            max_messages_per_subject: 1,
            discard: DiscardPolicy::New,
            storage: StorageType::File,
            num_replicas: self.config.replicas,
            allow_rollup: true,
            deny_delete: true,
            allow_direct: true,
            ..stream::Config::default()
        };
        let made = context.get_or_create_stream(bucket).await;
        made.map_err(BusError::nats)?;
        let store = context.get_key_value(&self.config.bucket).await;
        let store = store.map_err(BusError::nats)?;
        Ok(Session {
            client,
            store,
            heard,
        })
    }

    fn subject(&self) -> String {
        format!("{}.guard", self.config.subject_prefix)
    }

    async fn renew(&mut self, store: &Store) -> Result<(), BusError> {
        let lease = self.config.lease.get();
        for leasing in &mut self.leasings {
            leasing.renew(store, &self.instance, lease).await?;
        }
        Ok(())
    }

    async fn tell(&self, client: &Client, notice: Notice) -> Result<(), BusError> {
        let told = Told {
            instance: self.instance.clone(),
            notice,
        };
        let message = serde_json::to_vec(&told)?;
        let sent = client.publish(self.subject(), message.into()).await;
        sent.map_err(BusError::nats)
    }

    async fn hear(&self, message: &[u8]) {
        match serde_json::from_slice::<Told>(message) {
            Ok(told) if told.instance == self.instance => {}
            Ok(told) => (self.apply)(told.notice).await,
            Err(error) => warn!(%error, "a notice of another instance cannot be read"),
        }
    }
}
