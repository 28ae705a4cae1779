//! The form of a whole visit.

use canonical_model::{Currency, SessionId, product::Product, quote::Quote};

use super::{
    super::cart::{cancelled, form},
    world::{HOOK, NOW, product, quote},
};
use crate::punchout::{
    profile::Profile,
    visit::{LeavingCart, Mode, OciVisit, Protocol, Stage, Visit},
};

fn agreed() -> Profile {
    toml::from_str(include_str!(
        "../../../../../config/partners/punchout/acme-punchout.toml"
    ))
    .unwrap()
}

fn visit(target: Option<&str>) -> Visit {
    Visit {
        protocol: Protocol::Oci(OciVisit {
            hook_fields: vec![("~OkCode".to_owned(), "ADDI".to_owned())],
            target: target.map(str::to_owned),
            caller: None,
            charset: "UTF-8".to_owned(),
            version: None,
        }),
        mode: Mode::Create,
        test: false,
        return_url: HOOK.to_owned(),
        cart: Vec::new(),
        ship_to: None,
        selected: None,
        stage: Stage::Shopping,
    }
}

struct Leaving {
    profile: Profile,
    visit: Visit,
    quote: Quote,
    products: Vec<Product>,
}

impl Leaving {
    fn new() -> Self {
        Self {
            profile: agreed(),
            visit: visit(None),
            quote: serde_json::from_value(quote("2.5")).unwrap(),
            products: vec![serde_json::from_value(product("SKU-0001")).unwrap()],
        }
    }

    fn cart(&self, quote: Option<&'_ Quote>) -> LeavingCart<'_> {
        LeavingCart {
            quote: quote.map(|_| &self.quote),
            products: if quote.is_some() { &self.products } else { &[] },
            visit: &self.visit,
            profile: &self.profile,
            currency: Currency::USD,
            session_id: SessionId::generate(),
            now: NOW.parse().unwrap(),
        }
    }
}

#[test]
fn a_cart_leaves_with_the_call_around_it() {
    let leaving = Leaving::new();
    let form = form(&leaving.cart(Some(&leaving.quote))).unwrap();
    assert_eq!(form.action, "https://procure.example.com/punchout/in");
    assert_eq!(
        (form.charset.as_str(), form.target.as_deref()),
        ("UTF-8", Some("_top"))
    );
    let field = |name: &str| {
        let found = form.fields.iter().find(|field| field.0 == name);
        found.map(|field| field.1.as_str())
    };
    assert_eq!(field("sap-client"), Some("100"));
    assert_eq!(field("~CALLER"), Some("CTLG"));
    assert_eq!(field("NEW_ITEM-QUANTITY[1]"), Some("2.5"));
    assert_eq!(field("NEW_ITEM-LEADTIME[1]"), Some("4"));
    assert_eq!(field("NEW_ITEM-EXT_QUOTE_ITEM[1]"), Some("1"));
}

#[test]
fn leaving_without_a_cart_posts_the_call_alone() {
    let leaving = Leaving::new();
    let with = cancelled(&leaving.cart(Some(&leaving.quote))).unwrap();
    let empty = form(&leaving.cart(None)).unwrap();
    assert_eq!(with, empty);
    let names: Vec<_> = empty.fields.iter().map(|field| field.0.as_str()).collect();
    assert_eq!(
        names,
        ["sap-client", "sessid", "~OkCode", "~TARGET", "~CALLER"]
    );
}

#[test]
fn a_field_of_the_hook_address_is_not_doubled() {
    let mut leaving = Leaving::new();
    leaving.visit.return_url =
        "https://procure.example.com/punchout/in?~caller=SRM&~okcode=ADDI".to_owned();
    let form = form(&leaving.cart(None)).unwrap();
    let names: Vec<_> = form.fields.iter().map(|field| field.0.as_str()).collect();
    assert_eq!(names, ["~caller", "~okcode", "~TARGET"]);
}

#[test]
fn what_cannot_be_written_is_told_with_its_line() {
    let mut leaving = Leaving::new();
    leaving.profile.oci.as_mut().unwrap().price_decimals = 0;
    leaving.quote.lines[0]
        .price
        .as_mut()
        .unwrap()
        .unit_price
        .amount = "0.000001".parse().unwrap();
    let cannot = form(&leaving.cart(Some(&leaving.quote))).unwrap_err();
    assert_eq!(cannot.line, Some(1));
    assert!(cannot.detail.contains("NEW_ITEM-PRICE[1]"), "{cannot}");
}

#[test]
fn vendor_and_material_group_go_out_where_they_were_agreed() {
    let mut leaving = Leaving::new();
    let oci = leaving.profile.oci.as_mut().unwrap();
    oci.vendor = Some("100234".to_owned());
    oci.material_group = Some("00107".to_owned());
    let form = form(&leaving.cart(Some(&leaving.quote))).unwrap();
    for (name, value) in [("VENDOR", "100234"), ("MATGROUP", "00107")] {
        let field = (format!("NEW_ITEM-{name}[1]"), value.to_owned());
        assert!(form.fields.contains(&field), "{name}");
    }
}
