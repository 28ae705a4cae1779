//! No account ever sees what is another's: marked values, and everything that can go wrong, at random.

use super::*;

const ACCOUNTS: [&str; 8] = [
    "ACME",
    "ACME-WEST",
    "ACME-EAST",
    "BOREALIS",
    "CASCADE",
    "DELTA",
    "EVEREST",
    "FJORD",
];

/// A sequence of numbers that looks like chance and is the same each time (xorshift).
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }

    fn number(&mut self, limit: u32) -> u32 {
        u32::try_from(self.below(u64::from(limit))).unwrap()
    }
}

/// Which keys exist differs by account: absence is a secret too.
fn exists(account: &str, key: u32) -> bool {
    let number = ACCOUNTS.iter().position(|of| *of == account).unwrap();
    !(key + u32::try_from(number).unwrap()).is_multiple_of(5)
}

fn marked_read(guard: &Arc<Guard>, failing: &Arc<AtomicBool>, seed: u64) -> Arc<Read> {
    let (failing, calls) = (Arc::clone(failing), Arc::new(AtomicU64::new(seed)));
    Arc::new(KeyedRead::new(
        guard.operation("prices", Kind::Read, Duration::from_secs(20)),
        CachePolicy::seconds(2, 20)
            .revalidated(2)
            .remembering_absence(1),
        7,
        Arc::new(move |scope: &'static str, keys: Vec<u32>, _started| {
            let took = calls.fetch_add(7, Ordering::SeqCst) % 200;
            let failing = Arc::clone(&failing);
            async move {
                sleep(Duration::from_millis(took)).await;
                if failing.load(Ordering::SeqCst) {
                    return Err(ConnectorError::Unavailable("told to".into()));
                }
                let known = keys.into_iter().filter(|key| exists(scope, *key));
                Ok(Batch {
                    found: known.map(|key| (key, format!("{scope}-{key}"))).collect(),
                    implausible: Vec::new(),
                })
            }
            .boxed()
        }),
    ))
}

async fn buyer(read: Arc<Read>, mut chance: Chance) -> [usize; 3] {
    let mut seen = [0; 3];
    for _ in 0..60 {
        sleep(Duration::from_millis(chance.below(400))).await;
        let account = ACCOUNTS[usize::try_from(chance.below(8)).unwrap()];
        let keys: Vec<u32> = (0..5).map(|_| chance.number(30)).collect();
        let terms = Terms {
            deadline: Instant::now() + Duration::from_millis(50 + chance.below(5_000)),
            lane: Lane::ALL[usize::try_from(chance.below(4)).unwrap()],
            oldest: (chance.below(4) == 0).then(|| Duration::from_millis(chance.below(3_000))),
            oldest_stale: None,
        };
        let asked = read.get_known(&account, keys.clone(), terms);
        if chance.below(10) == 0 {
            let patience = Duration::from_millis(chance.below(100));
            drop(tokio::time::timeout(patience, asked).await);
            continue;
        }
        let Ok(answer) = asked.await else {
            continue;
        };
        for (key, fact) in &answer.facts {
            assert_eq!(fact.value, format!("{account}-{key}"), "a foreign price");
            assert!(keys.contains(key), "a key that was not asked for");
        }
        let whole = answer.provenance.unknown == 0;
        for key in keys.iter().filter(|_| whole) {
            let told = answer.facts.contains_key(key);
            assert_eq!(
                told,
                exists(account, *key),
                "{account} {key}: a foreign absence"
            );
        }
        seen[0] += answer.provenance.hits;
        seen[1] += answer.provenance.stale;
        seen[2] += answer.provenance.revalidated;
    }
    seen
}

#[tokio::test(start_paused = true)]
async fn nothing_of_an_account_is_ever_told_to_another_whatever_happens() {
    let mut seen = [0; 3];
    for seed in 1..=5_u64 {
        let guard = guard(20);
        let failing = Arc::new(AtomicBool::new(false));
        let read = marked_read(&guard, &failing, seed);
        let buyers = (0..40).map(|number| {
            let chance = Chance(seed * 1_000 + number + 1);
            tokio::spawn(buyer(Arc::clone(&read), chance))
        });
        let buyers: Vec<_> = buyers.collect();
        let disturbing = {
            let read = Arc::clone(&read);
            tokio::spawn(async move {
                let mut chance = Chance(seed);
                loop {
                    sleep(Duration::from_millis(500 + chance.below(2_000))).await;
                    failing.fetch_xor(true, Ordering::SeqCst);
                    let (account, key) = (ACCOUNTS[3], chance.number(30));
                    read.evict(Arc::new(move |of, other| *of == account || *other == key))
                        .await;
                }
            })
        };
        for buyer in join_all(buyers).await {
            let of_it = buyer.unwrap();
            seen.iter_mut()
                .zip(of_it)
                .for_each(|(all, one)| *all += one);
        }
        disturbing.abort();
    }
    assert!(
        seen.iter().all(|way| *way > 50),
        "put to the test: {seen:?}"
    );
}
