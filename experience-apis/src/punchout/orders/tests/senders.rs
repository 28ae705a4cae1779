//! Who may send, and what is no request.

use http::{Request, header};

use super::{Ask, Line, World, world::request};

fn order() -> Ask {
    Ask::order("new", &[Line::default()])
}

#[tokio::test]
async fn an_unknown_sender_and_a_wrong_secret_are_the_same_answer() {
    let world = World::new().await;
    let right = order();
    let nobody = Ask {
        sender: "AN01-NOBODY",
        ..order()
    };
    let wrong = Ask {
        secret: "wrong",
        ..order()
    };
    let neither = Ask {
        sender: "AN01-NOBODY",
        from: "AN01-NOBODY",
        secret: "",
        ..order()
    };
    let none = right
        .text()
        .replace("<SharedSecret>acme-punchout-demo</SharedSecret>", "");
    let mut answers = Vec::new();
    for document in [nobody.text(), wrong.text(), neither.text(), none] {
        let answer = world.post(document).await;
        assert_eq!(answer.code(), 401);
        answers.push(answer.masked());
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");
    assert!(world.stub.documents().is_empty());
}

#[tokio::test]
async fn guessing_is_slowed_by_address_and_locks_no_partner_out() {
    let world = World::new().await;
    let profile = || Ask::new("<ProfileRequest/>").text();
    let guess = || {
        Ask {
            secret: "wrong",
            ..Ask::new("<ProfileRequest/>")
        }
        .text()
    };
    assert_eq!(world.post_from("192.0.2.1", profile()).await.code(), 200);
    let mut refused = None;
    for _ in 0..60 {
        let answer = world.post_from("192.0.2.1", guess()).await;
        if answer.code() != 401 {
            refused = Some(answer);
            break;
        }
    }
    assert_eq!(refused.expect("sixty guesses are too many").code(), 560);
    for address in ["192.0.2.1", "192.0.2.2"] {
        assert_eq!(
            world.post_from(address, profile()).await.code(),
            200,
            "the partner itself, from {address}"
        );
    }
    assert_eq!(world.post_from("192.0.2.2", guess()).await.code(), 401);
}

#[tokio::test]
async fn who_sends_for_somebody_else_or_to_somebody_else_is_told() {
    let world = World::new().await;
    let from = world
        .post(
            Ask {
                from: "AN01-OTHER",
                ..order()
            }
            .text(),
        )
        .await;
    assert_eq!(from.code(), 403);
    assert!(from.body.contains("Header/From"), "{}", from.body);
    let to = world
        .post(
            Ask {
                to: "AN01-OTHER",
                ..order()
            }
            .text(),
        )
        .await;
    assert_eq!(to.code(), 403);
    assert!(to.body.contains("Header/To"), "{}", to.body);
    assert!(world.stub.documents().is_empty());
}

#[tokio::test]
async fn one_network_may_send_for_several_and_from_tells_which() {
    let world = World::agreed(|profile| {
        profile.replace(
            "theirs = [{",
            "theirs = [{ domain = \"DUNS\", identity = \"1\" }, {",
        )
    })
    .await;
    let ask = Ask::new("<ProfileRequest/>").text();
    let by_duns = ask.replacen(
        "domain=\"NetworkID\"><Identity>AN01-ACME",
        "domain=\"duns\"><Identity>1",
        1,
    );
    assert_eq!(world.post(by_duns).await.code(), 200);
}

#[tokio::test]
async fn what_is_no_cxml_is_told_and_not_stored() {
    let world = World::new().await;
    for (document, code) in [
        ("not xml", 406),
        ("<cXML>", 406),
        ("<cXML payloadID='1'/>", 406),
        (
            "<!DOCTYPE cXML [<!ENTITY a 'b'>]><cXML payloadID='1'/>",
            406,
        ),
    ] {
        assert_eq!(world.post(document).await.code(), code, "{document}");
    }
    let large = "x".repeat(65 * 1024);
    assert_eq!(world.post(large).await.code(), 499);
    let other = world.post(Ask::new("<CatalogUploadRequest/>").text()).await;
    assert_eq!(other.code(), 450);
    assert!(
        other.body.contains("CatalogUploadRequest"),
        "{}",
        other.body
    );
    let json = Request::builder()
        .method("POST")
        .uri("/punchout/cxml")
        .header(header::HOST, "x");
    let json = json
        .header(header::CONTENT_TYPE, "application/json")
        .body("{}".into())
        .unwrap();
    assert_eq!(world.send(json).await.http, 415);
    let mut named = request(Ask::new("<ProfileRequest/>").text());
    named
        .headers_mut()
        .insert(header::CONTENT_TYPE, "application/xml".parse().unwrap());
    assert_eq!(world.send(named).await.code(), 200);
    assert!(world.stub.documents().is_empty());
}

#[tokio::test]
async fn a_profile_names_what_is_offered_and_where() {
    let world = World::new().await;
    let answer = world.post(Ask::new("<ProfileRequest/>").text()).await;
    assert_eq!(answer.code(), 200);
    for name in ["PunchOutSetupRequest", "OrderRequest"] {
        assert!(
            answer.body.contains(&format!("requestName=\"{name}\"")),
            "{}",
            answer.body
        );
    }
    assert!(
        answer
            .body
            .contains("<URL>https://orders.example.com/punchout/cxml</URL>"),
        "{}",
        answer.body
    );
    assert!(
        answer.body.contains("cXML/1.2.053/"),
        "as agreed: {}",
        answer.body
    );
}
