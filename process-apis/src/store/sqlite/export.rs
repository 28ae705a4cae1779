//! The tables of a data file as lines of `PostgreSQL`'s COPY format, for the move there.

use std::{collections::BTreeMap, path::Path};

use anyhow::{Context, bail, ensure};
use rusqlite::{Connection, types::ValueRef};
use rust_decimal::Decimal;
use uuid::Uuid;

use super::{
    super::{
        moving::{Digest, Kind, Table},
        steps::Steps,
    },
    backup,
    open::{self, InstanceLock, Place},
};

/// Lines are handed on in pieces of about so many bytes.
const PIECE: usize = 1 << 20;

/// A data file that no process works on, held until the move is over.
#[derive(Debug)]
pub(in super::super) struct Source {
    connection: Connection,
    _lock: InstanceLock,
}

impl Source {
    /// Refused while a process has the file, and where it is damaged.
    pub(in super::super) fn open(path: &Path) -> anyhow::Result<Self> {
        let place = Place::File(path.to_owned());
        ensure!(path.is_file(), "there is no {}", path.display());
        let lock = open::lock(&place)?;
        backup::verify(path)?;
        Ok(Self {
            connection: open::existing(&place)?,
            _lock: lock,
        })
    }

    /// The columns of each table, without those left behind.
    pub(in super::super) fn columns(
        &self,
        left_behind: [&str; 2],
    ) -> anyhow::Result<BTreeMap<String, Vec<String>>> {
        let mut statement = self.connection.prepare(
            "SELECT t.name, c.name FROM sqlite_schema AS t, pragma_table_info(t.name) AS c
             WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%' ORDER BY t.name, c.cid",
        )?;
        let mut tables = BTreeMap::<String, Vec<String>>::new();
        let mut rows = statement.query(())?;
        while let Some(row) = rows.next()? {
            let (table, column): (String, String) = (row.get(0)?, row.get(1)?);
            if !left_behind.contains(&table.as_str()) {
                tables.entry(table).or_default().push(column);
            }
        }
        Ok(tables)
    }

    /// The last number that each table has given, also to rows that are gone.
    pub(in super::super) fn sequences(&self) -> anyhow::Result<BTreeMap<String, i64>> {
        let mut statement = self
            .connection
            .prepare("SELECT name, seq FROM sqlite_sequence")?;
        let given = statement.query_map((), |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(given.collect::<Result<_, _>>()?)
    }

    /// Hands on the rows of a table as lines, until `send` answers false.
    pub(in super::super) fn read(
        &self,
        table: &Table,
        mut send: impl FnMut(Vec<u8>) -> bool,
    ) -> anyhow::Result<Digest> {
        let columns = table.columns.iter();
        let columns: Vec<&str> = columns.map(|column| column.read.as_str()).collect();
        let sql = format!("SELECT {} FROM \"{}\"", columns.join(", "), table.name);
        let mut statement = self.connection.prepare(&sql)?;
        let mut rows = statement.query(())?;
        let mut digest = Digest::default();
        let (mut piece, mut line) = (Vec::with_capacity(PIECE), Vec::new());
        while let Some(row) = rows.next()? {
            line.clear();
            for (index, column) in table.columns.iter().enumerate() {
                if index > 0 {
                    line.push(b'\t');
                }
                write(row.get_ref(index)?, column.kind, &mut line)
                    .with_context(|| format!("the column {}", column.name))?;
            }
            digest.add(&line);
            piece.append(&mut line);
            piece.push(b'\n');
            if piece.len() >= PIECE && !send(std::mem::take(&mut piece)) {
                bail!("nobody takes the rows any more");
            }
        }
        ensure!(
            piece.is_empty() || send(piece),
            "nobody takes the rows any more"
        );
        Ok(digest)
    }
}

/// A value as the server itself writes it: what it gives back is compared with this.
fn write(value: ValueRef<'_>, kind: Kind, line: &mut Vec<u8>) -> anyhow::Result<()> {
    match (value, kind) {
        (ValueRef::Null, _) => line.extend_from_slice(b"\\N"),
        (ValueRef::Integer(0), Kind::Flag) => line.push(b'f'),
        (ValueRef::Integer(1), Kind::Flag) => line.push(b't'),
        (ValueRef::Integer(number), Kind::Plain) => {
            line.extend_from_slice(number.to_string().as_bytes());
        }
        (ValueRef::Text(text), Kind::Plain) => escape(text, line),
        (ValueRef::Text(text), Kind::Decimal) => {
            let number: Decimal = std::str::from_utf8(text)?.parse()?;
            line.extend_from_slice(plain(number).as_bytes());
        }
        (ValueRef::Text(text), Kind::Decimals) => {
            let days: Steps = serde_json::from_slice(text)?;
            list(days.by_day().into_iter().map(plain), line);
        }
        (ValueRef::Text([]), Kind::Words) => list(std::iter::empty(), line),
        (ValueRef::Text(text), Kind::Words) => {
            let words: Vec<String> = serde_json::from_slice(text)?;
            let is_word = |word: &String| {
                !word.is_empty()
                    && word
                        .bytes()
                        .all(|byte| byte.is_ascii_lowercase() || byte == b'_')
            };
            ensure!(words.iter().all(is_word), "{words:?} are no words");
            list(words.into_iter(), line);
        }
        (ValueRef::Blob(bytes), Kind::Id) => {
            let id = Uuid::from_slice(bytes)?;
            line.extend_from_slice(id.to_string().as_bytes());
        }
        (ValueRef::Blob(bytes), Kind::Bytes) => {
            line.extend_from_slice(b"\\\\x");
            for byte in bytes {
                line.extend_from_slice(format!("{byte:02x}").as_bytes());
            }
        }
        (other, kind) => bail!("a {} does not fit {kind:?}", other.data_type()),
    }
    Ok(())
}

/// The server knows no negative zero.
fn plain(mut number: Decimal) -> String {
    if number.is_zero() {
        number.set_sign_positive(true);
    }
    number.to_string()
}

fn list(elements: impl Iterator<Item = String>, line: &mut Vec<u8>) {
    let elements: Vec<String> = elements.collect();
    line.push(b'{');
    line.extend_from_slice(elements.join(",").as_bytes());
    line.push(b'}');
}

fn escape(text: &[u8], line: &mut Vec<u8>) {
    for byte in text {
        let letter = match byte {
            b'\\' => b'\\',
            0x08 => b'b',
            0x09 => b't',
            0x0a => b'n',
            0x0b => b'v',
            0x0c => b'f',
            0x0d => b'r',
            other => {
                line.push(*other);
                continue;
            }
        };
        line.extend_from_slice(&[b'\\', letter]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(value: ValueRef<'_>, kind: Kind) -> anyhow::Result<String> {
        let mut line = Vec::new();
        write(value, kind, &mut line)?;
        Ok(String::from_utf8(line)?)
    }

    #[test]
    fn values_are_written_as_the_server_writes_them() {
        let id = [
            0x01, 0x9a, 0, 0, 0, 0, 0x70, 0, 0x80, 0, 0, 0, 0, 0, 0, 0xff,
        ];
        for (value, kind, line) in [
            (ValueRef::Null, Kind::Plain, "\\N"),
            (ValueRef::Integer(-7), Kind::Plain, "-7"),
            (ValueRef::Integer(1), Kind::Flag, "t"),
            (ValueRef::Text(b"a\tb\\n\nc"), Kind::Plain, "a\\tb\\\\n\\nc"),
            (ValueRef::Text(b"12.50"), Kind::Decimal, "12.50"),
            (ValueRef::Text(b"-0.0"), Kind::Decimal, "0.0"),
            (
                ValueRef::Text(b"[\"1.5\",\"-2\"]"),
                Kind::Decimals,
                "{1.5,-2}",
            ),
            (
                ValueRef::Text(b"[[\"1.5\",2],[\"-2\",1]]"),
                Kind::Decimals,
                "{1.5,1.5,-2}",
            ),
            (ValueRef::Text(b"[]"), Kind::Decimals, "{}"),
            (ValueRef::Text(b""), Kind::Words, "{}"),
            (
                ValueRef::Text(b"[\"credit\",\"price_mismatch\"]"),
                Kind::Words,
                "{credit,price_mismatch}",
            ),
            (
                ValueRef::Blob(&id),
                Kind::Id,
                "019a0000-0000-7000-8000-0000000000ff",
            ),
            (ValueRef::Blob(b"\x00\xff"), Kind::Bytes, "\\\\x00ff"),
        ] {
            assert_eq!(written(value, kind).unwrap(), line);
        }
        for (value, kind) in [
            (ValueRef::Integer(2), Kind::Flag),
            (ValueRef::Real(1.5), Kind::Decimal),
            (ValueRef::Blob(b"short"), Kind::Id),
            (ValueRef::Text(b"[\"a,b\"]"), Kind::Words),
        ] {
            assert!(written(value, kind).is_err(), "{value:?} as {kind:?}");
        }
    }
}
