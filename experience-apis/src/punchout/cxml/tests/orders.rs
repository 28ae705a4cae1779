//! `OrderRequest`.

use rstest::rstest;

use super::support::{asking, envelope, usd};
use crate::punchout::cxml::{
    order::{self, Attachment, OrderRequest, OrderType, missing_part},
    status::{Code, Status},
};

const ORDER: &str = r#"<OrderRequest>
<OrderRequestHeader orderID="PO-7" orderDate="2026-03-02T23:30:00-05:00" type="new" orderVersion="1" requestedDeliveryDate="2026-03-09T00:00:00+01:00">
  <Total><Money currency="USD">163.75</Money></Total>
  <ShipTo><Address addressID="21444" isoCountryCode="US"><Name xml:lang="en">Acme Dock</Name>
    <PostalAddress><DeliverTo>Joe</DeliverTo><Street>1 Main</Street><City>Ames</City><State>IA</State><PostalCode>50010</PostalCode>
    <Country isoCountryCode="US">United States</Country></PostalAddress></Address></ShipTo>
  <BillTo><Address addressID="B1"><Name xml:lang="en">Acme</Name></Address></BillTo>
  <Comments xml:lang="en">Gate 3<Attachment><URL>cid:plan%2B1@acme.example</URL></Attachment></Comments>
  <Extrinsic name="Dept">77</Extrinsic>
</OrderRequestHeader>
<ItemOut quantity="250" lineNumber="10" requestedDeliveryDate="2026-03-10">
  <ItemID><SupplierPartID>BOLT-M8</SupplierPartID><SupplierPartAuxiliaryID>lock-1</SupplierPartAuxiliaryID><BuyerPartID>B-17</BuyerPartID></ItemID>
  <ItemDetail><UnitPrice><Money currency="USD">33.50</Money></UnitPrice><Description xml:lang="en"><ShortName>Bolt</ShortName></Description>
  <UnitOfMeasure>EA</UnitOfMeasure><PriceBasisQuantity quantity="100" conversionFactor="1"><UnitOfMeasure>EA</UnitOfMeasure></PriceBasisQuantity>
  <Classification domain="UNSPSC">31161600</Classification><ManufacturerPartID>M-8</ManufacturerPartID><Extrinsic name="LineType">Quantity</Extrinsic></ItemDetail>
  <Comments>Careful</Comments>
</ItemOut>
<ItemOut quantity="2.0" lineNumber="20">
  <ItemID><SupplierPartID>GLOVES</SupplierPartID></ItemID>
  <ItemDetail><UnitPrice><Money currency="USD">40</Money></UnitPrice><Description xml:lang="en">Gloves</Description>
  <UnitOfMeasure>CT</UnitOfMeasure><Classification domain="UNSPSC">46181504</Classification></ItemDetail>
  <ShipTo><Address addressID="21445"><Name xml:lang="en">Other</Name></Address></ShipTo>
</ItemOut>
</OrderRequest>"#;

fn read(request: &str) -> Result<OrderRequest, Status> {
    order::read(&envelope(&asking(request)).unwrap().request)
}

#[test]
fn everything_that_matters_is_kept() {
    let order = read(ORDER).unwrap();
    assert_eq!(order.order_id.as_str(), "PO-7");
    assert_eq!(order.order_type, OrderType::New);
    // The day where it was given.
    assert_eq!(order.order_date.unwrap().to_string(), "2026-03-02");
    assert_eq!(order.order_version.as_deref(), Some("1"));
    assert_eq!(
        order.requested_delivery_date.unwrap().to_string(),
        "2026-03-09"
    );
    assert_eq!(order.total, Some(usd("163.75")));
    let place = order.ship_to.unwrap();
    assert_eq!(place.address_id.as_deref(), Some("21444"));
    assert_eq!(place.lines, ["Joe", "1 Main", "Ames", "IA", "50010"]);
    assert_eq!(place.country.as_deref(), Some("US"));
    assert_eq!(order.bill_to.unwrap().address_id.as_deref(), Some("B1"));
    assert_eq!(order.comments, ["Gate 3"]);
    assert_eq!(order.extrinsics[0].value, "77");
    let [bolts, gloves] = order.lines.as_slice() else {
        panic!("two lines");
    };
    assert_eq!((bolts.line_number, gloves.line_number), (10, 20));
    assert_eq!(bolts.item.auxiliary_id.as_deref(), Some("lock-1"));
    assert_eq!(bolts.item.buyer_part_id.as_deref(), Some("B-17"));
    assert_eq!(bolts.manufacturer_part_id.as_deref(), Some("M-8"));
    assert_eq!(bolts.description.as_deref(), Some("Bolt"));
    assert_eq!(bolts.unit_price(), Some(usd("0.335")));
    assert_eq!(
        bolts.requested_delivery_date.unwrap().to_string(),
        "2026-03-10"
    );
    assert_eq!(bolts.extrinsics[0].name, "LineType");
    assert_eq!(gloves.unit.as_deref(), Some("CT"));
    assert_eq!(gloves.unit_price(), Some(usd("40")));
    assert_eq!(
        gloves.ship_to.as_ref().unwrap().address_id.as_deref(),
        Some("21445")
    );
    assert_eq!(order.notes, Vec::<String>::new());
}

const FIRST: &str = "OrderRequest/ItemOut[1]";

#[rstest]
#[case::empty_money(
    ">40</Money>",
    "></Money>",
    "OrderRequest/ItemOut[2]/ItemDetail/UnitPrice/Money: is empty"
)]
#[case::no_money(
    "<Money currency=\"USD\">40</Money>",
    "",
    "OrderRequest/ItemOut[2]/ItemDetail/UnitPrice: is missing"
)]
#[case::groups(
    ">163.75<",
    ">1,163.75<",
    "OrderRequest/OrderRequestHeader/Total/Money"
)]
#[case::empty_total(
    ">163.75<",
    "> <",
    "OrderRequest/OrderRequestHeader/Total/Money: is empty"
)]
#[case::no_total(
    "Total>",
    "Other>",
    "OrderRequest/OrderRequestHeader/Total: is missing"
)]
#[case::odd_currency(
    "currency=\"USD\">40",
    "currency=\"usd\">40",
    "OrderRequest/ItemOut[2]/ItemDetail/UnitPrice/Money/@currency"
)]
#[case::negative_price(">40<", ">-40<", "OrderRequest/ItemOut[2]/ItemDetail/UnitPrice/Money")]
#[case::no_order_id("orderID=\"PO-7\"", "orderID=\" \"", "@orderID")]
#[case::long_order_id(
    "PO-7",
    "PO-7890123456789012345678901234567890123456789012345",
    "@orderID"
)]
#[case::odd_type("type=\"new\"", "type=\"NEW\"", "@type")]
#[case::zero("quantity=\"250\"", "quantity=\"0\"", "ItemOut[1]/@quantity")]
#[case::negative("quantity=\"250\"", "quantity=\"-250\"", "ItemOut[1]/@quantity")]
#[case::exponent("quantity=\"250\"", "quantity=\"2.5e2\"", "ItemOut[1]/@quantity")]
#[case::no_quantity("quantity=\"250\"", "", "ItemOut[1]/@quantity")]
#[case::no_part(">BOLT-M8<", "><", "ItemOut[1]/ItemID/SupplierPartID")]
#[case::no_unit(
    "<UnitOfMeasure>CT</UnitOfMeasure>",
    "",
    "ItemOut[2]/ItemDetail/UnitOfMeasure"
)]
#[case::zero_basis("quantity=\"100\"", "quantity=\"0\"", "PriceBasisQuantity/@quantity")]
#[case::same_number("lineNumber=\"20\"", "lineNumber=\"10\"", "ItemOut[2]/@lineNumber")]
#[case::odd_number("lineNumber=\"20\"", "lineNumber=\"2a\"", "ItemOut[2]/@lineNumber")]
#[case::no_zone(
    "\"2026-03-10\"",
    "\"2026-03-10+ab:cd\"",
    "ItemOut[1]/@requestedDeliveryDate"
)]
#[case::no_such_day("2026-03-10", "2026-02-30", "ItemOut[1]/@requestedDeliveryDate")]
#[case::no_lines("ItemOut", "Other", "OrderRequest/ItemOut")]
#[case::no_header("OrderRequestHeader", "Other", "OrderRequest/OrderRequestHeader")]
fn a_fault_names_its_place(#[case] from: &str, #[case] to: &str, #[case] path: &str) {
    let changed = ORDER.replace(from, to);
    assert_ne!(changed, ORDER);
    let status = read(&changed).unwrap_err();
    assert_eq!(status.code, Code::BadRequest, "{status}");
    assert!(status.detail.contains(path), "{status}");
}

#[rstest]
#[case("type=\"new\"", "type=\"new\" orderType=\"blanket\"", "blanket")]
#[case("type=\"new\"", "type=\"new\" orderType=\"release\"", "release")]
#[case(
    "type=\"new\"",
    "type=\"new\" orderType=\"stockTransport\"",
    "stockTransport"
)]
#[case(
    "lineNumber=\"20\"",
    "lineNumber=\"20\" isReturn=\"yes\"",
    "ItemOut[2]"
)]
#[case(
    "lineNumber=\"20\"",
    "lineNumber=\"20\" operation=\"delete\"",
    "ItemOut[2]"
)]
#[case(
    "lineNumber=\"20\"",
    "lineNumber=\"20\" parentLineNumber=\"10\"",
    "ItemOut[2]"
)]
#[case(
    "lineNumber=\"20\"",
    "lineNumber=\"20\" itemType=\"composite\"",
    "ItemOut[2]"
)]
fn what_is_no_plain_order_is_not_taken_for_one(
    #[case] from: &str,
    #[case] to: &str,
    #[case] word: &str,
) {
    let status = read(&ORDER.replace(from, to)).unwrap_err();
    assert_eq!(status.code, Code::NotImplemented, "{status}");
    assert!(status.detail.contains(word), "{status}");
}

#[test]
fn lines_without_number_are_counted_around_the_others() {
    let changed = ORDER
        .replace(" lineNumber=\"10\"", "")
        .replace("lineNumber=\"20\"", "lineNumber=\"1\"");
    let order = read(&changed).unwrap();
    let numbers: Vec<u32> = order.lines.iter().map(|line| line.line_number).collect();
    assert_eq!(numbers, [2, 1]);
    assert_eq!(order.notes.len(), 1, "{:?}", order.notes);
}

#[rstest]
#[case("0250.500", "250.500")]
#[case(" +250 ", "250")]
#[case(".5", "0.5")]
#[case("250.", "250")]
#[case("1.00000000000000", "1")]
fn decimals_are_read_exactly(#[case] text: &str, #[case] value: &str) {
    let order = read(&ORDER.replace("quantity=\"250\"", &format!("quantity=\"{text}\""))).unwrap();
    assert_eq!(order.lines[0].quantity, value.parse().unwrap());
}

#[rstest]
#[case("2026-03-10")]
#[case("2026-03-10Z")]
#[case("2026-03-10-05:00")]
#[case("2026-03-10T23:59:59.999-11:00")]
#[case("2026-03-10T00:00:00+14:00")]
#[case("2026-03-10T00:00:00")]
fn a_date_is_the_day_where_it_was_written(#[case] text: &str) {
    let order = read(&ORDER.replace("\"2026-03-10\"", &format!("\"{text}\""))).unwrap();
    let date = order.lines[0].requested_delivery_date.unwrap();
    assert_eq!(date.to_string(), "2026-03-10");
}

#[rstest]
#[case("100", "0.5", "0.1675")]
#[case("12", "12", "33.5")]
#[case("3", "1", "11.166666667")]
fn a_price_basis_gives_the_price_of_one(
    #[case] quantity: &str,
    #[case] factor: &str,
    #[case] one: &str,
) {
    let changed = ORDER.replace(
        "quantity=\"100\" conversionFactor=\"1\"",
        &format!("quantity=\"{quantity}\" conversionFactor=\"{factor}\""),
    );
    assert_eq!(
        read(&changed).unwrap().lines[0].unit_price(),
        Some(usd(one))
    );
}

#[test]
fn a_cancellation_needs_no_sound_lines() {
    let changed = ORDER
        .replace("type=\"new\"", "type=\"delete\"")
        .replace(">40</Money>", "></Money>")
        .replace(
            "<Extrinsic name=\"Dept\">",
            "<DocumentReference payloadID=\"p-0@acme\"/><Extrinsic name=\"Dept\">",
        );
    let order = read(&changed).unwrap();
    assert_eq!(order.order_type, OrderType::Delete);
    assert_eq!(order.replaces.as_deref(), Some("p-0@acme"));
    assert!(order.lines.is_empty());
    let update = read(&ORDER.replace("type=\"new\"", "type=\"update\"")).unwrap();
    assert_eq!(update.order_type, OrderType::Update);
    assert_eq!(update.lines.len(), 2);
}

#[test]
fn a_line_split_by_date_keeps_its_parts() {
    let part = |quantity: &str, date: &str| {
        format!(
            "<ScheduleLine quantity=\"{quantity}\" requestedDeliveryDate=\"{date}T00:00:00+00:00\"><UnitOfMeasure>EA</UnitOfMeasure></ScheduleLine>"
        )
    };
    let split = |first: &str| {
        let parts = part(first, "2026-03-10") + &part("150", "2026-03-20");
        ORDER.replacen("<Comments>Careful</Comments>", &parts, 1)
    };
    let order = read(&split("100")).unwrap();
    let parts = order.lines[0].schedule.iter();
    let parts: Vec<String> = parts.map(|(part, date)| format!("{part} {date}")).collect();
    assert_eq!(parts, ["100 2026-03-10", "150 2026-03-20"]);
    assert!(order.notes.is_empty());
    assert_eq!(read(&split("99")).unwrap().notes.len(), 1);
    assert!(read(&split("none")).unwrap_err().detail.contains(FIRST));
}

#[test]
fn an_attachment_must_come_along() {
    let order = read(ORDER).unwrap();
    let expected = Attachment {
        path: "OrderRequest/OrderRequestHeader/Comments/Attachment".to_owned(),
        url: "cid:plan%2B1@acme.example".to_owned(),
    };
    assert_eq!(order.attachments, [expected]);
    assert_eq!(
        missing_part(&order.attachments, &["plan+1@acme.example"]),
        None
    );
    let status = missing_part(&order.attachments, &["other@acme.example"]).unwrap();
    assert_eq!(status.code, Code::BadRequest);
    assert!(status.detail.contains("Comments/Attachment"), "{status}");
    let by_address = ORDER.replace("cid:plan%2B1@acme.example", "https://acme.example/plan.pdf");
    assert_eq!(
        missing_part(&read(&by_address).unwrap().attachments, &[]),
        None
    );
}

#[test]
fn a_long_order_with_its_accounting_is_read() {
    let segment = "<AccountingSegment id=\"1\">\n<Name xml:lang=\"en\">n</Name>\n<Description xml:lang=\"en\">d</Description>\n</AccountingSegment>\n";
    let charge = "<Charge>\n<Money currency=\"USD\">1</Money>\n</Charge>\n";
    let accounting = format!(
        "<Accounting name=\"a\">\n{}</Accounting>\n",
        segment.repeat(6)
    );
    let line = format!(
        "<ItemOut quantity=\"1\">\n<ItemID>\n<SupplierPartID>A</SupplierPartID>\n</ItemID>\n<Distribution>\n{accounting}{charge}</Distribution>\n</ItemOut>\n"
    );
    let header = ORDER.split_once("</OrderRequestHeader>").unwrap().0;
    let lines = line.repeat(5_000);
    let order = read(&format!(
        "{header}</OrderRequestHeader>{lines}</OrderRequest>"
    ));
    assert_eq!(order.unwrap().lines.len(), 5_000);
}

#[test]
fn attachments_are_bounded_and_a_refusal_does_not_send_them_back() {
    let with = |attachments: &str| {
        let end = format!("{attachments}</OrderRequest>");
        read(&ORDER.replace("</OrderRequest>", &end))
    };
    let one = "<Attachment><URL>https://acme.example/plan.pdf</URL></Attachment>";
    assert_eq!(with(&one.repeat(99)).unwrap().attachments.len(), 100);
    let status = with(&one.repeat(100)).unwrap_err();
    assert!(
        status.detail.contains("more than 100 of them"),
        "{}",
        status.detail
    );
    let long = format!(
        "<Attachment><URL>cid:{}</URL></Attachment>",
        "ü".repeat(100_000)
    );
    let order = with(&long).unwrap();
    let status = missing_part(&order.attachments, &["plan+1@acme.example"]).unwrap();
    assert_eq!(status.detail.chars().count(), 8_000);
}

#[test]
fn a_long_list_of_faults_is_cut() {
    let line =
        "<ItemOut quantity=\"x\"><ItemID><SupplierPartID>A</SupplierPartID></ItemID></ItemOut>";
    let many = ORDER.replace(
        "</OrderRequest>",
        &format!("{}</OrderRequest>", line.repeat(500)),
    );
    let status = read(&many).unwrap_err();
    assert!(status.detail.len() < 3_000, "{}", status.detail.len());
    assert!(status.detail.ends_with("480 more."), "{status}");
}
