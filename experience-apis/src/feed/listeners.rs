//! Who listens to the events of which accounts: each has a bounded buffer, and whoever does not empty it in time is let
//! go rather than waited for.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use tokio::sync::mpsc::{self, error::TryRecvError};

/// Whose events: the company's source and the account.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Audience {
    /// `/companies/<company>`.
    pub source: String,
    /// The account.
    pub account: String,
}

/// An event on its way to those who listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// Its place in the feed.
    pub position: u64,
    /// `com.orderway.order.accepted.v1` …
    pub event_type: Arc<str>,
    /// The event in one line of JSON; shared by all who listen.
    pub json: Bytes,
}

/// Those who listen; cheap to clone.
#[derive(Clone)]
pub struct Listeners {
    open: Arc<Mutex<Open>>,
    most: usize,
    most_per_account: usize,
    buffer: usize,
}

#[derive(Default)]
struct Open {
    last_id: u64,
    senders: HashMap<u64, mpsc::Sender<Heard>>,
    audiences: HashMap<Audience, Vec<u64>>,
}

/// One who listens; ends when it is dropped.
pub struct Listening {
    listeners: Listeners,
    id: u64,
    audiences: Vec<Audience>,
    heard: mpsc::Receiver<Heard>,
}

/// It was too slow: what came after the last event it heard, it has not heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Missed;

/// As many listen as may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// At this instance.
    Instance,
    /// To one of the accounts.
    Account,
}

impl Listeners {
    /// At most so many, and so many to one account, each with room for so many events.
    pub fn new(most: usize, most_per_account: usize, buffer: usize) -> Self {
        Self {
            open: Arc::default(),
            most,
            most_per_account,
            buffer: buffer.max(1),
        }
    }

    /// Begins to listen: from here on nothing is missed until [`Listening::hear`] says that it was.
    pub fn listen(&self, audiences: Vec<Audience>) -> Result<Listening, Full> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.senders.len() >= self.most {
            return Err(Full::Instance);
        }
        let listening = |audience: &Audience| open.audiences.get(audience).map_or(0, Vec::len);
        if audiences
            .iter()
            .any(|audience| listening(audience) >= self.most_per_account)
        {
            return Err(Full::Account);
        }
        open.last_id = open.last_id.wrapping_add(1);
        let id = open.last_id;
        let (sender, heard) = mpsc::channel(self.buffer);
        open.senders.insert(id, sender);
        for audience in &audiences {
            open.audiences.entry(audience.clone()).or_default().push(id);
        }
        Ok(Listening {
            listeners: self.clone(),
            id,
            audiences,
            heard,
        })
    }

    /// Hands an event to those who listen to its account; who has no room left hears nothing any more.
    pub fn tell(&self, audience: &Audience, event: &Heard) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let Open {
            senders, audiences, ..
        } = &mut *open;
        for id in audiences.get(audience).into_iter().flatten() {
            let taken = senders
                .get(id)
                .is_some_and(|sender| sender.try_send(event.clone()).is_ok());
            if !taken {
                // With its only sender gone it hears what is in its buffer, and then the end.
                senders.remove(id);
            }
        }
    }

    /// How many listen.
    pub fn count(&self) -> usize {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.senders.len()
    }
}

impl Listening {
    /// The next event; None = it was too slow, and has missed what came after the last.
    pub async fn hear(&mut self) -> Option<Heard> {
        self.heard.recv().await
    }

    /// The next event if one is there already.
    pub fn heard(&mut self) -> Result<Option<Heard>, Missed> {
        match self.heard.try_recv() {
            Ok(heard) => Ok(Some(heard)),
            Err(TryRecvError::Empty) => Ok(None),
            Err(TryRecvError::Disconnected) => Err(Missed),
        }
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let mut open = self
            .listeners
            .open
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        open.senders.remove(&self.id);
        for audience in &self.audiences {
            if let Some(ids) = open.audiences.get_mut(audience) {
                ids.retain(|id| *id != self.id);
                if ids.is_empty() {
                    open.audiences.remove(audience);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn of(account: &str) -> Audience {
        Audience {
            source: "/companies/NWI".to_owned(),
            account: account.to_owned(),
        }
    }

    fn event(position: u64) -> Heard {
        Heard {
            position,
            event_type: "com.orderway.order.held.v1".into(),
            json: Bytes::from_static(b"{}"),
        }
    }

    fn positions(listening: &mut Listening) -> Vec<u64> {
        std::iter::from_fn(|| listening.heard().unwrap_or(None))
            .map(|event| event.position)
            .collect()
    }

    #[test]
    fn an_account_hears_its_own_events_in_order_and_no_others() {
        let listeners = Listeners::new(10, 10, 10);
        let mut both = listeners.listen(vec![of("A"), of("B")]).unwrap();
        let mut one = listeners.listen(vec![of("B")]).unwrap();
        listeners.tell(&of("A"), &event(1));
        listeners.tell(&of("B"), &event(2));
        let elsewhere = Audience {
            source: "/companies/DE01".to_owned(),
            ..of("B")
        };
        listeners.tell(&elsewhere, &event(3));
        listeners.tell(&of("A"), &event(4));
        assert_eq!(positions(&mut both), [1, 2, 4]);
        assert_eq!(positions(&mut one), [2]);
    }

    #[test]
    fn a_slow_one_is_let_go_and_hurts_nobody() {
        let listeners = Listeners::new(10, 10, 2);
        let mut slow = listeners.listen(vec![of("A")]).unwrap();
        let mut quick = listeners.listen(vec![of("A")]).unwrap();
        for position in 1..=4 {
            listeners.tell(&of("A"), &event(position));
            let heard = quick.heard().unwrap();
            assert_eq!(heard.map(|event| event.position), Some(position));
        }
        for position in [1, 2] {
            let heard = slow.hear().now_or_never().unwrap();
            assert_eq!(heard.map(|event| event.position), Some(position));
        }
        assert_eq!(slow.hear().now_or_never(), Some(None), "then the end");
        assert_eq!(listeners.count(), 1);
    }

    #[test]
    fn listening_is_bounded_and_leaves_nothing_behind() {
        let listeners = Listeners::new(3, 2, 2);
        let open = [(); 2].map(|()| listeners.listen(vec![of("A")]).ok().unwrap());
        assert_eq!(listeners.listen(vec![of("A")]).err(), Some(Full::Account));
        let other = listeners.listen(vec![of("B")]).ok().unwrap();
        assert_eq!(listeners.listen(vec![of("C")]).err(), Some(Full::Instance));
        drop((open, other));
        assert_eq!(listeners.count(), 0);
        let registry = listeners.open.lock().unwrap();
        assert!(registry.audiences.is_empty(), "nobody is remembered");
    }
}
