//! A visit's life: its start link is good once and for a while, the visit survives a restart and ends by the clock, and
//! what was returned once is the same for good.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use reqwest::redirect;
use tests::{
    Answer, Setup, World,
    punchout::{Operation, Site},
};

use crate::findings::answer_of;

const MONDAY: &str = "2026-11-23T10:00:00Z";

fn browser() -> reqwest::Client {
    let client = reqwest::Client::builder().redirect(redirect::Policy::none());
    client.build().unwrap()
}

/// The address that an answer leads to.
fn target(from: &str, answer: &Answer) -> String {
    assert_eq!(answer.status, 303, "{}", answer.text);
    let base = url::Url::parse(from).unwrap();
    base.join(answer.header("location")).unwrap().into()
}

#[tokio::test]
async fn a_start_link_is_good_once_and_for_ten_minutes() -> anyhow::Result<()> {
    let site = Arc::new(Site::start().await?);
    let (setup, time) = Setup::at(MONDAY.parse::<Timestamp>()?);
    let world = World::start_with(setup.with_punchout_partner(&site, &[])?).await?;
    let (buyer, browser) = (world.cxml_buyer(&site), browser());

    let start = buyer.set_up("once", &Operation::Create).await?;
    let looked_ahead = answer_of(browser.head(&start)).await;
    assert_eq!(looked_ahead.status, 204, "a look ahead is no visit");
    let shop = target(&start, &answer_of(browser.get(&start)).await);
    let again = answer_of(browser.get(&start)).await;
    assert_eq!(again.status, 410, "{}", again.text);
    // The same set-up once more is answered by the same link: it does not open a second time either.
    assert_eq!(buyer.set_up("once", &Operation::Create).await?, start);

    let late = buyer.set_up("late", &Operation::Create).await?;
    time.advance(SignedDuration::from_mins(11));
    assert_eq!(answer_of(browser.get(&late)).await.status, 404);

    assert_eq!(answer_of(browser.get(&shop)).await.status, 200);
    time.advance(SignedDuration::from_hours(8));
    assert_eq!(answer_of(browser.get(&shop)).await.status, 404);
    world.stop().await
}

#[tokio::test]
async fn a_visit_survives_a_restart_and_returns_the_same_for_good() -> anyhow::Result<()> {
    let site = Arc::new(Site::start().await?);
    let world = World::start_with(Setup::default().with_punchout_partner(&site, &[])?).await?;
    let (buyer, browser) = (world.cxml_buyer(&site), browser());
    let start = buyer.set_up("restart", &Operation::Create).await?;
    let shop = target(&start, &answer_of(browser.get(&start)).await);
    let form = [("item", "SKU-0001"), ("unit", "EA"), ("quantity", "24")];
    target(
        &shop,
        &answer_of(browser.post(format!("{shop}add")).form(&form)).await,
    );

    let world = world.restart_layers().await?;
    let cart = answer_of(browser.get(format!("{shop}cart"))).await;
    assert_eq!(cart.status, 200, "{}", cart.text);
    assert!(cart.text.contains("SKU-0001"), "{}", cart.text);
    let page = format!("{shop}return");
    assert_eq!(target(&shop, &answer_of(browser.post(&page)).await), page);
    let returned = answer_of(browser.get(&page)).await;
    assert_eq!(returned.status, 200, "{}", returned.text);

    // Returned again, and after another restart: the same bytes; and nothing can be added any more.
    let world = world.restart_layers().await?;
    assert_eq!(target(&shop, &answer_of(browser.post(&page)).await), page);
    assert_eq!(answer_of(browser.get(&page)).await.text, returned.text);
    let late = answer_of(browser.post(format!("{shop}add")).form(&form)).await;
    assert_ne!(late.status, 200, "{}", late.text);
    assert_eq!(answer_of(browser.get(&page)).await.text, returned.text);
    world.stop().await
}
