//! The integration tests: one binary, from outside where they can.
#![cfg(test)]

mod bad_input;
mod bad_interchange;
mod bad_requests;
mod browser_works;
mod channels_agree;
mod config_files;
mod contract_quality;
mod contracts;
mod error_pages;
mod findings;
mod holds;
mod house_rules;
mod isolation;
mod once;
mod order_path;
mod punchout_attacks;
mod punchout_confirmations;
mod punchout_cxml;
mod punchout_html;
mod punchout_isolation;
mod punchout_oci;
mod punchout_pages;
mod punchout_samples;
mod punchout_visits;
mod reservations;
mod restart;
mod slow_erp;
mod support;
mod tokens;
mod trace;
mod typescript_client;
mod x12_dialects;
mod x12_exchange;
mod x12_samples;
mod x12_sender;
