//! What the client of `system-apis` makes of answers, good and bad.

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
        HopError::Problem(Problem::invalid_request("No cursor of ours.").with_error(fault.clone()))
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
        .fallback(|| async { axum::Json(serde_json::json!({"stock": {"answer": {"stock": 7}}})) });
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
