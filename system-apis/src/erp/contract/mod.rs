//! What every ERP connector must do against a live server, whatever the ERP: run [`run`] and [`breaks`] from the connector's
//! own tests.
//!
//! The world says which numbers exist there; nothing else of the server is assumed. What the connector can do is printed.

mod amendment;

use canonical_model::{
    AccountId, CompanyId, Currency, ErpOrderNumber, ItemNumber, OrderReference,
    PurchaseOrderNumber, Quantity, ShipToId, SiteId, UnitOfMeasure, UnitPrice,
    capabilities::{Amendable, CreateClass, PriceSource},
    erp_order::{CreateErpOrder, ErpOrder, ErpOrderLine, ErpOrderState},
    item::{ItemIdentifier, ItemScheme},
    price::PriceLevel,
};
use futures_util::future::BoxFuture;
use jiff::{Timestamp, civil::Date};
use rust_decimal::{Decimal, dec};

use sandbox::fault::{Fault, FaultConfig, FaultPlan, FaultProxy, FaultRule};

use crate::connector::ConnectorError;
use crate::erp::connector::{CatalogueQuery, ErpConnector, PriceAsk, PriceEntry};

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
    /// A price with as many decimals as the server keeps.
    pub(crate) fine_price: Decimal,
    /// Stands in the references of this run: a server may have seen others.
    pub(crate) run: String,
    /// Calls that reached the server since its start.
    pub(crate) calls: Box<dyn Fn() -> u64 + Send + Sync>,
    /// How many of them one method makes at most, once identifiers are known: the budget counts on it.
    pub(crate) most_calls: u64,
    /// Ships and invoices an order whole, in the server; nothing where a test cannot.
    pub(crate) invoice: Option<Invoicing>,
    /// How many of them a create makes before the one that creates.
    pub(crate) calls_before_create: usize,
    /// How many of them an amendment makes before the one that amends.
    pub(crate) calls_before_amend: usize,
}

/// Ships and invoices the order of a number.
pub(crate) type Invoicing = Box<dyn Fn(ErpOrderNumber) -> BoxFuture<'static, ()> + Send + Sync>;

impl World {
    fn reference(&self, name: &str) -> OrderReference {
        OrderReference::new(format!("OWC{}-{name}", self.run)).unwrap()
    }
}

/// Checks everything.
pub(crate) async fn run(erp: &dyn ErpConnector, world: &World) {
    println!("{:#?}", erp.capabilities());
    accounts(erp, world).await;
    products(erp, world).await;
    catalogue(erp, world).await;
    prices(erp, world).await;
    stock(erp, world).await;
    credit(erp, world).await;
    refused_order(erp, world).await;
    order_life(erp, world).await;
    amendment::amended_order(erp, world).await;
    second_create(erp, world).await;
    invoiced_order(erp, world).await;
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

async fn in_few_calls<T>(world: &World, call: impl Future<Output = T>) -> T {
    let before = (world.calls)();
    let answer = call.await;
    let made = (world.calls)() - before;
    let most = world.most_calls;
    assert!(
        made <= most,
        "a method made {made} calls, not {most} at most"
    );
    answer
}

async fn accounts(erp: &dyn ErpConnector, world: &World) {
    let asked = [world.account.clone(), nobody(), world.child.clone()];
    let batch = in_few_calls(world, erp.accounts(&world.company, &asked, as_of()))
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
    let batch = in_few_calls(
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
    let whole = in_few_calls(world, async { erp.catalogue(&part(0, 9), as_of()).await })
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
    let whatever = |item| PriceAsk {
        item,
        quantity: None,
    };
    let asked = [whatever(world.item.clone()), whatever(nothing())];
    let batch = in_few_calls(
        world,
        erp.prices(&world.company, &world.account, &asked, as_of()),
    )
    .await
    .unwrap();
    assert_eq!(batch.implausible, [""; 0]);
    assert_eq!(batch.found.len(), 1, "an unknown item is absent");
    let (ask, entries) = &batch.found[0];
    assert_eq!(ask, &asked[0]);
    assert!(!entries.is_empty());
    for entry in entries {
        assert!(entry.record.unit_price > Decimal::ZERO, "{entry:?}");
        let (from, to) = (entry.record.valid_from, entry.record.valid_to);
        assert!(from.zip(to).is_none_or(|(from, to)| from < to), "{entry:?}");
    }
    if erp.capabilities().price_source == PriceSource::Resolved {
        resolved_prices(erp, world, entries).await;
    }
    let unknown = erp
        .prices(&world.company, &nobody(), &asked, as_of())
        .await
        .unwrap_err();
    assert!(matches!(unknown, ConnectorError::NotFound), "{unknown:?}");
}

/// In their unit the records tell what any quantity costs: the source says the same of each alone. It is asked for a quantity in
/// another unit, and says that in this one.
async fn resolved_prices(erp: &dyn ErpConnector, world: &World, told: &[PriceEntry]) {
    assert!(told.is_sorted_by_key(|entry| entry.record.break_quantity));
    let unit = told[0].record.unit;
    assert!(told.iter().all(|entry| entry.record.unit == unit));
    let named = ItemIdentifier {
        scheme: ItemScheme::SellerPartNumber,
        value: world.item.to_string(),
    };
    let found = erp
        .products(&world.company, &world.account, &[named], as_of())
        .await
        .unwrap();
    let conversions = &found.found[0].1.conversions;
    assert!(!conversions.is_empty(), "a pack is asked for too");
    let breaks = told.iter().flat_map(|entry| {
        let at = entry.record.break_quantity;
        [at.ceil().max(Decimal::ONE), at.floor() + Decimal::ONE]
    });
    let mut asked: Vec<Quantity> = breaks.map(|at| Quantity::new(at, unit)).collect();
    asked.extend(
        conversions
            .iter()
            .map(|pack| Quantity::new(dec!(3), pack.unit)),
    );
    let ask = |quantity: &Quantity| PriceAsk {
        item: world.item.clone(),
        quantity: Some(*quantity),
    };
    let asks: Vec<PriceAsk> = asked.iter().map(ask).collect();
    let batch = erp
        .prices(&world.company, &world.account, &asks, as_of())
        .await
        .unwrap();
    assert_eq!(
        (batch.found.len(), batch.implausible.len()),
        (asks.len(), 0)
    );
    for (ask, entries) in &batch.found {
        let [entry] = entries.as_slice() else {
            panic!("one price of {ask:?}, not {entries:?}");
        };
        let (record, quantity) = (&entry.record, ask.quantity.unwrap());
        assert_eq!(record.level, PriceLevel::Resolved);
        assert_eq!(
            (record.break_quantity, record.unit),
            (quantity.value, quantity.unit)
        );
        let reached = |of: &&PriceEntry| of.record.break_quantity <= quantity.value;
        if quantity.unit == unit {
            let deepest = told.iter().rfind(reached).unwrap();
            assert_eq!(record.unit_price, deepest.record.unit_price, "{ask:?}");
        }
    }
}

async fn stock(erp: &dyn ErpConnector, world: &World) {
    let key = (world.item.clone(), world.site.clone());
    let asked = [key.clone(), (nothing(), world.site.clone())];
    let batch = in_few_calls(world, erp.stock(&world.company, &asked, as_of()))
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
    let batch = in_few_calls(world, erp.credit(&world.company, &asked, as_of()))
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

fn new_order(world: &World, name: &str) -> CreateErpOrder {
    let reference = world.reference(name);
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
        purchase_order_number: PurchaseOrderNumber::new(format!("PO {reference}")).unwrap(),
        reference,
        account: world.account.clone(),
        ship_to: world.ship_to.clone(),
        currency: Currency::USD,
        lines: vec![
            line(1, dec!(2), dec!(9.10)),
            line(2, dec!(3), world.fine_price),
        ],
    }
}

async fn read(erp: &dyn ErpConnector, world: &World, number: &ErpOrderNumber) -> ErpOrder {
    let numbers = [number.clone()];
    let batch = in_few_calls(world, erp.orders(&world.company, &numbers))
        .await
        .unwrap();
    assert_eq!((batch.found.len(), batch.implausible.len()), (1, 0));
    batch.found.into_iter().next().unwrap().1
}

async fn refused_order(erp: &dyn ErpConnector, world: &World) {
    let mut order = new_order(world, "REFUSED");
    order.lines[1].item = nothing();
    let refused = in_few_calls(world, erp.create_order(&world.company, &order))
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

/// Releases an order as often as the server says that it is busy: others may work on it.
async fn release(erp: &dyn ErpConnector, world: &World, number: &ErpOrderNumber) {
    for _try in 0..20 {
        match erp.release_order(&world.company, number).await {
            Err(ConnectorError::Unavailable(busy)) => println!("busy: {busy}"),
            answer => return answer.unwrap(),
        }
    }
    panic!("the server stayed busy");
}

/// Created, read, released and cancelled, with both references.
async fn order_life(erp: &dyn ErpConnector, world: &World) {
    let asked = new_order(world, "LIFE");
    let number = in_few_calls(world, erp.create_order(&world.company, &asked))
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
    let fine = (world.fine_price * dec!(3)).round_dp(2);
    assert_eq!(
        order.total.amount,
        dec!(18.20) + fine,
        "2 × 9.10 and the fine one"
    );
    let staged = erp.capabilities().create_class == CreateClass::Staged;
    let begun = if staged {
        ErpOrderState::Blocked
    } else {
        ErpOrderState::Open
    };
    assert_eq!(order.state, begun);

    for _twice in 0..2 {
        in_few_calls(world, release(erp, world, &number)).await;
        assert_eq!(read(erp, world, &number).await.state, ErpOrderState::Open);
    }
    for _twice in 0..2 {
        in_few_calls(world, erp.cancel_order(&world.company, &number))
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

/// The invoice says of which of our lines, under both references.
async fn invoiced_order(erp: &dyn ErpConnector, world: &World) {
    let asked = new_order(world, "INVOICED");
    let number = erp.create_order(&world.company, &asked).await.unwrap();
    release(erp, world, &number).await;
    let none = in_few_calls(world, erp.invoices(&world.company, &number))
        .await
        .unwrap();
    assert_eq!(none, []);
    if let Some(invoice) = &world.invoice {
        invoice(number.clone()).await;
        assert_eq!(
            read(erp, world, &number).await.state,
            ErpOrderState::Completed
        );
        let invoices = erp.invoices(&world.company, &number).await.unwrap();
        let [invoice] = invoices.as_slice() else {
            panic!("one invoice, not {invoices:?}");
        };
        assert_eq!(
            (&invoice.order, &invoice.account),
            (&number, &asked.account)
        );
        assert_eq!(
            (&invoice.reference, &invoice.purchase_order_number),
            (&asked.reference, &asked.purchase_order_number)
        );
        let lines = |line: &ErpOrderLine| {
            (
                line.order_line,
                Some(line.item.clone()),
                line.quantity,
                line.unit_price.clone(),
            )
        };
        let invoiced = invoice.lines.iter();
        let mut invoiced: Vec<_> = invoiced
            .map(|line| {
                (
                    line.order_line,
                    line.item.clone(),
                    line.quantity,
                    line.unit_price.clone(),
                )
            })
            .collect();
        invoiced.sort_by_key(|line| line.0);
        assert_eq!(invoiced, asked.lines.iter().map(lines).collect::<Vec<_>>());
        let net = invoice
            .lines
            .iter()
            .map(|line| line.amount.amount)
            .sum::<Decimal>();
        assert_eq!(net, invoice.net.amount, "nothing else is on it");
        assert_eq!(
            invoice.net.amount + invoice.tax.amount,
            invoice.gross.amount
        );
        let too_late = erp.cancel_order(&world.company, &number).await.unwrap_err();
        assert!(
            matches!(too_late, ConnectorError::Rejected { .. }),
            "{too_late:?}"
        );
    }
    let unknown = ErpOrderNumber::new("9999999999").unwrap();
    let unknown = erp.invoices(&world.company, &unknown).await.unwrap_err();
    assert!(matches!(unknown, ConnectorError::NotFound), "{unknown:?}");
}

/// What a second create with the same reference does is what the connector says.
async fn second_create(erp: &dyn ErpConnector, world: &World) {
    let order = new_order(world, "TWICE");
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
    let found = in_few_calls(world, erp.find_orders(&world.company, &order.reference))
        .await
        .unwrap();
    assert_eq!(found, expected, "lowest first");
    let none = world.reference("NEVER");
    assert!(
        erp.find_orders(&world.company, &none)
            .await
            .unwrap()
            .is_empty()
    );
}

fn always(fault: Fault, skip: usize) -> FaultPlan {
    FaultPlan {
        rules: vec![FaultRule {
            skip: u64::try_from(skip).unwrap(),
            ..FaultRule::new("", fault)
        }],
        ..FaultPlan::default()
    }
}

/// Breaks the call that creates in every way, and then a read: what may have been done is unknown, a read is just
/// unavailable. `connect` makes a connector to an address with a time-out of half a second or so.
pub(crate) async fn breaks<C: ErpConnector>(
    connect: impl Fn(&str) -> C,
    upstream: &str,
    world: &World,
) {
    let status = |status| Fault::Status {
        status,
        retry_after_s: Some(3),
    };
    let done_but_denied = Fault::StatusAfterCommit { status: 500 };
    let silence = Fault::BlackHole { hold_ms: 5_000 };
    let cut = Fault::Truncate { at: Some(5) };
    // What the connector must say of a create and of a read, and how many orders there are.
    let cases = [
        (
            "LOST",
            Fault::DropAfterCommit,
            "outcome_unknown",
            "unavailable",
            1,
        ),
        ("CUT", cut, "outcome_unknown", "unavailable", 1),
        (
            "DENIED",
            done_but_denied,
            "outcome_unknown",
            "unavailable",
            1,
        ),
        (
            "CLOSED",
            Fault::DropConnection,
            "outcome_unknown",
            "unavailable",
            0,
        ),
        ("SILENT", silence, "outcome_unknown", "unavailable", 0),
        ("DOWN", status(503), "outcome_unknown", "unavailable", 0),
        ("FEWER", status(429), "throttled", "throttled", 0),
    ];
    if connect(upstream).capabilities().amendable != Amendable::Never {
        Box::pin(amendment::breaks(&connect, upstream, world)).await;
    }
    for (name, fault, create_class, read_class, orders) in cases {
        let proxy = FaultProxy::start(upstream, FaultConfig::default())
            .await
            .unwrap();
        let erp = connect(&proxy.url());
        let order = new_order(world, name);
        // With what it looks up once.
        let unknown = erp
            .create_order(&world.company, &with_unknown_item(&order))
            .await;
        assert!(
            matches!(unknown, Err(ConnectorError::Rejected { .. })),
            "{unknown:?}"
        );
        proxy
            .set_plan(always(fault.clone(), world.calls_before_create))
            .unwrap();
        let create = erp.create_order(&world.company, &order).await.unwrap_err();
        assert_eq!(create.outcome(), create_class, "{name}: {create:?}");
        proxy.set_plan(always(fault, 0)).unwrap();
        let read = erp
            .find_orders(&world.company, &order.reference)
            .await
            .unwrap_err();
        assert_eq!(read.outcome(), read_class, "{name}: {read:?}");
        for error in [create, read] {
            if let ConnectorError::Throttled { retry_after } = error {
                assert_eq!(retry_after, Some(std::time::Duration::from_secs(3)));
            }
        }
        proxy.set_plan(FaultPlan::default()).unwrap();
        let found = erp
            .find_orders(&world.company, &order.reference)
            .await
            .unwrap();
        assert_eq!(found.len(), orders, "{name}");
        for number in found {
            erp.cancel_order(&world.company, &number).await.unwrap();
        }
    }
}

fn with_unknown_item(order: &CreateErpOrder) -> CreateErpOrder {
    let mut order = order.clone();
    order.lines[0].item = nothing();
    order
}
