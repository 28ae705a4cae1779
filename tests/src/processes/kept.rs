//! One process: started, watched, killed, stopped in its tracks, and started again when it has died.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::Context as _;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use tokio::{process::Command, task::JoinHandle};

/// Between a death and the next start.
const PAUSE: Duration = Duration::from_millis(50);
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// How a program is started.
#[derive(Debug, Clone)]
pub struct Program {
    /// What it is called in reports.
    pub name: String,
    /// The program and its arguments.
    pub command: Vec<PathBuf>,
    /// Its environment, laid over ours; nothing of ours that begins with `ORDERWAY_` gets through.
    pub environment: BTreeMap<String, String>,
    /// Where its output goes.
    pub log: PathBuf,
}

#[derive(Debug)]
struct State {
    program: Program,
    pid: Option<Pid>,
    starts: u64,
    exits: Vec<ExitStatus>,
    /// Whether it is left down.
    is_down: bool,
    /// What kept it from starting.
    failure: Option<String>,
}

/// A process that is kept up; dropping it kills it.
#[derive(Debug)]
pub struct Kept {
    state: Arc<Mutex<State>>,
    keeper: JoinHandle<()>,
}

impl Kept {
    /// Starts it, and again whenever it has died.
    pub fn start(program: Program) -> Self {
        let state = Arc::new(Mutex::new(State {
            program,
            pid: None,
            starts: 0,
            exits: Vec::new(),
            is_down: false,
            failure: None,
        }));
        let keeper = tokio::spawn(keep(Arc::clone(&state)));
        Self { state, keeper }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        locked(&self.state)
    }

    /// What it is called.
    pub fn name(&self) -> String {
        self.state().program.name.clone()
    }

    /// Where its output goes.
    pub fn log(&self) -> PathBuf {
        self.state().program.log.clone()
    }

    /// Its number, while it runs.
    pub fn pid(&self) -> Option<Pid> {
        self.state().pid
    }

    /// How often it was started.
    pub fn starts(&self) -> u64 {
        self.state().starts
    }

    /// Its ends so far.
    pub fn exits(&self) -> Vec<ExitStatus> {
        self.state().exits.clone()
    }

    /// A setting of its environment from the next start on.
    pub fn set_environment(&self, name: &str, value: Option<&str>) {
        let mut state = self.state();
        let environment = &mut state.program.environment;
        match value {
            Some(value) => environment.insert(name.to_owned(), value.to_owned()),
            None => environment.remove(name),
        };
    }

    /// Sends a signal; false where it does not run.
    pub fn signal(&self, signal: Signal) -> bool {
        let pid = self.pid();
        pid.is_some_and(|pid| kill_process(pid, signal).is_ok())
    }

    /// Kills it and waits until it has been started again, with the environment that it has now. One that is just being
    /// started may have begun with the one before: it is killed too.
    pub async fn restart(&self) -> anyhow::Result<()> {
        loop {
            if let Some(before) = self.kill() {
                return self.until_started(before).await;
            }
            if let Some(failure) = self.failure() {
                anyhow::bail!("{failure}");
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    async fn until_started(&self, before: u64) -> anyhow::Result<()> {
        while self.starts() == before {
            if let Some(failure) = self.failure() {
                anyhow::bail!("{failure}");
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    /// Which of its starts was killed; None where it does not run.
    fn kill(&self) -> Option<u64> {
        let state = self.state();
        let killed = kill_process(state.pid?, Signal::KILL).is_ok();
        killed.then_some(state.starts)
    }

    /// Ends it by a signal, and leaves it down.
    pub async fn put_down(&self, signal: Signal) {
        self.state().is_down = true;
        self.signal(signal);
        while self.pid().is_some() {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Starts it again where it was left down.
    pub async fn put_up(&self) -> anyhow::Result<()> {
        let before = self.starts();
        self.state().is_down = false;
        self.until_started(before).await
    }

    /// What kept it from starting.
    pub fn failure(&self) -> Option<String> {
        self.state().failure.clone()
    }

    /// Waits until it has died `count` times in all; false where it has not by then.
    pub async fn died(&self, count: usize, within: Duration) -> bool {
        let dying = async {
            while self.state().exits.len() < count {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        tokio::time::timeout(within, dying).await.is_ok()
    }

    /// Its resident memory, in KiB.
    pub fn resident_kib(&self) -> Option<u64> {
        let pid = self.pid()?.as_raw_nonzero();
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))?;
        line.split_whitespace().next()?.parse().ok()
    }

    /// The processor time that it has used since it was last started, in ticks of 10 ms.
    pub fn processor_ticks(&self) -> Option<u64> {
        let pid = self.pid()?.as_raw_nonzero();
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // After the name, which may hold anything: user and system time are the 12th and 13th.
        let (_, fields) = stat.rsplit_once(')')?;
        let mut times = fields.split_whitespace().skip(11);
        let user: u64 = times.next()?.parse().ok()?;
        let system: u64 = times.next()?.parse().ok()?;
        user.checked_add(system)
    }

    /// The last lines of its output.
    pub fn last_lines(&self, count: usize) -> Vec<String> {
        last_lines(&self.log(), count)
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        // The child is killed with the task that holds it.
        self.keeper.abort();
        if let Some(pid) = self.pid()
            && kill_process(pid, Signal::KILL).is_ok()
        {
            // Waited for, and left to be reaped: whoever still writes would keep the run's folder from going.
            let ended = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
            waitid(WaitId::Pid(pid), ended).ok();
        }
    }
}

fn locked(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn keep(state: Arc<Mutex<State>>) {
    loop {
        let program = locked(&state).program.clone();
        let mut child = match start(&program) {
            Ok(child) => child,
            Err(error) => {
                locked(&state).failure = Some(format!("{error:#}"));
                return;
            }
        };
        {
            let mut state = locked(&state);
            let pid = child.id().and_then(|id| i32::try_from(id).ok());
            state.pid = pid.and_then(Pid::from_raw);
            state.starts = state.starts.saturating_add(1);
        }
        let status = child.wait().await;
        {
            let mut state = locked(&state);
            state.pid = None;
            state.exits.extend(status.ok());
        }
        tokio::time::sleep(PAUSE).await;
        while locked(&state).is_down {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

fn start(program: &Program) -> anyhow::Result<tokio::process::Child> {
    let output = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(&program.log)?;
    let (executable, arguments) = program.command.split_first().context("no program")?;
    let mut command = Command::new(executable);
    command.args(arguments);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("ORDERWAY_") {
            command.env_remove(name);
        }
    }
    command
        .envs(&program.environment)
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        .kill_on_drop(true);
    let child = command.spawn();
    child.with_context(|| format!("{} cannot be started", program.name))
}

/// The last lines of a file.
pub fn last_lines(file: &Path, count: usize) -> Vec<String> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let mut lines: Vec<String> = text.lines().rev().take(count).map(str::to_owned).collect();
    lines.reverse();
    lines
}
