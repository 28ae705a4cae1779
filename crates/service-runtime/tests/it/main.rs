//! The server and the hop client from outside, over real sockets.
#![cfg(test)]

mod hop;
mod server;
mod support;
