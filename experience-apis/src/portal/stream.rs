//! The event stream of a caller's accounts, as Server-Sent Events.
//!
//! It listens first, then reads what its client has missed under the caller's own scope, then hands on what it hears:
//! so nothing is missed between the two, and what comes twice is known by its position.

use std::{sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use futures_util::FutureExt;
use service_runtime::{
    context::CallContext, server::Stopping, telemetry::error_chain, trace::RequestScope,
};
use tokio::{
    sync::watch,
    time::{Instant, sleep_until, timeout_at},
};

use crate::{
    LAYER,
    clients::{
        events::{After, RelayedPage},
        process::{CallError, ProcessClient},
    },
    feed::listeners::{Heard, Listening, Missed},
};

/// A connection on which nothing happens is told so, so that nobody on the way takes it for dead.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// Events read at a time while catching up.
const PAGE: u16 = 100;
/// A process-apis instance may be a moment behind the one that the feed was read from: for so long it is asked again.
const BEHIND: Duration = Duration::from_secs(5);

/// What a stream is made of.
pub(super) struct EventStream {
    /// What is heard.
    pub(super) listening: Listening,
    /// How far the feed has been handed on.
    pub(super) handed_on: watch::Receiver<Option<u64>>,
    /// How far it had been when listening began: all before is to be read, all after is heard.
    pub(super) heard_after: u64,
    /// The layer below.
    pub(super) process: ProcessClient,
    /// The caller, for its accounts only.
    pub(super) context: CallContext,
    /// Only these types, as the caller named them.
    pub(super) types: Option<String>,
    /// The same by their full names; None = all.
    pub(super) names: Option<Vec<&'static str>>,
    /// When the caller's token ends.
    pub(super) expires: Instant,
    /// The end of this instance.
    pub(super) stopping: Stopping,
    /// The client has everything up to here.
    pub(super) cursor: u64,
}

/// Why a stream has ended; its client is told what to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Expired,
    Stopping,
    Slow,
    Unreadable,
}

impl End {
    fn comment(self) -> &'static str {
        match self {
            Self::Expired => "the token has ended: reconnect with a new one and Last-Event-ID",
            Self::Stopping => "this instance ends: reconnect with Last-Event-ID",
            Self::Slow => "you read more slowly than events come: reconnect with Last-Event-ID",
            Self::Unreadable => {
                "the events cannot be read at the moment: reconnect with Last-Event-ID"
            }
        }
    }
}

/// What the client gets next.
enum State {
    /// The first words.
    Begin(RelayedPage),
    CatchUp,
    Live,
    Over,
}

impl EventStream {
    /// The first page after the client's cursor: whoever may not read is told before a stream begins.
    pub(super) async fn first(&self, after: After) -> Result<RelayedPage, CallError> {
        self.page(after, Duration::ZERO).await
    }

    /// The body: what the client missed, beginning with a page that was read already, then what happens.
    pub(super) fn frames(
        self,
        first: RelayedPage,
    ) -> impl futures_util::Stream<Item = Result<Bytes, std::convert::Infallible>> + Send {
        let begin = (self, State::Begin(first));
        futures_util::stream::unfold(begin, |(mut stream, state)| async move {
            let (frame, state) = stream.next(state).await?;
            Some((Ok(frame), (stream, state)))
        })
    }

    async fn next(&mut self, state: State) -> Option<(Bytes, State)> {
        match state {
            State::Begin(page) => Some(self.begin(page)),
            State::CatchUp => Some(self.catch_up().await),
            State::Live => Some(match self.live().await {
                Ok(frame) => (frame, State::Live),
                Err(end) => (comment(end.comment()), State::Over),
            }),
            State::Over => None,
        }
    }

    /// A word at once, so that the client knows that it is connected and from where on to read if that ends.
    fn begin(&mut self, page: RelayedPage) -> (Bytes, State) {
        let mut out = BytesMut::from("retry: 2000\n".as_bytes());
        let state = self.take(page, &mut out);
        out.extend_from_slice(
            format!(": events of your orders\nid: {}\n\n", self.cursor).as_bytes(),
        );
        (out.freeze(), state)
    }

    /// Writes what a page holds; there is more to catch up with until what is heard begins.
    fn take(&mut self, page: RelayedPage, out: &mut BytesMut) -> State {
        let next = page.next;
        let events = match page.read() {
            Ok(events) => events,
            Err(error) => {
                let error = error_chain(&error);
                tracing::error!(error, "an event of the feed cannot be passed on");
                out.extend_from_slice(&comment(End::Unreadable.comment()));
                return State::Over;
            }
        };
        for event in events {
            frame(event.head.position, event.json.get().as_bytes(), out);
        }
        self.cursor = self.cursor.max(next);
        if self.cursor < self.heard_after {
            State::CatchUp
        } else {
            State::Live
        }
    }

    async fn catch_up(&mut self) -> (Bytes, State) {
        let late = Instant::now() + BEHIND;
        loop {
            if let Some(end) = self.over(late) {
                return (comment(end.comment()), State::Over);
            }
            let mut out = BytesMut::new();
            let state = match self
                .page(After::Position(self.cursor), Duration::from_secs(1))
                .await
            {
                Ok(page) => self.take(page, &mut out),
                Err(error) => {
                    let error = error_chain(&error);
                    tracing::warn!(error, "an event stream cannot catch up");
                    return (comment(End::Unreadable.comment()), State::Over);
                }
            };
            if !out.is_empty() {
                return (out.freeze(), state);
            }
            if matches!(state, State::Live) {
                return (position(self.cursor), State::Live);
            }
        }
    }

    /// Whether there is no use in going on.
    fn over(&self, late: Instant) -> Option<End> {
        let now = Instant::now();
        if self.stopping.told().now_or_never().is_some() {
            Some(End::Stopping)
        } else if self.expires <= now {
            Some(End::Expired)
        } else {
            (late <= now).then_some(End::Unreadable)
        }
    }

    async fn page(&self, after: After, wait: Duration) -> Result<RelayedPage, CallError> {
        let types = self.types.as_deref();
        let call = self
            .process
            .public_events(&self.context, after, types, PAGE, wait);
        match RequestScope::current() {
            Some(_) => call.await,
            // The body is read after the request's own scope has ended.
            None => Arc::new(RequestScope::background(LAYER)).run(call).await,
        }
    }

    /// What is heard next, as many events as there are, or a sign of life.
    async fn live(&mut self) -> Result<Bytes, End> {
        let heartbeat = Instant::now() + HEARTBEAT;
        let mut out = BytesMut::new();
        loop {
            let heard = tokio::select! {
                biased;
                () = self.stopping.told() => return Err(End::Stopping),
                () = sleep_until(self.expires) => return Err(End::Expired),
                heard = timeout_at(heartbeat, self.listening.hear()) => heard,
            };
            match heard {
                Ok(Some(heard)) => {
                    self.write(&heard, &mut out);
                    // Whether some were missed is said when the buffer is empty.
                    while let Ok(Some(heard)) = self.listening.heard() {
                        self.write(&heard, &mut out);
                    }
                }
                Ok(None) => return Err(End::Slow),
                Err(_elapsed) => {
                    // Read before the buffer: what is up to here is in it.
                    let handed_on = self.handed_on.borrow().unwrap_or(0);
                    let missed = loop {
                        match self.listening.heard() {
                            Ok(Some(heard)) => self.write(&heard, &mut out),
                            Ok(None) => break false,
                            Err(Missed) => break true,
                        }
                    };
                    if !missed {
                        self.cursor = self.cursor.max(handed_on);
                        out.extend_from_slice(&position(self.cursor));
                    }
                }
            }
            if !out.is_empty() {
                return Ok(out.freeze());
            }
        }
    }

    /// Writes an event, unless the client has it already or has not asked for its type.
    fn write(&mut self, heard: &Heard, out: &mut BytesMut) {
        if heard.position <= self.cursor {
            return;
        }
        self.cursor = heard.position;
        let wanted = |names: &Vec<&str>| names.contains(&heard.event_type.as_ref());
        if self.names.as_ref().is_none_or(wanted) {
            frame(heard.position, &heard.json, out);
        }
    }
}

/// One event. Its JSON is in one line: a line feed within a text of JSON is escaped.
fn frame(position: u64, json: &[u8], out: &mut BytesMut) {
    out.extend_from_slice(format!("id: {position}\ndata: ").as_bytes());
    out.extend_from_slice(json);
    out.extend_from_slice(b"\n\n");
}

/// A sign of life that moves the client's cursor on.
fn position(cursor: u64) -> Bytes {
    Bytes::from(format!(": nothing new\nid: {cursor}\n\n"))
}

fn comment(text: &str) -> Bytes {
    Bytes::from(format!(": {text}\n\n"))
}
