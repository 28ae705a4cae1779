//! Several instances, a real NATS server, and a backend that counts: its budget holds while instances come, are cut off and
//! end, and while the server is away.

use std::{
    io::Write as _,
    net::TcpListener,
    num::NonZeroU32,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use service_runtime::{
    clock::Clock,
    config::{HumanDuration, Secret},
};
use tempfile::TempDir;
use tokio::{sync::mpsc, task::JoinHandle, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::{
    bus::{Bus, BusConfig},
    guard::{
        Guard, Kind, Lane, Terms,
        policy::{BreakerSettings, BudgetPolicy},
    },
    intake::feed::{Position, Stamp},
    notices::{Change, ChangedFacts, Notice, Notices, RowsRead},
};

/// Liveness only: far beyond what any of these should take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A NATS server of its own, on its own port and folder.
pub(crate) struct Server {
    program: PathBuf,
    port: u16,
    folder: TempDir,
    child: Option<Child>,
}

impl Server {
    /// None = there is no `nats-server`, which is said aloud, and is a failure where `ORDERWAY_TEST_REQUIRE` lists `nats`.
    pub(crate) fn start() -> Option<Self> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
        let program = folders
            .map(|folder| folder.join("nats-server"))
            .find(|program| program.is_file());
        let required = std::env::var_os("ORDERWAY_TEST_REQUIRE").unwrap_or_default();
        let Some(program) = program else {
            let required = required.to_string_lossy();
            let is_required = required.split(',').any(|one| one.trim() == "nats");
            assert!(!is_required, "needs nats: install nats-server");
            // Past the capture of the test runner: a skip that nobody sees would look like a pass.
            drop(writeln!(
                std::io::stderr(),
                "skipped: needs nats (install nats-server)"
            ));
            return None;
        };
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut server = Self {
            program,
            port: free.local_addr().unwrap().port(),
            folder: TempDir::new().unwrap(),
            child: None,
        };
        drop(free);
        server.run();
        Some(server)
    }

    /// How it is reached.
    pub(crate) fn bus(&self) -> BusConfig {
        BusConfig {
            url: Some(Secret::from(format!("nats://127.0.0.1:{}", self.port))),
            lease: HumanDuration::from_secs(2),
            ..BusConfig::default()
        }
    }

    fn run(&mut self) {
        let mut command = Command::new(&self.program);
        let port = self.port.to_string();
        command
            .args(["-a", "127.0.0.1", "-p", &port, "-js", "-sd"])
            .arg(self.folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        self.child = Some(command.spawn().unwrap());
    }

    fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The backend: when each call of whichever instance began.
type Calls = Arc<Mutex<Vec<Instant>>>;

/// One instance that asks for all it may.
struct Instance {
    guard: Arc<Guard>,
    notices: Notices,
    heard: Arc<Mutex<Vec<Notice>>>,
    stop: CancellationToken,
    bus: JoinHandle<()>,
    asking: Vec<JoinHandle<()>>,
}

impl Instance {
    fn start(server: &Server, calls: &Calls) -> Self {
        let budget = BudgetPolicy {
            calls_per_second: NonZeroU32::new(20).unwrap(),
            share: NonZeroU32::new(6),
            in_flight: NonZeroU32::new(50).unwrap(),
            ..BudgetPolicy::default()
        };
        let breaker = BreakerSettings::default().into();
        let guard = Guard::new("main".to_owned(), budget, breaker, Clock::system());
        let config = server.bus();
        let (notices, inbox) = Notices::new();
        let heard: Arc<Mutex<Vec<Notice>>> = Arc::default();
        let hears = Arc::clone(&heard);
        let apply = move |notice| -> futures_util::future::BoxFuture<'static, ()> {
            hears.lock().unwrap().push(notice);
            Box::pin(std::future::ready(()))
        };
        let guards = std::iter::once(Arc::clone(&guard));
        let bus = Bus::new(&config, guards, inbox, Arc::new(apply)).unwrap();
        let stop = CancellationToken::new();
        let bus = tokio::spawn(bus.run(stop.clone()));
        let asking = (0..10).map(|_| {
            let calls = Arc::clone(calls);
            let operation = guard.operation("prices", Kind::Read, PATIENCE);
            tokio::spawn(async move {
                loop {
                    let calls = Arc::clone(&calls);
                    let terms = Terms {
                        deadline: Instant::now() + PATIENCE,
                        lane: Lane::Browse,
                        oldest: None,
                        oldest_stale: None,
                    };
                    let call = operation.run(terms, move |started| {
                        calls.lock().unwrap().push(started.at);
                        std::future::ready(Ok(()))
                    });
                    drop(call.await);
                }
            })
        });
        Self {
            asking: asking.collect(),
            guard,
            notices,
            heard,
            stop,
            bus,
        }
    }

    /// Its share, and whether the others know of it.
    fn share(&self) -> (u32, bool) {
        let status = self.guard.budget().status();
        (status.share, status.share_is_leased)
    }

    /// It is cut off: it goes on calling, and nobody hears of it.
    fn cut_off(&self) {
        self.bus.abort();
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        self.bus.abort();
        for task in &self.asking {
            task.abort();
        }
    }
}

async fn until(what: &str, is_so: impl Fn() -> bool) {
    let patience = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < patience, "never came: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// As many more calls, so that what was just agreed is put to the test.
async fn more(calls: &Calls, number: usize) {
    let before = calls.lock().unwrap().len();
    let enough = || calls.lock().unwrap().len() >= before + number;
    until("calls", enough).await;
}

/// In no second more than the budget and one.
fn assert_kept(calls: &Calls) {
    let mut calls = calls.lock().unwrap().clone();
    calls.sort_unstable();
    for (number, start) in calls.iter().enumerate() {
        let end = *start + Duration::from_secs(1);
        let within = calls[number..].iter().take_while(|at| **at <= end).count();
        assert!(within <= 21, "{within} calls within a second");
    }
}

#[tokio::test]
async fn instances_share_a_budget_while_they_come_and_are_cut_off_and_the_bus_is_away() {
    let Some(mut server) = Server::start() else {
        return;
    };
    let calls = Calls::default();
    let first = Instance::start(&server, &calls);
    until("the first has all", || first.share() == (20, true)).await;
    let second = Instance::start(&server, &calls);
    until("two have half each", || {
        (first.share(), second.share()) == ((10, true), (10, true))
    })
    .await;
    let third = Instance::start(&server, &calls);
    let sum = || [&first, &second, &third].map(|one| one.share());
    until("three have a third each", || {
        let shares = sum();
        shares.iter().all(|(share, leased)| *leased && *share >= 6)
            && shares.iter().map(|(share, _)| share).sum::<u32>() == 20
    })
    .await;
    more(&calls, 40).await;

    third.cut_off();
    until(
        "it goes on by what is stated, and no other counts on its part",
        || third.share() == (6, false) && first.share() == (7, true) && second.share() == (7, true),
    )
    .await;
    more(&calls, 40).await;

    server.kill();
    until("all go on by what is stated", || {
        sum().iter().all(|share| *share == (6, false))
    })
    .await;
    more(&calls, 40).await;
    server.run();
    until("those who reach it agree again", || {
        first.share().1 && second.share().1 && first.share().0 == 7
    })
    .await;
    more(&calls, 40).await;
    assert_kept(&calls);
}

#[tokio::test]
async fn an_instance_that_ends_gives_its_part_back() {
    let Some(server) = Server::start() else {
        return;
    };
    let calls = Calls::default();
    let first = Instance::start(&server, &calls);
    until("the first has all", || first.share() == (20, true)).await;
    let mut second = Instance::start(&server, &calls);
    until("the second has half", || second.share() == (10, true)).await;
    second.stop.cancel();
    (&mut second.bus).await.unwrap();
    assert_eq!(second.share().0, 0, "and begins nothing more");
    until("the first has all again", || first.share() == (20, true)).await;
    more(&calls, 40).await;
    assert_kept(&calls);
}

#[tokio::test]
async fn what_one_tells_the_others_hear_and_it_does_not() {
    let Some(server) = Server::start() else {
        return;
    };
    let calls = Calls::default();
    let [first, second] = [(); 2].map(|()| Instance::start(&server, &calls));
    until("both are there", || {
        (first.share(), second.share()) == ((10, true), (10, true))
    })
    .await;
    let notice = Notice::Changed {
        system: "main".to_owned(),
        changes: vec![Change {
            company: "NWI".parse().unwrap(),
            facts: ChangedFacts::Stock {
                items: vec!["SKU-0001".parse().unwrap()],
            },
        }],
        read: Some(RowsRead {
            part: "moves".to_owned(),
            rows: vec![Position {
                stamp: Stamp(1_795_213_530_229_163),
                id: "356".to_owned(),
            }],
        }),
    };
    // That they share a budget does not say that they hear each other yet.
    let greeting = Notice::Breaker {
        system: "greeting".to_owned(),
        operation: "prices".to_owned(),
        order: None,
    };
    for (one, other) in [(&first, &second), (&second, &first)] {
        until("they hear each other", || {
            one.notices.tell(greeting.clone());
            !other.heard.lock().unwrap().is_empty()
        })
        .await;
    }
    let heard = |one: &Instance| {
        let mut heard = one.heard.lock().unwrap().clone();
        heard.retain(|notice| *notice != greeting);
        heard
    };
    first.notices.tell(notice.clone());
    until("the second hears", || heard(&second) == [notice.clone()]).await;
    let answer = Notice::Breaker {
        system: "main".to_owned(),
        operation: "prices".to_owned(),
        order: None,
    };
    second.notices.tell(answer.clone());
    until("the first hears", || heard(&first) == [answer.clone()]).await;
    assert_eq!(heard(&second).len(), 1);
}

#[test]
fn a_notice_that_nobody_takes_is_left_out_and_nothing_waits() {
    let (notices, inbox): (_, mpsc::Receiver<Notice>) = Notices::new();
    for _ in 0..2_000 {
        notices.tell(Notice::Breaker {
            system: "main".to_owned(),
            operation: "prices".to_owned(),
            order: None,
        });
    }
    assert_eq!(inbox.len(), 1_000);
}
