//! How values of ours stand in columns: ids as 16 bytes, instants as nanoseconds, the rest as text.

use std::str::FromStr;

use jiff::{SignedDuration, Timestamp};
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, Value, ValueRef};
use serde::{Serialize, de::DeserializeOwned};
use uuid::Uuid;

use super::super::StoreError;

type SqlResult<'a> = rusqlite::Result<ToSqlOutput<'a>>;

/// A UUID.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Id(pub(super) Uuid);

impl ToSql for Id {
    fn to_sql(&self) -> SqlResult<'_> {
        Ok(ToSqlOutput::Borrowed(ValueRef::Blob(self.0.as_bytes())))
    }
}

impl FromSql for Id {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        Uuid::from_slice(value.as_blob()?).map(Self).map_err(other)
    }
}

/// An instant. Nanoseconds in 64 bits end in 2262; what is later is kept as that.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct At(pub(super) Timestamp);

impl ToSql for At {
    fn to_sql(&self) -> SqlResult<'_> {
        let nanoseconds = i64::try_from(self.0.as_nanosecond()).unwrap_or(i64::MAX);
        Ok(ToSqlOutput::Owned(Value::Integer(nanoseconds)))
    }
}

impl FromSql for At {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        Timestamp::from_nanosecond(i128::from(value.as_i64()?))
            .map(Self)
            .map_err(other)
    }
}

/// A duration, in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Lag(pub(super) SignedDuration);

impl ToSql for Lag {
    fn to_sql(&self) -> SqlResult<'_> {
        let nanoseconds = i64::try_from(self.0.as_nanos()).unwrap_or(i64::MAX);
        Ok(ToSqlOutput::Owned(Value::Integer(nanoseconds)))
    }
}

impl FromSql for Lag {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        value.as_i64().map(SignedDuration::from_nanos).map(Self)
    }
}

/// What is written as its text and read by parsing it: decimals, days, short identifiers.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Text<T>(pub(super) T);

impl<T: ToString> ToSql for Text<T> {
    fn to_sql(&self) -> SqlResult<'_> {
        Ok(ToSqlOutput::from(self.0.to_string()))
    }
}

impl<T: FromStr> FromSql for Text<T>
where
    T::Err: std::error::Error + Send + Sync + 'static,
{
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        value.as_str()?.parse().map(Self).map_err(other)
    }
}

/// What is written as JSON.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Json<T>(pub(super) T);

impl<T: Serialize> ToSql for Json<T> {
    fn to_sql(&self) -> SqlResult<'_> {
        let text = serde_json::to_string(&self.0)
            .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
        Ok(ToSqlOutput::from(text))
    }
}

impl<T: DeserializeOwned> FromSql for Json<T> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        serde_json::from_str(value.as_str()?)
            .map(Self)
            .map_err(other)
    }
}

/// The word of an enum without data, as its JSON has it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Word<T>(pub(super) T);

impl<T: Serialize> ToSql for Word<T> {
    fn to_sql(&self) -> SqlResult<'_> {
        match serde_json::to_value(&self.0) {
            Ok(serde_json::Value::String(word)) => Ok(ToSqlOutput::from(word)),
            Ok(_) => Err(rusqlite::Error::ToSqlConversionFailure("not a word".into())),
            Err(error) => Err(rusqlite::Error::ToSqlConversionFailure(error.into())),
        }
    }
}

impl<T: DeserializeOwned> FromSql for Word<T> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let word = serde_json::Value::String(value.as_str()?.to_owned());
        serde_json::from_value(word).map(Self).map_err(other)
    }
}

/// A list of ids or words for `IN (SELECT value FROM json_each(?))`.
pub(super) fn list<T: ToString>(values: &[T]) -> Json<Vec<String>> {
    Json(values.iter().map(ToString::to_string).collect())
}

/// A count of ours as `SQLite` holds it.
pub(super) fn integer(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// A count as we hold it.
pub(super) fn count(integer: i64) -> u64 {
    u64::try_from(integer).unwrap_or(0)
}

/// What is stored, or asked to be, does not hold together.
pub(super) fn broken(what: &'static str) -> StoreError {
    StoreError::Failed(anyhow::Error::msg(what))
}

fn other(error: impl std::error::Error + Send + Sync + 'static) -> FromSqlError {
    FromSqlError::Other(Box::new(error))
}
