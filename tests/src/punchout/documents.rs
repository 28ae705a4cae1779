//! The cXML documents that the buyer sends.

use super::CartItem;

/// Who sends a document.
#[derive(Debug, Clone)]
pub(super) struct Sender {
    pub(super) identity: String,
    pub(super) secret: String,
}

/// A document: who sends it, what it asks, and under which payloadID.
pub(super) fn envelope(sender: &Sender, payload_id: &str, mode: &str, request: &str) -> String {
    let Sender { identity, secret } = sender;
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE cXML SYSTEM "http://xml.cxml.org/schemas/cXML/1.2.053/cXML.dtd">
<cXML payloadID="{payload_id}" timestamp="2026-01-05T09:30:00+00:00" version="1.2.053" xml:lang="en-US">
<Header>
<From><Credential domain="NetworkID"><Identity>{identity}</Identity></Credential></From>
<To><Credential domain="NetworkID"><Identity>AN01-NORTHWIND</Identity></Credential></To>
<Sender><Credential domain="NetworkID"><Identity>{identity}</Identity><SharedSecret>{secret}</SharedSecret></Credential>
<UserAgent>Procurement 7.1</UserAgent></Sender>
</Header>
<Request deploymentMode="{mode}">{request}</Request>
</cXML>"#
    )
}

/// What a PunchOutSetupRequest asks for.
#[derive(Debug, Clone)]
pub enum Operation {
    /// A new cart.
    Create,
    /// The cart again, to be changed.
    Edit(Vec<CartItem>),
    /// The cart again, to be looked at.
    Inspect(Vec<CartItem>),
}

/// A PunchOutSetupRequest.
pub(super) fn setup(cookie: &str, form_post: &str, operation: &Operation) -> String {
    let (word, items) = match operation {
        Operation::Create => ("create", &[][..]),
        Operation::Edit(items) => ("edit", items.as_slice()),
        Operation::Inspect(items) => ("inspect", items.as_slice()),
    };
    let items: String = (1..)
        .zip(items)
        .map(|(number, item)| item_out(number, item, &item.quantity))
        .collect();
    format!(
        r#"<PunchOutSetupRequest operation="{word}"><BuyerCookie>{cookie}</BuyerCookie>
<Extrinsic name="UserEmail">joe@acme.example</Extrinsic><Extrinsic name="CostCenter">4711 &amp; 12</Extrinsic>
<BrowserFormPost><URL>{form_post}</URL></BrowserFormPost>{items}</PunchOutSetupRequest>"#
    )
}

/// What becomes of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrderType {
    /// It is new.
    New,
    /// It takes the place of the one before.
    Update,
    /// It is called off.
    Delete,
}

/// An OrderRequest.
#[derive(Debug, Clone)]
pub struct Order {
    /// The buyer's number.
    pub id: String,
    /// What becomes of it.
    pub kind: OrderType,
    /// The payloadID of the document that it changes or calls off.
    pub replaces: Option<String>,
    /// The lines.
    pub lines: Vec<OrderLine>,
    /// `production` or `test`.
    pub mode: &'static str,
}

/// A line of an OrderRequest: an item of a cart, in a quantity.
#[derive(Debug, Clone)]
pub struct OrderLine {
    /// lineNumber.
    pub number: u32,
    /// How much.
    pub quantity: String,
    /// What came back in the cart.
    pub item: CartItem,
}

impl Order {
    /// A new order of everything in a cart.
    pub fn of(id: &str, items: &[CartItem]) -> Self {
        let lines = (1..).zip(items).map(|(number, item)| OrderLine {
            number,
            quantity: item.quantity.clone(),
            item: item.clone(),
        });
        Self {
            id: id.to_owned(),
            kind: OrderType::New,
            replaces: None,
            lines: lines.collect(),
            mode: "production",
        }
    }

    fn total(&self) -> rust_decimal::Decimal {
        let amount = |text: &str| text.parse::<rust_decimal::Decimal>().unwrap_or_default();
        let lines = self.lines.iter();
        lines
            .map(|line| amount(&line.quantity).saturating_mul(amount(&line.item.unit_price)))
            .sum()
    }

    pub(super) fn request(&self) -> String {
        let kind = match self.kind {
            OrderType::New => "new",
            OrderType::Update => "update",
            OrderType::Delete => "delete",
        };
        let replaces = self.replaces.iter();
        let replaces: String = replaces
            .map(|id| format!("<DocumentReference payloadID=\"{id}\"/>"))
            .collect();
        let lines: String = self
            .lines
            .iter()
            .map(|line| item_out(line.number, &line.item, &line.quantity))
            .collect();
        let currency = self.lines.first();
        let currency = currency.map_or("USD", |line| line.item.currency.as_str());
        format!(
            r#"<OrderRequest><OrderRequestHeader orderID="{}" orderDate="2026-01-05T09:30:00+00:00" type="{kind}">
<Total><Money currency="{currency}">{}</Money></Total>
<ShipTo><Address addressID="21444"><Name xml:lang="en">Acme plant 1</Name></Address></ShipTo>{replaces}
</OrderRequestHeader>{lines}</OrderRequest>"#,
            self.id,
            self.total().round_dp(2)
        )
    }
}

fn item_out(number: u32, item: &CartItem, quantity: &str) -> String {
    format!(
        r#"<ItemOut quantity="{quantity}" lineNumber="{number}"><ItemID><SupplierPartID>{}</SupplierPartID>
<SupplierPartAuxiliaryID>{}</SupplierPartAuxiliaryID></ItemID><ItemDetail>
<UnitPrice><Money currency="{}">{}</Money></UnitPrice><Description xml:lang="en">{}</Description>
<UnitOfMeasure>{}</UnitOfMeasure><Classification domain="UNSPSC">{}</Classification></ItemDetail></ItemOut>"#,
        item.part,
        item.auxiliary,
        item.currency,
        item.unit_price,
        escaped(&item.description),
        item.unit,
        item.class
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}
