//! A procurement system that speaks cXML: sets visits up, orders, and reads what it is answered.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;

use super::{
    Dtds, Operation, Order, Site,
    documents::{Sender, envelope, setup},
    xml,
};
use crate::callers::Answer;

/// What the buyer calls itself.
pub const FROM: &str = "AN01-ACME";
/// The secret of the demonstration's profile.
pub const SECRET: &str = "acme-punchout-demo";

/// What a Response says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// The code.
    pub code: u16,
    /// Its text and its content.
    pub text: String,
    /// Where the visit starts; a PunchOutSetupResponse has it.
    pub start: Option<String>,
    /// The document, as it came.
    pub document: String,
}

/// A procurement system that speaks cXML.
#[derive(Clone)]
pub struct CxmlBuyer {
    http: reqwest::Client,
    address: String,
    sender: Sender,
    site: Arc<Site>,
    came: Arc<Mutex<Vec<String>>>,
}

impl CxmlBuyer {
    /// One that shops at this address.
    pub fn new(http: reqwest::Client, experience_url: &str, site: &Arc<Site>) -> Self {
        Self {
            http,
            address: format!("{experience_url}/punchout/cxml"),
            sender: Sender {
                identity: FROM.to_owned(),
                secret: SECRET.to_owned(),
            },
            site: Arc::clone(site),
            came: Arc::default(),
        }
    }

    /// The same as another.
    #[must_use]
    pub fn named(mut self, identity: &str) -> Self {
        identity.clone_into(&mut self.sender.identity);
        self
    }

    /// Sends bytes as they are.
    pub async fn post(&self, document: impl Into<Vec<u8>>) -> anyhow::Result<Answer> {
        let request = self.http.post(&self.address);
        let request = request.header("Content-Type", "text/xml; charset=UTF-8");
        Answer::of(request.body(document.into())).await
    }

    /// Sends a document, and reads the Response.
    pub async fn send(&self, document: &str) -> anyhow::Result<Status> {
        let answer = self.post(document).await?;
        anyhow::ensure!(answer.status == 200, "{}: {}", answer.status, answer.text);
        let came = &mut *self.came.lock().unwrap_or_else(PoisonError::into_inner);
        came.push(answer.text.clone());
        let tree = xml::tree(&answer.text)?;
        let response = xml::child(tree.root_element(), "Response");
        let response = response.with_context(|| format!("no Response: {}", answer.text))?;
        let status = xml::child(response, "Status").context("no Status")?;
        let start = xml::first(response, "StartPage").map(|page| xml::text(page, "URL"));
        Ok(Status {
            code: xml::attribute(status, "code").parse()?,
            text: format!(
                "{} {}",
                xml::attribute(status, "text"),
                status.text().unwrap_or_default()
            ),
            start: start.map(|url| url.trim().to_owned()),
            document: answer.text.clone(),
        })
    }

    /// A PunchOutSetupRequest of this site.
    pub fn setup_document(&self, payload_id: &str, cookie: &str, operation: &Operation) -> String {
        let form_post = format!("{}/cart", self.site.url);
        envelope(
            &self.sender,
            payload_id,
            "production",
            &setup(cookie, &form_post, operation),
        )
    }

    /// Sets a visit up, and gives its start link.
    pub async fn set_up(&self, payload_id: &str, operation: &Operation) -> anyhow::Result<String> {
        let document = self.setup_document(payload_id, &cookie(payload_id), operation);
        let status = self.send(&document).await?;
        anyhow::ensure!(status.code == 200, "{status:?}");
        status.start.context("no start link")
    }

    /// An OrderRequest.
    pub fn order_document(&self, payload_id: &str, order: &Order) -> String {
        envelope(&self.sender, payload_id, order.mode, &order.request())
    }

    /// Sends an order.
    pub async fn order(&self, payload_id: &str, order: &Order) -> anyhow::Result<Status> {
        self.send(&self.order_document(payload_id, order)).await
    }

    /// A request of the test's own, under a secret of the test's own.
    pub fn document(&self, payload_id: &str, secret: &str, request: &str) -> String {
        let sender = Sender {
            secret: secret.to_owned(),
            ..self.sender.clone()
        };
        envelope(&sender, payload_id, "production", request)
    }

    /// Holds every Response that came against its DTD, and gives how many there were.
    pub fn judge(&self, dtds: &Dtds) -> anyhow::Result<usize> {
        let came = self.came.lock().unwrap_or_else(PoisonError::into_inner);
        for document in came.iter() {
            dtds.judge(document.as_bytes())?;
        }
        Ok(came.len())
    }
}

/// The BuyerCookie of a visit: content, and not only text.
pub(super) fn cookie(payload_id: &str) -> String {
    format!("req-{payload_id}&lt;1&gt;")
}
