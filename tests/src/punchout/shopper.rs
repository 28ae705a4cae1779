//! A user of the buyer's system, who shops with a browser.

use crate::browser::{Browser, JavaScript};

/// A user who shops.
pub struct Shopper<'a> {
    browser: &'a Browser,
    javascript: JavaScript,
}

impl<'a> Shopper<'a> {
    /// One with this browser.
    pub const fn new(browser: &'a Browser, javascript: JavaScript) -> Self {
        Self {
            browser,
            javascript,
        }
    }

    /// From a page of the buyer's that links to the shop.
    pub async fn enter_by_link(&self, page: &str) -> anyhow::Result<()> {
        self.browser.open(page).await?;
        self.browser.follow("Go shopping").await
    }

    /// In a page of the buyer's that shows the shop in a frame.
    pub async fn enter_in_frame(&self, page: &str) -> anyhow::Result<()> {
        self.browser.open(page).await?;
        self.browser.enter_frame().await
    }

    /// Looks for words.
    pub async fn search(&self, words: &str) -> anyhow::Result<()> {
        self.browser.fill("Search the catalogue", words).await?;
        self.browser.press("Search").await?;
        self.browser.see(&format!("Found for “{words}”")).await
    }

    /// Puts an item into the cart, from the list in which it stands.
    pub async fn add(&self, item: &str, unit: &str, quantity: &str) -> anyhow::Result<()> {
        let field = format!("Quantity of {item} in {unit}");
        self.browser.fill(&field, quantity).await?;
        self.browser
            .press(&format!("Add {item} to the cart"))
            .await?;
        self.browser.see(&format!("{item} is in your cart.")).await
    }

    /// Goes to the cart, which has so many lines.
    pub async fn cart(&self, lines: usize) -> anyhow::Result<()> {
        let lines = match lines {
            0 => "empty".to_owned(),
            1 => "1 line".to_owned(),
            more => format!("{more} lines"),
        };
        self.browser.follow(&format!("Cart ({lines})")).await?;
        self.browser.see("Back to your procurement system").await
    }

    /// Gives a line of the cart another quantity.
    pub async fn change(&self, item: &str, unit: &str, quantity: &str) -> anyhow::Result<()> {
        let field = format!("Quantity of {item} in {unit}");
        self.browser.fill(&field, quantity).await?;
        self.browser.press("Update quantities").await?;
        self.browser.see("Back to your procurement system").await
    }

    /// Returns the cart; the buyer's own page is seen again.
    pub async fn give_back(&self) -> anyhow::Result<()> {
        self.end("Return the cart").await
    }

    /// Leaves without a cart; the buyer's own page is seen again.
    pub async fn leave(&self) -> anyhow::Result<()> {
        self.end("Leave without changes").await
    }

    async fn end(&self, button: &str) -> anyhow::Result<()> {
        self.browser.press(button).await?;
        if self.javascript == JavaScript::Off {
            self.browser.press("Go back").await?;
        }
        self.browser.see("The cart is back.").await
    }
}
