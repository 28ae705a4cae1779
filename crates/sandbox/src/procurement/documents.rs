//! The documents of the buyer's side: written and read as simply as buyers' systems do.

use roxmltree::{Document, Node, ParsingOptions};

use super::{Cart, CartLine, Desk, SECRET};

/// A field of a form.
pub(super) type Field = (String, String);

/// Text as it stands in XML and in HTML.
pub(super) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// A request under an envelope.
fn envelope(desk: &Desk, request: &str) -> String {
    let now = desk.clock.now();
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE cXML SYSTEM "http://xml.cxml.org/schemas/cXML/1.2.053/cXML.dtd">
<cXML payloadID="{}@procurement.example" timestamp="{}" xml:lang="en-US">
<Header>
<From><Credential domain="NetworkID"><Identity>AN01-ACME</Identity></Credential></From>
<To><Credential domain="NetworkID"><Identity>AN01-NORTHWIND</Identity></Credential></To>
<Sender><Credential domain="NetworkID"><Identity>AN01-ACME</Identity><SharedSecret>{SECRET}</SharedSecret></Credential>
<UserAgent>Procurement demonstration</UserAgent></Sender>
</Header>
<Request deploymentMode="production">{request}</Request>
</cXML>"#,
        uuid::Uuid::new_v4(),
        now.strftime("%Y-%m-%dT%H:%M:%S+00:00")
    )
}

/// A `PunchOutSetupRequest` for a new cart.
pub(super) fn setup(desk: &Desk) -> String {
    let cookie = uuid::Uuid::new_v4();
    let request = format!(
        "<PunchOutSetupRequest operation=\"create\"><BuyerCookie>{cookie}</BuyerCookie>\n\
         <BrowserFormPost><URL>{}/punchout/cart</URL></BrowserFormPost></PunchOutSetupRequest>",
        escaped(&desk.own)
    );
    envelope(desk, &request)
}

/// An `OrderRequest` for a cart.
pub(super) fn order(desk: &Desk, cart: &Cart) -> String {
    let mut total = rust_decimal::Decimal::ZERO;
    let mut lines = String::new();
    let mut currency = "USD";
    for (number, line) in (1_u32..).zip(&cart.lines) {
        let decimal = |text: &str| text.parse::<rust_decimal::Decimal>().unwrap_or_default();
        let product = decimal(&line.quantity).saturating_mul(decimal(&line.price));
        total = total.saturating_add(
            product.round_dp_with_strategy(2, rust_decimal::RoundingStrategy::MidpointAwayFromZero),
        );
        currency = &line.currency;
        lines.push_str(&item_out(number, line));
    }
    let request = format!(
        "<OrderRequest><OrderRequestHeader orderID=\"{}\" orderDate=\"{}\" type=\"new\">\n\
         <Total><Money currency=\"{}\">{total}</Money></Total></OrderRequestHeader>{lines}</OrderRequest>",
        cart.number,
        desk.clock.now().strftime("%Y-%m-%dT%H:%M:%S+00:00"),
        escaped(currency),
    );
    envelope(desk, &request)
}

fn item_out(number: u32, line: &CartLine) -> String {
    let [
        item,
        lock,
        quantity,
        unit,
        price,
        currency,
        description,
        class,
    ] = [
        &line.item,
        &line.lock,
        &line.quantity,
        &line.unit,
        &line.price,
        &line.currency,
        &line.description,
        &line.class,
    ]
    .map(|text| escaped(text));
    format!(
        "\n<ItemOut quantity=\"{quantity}\" lineNumber=\"{number}\"><ItemID><SupplierPartID>{item}</SupplierPartID>\
         <SupplierPartAuxiliaryID>{lock}</SupplierPartAuxiliaryID></ItemID>\
         <ItemDetail><UnitPrice><Money currency=\"{currency}\">{price}</Money></UnitPrice>\
         <Description xml:lang=\"en\">{description}</Description><UnitOfMeasure>{unit}</UnitOfMeasure>\
         <Classification domain=\"UNSPSC\">{class}</Classification></ItemDetail></ItemOut>"
    )
}

/// What an answer says: the code and text of its `Status`, and a start page where it has one.
pub(super) fn answer(document: &str) -> Option<(String, Option<String>)> {
    let tree = tree(document)?;
    let status = find(tree.root_element(), "Status")?;
    let said = format!(
        "{} {}",
        status.attribute("code").unwrap_or_default(),
        status.attribute("text").unwrap_or_default()
    );
    let start = find(tree.root_element(), "StartPage").map(|page| text(page, "URL"));
    Some((said, start))
}

/// A cart that a browser posted in `cxml-urlencoded`; `None` = the buyer left without one.
pub(super) fn cart(fields: &[Field]) -> Option<Cart> {
    let (_, document) = fields.iter().find(|(name, _)| name == "cxml-urlencoded")?;
    let tree = tree(document)?;
    if find(tree.root_element(), "Status").is_some() {
        return None;
    }
    let items = tree
        .descendants()
        .filter(|node| node.has_tag_name("ItemIn"));
    let line = |item: Node<'_, '_>| {
        let money = find(item, "UnitPrice").and_then(|price| find(price, "Money"));
        CartLine {
            item: text(item, "SupplierPartID"),
            lock: text(item, "SupplierPartAuxiliaryID"),
            quantity: item.attribute("quantity").unwrap_or_default().to_owned(),
            unit: text(item, "UnitOfMeasure"),
            price: text(item, "UnitPrice"),
            currency: money
                .and_then(|money| money.attribute("currency"))
                .unwrap_or_default()
                .to_owned(),
            description: text(item, "Description"),
            class: text(item, "Classification"),
        }
    };
    Some(Cart {
        dialect: "cXML",
        lines: items.map(line).collect(),
        ..Cart::default()
    })
}

/// A cart that a browser posted by OCI; `None` = the buyer left without one.
pub(super) fn oci_cart(fields: Vec<Field>) -> Option<Cart> {
    let of = |name: &str, index: usize| {
        let name = format!("NEW_ITEM-{name}[{index}]");
        let found = fields.iter().find(|(field, _)| *field == name);
        found.map(|(_, value)| value.clone()).unwrap_or_default()
    };
    let lines: Vec<CartLine> = (1..)
        .take_while(|index| !of("QUANTITY", *index).is_empty())
        .map(|index| CartLine {
            item: of("VENDORMAT", index),
            lock: of("EXT_QUOTE_ID", index),
            quantity: of("QUANTITY", index),
            unit: of("UNIT", index),
            price: of("PRICE", index),
            currency: of("CURRENCY", index),
            description: of("DESCRIPTION", index),
            class: of("EXT_CATEGORY_ID", index),
        })
        .collect();
    (!lines.is_empty()).then_some(Cart {
        dialect: "OCI",
        lines,
        fields,
        ..Cart::default()
    })
}

/// What a `ConfirmationRequest` says, and of which order.
pub(super) fn confirmation(document: &str) -> Option<(String, String)> {
    let tree = tree(document)?;
    let header = find(tree.root_element(), "ConfirmationHeader")?;
    let order = find(tree.root_element(), "OrderReference")?;
    let statuses = tree
        .descendants()
        .filter(|node| node.has_tag_name("ConfirmationStatus"))
        .map(|status| {
            let of = |name: &str| status.attribute(name).unwrap_or_default();
            let day = of("deliveryDate").split('T').next().unwrap_or_default();
            let unit = text(status, "UnitOfMeasure");
            let said = format!("{}: {} {unit}", in_words(of("type")), of("quantity"));
            if day.is_empty() {
                said
            } else {
                format!("{said} on {day}")
            }
        });
    let said = format!(
        "{}{}",
        match header.attribute("type").unwrap_or_default() {
            "reject" => "rejected; ",
            "backordered" => "backordered; ",
            _ => "",
        },
        statuses.collect::<Vec<_>>().join(", ")
    );
    Some((order.attribute("orderID")?.to_owned(), said))
}

/// The type of a `ConfirmationStatus`, for a person.
fn in_words(kind: &str) -> &str {
    match kind {
        "accept" => "accepted",
        "reject" => "rejected",
        "detail" => "changed",
        "unknown" => "held",
        other => other,
    }
}

/// The answer to a `ConfirmationRequest`.
pub(super) fn received(desk: &Desk) -> String {
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE cXML SYSTEM "http://xml.cxml.org/schemas/cXML/1.2.053/cXML.dtd">
<cXML payloadID="{}@procurement.example" timestamp="{}"><Response><Status code="200" text="OK"/></Response></cXML>"#,
        uuid::Uuid::new_v4(),
        desk.clock.now().strftime("%Y-%m-%dT%H:%M:%S+00:00")
    )
}

fn tree(document: &str) -> Option<Document<'_>> {
    let options = ParsingOptions {
        allow_dtd: true,
        ..ParsingOptions::default()
    };
    Document::parse_with_options(document, options).ok()
}

fn find<'a, 'input>(node: Node<'a, 'input>, name: &str) -> Option<Node<'a, 'input>> {
    node.descendants().find(|node| node.has_tag_name(name))
}

fn text(node: Node<'_, '_>, name: &str) -> String {
    let found = find(node, name);
    let texts = found.into_iter().flat_map(|node| node.descendants());
    let texts = texts.filter(|node| node.is_text());
    let whole: String = texts.filter_map(|node| node.text()).collect();
    whole.trim().to_owned()
}
