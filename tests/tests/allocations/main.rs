//! How much the pure paths allocate, against the committed figures in `figures.toml`: what allocates more has become slower,
//! whatever the machine. A figure that is no longer true fails either way; `ORDERWAY_WRITE_FIGURES=1` writes them anew, and the
//! commit says why.

mod paths;

use std::{collections::BTreeMap, fs, hint::black_box, path::PathBuf};

use allocation_counter::AllocationInfo;
use serde::{Deserialize, Serialize};

/// By how much a figure may be off. The counts are exact for one build; dependencies move them a little.
const TOLERANCE_PERCENT: u64 = 3;

/// What one run of a path takes from the allocator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Figure {
    /// How often it asks.
    allocations: u64,
    /// How much it asks for altogether.
    bytes: u64,
}

impl Figure {
    fn of<T>(path: impl Fn() -> T) -> Self {
        // What is made once in a process is no part of it.
        black_box(path());
        let taken = allocation_counter::measure(|| {
            black_box(path());
        });
        Self::taken(&taken)
    }

    fn taken(taken: &AllocationInfo) -> Self {
        Self {
            allocations: taken.count_total,
            bytes: taken.bytes_total,
        }
    }

    fn is_near(self, other: Self) -> bool {
        let near = |one: u64, other: u64| one.abs_diff(other) * 100 <= other * TOLERANCE_PERCENT;
        near(self.allocations, other.allocations) && near(self.bytes, other.bytes)
    }
}

#[test]
fn the_pure_paths_allocate_what_is_written_down() -> anyhow::Result<()> {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/allocations/figures.toml");
    let now = paths::measured()?;
    if std::env::var_os("ORDERWAY_WRITE_FIGURES").is_some() {
        fs::write(&file, toml::to_string(&now)?)?;
    }
    let committed: BTreeMap<String, Figure> = toml::from_str(&fs::read_to_string(&file)?)?;
    let names: Vec<&str> = now.keys().map(String::as_str).collect();
    let known: Vec<&str> = committed.keys().map(String::as_str).collect();
    assert_eq!(names, known);
    let off: Vec<String> = now
        .iter()
        .zip(committed.values())
        .filter(|((_, now), committed)| !now.is_near(**committed))
        .map(|((name, now), committed)| format!("{name}: {now:?}, committed {committed:?}"))
        .collect();
    assert!(off.is_empty(), "{}", off.join("\n"));
    Ok(())
}
