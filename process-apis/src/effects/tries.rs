//! What was tried, and when: kept with an effect, and told to the person who is asked to look.

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// So many are kept one by one: the first, and the last of the others.
const KEPT: usize = 8;

/// The tries of an effect, since it was begun or a person had it tried again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tries {
    /// How many.
    pub count: u32,
    /// The first, and the last of the others.
    pub kept: Vec<Tried>,
}

/// One try.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tried {
    /// When it was over.
    pub at: Timestamp,
    /// What, and what it came to.
    pub what: String,
}

impl Tries {
    /// Notes one.
    pub fn note(&mut self, at: Timestamp, what: impl Into<String>) {
        self.count = self.count.saturating_add(1);
        if self.kept.len() >= KEPT {
            self.kept.remove(1);
        }
        self.kept.push(Tried {
            at,
            what: what.into(),
        });
    }

    /// When it was tried last.
    pub fn last(&self) -> Option<Timestamp> {
        self.kept.last().map(|last| last.at)
    }

    /// Whether it has been tried for longer than a time.
    pub fn took_longer_than(&self, time: SignedDuration, now: Timestamp) -> bool {
        self.kept
            .first()
            .is_some_and(|first| now.duration_since(first.at) >= time)
    }
}

impl fmt::Display for Tries {
    /// A sentence, or nothing where nothing was tried.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.kept.is_empty() {
            return Ok(());
        }
        write!(out, " Tried {}: ", Times(self.count))?;
        let shown = u32::try_from(self.kept.len()).unwrap_or(u32::MAX);
        for (index, tried) in self.kept.iter().enumerate() {
            let between = match index {
                0 => "",
                1 if shown < self.count => "; …; ",
                _ => "; ",
            };
            // To the second: a person reads it.
            write!(
                out,
                "{between}{} {}",
                tried.at.strftime("%Y-%m-%dT%H:%M:%SZ"),
                tried.what
            )?;
        }
        out.write_str(".")
    }
}

struct Times(u32);

impl fmt::Display for Times {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            1 => out.write_str("once"),
            2 => out.write_str("twice"),
            more => write!(out, "{more} times"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_and_the_last_are_told() {
        let start: Timestamp = "2026-03-02T12:00:00.5Z".parse().unwrap();
        let mut tries = Tries::default();
        assert_eq!(tries.to_string(), "");
        tries.note(start, "create: no answer");
        assert_eq!(
            tries.to_string(),
            " Tried once: 2026-03-02T12:00:00Z create: no answer."
        );
        for minute in 1..20 {
            let at = start + SignedDuration::from_mins(minute);
            tries.note(at, format!("search {minute}: nothing found"));
        }
        let text = tries.to_string();
        assert!(text.starts_with(" Tried 20 times: 2026-03-02T12:00:00Z create: no answer; …; "));
        assert!(text.ends_with("12:19:00Z search 19: nothing found."));
        assert_eq!(tries.kept.len(), 8);
        let hour = SignedDuration::from_hours(1);
        assert!(!tries.took_longer_than(hour, start + SignedDuration::from_mins(59)));
        assert!(tries.took_longer_than(hour, start + hour));
    }
}
