//! Channel sessions: what a channel keeps of a partner's buyer between two requests, as opaque JSON with keys. Any
//! instance of the channel carries a session on; it ends by the clock.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::ids::{AccountId, SessionId};

/// Opens a session; `POST /v1/sessions`. The id is the caller's, so that opening it again is opening it once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OpenSession {
    /// Its id.
    pub session_id: SessionId,
    /// The trading partner.
    #[schema(min_length = 1, max_length = 40)]
    pub partner: String,
    /// The account its buyer acts for.
    pub account: AccountId,
    /// What it may be found by later, such as the partner's own cookie.
    #[schema(max_items = 10)]
    pub keys: Vec<String>,
    /// What the channel keeps, in its own terms; at most 1 MiB.
    #[schema(value_type = Object)]
    pub content: serde_json::Value,
    /// Until when it lives: within the next 24 hours.
    pub expires_at: Timestamp,
}

/// A session that lives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Session {
    /// Its id.
    pub session_id: SessionId,
    /// The channel.
    pub channel: String,
    /// The trading partner.
    pub partner: String,
    /// The account its buyer acts for.
    pub account: AccountId,
    /// Changes by one with every change; the `ETag`.
    pub version: u64,
    /// What the channel keeps.
    #[schema(value_type = Object)]
    pub content: serde_json::Value,
    /// When it was opened.
    pub created_at: Timestamp,
    /// Until when it lives.
    pub expires_at: Timestamp,
}

/// Changes a session that has not changed since it was read (`If-Match`); `PUT /v1/sessions/{session_id}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeSession {
    /// What the channel keeps from now on.
    #[schema(value_type = Object)]
    pub content: serde_json::Value,
    /// Until when it lives: within the next 24 hours.
    pub expires_at: Timestamp,
}

/// Finds sessions; `GET /v1/sessions`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct SessionSearch {
    /// The trading partner.
    pub partner: String,
    /// One of its keys.
    pub key: String,
}

/// The sessions found, newest first; at most 10.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Sessions {
    /// They live.
    pub sessions: Vec<Session>,
}
