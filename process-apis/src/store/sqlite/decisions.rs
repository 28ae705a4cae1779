//! Decision records, and the facts they were made from.

use canonical_model::{CompanyId, decision::DecisionRecord};
use rusqlite::{Connection, OptionalExtension, params};
use uuid::Uuid;

use super::{
    super::{
        Cause, NewDecision, StoreError,
        facts::{Contents, Facts, WithoutFacts},
    },
    value::{Id, Json, Text, broken},
};

pub(super) fn write(
    connection: &Connection,
    cause: &Cause,
    record: &NewDecision,
) -> Result<(), StoreError> {
    let split = Facts::split(&record.facts);
    let (facts, contents) = split.map_err(|error| StoreError::Failed(error.into()))?;
    for (key, content) in contents {
        connection
            .prepare_cached(
                "INSERT INTO fact_blob (hash, content) VALUES (unhex(?1), ?2) ON CONFLICT (hash) DO NOTHING",
            )?
            .execute([key, content])?;
    }
    connection
        .prepare_cached(
            "INSERT INTO decision (id, company, record, facts, subject) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![
            Id(record.decision_id),
            cause.company.as_str(),
            Json(WithoutFacts::from(record)),
            Json(&facts),
            record.subject.parse().ok().map(Id),
        ])?;
    for key in facts.keys() {
        connection
            .prepare_cached("INSERT INTO decision_fact (decision, hash) VALUES (?1, unhex(?2))")?
            .execute(params![Id(record.decision_id), key])?;
    }
    Ok(())
}

pub(super) fn read(
    connection: &Connection,
    id: Uuid,
) -> Result<Option<(CompanyId, DecisionRecord)>, StoreError> {
    let found: Option<(Text<CompanyId>, Json<DecisionRecord>, Json<Facts>)> = connection
        .prepare_cached("SELECT company, record, facts FROM decision WHERE id = ?1")?
        .query_row([Id(id)], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    let Some((Text(company), Json(mut record), Json(facts))) = found else {
        return Ok(None);
    };
    let mut contents = Contents::new();
    for key in facts.keys() {
        let content: Option<String> = connection
            .prepare_cached("SELECT content FROM fact_blob WHERE hash = unhex(?1)")?
            .query_row([key], |row| row.get(0))
            .optional()?;
        contents.extend(content.map(|content| (key.to_owned(), content)));
    }
    record.facts = facts
        .join(&contents)
        .ok_or_else(|| broken("a fact of a decision is missing"))?;
    Ok(Some((company, record)))
}
