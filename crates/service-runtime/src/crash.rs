//! Crash points: named places, before and after everything durable and every call outward, at which a test kills the
//! process.
//!
//! Only with the cargo feature `crash-points`; without it nothing of this is compiled into a binary. The environment
//! says what happens: `ORDERWAY_CRASH_AT=<name>[:n]` aborts at the n-th pass of that point (the first, if it is not
//! said), with nothing flushed and nothing tidied up; `ORDERWAY_CRASH_LOG=<file>` has each pass append the name of the
//! point to that file, a line each.

use std::future::Future;

/// A named place at which a test may kill the process. A layer lists all of its own in its `crash_points` module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CrashPoint(&'static str);

impl CrashPoint {
    /// A point of this name: words, dots and underscores.
    pub const fn new(name: &'static str) -> Self {
        Self(name)
    }

    /// Its name.
    pub const fn name(self) -> &'static str {
        self.0
    }
}

/// The two points around one durable step or one call outward.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Around {
    /// Just before it.
    pub before: CrashPoint,
    /// Just after it, before anything is made of what came of it.
    pub after: CrashPoint,
}

impl Around {
    /// Takes the step between its two points.
    pub async fn run<F: Future>(self, step: F) -> F::Output {
        crate::crash_point!(self.before);
        let came = step.await;
        crate::crash_point!(self.after);
        came
    }

    /// The two, in order.
    pub const fn both(self) -> [CrashPoint; 2] {
        [self.before, self.after]
    }
}

/// The points around a commit: `<name>.before_commit` and `<name>.after_commit`; the name may come in parts.
#[macro_export]
macro_rules! around_commit {
    ($($name:literal),+) => {
        $crate::crash::Around {
            before: $crate::crash::CrashPoint::new(concat!($($name,)+ ".before_commit")),
            after: $crate::crash::CrashPoint::new(concat!($($name,)+ ".after_commit")),
        }
    };
}

/// The points around a call outward: `<name>.before_call` and `<name>.after_call`; the name may come in parts.
#[macro_export]
macro_rules! around_call {
    ($($name:literal),+) => {
        $crate::crash::Around {
            before: $crate::crash::CrashPoint::new(concat!($($name,)+ ".before_call")),
            after: $crate::crash::CrashPoint::new(concat!($($name,)+ ".after_call")),
        }
    };
}

/// Passes a point: the process ends here where the environment says so.
#[cfg(feature = "crash-points")]
#[macro_export]
macro_rules! crash_point {
    ($point:expr) => {
        $crate::crash::pass($point)
    };
}

/// Passes a point: nothing, without the feature `crash-points`.
#[cfg(not(feature = "crash-points"))]
#[macro_export]
macro_rules! crash_point {
    ($point:expr) => {{
        // Checked by the compiler, and never run.
        let _ = || -> $crate::crash::CrashPoint { $point };
    }};
}

#[cfg(feature = "crash-points")]
pub use armed::pass;

#[cfg(feature = "crash-points")]
mod armed {
    use std::{
        fs::{File, OpenOptions},
        io::Write as _,
        sync::{Mutex, OnceLock, PoisonError},
    };

    use super::CrashPoint;

    /// Where to end, and how many passes are left until then.
    #[derive(Debug, PartialEq, Eq)]
    struct Target {
        name: String,
        left: u32,
    }

    #[derive(Default)]
    struct Armed {
        target: Option<Mutex<Target>>,
        log: Option<Mutex<File>>,
    }

    static ARMED: OnceLock<Armed> = OnceLock::new();

    impl Target {
        /// `<name>[:n]`, counted from 1.
        fn parse(text: &str) -> Self {
            let counted = text
                .rsplit_once(':')
                .and_then(|(name, pass)| Some((name, pass.parse().ok()?)));
            let (name, left) = counted.unwrap_or((text, 1));
            Self {
                name: name.to_owned(),
                left,
            }
        }

        /// Whether this pass is the one.
        fn reached(&mut self, point: CrashPoint) -> bool {
            if self.name != point.name() || self.left == 0 {
                return false;
            }
            self.left = self.left.saturating_sub(1);
            self.left == 0
        }
    }

    impl Armed {
        #[expect(
            clippy::disallowed_methods,
            reason = "it is no configuration: only builds for tests read it, and each process by itself"
        )]
        fn from_environment() -> Self {
            let target = std::env::var("ORDERWAY_CRASH_AT").ok();
            let log = std::env::var("ORDERWAY_CRASH_LOG")
                .ok()
                .and_then(|path| OpenOptions::new().create(true).append(true).open(path).ok());
            Self {
                target: target.map(|text| Mutex::new(Target::parse(&text))),
                log: log.map(Mutex::new),
            }
        }
    }

    /// Notes that the point was reached, and ends the process where it is to end.
    pub fn pass(point: CrashPoint) {
        let armed = ARMED.get_or_init(Armed::from_environment);
        if let Some(log) = &armed.log {
            let line = format!("{}\n", point.name());
            let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
            // A log that cannot be written must not change what the process does.
            drop(log.write_all(line.as_bytes()));
        }
        if let Some(target) = &armed.target
            && target
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .reached(point)
        {
            std::process::abort();
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn a_target_is_a_name_and_the_pass_that_counts() {
            let first = CrashPoint::new("a.before_call");
            let mut once = Target::parse("a.before_call");
            assert!(once.reached(first) && !once.reached(first));
            let mut third = Target::parse("a.before_call:3");
            assert!(!third.reached(CrashPoint::new("a.after_call")));
            let passes: Vec<bool> = (0..4).map(|_| third.reached(first)).collect();
            assert_eq!(passes, [false, false, true, false]);
        }

        /// Runs itself again as a process of its own, which has to die where it was told to.
        #[test]
        fn a_process_ends_at_its_point_and_leaves_word_of_those_it_passed() {
            const POINT: CrashPoint = CrashPoint::new("test.before_commit");
            const NEVER: CrashPoint = CrashPoint::new("test.after_commit");
            if std::env::var_os("ORDERWAY_CRASH_AT").is_some() {
                pass(POINT);
                pass(POINT);
                pass(NEVER);
                return;
            }
            let folder = tempfile::tempdir().unwrap();
            let log = folder.path().join("passed");
            let status = std::process::Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "crash::armed::tests::a_process_ends_at_its_point_and_leaves_word_of_those_it_passed"])
                .env("ORDERWAY_CRASH_AT", "test.before_commit:2")
                .env("ORDERWAY_CRASH_LOG", &log)
                .stdout(std::process::Stdio::null())
                .stderr(std::process::Stdio::null())
                .status()
                .unwrap();
            assert_eq!(status.code(), None, "it must be killed by a signal");
            assert_eq!(
                std::fs::read_to_string(log).unwrap(),
                "test.before_commit\ntest.before_commit\n"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    #[tokio::test]
    async fn a_step_between_two_points_comes_to_what_it_comes_to() {
        let points = crate::around_commit!("some.step");
        assert_eq!(points.before.name(), "some.step.before_commit");
        assert_eq!(points.run(async { 7 }).await, 7);
    }
}
