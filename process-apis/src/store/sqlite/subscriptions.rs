//! Webhook subscriptions: made, changed, leased to one sender at a time, and moved on by what its rounds came to.

use canonical_model::{
    AccountId, CompanyId, SubscriptionId,
    subscription::{DisabledReason, SubscriptionState},
};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};
use uuid::Uuid;

use super::{
    super::{
        Cause, DEAD_LETTERS_KEPT, DeliveryFilter, DeliveryRow, DeliveryState, LeasedSubscription,
        StoreError, SubscriptionChange, SubscriptionFilter, SubscriptionHealth, SubscriptionLease,
        SubscriptionRound, SubscriptionRow, SubscriptionSettings,
    },
    apply::known,
    query::Query,
    value::{At, Id, Json, Text, Word, count, integer, list},
};

/// So many dead letters are deleted at a time: other commands wait for them.
const SWEEP: u32 = 500;

const SELECT: &str = "SELECT id, company, account, version, state, position, paused_until, created_at, changed_at,
        settings, health,
        (SELECT count(*) FROM subscription_delivery d WHERE d.subscription = s.id AND d.state = 'waiting'),
        (SELECT count(*) FROM subscription_delivery d WHERE d.subscription = s.id AND d.state = 'dead')
     FROM subscription s";

/// What may be leased: the parameters are `?1` now, `?2` whether it fails, `?3` how many.
const SENDABLE: &str = "SELECT id FROM subscription s
     WHERE state = 'active' AND failing = ?2 AND (lease_until IS NULL OR lease_until <= ?1)
        AND (paused_until IS NULL OR paused_until <= ?1)
        AND (EXISTS (SELECT 1 FROM event e
                WHERE e.company = s.company AND e.account = s.account AND e.position > s.position)
            OR EXISTS (SELECT 1 FROM subscription_delivery d WHERE d.subscription = s.id AND d.due_at <= ?1))
     ORDER BY served_at, id LIMIT ?3";

pub(super) fn apply(
    connection: &Connection,
    cause: Option<&Cause>,
    change: &SubscriptionChange,
) -> Result<(), StoreError> {
    match change {
        SubscriptionChange::Create { .. } => create(connection, known(cause)?, change),
        SubscriptionChange::Change {
            id,
            expected_version,
            settings,
            state,
        } => {
            let at = known(cause)?.at;
            let anew = begins_anew(connection, *id, settings, *state)?;
            let changed = connection
                .prepare_cached(
                    "UPDATE subscription SET version = version + 1, settings = ?3, state = ?4, changed_at = ?5
                     WHERE id = ?1 AND version = ?2",
                )?
                .execute(params![
                    Id(id.0),
                    integer(*expected_version),
                    Json(settings),
                    Word(state),
                    At(at)
                ])?;
            expected(changed, *id)?;
            if anew {
                begin_anew(connection, *id, at)?;
            }
            Ok(())
        }
        SubscriptionChange::Rewind {
            id,
            expected_version,
            position,
        } => rewind(
            connection,
            known(cause)?.at,
            *id,
            *expected_version,
            *position,
        ),
        SubscriptionChange::Delete {
            id,
            expected_version,
        } => {
            let deleted = connection
                .prepare_cached("DELETE FROM subscription WHERE id = ?1 AND version = ?2")?
                .execute(params![Id(id.0), integer(*expected_version)])?;
            expected(deleted, *id)
        }
        SubscriptionChange::Replay {
            id,
            position,
            due_at,
        } => {
            connection
                .prepare_cached(
                    "UPDATE subscription_delivery SET due_at = ?3
                     WHERE subscription = ?1 AND position = ?2 AND state = 'dead'",
                )?
                .execute(params![Id(id.0), integer(*position), At(*due_at)])?;
            Ok(())
        }
        SubscriptionChange::Settle(round) => settle(connection, round),
        SubscriptionChange::Release { id, lease } => {
            connection
                .prepare_cached(
                    "UPDATE subscription SET lease = NULL, lease_until = NULL WHERE id = ?1 AND lease = ?2",
                )?
                .execute(params![Id(id.0), Id(*lease)])?;
            Ok(())
        }
    }
}

fn create(
    connection: &Connection,
    cause: &Cause,
    change: &SubscriptionChange,
) -> Result<(), StoreError> {
    let SubscriptionChange::Create {
        id,
        account,
        settings,
        position,
        most,
    } = change
    else {
        return Ok(());
    };
    room(connection, &cause.company, account, *most)?;
    connection
        .prepare_cached(
            "INSERT INTO subscription (id, company, account, version, state, position, created_at, changed_at,
                settings, health)
             VALUES (?1, ?2, ?3, 1, 'active', ?4, ?5, ?5, ?6, ?7)",
        )?
        .execute(params![
            Id(id.0),
            cause.company.as_str(),
            account.as_str(),
            integer(*position),
            At(cause.at),
            Json(settings),
            Json(SubscriptionHealth::default()),
        ])?;
    Ok(())
}

fn rewind(
    connection: &Connection,
    at: Timestamp,
    id: SubscriptionId,
    expected_version: u64,
    position: u64,
) -> Result<(), StoreError> {
    let changed = connection
        .prepare_cached(
            "UPDATE subscription SET version = version + 1, position = min(position, ?3), changed_at = ?4,
                paused_until = NULL
             WHERE id = ?1 AND version = ?2",
        )?
        .execute(params![
            Id(id.0),
            integer(expected_version),
            integer(position),
            At(at)
        ])?;
    expected(changed, id)?;
    connection
        .prepare_cached(
            "DELETE FROM subscription_delivery WHERE subscription = ?1 AND position > ?2",
        )?
        .execute(params![Id(id.0), integer(position)])?;
    Ok(())
}

fn expected(changed: usize, id: SubscriptionId) -> Result<(), StoreError> {
    if changed == 0 {
        Err(StoreError::SubscriptionChanged(id))
    } else {
        Ok(())
    }
}

fn room(
    connection: &Connection,
    company: &CompanyId,
    account: &AccountId,
    most: u32,
) -> Result<(), StoreError> {
    let there: i64 = connection
        .prepare_cached("SELECT count(*) FROM subscription WHERE company = ?1 AND account = ?2")?
        .query_row(params![company.as_str(), account.as_str()], |row| {
            row.get(0)
        })?;
    if count(there) >= u64::from(most) {
        return Err(StoreError::SubscriptionLimit);
    }
    Ok(())
}

/// Whether a change makes it active, or has an active one call another address.
fn begins_anew(
    connection: &Connection,
    id: SubscriptionId,
    settings: &SubscriptionSettings,
    state: SubscriptionState,
) -> Result<bool, StoreError> {
    if state != SubscriptionState::Active {
        return Ok(false);
    }
    let goes_on: Option<bool> = connection
        .prepare_cached(
            "SELECT state = 'active' AND settings ->> '$.url' = ?2 FROM subscription WHERE id = ?1",
        )?
        .query_row(params![Id(id.0), settings.url], |row| row.get(0))
        .optional()?;
    Ok(goes_on == Some(false))
}

/// Nothing has failed, and what waits is due, with all its time before it.
fn begin_anew(
    connection: &Connection,
    id: SubscriptionId,
    at: Timestamp,
) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "UPDATE subscription SET failing = 0, paused_until = NULL,
                health = json_set(health, '$.failures', 0, '$.failing_since', NULL, '$.disabled_reason', NULL)
             WHERE id = ?1",
        )?
        .execute([Id(id.0)])?;
    connection
        .prepare_cached(
            "UPDATE subscription_delivery
             SET due_at = ?2, detail = json_set(detail, '$.attempts', 0, '$.first_failed_at', NULL)
             WHERE subscription = ?1 AND state = 'waiting'",
        )?
        .execute(params![Id(id.0), At(at)])?;
    Ok(())
}

fn settle(connection: &Connection, round: &SubscriptionRound) -> Result<(), StoreError> {
    let state = match round.health.disabled_reason {
        Some(DisabledReason::Gone | DisabledReason::Failing) => SubscriptionState::Disabled,
        None => SubscriptionState::Active,
    };
    let settled = connection
        .prepare_cached(
            "UPDATE subscription SET position = ?4, health = ?5, failing = ?6, paused_until = ?7,
                version = version + (?8 = 'disabled'), state = ?8, lease = NULL, lease_until = NULL
             WHERE id = ?1 AND lease = ?2 AND version = ?3 AND state = 'active'",
        )?
        .execute(params![
            Id(round.id.0),
            Id(round.lease),
            integer(round.version),
            integer(round.position),
            Json(&round.health),
            round.health.failures > 0,
            round.paused_until.map(At),
            Word(state),
        ])?;
    if settled == 0 {
        return Err(StoreError::LeaseLost);
    }
    for position in &round.over {
        connection
            .prepare_cached(
                "DELETE FROM subscription_delivery WHERE subscription = ?1 AND position = ?2",
            )?
            .execute(params![Id(round.id.0), integer(*position)])?;
    }
    for row in &round.put {
        connection
            .prepare_cached(
                "INSERT INTO subscription_delivery (subscription, position, event_id, subject, state, due_at,
                    dead_since, detail)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
                 ON CONFLICT (subscription, position) DO UPDATE SET event_id = excluded.event_id,
                    subject = excluded.subject, state = excluded.state, due_at = excluded.due_at,
                    dead_since = excluded.dead_since, detail = excluded.detail",
            )?
            .execute(params![
                Id(round.id.0),
                integer(row.position),
                Id(row.event_id),
                Id(row.subject),
                Word(row.state),
                row.due_at.map(At),
                row.dead_since.map(At),
                Json(&row.detail),
            ])?;
    }
    if let Some(now) = round.wake {
        connection
            .prepare_cached(
                "UPDATE subscription_delivery SET due_at = ?2 WHERE subscription = ?1 AND state = 'waiting'",
            )?
            .execute(params![Id(round.id.0), At(now)])?;
    }
    Ok(())
}

/// Whether anything can be leased: a reader's question, so that the writer is not asked for nothing.
pub(super) fn sendable(connection: &Connection, now: Timestamp) -> Result<bool, StoreError> {
    for failing in [false, true] {
        if !ids(connection, now, failing, 1)?.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}

fn ids(
    connection: &Connection,
    now: Timestamp,
    failing: bool,
    limit: u16,
) -> Result<Vec<Uuid>, StoreError> {
    let mut statement = connection.prepare_cached(SENDABLE)?;
    let found = statement.query_map(params![At(now), failing, limit], |row| {
        row.get(0).map(|Id(id)| id)
    })?;
    Ok(found.collect::<Result<_, _>>()?)
}

pub(super) fn lease(
    connection: &Connection,
    asked: SubscriptionLease,
) -> Result<Vec<LeasedSubscription>, StoreError> {
    let mut leased = Vec::new();
    for (failing, limit) in [(false, asked.healthy), (true, asked.failing)] {
        for id in ids(connection, asked.now, failing, limit)? {
            let lease = Uuid::now_v7();
            connection
                .prepare_cached(
                    "UPDATE subscription SET lease = ?2, lease_until = ?3, served_at = ?4 WHERE id = ?1",
                )?
                .execute(params![Id(id), Id(lease), At(asked.until), At(asked.now)])?;
            let row = connection
                .prepare_cached(&format!("{SELECT} WHERE id = ?1"))?
                .query_row([Id(id)], read)?;
            leased.push(LeasedSubscription {
                row,
                lease,
                until: asked.until,
            });
        }
    }
    Ok(leased)
}

pub(super) fn find(
    connection: &Connection,
    company: &CompanyId,
    id: SubscriptionId,
) -> Result<Option<SubscriptionRow>, StoreError> {
    let found = connection
        .prepare_cached(&format!("{SELECT} WHERE company = ?1 AND id = ?2"))?
        .query_row(params![company.as_str(), Id(id.0)], read)
        .optional()?;
    Ok(found)
}

pub(super) fn subscriptions(
    connection: &Connection,
    company: &CompanyId,
    filter: &SubscriptionFilter,
) -> Result<Vec<SubscriptionRow>, StoreError> {
    let mut query = Query::new(&format!("{SELECT} WHERE company = ?"));
    query.bind(company.as_str())?;
    if let Some(accounts) = &filter.accounts {
        query.and(
            "account IN (SELECT value FROM json_each(?))",
            list(accounts),
        )?;
    }
    if let Some(after) = filter.after {
        query.and("id > ?", Id(after.0))?;
    }
    query.push(" ORDER BY id LIMIT ?");
    query.bind(filter.limit)?;
    query.all(connection, read)
}

pub(super) fn deliveries(
    connection: &Connection,
    filter: DeliveryFilter,
) -> Result<Vec<DeliveryRow>, StoreError> {
    let mut query = Query::new(
        "SELECT position, event_id, subject, state, due_at, dead_since, detail FROM subscription_delivery
         WHERE subscription = ?",
    );
    query.bind(Id(filter.subscription.0))?;
    query.and("state = ?", Word(filter.state))?;
    query.and("position > ?", integer(filter.after))?;
    if let Some(event) = filter.event {
        query.and("event_id = ?", Id(event))?;
    }
    if let Some(due_by) = filter.due_by {
        query.and("due_at <= ?", At(due_by))?;
    }
    query.push(" ORDER BY position LIMIT ?");
    query.bind(filter.limit)?;
    query.all(connection, |row| {
        let (Id(event_id), Id(subject)) = (row.get(1)?, row.get(2)?);
        let Word(state): Word<DeliveryState> = row.get(3)?;
        let Json(detail) = row.get(6)?;
        Ok(DeliveryRow {
            position: count(row.get(0)?),
            event_id,
            subject,
            state,
            due_at: moment(row, 4)?,
            dead_since: moment(row, 5)?,
            detail,
        })
    })
}

/// Deletes dead letters that have been kept long enough; answers how many.
pub(super) fn sweep(connection: &Connection, now: Timestamp) -> Result<u64, StoreError> {
    let kept_from = now
        .saturating_sub(DEAD_LETTERS_KEPT)
        .unwrap_or(Timestamp::MIN);
    let rows = connection
        .prepare_cached(
            "DELETE FROM subscription_delivery WHERE (subscription, position) IN (
                SELECT subscription, position FROM subscription_delivery
                WHERE state = 'dead' AND dead_since <= ?1 ORDER BY dead_since LIMIT ?2)",
        )?
        .execute(params![At(kept_from), SWEEP])?;
    Ok(u64::try_from(rows).unwrap_or(u64::MAX))
}

fn moment(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Timestamp>> {
    let at: Option<At> = row.get(column)?;
    Ok(at.map(|At(at)| at))
}

fn read(row: &Row<'_>) -> rusqlite::Result<SubscriptionRow> {
    let Id(id) = row.get(0)?;
    let (Text(company), Text(account)): (Text<CompanyId>, Text<AccountId>) =
        (row.get(1)?, row.get(2)?);
    let Word(state) = row.get(4)?;
    let (At(created_at), At(changed_at)) = (row.get(7)?, row.get(8)?);
    let Json(settings): Json<SubscriptionSettings> = row.get(9)?;
    let Json(health): Json<SubscriptionHealth> = row.get(10)?;
    Ok(SubscriptionRow {
        id: SubscriptionId(id),
        company,
        account,
        version: count(row.get(3)?),
        settings,
        state,
        health,
        paused_until: moment(row, 6)?,
        position: count(row.get(5)?),
        waiting: row.get(11)?,
        dead: row.get(12)?,
        created_at,
        changed_at,
    })
}
