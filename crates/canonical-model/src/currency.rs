//! Currencies as they come in: a wrong code is told in a sentence, not by listing all there are.
//!
//! For `#[serde(deserialize_with = "…")]` on fields that callers fill.

use iso_currency::Currency;
use serde::{Deserialize, Deserializer, de};

const HINT: &str = "give an ISO 4217 code such as USD";

/// A currency that must be there.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Currency, D::Error> {
    let code = String::deserialize(deserializer)?;
    Currency::from_code(&code).ok_or_else(|| de::Error::custom(HINT))
}

/// A currency that may be absent; use it with `default`.
pub fn deserialize_option<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Currency>, D::Error> {
    let code = Option::<String>::deserialize(deserializer)?;
    code.map(|code| Currency::from_code(&code).ok_or_else(|| de::Error::custom(HINT)))
        .transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    struct Asked {
        #[serde(deserialize_with = "deserialize")]
        first: Currency,
        #[serde(default, deserialize_with = "deserialize_option")]
        second: Option<Currency>,
    }

    #[test]
    fn a_wrong_code_is_told_in_a_sentence() {
        for text in [
            r#"{"first": "US"}"#,
            r#"{"first": "usd"}"#,
            r#"{"first": "USD", "second": ""}"#,
        ] {
            let error = serde_json::from_str::<Asked>(text).unwrap_err().to_string();
            assert!(error.starts_with(HINT), "{error}");
        }
    }

    #[test]
    fn a_right_code_and_none_are_read() {
        let asked: Asked = serde_json::from_str(r#"{"first": "EUR", "second": null}"#).unwrap();
        assert_eq!((asked.first, asked.second), (Currency::EUR, None));
        let asked: Asked = serde_json::from_str(r#"{"first": "USD", "second": "CAD"}"#).unwrap();
        assert_eq!(
            (asked.first, asked.second),
            (Currency::USD, Some(Currency::CAD))
        );
        assert!(serde_json::from_str::<Asked>("{}").is_err());
    }
}
