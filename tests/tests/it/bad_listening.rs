//! What somebody who wants to be told of events can get wrong, in the feed, the stream and webhooks: each answered by a
//! problem that names the place, and nothing subscribed, changed or sent.

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use tests::{Answer, PortalUser, WebhookReceiver, World};
use uuid::Uuid;

use crate::{
    bad_input::names_field,
    findings::{Findings, answer_of, generous_world, shortened},
};

/// Whatever it is that is sent, and the place and code of the fault that is answered first.
type Case<'a> = (Value, u16, &'a str, &'a str);

fn problem_of(status: u16) -> (u16, &'static str) {
    match status {
        400 => (400, "invalid-request"),
        _ => (422, "validation-failed"),
    }
}

#[tokio::test]
async fn a_reader_of_events_who_asks_wrongly_is_told_what_is_wrong() {
    let world = generous_world().await;
    let user = world.portal_user("acme-buyer", "ACME").unwrap();
    let mut findings = Findings::default();
    let both = [
        ("after=yesterday", 422, "?after", "out-of-range"),
        ("after=", 422, "?after", "out-of-range"),
        ("after=-1", 422, "?after", "out-of-range"),
        ("after=1.5", 422, "?after", "out-of-range"),
        ("after=99999999999999999999", 422, "?after", "out-of-range"),
        ("after=1&after=2", 400, "?after", "invalid-parameter"),
        ("types=", 422, "?types", "unknown-type"),
        ("types=order.painted", 422, "?types", "unknown-type"),
        ("types=order.*", 422, "?types", "unknown-type"),
        ("types=order.shipped,", 422, "?types", "unknown-type"),
        ("account=BOREALIS", 400, "?account", "invalid-parameter"),
    ];
    let feed_alone = [
        ("limit=0", 422, "?limit", "out-of-range"),
        ("limit=201", 422, "?limit", "out-of-range"),
        ("limit=many", 400, "?limit", "invalid-parameter"),
        ("limit=-1", 400, "?limit", "invalid-parameter"),
        ("wait=31", 422, "?wait", "out-of-range"),
        ("wait=-1", 400, "?wait", "invalid-parameter"),
        ("wait=forever", 400, "?wait", "invalid-parameter"),
    ];
    let stream_too = both.iter().map(|case| ("/events/stream", case));
    let feed = both.iter().chain(&feed_alone).map(|case| ("/events", case));
    for (path, (query, status, place, code)) in feed.chain(stream_too) {
        let answer = user.get(&format!("{path}?{query}")).await.unwrap();
        let case = format!("{path}?{query}");
        names_field(
            &mut findings,
            &case,
            &answer,
            problem_of(*status),
            (place, code),
        );
    }
    for last in ["yesterday", "", "-1", "1 2", "99999999999999999999", "é"] {
        let request = user.request(Method::GET, "/events/stream");
        let answer = answer_of(request.header("Last-Event-ID", last.as_bytes())).await;
        names_field(
            &mut findings,
            &format!("the stream after {last:?}"),
            &answer,
            problem_of(422),
            ("Last-Event-ID", "out-of-range"),
        );
    }
    // Later than anything that ever was: there is nothing yet.
    for far in [i64::MAX.unsigned_abs(), u64::MAX] {
        let answer = user.get(&format!("/events?after={far}")).await.unwrap();
        let nothing = answer.status == 200 && answer.json()["events"] == json!([]);
        findings.check(
            &format!("the feed after {far}"),
            nothing || answer.status == 422,
            format!("{} {}", answer.status, answer.text),
        );
    }
    for path in ["/events", "/events/stream"] {
        let foreign = world.portal_user("acme-buyer", "BOREALIS").unwrap();
        let answer = foreign.get(path).await.unwrap();
        findings.problem(
            &format!("{path} of another account"),
            &answer,
            404,
            "not-found",
        );
    }
    findings.none();
    world.stop().await.unwrap();
}

/// A webhook, and what may not change by anything that is asked wrongly.
struct Subscribed {
    user: PortalUser,
    receiver: WebhookReceiver,
    path: String,
}

impl Subscribed {
    async fn start(world: &World) -> Self {
        let user = world.portal_user("acme-buyer", "ACME").unwrap();
        let receiver = WebhookReceiver::start().await.unwrap();
        let body = json!({"url": receiver.url, "types": ["order.shipped"]});
        let made = user.post("/webhooks", "the-first", &body).await.unwrap();
        assert_eq!(made.status, 201, "{}", made.text);
        let path = format!("/webhooks/{}", made.at("/webhook_id"));
        Self {
            user,
            receiver,
            path,
        }
    }

    fn request(&self, method: Method, below: &str) -> RequestBuilder {
        let path = format!("{}{below}", self.path);
        self.user
            .request(method, &path)
            .header("Idempotency-Key", Uuid::now_v7().to_string())
            .header("If-Match", "\"v1\"")
    }

    async fn seen(&self) -> Answer {
        self.user.get(&self.path).await.unwrap()
    }
}

/// A body that is sound but for one member; null = it is not there.
fn with(mut body: Value, name: &str, value: &Value) -> Value {
    if value.is_null() {
        body.as_object_mut().unwrap().remove(name);
    } else {
        body[name] = value.clone();
    }
    body
}

#[expect(clippy::too_many_lines, reason = "one case after another")]
#[tokio::test]
async fn a_webhook_that_is_asked_for_wrongly_is_none() {
    let world = generous_world().await;
    let known = Subscribed::start(&world).await;
    let before = known.seen().await;
    let mut findings = Findings::default();
    let sound = json!({"url": known.receiver.url, "types": [], "active": true});
    let create = |body: &Value| {
        let key = Uuid::now_v7().to_string();
        let request = known.user.request(Method::POST, "/webhooks");
        request
            .header("Idempotency-Key", key)
            .json(&with(body.clone(), "active", &Value::Null))
    };
    let change = |body: &Value| known.request(Method::PUT, "").json(body);
    let members: [(&str, Vec<Case<'_>>); 4] = [
        (
            "url",
            vec![
                (Value::Null, 400, "/url", "missing-field"),
                (json!(7), 400, "/url", "wrong-type"),
                (json!("shop.example.com"), 422, "/url", "address-refused"),
                (json!("x".repeat(2_049)), 422, "/url", "address-refused"),
            ],
        ),
        (
            "types",
            vec![
                (json!("order.*"), 400, "/types", "wrong-type"),
                (json!([7]), 400, "/types/0", "wrong-type"),
                (
                    json!(["order.shipped", "order.painted"]),
                    422,
                    "/types/1",
                    "unknown-type",
                ),
                (json!([""]), 422, "/types/0", "unknown-type"),
                (json!(["order."]), 422, "/types/0", "unknown-type"),
                (json!(vec!["order.shipped"; 21]), 422, "/types", "too-many"),
            ],
        ),
        (
            "description",
            vec![
                (json!({}), 400, "/description", "wrong-type"),
                (json!(" "), 422, "/description", "invalid-value"),
                (json!("d".repeat(201)), 422, "/description", "invalid-value"),
                (json!("two\nlines"), 422, "/description", "invalid-value"),
                (json!("no\0end"), 422, "/description", "invalid-value"),
                (json!("\u{1b}[2J"), 422, "/description", "invalid-value"),
            ],
        ),
        (
            "secret",
            vec![(json!("whsec_mine"), 400, "/secret", "unknown-field")],
        ),
    ];
    for (name, cases) in &members {
        for (value, status, place, code) in cases {
            let body = with(sound.clone(), name, value);
            for (what, request) in [("a new", create(&body)), ("a changed", change(&body))] {
                let answer = answer_of(request).await;
                let value: String = value.to_string().chars().take(30).collect();
                let case = format!("{what} webhook with {name} = {value}");
                names_field(
                    &mut findings,
                    &case,
                    &answer,
                    problem_of(*status),
                    (place, code),
                );
            }
        }
    }
    for (value, code) in [(Value::Null, "missing-field"), (json!("yes"), "wrong-type")] {
        let answer = answer_of(change(&with(sound.clone(), "active", &value))).await;
        names_field(
            &mut findings,
            &format!("a changed webhook with active = {value}"),
            &answer,
            problem_of(400),
            ("/active", code),
        );
    }
    let after = known.seen().await;
    findings.check("the webhook", after.text == before.text, after.text);
    let all = known.user.get("/webhooks").await.unwrap();
    findings.check(
        "the webhooks",
        all.json()["items"].as_array().map(Vec::len) == Some(1),
        shortened(&all.text),
    );
    findings.check(
        "the receiver",
        known.receiver.got().is_empty(),
        "it was called",
    );
    findings.none();
    world.stop().await.unwrap();
}

#[expect(clippy::too_many_lines, reason = "one case after another")]
#[tokio::test]
async fn what_a_webhook_is_told_to_do_wrongly_it_does_not() {
    let world = generous_world().await;
    let known = Subscribed::start(&world).await;
    let before = known.seen().await;
    let mut findings = Findings::default();
    let rotations: Vec<Case<'_>> = vec![
        (
            json!({"overlap_seconds": -1}),
            400,
            "/overlap_seconds",
            "invalid-value",
        ),
        (
            json!({"overlap_seconds": "1"}),
            400,
            "/overlap_seconds",
            "wrong-type",
        ),
        (
            json!({"overlap_seconds": 604_801}),
            422,
            "/overlap_seconds",
            "out-of-range",
        ),
        (
            json!({"secret": "whsec_mine"}),
            400,
            "/secret",
            "unknown-field",
        ),
    ];
    let replays: Vec<Case<'_>> = vec![
        (json!({}), 422, "", "exactly-one"),
        (
            json!({"after": 0, "since": "2026-03-02T12:00:00Z"}),
            422,
            "",
            "exactly-one",
        ),
        (json!({"after": -1}), 400, "/after", "invalid-value"),
        (json!({"after": "0"}), 400, "/after", "wrong-type"),
        (
            json!({"since": "yesterday"}),
            400,
            "/since",
            "invalid-value",
        ),
        (
            json!({"until": "2026-03-02T12:00:00Z"}),
            400,
            "/until",
            "unknown-field",
        ),
    ];
    let commands = [("/rotate-secret", rotations), ("/replay", replays)];
    for (command, cases) in &commands {
        for (body, status, place, code) in cases {
            let answer = answer_of(known.request(Method::POST, command).json(body)).await;
            names_field(
                &mut findings,
                &format!("{command} of {body}"),
                &answer,
                problem_of(*status),
                (place, code),
            );
        }
        for body in ["", "[]", "null", "{"] {
            let request = known.request(Method::POST, command);
            let request = request.header("Content-Type", "application/json");
            let answer = answer_of(request.body(body)).await;
            findings.problem(
                &format!("{command} of {body:?}"),
                &answer,
                400,
                "invalid-request",
            );
        }
        let answer = answer_of(known.request(Method::POST, command).body("{}")).await;
        let case = format!("{command} of no type");
        findings.problem(&case, &answer, 415, "unsupported-media-type");
    }
    for list in ["/deliveries", "/dead-letters"] {
        for (query, status, place, code) in [
            ("limit=0", 422, "?limit", "out-of-range"),
            ("limit=201", 422, "?limit", "out-of-range"),
            ("limit=x", 400, "?limit", "invalid-parameter"),
            ("cursor=garbage!", 400, "?cursor", "invalid-cursor"),
            ("cursor=e30", 400, "?cursor", "invalid-cursor"),
            ("state=dead", 400, "?state", "invalid-parameter"),
        ] {
            let path = format!("{}{list}?{query}", known.path);
            let answer = known.user.get(&path).await.unwrap();
            names_field(
                &mut findings,
                &format!("{list}?{query}"),
                &answer,
                problem_of(status),
                (place, code),
            );
        }
    }
    versions(&mut findings, &known).await;
    for path in ["/webhooks/4711", "/webhooks/%00", "/webhooks/nil/test"] {
        let answer = known.user.get(path).await.unwrap();
        let expected = if path.ends_with("test") {
            (405, "method-not-allowed")
        } else {
            (404, "not-found")
        };
        findings.problem(path, &answer, expected.0, expected.1);
    }
    let gone = format!("/dead-letters/{}/replay", Uuid::now_v7());
    let answer = answer_of(known.request(Method::POST, &gone)).await;
    findings.problem("a dead letter that is none", &answer, 404, "not-found");
    let after = known.seen().await;
    findings.check("the webhook", after.text == before.text, after.text);
    findings.check(
        "the receiver",
        known.receiver.got().is_empty(),
        "it was called",
    );
    findings.none();
    world.stop().await.unwrap();
}

/// Changed and ended only by somebody who has seen how it stands.
async fn versions(findings: &mut Findings, known: &Subscribed) {
    let body = json!({"url": known.receiver.url, "active": false});
    for method in [Method::PUT, Method::DELETE] {
        let request = || {
            let request = known.user.request(method.clone(), &known.path);
            if method == Method::PUT {
                request.json(&body)
            } else {
                request
            }
        };
        let answer = answer_of(request()).await;
        let case = format!("{method} of a webhook");
        findings.problem(&case, &answer, 428, "precondition-required");
        for tag in ["\"v0\"", "\"v9\"", "v1", "W/\"v1\"", "", "garbage"] {
            let answer = answer_of(request().header("If-Match", tag)).await;
            findings.problem(
                &format!("{case} of version {tag:?}"),
                &answer,
                412,
                "precondition-failed",
            );
        }
    }
}

#[tokio::test]
async fn a_key_stands_for_one_intent_of_a_webhook_and_a_secret_is_shown_once() {
    let world = generous_world().await;
    let known = Subscribed::start(&world).await;
    let (user, mut findings) = (&known.user, Findings::default());
    let once: [(String, Value, Value, u16); 3] = [
        (
            "/webhooks".to_owned(),
            json!({"url": known.receiver.url, "description": "another"}),
            json!({"url": known.receiver.url}),
            201,
        ),
        (
            format!("{}/rotate-secret", known.path),
            json!({"overlap_seconds": 60}),
            json!({}),
            200,
        ),
        (
            format!("{}/replay", known.path),
            json!({"after": 0}),
            json!({"after": 1}),
            202,
        ),
    ];
    for (path, body, other, status) in &once {
        let sent = (0..10).map(|_| user.post(path, "at-once", body));
        let answers = futures_util::future::try_join_all(sent).await.unwrap();
        let mut secrets = 0;
        for answer in &answers {
            findings.check(
                path,
                answer.status == *status,
                format!("{} {}", answer.status, answer.text),
            );
            secrets += usize::from(!answer.at("/secret").is_empty());
            findings.check(
                path,
                answer.at("/version") == answers[0].at("/version"),
                "it was done more than once",
            );
            findings.check(
                path,
                answer.at("/webhook_id") == answers[0].at("/webhook_id"),
                "there are several",
            );
        }
        let shown = usize::from(!path.ends_with("/replay"));
        findings.check(
            path,
            secrets == shown,
            format!("{secrets} secrets are shown"),
        );
        let reused = user.post(path, "at-once", other).await.unwrap();
        findings.problem(path, &reused, 422, "idempotency-key-reused");
    }
    let all = user.get("/webhooks").await.unwrap();
    findings.check(
        "the webhooks",
        all.json()["items"].as_array().map(Vec::len) == Some(2),
        shortened(&all.text),
    );
    // As many as an account may have, and one more.
    for number in 2..10 {
        let body = json!({"url": known.receiver.url});
        let made = user
            .post("/webhooks", &format!("more-{number}"), &body)
            .await;
        findings.check("one more", made.unwrap().status == 201, "it is refused");
    }
    let body = json!({"url": known.receiver.url});
    let refused = user.post("/webhooks", "too-many", &body).await.unwrap();
    findings.problem("the eleventh", &refused, 409, "subscription-limit");
    findings.none();
    world.stop().await.unwrap();
}
