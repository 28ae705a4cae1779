//! Why a document was not carried on. It stays as it is, and is leased again.

use edi::x12::WriteError;
use service_runtime::{http_client::HopError, problem::Problem};

use crate::{clients::process::CallError, desk};

/// Why a document was not carried on.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("process-apis did not do it")]
    Call(#[source] CallError),
    #[error("the partner has no profile here: add its file to edi.partners_dir")]
    NoProfile,
    #[error("the document has no content that could be read")]
    NoContent(#[source] Option<base64::DecodeError>),
    #[error("what is owed cannot be understood: it was written by another version")]
    Owed(#[source] serde_json::Error),
    #[error("the document answers no inbound one")]
    AnswersNothing,
    #[error("the transaction is not in the inbound document")]
    NoTransaction,
    #[error(
        "orders in it were acknowledged that this release does not read in it: run the release that received it, or answer it by hand"
    )]
    NoLongerRead,
    #[error("its lease is nearly over; the rest is taken under the next one")]
    LeaseOver,
    #[error(
        "the order tells of another quantity than its line {line} (PO102): compare the two, and answer it by hand"
    )]
    DoesNotAddUp {
        /// Its place among the PO1, from 1.
        line: usize,
    },
    #[error("no acknowledgement is due for the inbound document")]
    NothingDue,
    #[error("the document cannot be written")]
    Write(#[source] WriteError),
    #[error("the key of an order cannot be used")]
    Key(#[source] Problem),
    #[error("a task ended badly")]
    Task(#[source] tokio::task::JoinError),
}

impl desk::Failure for Failure {
    fn is_passing(&self) -> bool {
        match self {
            Self::LeaseOver => true,
            Self::Call(CallError(error)) => match error {
                HopError::Problem(problem) => problem.retryable,
                HopError::Timeout
                | HopError::TooLate
                | HopError::Connect(_)
                | HopError::Protocol(..) => true,
                HopError::Build(_) => false,
            },
            Self::NoProfile
            | Self::NoContent(_)
            | Self::Owed(_)
            | Self::AnswersNothing
            | Self::NoTransaction
            | Self::NoLongerRead
            | Self::DoesNotAddUp { .. }
            | Self::NothingDue
            | Self::Write(_)
            | Self::Key(_)
            | Self::Task(_) => false,
        }
    }
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        Self::Call(error)
    }
}

impl From<WriteError> for Failure {
    fn from(error: WriteError) -> Self {
        Self::Write(error)
    }
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Call(error) => error.into(),
            other => Self::internal(&other),
        }
    }
}
