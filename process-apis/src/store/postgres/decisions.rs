//! Decision records, and the facts they were made from.

use canonical_model::{CompanyId, decision::DecisionRecord};
use serde_json::{Value, json};
use sqlx::{PgPool, Row as _, types::Json};
use uuid::Uuid;

use super::{
    super::{
        NewDecision, StoreError,
        facts::{Contents, Facts, WithoutFacts},
    },
    commit::Parts,
    value::{Columns as _, broken, failed},
};

/// The record as `commit_decision` takes it.
pub(super) fn given(record: &NewDecision, parts: &mut Parts) -> Result<Value, StoreError> {
    let (facts, contents) = Facts::split(&record.facts).map_err(failed)?;
    let contents = contents
        .into_iter()
        .map(|(hash, content)| json!({"hash": hash, "content": parts.ready(content)}));
    let contents: Value = contents.collect();
    Ok(json!({
        "id": record.decision_id,
        "subject": record.subject.parse::<Uuid>().ok(),
        "record": parts.text(&WithoutFacts::from(record))?,
        "facts": parts.text(&facts)?,
        "contents": contents,
    }))
}

pub(super) async fn read(
    pool: &PgPool,
    id: Uuid,
) -> Result<Option<(CompanyId, DecisionRecord)>, StoreError> {
    // The strings in the facts are the keys of their contents.
    let found = sqlx::query(
        "SELECT company, record, facts, (
            SELECT coalesce(jsonb_object_agg(encode(hash, 'hex'), content), '{}') FROM fact_blob WHERE hash IN (
                SELECT decode(key #>> '{}', 'hex')
                FROM jsonb_path_query(facts::jsonb, 'strict $.** ? (@.type() == \"string\")') AS key)
         ) AS contents
         FROM decision WHERE id = $1",
    )
    .bind(id)
    .fetch_optional(pool)
    .await?;
    let Some(row) = found else { return Ok(None) };
    let mut record: DecisionRecord = row.json("record")?;
    let facts: Facts = row.json("facts")?;
    let Json(contents): Json<Contents> = row.try_get("contents")?;
    record.facts = facts
        .join(&contents)
        .ok_or_else(|| broken("a fact of a decision is missing"))?;
    Ok(Some((row.parsed("company")?, record)))
}
