//! `PunchOutSetupRequest`.

use rstest::rstest;

use super::support::{asking, envelope, outgoing};
use crate::punchout::cxml::{
    setup::{self, Operation, Setup},
    status::{Code, Status},
};

const SETUP: &str = r#"<PunchOutSetupRequest operation="edit">
  <BuyerCookie>c-1 <Key a="b">x &amp; y</Key></BuyerCookie>
  <Extrinsic name="User">jdoe</Extrinsic>
  <Extrinsic name="CostCenter"><Segment id="c50"/></Extrinsic>
  <BrowserFormPost><URL>
    https://procure.example.com/punchout/back?a=1&amp;b=2
  </URL></BrowserFormPost>
  <Contact><Name xml:lang="en">Jane</Name></Contact>
  <ShipTo><Address addressID="21444"><Name xml:lang="en">Acme</Name></Address></ShipTo>
  <SelectedItem><ItemID><SupplierPartID>BOLT-M8</SupplierPartID></ItemID></SelectedItem>
  <ItemOut quantity="2.50" lineNumber="10">
    <ItemID><SupplierPartID>BOLT-M8</SupplierPartID><SupplierPartAuxiliaryID> lock-1 </SupplierPartAuxiliaryID></ItemID>
    <ItemDetail><UnitOfMeasure>EA</UnitOfMeasure></ItemDetail>
  </ItemOut>
  <ItemOut quantity="1"><ItemID><SupplierPartID>GLOVES</SupplierPartID></ItemID></ItemOut>
</PunchOutSetupRequest>"#;

fn read(request: &str) -> Result<Setup, Status> {
    setup::read(&envelope(&asking(request)).unwrap().request)
}

#[test]
fn everything_that_matters_is_kept() {
    let setup = read(SETUP).unwrap();
    assert_eq!(setup.operation, Operation::Edit);
    assert_eq!(setup.buyer_cookie, "c-1 <Key a=\"b\">x &amp; y</Key>");
    assert_eq!(setup.extrinsics[0].value, "jdoe");
    assert_eq!(setup.extrinsics[1].value, "<Segment id=\"c50\"/>");
    assert_eq!(
        setup.return_url,
        "https://procure.example.com/punchout/back?a=1&b=2"
    );
    assert_eq!(setup.ship_to.unwrap().address_id.as_deref(), Some("21444"));
    assert_eq!(setup.selected.unwrap().supplier_part_id, "BOLT-M8");
    let [first, second] = setup.items.as_slice() else {
        panic!("two items");
    };
    assert_eq!(first.quantity.to_string(), "2.50");
    assert_eq!(first.line_number, Some(10));
    assert_eq!(first.item.auxiliary_id.as_deref(), Some("lock-1"));
    assert_eq!(first.unit.as_deref(), Some("EA"));
    assert_eq!((second.line_number, second.unit.as_ref()), (None, None));
}

#[rstest]
#[case("operation=\"edit\"", "operation=\"create\"", Ok(Operation::Create))]
#[case("operation=\"edit\"", "operation=\"inspect\"", Ok(Operation::Inspect))]
#[case("operation=\"edit\"", "operation=\"source\"", Err((Code::NotImplemented, "source")))]
#[case("operation=\"edit\"", "operation=\"SOURCE\"", Err((Code::NotImplemented, "source")))]
#[case("operation=\"edit\"", "operation=\"delete\"", Err((Code::BadRequest, "@operation")))]
#[case("operation=\"edit\"", "", Err((Code::BadRequest, "@operation")))]
#[case("BrowserFormPost>", "Other>", Err((Code::BadRequest, "PunchOutSetupRequest/BrowserFormPost/URL")))]
#[case("BuyerCookie>", "Other>", Err((Code::BadRequest, "PunchOutSetupRequest/BuyerCookie")))]
#[case("quantity=\"2.50\"", "quantity=\"2,50\"", Err((Code::BadRequest, "ItemOut[1]/@quantity")))]
#[case("quantity=\"1\"", "quantity=\"0\"", Err((Code::BadRequest, "ItemOut[2]/@quantity")))]
#[case("quantity=\"1\"", "quantity=\"-1\"", Err((Code::BadRequest, "ItemOut[2]/@quantity")))]
#[case("GLOVES", "", Err((Code::BadRequest, "ItemOut[2]/ItemID/SupplierPartID")))]
#[case("GLOVES", "GLO\u{200B}VES", Err((Code::BadRequest, "ItemOut[2]/ItemID/SupplierPartID")))]
fn operations_and_faults(
    #[case] from: &str,
    #[case] to: &str,
    #[case] expected: Result<Operation, (Code, &str)>,
) {
    match (read(&SETUP.replace(from, to)), expected) {
        (Ok(setup), Ok(operation)) => assert_eq!(setup.operation, operation),
        (Err(status), Err((code, word))) => {
            assert_eq!(status.code, code, "{status}");
            assert!(status.detail.contains(word), "{status}");
        }
        (seen, expected) => panic!("{expected:?} expected, got {seen:?}"),
    }
}

#[test]
fn all_faults_are_told_at_once() {
    let wrong = SETUP
        .replace("BuyerCookie>", "Other>")
        .replace("quantity=\"1\"", "quantity=\"many\"");
    let status = read(&wrong).unwrap_err();
    assert!(status.detail.contains("BuyerCookie"), "{status}");
    assert!(status.detail.contains("ItemOut[2]/@quantity"), "{status}");
}

#[test]
fn an_empty_selected_item_is_none() {
    let setup = read(&SETUP.replace(
        "<SelectedItem><ItemID><SupplierPartID>BOLT-M8",
        "<SelectedItem><ItemID><SupplierPartID>",
    ));
    assert_eq!(setup.unwrap().selected, None);
}

#[test]
fn what_would_not_fit_a_session_is_refused() {
    let setup = SETUP.replace("jdoe", &"x".repeat(70_000));
    assert_eq!(read(&setup).unwrap_err().code, Code::BadRequest);
}

#[test]
fn the_answer_names_the_start_page() {
    let text = setup::response(&outgoing("1.2.053"), "https://o.example/start/a?b=1&c=2");
    assert!(text.contains("<Status code=\"200\" text=\"OK\""), "{text}");
    assert!(
        text.contains("<URL>https://o.example/start/a?b=1&amp;c=2</URL>"),
        "{text}"
    );
    assert!(
        text.contains("timestamp=\"2026-03-02T08:00:00+00:00\""),
        "{text}"
    );
}
