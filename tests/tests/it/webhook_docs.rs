//! What docs/webhooks.md and docs/events.md have their readers type, typed: each command, and the verification.

use std::process::Stdio;

use anyhow::Context as _;
use jiff::{SignedDuration, Timestamp};
use reqwest::StatusCode;
use serde_json::{Value, json};
use tests::{Delivered, Setup, WebhookReceiver, World, needs, until};
use tokio::{io::AsyncWriteExt as _, process::Command};

use crate::support::{blocks, expect, order};

/// The shell of somebody who follows the document, against this world.
struct Reader {
    preamble: String,
    places: Vec<(&'static str, String)>,
}

impl Reader {
    fn new(world: &World, receiver: &WebhookReceiver, preamble: &str) -> Self {
        let places = vec![
            ("http://127.0.0.1:7003", world.estate.experience_url.clone()),
            ("http://127.0.0.1:7103", world.estate.sandbox.issuer_url()),
            ("http://127.0.0.1:9000/hooks", receiver.url.clone()),
        ];
        Self {
            preamble: preamble.to_owned(),
            places,
        }
    }

    /// Types it, and gives what came.
    async fn types(&self, commands: &str) -> anyhow::Result<String> {
        let mut script = format!("set -eu\n{}\n{commands}\n", self.preamble);
        for (written, here) in &self.places {
            script = script.replace(written, here);
        }
        let output = Command::new("sh").arg("-c").arg(&script).output().await?;
        let text = String::from_utf8(output.stdout)?;
        let said = String::from_utf8_lossy(&output.stderr);
        anyhow::ensure!(output.status.success(), "{script}\n{text}\n{said}");
        Ok(text)
    }

    /// The same, where each line is an answer.
    async fn asks(&self, commands: &str) -> anyhow::Result<Vec<Value>> {
        let text = self.types(commands).await?;
        let read = |line| serde_json::from_str(line).with_context(|| text.clone());
        text.lines().map(read).collect()
    }
}

/// An order of which the first event is given up, three days on; and that event.
async fn given_up(
    world: &World,
    time: &tests::Time,
    webhook: &str,
) -> anyhow::Result<(String, String)> {
    let buyer = world.portal_user("acme-buyer", "ACME")?;
    let body = order("PO-1", &[("SKU-0002", "1", "EA")]);
    let placed = buyer.post("/orders", "k", &body).await?;
    expect(&placed, 202);
    let order = placed.at("/order_id");
    let first = async |list: &str| {
        // The token is a new one each time: time goes on.
        let buyer = world.portal_user("acme-buyer", "ACME")?;
        let listed = buyer.get(&format!("/webhooks/{webhook}/{list}")).await?;
        anyhow::Ok(listed.json()["items"][0].clone())
    };
    let mut attempts = Value::Null;
    for _ in 0..40 {
        let dead = until("the next attempt, or its end", async || {
            let dead = first("dead-letters").await?;
            let moved = first("deliveries").await?["attempts"] != attempts;
            Ok((moved || !dead.is_null()).then_some(dead))
        })
        .await?;
        if let Some(event) = dead["event_id"].as_str() {
            return Ok((order, event.to_owned()));
        }
        attempts = first("deliveries").await?["attempts"].clone();
        time.advance(SignedDuration::from_hours(6));
    }
    anyhow::bail!("nothing is given up")
}

#[tokio::test]
async fn the_commands_of_the_documents_do_what_they_say() -> anyhow::Result<()> {
    if needs::curl().is_none() {
        return Ok(());
    }
    let noon: Timestamp = "2026-03-02T12:00:00Z".parse()?;
    let (setup, time) = Setup::at(noon);
    let setup = setup.with("ORDERWAY_PROCESS__WEBHOOKS__POLL", "20ms");
    let world = World::start_with(setup).await?;
    let receiver = WebhookReceiver::start().await?;
    receiver.answers(|_delivered| Some(StatusCode::INTERNAL_SERVER_ERROR));
    let commands = blocks("webhooks.md", "sh");
    let [subscribe, look, rotate] = commands.as_slice() else {
        panic!("the document has other commands: {commands:#?}")
    };
    let (preamble, create) = subscribe
        .split_once("\nask -H")
        .context("the first command")?;
    let reader = Reader::new(&world, &receiver, preamble);
    let made = reader.asks(&format!("ask -H{create}")).await?;
    let webhook = made[0]["webhook_id"].as_str().context("no webhook")?;
    let secret = made[0]["secret"].as_str().unwrap_or_default();
    assert!(secret.starts_with("whsec_"), "{}", made[0]);

    let (order, event) = given_up(&world, &time, webhook).await?;
    receiver.answers(|_delivered| Some(StatusCode::NO_CONTENT));
    let look = look.replace("<webhook_id>", webhook);
    let look = look.replace("<event_id>", &event);
    let answers = reader.asks(&look).await?;
    let [read, waiting, dead, again, since] = answers.as_slice() else {
        panic!("{answers:#?}")
    };
    for webhook_again in [read, since] {
        assert_eq!(webhook_again["webhook_id"], webhook, "{webhook_again:#}");
        assert!(webhook_again["secret"].is_null(), "it is shown once");
    }
    assert!(waiting["items"].is_array(), "{waiting:#}");
    assert_eq!(dead["items"][0]["event_id"], event.as_str());
    assert_eq!(again["event_id"], event.as_str(), "{again:#}");
    receiver.until_it_has(&order, "order.released").await?;

    let preamble = format!("HOOK={webhook}\n");
    let rotated = reader.asks(&format!("{preamble}{rotate}")).await?;
    let newest = rotated[0]["secret"].as_str().unwrap_or_default();
    assert!(newest.starts_with("whsec_") && newest != secret);
    let buyer = world.portal_user("acme-buyer", "ACME")?;
    let tested = buyer
        .post(&format!("/webhooks/{webhook}/test"), "t", &Value::Null)
        .await?;
    assert_eq!(tested.at("/delivered"), "true");
    let test = receiver.got().pop().context("the test event")?;
    assert!(test.is_signed_by(newest) && test.is_signed_by(secret));

    // The feed and the stream.
    let commands = blocks("events.md", "sh");
    let [feed, stream] = commands.as_slice() else {
        panic!("the document has other commands: {commands:#?}")
    };
    let page = reader.asks(feed).await?;
    assert_eq!(page[0]["events"].as_array().map(Vec::len), Some(3));
    assert_eq!(page[0]["events"][0]["subject"], order);
    // It has no end of its own.
    let begun = reader
        .types(&format!("{stream} --max-time 3 || true"))
        .await?;
    let as_told = blocks("events.md", "text").join("\n");
    for line in ["retry: 2000", ": events of your orders"] {
        assert!(begun.contains(line) && as_told.contains(line), "{begun}");
    }
    world.stop().await
}

#[tokio::test]
async fn the_verification_of_the_document_knows_ours_and_no_other() -> anyhow::Result<()> {
    let Some(python) = needs::python() else {
        return Ok(());
    };
    let setup = Setup::default().with("ORDERWAY_PROCESS__WEBHOOKS__POLL", "20ms");
    let world = World::start_with(setup).await?;
    let buyer = world.portal_user("acme-buyer", "ACME")?;
    let receiver = WebhookReceiver::start().await?;
    let subscribed = buyer
        .post("/webhooks", "k", &json!({"url": receiver.url}))
        .await?;
    expect(&subscribed, 201);
    let first = subscribed.at("/secret");
    let rotate = format!("/webhooks/{}/rotate-secret", subscribed.at("/webhook_id"));
    let second = buyer.post(&rotate, "r", &json!({})).await?.at("/secret");
    let body = order("PO-1", &[("SKU-0002", "1", "EA")]);
    let placed = buyer.post("/orders", "k", &body).await?;
    let got = receiver
        .until_it_has(&placed.at("/order_id"), "order.released")
        .await?;

    let code = blocks("webhooks.md", "python").remove(0);
    let verified = async |secret: &str, got: &Delivered, body: &str| {
        let headers = ["webhook-id", "webhook-timestamp", "webhook-signature"];
        let headers = headers.map(|name| (name, got.header(name)));
        let case = json!([secret, std::collections::BTreeMap::from(headers), body]);
        let script = format!(
            "{code}\nimport json, sys\nsecret, headers, body = json.load(sys.stdin)\n\
             print(verified(secret, headers, body.encode()))\n"
        );
        let mut python = Command::new(&python)
            .arg("-c")
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut stdin = python.stdin.take().context("no input")?;
        stdin.write_all(case.to_string().as_bytes()).await?;
        drop(stdin);
        let said = String::from_utf8(python.wait_with_output().await?.stdout)?;
        anyhow::Ok(match said.trim() {
            "True" => true,
            "False" => false,
            other => anyhow::bail!("it says {other:?}"),
        })
    };
    let body = std::str::from_utf8(&got.body)?;
    for secret in [&first, &second] {
        assert!(
            verified(secret, &got, body).await?,
            "while they rotate, by each"
        );
    }
    assert!(!verified("whsec_b3RoZXI=", &got, body).await?);
    let other = body.replace("PO-1", "PO-2");
    assert!(!verified(&second, &got, &other).await?);
    let mut late = got.clone();
    let stamp: i64 = got.header("webhook-timestamp").parse()?;
    late.headers
        .insert("webhook-timestamp", (stamp - 301).to_string().parse()?);
    assert!(!verified(&second, &late, body).await?);
    world.stop().await
}
