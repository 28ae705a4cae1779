//! The facts of a decision as they are stored: once each, by content, and referred to. The members of the facts, and the
//! elements of a member that is a list, so that two orders priced from one answer share it. Pure.

use std::collections::{BTreeMap, BTreeSet};

use canonical_model::{
    AccountId,
    decision::{DecisionRecord, DecisionStep},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use service_runtime::fingerprint;
use uuid::Uuid;

/// Where the facts of a record are: the keys of their contents.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Facts {
    Whole(String),
    Members(BTreeMap<String, Member>),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Member {
    One(String),
    List(Vec<String>),
}

/// Contents by their keys: the SHA-256 of each, in hexadecimal.
pub(super) type Contents = BTreeMap<String, String>;

impl Facts {
    /// Takes the facts apart.
    pub(super) fn split(facts: &Value) -> (Self, Contents) {
        let mut contents = Contents::new();
        let Value::Object(members) = facts else {
            let whole = Self::Whole(put(&mut contents, facts));
            return (whole, contents);
        };
        let mut kept = BTreeMap::new();
        for (name, member) in members {
            let member = match member {
                Value::Array(list) => {
                    let keys = list.iter().map(|element| put(&mut contents, element));
                    Member::List(keys.collect())
                }
                Value::Null
                | Value::Bool(_)
                | Value::Number(_)
                | Value::String(_)
                | Value::Object(_) => Member::One(put(&mut contents, member)),
            };
            kept.insert(name.clone(), member);
        }
        (Self::Members(kept), contents)
    }

    /// The keys of all contents that the facts are made of.
    pub(super) fn keys(&self) -> BTreeSet<&str> {
        let members = match self {
            Self::Whole(key) => return BTreeSet::from([key.as_str()]),
            Self::Members(members) => members,
        };
        let keys = members.values().flat_map(|member| match member {
            Member::One(key) => std::slice::from_ref(key),
            Member::List(keys) => keys,
        });
        keys.map(String::as_str).collect()
    }

    /// Puts the facts together again; None = a content is missing, or is not what was written.
    pub(super) fn join(&self, contents: &Contents) -> Option<Value> {
        let get = |key: &String| serde_json::from_str::<Value>(contents.get(key)?).ok();
        let members = match self {
            Self::Whole(key) => return get(key),
            Self::Members(members) => members,
        };
        let mut facts = Map::new();
        for (name, member) in members {
            let value = match member {
                Member::One(key) => get(key)?,
                Member::List(keys) => Value::Array(keys.iter().map(get).collect::<Option<_>>()?),
            };
            facts.insert(name.clone(), value);
        }
        Some(Value::Object(facts))
    }
}

/// A record as it is stored: its facts stand for themselves.
#[derive(Serialize)]
pub(super) struct WithoutFacts<'a> {
    decision_id: Uuid,
    kind: &'a str,
    account: &'a AccountId,
    subject: &'a str,
    decided_at: Timestamp,
    request: &'a Value,
    facts: Value,
    steps: &'a [DecisionStep],
    outcome: &'a Value,
}

impl<'a> From<&'a DecisionRecord> for WithoutFacts<'a> {
    fn from(record: &'a DecisionRecord) -> Self {
        let DecisionRecord {
            decision_id,
            kind,
            account,
            subject,
            decided_at,
            request,
            facts: _,
            steps,
            outcome,
        } = record;
        Self {
            decision_id: *decision_id,
            kind,
            account,
            subject,
            decided_at: *decided_at,
            request,
            facts: Value::Null,
            steps,
            outcome,
        }
    }
}

fn put(contents: &mut Contents, fact: &Value) -> String {
    let content = fact.to_string();
    let key = fingerprint::sha256([content.as_bytes()]);
    contents.insert(key.clone(), content);
    key
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn facts_come_together_as_they_were_and_what_is_missing_is_seen() {
        for facts in [
            json!({"account": {"id": "A-1"}, "stock": [{"item": "1"}, {"item": "1"}], "none": [], "credit": null}),
            json!("one"),
            json!({}),
        ] {
            let (split, contents) = Facts::split(&facts);
            assert!(
                split
                    .keys()
                    .into_iter()
                    .eq(contents.keys().map(String::as_str))
            );
            assert_eq!(split.join(&contents), Some(facts.clone()));
            if !contents.is_empty() {
                assert_eq!(split.join(&Contents::new()), None, "{facts}");
            }
        }
    }
}
