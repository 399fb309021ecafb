//! Several listeners of one stream.

use std::sync::{Arc, Mutex, PoisonError};

use crate::event::{Event, Listener};

/// Each event goes to every listener, in order: the record first, so that what is shown is
/// recorded.
pub struct Tee(pub Vec<Box<dyn Listener>>);

impl Listener for Tee {
    fn hear(&mut self, event: &Event) {
        for listener in &mut self.0 {
            listener.hear(event);
        }
    }
}

/// A listener that its owner keeps a hold of while a run has it.
#[derive(Debug, Default)]
pub struct Shared<Inner>(Arc<Mutex<Inner>>);

impl<Inner> Shared<Inner> {
    pub fn new(inner: Inner) -> Self {
        Self(Arc::new(Mutex::new(inner)))
    }

    pub fn with<Value>(&self, act: impl FnOnce(&mut Inner) -> Value) -> Value {
        // A listener that panicked once has still heard what it heard.
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<Inner> Clone for Shared<Inner> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<Inner: Listener> Listener for Shared<Inner> {
    fn hear(&mut self, event: &Event) {
        self.with(|inner| inner.hear(event));
    }
}
