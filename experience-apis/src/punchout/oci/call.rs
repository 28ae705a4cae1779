//! The call: what a buyer's system says when it sends a browser here. Pure.

use canonical_model::ItemNumber;
use rust_decimal::Decimal;
use service_runtime::problem::Problem;

use super::{
    charset::Charset,
    name::{Named, named},
    number,
    params::{self, Params, Twice},
};
use crate::punchout::{
    profile::{Oci, Profile},
    visit::OciVisit,
};

/// A frame's name, or one of those that begin with an underscore.
const MOST_TARGET: usize = 64;
/// A field that goes back as it came.
const MOST_KEPT: usize = 100;
/// The words of a search.
const MOST_SEARCH: usize = 200;

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Function {
    /// The shop.
    Shop,
    /// The shop, at this product.
    Detail(ItemNumber),
    /// This item as it is today.
    Validate(ItemNumber, Decimal),
    /// What is found by these words.
    Search(String),
}

/// A call that can be served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) function: Function,
    /// Where the cart goes: approved, in its canonical form.
    pub(super) return_url: String,
    /// What goes back with the cart.
    pub(super) visit: OciVisit,
}

impl From<Twice> for Problem {
    fn from(twice: Twice) -> Self {
        wrong(format!("{twice}."))
    }
}

fn wrong(what: impl Into<String>) -> Problem {
    Problem::invalid_request(what)
}

/// Reads a call whose user was let in.
pub(super) fn read(params: &Params, profile: &Profile, oci: &Oci) -> Result<Call, Problem> {
    let charset = charset(params, oci)?;
    let given = params.text("HOOK_URL")?.ok_or_else(|| {
        wrong("The field HOOK_URL is missing: it says where the cart goes back to.")
    })?;
    let return_url = profile
        .return_url(given)
        .map_err(|refused| Problem::forbidden(format!("HOOK_URL: {refused}.")))?;
    let query = params::read(return_url.query().unwrap_or_default().as_bytes(), charset);
    if query
        .fields()
        .iter()
        .any(|(name, _)| named(name) != Named::Other)
    {
        return Err(wrong(
            "HOOK_URL holds NEW_ITEM fields; the items are ours to add.",
        ));
    }
    let caller = kept(params, "~CALLER")?;
    let target = match params.text("returntarget")? {
        Some(target) => Some(target),
        None => params.text("~TARGET")?,
    };
    if !target.is_none_or(is_frame) {
        return Err(wrong(
            "The field ~TARGET (or returntarget) is no name of a frame, such as _top.",
        ));
    }
    let ok_code = kept(params, "~OkCode")?.unwrap_or_else(|| "ADDI".to_owned());
    Ok(Call {
        function: function(params)?,
        return_url: return_url.into(),
        visit: OciVisit {
            hook_fields: vec![("~OkCode".to_owned(), ok_code)],
            target: target.map(str::to_owned),
            caller,
            charset: charset.name().to_owned(),
            version: kept(params, "OCI_VERSION")?,
        },
    })
}

/// The charset of what is posted back.
fn charset(params: &Params, oci: &Oci) -> Result<Charset, Problem> {
    match params.text("http_content_charset")? {
        None => Ok(agreed_charset(oci)),
        Some(label) => Charset::named(label).ok_or_else(|| {
            wrong("The field http_content_charset names a charset that is not offered: send ISO-8859-1, windows-1252 or UTF-8.")
        }),
    }
}

/// The charset that was agreed with the partner.
pub(super) fn agreed_charset(oci: &Oci) -> Charset {
    Charset::named(&oci.charset).unwrap_or_default()
}

fn function(params: &Params) -> Result<Function, Problem> {
    let name = params.text("FUNCTION")?.unwrap_or_default();
    match name.to_ascii_uppercase().as_str() {
        "" => Ok(Function::Shop),
        "DETAIL" | "DETAILADD" => Ok(Function::Detail(product(params)?)),
        "VALIDATE" => {
            let item = product(params)?;
            let quantity = params.text("QUANTITY")?;
            let quantity = quantity
                .ok_or_else(|| wrong("The field QUANTITY is missing: VALIDATE needs it."))?;
            let quantity = number::read(quantity)
                .map_err(|why| wrong(format!("The field QUANTITY {why}.")))?;
            if quantity <= Decimal::ZERO {
                return Err(wrong("The field QUANTITY must be more than zero."));
            }
            Ok(Function::Validate(item, quantity))
        }
        "BACKGROUND_SEARCH" => {
            let words = params.text("SEARCHSTRING")?;
            let words = words.ok_or_else(|| {
                wrong("The field SEARCHSTRING is missing: BACKGROUND_SEARCH needs it.")
            })?;
            if words.chars().count() > MOST_SEARCH {
                let what = format!("The field SEARCHSTRING may have {MOST_SEARCH} characters.");
                return Err(wrong(what));
            }
            let words = words.chars().filter(|c| !c.is_control());
            Ok(Function::Search(words.collect()))
        }
        "SOURCING" => Err(wrong(
            "FUNCTION=SOURCING is not offered: open the shop without FUNCTION, or search by BACKGROUND_SEARCH.",
        )),
        _ => Err(wrong(
            "The field FUNCTION names a function that is not offered: DETAIL, DETAILADD, VALIDATE and BACKGROUND_SEARCH are.",
        )),
    }
}

fn product(params: &Params) -> Result<ItemNumber, Problem> {
    let number = params.text("PRODUCTID")?;
    let number = number.ok_or_else(|| {
        wrong("The field PRODUCTID is missing: it is the EXT_PRODUCT_ID of the item.")
    })?;
    ItemNumber::new(number)
        .map_err(|_invalid| wrong("The field PRODUCTID is no EXT_PRODUCT_ID of ours."))
}

/// A short field that goes back as it came.
fn kept(params: &Params, name: &str) -> Result<Option<String>, Problem> {
    let value = params.text(name)?;
    let long = value.is_some_and(|value| value.chars().count() > MOST_KEPT);
    if long {
        let what = format!("The field {name} may have {MOST_KEPT} characters.");
        return Err(wrong(what));
    }
    Ok(value.map(str::to_owned))
}

fn is_frame(name: &str) -> bool {
    (1..=MOST_TARGET).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_-.:".contains(&byte))
}
