//! The door for backends: who is believed, and what is answered when.
