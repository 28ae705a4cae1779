//! What the routes of subscriptions take, refuse and tell.

use super::*;

#[tokio::test]
async fn another_account_s_subscription_is_not_there() {
    let (world, receiver) = (World::new(), Receiver::start().await);
    let subscription = world.subscribe(&receiver).await;
    let stranger = subscriber(&["B"]);
    let body = json!({"url": receiver.url, "active": false});
    let keyed = [("idempotency-key", "k"), ("if-match", "\"v1\"")];
    for (method, what, body) in [
        ("GET", "", &Value::Null),
        ("PUT", "", &body),
        ("DELETE", "", &Value::Null),
        ("POST", "/rotate-secret", &json!({})),
        ("POST", "/test", &Value::Null),
        ("POST", "/replay", &json!({"after": 0})),
        ("GET", "/deliveries", &Value::Null),
        ("GET", "/dead-letters", &Value::Null),
        (
            "POST",
            &format!("/dead-letters/{}/replay", uuid::Uuid::nil()),
            &Value::Null,
        ),
    ] {
        let foreign = path(&subscription, what);
        let request = Layer::request(&stranger, method, &foreign, &keyed, body);
        assert_eq!(
            world.layer.send(request).await.status,
            404,
            "{method} {what}"
        );
    }
    let body = json!({"account": "A", "url": receiver.url});
    let request = Layer::request(&stranger, "POST", SUBSCRIPTIONS, &keyed, &body);
    assert_eq!(world.layer.send(request).await.status, 404);
    let request = Layer::request(&stranger, "GET", SUBSCRIPTIONS, &[], &Value::Null);
    assert_eq!(world.layer.send(request).await.body["items"], json!([]));
    let request = Layer::request(&buyer(&["A"]), "GET", SUBSCRIPTIONS, &[], &Value::Null);
    assert_eq!(
        world.layer.send(request).await.status,
        403,
        "it needs its own scope"
    );
    world.place("PO-1").await;
    world.serve().await;
    assert_eq!(receiver.got().len(), 1, "a stranger changed nothing");
}

#[tokio::test]
async fn an_address_inside_is_refused_when_it_is_given_and_when_it_is_called() {
    let (mut world, receiver) = (World::new(), Receiver::start().await);
    for url in [
        "http://example.com/",
        "https://10.0.0.1/",
        "https://169.254.169.254/latest/meta-data/",
        "https://0xa9fea9fe/",
        "https://[::ffff:10.0.0.1]/",
        "https://user:secret@example.com/",
        "https://metadata.google.internal/",
        "https://93.184.215.14:22/",
        "ftp://127.0.0.1/",
        "nonsense",
    ] {
        let body = json!({"account": "A", "url": url});
        let refused = world.post(SUBSCRIPTIONS, url, &body).await;
        assert_eq!(
            (refused.status, &refused.body["errors"][0]["pointer"]),
            (422, &json!("/url")),
            "{url}: {refused:?}"
        );
    }
    let subscription = world.subscribe(&receiver).await;
    let body = json!({"url": "https://10.0.0.1/", "active": true});
    let changed = world
        .send(
            "PUT",
            &path(&subscription, ""),
            &[("if-match", "\"v1\"")],
            &body,
        )
        .await;
    assert_eq!(changed.status, 422);

    // The same subscription where this machine may not be called.
    let mut strict = world.layer.state.config.webhooks.clone();
    strict.allow_loopback = false;
    let clock = world.layer.state.clock.clone();
    world.layer.state.webhooks = Sender::new(&strict, clock).unwrap();
    world.worker = WebhookWorker::new(&world.layer.state);
    world.place("PO-1").await;
    world.serve().await;
    assert!(receiver.got().is_empty());
    let waiting = world.list(&subscription, "/deliveries").await;
    assert_eq!(waiting[0]["last_failure"]["cause"], "address_refused");
}

#[tokio::test]
async fn what_is_asked_for_is_checked_and_made_once() {
    let (world, receiver) = (World::new(), Receiver::start().await);
    for (body, pointer) in [
        (json!({"types": ["order.painted"]}), "/types/0"),
        (json!({"types": vec!["order.*"; 21]}), "/types"),
        (json!({"description": "x".repeat(201)}), "/description"),
    ] {
        let mut body = body;
        body["account"] = json!("A");
        body["url"] = json!(receiver.url);
        let refused = world.post(SUBSCRIPTIONS, "k", &body).await;
        assert_eq!(refused.status, 422, "{refused:?}");
        assert_eq!(refused.body["errors"][0]["pointer"], pointer);
    }
    let body = json!({"account": "A", "url": receiver.url, "description": "ours"});
    let made = world.post(SUBSCRIPTIONS, "k", &body).await;
    let again = world.post(SUBSCRIPTIONS, "k", &body).await;
    assert_eq!((made.status, again.status), (201, 201));
    assert_eq!(made.body["subscription_id"], again.body["subscription_id"]);
    assert!(made.body["secret"].is_string() && again.body["secret"].is_null());
    for number in 1..10 {
        let made = world
            .post(SUBSCRIPTIONS, &format!("k-{number}"), &body)
            .await;
        assert_eq!(made.status, 201);
    }
    let eleventh = world.post(SUBSCRIPTIONS, "k-11", &body).await;
    assert_eq!(
        (eleventh.status, &eleventh.body["code"]),
        (409, &json!("subscription-limit"))
    );
    let listed = world
        .send(
            "GET",
            &format!("{SUBSCRIPTIONS}?limit=7"),
            &[],
            &Value::Null,
        )
        .await;
    let next = listed.body["next"].as_str().unwrap().to_owned();
    let rest = format!("{SUBSCRIPTIONS}?limit=7&cursor={next}");
    let rest = world.send("GET", &rest, &[], &Value::Null).await;
    let count = |page: &Reply| page.body["items"].as_array().unwrap().len();
    assert_eq!(
        (count(&listed), count(&rest), &rest.body["next"]),
        (7, 3, &Value::Null)
    );
}

#[tokio::test]
async fn a_test_event_tells_what_the_receiver_answered_and_no_more() {
    let (world, receiver) = (World::new(), Receiver::start().await);
    let subscription = world.subscribe(&receiver).await;
    let secret = subscription["secret"].as_str().unwrap();
    let test = path(&subscription, "/test");
    let came = world.send("POST", &test, &[], &Value::Null).await.body;
    assert_eq!(
        (&came["delivered"], &came["status"]),
        (&json!(true), &json!(204))
    );
    let got = receiver.got();
    assert_eq!(
        (got[0].signed_by(secret), got[0].text("webhook-id")),
        (1, came["event_id"].as_str().unwrap())
    );
    assert_eq!(got[0].event()["type"], "com.orderway.webhook.test.v1");
    receiver.answers(|_event| Answers::With(401));
    let came = world.send("POST", &test, &[], &Value::Null).await.body;
    assert_eq!(
        (&came["delivered"], &came["status"]),
        (&json!(false), &json!(401))
    );
    let read = world.read(&subscription).await;
    assert!(
        read["delivery"]["failing_since"].is_null(),
        "it counts for nothing"
    );
}
