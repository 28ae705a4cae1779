//! A PunchOutOrderMessage as the buyer's system reads it.

use anyhow::Context as _;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use roxmltree::Node;

use super::{Posted, xml};

/// A cart that came back by cXML.
#[derive(Debug, Clone)]
pub struct Cart {
    /// The field it came in: `cxml-urlencoded` or `cxml-base64`.
    pub field: String,
    /// The document.
    pub document: String,
    /// BuyerCookie.
    pub cookie: String,
    /// operationAllowed.
    pub operation_allowed: String,
    /// The Status of the Message; empty = none.
    pub status: String,
    /// The total and its currency.
    pub total: (String, String),
    /// The lines.
    pub items: Vec<CartItem>,
}

/// A line of a cart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CartItem {
    /// How much.
    pub quantity: String,
    /// SupplierPartID.
    pub part: String,
    /// SupplierPartAuxiliaryID.
    pub auxiliary: String,
    /// UnitPrice.
    pub unit_price: String,
    /// Its currency.
    pub currency: String,
    /// Description.
    pub description: String,
    /// UnitOfMeasure.
    pub unit: String,
    /// Classification.
    pub class: String,
    /// Its domain.
    pub class_domain: String,
}

impl Cart {
    /// Reads a form that a browser posted.
    pub fn read(posted: &Posted) -> anyhow::Result<Self> {
        let fields = posted.fields();
        let [(field, value)] = fields.as_slice() else {
            anyhow::bail!("one field was expected: {fields:?}");
        };
        let document = match field.as_str() {
            "cxml-urlencoded" => value.clone(),
            "cxml-base64" => String::from_utf8(STANDARD.decode(value)?)?,
            other => anyhow::bail!("no field of a cart: {other}"),
        };
        let tree = xml::tree(&document)?;
        let message = xml::first(tree.root(), "Message").context("no Message")?;
        let order = xml::first(message, "PunchOutOrderMessage").context("no cart")?;
        let header = xml::first(order, "PunchOutOrderMessageHeader").context("no header")?;
        let status = xml::child(message, "Status");
        Ok(Self {
            field: field.clone(),
            cookie: xml::text(order, "BuyerCookie"),
            operation_allowed: header
                .attribute("operationAllowed")
                .unwrap_or_default()
                .to_owned(),
            status: status
                .and_then(|status| status.attribute("code"))
                .unwrap_or_default()
                .to_owned(),
            total: xml::money(header),
            items: order
                .children()
                .filter(|node| node.has_tag_name("ItemIn"))
                .map(item)
                .collect(),
            document: document.clone(),
        })
    }
}

fn item(node: Node<'_, '_>) -> CartItem {
    let (unit_price, currency) = xml::first(node, "UnitPrice")
        .map(xml::money)
        .unwrap_or_default();
    let class = xml::first(node, "Classification");
    CartItem {
        quantity: node.attribute("quantity").unwrap_or_default().to_owned(),
        part: xml::text(node, "SupplierPartID"),
        auxiliary: xml::text(node, "SupplierPartAuxiliaryID"),
        unit_price,
        currency,
        description: xml::text(node, "Description"),
        unit: xml::text(node, "UnitOfMeasure"),
        class: xml::text(node, "Classification"),
        class_domain: class
            .and_then(|class| class.attribute("domain"))
            .unwrap_or_default()
            .to_owned(),
    }
}
