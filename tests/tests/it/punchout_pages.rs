//! The pages of the shop as people with and without help meet them: no page has a barrier that axe-core finds, nothing
//! is asked of another host, and pictures of them are taken where `ORDERWAY_SCREENSHOTS` names a folder.

use std::sync::Arc;

use serde_json::Value;
use tests::{
    Setup, World,
    browser::{Browser, JavaScript},
    needs::{self, Node},
    punchout::{Cart, Operation, PASSWORD, Shopper, Site},
};

/// The judge of barriers, and what it found.
struct Judge {
    axe: String,
    found: Vec<String>,
}

impl Judge {
    fn new(node: &Node) -> anyhow::Result<Self> {
        Ok(Self {
            axe: std::fs::read_to_string(node.packages.join("axe-core/axe.min.js"))?,
            found: Vec::new(),
        })
    }

    /// Looks at the page, or at the frame, and takes a picture of the window.
    async fn look(&mut self, browser: &Browser, page: &str) -> anyhow::Result<()> {
        browser.picture(page).await?;
        let axe = &self.axe;
        let script = format!(
            "{axe};const done=arguments[arguments.length-1];\
             axe.run(document,{{resultTypes:['violations']}}).then(\
             result=>done({{passes:result.passes.length,violations:result.violations.map(\
             one=>one.id+': '+one.help+' '+one.nodes.map(node=>node.html).join(' '))}}),\
             error=>done({{passes:0,violations:[String(error)]}}))"
        );
        let result = browser.run(&script).await?;
        let violations = result["violations"].as_array().into_iter().flatten();
        let violations = violations.filter_map(Value::as_str);
        self.found
            .extend(violations.map(|one| format!("{page}: {one}")));
        let passes = result["passes"].as_u64().unwrap_or_default();
        assert!(passes > 5, "{page} was hardly looked at: {result}");
        // Everything that the page loaded came from the shop itself.
        let loaded = browser
            .run("arguments[0](performance.getEntriesByType('resource').map(one => one.name).filter(one => !one.startsWith(location.origin)))")
            .await?;
        assert_eq!(loaded, serde_json::json!([]), "{page} asks another host");
        Ok(())
    }
}

#[tokio::test]
async fn no_page_of_the_shop_has_a_barrier_or_asks_another_host() -> anyhow::Result<()> {
    let (Some(chromium), Some(node)) = (needs::chromium(), needs::node()) else {
        return Ok(());
    };
    let site = Arc::new(Site::start().await?);
    let setup = Setup::default().with_punchout_partner(&site, &[])?;
    let world = World::start_with(setup).await?;
    let buyer = world.cxml_buyer(&site);
    let mut judge = Judge::new(&node)?;
    let browser = Browser::start(&chromium, JavaScript::On).await?;
    // The shop's only script does not come, so that the page which it would leave stays to be looked at.
    browser.block(&["*/punchout/assets/return-*"]).await?;
    let shopper = Shopper::new(&browser, JavaScript::Off);

    let start = buyer.set_up("pages-1", &Operation::Create).await?;
    shopper.enter_by_link(&site.link(&start)).await?;
    browser.see("Catalogue").await?;
    judge.look(&browser, "catalogue").await?;
    shopper.search("no such thing").await?;
    judge.look(&browser, "nothing-found").await?;
    shopper.search("SKU-000").await?;
    shopper.add("SKU-0001", "EA", "24").await?;
    judge.look(&browser, "search").await?;
    browser.follow_first("//table//th//a").await?;
    browser.see("Your price").await?;
    judge.look(&browser, "product").await?;
    browser.fill("Quantity", "a lot").await?;
    browser.press("Add to the cart").await?;
    browser.see("It is not in your cart").await?;
    judge.look(&browser, "product-refused").await?;
    shopper.cart(1).await?;
    judge.look(&browser, "cart").await?;
    shopper.change("SKU-0001", "EA", "-1").await?;
    judge.look(&browser, "cart-refused").await?;
    shopper.change("SKU-0001", "EA", "30").await?;
    browser.press("Return the cart").await?;
    browser.see("Go back").await?;
    judge.look(&browser, "return").await?;
    browser.press("Go back").await?;
    browser.see("The cart is back.").await?;

    let cart = Cart::read(&site.cart(1).await?)?;
    let start = buyer
        .set_up("pages-2", &Operation::Edit(cart.items.clone()))
        .await?;
    shopper.enter_by_link(&site.link(&start)).await?;
    shopper.cart(1).await?;
    browser.press("Remove SKU-0001").await?;
    browser.see("Your cart is empty.").await?;
    judge.look(&browser, "cart-empty").await?;
    let start = buyer
        .set_up("pages-3", &Operation::Inspect(cart.items))
        .await?;
    shopper.enter_by_link(&site.link(&start)).await?;
    shopper.cart(1).await?;
    judge.look(&browser, "inspect").await?;

    // Who is not let in is told so, and a start link is good once.
    let refused = world.oci_buyer(&site).call(&[]).replace(PASSWORD, "wrong");
    browser.open(&refused).await?;
    judge.look(&browser, "oci-refused").await?;
    browser.open(&start).await?;
    judge.look(&browser, "link-over").await?;
    let start = buyer.set_up("pages-4", &Operation::Create).await?;
    shopper.enter_in_frame(&site.frame(&start)).await?;
    browser.see("Catalogue").await?;
    judge.look(&browser, "in-a-frame").await?;
    assert!(judge.found.is_empty(), "{}", judge.found.join("\n"));
    world.stop().await
}
