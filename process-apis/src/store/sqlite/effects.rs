//! Effects: written with the commit that causes them, leased to a worker, ended by the outcome it commits.

use canonical_model::OrderId;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, ToSql, params};
use uuid::Uuid;

use super::{
    super::{
        AttemptStart, Backlog, Cause, EffectChange, EffectOutcome, LeasedEffect, NewEffect, PARKED,
        Parked, StoreError, as_written, set_back_position,
    },
    value::{At, Id, Json, broken, list},
};
use crate::effects::{EffectKind, gate::Gate};

/// So many are woken at a time: the writer has others to serve.
const WOKEN: u32 = 1_000;
/// So many are done in the background at a time, so that what comes then finds room.
const IN_BACKGROUND: u16 = 4;

/// What sleeps and is due wakes, the longest due first.
const WAKE: &str = "UPDATE effect SET awake = 1 WHERE seq IN (
    SELECT seq FROM effect WHERE state = 'pending' AND awake = 0 AND due_at <= ?1 ORDER BY due_at, seq LIMIT ?2)";
/// The oldest that wait for no other: in the foreground (0) or in the background (1).
const OLDEST: &str =
    "SELECT seq, id, kind, order_id, payload, progress, attempt, created_at, traceparent, correlation_id
     FROM effect WHERE state = 'pending' AND awake = 1 AND serial_key IS NULL AND background = ?3 AND due_at <= ?1
     ORDER BY seq LIMIT ?2";
/// The oldest of each serial key that is free: one row a key is looked at, however long its queue.
const HEADS: &str = "WITH RECURSIVE queue (key) AS (
        SELECT min(serial_key) FROM effect WHERE state = 'pending' AND awake = 1 AND serial_key IS NOT NULL
        UNION ALL
        SELECT (SELECT min(serial_key) FROM effect
            WHERE state = 'pending' AND awake = 1 AND serial_key > queue.key)
        FROM queue WHERE queue.key IS NOT NULL)
     SELECT seq, id, kind, order_id, payload, progress, attempt, created_at, traceparent, correlation_id
     FROM queue CROSS JOIN effect AS head ON head.seq = (
        SELECT seq FROM effect WHERE state = 'pending' AND awake = 1 AND serial_key = queue.key AND due_at <= ?1
        ORDER BY seq LIMIT 1)
     WHERE NOT EXISTS (SELECT 1 FROM effect AS held
        WHERE held.serial_key = queue.key AND held.state = 'leased' AND held.serial_key IS NOT NULL)
     ORDER BY head.seq LIMIT ?2";
/// When the first that sleeps is due.
const SLEEPS_UNTIL: &str =
    "SELECT due_at FROM effect WHERE state = 'pending' AND awake = 0 ORDER BY due_at, seq LIMIT 1";
/// One that is awake and waits for no other.
const AWAKE: &str = "SELECT due_at FROM effect
    WHERE state = 'pending' AND awake = 1 AND serial_key IS NULL AND background = ?1 LIMIT 1";
/// One that is awake and whose serial key is free.
const AWAKE_HEAD: &str = "WITH RECURSIVE queue (key) AS (
        SELECT min(serial_key) FROM effect WHERE state = 'pending' AND awake = 1 AND serial_key IS NOT NULL
        UNION ALL
        SELECT (SELECT min(serial_key) FROM effect
            WHERE state = 'pending' AND awake = 1 AND serial_key > queue.key)
        FROM queue WHERE queue.key IS NOT NULL)
     SELECT (SELECT due_at FROM effect WHERE state = 'pending' AND awake = 1 AND serial_key = queue.key
        ORDER BY seq LIMIT 1)
     FROM queue WHERE queue.key IS NOT NULL AND NOT EXISTS (SELECT 1 FROM effect AS held
        WHERE held.serial_key = queue.key AND held.state = 'leased' AND held.serial_key IS NOT NULL)
     LIMIT 1";
/// How many are being done in the background.
const LEASED_IN_BACKGROUND: &str =
    "SELECT count(*) FROM effect WHERE state = 'leased' AND background = 1";

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
        EffectChange::ResumeStopped { order_id, due_at } => {
            connection
                .prepare_cached(
                    "UPDATE effect SET state = 'pending', due_at = ?2, awake = 0
                     WHERE order_id = ?1 AND (state = 'stopped' OR (state = 'pending' AND due_at = ?3))",
                )?
                .execute(params![Id(order_id.0), At(*due_at), At(PARKED)])?;
            Ok(())
        }
    }
}

fn insert(connection: &Connection, cause: &Cause, effect: &NewEffect) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT INTO effect (id, kind, order_id, state, due_at, serial_key, created_at, traceparent,
                correlation_id, payload, progress, background)
             VALUES (?1, ?2, ?3, 'pending', ?4, ?5, ?6, ?7, ?8, ?9, 'null', ?10)",
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
            EffectKind::of(effect.kind).is_some_and(EffectKind::is_background),
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
            .prepare_cached("UPDATE effect SET progress = coalesce(?3, progress) WHERE id = ?1 AND lease = ?2 AND state = 'leased'")?
            .execute(params![Id(*effect), Id(*lease), progress.as_ref().map(Json)])?,
        EffectOutcome::Later { effect, lease, due_at, progress, keep_lease: false } => connection
            .prepare_cached(
                "UPDATE effect SET state = 'pending', awake = 0, lease = NULL, lease_until = NULL, due_at = ?3,
                    progress = coalesce(?4, progress)
                 WHERE id = ?1 AND lease = ?2 AND state = 'leased'",
            )?
            .execute(params![Id(*effect), Id(*lease), At(*due_at), progress.as_ref().map(Json)])?,
        EffectOutcome::Stopped { effect, lease, progress } => connection
            .prepare_cached(
                "UPDATE effect SET state = 'stopped', lease = NULL, lease_until = NULL, progress = coalesce(?3, progress)
                 WHERE id = ?1 AND lease = ?2 AND state = 'leased'",
            )?
            .execute(params![Id(*effect), Id(*lease), progress.as_ref().map(Json)])?,
    };
    if changed == 1 {
        Ok(())
    } else {
        Err(StoreError::LeaseLost)
    }
}

struct Candidate {
    seq: i64,
    effect: LeasedEffect,
}

/// Leases due effects, oldest first, at most one for each serial key, and those of the background last.
pub(super) fn lease(
    connection: &Connection,
    now: Timestamp,
    until: Timestamp,
    limit: u16,
) -> Result<Vec<LeasedEffect>, StoreError> {
    // Whoever held these is gone, or past the time after which it starts nothing.
    connection
        .prepare_cached(
            "UPDATE effect SET state = 'pending', awake = 0, lease = NULL, lease_until = NULL
             WHERE state = 'leased' AND lease_until <= ?1",
        )?
        .execute([At(now)])?;
    connection
        .prepare_cached(WAKE)?
        .execute(params![At(now), WOKEN])?;
    let mut chosen = choose(connection, now, until, usize::from(limit))?;
    if !chosen.is_empty() {
        let set_back_at = set_back_at(connection)?;
        for effect in &mut chosen {
            effect.set_back_at = set_back_at;
        }
    }
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
    limit: usize,
) -> Result<Vec<LeasedEffect>, StoreError> {
    let most = |limit: usize| u32::try_from(limit).unwrap_or(u32::MAX);
    let mut oldest = connection.prepare_cached(OLDEST)?;
    let mut heads = connection.prepare_cached(HEADS)?;
    let read = |row: &Row<'_>| read_candidate(row, until);
    let free = oldest.query_map(params![At(now), most(limit), 0], read)?;
    let mut chosen: Vec<Candidate> = free.collect::<Result<_, _>>()?;
    for head in heads.query_map(params![At(now), most(limit)], read)? {
        chosen.push(head?);
    }
    chosen.sort_by_key(|candidate| candidate.seq);
    chosen.truncate(limit);
    let running: u16 = connection
        .prepare_cached(LEASED_IN_BACKGROUND)?
        .query_row((), |row| row.get(0))?;
    let room = usize::from(IN_BACKGROUND.saturating_sub(running));
    let room = room.min(limit.saturating_sub(chosen.len()));
    for last in oldest.query_map(params![At(now), most(room), 1], read)? {
        chosen.push(last?);
    }
    Ok(chosen
        .into_iter()
        .map(|candidate| candidate.effect)
        .collect())
}

fn read_candidate(row: &Row<'_>, until: Timestamp) -> rusqlite::Result<Candidate> {
    let (Id(effect), Id(order), At(created_at)) = (row.get(1)?, row.get(3)?, row.get(7)?);
    let (payload, progress): (String, String) = (row.get(4)?, row.get(5)?);
    let effect = LeasedEffect {
        effect,
        kind: row.get(2)?,
        order_id: OrderId(order),
        payload: as_written(payload),
        progress: as_written(progress),
        attempt: row.get(6)?,
        lease: Uuid::new_v4(),
        until,
        created_at,
        traceparent: row.get(8)?,
        correlation_id: row.get(9)?,
        set_back_at: None,
    };
    Ok(Candidate {
        seq: row.get(0)?,
        effect,
    })
}

/// Notes that the store was set back, and leaves the positions behind that readers may have of what is not there any more.
pub(super) fn set_back(connection: &Connection, at: Timestamp) -> Result<(), StoreError> {
    connection.execute(
        "INSERT INTO set_back (id, at) VALUES (1, ?1) ON CONFLICT (id) DO UPDATE SET at = max(at, excluded.at)",
        [At(at)],
    )?;
    let position = set_back_position(at);
    let goes_on = connection.execute(
        "UPDATE sqlite_sequence SET seq = max(seq, ?1) WHERE name = 'event'",
        [position],
    )?;
    if goes_on == 0 {
        connection.execute(
            "INSERT INTO sqlite_sequence (name, seq) VALUES ('event', ?1)",
            [position],
        )?;
    }
    Ok(())
}

fn set_back_at(connection: &Connection) -> Result<Option<Timestamp>, StoreError> {
    let at: Option<At> = connection
        .prepare_cached("SELECT at FROM set_back")?
        .query_row((), |row| row.get(0))
        .optional()?;
    Ok(at.map(|at| at.0))
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

/// When something can be leased next: one is awake, or wakes, or a lease ends. One whose serial key is held does not
/// count once it is awake: the end of that lease does.
pub(super) fn next_due(connection: &Connection) -> Result<Option<Timestamp>, StoreError> {
    let first = |sql: &str, parameters: &[&dyn ToSql]| -> rusqlite::Result<Option<At>> {
        let mut statement = connection.prepare_cached(sql)?;
        statement.query_row(parameters, |row| row.get(0)).optional()
    };
    let running: u16 = connection
        .prepare_cached(LEASED_IN_BACKGROUND)?
        .query_row((), |row| row.get(0))?;
    let last = if running < IN_BACKGROUND {
        first(AWAKE, &[&1])?
    } else {
        None
    };
    let lease_ends: Option<At> = connection
        .prepare_cached("SELECT min(lease_until) FROM effect WHERE state = 'leased'")?
        .query_row((), |row| row.get(0))?;
    let instants = [
        first(AWAKE, &[&0])?,
        first(AWAKE_HEAD, &[])?,
        last,
        first(SLEEPS_UNTIL, &[])?,
        lease_ends,
    ];
    Ok(instants.into_iter().flatten().map(|at| at.0).min())
}

/// The oldest that wait to be woken, at these gates or at none of them.
fn parked() -> String {
    let key = Gate::KEY;
    format!(
        "SELECT seq FROM effect AS parked WHERE state = 'pending' AND awake = 0 AND due_at = ?1
            AND ?3 = EXISTS (SELECT 1 FROM sales_order
                WHERE id = parked.order_id AND {key} IN (SELECT value FROM json_each(?2)))
         ORDER BY seq LIMIT ?4"
    )
}

/// Whether any waits to be woken.
pub(super) fn any_parked(connection: &Connection, which: &Parked) -> Result<bool, StoreError> {
    let (gates, there) = which.keys();
    let found = connection.prepare_cached(&parked())?.exists(params![
        At(PARKED),
        list(&gates),
        there,
        1
    ])?;
    Ok(found)
}

/// Wakes the oldest. They are due since they were written, so that they come before all that is newer.
pub(super) fn wake(connection: &Connection, which: &Parked, most: u32) -> Result<u64, StoreError> {
    let (gates, there) = which.keys();
    let sql = format!(
        "UPDATE effect SET due_at = created_at WHERE seq IN ({})",
        parked()
    );
    let woken =
        connection
            .prepare_cached(&sql)?
            .execute(params![At(PARKED), list(&gates), there, most])?;
    Ok(u64::try_from(woken).unwrap_or(u64::MAX))
}

/// What is on its way into an ERP.
pub(super) fn backlog(connection: &Connection) -> Result<Backlog, StoreError> {
    let create = EffectKind::CreateErpOrder.word();
    let (awaiting, oldest): (i64, Option<At>) = connection
        .prepare_cached(
            "SELECT count(*), min(created_at) FROM (
                SELECT created_at FROM effect WHERE state = 'pending' AND awake = 0 AND due_at > 0 AND kind = ?1
                UNION ALL SELECT created_at FROM effect
                    WHERE state = 'pending' AND awake = 1 AND serial_key IS NULL AND background >= 0 AND kind = ?1
                UNION ALL SELECT created_at FROM effect
                    WHERE state = 'pending' AND awake = 1 AND serial_key > '' AND kind = ?1
                UNION ALL SELECT created_at FROM effect WHERE state = 'leased' AND lease_until > 0 AND kind = ?1)",
        )?
        .query_row([create], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let provisional: i64 = connection
        .prepare_cached("SELECT count(DISTINCT owner_id) FROM bound_movement")?
        .query_row((), |row| row.get(0))?;
    Ok(Backlog {
        awaiting_erp: u64::try_from(awaiting).unwrap_or(0),
        oldest_since: oldest.map(|at| at.0),
        provisional: u64::try_from(provisional).unwrap_or(0),
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::store::sqlite::migrate::migrate;

    /// Each is answered from an index of what it is about, and what is asked by number is not sorted.
    #[rstest]
    #[case::wake(WAKE, "effect_asleep", true)]
    #[case::oldest(OLDEST, "effect_awake", true)]
    #[case::heads(HEADS, "effect_queue", false)]
    #[case::sleeps(SLEEPS_UNTIL, "effect_asleep", true)]
    #[case::awake(AWAKE, "effect_awake", true)]
    #[case::awake_head(AWAKE_HEAD, "effect_queue", true)]
    #[case::background(LEASED_IN_BACKGROUND, "effect_background", true)]
    fn no_look_for_work_walks_the_table(
        #[case] sql: &str,
        #[case] index: &str,
        #[case] unsorted: bool,
    ) {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection).unwrap();
        let mut statement = connection
            .prepare(&format!("EXPLAIN QUERY PLAN {sql}"))
            .unwrap();
        let mut rows = statement.raw_query();
        let mut plan = Vec::new();
        while let Some(row) = rows.next().unwrap() {
            plan.push(row.get::<_, String>(3).unwrap());
        }
        let walks = |line: &String| {
            line.starts_with("SCAN effect") && !line.contains("USING")
                || line.starts_with("SCAN head")
        };
        assert!(!plan.iter().any(walks), "{plan:#?}");
        assert!(plan.iter().any(|line| line.contains(index)), "{plan:#?}");
        assert!(
            !unsorted || !plan.iter().any(|line| line.contains("TEMP B-TREE")),
            "{plan:#?}"
        );
    }
}
