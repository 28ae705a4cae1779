//! Items as they leave: by the book, or not at all.

use std::collections::BTreeMap;

use canonical_model::{Currency, QuoteId, UnitOfMeasure};
use rstest::rstest;
use rust_decimal::{Decimal, dec};
use uuid::Uuid;

use super::super::{
    charset::Charset,
    fields::{BOOK, Item, Manner, in_book, write},
    read::read,
    units::Units,
};
use crate::punchout::lock::Lock;

fn gloves() -> Item<'static> {
    Item {
        description: "Nitrile gloves",
        buyer_part_number: Some("ACM-9002"),
        part_number: "SKU-0001",
        quantity: dec!(3.000),
        unit: UnitOfMeasure::from_code("XBX").unwrap(),
        unit_price: dec!(9.9900),
        currency: Currency::EUR,
        lead_time: Some(2),
        unspsc: "46181504",
        lock: Some(Lock {
            quote: QuoteId(Uuid::from_u128(0x0199_e0a4_6c1f_7d3a_9a55_0c6f_4f1d_2b7e)),
            line: 1,
        }),
    }
}

struct Agreed {
    charset: Charset,
    price_decimals: u32,
    iso: BTreeMap<UnitOfMeasure, String>,
    theirs: BTreeMap<String, UnitOfMeasure>,
}

impl Default for Agreed {
    fn default() -> Self {
        Self {
            charset: Charset::Latin1,
            price_decimals: 3,
            iso: BTreeMap::new(),
            theirs: BTreeMap::new(),
        }
    }
}

impl Agreed {
    fn units(&self) -> Units<'_> {
        Units {
            theirs: &self.theirs,
            iso: &self.iso,
        }
    }

    fn write(&self, items: &[Item<'_>]) -> Result<Vec<(String, String)>, String> {
        let manner = Manner {
            charset: self.charset,
            units: self.units(),
            price_decimals: self.price_decimals,
            material_group: None,
            vendor: None,
        };
        write(items, &manner).map_err(|unwritable| unwritable.to_string())
    }

    /// A field of the first item.
    fn field(&self, item: &Item<'_>, name: &str) -> Result<String, String> {
        let fields = self.write(std::slice::from_ref(item))?;
        let name = format!("NEW_ITEM-{name}[1]");
        let found = fields.into_iter().find(|field| field.0 == name);
        Ok(found.map(|field| field.1).unwrap_or_default())
    }
}

#[test]
fn an_item_is_written_in_the_fields_of_the_book() {
    let fields = Agreed::default().write(&[gloves(), gloves()]).unwrap();
    let first: Vec<_> = fields
        .iter()
        .filter(|(name, _)| name.contains("[1]"))
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    assert_eq!(
        first,
        [
            "NEW_ITEM-DESCRIPTION[1]=Nitrile gloves",
            "NEW_ITEM-MATNR[1]=ACM-9002",
            "NEW_ITEM-QUANTITY[1]=3",
            "NEW_ITEM-UNIT[1]=BX",
            "NEW_ITEM-PRICE[1]=9.99",
            "NEW_ITEM-CURRENCY[1]=EUR",
            "NEW_ITEM-PRICEUNIT[1]=1",
            "NEW_ITEM-LEADTIME[1]=2",
            "NEW_ITEM-VENDORMAT[1]=SKU-0001",
            "NEW_ITEM-EXT_QUOTE_ID[1]=0199e0a46c1f7d3a9a550c6f4f1d2b7e",
            "NEW_ITEM-EXT_QUOTE_ITEM[1]=1",
            "NEW_ITEM-EXT_PRODUCT_ID[1]=SKU-0001",
            "NEW_ITEM-EXT_SCHEMA_TYPE[1]=UNSPSC",
            "NEW_ITEM-EXT_CATEGORY_ID[1]=46181504",
        ]
    );
    assert_eq!(fields.len(), 28, "the second has as many, under its index");
    assert!(
        fields
            .iter()
            .skip(14)
            .all(|(name, _)| name.ends_with("[2]"))
    );
}

#[test]
fn what_was_not_agreed_or_is_not_known_is_not_written() {
    let item = Item {
        buyer_part_number: None,
        lead_time: None,
        lock: None,
        ..gloves()
    };
    let fields = Agreed::default().write(&[item]).unwrap();
    for name in [
        "MATNR",
        "LEADTIME",
        "EXT_QUOTE_ID",
        "MATGROUP",
        "VENDOR[",
        "LONGTEXT",
    ] {
        assert!(!fields.iter().any(|field| field.0.contains(name)), "{name}");
    }
}

#[rstest]
#[case(dec!(9.99), 3, "9.99", "1")]
#[case(dec!(12), 3, "12.00", "1")]
#[case(dec!(0.0125), 3, "0.125", "10")]
#[case(dec!(0.0125), 2, "1.25", "100")]
#[case(dec!(0.000125), 2, "1.25", "10000")]
#[case(dec!(0.335), 2, "3.35", "10")]
#[case(dec!(0), 2, "0.00", "1")]
fn price_by_price_unit_is_exactly_the_unit_price(
    #[case] unit_price: Decimal,
    #[case] price_decimals: u32,
    #[case] price: &str,
    #[case] price_unit: &str,
) {
    let agreed = Agreed {
        price_decimals,
        ..Agreed::default()
    };
    let item = Item {
        unit_price,
        ..gloves()
    };
    assert_eq!(agreed.field(&item, "PRICE").unwrap(), price);
    assert_eq!(agreed.field(&item, "PRICEUNIT").unwrap(), price_unit);
    let (price, unit): (Decimal, Decimal) = (price.parse().unwrap(), price_unit.parse().unwrap());
    assert_eq!(price / unit, unit_price);
}

#[test]
fn a_price_that_cannot_be_exact_does_not_leave() {
    let item = Item {
        unit_price: dec!(0.00000125),
        ..gloves()
    };
    let why = Agreed::default().write(&[gloves(), item]).unwrap_err();
    assert!(
        why.starts_with("NEW_ITEM-PRICE[2]: `0.00000125` cannot be written exactly"),
        "{why}"
    );
}

#[test]
fn yen_have_no_decimals_to_show() {
    let item = Item {
        unit_price: dec!(1500),
        currency: Currency::JPY,
        ..gloves()
    };
    assert_eq!(Agreed::default().field(&item, "PRICE").unwrap(), "1500");
}

#[rstest]
#[case(dec!(99999999999.999), Some("99999999999.999"))]
#[case(dec!(100000000000), None)]
#[case(dec!(100000000000.001), None)]
#[case(dec!(0.001), Some("0.001"))]
#[case(dec!(0.0001), None)]
#[case(dec!(0), None)]
#[case(dec!(-1), None)]
fn a_quantity_fits_or_does_not_leave(#[case] quantity: Decimal, #[case] text: Option<&str>) {
    let item = Item {
        quantity,
        ..gloves()
    };
    let written = Agreed::default().field(&item, "QUANTITY");
    assert_eq!(written.ok().as_deref(), text);
}

#[test]
fn words_are_cut_at_the_limit_with_the_whole_in_the_long_text() {
    let agreed = Agreed::default();
    let at = |length: usize| "x".repeat(length);
    let (limit, beyond) = (at(40), at(41));
    let described = |description| {
        agreed
            .write(&[Item {
                description,
                ..gloves()
            }])
            .unwrap()
    };
    let long = |fields: &[(String, String)]| {
        let field = fields
            .iter()
            .find(|field| field.0 == "NEW_ITEM-LONGTEXT_1:132[]");
        field.map(|field| field.1.clone())
    };
    let whole = described(&limit);
    assert_eq!((whole[0].1.as_str(), long(&whole)), (limit.as_str(), None));
    let cut = described(&beyond);
    assert_eq!(
        (cut[0].1.as_str(), long(&cut)),
        (limit.as_str(), Some(beyond))
    );
}

#[test]
fn a_cut_does_not_break_a_reference() {
    // Each snowman is posted as seven characters.
    let item_text = "☃".repeat(6);
    let item = Item {
        description: &item_text,
        ..gloves()
    };
    let written = Agreed::default().field(&item, "DESCRIPTION").unwrap();
    assert_eq!(written, "&#9731;".repeat(5));
    let utf8 = Agreed {
        charset: Charset::Utf8,
        ..Agreed::default()
    };
    assert_eq!(utf8.field(&item, "DESCRIPTION").unwrap(), item_text);
}

#[test]
fn identifiers_are_never_cut_or_changed() {
    let agreed = Agreed::default();
    let (limit, beyond) = ("y".repeat(40), "y".repeat(41));
    let numbered = |part_number| {
        let item = Item {
            part_number,
            ..gloves()
        };
        agreed.field(&item, "VENDORMAT")
    };
    assert_eq!(numbered(&limit).unwrap(), limit);
    assert_eq!(
        numbered(&beyond).unwrap_err(),
        format!("NEW_ITEM-VENDORMAT[1]: `{beyond}` is longer than 40 characters, and is not cut")
    );
    assert_eq!(
        numbered("SKU–1").unwrap_err(),
        "NEW_ITEM-VENDORMAT[1]: `SKU–1` has '–', which ISO-8859-1 does not have: agree on UTF-8"
    );
}

#[test]
fn a_unit_without_an_iso_code_does_not_leave() {
    let item = Item {
        unit: UnitOfMeasure::from_code("XPL").unwrap(),
        ..gloves()
    };
    let mut agreed = Agreed::default();
    assert!(agreed.write(std::slice::from_ref(&item)).is_err());
    agreed.iso.insert(item.unit, "EIM".to_owned());
    assert_eq!(agreed.field(&item, "UNIT").unwrap(), "EIM");
}

#[test]
fn line_breaks_and_control_characters_are_blanks() {
    let item = Item {
        description: "two\r\nlines\u{7}\t here",
        ..gloves()
    };
    assert_eq!(
        Agreed::default().field(&item, "DESCRIPTION").unwrap(),
        "two lines here"
    );
}

#[test]
fn what_leaves_is_read_back_as_the_same() {
    let agreed = Agreed::default();
    let items = [
        gloves(),
        Item {
            unit_price: dec!(0.0125),
            quantity: dec!(0.5),
            unit: UnitOfMeasure::EACH,
            ..gloves()
        },
    ];
    let cart = read(&agreed.write(&items).unwrap(), agreed.units()).unwrap();
    assert_eq!((cart.faults.len(), cart.notes.len()), (0, 0));
    for (item, left) in cart.items.iter().zip(&items) {
        assert_eq!(item.quantity, Some(left.quantity));
        assert_eq!(item.unit, Some(left.unit));
        assert_eq!(item.unit_price(), Some(left.unit_price));
        assert_eq!(item.currency, Some(left.currency));
        assert_eq!(item.get("VENDORMAT"), Some(left.part_number));
    }
}

#[test]
fn the_book_has_every_field_once_with_its_length() {
    assert_eq!(in_book("ATTACHMENT").unwrap().most, 255);
    assert_eq!(in_book("TAX_CODE"), None);
    let mut names: Vec<_> = BOOK.iter().map(|field| field.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), BOOK.len());
}
