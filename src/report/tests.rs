//! Whole console outputs of recorded streams of events.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use super::*;
use crate::event::{Event, Listener, What};

/// A stream of events of `tests/data/report`.
pub fn stream(name: &str) -> Vec<Event> {
    let path = format!(
        "{}/tests/data/report/{name}.jsonl",
        env!("CARGO_MANIFEST_DIR")
    );
    let text = std::fs::read_to_string(path).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// A place to write to that can be read.
#[derive(Clone, Default)]
pub struct Paper(Arc<Mutex<Vec<u8>>>);

impl Paper {
    pub fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Both streams, after the whole run was told.
fn told(events: &[Event], options: Options) -> (String, String) {
    let (out, err) = (Paper::default(), Paper::default());
    let mut reporter = Reporter::new(options, Box::new(out.clone()), Box::new(err.clone()));
    events.iter().for_each(|event| reporter.hear(event));
    reporter.finish().unwrap();
    (out.text(), err.text())
}

fn both(events: &[Event], options: Options) -> String {
    let (out, err) = told(events, options);
    format!("─── out\n{out}─── err\n{err}")
}

fn wide(columns: usize) -> Options {
    let canvas = Canvas {
        colour: Colour::Plain,
        width: Some(columns),
    };
    Options {
        out: canvas,
        err: canvas,
        ..Options::default()
    }
}

#[test]
fn a_plan() {
    insta::assert_snapshot!(both(&stream("plan"), wide(120)));
}

#[test]
fn a_plan_in_full() {
    let options = Options {
        verbosity: 2,
        ..Options::default()
    };
    insta::assert_snapshot!(both(&stream("plan"), options));
}

#[test]
fn a_narrow_plan() {
    insta::assert_snapshot!(told(&stream("plan"), wide(50)).0);
}

#[test]
fn an_apply() {
    insta::assert_snapshot!(both(&stream("apply"), Options::default()));
}

#[test]
fn an_apply_in_full() {
    let options = Options {
        verbosity: 1,
        ..Options::default()
    };
    insta::assert_snapshot!(both(&stream("apply"), options));
}

#[test]
fn failures() {
    let record = Some("/var/lib/ra-deploy/runs/1".into());
    insta::assert_snapshot!(both(
        &stream("failure"),
        Options {
            record,
            ..wide(100)
        }
    ));
}

#[test]
fn a_hundred_hosts_on_a_narrow_terminal() {
    let text = both(&stream("hundred"), wide(60));
    insta::assert_snapshot!(text);
}

#[test]
fn a_verification() {
    insta::assert_snapshot!(both(&stream("verify"), wide(80)));
}

#[test]
fn an_interrupted_run() {
    let mut events = stream("apply");
    let last = events.last_mut().unwrap();
    let What::RunFinished(summary) = &mut last.what else {
        panic!("{last:?}")
    };
    summary.interrupted = true;
    summary.hosts[1].left = 3;
    let (_, err) = told(&events, Options::default());
    assert_eq!(
        err.lines().last().unwrap(),
        "Interrupted after 2 min 6 s: 2 hosts done, 1 not. Run the same command again to go on \
         where it stopped."
    );
}

#[test]
fn colour_only_adds_colour() {
    for name in ["plan", "apply", "failure", "hundred", "verify"] {
        let events = stream(name);
        let canvas = Canvas {
            colour: Colour::Ansi,
            width: Some(80),
        };
        let (out, err) = told(
            &events,
            Options {
                out: canvas,
                err: canvas,
                ..Options::default()
            },
        );
        assert!(format!("{out}{err}").contains("\u{1b}["), "{name}");
        assert_eq!((clean::lines(&out), clean::lines(&err)), {
            let (out, err) = told(&events, wide(80));
            (clean::lines(&out), clean::lines(&err))
        });
    }
}

#[test]
fn no_stream_gets_a_control_character_of_a_machine() {
    for name in ["plan", "apply", "failure", "hundred", "verify"] {
        for verbosity in 0..3 {
            let (out, err) = told(
                &stream(name),
                Options {
                    verbosity,
                    ..wide(60)
                },
            );
            let bad =
                |character: &char| character.is_control() && !matches!(character, '\n' | '\t');
            assert_eq!(out.chars().chain(err.chars()).find(bad), None, "{name}");
        }
    }
}

#[test]
fn json_lines_are_the_events() {
    let events = stream("failure");
    let options = Options {
        format: Format::JsonLines,
        ..Options::default()
    };
    let (out, _) = told(&events, options);
    let read: Vec<Event> = out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(read, events);
}

#[test]
fn json_is_one_document() {
    let options = Options {
        format: Format::Json,
        ..Options::default()
    };
    let (out, err) = told(&stream("plan"), options);
    let document: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(document["format"], 1);
    assert_eq!(document["run"]["site"], "east");
    assert_eq!(document["plan"].as_array().unwrap().len(), 72);
    assert_eq!(document["failures"][0]["host"], "w07");
    assert_eq!(document["summary"]["exit_code"], 2);
    assert!(!err.contains("Plan:"), "{err}");
}

#[test]
fn a_full_disk_is_told_and_a_closed_pipe_is_not() {
    struct Broken(io::ErrorKind);
    impl Write for Broken {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    for (kind, expected) in [
        (io::ErrorKind::StorageFull, Some(io::ErrorKind::StorageFull)),
        (io::ErrorKind::BrokenPipe, None),
    ] {
        let mut reporter = Reporter::new(
            Options::default(),
            Box::new(Broken(kind)),
            Box::new(Paper::default()),
        );
        stream("plan").iter().for_each(|event| reporter.hear(event));
        assert_eq!(reporter.finish().err().map(|error| error.kind()), expected);
    }
}
