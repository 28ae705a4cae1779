//! Every X12 document of the sample collection against a reviewed table of verdicts.
//!
//! The collection is not part of this repository: without it the test says so and passes. Documents that are not
//! in the table must still be read without a panic.
#![cfg(test)]

use std::path::PathBuf;

use edi::x12::{ReadOptions, Verdict, purchase_order, read};

/// File; then for each interchange its TA1 status with the codes of its faults, and each set's AK501 with the
/// codes of its faults and, for an 850 that was read, its number of lines.
const VERDICTS: &[(&str, &str)] = &[
    // Published copies whose ISA lost its width (blanks collapsed, or no-break spaces of two bytes each).
    ("EDI.Net__x12.810a.edi", "R 022: 810 A"),
    ("EDI.Net__x12.810b.edi", "R 022: 810 A"),
    ("EDI.Net__x12.850.edi", "R 022 001: 850 A 1 line"),
    ("EDI.Net__x12.850a.edi", "R 022 001: 850 E 3 lines"),
    ("EDI.Net__x12.Issue101.edi", "R 022 001: 850 R 4 5"),
    ("EDI.Net__x12.Issue91.edi", "R 022 001: 850 R 4 5"),
    ("stupidedi__003010_860_fail1.edi", "R 022: 860 A"),
    ("stupidedi__003050_850_fail1.edi", "R 022: 850 A 1 line"),
    ("stupidedi__004010_997.edi", "R 022: 997 A"),
    // GS01 is SC, a price catalogue's.
    ("stupidedi__x348_810_basic.edi", "A: 810 R 6"),
    ("stupidedi__x357_850_basic.edi", "A: 850 R 6 1 line"),
    ("stupidedi__x358_855_accepted.edi", "A: 855 R 6"),
    ("stupidedi__x358_855_rejected.edi", "A: 855 R 6"),
    // SE01 is 25, 22 segments are there.
    ("stupidedi__004010_856_fail2.edi", "A: 856 R 4"),
    ("OBOE__5-850.x12", "A: 850 A 1 line"),
    (
        "OBOE__855_lf.edi",
        "A: 855 A, 855 A, 855 A, 855 A, 855 A, 855 A, 855 A, 855 A, 855 A, 855 A, 855 A, 855 A",
    ),
    ("OBOE__justTA1TestCase.edi", "A:"),
    ("bootstrap__855_5010.edi", "A: 855 A"),
    ("node-x12__850.edi", "A: 850 A 6 lines"),
    ("node-x12__850_2.edi", "A: 850 A 6 lines"),
    ("node-x12__850_3.edi", "A: 850 A 1 line"),
    ("node-x12__855.edi", "A: 855 A"),
    ("pyx12__999_rejects.edi", "A: 999 A, 999 A, 999 A, 999 A"),
    ("sap-recipes__850_004010.edi", "A: 850 A 2 lines"),
    ("sap-recipes__850_007010.edi", "A: 850 A 2 lines"),
    ("staedi__empty997.edi", "A: 997 A"),
    ("staedi__extraDelimiter997.edi", "A: 997 A"),
    (
        "staedi__invoice810_po850_dual.edi",
        "A: 810 A, 810 A, 850 A 4 lines",
    ),
    ("staedi__optionalInterchangeServices.edi", "A: 997 A"),
    ("staedi__simple810.edi", "A: 810 A, 810 A"),
    (
        "staedi__simple997-multiple-interchanges.edi",
        "A: 997 A; A: 997 A; A: 997 A",
    ),
    ("staedi__simple997.edi", "A: 997 A"),
    ("staedi__simple999.edi", "A: 999 A"),
    ("staedi__ta1_only.edi", "A:"),
    ("stupidedi__004010_855.edi", "A: 855 A"),
    ("stupidedi__x230_997.edi", "A: 997 A"),
    ("stupidedi__x231_999.edi", "A: 999 A"),
    ("vscode-edi-x12-support__856_old.edi", "A: 856 A"),
    ("x12-types__004010_850.edi", "A: 850 A 7 lines"),
    ("x12-types__004060_856.edi", "A: 856 A"),
    ("x12-types__846_5010.edi", "A: 846 A"),
    ("x12-types__860_5010.edi", "A: 860 A"),
];

fn folder() -> Option<PathBuf> {
    let samples = std::env::var_os("ORDERWAY_SAMPLES").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/samples"),
        PathBuf::from,
    );
    Some(samples.join("x12")).filter(|x12| x12.is_dir())
}

fn verdict_of(bytes: &[u8]) -> String {
    let outcome = read(bytes, &ReadOptions::default());
    let mut interchanges = Vec::new();
    for interchange in &outcome.interchanges {
        let mut status = vec![interchange.status().code()];
        status.extend(interchange.faults.iter().map(|fault| fault.code.code()));
        let mut verdict = Verdict::of(interchange);
        let mut sets = Vec::new();
        for (group, group_verdict) in interchange.groups.iter().zip(&mut verdict.groups) {
            for (set, set_verdict) in group.sets.iter().zip(&mut group_verdict.sets) {
                let mut lines = None;
                if set.set_id == "850" {
                    let reading = purchase_order::read(set, &group.version, 100);
                    lines = reading.order.map(|order| order.lines.len());
                    set_verdict.segments = reading.faults;
                }
                let mut words = vec![
                    set.set_id.to_string(),
                    set_verdict.status().code().to_owned(),
                ];
                words.extend(
                    set_verdict
                        .faults
                        .iter()
                        .map(|fault| fault.code.code().to_owned()),
                );
                if set.set_id == "850" && lines.is_none() {
                    words.push("5".to_owned());
                }
                words.extend(
                    lines.map(|lines| format!("{lines} line{}", if lines == 1 { "" } else { "s" })),
                );
                sets.push(words.join(" "));
            }
        }
        interchanges.push(
            format!("{}: {}", status.join(" "), sets.join(", "))
                .trim()
                .to_owned(),
        );
    }
    assert!(outcome.stray.is_empty(), "{:?}", outcome.stray);
    interchanges.join("; ")
}

#[test]
fn samples_get_their_reviewed_verdict() {
    let Some(folder) = folder() else {
        println!("skipped: needs samples");
        return;
    };
    let mut differing = Vec::new();
    let mut checked = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let bytes = std::fs::read(&path).unwrap();
        match VERDICTS.iter().find(|(file, _)| *file == name) {
            Some((_, expected)) => {
                checked += 1;
                let verdict = verdict_of(&bytes);
                if verdict != *expected {
                    differing.push(format!("{name}: expected '{expected}', got '{verdict}'"));
                }
            }
            None => println!(
                "not in the table: {name}: {} interchanges",
                read(&bytes, &ReadOptions::default()).interchanges.len()
            ),
        }
    }
    assert!(differing.is_empty(), "{}", differing.join("\n"));
    println!("{checked} of {} documents checked", VERDICTS.len());
}

#[test]
fn unpadded_headers_are_read_where_a_partner_agreed() {
    let Some(folder) = folder() else {
        println!("skipped: needs samples");
        return;
    };
    let file = folder.join("stupidedi__003050_850_fail1.edi");
    let Ok(bytes) = std::fs::read(file) else {
        println!("skipped: needs samples");
        return;
    };
    let options = ReadOptions {
        allow_unpadded_isa: true,
        ..ReadOptions::default()
    };
    let outcome = read(&bytes, &options);
    assert_eq!(outcome.interchanges[0].status().code(), "A");
    assert_eq!(outcome.interchanges[0].header.sender.id, "054481205NPPT");
}

#[test]
fn wrapping_and_trailing_bytes_change_no_verdict() {
    let Some(folder) = folder() else {
        println!("skipped: needs samples");
        return;
    };
    for (file, expected) in VERDICTS
        .iter()
        .filter(|(_, verdict)| verdict.starts_with("A:"))
    {
        let Ok(bytes) = std::fs::read(folder.join(file)) else {
            continue;
        };
        let terminator = read(&bytes, &ReadOptions::default()).interchanges[0]
            .delimiters
            .segment;
        if matches!(terminator, b'\r' | b'\n') || *file == "stupidedi__004010_856_fail2.edi" {
            continue; // line ends are structure, or data
        }
        let one_line: Vec<u8> = bytes
            .iter()
            .copied()
            .filter(|byte| !matches!(byte, b'\r' | b'\n'))
            .collect();
        for width in [64, 80, 128] {
            let records: Vec<&[u8]> = one_line.chunks(width).collect();
            let mut wrapped = records.join(b"\r\n".as_slice());
            wrapped.extend_from_slice(b"   \r\n\x1a\0");
            assert_eq!(verdict_of(&wrapped), *expected, "{file} at {width}");
        }
    }
}
