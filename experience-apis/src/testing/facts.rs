//! The account and the orders that the stub tells of.

use canonical_model::{
    Currency, ItemNumber, Money, OrderId, OrderReference, Quantity, SiteId, UnitOfMeasure,
    UnitPrice,
    account::{Account, AccountStatus, Address, PartyIdentifier, PartyScheme, ShipTo},
    basket::{BasketLine, LinePrice, PriceBasis},
    order::{LineQuantities, OrderLine, OrderStatus, SalesOrder, SalesOrderRequest},
    price::PriceLevel,
    promise::{Cover, ScheduleLine},
};
use jiff::civil::date;
use rust_decimal::{Decimal, dec};
use uuid::Uuid;

use super::NOW;

/// The sandbox's account ACME, as process-apis tell it.
pub(crate) fn acme() -> Account {
    let ship_to = |number: u32, location: &str, gln: &str| ShipTo {
        ship_to: format!("ACME-0{number}").parse().unwrap(),
        name: format!("Acme Manufacturing {location}"),
        address: Address {
            lines: vec![format!("{number} Industrial Parkway")],
            city: "Columbus".to_owned(),
            region: Some("OH".to_owned()),
            postal_code: Some("43004".to_owned()),
            country: "US".to_owned(),
        },
        identifiers: vec![
            PartyIdentifier {
                scheme: PartyScheme::Gln,
                value: gln.to_owned(),
            },
            PartyIdentifier {
                scheme: PartyScheme::Buyer,
                value: location.to_owned(),
            },
        ],
    };
    Account {
        company: "NWI".parse().unwrap(),
        account: "ACME".parse().unwrap(),
        name: "Acme Manufacturing".to_owned(),
        status: AccountStatus::Active,
        ancestors: Vec::new(),
        price_group: None,
        currency: Currency::USD,
        ship_tos: vec![
            ship_to(1, "PLANT1", "0614141000128"),
            ship_to(2, "PLANT2", "0614141000135"),
        ],
        as_of: NOW.parse().unwrap(),
    }
}

/// The order that the ERP would have: everything from stock, at ten dollars.
pub(crate) fn taken(request: &SalesOrderRequest, channel: &str) -> SalesOrder {
    let order_id = OrderId::generate();
    SalesOrder {
        order_id,
        order_reference: OrderReference::of(order_id),
        sales_order_number: Some("4500001".parse().unwrap()),
        purchase_order_number: request.purchase_order_number.clone(),
        release_number: request.release_number.clone(),
        company: "NWI".parse().unwrap(),
        account: request.account.clone(),
        ship_to: request
            .ship_to
            .clone()
            .unwrap_or_else(|| "ACME-01".parse().unwrap()),
        channel: channel.to_owned(),
        document: request.document.clone(),
        replaces: None,
        replaced_by: None,
        status: OrderStatus::Accepted,
        version: 3,
        holds: Vec::new(),
        lines: (1..)
            .zip(&request.lines)
            .map(|(number, line)| order_line(number, line))
            .collect(),
        shipments: Vec::new(),
        total: Money::new(dec!(150.00), Currency::USD),
        erp_totals: None,
        provisional: false,
        taken_on: None,
        erp_unknown_since: None,
        received_at: NOW.parse().unwrap(),
        accepted_at: None,
        decision_id: Uuid::nil(),
        correlation_id: "order-correlation".to_owned(),
        trace_id: "4bf92f3577b34da6a3ce929d0e0e4736".to_owned(),
    }
}

fn order_line(number: u32, line: &BasketLine) -> OrderLine {
    let unit = line.unit.unwrap_or(UnitOfMeasure::EACH);
    let ordered = Quantity::new(line.quantity, unit);
    let unit_price = UnitPrice {
        amount: dec!(10.0000),
        currency: Currency::USD,
        unit,
    };
    OrderLine {
        line: number,
        buyer_line: line.buyer_line.clone(),
        identifiers: line.identifiers.clone(),
        item: Some(ItemNumber::new("SKU-0001").unwrap()),
        description: None,
        ordered,
        price: Some(LinePrice {
            total: unit_price.total(&ordered).unwrap(),
            unit_price,
            basis: PriceBasis::Record {
                level: PriceLevel::List,
                record: "1".to_owned(),
                contract: None,
                promotion: None,
            },
            as_of: None,
            degraded: false,
        }),
        schedule: vec![ScheduleLine {
            site: SiteId::new("EAST").unwrap(),
            quantity: ordered,
            ship_date: date(2026, 3, 5),
            promised_delivery_date: date(2026, 3, 9),
            cover: Cover::Stock,
            as_of: None,
            degraded: false,
        }],
        quantities: LineQuantities {
            allocated: line.quantity,
            ..LineQuantities::default()
        },
        problems: Vec::new(),
    }
}

/// A decimal of a line, for tests that change one.
pub(crate) fn half(quantity: Decimal) -> Decimal {
    quantity / dec!(2)
}
