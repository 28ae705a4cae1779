//! A ConfirmationRequest as the buyer's system reads it.

use anyhow::Context as _;

use super::xml;

/// A ConfirmationRequest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confirmation {
    /// payloadID of the document.
    pub payload_id: String,
    /// The identity of its Sender.
    pub sender: String,
    /// The secret of its Sender.
    pub secret: String,
    /// deploymentMode; empty = none.
    pub mode: String,
    /// The type of its header: accept, except, detail, reject …
    pub kind: String,
    /// The operation of its header: new, update; empty = none.
    pub operation: String,
    /// confirmID.
    pub confirm_id: String,
    /// The orderID that it refers to.
    pub order_id: String,
    /// The payloadID of the OrderRequest that it answers.
    pub order_payload_id: String,
    /// Comments, of the header and of the items.
    pub comments: Vec<String>,
    /// The items.
    pub items: Vec<ConfirmedItem>,
}

/// An item of a ConfirmationRequest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfirmedItem {
    /// lineNumber.
    pub line: String,
    /// How much was ordered.
    pub quantity: String,
    /// What became of it: quantity, type and delivery date of each part.
    pub parts: Vec<(String, String, String)>,
}

impl Confirmation {
    /// Reads a document.
    pub fn read(document: &[u8]) -> anyhow::Result<Self> {
        let document = std::str::from_utf8(document)?;
        let tree = xml::tree(document)?;
        let root = tree.root_element();
        let request = xml::child(root, "Request").context("no Request")?;
        let confirmation = xml::child(request, "ConfirmationRequest");
        let confirmation = confirmation.with_context(|| format!("no confirmation: {document}"))?;
        let header = xml::child(confirmation, "ConfirmationHeader").context("no header")?;
        let order = xml::child(confirmation, "OrderReference").context("no OrderReference")?;
        let sender = xml::first(root, "Sender").context("no Sender")?;
        let answered = xml::first(order, "DocumentReference");
        let comments = confirmation.descendants();
        let comments = comments.filter(|node| node.has_tag_name("Comments"));
        Ok(Self {
            payload_id: xml::attribute(root, "payloadID"),
            sender: xml::text(sender, "Identity"),
            secret: xml::text(sender, "SharedSecret"),
            mode: xml::attribute(request, "deploymentMode"),
            kind: xml::attribute(header, "type"),
            operation: xml::attribute(header, "operation"),
            confirm_id: xml::attribute(header, "confirmID"),
            order_id: xml::attribute(order, "orderID"),
            order_payload_id: answered
                .map(|reference| xml::attribute(reference, "payloadID"))
                .unwrap_or_default(),
            comments: comments
                .map(|comment| xml::text(comment, "Comments"))
                .collect(),
            items: confirmation
                .children()
                .filter(|node| node.has_tag_name("ConfirmationItem"))
                .map(item)
                .collect(),
        })
    }
}

fn item(node: roxmltree::Node<'_, '_>) -> ConfirmedItem {
    let parts = node.children();
    let parts = parts.filter(|part| part.has_tag_name("ConfirmationStatus"));
    ConfirmedItem {
        line: xml::attribute(node, "lineNumber"),
        quantity: xml::attribute(node, "quantity"),
        parts: parts
            .map(|part| {
                let said = |name: &str| xml::attribute(part, name);
                (said("quantity"), said("type"), said("deliveryDate"))
            })
            .collect(),
    }
}
