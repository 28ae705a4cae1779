//! OCI from both sides: carts that are written and read, and the channel from outside.

mod html;
mod reading;
mod samples;
mod writing;
