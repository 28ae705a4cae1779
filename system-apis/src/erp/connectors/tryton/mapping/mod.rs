//! Between Tryton's records and canonical shapes. No I/O; an answer is input like any other, so everything is checked.

mod amendment;
mod facts;
mod invoices;
mod orders;
mod stock;
mod units;

#[cfg(test)]
mod tests;

use std::str::FromStr;

use canonical_model::Currency;
use rust_decimal::Decimal;

use super::wire;

pub(super) use amendment::amendment;
pub(super) use facts::{account, credit, gtins, is_named, price, product, ship_to_address};
pub(super) use invoices::invoice;
pub(super) use orders::{Named, new_sale, order, order_id, order_number, state};
pub(super) use stock::{Rows, stock};
pub(super) use units::{Unit, Units};

/// Why a record is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field} of {key} is {value:?}, which {why}")]
pub(super) struct Implausible {
    field: &'static str,
    key: String,
    value: String,
    why: &'static str,
}

/// Reads the fields of one record; remembers whose they are.
struct Row<'a>(&'a str);

impl Row<'_> {
    fn refuse(&self, field: &'static str, value: impl ToString, why: &'static str) -> Implausible {
        Implausible {
            field,
            key: self.0.to_owned(),
            value: value.to_string().chars().take(60).collect(),
            why,
        }
    }

    fn parse<T: FromStr>(
        &self,
        field: &'static str,
        value: Option<&str>,
    ) -> Result<T, Implausible> {
        let value = value.unwrap_or_default();
        value
            .parse()
            .map_err(|_error| self.refuse(field, value, "cannot be read"))
    }

    fn currency(&self, currency: Option<&wire::Coded>) -> Result<Currency, Implausible> {
        let code = currency.and_then(|currency| currency.code.as_deref());
        let code = code.unwrap_or_default();
        Currency::from_code(code)
            .ok_or_else(|| self.refuse("currency", code, "is not an ISO 4217 code"))
    }

    /// A number that is not negative, without needless zeros.
    fn count(&self, field: &'static str, value: Decimal) -> Result<Decimal, Implausible> {
        if value.is_sign_negative() && !value.is_zero() {
            return Err(self.refuse(field, value, "must not be negative"));
        }
        Ok(value.normalize())
    }
}

fn present(text: Option<&str>) -> Option<String> {
    text.map(str::trim)
        .filter(|text| !text.is_empty())
        .map(str::to_owned)
}
