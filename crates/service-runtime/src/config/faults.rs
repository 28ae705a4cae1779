//! All faults of a configuration at once.

use std::fmt;

/// One fault and the key it is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub key: String,
    pub message: String,
}

/// Collects faults, so that one start tells all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    prefix: Vec<String>,
    found: Vec<Fault>,
}

impl Faults {
    pub fn add(&mut self, key: &str, message: impl Into<String>) {
        let mut path = self.prefix.clone();
        path.push(key.to_owned());
        self.found.push(Fault {
            key: path.join("."),
            message: message.into(),
        });
    }

    /// Adds a fault unless the condition holds.
    pub fn check(&mut self, holds: bool, key: &str, message: impl Into<String>) {
        if !holds {
            self.add(key, message);
        }
    }

    /// Validates a part; its keys are reported under `key`.
    pub fn within(&mut self, key: &str, part: &impl Validate) {
        self.prefix.push(key.to_owned());
        part.validate(self);
        self.prefix.pop();
    }

    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    pub fn iter(&self) -> std::slice::Iter<'_, Fault> {
        self.found.iter()
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = self
            .found
            .iter()
            .map(|fault| format!("  {}: {}", fault.key, fault.message));
        out.write_str(&lines.collect::<Vec<_>>().join("\n"))
    }
}

/// What serde cannot check: ranges, and keys that depend on one another.
pub trait Validate {
    fn validate(&self, faults: &mut Faults);
}
