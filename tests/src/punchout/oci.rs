//! A procurement system that speaks OCI: sends the browser here, reads the cart that comes back, and posts its order.

use std::{collections::BTreeMap, sync::Arc};

use super::{Posted, Site};
use crate::callers::Answer;

/// The user of the demonstration's profile.
pub const USER: &str = "acme";
/// Its password.
pub const PASSWORD: &str = "acme-punchout-demo";

/// A line of an OCI cart: the fields behind `NEW_ITEM-`, without the index.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OciItem(pub BTreeMap<String, String>);

impl OciItem {
    /// A field; empty where there is none.
    pub fn get(&self, name: &str) -> &str {
        self.0.get(name).map(String::as_str).unwrap_or_default()
    }

    /// The items of a form, by index.
    pub fn all(fields: &[(String, String)]) -> Vec<Self> {
        let mut items: BTreeMap<u32, Self> = BTreeMap::new();
        for (name, value) in fields {
            let Some((field, index)) = placed(name) else {
                continue;
            };
            let item = items.entry(index).or_default();
            item.0.insert(field.to_owned(), value.clone());
        }
        items.into_values().collect()
    }
}

/// `NEW_ITEM-UNIT[1]` is UNIT of 1; a long text has its index in the name.
fn placed(name: &str) -> Option<(&str, u32)> {
    let rest = name.strip_prefix("NEW_ITEM-")?;
    if let Some(text) = rest.strip_prefix("LONGTEXT_") {
        let index = text.split(':').next()?.parse().ok()?;
        return Some(("LONGTEXT", index));
    }
    let (field, index) = rest.split_once('[')?;
    Some((field, index.strip_suffix(']')?.parse().ok()?))
}

/// A procurement system that speaks OCI.
#[derive(Clone)]
pub struct OciBuyer {
    http: reqwest::Client,
    address: String,
    site: Arc<Site>,
}

impl OciBuyer {
    /// One that shops at this address as this partner.
    pub fn new(
        http: reqwest::Client,
        experience_url: &str,
        partner: &str,
        site: &Arc<Site>,
    ) -> Self {
        Self {
            http,
            address: format!("{experience_url}/punchout/oci/{partner}"),
            site: Arc::clone(site),
        }
    }

    /// The call that a browser is sent with: credential, `HOOK_URL`, and more fields.
    pub fn call(&self, more: &[(&str, &str)]) -> String {
        let hook = self.hook();
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.append_pair("USERNAME", USER);
        query.append_pair("PASSWORD", PASSWORD);
        query.append_pair("HOOK_URL", &hook);
        query.append_pair("~OkCode", "ADDI");
        query.append_pair("~CALLER", "CTLG");
        query.append_pair("OCI_VERSION", "4.0");
        query.extend_pairs(more);
        format!("{}?{}", self.address, query.finish())
    }

    /// Where the cart goes: its query comes back as fields.
    pub fn hook(&self) -> String {
        format!("{}/oci/cart?sap-client=100&sessid=ABC%3D%3D", self.site.url)
    }

    /// Calls without a browser, as VALIDATE and `BACKGROUND_SEARCH` may be.
    pub async fn ask(&self, more: &[(&str, &str)]) -> anyhow::Result<Answer> {
        Answer::of(self.http.get(self.call(more))).await
    }

    /// Posts an order of what came back, under a number of the buyer's own.
    pub async fn order(&self, number: &str, cart: &Posted) -> anyhow::Result<Answer> {
        let mut body = url::form_urlencoded::Serializer::new(String::new());
        body.append_pair("PO_NUMBER", number);
        body.extend_pairs(
            cart.fields()
                .iter()
                .filter(|(name, _)| name.starts_with("NEW_ITEM")),
        );
        let request = self.http.post(format!("{}/orders", self.address));
        let request = request
            .basic_auth(USER, Some(PASSWORD))
            .header("Content-Type", "application/x-www-form-urlencoded");
        Answer::of(request.body(body.finish())).await
    }
}
