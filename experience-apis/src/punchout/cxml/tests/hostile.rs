//! Input made to hurt: answered with the right status, and never expanded, fetched or followed.

use rstest::rstest;

use super::support::{MOST, asking, envelope};
use crate::punchout::cxml::{
    status::{Code, Status},
    xml,
};

/// What the reader answers: nothing behind it has seen the document.
fn refused(bytes: &[u8]) -> Status {
    xml::read(bytes, MOST, None).unwrap_err().into()
}

#[rstest]
#[case::billion_laughs(
    "<!DOCTYPE cXML [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;\">]><cXML payloadID=\"1\">&b;</cXML>"
)]
#[case::external_entity(
    "<!DOCTYPE cXML [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><cXML payloadID=\"1\">&x;</cXML>"
)]
#[case::parameter_entity(
    "<!DOCTYPE cXML SYSTEM \"http://x/cXML.dtd\" [<!ENTITY % p SYSTEM \"http://x/evil\"> %p;]><cXML payloadID=\"1\"/>"
)]
#[case::empty_subset("<!DOCTYPE cXML []><cXML payloadID=\"1\"/>")]
#[case::undeclared_entity("<cXML payloadID=\"1\">&nbsp;</cXML>")]
#[case::entity_in_attribute("<cXML payloadID=\"&x;\"/>")]
#[case::second_doctype(
    "<!DOCTYPE cXML SYSTEM \"a\"><!DOCTYPE cXML SYSTEM \"b\"><cXML payloadID=\"1\"/>"
)]
#[case::doctype_after_the_root("<cXML payloadID=\"1\"/><!DOCTYPE cXML SYSTEM \"a\">")]
#[case::doctype_inside("<cXML payloadID=\"1\"><!DOCTYPE cXML SYSTEM \"a\"></cXML>")]
#[case::doctype_without_name("<!DOCTYPE ><cXML payloadID=\"1\"/>")]
#[case::doctype_without_address("<!DOCTYPE cXML SYSTEM><cXML payloadID=\"1\"/>")]
#[case::doctype_with_more("<!DOCTYPE cXML SYSTEM \"a\" b><cXML payloadID=\"1\"/>")]
#[case::small_doctype("<!doctype cXML SYSTEM \"a\"><cXML payloadID=\"1\"/>")]
#[case::nul_by_reference("<cXML payloadID=\"1\">&#0;</cXML>")]
#[case::bell_by_reference("<cXML payloadID=\"1\">&#x7;</cXML>")]
#[case::surrogate_by_reference("<cXML payloadID=\"1\">&#xD800;</cXML>")]
#[case::beyond_unicode("<cXML payloadID=\"1\">&#x110000;</cXML>")]
#[case::bell_by_reference_in_attribute("<cXML payloadID=\"a&#7;b\"/>")]
#[case::nul("<cXML payloadID=\"1\">\0</cXML>")]
#[case::no_character("<cXML payloadID=\"1\">\u{FFFE}</cXML>")]
#[case::duplicate_attribute("<cXML payloadID=\"1\" payloadID=\"2\"/>")]
#[case::markup_in_attribute("<cXML payloadID=\"<\"/>")]
#[case::two_roots("<cXML payloadID=\"1\"/><cXML payloadID=\"2\"/>")]
#[case::text_after_the_root("<cXML payloadID=\"1\"/>order me")]
#[case::reference_before_the_root("&#32;<cXML payloadID=\"1\"/>")]
#[case::cdata_after_the_root("<cXML payloadID=\"1\"/><![CDATA[ ]]>")]
#[case::cdata_end_in_text("<cXML payloadID=\"1\">]]></cXML>")]
#[case::not_closed("<cXML payloadID=\"1\"><Header>")]
#[case::closed_wrongly("<cXML payloadID=\"1\"></Header>")]
#[case::name_of_digits("<1XML payloadID=\"1\"/>")]
#[case::declaration_inside("<cXML payloadID=\"1\"><?xml version=\"1.0\"?></cXML>")]
#[case::version_1_1("<?xml version=\"1.1\"?><cXML payloadID=\"1\"/>")]
#[case::double_hyphen("<!-- a -- b --><cXML payloadID=\"1\"/>")]
#[case::nothing("")]
#[case::blanks(" \r\n ")]
#[case::no_xml("cxml-urlencoded=%3CcXML%3E")]
#[case::still_encoded("%3CcXML payloadID=%221%22/%3E")]
#[case::json("{\"cXML\": {}}")]
fn what_is_not_taken_is_406(#[case] text: &str) {
    assert_eq!(refused(text.as_bytes()).code, Code::NotAcceptable, "{text}");
}

#[rstest]
#[case::broken_utf_8(b"<cXML payloadID=\"1\">\xFF\xFE</cXML>")]
#[case::cut_utf_8(b"<cXML payloadID=\"1\">\xE2\x82</cXML>")]
#[case::overlong(b"<cXML payloadID=\"1\">\xC0\xBC</cXML>")]
#[case::utf_16_without_mark(b"<\0c\0X\0M\0L\0/\0>\0")]
#[case::lone_surrogate(b"\xFE\xFF\0<\0a\0>\xD8\0\0<\0/\0a\0>")]
#[case::utf_7(b"<?xml version=\"1.0\" encoding=\"UTF-7\"?><cXML payloadID=\"1\"/>")]
#[case::ebcdic(b"<?xml version=\"1.0\" encoding=\"IBM037\"?><cXML payloadID=\"1\"/>")]
#[case::not_ascii(
    b"<?xml version=\"1.0\" encoding=\"US-ASCII\"?><cXML payloadID=\"1\">\xE4</cXML>"
)]
fn bytes_that_are_no_text_are_406(#[case] bytes: &[u8]) {
    assert_eq!(refused(bytes).code, Code::NotAcceptable);
}

#[test]
fn depth_is_bounded() {
    let deep = format!("{}{}", "<a>".repeat(100_000), "</a>".repeat(100_000));
    let status = refused(deep.as_bytes());
    assert_eq!(status.code, Code::NotAcceptable);
    assert!(status.detail.contains("deep"), "{status}");
    let at_the_bound = format!("{}{}", "<a>".repeat(64), "</a>".repeat(64));
    assert!(xml::read(at_the_bound.as_bytes(), MOST, None).is_ok());
}

#[test]
fn attributes_are_bounded_in_number_and_length() {
    let many: String = (0..40_000).map(|n| format!(" a{n}=\"\"")).collect();
    let status = refused(format!("<cXML{many}/>").as_bytes());
    assert!(status.detail.contains("attributes"), "{status}");
    assert_eq!(status.code, Code::NotAcceptable);
    let long = format!("<cXML payloadID=\"{}\"/>", "x".repeat(5_000_000));
    let status = refused(long.as_bytes());
    assert_eq!(status.code, Code::DocumentSizeExceeded);
    assert!(status.detail.len() < 500, "{}", status.detail.len());
    // Few in each element, and many in all: in memory they are many times their text.
    let names = ('a'..='z').map(|name| format!(" {name}=\"\""));
    let element = format!("<a{}/>", names.collect::<String>());
    let status = refused(format!("<cXML>{}</cXML>", element.repeat(16_000)).as_bytes());
    assert_eq!(status.code, Code::DocumentSizeExceeded);
    let name = format!("<{}/>", "x".repeat(1_000_000));
    assert_eq!(refused(name.as_bytes()).code, Code::NotAcceptable);
}

#[test]
fn size_is_bounded() {
    let text = "x".repeat(10 * 1024 * 1024);
    let status = refused(format!("<cXML payloadID=\"1\">{text}</cXML>").as_bytes());
    assert_eq!(status.code, Code::DocumentSizeExceeded);
    for part in ["<a/>", "<!---->", "<?a?>", "<a>x</a>"] {
        let text = part.repeat(200_001);
        let status = refused(format!("<cXML payloadID=\"1\">{text}</cXML>").as_bytes());
        assert_eq!(status.code, Code::DocumentSizeExceeded, "{part}");
    }
}

#[test]
fn references_do_not_multiply() {
    // As long as it came in, however many references there are.
    let text = "&amp;&#65;".repeat(100_000);
    let read = xml::read(format!("<a>{text}</a>").as_bytes(), MOST, None).unwrap();
    assert_eq!(read.root.own_text().len(), 200_000);
}

#[test]
fn what_is_told_of_a_long_name_is_short() {
    let long = "x".repeat(2_000_000);
    let status = refused(format!("<a></{long}>").as_bytes());
    assert!(status.detail.len() < 500, "{}", status.detail.len());
}

#[test]
fn a_document_that_is_cut_anywhere_is_not_read() {
    let whole = asking("<ProfileRequest/>");
    let whole = whole.trim_end();
    assert!(xml::read(whole.as_bytes(), MOST, None).is_ok());
    for end in 0..whole.len() {
        assert!(
            xml::read(&whole.as_bytes()[..end], MOST, None).is_err(),
            "{end}"
        );
    }
}

#[test]
fn a_fault_says_where_it_is() {
    let status = refused("<cXML payloadID=\"1\">\n  ä<Header>&x;</Header></cXML>".as_bytes());
    assert!(status.detail.contains("Line 2, column 12"), "{status}");
}

#[rstest]
#[case("hun<ter2")]
#[case("hun<ter2>")]
#[case("<hun ter2='1' ter2='2'/>")]
#[case("hun&ter2;")]
fn a_secret_that_breaks_the_document_is_not_quoted(#[case] secret: &str) {
    let text = asking("<ProfileRequest/>").replace("hunter2", secret);
    let status = refused(text.as_bytes());
    assert_eq!(status.code, Code::NotAcceptable);
    assert!(
        status.detail.contains("SharedSecret is not well-formed"),
        "{status}"
    );
    assert!(!status.detail.contains("ter2"), "{status}");
}

#[test]
fn secrets_are_in_no_message_and_no_debug_output() {
    let text = asking("<ProfileRequest/>");
    let read = envelope(&text).unwrap();
    let document = xml::read(text.as_bytes(), MOST, None).unwrap();
    let shown = format!("{read:?} {document:?} {:?}", document.root);
    assert!(!shown.contains("hunter2"), "{shown}");
    assert_eq!(read.sender[0].secret.as_ref().unwrap().expose(), "hunter2");
}
