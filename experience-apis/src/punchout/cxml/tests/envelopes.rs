//! Who speaks, and what is asked.

use rstest::rstest;

use super::support::{MOST, asking, envelope, identity, outgoing};
use crate::punchout::cxml::{
    envelope::{Kind, read_answer},
    status::{Code, Status},
};

#[test]
fn the_parties_and_the_question_are_read() {
    let text = asking("<ProfileRequest/>").replace(
        "</From>",
        "<Credential domain=\"DUNS\" type=\"marketplace\"><Identity> 77 </Identity></Credential></From>",
    );
    let read = envelope(&text).unwrap();
    assert_eq!(read.payload_id, "p-1@buyer.example");
    assert_eq!(
        read.from,
        [identity("NetworkID", "AN01-ACME"), identity("DUNS", "77")]
    );
    assert_eq!(read.to, [identity("DUNS", "123456789")]);
    assert!(read.sender[0].identity.is("networkid", "AN01-HUB"));
    assert_eq!(read.user_agent.as_deref(), Some("Test 1.0"));
    assert_eq!(read.version.as_deref(), Some("1.2.053"));
    assert_eq!(read.timestamp.unwrap().to_string(), "2026-03-02T08:00:00Z");
    assert_eq!((read.kind, read.test), (Kind::Profile, false));
    assert_eq!(read.notes, Vec::<String>::new());
}

#[rstest]
#[case("2026-03-02T09:00:00Z", Some("2026-03-02T09:00:00Z"))]
#[case("2026-03-02T09:00:00", Some("2026-03-02T09:00:00Z"))]
#[case("2026-11-20T21:41:35.507195+00:00", None)]
#[case("yesterday", None)]
fn an_odd_timestamp_is_taken_and_noted(#[case] time: &str, #[case] noted: Option<&str>) {
    let text = asking("<ProfileRequest/>").replace("2026-03-02T09:00:00+01:00", time);
    let read = envelope(&text).unwrap();
    match noted {
        Some(at) => {
            assert_eq!(read.timestamp.unwrap().to_string(), at);
            assert_eq!(read.notes.len(), 1, "{:?}", read.notes);
        }
        None => assert_eq!(read.timestamp.is_some(), read.notes.is_empty()),
    }
}

#[rstest]
#[case::no_payload_id(" payloadID=\"p-1@buyer.example\"", "", Code::NotAcceptable)]
#[case::empty_payload_id("\"p-1@buyer.example\"", "\" \"", Code::NotAcceptable)]
#[case::bidi_in_payload_id("p-1@", "p-1\u{202E}@", Code::NotAcceptable)]
#[case::no_from("From>", "Forom>", Code::NotAcceptable)]
#[case::no_to("<To>", "<To/><Other>", Code::NotAcceptable)]
#[case::no_sender("Sender>", "Other>", Code::NotAcceptable)]
#[case::no_domain("domain=\"DUNS\"", "", Code::NotAcceptable)]
#[case::no_identity("123456789", "", Code::NotAcceptable)]
#[case::no_header("Header>", "Other>", Code::NotAcceptable)]
#[case::no_request("Request>", "Other>", Code::NotAcceptable)]
#[case::empty_request("<ProfileRequest/>", "", Code::NotAcceptable)]
#[case::odd_mode("<Request>", "<Request deploymentMode=\"live\">", Code::NotAcceptable)]
#[case::a_response("<Request>", "<Response/><Request>", Code::NotAcceptable)]
#[case::a_message("Request>", "Message>", Code::NotImplemented)]
#[case::small_root("cXML", "cxml", Code::NotAcceptable)]
#[case::signed("SharedSecret>", "DigitalSignature>", Code::NotImplemented)]
#[case::mac("SharedSecret>", "CredentialMac>", Code::NotImplemented)]
fn what_lacks_something_is_refused(#[case] from: &str, #[case] to: &str, #[case] code: Code) {
    let text = asking("<ProfileRequest/>");
    let mut changed = text.replace(from, to);
    if to.contains("<Other>") {
        changed = changed.replace("</To>", "</Other>");
    }
    assert_ne!(text, changed);
    let status = envelope(&changed).unwrap_err();
    assert_eq!(status.code, code, "{status}");
    assert!(!status.detail.is_empty());
}

#[test]
fn a_payload_id_is_at_most_256_characters() {
    let with = |length: usize| {
        asking("<ProfileRequest/>").replace("p-1@buyer.example", &"x".repeat(length))
    };
    assert!(envelope(&with(256)).is_ok());
    assert_eq!(envelope(&with(257)).unwrap_err().code, Code::NotAcceptable);
}

#[test]
fn a_sender_without_secret_is_for_whoever_asks_who_it_is() {
    let text = asking("<ProfileRequest/>").replace("<SharedSecret>hunter2</SharedSecret>", "");
    assert!(envelope(&text).unwrap().sender[0].secret.is_none());
}

#[test]
fn our_answers_are_read_by_our_own_reader() {
    let status = Status::new(Code::Conflict, "PO-1 has shipped <all of it>.");
    let text = outgoing("1.2.053").response(&status);
    let answer = read_answer(text.as_bytes(), MOST, None).unwrap();
    assert_eq!(answer.code, 409);
    assert_eq!(answer.detail, "Conflict PO-1 has shipped <all of it>.");
    assert!(!answer.is_success() && !answer.is_transient());
}

#[rstest]
#[case("200", true, false)]
#[case("204", true, false)]
#[case("499", false, false)]
#[case("500", false, true)]
#[case("560", false, true)]
#[case("599", false, true)]
#[case("302", false, true)]
fn the_class_of_a_code_decides(#[case] code: &str, #[case] success: bool, #[case] transient: bool) {
    let text = format!(
        "<cXML payloadID=\"1\" timestamp=\"t\"><Response><Status code=\"{code}\" text=\"x\"/></Response></cXML>"
    );
    let answer = read_answer(text.as_bytes(), MOST, None).unwrap();
    assert_eq!(
        (answer.is_success(), answer.is_transient()),
        (success, transient)
    );
}

#[rstest]
#[case("<html><body>502 Bad Gateway</body></html>")]
#[case("OK")]
#[case("")]
#[case("<cXML payloadID=\"1\"><Response/></cXML>")]
#[case("<cXML payloadID=\"1\"><Response><Status text=\"OK\"/></Response></cXML>")]
#[case("<x><Response><Status code=\"200\" text=\"OK\"/></Response></x>")]
fn what_is_no_response_is_no_answer(#[case] text: &str) {
    assert!(read_answer(text.as_bytes(), MOST, None).is_err());
}
