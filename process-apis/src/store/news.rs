//! What a [`Commit`](super::Commit) remembers of readers and of news: how far a reader has come, and what waits because
//! it cannot be understood yet, or because a person has to look at it.

use canonical_model::CompanyId;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// How long news that a person has put aside are kept: the source may send the same ones again.
pub const DISMISSED_NEWS_KEPT: SignedDuration = SignedDuration::from_hours(90 * 24);

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
    /// Waits; in place of the same or an older version of the same key. Beside a newer one it changes nothing.
    Park {
        /// The news.
        news: Box<ParkedNews>,
        /// As many may wait or be kept, of all sources; a further one is refused (`ParkedFull`).
        most: u32,
    },
    /// What is of this version or an older one waits no longer. Said twice, it changes nothing.
    Unpark {
        /// The source.
        source: String,
        /// The key.
        key: String,
        /// The version that has been understood.
        version: u64,
    },
}

/// News that cannot be understood yet, since something before them is missing, or that a person has to look at. One a
/// source and key is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct ParkedNews {
    /// Their id: rising with time.
    pub id: Uuid,
    /// The company they are about.
    pub company: CompanyId,
    /// The source.
    pub source: String,
    /// What they are about, in the source's terms.
    pub key: String,
    /// The source's version of it.
    pub version: u64,
    /// The news.
    pub news: serde_json::Value,
    /// Why they wait: a word.
    pub reason: String,
    /// The same in a sentence.
    pub detail: String,
    /// Since when they wait.
    pub parked_at: Timestamp,
    /// What becomes of them.
    pub stage: ParkStage,
}

/// What becomes of parked news.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ParkStage {
    /// The source is asked.
    Waiting {
        /// When.
        due_at: Timestamp,
    },
    /// A person looks.
    Quarantined,
    /// A person has put them aside.
    Dismissed {
        /// When.
        at: Timestamp,
        /// Who.
        principal: String,
        /// Why.
        note: String,
    },
}

/// The word of a stage, as it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ParkStageWord {
    /// The source is asked.
    Waiting,
    /// A person looks.
    Quarantined,
    /// A person has put them aside.
    Dismissed,
}

impl ParkStage {
    /// Its word.
    pub const fn word(&self) -> ParkStageWord {
        match self {
            Self::Waiting { .. } => ParkStageWord::Waiting,
            Self::Quarantined => ParkStageWord::Quarantined,
            Self::Dismissed { .. } => ParkStageWord::Dismissed,
        }
    }

    /// The stage that the columns say; None where they do not hold together.
    pub fn of_columns(
        word: ParkStageWord,
        due_at: Option<Timestamp>,
        closed: (Option<Timestamp>, Option<String>, Option<String>),
    ) -> Option<Self> {
        Some(match word {
            ParkStageWord::Waiting => Self::Waiting { due_at: due_at? },
            ParkStageWord::Quarantined => Self::Quarantined,
            ParkStageWord::Dismissed => Self::Dismissed {
                at: closed.0?,
                principal: closed.1?,
                note: closed.2?,
            },
        })
    }

    /// When the source is to be asked.
    pub fn due_at(&self) -> Option<Timestamp> {
        match self {
            Self::Waiting { due_at } => Some(*due_at),
            Self::Quarantined | Self::Dismissed { .. } => None,
        }
    }

    /// Who put them aside, when and why.
    pub fn dismissal(&self) -> Option<(Timestamp, &str, &str)> {
        match self {
            Self::Dismissed {
                at,
                principal,
                note,
            } => Some((*at, principal, note)),
            Self::Waiting { .. } | Self::Quarantined => None,
        }
    }
}
