//! The layer as a whole, over SQLite and a fake of the layer below.
