//! How far readers have come, and the news that wait.

use canonical_model::CompanyId;
use jiff::Timestamp;
use serde_json::Value;
use sqlx::PgPool;
use uuid::Uuid;

use super::{
    super::{CursorMove, ParkChange, ParkedNews, StoreError},
    commit::Parts,
    value::broken,
};

/// The moves as `commit_cursors` takes them.
pub(super) fn cursors_given(moves: &[CursorMove]) -> Result<Value, StoreError> {
    if moves.is_empty() {
        return Ok(Value::Null);
    }
    Err(broken("cursors are not written yet"))
}

/// The changes as `commit_parked` takes them.
pub(super) fn parked_given(
    changes: &[ParkChange],
    _parts: &mut Parts,
) -> Result<Value, StoreError> {
    if changes.is_empty() {
        return Ok(Value::Null);
    }
    Err(broken("parked news are not written yet"))
}

pub(super) async fn cursor(_pool: &PgPool, _reader: &str) -> Result<Option<String>, StoreError> {
    Err(broken("cursors are not read yet"))
}

pub(super) async fn parked(
    _pool: &PgPool,
    _source: &str,
    _key: &str,
) -> Result<Option<ParkedNews>, StoreError> {
    Err(broken("parked news are not read yet"))
}

pub(super) async fn parked_by_id(
    _pool: &PgPool,
    _company: &CompanyId,
    _id: Uuid,
) -> Result<Option<ParkedNews>, StoreError> {
    Err(broken("parked news are not read yet"))
}

pub(super) async fn quarantined(
    _pool: &PgPool,
    _company: &CompanyId,
    _after: Option<Uuid>,
    _limit: u16,
) -> Result<Vec<ParkedNews>, StoreError> {
    Err(broken("parked news are not read yet"))
}

pub(super) async fn lease(
    _pool: &PgPool,
    _now: Timestamp,
    _until: Timestamp,
    _limit: u16,
) -> Result<Vec<ParkedNews>, StoreError> {
    Err(broken("parked news are not read yet"))
}

/// When the next parked news are due. None is parked before they can be.
pub(super) async fn next_due(_pool: &PgPool) -> Result<Option<Timestamp>, StoreError> {
    Ok(None)
}
