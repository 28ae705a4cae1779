//! Carts as buyers' systems post them, right and wrong.

use std::collections::BTreeMap;

use rstest::rstest;

use super::super::{
    read::{Cart, TooMuch, read},
    units::Units,
};

/// Reads a form that is written as `NAME=value` lines; `NEW_ITEM-` is added to what has an index.
fn cart(form: &str) -> Cart {
    let fields: Vec<(String, String)> = form
        .lines()
        .map(|line| line.trim_start())
        .filter(|line| !line.is_empty())
        .map(|line| {
            let (name, value) = line.split_once('=').unwrap();
            let prefix = if name.contains('[') { "NEW_ITEM-" } else { "" };
            (format!("{prefix}{name}"), value.to_owned())
        })
        .collect();
    let (theirs, iso) = (BTreeMap::new(), BTreeMap::new());
    let units = Units {
        theirs: &theirs,
        iso: &iso,
    };
    read(&fields, units).unwrap()
}

const SOUND: &str = "DESCRIPTION[1]=Hex screw\nQUANTITY[1]=500\nUNIT[1]=PCE\nPRICE[1]=12.50\n\
                     PRICEUNIT[1]=1000\nCURRENCY[1]=EUR\nVENDORMAT[1]=HX-840";

/// A sound cart in which one field stands for another.
fn with(name: &str, value: &str) -> Cart {
    let others: Vec<&str> = SOUND
        .lines()
        .filter(|line| !line.starts_with(&format!("{name}[")))
        .collect();
    cart(&format!("{}\n{name}[1]={value}", others.join("\n")))
}

fn faults(cart: &Cart) -> Vec<String> {
    cart.faults.iter().map(ToString::to_string).collect()
}

#[test]
fn items_come_in_the_order_of_their_index_whatever_they_begin_with() {
    let read = cart(
        "DESCRIPTION[7]=seventh
         quantity[0]=1
         Unit[0]=EA
         QUANTITY[7]=7
         UNIT[7]=EA
         DESCRIPTION[0]=first
         DESCRIPTION[3]=third
         UNIT[3]=EA
         QUANTITY[3]=3
         ~OkCode=ADDI",
    );
    assert_eq!(faults(&read), Vec::<String>::new());
    let seen: Vec<_> = read
        .items
        .iter()
        .map(|item| (item.index, item.get("DESCRIPTION").unwrap()))
        .collect();
    assert_eq!(seen, [(0, "first"), (3, "third"), (7, "seventh")]);
}

#[test]
fn the_price_is_of_one_unit_and_an_empty_price_unit_is_one() {
    let read = cart(SOUND);
    assert_eq!(read.items[0].unit_price().unwrap().to_string(), "0.0125");
    assert_eq!(read.items[0].price_unit, 1000);
    let read = with("PRICEUNIT", "  ");
    assert_eq!(read.items[0].unit_price().unwrap().to_string(), "12.5");
    let read = with("PRICEUNIT", "1.0");
    assert_eq!(faults(&read), Vec::<String>::new());
}

#[rstest]
#[case("QUANTITY", "12,50", "12.50")]
#[case("QUANTITY", " 3.000 ", "3.000")]
#[case("QUANTITY", "00000000005", "5")]
fn numbers_are_read_leniently(#[case] name: &str, #[case] text: &str, #[case] number: &str) {
    let read = with(name, text);
    assert_eq!(read.items[0].quantity.unwrap().to_string(), number);
    assert_eq!(faults(&read), Vec::<String>::new());
}

#[rstest]
#[case("QUANTITY", "", "NEW_ITEM-QUANTITY[1]: is missing")]
#[case("QUANTITY", "0", "NEW_ITEM-QUANTITY[1]: must be more than zero")]
#[case("QUANTITY", "-3", "NEW_ITEM-QUANTITY[1]: must be more than zero")]
#[case(
    "QUANTITY",
    "1,234.56",
    "NEW_ITEM-QUANTITY[1]: could be two numbers: send it with a decimal point and without thousands separators, such as 1234.56"
)]
#[case(
    "PRICE",
    "1,234",
    "NEW_ITEM-PRICE[1]: could be two numbers: send it with a decimal point and without thousands separators, such as 1234.56"
)]
#[case("PRICE", "-1", "NEW_ITEM-PRICE[1]: must not be less than zero")]
#[case(
    "PRICEUNIT",
    "0",
    "NEW_ITEM-PRICEUNIT[1]: must be a whole number above zero"
)]
#[case(
    "PRICEUNIT",
    "0.5",
    "NEW_ITEM-PRICEUNIT[1]: must be a whole number above zero"
)]
#[case(
    "UNIT",
    "PIECE",
    "NEW_ITEM-UNIT[1]: is not known: send a listed ISO code, or have it added to the agreement"
)]
#[case("UNIT", " ", "NEW_ITEM-UNIT[1]: is missing: send an ISO code")]
#[case(
    "CURRENCY",
    "EURO",
    "NEW_ITEM-CURRENCY[1]: is no ISO 4217 code, such as EUR"
)]
#[case(
    "CURRENCY",
    "",
    "NEW_ITEM-CURRENCY[1]: is missing, and there is a PRICE"
)]
#[case(
    "DESCRIPTION",
    "",
    "NEW_ITEM-DESCRIPTION[1]: is missing, and so is MATNR: send one of the two"
)]
fn a_fault_names_field_and_index(#[case] name: &str, #[case] value: &str, #[case] fault: &str) {
    assert_eq!(faults(&with(name, value)), [fault]);
}

#[test]
fn with_the_buyers_number_unit_and_description_may_be_missing() {
    let read = cart("MATNR[1]=ACM-1\nQUANTITY[1]=2");
    assert_eq!(faults(&read), Vec::<String>::new());
    assert_eq!(read.items[0].unit, None);
}

#[test]
fn a_field_twice_with_two_values_is_a_fault() {
    let read = cart(&format!("{SOUND}\nQUANTITY[01]=5000"));
    assert_eq!(
        faults(&read),
        ["NEW_ITEM-QUANTITY[1]: came twice, with two values: send it once"]
    );
    assert!(cart(&format!("{SOUND}\nQUANTITY[1]=500")).faults.is_empty());
}

#[test]
fn an_empty_field_contradicts_nothing() {
    for fields in ["MATNR[1]=\nMATNR[1]=ACM-1", "MATNR[1]=ACM-1\nMATNR[1]="] {
        let read = cart(&format!("{SOUND}\n{fields}"));
        assert!(read.faults.is_empty(), "{fields}: {:?}", read.faults);
        assert_eq!(read.items[0].get("MATNR"), Some("ACM-1"));
    }
}

#[test]
fn a_long_name_is_not_repeated_whole() {
    let name = "X".repeat(100_000);
    let read = cart(&format!(
        "{SOUND}\nNEW_ITEM-{name}=1\n{name}[1]=1\n{name}[1]=2"
    ));
    let lengths: Vec<usize> = read.faults.iter().map(|fault| fault.field.len()).collect();
    assert_eq!(lengths, ["NEW_ITEM-".len() + 40, "NEW_ITEM-[1]".len() + 40]);
}

#[test]
fn identifiers_at_the_limit_are_taken_and_beyond_it_refused() {
    assert!(with("VENDORMAT", &"x".repeat(40)).faults.is_empty());
    assert_eq!(
        faults(&with("VENDORMAT", &"x".repeat(41))),
        ["NEW_ITEM-VENDORMAT[1]: is longer than 40 characters"]
    );
    let long = with("DESCRIPTION", &"ü".repeat(41));
    assert!(
        long.faults.is_empty(),
        "words may be longer than the book has them"
    );
    assert_eq!(
        long.notes[0].to_string(),
        "NEW_ITEM-DESCRIPTION[1]: is longer than 40 characters"
    );
}

#[test]
fn extensions_and_long_texts_are_kept() {
    let read = cart(&format!(
        "{SOUND}\nTAX_CODE[1]= V19 \nCUST_FIELD30[1]=thirty\nLONGTEXT_1:132[]=one\nLONGTEXT[1]=two"
    ));
    let item = &read.items[0];
    assert_eq!(item.get("TAX_CODE"), Some("V19"));
    assert_eq!(item.get("CUST_FIELD30"), Some("thirty"));
    assert_eq!(item.long_text.as_deref(), Some("one\ntwo"));
}

#[test]
fn a_long_text_that_names_no_item_goes_to_the_only_one() {
    let one = cart(&format!("{SOUND}\nLONGTEXT:132[]=whose"));
    assert_eq!(one.items[0].long_text.as_deref(), Some("whose"));
    let second = SOUND.replace("[1]", "[2]");
    let two = cart(&format!("{SOUND}\n{second}\nLONGTEXT:132[]=whose"));
    assert_eq!(
        two.notes[0].to_string(),
        "NEW_ITEM-LONGTEXT: does not say which item it is of: it was passed over"
    );
}

#[test]
fn an_empty_item_is_passed_over_and_said() {
    let read = cart(&format!("{SOUND}\nDESCRIPTION[2]=\nQUANTITY[2]= "));
    assert_eq!(read.items.len(), 1);
    assert_eq!(
        read.notes[0].to_string(),
        "NEW_ITEM-*[2]: no field says anything of it: it was passed over"
    );
}

#[test]
fn a_field_without_a_readable_index_is_a_fault() {
    assert_eq!(
        faults(&cart(&format!("{SOUND}\nPRICE[one]=5"))),
        ["NEW_ITEM-PRICE[ONE]: has no index that could be read: write NEW_ITEM-QUANTITY[1]"]
    );
}

#[test]
fn a_form_is_read_within_bounds() {
    let (theirs, iso) = (BTreeMap::new(), BTreeMap::new());
    let units = Units {
        theirs: &theirs,
        iso: &iso,
    };
    let items = |count: u32| -> Vec<(String, String)> {
        (1..=count)
            .map(|index| (format!("NEW_ITEM-QUANTITY[{index}]"), "1".to_owned()))
            .collect()
    };
    assert_eq!(read(&items(5_000), units).unwrap().items.len(), 5_000);
    assert_eq!(read(&items(5_001), units).unwrap_err(), TooMuch::Items);
    let fields = vec![("x".to_owned(), String::new()); 200_001];
    assert_eq!(read(&fields, units).unwrap_err(), TooMuch::Fields);
    let wide = |length| vec![("x".to_owned(), "y".repeat(length))];
    assert!(read(&wide(2 * 1024 * 1024 - 1), units).is_ok());
    assert_eq!(
        read(&wide(2 * 1024 * 1024), units).unwrap_err(),
        TooMuch::Bytes
    );
}
