//! The rows of the stock ledger: movements as `commit_stock` applies them, newer facts, positions.

use canonical_model::{CompanyId, ItemNumber, SiteId};
use rust_decimal::Decimal;
use serde_json::{Value, json};
use sqlx::{PgExecutor, PgPool, Row as _, postgres::PgRow};

use super::{
    super::{Owner, Steps, StockKey, StockMovement, StockPosition, StockSnapshot, StoreError},
    value::{Columns as _, duration, failed, nanoseconds, word},
};
use crate::effects::EffectKind;

/// The movements as `commit_stock` takes them.
pub(super) fn given(movements: &[StockMovement]) -> Result<Value, StoreError> {
    Ok(movements.iter().map(given_one).collect())
}

fn given_one(movement: &StockMovement) -> Value {
    match movement {
        StockMovement::Claim(claim) => json!({
            "movement": "claim",
            "company": claim.key.company,
            "item": claim.key.item,
            "site": claim.key.site,
            "owner_kind": claim.owner.kind,
            "owner_id": claim.owner.id,
            "line": claim.line,
            "day": claim.day,
            "quantity": claim.quantity,
        }),
        StockMovement::Release { owner, line } => json!({
            "movement": "release",
            "owner_kind": owner.kind,
            "owner_id": owner.id,
            "line": line,
        }),
        StockMovement::Confirm { owner, at } => json!({
            "movement": "confirm",
            "owner_kind": owner.kind,
            "owner_id": owner.id,
            "at": nanoseconds(*at),
        }),
    }
}

/// Installs the facts that are newer and answers every position as it then is.
pub(super) async fn install(
    pool: &PgPool,
    facts: &[StockSnapshot],
) -> Result<Vec<StockPosition>, StoreError> {
    let facts: Value = facts.iter().map(given_fact).collect();
    let rows = sqlx::query(
        "SELECT company, item, site, as_of, first_day::text AS first_day, available, claimed FROM install_stock($1)",
    )
    .bind(facts)
    .fetch_all(pool)
    .await?;
    rows.iter().map(read_position).collect()
}

fn given_fact(fact: &StockSnapshot) -> Value {
    json!({
        "company": fact.key.company,
        "item": fact.key.item,
        "site": fact.key.site,
        "as_of": nanoseconds(fact.as_of),
        "lag": duration(fact.lag),
        "first_day": fact.first_day,
        "available": fact.available.by_day(),
    })
}

/// Positions of the keys that have one, and what the owner holds of them.
pub(super) async fn positions(
    server: impl PgExecutor<'_>,
    keys: &[StockKey],
    own: Option<Owner>,
) -> Result<Vec<StockPosition>, StoreError> {
    let [companies, items, sites] = columns(keys);
    let rows = sqlx::query(
        "SELECT company, item, site, as_of, first_day::text AS first_day, available, claimed, own.days, own.quantities
         FROM unnest($1::text[], $2::text[], $3::text[]) WITH ORDINALITY AS asked (company, item, site, place)
         JOIN stock USING (company, item, site)
         CROSS JOIN LATERAL (
            SELECT coalesce(array_agg(m.day::text ORDER BY m.id), '{}') AS days,
                coalesce(array_agg(m.quantity ORDER BY m.id), '{}') AS quantities
            FROM stock_movement AS m
            WHERE m.owner_id = $4 AND m.owner_kind = $5
                AND (m.company, m.item, m.site) = (stock.company, stock.item, stock.site)
         ) AS own
         ORDER BY place",
    )
    .bind(companies)
    .bind(items)
    .bind(sites)
    .bind(own.map(|owner| owner.id))
    .bind(own.map(|owner| word(&owner.kind)).transpose()?)
    .fetch_all(server)
    .await?;
    rows.iter().map(read_with_own).collect()
}

fn columns(keys: &[StockKey]) -> [Vec<String>; 3] {
    let parts: [fn(&StockKey) -> &str; 3] = [
        |key| key.company.as_str(),
        |key| key.item.as_str(),
        |key| key.site.as_str(),
    ];
    parts.map(|part| keys.iter().map(|key| part(key).to_owned()).collect())
}

/// The same without the claims of others that the source may count already.
pub(super) async fn at_best(
    pool: &PgPool,
    keys: &[StockKey],
    own: Owner,
) -> Result<Vec<StockPosition>, StoreError> {
    let mut state = pool
        .begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        .await?;
    let mut found = positions(&mut *state, keys, Some(own)).await?;
    let [companies, items, sites] = columns(keys);
    let counted = sqlx::query(
        "SELECT company, item, site, day::text AS day, quantity FROM stock_movement AS m
         WHERE (company, item, site) IN (SELECT * FROM unnest($1::text[], $2::text[], $3::text[]))
            AND NOT (owner_id = $4 AND owner_kind = $5)
            AND (confirmed_at IS NOT NULL OR EXISTS (SELECT FROM effect
                WHERE order_id = m.owner_id AND kind = $6 AND attempt > 0 AND state IN ('pending', 'leased')))",
    )
    .bind(companies)
    .bind(items)
    .bind(sites)
    .bind(own.id)
    .bind(word(&own.kind)?)
    .bind(EffectKind::CreateErpOrder.word())
    .fetch_all(&mut *state)
    .await?;
    state.commit().await?;
    for claim in &counted {
        let key = read_key(claim)?;
        let (day, quantity): (_, Decimal) = (claim.parsed("day")?, claim.try_get("quantity")?);
        if let Some(row) = found.iter_mut().find(|row| row.key == key) {
            row.take(day, -quantity);
        }
    }
    Ok(found)
}

fn read_with_own(row: &PgRow) -> Result<StockPosition, StoreError> {
    let mut position = read_position(row)?;
    let days: Vec<String> = row.try_get("days")?;
    let quantities: Vec<Decimal> = row.try_get("quantities")?;
    for (day, quantity) in days.iter().zip(quantities) {
        position.hold(day.parse().map_err(failed)?, quantity);
    }
    Ok(position)
}

fn read_key(row: &PgRow) -> Result<StockKey, StoreError> {
    let (company, item, site): (CompanyId, ItemNumber, SiteId) = (
        row.parsed("company")?,
        row.parsed("item")?,
        row.parsed("site")?,
    );
    Ok(StockKey::new(company, item, site))
}

fn read_position(row: &PgRow) -> Result<StockPosition, StoreError> {
    let by_day = |column: &str| -> Result<Steps, StoreError> {
        let days: Vec<Decimal> = row.try_get(column)?;
        Ok(days.into_iter().collect())
    };
    Ok(StockPosition {
        key: read_key(row)?,
        as_of: row.at("as_of")?,
        first_day: row.parsed("first_day")?,
        available: by_day("available")?,
        claimed: by_day("claimed")?,
        own: Steps::default(),
    })
}
