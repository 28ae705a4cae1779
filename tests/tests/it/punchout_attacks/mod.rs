//! Punchout under attack, against the running gateway: each attack is answered with the right status within bounds, and
//! nothing comes of it.

mod addresses;
mod amounts;
mod document_cases;
mod documents;
mod flood;
mod hangups;
mod logs;
mod orders;
mod pages;
mod secrets;
mod visits;

use std::{process::Stdio, sync::Arc};

use reqwest::{Client, header::LOCATION, redirect::Policy};
use serde_json::Value;
use service_runtime::{
    clock::Clock,
    config::Secret,
    context::{
        AccountScope, CONTEXT_HEADER, CallContext, ContextKeys, ContextSigner, Hop, LayerIdentity,
    },
};
use tests::{
    Answer, PortalUser, Setup, World,
    punchout::{Cart, CartItem, CxmlBuyer, Operation, Posted, Site},
};

use crate::{
    findings::{EXPERIENCE_TO_PROCESS, Trace, answer_of, generous, trace_of},
    punchout_html::Page,
};

/// What the attacks are aimed at.
pub(crate) const ITEMS: &[&str] = &["SKU-0001", "SKU-0002", "SKU-0003"];
/// The second partner: another account, another Sender, another user.
pub(crate) const OTHER: &str = "borealis-punchout";

pub(crate) const ANY_PRICE: (&str, &str) = ("price = \"hold\"", "price = \"accept\"");

/// A world with two partners, and the buyer of the first.
pub(crate) struct Siege {
    pub(crate) world: World,
    pub(crate) site: Arc<Site>,
    pub(crate) buyer: CxmlBuyer,
    pub(crate) user: PortalUser,
    /// A browser: follows no redirect unseen.
    pub(crate) http: Client,
}

/// All that an attack should not change.
#[derive(Debug, PartialEq)]
pub(crate) struct Snapshot {
    trace: Trace,
    documents: usize,
    carts: usize,
    confirmations: usize,
}

impl Siege {
    pub(crate) async fn start() -> anyhow::Result<Self> {
        // Orders at whatever price are taken at ours, so that all else decides.
        Self::with(generous(Setup::default()), &[ANY_PRICE]).await
    }

    /// One with a setup of its own, and some text of the first partner's profile replaced; `{site}` in it is the
    /// address of the buyer's site.
    pub(crate) async fn with(setup: Setup, changes: &[(&str, &str)]) -> anyhow::Result<Self> {
        let site = Arc::new(Site::start().await?);
        let changes = changes.iter().map(|(old, new)| {
            let at_site = |text: &str| text.replace("{site}", &site.url);
            (at_site(old), at_site(new))
        });
        let changes: Vec<(String, String)> = changes.collect();
        let changes = changes
            .iter()
            .map(|(old, new)| (old.as_str(), new.as_str()));
        let changes: Vec<(&str, &str)> = changes.collect();
        let mut setup = setup.with_punchout_partner(&site, &changes)?;
        setup.punchout_partners.push(other_partner(&setup)?);
        let secret = "ORDERWAY_EXPERIENCE__PUNCHOUT__SECRETS__BOREALIS_PUNCHOUT";
        let world = World::start_with(setup.with(secret, "northwind-to-borealis-demo")).await?;
        Ok(Self {
            buyer: world.cxml_buyer(&site),
            user: world.portal_user("acme-buyer", "ACME")?,
            http: browser(None)?,
            site,
            world,
        })
    }

    pub(crate) async fn snapshot(&self) -> anyhow::Result<Snapshot> {
        let mut documents = 0;
        for partner in ["acme-punchout", OTHER] {
            for direction in ["inbound", "outbound"] {
                let path =
                    format!("/v1/documents?partner={partner}&direction={direction}&limit=200");
                let page = self.as_channel(&path).await?;
                documents += page["items"].as_array().map_or(0, Vec::len);
            }
        }
        Ok(Snapshot {
            trace: trace_of(&self.world, &self.user, "ACME", ITEMS).await,
            documents,
            carts: self.site.carts().len(),
            confirmations: self.site.confirmations().len(),
        })
    }

    /// Reads from process-apis as the channel would for any partner.
    async fn as_channel(&self, path: &str) -> anyhow::Result<Value> {
        let hop = Hop {
            from: LayerIdentity::ExperienceApis,
            to: LayerIdentity::ProcessApis,
        };
        let keys = ContextKeys::new(&Secret::from(EXPERIENCE_TO_PROCESS.to_owned()), None)?;
        let now = self.world.now();
        let context = CallContext {
            principal: "tests".to_owned(),
            accounts: AccountScope::All,
            company: Some("NWI".to_owned()),
            channel: "punchout".to_owned(),
            scopes: vec!["documents:write".to_owned()],
            correlation_id: "tests".to_owned(),
            deadline: now.saturating_add(jiff::SignedDuration::from_secs(30))?,
            remaining_ms: 30_000,
            layer: LayerIdentity::ExperienceApis,
        };
        let (clock, _) = Clock::fixed(now);
        let signed = ContextSigner::new(hop, keys, clock).sign(&context)?;
        let url = format!("{}{path}", self.world.estate.process_url);
        let answer = answer_of(self.world.http.get(url).header(CONTEXT_HEADER, signed)).await;
        anyhow::ensure!(answer.status == 200, "{}", answer.text);
        Ok(answer.json())
    }

    /// Sends a document, and gives the code and the words of its Status.
    pub(crate) async fn told(&self, document: &str) -> anyhow::Result<(u16, String)> {
        let status = self.buyer.send(document).await?;
        Ok((status.code, status.text))
    }

    /// A PunchOutSetupRequest with a cookie of the test's own.
    pub(crate) fn setup(&self, payload_id: &str, cookie: &str, operation: &Operation) -> String {
        self.buyer.setup_document(payload_id, cookie, operation)
    }

    /// Whether a visit with this cookie was opened: without one, it cannot be edited.
    pub(crate) async fn was_opened(&self, probe: &str, cookie: &str) -> anyhow::Result<bool> {
        let edit = self.setup(probe, cookie, &Operation::Edit(Vec::new()));
        let (code, text) = self.told(&edit).await?;
        anyhow::ensure!([200, 412].contains(&code), "{code} {text}");
        Ok(code == 200)
    }

    /// Sets a visit up and enters the shop.
    pub(crate) async fn enter(&self, payload_id: &str) -> anyhow::Result<Guest> {
        let start = self.buyer.set_up(payload_id, &Operation::Create).await?;
        Guest::enter(&self.http, &start).await
    }

    /// A cart that left with these items and quantities.
    pub(crate) async fn left(
        &self,
        payload_id: &str,
        lines: &[(&str, &str)],
    ) -> anyhow::Result<Vec<CartItem>> {
        let guest = self.enter(payload_id).await?;
        for (item, quantity) in lines {
            guest.add(item, quantity, "EA").await?;
        }
        Ok(cart_of(&guest.give_back().await?)?.items)
    }

    /// Orders of a number in the ERP, whatever their state.
    pub(crate) fn in_the_erp(&self, number: &str) -> usize {
        let orders = self.world.estate.sandbox.erp.orders();
        orders
            .iter()
            .filter(|order| order.purchase_order_number == number)
            .count()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.world.estate.experience_url)
    }

    pub(crate) async fn end(self) -> anyhow::Result<()> {
        self.world.stop().await
    }
}

/// The second partner's profile: the first one's, in another name.
fn other_partner(setup: &Setup) -> anyhow::Result<(String, String)> {
    let first = setup.punchout_partners.first();
    let (_, profile) = first.ok_or_else(|| anyhow::anyhow!("no first partner"))?;
    let profile = profile
        .replace("acme-punchout\"", "borealis-punchout\"")
        .replace("\"ACME\"", "\"BOREALIS\"")
        .replace("\"ACME-01\"", "\"BOREALIS-01\"")
        .replace("AN01-ACME", "AN01-BOREALIS")
        .replace("user = \"acme\"", "user = \"borealis\"");
    Ok((format!("{OTHER}.toml"), profile))
}

/// The same document, sent by the second partner.
pub(crate) fn as_other(document: &str) -> String {
    document.replace("AN01-ACME", "AN01-BOREALIS")
}

/// A browser at an address of this machine.
pub(crate) fn browser(address: Option<[u8; 4]>) -> anyhow::Result<Client> {
    let client = Client::builder().no_proxy().redirect(Policy::none());
    Ok(client
        .local_address(address.map(std::net::IpAddr::from))
        .build()?)
}

/// A buyer in the shop.
pub(crate) struct Guest {
    pub(crate) http: Client,
    /// The address of its pages; ends with a slash.
    pub(crate) base: String,
}

impl Guest {
    /// Follows a start link.
    pub(crate) async fn enter(http: &Client, start: &str) -> anyhow::Result<Self> {
        let answer = answer_of(http.get(start)).await;
        anyhow::ensure!(answer.status == 303, "{}: {}", answer.status, answer.text);
        let first = url::Url::parse(start)?.join(answer.header(LOCATION.as_str()))?;
        let path: Vec<&str> = first.path().split('/').take(5).collect();
        let base = first.join(&format!("{}/", path.join("/")))?;
        Ok(Self {
            http: http.clone(),
            base: base.to_string(),
        })
    }

    pub(crate) async fn get(&self, page: &str) -> Answer {
        answer_of(self.http.get(format!("{}{page}", self.base))).await
    }

    pub(crate) async fn post(&self, page: &str, fields: &[(&str, &str)]) -> Answer {
        let mut body = url::form_urlencoded::Serializer::new(String::new());
        body.extend_pairs(fields);
        let request = self.http.post(format!("{}{page}", self.base));
        let request = request.header("Content-Type", "application/x-www-form-urlencoded");
        answer_of(request.body(body.finish())).await
    }

    /// Puts something into the cart.
    pub(crate) async fn add(&self, item: &str, quantity: &str, unit: &str) -> anyhow::Result<()> {
        let fields = [("item", item), ("quantity", quantity), ("unit", unit)];
        let answer = self.post("add", &fields).await;
        anyhow::ensure!(answer.status == 303, "{}: {}", answer.status, answer.text);
        Ok(())
    }

    /// Returns the cart, and gives the page that posts it.
    pub(crate) async fn give_back(&self) -> anyhow::Result<Page> {
        let answer = self.post("return", &[]).await;
        anyhow::ensure!(answer.status == 303, "{}: {}", answer.status, answer.text);
        let page = self.get("return").await;
        anyhow::ensure!(page.status == 200, "{}: {}", page.status, page.text);
        Ok(Page::read(&page.text))
    }
}

/// The cart that a page posts, as the buyer's system would read it.
pub(crate) fn cart_of(page: &Page) -> anyhow::Result<Cart> {
    let mut body = url::form_urlencoded::Serializer::new(String::new());
    body.extend_pairs(page.fields());
    Cart::read(&Posted {
        path: "/cart".to_owned(),
        body: body.finish().into_bytes(),
    })
}

/// Runs an ignored test of this binary in a process of its own, and gives all it wrote. What is about one process, such
/// as its log or its memory, is measured there.
pub(crate) fn in_a_process_of_its_own(test: &str) -> anyhow::Result<String> {
    let output = std::process::Command::new(std::env::current_exe()?)
        .args(["--exact", test, "--include-ignored", "--nocapture"])
        .stdin(Stdio::null())
        .output()?;
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    let words = log.lines().filter(|line| !line.starts_with('{'));
    let words = words.collect::<Vec<_>>().join("\n");
    anyhow::ensure!(output.status.success(), "{told}\n{words}");
    anyhow::ensure!(told.contains("1 passed"), "{test} was not run: {told}");
    Ok(format!("{told}\n{log}"))
}
