//! Orderway as it is run: programs of their own, started, watched and ended.

mod binaries;
mod kept;
mod ports;
pub mod settings;

pub use binaries::{Binaries, Binary, Build};
pub use kept::{Kept, Program, last_lines};
pub use ports::{Ports, until_up};
