//! Any bytes, and valid documents broken at random: nothing panics, nothing grows without bound.

use proptest::prelude::*;

use super::fixtures::{BODY, order, reply, verdict};
use super::{OutboundEnvelope, PartyId, ReadOptions, Status, Usage, Writer, read};

/// Reads, checks and answers whatever it is, as a caller would.
fn exercise(bytes: &[u8]) {
    for allow_unpadded_isa in [false, true] {
        let outcome = read(
            bytes,
            &ReadOptions {
                allow_unpadded_isa,
                ..ReadOptions::default()
            },
        );
        let mut covered = 0;
        for interchange in &outcome.interchanges {
            assert!(interchange.position.offset >= covered && interchange.end <= bytes.len());
            covered = interchange.end;
            // an id that cannot stand in our own ISA is an error, not an answer
            if let Ok(Some(answer)) = verdict(interchange).reply(&reply()) {
                let back = read(&answer, &ReadOptions::default());
                assert_eq!(back.interchanges.len(), 1);
                assert_ne!(
                    back.interchanges[0].status(),
                    Status::Rejected,
                    "{:?}",
                    back.interchanges[0].faults
                );
            }
        }
    }
}

fn envelope(delimiters: super::Delimiters) -> OutboundEnvelope {
    let party = |id: &str| PartyId {
        qualifier: "ZZ".into(),
        id: id.into(),
    };
    OutboundEnvelope {
        sender: party("SELLER"),
        receiver: party("BUYER"),
        application_sender: "SELLERAPP".into(),
        application_receiver: "BUYERAPP".into(),
        usage: Usage::Production,
        interchange_version: "00501".into(),
        version: "005010".into(),
        interchange_control_number: 5,
        group_control_number: 6,
        set_control_number: 7,
        acknowledgment_requested: false,
        date_time: jiff::civil::date(2026, 3, 2).at(10, 0, 0, 0),
        delimiters,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_bytes_are_read(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        exercise(&bytes);
        exercise(&[b"ISA*".as_slice(), &bytes].concat());
    }

    #[test]
    fn broken_orders_are_answered(
        edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..4_u8), 1..8),
    ) {
        let mut bytes = order(&BODY).into_bytes();
        bytes.extend_from_slice(order(&BODY).replace('*', "|").as_bytes());
        for (place, byte, what) in edits {
            let at = place.index(bytes.len());
            match what {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                2 => { bytes.remove(at); }
                _ => bytes[at] = b"*~>\r\n^ISA0"[usize::from(byte) % 10],
            }
        }
        exercise(&bytes);
    }

    #[test]
    fn what_is_written_is_read_again(
        rows in proptest::collection::vec(proptest::collection::vec("[A-Za-z0-9 .,:;/#\u{e4}-\u{f6}-]{0,12}", 1..8), 1..12),
        separators in prop::sample::select(vec![b"*>~^", b"|<\n!", b"\x1d\x1f\x1c\x1e", b"+@'="]),
    ) {
        let delimiters = super::Delimiters {
            element: separators[0],
            component: separators[1],
            segment: separators[2],
            repetition: Some(separators[3]),
        };
        let envelope = envelope(delimiters);
        let mut writer = Writer::new(&envelope).unwrap();
        writer.begin_group("PO", None).unwrap();
        writer.begin_set("850").unwrap();
        for row in &rows {
            let parts: Vec<&str> = std::iter::once("REF").chain(row.iter().map(String::as_str)).collect();
            writer.segment(&parts).unwrap();
        }
        writer.end_set().unwrap();
        writer.end_group().unwrap();
        let bytes = writer.finish().unwrap();
        let outcome = read(&bytes, &ReadOptions::default());
        let interchange = &outcome.interchanges[0];
        prop_assert_eq!(interchange.status(), Status::Accepted);
        let set = &interchange.groups[0].sets[0];
        prop_assert_eq!(set.status(), Status::Accepted);
        for (segment, row) in set.segments.iter().skip(1).zip(&rows) {
            for (at, value) in row.iter().enumerate() {
                prop_assert_eq!(segment.element(at + 1), value.trim());
            }
        }
    }

    #[test]
    fn data_that_would_be_structure_is_refused(value in "[a-z]{0,5}[*~>^\r\n\t][a-z]{0,5}") {
        let delimiters = super::Delimiters::default();
        let envelope = envelope(delimiters);
        let mut writer = Writer::new(&envelope).unwrap();
        writer.begin_group("PO", None).unwrap();
        writer.begin_set("850").unwrap();
        prop_assert!(writer.segment(&["REF", "ZZ", &value]).is_err());
        let clean = delimiters.clean(&value);
        prop_assert!(writer.segment(&["REF", "ZZ", &clean]).is_ok());
        // Nor does one stand there that nobody has ended.
        writer.open("REF").text("ZZ");
        writer.end_set().unwrap();
        writer.end_group().unwrap();
        let bytes = writer.finish().unwrap();
        let outcome = read(&bytes, &ReadOptions::default());
        let set = &outcome.interchanges[0].groups[0].sets[0];
        prop_assert_eq!(set.status(), Status::Accepted);
        prop_assert_eq!(set.segments.iter().count(), 3);
    }
}
