//! The facts of a decision as they are stored: each member once, by content, and referred to. Pure.

use std::collections::{BTreeMap, BTreeSet};

use canonical_model::{AccountId, decision::DecisionStep};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, value::RawValue};
use service_runtime::fingerprint;
use uuid::Uuid;

use super::{NewDecision, Written};

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
    /// Each element by itself: so earlier releases wrote a list. Two orders seldom share one, and each reference costs two
    /// rows of an index.
    List(Vec<String>),
}

/// Contents by their keys: the SHA-256 of each, in hexadecimal.
pub(super) type Contents = BTreeMap<String, String>;

impl Facts {
    /// Takes the facts apart.
    pub(super) fn split(facts: &Written) -> serde_json::Result<(Self, Contents)> {
        let mut contents = Contents::new();
        if !facts.as_str().starts_with('{') {
            let whole = Self::Whole(put(&mut contents, facts.as_str()));
            return Ok((whole, contents));
        }
        let members: BTreeMap<String, &RawValue> = serde_json::from_str(facts.as_str())?;
        let members = members.into_iter().map(|(name, member)| {
            let key = put(&mut contents, member.get());
            (name, Member::One(key))
        });
        Ok((Self::Members(members.collect()), contents))
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
    request: &'a Written,
    facts: (),
    steps: &'a [DecisionStep],
    outcome: &'a Written,
}

impl<'a> From<&'a NewDecision> for WithoutFacts<'a> {
    fn from(decision: &'a NewDecision) -> Self {
        let NewDecision {
            decision_id,
            kind,
            account,
            subject,
            decided_at,
            request,
            facts: _,
            steps,
            outcome,
        } = decision;
        Self {
            decision_id: *decision_id,
            kind,
            account,
            subject,
            decided_at: *decided_at,
            request,
            facts: (),
            steps,
            outcome,
        }
    }
}

fn put(contents: &mut Contents, content: &str) -> String {
    let key = fingerprint::sha256([content.as_bytes()]);
    contents.insert(key.clone(), content.to_owned());
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
            let (split, contents) = Facts::split(&Written::of(&facts).unwrap()).unwrap();
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

    #[test]
    fn facts_of_an_earlier_release_have_the_elements_of_a_list_by_themselves() {
        let facts: Facts = serde_json::from_str(
            r#"{"members":{"stock":{"list":["a","b","a"]},"none":{"list":[]}}}"#,
        )
        .unwrap();
        assert!(facts.keys().into_iter().eq(["a", "b"]));
        let contents =
            [("a", "1"), ("b", "2")].map(|(key, fact)| (key.to_owned(), fact.to_owned()));
        assert_eq!(
            facts.join(&Contents::from(contents)),
            Some(json!({"stock": [1, 2, 1], "none": []}))
        );
    }
}
