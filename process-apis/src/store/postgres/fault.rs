//! What an error of `PostgreSQL` means for the store.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use sqlx::postgres::PgDatabaseError;

use super::{super::StoreError, value::failed};

/// What `refuse` in the migrations raises: a condition of a commit does not hold.
const REFUSED: &str = "OW001";

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match code(&error) {
            Some("53100") => Self::Full,
            Some("40001" | "40P01" | "55P03") => Self::Contended(error.into()),
            _ => Self::Failed(error.into()),
        }
    }
}

/// Which condition did not hold, and whose.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Refusal {
    /// The name of the error.
    pub(super) name: String,
    /// Whose: what the caller finds it by.
    detail: Map<String, Value>,
}

impl Refusal {
    /// One member of the detail.
    pub(super) fn get<T: DeserializeOwned>(&self, member: &str) -> Result<T, StoreError> {
        let value = self.detail.get(member).cloned().unwrap_or_default();
        serde_json::from_value(value).map_err(failed)
    }

    /// The detail as one value.
    pub(super) fn whole<T: DeserializeOwned>(&self) -> Result<T, StoreError> {
        serde_json::from_value(Value::Object(self.detail.clone())).map_err(failed)
    }
}

/// The refusal that an error is.
pub(super) fn refusal(error: &sqlx::Error) -> Option<Refusal> {
    let error = database(error)?;
    if error.code() != REFUSED {
        return None;
    }
    let detail = serde_json::from_str(error.detail().unwrap_or("{}")).unwrap_or_default();
    Some(Refusal {
        name: error.message().to_owned(),
        detail,
    })
}

/// Whether the same commit may succeed at once: someone else was first between a test and its write, or two waited for
/// each other. Nothing was written. A unique violation is such a race in a commit alone, whose next try finds the winner by
/// its test; one that does not go away is nobody else's doing, and no contention.
pub(super) fn was_overtaken(error: &sqlx::Error) -> bool {
    // serialization failure, deadlock, lock not available, unique violation
    matches!(code(error), Some("40001" | "40P01" | "55P03" | "23505"))
}

/// Whether a lock could not be had in its time, or only by a deadlock.
pub(super) fn is_blocked(error: &sqlx::Error) -> bool {
    matches!(code(error), Some("55P03" | "40P01"))
}

/// Whether the connection was lost, or the server is going away: what was asked may have been done, or not.
pub(super) fn lost_connection(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::WorkerCrashed
        | sqlx::Error::Protocol(_) => true,
        // 08: connection exceptions. 57P01 to 57P03: shut down by an administrator, crashed, starting.
        _ => code(error).is_some_and(|code| {
            code.starts_with("08") || matches!(code, "57P01" | "57P02" | "57P03")
        }),
    }
}

fn code(error: &sqlx::Error) -> Option<&str> {
    database(error).map(PgDatabaseError::code)
}

fn database(error: &sqlx::Error) -> Option<&PgDatabaseError> {
    error.as_database_error()?.try_downcast_ref()
}
