//! What the instances of this layer tell each other: that facts have changed, and what a person has ordered.

use canonical_model::{AccountId, CompanyId, ItemNumber};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tracing::warn;

use crate::{intake::feed::Position, systems::BreakerOrder};

/// As many wait to be told.
const MOST_WAITING: usize = 1_000;

/// A change at the source of which this layer has heard: what it keeps of it is thrown out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Whose facts.
    pub company: CompanyId,
    /// Which.
    #[serde(flatten)]
    pub facts: ChangedFacts,
}

/// The facts that have changed. An empty list = all of the kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "facts", rename_all = "snake_case")]
pub enum ChangedFacts {
    /// Everything.
    All,
    /// Accounts, or who stands above them.
    Accounts {
        /// Which.
        accounts: Vec<AccountId>,
    },
    /// Products; the pages of the catalogue go with them.
    Products {
        /// Which.
        items: Vec<ItemNumber>,
    },
    /// Prices.
    Prices {
        /// Whose.
        accounts: Vec<AccountId>,
        /// Of which items.
        items: Vec<ItemNumber>,
    },
    /// Stock, at every site.
    Stock {
        /// Of which items.
        items: Vec<ItemNumber>,
    },
    /// Credit.
    Credit {
        /// Whose.
        accounts: Vec<AccountId>,
    },
}

/// The rows of a change feed that told of changes: who hears of them need not act on them again when it reads them itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowsRead {
    /// The part of the feed.
    pub part: String,
    /// Where they stand.
    pub rows: Vec<Position>,
}

/// What is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "notice", rename_all = "snake_case")]
pub enum Notice {
    /// Facts of a backend have changed.
    Changed {
        /// The backend.
        system: String,
        /// What.
        changes: Vec<Change>,
        /// From where that is known, if from a feed that other instances read too.
        read: Option<RowsRead>,
    },
    /// A person holds a breaker, or lets go of it.
    Breaker {
        /// The backend.
        system: String,
        /// Its operation.
        operation: String,
        /// How it is held; absent = no longer.
        order: Option<BreakerOrder>,
    },
}

/// The way to the other instances.
#[derive(Debug, Clone, Default)]
pub struct Notices {
    outbox: Option<mpsc::Sender<Notice>>,
}

impl Notices {
    /// A way, and where what is to be told comes out.
    pub(crate) fn new() -> (Self, mpsc::Receiver<Notice>) {
        let (outbox, inbox) = mpsc::channel(MOST_WAITING);
        let outbox = Some(outbox);
        (Self { outbox }, inbox)
    }

    /// Tells the others, as soon as they can be reached; without a bus nobody.
    pub(crate) fn tell(&self, notice: Notice) {
        let Some(outbox) = &self.outbox else { return };
        if outbox.try_send(notice).is_err() {
            warn!("too much waits to be told to the other instances; one notice is left out");
        }
    }
}
