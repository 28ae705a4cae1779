//! Calls the sandbox's ERP: one function call for each method of the connector.

use std::collections::{BTreeSet, HashMap, HashSet};

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
use serde::{Serialize, de::DeserializeOwned};
use service_runtime::{config::Secret, http_client::backend_client};

use super::{
    config::SandboxErp,
    mapping,
    wire::{self, KeyQuery, Kunnr, Message, OrderChange, Returned},
};
use crate::{
    connector::{Batch, ConnectorError},
    erp::connector::{
        AccountRecord, Capabilities, CataloguePart, CatalogueQuery, ErpConnector, PriceAsk,
        PriceEntry, StockKey,
    },
    transport::{self, Effect},
};

/// Keys in one list of a call; the ERP takes 500, and a trade item number may need two.
const KEYS_PER_CALL: usize = 250;
/// Rows of a page that the ERP gives at most.
const MOST_ROWS: &str = "500";

/// The connector.
#[derive(Debug)]
pub struct SandboxErpConnector {
    http: reqwest::Client,
    base_url: String,
    api_key: Secret,
    capabilities: Capabilities,
}

impl SandboxErpConnector {
    /// Ready to call; nothing is sent yet.
    pub fn new(config: &SandboxErp) -> Result<Self, reqwest::Error> {
        Ok(Self {
            http: backend_client(&config.http)?,
            base_url: config.base_url.trim_end_matches('/').to_owned(),
            api_key: config.api_key.clone(),
            capabilities: Capabilities {
                price_source: PriceSource::Schedule,
                prices_each_quantity: false,
                create_class: config.create_class,
                reference_max_length: 20,
                purchase_order_number_max_length: 35,
                quiet_period: config.quiet_period.get(),
                credit_basis: CreditBasis::Order,
                credit_lag: config.credit_lag.get(),
                stock_lag: config.stock_lag.get(),
                serialize_creates_by_account: false,
                one_site_per_order: false,
                // It changes what is blocked, and no other class creates orders so.
                amendable: match config.create_class {
                    CreateClass::Staged => Amendable::UntilRelease,
                    CreateClass::Unique | CreateClass::Searchable | CreateClass::Blind => {
                        Amendable::Never
                    }
                },
                keys_per_call: KEYS_PER_CALL,
                prices_per_call: KEYS_PER_CALL,
            },
        })
    }

    async fn call<B: Serialize + Sync, A: DeserializeOwned>(
        &self,
        function: &str,
        body: &B,
        effect: Effect,
    ) -> Result<A, ConnectorError> {
        let request = self
            .http
            .post(format!("{}/erp/call/{function}", self.base_url))
            .header("X-Api-Key", self.api_key.expose())
            .json(body);
        let answer = transport::send(request, effect).await?;
        if !answer.status.is_success() {
            // It did not take the call, so nothing was done.
            let sentence = format!("the ERP answered {} to {function}", answer.status);
            return Err(ConnectorError::protocol(sentence));
        }
        serde_json::from_slice(&answer.body).map_err(|error| effect.nonsense(error))
    }

    /// A read: keys that the ERP does not know are told as errors, which here only means that they are absent.
    async fn read<A: DeserializeOwned + Returned>(
        &self,
        function: &str,
        query: KeyQuery<'_>,
    ) -> Result<A, ConnectorError> {
        let answer: A = self.call(function, &query, Effect::Reads).await?;
        match answer
            .messages()
            .iter()
            .find(|message| message.is_error() && !is_unknown_key(message))
        {
            Some(message) => Err(error_of(message)),
            None => Ok(answer),
        }
    }

    async fn change<B: Serialize + Sync>(
        &self,
        function: &str,
        body: &B,
    ) -> Result<ErpOrderNumber, ConnectorError> {
        let answer: wire::SalesOrderChanged = self.call(function, body, Effect::Changes).await?;
        if let Some(message) = answer.messages.iter().find(|message| message.is_error()) {
            return Err(error_of(message));
        }
        ErpOrderNumber::new(answer.vbeln).map_err(|error| Effect::Changes.nonsense(error))
    }
}

/// A customer, material, plant or order that was asked for and does not exist.
fn is_unknown_key(message: &Message) -> bool {
    [("F2", "153"), ("M3", "305"), ("M7", "018"), ("V1", "302")]
        .iter()
        .any(|(id, number)| message.is(id, number))
}

fn error_of(message: &Message) -> ConnectorError {
    if message.is("V1", "302") {
        ConnectorError::NotFound
    } else if message.is("V1", "042") {
        ConnectorError::Conflict {
            existing: message.message_v1.clone(),
        }
    } else {
        ConnectorError::Rejected {
            message: message.message.clone(),
        }
    }
}

/// An answer for somebody who was not asked about is refused whole: nothing in it can be trusted.
fn only_asked<'a>(
    rows: impl Iterator<Item = &'a str>,
    asked: &HashSet<&str>,
) -> Result<(), ConnectorError> {
    let mut rows = rows;
    match rows.find(|row| !asked.contains(row)) {
        Some(_other) => Err(ConnectorError::protocol(
            "the ERP answered for another account or order than it was asked for",
        )),
        None => Ok(()),
    }
}

#[async_trait]
impl ErpConnector for SandboxErpConnector {
    fn capabilities(&self) -> Capabilities {
        self.capabilities.clone()
    }

    async fn accounts(
        &self,
        company: &CompanyId,
        accounts: &[AccountId],
        as_of: Timestamp,
    ) -> Result<Batch<AccountId, AccountRecord>, ConnectorError> {
        let keys: Vec<&str> = accounts.iter().map(AccountId::as_str).collect();
        let query = KeyQuery {
            bukrs: company.as_str(),
            kunnr: Some(Kunnr::Many(keys.clone())),
            ..KeyQuery::default()
        };
        let answer: wire::Customers = self.read("CUSTOMER_GETDETAIL", query).await?;
        let asked = keys.into_iter().collect();
        only_asked(
            answer.customers.iter().map(|row| row.kunnr.as_str()),
            &asked,
        )?;
        let mut batch = Batch::default();
        for row in answer.customers {
            batch.take(mapping::account(company, row, as_of));
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
        let of = |scheme| {
            items
                .iter()
                .filter(move |item| item.scheme == scheme)
                .map(|item| item.value.as_str())
        };
        let gtins: BTreeSet<String> = of(ItemScheme::Gtin)
            .flat_map(|gtin| [gtin.to_owned(), mapping::gtin14(gtin)])
            .collect();
        let query = KeyQuery {
            bukrs: company.as_str(),
            kunnr: Some(Kunnr::One(account.as_str())),
            matnr: of(ItemScheme::SellerPartNumber).collect(),
            kdmat: of(ItemScheme::BuyerPartNumber).collect(),
            ean11: gtins.into_iter().collect(),
            maxrows: Some(MOST_ROWS.to_owned()),
            ..KeyQuery::default()
        };
        let answer: wire::Materials = self.read("MATERIAL_GETLIST", query).await?;
        if answer.more == "X" {
            return Err(ConnectorError::protocol(
                "these numbers name more products than fit a page of the ERP",
            ));
        }
        let mut batch = Batch::default();
        for item in items {
            if let Some(row) = answer
                .materials
                .iter()
                .find(|row| mapping::is_named(row, item))
            {
                let product = mapping::product(company, row, true, as_of);
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
        let account = query.account.as_ref();
        let call = KeyQuery {
            bukrs: query.company.as_str(),
            kunnr: account.map(|account| Kunnr::One(account.as_str())),
            search: query.search.as_deref(),
            skip: Some(query.skip.to_string()),
            maxrows: Some(query.limit.to_string()),
            ..KeyQuery::default()
        };
        let answer: wire::Materials = self.read("MATERIAL_GETLIST", call).await?;
        let rows = answer.materials.iter();
        let products =
            rows.map(|row| mapping::product(&query.company, row, account.is_some(), as_of));
        Ok(CataloguePart {
            products: products
                .collect::<Result<_, _>>()
                .map_err(|error| ConnectorError::Protocol(error.into()))?,
            more: answer.more == "X",
        })
    }

    async fn prices(
        &self,
        company: &CompanyId,
        account: &AccountId,
        asks: &[PriceAsk],
        _as_of: Timestamp,
    ) -> Result<Batch<PriceAsk, Vec<PriceEntry>>, ConnectorError> {
        let query = KeyQuery {
            bukrs: company.as_str(),
            kunnr: Some(Kunnr::One(account.as_str())),
            matnr: asks.iter().map(|ask| ask.item.as_str()).collect(),
            ..KeyQuery::default()
        };
        let answer: wire::Conditions = self.read("CONDITIONS_GETLIST", query).await?;
        let unknown: HashSet<&str> = answer
            .messages
            .iter()
            .filter(|message| message.is_error())
            .map(|message| message.message_v1.as_str())
            .collect();
        if unknown.contains(account.as_str()) {
            return Err(ConnectorError::NotFound);
        }
        let holders = answer.conditions.iter().filter_map(mapping::holder);
        only_asked(holders, &HashSet::from([account.as_str()]))?;
        let mut rows: HashMap<&str, Vec<&wire::Condition>> = HashMap::new();
        for row in &answer.conditions {
            rows.entry(row.matnr.as_str()).or_default().push(row);
        }
        let mut batch = Batch::default();
        let known = |ask: &&PriceAsk| !unknown.contains(ask.item.as_str());
        for ask in asks.iter().filter(known) {
            // One record that makes no sense spoils the item: without it another price would win unnoticed.
            let entries: Result<Vec<_>, _> = rows
                .remove(ask.item.as_str())
                .unwrap_or_default()
                .into_iter()
                .map(mapping::price)
                .collect();
            batch.take(entries.map(|entries| (ask.clone(), entries)));
        }
        Ok(batch)
    }

    async fn stock(
        &self,
        company: &CompanyId,
        keys: &[StockKey],
        as_of: Timestamp,
    ) -> Result<Batch<StockKey, StockFact>, ConnectorError> {
        let items: BTreeSet<&str> = keys.iter().map(|(item, _)| item.as_str()).collect();
        let sites: BTreeSet<&str> = keys.iter().map(|(_, site)| site.as_str()).collect();
        let query = KeyQuery {
            bukrs: company.as_str(),
            matnr: items.into_iter().collect(),
            werks: sites.into_iter().collect(),
            ..KeyQuery::default()
        };
        let answer: wire::StockRows = self.read("STOCK_GETLIST", query).await?;
        let mut batch = Batch::default();
        for row in &answer.stock {
            batch.take(mapping::stock(company, row, as_of));
        }
        Ok(batch)
    }

    async fn credit(
        &self,
        company: &CompanyId,
        accounts: &[AccountId],
        as_of: Timestamp,
    ) -> Result<Batch<AccountId, CreditFact>, ConnectorError> {
        let keys: Vec<&str> = accounts.iter().map(AccountId::as_str).collect();
        let query = KeyQuery {
            bukrs: company.as_str(),
            kunnr: Some(Kunnr::Many(keys.clone())),
            ..KeyQuery::default()
        };
        let answer: wire::CreditRows = self.read("CREDIT_GETSTATUS", query).await?;
        let asked = keys.into_iter().collect();
        only_asked(answer.credit.iter().map(|row| row.kunnr.as_str()), &asked)?;
        let mut batch = Batch::default();
        for row in &answer.credit {
            batch.take(mapping::credit(company, row, as_of));
        }
        Ok(batch)
    }

    async fn create_order(
        &self,
        company: &CompanyId,
        order: &CreateErpOrder,
    ) -> Result<ErpOrderNumber, ConnectorError> {
        let staged = self.capabilities.create_class == CreateClass::Staged;
        let body = mapping::new_order(company, order, staged)?;
        self.change("SALESORDER_CREATE", &body).await
    }

    async fn find_orders(
        &self,
        company: &CompanyId,
        reference: &OrderReference,
    ) -> Result<Vec<ErpOrderNumber>, ConnectorError> {
        let query = KeyQuery {
            bukrs: company.as_str(),
            xref: Some(reference.as_str()),
            maxrows: Some(MOST_ROWS.to_owned()),
            ..KeyQuery::default()
        };
        let answer: wire::SalesOrders = self.read("SALESORDER_GETLIST", query).await?;
        if answer.more == "X" {
            return Err(ConnectorError::protocol(
                "more orders carry this reference than a person would make by mistake",
            ));
        }
        let asked = HashSet::from([reference.as_str()]);
        only_asked(answer.orders.iter().map(|row| row.xref.as_str()), &asked)?;
        let mut numbers = answer
            .orders
            .into_iter()
            .map(|row| ErpOrderNumber::new(row.vbeln))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| ConnectorError::Protocol(error.into()))?;
        numbers.sort_unstable();
        Ok(numbers)
    }

    async fn orders(
        &self,
        company: &CompanyId,
        numbers: &[ErpOrderNumber],
    ) -> Result<Batch<ErpOrderNumber, ErpOrder>, ConnectorError> {
        let keys: Vec<&str> = numbers.iter().map(ErpOrderNumber::as_str).collect();
        let query = KeyQuery {
            bukrs: company.as_str(),
            vbeln: keys.clone(),
            ..KeyQuery::default()
        };
        let answer: wire::SalesOrders = self.read("SALESORDER_GETDETAIL", query).await?;
        let asked = keys.into_iter().collect();
        only_asked(answer.orders.iter().map(|row| row.vbeln.as_str()), &asked)?;
        let mut batch = Batch::default();
        for row in &answer.orders {
            batch.take(mapping::order(row));
        }
        Ok(batch)
    }

    async fn invoices(
        &self,
        company: &CompanyId,
        number: &ErpOrderNumber,
    ) -> Result<Vec<ErpInvoice>, ConnectorError> {
        let query = KeyQuery {
            bukrs: company.as_str(),
            vbeln: vec![number.as_str()],
            ..KeyQuery::default()
        };
        let answer: wire::InvoiceRows = self.read("INVOICE_GETLIST", query).await?;
        if answer.messages.iter().any(is_unknown_key) {
            return Err(ConnectorError::NotFound);
        }
        let asked = HashSet::from([number.as_str()]);
        only_asked(answer.invoices.iter().map(|row| row.aubel.as_str()), &asked)?;
        let invoices = answer.invoices.iter().map(mapping::invoice);
        let mut invoices = invoices
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| ConnectorError::Protocol(error.into()))?;
        invoices.sort_by(|one, other| (one.date, &one.number).cmp(&(other.date, &other.number)));
        Ok(invoices)
    }

    async fn amend_order(
        &self,
        company: &CompanyId,
        number: &ErpOrderNumber,
        amendment: &AmendErpOrder,
    ) -> Result<(), ConnectorError> {
        let body = mapping::amendment(company, number, amendment)?;
        self.change("SALESORDER_CHANGE", &body).await.map(drop)
    }

    async fn release_order(
        &self,
        company: &CompanyId,
        number: &ErpOrderNumber,
    ) -> Result<(), ConnectorError> {
        let body = OrderChange {
            bukrs: company.as_str(),
            vbeln: number.as_str(),
            abgru: None,
        };
        self.change("SALESORDER_RELEASE", &body).await.map(drop)
    }

    async fn cancel_order(
        &self,
        company: &CompanyId,
        number: &ErpOrderNumber,
    ) -> Result<(), ConnectorError> {
        let body = OrderChange {
            bukrs: company.as_str(),
            vbeln: number.as_str(),
            abgru: Some("cancelled"),
        };
        self.change("SALESORDER_CANCEL", &body).await.map(drop)
    }
}
