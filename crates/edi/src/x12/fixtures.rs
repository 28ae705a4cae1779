//! Documents for the tests of this crate, written for them.

use super::{Interchange, ReadOptions, Reply, Verdict, purchase_order, read};

pub(crate) const ISA: &str = "ISA*00*          *00*          *ZZ*BUYER          *ZZ*SELLER         *260302*0915*U*00401*000000042*0*P*>~";
pub(crate) const GS: &str = "GS*PO*BUYERAPP*SELLERAPP*20260302*0915*7*X*004010~";
pub(crate) const BODY: [&str; 12] = [
    "BEG*00*SA*PO-1001*R1*20260301",
    "CUR*BY*USD",
    "REF*DP*038",
    "DTM*002*20260320",
    "N1*ST*North Dock*92*D7",
    "N3*1 Quay Street",
    "N4*Portland*OR*97201*US",
    "PO1*1*10*EA*2.50*PE*BP*B-1*VP*V-1",
    "PID*F****Bolt",
    "PO1*2*4*CA*30**VP*V-2",
    "CTT*2*14",
    "AMT*TT*145",
];

/// ST to SE with the right count.
pub(crate) fn set(set_id: &str, number: &str, body: &[&str]) -> String {
    let count = body.len() + 2;
    format!(
        "ST*{set_id}*{number}~{}~SE*{count}*{number}~",
        body.join("~")
    )
}

/// One whole interchange with one 850 of this body.
pub(crate) fn order(body: &[&str]) -> String {
    format!(
        "{ISA}{GS}{}GE*1*7~IEA*1*000000042~",
        set("850", "0001", body)
    )
}

/// The body with one segment replaced, or with an empty replacement left out.
pub(crate) fn body_with(at: usize, segment: &'static str) -> Vec<&'static str> {
    let replaced = BODY
        .iter()
        .enumerate()
        .map(|(index, old)| if index == at { segment } else { *old });
    replaced.filter(|segment| !segment.is_empty()).collect()
}

pub(crate) fn reply() -> Reply {
    Reply {
        interchange_control_number: 900,
        group_control_number: 90,
        set_control_number: 1,
        date_time: jiff::civil::date(2026, 3, 2).at(9, 16, 0, 0),
        delimiters: super::Delimiters::default(),
    }
}

/// The verdict over an interchange with its 850s checked, as a caller would take it.
pub(crate) fn verdict(interchange: &Interchange<'_>) -> Verdict {
    let mut verdict = Verdict::of(interchange);
    for (group, group_verdict) in interchange.groups.iter().zip(&mut verdict.groups) {
        for (set, set_verdict) in group.sets.iter().zip(&mut group_verdict.sets) {
            if set.set_id == "850" {
                set_verdict.segments = purchase_order::read(set, &group.version, 100).faults;
            }
        }
    }
    verdict
}

/// Reads one interchange and shows the answer without its envelope, a segment a line.
pub(crate) fn answer(document: &[u8]) -> String {
    let outcome = read(document, &ReadOptions::default());
    assert_eq!(outcome.interchanges.len(), 1, "{outcome:?}");
    let Some(bytes) = verdict(&outcome.interchanges[0]).reply(&reply()).unwrap() else {
        return String::new();
    };
    let back = read(&bytes, &ReadOptions::default());
    assert!(
        back.stray.is_empty() && back.interchanges[0].faults.is_empty(),
        "{back:?}"
    );
    let text = String::from_utf8(bytes).unwrap();
    let envelope = ["ISA*", "GS*", "ST*", "SE*", "GE*", "IEA*"];
    let inner = |line: &&str| !envelope.iter().any(|start| line.starts_with(start));
    text.split_terminator('~')
        .filter(inner)
        .collect::<Vec<_>>()
        .join("\n")
}
