//! Return addresses that lead elsewhere, in both dialects: none is taken, none is led to, and no visit is opened.

use tests::{
    Setup,
    punchout::{Operation, PASSWORD, USER},
};

use super::Siege;
use crate::{
    findings::{Findings, answer_of, generous},
    punchout_html::Page,
};

const AGREED: &str = "https://procure.example.com/punchout/";

const HOSTILE: &[&str] = &[
    "",
    "/punchout/",
    "//procure.example.com/punchout/",
    "punchout/in",
    "javascript:alert(1)",
    "javascript:alert(1)//https://procure.example.com/punchout/",
    "JaVaScRiPt://procure.example.com/punchout/%0aalert(1)",
    "data:text/html,<script>alert(1)</script>",
    "vbscript:msgbox(1)",
    "file:///etc/passwd",
    "ftp://procure.example.com/punchout/",
    "blob:https://procure.example.com/punchout/",
    "view-source:https://procure.example.com/punchout/",
    "http://procure.example.com/punchout/",
    "https://evil.example/punchout/",
    "https://evil.example/https://procure.example.com/punchout/",
    "https://evil.example/?x=https://procure.example.com/punchout/",
    "https://evil.example#https://procure.example.com/punchout/",
    "https://procure.example.com.evil.example/punchout/",
    "https://procure.example.comevil.example/punchout/",
    "https://evil-procure.example.com/punchout/",
    "https://sub.procure.example.com/punchout/",
    "https://procure.example.com@evil.example/punchout/",
    "https://user:secret@procure.example.com/punchout/",
    "https://user@procure.example.com/punchout/",
    "https://evil.example\\@procure.example.com/punchout/",
    "https://procure.example.com\\.evil.example/punchout/",
    "https:\\\\procure.example.com\\punchout\\",
    "https://procure.example.com%2eevil.example/punchout/",
    "https://procure.example.com%00.evil.example/punchout/",
    "https://procure.example.com:8443/punchout/",
    "https://procure.example.com:80/punchout/",
    "https://procure.example.com./punchout/",
    "https://procure.example.com/punchout",
    "https://procure.example.com/punchoutevil/",
    "https://procure.example.com/Punchout/",
    "https://procure.example.com/login",
    "https://procure.example.com/punchout/../login",
    "https://procure.example.com/punchout/%2e%2e/login",
    "https://procure.example.com/punchout/#fragment",
    "https://procure.example.com/punchout/ evil",
    "https://procure.example.com/punch\tout/",
    "https://procur\u{435}.example.com/punchout/",
    "https://xn--procur-8of.example.com/punchout/",
    "https://procure\u{3002}example\u{3002}com.evil.example/punchout/",
    "https://pro\u{ad}cure.example.com.evil/punchout/",
    "https://127.0.0.1/punchout/",
    "https://[::1]/punchout/",
    "https://0x7f000001/punchout/",
    "https://169.254.169.254/latest/meta-data/",
    "\u{feff}javascript:alert(1)",
    " javascript:alert(1)",
    "\u{1}javascript:alert(1)",
];

/// What leads to the agreed place after all, in other spellings; browsers take them for the same.
const THE_SAME: &[&str] = &[
    "https://procure.example.com/punchout/in?session=1&x=%3Cscript%3E",
    "https://PROCURE.example.com:443/punchout/in",
    "https://procure.example.com/punchout/./in",
];

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('"', "&quot;")
}

/// A world in which carts go to one address that is not the site's.
async fn siege() -> anyhow::Result<Siege> {
    let agreed = format!("[\"{AGREED}\"]");
    Siege::with(generous(Setup::default()), &[("[\"{site}/\"]", &agreed)]).await
}

#[tokio::test]
async fn no_cart_of_cxml_goes_where_it_was_not_agreed() -> anyhow::Result<()> {
    let siege = siege().await?;
    let before = siege.snapshot().await?;
    let mut findings = Findings::default();
    let document = |payload: &str, cookie: &str, url: &str| {
        let sound = siege.setup(payload, cookie, &Operation::Create);
        sound.replace(&format!("{}/cart", siege.site.url), &escaped(url))
    };
    for (n, url) in HOSTILE.iter().enumerate() {
        let (code, text) = siege
            .told(&document(&format!("hostile-{n}"), "hostile", url))
            .await?;
        findings.check(
            url,
            [400, 403, 406].contains(&code),
            format!("{code} {text}"),
        );
    }
    // Without a visit there is nothing to edit.
    let probe = document("probe", "hostile", AGREED).replace("\"create\"", "\"edit\"");
    let (code, text) = siege.told(&probe).await?;
    findings.check("a visit", code == 412, format!("was opened: {code} {text}"));
    // Where the buyer has two, the first counts, and what is no address is none.
    let two = document("two", "two", AGREED).replace(
        "<BrowserFormPost>",
        "<BrowserFormPost><URL>https://evil.example/</URL></BrowserFormPost><BrowserFormPost>",
    );
    let (code, text) = siege.told(&two).await?;
    findings.check("two", code == 403, format!("{code} {text}"));
    let none = document("none", "none", AGREED).replace("BrowserFormPost>", "SupplierSetup>");
    let (code, text) = siege.told(&none).await?;
    findings.check("none", code == 400, format!("{code} {text}"));
    for (n, url) in THE_SAME.iter().enumerate() {
        let (code, text) = siege
            .told(&document(&format!("same-{n}"), "same", url))
            .await?;
        findings.check(url, code == 200, format!("{code} {text}"));
    }
    findings.none();
    assert_eq!(siege.snapshot().await?, before);
    siege.end().await
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one case after another")]
async fn no_cart_of_oci_goes_where_it_was_not_agreed() -> anyhow::Result<()> {
    let siege = siege().await?;
    let before = siege.snapshot().await?;
    let mut findings = Findings::default();
    let address = siege.url("/punchout/oci/acme-punchout");
    let fields = |hooks: &[(&str, &str)], more: &[(&str, &str)]| {
        let mut fields = url::form_urlencoded::Serializer::new(String::new());
        fields
            .append_pair("USERNAME", USER)
            .append_pair("PASSWORD", PASSWORD);
        fields.extend_pairs(hooks).extend_pairs(more);
        fields.finish()
    };
    let functions: [&[(&str, &str)]; 3] = [
        &[],
        &[
            ("FUNCTION", "VALIDATE"),
            ("PRODUCTID", "SKU-0001"),
            ("QUANTITY", "1"),
        ],
        &[("FUNCTION", "BACKGROUND_SEARCH"), ("SEARCHSTRING", "SKU")],
    ];
    let form = "application/x-www-form-urlencoded";
    for (n, url) in HOSTILE.iter().enumerate() {
        let function = functions[n % functions.len()];
        let query = fields(&[("HOOK_URL", url)], function);
        let get = siege.http.get(format!("{address}?{query}"));
        let post = siege
            .http
            .post(&address)
            .header("Content-Type", form)
            .body(query.clone());
        for request in [
            get.header("Accept", "text/html"),
            post.header("Accept", "text/html"),
            post_again(&siege, &address, &query),
        ] {
            let answer = answer_of(request).await;
            let status = answer.status.as_u16();
            findings.check(url, [400, 403].contains(&status), format!("{status}"));
            findings.check(url, answer.header("location").is_empty(), "leads somewhere");
            let page = Page::read(&answer.text);
            findings.check(
                url,
                page.hostile().is_empty(),
                format!("{:?}", page.hostile()),
            );
            let repeated = url.len() > 12 && answer.text.contains(url);
            findings.check(url, !repeated, "repeats what the call said");
            findings.check(url, !answer.text.contains(PASSWORD), "repeats the password");
        }
    }
    let same = THE_SAME[0];
    let two: [&[(&str, &str)]; 4] = [
        &[("HOOK_URL", same), ("HOOK_URL", "https://evil.example/")],
        &[("HOOK_URL", same), ("hook_url", "https://evil.example/")],
        &[("HOOK_URL", &format!("{AGREED}?NEW_ITEM-PRICE[1]=0.01"))],
        &[("HOOK_URL", &format!("{AGREED}?new_item-price%5B1%5D=0.01"))],
    ];
    for hooks in two {
        let answer = answer_of(siege.http.get(format!("{address}?{}", fields(hooks, &[])))).await;
        findings.check(
            &format!("{hooks:?}"),
            answer.status == 400,
            format!("{}", answer.status),
        );
    }
    // One in the address, another in the body.
    let query = fields(&[("HOOK_URL", same)], &[]);
    let body = "HOOK_URL=https%3A%2F%2Fevil.example%2F";
    let request = siege
        .http
        .post(format!("{address}?{query}"))
        .header("Content-Type", form);
    let answer = answer_of(request.body(body)).await;
    findings.check(
        "address and body",
        answer.status == 400,
        format!("{}", answer.status),
    );
    for url in THE_SAME {
        let query = fields(&[("HOOK_URL", url)], &[]);
        let answer = answer_of(siege.http.get(format!("{address}?{query}"))).await;
        findings.check(
            url,
            answer.status == 303,
            format!("{}: {}", answer.status, answer.text),
        );
        let own = answer
            .header("location")
            .starts_with(&siege.world.estate.experience_url);
        findings.check(url, own, answer.header("location"));
    }
    findings.none();
    assert_eq!(siege.snapshot().await?, before);
    siege.end().await
}

/// As a program calls, which wants no page.
fn post_again(siege: &Siege, address: &str, query: &str) -> reqwest::RequestBuilder {
    let request = siege.http.post(address).basic_auth(USER, Some(PASSWORD));
    let request = request.header("Content-Type", "application/x-www-form-urlencoded");
    request.body(query.to_owned())
}
