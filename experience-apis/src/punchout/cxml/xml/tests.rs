//! The tree: read, written, and kept as it was.

use rstest::rstest;

use super::{Characters, Element, Node, document, fragment, inner_xml, read};

const MOST: usize = 1 << 20;

fn root(text: &str) -> Element {
    read(text.as_bytes(), MOST, None).unwrap().root
}

#[test]
fn elements_attributes_and_texts_are_read() {
    let root = root(
        "\u{FEFF}<?xml version='1.0'?>\r\n<!-- hello --><!DOCTYPE a PUBLIC '-//x' \"y\"  ><?pi data?>\
         <a x='1 &lt; &#x32;\n3' y = \"\">b&amp;<!-- - -->c<![CDATA[<d>&e;]]>&#8364;<f/>\r\ng</a>\n",
    );
    assert_eq!(root.attribute("x"), Some("1 < 2 3"));
    assert_eq!(root.attribute("y"), Some(""));
    assert_eq!(root.children.len(), 3);
    assert_eq!(root.children[0], Node::Text("b&c<d>&e;€".to_owned()));
    assert_eq!(root.children[2], Node::Text("\ng".to_owned()));
    assert!(root.first("f").is_some() && root.at(&["f", "g"]).is_none());
}

#[test]
fn the_declared_type_is_kept_as_text() {
    let doctype = |text: &str| read(text.as_bytes(), MOST, None).unwrap().doctype.unwrap();
    let told = doctype("<!DOCTYPE cXML SYSTEM \"http://nowhere.invalid/1.2.014/cXML.dtd\"><cXML/>");
    assert_eq!(told.name, "cXML");
    assert_eq!(
        told.system.as_deref(),
        Some("http://nowhere.invalid/1.2.014/cXML.dtd")
    );
    assert_eq!(doctype("<!DOCTYPE cXML><cXML/>").system, None);
}

fn utf_16(text: &str, big: bool) -> Vec<u8> {
    let units = std::iter::once(0xFEFF).chain(text.encode_utf16());
    units
        .flat_map(|unit| {
            if big {
                unit.to_be_bytes()
            } else {
                unit.to_le_bytes()
            }
        })
        .collect()
}

fn latin_1(text: &str) -> Vec<u8> {
    text.chars().map(|c| u8::try_from(c).unwrap()).collect()
}

#[rstest]
#[case("<a>ä\u{20AC}</a>".as_bytes().to_vec(), None)]
#[case("\u{FEFF}<a>ä\u{20AC}</a>".as_bytes().to_vec(), Some("ISO-8859-1"))]
#[case("<?xml version=\"1.0\" encoding=\"utf-8\"?><a>ä\u{20AC}</a>".as_bytes().to_vec(), Some("ISO-8859-1"))]
#[case(
    utf_16("<?xml version=\"1.0\" encoding=\"UTF-16\"?><a>ä\u{20AC}</a>", true),
    None
)]
#[case(utf_16("<a>ä\u{20AC}</a>", false), None)]
#[case(
    latin_1("<?xml version='1.0' encoding = 'windows-1252'?><a>ä\u{80}</a>"),
    None
)]
#[case(
    latin_1("<?xml version=\"1.0\" encoding=\"ISO-8859-1\" ?><a>ä\u{80}</a>"),
    None
)]
#[case("<?xml version=\"1.0\" encoding=\"utf-16\"?><a>ä\u{20AC}</a>".as_bytes().to_vec(), None)]
#[case(latin_1("<a>ä\u{80}</a>"), Some("windows-1252"))]
#[case(b"<?xml version=\"1.0\" encoding=\"US-ASCII\"?><a>&#228;&#8364;</a>".to_vec(), None)]
fn every_encoding_gives_the_same_text(#[case] bytes: Vec<u8>, #[case] charset: Option<&str>) {
    let first = read(&bytes, MOST, charset).unwrap();
    assert_eq!(first.root.own_text(), "ä€");
    // What is stored is UTF-8 and says so: it may be read again.
    let again = read(first.without_secrets.as_bytes(), MOST, None).unwrap();
    assert_eq!(again.root, first.root);
}

#[test]
fn secrets_are_blanked_wherever_they_stand() {
    let text = "<a><SharedSecret> s1 </SharedSecret>ä<b><SharedSecret x=\"y\"><![CDATA[s2]]><i>s3</i></SharedSecret>\
                <SharedSecret/></b><SharedSecret><SharedSecret>s4</SharedSecret>s5</SharedSecret>kept</a>";
    let document = read(text.as_bytes(), MOST, None).unwrap();
    let kept = &document.without_secrets;
    for secret in ["s1", "s2", "s3", "s4", "s5"] {
        assert!(!kept.contains(secret), "{kept}");
    }
    assert!(kept.contains("kept") && kept.contains("ä<b>"), "{kept}");
    assert!(read(kept.as_bytes(), MOST, None).is_ok());
}

#[rstest]
#[case("plain")]
#[case("")]
#[case(" blanks \n kept ")]
#[case("a &amp; b &lt;c&gt;")]
#[case("<x:y z=\"1&quot;&#9;2\">t<u/> <v/></x:y>")]
#[case("<a/><b/>")]
#[case("carriage&#13;return")]
#[case("\u{202B}ك\u{2069} 😀")]
fn contents_go_back_as_they_came(#[case] inner: &str) {
    let cookie = root(&format!("<BuyerCookie>{inner}</BuyerCookie>"));
    let kept = inner_xml(&cookie);
    assert_eq!(kept, inner);
    let again = Element::new("BuyerCookie").verbatim(fragment(&kept).unwrap());
    for characters in [Characters::Unicode, Characters::Ascii] {
        let whole = document(
            &Element::new("outer").child(again.clone()),
            None,
            characters,
        );
        assert_eq!(
            root(&whole).first("BuyerCookie").unwrap().children,
            cookie.children
        );
    }
}

#[test]
fn a_fragment_cannot_leave_its_element() {
    for inner in ["</x><x>", "a</x>", "</x><!--", "<b>", "&x;", "<!DOCTYPE x>"] {
        assert!(fragment(inner).is_err(), "{inner}");
    }
}

#[test]
fn writing_escapes_and_indents_only_between_elements() {
    let root = Element::new("a")
        .with("x", "1 & \"2\" <\n")
        .child(Element::new("b").text("t & u").child(Element::new("c")))
        .child(Element::new("d"));
    assert_eq!(
        document(&root, Some("http://x/y.dtd"), Characters::Unicode),
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!DOCTYPE a SYSTEM \"http://x/y.dtd\">\n\
         <a x=\"1 &amp; &quot;2&quot; &lt;&#10;\">\n  <b>t &amp; u<c/></b>\n  <d/>\n</a>\n"
    );
}

#[test]
fn ascii_is_ascii_and_says_the_same() {
    let element = Element::new("a").with("x", "ß").text("€ 😀 \u{1}");
    let text = document(&element, None, Characters::Ascii);
    assert!(text.is_ascii(), "{text}");
    assert_eq!(root(&text).attribute("x"), Some("ß"));
    assert_eq!(root(&text).own_text(), "€ 😀 \u{FFFD}");
}
