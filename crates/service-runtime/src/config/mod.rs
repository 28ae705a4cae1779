//! Configuration: `<layer>.toml`, then `<layer>.<env>.toml`, then `ORDERWAY_<LAYER>__A__B`. Read once,
//! checked whole, all faults reported together.

mod faults;
mod units;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use toml::{Table, Value};

pub use faults::{Fault, Faults, Validate};
pub use units::{ByteSize, HumanDuration, Secret, UnitError};

/// Names which `<layer>.<env>.toml` is read.
pub const ENV_NAME: &str = "ORDERWAY_ENV";

/// Why a configuration is not used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("the configuration file {path} cannot be read; check --config-dir")]
    Read {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("the configuration file {path} is not valid TOML")]
    Syntax {
        path: PathBuf,
        #[source]
        source: Box<toml::de::Error>,
    },
    #[error("the configuration of {layer} is wrong at `{key}`: {message}")]
    Shape {
        layer: String,
        key: String,
        message: String,
    },
    #[error("the configuration of {layer} has faults:\n{faults}")]
    Invalid { layer: String, faults: Faults },
}

/// The environment variables, taken once, so that tests can give their own.
#[derive(Clone, Debug, Default)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// Those of this process; names and values that are not UTF-8 cannot be ours and are left out.
    pub fn from_process() -> Self {
        let pairs = std::env::vars_os();
        pairs
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect()
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

impl FromIterator<(String, String)> for Environment {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(pairs: I) -> Self {
        Self(pairs.into_iter().collect())
    }
}

impl<const N: usize> From<[(&str, &str); N]> for Environment {
    fn from(pairs: [(&str, &str); N]) -> Self {
        pairs
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }
}

/// Loads and validates the configuration of a layer. Without a directory: defaults and environment.
pub fn load<T: DeserializeOwned + Validate>(
    layer: &str,
    config_dir: Option<&Path>,
    environment: &Environment,
) -> Result<T, ConfigError> {
    let mut table = Table::new();
    if let Some(dir) = config_dir {
        merge(&mut table, read(&dir.join(format!("{layer}.toml")))?);
        if let Some(name) = environment.get(ENV_NAME) {
            merge(&mut table, read(&dir.join(format!("{layer}.{name}.toml")))?);
        }
    }
    let prefix = prefix_of(layer);
    for (name, value) in &environment.0 {
        if let Some(key) = name.strip_prefix(&prefix) {
            set(&mut table, &key.to_ascii_lowercase(), value);
        }
    }
    let value: T = serde_path_to_error::deserialize(Value::Table(table)).map_err(|error| {
        ConfigError::Shape {
            layer: layer.to_owned(),
            key: error.path().to_string(),
            message: error.inner().message().trim().to_owned(),
        }
    })?;
    let mut faults = Faults::default();
    value.validate(&mut faults);
    if faults.is_empty() {
        Ok(value)
    } else {
        Err(ConfigError::Invalid {
            layer: layer.to_owned(),
            faults,
        })
    }
}

/// `process-apis` → `ORDERWAY_PROCESS__`.
fn prefix_of(layer: &str) -> String {
    let short = layer.strip_suffix("-apis").unwrap_or(layer);
    format!(
        "ORDERWAY_{}__",
        short.replace('-', "_").to_ascii_uppercase()
    )
}

fn read(path: &Path) -> Result<Table, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read {
        path: path.to_owned(),
        source,
    })?;
    let parsed = text.parse::<Table>();
    parsed.map_err(|source| ConfigError::Syntax {
        path: path.to_owned(),
        source: Box::new(source),
    })
}

fn merge(base: &mut Table, over: Table) {
    for (key, value) in over {
        match (base.get_mut(&key), value) {
            (Some(Value::Table(below)), Value::Table(above)) => merge(below, above),
            (_, value) => {
                base.insert(key, value);
            }
        }
    }
}

/// Puts an environment value at `a__b__c`; its type is that of what it replaces, else what it looks like.
fn set(table: &mut Table, key: &str, text: &str) {
    match key.split_once("__") {
        Some((head, rest)) => {
            let entry = table
                .entry(head.to_owned())
                .or_insert_with(|| Value::Table(Table::new()));
            if !entry.is_table() {
                *entry = Value::Table(Table::new());
            }
            if let Value::Table(inner) = entry {
                set(inner, rest, text);
            }
        }
        None => {
            let value = typed(table.get(key), text);
            table.insert(key.to_owned(), value);
        }
    }
}

fn typed(replaced: Option<&Value>, text: &str) -> Value {
    if matches!(replaced, Some(Value::String(_))) {
        return Value::String(text.to_owned());
    }
    let plain_number = text
        .parse::<i64>()
        .ok()
        .filter(|number| number.to_string() == text);
    match (text, plain_number) {
        ("true", _) => Value::Boolean(true),
        ("false", _) => Value::Boolean(false),
        (_, Some(number)) => Value::Integer(number),
        _ if text.starts_with('[') || text.starts_with('{') => {
            let parsed = format!("value = {text}").parse::<Table>().ok();
            let value = parsed.and_then(|mut table| table.remove("value"));
            value.unwrap_or_else(|| Value::String(text.to_owned()))
        }
        _ => Value::String(text.to_owned()),
    }
}

#[cfg(test)]
mod tests;
