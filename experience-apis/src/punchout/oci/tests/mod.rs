//! OCI from both sides: carts that are written and read, and the channel from outside.

mod calls;
mod carts;
mod contract;
mod functions;
mod hooks;
mod html;
mod orders;
mod reading;
mod samples;
mod world;
mod writing;
