//! Effects: written with the commit that causes them, leased to a worker, ended by the outcome it commits.

use std::collections::HashSet;

use canonical_model::OrderId;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde_json::Value;
use uuid::Uuid;

use super::{
    super::{
        AttemptStart, Cause, EffectChange, EffectOutcome, LeasedEffect, NewEffect, StoreError,
    },
    value::{At, Id, Json, broken},
};

pub(super) fn apply(
    connection: &Connection,
    cause: Option<&Cause>,
    change: &EffectChange,
) -> Result<(), StoreError> {
    match change {
        EffectChange::New(effect) => {
            let cause = cause.ok_or_else(|| broken("a commit with a new effect says its cause"))?;
            insert(connection, cause, effect)
        }
        EffectChange::Outcome(outcome) => end(connection, outcome),
        EffectChange::DropAll { order_id } => {
            connection
                .prepare_cached(
                    "UPDATE effect SET state = 'dropped' WHERE order_id = ?1 AND state IN ('pending', 'stopped')",
                )?
                .execute([Id(order_id.0)])?;
            Ok(())
        }
        EffectChange::ResumeStopped { order_id, due_at } => {
            connection
                .prepare_cached(
                    "UPDATE effect SET state = 'pending', due_at = ?2 WHERE order_id = ?1 AND state = 'stopped'",
                )?
                .execute(params![Id(order_id.0), At(*due_at)])?;
            Ok(())
        }
    }
}

fn insert(connection: &Connection, cause: &Cause, effect: &NewEffect) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT INTO effect (id, kind, order_id, state, due_at, serial_key, created_at, traceparent,
                correlation_id, payload, progress)
             VALUES (?1, ?2, ?3, 'pending', ?4, ?5, ?6, ?7, ?8, ?9, 'null')",
        )?
        .execute(params![
            Id(Uuid::now_v7()),
            effect.kind,
            Id(effect.order_id.0),
            At(effect.due_at),
            effect.serial_key,
            At(cause.at),
            cause.traceparent,
            cause.correlation_id,
            Json(&effect.payload),
        ])?;
    Ok(())
}

fn end(connection: &Connection, outcome: &EffectOutcome) -> Result<(), StoreError> {
    let changed = match outcome {
        EffectOutcome::Done { effect, lease } => connection
            .prepare_cached(
                "UPDATE effect SET state = 'done', lease = NULL, lease_until = NULL
                 WHERE id = ?1 AND lease = ?2 AND state = 'leased'",
            )?
            .execute(params![Id(*effect), Id(*lease)])?,
        EffectOutcome::Later { effect, lease, progress, keep_lease: true, .. } => connection
            .prepare_cached("UPDATE effect SET progress = ?3 WHERE id = ?1 AND lease = ?2 AND state = 'leased'")?
            .execute(params![Id(*effect), Id(*lease), Json(progress)])?,
        EffectOutcome::Later { effect, lease, due_at, progress, keep_lease: false } => connection
            .prepare_cached(
                "UPDATE effect SET state = 'pending', lease = NULL, lease_until = NULL, due_at = ?3, progress = ?4
                 WHERE id = ?1 AND lease = ?2 AND state = 'leased'",
            )?
            .execute(params![Id(*effect), Id(*lease), At(*due_at), Json(progress)])?,
        EffectOutcome::Stopped { effect, lease, progress } => connection
            .prepare_cached(
                "UPDATE effect SET state = 'stopped', lease = NULL, lease_until = NULL, progress = ?3
                 WHERE id = ?1 AND lease = ?2 AND state = 'leased'",
            )?
            .execute(params![Id(*effect), Id(*lease), Json(progress)])?,
    };
    if changed == 1 {
        Ok(())
    } else {
        Err(StoreError::LeaseLost)
    }
}

struct Candidate {
    effect: LeasedEffect,
    serial_key: Option<String>,
}

/// Leases due effects, oldest first, at most one for each serial key.
pub(super) fn lease(
    connection: &Connection,
    now: Timestamp,
    until: Timestamp,
    limit: u16,
) -> Result<Vec<LeasedEffect>, StoreError> {
    // Whoever held these is gone, or past the time after which it starts nothing.
    connection
        .prepare_cached(
            "UPDATE effect SET state = 'pending', lease = NULL, lease_until = NULL
             WHERE state = 'leased' AND lease_until <= ?1",
        )?
        .execute([At(now)])?;
    let chosen = choose(connection, now, until, limit)?;
    for effect in &chosen {
        connection
            .prepare_cached(
                "UPDATE effect SET state = 'leased', lease = ?2, lease_until = ?3 WHERE id = ?1",
            )?
            .execute(params![
                Id(effect.effect),
                Id(effect.lease),
                At(effect.until)
            ])?;
    }
    Ok(chosen)
}

fn choose(
    connection: &Connection,
    now: Timestamp,
    until: Timestamp,
    limit: u16,
) -> Result<Vec<LeasedEffect>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT id, kind, order_id, payload, progress, attempt, created_at, traceparent, correlation_id, serial_key
         FROM effect AS candidate
         WHERE state = 'pending' AND due_at <= ?1
            AND (serial_key IS NULL OR NOT EXISTS (
                SELECT 1 FROM effect AS held WHERE held.serial_key = candidate.serial_key AND held.state = 'leased'
                    AND held.serial_key IS NOT NULL))
         ORDER BY due_at, seq",
    )?;
    let mut keys = HashSet::new();
    let mut chosen = Vec::new();
    for candidate in statement.query_map([At(now)], |row| read_candidate(row, until))? {
        if chosen.len() >= usize::from(limit) {
            break;
        }
        let candidate = candidate?;
        if candidate.serial_key.is_none_or(|key| keys.insert(key)) {
            chosen.push(candidate.effect);
        }
    }
    Ok(chosen)
}

fn read_candidate(row: &Row<'_>, until: Timestamp) -> rusqlite::Result<Candidate> {
    let (Id(effect), Id(order), At(created_at)) = (row.get(0)?, row.get(2)?, row.get(6)?);
    let (Json(payload), Json(progress)): (Json<Value>, Json<Value>) = (row.get(3)?, row.get(4)?);
    let effect = LeasedEffect {
        effect,
        kind: row.get(1)?,
        order_id: OrderId(order),
        payload,
        progress,
        attempt: row.get(5)?,
        lease: Uuid::new_v4(),
        until,
        created_at,
        traceparent: row.get(7)?,
        correlation_id: row.get(8)?,
    };
    Ok(Candidate {
        effect,
        serial_key: row.get(9)?,
    })
}

pub(super) fn begin_attempt(
    connection: &Connection,
    start: &AttemptStart,
) -> Result<(), StoreError> {
    let changed = connection
        .prepare_cached(
            "UPDATE effect SET attempt = attempt + 1, progress = ?5
             WHERE id = ?1 AND lease = ?2 AND attempt = ?3 AND state = 'leased' AND lease_until > ?4",
        )?
        .execute(params![
            Id(start.effect),
            Id(start.lease),
            start.attempts_before,
            At(start.now),
            Json(&start.progress),
        ])?;
    if changed == 1 {
        Ok(())
    } else {
        Err(StoreError::LeaseLost)
    }
}

/// When something can be leased next: a waiting effect is due, or a lease ends. One whose serial key is held does not
/// count: the end of that lease does.
pub(super) fn next_due(connection: &Connection) -> Result<Option<Timestamp>, StoreError> {
    let waiting: Option<At> = connection
        .prepare_cached(
            "SELECT due_at FROM effect AS waiting WHERE state = 'pending'
                AND (serial_key IS NULL OR NOT EXISTS (
                    SELECT 1 FROM effect AS held WHERE held.serial_key = waiting.serial_key AND held.state = 'leased'
                        AND held.serial_key IS NOT NULL))
             ORDER BY due_at, seq LIMIT 1",
        )?
        .query_row((), |row| row.get(0))
        .optional()?;
    let held: Option<At> = connection
        .prepare_cached("SELECT min(lease_until) FROM effect WHERE state = 'leased'")?
        .query_row((), |row| row.get(0))?;
    Ok([waiting, held].into_iter().flatten().map(|at| at.0).min())
}
