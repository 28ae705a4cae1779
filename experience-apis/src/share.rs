//! A share of the requests at work: no credential may hold them all, whoever sends slowly or waits long.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

/// Counts what each key has at work; cheap to clone. It knows only keys that have something at work.
#[derive(Clone)]
pub struct Shares {
    most: usize,
    at_work: Arc<Mutex<HashMap<String, usize>>>,
}

/// A place in a key's share, given back when it is dropped.
pub struct Place {
    shares: Shares,
    key: String,
}

impl Shares {
    /// At most so many at a time for each key.
    pub fn new(most: usize) -> Self {
        Self {
            most,
            at_work: Arc::default(),
        }
    }

    /// Takes a place; `None` = the key has all it may have.
    pub fn enter(&self, key: &str) -> Option<Place> {
        let mut at_work = self.at_work.lock().unwrap_or_else(PoisonError::into_inner);
        let count = at_work.entry(key.to_owned()).or_default();
        if *count >= self.most {
            return None;
        }
        *count = count.saturating_add(1);
        Some(Place {
            shares: self.clone(),
            key: key.to_owned(),
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let at_work = &self.shares.at_work;
        let mut at_work = at_work.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = at_work.get_mut(&self.key) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                at_work.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_full_for_its_key_alone_and_is_given_back() {
        let shares = Shares::new(2);
        let (first, second) = (shares.enter("a"), shares.enter("a"));
        assert!(first.is_some() && second.is_some());
        assert!(shares.enter("a").is_none());
        assert!(shares.enter("b").is_some());
        drop(first);
        assert!(shares.enter("a").is_some());
        drop(second);
        assert!(
            shares.at_work.lock().unwrap().is_empty(),
            "nobody is remembered"
        );
    }
}
