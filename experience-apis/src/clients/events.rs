//! The public events of process-apis: what is looked at here, and the bytes, which are passed on untouched.

use std::time::Duration;

use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use service_runtime::{context::CallContext, http_client::HopError};

use super::process::{CallError, ProcessClient, read, with_query};

/// Beyond the wait: the time a poll may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where to read on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum After {
    /// After a position.
    Position(u64),
    /// After the newest event there is.
    Latest,
}

/// What of an event is looked at here.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct EventHead {
    /// `com.orderway.order.accepted.v1` …
    #[serde(rename = "type")]
    pub event_type: String,
    /// `/companies/<company>`.
    pub source: String,
    /// The order.
    pub subject: String,
    /// The account it is about.
    #[serde(default)]
    pub account: String,
    /// Its place in the feed.
    pub position: u64,
}

/// An event as process-apis wrote it.
#[derive(Debug, Clone)]
pub struct RelayedEvent {
    /// What is looked at here.
    pub head: EventHead,
    /// The whole event, in one line of JSON.
    pub json: Box<RawValue>,
}

/// A page of the feed, its events as they were written.
#[derive(Debug, Deserialize, Serialize)]
pub struct RelayedPage {
    /// The events after the cursor, oldest first.
    pub events: Vec<Box<RawValue>>,
    /// The cursor to go on from.
    pub next: u64,
}

impl RelayedPage {
    /// The events, each with what is looked at here.
    pub fn read(self) -> Result<Vec<RelayedEvent>, CallError> {
        let read = |json: Box<RawValue>| {
            let head = serde_json::from_str(json.get()).map_err(|error| {
                let what = "an event is not a CloudEvent".to_owned();
                CallError(HopError::Protocol(what, Some(error.into())))
            })?;
            Ok(RelayedEvent { head, json })
        };
        self.events.into_iter().map(read).collect()
    }
}

impl ProcessClient {
    /// The public events of some types (none named = of all) after a position, waiting for some as long as said.
    pub async fn public_events(
        &self,
        context: &CallContext,
        after: After,
        types: Option<&str>,
        limit: u16,
        wait: Duration,
    ) -> Result<RelayedPage, CallError> {
        let after = match after {
            After::Latest => "latest".to_owned(),
            After::Position(position) => position.to_string(),
        };
        let path = with_query(
            "/v1/events/public",
            &[
                ("after", Some(&after)),
                ("types", types),
                ("limit", Some(&limit.to_string())),
                ("wait", Some(&wait.as_secs().to_string())),
            ],
        );
        let call = self.call(Method::GET, &path, context);
        read(call.timeout(wait.saturating_add(PATIENCE)).send().await)
    }
}
