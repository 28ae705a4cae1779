//! The binary as an operator meets it: its commands on a store, and its end.
#![cfg(test)]

mod commands;
mod drain;
mod moving;
mod support;
