//! Why a document was not carried on. It stays as it is, and is leased again.

use service_runtime::{http_client::HopError, problem::Problem};

use crate::{
    clients::process::CallError,
    desk,
    punchout::cxml::{confirmation::DoesNotAddUp, status::Status},
};

/// Why a document was not carried on.
#[derive(Debug, thiserror::Error)]
pub(in crate::punchout) enum Failure {
    #[error("process-apis did not do it")]
    Call(#[from] CallError),
    #[error("the partner has no profile here: add its file to punchout.partners_dir")]
    NoProfile,
    #[error("cXML is no longer spoken with the partner: its profile has no section [cxml]")]
    NoCxml,
    #[error("the document has no content that could be read")]
    NoContent(#[source] Option<base64::DecodeError>),
    #[error("nobody here reads a stored document of type {0}")]
    NoDialect(String),
    #[error("the stored document is no longer read: run the release that received it")]
    NoLongerRead(#[source] Status),
    #[error("what is kept cannot be understood: it was written by another version")]
    Owed(#[source] serde_json::Error),
    #[error("the document answers no inbound one")]
    AnswersNothing,
    #[error("its lease is nearly over; it is taken under the next one")]
    LeaseOver,
    #[error("the order changes all the time")]
    Contention,
    #[error("the confirmation cannot be written")]
    Write(#[from] DoesNotAddUp),
    #[error("the key of an order cannot be used")]
    Key(#[source] Problem),
}

impl desk::Failure for Failure {
    fn is_passing(&self) -> bool {
        match self {
            Self::LeaseOver | Self::Contention => true,
            Self::Call(CallError(error)) => match error {
                HopError::Problem(problem) => problem.retryable,
                HopError::Timeout
                | HopError::TooLate
                | HopError::Connect(_)
                | HopError::Protocol(..) => true,
                HopError::Build(_) => false,
            },
            Self::NoProfile
            | Self::NoCxml
            | Self::NoContent(_)
            | Self::NoDialect(_)
            | Self::NoLongerRead(_)
            | Self::Owed(_)
            | Self::AnswersNothing
            | Self::Write(_)
            | Self::Key(_) => false,
        }
    }
}
