//! The sandbox from outside, over HTTP, as a connector meets it.
#![cfg(test)]

mod crm;
mod erp;
mod fault;
mod fault_deliveries;
mod issuer;
mod orders;
mod support;
mod wms;
mod wms_news;
