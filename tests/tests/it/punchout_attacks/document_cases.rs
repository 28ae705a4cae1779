//! The documents that are made to hurt, and the Status that each is due.

pub(super) const XML: &str = "text/xml; charset=UTF-8";
pub(super) const DOCTYPE: &str =
    "<!DOCTYPE cXML SYSTEM \"http://xml.cxml.org/schemas/cXML/1.2.053/cXML.dtd\">";

/// An attack: its name, what is sent, under which type, and the Status that is due; above 1000 a status of HTTP.
pub(super) struct Attack(
    pub(super) &'static str,
    pub(super) &'static [u8],
    pub(super) &'static str,
    pub(super) u16,
);

/// Its bytes stay for good: a crowd sends them without copies, which would count as the gateway's memory.
pub(super) fn attack(
    name: &'static str,
    bytes: Vec<u8>,
    media_type: &'static str,
    due: u16,
) -> Attack {
    Attack(name, bytes.leak(), media_type, due)
}

/// Documents whose text is hostile: name, what is replaced by what in a sound order, the Status.
#[expect(clippy::too_many_lines, reason = "one case after another")]
pub(super) fn in_the_order(canary: &str) -> Vec<(&'static str, &'static str, String, u16)> {
    let laughs: String = (1..10)
        .map(|n| format!("<!ENTITY l{n} \"{}\">", format!("&l{};", n - 1).repeat(10)))
        .collect();
    let long = "a".repeat(100_000);
    let subset = |inner: &str| format!("<!DOCTYPE cXML [{inner}]>");
    let comments = |text: &str| format!("<Comments>{text}</Comments></OrderRequestHeader>");
    let extrinsic =
        |text: &str| format!("<Extrinsic name=\"x\">{text}</Extrinsic></OrderRequestHeader>");
    vec![
        (
            "billion laughs",
            DOCTYPE,
            subset(&format!("<!ENTITY l0 \"ha\">{laughs}")),
            406,
        ),
        (
            "quadratic blow-up",
            DOCTYPE,
            subset(&format!("<!ENTITY a \"{long}\">")),
            406,
        ),
        (
            "external entity",
            DOCTYPE,
            subset(&format!("<!ENTITY x SYSTEM \"{canary}/x\">")),
            406,
        ),
        (
            "file entity",
            DOCTYPE,
            subset("<!ENTITY x SYSTEM \"file:///etc/passwd\">"),
            406,
        ),
        (
            "parameter entity",
            DOCTYPE,
            subset(&format!("<!ENTITY % p SYSTEM \"{canary}/p\"> %p;")),
            406,
        ),
        (
            "parameter entity behind an address",
            DOCTYPE,
            format!(
                "<!DOCTYPE cXML SYSTEM \"{canary}/cXML.dtd\" [<!ENTITY % p SYSTEM \"{canary}/p\"> %p;]>"
            ),
            406,
        ),
        (
            "default attribute",
            DOCTYPE,
            subset("<!ATTLIST Request deploymentMode CDATA \"production\">"),
            406,
        ),
        ("empty subset", DOCTYPE, subset(""), 406),
        ("two doctypes", DOCTYPE, format!("{DOCTYPE}{DOCTYPE}"), 406),
        ("small doctype", "<!DOCTYPE", "<!doctype".to_owned(), 406),
        (
            "doctype inside",
            "<Header>",
            format!("{DOCTYPE}<Header>"),
            406,
        ),
        (
            "undeclared entity",
            "</OrderRequestHeader>",
            comments("&nbsp;"),
            406,
        ),
        (
            "entity in an attribute",
            "orderID=\"",
            "orderID=\"&x;".to_owned(),
            406,
        ),
        (
            "NUL by reference",
            "orderID=\"",
            "orderID=\"&#0;".to_owned(),
            406,
        ),
        (
            "bell by reference",
            "orderID=\"",
            "orderID=\"&#7;".to_owned(),
            406,
        ),
        (
            "surrogate by reference",
            "orderID=\"",
            "orderID=\"&#xD800;".to_owned(),
            406,
        ),
        (
            "a raw control character",
            "orderID=\"",
            "orderID=\"\u{1}".to_owned(),
            406,
        ),
        (
            "line break in the number",
            "orderID=\"ATTACK",
            "orderID=\"AT&#10;TACK".to_owned(),
            400,
        ),
        (
            "right-to-left in the number",
            "orderID=\"ATTACK",
            "orderID=\"AT&#x202E;TACK".to_owned(),
            400,
        ),
        (
            "nothing to see in the number",
            "orderID=\"ATTACK",
            "orderID=\"AT&#x200B;TACK".to_owned(),
            400,
        ),
        (
            "isolate in the number",
            "orderID=\"ATTACK",
            "orderID=\"AT\u{2066}TACK".to_owned(),
            400,
        ),
        (
            "right-to-left in the part",
            "<SupplierPartID>",
            "<SupplierPartID>&#x202E;".to_owned(),
            400,
        ),
        (
            "soft hyphen in the part",
            "<SupplierPartID>SKU",
            "<SupplierPartID>SK&#xAD;U".to_owned(),
            400,
        ),
        (
            "terminal codes in the part",
            "<SupplierPartID>",
            "<SupplierPartID>&#27;[31m".to_owned(),
            406,
        ),
        (
            "line break in the part",
            "<SupplierPartID>SKU",
            "<SupplierPartID>SK&#10;U".to_owned(),
            400,
        ),
        (
            "nothing to see in payloadID",
            "payloadID=\"attack",
            "payloadID=\"at&#x200B;tack".to_owned(),
            406,
        ),
        (
            "line break in payloadID",
            "payloadID=\"attack",
            "payloadID=\"at&#10;tack".to_owned(),
            406,
        ),
        (
            "a long payloadID",
            "payloadID=\"attack",
            format!("payloadID=\"{}", "p".repeat(300)),
            406,
        ),
        (
            "a long orderID",
            "orderID=\"ATTACK",
            format!("orderID=\"{}", "P".repeat(60)),
            400,
        ),
        (
            "two payloadIDs",
            "<cXML ",
            "<cXML payloadID=\"first\" ".to_owned(),
            406,
        ),
        (
            "two requests",
            "</Request>",
            "</Request></cXML><cXML payloadID=\"2\"><Request/>".to_owned(),
            406,
        ),
        (
            "a Message in the place",
            "<Request deploymentMode=\"production\">",
            "<Message><Request>".to_owned(),
            406,
        ),
        (
            "another deploymentMode",
            "deploymentMode=\"production\"",
            "deploymentMode=\"Test\"".to_owned(),
            406,
        ),
        (
            "a part that did not come along",
            "</OrderRequestHeader>",
            comments("<Attachment><URL>cid:1@x</URL></Attachment>"),
            400,
        ),
        (
            "an attribute of 5 MB",
            "type=\"new\"",
            format!("type=\"{}\"", "n".repeat(5_000_000)),
            499,
        ),
        (
            "40,000 attributes",
            "type=\"new\"",
            (0..40_000).map(|n| format!(" a{n}=\"\"")).collect(),
            406,
        ),
        (
            "a name of 1 MB",
            "</OrderRequestHeader>",
            extrinsic(&format!("<{}/>", "C".repeat(1_000_000))),
            406,
        ),
        (
            "100,000 deep",
            "</OrderRequestHeader>",
            extrinsic(&format!(
                "{}{}",
                "<a>".repeat(100_000),
                "</a>".repeat(100_000)
            )),
            406,
        ),
        (
            "100,000 deep and never closed",
            "</OrderRequestHeader>",
            extrinsic(&"<a>".repeat(100_000)),
            406,
        ),
        (
            "a million siblings",
            "</OrderRequestHeader>",
            extrinsic(&"<a/>".repeat(1_000_000)),
            499,
        ),
        (
            "a million comments",
            "</OrderRequestHeader>",
            extrinsic(&"<!---->".repeat(1_000_000)),
            499,
        ),
        (
            "a million instructions",
            "</OrderRequestHeader>",
            extrinsic(&"<?a?>".repeat(1_000_000)),
            499,
        ),
        (
            "9 MB of text",
            "</OrderRequestHeader>",
            comments(&"x".repeat(9_000_000)),
            499,
        ),
    ]
}

/// Attributes as many as 8 MiB hold, none of which is too many by itself, in a request of nobody's.
fn all_attributes(sound: &str) -> Vec<u8> {
    let names = ('a'..='z').chain('A'..='Z');
    let element: String = names.map(|name| format!("{name}=\"\" ")).collect();
    let element = format!("<a {element}/>");
    let count = 8_000_000 / element.len();
    let nobodys = sound.replace("AN01-ACME", "AN01-NOBODY");
    let many = format!("{}</OrderRequest>", element.repeat(count));
    nobodys.replace("</OrderRequest>", &many).into_bytes()
}

/// Documents that are hostile as bytes, or as something other than XML.
#[expect(clippy::too_many_lines, reason = "one case after another")]
pub(super) fn as_bytes(sound: &str) -> Vec<Attack> {
    let utf_16 = |begin: &[u8], text: &str| {
        let text = text.encode_utf16().flat_map(u16::to_le_bytes);
        [begin.to_vec(), text.collect()].concat()
    };
    let with = |old: &str, new: &[u8]| {
        let (before, after) = sound.split_once(old).unwrap_or((sound, ""));
        [before.as_bytes(), new, after.as_bytes()].concat()
    };
    let declared = |encoding: &str| sound.replacen("UTF-8", encoding, 1).into_bytes();
    let sound_bytes = || sound.as_bytes().to_vec();
    vec![
        attack("nothing", Vec::new(), XML, 406),
        attack("blanks", b" \r\n\t ".to_vec(), XML, 406),
        attack(
            "half of it",
            sound_bytes().split_off(sound.len() / 2),
            XML,
            406,
        ),
        attack(
            "the first half",
            sound.as_bytes()[..sound.len() / 2].to_vec(),
            XML,
            406,
        ),
        attack(
            "two documents",
            [sound_bytes(), sound_bytes()].concat(),
            XML,
            406,
        ),
        attack(
            "something behind it",
            [sound_bytes(), b"order me".to_vec()].concat(),
            XML,
            406,
        ),
        attack(
            "a form",
            format!("cxml-urlencoded={sound}").into_bytes(),
            XML,
            406,
        ),
        attack(
            "encoded twice",
            sound.replace('<', "%3C").into_bytes(),
            XML,
            406,
        ),
        attack("JSON", b"{\"cXML\":{}}".to_vec(), XML, 406),
        attack("UTF-7 by declaration", declared("UTF-7"), XML, 406),
        attack(
            "UTF-7 by charset",
            sound
                .replacen("<?xml version=\"1.0\" encoding=\"UTF-8\"?>", "", 1)
                .into_bytes(),
            "text/xml; charset=utf-7",
            406,
        ),
        attack("EBCDIC", declared("IBM037"), XML, 406),
        attack("UTF-16 without a mark", utf_16(b"", sound), XML, 406),
        attack(
            "half a character of UTF-16",
            utf_16(b"\xFF\xFE", sound).split_off(1),
            XML,
            406,
        ),
        attack(
            "UTF-16 with a lone surrogate",
            [utf_16(b"\xFF\xFE", sound), vec![0x00, 0xD8]].concat(),
            XML,
            406,
        ),
        attack(
            "UTF-32",
            [b"\xFF\xFE\0\0".to_vec(), sound_bytes()].concat(),
            XML,
            406,
        ),
        attack("no UTF-8", with("ATTACK", b"\xFF\xFE"), XML, 406),
        attack("overlong UTF-8", with("ATTACK", b"\xC0\xBC"), XML, 406),
        attack("NUL", with("ATTACK", b"\0"), XML, 406),
        attack("NUL in front", [vec![0], sound_bytes()].concat(), XML, 406),
        attack(
            "all attributes that 8 MiB hold",
            all_attributes(sound),
            XML,
            499,
        ),
        attack("as HTML", sound_bytes(), "text/html", 1415),
        attack(
            "as a form by its type",
            sound_bytes(),
            "application/x-www-form-urlencoded",
            1415,
        ),
        attack(
            "as multipart",
            sound_bytes(),
            "multipart/related; boundary=x",
            1415,
        ),
        attack("as text", sound_bytes(), "text/plain", 1415),
        attack("without a type", sound_bytes(), "", 1415),
    ]
}
