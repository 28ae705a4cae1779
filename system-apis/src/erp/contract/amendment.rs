//! Amending an order: what changes, what does not, and what is refused.

use canonical_model::{
    ErpOrderNumber, Quantity, UnitOfMeasure,
    capabilities::Amendable,
    erp_order::{AmendErpOrder, ErpLineAmendment, ErpOrder, ErpOrderLine, ErpOrderState},
};
use jiff::ToSpan as _;
use rust_decimal::{Decimal, dec};
use sandbox::fault::{Fault, FaultConfig, FaultPlan, FaultProxy};

use super::{World, always, in_few_calls, new_order, read, release};
use crate::{connector::ConnectorError, erp::connector::ErpConnector};

/// An amendment of nothing yet in one line of an order.
fn of(line: &ErpOrderLine) -> ErpLineAmendment {
    ErpLineAmendment {
        line: line.line,
        order_line: line.order_line,
        quantity: None,
        ship_date: None,
    }
}

fn each(value: Decimal) -> Option<Quantity> {
    Some(Quantity::new(value, UnitOfMeasure::EACH))
}

async fn amend(
    erp: &dyn ErpConnector,
    world: &World,
    number: &ErpOrderNumber,
    lines: &[ErpLineAmendment],
) -> Result<(), ConnectorError> {
    let amendment = AmendErpOrder {
        lines: lines.to_vec(),
    };
    in_few_calls(world, erp.amend_order(&world.company, number, &amendment)).await
}

/// That it is refused with a sentence, and that the order is as it was.
async fn refused(
    erp: &dyn ErpConnector,
    world: &World,
    order: &ErpOrder,
    lines: &[ErpLineAmendment],
) -> String {
    let error = amend(erp, world, &order.number, lines).await.unwrap_err();
    let ConnectorError::Rejected { message } = error else {
        panic!("{error:?} of {lines:?}");
    };
    assert!(!message.is_empty(), "a refusal says why");
    assert_eq!(&read(erp, world, &order.number).await, order, "{message}");
    message
}

/// Quantities and days become what is said, and nothing else changes.
pub(super) async fn amended_order(erp: &dyn ErpConnector, world: &World) {
    let amendable = erp.capabilities().amendable;
    let mut asked = new_order(world, "AMENDED");
    let number = erp.create_order(&world.company, &asked).await.unwrap();
    let more = ErpLineAmendment {
        // Another price would hold from here on.
        quantity: each(dec!(30)),
        ..of(&asked.lines[0])
    };
    if amendable == Amendable::Never {
        let order = read(erp, world, &number).await;
        refused(erp, world, &order, &[more]).await;
        return;
    }
    let later = ErpLineAmendment {
        ship_date: Some(world.ship_date + 2.days()),
        ..of(&asked.lines[1])
    };
    asked.lines[0].quantity.value = dec!(30);
    asked.lines[1].ship_date = world.ship_date + 2.days();
    for _twice in 0..2 {
        amend(erp, world, &number, &[more.clone(), later.clone()])
            .await
            .unwrap();
        let order = read(erp, world, &number).await;
        assert_eq!(order.lines, asked.lines, "the prices too");
        let fine = (world.fine_price * dec!(3)).round_dp(2);
        assert_eq!(order.total.amount, dec!(273.00) + fine, "30 × 9.10");
        assert_eq!(order.state, ErpOrderState::Blocked);
        assert_eq!(
            (&order.reference, &order.purchase_order_number),
            (&asked.reference, &asked.purchase_order_number)
        );
    }
    not_so(erp, world, &number).await;

    let gone = ErpLineAmendment {
        quantity: each(Decimal::ZERO),
        ..of(&asked.lines[1])
    };
    let both = ErpLineAmendment {
        quantity: each(dec!(31)),
        ship_date: Some(world.ship_date + 1.days()),
        ..of(&asked.lines[0])
    };
    asked.lines.truncate(1);
    asked.lines[0].quantity.value = dec!(31);
    asked.lines[0].ship_date = world.ship_date + 1.days();
    for _twice in 0..2 {
        amend(erp, world, &number, &[gone.clone(), both.clone()])
            .await
            .unwrap();
        assert_eq!(read(erp, world, &number).await.lines, asked.lines);
    }
    let order = read(erp, world, &number).await;
    let last = ErpLineAmendment {
        quantity: each(Decimal::ZERO),
        ..of(&asked.lines[0])
    };
    let message = refused(erp, world, &order, &[last]).await;
    assert!(message.contains("cancel"), "{message}");

    release(erp, world, &number).await;
    let order = read(erp, world, &number).await;
    assert_eq!(order.lines, asked.lines, "released as it was amended");
    assert_eq!(order.state, ErpOrderState::Open);
    amend(erp, world, &number, &[gone, both.clone()])
        .await
        .unwrap();
    if amendable == Amendable::UntilRelease {
        let fewer = ErpLineAmendment {
            quantity: each(dec!(29)),
            ..of(&asked.lines[0])
        };
        let message = refused(erp, world, &order, &[fewer]).await;
        assert!(message.contains("cancel"), "what else to do: {message}");
    }
    erp.cancel_order(&world.company, &number).await.unwrap();
    let order = read(erp, world, &number).await;
    refused(erp, world, &order, &[both]).await;
}

/// Lines that are not there, another unit, and no order at all.
async fn not_so(erp: &dyn ErpConnector, world: &World, number: &ErpOrderNumber) {
    let order = read(erp, world, number).await;
    let [first, second] = order.lines.as_slice() else {
        panic!("two lines, not {:?}", order.lines);
    };
    let fine = ErpLineAmendment {
        quantity: each(dec!(7)),
        ..of(first)
    };
    let unknown = ErpLineAmendment {
        line: 77,
        ..fine.clone()
    };
    // As if somebody had sorted the lines anew.
    let another = ErpLineAmendment {
        order_line: first.order_line,
        quantity: each(Decimal::ZERO),
        ..of(second)
    };
    let carton = UnitOfMeasure::from_code("XCT").unwrap();
    let cartons = ErpLineAmendment {
        quantity: Some(Quantity::new(dec!(2), carton)),
        ..of(second)
    };
    for wrong in [unknown, another, cartons] {
        // One that fits beside it is not done either.
        refused(erp, world, &order, &[fine.clone(), wrong]).await;
    }
    let nowhere = ErpOrderNumber::new("9999999999").unwrap();
    let nowhere = amend(erp, world, &nowhere, &[fine]).await.unwrap_err();
    assert!(matches!(nowhere, ConnectorError::NotFound), "{nowhere:?}");
}

/// Breaks the call that amends: what may have been done is unknown, and is found by amending once more.
pub(super) async fn breaks<C: ErpConnector>(
    connect: impl Fn(&str) -> C,
    upstream: &str,
    world: &World,
) {
    let denied = Fault::StatusAfterCommit { status: 500 };
    let fewer = Fault::Status {
        status: 429,
        retry_after_s: None,
    };
    // What the connector must say, and whether it was done.
    let cases = [
        ("ALOST", Fault::DropAfterCommit, "outcome_unknown", true),
        ("ADENIED", denied, "outcome_unknown", true),
        ("ACLOSED", Fault::DropConnection, "outcome_unknown", false),
        ("AFEWER", fewer, "throttled", false),
    ];
    for (name, fault, class, is_done) in cases {
        let proxy = FaultProxy::start(upstream, FaultConfig::default())
            .await
            .unwrap();
        let erp = connect(&proxy.url());
        let asked = new_order(world, name);
        let number = erp.create_order(&world.company, &asked).await.unwrap();
        let amendment = AmendErpOrder {
            lines: vec![ErpLineAmendment {
                quantity: each(dec!(5)),
                ..of(&asked.lines[0])
            }],
        };
        let amend = || erp.amend_order(&world.company, &number, &amendment);
        proxy
            .set_plan(always(fault.clone(), world.calls_before_amend))
            .unwrap();
        let broken = amend().await.unwrap_err();
        assert_eq!(broken.outcome(), class, "{name}: {broken:?}");
        proxy.set_plan(FaultPlan::default()).unwrap();
        let quantity = async || read(&erp, world, &number).await.lines[0].quantity.value;
        let expected = if is_done { dec!(5) } else { dec!(2) };
        assert_eq!(quantity().await, expected, "{name}");
        amend().await.unwrap();
        assert_eq!(quantity().await, dec!(5), "{name}");
        erp.cancel_order(&world.company, &number).await.unwrap();
    }
}
