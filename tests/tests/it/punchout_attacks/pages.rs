//! Text that would be markup, wherever a buyer or its system can put any: shown as text, given back as it came.

use tests::punchout::{Operation, PASSWORD, USER};

use super::{Guest, Siege, cart_of};
use crate::{
    findings::{Findings, answer_of},
    punchout_html::Page,
};

const HOSTILE: &[&str] = &[
    "<script>alert(1)</script>",
    "\"><script>alert(1)</script>",
    "'><img src=x onerror=alert(1)>",
    "\" autofocus onfocus=\"alert(1)",
    "</title><svg onload=alert(1)>",
    "</textarea><iframe srcdoc='<script>alert(1)</script>'>",
    "<a href=\"javascript:alert(1)\">x</a>",
    "{{7*7}}${7*7}<%= 7*7 %>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "<base href=//evil.example>",
    "<meta http-equiv=refresh content=0;url=//evil.example>",
    "\u{202e}txet desrever",
    "\u{0}\u{1b}[31m",
    "'; DROP TABLE sessions; --",
];

fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// A page that shows what was typed only as text.
fn harmless(findings: &mut Findings, case: &str, answer: &tests::Answer, due: &[u16]) {
    let status = answer.status.as_u16();
    findings.check(
        case,
        due.contains(&status),
        format!("{status}: {}", answer.text),
    );
    let page = Page::read(&answer.text);
    findings.check(
        case,
        page.hostile().is_empty(),
        format!("{:?}", page.hostile()),
    );
    let scripts = page.tags.iter().filter(|tag| tag.name == "script").count();
    findings.check(case, scripts <= 1, format!("{scripts} scripts"));
    let refreshes = page
        .tags
        .iter()
        .any(|tag| !tag.get("http-equiv").is_empty());
    findings.check(case, !refreshes, "it leads away by itself");
    let policy = answer.header("content-security-policy");
    let strict = policy.contains("default-src 'none'") && policy.contains("base-uri 'none'");
    findings.check(case, strict && !policy.contains("unsafe"), policy);
    findings.check(case, policy.contains("form-action"), policy);
    findings.check(
        case,
        answer.header("referrer-policy") == "no-referrer",
        "its address is told",
    );
    findings.check(
        case,
        answer.header("cache-control").contains("no-store"),
        "it is kept",
    );
}

#[tokio::test]
async fn what_is_typed_in_the_shop_is_shown_as_text() -> anyhow::Result<()> {
    let siege = Siege::start().await?;
    let guest = siege.enter("typed").await?;
    guest.add("SKU-0001", "2", "EA").await?;
    let before = siege.snapshot().await?;
    let mut findings = Findings::default();
    for text in HOSTILE {
        let word = encoded(text);
        let answer = guest.get(&format!("?q={word}")).await;
        harmless(&mut findings, &format!("q={text}"), &answer, &[200]);
        let shown = Page::read(&answer.text);
        let field = shown.tags.iter().find(|tag| tag.get("name") == "q");
        let kept = field.is_some_and(|field| field.get("value").trim() == text.trim());
        findings.check(
            text,
            kept || text.contains('\u{0}'),
            "the search does not show its own words",
        );
        for page in [
            "?added=",
            "?cursor=",
            "product?item=",
            "product?item=SKU-0001&added=",
            "cart?x=",
            "return?x=",
        ] {
            let answer = guest.get(&format!("{page}{word}")).await;
            harmless(
                &mut findings,
                &format!("{page}{text}"),
                &answer,
                &[200, 303, 400, 404, 422],
            );
        }
        let forms: [(&str, [(&str, &str); 3]); 6] = [
            ("add", [("item", text), ("quantity", "1"), ("unit", "EA")]),
            (
                "add",
                [("item", "SKU-0002"), ("quantity", text), ("unit", "EA")],
            ),
            (
                "add",
                [("item", "SKU-0002"), ("quantity", "1"), ("unit", text)],
            ),
            ("cart", [("EA:SKU-0001", text), ("x", "1"), ("remove", "")]),
            (
                "cart",
                [(text, "1"), ("EA:SKU-0001", "2"), ("remove", text)],
            ),
            ("return", [("EA:SKU-0001", text), (text, text), ("", "")]),
        ];
        for (page, fields) in &forms {
            let answer = guest.post(page, fields).await;
            harmless(
                &mut findings,
                &format!("{page} {fields:?}"),
                &answer,
                &[400, 404, 422],
            );
        }
    }
    // A way back that was typed by others leads nowhere but into the shop.
    let fields = [
        ("item", "SKU-0003"),
        ("quantity", "1"),
        ("unit", "EA"),
        ("list", "1"),
        ("q", "//evil.example\r\nSet-Cookie: a=b"),
        ("cursor", "\r\n\r\n<script>"),
    ];
    let answer = guest.post("add", &fields).await;
    let own = answer
        .header("location")
        .starts_with("/punchout/shop/acme-punchout/");
    findings.check(
        "the way back",
        own && answer.header("set-cookie").is_empty(),
        format!("{:?}", answer.headers),
    );
    findings.none();
    assert_eq!(siege.snapshot().await?, before);
    siege.end().await
}

#[tokio::test]
async fn what_the_buyers_system_says_goes_back_as_it_came_and_is_shown_nowhere()
-> anyhow::Result<()> {
    let siege = Siege::start().await?;
    let mut findings = Findings::default();
    let cookies = [
        "<a href=\"javascript:alert(1)\" onclick=\"x()\">&lt;script&gt;</a> tail",
        "&lt;/cXML&gt;&lt;script&gt;alert(1)&lt;/script&gt;",
        "<![CDATA[]]&gt;<script>\"'&]]>",
        " \n  blanks \t around  ",
        "<x:y xmlns:x=\"urn:z\"><?pi data?><!-- note --><z/></x:y>",
        "&#x1F600;&#xFF10;\u{202e}\u{fe0f}\u{200d}",
    ];
    for (n, cookie) in cookies.iter().enumerate() {
        let extrinsic = "<Extrinsic name=\"&quot;&gt;&lt;script&gt;\"><b onload=\"x\">&lt;img src=x onerror=y&gt;</b></Extrinsic><Extrinsic name=\"x\">";
        let document = siege.setup(&format!("cookie-{n}"), cookie, &Operation::Create);
        let document = document.replacen("<Extrinsic name=\"UserEmail\">", extrinsic, 1);
        let status = siege.buyer.send(&document).await?;
        let start = status
            .start
            .ok_or_else(|| anyhow::anyhow!("{cookie}: {}", status.document))?;
        let guest = Guest::enter(&siege.http, &start).await?;
        guest.add("SKU-0001", "2", "EA").await?;
        for page in ["", "cart"] {
            harmless(&mut findings, cookie, &guest.get(page).await, &[200]);
        }
        let answer = guest.post("return", &[]).await;
        findings.check(cookie, answer.status == 303, answer.text.clone());
        let answer = guest.get("return").await;
        harmless(&mut findings, cookie, &answer, &[200]);
        let page = Page::read(&answer.text);
        findings.check(
            cookie,
            page.action() == format!("{}/cart", siege.site.url),
            page.action(),
        );
        let left = cart_of(&page)?;
        let sent = inner(&document, "BuyerCookie");
        let back = inner(&left.document, "BuyerCookie");
        let same = canonical(&sent)? == canonical(&back)?;
        findings.check(cookie, same, format!("{sent} left, {back} came back"));
    }
    findings.none();
    siege.end().await
}

/// What stands inside an element, as it is written.
fn inner(document: &str, name: &str) -> String {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let rest = document.split(&open).nth(1).unwrap_or_default();
    rest.split(&close).next().unwrap_or_default().to_owned()
}

/// Elements, attributes and texts, however they are spelled; comments and instructions are no content.
fn canonical(inner: &str) -> anyhow::Result<String> {
    let whole = format!("<w>{inner}</w>");
    let tree = roxmltree::Document::parse(&whole)?;
    let mut told = String::new();
    for node in tree.descendants().skip(2) {
        if node.is_element() {
            let attributes = node
                .attributes()
                .map(|one| format!("{}={}", one.name(), one.value()));
            told.push_str(&format!(
                "<{:?} {:?} {}>",
                node.tag_name(),
                attributes.collect::<Vec<_>>(),
                node.ancestors().count()
            ));
        } else if node.is_text() {
            told.push_str(node.text().unwrap_or_default());
        }
    }
    Ok(told)
}

#[tokio::test]
async fn what_a_call_of_oci_says_is_shown_nowhere() -> anyhow::Result<()> {
    let siege = Siege::start().await?;
    let before = siege.snapshot().await?;
    let mut findings = Findings::default();
    let hook = format!("{}/oci/cart", siege.site.url);
    let names = [
        "FUNCTION",
        "PRODUCTID",
        "QUANTITY",
        "SEARCHSTRING",
        "~OkCode",
        "~TARGET",
        "~CALLER",
        "returntarget",
        "OCI_VERSION",
        "http_content_charset",
    ];
    for text in HOSTILE {
        for name in names {
            let mut query = url::form_urlencoded::Serializer::new(String::new());
            query
                .append_pair("USERNAME", USER)
                .append_pair("PASSWORD", PASSWORD);
            query.append_pair("HOOK_URL", &format!("{hook}?x={}", encoded(text)));
            let function = match name {
                "QUANTITY" | "PRODUCTID" => "VALIDATE",
                "FUNCTION" => "",
                _ => "BACKGROUND_SEARCH",
            };
            for (other, value) in [
                ("FUNCTION", function),
                ("PRODUCTID", "SKU-0001"),
                ("QUANTITY", "1"),
                ("SEARCHSTRING", "SKU-0001"),
            ] {
                query.append_pair(other, if other == name { text } else { value });
            }
            query.append_pair(name, text);
            let case = format!("{name}={text}");
            let request = siege
                .http
                .get(siege.url(&format!("/punchout/oci/acme-punchout?{}", query.finish())));
            let answer = answer_of(request.header("Accept", "text/html")).await;
            harmless(&mut findings, &case, &answer, &[200, 400, 404, 422]);
            findings.check(
                &case,
                !answer.text.contains(PASSWORD),
                "the password is shown",
            );
            let page = Page::read(&answer.text);
            let led = page.action();
            findings.check(
                &case,
                led.is_empty() || led.starts_with(&siege.site.url),
                led,
            );
            if answer.status == 200 && !text.contains('\u{0}') {
                let back = page.fields().into_iter().find(|(field, _)| field == "x");
                let back = back.map(|(_, value)| value).unwrap_or_default();
                let latin = text.is_ascii();
                findings.check(&case, !latin || back == *text, format!("{back} came back"));
            }
        }
    }
    findings.none();
    assert_eq!(siege.snapshot().await?, before);
    siege.end().await
}
