//! The fault proxy before the ERP: what the caller sees, what the ERP got, what the log says.

use std::time::Duration;

use futures_util::future::join_all;
use sandbox::RunningSandbox;
use sandbox::fault::{
    Fault, FaultConfig, FaultPlan, FaultProxy, FaultRule, Latency, Outcome, RateLimit,
};
use serde_json::{Value, json};

use crate::support::{erp, http, order, start, try_erp};

const CREATE: &str = "/erp/call/SALESORDER_CREATE";

async fn proxied(plan: FaultPlan) -> (RunningSandbox, FaultProxy) {
    let sandbox = start().await;
    let config = FaultConfig {
        plan,
        ..FaultConfig::default()
    };
    let proxy = FaultProxy::start(&sandbox.erp_url(), config)
        .await
        .expect("free ports");
    (sandbox, proxy)
}

async fn ping(base: &str) -> reqwest::Result<reqwest::Response> {
    let request = http().post(format!("{base}/erp/call/PING"));
    request
        .header("x-api-key", "sandbox-erp-key")
        .body("{}")
        .send()
        .await
}

#[tokio::test]
async fn without_a_plan_it_is_faithful() {
    let (sandbox, proxy) = proxied(FaultPlan::default()).await;
    let body = json!({ "BUKRS": "NWI", "KUNNR": ["ACME"] });
    let direct = erp(&sandbox.erp_url(), "CUSTOMER_GETDETAIL", body.clone()).await;
    let through = erp(&proxy.url(), "CUSTOMER_GETDETAIL", body).await;
    assert_eq!(direct, through);
    let no_key = http()
        .post(format!("{}/erp/call/PING?x=1", proxy.url()))
        .body("{}");
    assert_eq!(no_key.send().await.expect("an answer").status(), 401);
    let log = proxy.log();
    assert_eq!(log.len(), 2);
    assert_eq!(
        (log[0].outcome, log[0].status),
        (Outcome::Forwarded, Some(200))
    );
    assert!(log[0].response_bytes > 100 && log[0].request_bytes > 10);
    assert_eq!(
        (log[1].path.as_str(), log[1].status),
        ("/erp/call/PING", Some(401))
    );
}

#[tokio::test]
async fn a_dropped_answer_leaves_the_order_in_the_erp() {
    let rule = FaultRule::new(CREATE, Fault::DropAfterCommit).times(1);
    let (sandbox, proxy) = proxied(FaultPlan::of_rules(vec![rule])).await;
    let lost = try_erp(&proxy.url(), "SALESORDER_CREATE", order("R1")).await;
    let error = lost.expect_err("the answer is lost");
    assert!(error.is_request() && !error.is_timeout(), "{error:?}");
    let orders = sandbox.erp.orders_by_reference("R1");
    assert_eq!(
        orders.len(),
        1,
        "exactly once: the proxy does not repeat it"
    );

    // The rule is used up: the next create comes back, and is a second order.
    let second = erp(&proxy.url(), "SALESORDER_CREATE", order("R1")).await;
    assert_eq!(second["VBELN"], "0000100002");
    let log = proxy.log();
    assert_eq!((log[0].outcome, log[0].status), (Outcome::Faulted, None));
    assert_eq!(log[0].fault.as_deref(), Some("drop_after_commit"));
    assert!(log[0].reached_backend);
    assert_eq!(proxy.rules()[0].applied, 1);
}

#[tokio::test]
async fn a_lost_answer_on_a_reused_connection_is_not_repeated_either() {
    let rule = FaultRule::new(CREATE, Fault::DropAfterCommit).times(1);
    let (sandbox, proxy) = proxied(FaultPlan::of_rules(vec![rule])).await;
    let client = http();
    let call = async |function: &str, body: Value| {
        let request = client.post(format!("{}/erp/call/{function}", proxy.url()));
        let request = request.header("x-api-key", "sandbox-erp-key").json(&body);
        request.send().await?.text().await
    };
    call("PING", json!({})).await.expect("an answer");
    call("SALESORDER_CREATE", order("R1"))
        .await
        .expect_err("the answer is lost");
    assert_eq!(sandbox.erp.calls_of("SALESORDER_CREATE"), 1);
    assert_eq!(proxy.log().len(), 2);
}

#[tokio::test]
async fn faults_before_the_backend_leave_it_alone() {
    let status = |status, retry_after_s| Fault::Status {
        status,
        retry_after_s,
    };
    let rules = vec![
        FaultRule::new(CREATE, Fault::DropConnection).times(1),
        FaultRule::new(CREATE, Fault::BlackHole { hold_ms: 1 }).times(1),
        FaultRule::new(CREATE, status(503, Some(7))).times(1),
    ];
    let (sandbox, proxy) = proxied(FaultPlan::of_rules(rules)).await;
    for _ in 0..2 {
        let lost = try_erp(&proxy.url(), "SALESORDER_CREATE", order("R1")).await;
        lost.expect_err("no answer");
    }
    let refused = http().post(format!("{}{CREATE}", proxy.url())).send().await;
    let refused = refused.expect("an answer");
    assert_eq!(refused.status(), 503);
    assert_eq!(refused.headers()["retry-after"], "7");
    assert!(sandbox.erp.orders().is_empty());
    assert_eq!(sandbox.erp.calls_of("SALESORDER_CREATE"), 0);
    assert_eq!(proxy.stats().forwarded, 0);
}

#[tokio::test]
async fn an_error_after_commit_lies() {
    let rule = FaultRule::new(CREATE, Fault::StatusAfterCommit { status: 500 });
    let (sandbox, proxy) = proxied(FaultPlan::of_rules(vec![rule])).await;
    let request = http()
        .post(format!("{}{CREATE}", proxy.url()))
        .json(&order("R1"));
    let answer = request.header("x-api-key", "sandbox-erp-key").send().await;
    assert_eq!(answer.expect("an answer").status(), 500);
    assert_eq!(sandbox.erp.orders_by_reference("R1").len(), 1);
}

#[tokio::test]
async fn calls_over_the_rate_are_refused_and_the_log_shows_the_window() {
    // A window far longer than the test: the third call is over it, however slow the machine.
    let limit = RateLimit {
        calls: 2,
        window_ms: 600_000,
        retry_after_s: 3,
    };
    let (sandbox, proxy) = proxied(FaultPlan {
        rate_limit: Some(limit),
        ..FaultPlan::default()
    })
    .await;
    let mut statuses = Vec::new();
    for _ in 0..4 {
        let answer = ping(&proxy.url()).await.expect("an answer");
        let retry_after = answer
            .headers()
            .get("retry-after")
            .map(|value| value.to_str().unwrap().to_owned());
        statuses.push((answer.status().as_u16(), retry_after));
    }
    let refused = (429, Some("3".to_owned()));
    assert_eq!(
        statuses,
        [(200, None), (200, None), refused.clone(), refused]
    );
    assert_eq!(sandbox.erp.calls_of("PING"), 2);
    let hour = Duration::from_secs(3600);
    assert_eq!(proxy.max_calls_in_window(hour), 4);
    assert_eq!(
        proxy.max_calls_in_window_where(hour, |call| call.reached_backend),
        2
    );
    let stats = proxy.stats();
    assert_eq!(stats.by_outcome[&Outcome::RateLimited], 2);
}

#[tokio::test]
async fn no_more_than_the_cap_are_in_flight() {
    let hold = FaultRule::new("", Fault::BlackHole { hold_ms: 600_000 });
    let (_sandbox, proxy) = proxied(FaultPlan {
        max_concurrent: Some(2),
        ..FaultPlan::of_rules(vec![hold])
    })
    .await;
    let url = proxy.url();
    let held = [0, 1].map(|_| {
        tokio::spawn({
            let url = url.clone();
            async move { ping(&url).await }
        })
    });
    let both_in_flight = async {
        while proxy.stats().in_flight < 2 {
            tokio::task::yield_now().await;
        }
    };
    let deadline = Duration::from_secs(60);
    tokio::time::timeout(deadline, both_in_flight)
        .await
        .expect("both arrive");
    assert_eq!(ping(&url).await.expect("an answer").status(), 429);
    assert_eq!(proxy.stats().by_outcome[&Outcome::ConcurrencyLimited], 1);
    for call in held {
        call.abort();
    }
}

#[tokio::test]
async fn a_caller_who_hangs_up_does_not_stop_the_forwarding() {
    let (sandbox, proxy) = proxied(FaultPlan {
        latency: Some(Latency::Fixed { ms: 100 }),
        ..FaultPlan::default()
    })
    .await;
    let url = proxy.url();
    let call = tokio::spawn(async move { try_erp(&url, "SALESORDER_CREATE", order("R1")).await });
    let deadline = Duration::from_secs(60);
    let arrived = async {
        while proxy.stats().calls == 0 {
            tokio::task::yield_now().await;
        }
        call.abort();
        while sandbox.erp.orders().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(deadline, arrived)
        .await
        .expect("the order arrives all the same");
}

#[tokio::test]
async fn the_same_seed_fails_the_same_calls() {
    let half = FaultRule {
        probability: 0.5,
        ..FaultRule::new(
            "",
            Fault::Status {
                status: 500,
                retry_after_s: None,
            },
        )
    };
    let plan = FaultPlan {
        seed: 7,
        ..FaultPlan::of_rules(vec![half])
    };
    let mut runs = Vec::new();
    for _ in 0..2 {
        let (_sandbox, proxy) = proxied(plan.clone()).await;
        let calls: Vec<_> = (0..40).map(|_| proxy.url()).collect();
        join_all(calls.iter().map(|url| ping(url))).await;
        let log = proxy.log();
        runs.push(log.iter().map(|call| call.status).collect::<Vec<_>>());
    }
    assert_eq!(runs[0], runs[1]);
    assert!(runs[0].contains(&Some(200)) && runs[0].contains(&Some(500)));
}

#[tokio::test]
async fn a_dead_backend_is_a_502() {
    let (sandbox, proxy) = proxied(FaultPlan::default()).await;
    sandbox.stop().await;
    assert_eq!(ping(&proxy.url()).await.expect("an answer").status(), 502);
    assert_eq!(proxy.log()[0].outcome, Outcome::BackendUnreachable);
    let url = proxy.url();
    proxy.stop().await;
    ping(&url).await.expect_err("the port is closed");
}

#[tokio::test]
async fn the_control_api_sets_rules_and_shows_the_evidence() {
    let (_sandbox, proxy) = proxied(FaultPlan::default()).await;
    let control = |path: &str| format!("{}/__fault/{path}", proxy.control_url());
    let get = async |path: &str| -> Value {
        let answer = http().get(control(path)).send().await.expect("an answer");
        answer.json().await.expect("JSON")
    };
    let put = async |body: Value| {
        let answer = http().put(control("rules")).json(&body).send().await;
        answer.expect("an answer").status().as_u16()
    };
    // The plan of the README, word for word but for what would slow the test down.
    let plan = json!({
        "seed": 7,
        "latency": { "kind": "lognormal", "median_ms": 1, "sigma": 0.6, "max_ms": 5 },
        "rate_limit": { "calls": 1000, "window_ms": 1000, "retry_after_s": 1 },
        "max_concurrent": 8,
        "rules": [{ "name": "lost answer", "method": "POST", "path_prefix": "/erp/call/PING",
                    "probability": 1.0, "skip": 0, "times": 1, "fault": { "kind": "drop_after_commit" } }],
    });
    assert_eq!(put(plan).await, 204);
    assert_eq!(put(json!({ "ruels": [] })).await, 400);
    assert_eq!(put(json!({ "max_concurrent": 0 })).await, 400);
    ping(&proxy.url()).await.expect_err("lost");
    assert_eq!(ping(&proxy.url()).await.expect("an answer").status(), 200);

    let rules = get("rules").await;
    assert_eq!(rules["rules"][0]["applied"], 1);
    assert_eq!(rules["rules"][0]["name"], "lost answer");
    let log = get("log?since=1").await;
    assert_eq!(log["entries"].as_array().map(Vec::len), Some(1));
    assert_eq!(log["entries"][0]["sequence"], 2);
    let stats = get("stats?window_ms=60000&path_prefix=/erp/call/").await;
    assert_eq!(
        (&stats["calls"], &stats["max_calls_in_window"]),
        (&json!(2), &json!(2))
    );
    assert_eq!(stats["by_outcome"]["faulted"], 1);
    assert_eq!(get("stats?path_prefix=/other").await["calls"], 0);
    http()
        .delete(control("log"))
        .send()
        .await
        .expect("an answer");
    assert_eq!(get("log").await["entries"], json!([]));
}

#[tokio::test]
async fn only_a_loopback_base_url_can_be_its_target_and_address() {
    for target in ["ftp://127.0.0.1", "127.0.0.1:80", "http://127.0.0.1/path"] {
        let refused = FaultProxy::start(target, FaultConfig::default()).await;
        assert!(refused.is_err_and(|error| error.to_string().contains(target)));
    }
    let open = FaultConfig {
        address: "0.0.0.0:0".parse().expect("an address"),
        ..FaultConfig::default()
    };
    let refused = FaultProxy::start("http://127.0.0.1:1", open).await;
    assert!(refused.is_err_and(|error| error.to_string().contains("loopback")));
}
