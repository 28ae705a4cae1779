//! Decision records. Their facts are stored once, by content: the members of the facts, and the elements of a member
//! that is a list, so that two orders priced from one answer share it.

use std::collections::BTreeMap;

use aws_lc_rs::digest;
use canonical_model::{CompanyId, decision::DecisionRecord};
use rusqlite::{Connection, OptionalExtension, params};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::{
    super::{Cause, StoreError},
    value::{Id, Json, Text, broken},
};

/// Where the facts of a record are: the keys of `fact_blob`, in hexadecimal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Facts {
    Whole(String),
    Members(BTreeMap<String, Member>),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Member {
    One(String),
    List(Vec<String>),
}

pub(super) fn write(
    connection: &Connection,
    cause: &Cause,
    record: &DecisionRecord,
) -> Result<(), StoreError> {
    let facts = write_facts(connection, &record.facts)?;
    let mut slim =
        serde_json::to_value(record).map_err(|error| StoreError::Failed(error.into()))?;
    if let Some(member) = slim.get_mut("facts") {
        *member = Value::Null;
    }
    connection
        .prepare_cached(
            "INSERT INTO decision (id, company, record, facts) VALUES (?1, ?2, ?3, ?4)",
        )?
        .execute(params![
            Id(record.decision_id),
            cause.company.as_str(),
            Json(slim),
            Json(facts)
        ])?;
    Ok(())
}

fn write_facts(connection: &Connection, facts: &Value) -> Result<Facts, StoreError> {
    let Value::Object(members) = facts else {
        return write_blob(connection, facts).map(Facts::Whole);
    };
    let mut written = BTreeMap::new();
    for (name, member) in members {
        let keys = match member {
            Value::Array(list) => {
                let keys = list.iter().map(|element| write_blob(connection, element));
                Member::List(keys.collect::<Result<_, _>>()?)
            }
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Object(_) => Member::One(write_blob(connection, member)?),
        };
        written.insert(name.clone(), keys);
    }
    Ok(Facts::Members(written))
}

fn write_blob(connection: &Connection, fact: &Value) -> Result<String, StoreError> {
    let content = fact.to_string();
    let hash = digest::digest(&digest::SHA256, content.as_bytes());
    connection
        .prepare_cached(
            "INSERT INTO fact_blob (hash, content) VALUES (?1, ?2) ON CONFLICT (hash) DO NOTHING",
        )?
        .execute(params![hash.as_ref(), content])?;
    Ok(hex(hash.as_ref()))
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
    record.facts = read_facts(connection, facts)?;
    Ok(Some((company, record)))
}

fn read_facts(connection: &Connection, facts: Facts) -> Result<Value, StoreError> {
    let members = match facts {
        Facts::Whole(key) => return read_blob(connection, &key),
        Facts::Members(members) => members,
    };
    let mut read = serde_json::Map::new();
    for (name, member) in members {
        let value = match member {
            Member::One(key) => read_blob(connection, &key)?,
            Member::List(keys) => {
                let elements = keys.iter().map(|key| read_blob(connection, key));
                Value::Array(elements.collect::<Result<_, _>>()?)
            }
        };
        read.insert(name, value);
    }
    Ok(Value::Object(read))
}

fn read_blob(connection: &Connection, key: &str) -> Result<Value, StoreError> {
    let content: Option<Json<Value>> = connection
        .prepare_cached("SELECT content FROM fact_blob WHERE hash = unhex(?1)")?
        .query_row([key], |row| row.get(0))
        .optional()?;
    content
        .map(|fact| fact.0)
        .ok_or_else(|| broken("a fact of a decision is missing"))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
