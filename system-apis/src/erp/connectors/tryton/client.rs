//! The connector: facts here, orders in their own files.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    sync::Arc,
};

use async_trait::async_trait;
use canonical_model::{
    AccountId, CompanyId, Currency, ErpOrderNumber, ItemNumber, OrderReference, UnitOfMeasure,
    capabilities::{Amendable, CreateClass, CreditBasis, PriceSource},
    credit::CreditFact,
    erp_invoice::ErpInvoice,
    erp_order::{AmendErpOrder, CreateErpOrder, ErpOrder},
    item::{ItemIdentifier, ItemScheme},
    product::Product,
    stock::StockFact,
};
use jiff::Timestamp;
use rust_decimal::Decimal;
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
    tryton::{CallError, Context, Search, Tryton, values::Count},
};

/// Keys of a batch: prices may take a call for each quantity that is asked for.
const KEYS_PER_CALL: usize = 50;
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
fn active_or_not() -> Value {
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

    async fn search<R: serde::de::DeserializeOwned>(
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

    /// Products by code.
    pub(super) async fn products_by_code(
        &self,
        codes: &BTreeSet<&str>,
        context: &Context,
    ) -> Result<Vec<wire::Product>, ConnectorError> {
        let domain = json!([["code", "in", codes], active_or_not()]);
        self.search("product.product", domain, wire::PRODUCT, context)
            .await
    }

    /// From which quantities on an item may cost something else: 0, and the breaks of the list. They are counted in the
    /// unit of stock.
    async fn breaks(
        &self,
        list: Option<i64>,
        items: &BTreeSet<&str>,
        context: &Context,
    ) -> Result<BTreeMap<String, BTreeSet<Decimal>>, ConnectorError> {
        let mut breaks: BTreeMap<String, BTreeSet<Decimal>> = items
            .iter()
            .map(|item| ((*item).to_owned(), BTreeSet::from([Decimal::ZERO])))
            .collect();
        let (Some(list), false) = (list, items.is_empty()) else {
            return Ok(breaks);
        };
        let domain = json!([
            ["price_list", "=", list],
            ["quantity", ">", 0],
            ["OR", ["product.code", "in", items], ["product", "=", null]]
        ]);
        let model = "product.price_list.line";
        let lines: Vec<wire::ListLine> =
            self.search(model, domain, wire::LIST_LINE, context).await?;
        for line in lines {
            let Some(Count(quantity)) = line.quantity else {
                continue;
            };
            let code = line.product.map(|product| product.code.unwrap_or_default());
            for (item, of_it) in &mut breaks {
                if code.as_ref().is_none_or(|code| code == item) {
                    of_it.insert(quantity);
                }
            }
        }
        Ok(breaks)
    }

    /// What each quantity costs, with one call for all items of one quantity.
    async fn priced(
        &self,
        wanted: BTreeMap<(i64, Decimal), Vec<&wire::Product>>,
        context: &Context,
    ) -> Result<BTreeMap<(String, i64, Decimal), wire::Price>, ConnectorError> {
        let mut priced = BTreeMap::new();
        for ((unit, quantity), products) in wanted {
            let context = context
                .clone()
                .with("uom", unit)
                .with("quantity", json!(Count(quantity)));
            let ids: Vec<i64> = products.iter().map(|product| product.id).collect();
            let domain = json!([["id", "in", ids], active_or_not()]);
            let prices: Vec<wire::Price> = self
                .search("product.product", domain, wire::PRICE, &context)
                .await?;
            for price in prices {
                priced.insert((price.code.clone(), unit, quantity), price);
            }
        }
        Ok(priced)
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

/// Whose prices are asked, and what answers.
struct Buyer {
    list: String,
    currency: Currency,
    context: Context,
}

impl TrytonErpConnector {
    async fn buyer(
        &self,
        account: &AccountId,
        context: Context,
    ) -> Result<(Buyer, Option<i64>), ConnectorError> {
        let code = account.as_str();
        let parties: Vec<wire::Party> = self.parties(&[code], wire::PARTY, &context).await?;
        only_asked(
            parties.iter().map(|party| party.code.as_str()),
            &HashSet::from([code]),
        )?;
        let party = parties.into_iter().next().ok_or(ConnectorError::NotFound)?;
        let currency = party.customer_currency.as_ref().or(party.currency.as_ref());
        let currency_code = currency.and_then(|currency| currency.code.as_deref());
        let currency = currency_code.and_then(Currency::from_code);
        let currency =
            currency.ok_or_else(|| ConnectorError::protocol("an account has no currency"))?;
        let id = self
            .codes
            .currency(&self.tryton, &context, currency.code())
            .await?;
        let mut context = context.with("customer", party.id).with("currency", id);
        if let Some(list) = party.sale_price_list {
            context = context.with("price_list", list);
        }
        if party.list.as_ref().is_some_and(|list| list.tax_included) {
            return Err(ConnectorError::protocol(
                "the account's price list is of gross prices, which Orderway does not follow: give it a net one",
            ));
        }
        let list = party.list.and_then(|list| list.name);
        let buyer = Buyer {
            list: list.unwrap_or_else(|| "list price".to_owned()),
            currency,
            context,
        };
        Ok((buyer, party.sale_price_list))
    }
}

#[async_trait]
impl ErpConnector for TrytonErpConnector {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            price_source: PriceSource::Resolved,
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
        let context = self.context(company).await?;
        let units = self.codes.units(&self.tryton, &context).await?;
        let (buyer, list) = self.buyer(account, context).await?;
        let codes: BTreeSet<&str> = asks.iter().map(|ask| ask.item.as_str()).collect();
        let products = self.products_by_code(&codes, &buyer.context).await?;
        let whatever = asks.iter().filter(|ask| ask.quantity.is_none());
        let whatever: BTreeSet<&str> = whatever.map(|ask| ask.item.as_str()).collect();
        let breaks = self.breaks(list, &whatever, &buyer.context).await?;

        let mut wanted: BTreeMap<(i64, Decimal), Vec<&wire::Product>> = BTreeMap::new();
        let mut parts: Vec<(&PriceAsk, Vec<Part>)> = Vec::new();
        let mut batch = Batch::default();
        for ask in asks {
            let code = ask.item.as_str();
            let Some(product) = products
                .iter()
                .find(|row| row.code.as_deref() == Some(code))
            else {
                continue;
            };
            match parts_of(ask, product, &units, breaks.get(code)) {
                Ok(of_it) => {
                    for part in &of_it {
                        let group = wanted.entry((part.unit_id, part.quantity)).or_default();
                        if !group.iter().any(|known| known.id == product.id) {
                            group.push(product);
                        }
                    }
                    parts.push((ask, of_it));
                }
                Err(reason) => batch.implausible.push(reason),
            }
        }
        let priced = self.priced(wanted, &buyer.context).await?;
        for (ask, of_it) in parts {
            batch.take(entries(ask, &of_it, &priced, &buyer).map(|entries| (ask.clone(), entries)));
        }
        Ok(batch)
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

/// A quantity whose price is part of the answer to an ask.
struct Part {
    unit_id: i64,
    unit: UnitOfMeasure,
    quantity: Decimal,
}

/// The quantity asked for, or each at which the price may change.
fn parts_of(
    ask: &PriceAsk,
    product: &wire::Product,
    units: &mapping::Units,
    breaks: Option<&BTreeSet<Decimal>>,
) -> Result<Vec<Part>, String> {
    let Some(asked) = ask.quantity else {
        let base = units.base(product).map_err(|error| error.to_string())?;
        let breaks = breaks.into_iter().flatten();
        return Ok(breaks
            .map(|quantity| Part {
                unit_id: base.id,
                unit: base.code,
                quantity: *quantity,
            })
            .collect());
    };
    let unit = units.find(product, asked.unit).ok_or_else(|| {
        let (item, unit) = (&ask.item, asked.unit.code());
        format!("{item} is asked for by {unit}, which Tryton does not sell it by")
    })?;
    Ok(vec![Part {
        unit_id: unit.id,
        unit: unit.code,
        quantity: asked.value.normalize(),
    }])
}

/// The records of an ask; a break that changes nothing is left out.
fn entries(
    ask: &PriceAsk,
    parts: &[Part],
    priced: &BTreeMap<(String, i64, Decimal), wire::Price>,
    buyer: &Buyer,
) -> Result<Vec<PriceEntry>, String> {
    let item: &ItemNumber = &ask.item;
    let mut entries: Vec<PriceEntry> = Vec::new();
    for part in parts {
        let row = priced.get(&(item.to_string(), part.unit_id, part.quantity));
        let row = row.ok_or_else(|| format!("Tryton told no price of {item}"))?;
        let entry = mapping::price(&buyer.list, row, (part.quantity, part.unit), buyer.currency);
        let Some(entry) = entry.map_err(|error| error.to_string())? else {
            continue;
        };
        let before = entries.last().map(|last| last.record.unit_price);
        if before != Some(entry.record.unit_price) {
            entries.push(entry);
        }
    }
    Ok(entries)
}
