//! Links: good once, for one partner, for a time.

use http::Request;
use jiff::SignedDuration;
use rstest::rstest;
use serde_json::json;

use super::*;

#[tokio::test]
async fn a_start_link_works_once() {
    let world = World::new().await;
    let start = world.open(oci("create", json!([]))).await;
    let first = world.get(&start).await;
    let base = first.location();
    assert!(base.starts_with("/punchout/shop/acme-punchout/") && base.ends_with('/'));
    assert_eq!(world.get(&base).await.status, StatusCode::OK);
    let again = world.get(&start).await;
    assert_eq!(again.status, StatusCode::GONE);
    again.says("used before");
    assert_eq!(
        world.get(&base).await.status,
        StatusCode::OK,
        "the visit goes on"
    );
}

#[tokio::test]
async fn a_look_ahead_does_not_use_a_link_up() {
    let world = World::new().await;
    let start = world.open(oci("create", json!([]))).await;
    let head = world.send(Request::head(&start), Body::empty()).await;
    assert_eq!(head.status, StatusCode::NO_CONTENT);
    for (name, value) in [
        ("sec-purpose", "prefetch;prerender"),
        ("purpose", "prefetch"),
        ("x-purpose", "preview"),
        ("x-moz", "prefetch"),
    ] {
        let ahead = Request::get(&start).header(name, value);
        let ahead = world.send(ahead, Body::empty()).await;
        assert_eq!(ahead.status, StatusCode::NO_CONTENT, "{name}");
    }
    world.get(&start).await.location();
}

#[tokio::test]
async fn a_start_link_waits_ten_minutes_and_a_visit_lives_eight_hours() {
    let world = World::new().await;
    let late = world.open(oci("create", json!([]))).await;
    let base = world.enter(oci("create", json!([]))).await;
    world.time.advance(SignedDuration::from_secs(601));
    assert_eq!(world.get(&late).await.status, StatusCode::NOT_FOUND);
    assert_eq!(world.get(&base).await.status, StatusCode::OK);
    world.time.advance(SignedDuration::from_hours(8));
    let over = world.get(&base).await;
    assert_eq!(over.status, StatusCode::NOT_FOUND);
    over.says("open the catalogue from there again");
}

#[tokio::test]
async fn pages_are_not_shown_before_the_start_link_was_followed() {
    let world = World::new().await;
    let start = world.open(oci("create", json!([]))).await;
    let ticket = start.rsplit('/').next().unwrap();
    let id = visit::links::Purpose::Start;
    let session = world
        .state
        .punchout
        .links
        .check(id, PARTNER, ticket)
        .unwrap();
    let base = world.state.punchout.links.shop(PARTNER, session);
    assert_eq!(world.get(&base).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn wrong_foreign_and_expired_links_are_one_answer() {
    let world = World::new().await;
    let base = world.enter(oci("create", json!([]))).await;
    let expired = world.enter(oci("create", json!([]))).await;
    let id = expired
        .rsplit('/')
        .nth(1)
        .unwrap()
        .split_once('.')
        .unwrap()
        .0;
    let id: SessionId = id.parse().unwrap();
    world
        .stub
        .touch_one(id, |session| session.expires_at = NOW.parse().unwrap());
    let (head, ticket) = base.trim_end_matches('/').rsplit_once('/').unwrap();
    let (number, hash) = ticket.split_once('.').unwrap();
    let flipped: String = hash.chars().rev().collect();
    let shown = [
        expired,
        format!("{head}/{number}.{flipped}/"),
        format!("{head}/start/{ticket}"),
        format!("{head}/nothing/"),
        base.replace(PARTNER, "other"),
    ];
    let mut pages = Vec::new();
    for path in shown {
        let page = world.get(&path).await;
        assert_eq!(page.status, StatusCode::NOT_FOUND, "{path}");
        let number = page.header("orderway-correlation-id").to_owned();
        pages.push(page.html.replace(&number, "#"));
    }
    assert!(pages.iter().all(|page| *page == pages[0]), "{pages:?}");
    world.get(&base).await.says("Catalogue");
}

#[rstest]
#[case(oci("create", json!([])), "/")]
#[case(oci("edit", bolts("2")), "/cart")]
#[case(oci("inspect", bolts("2")), "/cart")]
#[tokio::test]
async fn the_first_page_is_what_the_buyer_came_for(#[case] visit: Value, #[case] end: &str) {
    let world = World::new().await;
    let start = world.open(visit).await;
    let first = world.get(&start).await.location();
    assert!(first.ends_with(end), "{first}");
    assert_eq!(world.get(&first).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_selected_product_is_shown_first() {
    let world = World::new().await;
    let mut visit = cxml("create", json!([]));
    visit["selected"] = json!("A/B&C ..");
    let start = world.open(visit).await;
    let first = world.get(&start).await.location();
    world.get(&first).await.says("Odd number");
}
