//! The connector: facts here, orders in their own files.

use std::{
    collections::{BTreeSet, HashSet},
    sync::Arc,
};

use async_trait::async_trait;
use canonical_model::{
    AccountId, CompanyId, ErpOrderNumber, OrderReference,
    capabilities::{Amendable, CreateClass, CreditBasis, PriceSource},
    credit::CreditFact,
    erp_invoice::ErpInvoice,
    erp_order::{AmendErpOrder, CreateErpOrder, ErpOrder},
    item::{ItemIdentifier, ItemScheme},
    product::Product,
    stock::StockFact,
};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    codes::{Codes, MOST_ROWS, whole},
    config::TrytonErp,
    mapping, wire,
};
use crate::{
    connector::{Batch, ConnectorError},
    erp::connector::{
        AccountRecord, Capabilities, CataloguePart, CatalogueQuery, ErpConnector, PriceAsk,
        PriceEntry, StockKey,
    },
    erp::feed::MasterFeed,
    tryton::{CallError, Context, Search, Tryton},
};

/// Keys of a batch. What a call costs by itself is much more than what a key adds to it.
const KEYS_PER_CALL: usize = 100;
/// Tryton goes through the lines of a list for each price, some 45 ms with 500 lines: two of these batches, side by side, make
/// a page of 20 as soon as can be, and none of them keeps others waiting for long.
const PRICES_PER_CALL: usize = 10;
/// Moves of any state but done and cancelled.
const OPEN_MOVES: [&str; 3] = ["staging", "draft", "assigned"];

/// The connector.
#[derive(Debug)]
pub struct TrytonErpConnector {
    pub(super) tryton: Tryton,
    pub(super) codes: Codes,
    pub(super) settings: TrytonErp,
}

/// An answer about somebody who was not asked about is refused whole: nothing in it can be trusted.
pub(super) fn only_asked<'a>(
    rows: impl IntoIterator<Item = &'a str>,
    asked: &HashSet<&str>,
) -> Result<(), ConnectorError> {
    match rows.into_iter().find(|row| !asked.contains(row)) {
        Some(_other) => Err(ConnectorError::protocol(
            "Tryton answered for another account or order than it was asked for",
        )),
        None => Ok(()),
    }
}

/// A domain part that takes records that are not active too, which a search leaves out otherwise.
pub(super) fn active_or_not() -> Value {
    json!(["active", "in", [true, false]])
}

impl TrytonErpConnector {
    /// Ready to call; nothing is sent yet.
    pub fn new(config: &TrytonErp) -> Result<Self, reqwest::Error> {
        Ok(Self {
            tryton: Tryton::new(&config.server)?,
            codes: Codes::new(),
            settings: config.clone(),
        })
    }

    /// The context of the one company that is served.
    pub(super) async fn context(&self, company: &CompanyId) -> Result<Context, ConnectorError> {
        if company.as_str() != self.settings.server.company {
            return Err(ConnectorError::NotFound);
        }
        Ok(self.tryton.context().await?)
    }

    pub(super) async fn search<R: serde::de::DeserializeOwned>(
        &self,
        model: &str,
        domain: Value,
        fields: &[&str],
        context: &Context,
    ) -> Result<Vec<R>, ConnectorError> {
        let search = Search::of(domain, MOST_ROWS, fields);
        let rows = self.tryton.search_read(model, &search, context).await;
        Ok(whole(rows?)?)
    }

    /// Parties by code, those that are closed too.
    pub(super) async fn parties<R: serde::de::DeserializeOwned>(
        &self,
        codes: &[&str],
        fields: &[&str],
        context: &Context,
    ) -> Result<Vec<R>, ConnectorError> {
        let domain = json!([["code", "in", codes], active_or_not()]);
        self.search("party.party", domain, fields, context).await
    }

    /// Products by code, with these fields of them.
    pub(super) async fn products_by_code(
        &self,
        codes: &BTreeSet<&str>,
        fields: &[&str],
        context: &Context,
    ) -> Result<Vec<wire::Product>, ConnectorError> {
        let domain = json!([["code", "in", codes], active_or_not()]);
        self.search("product.product", domain, fields, context)
            .await
    }

    /// The rows behind the stock of some items at some sites. What leaves is read before what lies there, and what arrives
    /// after it: what moves meanwhile is rather missed than counted twice.
    async fn stock_rows(
        &self,
        items: &BTreeSet<&str>,
        warehouses: &[i64],
        places: &super::codes::Places,
        context: &Context,
    ) -> Result<mapping::Rows, ConnectorError> {
        let inside = places.inside(warehouses);
        let moves = |side: &str| {
            json!([
                ["product.code", "in", items],
                ["state", "in", OPEN_MOVES],
                [side, "in", inside],
                ["company", "=", context.company()]
            ])
        };
        let mut rows = mapping::Rows {
            outward: self
                .search("stock.move", moves("from_location"), wire::MOVE, context)
                .await?,
            ..mapping::Rows::default()
        };
        for warehouse in warehouses {
            let at = context.clone().with("locations", json!([warehouse]));
            let domain = json!([["code", "in", items], active_or_not()]);
            let on_hand = self
                .search("product.product", domain, wire::ON_HAND, &at)
                .await?;
            rows.on_hand.insert(*warehouse, on_hand);
        }
        rows.inward = self
            .search("stock.move", moves("to_location"), wire::MOVE, context)
            .await?;
        let domain = json!([
            ["product.code", "in", items],
            ["location", "in", warehouses]
        ]);
        rows.points = self
            .search("stock.order_point", domain, wire::ORDER_POINT, context)
            .await?;
        Ok(rows)
    }
}

/// The domain of the products that any of these numbers names.
fn named_domain(account: &AccountId, items: &[ItemIdentifier]) -> Value {
    let of = |scheme| {
        let values = items.iter().filter(move |item| item.scheme == scheme);
        values.map(|item| item.value.as_str())
    };
    let codes: Vec<&str> = of(ItemScheme::SellerPartNumber).collect();
    let parts: Vec<&str> = of(ItemScheme::BuyerPartNumber).collect();
    let gtins: Vec<String> = of(ItemScheme::Gtin).flat_map(mapping::gtins).collect();
    let mut any = vec![json!("OR"), json!(["code", "in", codes])];
    if !parts.is_empty() {
        let of_account = json!([["party.code", "=", account], ["code", "in", parts]]);
        any.push(json!(["product_customers", "where", of_account]));
    }
    if !gtins.is_empty() {
        any.push(json!(["identifiers.code", "in", gtins]));
        // The number of a pack stands behind its unit: `XCT-12:10614141000011`.
        any.extend(
            gtins
                .iter()
                .map(|gtin| json!(["identifiers.code", "like", format!("%:{gtin}")])),
        );
    }
    json!([any, active_or_not()])
}

#[async_trait]
impl ErpConnector for TrytonErpConnector {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            price_source: PriceSource::Resolved,
            prices_each_quantity: self.settings.formulas_by_quantity,
            create_class: CreateClass::Staged,
            reference_max_length: 20,
            purchase_order_number_max_length: 50,
            quiet_period: self.settings.quiet_period.get(),
            // From `confirm` on, which is the release.
            credit_basis: CreditBasis::Order,
            credit_lag: self.settings.credit_lag.get(),
            stock_lag: self.settings.stock_lag.get(),
            // Confirmations for accounts with a limit lock each other out, and a release is part of what is made to wait.
            serialize_creates_by_account: true,
            one_site_per_order: true,
            // Its amendments of released orders know no day, and stop short of what is being picked.
            amendable: Amendable::UntilRelease,
            keys_per_call: KEYS_PER_CALL,
            prices_per_call: PRICES_PER_CALL,
        }
    }

    fn master_feed(self: Arc<Self>) -> Option<Arc<dyn MasterFeed>> {
        Some(self)
    }

    async fn accounts(
        &self,
        company: &CompanyId,
        accounts: &[AccountId],
        as_of: Timestamp,
    ) -> Result<Batch<AccountId, AccountRecord>, ConnectorError> {
        let context = self.context(company).await?;
        let keys: Vec<&str> = accounts.iter().map(AccountId::as_str).collect();
        let parties: Vec<wire::Party> = self.parties(&keys, wire::PARTY, &context).await?;
        let asked = keys.into_iter().collect();
        only_asked(parties.iter().map(|party| party.code.as_str()), &asked)?;
        let mut batch = Batch::default();
        for party in &parties {
            batch.take(mapping::account(company, party, &self.settings, as_of));
        }
        Ok(batch)
    }

    async fn products(
        &self,
        company: &CompanyId,
        account: &AccountId,
        items: &[ItemIdentifier],
        as_of: Timestamp,
    ) -> Result<Batch<ItemIdentifier, Product>, ConnectorError> {
        let context = self.context(company).await?;
        let units = self.codes.units(&self.tryton, &context).await?;
        let domain = named_domain(account, items);
        let rows: Vec<wire::Product> = self
            .search("product.product", domain, wire::PRODUCT, &context)
            .await?;
        let mut batch = Batch::default();
        for item in items {
            if let Some(row) = rows
                .iter()
                .find(|row| mapping::is_named(row, account, item))
            {
                let product = mapping::product(company, row, Some(account), &units, as_of);
                batch.take(product.map(|product| (item.clone(), product)));
            }
        }
        Ok(batch)
    }

    async fn catalogue(
        &self,
        query: &CatalogueQuery,
        as_of: Timestamp,
    ) -> Result<CataloguePart, ConnectorError> {
        let context = self.context(&query.company).await?;
        let units = self.codes.units(&self.tryton, &context).await?;
        let mut domain = vec![json!(["type", "=", "goods"]), json!(["code", "!=", null])];
        for word in query
            .search
            .iter()
            .flat_map(|search| search.split_whitespace())
        {
            let word = word
                .replace('\\', r"\\")
                .replace('%', r"\%")
                .replace('_', r"\_");
            let like = format!("%{word}%");
            domain.push(json!([
                "OR",
                ["code", "ilike", like],
                ["name", "ilike", like]
            ]));
        }
        let search = Search {
            domain: Value::Array(domain),
            skip: query.skip,
            // One more than wanted tells whether there are more.
            limit: query.limit.saturating_add(1),
            order: json!([["code", "ASC"], ["id", "ASC"]]),
            fields: wire::PRODUCT,
        };
        let rows: Result<Vec<wire::Product>, CallError> = self
            .tryton
            .search_read("product.product", &search, &context)
            .await;
        let rows = rows?;
        let wanted = usize::try_from(query.limit).unwrap_or(usize::MAX);
        let account = query.account.as_ref();
        let products = rows
            .iter()
            .take(wanted)
            .map(|row| mapping::product(&query.company, row, account, &units, as_of));
        Ok(CataloguePart {
            products: products
                .collect::<Result<_, _>>()
                .map_err(|error| ConnectorError::Protocol(error.into()))?,
            more: rows.len() > wanted,
        })
    }

    async fn prices(
        &self,
        company: &CompanyId,
        account: &AccountId,
        asks: &[PriceAsk],
        _as_of: Timestamp,
    ) -> Result<Batch<PriceAsk, Vec<PriceEntry>>, ConnectorError> {
        self.read_prices(company, account, asks).await
    }

    async fn stock(
        &self,
        company: &CompanyId,
        keys: &[StockKey],
        as_of: Timestamp,
    ) -> Result<Batch<StockKey, StockFact>, ConnectorError> {
        let context = self.context(company).await?;
        let places = self.codes.places(&self.tryton, &context).await?;
        let items: BTreeSet<&str> = keys.iter().map(|(item, _)| item.as_str()).collect();
        let warehouses: BTreeSet<i64> = keys
            .iter()
            .filter_map(|(_, site)| places.warehouse(site.as_str()))
            .collect();
        let warehouses: Vec<i64> = warehouses.into_iter().collect();
        let mut batch = Batch::default();
        if warehouses.is_empty() {
            return Ok(batch);
        }
        let rows = self
            .stock_rows(&items, &warehouses, &places, &context)
            .await?;
        for key in keys {
            let warehouse = places.warehouse(key.1.as_str());
            let fact = warehouse.and_then(|warehouse| {
                mapping::stock(company, key, warehouse, &rows, &places, as_of)
            });
            if let Some(fact) = fact {
                batch.take(fact);
            }
        }
        Ok(batch)
    }

    async fn credit(
        &self,
        company: &CompanyId,
        accounts: &[AccountId],
        as_of: Timestamp,
    ) -> Result<Batch<AccountId, CreditFact>, ConnectorError> {
        let context = self.context(company).await?;
        let keys: Vec<&str> = accounts.iter().map(AccountId::as_str).collect();
        let rows: Vec<wire::Credit> = self.parties(&keys, wire::CREDIT, &context).await?;
        let asked = keys.into_iter().collect();
        only_asked(rows.iter().map(|row| row.code.as_str()), &asked)?;
        let mut batch = Batch::default();
        for row in &rows {
            batch.take(mapping::credit(company, row, as_of));
        }
        Ok(batch)
    }

    async fn create_order(
        &self,
        company: &CompanyId,
        order: &CreateErpOrder,
    ) -> Result<ErpOrderNumber, ConnectorError> {
        self.create(company, order).await
    }

    async fn find_orders(
        &self,
        company: &CompanyId,
        reference: &OrderReference,
    ) -> Result<Vec<ErpOrderNumber>, ConnectorError> {
        self.find(company, reference).await
    }

    async fn orders(
        &self,
        company: &CompanyId,
        numbers: &[ErpOrderNumber],
    ) -> Result<Batch<ErpOrderNumber, ErpOrder>, ConnectorError> {
        self.read_orders(company, numbers).await
    }

    async fn invoices(
        &self,
        company: &CompanyId,
        number: &ErpOrderNumber,
    ) -> Result<Vec<ErpInvoice>, ConnectorError> {
        self.read_invoices(company, number).await
    }

    async fn amend_order(
        &self,
        company: &CompanyId,
        number: &ErpOrderNumber,
        amendment: &AmendErpOrder,
    ) -> Result<(), ConnectorError> {
        self.amend(company, number, amendment).await
    }

    async fn release_order(
        &self,
        company: &CompanyId,
        number: &ErpOrderNumber,
    ) -> Result<(), ConnectorError> {
        self.release(company, number).await
    }

    async fn cancel_order(
        &self,
        company: &CompanyId,
        number: &ErpOrderNumber,
    ) -> Result<(), ConnectorError> {
        self.cancel(company, number).await
    }
}
