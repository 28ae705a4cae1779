//! cXML from outside: requests over the router, a process-apis of our own over HTTP, and a buyer's system that is sent
//! confirmations.

mod buyer;
mod changes;
mod comparing;
mod confirming;
mod documents;
mod once;
mod senders;
mod setups;
mod taking;
mod world;

use buyer::Buyer;
use world::{Ask, Line, World, quote};
