//! [`SystemApis`] over HTTP: paths, lane and deadline of each call, and what an error means for the caller.

#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use axum::http::{HeaderName, Method};
use canonical_model::{
    CompanyId, ErpOrderNumber, OrderReference, ShipmentNumber, SiteId,
    account::{AccountQuery, Accounts},
    capabilities::Capabilities,
    credit::{CreditFacts, CreditQuery},
    erp_order::{CreateErpOrder, ErpOrder, ErpOrders},
    facts::{FactAnswers, FactQueries},
    fulfilment::{CreateWarehouseRelease, WarehouseRelease, WarehouseReleases},
    price::{PriceQuery, PriceSchedules},
    product::{ProductMatches, ProductPage, ProductQuery, ProductSearch},
    shipment::ShipmentNews,
    stock::{StockFacts, StockQuery},
};
use serde::{Serialize, de::DeserializeOwned};
use service_runtime::{
    http_client::{HopClient, HopError, HopRequest, HopResponse, read_json},
    memo::Memo,
    problem::Problem,
};

use tokio::time::Instant;

use super::{
    exchange::{answers, together},
    questions::{Answers, Questions, each_by_itself},
    system::{Call, Lane, SystemApis, SystemError},
};

const LANE: HeaderName = HeaderName::from_static("orderway-lane");

/// Who looks around is told what a source can do as of so long ago. Whether it takes orders may change at any time: what decides on
/// them asks anew.
const CAPABILITIES_FOR: Duration = Duration::from_secs(1);

/// About how many bytes of answers stay read.
const MOST_READ: u64 = 32 * 1024 * 1024;

/// The client of `system-apis`.
#[derive(Debug, Clone)]
pub struct SystemClient {
    hop: HopClient,
    capabilities: Arc<Mutex<HashMap<CompanyId, (Instant, Capabilities)>>>,
    /// What answers to who looks around say: the same ones come again and again.
    browsed: Memo<FactAnswers, HopError>,
}

/// Whether a call changes something: only then can its outcome be unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Read,
    Change,
}

impl SystemClient {
    /// Over this hop.
    pub fn new(hop: HopClient) -> Self {
        Self {
            hop,
            capabilities: Arc::default(),
            browsed: Memo::new(MOST_READ, read_json),
        }
    }

    fn known_capabilities(&self) -> MutexGuard<'_, HashMap<CompanyId, (Instant, Capabilities)>> {
        let known = self.capabilities.lock();
        let mut known = known.unwrap_or_else(PoisonError::into_inner);
        // What is old goes, so that there are no more than companies that were just asked for.
        known.retain(|_, (asked, _)| asked.elapsed() < CAPABILITIES_FOR);
        known
    }

    /// What is known still, for who looks around.
    fn capabilities_for(&self, call: &Call) -> Option<Capabilities> {
        if call.lane != Lane::Browse {
            return None;
        }
        let known = self.known_capabilities();
        known.get(&call.company).map(|(_, known)| known.clone())
    }

    fn keep_capabilities(&self, call: &Call, asked: Instant, told: &Capabilities) {
        self.known_capabilities()
            .insert(call.company.clone(), (asked, told.clone()));
    }

    async fn ask_together(
        &self,
        call: &Call,
        queries: &FactQueries,
    ) -> Result<FactAnswers, SystemError> {
        let asked = Instant::now();
        let request = self
            .request(Method::POST, call, "/facts/query")
            .json(queries);
        let told = request
            .send()
            .await
            .and_then(|response| self.read(call, &response));
        let told = told.map_err(|error| classify(error, Kind::Read))?;
        if let Some(told) = &told.capabilities {
            self.keep_capabilities(call, asked, told);
        }
        Ok(told)
    }

    fn read(&self, call: &Call, response: &HopResponse) -> Result<FactAnswers, HopError> {
        if call.lane != Lane::Browse {
            return response.json();
        }
        let read = self.browsed.of(&response.body);
        read.map(|read| FactAnswers::clone(&read))
    }

    fn request(&self, method: Method, call: &Call, path: &str) -> HopRequest {
        let company = encode(call.company.as_str());
        let request = self
            .hop
            .request(
                method,
                &format!("/v1/companies/{company}{path}"),
                &call.context,
            )
            .header(LANE, call.lane.as_str());
        match call.time {
            Some(time) => request.timeout(time.min(Duration::from_secs(60))),
            None => request,
        }
    }

    async fn get<T: DeserializeOwned>(&self, call: &Call, path: &str) -> Result<T, SystemError> {
        answer(self.request(Method::GET, call, path), Kind::Read).await
    }

    async fn query<B: Serialize + Sync, T: DeserializeOwned>(
        &self,
        call: &Call,
        path: &str,
        body: &B,
    ) -> Result<T, SystemError> {
        answer(
            self.request(Method::POST, call, path).json(body),
            Kind::Read,
        )
        .await
    }

    async fn change<T: DeserializeOwned>(&self, call: &Call, path: &str) -> Result<T, SystemError> {
        answer(self.request(Method::POST, call, path), Kind::Change).await
    }
}

async fn answer<T: DeserializeOwned>(request: HopRequest, kind: Kind) -> Result<T, SystemError> {
    let answer = match request.send().await {
        Ok(response) => response.json(),
        Err(error) => Err(error),
    };
    answer.map_err(|error| classify(error, kind))
}

/// What an error of the hop means. A change that timed out or broke after it was sent may have been done.
pub(super) fn classify(error: HopError, kind: Kind) -> SystemError {
    match (error, kind) {
        (HopError::Problem(problem), _) => classify_problem(&problem, kind),
        (HopError::TooLate, _) => SystemError::DeadlineExceeded,
        (HopError::Connect(_), _) => SystemError::Unavailable { retry_after: None },
        (HopError::Timeout | HopError::Protocol(..), Kind::Change) => SystemError::OutcomeUnknown,
        (HopError::Timeout, Kind::Read) => SystemError::Unavailable { retry_after: None },
        (error @ (HopError::Protocol(..) | HopError::Build(_)), _) => SystemError::Protocol {
            detail: error.to_string(),
        },
    }
}

/// The parameters that were refused, where they are those of the query: a cursor is the layer below's own.
pub(super) fn unusable(error: &HopError) -> Option<SystemError> {
    let HopError::Problem(problem) = error else {
        return None;
    };
    let errors = problem.errors.clone();
    let is_of_the_query =
        !errors.is_empty() && errors.iter().all(|fault| fault.pointer.starts_with('?'));
    let refused = [400, 422].contains(&problem.status);
    (refused && is_of_the_query).then_some(SystemError::Parameter { errors })
}

/// What is wrong with a body that was handed on as it was given.
fn refused_fields(error: &HopError) -> Option<SystemError> {
    let HopError::Problem(problem) = error else {
        return None;
    };
    let errors = problem.errors.clone();
    let refused = [400, 422].contains(&problem.status) && !errors.is_empty();
    refused.then_some(SystemError::Parameter { errors })
}

/// The ERP's number of the order that is there already.
fn number_of_existing(error: &HopError) -> Option<ErpOrderNumber> {
    let HopError::Problem(problem) = error else {
        return None;
    };
    let named = problem
        .extensions
        .get("existing")
        .filter(|_| problem.code == "backend-conflict")?;
    ErpOrderNumber::new(named.as_str()?).ok()
}

fn classify_problem(problem: &Problem, kind: Kind) -> SystemError {
    let retry_after = problem.retry_after;
    match problem.code.as_str() {
        "backend-rejected" => {
            let detail = problem
                .detail
                .clone()
                .unwrap_or_else(|| problem.title.clone());
            SystemError::Rejected { detail }
        }
        "backend-not-found" | "not-found" => SystemError::NotFound,
        "backend-conflict" => SystemError::Conflict { existing: None },
        "backend-throttled" | "rate-limited" | "overloaded" => {
            SystemError::Throttled { retry_after }
        }
        "backend-unavailable" => SystemError::Unavailable { retry_after },
        "deadline-exceeded" => SystemError::DeadlineExceeded,
        "backend-outcome-unknown" if kind == Kind::Change => SystemError::OutcomeUnknown,
        "backend-protocol" if kind == Kind::Read => SystemError::Protocol {
            detail: problem.to_string(),
        },
        _ if problem.status < 500 => SystemError::Protocol {
            detail: problem.to_string(),
        },
        _ if kind == Kind::Change => SystemError::OutcomeUnknown,
        _ => SystemError::Unavailable { retry_after },
    }
}

/// A path segment or query value, percent-encoded but for what RFC 3986 calls unreserved.
fn encode(text: &str) -> String {
    text.bytes()
        .fold(String::with_capacity(text.len()), |mut encoded, byte| {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                encoded.push(char::from(byte));
            } else {
                encoded.push_str(&format!("%{byte:02X}"));
            }
            encoded
        })
}

fn search_path(search: &ProductSearch) -> String {
    let limit = search.limit.map(|limit| limit.to_string());
    let pairs = [
        ("search", search.search.as_deref()),
        (
            "account",
            search
                .account
                .as_ref()
                .map(canonical_model::AccountId::as_str),
        ),
        ("cursor", search.cursor.as_deref()),
        ("limit", limit.as_deref()),
    ];
    let given = pairs
        .iter()
        .filter_map(|(name, value)| value.map(|value| format!("{name}={}", encode(value))));
    format!("/products?{}", given.collect::<Vec<_>>().join("&"))
}

#[async_trait]
impl SystemApis for SystemClient {
    async fn capabilities(&self, call: &Call) -> Result<Capabilities, SystemError> {
        if let Some(known) = self.capabilities_for(call) {
            return Ok(known);
        }
        let asked = Instant::now();
        let told: Capabilities = self.get(call, "/capabilities").await?;
        self.keep_capabilities(call, asked, &told);
        Ok(told)
    }

    async fn ask(&self, call: &Call, mut questions: Questions) -> Answers {
        let known = self
            .capabilities_for(call)
            .filter(|_| questions.capabilities);
        questions.capabilities &= known.is_none();
        let mut answers = match together(&questions) {
            Some(queries) => match self.ask_together(call, &queries).await {
                // A layer below that does not know this exchange yet, or one answer of several that cannot be used.
                Err(SystemError::NotFound | SystemError::Protocol { .. }) => {
                    each_by_itself(self, call, questions).await
                }
                told => answers(&queries, told),
            },
            None => each_by_itself(self, call, questions).await,
        };
        if let Some(known) = known {
            answers.capabilities = Some(Ok(known)).into();
        }
        answers
    }

    async fn accounts(&self, call: &Call, query: &AccountQuery) -> Result<Accounts, SystemError> {
        self.query(call, "/accounts/query", query).await
    }

    async fn products_search(
        &self,
        call: &Call,
        search: &ProductSearch,
    ) -> Result<ProductPage, SystemError> {
        let found = self
            .request(Method::GET, call, &search_path(search))
            .send()
            .await;
        found
            .and_then(|response| response.json())
            .map_err(|error| unusable(&error).unwrap_or_else(|| classify(error, Kind::Read)))
    }

    async fn products_query(
        &self,
        call: &Call,
        query: &ProductQuery,
    ) -> Result<ProductMatches, SystemError> {
        self.query(call, "/products/query", query).await
    }

    async fn prices(&self, call: &Call, query: &PriceQuery) -> Result<PriceSchedules, SystemError> {
        self.query(call, "/prices/query", query).await
    }

    async fn stock(&self, call: &Call, query: &StockQuery) -> Result<StockFacts, SystemError> {
        self.query(call, "/stock/query", query).await
    }

    async fn credit(&self, call: &Call, query: &CreditQuery) -> Result<CreditFacts, SystemError> {
        self.query(call, "/credit/query", query).await
    }

    async fn create_order(
        &self,
        call: &Call,
        order: &CreateErpOrder,
    ) -> Result<ErpOrder, SystemError> {
        let request = self
            .request(Method::POST, call, "/sales-orders")
            .json(order);
        let answer = match request.send().await {
            Ok(response) => response.json(),
            Err(error) => Err(error),
        };
        let error = match answer {
            Ok(created) => return Ok(created),
            Err(error) => error,
        };
        // The ERP says which order it has already: its content is what tells a success from a clash.
        let Some(number) = number_of_existing(&error) else {
            return Err(classify(error, Kind::Change));
        };
        let existing = self.order(call, &number).await.ok().map(Box::new);
        Err(SystemError::Conflict { existing })
    }

    async fn orders_by_reference(
        &self,
        call: &Call,
        reference: &OrderReference,
        besides: Option<&ErpOrderNumber>,
    ) -> Result<ErpOrders, SystemError> {
        let besides = besides.map(|number| format!("&besides={}", encode(number.as_str())));
        let (reference, besides) = (encode(reference.as_str()), besides.unwrap_or_default());
        self.get(
            call,
            &format!("/sales-orders?reference={reference}{besides}"),
        )
        .await
    }

    async fn order(&self, call: &Call, number: &ErpOrderNumber) -> Result<ErpOrder, SystemError> {
        self.get(call, &format!("/sales-orders/{}", encode(number.as_str())))
            .await
    }

    async fn release_order(&self, call: &Call, number: &ErpOrderNumber) -> Result<(), SystemError> {
        let path = format!("/sales-orders/{}/release", encode(number.as_str()));
        let released = self.request(Method::POST, call, &path).send().await;
        released
            .map(drop)
            .map_err(|error| classify(error, Kind::Change))
    }

    async fn cancel_order(
        &self,
        call: &Call,
        number: &ErpOrderNumber,
    ) -> Result<ErpOrder, SystemError> {
        self.change(
            call,
            &format!("/sales-orders/{}/cancel", encode(number.as_str())),
        )
        .await
    }

    async fn create_release(
        &self,
        call: &Call,
        release: &CreateWarehouseRelease,
    ) -> Result<WarehouseRelease, SystemError> {
        answer(
            self.request(Method::POST, call, "/warehouse-releases")
                .json(release),
            Kind::Change,
        )
        .await
    }

    async fn releases(
        &self,
        call: &Call,
        release_reference: &str,
        site: &SiteId,
    ) -> Result<WarehouseReleases, SystemError> {
        let (reference, site) = (encode(release_reference), encode(site.as_str()));
        self.get(
            call,
            &format!("/warehouse-releases?release_reference={reference}&site={site}"),
        )
        .await
    }

    async fn shipment(
        &self,
        call: &Call,
        site: &SiteId,
        shipment: &ShipmentNumber,
    ) -> Result<ShipmentNews, SystemError> {
        let (shipment, site) = (encode(shipment.as_str()), encode(site.as_str()));
        self.get(call, &format!("/shipments/{shipment}?site={site}"))
            .await
    }

    async fn systems(&self, call: &Call) -> Result<serde_json::Value, SystemError> {
        let request = self.hop.request(Method::GET, "/v1/systems", &call.context);
        answer(request.header(LANE, call.lane.as_str()), Kind::Read).await
    }

    /// The same order again changes nothing, so its outcome need not be known to repeat it.
    async fn hold_breaker(
        &self,
        call: &Call,
        system: &str,
        operation: &str,
        order: Option<&serde_json::Value>,
    ) -> Result<serde_json::Value, SystemError> {
        let (system, operation) = (encode(system), encode(operation));
        let path = format!("/v1/systems/{system}/operations/{operation}/breaker");
        let request = match order {
            Some(order) => self
                .hop
                .request(Method::PUT, &path, &call.context)
                .json(order),
            None => self.hop.request(Method::DELETE, &path, &call.context),
        };
        let held = request.header(LANE, call.lane.as_str()).send().await;
        held.and_then(|response| response.json())
            .map_err(|error| refused_fields(&error).unwrap_or_else(|| classify(error, Kind::Read)))
    }
}
