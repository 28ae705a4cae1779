//! Orders for tests.

use canonical_model::{
    AccountId, CompanyId, Currency, DocumentId, ItemNumber, Money, OrderId, OrderReference,
    PurchaseOrderNumber, Quantity, ShipToId, SiteId, UnitOfMeasure, UnitPrice,
    account::{Address, ShipTo},
    basket::{LinePrice, LineProblem, LineProblemCode, PriceBasis},
    capabilities::CreditBasis,
    item::{ItemIdentifier, ItemScheme},
    order::{HoldKind, HoldReason, LinePolicy, OrderHold, SalesOrderRequest, SourceDocument},
    price::PriceLevel,
    promise::{Cover, ScheduleLine},
};
use jiff::Timestamp;
use rust_decimal::{Decimal, dec};
use uuid::Uuid;

use super::{
    event::{ClaimedStock, CreditNeed, Held, OrderEvent, Received, ReceivedLine, Replacement},
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
            },
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
