//! Visits of others: tickets, cookies and carts that are not the caller's, come twice, or too late.

use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};
use tests::{
    Setup,
    punchout::{CartItem, Operation},
};

use super::{Guest, OTHER, Siege, as_other, cart_of};
use crate::{
    findings::{Findings, answer_of, generous},
    punchout_html::Page,
};

/// The ticket of a link or of the shop's address.
fn ticket(address: &str) -> String {
    let address = address.trim_end_matches('/');
    address.rsplit('/').next().unwrap_or_default().to_owned()
}

/// The other partner sets a visit up.
async fn start_of_other(
    siege: &Siege,
    payload_id: &str,
    operation: &Operation,
) -> anyhow::Result<String> {
    let document = as_other(&siege.setup(payload_id, "other's", operation));
    let status = siege.buyer.send(&document).await?;
    status
        .start
        .ok_or_else(|| anyhow::anyhow!("{}", status.document))
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one case after another")]
async fn only_a_ticket_of_ours_opens_what_it_is_for() -> anyhow::Result<()> {
    let siege = Siege::start().await?;
    let start = siege.buyer.set_up("waiting", &Operation::Create).await?;
    let waiting = ticket(&start);
    let guest = siege.enter("mine").await?;
    guest.add("SKU-0001", "2", "EA").await?;
    let mine = ticket(&guest.base);
    let theirs = Guest::enter(
        &siege.http,
        &start_of_other(&siege, "theirs", &Operation::Create).await?,
    )
    .await?;
    let theirs = ticket(&theirs.base);
    let (id, hash) = mine.split_once('.').unwrap_or_default();
    let (other_id, other_hash) = theirs.split_once('.').unwrap_or_default();
    let flipped: String = hash
        .chars()
        .enumerate()
        .map(|(n, c)| match (n, c) {
            (0, 'A') => 'B',
            (0, _) => 'A',
            (_, c) => c,
        })
        .collect();
    let at = |partner: &str, ticket: &str| format!("/punchout/shop/{partner}/{ticket}/");
    let starting = |partner: &str, ticket: &str| format!("/punchout/shop/{partner}/start/{ticket}");
    let addresses = [
        at("acme-punchout", &theirs),
        at(OTHER, &mine),
        at("nobody", &mine),
        at("acme-edi", &mine),
        at("acme-punchout", &waiting),
        at("acme-punchout", &format!("{other_id}.{hash}")),
        at("acme-punchout", &format!("{id}.{other_hash}")),
        at("acme-punchout", &format!("{id}.{flipped}")),
        at("acme-punchout", &format!("{id}.")),
        at("acme-punchout", id),
        at("acme-punchout", &format!("{}.{hash}", id.to_uppercase())),
        at("acme-punchout", &format!("{mine}%3D")),
        at("acme-punchout", &format!("{mine}%00")),
        at("acme-punchout", &format!("{}.{hash}", "0".repeat(32))),
        at("acme-punchout", "%2e%2e"),
        at("ACME-PUNCHOUT", &mine),
    ];
    let mut findings = Findings::default();
    let fields = "item=SKU-0002&quantity=1&unit=EA";
    for address in &addresses {
        for page in ["", "cart", "return", "product?item=SKU-0001"] {
            let answer = answer_of(siege.http.get(siege.url(&format!("{address}{page}")))).await;
            findings.check(
                address,
                answer.status == 404,
                format!("GET {page}: {}", answer.status),
            );
        }
        for page in ["add", "cart", "return", "leave"] {
            let request = siege.http.post(siege.url(&format!("{address}{page}")));
            let request = request.header("Content-Type", "application/x-www-form-urlencoded");
            let answer = answer_of(request.body(fields)).await;
            findings.check(
                address,
                answer.status == 404,
                format!("POST {page}: {}", answer.status),
            );
        }
    }
    let starts = [
        starting("acme-punchout", &mine),
        starting(OTHER, &waiting),
        starting("nobody", &waiting),
        starting("acme-punchout", &format!("{waiting}x")),
        starting("acme-punchout", ""),
    ];
    for address in &starts {
        let answer = answer_of(siege.http.get(siege.url(address))).await;
        findings.check(
            address,
            [404, 405].contains(&answer.status.as_u16()),
            format!("{}", answer.status),
        );
    }
    // Without any ticket there is nothing to post to, whatever page a browser was lured to.
    for path in [
        "/punchout/shop/acme-punchout/add",
        "/punchout/shop/acme-punchout/return",
        "/punchout/shop/add",
    ] {
        let request = siege
            .http
            .post(siege.url(path))
            .header("Origin", "https://evil.example");
        let answer = answer_of(request.body(fields)).await;
        findings.check(
            path,
            [404, 405].contains(&answer.status.as_u16()),
            format!("{}", answer.status),
        );
    }
    // The cart is as its buyer left it.
    let page = Page::read(&guest.get("cart").await.text);
    let lines = page
        .tags
        .iter()
        .filter(|tag| tag.get("class") == "quantity")
        .count();
    findings.check("the cart", lines == 1, format!("{lines} lines"));
    findings.none();
    siege.end().await
}

#[tokio::test]
async fn a_start_link_opens_once_and_not_for_a_look_ahead() -> anyhow::Result<()> {
    let siege = Siege::start().await?;
    let start = siege.buyer.set_up("once", &Operation::Create).await?;
    // A scanner or a browser that looks ahead does not use it up.
    answer_of(siege.http.head(&start)).await;
    for (name, value) in [
        ("Sec-Purpose", "prefetch"),
        ("Sec-Purpose", "prefetch;prerender"),
    ] {
        let answer = answer_of(siege.http.get(&start).header(name, value)).await;
        assert_ne!(answer.status, 303, "{}", answer.text);
    }
    // Of many at once, one gets in.
    let many = join_all((0..10).map(|_| answer_of(siege.http.get(&start)))).await;
    let let_in = many.iter().filter(|answer| answer.status == 303).count();
    let told: Vec<u16> = many.iter().map(|answer| answer.status.as_u16()).collect();
    assert_eq!(let_in, 1, "{told:?}");
    assert!(
        told.iter().all(|status| [303, 410].contains(status)),
        "{told:?}"
    );
    // The same setup again, also many times at once, is the same link, and it was used.
    let again = join_all((0..10).map(|_| siege.buyer.set_up("once", &Operation::Create)));
    for again in again.await {
        assert_eq!(again?, start);
    }
    let new = join_all((0..10).map(|_| siege.buyer.set_up("new", &Operation::Create))).await;
    let new = new.into_iter().collect::<anyhow::Result<Vec<_>>>()?;
    assert!(
        new.iter().all(|link| *link == new[0] && *link != start),
        "{new:?}"
    );
    assert_eq!(answer_of(siege.http.get(&start)).await.status, 410);
    siege.end().await
}

#[tokio::test]
async fn links_and_visits_end_in_time() -> anyhow::Result<()> {
    let noon: Timestamp = "2026-12-02T15:00:00Z".parse()?;
    let (setup, time) = Setup::at(noon);
    let siege = Siege::with(generous(setup), &[]).await?;
    let late = siege.buyer.set_up("late", &Operation::Create).await?;
    let guest = siege.enter("guest").await?;
    guest.add("SKU-0001", "2", "EA").await?;
    time.advance(SignedDuration::from_mins(11));
    let answer = answer_of(siege.http.get(&late)).await;
    assert_eq!(answer.status, 404, "{}", answer.text);
    assert_eq!(guest.get("cart").await.status, 200);
    time.advance(SignedDuration::from_hours(8));
    for page in ["", "cart", "return"] {
        assert_eq!(guest.get(page).await.status, 404, "{page}");
    }
    let answer = guest.post("return", &[]).await;
    assert_eq!(answer.status, 404, "{}", answer.text);
    // Nor does the cookie bring an ended visit back.
    assert!(!siege.was_opened("probe", "req-guest&lt;1&gt;").await?);
    siege.end().await
}

#[tokio::test]
async fn a_cart_of_others_is_not_edited() -> anyhow::Result<()> {
    let siege = Siege::start().await?;
    let items = siege.left("mine", &[("SKU-0001", "24")]).await?;
    let own = "req-mine&lt;1&gt;";
    assert!(
        siege.was_opened("probe", own).await?,
        "the cookie opens nothing"
    );
    let before = siege.snapshot().await?;
    let line = |change: fn(&mut CartItem)| {
        let mut item = items[0].clone();
        change(&mut item);
        Operation::Edit(vec![item])
    };
    let mut findings = Findings::default();
    let foreign = [
        // Another partner with the cookie, and with the lines.
        as_other(&siege.setup("a", own, &Operation::Edit(Vec::new()))),
        as_other(&siege.setup("b", own, &Operation::Edit(items.clone()))),
        as_other(&siege.setup("c", own, &Operation::Inspect(items.clone()))),
        // This partner with a cookie or lines that never were.
        siege
            .setup("d", "req-mine<1>", &Operation::Edit(Vec::new()))
            .replace("<1>", "&lt;2&gt;"),
        siege.setup("e", &format!(" {own}"), &Operation::Edit(Vec::new())),
        siege.setup("f", "never", &Operation::Inspect(Vec::new())),
        siege.setup("g", own, &line(|item| item.auxiliary.clear())),
        siege.setup(
            "h",
            own,
            &line(|item| item.auxiliary = item.auxiliary.to_uppercase()),
        ),
        siege.setup("i", own, &line(|item| item.auxiliary.push('1'))),
        siege.setup("j", own, &line(|item| item.part = "SKU-0002".to_owned())),
        siege.setup(
            "k",
            own,
            &line(|item| item.auxiliary = "0199e0a46c1f7d3a9a550c6f4f1d2b7e-1".to_owned()),
        ),
    ];
    for document in &foreign {
        let case = document
            .split("payloadID=\"")
            .nth(1)
            .and_then(|rest| rest.chars().next());
        let (code, text) = siege.told(document).await?;
        findings.check(&format!("{case:?}"), code == 412, format!("{code} {text}"));
    }
    // The same payloadID with another request is neither.
    let (code, text) = siege
        .told(&siege.setup("mine", "another", &Operation::Create))
        .await?;
    findings.check("replayed", code == 409, format!("{code} {text}"));
    let (code, text) = siege
        .told(&siege.setup("mine", own, &Operation::Edit(items.clone())))
        .await?;
    findings.check("replayed as an edit", code == 409, format!("{code} {text}"));
    let (code, text) = siege
        .told(&as_other(&siege.setup("mine", own, &Operation::Create)))
        .await?;
    findings.check(
        "the other partner's payloadID",
        code == 200,
        format!("{code} {text}"),
    );
    findings.none();
    assert_eq!(siege.snapshot().await?, before);
    siege.end().await
}

#[tokio::test]
async fn one_cart_leaves_a_visit() -> anyhow::Result<()> {
    let siege = Siege::start().await?;
    let guest = siege.enter("leaving").await?;
    guest.add("SKU-0001", "24", "EA").await?;
    let back = join_all((0..5).map(|_| guest.post("return", &[]))).await;
    for answer in &back {
        assert_eq!(answer.status, 303, "{}", answer.text);
    }
    let first = guest.get("return").await;
    let left = cart_of(&Page::read(&first.text))?;
    let fields = Page::read(&first.text).fields();
    let mut findings = Findings::default();
    let add = [("item", "SKU-0002"), ("quantity", "1"), ("unit", "EA")];
    type Change<'a> = (&'a str, &'a [(&'a str, &'a str)], u16);
    let changes: [Change<'_>; 6] = [
        ("add", &add, 409),
        ("cart", &[("EA:SKU-0001", "48")], 409),
        ("cart", &[("remove", "EA:SKU-0001")], 409),
        ("return", &[("EA:SKU-0001", "48")], 303),
        ("leave", &[], 303),
        ("return", &[], 303),
    ];
    for (page, form, due) in changes {
        let answer = guest.post(page, form).await;
        findings.check(
            page,
            answer.status == due,
            format!("{} {form:?}", answer.status),
        );
        let again = guest.get("return").await;
        findings.check(
            page,
            Page::read(&again.text).fields() == fields,
            "other bytes leave",
        );
    }
    findings.none();
    assert_eq!(
        (left.items.len(), left.items[0].quantity.as_str()),
        (1, "24")
    );

    // Looking is not changing.
    let start = siege
        .buyer
        .set_up("looking", &Operation::Inspect(left.items.clone()))
        .await?;
    let looking = Guest::enter(&siege.http, &start).await?;
    for (page, form) in [
        ("add", &add[..]),
        ("cart", &[("EA:SKU-0001", "48")][..]),
        ("return", &[][..]),
    ] {
        let answer = looking.post(page, form).await;
        assert_eq!(answer.status, 409, "{page}: {}", answer.text);
    }
    assert_eq!(
        siege.site.carts().len(),
        0,
        "nothing posts to the buyer but its browser"
    );
    siege.end().await
}

#[tokio::test]
async fn both_of_two_ways_out_at_once_are_one() -> anyhow::Result<()> {
    let siege = Siege::start().await?;
    let mut findings = Findings::default();
    for round in 0..3 {
        let guest = siege.enter(&format!("race-{round}")).await?;
        guest.add("SKU-0001", "2", "EA").await?;
        let case = format!("round {round}");
        let leaving =
            join_all((0..6).map(|n| guest.post(if n % 2 == 0 { "return" } else { "leave" }, &[])))
                .await;
        let told: Vec<u16> = leaving
            .iter()
            .map(|answer| answer.status.as_u16())
            .collect();
        findings.check(
            &case,
            told.iter().all(|status| *status == 303),
            format!("{told:?}"),
        );
        let first = Page::read(&guest.get("return").await.text).fields();
        let again = Page::read(&guest.get("return").await.text).fields();
        findings.check(
            &case,
            first == again && first.len() == 1,
            format!("{first:?}"),
        );
    }
    findings.none();
    siege.end().await
}
