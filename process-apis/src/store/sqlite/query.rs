//! A query that is put together from the filters asked for, so that each uses its own index.

use rusqlite::{
    Connection, Row, ToSql, params_from_iter,
    types::{ToSqlOutput, Value},
};

use super::super::StoreError;

/// The text and the values of its `?`, in order.
pub(super) struct Query {
    sql: String,
    values: Vec<Value>,
}

impl Query {
    pub(super) fn new(sql: &str) -> Self {
        Self {
            sql: sql.to_owned(),
            values: Vec::new(),
        }
    }

    pub(super) fn push(&mut self, sql: &str) {
        self.sql.push_str(sql);
    }

    pub(super) fn bind(&mut self, value: impl ToSql) -> Result<(), StoreError> {
        let owned = match value.to_sql()? {
            ToSqlOutput::Borrowed(value) => {
                Value::try_from(value).map_err(|error| StoreError::Failed(error.into()))?
            }
            ToSqlOutput::Owned(value) => value,
            _ => return Err(super::value::broken("a value is text, number or bytes")),
        };
        self.values.push(owned);
        Ok(())
    }

    /// One more condition, with one value.
    pub(super) fn and(&mut self, condition: &str, value: impl ToSql) -> Result<(), StoreError> {
        self.push(" AND ");
        self.push(condition);
        self.bind(value)
    }

    pub(super) fn all<T>(
        self,
        connection: &Connection,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, StoreError> {
        let mut statement = connection.prepare_cached(&self.sql)?;
        let found = statement.query_map(params_from_iter(self.values), read)?;
        Ok(found.collect::<Result<_, _>>()?)
    }
}
