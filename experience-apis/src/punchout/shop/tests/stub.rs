//! A process-apis of our own: sessions as the contract has them, and a small catalogue with prices.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex},
};

use axum::{
    Json, Router,
    extract::{Path, Query, State},
    http::{HeaderMap, StatusCode},
    middleware::from_fn_with_state,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use canonical_model::{
    ItemNumber, QuoteId, SessionId,
    basket::{BasketLine, BasketRequest},
    price::BrowsePriceQuery,
    product::BrowseProductQuery,
    promise::AvailabilityQuery,
    quote::QuoteRequest,
    session::{ChangeSession, OpenSession, Session},
};
use serde_json::{Value, json};
use service_runtime::{
    clock::Clock,
    config::Secret,
    context::{Caller, ContextKeys, ContextVerifier, LayerIdentity, require_context},
};

/// A description that would be more than text if a page let it.
pub(super) const HOSTILE: &str = "\"><script>alert('x')</script> Bolt & Nut";

/// The stub.
pub(super) struct Stub {
    pub(super) address: String,
    clock: Clock,
    sessions: Mutex<BTreeMap<SessionId, Session>>,
    /// What somebody else writes just before the next changes.
    pub(super) rivals: Mutex<VecDeque<Value>>,
    /// Quotes that were asked for, with their keys.
    pub(super) quotes: Mutex<Vec<(String, QuoteRequest)>>,
    /// Since when prices and stock are as they are.
    pub(super) as_of: Mutex<String>,
    /// Paths that do not answer.
    pub(super) down: Mutex<Vec<&'static str>>,
    /// What one costs.
    pub(super) price: Mutex<u32>,
}

type Shared = State<Arc<Stub>>;

impl Stub {
    pub(super) async fn start(clock: Clock) -> Arc<Self> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stub = Arc::new(Self {
            address: format!("http://{}", listener.local_addr().unwrap()),
            sessions: Mutex::default(),
            rivals: Mutex::default(),
            quotes: Mutex::default(),
            as_of: Mutex::new(clock.now().to_string()),
            down: Mutex::default(),
            price: Mutex::new(10),
            clock: clock.clone(),
        });
        let keys = ContextKeys::new(&Secret::from(super::KEY.to_owned()), None).unwrap();
        let callers = vec![(LayerIdentity::ExperienceApis, keys)];
        let verifier = ContextVerifier::new(LayerIdentity::ProcessApis, callers, clock);
        let router = Router::new()
            .route("/v1/accounts/{account}", get(account))
            .route("/v1/products", get(products))
            .route("/v1/products/{item}", get(product))
            .route("/v1/products/query", post(some_products))
            .route("/v1/prices/query", post(prices))
            .route("/v1/availability/query", post(availability))
            .route("/v1/basket-checks", post(check))
            .route("/v1/quotes", post(quote))
            .route("/v1/sessions", post(open))
            .route("/v1/sessions/{id}", get(find).put(change))
            .layer(from_fn_with_state(verifier, require_context))
            .with_state(Arc::clone(&stub));
        tokio::spawn(async move { axum::serve(listener, router).await });
        stub
    }

    /// What is kept of the only visit.
    pub(super) fn visit(&self) -> Value {
        let sessions = self.sessions.lock().unwrap();
        sessions.values().next().unwrap().content.clone()
    }

    /// Changes what is kept of the only visit, as somebody else would.
    pub(super) fn touch(&self, change: impl FnOnce(&mut Session)) {
        let mut sessions = self.sessions.lock().unwrap();
        change(sessions.values_mut().next().unwrap());
    }

    /// The same with one of several.
    pub(super) fn touch_one(&self, id: SessionId, change: impl FnOnce(&mut Session)) {
        change(self.sessions.lock().unwrap().get_mut(&id).unwrap());
    }

    fn is_down(&self, path: &str) -> bool {
        self.down.lock().unwrap().contains(&path)
    }

    fn line(&self, number: usize, line: &BasketLine) -> Value {
        let item = &line.identifiers[0].value;
        let unit = line.unit.unwrap();
        let price = *self.price.lock().unwrap();
        let total = (line.quantity * rust_decimal::Decimal::from(price)).round_dp(2);
        let problems = if item == "SKU-GONE" {
            json!([{"code": "not-orderable", "pointer": "/lines/0", "detail": "SKU-GONE is no longer sold: remove it."}])
        } else {
            json!([])
        };
        json!({"line": number + 1, "item": item, "quantity": {"value": line.quantity, "unit": unit},
            "price": {"unit_price": {"amount": format!("{price}.0000"), "currency": "USD", "unit": unit},
                "total": {"amount": format!("{total:.2}"), "currency": "USD"},
                "basis": {"source": "record", "level": "contract_sold_to", "record": "P-1"}},
            "schedule": [
                {"site": "A", "quantity": {"value": "1", "unit": unit}, "ship_date": "2026-03-03", "promised_delivery_date": "2026-03-05", "cover": "stock"}],
            "problems": problems})
    }

    fn lines(&self, lines: &[BasketLine]) -> (Value, Value) {
        let priced: Vec<Value> = lines
            .iter()
            .enumerate()
            .map(|(number, line)| self.line(number, line))
            .collect();
        let price = rust_decimal::Decimal::from(*self.price.lock().unwrap());
        let total: rust_decimal::Decimal = lines.iter().map(|line| line.quantity * price).sum();
        let total = json!({"amount": format!("{total:.2}"), "currency": "USD"});
        (Value::Array(priced), total)
    }
}

fn refuse(status: u16, code: &str) -> Response {
    let body = json!({"type": format!("/errors/{code}"), "title": code, "status": status, "code": code,
        "retryable": status >= 500, "detail": format!("The answer is {code}.")});
    let headers = [("content-type", "application/problem+json")];
    (
        StatusCode::from_u16(status).unwrap(),
        headers,
        body.to_string(),
    )
        .into_response()
}

async fn account(caller: Caller, Path(account): Path<String>) -> Response {
    assert!(caller.may_see(&account));
    Json(json!({"company": "NWI", "account": account, "name": "Acme", "status": "active", "ancestors": [],
        "currency": "USD", "ship_tos": [], "as_of": "2026-03-01T12:00:00Z"}))
    .into_response()
}

fn catalogue() -> Vec<Value> {
    let product = |item: &str, description: &str| {
        json!({"company": "NWI", "item": item, "description": description, "base_unit": "EA", "sales_unit": "EA",
            "conversions": [{"unit": "XBX", "numerator": 100, "denominator": 1}], "gtin": "04012345678901",
            "unspsc": "31161500", "orderable": true, "buyer_part_number": format!("ACM-{item}"), "as_of": "2026-03-01T12:00:00Z"})
    };
    let mut gone = product("SKU-GONE", "Old bolt");
    gone["orderable"] = json!(false);
    vec![
        product("SKU-0001", "Hex bolt M8 × 40"),
        product("SKU-0002", "Washer M8"),
        product("SKU-EVIL", HOSTILE),
        product("A/B&C ..", "Odd number"),
        gone,
    ]
}

async fn products(
    State(stub): Shared,
    caller: Caller,
    Query(query): Query<BTreeMap<String, String>>,
) -> Response {
    assert!(caller.has_scope("catalog:read") && query["account"] == "ACME");
    if stub.is_down("products") {
        return refuse(503, "backend-unavailable");
    }
    let words = query.get("search").cloned().unwrap_or_default();
    let mut items = catalogue();
    items.retain(|product| {
        product["description"]
            .as_str()
            .unwrap()
            .to_lowercase()
            .contains(&words)
    });
    let next = (words.is_empty() && !query.contains_key("cursor")).then_some("c&2/=");
    Json(json!({"items": items, "next": next})).into_response()
}

async fn product(Path(item): Path<String>) -> Response {
    let found = find_product(&item);
    found.map_or_else(
        || refuse(404, "not-found"),
        |product| Json(product).into_response(),
    )
}

async fn some_products(State(stub): Shared, Json(query): Json<BrowseProductQuery>) -> Response {
    if stub.is_down("products") || query.items.len() > 200 {
        return refuse(503, "backend-unavailable");
    }
    let found = |item: &ItemNumber| find_product(item.as_str());
    let matches: Vec<Option<Value>> = query.items.iter().map(found).collect();
    Json(json!({"matches": matches})).into_response()
}

fn find_product(item: &str) -> Option<Value> {
    let mut all = catalogue();
    if item.starts_with("N-") {
        // As many as a test needs, with a long description.
        all[0]["item"] = json!(item);
        all[0]["description"] =
            json!("Hexagon head bolt with \"full\" thread & flange, M8 × 40, ".repeat(3));
    }
    all.into_iter().find(|one| one["item"] == *item)
}

async fn prices(State(stub): Shared, Json(query): Json<BrowsePriceQuery>) -> Response {
    if stub.is_down("prices") {
        return refuse(503, "backend-unavailable");
    }
    let as_of = stub.as_of.lock().unwrap().clone();
    let step = |from: &str, price: &str| json!({"from_quantity": from, "unit_price": {"amount": price, "currency": "USD", "unit": "EA"}, "level": "contract_sold_to"});
    let price = |item| json!({"item": item, "as_of": as_of, "breaks": [step("1", "10.0000"), step("100", "8.7500")]});
    if stub.is_down("late prices") {
        return Json(json!({"prices": [], "on_request": query.items})).into_response();
    }
    let prices: Vec<Value> = query.items.iter().map(price).collect();
    Json(json!({"prices": prices})).into_response()
}

async fn availability(State(stub): Shared, Json(query): Json<AvailabilityQuery>) -> Response {
    if stub.is_down("availability") {
        return refuse(503, "backend-unavailable");
    }
    let as_of = stub.as_of.lock().unwrap().clone();
    let stock = |item| {
        json!({"item": item, "unit": "EA", "available_now": "120", "as_of": as_of, "sites": [
            {"site": "A", "available_now": "120", "later": [{"date": "2026-03-09", "available": "500"}]}]})
    };
    let items: Vec<Value> = query.items.iter().map(stock).collect();
    Json(json!({"items": items})).into_response()
}

async fn check(State(stub): Shared, Json(basket): Json<BasketRequest>) -> Response {
    if stub.is_down("check") {
        return refuse(503, "backend-unavailable");
    }
    let (lines, total) = stub.lines(&basket.lines);
    Json(json!({"verdict": "accept", "holds": [], "problems": [], "lines": lines, "total": total}))
        .into_response()
}

async fn quote(
    State(stub): Shared,
    headers: HeaderMap,
    Json(request): Json<QuoteRequest>,
) -> Response {
    let named = |line: &BasketLine| line.identifiers[0].value == "SKU-GONE";
    if request.lines.iter().any(named) {
        return refuse(422, "basket-rejected");
    }
    let key = headers["idempotency-key"].to_str().unwrap().to_owned();
    let mut quotes = stub.quotes.lock().unwrap();
    let other = |(known, asked): &(String, QuoteRequest)| *known == key && *asked != request;
    if quotes.iter().any(other) {
        return refuse(422, "idempotency-key-reused");
    }
    let (lines, total) = stub.lines(&request.lines);
    quotes.push((key, request));
    let answer = json!({"quote_id": QuoteId::generate(), "account": "ACME", "ship_to": "ACME-01", "lines": lines,
        "total": total, "created_at": stub.clock.now(), "expires_at": "2026-03-31T12:00:00Z", "state": "open",
        "decision_id": uuid::Uuid::new_v4()});
    (StatusCode::CREATED, Json(answer)).into_response()
}

async fn open(State(stub): Shared, caller: Caller, Json(request): Json<OpenSession>) -> Response {
    assert!(caller.has_scope("sessions:write") && caller.channel == "punchout");
    let session = Session {
        session_id: request.session_id,
        channel: caller.channel.clone(),
        partner: request.partner,
        account: request.account,
        version: 1,
        content: request.content,
        created_at: stub.clock.now(),
        expires_at: request.expires_at,
    };
    let mut sessions = stub.sessions.lock().unwrap();
    let kept = sessions.entry(session.session_id).or_insert(session);
    (StatusCode::CREATED, Json(kept.clone())).into_response()
}

async fn find(State(stub): Shared, Path(id): Path<SessionId>) -> Response {
    let sessions = stub.sessions.lock().unwrap();
    let lives = |session: &&Session| session.expires_at > stub.clock.now();
    sessions.get(&id).filter(lives).map_or_else(
        || refuse(404, "not-found"),
        |session| Json(session).into_response(),
    )
}

async fn change(
    State(stub): Shared,
    headers: HeaderMap,
    Path(id): Path<SessionId>,
    Json(change): Json<ChangeSession>,
) -> Response {
    let mut sessions = stub.sessions.lock().unwrap();
    let session = sessions.get_mut(&id).unwrap();
    if let Some(content) = stub.rivals.lock().unwrap().pop_front() {
        session.content = content;
        session.version += 1;
    }
    if headers["if-match"].to_str().unwrap() != format!("\"v{}\"", session.version) {
        return refuse(412, "precondition-failed");
    }
    session.content = change.content;
    session.version += 1;
    Json(&*session).into_response()
}
