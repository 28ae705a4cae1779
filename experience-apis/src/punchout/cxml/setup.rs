//! `PunchOutSetupRequest`: a buyer wants to shop; and its answer, the address where the shop opens.

use rust_decimal::Decimal;

use super::{
    fields::Faults,
    item::{Extrinsic, ItemId, Place, extrinsics, place},
    outgoing::Outgoing,
    status::{Code, Status},
    xml::{Element, inner_xml},
};

/// As many lines as an order may have.
const MOST_ITEMS: usize = 5_000;
/// What is kept of a setup for its whole session, in bytes of cookie and extrinsics.
const MOST_KEPT: usize = 64 * 1024;
/// What stands around an extrinsic where it is kept: an empty one takes room too.
const AROUND: usize = 8;
/// Longest address of a web page.
const MOST_URL: usize = 2_000;

/// What the buyer may do in the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// Fill a new cart.
    Create,
    /// Change a cart that left before.
    Edit,
    /// Look at a cart that left before.
    Inspect,
}

/// A `PunchOutSetupRequest`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setup {
    /// What the buyer may do.
    pub operation: Operation,
    /// What is given back untouched, as XML.
    pub buyer_cookie: String,
    /// Data of the buyer's own.
    pub extrinsics: Vec<Extrinsic>,
    /// Where the cart is posted to.
    pub return_url: String,
    /// Where the goods would go.
    pub ship_to: Option<Place>,
    /// The item to show first.
    pub selected: Option<ItemId>,
    /// The cart as the buyer has it.
    pub items: Vec<SetupItem>,
}

/// A line of the cart that the buyer sends back to be changed or looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetupItem {
    /// The buyer's number of it.
    pub line_number: Option<u32>,
    /// The item.
    pub item: ItemId,
    /// How much.
    pub quantity: Decimal,
    /// The unit as the buyer writes it.
    pub unit: Option<String>,
}

/// Reads the request element.
pub fn read(request: &Element) -> Result<Setup, Status> {
    let mut faults = Faults::default();
    let operation = operation(request, &mut faults)?;
    let cookie = request.first("BuyerCookie");
    if cookie.is_none() {
        faults.add(
            "PunchOutSetupRequest/BuyerCookie",
            "is missing: send it, for it is given back with the cart.",
        );
    }
    let buyer_cookie = cookie.map(inner_xml).unwrap_or_default();
    let extrinsics = extrinsics(request);
    let kept = extrinsics
        .iter()
        .fold(buyer_cookie.len(), |sum, extrinsic| {
            sum + extrinsic.name.len() + extrinsic.value.len() + AROUND
        });
    if kept > MOST_KEPT {
        faults.add(
            "PunchOutSetupRequest",
            "BuyerCookie and Extrinsic elements are more than 64 KiB together: send less.",
        );
    }
    let return_url = return_url(request, &mut faults);
    let selected = request
        .first("SelectedItem")
        .filter(|selected| names_an_item(selected))
        .and_then(|selected| {
            ItemId::read(selected, "PunchOutSetupRequest/SelectedItem", &mut faults)
        });
    let items = items(request, &mut faults);
    let setup = return_url.map(|return_url| Setup {
        operation,
        buyer_cookie,
        extrinsics,
        return_url,
        ship_to: place(request, "ShipTo"),
        selected,
        items,
    });
    faults.or(setup)
}

fn operation(request: &Element, faults: &mut Faults) -> Result<Operation, Status> {
    match request.attribute("operation").unwrap_or_default() {
        "create" => Ok(Operation::Create),
        "edit" => Ok(Operation::Edit),
        "inspect" => Ok(Operation::Inspect),
        source if source.eq_ignore_ascii_case("source") => Err(Status::new(
            Code::NotImplemented,
            "PunchOutSetupRequest/@operation source (a request for quotation) is not offered here: send create, edit or inspect.",
        )),
        _ => {
            faults.add(
                "PunchOutSetupRequest/@operation",
                "must be create, edit or inspect.",
            );
            Ok(Operation::Create)
        }
    }
}

fn return_url(request: &Element, faults: &mut Faults) -> Option<String> {
    let url = request.at(&["BrowserFormPost", "URL"]);
    let url = url.map(Element::own_text).unwrap_or_default();
    if url.is_empty() || url.len() > MOST_URL {
        faults.add(
            "PunchOutSetupRequest/BrowserFormPost/URL",
            "is missing or too long: send the address that the cart is posted to.",
        );
        return None;
    }
    Some(url)
}

/// Some send an empty `SelectedItem` for none.
fn names_an_item(selected: &Element) -> bool {
    selected
        .at(&["ItemID", "SupplierPartID"])
        .is_some_and(|part| !part.own_text().is_empty())
}

fn items(request: &Element, faults: &mut Faults) -> Vec<SetupItem> {
    if request.named("ItemOut").nth(MOST_ITEMS).is_some() {
        faults.add(
            "PunchOutSetupRequest/ItemOut",
            "there are more than 5,000 of them.",
        );
        return Vec::new();
    }
    let mut items = Vec::new();
    for (index, element) in request.named("ItemOut").enumerate() {
        let path = format!("PunchOutSetupRequest/ItemOut[{}]", index + 1);
        let item = ItemId::read(element, &path, faults);
        let quantity = faults.quantity(element.attribute("quantity"), &format!("{path}/@quantity"));
        let line_number = element.attribute("lineNumber");
        let unit = element.at(&["ItemDetail", "UnitOfMeasure"]);
        if let (Some(item), Some(quantity)) = (item, quantity) {
            items.push(SetupItem {
                line_number: line_number.and_then(|number| number.trim().parse().ok()),
                item,
                quantity,
                unit: unit.map(Element::own_text).filter(|unit| !unit.is_empty()),
            });
        }
    }
    items
}

/// The answer: where the buyer's browser goes.
pub fn response(outgoing: &Outgoing, start_page: &str) -> String {
    let url = Element::new("URL").text(start_page);
    let page = Element::new("StartPage").child(url);
    outgoing.response_with(Element::new("PunchOutSetupResponse").child(page))
}
