//! Connections that wait for their next request.

use std::sync::{Mutex, MutexGuard, PoisonError};

use aya_core::time::Tick;

use super::Connection;
use crate::config::Keepalive;

/// The idle connections of one worker to one backend; the last one put back is taken first, so that the
/// others can age out.
#[derive(Debug, Default)]
pub struct IdleList {
    connections: Mutex<Vec<Idle>>,
}

#[derive(Debug)]
struct Idle {
    connection: Box<Connection>,
    since: Tick,
}

impl IdleList {
    /// Takes the youngest idle connection that is still open.
    pub fn take(&self) -> Option<Box<Connection>> {
        let mut list = self.lock();
        while let Some(mut idle) = list.pop() {
            if idle.connection.is_alive() {
                return Some(idle.connection);
            }
        }
        None
    }

    /// Puts a connection back, unless that is over a limit.
    pub fn put(&self, mut connection: Box<Connection>, now: Tick, keepalive: &Keepalive) {
        if now.since(connection.opened()) >= keepalive.age {
            return;
        }
        let mut list = self.lock();
        if list.len() < keepalive.max_idle {
            connection.rest();
            list.push(Idle { connection, since: now });
        }
    }

    /// Closes connections that are idle or alive for too long, and says how many.
    pub fn close_old(&self, now: Tick, keepalive: &Keepalive) -> usize {
        let mut list = self.lock();
        let before = list.len();
        list.retain(|idle| {
            now.since(idle.since) < keepalive.idle && now.since(idle.connection.opened()) < keepalive.age
        });
        before - list.len()
    }

    /// Closes all, and says how many.
    pub fn close_all(&self) -> usize {
        std::mem::take(&mut *self.lock()).len()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// True when there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Idle>> {
        // Every holder leaves a whole list behind.
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
