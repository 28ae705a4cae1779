//! Who may send, what is no interchange, and what the envelope is answered.

use axum::{body::Body, extract::ConnectInfo};
use http::{Request, header};
use rstest::rstest;

use super::{Interchange, World, purchase_order, request};

#[tokio::test]
async fn an_unknown_partner_and_a_wrong_secret_are_the_same_answer() {
    let world = World::new().await;
    let path = "/edi/v1/acme-edi/interchanges";
    let mut answers = Vec::new();
    for credential in [
        None,
        Some(("acme-edi", "wrong")),
        Some(("nobody", "acme-edi-demo")),
        Some(("", "")),
    ] {
        let answer = world.send(request("POST", path, credential)).await;
        assert_eq!(answer.status, 401);
        assert!(
            answer
                .header("www-authenticate")
                .unwrap()
                .starts_with("Basic ")
        );
        answers.push(answer.masked());
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");
    assert!(world.stub.documents().is_empty());
}

#[tokio::test]
async fn guessing_is_slowed_by_address_and_locks_no_partner_out() {
    let world = World::new().await;
    let from = |address: &str, secret| {
        let path = "/edi/v1/acme-edi/mailbox";
        let mut request = request("GET", path, Some(("acme-edi", secret)));
        let peer = std::net::SocketAddr::new(address.parse().unwrap(), 4711);
        request.extensions_mut().insert(ConnectInfo(peer));
        world.send(request)
    };
    assert_eq!(from("192.0.2.1", "acme-edi-demo").await.status, 200);
    let mut refused = None;
    for _ in 0..60 {
        let answer = from("192.0.2.1", "wrong").await;
        if answer.status == 429 {
            refused = Some(answer);
            break;
        }
        assert_eq!(answer.status, 401);
    }
    let refused = refused.expect("sixty guesses are too many");
    assert!(refused.header("retry-after").is_some());
    for address in ["192.0.2.1", "192.0.2.2"] {
        let partner = from(address, "acme-edi-demo").await;
        assert_eq!(partner.status, 200, "the partner itself, from {address}");
    }
    assert_eq!(from("192.0.2.2", "wrong").await.status, 401);
}

#[tokio::test]
async fn another_partner_s_address_is_absent() {
    let world = World::new().await;
    for place in [
        "interchanges",
        "mailbox/0199e0a4-6c1f-7d3a-9a55-0c6f4f1d2b7e/confirm",
    ] {
        let path = format!("/edi/v1/borealis-edi/{place}");
        let answer = world
            .send(request("POST", &path, Some(("acme-edi", "acme-edi-demo"))))
            .await;
        assert_eq!(
            (answer.status.as_u16(), &answer.json()["code"]),
            (404, &"not-found".into())
        );
    }
    assert!(world.stub.documents().is_empty());
}

#[tokio::test]
async fn what_is_no_interchange_is_refused_and_not_stored() {
    let world = World::new().await;
    for bytes in [&b""[..], b"{\"order\": 1}", b"ISA*00*", &[0xFF, 0xFE, 0x00]] {
        let answer = world.post(bytes.to_vec()).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.json()["code"]),
            (400, &"not-an-interchange".into())
        );
    }
    let large = world.post(vec![b'A'; 65 * 1024]).await;
    assert_eq!(
        (large.status.as_u16(), &large.json()["code"]),
        (413, &"payload-too-large".into())
    );
    let mut json = request(
        "POST",
        "/edi/v1/acme-edi/interchanges",
        Some(("acme-edi", "acme-edi-demo")),
    );
    json.headers_mut()
        .insert(header::CONTENT_TYPE, "application/json".parse().unwrap());
    let (parts, _) = json.into_parts();
    let answer = world
        .send(Request::from_parts(parts, Body::from("{}")))
        .await;
    assert_eq!(answer.status, 415);
    assert!(world.stub.documents().is_empty());
}

fn spoilt(from: &'static str, to: &'static str) -> String {
    let text = Interchange::new(7).order(&purchase_order("PO-1")).text();
    assert!(text.contains(from), "{from}");
    text.replace(from, to)
}

fn sound() -> Interchange {
    Interchange::new(7).order(&purchase_order("PO-1"))
}

#[rstest]
#[case::unknown_sender(Interchange { sender: "SOMEBODY", ..sound() }.text(), "~TA1*000000007*260302*0915*R*006~")]
#[case::unknown_receiver(Interchange { receiver: "SOMEBODY", ..sound() }.text(), "~TA1*000000007*260302*0915*R*008~")]
#[case::trailer_number(spoilt("IEA*1*000000007", "IEA*1*000000008"), "*R*001~")]
#[case::version(Interchange { version: "003040", ..sound() }.text(), "~AK9*R*1*1*0*2~")]
#[case::set_not_agreed(spoilt("ST*850", "ST*875"), "~AK5*R*")]
#[case::segment_count(spoilt("SE*9*", "SE*8*"), "~AK5*R*4~AK9*R*1*1*0~")]
#[case::trailer_of_set(spoilt("SE*9*0001", "SE*9*0002"), "~AK5*R*3~")]
#[case::no_order_number(spoilt("*PO-1*", "**"), "~AK4*3*324*1~AK5*R*5~")]
#[case::no_such_date(spoilt("20260309", "20260230"), "*8*20260230~")]
#[tokio::test]
async fn a_wrong_interchange_is_answered_with_its_code_and_has_no_effect(
    #[case] text: String,
    #[case] says: &'static str,
) {
    let world = World::new().await;
    let answer = world.post(text).await;
    assert_eq!(answer.status, 200);
    assert!(answer.text().contains(says), "{}", answer.text());
    world.settle().await;
    assert!(world.stub.placed().is_empty());
}

#[tokio::test]
async fn several_interchanges_are_all_answered() {
    let world = World::new().await;
    let first = Interchange::new(1).order(&purchase_order("PO-1")).text();
    let second = Interchange::new(2).order(&purchase_order("PO-2")).text();
    let answer = world
        .post(format!("\u{feff}{first}\r\n{second}\u{1a}junk"))
        .await;
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.text().matches("~AK5*A~").count(),
        2,
        "{}",
        answer.text()
    );
    assert_eq!(
        answer
            .header("orderway-document")
            .unwrap()
            .split(", ")
            .count(),
        2
    );
    assert_eq!(answer.header("orderway-stray"), Some("1"));
    world.settle().await;
    assert_eq!(world.stub.placed().len(), 2);
}

#[tokio::test]
async fn an_acknowledgement_of_ours_is_stored_and_never_acknowledged() {
    let world = World::new().await;
    let text = Interchange {
        sets: vec![("997", "AK1*PR*1~AK2*855*0001~AK5*A~AK9*A*1*1*1~".to_owned())],
        ..Interchange::new(9)
    };
    let text = text.text().replace("GS*PO*", "GS*FA*");
    let answer = world.post(text).await;
    assert_eq!(answer.status, 202, "{}", answer.text());
    let inbound = world.stub.inbound();
    assert_eq!(
        answer.json()["documents"],
        serde_json::json!([inbound[0].document_id])
    );
    assert_eq!(world.stub.documents().len(), 1);
}

#[tokio::test]
async fn a_test_interchange_is_acknowledged_and_never_books() {
    let world = World::new().await;
    let text = Interchange {
        usage: 'T',
        ..sound()
    }
    .text();
    let answer = world.post(text).await;
    assert!(answer.text().contains("~AK5*A~"), "{}", answer.text());
    assert!(
        answer.text().starts_with("ISA*") && answer.text().contains("*0*T*>~"),
        "it is marked as a test too"
    );
    assert_eq!(answer.header("orderway-test"), Some("true"));
    world.settle().await;
    let states: Vec<_> = world
        .work(canonical_model::document::Direction::Inbound)
        .await;
    assert!(states.is_empty() && world.stub.placed().is_empty());
    // The same number for the real thing is no duplicate.
    let real = world.post(sound().text()).await;
    assert!(real.text().contains("~AK5*A~"), "{}", real.text());
}

#[tokio::test]
async fn while_a_partner_is_set_up_its_production_is_refused() {
    let world =
        World::agreed(|profile| profile.replace("test_mode = false", "test_mode = true")).await;
    let answer = world.post(sound().text()).await;
    assert!(answer.text().contains("*R*020~"), "{}", answer.text());
    world.settle().await;
    assert!(world.stub.placed().is_empty());
}
