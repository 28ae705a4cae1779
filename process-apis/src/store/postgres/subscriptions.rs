//! Webhook subscriptions: made, changed, leased to one sender at a time, and moved on by what its rounds came to.

use canonical_model::{CompanyId, SubscriptionId, subscription::SubscriptionState};
use serde_json::{Value, json};
use sqlx::{PgPool, Postgres, QueryBuilder, Row as _, postgres::PgRow};
use uuid::Uuid;

use super::{
    super::{
        DeliveryFilter, DeliveryRow, LeasedSubscription, StoreError, SubscriptionChange,
        SubscriptionFilter, SubscriptionHealth, SubscriptionLease, SubscriptionRound,
        SubscriptionRow,
    },
    commit::Parts,
    value::{Columns as _, count, integer, nanoseconds, word},
};

/// The changes as `commit_subscriptions` takes them.
pub(super) fn given(
    changes: &[SubscriptionChange],
    parts: &mut Parts,
) -> Result<Value, StoreError> {
    changes
        .iter()
        .map(|change| given_one(change, parts))
        .collect()
}

fn given_one(change: &SubscriptionChange, parts: &mut Parts) -> Result<Value, StoreError> {
    Ok(match change {
        SubscriptionChange::Create {
            id,
            account,
            settings,
            position,
            most,
        } => json!({
            "change": "create",
            "id": id,
            "account": account,
            "settings": parts.text(settings)?,
            "health": parts.text(&SubscriptionHealth::default())?,
            "position": integer(*position),
            "most": most,
        }),
        SubscriptionChange::Change {
            id,
            expected_version,
            settings,
            state,
        } => json!({
            "change": "change",
            "id": id,
            "expected_version": integer(*expected_version),
            "settings": parts.text(settings)?,
            "state": state,
        }),
        SubscriptionChange::Rewind {
            id,
            expected_version,
            position,
        } => json!({
            "change": "rewind",
            "id": id,
            "expected_version": integer(*expected_version),
            "position": integer(*position),
        }),
        SubscriptionChange::Delete {
            id,
            expected_version,
        } => json!({
            "change": "delete",
            "id": id,
            "expected_version": integer(*expected_version),
        }),
        SubscriptionChange::Replay {
            id,
            position,
            due_at,
        } => json!({
            "change": "replay",
            "id": id,
            "position": integer(*position),
            "due_at": nanoseconds(*due_at),
        }),
        SubscriptionChange::Settle(round) => settle_given(round, parts)?,
        SubscriptionChange::Release { id, lease } => {
            json!({"change": "release", "id": id, "lease": lease})
        }
    })
}

fn settle_given(round: &SubscriptionRound, parts: &mut Parts) -> Result<Value, StoreError> {
    let state = match round.health.disabled_reason {
        Some(_) => SubscriptionState::Disabled,
        None => SubscriptionState::Active,
    };
    let put = round.put.iter().map(|row| {
        Ok(json!({
            "position": integer(row.position),
            "event_id": row.event_id,
            "subject": row.subject,
            "state": row.state,
            "due_at": row.due_at.map(nanoseconds),
            "dead_since": row.dead_since.map(nanoseconds),
            "detail": parts.text(&row.detail)?,
        }))
    });
    let put = put.collect::<Result<Value, StoreError>>()?;
    Ok(json!({
        "change": "settle",
        "id": round.id,
        "lease": round.lease,
        "expected_version": integer(round.version),
        "position": integer(round.position),
        "health": parts.text(&round.health)?,
        "failing": round.health.failures > 0,
        "paused_until": round.paused_until.map(nanoseconds),
        "state": state,
        "over": round.over.iter().copied().map(integer).collect::<Vec<_>>(),
        "put": put,
        "wake": round.wake.map(nanoseconds),
    }))
}

pub(super) async fn lease(
    pool: &PgPool,
    asked: SubscriptionLease,
) -> Result<Vec<LeasedSubscription>, StoreError> {
    let mut leased = Vec::new();
    for (failing, most) in [(false, asked.healthy), (true, asked.failing)] {
        if most == 0 {
            continue;
        }
        let ids: Vec<Uuid> = sqlx::query_scalar("SELECT lease_subscriptions($1, $2, $3, $4)")
            .bind(nanoseconds(asked.now))
            .bind(nanoseconds(asked.until))
            .bind(failing)
            .bind(i32::from(most))
            .fetch_all(pool)
            .await?;
        if ids.is_empty() {
            continue;
        }
        let rows = sqlx::query(
            "SELECT * FROM subscription_as_read WHERE id = ANY($1) AND lease_until = $2 ORDER BY id",
        )
        .bind(ids)
        .bind(nanoseconds(asked.until))
        .fetch_all(pool)
        .await?;
        for row in &rows {
            leased.push(LeasedSubscription {
                row: read(row)?,
                lease: row.try_get("lease")?,
                until: asked.until,
            });
        }
    }
    Ok(leased)
}

pub(super) async fn find(
    pool: &PgPool,
    company: &CompanyId,
    id: SubscriptionId,
) -> Result<Option<SubscriptionRow>, StoreError> {
    let found = sqlx::query("SELECT * FROM subscription_as_read WHERE company = $1 AND id = $2")
        .bind(company.as_str())
        .bind(id.0)
        .fetch_optional(pool)
        .await?;
    found.as_ref().map(read).transpose()
}

pub(super) async fn subscriptions(
    pool: &PgPool,
    company: &CompanyId,
    filter: &SubscriptionFilter,
) -> Result<Vec<SubscriptionRow>, StoreError> {
    let mut query: QueryBuilder<Postgres> =
        QueryBuilder::new("SELECT * FROM subscription_as_read WHERE company = ");
    query.push_bind(company.as_str());
    if let Some(accounts) = &filter.accounts {
        let accounts: Vec<String> = accounts.iter().map(ToString::to_string).collect();
        query
            .push(" AND account = ANY(")
            .push_bind(accounts)
            .push(")");
    }
    if let Some(after) = filter.after {
        query.push(" AND id > ").push_bind(after.0);
    }
    query
        .push(" ORDER BY id LIMIT ")
        .push_bind(i64::from(filter.limit));
    let rows = query.build().fetch_all(pool).await?;
    rows.iter().map(read).collect()
}

pub(super) async fn deliveries(
    pool: &PgPool,
    filter: DeliveryFilter,
) -> Result<Vec<DeliveryRow>, StoreError> {
    let mut query: QueryBuilder<Postgres> = QueryBuilder::new(
        "SELECT position, event_id, subject, state, due_at, dead_since, detail FROM subscription_delivery
         WHERE subscription = ",
    );
    query.push_bind(filter.subscription.0);
    query.push(" AND state = ").push_bind(word(&filter.state)?);
    query
        .push(" AND position > ")
        .push_bind(integer(filter.after));
    if let Some(event) = filter.event {
        query.push(" AND event_id = ").push_bind(event);
    }
    if let Some(due_by) = filter.due_by {
        query.push(" AND due_at <= ").push_bind(nanoseconds(due_by));
    }
    query
        .push(" ORDER BY position LIMIT ")
        .push_bind(i64::from(filter.limit));
    let rows = query.build().fetch_all(pool).await?;
    let read = |row: &PgRow| {
        Ok(DeliveryRow {
            position: count(row.try_get("position")?),
            event_id: row.try_get("event_id")?,
            subject: row.try_get("subject")?,
            state: row.word("state")?,
            due_at: row.maybe_at("due_at")?,
            dead_since: row.maybe_at("dead_since")?,
            detail: row.json("detail")?,
        })
    };
    rows.iter().map(read).collect()
}

fn read(row: &PgRow) -> Result<SubscriptionRow, StoreError> {
    let number = |column: &str| -> Result<u32, StoreError> {
        Ok(u32::try_from(row.try_get::<i64, _>(column)?).unwrap_or(u32::MAX))
    };
    Ok(SubscriptionRow {
        id: SubscriptionId(row.try_get("id")?),
        company: row.parsed("company")?,
        account: row.parsed("account")?,
        version: count(row.try_get("version")?),
        settings: row.json("settings")?,
        state: row.word("state")?,
        health: row.json("health")?,
        paused_until: row.maybe_at("paused_until")?,
        position: count(row.try_get("position")?),
        waiting: number("waiting")?,
        dead: number("dead")?,
        created_at: row.at("created_at")?,
        changed_at: row.at("changed_at")?,
    })
}
