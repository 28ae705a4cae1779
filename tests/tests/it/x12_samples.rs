//! Every X12 purchase order of the sample collection, sent as it is by a partner made from the document itself.
//!
//! The collection is not part of this repository: without it the test says so and passes. A file that is not in the
//! table is judged by an independent count of its envelope.

use std::path::Path;

use tests::needs;

use crate::{x12_exchange::outcome, x12_sender::Agreed};

/// A file, its answer by default, its answer where an ISA of another length was agreed (where that differs), and why
/// it is not taken.
struct Reviewed {
    file: &'static str,
    agreed: Agreed,
    padded: &'static str,
    unpadded: Option<&'static str>,
    why: &'static str,
}

/// What the document itself says; stores of one chain are served through its distribution centre.
const ITS_OWN: Agreed = Agreed {
    products: &[],
    units: &[],
    keys: "",
    ship_to: "several_places = \"use_heading\"",
};

const fn reviewed(file: &'static str, padded: &'static str) -> Reviewed {
    Reviewed {
        file,
        agreed: ITS_OWN,
        padded,
        unpadded: None,
        why: "",
    }
}

/// Whose ISA lost its width in print, and whose IEA02 is another number anyway.
const fn damaged(file: &'static str) -> Reviewed {
    let unpadded = Some("TA1 R 001");
    let why = "published with blanks lost from the ISA (022), and IEA02 is not ISA13 (001): correct both and send it again";
    Reviewed {
        unpadded,
        why,
        ..reviewed(file, "TA1 R 022")
    }
}

/// DR stands where the date asked for is past: it ships as soon as possible.
const TABLE: &[Reviewed] = &[
    reviewed("node-x12__850.edi", "AK5 A; AK9 A; 855 AC 6xDR"),
    reviewed("node-x12__850_2.edi", "AK5 A; AK9 A; 855 AC 6xDR"),
    // VN says UNKNOWN, the product stands under SK; KI is their kit.
    Reviewed {
        agreed: Agreed {
            products: &[("SK", "buyer_part_number")],
            units: &[("KI", "KT")],
            ..ITS_OWN
        },
        ..reviewed("node-x12__850_3.edi", "AK5 A; AK9 A; 855 AC DR")
    },
    reviewed("x12-types__004010_850.edi", "AK5 A; AK9 A; 855 AC 7xDR"),
    reviewed("OBOE__5-850.x12", "AK5 A; AK9 A; 855 AC DR"),
    reviewed("sap-recipes__850_004010.edi", "AK5 A; AK9 A; 855 AC 2xDR"),
    reviewed("sap-recipes__850_007010.edi", "AK5 A; AK9 A; 855 AC 2xDR"),
    // Without prices: ours are answered. The invoices beside the order are refused: neither they nor their version was
    // agreed.
    reviewed(
        "staedi__invoice810_po850_dual.edi",
        "AK5 R 1; AK5 R 1; AK9 R 2; AK5 A; AK9 A; 855 AC 4xIP",
    ),
    // ISA14 asks for a TA1.
    Reviewed {
        unpadded: Some("TA1 A 000; AK5 A; AK9 A; 855 AC DR"),
        why: "published with blanks lost from the ISA: pad its elements, or have the short one agreed",
        ..reviewed("stupidedi__003050_850_fail1.edi", "TA1 R 022")
    },
    Reviewed {
        why: "GS01 is SC, a price catalogue's: what is meant is not guessed; send the order in a group PO",
        ..reviewed("stupidedi__x357_850_basic.edi", "AK5 R 6; AK9 R")
    },
    damaged("EDI.Net__x12.850.edi"),
    damaged("EDI.Net__x12.850a.edi"),
    damaged("EDI.Net__x12.Issue91.edi"),
    damaged("EDI.Net__x12.Issue101.edi"),
];

/// A file of the collection.
struct Sample {
    name: String,
    bytes: Vec<u8>,
}

fn samples(folder: &Path) -> Vec<Sample> {
    let index = std::fs::read_to_string(folder.join("INDEX.tsv")).unwrap();
    let rows = index.lines().map(|row| row.split('\t').collect::<Vec<_>>());
    let of_orders = rows.filter(|row| {
        row.get(1) == Some(&"x12")
            && row
                .get(2)
                .is_some_and(|kinds| kinds.split(',').any(|kind| kind == "850"))
    });
    let files = of_orders.map(|row| {
        let path = folder.join(row[0]);
        let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", row[0]));
        Sample {
            name: path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned(),
            bytes,
        }
    });
    files.collect()
}

/// Why an independent count of the envelope finds that nobody should take this file; `None` = its purchase orders are
/// well formed.
fn unsound(bytes: &[u8]) -> Option<String> {
    let start = bytes.windows(3).position(|three| three == b"ISA")?;
    let bytes = &bytes[start..];
    let (separator, terminator) = (*bytes.get(3)?, *bytes.get(105)?);
    let places = [
        3, 6, 17, 20, 31, 34, 50, 53, 69, 76, 81, 83, 89, 99, 101, 103,
    ];
    if places
        .iter()
        .any(|place| bytes.get(*place) != Some(&separator))
    {
        return Some("the ISA is not 106 bytes long".to_owned());
    }
    let text: String = bytes.iter().copied().map(char::from).collect();
    let segments = text
        .split(char::from(terminator))
        .map(str::trim)
        .filter(|segment| !segment.is_empty());
    let mut numbers: Vec<String> = Vec::new();
    let (mut counts, mut kind) = ([0_u64; 3], String::new());
    for segment in segments {
        let elements: Vec<&str> = segment
            .split(char::from(separator))
            .map(str::trim)
            .collect();
        let element = |at: usize| elements.get(at).copied().unwrap_or_default();
        counts[2] += 1;
        let (opens, level) = match elements[0] {
            "ISA" => (Some(13), 0),
            "GS" => (Some(6), 1),
            "ST" => (Some(2), 2),
            "IEA" => (None, 0),
            "GE" => (None, 1),
            "SE" => (None, 2),
            _ => continue,
        };
        if let Some(number) = opens {
            numbers.push(element(number).to_owned());
            counts[level] = u64::from(level == 2);
            if level == 1 {
                kind = element(1).to_owned();
            }
            if element(0) == "ST" && element(1) == "850" && kind != "PO" {
                return Some(format!("GS01 is {kind}"));
            }
            continue;
        }
        let said = element(1).parse::<u64>().ok();
        if said != Some(counts[level]) || numbers.pop().as_deref() != Some(element(2)) {
            return Some(format!("{} does not agree", element(0)));
        }
        if level > 0 {
            counts[level - 1] += 1;
        }
    }
    (!numbers.is_empty()).then(|| "a trailer is missing".to_owned())
}

#[tokio::test]
async fn every_sample_is_taken_or_told_why_not() -> anyhow::Result<()> {
    let Some(folder) = needs::samples() else {
        return Ok(());
    };
    let samples = samples(&folder);
    let mut wrong = Vec::new();
    for sample in &samples {
        let row = TABLE.iter().find(|row| row.file == sample.name);
        let agreed = row.map_or(ITS_OWN, |row| row.agreed);
        for unpadded in [false, true] {
            let seen = outcome(&sample.bytes, agreed, unpadded).await;
            let seen = seen.unwrap_or_else(|error| panic!("{}: {error:#}", sample.name));
            wrong.extend(
                seen.differences
                    .iter()
                    .map(|difference| format!("{}: {difference}", sample.name)),
            );
            let expected = row.map(|row| row.unpadded.filter(|_| unpadded).unwrap_or(row.padded));
            match expected {
                Some(expected) if expected != seen.told => {
                    wrong.push(format!(
                        "{}, unpadded {unpadded}: '{expected}' expected, got '{}'",
                        sample.name, seen.told
                    ));
                }
                Some(_) => {}
                None => println!(
                    "not in the table: {}, unpadded {unpadded}: {}",
                    sample.name, seen.told
                ),
            }
            if let Some(row) = row {
                let refused = !row.padded.contains("; 855 A");
                assert_eq!(
                    refused,
                    !row.why.is_empty(),
                    "{}: why is it not taken?",
                    row.file
                );
            }
            let taken = seen.told.contains("; 855 A");
            let fault = unsound(&sample.bytes);
            if fault.is_none() && !taken {
                wrong.push(format!(
                    "{} is well formed, and was not taken: {}",
                    sample.name, seen.told
                ));
            }
            if !unpadded && fault.is_some() && taken {
                wrong.push(format!(
                    "{} was taken, and should not: {fault:?}",
                    sample.name
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}
