//! Tryton's values in JSON. Amounts come as text in an object, quantities as JSON numbers: both become exact decimals, and
//! no number goes through a binary one.

use std::fmt;

use jiff::{
    Timestamp,
    civil::{Date, DateTime},
    tz::TimeZone,
};
use rust_decimal::Decimal;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::Error as _,
    ser::{Error as _, SerializeStruct},
};
use serde_json::value::RawValue;

/// An amount: `{"__class__":"Decimal","decimal":"36.0000"}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Amount(pub Decimal);

/// A quantity, which Tryton keeps as a binary number: `10.0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count(pub Decimal);

/// A day: `{"__class__":"date","year":2026,"month":11,"day":20}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day(pub Date);

/// An instant, told without a zone: the server and its database run in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Instant(pub Timestamp);

/// A duration in whole seconds; what is below is cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seconds(pub i64);

/// A record of any model: `"sale.sale,14"`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Reference {
    /// Such as `sale.sale`.
    pub model: String,
    /// Its id.
    pub id: i64,
}

/// A number as Python writes it: `-12.50`, `1E+2`, `0E-8`, `1e-05`.
fn number(text: &str) -> Option<Decimal> {
    if text.contains(['e', 'E']) {
        Decimal::from_scientific(text).ok()
    } else {
        Decimal::from_str_exact(text).ok()
    }
}

/// An object by its class; each is read as far as it is needed.
#[derive(Deserialize)]
struct Classed {
    __class__: String,
    decimal: Option<String>,
    year: Option<i16>,
    month: Option<i8>,
    day: Option<i8>,
    #[serde(default)]
    hour: i8,
    #[serde(default)]
    minute: i8,
    #[serde(default)]
    second: i8,
    #[serde(default)]
    microsecond: i32,
}

impl Classed {
    fn read<'de, D: Deserializer<'de>>(class: &str, deserializer: D) -> Result<Self, D::Error> {
        let value = Self::deserialize(deserializer)?;
        if value.__class__ != class {
            let found = value.__class__;
            return Err(D::Error::custom(format!(
                "a {class} was expected, not a {found}"
            )));
        }
        Ok(value)
    }

    fn date(&self) -> Option<Date> {
        Date::new(self.year?, self.month?, self.day?).ok()
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Classed::read("Decimal", deserializer)?;
        let read = value.decimal.as_deref().and_then(number);
        read.map(Self)
            .ok_or_else(|| D::Error::custom("an amount that cannot be read"))
    }
}

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("Decimal", 2)?;
        object.serialize_field("__class__", "Decimal")?;
        object.serialize_field("decimal", &self.0.to_string())?;
        object.end()
    }
}

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Box::<RawValue>::deserialize(deserializer)?;
        let read = number(text.get()).map(|count| Self(count.normalize()));
        read.ok_or_else(|| D::Error::custom("a quantity that cannot be read"))
    }
}

impl Serialize for Count {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = RawValue::from_string(self.0.to_string()).map_err(S::Error::custom)?;
        text.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Day {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let date = Classed::read("date", deserializer)?.date();
        date.map(Self)
            .ok_or_else(|| D::Error::custom("a day that does not exist"))
    }
}

impl Serialize for Day {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("date", 4)?;
        object.serialize_field("__class__", "date")?;
        object.serialize_field("year", &self.0.year())?;
        object.serialize_field("month", &self.0.month())?;
        object.serialize_field("day", &self.0.day())?;
        object.end()
    }
}

impl<'de> Deserialize<'de> for Instant {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Classed::read("datetime", deserializer)?;
        let nanoseconds = value.microsecond.checked_mul(1_000);
        let read = value
            .date()
            .zip(nanoseconds)
            .and_then(|(date, nanoseconds)| {
                let time =
                    jiff::civil::Time::new(value.hour, value.minute, value.second, nanoseconds)
                        .ok()?;
                let at = DateTime::from_parts(date, time);
                Some(at.to_zoned(TimeZone::UTC).ok()?.timestamp())
            });
        read.map(Self)
            .ok_or_else(|| D::Error::custom("an instant that does not exist"))
    }
}

impl Serialize for Instant {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let at = self.0.to_zoned(TimeZone::UTC).datetime();
        let mut object = serializer.serialize_struct("datetime", 8)?;
        object.serialize_field("__class__", "datetime")?;
        object.serialize_field("year", &at.year())?;
        object.serialize_field("month", &at.month())?;
        object.serialize_field("day", &at.day())?;
        object.serialize_field("hour", &at.hour())?;
        object.serialize_field("minute", &at.minute())?;
        object.serialize_field("second", &at.second())?;
        object.serialize_field("microsecond", &(at.subsec_nanosecond() / 1_000))?;
        object.end()
    }
}

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct TimeDelta {
            __class__: String,
            seconds: Count,
        }
        let value = TimeDelta::deserialize(deserializer)?;
        let seconds = i64::try_from(value.seconds.0.trunc()).ok();
        seconds
            .filter(|_| value.__class__ == "timedelta")
            .map(Self)
            .ok_or_else(|| D::Error::custom("a duration that cannot be read"))
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{},{}", self.model, self.id)
    }
}

impl<'de> Deserialize<'de> for Reference {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let read = text.split_once(',').and_then(|(model, id)| {
            Some(Self {
                model: model.to_owned(),
                id: id.parse().ok()?,
            })
        });
        read.ok_or_else(|| D::Error::custom("a reference to a record that cannot be read"))
    }
}

impl Serialize for Reference {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
