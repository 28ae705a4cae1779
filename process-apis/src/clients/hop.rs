//! [`SystemApis`] over HTTP: paths, lane and deadline of each call, and what an error means for the caller.

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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::Router;
    use rstest::rstest;
    use service_runtime::{
        clock::Clock,
        config::Secret,
        context::{ContextKeys, ContextSigner, Hop, LayerIdentity},
        http_client::HopConfig,
        problem::{ErrorCode, FieldError},
    };
    use tokio::net::TcpListener;

    use super::*;
    use crate::{
        baskets::testing::{call_for, noon},
        clients::fake::World,
    };

    /// A client of a layer below, which goes on until the test ends.
    async fn client_of(below: Router) -> SystemClient {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, below).await });
        let keys = ContextKeys::new(&Secret::from("k".repeat(32)), None).unwrap();
        let hop = Hop {
            from: LayerIdentity::ProcessApis,
            to: LayerIdentity::SystemApis,
        };
        let signer = ContextSigner::new(hop, keys, Clock::fixed(noon()).0);
        SystemClient::new(HopClient::new(HopConfig::new(url), signer))
    }

    fn problem(code: &'static str, status: u16) -> HopError {
        let code = ErrorCode {
            code,
            status,
            title: "title",
            retryable: false,
        };
        HopError::Problem(Problem::new(code, "detail"))
    }

    #[rstest]
    #[case("backend-rejected", 422, SystemError::Rejected { detail: "detail".to_owned() })]
    #[case("backend-not-found", 404, SystemError::NotFound)]
    #[case("backend-conflict", 409, SystemError::Conflict { existing: None })]
    #[case("backend-throttled", 503, SystemError::Throttled { retry_after: None })]
    #[case("backend-unavailable", 503, SystemError::Unavailable { retry_after: None })]
    #[case("deadline-exceeded", 504, SystemError::DeadlineExceeded)]
    #[case("backend-outcome-unknown", 504, SystemError::OutcomeUnknown)]
    #[case("internal", 500, SystemError::OutcomeUnknown)]
    #[case("timeout", 504, SystemError::OutcomeUnknown)]
    #[case("backend-protocol", 502, SystemError::OutcomeUnknown)]
    fn a_change_that_may_have_been_done_is_never_called_undone(
        #[case] code: &'static str,
        #[case] status: u16,
        #[case] expected: SystemError,
    ) {
        assert_eq!(classify(problem(code, status), Kind::Change), expected);
    }

    #[test]
    fn a_broken_hop_leaves_a_change_unknown_and_a_read_undone() {
        assert_eq!(
            classify(HopError::Timeout, Kind::Change),
            SystemError::OutcomeUnknown
        );
        let cut = || HopError::Protocol("it was cut".to_owned(), None);
        assert_eq!(classify(cut(), Kind::Change), SystemError::OutcomeUnknown);
        assert!(matches!(
            classify(cut(), Kind::Read),
            SystemError::Protocol { .. }
        ));
        assert_eq!(
            classify(HopError::Timeout, Kind::Read),
            SystemError::Unavailable { retry_after: None }
        );
        assert_eq!(
            classify(HopError::TooLate, Kind::Change),
            SystemError::DeadlineExceeded
        );
        assert_eq!(
            classify(problem("internal", 500), Kind::Read),
            SystemError::Unavailable { retry_after: None }
        );
    }

    #[test]
    fn the_order_that_is_there_already_is_named() {
        let code = ErrorCode {
            code: "backend-conflict",
            status: 409,
            title: "title",
            retryable: false,
        };
        let conflict = Problem::new(code, "detail").with_extension("existing", "0000100001");
        let number = number_of_existing(&HopError::Problem(conflict)).unwrap();
        assert_eq!(number.as_str(), "0000100001");
        assert_eq!(number_of_existing(&problem("backend-rejected", 422)), None);
    }

    #[test]
    fn a_cursor_that_is_none_is_the_callers_fault() {
        let cursor = FieldError::new("?cursor", "invalid-cursor", "Use `next` of a page.");
        let refused = |fault: &FieldError| {
            HopError::Problem(
                Problem::invalid_request("No cursor of ours.").with_error(fault.clone()),
            )
        };
        let unusable = unusable(&refused(&cursor)).unwrap();
        let told = Problem::from(unusable);
        assert_eq!(
            (told.status, told.errors.as_slice()),
            (400, [cursor].as_slice())
        );
        let ours = FieldError::new("/items", "wrong-type", "A list.");
        assert_eq!(super::unusable(&refused(&ours)), None);
        assert_eq!(super::unusable(&problem("backend-unavailable", 503)), None);
    }

    #[tokio::test]
    async fn who_looks_around_asks_once_a_second_what_a_source_can_do_and_an_order_each_time() {
        let asked = Arc::new(AtomicUsize::new(0));
        let counting = Arc::clone(&asked);
        let below = Router::new().fallback(move || async move {
            counting.fetch_add(1, Ordering::SeqCst);
            axum::Json(World::default().capabilities)
        });
        let client = client_of(below).await;
        let of = |lane| Call {
            lane,
            ..call_for(&["ACME"])
        };
        let mut seen = Vec::new();
        for lane in [Lane::Browse, Lane::Browse, Lane::Order, Lane::Bulk] {
            client.capabilities(&of(lane)).await.unwrap();
            seen.push(asked.load(Ordering::SeqCst));
        }
        assert_eq!(seen, [1, 1, 2, 3]);
    }

    /// Notes the paths that it is asked at, and answers the same at all of them.
    fn answering(body: serde_json::Value, status: u16) -> (Router, Arc<Mutex<Vec<String>>>) {
        let paths: Arc<Mutex<Vec<String>>> = Arc::default();
        let noted = Arc::clone(&paths);
        let below = Router::new().fallback(move |uri: axum::http::Uri| async move {
            noted.lock().unwrap().push(uri.path().to_owned());
            let status = axum::http::StatusCode::from_u16(status).unwrap();
            (status, axum::Json(body))
        });
        (below, paths)
    }

    fn stock_of(items: usize) -> StockQuery {
        let item = |number| format!("SKU-{number}").parse().unwrap();
        StockQuery {
            items: (0..items).map(item).collect(),
            sites: Vec::new(),
            max_age_seconds: None,
            max_stale_seconds: None,
        }
    }

    fn credit() -> CreditQuery {
        CreditQuery {
            account: "ACME".parse().unwrap(),
            max_age_seconds: None,
            max_stale_seconds: None,
        }
    }

    #[tokio::test]
    async fn several_questions_are_one_exchange_and_each_has_its_own_answer() {
        let unavailable = Problem::new(service_runtime::problem::codes::BACKEND_UNAVAILABLE, "")
            .with_retry_after(jiff::SignedDuration::from_secs(7));
        let (below, paths) = answering(
            serde_json::json!({
                "stock": {"answer": {"stock": [], "degraded": true}},
                "credit": {"problem": unavailable},
            }),
            200,
        );
        let client = client_of(below).await;
        let questions = Questions {
            search: Some(ProductSearch {
                search: None,
                account: None,
                cursor: None,
                limit: None,
            }),
            stock: vec![stock_of(500)],
            credit: Some(credit()),
            ..Questions::default()
        };
        let came = client.ask(&call_for(&["ACME"]), questions).await;
        let told = StockFacts {
            stock: Vec::new(),
            degraded: true,
        };
        assert_eq!(came.stock, [Ok(told)]);
        let retry_after = Some(jiff::SignedDuration::from_secs(7));
        assert_eq!(
            came.credit.answer(),
            Err(SystemError::Unavailable { retry_after })
        );
        // It was asked, and the layer below says nothing of it.
        let left_out = came.search.answer();
        assert!(
            matches!(left_out, Err(SystemError::Protocol { .. })),
            "{left_out:?}"
        );
        assert_eq!(paths.lock().unwrap().len(), 1);
    }

    #[tokio::test]
    async fn who_looks_around_is_told_what_was_answered_last() {
        let asked = Arc::new(AtomicUsize::new(0));
        let below = Router::new().fallback(move || async move {
            let degraded = asked.fetch_add(1, Ordering::SeqCst) % 2 == 1;
            axum::Json(serde_json::json!({
                "stock": {"answer": {"stock": [], "degraded": degraded}},
                "credit": {"answer": {"chain": [], "degraded": false}},
            }))
        });
        let client = client_of(below).await;
        let questions = Questions {
            stock: vec![stock_of(1)],
            credit: Some(credit()),
            ..Questions::default()
        };
        let mut seen = Vec::new();
        for _ in 0..4 {
            let came = client.ask(&call_for(&["ACME"]), questions.clone()).await;
            seen.push(came.stock.into_iter().all(|told| told.unwrap().degraded));
        }
        assert_eq!(seen, [false, true, false, true]);
    }

    #[tokio::test]
    async fn where_one_of_several_answers_cannot_be_used_the_others_can() {
        let below = Router::new()
            .route(
                "/v1/companies/{company}/credit/query",
                axum::routing::post(|| async {
                    axum::Json(serde_json::json!({"chain": [], "degraded": false}))
                }),
            )
            .fallback(|| async {
                axum::Json(serde_json::json!({"stock": {"answer": {"stock": 7}}}))
            });
        let client = client_of(below).await;
        let questions = Questions {
            stock: vec![stock_of(1)],
            credit: Some(credit()),
            ..Questions::default()
        };
        let came = client.ask(&call_for(&["ACME"]), questions).await;
        assert!(matches!(
            came.stock.as_slice(),
            [Err(SystemError::Protocol { .. })]
        ));
        assert!(came.credit.answer().unwrap().chain.is_empty());
    }

    #[tokio::test]
    async fn a_layer_below_of_before_is_asked_kind_by_kind() {
        let below = Router::new().route(
            "/v1/companies/{company}/stock/query",
            axum::routing::post(|| async {
                axum::Json(serde_json::json!({"stock": [], "degraded": false}))
            }),
        );
        let below = below.fallback(|| async { Problem::not_found() });
        let client = client_of(below).await;
        let questions = Questions {
            stock: vec![stock_of(1)],
            credit: Some(credit()),
            ..Questions::default()
        };
        let came = client.ask(&call_for(&["ACME"]), questions).await;
        assert!(came.stock.first().is_some_and(Result::is_ok), "{came:?}");
        assert_eq!(came.credit.answer(), Err(SystemError::NotFound));
    }

    #[tokio::test]
    async fn an_exchange_that_fails_fails_every_question() {
        let problem = Problem::new(service_runtime::problem::codes::BACKEND_UNAVAILABLE, "");
        let (below, _) = answering(serde_json::to_value(problem).unwrap(), 503);
        let client = client_of(below).await;
        let questions = Questions {
            capabilities: true,
            stock: vec![stock_of(1)],
            credit: Some(credit()),
            ..Questions::default()
        };
        let came = client.ask(&call_for(&["ACME"]), questions).await;
        let failed = SystemError::Unavailable { retry_after: None };
        assert_eq!(came.capabilities.answer(), Err(failed.clone()));
        assert_eq!(came.stock, [Err(failed.clone())]);
        assert_eq!(came.credit.answer(), Err(failed));
        assert_eq!(came.prices, []);
    }

    #[tokio::test]
    async fn what_is_too_much_for_one_exchange_is_asked_kind_by_kind() {
        let (below, paths) = answering(
            serde_json::json!({"stock": [], "chain": [], "degraded": false}),
            200,
        );
        let client = client_of(below).await;
        let questions = Questions {
            stock: vec![stock_of(501), stock_of(1)],
            credit: Some(credit()),
            ..Questions::default()
        };
        let came = client.ask(&call_for(&["ACME"]), questions).await;
        assert_eq!(came.stock.len(), 2);
        came.credit.answer().unwrap();
        let mut asked = paths.lock().unwrap().clone();
        asked.sort();
        let ends = ["credit/query", "stock/query", "stock/query"];
        assert_eq!(asked.len(), ends.len());
        assert!(
            asked
                .iter()
                .zip(ends)
                .all(|(path, end)| path.ends_with(end)),
            "{asked:?}"
        );
    }

    #[test]
    fn paths_are_encoded() {
        assert_eq!(encode("A/B ü?"), "A%2FB%20%C3%BC%3F");
        let search = ProductSearch {
            search: Some("ball bearing".to_owned()),
            account: None,
            cursor: None,
            limit: Some(20),
        };
        assert_eq!(
            search_path(&search),
            "/products?search=ball%20bearing&limit=20"
        );
    }
}
