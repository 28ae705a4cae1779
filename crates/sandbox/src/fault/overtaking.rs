//! Calls that are held until later ones have overtaken them.

use tokio::sync::oneshot;

use super::plan::{Call, FaultRule};

/// Held at most; one beyond is not held.
const MAX_HELD: usize = 10_000;

/// The calls that are held.
#[derive(Debug, Default)]
pub(super) struct Overtaken {
    held: Vec<Held>,
}

#[derive(Debug)]
struct Held {
    sequence: u64,
    rule: FaultRule,
    /// So many have yet to pass.
    left: u64,
    wake: oneshot::Sender<()>,
}

impl Overtaken {
    /// Holds a call; the receiver ends once enough others that its rule matches have passed.
    pub(super) fn wait(
        &mut self,
        sequence: u64,
        rule: &FaultRule,
        behind: u64,
    ) -> oneshot::Receiver<()> {
        let (wake, woken) = oneshot::channel();
        // Whoever waited long enough has gone on.
        self.held.retain(|held| !held.wake.is_closed());
        if behind > 0 && self.held.len() < MAX_HELD {
            self.held.push(Held {
                sequence,
                rule: rule.clone(),
                left: behind,
                wake,
            });
        }
        woken
    }

    /// A call was answered.
    pub(super) fn passed(&mut self, sequence: u64, call: Call<'_>) {
        for held in &mut self.held {
            if held.sequence < sequence && held.rule.matches(call) {
                held.left = held.left.saturating_sub(1);
            }
        }
        // Dropping the sender wakes.
        self.held.retain(|held| held.left > 0);
    }
}

#[cfg(test)]
mod tests {
    use super::super::plan::Fault;
    use super::*;

    fn get(path: &str) -> Call<'_> {
        Call {
            method: "GET",
            path,
            body: b"",
        }
    }

    #[test]
    fn a_call_goes_on_when_enough_later_ones_have_passed() {
        let mut overtaken = Overtaken::default();
        let rule = FaultRule::new("/a", Fault::DropConnection);
        let mut woken = overtaken.wait(5, &rule, 2);
        for (sequence, path) in [(4, "/a"), (6, "/b"), (7, "/a")] {
            overtaken.passed(sequence, get(path));
            assert_eq!(woken.try_recv(), Err(oneshot::error::TryRecvError::Empty));
        }
        overtaken.passed(8, get("/a/b"));
        assert_eq!(woken.try_recv(), Err(oneshot::error::TryRecvError::Closed));
    }
}
