//! Cursor pagination: an opaque cursor over the sort key of the last item, stable under inserts.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::problem::{FieldError, Problem};

pub const DEFAULT_LIMIT: u32 = 50;
pub const MAX_LIMIT: u32 = 200;
const MAX_CURSOR: usize = 1024;

/// What a caller may ask of a list.
#[derive(Clone, Debug, Default, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct PageQuery {
    /// How many items at most, 1 to 200; 50 if not given.
    #[serde(default)]
    #[param(minimum = 1, maximum = 200)]
    pub limit: Option<u32>,
    /// `next` of the page before.
    #[serde(default)]
    pub cursor: Option<String>,
}

impl PageQuery {
    pub fn limit(&self) -> Result<u32, Problem> {
        let limit = self.limit.unwrap_or(DEFAULT_LIMIT);
        if (1..=MAX_LIMIT).contains(&limit) {
            return Ok(limit);
        }
        let detail = format!("Ask for 1 to {MAX_LIMIT} items.");
        Err(Problem::validation(vec![FieldError::new(
            "?limit",
            "out-of-range",
            detail,
        )]))
    }

    /// Where the page before ended; `None` for the first page.
    pub fn after<K: DeserializeOwned>(&self) -> Result<Option<K>, Problem> {
        self.cursor.as_deref().map(decode_cursor).transpose()
    }
}

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// The cursor of the next page; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

impl<T> Page<T> {
    /// From up to `limit + 1` items: one more than asked for tells that there is a next page.
    pub fn from_probe<K: Serialize>(
        mut items: Vec<T>,
        limit: u32,
        key: impl Fn(&T) -> K,
    ) -> Result<Self, Problem> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let more = items.len() > limit;
        items.truncate(limit);
        let last = items.last().filter(|_| more);
        let next = last.map(|item| encode_cursor(&key(item))).transpose()?;
        Ok(Self { items, next })
    }

    pub fn map<U>(self, change: impl FnMut(T) -> U) -> Page<U> {
        Page {
            items: self.items.into_iter().map(change).collect(),
            next: self.next,
        }
    }
}

pub fn encode_cursor<K: Serialize>(key: &K) -> Result<String, Problem> {
    let json = serde_json::to_vec(key).map_err(|error| Problem::internal(&error))?;
    Ok(URL_SAFE_NO_PAD.encode(json))
}

pub fn decode_cursor<K: DeserializeOwned>(text: &str) -> Result<K, Problem> {
    let bytes = Some(text)
        .filter(|text| text.len() <= MAX_CURSOR)
        .and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
    let key = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    key.ok_or_else(|| {
        let fault = FieldError::new(
            "?cursor",
            "invalid-cursor",
            "Use `next` of a page as it was given.",
        );
        Problem::invalid_request("The cursor is not one of ours.").with_error(fault)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_chain_until_the_last() {
        let page = Page::from_probe(vec![1, 2, 3], 2, |item| (*item, "id".to_owned())).unwrap();
        assert_eq!(page.items, [1, 2]);
        let query = PageQuery {
            cursor: page.next,
            limit: None,
        };
        assert_eq!(
            query.after::<(i32, String)>().unwrap(),
            Some((2, "id".to_owned()))
        );
        assert_eq!(
            Page::from_probe(vec![3], 2, |item| *item).unwrap().next,
            None
        );
    }

    #[test]
    fn limits_and_cursors_are_checked() {
        let limit = |limit| {
            PageQuery {
                limit: Some(limit),
                cursor: None,
            }
            .limit()
        };
        assert!(limit(1).is_ok() && limit(200).is_ok());
        assert_eq!(limit(0).unwrap_err().status, 422);
        assert_eq!(limit(201).unwrap_err().status, 422);
        for cursor in ["!", "e30", &"A".repeat(2_000)] {
            assert_eq!(
                decode_cursor::<(i32, String)>(cursor).unwrap_err().status,
                400
            );
        }
    }
}
