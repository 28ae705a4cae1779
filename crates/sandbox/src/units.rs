//! The unit words of each system beside their UN/ECE Rec 20 and (packages) Rec 21 codes.

/// Rec 20, the ERP's code, the WMS's word.
const UNITS: [(&str, &str, &str); 16] = [
    ("EA", "ST", "EACH"),
    ("XCT", "KAR", "CARTON"),
    ("XCS", "KI", "CASE"),
    ("XPK", "PAK", "PACK"),
    ("XBX", "BOX", "BOX"),
    ("DZN", "DZ", "DOZEN"),
    ("XPX", "PAL", "PALLET"),
    ("KGM", "KG", "KILO"),
    ("LBR", "LB", "POUND"),
    ("MTR", "M", "METRE"),
    ("FOT", "FT", "FOOT"),
    ("LTR", "L", "LITRE"),
    ("GLL", "GAL", "GALLON"),
    ("XRO", "ROL", "ROLL"),
    ("PR", "PAA", "PAIR"),
    ("SET", "SET", "SET"),
];

/// The ERP's code for a Rec 20 unit; one it has no own code for stays as it is.
pub(crate) fn erp_code(rec20: &str) -> &str {
    UNITS
        .iter()
        .find(|(code, _, _)| *code == rec20)
        .map_or(rec20, |(_, erp, _)| erp)
}

/// The WMS's word for a Rec 20 unit, by the same rule.
pub(crate) fn wms_word(rec20: &str) -> &str {
    UNITS
        .iter()
        .find(|(code, _, _)| *code == rec20)
        .map_or(rec20, |(_, _, wms)| wms)
}
