//! The 850 purchase order, one table for releases 003040 to 007010.
//!
//! Lengths are the widest any of these releases allows, since GS08 and what a partner really sends often differ.

use crate::x12::schema::{ElementRule, Kind, SegmentRule, SetSchema, Tag, tags};

use Kind::{Count, Date, Decimal, Text, Time};

const fn rule(id: &'static str, elements: &'static [ElementRule]) -> SegmentRule {
    SegmentRule {
        tag: Tag::of(id),
        elements,
        pairs: None,
    }
}

const fn element(at: usize, reference: u16, kind: Kind, min: usize, max: usize) -> ElementRule {
    ElementRule::new(at, reference, kind, min, max)
}

/// The purchase order.
pub const SCHEMA: SetSchema = SetSchema {
    set_id: "850",
    beginning: Tag::of("BEG"),
    mandatory: &tags!["BEG", "PO1"],
    segments: &[
        rule(
            "BEG",
            &[
                element(1, 353, Text, 2, 2).needed().vital(),
                element(2, 92, Text, 2, 2).expected(),
                element(3, 324, Text, 1, 22).needed().vital(),
                element(4, 328, Text, 1, 30).vital(),
                element(5, 373, Date, 6, 8).expected().vital(),
            ],
        ),
        rule(
            "CUR",
            &[
                element(1, 98, Text, 2, 3),
                element(2, 100, Text, 3, 3).expected(),
            ],
        ),
        rule(
            "REF",
            &[
                element(1, 128, Text, 2, 3).expected(),
                element(2, 127, Text, 1, 80),
            ],
        ),
        rule(
            "DTM",
            &[
                element(1, 374, Text, 3, 3).expected(),
                element(2, 373, Date, 6, 8).vital(),
                element(3, 337, Time, 4, 8),
            ],
        ),
        rule(
            "N1",
            &[
                element(1, 98, Text, 2, 3).expected(),
                element(2, 93, Text, 1, 60),
                element(3, 66, Text, 1, 2),
                element(4, 67, Text, 2, 80),
            ],
        ),
        rule(
            "N3",
            &[
                element(1, 166, Text, 1, 55).expected(),
                element(2, 166, Text, 1, 55),
            ],
        ),
        rule(
            "N4",
            &[
                element(1, 19, Text, 2, 30),
                element(2, 156, Text, 2, 2),
                element(3, 116, Text, 3, 15),
                element(4, 26, Text, 2, 3),
            ],
        ),
        SegmentRule {
            tag: Tag::of("PO1"),
            elements: &[
                element(1, 350, Text, 1, 20),
                element(2, 330, Decimal, 1, 15).needed().vital(),
                element(3, 355, Text, 2, 2),
                element(4, 212, Decimal, 1, 17).vital(),
                element(5, 639, Text, 2, 2),
            ],
            pairs: Some((6, 25)),
        },
        rule(
            "PID",
            &[
                element(1, 349, Text, 1, 1).expected(),
                element(5, 352, Text, 1, 80),
            ],
        ),
        rule(
            "SCH",
            &[
                element(1, 380, Decimal, 1, 15).needed().vital(),
                element(2, 355, Text, 2, 2),
                element(5, 374, Text, 3, 3),
                element(6, 373, Date, 6, 8).vital(),
            ],
        ),
        rule(
            "SDQ",
            &[
                element(1, 355, Text, 2, 2).expected(),
                element(4, 380, Decimal, 1, 15).needed().vital(),
            ],
        ),
        rule(
            "CTT",
            &[
                element(1, 354, Count, 1, 6).expected(),
                element(2, 347, Decimal, 1, 10),
            ],
        ),
        rule(
            "AMT",
            &[
                element(1, 522, Text, 1, 3).expected(),
                element(2, 782, Decimal, 1, 18).expected(),
            ],
        ),
    ],
    known: &tags![
        "ST", "BEG", "CUR", "REF", "PER", "TAX", "FOB", "CTP", "PAM", "CSH", "TC2", "SAC", "ITA",
        "ITD", "DIS", "INC", "DTM", "LDT", "LIN", "SI", "PID", "MEA", "PWK", "PKG", "TD1", "TD5",
        "TD3", "TD4", "MAN", "PCT", "CTB", "TXI", "N9", "MSG", "N1", "N2", "NX2", "IN2", "N3",
        "N4", "ADV", "MTX", "LM", "LQ", "SPI", "CB1", "PO1", "PO3", "PO4", "IT3", "IT8", "QTY",
        "SCH", "SDQ", "LS", "LE", "SLN", "NTE", "AMT", "CTT", "CN1", "G53", "EFI", "NM1", "FA1",
        "FA2", "SSS", "CRC", "RRA", "SE", "K1", "YNQ", "PRS", "USD", "DD", "GRP", "REP", "CDS",
        "TS", "IC", "UIT", "V1", "V9", "R4", "AAA",
    ],
    loops: &tags!["SAC", "N9", "N1", "LM", "SPI", "PO1", "SCH", "SLN", "CTT"],
};
