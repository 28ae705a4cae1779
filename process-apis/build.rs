//! The migrations are compiled in: a new file must build them anew.
#![expect(clippy::print_stdout, reason = "what Cargo is told is printed")]

fn main() {
    println!("cargo:rerun-if-changed=migrations");
}
