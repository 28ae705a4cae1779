//! Orders for tests.

use canonical_model::{
    AccountId, CompanyId, Currency, DocumentId, ItemNumber, Money, OrderId, OrderReference,
    PurchaseOrderNumber, Quantity, ShipToId, SiteId, UnitOfMeasure, UnitPrice,
    account::{Address, ShipTo},
    basket::{LinePrice, LineProblem, LineProblemCode, PriceBasis},
    capabilities::CreditBasis,
    erp_order::{AddedCharge, ChargeKind, ErpTotals},
    item::{ItemIdentifier, ItemScheme},
    order::{
        HoldKind, HoldReason, LinePolicy, OrderHold, SalesOrderRequest, SourceDocument, TakenOn,
    },
    price::PriceLevel,
    promise::{Cover, ScheduleLine},
    shipment::{ShipmentNews, ShipmentNewsLine},
};
use jiff::Timestamp;
use rust_decimal::{Decimal, dec};
use uuid::Uuid;

use super::{
    event::{
        Accepted, Cancelled, ClaimedBound, ClaimedStock, CreditNeed, Held, OrderEvent,
        ProvisionallyAccepted, Received, ReceivedLine, ReleaseBegun, Released, Replacement,
    },
    evolve::evolve,
    react::Surroundings,
    state::OrderState,
};

pub(crate) fn now() -> Timestamp {
    "2026-03-02T12:00:00Z".parse().unwrap()
}

pub(crate) fn around() -> Surroundings {
    Surroundings {
        now: now(),
        serialize_creates_by_account: false,
        credit_basis: CreditBasis::Order,
        create_class: canonical_model::capabilities::CreateClass::Blind,
    }
}

pub(crate) fn site(name: &str) -> SiteId {
    SiteId::new(name).unwrap()
}

fn each(value: Decimal) -> Quantity {
    Quantity::new(value, UnitOfMeasure::EACH)
}

fn part(at: &str, quantity: Decimal, cover: Cover) -> ScheduleLine {
    ScheduleLine {
        site: site(at),
        quantity: each(quantity),
        ship_date: "2026-03-03".parse().unwrap(),
        promised_delivery_date: "2026-03-05".parse().unwrap(),
        cover,
        as_of: None,
        degraded: false,
    }
}

/// A line of ten: six from EAST, three from WEST, one that nothing covers.
pub(crate) fn line(number: u32) -> ReceivedLine {
    let unit_price = UnitPrice {
        amount: dec!(2.50),
        currency: Currency::USD,
        unit: UnitOfMeasure::EACH,
    };
    ReceivedLine {
        line: number,
        buyer_line: None,
        identifiers: vec![ItemIdentifier {
            scheme: ItemScheme::SellerPartNumber,
            value: format!("SKU-{number}"),
        }],
        item: Some(ItemNumber::new(format!("SKU-{number}")).unwrap()),
        description: Some("A thing".to_owned()),
        ordered: each(dec!(10)),
        price: Some(LinePrice {
            total: Money::new(dec!(25.00), Currency::USD),
            unit_price,
            basis: PriceBasis::Record {
                level: PriceLevel::List,
                record: "P-1".to_owned(),
                contract: None,
                promotion: None,
            },
            as_of: None,
            degraded: false,
        }),
        schedule: vec![
            part("EAST", dec!(6), Cover::Stock),
            part("WEST", dec!(3), Cover::Receipt),
            part("EAST", dec!(1), Cover::LeadTime),
        ],
        base_unit: Some(UnitOfMeasure::EACH),
        base_quantities: vec![dec!(6), dec!(3), dec!(1)],
        problems: Vec::new(),
    }
}

pub(crate) fn rejected_line(number: u32) -> ReceivedLine {
    let problem = LineProblem {
        code: LineProblemCode::NotOrderable,
        pointer: format!("/lines/{}", number - 1),
        detail: "It is no longer sold.".to_owned(),
    };
    ReceivedLine {
        schedule: Vec::new(),
        base_quantities: Vec::new(),
        problems: vec![problem],
        ..line(number)
    }
}

pub(crate) fn received(lines: Vec<ReceivedLine>) -> Received {
    let order_id = OrderId(Uuid::from_u128(7));
    let stock = |line: &ReceivedLine| ClaimedStock {
        line: line.line,
        item: line.item.clone().unwrap(),
        site: site("EAST"),
        day: "2026-03-03".parse().unwrap(),
        quantity: dec!(6),
    };
    Received {
        order_id,
        reference: OrderReference::of(order_id),
        company: CompanyId::new("US01").unwrap(),
        account: AccountId::new("ACME").unwrap(),
        ship_to: ShipTo {
            ship_to: ShipToId::new("ACME-1").unwrap(),
            name: "Acme, dock 4".to_owned(),
            address: Address {
                lines: vec!["1 Main Street".to_owned()],
                city: "Springfield".to_owned(),
                region: None,
                postal_code: None,
                country: "US".to_owned(),
            },
            identifiers: Vec::new(),
        },
        purchase_order_number: PurchaseOrderNumber::new("PO-1").unwrap(),
        release_number: None,
        currency: Currency::USD,
        requested_delivery_date: None,
        channel: "edi".to_owned(),
        document: Some(SourceDocument {
            document_id: DocumentId(Uuid::from_u128(1)),
            partner: "acme".to_owned(),
            transaction: "0001".to_owned(),
        }),
        quote_id: None,
        reservation_id: None,
        replaces: None,
        stock: lines
            .iter()
            .filter(|line| line.problems.is_empty())
            .map(stock)
            .collect(),
        lines,
        total: Money::new(dec!(25.00), Currency::USD),
        credit: CreditNeed {
            levels: vec![
                AccountId::new("ACME").unwrap(),
                AccountId::new("GROUP").unwrap(),
            ],
            amount: dec!(25.00),
            limit_is_exclusive: false,
            claimed: true,
            unknown: false,
        },
        held: false,
        content: "c".to_owned(),
        decision_id: Uuid::from_u128(2),
        correlation_id: "c-1".to_owned(),
        trace_id: "4bf92f3577b34da6a3ce929d0e0e4736".to_owned(),
        received_at: now(),
    }
}

/// The events of an order that is taken, held as said.
pub(crate) fn taking(kinds: &[HoldKind]) -> Vec<OrderEvent> {
    let mut order = received(vec![line(1), rejected_line(2)]);
    order.held = !kinds.is_empty();
    order.credit.claimed = !kinds.contains(&HoldKind::Credit);
    let mut events = vec![OrderEvent::Received(Box::new(order))];
    if !kinds.is_empty() {
        let hold = |(hold, kind): (u32, &HoldKind)| OrderHold {
            hold,
            reason: HoldReason {
                kind: *kind,
                detail: "Over the limit.".to_owned(),
                released_by: "holds:release:credit".to_owned(),
                line: None,
            },
            erp_orders: Vec::new(),
            placed_at: now(),
        };
        let holds = (1_u32..).zip(kinds).map(hold).collect();
        events.push(OrderEvent::Held(Held {
            holds,
            not_released: None,
        }));
    }
    events
}

/// The events of an order that is taken while the ERP does not answer, within one bound.
pub(crate) fn taking_provisionally() -> Vec<OrderEvent> {
    let taken_on = TakenOn {
        erp_away: true,
        price: None,
        stock: None,
        credit: None,
    };
    let bounds = vec![ClaimedBound {
        bound: "value/ACME".to_owned(),
        amount: dec!(25),
        limit: dec!(100),
    }];
    let taken = ProvisionallyAccepted { taken_on, bounds };
    let mut events = taking(&[]);
    events.push(OrderEvent::ProvisionallyAccepted(Box::new(taken)));
    events
}

/// What is to take its place, from a document of its own.
pub(crate) fn replacement(number: u128) -> Replacement {
    Replacement {
        order_id: OrderId(Uuid::from_u128(number)),
        request: SalesOrderRequest {
            account: AccountId::new("ACME").unwrap(),
            ship_to: None,
            purchase_order_number: PurchaseOrderNumber::new("PO-1").unwrap(),
            release_number: None,
            currency: None,
            requested_delivery_date: None,
            quote_id: None,
            reservation_id: None,
            ship_complete: false,
            line_policy: LinePolicy::AllOrNothing,
            lines: Vec::new(),
            document: Some(SourceDocument {
                document_id: DocumentId(Uuid::from_u128(number)),
                partner: "acme".to_owned(),
                transaction: "0002".to_owned(),
            }),
            review: Vec::new(),
        },
        content: number.to_string(),
        channel: "punchout".to_owned(),
        principal: "buyer".to_owned(),
        correlation_id: "c-2".to_owned(),
        traceparent: String::new(),
        requested_at: now(),
    }
}

/// The order after its events.
pub(crate) fn after(events: &[OrderEvent]) -> OrderState {
    events.iter().fold(None, evolve).unwrap()
}

/// A line of two boxes of twelve, all from EAST.
pub(crate) fn line_of_boxes(number: u32) -> ReceivedLine {
    let boxes = |value| Quantity::new(value, UnitOfMeasure::from_code("XBX").unwrap());
    ReceivedLine {
        ordered: boxes(dec!(2)),
        schedule: vec![ScheduleLine {
            quantity: boxes(dec!(2)),
            ..part("EAST", dec!(0), Cover::Stock)
        }],
        base_quantities: vec![dec!(24)],
        ..line(number)
    }
}

/// What an ERP makes of an order of 100.00.
pub(crate) fn charges() -> ErpTotals {
    let money = |amount| Money::new(amount, Currency::USD);
    let charge = |kind, description: &str, amount| AddedCharge {
        kind,
        description: description.to_owned(),
        amount: money(amount),
    };
    ErpTotals {
        net: money(dec!(100.00)),
        added: vec![
            charge(ChargeKind::Freight, "Freight", dec!(25.00)),
            charge(ChargeKind::Tax, "Sales tax", dec!(7.19)),
        ],
        gross: money(dec!(132.19)),
    }
}

/// An order of these lines that the ERP has.
pub(crate) fn accepted_with(lines: Vec<ReceivedLine>) -> Vec<OrderEvent> {
    let accepted = Accepted {
        sales_order_number: "SO-1".parse().unwrap(),
        accepted_at: now(),
        erp_totals: None,
    };
    vec![
        OrderEvent::Received(Box::new(received(lines))),
        OrderEvent::Accepted(accepted),
    ]
}

/// The same with all its warehouses told, and their answers heard or not.
pub(crate) fn begun_with(lines: Vec<ReceivedLine>, heard: bool) -> Vec<OrderEvent> {
    let mut events = accepted_with(lines);
    for site in after(&events).shipping_sites() {
        events.push(OrderEvent::ReleaseBegun(ReleaseBegun {
            site: site.clone(),
        }));
        if heard {
            let release_number = format!("PR-{site}");
            events.push(OrderEvent::Released(Released {
                site,
                release_number,
            }));
        }
    }
    events
}

/// Ten pieces, two boxes of twelve and a rejected line, that the ERP has.
pub(crate) fn accepted_order() -> OrderState {
    after(&accepted_with(vec![
        line(1),
        line_of_boxes(2),
        rejected_line(3),
    ]))
}

/// The same with its warehouses told, and not heard of since.
pub(crate) fn release_begun_order() -> OrderState {
    after(&begun_with(
        vec![line(1), line_of_boxes(2), rejected_line(3)],
        false,
    ))
}

/// The same with both warehouses, EAST and WEST.
pub(crate) fn released_order() -> OrderState {
    after(&begun_with(
        vec![line(1), line_of_boxes(2), rejected_line(3)],
        true,
    ))
}

/// One that was cancelled.
pub(crate) fn cancelled() -> OrderState {
    let mut events = accepted_with(vec![line(1)]);
    events.push(OrderEvent::Cancelled(Cancelled {
        principal: "buyer".to_owned(),
        note: String::new(),
    }));
    after(&events)
}

/// News of a shipment from EAST.
pub(crate) fn news(shipment: &str, version: u64, lines: &[ShipmentNewsLine]) -> ShipmentNews {
    ShipmentNews {
        shipment: shipment.parse().unwrap(),
        version,
        order_reference: OrderReference::of(OrderId(Uuid::from_u128(7))),
        sales_order_number: None,
        release_number: None,
        site: site("EAST"),
        lines: lines.to_vec(),
        carrier: None,
        tracking_numbers: Vec::new(),
        ssccs: Vec::new(),
        occurred_at: now(),
    }
}

/// A line of a shipment that holds nothing.
pub(crate) fn news_line(line: u32) -> ShipmentNewsLine {
    picks(line, 0, 0, 0)
}

/// A line of a shipment, in pieces.
pub(crate) fn picks(line: u32, picked: i64, packed: i64, shipped: i64) -> ShipmentNewsLine {
    ShipmentNewsLine {
        line,
        item: ItemNumber::new(format!("SKU-{line}")).unwrap(),
        unit: UnitOfMeasure::EACH,
        picked: picked.into(),
        packed: packed.into(),
        shipped: shipped.into(),
    }
}
