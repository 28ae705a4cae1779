//! The portal's own JSON: what a storefront sends and reads. Requests refuse unknown fields; answers hold nothing that
//! is not meant for a buyer, and are built from canonical objects in `mapping`.

pub mod account;
pub mod basket;
pub mod hold;
pub mod order;
pub mod price;
pub mod product;
pub mod quote;
pub mod reservation;
pub mod webhook;
