//! What a backend's change feed gives: what changed, in the order of the source's own stamps.
//!
//! A stamp is the instant at which the source's transaction began; a change is seen only once that has ended. So a change may
//! appear behind one that was read before, by as much as the longest transaction lasts.

use std::fmt;

use async_trait::async_trait;
use canonical_model::{ShipmentNumber, shipment::ShipmentNews};
use serde::{Deserialize, Serialize};

use crate::connector::ConnectorError;

/// An instant of the source's own clock, in microseconds since 1970. It is compared with other stamps of the same source,
/// and with nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Stamp(pub i64);

impl Stamp {
    /// So many microseconds earlier.
    #[must_use]
    pub fn earlier(self, microseconds: i64) -> Self {
        Self(self.0.saturating_sub(microseconds))
    }

    /// Reads what `Display` writes.
    pub fn parse(text: &str) -> Option<Self> {
        text.parse().ok().map(Self)
    }
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// The place of a change: among those of one stamp, by the source's id.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Position {
    /// When it was made.
    pub stamp: Stamp,
    /// What was changed, in the order in which the source sorts its ids.
    pub id: String,
}

/// From where changes are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum From {
    /// The first that there is.
    Beginning,
    /// The first of this stamp or a later one.
    Since(Stamp),
    /// The one after this.
    After(Position),
}

/// What changed last of something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Where it stands.
    pub at: Position,
    /// How it stands now.
    pub told: Told,
}

/// How something stands that a source told of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// A shipment as it is.
    Shipment(Box<ShipmentNews>),
    /// One of ours, it seems, that cannot be put into our words: for a person.
    Unreadable(Unread),
    /// It concerns none of our orders.
    NotOurs,
}

/// What nobody understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unread {
    /// What is wrong with it.
    pub detail: String,
    /// What came.
    pub raw: String,
}

impl Unread {
    /// Of news that can be read, and that nobody takes: with its number and version, so that each is told from the others.
    pub(super) fn of(news: &ShipmentNews, detail: String) -> Self {
        Self {
            detail,
            raw: serde_json::to_string(news).unwrap_or_default(),
        }
    }
}

/// Some changes, by stamp and then by id.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// One for each thing that changed: as it is now, however often it did.
    pub changes: Vec<Change>,
    /// Whether there are more behind the last.
    pub more: bool,
}

/// A backend whose changes can be read. Each method is one look at it, without retrying or waiting.
#[async_trait]
pub trait ChangeFeed: Send + Sync + 'static {
    /// The changes from there on, as many as one answer holds.
    async fn changes(&self, from: &From) -> Result<Page, ConnectorError>;

    /// Which of these shipments are no longer there: a feed tells nothing of what was deleted.
    async fn missing(
        &self,
        shipments: &[ShipmentNumber],
    ) -> Result<Vec<ShipmentNumber>, ConnectorError>;
}
