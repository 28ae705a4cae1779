//! Purchase orders in other legal dialects than the samples', each written for the case and sent by a partner made from
//! the document itself.

use service_runtime::clock::Clock;

use crate::{x12_exchange::outcome, x12_sender::Agreed};

/// A document in the usual delimiters: header, version, and the sets' segments without ST and SE.
struct Document {
    /// ISA11, ISA12, GS08.
    versions: [&'static str; 3],
    control: &'static str,
    /// How counts are written.
    padding: usize,
    sets: Vec<String>,
    /// A group that stands before the orders.
    before: &'static str,
}

impl Document {
    fn new(body: &str) -> Self {
        Self {
            versions: ["U", "00401", "004010"],
            control: "000000101",
            padding: 1,
            sets: vec![body.to_owned()],
            before: "",
        }
    }

    fn text(&self) -> String {
        let Self {
            versions: [eleven, release, version],
            control,
            padding,
            before,
            ..
        } = self;
        let mut text = format!(
            "ISA*00*          *00*          *12*5551234567     *ZZ*SELLER         *260105*0930*{eleven}*{release}*{control}*0*P*>~\
             {before}GS*PO*BUYER*SELLER*20260105*0930*77*X*{version}~"
        );
        for (number, body) in (1..).zip(&self.sets) {
            let count = body.matches('~').count() + 2;
            text += &format!("ST*850*{number:04}~{body}SE*{count:0padding$}*{number:04}~");
        }
        let groups = 1 + usize::from(!before.is_empty());
        let sets = self.sets.len();
        format!("{text}GE*{sets:0padding$}*77~IEA*{groups:0padding$}*{control}~")
    }

    /// The same under other delimiters: element, component, segment.
    fn under(&self, [element, component, segment]: [u8; 3]) -> Vec<u8> {
        let translated = self.text().into_bytes().into_iter().map(|byte| match byte {
            b'*' => element,
            b'>' => component,
            b'~' => segment,
            other => other,
        });
        translated.collect()
    }
}

/// One line, for a place by its code.
fn plain(number: &str) -> String {
    format!("BEG*00*NE*{number}**20260105~N1*ST*Dock*92*0042~PO1*1*5*EA*2.50**VP*PART-1~CTT*1~")
}

async fn told(bytes: &[u8], agreed: Agreed) -> String {
    let seen = outcome(bytes, agreed, false).await.unwrap();
    assert_eq!(
        seen.differences,
        Vec::<String>::new(),
        "{}",
        String::from_utf8_lossy(bytes)
    );
    seen.told
}

const TAKEN: &str = "AK5 A; AK9 A; 855 AD IA";

#[tokio::test]
async fn every_legal_delimiter_is_obeyed() {
    for delimiters in [
        *b"|:\r",
        *b"\t/\n",
        *b"+@'",
        *b",;!",
        *b"^<\x15",
        [0x1D, 0x1F, 0x1E],
        *b"~*|",
    ] {
        let document = Document::new(&plain("PO-1")).under(delimiters);
        assert_eq!(
            told(&document, Agreed::default()).await,
            TAKEN,
            "{delimiters:?}"
        );
    }
}

#[tokio::test]
async fn a_file_of_interchanges_may_change_its_delimiters_and_bring_marks_and_rubbish_along() {
    let second = Document {
        control: "000000102",
        ..Document::new(&plain("PO-2"))
    };
    let mut file = b"\xEF\xBB\xBF\r\n".to_vec();
    file.extend(Document::new(&plain("PO-1")).under(*b"|:\n"));
    file.extend(b"\r\n\xEF\xBB\xBF");
    file.extend(second.under(*b"*>~"));
    file.extend(b"\r\n\x1A\0\0");
    let both = "AK5 A; AK9 A; AK5 A; AK9 A; 855 AD IA; 855 AD IA";
    assert_eq!(told(&file, Agreed::default()).await, both);
}

#[tokio::test]
async fn a_group_without_sets_and_padded_counts_are_accepted() {
    let mut document = Document::new(&plain("PO-1"));
    document.before = "GS*PO*BUYER*SELLER*20260105*0930*76*X*004010~GE*0*76~";
    document.padding = 5;
    assert_eq!(
        told(&document.under(*b"*>~"), Agreed::default()).await,
        "AK9 A; AK5 A; AK9 A; 855 AD IA"
    );
}

#[tokio::test]
async fn records_of_one_length_are_put_together() {
    let body = format!(
        "{}MSG*Deliver to the back door, mornings only please~",
        plain("PO-1").replace("CTT*1~", "")
    );
    let line = Document::new(&body).under(*b"*>~");
    let records: Vec<&[u8]> = line.chunks(80).collect();
    assert_eq!(
        told(&records.join(&b"\r\n"[..]), Agreed::default()).await,
        TAKEN
    );
}

#[tokio::test]
async fn releases_differ_in_dates_separators_and_components() {
    let newer = "BEG*00*SA*PO-1**20260105~REF*DP*038**12>A>B~N1*ST*dock nine*UL*0614141000012~\
                 PO1*1*5*EA*2.50*PE*VN*part-1a~PID*F****caf\u{e9} cr\u{e8}me, lower case~CTT*1~";
    let newer = Document {
        versions: ["^", "00501", "005010"],
        ..Document::new(newer)
    };
    let latin1: Vec<u8> = newer
        .text()
        .chars()
        .map(|c| u8::try_from(c).unwrap())
        .collect();
    for bytes in [newer.text().into_bytes(), latin1] {
        assert_eq!(told(&bytes, Agreed::default()).await, TAKEN);
    }
    let older = "BEG*00*SA*PO-1**260105~DTM*002*260220***20~N1*ST**1*061414100~PO1**5*EA*2.5**CB*77-1*UP*061414112345~CTT*1~";
    let older = Document {
        versions: ["U", "00304", "003040"],
        ..Document::new(older)
    };
    assert_eq!(
        told(&older.text().into_bytes(), Agreed::default()).await,
        "AK5 A; AK9 A; 855 AC DR"
    );
}

#[tokio::test]
async fn units_prices_and_products_are_as_agreed() {
    let body = "BEG*00*SA*PO-1**20260105~N1*ST*Dock*92*0042~\
                PO1*1*200*EA*450*HP*SK*A1~PO1*2*3*KI*2.25*XX*SK*A2~PO1*3*2*DZ*12*LE*SK*A3~PO1*4*5**1.5**SK*A4~PO1*5*5*EA***SK*A5~\
                PO1*6*2.5*LB*3.10*NT*SK*A6~CTT*6~";
    let agreed = Agreed {
        units: &[("KI", "KT")],
        keys: "price_bases = { XX = 1 }",
        ..Agreed::default()
    };
    let document = Document::new(body).text().into_bytes();
    assert_eq!(
        told(&document, agreed).await,
        "AK5 A; AK9 A; 855 AC 4xIA IP IA"
    );
    let unknown = Agreed {
        units: &[("KI", "KT")],
        ..Agreed::default()
    };
    assert_eq!(
        told(&document, unknown).await,
        "AK5 A; AK9 A; 855 RD 6xIR 'Line 2: price basis XX (PO105) is not known: send PE for a price per unit, or have it \
         added to the agreement'"
    );
}

#[tokio::test]
async fn a_line_with_several_dates_is_promised_for_each() {
    let later = |days: i32| {
        let day = Clock::system().today(&jiff::tz::TimeZone::UTC);
        day.saturating_add(jiff::Span::new().days(days))
            .strftime("%Y%m%d")
            .to_string()
    };
    let (first, second) = (later(30), later(60));
    let body = format!(
        "BEG*00*SA*PO-1**20260105~N1*ST*Dock*92*0042~PO1*1*10*EA*2.50**VP*PART-1~\
         SCH*4*EA***002*{first}~SCH*6*EA***002*{second}~CTT*1*10~"
    );
    assert_eq!(
        told(&Document::new(&body).text().into_bytes(), Agreed::default()).await,
        "AK5 A; AK9 A; 855 AD IA+IA"
    );
}

#[tokio::test]
async fn charges_and_one_store_at_every_line_are_an_order_for_that_store() {
    let mut body = "BEG*00*SA*PO-1**20260105~SAC*A*C310***1500********02~".to_owned();
    for line in 1..=60 {
        body += &format!(
            "PO1*{line}*{line}*EA*1.75**VP*PART-{line}~SAC*C*D240***125~SDQ*EA*92*S-1*{line}~"
        );
    }
    body += "CTT*60*1830~AMT*TT*3202.5~";
    assert_eq!(
        told(&Document::new(&body).text().into_bytes(), Agreed::default()).await,
        "AK5 A; AK9 A; 855 AD 60xIA"
    );
}

#[tokio::test]
async fn several_stores_are_served_through_the_place_of_the_heading_where_that_is_agreed() {
    let stores = plain("PO-1").replace("CTT", "SDQ*EA*92*S-1*2*S-2*3~CTT");
    let agreed = Agreed {
        ship_to: "several_places = \"use_heading\"",
        ..Agreed::default()
    };
    assert_eq!(
        told(&Document::new(&stores).text().into_bytes(), agreed).await,
        TAKEN
    );
}

#[tokio::test]
async fn what_is_no_order_for_one_place_is_refused_with_a_reason() {
    let beginning = |purpose: &str| plain("PO-1").replace("BEG*00", &format!("BEG*{purpose}"));
    let stores = plain("PO-1").replace("CTT", "SDQ*EA*92*S-1*2*S-2*3~CTT");
    for (body, answer) in [
        (beginning("01"), "an 860."),
        (beginning("05"), "an 860."),
        (beginning("06"), "it was not taken a second time"),
        (beginning("07"), "it was not taken a second time"),
        (stores, "send one 850 for each"),
        (
            plain("PO-1").replace("CTT*1", "CTT*2"),
            "CTT01 says 2 lines; 1 were received.",
        ),
    ] {
        let told = told(&Document::new(&body).text().into_bytes(), Agreed::default()).await;
        assert!(
            told.starts_with("AK5 A; AK9 A; 855 RJ '") && told.contains(answer),
            "{told}"
        );
    }
}

#[tokio::test]
async fn several_orders_of_one_group_are_each_taken_or_refused() {
    let mut document = Document::new(&plain("PO-1"));
    document
        .sets
        .push(plain("PO-2").replace("PO1*1*5", "PO1*1*"));
    document.sets.push(plain("PO-3"));
    let seen = told(&document.text().into_bytes(), Agreed::default()).await;
    assert_eq!(
        seen,
        "AK5 A; AK3 PO1 4 PO1 8; AK4 2 330 1; AK5 R 5; AK5 A; AK9 P; 855 AD IA; 855 AD IA"
    );
}
