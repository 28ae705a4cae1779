//! The envelope under bad input: one test for each way a file goes wrong.

use super::fixtures::{BODY, GS, ISA, answer, body_with, order, set};
use super::{Limits, ReadOptions, SetError, Status, read};

const CLEAN: &str = "AK1*PO*7\nAK2*850*0001\nAK5*A\nAK9*A*1*1*1";

fn options() -> ReadOptions {
    ReadOptions::default()
}

/// Notes of the only interchange, which must be accepted with one set of the given number of segments.
fn accepted(document: &[u8], segments: usize) -> Vec<String> {
    let outcome = read(document, &options());
    assert_eq!(
        (outcome.interchanges.len(), outcome.stray.len()),
        (1, 0),
        "{outcome:?}"
    );
    let interchange = &outcome.interchanges[0];
    assert_eq!(
        interchange.status(),
        Status::Accepted,
        "{:?}",
        interchange.faults
    );
    let set = &interchange.groups[0].sets[0];
    assert_eq!(
        (set.status(), set.segments.len()),
        (Status::Accepted, segments),
        "{:?}",
        set.faults
    );
    interchange
        .notes
        .iter()
        .map(|note| note.message.clone())
        .collect()
}

#[test]
fn a_clean_order_is_accepted() {
    let document = order(&BODY);
    assert_eq!(accepted(document.as_bytes(), 14), Vec::<String>::new());
    assert_eq!(answer(document.as_bytes()), CLEAN);
    let outcome = read(document.as_bytes(), &options());
    let header = &outcome.interchanges[0].header;
    assert_eq!(
        (header.sender.id.as_str(), header.control_number.as_str()),
        ("BUYER", "000000042")
    );
    let first = outcome.interchanges[0].groups[0].sets[0]
        .segments
        .iter()
        .nth(1)
        .unwrap();
    assert_eq!(
        (
            first.id(),
            first.element(3),
            first.number,
            first.position.segment
        ),
        ("BEG", "PO-1001", 2, 4)
    );
    assert!(document.as_bytes()[first.position.offset..].starts_with(b"BEG"));
}

#[test]
fn item_1_and_2_mark_blank_lines_and_indent_are_skipped() {
    let document = format!("\u{feff}\r\n{}", order(&BODY).replace('~', "~\r\n\r\n   "));
    assert_eq!(
        accepted(document.as_bytes(), 14),
        ["blanks stand before a segment; skipped"]
    );
}

#[test]
fn item_1_joined_files_may_bring_a_mark_each() {
    let document = format!("\u{feff}{}\n", order(&BODY)).repeat(2);
    let outcome = read(document.as_bytes(), &options());
    assert_eq!((outcome.interchanges.len(), outcome.stray.len()), (2, 0));
}

#[test]
fn item_3_bytes_after_the_last_trailer_are_filler() {
    let document = format!("{}\r\n\u{1a}\0\0   \n", order(&BODY));
    assert_eq!(accepted(document.as_bytes(), 14), Vec::<String>::new());
}

#[test]
fn item_4_wrapped_records_are_joined() {
    for (width, end) in [(80, "\r\n"), (72, "\n"), (132, "\r"), (40, "\r\n")] {
        let wrapped: Vec<String> = order(&BODY)
            .as_bytes()
            .chunks(width)
            .map(|line| String::from_utf8_lossy(line).into_owned())
            .collect();
        let document = format!("{}{end}", wrapped.join(end));
        let notes = accepted(document.as_bytes(), 14);
        assert!(
            notes.iter().all(|note| note.contains("wrapped")),
            "{notes:?}"
        );
        assert_eq!(answer(document.as_bytes()), CLEAN, "{width}");
        let two = format!("{document}{document}");
        assert_eq!(
            read(two.as_bytes(), &options()).interchanges[1].status(),
            Status::Accepted
        );
    }
}

#[test]
fn item_5_every_legal_terminator_and_separator_is_taken_from_the_header() {
    for (terminator, after) in [
        ("\r", "\n"),
        ("\n", ""),
        ("\u{15}", ""),
        ("\u{1c}", "\r\n"),
        ("'", "\n"),
        ("\u{7f}", ""),
    ] {
        for (element, component) in
            ["|\\", "^!", "\u{1d}\u{1f}", "+:", "\t<"].map(|pair| pair.split_at(1))
        {
            let document = order(&BODY)
                .replace('>', component)
                .replace('*', element)
                .replace('~', &format!("{terminator}{after}"));
            assert_eq!(
                accepted(document.as_bytes(), 14),
                Vec::<String>::new(),
                "{document:?}"
            );
        }
    }
    let latin = order(&BODY)
        .replace('~', "\u{a7}")
        .replace("North", "N\u{f6}rth");
    let latin: Vec<u8> = latin
        .chars()
        .map(|c| u8::try_from(u32::from(c)).unwrap())
        .collect();
    accepted(&latin, 14);
    let outcome = read(&latin, &options());
    let party = outcome.interchanges[0].groups[0].sets[0]
        .segments
        .iter()
        .find(|s| s.id() == "N1")
        .unwrap();
    assert_eq!(party.element(2), "N\u{f6}rth Dock");
}

#[test]
fn item_6_delimiters_may_change_between_interchanges() {
    let second = order(&BODY)
        .replace('*', "|")
        .replace('~', "\n")
        .replace('>', ":")
        .replace("000000042", "000000043");
    let document = format!("{}\n{second}\n{}", order(&BODY), order(&BODY));
    let outcome = read(document.as_bytes(), &options());
    let numbers: Vec<&str> = outcome
        .interchanges
        .iter()
        .map(|i| i.header.control_number.as_str())
        .collect();
    assert_eq!(numbers, ["000000042", "000000043", "000000042"]);
    assert!(
        outcome
            .interchanges
            .iter()
            .all(|i| i.status() == Status::Accepted && i.groups[0].sets.len() == 1)
    );
}

#[test]
fn item_7_a_header_of_another_length_is_rejected_unless_agreed() {
    let document = order(&BODY)
        .replace("BUYER          ", "BUYER")
        .replace("          *00", "*00");
    assert_eq!(
        answer(document.as_bytes()),
        "TA1*000000042*260302*0915*R*022"
    );
    let outcome = read(document.as_bytes(), &options());
    assert!(outcome.interchanges[0].faults[0].message.contains("106"));
    let agreed = ReadOptions {
        allow_unpadded_isa: true,
        ..options()
    };
    let outcome = read(document.as_bytes(), &agreed);
    assert_eq!(outcome.interchanges[0].status(), Status::Accepted);
    assert_eq!(outcome.interchanges[0].header.sender.id, "BUYER");
    assert_eq!(outcome.interchanges[0].groups[0].sets[0].segments.len(), 14);
}

#[test]
fn item_8_unusable_delimiters_are_rejected() {
    let with = |from: &str, to: &str| answer(order(&BODY).replacen(from, to, 1).as_bytes());
    assert_eq!(with("*P*>~", "*P**~"), "TA1*000000042*260302*0915*R*027");
    assert_eq!(with("*P*>~", "*P*7~"), "TA1*000000042*260302*0915*R*027");
    assert_eq!(with("*P*>~", "*P*>A"), "TA1*000000042*260302*0915*R*004");
    assert_eq!(with("*P*>~", "*P*>>"), "TA1*000000042*260302*0915*R*004");
    assert_eq!(
        answer(order(&BODY).replace('*', "X").as_bytes()),
        "TA1*000000042*260302*0915*R*026"
    );
    let repeating = order(&BODY).replacen("*U*00401", "*9*00501", 1);
    assert_eq!(
        answer(repeating.as_bytes()),
        "TA1*000000042*260302*0915*R*016"
    );
    let habit = order(&BODY).replacen("*U*00401", "*U*00501", 1);
    assert_eq!(answer(habit.as_bytes()), CLEAN);
}

#[test]
fn a_separator_inside_the_header_is_rejected_under_the_right_number() {
    let document = order(&BODY).replacen("00*          *", "00*    *     *", 1);
    assert!(answer(document.as_bytes()).starts_with("TA1*000000042*260302*0915*R*026"));
}

#[test]
fn item_9_a_newline_inside_text_becomes_a_blank() {
    let document = order(&body_with(8, "PID*F****Bolt\r\nwith thread")).replace('~', "~\n");
    assert_eq!(
        accepted(document.as_bytes(), 14),
        ["a line break stands inside an element; read as a blank"]
    );
    let outcome = read(document.as_bytes(), &options());
    let segments = &outcome.interchanges[0].groups[0].sets[0].segments;
    assert_eq!(
        segments
            .iter()
            .find(|s| s.id() == "PID")
            .unwrap()
            .element(5),
        "Bolt with thread"
    );
}

#[test]
fn item_9_the_only_newline_of_a_file_is_data() {
    let document = order(&body_with(8, "PID*F****Bolt\nwith thread"));
    let outcome = read(document.as_bytes(), &options());
    let segments = &outcome.interchanges[0].groups[0].sets[0].segments;
    let text = segments
        .iter()
        .find(|s| s.id() == "PID")
        .unwrap()
        .element(5);
    assert_eq!(text, "Bolt with thread");
}

#[test]
fn items_10_to_12_set_trailers_must_agree() {
    let rejected = |code: &str| format!("AK1*PO*7\nAK2*850*0001\nAK5*R*{code}\nAK9*R*1*1*0");
    let with = |from: &str, to: &str| answer(order(&BODY).replace(from, to).as_bytes());
    assert_eq!(with("SE*14*", "SE*99*"), rejected("4"));
    assert_eq!(with("SE*14*", "SE*x*"), rejected("4"));
    assert_eq!(with("*0001~GE", "*0002~GE"), rejected("3"));
    assert_eq!(with("SE*14*0001~", ""), rejected("2"));
    assert_eq!(
        answer(order(&BODY).replace("ST*850*0001~", "ST*850~").as_bytes())
            .lines()
            .nth(2),
        Some("AK5*R*7*3")
    );
}

#[test]
fn items_13_to_15_group_trailers_must_agree() {
    let with = |from: &str, to: &str| answer(order(&BODY).replace(from, to).as_bytes());
    assert_eq!(
        with("GE*1*7", "GE*3*7"),
        "AK1*PO*7\nAK2*850*0001\nAK5*A\nAK9*R*3*1*0*5"
    );
    assert_eq!(
        with("GE*1*7", "GE*1*8"),
        "AK1*PO*7\nAK2*850*0001\nAK5*A\nAK9*R*1*1*0*4"
    );
    assert_eq!(
        with("GE*1*7~", ""),
        "AK1*PO*7\nAK2*850*0001\nAK5*A\nAK9*R*1*1*0*3"
    );
    let twice = format!(
        "{ISA}{}IEA*2*000000042~",
        format!("{GS}{}GE*1*7~", set("850", "0001", &BODY)).repeat(2)
    );
    assert!(
        answer(twice.as_bytes()).ends_with("AK9*R*1*1*0*19"),
        "{}",
        answer(twice.as_bytes())
    );
}

#[test]
fn item_16_the_interchange_trailer_must_agree() {
    let with = |from: &str, to: &str| answer(order(&BODY).replace(from, to).as_bytes());
    assert_eq!(
        with("IEA*1*000000042", "IEA*1*000000043"),
        "TA1*000000042*260302*0915*R*001"
    );
    assert_eq!(with("IEA*1", "IEA*2"), "TA1*000000042*260302*0915*R*021");
    assert_eq!(
        with("IEA*1*000000042~", ""),
        "TA1*000000042*260302*0915*R*023"
    );
}

#[test]
fn item_17_padding_is_no_difference() {
    let document = order(&BODY)
        .replace("SE*14*", "SE*0000014*")
        .replace("GE*1*7", "GE*000001*0007")
        .replace("IEA*1*000000042", "IEA*00001*42");
    assert_eq!(answer(document.as_bytes()), CLEAN);
}

#[test]
fn item_19_a_repeated_set_number_rejects_the_second_set() {
    let document = format!(
        "{ISA}{GS}{}GE*2*7~IEA*1*000000042~",
        set("850", "0001", &BODY).repeat(2)
    );
    assert_eq!(
        answer(document.as_bytes()),
        "AK1*PO*7\nAK2*850*0001\nAK5*A\nAK2*850*0001\nAK5*R*23\nAK9*P*2*2*1"
    );
}

#[test]
fn item_20_a_set_in_the_wrong_kind_of_group_is_rejected() {
    let document = order(&BODY).replace("GS*PO", "GS*PR");
    assert_eq!(
        answer(document.as_bytes()),
        "AK1*PR*7\nAK2*850*0001\nAK5*R*6\nAK9*R*1*1*0"
    );
}

#[test]
fn item_28_empty_elements_at_the_end_are_accepted() {
    let notes = accepted(order(&body_with(2, "REF*DP*038**")).as_bytes(), 14);
    assert_eq!(
        notes,
        ["a segment ends in empty elements; they need not be sent"]
    );
}

#[test]
fn item_40_acknowledgements_and_empty_groups_have_no_effect() {
    let ta1 = format!("{ISA}TA1*000000900*260302*0916*A*000~IEA*1*000000042~");
    let functional = format!(
        "{ISA}GS*FA*A*B*20260302*0916*1*X*004010~{}GE*1*1~IEA*1*000000042~",
        set("997", "0001", &["AK1*PR*9", "AK9*A*1*1*1"])
    );
    let asked = functional.replace("*0*P*>", "*1*P*>");
    for document in [&ta1, &ta1.replace("IEA*1", "IEA*0"), &functional] {
        assert_eq!(
            read(document.as_bytes(), &options()).interchanges[0].status(),
            Status::Accepted
        );
        assert_eq!(answer(document.as_bytes()), "");
    }
    assert_eq!(answer(asked.as_bytes()), "TA1*000000042*260302*0915*A*000");
    let empty = format!("{ISA}{GS}GE*0*7~IEA*1*000000042~");
    assert_eq!(answer(empty.as_bytes()), "AK1*PO*7\nAK9*A*0*0*0");
}

#[test]
fn service_segments_before_the_first_group_are_kept() {
    let document = order(&BODY).replacen(
        "GS*",
        "ISB*1~ISE*200601*0515*04~TA1*000000900*260302*0916*A*000~GS*",
        1,
    );
    assert_eq!(answer(document.as_bytes()), CLEAN);
    let outcome = read(document.as_bytes(), &options());
    let ids: Vec<&str> = outcome.interchanges[0]
        .services
        .iter()
        .map(|segment| segment.id())
        .collect();
    assert_eq!(ids, ["ISB", "ISE", "TA1"]);
}

#[test]
fn misplaced_segments_reject_the_interchange() {
    for (from, to) in [
        ("GE*1*7~", "GE*1*7~REF*A*B~"),
        ("GS*", "ST*850*1~GS*"),
        ("ST*850", "SE*1*1~ST*850"),
        ("IEA", "GE*1*1~IEA"),
    ] {
        let document = order(&BODY).replacen(from, to, 1);
        assert_eq!(
            answer(document.as_bytes()),
            "TA1*000000042*260302*0915*R*024",
            "{to}"
        );
    }
}

#[test]
fn a_cut_interchange_does_not_swallow_the_next() {
    let first = order(&BODY).replace("GE*1*7~IEA*1*000000042~", "");
    let document = format!("{first}{}", order(&BODY));
    let outcome = read(document.as_bytes(), &options());
    let statuses: Vec<Status> = outcome
        .interchanges
        .iter()
        .map(super::Interchange::status)
        .collect();
    assert_eq!(statuses, [Status::Rejected, Status::Accepted]);
}

#[test]
fn bytes_that_are_no_interchange_are_named_and_passed_over() {
    let document = format!("hello\n{}garbage~{}", order(&BODY), order(&BODY));
    let outcome = read(document.as_bytes(), &options());
    assert_eq!((outcome.interchanges.len(), outcome.stray.len()), (2, 2));
    assert_eq!(read(b"", &options()).interchanges.len(), 0);
    assert_eq!(read(b"ISA", &options()).stray.len(), 1);
}

#[test]
fn limits_reject_the_interchange_and_keep_the_next() {
    let long: &str = Box::leak(format!("PID*F****{}", "x".repeat(200)).into_boxed_str());
    let limits = |limits: Limits| ReadOptions {
        limits,
        ..options()
    };
    let small = Limits {
        segment_bytes: 150,
        element_bytes: 100,
        text_bytes: 150,
        ..Limits::default()
    };
    let cases = [
        (order(&body_with(8, long)), small.clone()),
        (order(&BODY).replace("B-1", &"B".repeat(120)), small),
        (
            order(&BODY),
            Limits {
                segments: 5,
                ..Limits::default()
            },
        ),
        (
            order(&BODY),
            Limits {
                transaction_sets: 0,
                ..Limits::default()
            },
        ),
        (
            order(&BODY),
            Limits {
                interchange_bytes: 200,
                ..Limits::default()
            },
        ),
    ];
    for (document, bound) in cases {
        let whole = format!("{document}{ISA}IEA*0*000000042~");
        let outcome = read(whole.as_bytes(), &limits(bound.clone()));
        let statuses: Vec<Status> = outcome
            .interchanges
            .iter()
            .map(super::Interchange::status)
            .collect();
        assert_eq!(statuses, [Status::Rejected, Status::Accepted], "{bound:?}");
        assert_eq!(outcome.interchanges[0].faults[0].code.code(), "022");
    }
}

#[test]
fn hostile_files_stay_small_and_end() {
    let many = format!("{ISA}IEA*0*000000042~").repeat(3_000);
    let outcome = read(many.as_bytes(), &options());
    assert_eq!(
        (outcome.interchanges.len(), outcome.stray.len()),
        (1_000, 1)
    );
    let separators = format!("{ISA}{}", "*".repeat(10_000));
    assert_eq!(
        read(separators.as_bytes(), &options()).interchanges[0].faults[0]
            .code
            .code(),
        "022"
    );
    for pattern in [
        "ISA*",
        "ISA",
        "~",
        "*",
        "ISA*\n",
        "IEA~",
        "ST*850*1~",
        "GS*PO~",
    ] {
        let flood = format!("{ISA}{}", pattern.repeat(1_000_000 / pattern.len()));
        let outcome = read(flood.as_bytes(), &options());
        assert!(
            outcome
                .interchanges
                .iter()
                .all(|interchange| interchange.status() == Status::Rejected),
            "{pattern:?}"
        );
        assert!(outcome.stray.len() <= 101);
    }
}

#[test]
fn long_texts_have_a_limit_of_their_own() {
    let text: &str = Box::leak(format!("MSG*{}", "x".repeat(20_000)).into_boxed_str());
    accepted(order(&body_with(8, text)).as_bytes(), 14);
    let other: &str = Box::leak(format!("REF*ZZ*{}", "x".repeat(5_000)).into_boxed_str());
    let document = order(&body_with(8, other));
    assert_eq!(
        read(document.as_bytes(), &options()).interchanges[0].status(),
        Status::Rejected
    );
}

#[test]
fn a_flood_of_faults_is_bounded_and_still_rejects() {
    let document = format!("{ISA}{GS}{}", "SE*1*1~".repeat(5_000));
    let outcome = read(document.as_bytes(), &options());
    assert_eq!(outcome.interchanges[0].faults.len(), 100);
    assert_eq!(outcome.interchanges[0].status(), Status::Rejected);
}

#[test]
fn a_header_that_says_nonsense_is_answered() {
    let with = |from: &str, to: &str| answer(order(&BODY).replacen(from, to, 1).as_bytes());
    assert!(with("*0*P*>", "*0*Q*>").starts_with("TA1*000000042*260302*0915*R*020"));
    assert!(with("*000000042*0", "*00000004X*0").starts_with("TA1*00000004X*260302*0915*R*018"));
    assert_eq!(
        with("*260302*0915*U", "*261302*0915*U"),
        format!("TA1*000000042*261302*0915*E*014\n{CLEAN}")
    );
}

#[test]
fn callers_add_their_own_verdicts() {
    use super::{Fault, GroupError, InterchangeError, Position, Verdict};
    let document = order(&BODY);
    let outcome = read(document.as_bytes(), &options());
    let text = |verdict: &Verdict| {
        String::from_utf8(verdict.reply(&super::fixtures::reply()).unwrap().unwrap()).unwrap()
    };
    let mut unknown = Verdict::of(&outcome.interchanges[0]);
    unknown.faults.push(Fault::reject(
        InterchangeError::InvalidSender,
        Position::default(),
        "not a partner",
    ));
    assert!(
        text(&unknown).contains("~TA1*000000042*260302*0915*R*006~IEA*0*"),
        "{}",
        text(&unknown)
    );
    let mut version = Verdict::of(&outcome.interchanges[0]);
    version.groups[0].faults.push(Fault::reject(
        GroupError::VersionNotSupported,
        Position::default(),
        "004010 not agreed",
    ));
    assert!(text(&version).contains("~AK9*R*1*1*0*2~"));
    let mut unagreed = Verdict::of(&outcome.interchanges[0]);
    unagreed.groups[0].sets[0].faults.push(Fault::reject(
        SetError::NotSupported,
        Position::default(),
        "no 850 agreed",
    ));
    assert!(text(&unagreed).contains("~AK5*R*1~AK9*R*1*1*0~"));
}

#[test]
fn the_answer_goes_back_to_the_sender_under_our_numbers() {
    let document = order(&BODY).replacen(
        "GS*",
        &format!("{GS}{}GE*1*7~GS*", set("850", "0009", &BODY)),
        1,
    );
    let document = document
        .replace("GE*1*7~IEA*1", "GE*1*8~IEA*2")
        .replacen("*7*X", "*8*X", 2)
        .replacen("*8*X", "*7*X", 1);
    let outcome = read(document.as_bytes(), &options());
    let bytes = super::Verdict::of(&outcome.interchanges[0])
        .reply(&super::fixtures::reply())
        .unwrap()
        .unwrap();
    assert_eq!(
        String::from_utf8(bytes).unwrap(),
        "ISA*00*          *00*          *ZZ*SELLER         *ZZ*BUYER          *260302*0916*U*00401*000000900*0*P*>~\
         GS*FA*SELLERAPP*BUYERAPP*20260302*0916*90*X*004010~\
         ST*997*0001~AK1*PO*7~AK2*850*0009~AK5*A~AK9*A*1*1*1~SE*6*0001~\
         ST*997*0002~AK1*PO*8~AK2*850*0001~AK5*A~AK9*A*1*1*1~SE*6*0002~\
         GE*2*90~IEA*1*000000900~"
    );
}
