//! One stream of events: everybody in the engine tells, one listener hears, in order.

use std::sync::mpsc::{Sender, channel, sync_channel};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::Instant;

use crate::config::Site;
use crate::event::{Event, Failure, Listener, What};

/// Where events go in.
#[derive(Debug, Clone)]
pub struct Hub(Arc<Inner>);

/// A hub that does not keep the stream open.
#[derive(Debug, Clone)]
pub struct WeakHub(Weak<Inner>);

#[derive(Debug)]
struct Inner {
    sender: Sender<Message>,
    start: Instant,
    site: Arc<Site>,
}

enum Message {
    // Boxed: an event is large, a mark is not.
    Event(Box<Event>),
    /// Answered once everything before it was heard.
    Mark(std::sync::mpsc::SyncSender<()>),
}

/// The listening thread; joining it waits until every event was heard.
pub struct Hearing(JoinHandle<Box<dyn Listener>>);

impl Hub {
    /// Starts to listen on a thread of its own, so that a slow terminal slows nobody.
    pub fn open(mut listener: Box<dyn Listener>, site: Arc<Site>) -> (Self, Hearing) {
        let (sender, receiver) = channel::<Message>();
        let thread = std::thread::spawn(move || {
            for message in receiver {
                match message {
                    Message::Event(event) => listener.hear(&event),
                    Message::Mark(heard) => {
                        // Nobody waits any more only when the run is over.
                        let _ = heard.send(());
                    }
                }
            }
            listener
        });
        let inner = Inner {
            sender,
            start: Instant::now(),
            site,
        };
        (Self(Arc::new(inner)), Hearing(thread))
    }

    pub fn weak(&self) -> WeakHub {
        WeakHub(Arc::downgrade(&self.0))
    }

    /// Tells an event. Whatever sealed value found its way into it is replaced by its name here,
    /// at the one place that every event passes.
    pub fn tell(&self, what: What) {
        let event = Event {
            at: jiff::Timestamp::now().to_string(),
            elapsed: self.seconds(),
            what,
        };
        // Nobody listens any more only when the run is over.
        let event = Box::new(self.cleaned(event));
        let _ = self.0.sender.send(Message::Event(event));
    }

    /// Waits until everything told so far was heard: before a question is put on the terminal.
    pub fn settle(&self) {
        let (sender, receiver) = sync_channel(1);
        if self.0.sender.send(Message::Mark(sender)).is_ok() {
            let _ = receiver.recv();
        }
    }

    pub fn warn(&self, host: Option<&str>, message: impl Into<String>) {
        self.tell(What::Warning {
            host: host.map(str::to_owned),
            message: message.into(),
        });
    }

    /// Seconds since the run began.
    pub fn seconds(&self) -> f64 {
        self.0.start.elapsed().as_secs_f64()
    }

    fn cleaned(&self, event: Event) -> Event {
        let Ok(text) = serde_json::to_string(&event) else {
            return event;
        };
        let clean = self.0.site.vault.redact_json(&text);
        if clean == text {
            return event;
        }
        serde_json::from_str(&clean).unwrap_or(Event {
            what: What::Warning {
                host: None,
                message: "an event was withheld because a secret stood in it".to_owned(),
            },
            ..event
        })
    }
}

impl WeakHub {
    pub fn upgrade(&self) -> Option<Hub> {
        self.0.upgrade().map(Hub)
    }
}

impl Hearing {
    /// Waits for the last event, once every [`Hub`] is gone, and gives the listener back.
    pub fn finish(self) -> Option<Box<dyn Listener>> {
        self.0.join().ok()
    }
}

/// An error with its causes, as an event tells it.
pub fn failure(error: &dyn std::error::Error, hint: Option<String>) -> Failure {
    let mut causes = Vec::new();
    let mut source = error.source();
    while let Some(cause) = source {
        causes.push(cause.to_string());
        source = cause.source();
    }
    Failure {
        message: error.to_string(),
        causes,
        hints: hint.into_iter().filter(|hint| !hint.is_empty()).collect(),
        ..Failure::default()
    }
}
