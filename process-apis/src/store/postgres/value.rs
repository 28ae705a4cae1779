//! How values of ours stand in columns and in the arguments of a commit: instants as nanoseconds, documents as JSON text,
//! words of enums as their JSON has them.

use std::str::FromStr;

use jiff::{SignedDuration, Timestamp};
use serde::{Serialize, de::DeserializeOwned};
use sqlx::{Row as _, postgres::PgRow};

use super::super::StoreError;

/// An instant. Nanoseconds in 64 bits end in 2262; what is later is kept as that.
pub(super) fn nanoseconds(at: Timestamp) -> i64 {
    i64::try_from(at.as_nanosecond()).unwrap_or(i64::MAX)
}

/// The instant that a column holds.
pub(super) fn instant(nanoseconds: i64) -> Result<Timestamp, StoreError> {
    Timestamp::from_nanosecond(i128::from(nanoseconds)).map_err(failed)
}

/// A duration, in nanoseconds.
pub(super) fn duration(duration: SignedDuration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

/// What is written as JSON text.
pub(super) fn json(value: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(failed)
}

/// The word of an enum without data, as its JSON has it.
pub(super) fn word(value: &impl Serialize) -> Result<String, StoreError> {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => Ok(word),
        Ok(_) => Err(broken("not a word")),
        Err(error) => Err(failed(error)),
    }
}

/// A count of ours as `PostgreSQL` holds it.
pub(super) fn integer(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// A count as we hold it.
pub(super) fn count(integer: i64) -> u64 {
    u64::try_from(integer).unwrap_or(0)
}

/// Reads columns of a row as values of ours.
pub(super) trait Columns {
    /// An instant.
    fn at(&self, column: &str) -> Result<Timestamp, StoreError>;
    /// An instant, if there is one.
    fn maybe_at(&self, column: &str) -> Result<Option<Timestamp>, StoreError>;
    /// What is written as JSON text.
    fn json<T: DeserializeOwned>(&self, column: &str) -> Result<T, StoreError>;
    /// The word of an enum.
    fn word<T: DeserializeOwned>(&self, column: &str) -> Result<T, StoreError>;
    /// What is written as its text and read by parsing it.
    fn parsed<T>(&self, column: &str) -> Result<T, StoreError>
    where
        T: FromStr,
        T::Err: std::error::Error + Send + Sync + 'static;
}

impl Columns for PgRow {
    fn at(&self, column: &str) -> Result<Timestamp, StoreError> {
        instant(self.try_get(column)?)
    }

    fn maybe_at(&self, column: &str) -> Result<Option<Timestamp>, StoreError> {
        let found: Option<i64> = self.try_get(column)?;
        found.map(instant).transpose()
    }

    fn json<T: DeserializeOwned>(&self, column: &str) -> Result<T, StoreError> {
        serde_json::from_str(self.try_get(column)?).map_err(failed)
    }

    fn word<T: DeserializeOwned>(&self, column: &str) -> Result<T, StoreError> {
        let word: String = self.try_get(column)?;
        serde_json::from_value(serde_json::Value::String(word)).map_err(failed)
    }

    fn parsed<T>(&self, column: &str) -> Result<T, StoreError>
    where
        T: FromStr,
        T::Err: std::error::Error + Send + Sync + 'static,
    {
        let text: &str = self.try_get(column)?;
        text.parse().map_err(failed)
    }
}

/// What is stored, or asked to be, does not hold together.
pub(super) fn broken(what: &'static str) -> StoreError {
    StoreError::Failed(anyhow::Error::msg(what))
}

pub(super) fn failed(error: impl std::error::Error + Send + Sync + 'static) -> StoreError {
    StoreError::Failed(error.into())
}
