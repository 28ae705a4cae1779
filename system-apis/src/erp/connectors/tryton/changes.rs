//! What changed in Tryton's masters, by the instant at which the transaction began that wrote a record.

use async_trait::async_trait;
use canonical_model::{AccountId, ItemNumber};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{client::TrytonErpConnector, wire};
use crate::{
    connector::ConnectorError,
    erp::feed::{FactKind, MasterFeed, Of, Page, Part, Row},
    intake::feed::Stamp,
    tryton::{Context, Search, values::Instant},
};

/// Records shown by one look; where more have changed, all facts of the part are thrown out.
const PAGE: u32 = 1_000;

/// Where the records of a part are.
struct Source {
    part: Part,
    model: &'static str,
    fields: &'static [&'static str],
    /// What belongs to a record, and changes it.
    belonging: Option<&'static str>,
    of: fn(&wire::Modified) -> Of,
}

impl Source {
    const fn plain(part: Part, model: &'static str) -> Self {
        Self {
            part,
            model,
            fields: &["last_modified_at"],
            belonging: None,
            of: |_row| Of::Everything,
        }
    }
}

/// Whose prices a list makes is not told by the list, and a line may have been another item's before.
const PRICE_LISTS: Part = Part {
    name: "price_lists",
    facts: &[FactKind::Prices],
};
const PRICE_LIST_LINES: Part = Part {
    name: "price_list_lines",
    facts: &[FactKind::Prices],
};
/// Prices follow list prices and costs.
const PRODUCTS: Part = Part {
    name: "products",
    facts: &[FactKind::Products, FactKind::Prices],
};
/// A party names its price list and its limit.
const PARTIES: Part = Part {
    name: "parties",
    facts: &[FactKind::Accounts, FactKind::Prices, FactKind::Credit],
};
const MOVES: Part = Part {
    name: "moves",
    facts: &[FactKind::Stock],
};

const SOURCES: [Source; 5] = [
    Source::plain(PRICE_LISTS, "product.price_list"),
    Source::plain(PRICE_LIST_LINES, "product.price_list.line"),
    Source {
        part: PRODUCTS,
        model: "product.product",
        fields: &["last_modified_at", "code", "template.last_modified_at"],
        belonging: Some("template"),
        of: |row| item(row.code.as_deref()),
    },
    Source {
        part: PARTIES,
        model: "party.party",
        fields: &["last_modified_at", "code", "addresses.last_modified_at"],
        belonging: Some("addresses"),
        of: |row| account(row.code.as_deref()),
    },
    Source {
        part: MOVES,
        model: "stock.move",
        fields: &["last_modified_at", "product.code"],
        belonging: None,
        of: |row| {
            item(
                row.product
                    .as_ref()
                    .and_then(|product| product.code.as_deref()),
            )
        },
    },
];

fn source(part: Part) -> Result<&'static Source, ConnectorError> {
    let source = SOURCES.iter().find(|source| source.part == part);
    source.ok_or_else(|| ConnectorError::protocol("a part of the feed that there is not"))
}

/// One whose code cannot be asked for is nobody's.
fn account(code: Option<&str>) -> Of {
    let account = code.and_then(|code| AccountId::new(code).ok());
    account.map_or(Of::Nobody, Of::Account)
}

/// One whose code cannot be asked for is nobody's.
fn item(code: Option<&str>) -> Of {
    let item = code.and_then(|code| ItemNumber::new(code).ok());
    item.map_or(Of::Nobody, Of::Item)
}

impl TrytonErpConnector {
    /// The records of a domain by their last change, the newest first.
    async fn last_modified(
        &self,
        source: &Source,
        domain: Value,
        limit: u32,
        context: &Context,
    ) -> Result<Vec<wire::Modified>, ConnectorError> {
        let search = Search {
            order: json!([["last_modified_at", "DESC"], ["id", "DESC"]]),
            ..Search::of(domain, limit, source.fields)
        };
        Ok(self
            .tryton
            .search_read(source.model, &search, context)
            .await?)
    }

    /// What is closed or archived has changed too.
    async fn everything(&self) -> Result<Context, ConnectorError> {
        Ok(self.tryton.context().await?.with("active_test", false))
    }
}

/// What has changed itself, or in what belongs to it.
fn domain(source: &Source, after: Stamp) -> Result<Value, ConnectorError> {
    let after = Timestamp::from_microsecond(after.0);
    let after = after.map_err(|error| ConnectorError::Protocol(error.into()))?;
    let later = json!(["last_modified_at", ">", Instant(after)]);
    Ok(match source.belonging {
        Some(belonging) => {
            let theirs = format!("{belonging}.last_modified_at");
            json!([["OR", later, [theirs, ">", Instant(after)]]])
        }
        None => json!([later]),
    })
}

#[async_trait]
impl MasterFeed for TrytonErpConnector {
    fn parts(&self) -> &'static [Part] {
        &[PRICE_LISTS, PRICE_LIST_LINES, PRODUCTS, PARTIES, MOVES]
    }

    async fn newest(&self, part: Part) -> Result<Option<Stamp>, ConnectorError> {
        let context = self.everything().await?;
        let source = source(part)?;
        let newest = self.last_modified(source, json!([]), 1, &context).await?;
        Ok(newest.iter().map(wire::Modified::stamp).max())
    }

    async fn changed(&self, part: Part, after: Stamp) -> Result<Page, ConnectorError> {
        let context = self.everything().await?;
        let source = source(part)?;
        let domain = domain(source, after)?;
        let rows = self.last_modified(source, domain, PAGE, &context).await?;
        let more = u32::try_from(rows.len()).is_ok_and(|read| read >= PAGE);
        let rows = rows.iter().map(|row| Row {
            at: row.position(),
            of: (source.of)(row),
        });
        Ok(Page {
            rows: rows.collect(),
            more,
        })
    }
}
