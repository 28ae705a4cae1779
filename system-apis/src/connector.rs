//! What every connector speaks of, whatever kind of system it reaches: how a call can fail, and a batch of rows.

use std::time::Duration;

/// Any error that explains another.
pub type Cause = Box<dyn std::error::Error + Send + Sync + 'static>;

/// How a call to a backend ended when it did not succeed.
///
/// The class decides what may follow, so a connector must choose it by what is *certain*: everything but
/// `OutcomeUnknown` says that nothing was done.
#[derive(Debug, thiserror::Error)]
pub enum ConnectorError {
    /// The backend understood and refused; its sentence is for people.
    #[error("{message}")]
    Rejected {
        /// The backend's own sentence, without its codes.
        message: String,
    },
    /// What was named does not exist there.
    #[error("the backend knows nothing by this number: check it")]
    NotFound,
    /// Something of this reference is there already.
    #[error("the backend has this reference already: compare what is there")]
    Conflict {
        /// The backend's number of what is there.
        existing: String,
    },
    /// The backend asked for fewer calls; it has not done this one.
    #[error("the backend asks for fewer calls: try again later")]
    Throttled {
        /// How long it wants to be left alone, if it said so.
        retry_after: Option<Duration>,
    },
    /// The backend was not reached, or refused the connection or our credentials; it has not done this.
    #[error("the backend does not answer: try again later")]
    Unavailable(#[source] Cause),
    /// The request may have been carried out: look before trying again.
    #[error(
        "it is not known whether the backend did this: search by reference before trying again"
    )]
    OutcomeUnknown(#[source] Cause),
    /// A method of several calls came to no further slot in time; what it was to change is not changed.
    #[error("no further call to the backend was free in time: try again later")]
    NoSlot,
    /// The answer makes no sense.
    #[error("the backend's answer cannot be understood: its connector or its data needs attention")]
    Protocol(#[source] Cause),
}

impl ConnectorError {
    /// A nonsense answer, told in a sentence.
    pub fn protocol(sentence: impl Into<String>) -> Self {
        Self::Protocol(sentence.into().into())
    }

    /// The label under which it is counted.
    pub fn outcome(&self) -> &'static str {
        match self {
            Self::Rejected { .. } => "rejected",
            Self::NotFound => "not_found",
            Self::Conflict { .. } => "conflict",
            Self::Throttled { .. } => "throttled",
            Self::Unavailable(_) => "unavailable",
            Self::OutcomeUnknown(_) => "outcome_unknown",
            Self::NoSlot => "no_slot",
            Self::Protocol(_) => "protocol",
        }
    }

    /// Whether it says that the backend is unwell, which is what a breaker counts. A refusal is an answer, and a
    /// request for fewer calls is the budget's business.
    pub fn is_backend_failure(&self) -> bool {
        match self {
            Self::Unavailable(_) | Self::OutcomeUnknown(_) | Self::Protocol(_) => true,
            Self::Rejected { .. }
            | Self::NotFound
            | Self::Conflict { .. }
            | Self::Throttled { .. }
            | Self::NoSlot => false,
        }
    }
}

/// The answer to a batch read: what was found, and rows that were refused as implausible. A key that is in neither does
/// not exist in the source.
#[derive(Debug)]
pub struct Batch<K, V> {
    /// Sound rows by the key asked.
    pub found: Vec<(K, V)>,
    /// One sentence a row that was dropped.
    pub implausible: Vec<String>,
}

impl<K, V> Default for Batch<K, V> {
    fn default() -> Self {
        Self {
            found: Vec::new(),
            implausible: Vec::new(),
        }
    }
}

impl<K, V> Batch<K, V> {
    /// Takes a mapped row, or notes why it is refused.
    pub fn take<E: std::fmt::Display>(&mut self, row: Result<(K, V), E>) {
        match row {
            Ok(found) => self.found.push(found),
            Err(reason) => self.implausible.push(reason.to_string()),
        }
    }
}
