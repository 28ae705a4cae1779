//! What every Orderway binary is made of: configuration, problem+json, identity, telemetry, HTTP
//! client and server, health and drain. It knows nothing of orders.

pub mod clock;
pub mod config;
pub mod context;
pub mod crash;
pub mod extract;
pub mod fingerprint;
pub mod health;
pub mod http_client;
pub mod jwt;
pub mod layers;
pub mod memo;
pub mod metrics;
pub mod openapi;
pub mod page;
pub mod problem;
pub mod rate_limit;
pub mod secret_hash;
pub mod server;
pub mod telemetry;
pub mod trace;
