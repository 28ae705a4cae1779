//! The rows of the credit ledger: movements as `commit_credit` applies them, newer facts, levels.

use rust_decimal::Decimal;
use serde_json::{Value, json};
use sqlx::{PgPool, Row as _, postgres::PgRow};

use super::{
    super::{CreditKey, CreditLevel, CreditLevelFact, CreditMovement, StoreError},
    value::{Columns as _, duration, nanoseconds},
};

/// The movements as `commit_credit` takes them.
pub(super) fn given(movements: &[CreditMovement]) -> Result<Value, StoreError> {
    Ok(movements.iter().map(given_one).collect())
}

fn given_one(movement: &CreditMovement) -> Value {
    match movement {
        CreditMovement::Claim(claim) => json!({
            "movement": "claim",
            "levels": claim.levels,
            "owner_kind": claim.owner.kind,
            "owner_id": claim.owner.id,
            "amount": claim.amount,
            "limit_is_exclusive": claim.limit_is_exclusive,
            "forced": claim.forced,
        }),
        CreditMovement::Release { owner } => json!({
            "movement": "release",
            "owner_kind": owner.kind,
            "owner_id": owner.id,
        }),
        CreditMovement::Confirm { owner, at } => json!({
            "movement": "confirm",
            "owner_kind": owner.kind,
            "owner_id": owner.id,
            "at": nanoseconds(*at),
        }),
    }
}

/// Installs the facts that are newer and answers every level as it then is.
pub(super) async fn install(
    pool: &PgPool,
    facts: &[CreditLevelFact],
) -> Result<Vec<CreditLevel>, StoreError> {
    let facts: Value = facts.iter().map(given_fact).collect();
    let rows = sqlx::query("SELECT * FROM install_credit($1)")
        .bind(facts)
        .fetch_all(pool)
        .await?;
    rows.iter().map(read_level).collect()
}

fn given_fact(fact: &CreditLevelFact) -> Value {
    json!({
        "company": fact.key.company,
        "account": fact.key.account,
        "as_of": nanoseconds(fact.as_of),
        "lag": duration(fact.lag),
        "currency": fact.currency.code(),
        "credit_limit": fact.limit,
        "exposure": fact.exposure,
        "blocked": fact.blocked,
    })
}

/// The levels that are known, in the order asked for.
pub(super) async fn levels(
    pool: &PgPool,
    keys: &[CreditKey],
) -> Result<Vec<CreditLevel>, StoreError> {
    let (companies, accounts): (Vec<String>, Vec<String>) = keys
        .iter()
        .map(|key| (key.company.to_string(), key.account.to_string()))
        .unzip();
    let rows = sqlx::query(
        "SELECT credit.* FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS asked (company, account, place)
         JOIN credit USING (company, account) ORDER BY place",
    )
    .bind(companies)
    .bind(accounts)
    .fetch_all(pool)
    .await?;
    rows.iter().map(read_level).collect()
}

fn read_level(row: &PgRow) -> Result<CreditLevel, StoreError> {
    let limit: Option<Decimal> = row.try_get("credit_limit")?;
    Ok(CreditLevel {
        key: CreditKey {
            company: row.parsed("company")?,
            account: row.parsed("account")?,
        },
        as_of: row.at("as_of")?,
        currency: row.word("currency")?,
        limit,
        exposure: row.try_get("exposure")?,
        claimed: row.try_get("claimed")?,
        blocked: row.try_get("blocked")?,
    })
}
