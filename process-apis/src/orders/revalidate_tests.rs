//! What differs from what a provisional order was taken at.
