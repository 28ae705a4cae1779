//! The publisher: takes the lease, looks at the stream, and publishes what the log holds beyond the cursor.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_nats::{
    ConnectOptions,
    header::NATS_MESSAGE_ID,
    jetstream::{
        self, Context,
        context::{PublishAckFuture, PublishErrorKind},
        message::PublishMessage,
        publish::PublishAck,
        stream::{DiscardPolicy, RawMessageErrorKind, StorageType, Stream},
    },
};
use canonical_model::public_event::PublicEvent;
use futures_util::future::try_join_all;
use jiff::{SignedDuration, Timestamp};
use service_runtime::{clock::Clock, health::CheckResult, telemetry::error_chain};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{
    config::BusConfig,
    cursor::{BusCursor, Refill, StreamFacts},
};
use crate::{
    crash_points,
    events::published::{Published, Teller},
    store::{Commit, CursorMove, EventFilter, Store, StoreError},
};

/// Acknowledgments waited for at a time.
const IN_FLIGHT: usize = 256;
/// For one of them.
const ACK_TIME: Duration = Duration::from_secs(5);
const CONNECT_TIME: Duration = Duration::from_secs(5);
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// As many orders may be passed over because this release cannot tell them; then it stops.
const MOST_PARKED: usize = 1_000;
const PAGE: u16 = 100;

/// Why publishing does not go on; it is tried again.
#[derive(Debug, thiserror::Error)]
enum BusError {
    #[error("the bus is not reached, or does not answer as it should")]
    Nats(#[source] async_nats::Error),
    #[error("the stream was replaced while it was published to")]
    Replaced,
    #[error(
        "the stream still knows events again that it no longer holds; it is waited until it does not"
    )]
    Remembered,
    #[error("more than {MOST_PARKED} orders cannot be told by this release")]
    Parked,
    #[error("the store does not answer")]
    Store(#[from] StoreError),
    #[error("the cursor of the bus cannot be read; a later release wrote it")]
    Cursor(#[from] serde_json::Error),
}

impl BusError {
    fn nats(error: impl Into<async_nats::Error>) -> Self {
        Self::Nats(error.into())
    }
}

/// Publishes to the bus.
pub struct Publisher {
    store: Arc<dyn Store>,
    teller: Teller,
    clock: Clock,
    config: BusConfig,
    url: String,
    instance: Uuid,
    reached: Arc<AtomicBool>,
}

/// The cursor as this instance holds it, and as it stands in the store.
struct Held {
    cursor: BusCursor,
    stored: String,
    /// The oldest message that the stream held when it was looked at.
    oldest: u64,
}

impl Publisher {
    /// The publisher that a configuration asks for; None = there is no bus.
    pub fn new(
        store: Arc<dyn Store>,
        teller: Teller,
        clock: Clock,
        config: &BusConfig,
    ) -> Option<Self> {
        let url = config.url.as_ref()?.expose().to_owned();
        Some(Self {
            store,
            teller,
            clock,
            url,
            config: config.clone(),
            instance: Uuid::now_v7(),
            reached: Arc::new(AtomicBool::new(true)),
        })
    }

    /// For `/readyz`: without the bus events are published late, and nothing else is amiss.
    pub fn check(&self) -> impl Fn() -> CheckResult + Send + Sync + 'static {
        let reached = Arc::clone(&self.reached);
        move || {
            if reached.load(Ordering::Relaxed) {
                CheckResult::ok()
            } else {
                CheckResult::degraded("the bus is not reached; events wait in the log")
            }
        }
    }

    /// Publishes until told to stop, whatever breaks in between.
    pub async fn run(self, stop: CancellationToken) {
        let mut pause = FIRST_PAUSE;
        loop {
            let begun = Instant::now();
            let ended = stop.run_until_cancelled(self.session()).await;
            let Some(ended) = ended else { return };
            // A session that held for a while was sound; what comes after it begins anew.
            if begun.elapsed() > LONGEST_PAUSE {
                pause = FIRST_PAUSE;
            }
            if let Err(error) = ended {
                self.reached.store(false, Ordering::Relaxed);
                let error = error_chain(&error);
                tracing::warn!(error, "events are not published; they wait in the log");
                self.tell_lag().await;
            }
            if stop
                .run_until_cancelled(tokio::time::sleep(pause))
                .await
                .is_none()
            {
                return;
            }
            pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
        }
    }

    /// Connects, and publishes whenever the lease is ours, until something breaks.
    async fn session(&self) -> Result<(), BusError> {
        let context = self.connect().await?;
        loop {
            match self.lease().await? {
                Ok(held) => match self.lead(&context, held).await {
                    // Another instance was quicker, or thought that we were gone.
                    Err(BusError::Store(StoreError::CursorMoved(_))) => {}
                    Err(error) => return Err(error),
                    Ok(never) => match never {},
                },
                Err(taken_until) => {
                    self.reached.store(true, Ordering::Relaxed);
                    metrics::gauge!("orderway_bus_lag_seconds").set(0.0);
                    let left = taken_until.duration_since(self.clock.now());
                    let left = Duration::try_from(left).unwrap_or(Duration::ZERO);
                    let pause = left.clamp(Duration::from_millis(50), self.config.renew());
                    tokio::time::sleep(pause).await;
                }
            }
        }
    }

    async fn connect(&self) -> Result<Context, BusError> {
        let mut options = ConnectOptions::new()
            .name("orderway process-apis")
            .connection_timeout(CONNECT_TIME)
            // A connection that is lost ends the session: the next one begins by looking at the stream.
            .max_reconnects(1)
            .request_timeout(Some(ACK_TIME));
        if let Some(file) = &self.config.credentials_file {
            options = options
                .credentials_file(file)
                .await
                .map_err(BusError::nats)?;
        }
        let servers: Vec<&str> = self.url.split(',').map(str::trim).collect();
        let client = options.connect(servers).await.map_err(BusError::nats)?;
        Ok(jetstream::context::ContextBuilder::new()
            .timeout(ACK_TIME)
            .ack_timeout(ACK_TIME)
            .max_ack_inflight(IN_FLIGHT)
            .build(client))
    }

    fn reader(&self) -> String {
        format!("bus/{}", self.config.stream)
    }

    /// Takes the lease, where nobody holds it; else until when it is held.
    async fn lease(&self) -> Result<Result<Held, Timestamp>, BusError> {
        let stored = self.store.cursor(&self.reader()).await?;
        let now = self.clock.now();
        let mut cursor = match &stored {
            Some(stored) => serde_json::from_str(stored)?,
            None => BusCursor::new(self.instance, now),
        };
        if cursor.holder != self.instance && cursor.until > now {
            return Ok(Err(cursor.until));
        }
        cursor.holder = self.instance;
        let fresh = Held {
            cursor,
            stored: String::new(),
            oldest: 0,
        };
        match crash_points::BUS_LEASE.run(self.write(stored, fresh)).await {
            Ok(held) => Ok(Ok(held)),
            Err(BusError::Store(StoreError::CursorMoved(_))) => Ok(Err(now)),
            Err(error) => Err(error),
        }
    }

    /// Moves the cursor on, and with it the end of the lease.
    async fn write(&self, from: Option<String>, mut held: Held) -> Result<Held, BusError> {
        let now = self.clock.now();
        let lease =
            SignedDuration::try_from(self.config.lease.get()).unwrap_or(SignedDuration::ZERO);
        held.cursor.until = now.saturating_add(lease).unwrap_or(now);
        let to = serde_json::to_string(&held.cursor)?;
        let step = CursorMove {
            reader: self.reader(),
            from,
            to: to.clone(),
        };
        let commit = Commit {
            cursors: vec![step],
            ..Commit::default()
        };
        self.store.commit(commit).await?;
        held.stored = to;
        Ok(held)
    }

    /// Moves the held cursor on.
    async fn save(&self, held: Held) -> Result<Held, BusError> {
        let written = self.write(Some(held.stored.clone()), held);
        crash_points::BUS_SAVE.run(written).await
    }

    /// Publishes as the one that holds the lease, until something breaks.
    async fn lead(
        &self,
        context: &Context,
        mut held: Held,
    ) -> Result<std::convert::Infallible, BusError> {
        let mut stream = self.stream(context).await?;
        let mut news = self.store.position();
        let mut looked = None;
        loop {
            news.mark_unchanged();
            let due = looked.is_none_or(|at: Instant| at.elapsed() >= self.config.renew());
            if due {
                let first = looked.is_none();
                held = self.look(&mut stream, held).await?;
                looked = Some(Instant::now());
                if first {
                    held = self.unpark(context, held).await?;
                }
            }
            let (next, more) = self.publish(context, held).await?;
            held = next;
            self.reached.store(true, Ordering::Relaxed);
            if !more {
                metrics::gauge!("orderway_bus_lag_seconds").set(0.0);
                let renew = looked.map_or_else(Instant::now, |at| at + self.config.renew());
                // Either way it goes round: for what has come, or to renew the lease.
                drop(timeout_at(renew, news.changed()).await);
            }
        }
    }

    /// The stream, made where there is none. One that is there is left as it is.
    async fn stream(&self, context: &Context) -> Result<Stream, BusError> {
        let config = jetstream::stream::Config {
            name: self.config.stream.clone(),
            description: Some("What happens to orders; see docs/events.md of Orderway".to_owned()),
            subjects: vec![format!("{}.>", self.config.subject_prefix)],
            storage: StorageType::File,
            discard: DiscardPolicy::Old,
            max_age: self.config.max_age.get(),
            max_bytes: i64::try_from(self.config.max_bytes.get()).unwrap_or(i64::MAX),
            duplicate_window: self.config.duplicate_window.get(),
            num_replicas: self.config.replicas,
            ..jetstream::stream::Config::default()
        };
        let stream = context.get_or_create_stream(config).await;
        stream.map_err(BusError::nats)
    }

    /// Looks at the stream: where it is not the one that was published to, or not whole, the cursor goes back. Renews the
    /// lease.
    async fn look(&self, stream: &mut Stream, mut held: Held) -> Result<Held, BusError> {
        let facts = facts(stream).await?;
        held.oldest = facts.first;
        let refill = match held.cursor.compare(&facts, self.clock.now()) {
            None => self.recognise(stream, &mut held.cursor, &facts).await?,
            found => found,
        };
        if let Some(refill) = refill {
            let from = held.cursor.position;
            let reason = refill.reason();
            tracing::warn!(
                stream = self.config.stream,
                from,
                reason,
                "events are published again"
            );
            metrics::counter!("orderway_bus_refills_total").increment(1);
        }
        self.save(held).await
    }

    /// A stream that has lost its end, and was published to since, is as long as it was: what it holds where the newest
    /// message was confirmed tells.
    async fn recognise(
        &self,
        stream: &Stream,
        cursor: &mut BusCursor,
        facts: &StreamFacts,
    ) -> Result<Option<Refill>, BusError> {
        let mut last = None;
        for mark in cursor.marks.iter().rev() {
            let Some(event) = mark.event else { break };
            let message = match stream.get_raw_message(mark.sequence).await {
                Ok(message) => message,
                // Expired, or deleted by itself.
                Err(error) if error.kind() == RawMessageErrorKind::NoMessageFound => break,
                Err(error) => return Err(BusError::nats(error)),
            };
            let id = message.headers.get(NATS_MESSAGE_ID);
            if id.is_some_and(|id| id.as_str() == event.to_string()) {
                break;
            }
            last = Some(mark.sequence.saturating_sub(1));
        }
        Ok(last.map(|last| cursor.lose_after(last, facts.max_age, self.clock.now())))
    }

    /// Publishes the next stretch of the log; whether there may be more.
    async fn publish(&self, context: &Context, mut held: Held) -> Result<(Held, bool), BusError> {
        let filter = EventFilter {
            after: held.cursor.position,
            limit: PAGE,
            ..EventFilter::default()
        };
        let page = self.teller.read(filter, &[]).await?;
        if page.next <= held.cursor.position {
            return Ok((held, false));
        }
        if let Some(oldest) = page.events.first() {
            self.set_lag(oldest.time);
        }
        self.park(&mut held.cursor, &page)?;
        let told = |event: &&PublicEvent| {
            let parked = held.cursor.parked.get(&event.data.order_id.0);
            parked.is_none_or(|first| event.position < *first)
        };
        let events: Vec<&PublicEvent> = page.events.iter().filter(told).collect();
        let last = self.send(context, &events, &held).await?;
        let now = self.clock.now();
        let age = self.config.max_age.signed();
        held.cursor.confirm(page.next, last, age, now);
        let held = self.save(held).await?;
        Ok((held, page.full))
    }

    /// Remembers the orders that cannot be told here. One that is parked stays so, with all that follows of it.
    fn park(&self, cursor: &mut BusCursor, page: &Published) -> Result<(), BusError> {
        for event in &page.parked {
            if let Ok(order) = event.subject.parse() {
                cursor.parked.entry(order).or_insert(event.position);
            }
        }
        if cursor.parked.len() > MOST_PARKED {
            return Err(BusError::Parked);
        }
        Ok(())
    }

    /// Publishes what is parked and can be told by now: a newer release may understand what an older one did not.
    async fn unpark(&self, context: &Context, mut held: Held) -> Result<Held, BusError> {
        let parked: Vec<(Uuid, u64)> = held
            .cursor
            .parked
            .iter()
            .map(|(id, at)| (*id, *at))
            .collect();
        for (order, first) in parked {
            let mut after = first.saturating_sub(1);
            let understood = loop {
                let filter = EventFilter {
                    after,
                    limit: PAGE,
                    subject: Some(order),
                    ..EventFilter::default()
                };
                let page = self.teller.read(filter, &[]).await?;
                let until = held.cursor.position;
                let events: Vec<&PublicEvent> = page
                    .events
                    .iter()
                    .filter(|event| event.position <= until)
                    .collect();
                if !page.parked.is_empty() {
                    break false;
                }
                self.send(context, &events, &held).await?;
                after = page.next;
                if !page.full || after >= until {
                    break true;
                }
            };
            if understood {
                held.cursor.parked.remove(&order);
                held = self.save(held).await?;
            }
        }
        Ok(held)
    }

    /// Sends events in order, many at a time but never two of one order: an event is sent when the one before it of its
    /// order is confirmed. Answers the newest message, and the event that it is.
    async fn send(
        &self,
        context: &Context,
        events: &[&PublicEvent],
        held: &Held,
    ) -> Result<Option<(u64, Uuid)>, BusError> {
        let mut newest = None;
        let mut rest = events;
        while !rest.is_empty() {
            let mut orders = HashSet::new();
            let fits = |event: &&&PublicEvent| orders.insert(event.data.order_id);
            let wave = rest.iter().take(IN_FLIGHT).take_while(fits).count();
            let (now, later) = rest.split_at(wave.max(1));
            rest = later;
            let acks = crash_points::BUS_SEND.run(self.send_wave(context, now));
            for (ack, event) in acks.await?.into_iter().zip(now) {
                // A message that is new has a greater number than all before it. What was lost shows at the next look.
                if !ack.duplicate && ack.sequence <= held.cursor.sequence {
                    return Err(BusError::Replaced);
                }
                // Known again, and gone: what was purged is known for as long as the stream knows what comes twice.
                if ack.duplicate && ack.sequence < held.oldest {
                    return Err(BusError::Remembered);
                }
                newest = newest.max(Some((ack.sequence, event.id)));
            }
            metrics::counter!("orderway_bus_published_total")
                .increment(u64::try_from(now.len()).unwrap_or(u64::MAX));
        }
        Ok(newest)
    }

    /// Sends some, and waits until each is confirmed.
    async fn send_wave(
        &self,
        context: &Context,
        events: &[&PublicEvent],
    ) -> Result<Vec<PublishAck>, BusError> {
        let mut acks = Vec::with_capacity(events.len());
        for event in events {
            acks.push(self.send_one(context, event).await?);
        }
        let acks = acks.into_iter().map(IntoFuture::into_future);
        try_join_all(acks).await.map_err(BusError::nats)
    }

    async fn send_one(
        &self,
        context: &Context,
        event: &PublicEvent,
    ) -> Result<PublishAckFuture, BusError> {
        let subject = subject(&self.config.subject_prefix, event);
        match context.send_publish(subject.clone(), message(event)?).await {
            Err(error) if error.kind() == PublishErrorKind::MaxPayloadExceeded => {
                // An order of thousands of lines is larger than the server takes: its lines are read at its resource.
                let mut short = event.clone();
                let lines = std::mem::take(&mut short.data.lines).len();
                let order = event.subject.as_str();
                tracing::warn!(
                    order,
                    lines,
                    "an event is too large for the bus; its lines are left out"
                );
                let message =
                    message(&short)?.header("Orderway-Lines-Left-Out", lines.to_string().as_str());
                let sent = context.send_publish(subject, message).await;
                sent.map_err(BusError::nats)
            }
            sent => sent.map_err(BusError::nats),
        }
    }

    /// Tells how long the oldest event that is not published has waited.
    async fn tell_lag(&self) {
        let stored = self.store.cursor(&self.reader()).await.ok().flatten();
        let cursor = stored.and_then(|stored| serde_json::from_str::<BusCursor>(&stored).ok());
        let filter = EventFilter {
            after: cursor.map_or(0, |cursor| cursor.position),
            limit: 1,
            types: super::super::public::log_words(&[]),
            ..EventFilter::default()
        };
        match self.store.events(filter).await.as_deref() {
            Ok([oldest, ..]) => self.set_lag(oldest.time),
            Ok([]) => metrics::gauge!("orderway_bus_lag_seconds").set(0.0),
            Err(_) => {}
        }
    }

    fn set_lag(&self, oldest: Timestamp) {
        let lag = self.clock.now().duration_since(oldest);
        metrics::gauge!("orderway_bus_lag_seconds").set(lag.as_secs_f64().max(0.0));
    }
}

async fn facts(stream: &mut Stream) -> Result<StreamFacts, BusError> {
    let info = stream.info().await.map_err(BusError::nats)?;
    let (state, config) = (&info.state, &info.config);
    let age = (!config.max_age.is_zero())
        .then(|| SignedDuration::try_from(config.max_age).ok())
        .flatten();
    let tenth = |limit: u64| limit.saturating_sub(limit / 10);
    let near = |limit: i64, used: u64| {
        u64::try_from(limit).is_ok_and(|limit| limit > 0 && used >= tenth(limit))
    };
    Ok(StreamFacts {
        incarnation: info.created.unix_timestamp_nanos().to_string(),
        first: state.first_sequence,
        last: state.last_sequence,
        full: near(config.max_bytes, state.bytes) || near(config.max_messages, state.messages),
        max_age: age,
    })
}

fn message(event: &PublicEvent) -> Result<PublishMessage, BusError> {
    let payload = serde_json::to_vec(event)?;
    Ok(PublishMessage::build()
        .payload(payload.into())
        .header("Content-Type", "application/cloudevents+json")
        .message_id(event.id.to_string()))
}

/// The subject of an event: `<prefix>.<company>.order.<what>`. What NATS gives a meaning in a company's number becomes `_`.
pub fn subject(prefix: &str, event: &PublicEvent) -> String {
    let company = event.source.rsplit('/').next().unwrap_or_default();
    let company: String = company
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || c == '-' {
                c
            } else {
                '_'
            }
        })
        .collect();
    let what = event.event_type.strip_prefix("com.orderway.");
    let what = what
        .and_then(|what| what.rsplit_once(".v"))
        .map_or("order", |(what, _)| what);
    format!("{prefix}.{company}.{what}")
}
