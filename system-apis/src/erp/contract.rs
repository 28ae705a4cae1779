//! What every ERP connector must do against a live server, whatever the ERP: run [`run`] from the connector's own tests.
//! The world says which numbers exist there; nothing else of the server is assumed.

use canonical_model::{
    AccountId, CompanyId, Currency, ErpOrderNumber, ItemNumber, OrderReference,
    PurchaseOrderNumber, Quantity, ShipToId, SiteId, UnitOfMeasure, UnitPrice,
    capabilities::CreateClass,
    erp_order::{CreateErpOrder, ErpOrder, ErpOrderLine, ErpOrderState},
    item::{ItemIdentifier, ItemScheme},
};
use jiff::{Timestamp, civil::Date};
use rust_decimal::{Decimal, dec};

use super::connector::{CatalogueQuery, ErpConnector};
use crate::connector::ConnectorError;

/// What exists on the server, and how to count its calls.
pub(crate) struct World {
    pub(crate) company: CompanyId,
    /// An account with prices, credit and a delivery address.
    pub(crate) account: AccountId,
    /// An account below it.
    pub(crate) child: AccountId,
    pub(crate) ship_to: ShipToId,
    /// An item that the account can buy.
    pub(crate) item: ItemNumber,
    /// Its other numbers.
    pub(crate) buyer_part_number: String,
    pub(crate) gtin: String,
    pub(crate) site: SiteId,
    pub(crate) ship_date: Date,
    /// Calls that reached the server since its start.
    pub(crate) calls: Box<dyn Fn() -> u64 + Send + Sync>,
}

/// Checks everything.
pub(crate) async fn run(erp: &dyn ErpConnector, world: &World) {
    accounts(erp, world).await;
    products(erp, world).await;
    catalogue(erp, world).await;
    prices(erp, world).await;
    stock(erp, world).await;
    credit(erp, world).await;
    refused_order(erp, world).await;
    order_life(erp, world).await;
    second_create(erp, world).await;
}

fn as_of() -> Timestamp {
    "2026-11-20T12:00:00Z".parse().unwrap()
}

fn nobody() -> AccountId {
    AccountId::new("NO-SUCH-ACCOUNT").unwrap()
}

fn nothing() -> ItemNumber {
    ItemNumber::new("NO-SUCH-ITEM").unwrap()
}

/// Every method is one call to the server at most: the budget counts on it.
async fn in_one_call<T>(world: &World, call: impl Future<Output = T>) -> T {
    let before = (world.calls)();
    let answer = call.await;
    assert!(
        (world.calls)() <= before + 1,
        "a method made more than one call"
    );
    answer
}

async fn accounts(erp: &dyn ErpConnector, world: &World) {
    let asked = [world.account.clone(), nobody(), world.child.clone()];
    let batch = in_one_call(world, erp.accounts(&world.company, &asked, as_of()))
        .await
        .unwrap();
    assert_eq!(batch.implausible, [""; 0]);
    assert_eq!(batch.found.len(), 2, "an unknown account is absent");
    for (key, record) in &batch.found {
        assert_eq!(
            (&record.account.account, &record.account.company),
            (key, &world.company)
        );
        assert_eq!(record.account.as_of, as_of());
    }
    let child = batch.found.iter().find(|(key, _)| *key == world.child);
    assert_eq!(child.unwrap().1.parent.as_ref(), Some(&world.account));
    let account = batch.found.iter().find(|(key, _)| *key == world.account);
    let mut ship_tos = account.unwrap().1.account.ship_tos.iter();
    assert!(ship_tos.any(|place| place.ship_to == world.ship_to));
}

async fn products(erp: &dyn ErpConnector, world: &World) {
    let named = |scheme, value: &str| ItemIdentifier {
        scheme,
        value: value.to_owned(),
    };
    let known = [
        named(ItemScheme::SellerPartNumber, world.item.as_str()),
        named(ItemScheme::BuyerPartNumber, &world.buyer_part_number),
        named(ItemScheme::Gtin, &world.gtin),
    ];
    let mut asked = known.to_vec();
    asked.push(named(ItemScheme::SellerPartNumber, "NO-SUCH-ITEM"));
    asked.push(named(ItemScheme::BuyerPartNumber, "NO-SUCH-PART"));
    asked.push(named(ItemScheme::Gtin, "00000000000000"));
    let batch = in_one_call(
        world,
        erp.products(&world.company, &world.account, &asked, as_of()),
    )
    .await
    .unwrap();
    assert_eq!(batch.found.len(), 3, "found {:?}", batch.found);
    for (name, product) in &batch.found {
        assert!(known.contains(name));
        assert_eq!(product.item, world.item, "by {name:?}");
        assert_eq!(
            product.buyer_part_number.as_ref(),
            Some(&world.buyer_part_number)
        );
    }
}

async fn catalogue(erp: &dyn ErpConnector, world: &World) {
    let part = |skip, limit| CatalogueQuery {
        company: world.company.clone(),
        account: None,
        search: None,
        skip,
        limit,
    };
    let whole = in_one_call(world, async { erp.catalogue(&part(0, 9), as_of()).await })
        .await
        .unwrap();
    let mut pages = Vec::new();
    for skip in [0, 4, 8] {
        pages.extend(
            erp.catalogue(&part(skip, 4), as_of())
                .await
                .unwrap()
                .products,
        );
    }
    let numbers = |products: &[canonical_model::product::Product]| -> Vec<ItemNumber> {
        products
            .iter()
            .map(|product| product.item.clone())
            .collect()
    };
    assert_eq!(
        numbers(&whole.products),
        numbers(&pages[..whole.products.len()])
    );
    assert!(numbers(&pages).is_sorted(), "by item number");
    assert!(
        whole
            .products
            .iter()
            .all(|product| product.buyer_part_number.is_none())
    );
    let mut search = part(0, 50);
    search.search = Some(world.item.as_str().to_lowercase());
    let found = erp.catalogue(&search, as_of()).await.unwrap();
    assert!(numbers(&found.products).contains(&world.item));
    let beyond = erp.catalogue(&part(1_000_000, 4), as_of()).await.unwrap();
    assert!(beyond.products.is_empty() && !beyond.more);
}

async fn prices(erp: &dyn ErpConnector, world: &World) {
    let asked = [world.item.clone(), nothing()];
    let batch = in_one_call(world, erp.prices(&world.company, &world.account, &asked))
        .await
        .unwrap();
    assert_eq!(batch.implausible, [""; 0]);
    assert_eq!(batch.found.len(), 1, "an unknown item is absent");
    let (item, entries) = &batch.found[0];
    assert_eq!(item, &world.item);
    assert!(!entries.is_empty());
    for entry in entries {
        assert!(entry.record.unit_price > Decimal::ZERO, "{entry:?}");
        let (from, to) = (entry.record.valid_from, entry.record.valid_to);
        assert!(from.zip(to).is_none_or(|(from, to)| from < to), "{entry:?}");
    }
    let unknown = erp
        .prices(&world.company, &nobody(), &asked)
        .await
        .unwrap_err();
    assert!(matches!(unknown, ConnectorError::NotFound), "{unknown:?}");
}

async fn stock(erp: &dyn ErpConnector, world: &World) {
    let key = (world.item.clone(), world.site.clone());
    let asked = [key.clone(), (nothing(), world.site.clone())];
    let batch = in_one_call(world, erp.stock(&world.company, &asked, as_of()))
        .await
        .unwrap();
    assert_eq!(batch.implausible, [""; 0]);
    let known: Vec<_> = batch
        .found
        .iter()
        .filter(|(found, _)| *found == key)
        .collect();
    assert_eq!(known.len(), 1);
    assert!(known[0].1.on_hand >= known[0].1.quarantined);
    assert!(!batch.found.iter().any(|((item, _), _)| *item == nothing()));
}

async fn credit(erp: &dyn ErpConnector, world: &World) {
    let asked = [world.account.clone(), nobody()];
    let batch = in_one_call(world, erp.credit(&world.company, &asked, as_of()))
        .await
        .unwrap();
    assert_eq!(batch.found.len(), 1, "an unknown account is absent");
    let (account, fact) = &batch.found[0];
    assert_eq!((account, &fact.account), (&world.account, &world.account));
    assert!(
        fact.unapplied_credits >= Decimal::ZERO,
        "as what it takes off"
    );
}

fn new_order(world: &World, reference: &str) -> CreateErpOrder {
    let line = |line, quantity, price| ErpOrderLine {
        line,
        order_line: line + 10,
        item: world.item.clone(),
        quantity: Quantity::new(quantity, UnitOfMeasure::EACH),
        unit_price: UnitPrice {
            amount: price,
            currency: Currency::USD,
            unit: UnitOfMeasure::EACH,
        },
        site: world.site.clone(),
        ship_date: world.ship_date,
    };
    CreateErpOrder {
        reference: OrderReference::new(reference).unwrap(),
        purchase_order_number: PurchaseOrderNumber::new(format!("PO {reference}")).unwrap(),
        account: world.account.clone(),
        ship_to: world.ship_to.clone(),
        currency: Currency::USD,
        lines: vec![
            line(1, dec!(2), dec!(9.10)),
            line(2, dec!(3), dec!(0.123456)),
        ],
    }
}

async fn read(erp: &dyn ErpConnector, world: &World, number: &ErpOrderNumber) -> ErpOrder {
    let numbers = [number.clone()];
    let batch = in_one_call(world, erp.orders(&world.company, &numbers))
        .await
        .unwrap();
    assert_eq!((batch.found.len(), batch.implausible.len()), (1, 0));
    batch.found.into_iter().next().unwrap().1
}

async fn refused_order(erp: &dyn ErpConnector, world: &World) {
    let mut order = new_order(world, "OWCONTRACT-REFUSED");
    order.lines[1].item = nothing();
    let refused = in_one_call(world, erp.create_order(&world.company, &order))
        .await
        .unwrap_err();
    let ConnectorError::Rejected { message } = &refused else {
        panic!("not a refusal: {refused:?}");
    };
    assert!(!message.is_empty(), "a refusal says why");
    if erp.capabilities().create_class != CreateClass::Blind {
        let found = erp
            .find_orders(&world.company, &order.reference)
            .await
            .unwrap();
        assert!(found.is_empty(), "a refused order is not there");
    }
}

/// Created, read, released and cancelled, with both references.
async fn order_life(erp: &dyn ErpConnector, world: &World) {
    let asked = new_order(world, "OWCONTRACT-LIFE");
    let number = in_one_call(world, erp.create_order(&world.company, &asked))
        .await
        .unwrap();
    let order = read(erp, world, &number).await;
    assert_eq!(
        (&order.reference, &order.purchase_order_number),
        (&asked.reference, &asked.purchase_order_number)
    );
    assert_eq!(
        (&order.account, &order.lines),
        (&asked.account, &asked.lines)
    );
    assert_eq!(order.total.amount, dec!(18.57), "2 × 9.10 + 3 × 0.123456");
    let staged = erp.capabilities().create_class == CreateClass::Staged;
    let begun = if staged {
        ErpOrderState::Blocked
    } else {
        ErpOrderState::Open
    };
    assert_eq!(order.state, begun);

    for _twice in 0..2 {
        in_one_call(world, erp.release_order(&world.company, &number))
            .await
            .unwrap();
        assert_eq!(read(erp, world, &number).await.state, ErpOrderState::Open);
    }
    for _twice in 0..2 {
        in_one_call(world, erp.cancel_order(&world.company, &number))
            .await
            .unwrap();
        assert_eq!(
            read(erp, world, &number).await.state,
            ErpOrderState::Cancelled
        );
    }
    let too_late = erp
        .release_order(&world.company, &number)
        .await
        .unwrap_err();
    assert!(
        matches!(too_late, ConnectorError::Rejected { .. }),
        "{too_late:?}"
    );

    let unknown = ErpOrderNumber::new("9999999999").unwrap();
    let released = erp
        .release_order(&world.company, &unknown)
        .await
        .unwrap_err();
    assert!(matches!(released, ConnectorError::NotFound), "{released:?}");
    let absent = erp.orders(&world.company, &[unknown]).await.unwrap();
    assert!(absent.found.is_empty());
}

/// What a second create with the same reference does is what the connector says.
async fn second_create(erp: &dyn ErpConnector, world: &World) {
    let order = new_order(world, "OWCONTRACT-TWICE");
    let first = erp.create_order(&world.company, &order).await.unwrap();
    let second = erp.create_order(&world.company, &order).await;
    let class = erp.capabilities().create_class;
    let expected = match (class, second) {
        (CreateClass::Unique, Err(ConnectorError::Conflict { existing })) => {
            assert_eq!(existing, first.to_string());
            vec![first]
        }
        (CreateClass::Staged | CreateClass::Searchable, Ok(second)) => {
            assert_ne!(first, second);
            vec![first, second]
        }
        (CreateClass::Blind, Ok(_)) => return,
        (class, second) => panic!("{class:?} answered {second:?}"),
    };
    let found = in_one_call(world, erp.find_orders(&world.company, &order.reference))
        .await
        .unwrap();
    assert_eq!(found, expected, "lowest first");
    let none = OrderReference::new("OWCONTRACT-NEVER").unwrap();
    assert!(
        erp.find_orders(&world.company, &none)
            .await
            .unwrap()
            .is_empty()
    );
}
