//! How a call to Tryton fails. Nearly every failure comes with status 200, so it is told by its name and by nothing else:
//! Tryton's sentences are in the user's language.

use serde_json::Value;

use crate::connector::ConnectorError;

/// The most of a foreign sentence that is kept: Tryton sends whole field definitions.
const MOST_OF_A_MESSAGE: usize = 300;

/// Why Tryton did not do what was asked, or why it is not known.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// A rule refuses it: validation, access, state, credit, a record that is not there.
    #[error("{message}")]
    Refused {
        /// Tryton's own sentence.
        message: String,
    },
    /// It is done only if somebody who may decide so skips the warning by this name.
    #[error("{message}")]
    Warning {
        /// The warning's name; ends with the id of a record, or begins with a digest.
        name: String,
        /// Tryton's own sentence.
        message: String,
    },
    /// Somebody else changed the record meanwhile; nothing was done.
    #[error("somebody else changed this meanwhile: try again")]
    Concurrent,
    /// The database could not get its locks or was not there; what was sent was rolled back, unless it was at its very end.
    #[error("the database is busy: look what was done, then try again")]
    Busy,
    /// The user has to show more than a password.
    #[error("Tryton asks for more than a password: give it a user that needs no second factor")]
    Login,
    /// Anything that is not Tryton's own.
    #[error(transparent)]
    Connector(#[from] ConnectorError),
}

impl CallError {
    /// A nonsense answer, told in a sentence.
    pub fn protocol(sentence: impl Into<String>) -> Self {
        Self::Connector(ConnectorError::protocol(sentence))
    }

    /// From the list that stands in an answer's `error`.
    pub(super) fn of(error: &Value) -> Self {
        let name = error.get(0).and_then(Value::as_str).unwrap_or_default();
        let told = error.get(1);
        let part = |place: usize| {
            let text = told.and_then(|told| told.get(place)?.as_str());
            short(text.unwrap_or_default())
        };
        match name {
            "UserError" => Self::Refused { message: part(0) },
            "UserWarning" => Self::Warning {
                name: told
                    .and_then(|told| told.get(0)?.as_str())
                    .unwrap_or_default()
                    .to_owned(),
                message: part(1),
            },
            "ConcurrencyException" => Self::Concurrent,
            "LoginException" => Self::Login,
            // An exception of its code, which rolled everything back.
            other => Self::protocol(format!("Tryton failed: {}", short(other))),
        }
    }
}

/// A sentence as far as it is kept.
fn short(text: &str) -> String {
    text.chars().take(MOST_OF_A_MESSAGE).collect()
}

/// For who neither skips a warning nor looks what a busy database has done.
impl From<CallError> for ConnectorError {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Refused { message } | CallError::Warning { message, .. } => {
                Self::Rejected { message }
            }
            CallError::Concurrent | CallError::Login => Self::Unavailable(error.into()),
            CallError::Busy => Self::OutcomeUnknown(error.into()),
            CallError::Connector(error) => error,
        }
    }
}
