//! The protocol before a server that says what a test wants; what it says is as Tryton writes it.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use jiff::civil::date;
use rstest::rstest;
use rust_decimal::{Decimal, dec};
use serde_json::{Value, json};
use service_runtime::{config::Secret, http_client::BackendClientConfig};

use super::{
    client::{Record, Search, Tryton},
    config::TrytonServer,
    error::CallError,
    values::{Amount, Count, Day, Instant, Reference, Seconds},
};
use crate::{connector::ConnectorError, transport::Effect};

/// Answers in turn; what it was asked, with the session shown.
#[derive(Clone, Default)]
struct Script {
    answers: Arc<Mutex<VecDeque<(u16, Value)>>>,
    asked: Arc<Mutex<Vec<(String, Value)>>>,
}

impl Script {
    fn methods(&self) -> Vec<String> {
        let asked = self.asked.lock().unwrap();
        asked
            .iter()
            .map(|(_, body)| body["method"].as_str().unwrap().to_owned())
            .collect()
    }
}

async fn answer(State(script): State<Script>, headers: HeaderMap, body: String) -> Response {
    let body: Value = serde_json::from_str(&body).unwrap();
    let shown = headers
        .get("authorization")
        .map_or("", |shown| shown.to_str().unwrap());
    let id = body["id"].clone();
    script.asked.lock().unwrap().push((shown.to_owned(), body));
    let (status, mut told) = script.answers.lock().unwrap().pop_front().unwrap();
    if told.is_object() && told.get("id").is_none() {
        told["id"] = id;
    }
    let status = StatusCode::from_u16(status).unwrap();
    let text = if told.is_null() {
        String::new()
    } else {
        told.to_string()
    };
    (status, text).into_response()
}

async fn server(answers: &[(u16, Value)]) -> (Tryton, Script) {
    let script = Script::default();
    script
        .answers
        .lock()
        .unwrap()
        .extend(answers.iter().cloned());
    let router = Router::new().fallback(answer).with_state(script.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    let tryton = Tryton::new(&TrytonServer {
        url,
        database: "erp".to_owned(),
        user: "gateway".to_owned(),
        password: Secret::from("right".to_owned()),
        company: "NWI".to_owned(),
        http: BackendClientConfig::default(),
    });
    (tryton.unwrap(), script)
}

fn result(value: Value) -> (u16, Value) {
    (200, json!({"result": value}))
}

fn error(value: Value) -> (u16, Value) {
    (200, json!({"error": value}))
}

fn login(key: &str) -> (u16, Value) {
    result(json!([4, key, null]))
}

async fn ask(tryton: &Tryton, effect: Effect) -> Result<Value, CallError> {
    tryton
        .call("model.sale.sale.search", &json!([[], {}]), effect)
        .await
}

#[tokio::test]
async fn one_login_serves_all_calls_and_an_ended_session_is_renewed_once() {
    let answers = [
        login("first"),
        result(json!([1])),
        result(json!([2])),
        (401, Value::Null),
        login("second"),
        result(json!([3])),
    ];
    let (tryton, script) = server(&answers).await;
    for expected in 1..=3 {
        assert_eq!(
            ask(&tryton, Effect::Changes).await.unwrap(),
            json!([expected])
        );
    }
    let asked = script.asked.lock().unwrap().clone();
    assert_eq!(
        asked[0].1["params"],
        json!(["gateway", {"password": "right"}, "en"])
    );
    let keys: Vec<_> = asked[0].1.as_object().unwrap().keys().collect();
    assert_eq!(
        keys,
        ["id", "method", "params"],
        "any other key changes the answer's form"
    );
    assert_eq!(
        asked[1].0, "Session Z2F0ZXdheTo0OmZpcnN0",
        "gateway:4:first"
    );
    assert_eq!(asked[3].0, asked[1].0);
    assert_eq!(
        asked[5].0, "Session Z2F0ZXdheTo0OnNlY29uZA==",
        "gateway:4:second"
    );
}

/// Each further try would keep the account locked for everybody who uses it.
#[rstest]
#[case::wrong_password(&[(401, Value::Null)], 1)]
#[case::told_so(&[result(Value::Null)], 1)]
#[case::locked(&[(429, Value::Null)], 1)]
#[case::second_factor(&[error(json!(["LoginException", ["code", "Code", "char"]]))], 1)]
#[case::not_even_with_a_new_session(&[login("a"), (401, Value::Null), login("b"), (401, Value::Null)], 4)]
#[tokio::test]
async fn who_is_not_let_in_stops_knocking(#[case] answers: &[(u16, Value)], #[case] calls: usize) {
    let (tryton, script) = server(answers).await;
    for _again in 0..3 {
        let told = ask(&tryton, Effect::Changes).await.unwrap_err();
        let CallError::Connector(ConnectorError::Unavailable(why)) = told else {
            panic!("{told:?}");
        };
        assert!(why.to_string().contains("does not let us in"), "{why}");
    }
    assert_eq!(script.asked.lock().unwrap().len(), calls);
}

#[tokio::test]
async fn a_login_that_failed_otherwise_is_tried_again() {
    let answers = [(503, Value::Null), login("a"), result(json!([]))];
    let (tryton, _script) = server(&answers).await;
    assert!(ask(&tryton, Effect::Reads).await.is_err());
    ask(&tryton, Effect::Reads).await.unwrap();
}

#[tokio::test]
async fn many_first_calls_log_in_once() {
    let mut answers = vec![login("a")];
    answers.extend((0..8).map(|_| result(json!([]))));
    let (tryton, script) = server(&answers).await;
    futures_util::future::join_all((0..8).map(|_| ask(&tryton, Effect::Reads))).await;
    let logins = script
        .methods()
        .iter()
        .filter(|method| *method == "common.db.login")
        .count();
    assert_eq!(logins, 1);
}

async fn told(answer: (u16, Value), effect: Effect) -> CallError {
    let (tryton, _script) = server(&[login("a"), answer]).await;
    ask(&tryton, effect).await.unwrap_err()
}

#[tokio::test]
async fn tryton_s_own_errors_are_told_apart_by_name() {
    let refused = told(
        error(json!(["UserError", ["The party will exceed its limit.", "", {"fields": "82 kB"}]])),
        Effect::Changes,
    );
    let CallError::Refused { message } = refused.await else {
        panic!()
    };
    assert_eq!(message, "The party will exceed its limit.");
    let warning = told(
        error(json!([
            "UserWarning",
            ["stock_quantity_warning_2", "Only 4 left.", ""]
        ])),
        Effect::Changes,
    );
    let CallError::Warning { name, message } = warning.await else {
        panic!()
    };
    assert_eq!(
        (&*name, &*message),
        ("stock_quantity_warning_2", "Only 4 left.")
    );
    let modified = error(json!([
        "ConcurrencyException",
        "Records were modified in the meanwhile"
    ]));
    assert!(matches!(
        told(modified, Effect::Changes).await,
        CallError::Concurrent
    ));
    let failed = told(error(json!(["'nope'", ""])), Effect::Changes).await;
    assert!(
        matches!(ConnectorError::from(failed), ConnectorError::Protocol(_)),
        "an exception rolled everything back"
    );
}

#[rstest]
#[case::busy(503, "outcome_unknown", "unavailable")]
#[case::timed_out(504, "outcome_unknown", "unavailable")]
#[case::crashed(500, "outcome_unknown", "unavailable")]
#[case::not_allowed(403, "unavailable", "unavailable")]
#[case::no_context(422, "protocol", "protocol")]
#[case::too_many(429, "throttled", "throttled")]
#[case::moved(302, "outcome_unknown", "protocol")]
#[tokio::test]
async fn a_status_says_what_is_certain(
    #[case] status: u16,
    #[case] change: &str,
    #[case] read: &str,
) {
    let of = |effect| async move {
        ConnectorError::from(told((status, Value::Null), effect).await).outcome()
    };
    assert_eq!(
        (of(Effect::Changes).await, of(Effect::Reads).await),
        (change, read)
    );
}

#[rstest]
#[case::of_another_request(json!({"id": 999, "result": [1]}))]
#[case::empty(json!({}))]
#[case::no_object(json!([1]))]
#[tokio::test]
async fn an_answer_that_is_none_leaves_a_change_unknown(#[case] nonsense: Value) {
    let change = told((200, nonsense.clone()), Effect::Changes).await;
    assert_eq!(ConnectorError::from(change).outcome(), "outcome_unknown");
    let read = told((200, nonsense), Effect::Reads).await;
    assert_eq!(ConnectorError::from(read).outcome(), "protocol");
}

#[tokio::test]
async fn the_company_is_looked_up_once_and_stands_in_every_context() {
    let company = result(json!([{"id": 7, "party.": {"code": "NWI", "id": 2}}]));
    let answers = [
        login("a"),
        company,
        result(json!([{"id": 3}])),
        result(json!([])),
    ];
    let (tryton, script) = server(&answers).await;
    let search = Search::of(json!([["code", "=", "ACME"]]), 2, &["code"]);
    let context = tryton.context().await.unwrap();
    let found: Vec<Record> = tryton
        .search_read("party.party", &search, &context)
        .await
        .unwrap();
    assert_eq!(found[0].id, 3);
    let context = tryton
        .context()
        .await
        .unwrap()
        .with("locations", json!([5]));
    tryton
        .search_read::<Record>("party.party", &search, &context)
        .await
        .unwrap();
    let asked = script.asked.lock().unwrap().clone();
    assert_eq!(asked[1].1["method"], "model.company.company.search_read");
    assert_eq!(
        asked[2].1["params"],
        json!([[["code", "=", "ACME"]], 0, 2, [["id", "ASC"]], ["code"], {"company": 7}])
    );
    assert_eq!(
        asked[3].1["params"][5],
        json!({"company": 7, "locations": [5]})
    );
}

fn warn(name: &str) -> (u16, Value) {
    error(json!(["UserWarning", [name, "Sure?", ""]]))
}

fn is_stock(name: &str) -> bool {
    name.starts_with("stock_")
}

#[tokio::test]
async fn a_warning_is_skipped_only_by_a_known_name_and_not_without_end() {
    let company = result(json!([{"id": 7}]));
    let null = result(Value::Null);
    let answers = [
        login("a"),
        company,
        warn("stock_1"),
        null.clone(),
        warn("stock_2"),
        null.clone(),
        null.clone(),
        warn("credit_1"),
        warn("stock_3"),
        null,
        warn("stock_4"),
    ];
    let (tryton, script) = server(&answers).await;
    let context = tryton.context().await.unwrap();
    let press = |most| tryton.press("sale.sale", "quote", 5, &context, (most, is_stock));
    press(2).await.unwrap();
    let unknown = press(2).await.unwrap_err();
    assert!(matches!(&unknown, CallError::Warning { name, .. } if name == "credit_1"));
    assert_eq!(ConnectorError::from(unknown).outcome(), "rejected");
    assert!(
        matches!(press(1).await.unwrap_err(), CallError::Warning { name, .. } if name == "stock_4")
    );
    let asked = script.asked.lock().unwrap().clone();
    assert_eq!(asked[3].1["method"], "model.res.user.warning.skip");
    assert_eq!(
        asked[3].1["params"],
        json!(["stock_1", false, {"company": 7}])
    );
}

#[rstest]
#[case("36.0000", dec!(36.0000))]
#[case("-0.07", dec!(-0.07))]
#[case("0E-8", dec!(0))]
#[case("1E+2", dec!(100))]
#[case("9007199254740993.0001", dec!(9007199254740993.0001))]
fn an_amount_is_read_to_its_last_digit(#[case] text: &str, #[case] expected: Decimal) {
    let value = json!({"__class__": "Decimal", "decimal": text});
    assert_eq!(
        serde_json::from_value::<Amount>(value).unwrap(),
        Amount(expected)
    );
}

#[rstest]
#[case("10.0", dec!(10))]
#[case("0.1", dec!(0.1))]
#[case("1e-05", dec!(0.00001))]
#[case("12", dec!(12))]
#[case("-3.5", dec!(-3.5))]
fn a_quantity_is_read_as_it_is_written(#[case] text: &str, #[case] expected: Decimal) {
    assert_eq!(
        serde_json::from_str::<Count>(text).unwrap(),
        Count(expected)
    );
}

#[rstest]
#[case("\"10\"")]
#[case("null")]
#[case("NaN")]
#[case("1e400")]
#[case("{}")]
fn what_is_no_quantity_is_refused(#[case] text: &str) {
    assert!(serde_json::from_str::<Count>(text).is_err());
}

#[test]
fn values_are_written_as_tryton_reads_them() {
    let at: jiff::Timestamp = "2026-11-20T12:30:05.000123Z".parse().unwrap();
    let written = serde_json::to_string(&(
        Amount(dec!(9.10)),
        Count(dec!(0.3)),
        Day(date(2026, 11, 20)),
        Instant(at),
        Reference {
            model: "sale.sale".to_owned(),
            id: 14,
        },
    ));
    let expected = concat!(
        r#"[{"__class__":"Decimal","decimal":"9.10"},0.3,"#,
        r#"{"__class__":"date","year":2026,"month":11,"day":20},"#,
        r#"{"__class__":"datetime","year":2026,"month":11,"day":20,"hour":12,"minute":30,"second":5,"microsecond":123},"#,
        r#""sale.sale,14"]"#
    );
    let written = written.unwrap();
    assert_eq!(written, expected);
    let (amount, count, day, instant, reference): (Amount, Count, Day, Instant, Reference) =
        serde_json::from_str(&written).unwrap();
    assert_eq!(
        (amount.0, count.0, day.0),
        (dec!(9.10), dec!(0.3), date(2026, 11, 20))
    );
    assert_eq!((instant.0, reference.id), (at, 14));
    let lead: Seconds =
        serde_json::from_value(json!({"__class__": "timedelta", "seconds": 86400.0})).unwrap();
    assert_eq!(lead, Seconds(86_400));
}

#[rstest]
#[case(json!({"__class__": "date", "year": 2026, "month": 2, "day": 30}))]
#[case(json!({"__class__": "Decimal", "decimal": "1"}))]
#[case(json!("2026-02-28"))]
fn what_is_no_day_is_refused(#[case] value: Value) {
    assert!(serde_json::from_value::<Day>(value).is_err());
}
