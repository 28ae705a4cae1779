//! The portal as a storefront meets it: real tokens, the whole stack of middleware, and a stand-in for process-apis
//! behind real HTTP.

mod accounts;
mod contract;
mod events;
mod limits;
mod objects;
mod orders;
mod products;
mod stub;
mod tokens;
mod wait;
mod world;
