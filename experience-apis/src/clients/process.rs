//! The layer below: one method an operation of `process-apis`, each under the caller's signed context.

use axum::body::Bytes;
use canonical_model::{
    AccountId, ItemNumber, OrderId, QuoteId, ReservationId,
    account::{Account, Accounts},
    basket::{BasketCheck, BasketRequest},
    catalog::CatalogItem,
    credit::CreditPosition,
    event::EventPage,
    order::{SalesOrder, SalesOrderAccepted, SalesOrderPage, SalesOrderRequest},
    price::{BrowsePriceQuery, BrowsePrices},
    product::{BrowseProductQuery, Product, ProductMatches, ProductPage},
    promise::{Availabilities, AvailabilityQuery},
    quote::{Quote, QuoteRequest},
    reservation::{Reservation, ReservationRequest},
};
use http::{Method, header};
use serde::{Serialize, de::DeserializeOwned};
use service_runtime::{
    context::{CallContext, ContextSigner},
    extract::IdempotencyKey,
    http_client::{HopClient, HopConfig, HopError, HopRequest, HopResponse},
};

/// Why a call has no good answer. It becomes a problem in `crate::error`, and only there.
#[derive(Debug, thiserror::Error)]
#[error("process-apis gave no good answer")]
pub struct CallError(#[source] pub HopError);

/// An answer to a call that carried an idempotency key.
#[derive(Debug, Clone)]
pub struct Once<T> {
    /// What was answered.
    pub body: T,
    /// The answer is the stored one of an earlier call with the same key.
    pub replayed: bool,
    /// The answer is the first one to the same purchase order, sent under another key.
    pub duplicate: bool,
}

/// A filter of orders.
#[derive(Debug, Clone, Default)]
pub struct OrderFilter {
    /// Of which account.
    pub account: Option<AccountId>,
    /// The buyer's number.
    pub purchase_order_number: Option<String>,
    /// Where they stand, in the word of the canonical JSON.
    pub status: Option<String>,
    /// `next` of the page before.
    pub cursor: Option<String>,
    /// How many.
    pub limit: Option<u16>,
}

/// The client; cheap to clone.
#[derive(Debug, Clone)]
pub struct ProcessClient {
    hop: HopClient,
}

type Answer<T> = Result<T, CallError>;

impl ProcessClient {
    /// A client of the process-apis at an address.
    pub fn new(config: HopConfig, signer: ContextSigner) -> Self {
        Self {
            hop: HopClient::new(config, signer),
        }
    }

    /// The caller's accounts.
    pub async fn accounts(&self, context: &CallContext) -> Answer<Accounts> {
        self.get("/v1/accounts", context).await
    }

    /// One account.
    pub async fn account(&self, context: &CallContext, account: &AccountId) -> Answer<Account> {
        let path = format!("/v1/accounts/{}", encode(account.as_str()));
        self.get(&path, context).await
    }

    /// The credit position that rules for an account.
    pub async fn credit(
        &self,
        context: &CallContext,
        account: &AccountId,
    ) -> Answer<CreditPosition> {
        let path = format!("/v1/accounts/{}/credit", encode(account.as_str()));
        self.get(&path, context).await
    }

    /// A page of the catalogue, with the account's part numbers.
    pub async fn products(
        &self,
        context: &CallContext,
        account: &AccountId,
        search: Option<&str>,
        cursor: Option<&str>,
        limit: Option<u16>,
    ) -> Answer<ProductPage> {
        let path = part(("/v1/products", account), search, cursor, limit);
        self.get(&path, context).await
    }

    /// A page of the catalogue, with the account's prices and what is available, as it was written: the bytes of a `CatalogPage`.
    pub async fn catalog(
        &self,
        context: &CallContext,
        account: &AccountId,
        search: Option<&str>,
        cursor: Option<&str>,
        limit: Option<u16>,
    ) -> Answer<Bytes> {
        let path = part(("/v1/catalog", account), search, cursor, limit);
        let answer = self.call(Method::GET, &path, context).send().await;
        answer.map(|answer| answer.body).map_err(CallError)
    }

    /// One product of it.
    pub async fn catalog_item(
        &self,
        context: &CallContext,
        account: &AccountId,
        item: &ItemNumber,
    ) -> Answer<CatalogItem> {
        let path = format!("/v1/catalog/{}", encode(item.as_str()));
        let path = with_query(&path, &[("account", Some(account.as_str()))]);
        self.get(&path, context).await
    }

    /// One product, with the account's part number.
    pub async fn product(
        &self,
        context: &CallContext,
        account: &AccountId,
        item: &ItemNumber,
    ) -> Answer<Product> {
        let path = format!("/v1/products/{}", encode(item.as_str()));
        let path = with_query(&path, &[("account", Some(account.as_str()))]);
        self.get(&path, context).await
    }

    /// Some products, in the order asked, with the account's part numbers.
    pub async fn query_products(
        &self,
        context: &CallContext,
        query: &BrowseProductQuery,
    ) -> Answer<ProductMatches> {
        self.post("/v1/products/query", context, query).await
    }

    /// Prices as a buyer browses them.
    pub async fn prices(
        &self,
        context: &CallContext,
        query: &BrowsePriceQuery,
    ) -> Answer<BrowsePrices> {
        self.post("/v1/prices/query", context, query).await
    }

    /// What is available of some items.
    pub async fn availability(
        &self,
        context: &CallContext,
        query: &AvailabilityQuery,
    ) -> Answer<Availabilities> {
        self.post("/v1/availability/query", context, query).await
    }

    /// What would become of a basket.
    pub async fn check_basket(
        &self,
        context: &CallContext,
        basket: &BasketRequest,
    ) -> Answer<BasketCheck> {
        self.post("/v1/basket-checks", context, basket).await
    }

    /// Locks prices.
    pub async fn create_quote(
        &self,
        context: &CallContext,
        key: &IdempotencyKey,
        request: &QuoteRequest,
    ) -> Answer<Once<Quote>> {
        let call = self.call(Method::POST, "/v1/quotes", context).json(request);
        once(call.idempotency_key(key.as_str())).await
    }

    /// A quote.
    pub async fn quote(&self, context: &CallContext, quote: QuoteId) -> Answer<Quote> {
        self.get(&format!("/v1/quotes/{quote}"), context).await
    }

    /// Holds stock.
    pub async fn create_reservation(
        &self,
        context: &CallContext,
        key: &IdempotencyKey,
        request: &ReservationRequest,
    ) -> Answer<Once<Reservation>> {
        let call = self.call(Method::POST, "/v1/reservations", context);
        once(call.json(request).idempotency_key(key.as_str())).await
    }

    /// A reservation.
    pub async fn reservation(
        &self,
        context: &CallContext,
        reservation: ReservationId,
    ) -> Answer<Reservation> {
        self.get(&format!("/v1/reservations/{reservation}"), context)
            .await
    }

    /// Gives held stock back.
    pub async fn release_reservation(
        &self,
        context: &CallContext,
        key: &IdempotencyKey,
        reservation: ReservationId,
    ) -> Answer<Once<Reservation>> {
        let path = format!("/v1/reservations/{reservation}/release");
        let call = self.call(Method::POST, &path, context);
        once(call.idempotency_key(key.as_str())).await
    }

    /// Takes an order: the only way in for every channel.
    pub async fn create_order(
        &self,
        context: &CallContext,
        key: &IdempotencyKey,
        request: &SalesOrderRequest,
    ) -> Answer<Once<SalesOrderAccepted>> {
        let call = self.call(Method::POST, "/v1/orders", context).json(request);
        once(call.idempotency_key(key.as_str())).await
    }

    /// A page of orders.
    pub async fn orders(
        &self,
        context: &CallContext,
        filter: &OrderFilter,
    ) -> Answer<SalesOrderPage> {
        let limit = filter.limit.map(|limit| limit.to_string());
        let path = with_query(
            "/v1/orders",
            &[
                ("account", filter.account.as_ref().map(AccountId::as_str)),
                (
                    "purchase_order_number",
                    filter.purchase_order_number.as_deref(),
                ),
                ("status", filter.status.as_deref()),
                ("cursor", filter.cursor.as_deref()),
                ("limit", limit.as_deref()),
            ],
        );
        self.get(&path, context).await
    }

    /// An order.
    pub async fn order(&self, context: &CallContext, order: OrderId) -> Answer<SalesOrder> {
        self.get(&format!("/v1/orders/{order}"), context).await
    }

    /// What has happened to an order after a position.
    pub async fn order_events(
        &self,
        context: &CallContext,
        order: OrderId,
        after: u64,
        limit: u16,
    ) -> Answer<EventPage> {
        let path = format!("/v1/orders/{order}/events");
        let (after, limit) = (after.to_string(), limit.to_string());
        let page = [("after", Some(&*after)), ("limit", Some(&*limit))];
        self.get(&with_query(&path, &page), context).await
    }

    /// Cancels an order, unless it has changed since the caller read it.
    pub async fn cancel_order(
        &self,
        context: &CallContext,
        key: &IdempotencyKey,
        if_match: &str,
        order: OrderId,
    ) -> Answer<Once<SalesOrder>> {
        let path = format!("/v1/orders/{order}/cancel");
        let call = self.call(Method::POST, &path, context);
        let call = call.header(header::IF_MATCH, if_match);
        once(call.idempotency_key(key.as_str())).await
    }

    /// Puts another order in the place of one, unless it has changed since the caller read it. Answered `duplicate` where
    /// the order has this content already.
    pub async fn replace_order(
        &self,
        context: &CallContext,
        key: &IdempotencyKey,
        if_match: &str,
        order: OrderId,
        request: &SalesOrderRequest,
    ) -> Answer<Once<SalesOrder>> {
        let path = format!("/v1/orders/{order}/replace");
        let call = self.call(Method::POST, &path, context).json(request);
        let call = call.header(header::IF_MATCH, if_match);
        once(call.idempotency_key(key.as_str())).await
    }

    pub(super) async fn get<T: DeserializeOwned>(
        &self,
        path: &str,
        context: &CallContext,
    ) -> Answer<T> {
        read(self.call(Method::GET, path, context).send().await)
    }

    pub(super) async fn post<B: Serialize, T: DeserializeOwned>(
        &self,
        path: &str,
        context: &CallContext,
        body: &B,
    ) -> Answer<T> {
        let call = self.call(Method::POST, path, context).json(body);
        read(call.send().await)
    }

    pub(super) fn call(&self, method: Method, path: &str, context: &CallContext) -> HopRequest {
        self.hop.request(method, path, context)
    }
}

pub(super) fn read<T: DeserializeOwned>(answer: Result<HopResponse, HopError>) -> Answer<T> {
    answer.and_then(|answer| answer.json()).map_err(CallError)
}

pub(super) async fn once<T: DeserializeOwned>(call: HopRequest) -> Answer<Once<T>> {
    let answer = call.send().await.map_err(CallError)?;
    let says = |name: &str| answer.header(name) == Some("true");
    Ok(Once {
        replayed: says("idempotency-replayed"),
        duplicate: says("orderway-duplicate"),
        body: answer.json().map_err(CallError)?,
    })
}

/// A path segment or query value, percent-encoded: only what RFC 3986 leaves unreserved stays.
pub(super) fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

/// A part of a list of an account, found by a search.
fn part(
    (path, account): (&str, &AccountId),
    search: Option<&str>,
    cursor: Option<&str>,
    limit: Option<u16>,
) -> String {
    let limit = limit.map(|limit| limit.to_string());
    with_query(
        path,
        &[
            ("account", Some(account.as_str())),
            ("search", search),
            ("cursor", cursor),
            ("limit", limit.as_deref()),
        ],
    )
}

pub(super) fn with_query(path: &str, parameters: &[(&str, Option<&str>)]) -> String {
    let given: Vec<String> = parameters
        .iter()
        .filter_map(|(name, value)| value.map(|value| format!("{name}={}", encode(value))))
        .collect();
    if given.is_empty() {
        path.to_owned()
    } else {
        format!("{path}?{}", given.join("&"))
    }
}

/// A value of the canonical JSON that is one word, as that word.
pub(crate) fn word<T: Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_buyer_sends_cannot_leave_its_place_in_the_address() {
        assert_eq!(encode("../orders?x=1#é"), "..%2Forders%3Fx%3D1%23%C3%A9");
        assert_eq!(
            with_query(
                "/v1/products",
                &[("search", Some("a&b=c")), ("limit", None)]
            ),
            "/v1/products?search=a%26b%3Dc"
        );
    }
}
