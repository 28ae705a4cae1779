//! The migrations are compiled in: a new file must build them anew.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
}
