//! The layer from outside: over HTTP, with signed contexts, in front of a live sandbox.

mod amended;
mod shown;
mod together;

use canonical_model::capabilities::CreateClass;
use jiff::{SignedDuration, civil::date};
use reqwest::{Response, StatusCode};
use sandbox::{
    RunningSandbox, Sandbox, SandboxConfig, Seed,
    fault::{Fault, FaultConfig, FaultPlan, FaultProxy, FaultRule},
};
use serde_json::{Value, json};
use service_runtime::{
    clock::Clock,
    config::Secret,
    context::{
        AccountScope, CONTEXT_HEADER, CallContext, ContextKeys, ContextSigner, Hop, LayerIdentity,
    },
    http_client::{BackendClientConfig, backend_client},
    openapi, server,
};

use crate::{
    Background, Deps, build,
    config::{Config, SandboxBackends},
    router,
};

pub(crate) struct Layer {
    pub(crate) sandbox: RunningSandbox,
    faults: FaultProxy,
    url: String,
    client: reqwest::Client,
    /// What runs beside the requests, if a test starts it.
    pub(crate) background: Option<Background>,
}

impl Layer {
    async fn start(class: sandbox::CreateClass, declared: CreateClass) -> Self {
        let seed = Seed::default_world(date(2026, 11, 20));
        Self::selling(seed, class, declared).await
    }

    async fn selling(seed: Seed, class: sandbox::CreateClass, declared: CreateClass) -> Self {
        Self::configured(seed, class, declared, |_usual| {}).await
    }

    /// The usual one, but for what `change` makes of its configuration.
    pub(crate) async fn changed(change: impl FnOnce(&mut Config)) -> Self {
        let seed = Seed::default_world(date(2026, 11, 20));
        let (class, declared) = (sandbox::CreateClass::Staged, CreateClass::Staged);
        Self::configured(seed, class, declared, change).await
    }

    async fn configured(
        seed: Seed,
        class: sandbox::CreateClass,
        declared: CreateClass,
        change: impl FnOnce(&mut Config),
    ) -> Self {
        let sandbox = Sandbox::start(SandboxConfig {
            create_class: class,
            ..SandboxConfig::new(seed)
        })
        .await
        .unwrap();
        let faults = FaultProxy::start(&sandbox.erp_url(), FaultConfig::default())
            .await
            .unwrap();
        let backends = SandboxBackends {
            company: "NWI".parse().unwrap(),
            sites: vec!["EAST".parse().unwrap(), "WEST".parse().unwrap()],
            erp_url: faults.url(),
            erp_key: Secret::from(SandboxConfig::ERP_KEY.to_owned()),
            create_class: declared,
            wms_url: sandbox.wms_url(),
            wms_token: Secret::from(SandboxConfig::WMS_TOKEN.to_owned()),
            crm_url: sandbox.crm_url(),
            crm_token: Secret::from(SandboxConfig::CRM_TOKEN.to_owned()),
        };
        let listen = "127.0.0.1:0".parse().unwrap();
        let mut config = Config::for_sandbox(listen, Secret::from(KEY.to_owned()), backends);
        change(&mut config);
        let (router, background) = build(config, Deps::default()).unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let options = server::ServerOptions::default();
        tokio::spawn(server::serve(
            listener,
            router,
            options,
            std::future::pending(),
        ));
        Self {
            sandbox,
            faults,
            url,
            client: backend_client(&BackendClientConfig::default()).unwrap(),
            background: Some(background),
        }
    }

    pub(crate) async fn staged() -> Self {
        Self::start(sandbox::CreateClass::Staged, CreateClass::Staged).await
    }

    fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        self.client
            .request(method.parse().unwrap(), format!("{}{path}", self.url))
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        self.request("GET", path)
            .header(CONTEXT_HEADER, context("NWI"))
            .send()
            .await
            .unwrap()
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Response {
        let request = self
            .request("POST", path)
            .header(CONTEXT_HEADER, context("NWI"));
        request.json(body).send().await.unwrap()
    }

    fn fail(&self, path_prefix: &str, fault: Fault) {
        let rules = vec![FaultRule::new(path_prefix, fault)];
        self.faults
            .set_plan(FaultPlan {
                rules,
                ..FaultPlan::default()
            })
            .unwrap();
    }
}

fn signer(from: LayerIdentity, key: &str) -> ContextSigner {
    let keys = ContextKeys::new(&Secret::from(key.to_owned()), None).unwrap();
    let to = LayerIdentity::SystemApis;
    ContextSigner::new(Hop { from, to }, keys, Clock::system())
}

fn context_of(company: Option<&str>, signer: &ContextSigner) -> String {
    signer.sign(&call_context(company)).unwrap()
}

fn call_context(company: Option<&str>) -> CallContext {
    CallContext {
        principal: "process-apis".to_owned(),
        accounts: AccountScope::All,
        company: company.map(str::to_owned),
        channel: "portal".to_owned(),
        scopes: Vec::new(),
        correlation_id: "c-1".to_owned(),
        deadline: Clock::system().wall() + SignedDuration::from_secs(10),
        remaining_ms: 10_000,
        layer: LayerIdentity::ProcessApis,
    }
}

const KEY: &str = "development-only-process-to-system-key";

fn context(company: &str) -> String {
    context_of(Some(company), &signer(LayerIdentity::ProcessApis, KEY))
}

fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    response.headers()[name].to_str().unwrap()
}

async fn problem(response: Response, status: u16, code: &str) -> Value {
    let given = response.status().as_u16();
    let problem: Value = response.json().await.unwrap();
    assert_eq!(
        (given, problem["code"].as_str()),
        (status, Some(code)),
        "{problem}"
    );
    problem
}

#[tokio::test]
async fn only_process_apis_are_answered() {
    let layer = Layer::staged().await;
    let path = "/v1/companies/NWI/capabilities";
    let nobody = layer.request("GET", path).send().await.unwrap();
    assert!(nobody.status().is_client_error());
    let strangers = [
        signer(LayerIdentity::ExperienceApis, KEY),
        signer(
            LayerIdentity::ProcessApis,
            "another-key-of-forty-characters-or-so-xx",
        ),
    ];
    for stranger in strangers {
        let token = context_of(Some("NWI"), &stranger);
        let refused = layer
            .request("GET", path)
            .header(CONTEXT_HEADER, token)
            .send()
            .await
            .unwrap();
        assert!(refused.status().is_client_error(), "{}", refused.status());
    }
    let systems = layer.request("GET", "/v1/systems").send().await.unwrap();
    assert!(systems.status().is_client_error());

    let known: Value = layer.get(path).await.json().await.unwrap();
    assert_eq!(
        (known["erp"].as_str(), known["create_class"].as_str()),
        (Some("main"), Some("staged"))
    );
    assert_eq!(known["reference_max_length"], 20);
}

#[tokio::test]
async fn a_foreign_company_looks_like_an_absent_one() {
    let layer = Layer::staged().await;
    let mut answers = Vec::new();
    for (caller, path) in [
        (Some("OTHER"), "NWI"),
        (Some("NWI"), "NOWHERE"),
        (Some("OTHER"), "OTHER"),
        (None, "NWI"),
    ] {
        let token = context_of(caller, &signer(LayerIdentity::ProcessApis, KEY));
        let request = layer.request("GET", &format!("/v1/companies/{path}/capabilities"));
        let response = request.header(CONTEXT_HEADER, token).send().await.unwrap();
        let mut problem = problem(response, 404, "not-found").await;
        problem["correlation_id"] = Value::Null;
        problem["instance"] = Value::Null;
        answers.push(problem);
    }
    assert!(
        answers.iter().all(|answer| *answer == answers[0]),
        "{answers:?}"
    );
}

#[tokio::test]
async fn a_body_that_is_not_the_contract_s_is_refused_and_asks_nothing_of_the_erp() {
    let layer = Layer::staged().await;
    let path = "/v1/companies/NWI/prices/query";
    let too_many: Vec<String> = (0..5_001).map(|n| format!("SKU-{n}")).collect();
    let bodies = [
        json!({"account": "ACME", "items": ["SKU-0001"], "discount": "5"}),
        json!({"account": "ACME", "items": "SKU-0001"}),
        json!({"account": "", "items": []}),
        json!({"account": "ACME", "items": too_many}),
    ];
    for body in bodies {
        let refused = layer.post(path, &body).await;
        assert!(
            refused.status().is_client_error(),
            "{} to {body}",
            refused.status()
        );
    }
    let lane = layer
        .request("GET", "/v1/companies/NWI/capabilities")
        .header("orderway-lane", "vip");
    let refused = lane
        .header(CONTEXT_HEADER, context("NWI"))
        .send()
        .await
        .unwrap();
    problem(refused, 400, "invalid-request").await;
    assert_eq!(layer.sandbox.erp.calls().len(), 0);
}

#[tokio::test]
async fn a_call_that_lay_unread_until_its_end_begins_nothing() {
    let layer = Layer::staged().await;
    let stopped = CallContext {
        // By the duration ten seconds are left, by the instant none.
        deadline: Clock::system().wall() - SignedDuration::from_secs(1),
        ..call_context(Some("NWI"))
    };
    let token = signer(LayerIdentity::ProcessApis, KEY)
        .sign(&stopped)
        .unwrap();
    let request = layer.request("POST", "/v1/companies/NWI/sales-orders/SO-1/release");
    let late = request.header(CONTEXT_HEADER, token).send().await.unwrap();
    problem(late, 504, "deadline-exceeded").await;
    assert_eq!(layer.sandbox.erp.calls().len(), 0);
}

#[tokio::test]
async fn facts_come_from_the_cache_and_tell_their_age() {
    let layer = Layer::staged().await;
    let path = "/v1/companies/NWI/prices/query";
    let query = json!({"account": "ACME", "items": ["SKU-0001", "SKU-0002", "NO-SUCH"]});
    let first = layer.post(path, &query).await;
    assert_eq!(first.status(), StatusCode::OK);
    assert_eq!(
        (header(&first, "cache-status"), header(&first, "age")),
        ("system-apis; fwd=miss", "0")
    );
    let first: Value = first.json().await.unwrap();
    let schedules = first["schedules"].as_array().unwrap();
    assert_eq!(schedules.len(), 2);
    assert_eq!(schedules[0]["item"], "SKU-0001");
    assert!(schedules[0]["records"][0]["unit_price"].is_string());
    assert_eq!(first["degraded"], false);

    let known = json!({"account": "ACME", "items": ["SKU-0002", "SKU-0001"]});
    let again = layer.post(path, &known).await;
    assert_eq!(header(&again, "cache-status"), "system-apis; hit");
    assert_eq!(layer.sandbox.erp.calls_of("CONDITIONS_GETLIST"), 1);
    let mut from_source = known.clone();
    from_source["max_age_seconds"] = json!(0);
    let asked = layer.post(path, &from_source).await;
    assert_eq!(header(&asked, "cache-status"), "system-apis; fwd=miss");
    assert_eq!(layer.sandbox.erp.calls_of("CONDITIONS_GETLIST"), 2);

    let unknown = json!({"account": "NOBODY", "items": ["SKU-0001"]});
    problem(layer.post(path, &unknown).await, 404, "backend-not-found").await;
}

#[tokio::test]
async fn a_contract_for_one_address_is_shown_for_that_address_only() {
    let mut seed = Seed::default_world(date(2026, 11, 20));
    let list = seed.prices.iter().find(|price| price.item == "SKU-0001");
    let special = sandbox::seed::PriceRecord {
        kind: sandbox::seed::PriceKind::ContractShipTo,
        holder: "ACME-01".to_owned(),
        ..list.unwrap().clone()
    };
    seed.prices.push(special);
    let layer = Layer::selling(seed, sandbox::CreateClass::Staged, CreateClass::Staged).await;
    let has_special = async |ship_to: Option<&str>| -> bool {
        let query = json!({"account": "ACME", "items": ["SKU-0001"], "ship_to": ship_to});
        let answer = layer.post("/v1/companies/NWI/prices/query", &query).await;
        let answer: Value = answer.json().await.unwrap();
        let records = answer["schedules"][0]["records"].as_array().unwrap();
        assert!(!records.is_empty());
        records
            .iter()
            .any(|record| record["level"] == "contract_ship_to")
    };
    assert!(has_special(Some("ACME-01")).await);
    assert!(!has_special(Some("ACME-02")).await);
    assert!(!has_special(None).await);
    let calls = layer.sandbox.erp.calls_of("CONDITIONS_GETLIST");
    assert_eq!(calls, 1, "one fact serves all");
}

#[tokio::test]
async fn accounts_credit_stock_and_products_are_answered_in_canonical_words() {
    let layer = Layer::staged().await;
    let accounts = json!({"accounts": ["ACME-WEST", "NOBODY"]});
    let accounts: Value = layer
        .post("/v1/companies/NWI/accounts/query", &accounts)
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(accounts["accounts"][0]["ancestors"], json!(["ACME"]));
    assert_eq!(accounts["accounts"].as_array().unwrap().len(), 1);

    let credit = json!({"account": "ACME-WEST"});
    let credit: Value = layer
        .post("/v1/companies/NWI/credit/query", &credit)
        .await
        .json()
        .await
        .unwrap();
    let chain: Vec<&str> = credit["chain"]
        .as_array()
        .unwrap()
        .iter()
        .map(|fact| fact["account"].as_str().unwrap())
        .collect();
    assert_eq!(chain, ["ACME-WEST", "ACME"]);
    let nobody = layer
        .post(
            "/v1/companies/NWI/credit/query",
            &json!({"account": "NOBODY"}),
        )
        .await;
    problem(nobody, 404, "backend-not-found").await;

    let stock = json!({"items": ["SKU-0002", "SKU-0001", "NO-SUCH"]});
    let stock: Value = layer
        .post("/v1/companies/NWI/stock/query", &stock)
        .await
        .json()
        .await
        .unwrap();
    let pairs: Vec<String> = stock["stock"]
        .as_array()
        .unwrap()
        .iter()
        .map(|fact| {
            format!(
                "{}@{}",
                fact["item"].as_str().unwrap(),
                fact["site"].as_str().unwrap()
            )
        })
        .collect();
    assert_eq!(
        pairs,
        [
            "SKU-0001@EAST",
            "SKU-0001@WEST",
            "SKU-0002@EAST",
            "SKU-0002@WEST"
        ]
    );

    let items = json!([{"scheme": "buyer_part_number", "value": "ACM-9001"}, {"scheme": "gtin", "value": "12345678"}]);
    let products = json!({"account": "ACME", "items": items});
    let products: Value = layer
        .post("/v1/companies/NWI/products/query", &products)
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(products["matches"][0]["item"], "SKU-0001");
    assert_eq!(products["matches"][1], Value::Null);
}

#[tokio::test]
async fn the_catalogue_is_paged_without_gap_or_repeat() {
    let layer = Layer::staged().await;
    let mut path = "/v1/companies/NWI/products?account=ACME&limit=70".to_owned();
    let mut items = Vec::new();
    loop {
        let page: Value = layer.get(&path).await.json().await.unwrap();
        let numbers = page["items"].as_array().unwrap().iter();
        items.extend(numbers.map(|product| product["item"].as_str().unwrap().to_owned()));
        let Some(next) = page["next"].as_str() else {
            break;
        };
        path = format!("/v1/companies/NWI/products?account=ACME&limit=70&cursor={next}");
    }
    assert_eq!(items.len(), 200);
    assert!(items.is_sorted() && items.windows(2).all(|pair| pair[0] != pair[1]));
    problem(
        layer
            .get("/v1/companies/NWI/products?cursor=nonsense")
            .await,
        400,
        "invalid-request",
    )
    .await;
}

fn order(reference: &str, item: &str) -> Value {
    json!({"reference": reference, "purchase_order_number": "PO-4711", "account": "ACME", "ship_to": "ACME-01",
        "currency": "USD", "lines": [{"line": 1, "order_line": 1, "item": item,
            "quantity": {"value": "12", "unit": "EA"},
            "unit_price": {"amount": "9.10", "currency": "USD", "unit": "EA"},
            "site": "EAST", "ship_date": "2026-11-25"}]})
}

const ORDERS: &str = "/v1/companies/NWI/sales-orders";

#[tokio::test]
async fn the_invoices_of_a_sales_order_carry_both_references() {
    let layer = Layer::staged().await;
    let created = layer.post(ORDERS, &order("OWROUTES7", "SKU-0001")).await;
    let created: Value = created.json().await.unwrap();
    let number = created["number"].as_str().unwrap();
    let path = format!("{ORDERS}/{number}/invoices");
    let none: Value = layer.get(&path).await.json().await.unwrap();
    assert_eq!(none, json!({"invoices": []}));
    layer
        .post(&format!("{ORDERS}/{number}/release"), &json!({}))
        .await;
    let invoice = layer.sandbox.erp.ship_and_invoice(number).unwrap();
    let told: Value = layer.get(&path).await.json().await.unwrap();
    let told = &told["invoices"][0];
    assert_eq!(
        (
            &told["number"],
            &told["reference"],
            &told["purchase_order_number"]
        ),
        (&json!(invoice), &json!("OWROUTES7"), &json!("PO-4711"))
    );
    assert_eq!(told["lines"][0]["order_line"], 1);
    assert_eq!(
        told["gross"],
        json!({"amount": "109.20", "currency": "USD"})
    );
    let unknown = layer.get(&format!("{ORDERS}/0000000001/invoices")).await;
    problem(unknown, 404, "backend-not-found").await;
}

#[tokio::test]
async fn a_sales_order_is_created_found_released_and_cancelled() {
    let layer = Layer::staged().await;
    let created = layer.post(ORDERS, &order("OWROUTES1", "SKU-0001")).await;
    assert_eq!(created.status(), StatusCode::CREATED);
    let location = header(&created, "location").to_owned();
    let created: Value = created.json().await.unwrap();
    assert_eq!(
        (&created["state"], &created["total"]["amount"]),
        (&json!("blocked"), &json!("109.20"))
    );
    assert_eq!(created["purchase_order_number"], "PO-4711");

    let found: Value = layer
        .get(&format!("{ORDERS}?reference=OWROUTES1"))
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(found["orders"], json!([created]));
    let read: Value = layer.get(&location).await.json().await.unwrap();
    assert_eq!(read, created);
    let number = created["number"].as_str().unwrap();
    let details = layer.sandbox.erp.calls_of("SALESORDER_GETDETAIL");
    let search = format!("{ORDERS}?reference=OWROUTES1&besides={number}");
    let besides: Value = layer.get(&search).await.json().await.unwrap();
    assert_eq!(besides["orders"], json!([]), "it is the only one");
    let change = async |verb: &str| {
        layer
            .post(&format!("{location}/{verb}"), &Value::Null)
            .await
    };
    assert_eq!(change("release").await.status(), StatusCode::NO_CONTENT);
    assert_eq!(
        layer.sandbox.erp.calls_of("SALESORDER_GETDETAIL"),
        details,
        "neither is read back"
    );
    let read: Value = layer.get(&location).await.json().await.unwrap();
    assert_eq!(read["state"], "open");
    layer.post(ORDERS, &order("OWROUTES1", "SKU-0001")).await;
    let both: Value = layer.get(&search).await.json().await.unwrap();
    assert_eq!(both["orders"].as_array().unwrap().len(), 2, "{both:#}");
    let cancelled: Value = change("cancel").await.json().await.unwrap();
    assert_eq!(cancelled["state"], "cancelled");
    problem(
        layer
            .post(&format!("{location}/release"), &Value::Null)
            .await,
        422,
        "backend-rejected",
    )
    .await;
    problem(
        layer.get(&format!("{ORDERS}/4711")).await,
        404,
        "backend-not-found",
    )
    .await;

    let none: Value = layer
        .get(&format!("{ORDERS}?reference=OWNEVER"))
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(none["orders"], json!([]));
}

#[tokio::test]
async fn a_refusal_carries_the_sentence_and_no_code_of_the_vendor() {
    let layer = Layer::staged().await;
    let refused = layer.post(ORDERS, &order("OWROUTES2", "NO-SUCH")).await;
    let problem = problem(refused, 422, "backend-rejected").await;
    let detail = problem["detail"].as_str().unwrap();
    assert!(
        detail.contains("NO-SUCH") && !detail.contains("M3"),
        "{detail}"
    );
    assert_eq!(problem["retryable"], false);
}

#[tokio::test]
async fn where_references_are_unique_the_first_order_is_named() {
    let layer = Layer::start(sandbox::CreateClass::Unique, CreateClass::Unique).await;
    let first: Value = layer
        .post(ORDERS, &order("OWROUTES3", "SKU-0001"))
        .await
        .json()
        .await
        .unwrap();
    let second = layer.post(ORDERS, &order("OWROUTES3", "SKU-0001")).await;
    let problem = problem(second, 409, "backend-conflict").await;
    assert_eq!(problem["existing"], first["number"]);
}

#[tokio::test]
async fn a_lost_answer_is_told_as_unknown_and_an_outage_as_unavailable() {
    let layer = Layer::staged().await;
    layer.fail("/erp/call/SALESORDER_CREATE", Fault::DropAfterCommit);
    let lost = layer.post(ORDERS, &order("OWROUTES4", "SKU-0001")).await;
    let lost = problem(lost, 504, "backend-outcome-unknown").await;
    assert_eq!(lost["retryable"], false);
    let found: Value = layer
        .get(&format!("{ORDERS}?reference=OWROUTES4"))
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(
        found["orders"].as_array().unwrap().len(),
        1,
        "it was created once"
    );

    layer.fail("/erp/call/SALESORDER_GETDETAIL", Fault::DropConnection);
    let created = layer.post(ORDERS, &order("OWROUTES5", "SKU-0001")).await;
    assert_eq!(
        created.status(),
        StatusCode::CREATED,
        "its number counts, not whether it can be read"
    );

    layer.fail("", Fault::DropConnection);
    let query = json!({"account": "ACME", "items": ["SKU-0001"]});
    let down = layer.post("/v1/companies/NWI/prices/query", &query).await;
    assert!(down.headers().contains_key("retry-after"));
    problem(down, 503, "backend-unavailable").await;
}

#[tokio::test]
async fn a_release_is_made_once_and_found_after() {
    let layer = Layer::staged().await;
    let path = "/v1/companies/NWI/warehouse-releases";
    let mut release = json!({"release_reference": "OWROUTES6-EAST", "order_reference": "OWROUTES6",
        "sales_order_number": "0000100001", "purchase_order_number": "PO-4711", "site": "EAST", "ship_to_name": "Plant 1", "ship_to_id": "ACME-01",
        "ship_to": {"lines": ["1 Plant Rd"], "city": "Columbus", "country": "US"},
        "lines": [{"order_line": 1, "item": "SKU-0001", "quantity": {"value": "12", "unit": "EA"}, "ship_date": "2026-11-25"}]});
    let first = layer.post(path, &release).await;
    assert_eq!(first.status(), StatusCode::CREATED);
    let first: Value = first.json().await.unwrap();
    let second = layer.post(path, &release).await;
    assert_eq!(second.status(), StatusCode::OK);
    assert_eq!(second.json::<Value>().await.unwrap(), first);
    let found = layer
        .get(&format!(
            "{path}?release_reference=OWROUTES6-EAST&site=EAST"
        ))
        .await;
    assert_eq!(
        found.json::<Value>().await.unwrap()["releases"],
        json!([first])
    );

    let mut other = release.clone();
    other["lines"][0]["quantity"]["value"] = json!("13");
    let conflict = problem(layer.post(path, &other).await, 409, "backend-conflict").await;
    assert_eq!(
        conflict["existing"], first["number"],
        "it picks something else"
    );
    let number = first["number"].as_str().unwrap();
    let cancel = format!(
        "{}/wms/v2/pickRequests/{number}/cancel",
        layer.sandbox.wms_url()
    );
    let cancel = layer
        .client
        .post(cancel)
        .bearer_auth(SandboxConfig::WMS_TOKEN);
    assert!(cancel.send().await.unwrap().status().is_success());
    problem(layer.post(path, &release).await, 409, "backend-conflict").await;

    release["site"] = json!("MOON");
    problem(layer.post(path, &release).await, 422, "backend-rejected").await;
}

#[tokio::test]
async fn one_account_with_a_broken_hierarchy_does_not_fail_the_others() {
    let mut seed = Seed::default_world(date(2026, 11, 20));
    for account in &mut seed.accounts {
        if account.id == "BOREALIS" {
            account.parent = Some("BOREALIS".to_owned());
        }
    }
    let layer = Layer::selling(seed, sandbox::CreateClass::Staged, CreateClass::Staged).await;
    let path = "/v1/companies/NWI/accounts/query";
    let both = json!({"accounts": ["BOREALIS", "ACME-WEST"]});
    let answer: Value = layer.post(path, &both).await.json().await.unwrap();
    let accounts = answer["accounts"].as_array().unwrap();
    assert_eq!(accounts.len(), 1, "{answer}");
    assert_eq!(accounts[0]["account"], "ACME-WEST");
    let alone = json!({"accounts": ["BOREALIS"]});
    problem(layer.post(path, &alone).await, 502, "backend-protocol").await;
}
