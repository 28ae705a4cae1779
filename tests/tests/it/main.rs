//! The integration tests: one binary, from outside where they can.
#![cfg(test)]

mod house_rules;
