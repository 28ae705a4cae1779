//! Purchase orders as X12, of any number of lines and any length of a line.

/// What stands around the lines; the demonstration's partner sends it to the demonstration's company.
const HEAD: &str = "ISA*00*          *00*          *ZZ*ACMEMFG        *ZZ*NORTHWIND      *261122*1200*U*00401*000000042*0*P*>~\
                    GS*PO*ACMEMFG*NORTHWIND*20261122*1200*42*X*004010~ST*850*0001~BEG*00*SA*PO-2026-0042**20261122~CUR*BY*USD~\
                    REF*DP*038~DTM*002*20261210~N1*ST*Dock 4*92*0001~";
/// Its segments from ST on, and SE and CTT.
const AROUND: usize = 8;

/// Lines as buyers send them: about 80 bytes, in two segments.
pub(super) fn ordinary(lines: usize) -> String {
    interchange(lines, 2, |line| {
        format!(
            "PO1*{line}*12*EA*24.75**VP*SKU-{:04}*BP*A-{line:06}~PID*F****BEARING 6204-2RS, SEALED~",
            line % 200
        )
    })
}

/// Lines with as many and as long numbers and words as a release allows: a few segments of many bytes.
pub(super) fn wordy(lines: usize) -> String {
    let text = "KEEP DRY. ".repeat(26);
    let number = "X".repeat(40);
    interchange(lines, 2, |line| {
        let mut po1 = format!("PO1*{line}*12*EA*24.75*");
        for qualifier in ["VP", "VN", "BP", "IN", "CB", "UP", "EN", "UK", "MG", "PD"] {
            po1.push_str(&format!("*{qualifier}*{number}{line:06}"));
        }
        format!("{po1}~MSG*{text}~")
    })
}

fn interchange(lines: usize, segments: usize, write: impl Fn(usize) -> String) -> String {
    let mut text = HEAD.to_owned();
    for line in 1..=lines {
        text.push_str(&write(line));
    }
    let segments = lines.saturating_mul(segments).saturating_add(AROUND);
    text.push_str(&format!(
        "CTT*{lines}~SE*{segments}*0001~GE*1*42~IEA*1*000000042~"
    ));
    text
}

/// The same, of so many lines that it is as long as it can be within these bytes.
pub(super) fn within(bytes: usize, write: impl Fn(usize) -> String) -> (String, usize) {
    let many = 1_000;
    let one = write(many).len().div_ceil(many).max(1);
    let mut lines = bytes / one;
    loop {
        let text = write(lines);
        if text.len() <= bytes || lines == 0 {
            return (text, lines);
        }
        let over = text.len().saturating_sub(bytes).div_ceil(one);
        lines = lines.saturating_sub(over.max(1));
    }
}

#[cfg(test)]
mod tests {
    use edi::x12::{ReadOptions, Status, Verdict, purchase_order};

    use super::*;

    #[test]
    fn what_is_written_is_a_sound_order_of_that_many_lines() {
        for text in [ordinary(5), ordinary(1_000), wordy(3)] {
            let options = ReadOptions::default();
            let outcome = edi::x12::read(text.as_bytes(), &options);
            let interchange = outcome.interchanges.first().unwrap();
            assert_eq!(Verdict::of(interchange).status(), Status::Accepted);
            let group = interchange.groups.first().unwrap();
            let set = group.sets.first().unwrap();
            assert_eq!(set.status(), Status::Accepted, "{:?}", set.faults);
            let read = purchase_order::read(set, &group.version, 10);
            assert!(read.faults.is_empty(), "{:?}", read.faults);
            assert!(read.warnings.is_empty(), "{:?}", read.warnings);
            let lines = text.matches("~PO1*").count();
            assert_eq!(read.order.unwrap().lines.len(), lines);
        }
        let (text, lines) = within(10_000, ordinary);
        assert!(text.len() <= 10_000 && ordinary(lines + 1).len() > 10_000);
    }
}
