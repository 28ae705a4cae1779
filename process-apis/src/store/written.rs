//! [`Written`]: JSON as it is stored.

use serde::{Serialize, Serializer, de::DeserializeOwned, ser::Error as _};
use serde_json::{Value, value::RawValue};

/// A value as it is stored: written once, and read straight into what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written(String);

impl Written {
    /// Writes a value.
    pub fn of(value: &impl Serialize) -> serde_json::Result<Self> {
        serde_json::to_string(value).map(Self)
    }

    /// Text that a store holds. Whether it is JSON shows when it is read.
    pub(super) fn stored(text: String) -> Self {
        Self(text)
    }

    /// What was written.
    pub fn read<T: DeserializeOwned>(&self) -> serde_json::Result<T> {
        serde_json::from_str(&self.0)
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// JSON, to be read as what it is.
pub trait Payload {
    /// What was written.
    fn read<T: DeserializeOwned>(&self) -> serde_json::Result<T>;
}

impl Payload for Written {
    fn read<T: DeserializeOwned>(&self) -> serde_json::Result<T> {
        Self::read(self)
    }
}

impl Payload for Value {
    fn read<T: DeserializeOwned>(&self) -> serde_json::Result<T> {
        T::deserialize(self)
    }
}

impl Serialize for Written {
    /// As it was written.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let written: &RawValue = serde_json::from_str(&self.0).map_err(S::Error::custom)?;
        written.serialize(serializer)
    }
}
