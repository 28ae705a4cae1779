//! Forms of the shop, and quantities as buyers type them.

use axum::{
    body::Bytes,
    extract::{FromRequest, Request, rejection::BytesRejection},
    response::{IntoResponse, Response},
};
use canonical_model::decimal;
use http::StatusCode;
use rust_decimal::Decimal;

use super::refusal::Refusal;
use crate::punchout::visit::cart::MOST_QUANTITY;

/// The fields of a form, in their order.
#[derive(Debug, Default)]
pub(super) struct Fields(Vec<(String, String)>);

impl Fields {
    /// Of a body or a query.
    pub(super) fn read(bytes: &[u8]) -> Self {
        Self(form_urlencoded::parse(bytes).into_owned().collect())
    }

    /// A field's value; the first where there are several.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let mut fields = self.0.iter();
        fields
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// All fields.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

/// A posted form; what is wrong with the body is for the handler, which knows the page.
pub(super) struct Posted(pub(super) Result<Fields, Refusal>);

impl<S: Send + Sync> FromRequest<S> for Posted {
    type Rejection = std::convert::Infallible;

    async fn from_request(request: Request, state: &S) -> Result<Self, Self::Rejection> {
        let bytes = Bytes::from_request(request, state).await;
        Ok(Self(match bytes {
            Ok(bytes) => Ok(Fields::read(&bytes)),
            Err(rejection) => Err(unread(rejection)),
        }))
    }
}

fn unread(rejection: BytesRejection) -> Refusal {
    let response: Response = rejection.into_response();
    if response.status() == StatusCode::PAYLOAD_TOO_LARGE {
        Refusal::too_large()
    } else {
        Refusal::bad_form("The form did not arrive whole. Go back and send it again.")
    }
}

/// Reads a quantity exactly as it is typed. An error is a sentence for the buyer.
pub(super) fn quantity(typed: &str) -> Result<Decimal, String> {
    const HOW: &str = "write digits, with a decimal point where one is needed, such as 12 or 12.5";
    let typed = typed.trim();
    if typed.is_empty() {
        return Err("Enter a quantity.".to_owned());
    }
    let Ok(quantity) = decimal::parse(typed) else {
        let shown: String = typed.chars().take(20).collect();
        return Err(if typed.contains(',') {
            format!("“{shown}” can be read in two ways: {HOW}, and no commas.")
        } else {
            format!("“{shown}” is not a quantity: {HOW}.")
        });
    };
    if quantity < Decimal::ZERO {
        return Err("A quantity is not negative: enter 0 or more.".to_owned());
    }
    if quantity > MOST_QUANTITY {
        return Err("This is more than an order may hold: enter a smaller quantity.".to_owned());
    }
    Ok(quantity)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("12", "12")]
    #[case(" 12.50 ", "12.50")]
    #[case("0", "0")]
    #[case("0.001", "0.001")]
    fn plain_decimals_are_taken_as_they_are(#[case] typed: &str, #[case] read: &str) {
        assert_eq!(quantity(typed).unwrap().to_string(), read);
    }

    #[rstest]
    #[case("", "Enter a quantity")]
    #[case("1,5", "two ways")]
    #[case("1,000", "two ways")]
    #[case("1e3", "not a quantity")]
    #[case("ten", "not a quantity")]
    #[case("+1", "not a quantity")]
    #[case("1 000", "not a quantity")]
    #[case("-1", "not negative")]
    #[case("1000000001", "smaller")]
    fn all_else_is_refused_with_what_to_do(#[case] typed: &str, #[case] said: &str) {
        let sentence = quantity(typed).unwrap_err();
        assert!(sentence.contains(said), "{sentence}");
    }
}
