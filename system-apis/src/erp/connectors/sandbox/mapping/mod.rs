//! Between the ERP's shapes and canonical ones. No I/O; an answer is input like any other, so everything is checked.

mod facts;
mod orders;

use std::str::FromStr;

use canonical_model::{Currency, UnitOfMeasure, decimal};
use jiff::civil::Date;
use rust_decimal::Decimal;

use super::wire;

pub(super) use facts::{account, credit, gtin14, holder, is_named, price, product, stock};
pub(super) use orders::{amendment, invoice, new_order, order};

/// Why a row is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field} of {key} is {value:?}, which {why}")]
pub(super) struct Implausible {
    field: &'static str,
    key: String,
    value: String,
    why: &'static str,
}

/// Reads the fields of one row; remembers whose they are.
struct Row<'a>(&'a str);

impl Row<'_> {
    fn refuse(&self, field: &'static str, value: &str, why: &'static str) -> Implausible {
        Implausible {
            field,
            key: self.0.to_owned(),
            value: value.chars().take(60).collect(),
            why,
        }
    }

    fn parse<T: FromStr>(&self, field: &'static str, value: &str) -> Result<T, Implausible> {
        value
            .parse()
            .map_err(|_error| self.refuse(field, value, "cannot be read"))
    }

    /// A number; a minus stands behind it.
    fn decimal(&self, field: &'static str, value: &str) -> Result<Decimal, Implausible> {
        let parsed = match value.strip_suffix('-') {
            Some(digits) => decimal::parse(digits).map(|number| -number),
            None => decimal::parse(value),
        };
        parsed.map_err(|_error| self.refuse(field, value, "is not a number"))
    }

    /// A number that is not negative, without needless zeros.
    fn count(&self, field: &'static str, value: &str) -> Result<Decimal, Implausible> {
        let number = self.decimal(field, value)?;
        if number.is_sign_negative() && !number.is_zero() {
            return Err(self.refuse(field, value, "must not be negative"));
        }
        Ok(number.normalize())
    }

    fn date(&self, field: &'static str, value: &str) -> Result<Date, Implausible> {
        Date::strptime("%Y%m%d", value)
            .map_err(|_error| self.refuse(field, value, "is not a date such as 20261120"))
    }

    fn currency(&self, value: &str) -> Result<Currency, Implausible> {
        Currency::from_code(value)
            .ok_or_else(|| self.refuse("WAERS", value, "is not an ISO 4217 code"))
    }

    fn unit(&self, field: &'static str, value: &str) -> Result<UnitOfMeasure, Implausible> {
        UnitOfMeasure::from_code(wire::rec20(value))
            .map_err(|_error| self.refuse(field, value, "is not a unit"))
    }

    /// The price of one unit: `price` holds for `per` of them.
    fn unit_price(&self, price: &str, per: &str) -> Result<Decimal, Implausible> {
        let (amount, units) = (self.decimal("NETPR", price)?, self.decimal("PEINH", per)?);
        if units == Decimal::ONE {
            return Ok(amount);
        }
        let each = (units > Decimal::ZERO)
            .then(|| amount.checked_div(units))
            .flatten()
            .map(|each| each.normalize())
            .filter(|each| each.scale() <= 9 && each.checked_mul(units) == Some(amount));
        each.ok_or_else(|| self.refuse("PEINH", per, "does not divide the price exactly"))
    }
}

fn present(text: &str) -> Option<String> {
    Some(text.to_owned()).filter(|text| !text.is_empty())
}
