//! The cXML documents: the published samples, what we write against its definitions, and hostile input.

mod carts;
mod confirmations;
mod dtd;
mod envelopes;
mod hostile;
mod orders;
mod samples;
mod setups;
mod support;
