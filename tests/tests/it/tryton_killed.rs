//! A real ERP is killed under load and brought back: what is known still answers with its true age, and neither the dead nor
//! the waking ERP is asked for more than its budget.

use std::{collections::BTreeSet, time::Duration};

use futures_util::future::join_all;
use jiff::Timestamp;
use orderway::{Backends, books::Standing};
use tests::{Answer, PortalUser, Setup, World, needs, own_tryton::OwnTryton, until};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::support::{expect, order};

/// What config/system-apis.tryton.toml allows to be begun in a second, and one more; and two whose way to the proxy took longer
/// than that of the others, since both cores are busy.
const MOST_A_SECOND: usize = 13;
const PRODUCTS: u32 = 12;
const READERS: usize = 20;

/// One answer that a buyer got.
struct Seen {
    item: String,
    /// When it was there.
    at: Timestamp,
    price_of: Timestamp,
    stock_of: Timestamp,
    is_degraded: bool,
}

impl Seen {
    #[track_caller]
    fn of(item: &str, answer: &Answer) -> Self {
        expect(answer, 200);
        let instant = |pointer: &str| answer.at(pointer).parse().unwrap();
        let price = answer.at("/price/breaks/0/unit_price/amount");
        assert!(!price.is_empty(), "{}", answer.text);
        Self {
            item: item.to_owned(),
            at: Timestamp::from_second(0).unwrap(),
            price_of: instant("/price/as_of"),
            stock_of: instant("/availability/as_of"),
            is_degraded: answer.at("/price/degraded") == "true"
                && answer.at("/availability/degraded") == "true",
        }
    }
}

fn items() -> Vec<String> {
    (1..=PRODUCTS).map(|n| format!("SKU-{n:04}")).collect()
}

/// Looks at one product after the other until it is told to stop.
async fn read(
    (world, buyer): (&World, &PortalUser),
    first: usize,
    seen: &Mutex<Vec<Seen>>,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    let items = items();
    for item in items.iter().cycle().skip(first) {
        if stop.is_cancelled() {
            break;
        }
        let answer = buyer.get(&format!("/products/{item}")).await?;
        let at = world.now();
        seen.lock().await.push(Seen {
            at,
            ..Seen::of(item, &answer)
        });
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

/// Facts that are old after three seconds, so that the ERP is asked all the time, and that stand in for an hour.
fn setup(server: &OwnTryton) -> Setup {
    let mut setup = Setup {
        backends: Backends::Tryton(server.told()),
        ..Setup::default()
    };
    for fact in ["PRICES", "STOCK", "PRODUCTS", "ACCOUNTS"] {
        let cache = format!("ORDERWAY_SYSTEM__ERP__TRYTON__CACHE__{fact}");
        for (key, value) in [
            ("FRESH", "3s"),
            ("STALE_WHILE_REVALIDATE", "0s"),
            ("STALE_IF_ERROR", "1h"),
        ] {
            setup = setup.with(&format!("{cache}__{key}"), value);
        }
    }
    // Nothing is thrown out of the caches because of what other tests change there.
    for erp in ["TRYTON", "TRYTON2"] {
        let name = format!("ORDERWAY_SYSTEM__ERP__{erp}__CHANGES__INTERVAL");
        setup = setup.with(&name, "0s");
    }
    for limit in ["CREDENTIAL", "ACCOUNT"] {
        for key in ["PER_SECOND", "BURST"] {
            let name = format!("ORDERWAY_EXPERIENCE__LIMITS__{limit}__{key}");
            setup = setup.with(&name, "10000");
        }
    }
    setup
}

#[tokio::test]
#[expect(
    clippy::too_many_lines,
    reason = "one story: known, killed, read, ordered, brought back"
)]
async fn a_tryton_that_is_killed_and_brought_back_is_never_overrun() -> anyhow::Result<()> {
    let Some(shared) = needs::tryton() else {
        return Ok(());
    };
    let mut server = OwnTryton::start(&shared).await?;
    let world = World::start_with(setup(&server)).await?;
    let buyer = world.portal_user("acme-buyer", "ACME")?;
    let known = [("SKU-0002", "1", "EA")];
    let number = format!("PO-KILLED-{}", Uuid::new_v4().simple());
    let body = order(&number, &known);
    // All that an order is taken on is known. Its processes have to read their models first.
    until("a basket that is checked", async || {
        let lines = serde_json::json!({"lines": body["lines"]});
        let checked = buyer.post("/basket-checks", "check", &lines).await?;
        Ok(checked.status.is_success().then_some(()))
    })
    .await?;
    for item in items() {
        until(&format!("{item} known"), async || {
            let answer = buyer.get(&format!("/products/{item}")).await?;
            let is_whole = !answer.at("/price/as_of").is_empty()
                && !answer.at("/availability/as_of").is_empty();
            Ok(is_whole.then_some(()))
        })
        .await?;
    }

    let (seen, stop) = (Mutex::new(Vec::new()), CancellationToken::new());
    let reading = join_all((0..READERS).map(|reader| read((&world, &buyer), reader, &seen, &stop)));
    let story = async {
        // Read while it is well.
        until("a busy ERP", async || {
            Ok((seen.lock().await.len() > 200).then_some(()))
        })
        .await?;
        server.kill()?;
        let killed = world.now();
        until("reads of every product after the kill", async || {
            let seen = seen.lock().await;
            let of = seen
                .iter()
                .filter(|one| one.at > killed && one.is_degraded)
                .map(|one| one.item.as_str())
                .collect::<BTreeSet<_>>();
            Ok((of.len() == items().len()).then_some(()))
        })
        .await?;
        let placed = buyer.post("/orders", "k", &body).await?;
        expect(&placed, 202);
        let returns = world.now();
        server.bring_back().await?;
        // Each fact is one of the living ERP again, and nobody had to ask for it in particular.
        until("facts of the ERP that is back", async || {
            let seen = seen.lock().await;
            let of = seen
                .iter()
                .filter(|one| one.price_of > returns && one.stock_of > returns)
                .map(|one| one.item.as_str())
                .collect::<BTreeSet<_>>();
            Ok((of.len() == items().len()).then_some(()))
        })
        .await?;
        let released = buyer.order_until(&placed.at("/order_id"), "released").await;
        stop.cancel();
        released?;
        anyhow::Ok((killed, returns))
    };
    let (read, story) = tokio::join!(reading, async {
        let told = story.await;
        stop.cancel();
        told
    });
    let (killed, returns) = story?;
    read.into_iter().collect::<anyhow::Result<Vec<()>>>()?;

    // Nothing that was told while it was dead is younger than its death.
    let seen = seen.into_inner();
    let dead: Vec<&Seen> = seen
        .iter()
        .filter(|one| one.at > killed && one.at < returns)
        .collect();
    assert!(!dead.is_empty());
    for one in dead {
        let of = one.price_of.max(one.stock_of);
        assert!(of <= killed, "{} tells of {of}, killed {killed}", one.item);
    }
    // Those of the second company's ERP, which has a budget of its own, go the same way.
    let path = format!("/{}/", shared.database("erp")?);
    let proxy = &world.estate.erp_proxy;
    let second = Duration::from_secs(1);
    let most = proxy.max_calls_in_window_where(second, |call| call.path.starts_with(&path));
    assert!(most <= MOST_A_SECOND, "{most} calls in a second");
    let orders = world.estate.books("NWI")?.orders_of(&number).await?;
    let live = orders
        .iter()
        .filter(|order| order.standing == Standing::Live);
    assert_eq!((live.count(), orders.len()), (1, 1), "{orders:?}");
    world.stop().await
}
