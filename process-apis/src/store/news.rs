//! What a [`Commit`](super::Commit) remembers of readers and of news: how far a reader has come, and what waits because
//! it cannot be understood yet.

use jiff::Timestamp;

/// Moves a reader's cursor; refused (`CursorMoved`) unless it stands where the caller read it. Committed with what was
/// read, it is memory and fence in one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CursorMove {
    /// Whose: `intake/wms-east`, `bus/ORDERWAY` …
    pub reader: String,
    /// Where it stands; None = it has not moved yet.
    pub from: Option<String>,
    /// Where it is to stand.
    pub to: String,
}

/// A change to the news that wait.
#[derive(Debug, Clone, PartialEq)]
pub enum ParkChange {
    /// Waits; in place of an older version of the same key.
    Park(ParkedNews),
    /// Waits no longer. Said twice, it changes nothing.
    Unpark {
        /// The source.
        source: String,
        /// The key.
        key: String,
    },
}

/// News that cannot be understood yet: something before them is missing.
#[derive(Debug, Clone, PartialEq)]
pub struct ParkedNews {
    /// The source.
    pub source: String,
    /// What they are about, in the source's terms; one a source and key waits.
    pub key: String,
    /// The source's version of it.
    pub version: u64,
    /// The news.
    pub news: serde_json::Value,
    /// Since when they wait.
    pub parked_at: Timestamp,
    /// When the source is to be asked.
    pub due_at: Timestamp,
}
