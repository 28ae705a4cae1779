//! What every WMS connector must do against a live server, whatever the WMS: run [`run`] from the connector's own tests.

use canonical_model::{
    ErpOrderNumber, ItemNumber, OrderReference, PurchaseOrderNumber, Quantity, SiteId,
    UnitOfMeasure,
    account::Address,
    capabilities::ReleaseClass,
    fulfilment::{CreateWarehouseRelease, WarehouseReleaseLine, WarehouseReleaseState},
};
use jiff::civil::date;
use rust_decimal::dec;

use super::connector::{ReleasedLine, WmsConnector};
use crate::connector::ConnectorError;

/// What exists on the server.
pub(crate) struct World {
    pub(crate) site: SiteId,
    /// Kept in pieces there.
    pub(crate) item: ItemNumber,
}

pub(crate) fn release(world: &World, reference: &str) -> CreateWarehouseRelease {
    CreateWarehouseRelease {
        release_reference: reference.to_owned(),
        order_reference: OrderReference::new("OWCONTRACT").unwrap(),
        sales_order_number: ErpOrderNumber::new("0000100001").unwrap(),
        purchase_order_number: PurchaseOrderNumber::new("PO-4711").unwrap(),
        site: world.site.clone(),
        ship_to_name: "Acme Plant 1".to_owned(),
        ship_to_id: "ACME-01".parse().unwrap(),
        ship_to: Address {
            lines: vec!["1 Plant Rd".to_owned()],
            city: "Columbus".to_owned(),
            region: Some("OH".to_owned()),
            postal_code: Some("43004".to_owned()),
            country: "US".to_owned(),
        },
        lines: vec![WarehouseReleaseLine {
            order_line: 1,
            item: world.item.clone(),
            quantity: Quantity::new(dec!(12), UnitOfMeasure::EACH),
            ship_date: date(2026, 11, 25),
        }],
    }
}

/// Checks everything.
pub(crate) async fn run(wms: &dyn WmsConnector, world: &World) {
    let wanted = release(world, "OWCONTRACT-EAST");
    assert!(
        wms.find_releases("OWCONTRACT-EAST")
            .await
            .unwrap()
            .is_empty()
    );
    let first = wms.create_release(&wanted).await.unwrap();
    assert_eq!(first.release_reference, wanted.release_reference);
    assert_eq!(
        (&first.site, first.state),
        (&world.site, WarehouseReleaseState::Released)
    );

    let second = wms.create_release(&wanted).await;
    let found = wms.find_releases("OWCONTRACT-EAST").await.unwrap();
    for record in &found {
        assert_eq!(record.lines, ReleasedLine::wanted(&wanted), "as asked for");
    }
    let found: Vec<_> = found.into_iter().map(|record| record.release).collect();
    match (wms.capabilities().release_class, second) {
        (ReleaseClass::Unique, Err(ConnectorError::Conflict { existing })) => {
            assert_eq!(existing, first.number);
            assert_eq!(found, [first]);
        }
        (ReleaseClass::Searchable | ReleaseClass::Blind, Ok(second)) => {
            assert_eq!(found, [first, second], "lowest first")
        }
        (class, second) => panic!("it is {class:?}, but a second create gave {second:?}"),
    }

    let mut unknown = release(world, "OWCONTRACT-UNKNOWN");
    unknown.lines[0].item = ItemNumber::new("NO-SUCH-ITEM").unwrap();
    let refused = wms.create_release(&unknown).await.unwrap_err();
    assert!(
        matches!(&refused, ConnectorError::Rejected { message } if !message.is_empty()),
        "{refused:?}"
    );
    assert!(
        wms.find_releases("OWCONTRACT-UNKNOWN")
            .await
            .unwrap()
            .is_empty()
    );
}
