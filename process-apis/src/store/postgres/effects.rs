//! Effects: written with the commit that causes them, leased to a worker, ended by the outcome it commits.

use canonical_model::OrderId;
use jiff::Timestamp;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, PgPool, Row as _, postgres::PgRow};
use uuid::Uuid;

use super::{
    super::{
        AttemptStart, Backlog, EffectChange, EffectOutcome, LeasedEffect, PARKED, Parked,
        StoreError, as_written, set_back_position,
    },
    commit::Parts,
    value::{Columns as _, json, nanoseconds},
};
use crate::effects::{EffectKind, gate::Gate};

/// The changes as `commit_effects` takes them.
pub(super) fn given(changes: &[EffectChange], parts: &mut Parts) -> Result<Value, StoreError> {
    changes
        .iter()
        .map(|change| given_one(change, parts))
        .collect()
}

fn given_one(change: &EffectChange, parts: &mut Parts) -> Result<Value, StoreError> {
    Ok(match change {
        EffectChange::New(effect) => json!({
            "do": "new",
            "id": Uuid::now_v7(),
            "kind": effect.kind,
            "order_id": effect.order_id.0,
            "due_at": nanoseconds(effect.due_at),
            "serial_key": effect.serial_key,
            "background": EffectKind::of(effect.kind).is_some_and(EffectKind::is_background),
            "payload": parts.text(&effect.payload)?,
        }),
        EffectChange::ResumeStopped { order_id, due_at } => json!({
            "do": "resume_stopped",
            "order_id": order_id.0,
            "due_at": nanoseconds(*due_at),
        }),
        EffectChange::Outcome(outcome) => outcome_given(outcome, parts)?,
    })
}

fn outcome_given(outcome: &EffectOutcome, parts: &mut Parts) -> Result<Value, StoreError> {
    Ok(match outcome {
        EffectOutcome::Done { effect, lease } => {
            json!({"do": "done", "effect": effect, "lease": lease})
        }
        EffectOutcome::Later {
            effect,
            lease,
            progress,
            keep_lease: true,
            ..
        } => json!({
            "do": "keep",
            "effect": effect,
            "lease": lease,
            "progress": progress.as_ref().map(|progress| parts.text(progress)).transpose()?,
        }),
        EffectOutcome::Later {
            effect,
            lease,
            due_at,
            progress,
            keep_lease: false,
        } => json!({
            "do": "later",
            "effect": effect,
            "lease": lease,
            "due_at": nanoseconds(*due_at),
            "progress": progress.as_ref().map(|progress| parts.text(progress)).transpose()?,
        }),
        EffectOutcome::Stopped {
            effect,
            lease,
            progress,
        } => json!({
            "do": "stopped",
            "effect": effect,
            "lease": lease,
            "progress": progress.as_ref().map(|progress| parts.text(progress)).transpose()?,
        }),
    })
}

pub(super) async fn lease(
    pool: &PgPool,
    now: Timestamp,
    until: Timestamp,
    limit: u16,
) -> Result<Vec<LeasedEffect>, StoreError> {
    let rows = sqlx::query(
        "SELECT *, (SELECT at FROM set_back) AS set_back_at FROM lease_effects($1, $2, $3)",
    )
    .bind(nanoseconds(now))
    .bind(nanoseconds(until))
    .bind(i32::from(limit))
    .fetch_all(pool)
    .await?;
    rows.iter().map(read_leased).collect()
}

fn read_leased(row: &PgRow) -> Result<LeasedEffect, StoreError> {
    let attempt: i32 = row.try_get("attempt")?;
    Ok(LeasedEffect {
        effect: row.try_get("id")?,
        kind: row.try_get("kind")?,
        order_id: OrderId(row.try_get("order_id")?),
        payload: as_written(row.try_get("payload")?),
        progress: as_written(row.try_get("progress")?),
        attempt: u32::try_from(attempt).unwrap_or(0),
        lease: row.try_get("lease")?,
        until: row.at("lease_until")?,
        created_at: row.at("created_at")?,
        traceparent: row.try_get("traceparent")?,
        correlation_id: row.try_get("correlation_id")?,
        set_back_at: row.maybe_at("set_back_at")?,
    })
}

/// Notes that the store was set back, and leaves the positions behind that readers may have of what is not there any more.
pub(super) async fn set_back(pool: &PgPool, at: Timestamp) -> Result<(), StoreError> {
    sqlx::query(
        "WITH noted AS (
            INSERT INTO set_back (id, at) VALUES (1, $1)
            ON CONFLICT (id) DO UPDATE SET at = greatest(set_back.at, excluded.at))
         UPDATE sequencer SET position = greatest(position, $2)",
    )
    .bind(nanoseconds(at))
    .bind(set_back_position(at))
    .execute(pool)
    .await?;
    Ok(())
}

/// Counts an attempt. One that is begun `again` had its answer lost: under this lease nobody else can have begun it.
pub(super) async fn begin_attempt(
    pool: &PgPool,
    start: &AttemptStart,
    again: bool,
) -> Result<(), StoreError> {
    let changed = sqlx::query(
        "UPDATE effect SET attempt = $3 + 1, progress = $5
         WHERE id = $1 AND lease = $2 AND (attempt = $3 OR $6 AND attempt = $3 + 1)
            AND state = 'leased' AND lease_until > $4",
    )
    .bind(start.effect)
    .bind(start.lease)
    .bind(i32::try_from(start.attempts_before).unwrap_or(i32::MAX))
    .bind(nanoseconds(start.now))
    .bind(json(&start.progress)?)
    .bind(again)
    .execute(pool)
    .await?;
    if changed.rows_affected() == 1 {
        Ok(())
    } else {
        Err(StoreError::LeaseLost)
    }
}

/// When something can be leased next: one is awake, or wakes, or a lease ends. One whose serial key is held does not
/// count once it is awake: the end of that lease does.
pub(super) async fn next_due(pool: &PgPool) -> Result<Option<Timestamp>, StoreError> {
    let row = sqlx::query(
        "WITH RECURSIVE queue (key) AS (
            SELECT min(serial_key) FROM effect WHERE state = 'pending' AND awake AND serial_key IS NOT NULL
            UNION ALL
            SELECT (SELECT min(serial_key) FROM effect WHERE state = 'pending' AND awake AND serial_key > queue.key)
            FROM queue WHERE queue.key IS NOT NULL)
        SELECT least(
            (SELECT due_at FROM effect
             WHERE state = 'pending' AND awake AND serial_key IS NULL AND NOT background LIMIT 1),
            (SELECT (SELECT due_at FROM effect WHERE state = 'pending' AND awake AND serial_key = queue.key
                ORDER BY seq LIMIT 1)
             FROM queue WHERE queue.key IS NOT NULL AND NOT EXISTS (SELECT FROM effect AS held
                WHERE held.serial_key = queue.key AND held.state = 'leased' AND held.serial_key IS NOT NULL)
             LIMIT 1),
            (SELECT due_at FROM effect
             WHERE state = 'pending' AND awake AND serial_key IS NULL AND background
                AND (SELECT count(*) FROM effect WHERE state = 'leased' AND background) < 4
             LIMIT 1),
            (SELECT due_at FROM effect WHERE state = 'pending' AND NOT awake ORDER BY due_at, seq LIMIT 1),
            (SELECT min(lease_until) FROM effect WHERE state = 'leased')) AS due_at",
    )
    .fetch_one(pool)
    .await?;
    row.maybe_at("due_at")
}

/// Wakes the oldest of what waits to be woken. They are due since they were written, so that they come before all that is
/// newer.
pub(super) async fn wake(pool: &PgPool, parked: &Parked, most: u32) -> Result<u64, StoreError> {
    let (gates, there) = parked.keys();
    let key = Gate::KEY;
    let sql = format!(
        "UPDATE effect SET due_at = created_at WHERE seq IN (
            SELECT seq FROM effect AS parked WHERE state = 'pending' AND NOT awake AND due_at = $1
                AND $3 = EXISTS (SELECT FROM sales_order WHERE id = parked.order_id AND {key} = ANY ($2))
            ORDER BY seq LIMIT $4 FOR UPDATE SKIP LOCKED)"
    );
    let woken = sqlx::query(AssertSqlSafe(sql))
        .bind(nanoseconds(PARKED))
        .bind(gates)
        .bind(there)
        .bind(i64::from(most))
        .execute(pool)
        .await?;
    Ok(woken.rows_affected())
}

/// What is on its way into an ERP.
pub(super) async fn backlog(pool: &PgPool) -> Result<Backlog, StoreError> {
    let row = sqlx::query(
        "SELECT count(*) AS awaiting, min(created_at) AS oldest,
            (SELECT count(DISTINCT owner_id) FROM bound_movement) AS provisional
         FROM (SELECT created_at FROM effect WHERE state = 'pending' AND NOT awake AND kind = $1
            UNION ALL SELECT created_at FROM effect
                WHERE state = 'pending' AND awake AND serial_key IS NULL AND kind = $1
            UNION ALL SELECT created_at FROM effect
                WHERE state = 'pending' AND awake AND serial_key IS NOT NULL AND kind = $1
            UNION ALL SELECT created_at FROM effect WHERE state = 'leased' AND kind = $1) AS awaiting_erp",
    )
    .bind(EffectKind::CreateErpOrder.word())
    .fetch_one(pool)
    .await?;
    let (awaiting, provisional): (i64, i64) =
        (row.try_get("awaiting")?, row.try_get("provisional")?);
    Ok(Backlog {
        awaiting_erp: u64::try_from(awaiting).unwrap_or(0),
        oldest_since: row.maybe_at("oldest")?,
        provisional: u64::try_from(provisional).unwrap_or(0),
    })
}
