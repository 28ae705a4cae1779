//! The mailbox: listed, fetched, confirmed, and nobody else's.

use canonical_model::document::{Direction, DocumentState};

use super::{Interchange, World, purchase_order, request};

const MAILBOX: &str = "/edi/v1/acme-edi/mailbox";

async fn with_two() -> World {
    let world = World::new().await;
    world
        .post(Interchange::new(42).order(&purchase_order("PO-1")).text())
        .await;
    world.settle().await;
    world.stub.owe_order("accepted", |_| ());
    assert_eq!(world.work(Direction::Outbound).await, [Ok(())]);
    world
}

fn sets(list: &serde_json::Value) -> Vec<&str> {
    let items = list["items"].as_array().unwrap();
    items
        .iter()
        .map(|item| item["transaction_set"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn a_document_waits_until_it_is_confirmed() {
    let world = with_two().await;
    let list = world.get(MAILBOX).await.json();
    assert_eq!(sets(&list), ["997", "855"]);
    let id = list["items"][1]["document_id"].as_str().unwrap();
    assert_eq!(list["items"][1]["control_number"], "000000002");
    let path = format!("{MAILBOX}/{id}");
    let fetched = world.get(&path).await;
    assert_eq!(fetched.header("content-type"), Some("application/edi-x12"));
    assert!(fetched.text().contains("~BAK*00*AD*PO-1*"));
    assert_eq!(
        sets(&world.get(MAILBOX).await.json()),
        ["997", "855"],
        "fetching is not confirming"
    );
    for _ in 0..2 {
        let confirm = request(
            "POST",
            &format!("{path}/confirm"),
            Some(("acme-edi", "acme-edi-demo")),
        );
        let confirmed = world.send(confirm).await;
        assert_eq!(
            (confirmed.status.as_u16(), &confirmed.json()["state"]),
            (200, &"delivered".into())
        );
    }
    assert_eq!(sets(&world.get(MAILBOX).await.json()), ["997"]);
    assert_eq!(
        sets(
            &world
                .get(&format!("{MAILBOX}?state=delivered"))
                .await
                .json()
        ),
        ["855"]
    );
    assert_eq!(world.get(&path).await.body, fetched.body);
}

#[tokio::test]
async fn the_list_is_paged() {
    let world = with_two().await;
    let first = world.get(&format!("{MAILBOX}?limit=1")).await.json();
    assert_eq!(sets(&first), ["997"]);
    let next = first["next"].as_str().unwrap();
    let second = world
        .get(&format!("{MAILBOX}?limit=1&cursor={next}"))
        .await
        .json();
    assert_eq!(
        (sets(&second), &second["next"]),
        (vec!["855"], &serde_json::Value::Null)
    );
    for wrong in ["limit=0", "limit=201", "state=due", "colour=red"] {
        let answer = world.get(&format!("{MAILBOX}?{wrong}")).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.json()["code"]),
            (400, &"invalid-request".into()),
            "{wrong}"
        );
    }
}

#[tokio::test]
async fn what_is_another_s_or_no_outbound_document_is_absent() {
    let world = with_two().await;
    let documents = world.stub.documents();
    let (inbound, foreign) = (&documents[0], &documents[1]);
    world.stub.set_partner(foreign.document_id, "borealis-edi");
    let mut answers = Vec::new();
    for id in [
        inbound.document_id.to_string(),
        foreign.document_id.to_string(),
        uuid::Uuid::new_v4().to_string(),
    ] {
        let fetched = world.get(&format!("{MAILBOX}/{id}")).await;
        let path = format!("{MAILBOX}/{id}/confirm");
        let confirmed = world
            .send(request("POST", &path, Some(("acme-edi", "acme-edi-demo"))))
            .await;
        for answer in [fetched, confirmed] {
            assert_eq!(answer.status, 404);
            answers.push(answer.masked());
        }
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");
    assert_eq!(
        world.stub.documents()[1].state,
        DocumentState::Ready,
        "nobody confirmed it"
    );
    assert_eq!(sets(&world.get(MAILBOX).await.json()), ["855"]);
}
