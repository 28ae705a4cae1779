//! The door for news, over the store and a layer below that answers as told.
