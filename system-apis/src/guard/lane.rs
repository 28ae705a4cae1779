//! Who goes first when calls to a backend are scarce.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicU32, Ordering},
};

use serde::Serialize;
use tokio::sync::Notify;
use utoipa::ToSchema;

/// The traffic a call belongs to, told in the header `orderway-lane`: the most urgent first.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Lane {
    /// Bringing taken orders into the backends.
    Order,
    /// A buyer about to order.
    Checkout,
    /// A buyer looking around.
    #[default]
    Browse,
    /// Jobs that nobody waits for.
    Bulk,
}

impl Lane {
    /// All of them, the most urgent first.
    pub const ALL: [Self; 4] = [Self::Order, Self::Checkout, Self::Browse, Self::Bulk];

    /// Its name, in the header and in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Order => "order",
            Self::Checkout => "checkout",
            Self::Browse => "browse",
            Self::Bulk => "bulk",
        }
    }

    /// Reads the header's text.
    pub fn from_header(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|lane| lane.as_str() == text)
    }
}

/// A call on its way to its slot: its lane, which may rise while it waits, and how many keys it carries.
#[derive(Debug)]
pub(super) struct Ride {
    lane: Mutex<Lane>,
    keys: AtomicU32,
    lifted: Notify,
}

impl Ride {
    /// One that begins in this lane.
    pub(super) fn new(lane: Lane) -> Self {
        Self {
            lane: Mutex::new(lane),
            keys: AtomicU32::new(1),
            lifted: Notify::new(),
        }
    }

    /// Where it waits now.
    pub(super) fn lane(&self) -> Lane {
        *self.lane.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts it into a more urgent lane; never into a less urgent one.
    pub(super) fn lift(&self, to: Lane) {
        let mut lane = self.lane.lock().unwrap_or_else(PoisonError::into_inner);
        if to < *lane {
            *lane = to;
            self.lifted.notify_one();
        }
    }

    /// Comes back when it was lifted.
    pub(super) async fn lifted(&self) {
        self.lifted.notified().await;
    }

    /// It carries so many keys.
    pub(super) fn load(&self, keys: usize) {
        self.keys
            .store(u32::try_from(keys).unwrap_or(u32::MAX), Ordering::Relaxed);
    }

    /// How many keys it carries.
    pub(super) fn keys(&self) -> u32 {
        self.keys.load(Ordering::Relaxed)
    }
}
