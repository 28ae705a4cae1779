//! Every OCI return form of the sample collection: its items, or what is wrong with them.
//!
//! The collection is not part of this repository: without it the test says so and passes. A page is read as a browser
//! reads it. A file that is not in the table is judged by an independent count of its fields.

use std::{collections::BTreeSet, io::Write as _, path::PathBuf};

use super::{
    super::{
        charset::Charset,
        params,
        read::{Cart, read},
        units::Units,
    },
    html,
};

/// A file, and its items as `index: quantity unit at unit price`, faults and notes.
const TABLE: &[(&str, &str)] = &[
    // 50.00 for five.
    ("oci30_spec_priceunit.html", "1: 20 H87 at 10 EUR"),
    (
        "punchoutsandbox__return_body.form",
        "1: 3 XBX at 9.99 GBP +text; 2: 500 H87 at 0.0125 EUR",
    ),
    (
        "punchoutsandbox__return_form.html",
        "1: 3 XBX at 9.99 GBP +text; 2: 500 H87 at 0.0125 EUR",
    ),
    (
        "punchoutsandbox__validate_response.html",
        "1: 500 H87 at 0.0125 EUR",
    ),
    // Some descriptions have more than 40 characters, prices leading zeros; one has fields of its own.
    ("sapoci__oci40_real_world.html", TEN_ITEMS),
    ("sapoci__oci40_meplato_extensions.html", TEN_ITEMS),
    // Five spellings of LONGTEXT.
    (
        "sapoci__valid_invalid_longtext_html.html",
        "1: 1 H87 at 999.9 EUR +text; 2: 2 H87 at 1799 EUR +text; 3: 1 H87 at 4999 EUR +text; \
         4: 1 H87 at 799 EUR +text; 5: 1 H87 at 899 EUR +text",
    ),
    (
        "sapoci__valid_long_html.html",
        "1: 1 H87 at 999.9 EUR +text; 2: 2 H87 at 1799 EUR +text",
    ),
    // A description and nothing more.
    (
        "sapoci__valid_single_html.html",
        "1: ? ? at ? ?; fault NEW_ITEM-QUANTITY[1]; fault NEW_ITEM-UNIT[1]",
    ),
];

const TEN_ITEMS: &str = "1: 1 H87 at 1730.9 EUR +text; 2: 1 H87 at 1944.65 EUR +text; 3: 1 H87 at 68.53 EUR +text; \
         4: 1 XPA at 4.76 EUR +text; 5: 1 XPA at 5.73 EUR +text; 6: 1 XPA at 6.08 EUR +text; \
         7: 1 XPA at 10.65 EUR +text; 8: 1 H87 at 12.68 EUR +text; 9: 1 H87 at 12.68 EUR +text; \
         10: 1 H87 at 11.87 EUR +text; note NEW_ITEM-DESCRIPTION[1]; note NEW_ITEM-DESCRIPTION[2]; \
         note NEW_ITEM-DESCRIPTION[8]; note NEW_ITEM-DESCRIPTION[9]; note NEW_ITEM-DESCRIPTION[10]";

struct Sample {
    name: String,
    fields: Vec<(String, String)>,
    mended: usize,
}

fn samples() -> Option<Vec<Sample>> {
    let folder = std::env::var_os("ORDERWAY_SAMPLES").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/samples"),
        PathBuf::from,
    );
    let index = std::fs::read_to_string(folder.join("INDEX.tsv")).ok()?;
    let rows = index.lines().map(|row| row.split('\t').collect::<Vec<_>>());
    let files = rows
        .filter(|row| row.get(1) == Some(&"oci"))
        .map(|row| sample(&folder.join(row[0])));
    Some(files.collect())
}

fn sample(path: &std::path::Path) -> Sample {
    let name = path.file_name().unwrap().to_string_lossy().into_owned();
    let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("{name}: {error}"));
    let page = html::page(&String::from_utf8_lossy(&bytes));
    if page.forms.is_empty() {
        let fields = params::read(&bytes, Charset::Latin1).fields().to_vec();
        return Sample {
            name,
            fields,
            mended: 0,
        };
    }
    let fields = page.forms.into_iter().flat_map(|form| form.fields);
    Sample {
        name,
        fields: fields.collect(),
        mended: page.mended.len(),
    }
}

/// What was read, in one line.
fn told(cart: &Cart, mended: usize) -> String {
    let mut told: Vec<String> = cart
        .items
        .iter()
        .map(|item| {
            let text = |value: Option<String>| value.unwrap_or_else(|| "?".to_owned());
            format!(
                "{}: {} {} at {} {}{}",
                item.index,
                text(
                    item.quantity
                        .map(|quantity| quantity.normalize().to_string())
                ),
                text(item.unit.map(|unit| unit.to_string())),
                text(item.unit_price().map(|price| price.to_string())),
                text(item.currency.map(|currency| currency.code().to_owned())),
                item.long_text.as_ref().map_or("", |_| " +text"),
            )
        })
        .collect();
    told.extend(
        cart.faults
            .iter()
            .map(|fault| format!("fault {}", fault.field)),
    );
    told.extend(cart.notes.iter().map(|note| format!("note {}", note.field)));
    if mended > 0 {
        told.push("mended".to_owned());
    }
    told.join("; ")
}

/// How many items a form has, counted without the reader: distinct numbers behind DESCRIPTION, MATNR or QUANTITY.
fn counted(fields: &[(String, String)]) -> usize {
    let indices = fields.iter().filter_map(|(name, value)| {
        let name = name.to_uppercase();
        let begins = ["DESCRIPTION[", "MATNR[", "QUANTITY["]
            .iter()
            .find_map(|begin| {
                name.strip_prefix(&format!("NEW_ITEM-{begin}"))
                    .map(str::to_owned)
            });
        let digits = begins?.trim_end_matches(']').trim().parse::<u32>().ok()?;
        (!value.trim().is_empty()).then_some(digits)
    });
    indices.collect::<BTreeSet<u32>>().len()
}

#[test]
fn every_sample_is_read_or_told_why_not() {
    let Some(samples) = samples() else {
        let required = std::env::var_os("ORDERWAY_TEST_REQUIRE").unwrap_or_default();
        let required = required.to_string_lossy();
        let is_required = required.split(',').any(|need| need.trim() == "samples");
        assert!(!is_required, "needs samples: set ORDERWAY_SAMPLES");
        // Past the capture of the test runner: a skip that nobody sees would look like a pass.
        drop(writeln!(
            std::io::stderr(),
            "skipped: needs samples (set ORDERWAY_SAMPLES)"
        ));
        return;
    };
    let (theirs, iso) = Default::default();
    let units = Units {
        theirs: &theirs,
        iso: &iso,
    };
    let mut wrong = Vec::new();
    for sample in &samples {
        let cart =
            read(&sample.fields, units).unwrap_or_else(|error| panic!("{}: {error}", sample.name));
        let told = told(&cart, sample.mended);
        let name = &sample.name;
        match TABLE.iter().find(|(file, _)| file == name) {
            Some((_, expected)) if *expected != told => {
                wrong.push(format!("{name}: '{expected}' expected, got '{told}'"));
            }
            Some(_) => {}
            None => println!("not in the table: {name}: {told}"),
        }
        let count = counted(&sample.fields);
        if cart.items.len() != count || count == 0 {
            wrong.push(format!(
                "{name}: {count} items counted, {} read",
                cart.items.len()
            ));
        }
        for fault in &cart.faults {
            let named = fault.field.starts_with("NEW_ITEM-") && !fault.what.is_empty();
            assert!(named, "{name}: {fault}");
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn broken_quotes_are_read_as_a_browser_reads_them_and_flagged() {
    let page = html::page(
        "<form action='https://hook.example/' method='POST'>\
         <input name=\"NEW_ITEM-DESCRIPTION[1]\" value=\"Monitor 11\" black\">\
         <input name='NEW_ITEM-QUANTITY[1]' value=5></form>",
    );
    assert!(
        !page.mended.is_empty(),
        "the quote in the middle is noticed"
    );
    let form = &page.forms[0];
    assert_eq!(form.method, "post");
    assert_eq!(form.fields[0].1, "Monitor 11");
    assert_eq!(form.fields[1].1, "5");
}
