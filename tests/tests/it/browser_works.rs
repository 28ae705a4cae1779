//! The browser that other tests use: it shows a page, follows links in a frame, runs no script where it must not, and
//! leaves nothing behind.

use std::path::Path;

use axum::{Router, response::Html, routing::get};
use tests::{
    browser::{Browser, JavaScript},
    needs,
};

const PAGE: &str = r#"<!doctype html><html lang="en"><title>Buyer</title>
<h1>Buyer</h1><iframe src="/shop" title="Shop"></iframe>
<p id="said">no script ran</p><script>document.getElementById("said").textContent = "a script ran"</script>"#;
const SHOP: &str = r#"<!doctype html><html lang="en"><title>Shop</title>
<form action="/found"><label for="q">Search</label><input id="q" name="q"><button>Find</button></form>"#;

async fn site() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let found = |uri: axum::http::Uri| async move { Html(format!("<p>found by {uri}</p>")) };
    let routes = Router::new()
        .route("/", get(async || Html(PAGE)))
        .route("/shop", get(async || Html(SHOP)))
        .route("/found", get(found));
    tokio::spawn(async move { axum::serve(listener, routes).await });
    address
}

#[tokio::test]
async fn a_page_in_a_frame_is_used_with_and_without_javascript() -> anyhow::Result<()> {
    let Some(chromium) = needs::chromium() else {
        return Ok(());
    };
    let site = site().await;
    for (javascript, said) in [
        (JavaScript::On, "a script ran"),
        (JavaScript::Off, "no script ran"),
    ] {
        let browser = Browser::start(&chromium, javascript).await?;
        browser.open(&site).await?;
        browser.see(said).await?;
        browser.enter_frame().await?;
        browser.fill("Search", "bolts").await?;
        assert_eq!(browser.value("Search").await?, "bolts");
        browser.press("Find").await?;
        browser.see("found by /found?q=bolts").await?;
        browser.leave_frame().await?;
        assert_eq!(browser.title().await?, "Buyer");
    }
    Ok(())
}

#[tokio::test]
async fn a_browser_that_is_dropped_is_gone() -> anyhow::Result<()> {
    let Some(chromium) = needs::chromium() else {
        return Ok(());
    };
    let browser = Browser::start(&chromium, JavaScript::On).await?;
    let profile = browser.profile().to_owned();
    assert!(runs_in(&profile), "its processes name its profile");
    drop(browser);
    tests::until("the end of every process", async || {
        Ok((!runs_in(&profile)).then_some(()))
    })
    .await
}

/// Whether a process of this machine names the folder in its command line.
fn runs_in(folder: &Path) -> bool {
    let folder = folder.to_string_lossy().into_owned();
    let processes = std::fs::read_dir("/proc").unwrap();
    processes.flatten().any(|process| {
        let line = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains(&folder)
    })
}
