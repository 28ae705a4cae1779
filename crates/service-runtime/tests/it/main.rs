//! The server and the hop client from outside, over real sockets.
#![cfg(test)]

mod backend;
mod hop;
mod server;
mod support;
