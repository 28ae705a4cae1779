//! The 855 for an order, as it stands when it becomes owed.

use canonical_model::{
    document::{Direction, DocumentState},
    order::{OrderStatus, SalesOrder},
    promise::Cover,
};
use jiff::civil::date;
use rstest::rstest;
use rust_decimal::dec;
use serde_json::json;

use super::{Interchange, World, facts::half, purchase_order};

async fn answer(purpose: &str, change: impl FnOnce(&mut SalesOrder)) -> String {
    let world = World::new().await;
    world
        .post(Interchange::new(42).order(&purchase_order("PO-1")).text())
        .await;
    world.settle().await;
    world.stub.owe_order(purpose, change);
    assert_eq!(world.work(Direction::Outbound).await, [Ok(())]);
    world.stub.answers().pop().unwrap()
}

#[tokio::test]
async fn an_order_taken_as_it_is_says_so() {
    let text = answer("accepted", |_| ()).await;
    assert!(text.starts_with("ISA*00*          *00*          *ZZ*NORTHWIND      *ZZ*ACMEMFG        *260302*0930*U*00401*000000002*0*P*>~"), "{text}");
    let body = text.split_once("~ST*855*0001~").unwrap().1;
    assert_eq!(
        body,
        "BAK*00*AD*PO-1*20260301****4500001*20260302~CUR*SE*USD~REF*VN*4500001~\
         PO1*1*10*EA*10**VP*SKU-0001~ACK*IA*10*EA*068*20260305~\
         PO1**5*CA*10**BP*ACM-9002~ACK*IA*5*CA*068*20260305~\
         CTT*2~SE*10*0001~GE*1*2~IEA*1*000000002~"
    );
}

#[tokio::test]
async fn changes_are_told_line_by_line_and_every_piece_is_accounted_for() {
    let text = answer("accepted", |order| {
        let line = &mut order.lines[0];
        let mut later = line.schedule[0].clone();
        line.schedule[0].quantity.value = half(line.ordered.value);
        later.quantity.value = half(line.ordered.value);
        later.promised_delivery_date = date(2026, 3, 20);
        later.ship_date = date(2026, 3, 17);
        line.schedule.push(later);
        let line = &mut order.lines[1];
        line.schedule[0].cover = Cover::LeadTime;
        line.price.as_mut().unwrap().unit_price.amount = dec!(11.50);
    })
    .await;
    assert!(text.contains("~BAK*00*AC*"), "{text}");
    assert!(
        text.contains("~ACK*IA*5*EA*068*20260305~ACK*DR*5*EA*068*20260317~"),
        "{text}"
    );
    assert!(
        text.contains("~PO1**5*CA*11.5**BP*ACM-9002~ACK*IB*5*CA*068*20260305~"),
        "{text}"
    );
}

#[tokio::test]
async fn another_price_is_told_as_one() {
    let text = answer("accepted", |order| {
        order.lines[0].price.as_mut().unwrap().unit_price.amount = dec!(9.99);
    })
    .await;
    assert!(text.contains("~BAK*00*AC*"), "{text}");
    assert!(
        text.contains("~PO1*1*10*EA*9.99**VP*SKU-0001~ACK*IP*10*EA*068*20260305~"),
        "{text}"
    );
}

#[tokio::test]
async fn held_rejected_and_cancelled_orders_are_told_without_their_inside() {
    for (status, purpose, kind, line) in [
        (OrderStatus::Held, "held", "AH", "ACK*IH*10*EA~"),
        (OrderStatus::Rejected, "rejected", "RD", "ACK*IR*10*EA~"),
        (OrderStatus::Cancelled, "cancelled", "RD", "ACK*ID*10*EA~"),
    ] {
        let text = answer(purpose, |order| order.status = status).await;
        assert!(
            text.contains(&format!("~BAK*00*{kind}*")) && text.contains(line),
            "{text}"
        );
    }
}

#[rstest]
#[case::who_took_its_orders(false, 0)]
#[case::another_instance(true, 1)]
#[tokio::test]
async fn an_interchange_is_read_once_for_all_its_answers(
    #[case] elsewhere: bool,
    #[case] read_again: u32,
) {
    let world = World::new().await;
    let mut interchange = Interchange::new(42);
    for number in 1..=20 {
        let body = purchase_order(&format!("PO-{number}")).replace("BEG*00*", "BEG*01*");
        interchange = interchange.order(&body);
    }
    world.post(interchange.text()).await;
    world.settle().await;
    if elsewhere {
        world.state().edi.inbounds.invalidate_all();
    }
    let reads = *world.stub.reads.lock().unwrap();
    assert_eq!(world.work(Direction::Outbound).await.len(), 20);
    assert_eq!(world.stub.answers().len(), 20);
    assert_eq!(*world.stub.reads.lock().unwrap() - reads, read_again);
}

#[tokio::test]
async fn an_order_of_another_quantity_is_not_told_as_taken() {
    let changes: [fn(&mut SalesOrder); 2] = [
        |order| order.lines[0].schedule[0].quantity.value = dec!(4),
        |order| order.lines[0].ordered.value = dec!(9),
    ];
    for change in changes {
        let world = World::new().await;
        world
            .post(Interchange::new(42).order(&purchase_order("PO-1")).text())
            .await;
        world.settle().await;
        world.stub.owe_order("accepted", change);
        let [Err(told)] = &*world.work(Direction::Outbound).await else {
            panic!("told: {:?}", world.stub.answers())
        };
        assert!(told.contains("its line 1 (PO102)"), "{told}");
        assert!(world.stub.answers().is_empty());
    }
}

#[tokio::test]
async fn an_order_number_with_our_delimiters_in_it_is_never_altered() {
    let world = World::new().await;
    // Sent under other delimiters, so that PO>1 is a legal number.
    let text = Interchange::new(42)
        .order(&purchase_order("PO>1"))
        .text()
        .replace("*>~", "*:~");
    world.post(text).await;
    world.settle().await;
    assert_eq!(
        world.stub.placed()[0]
            .request
            .purchase_order_number
            .as_str(),
        "PO>1"
    );
    world.stub.owe_order("accepted", |_| ());
    assert_eq!(world.work(Direction::Outbound).await, [Ok(())]);
    let text = world.stub.answers().pop().unwrap();
    assert!(text.contains("~BAK*00*AD*PO>1*"), "{text}");
    assert_eq!(
        world.stub.documents().last().unwrap().state,
        DocumentState::Ready
    );
}

#[tokio::test]
async fn the_answer_after_a_hold_replaces_the_first() {
    let world = World::new().await;
    world
        .post(Interchange::new(42).order(&purchase_order("PO-1")).text())
        .await;
    world.settle().await;
    let event = |kind: &str, sequence: u64| {
        json!({"specversion": "1.0", "id": uuid::Uuid::nil(), "source": "/orderway", "type": kind, "subject": "order",
            "time": "2026-03-02T09:00:00Z", "datacontenttype": "application/json", "sequence": sequence,
            "position": sequence, "correlationid": "c", "traceparent": "t", "data": {}})
    };
    let held = event("com.orderway.order.held.v1", 2);
    world.stub.events.lock().unwrap().push(held);
    world.stub.owe_order("held", |order| {
        order.status = OrderStatus::Held;
        order.version = 2;
    });
    world.stub.owe_order("accepted", |order| order.version = 3);
    assert_eq!(world.work(Direction::Outbound).await, [Ok(()), Ok(())]);
    let texts = world.stub.answers();
    assert!(texts[0].contains("~BAK*00*AH*PO-1*"), "{}", texts[0]);
    assert!(texts[1].contains("~BAK*05*AD*PO-1*"), "{}", texts[1]);
}

#[tokio::test]
async fn a_hold_that_nobody_wants_to_hear_of_is_not_offered() {
    let silent =
        |profile: &str| profile.replace("acknowledge_holds = true", "acknowledge_holds = false");
    let world = World::agreed(silent).await;
    world
        .post(Interchange::new(42).order(&purchase_order("PO-1")).text())
        .await;
    world.settle().await;
    world
        .stub
        .owe_order("held", |order| order.status = OrderStatus::Held);
    world.stub.owe_order("accepted", |order| order.version = 3);
    assert_eq!(world.work(Direction::Outbound).await, [Ok(()), Ok(())]);
    let states: Vec<DocumentState> = world
        .stub
        .documents()
        .iter()
        .skip(2)
        .map(|document| document.state)
        .collect();
    assert_eq!(states, [DocumentState::Delivered, DocumentState::Ready]);
    assert!(
        world.stub.answers()[1].contains("~BAK*00*AD*PO-1*"),
        "the first that is heard of"
    );
}
