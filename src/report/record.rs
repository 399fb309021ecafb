//! The run record: a folder that a run can be told again from. Only its owner can read it.
//!
//! `events.jsonl` holds one event a line, each written whole before the next happens, so a record
//! that was cut off is true up to its last line. `summary.json` is there when the run came to its
//! end: the document that `--output json` prints.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::account::Account;
use crate::event::{Event, Listener, What};

const EVENTS: &str = "events.jsonl";
const SUMMARY: &str = "summary.json";

#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    #[error("cannot {act} {}", .path.display())]
    Storage {
        /// `create`, `write`, `read`.
        act: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("there is no run record in {}", .0.display())]
    Absent(PathBuf),
    #[error("line {line} of {} is no event", .path.display())]
    Malformed {
        path: PathBuf,
        /// From 1.
        line: usize,
        #[source]
        source: serde_json::Error,
    },
    #[error("cannot put an event into words")]
    Serialise(#[source] serde_json::Error),
}

impl RecordError {
    /// What to do next.
    pub fn hint(&self) -> String {
        match self {
            Self::Storage { act, path, source } => match source.kind() {
                io::ErrorKind::StorageFull => "free some space there".to_owned(),
                io::ErrorKind::PermissionDenied => format!(
                    "{act} it as the user that it belongs to, or give a folder of your own with \
                     --state"
                ),
                io::ErrorKind::AlreadyExists => {
                    "another run has this record: start again in a second".to_owned()
                }
                _ => format!("see whether {} can be written", path.display()),
            },
            Self::Absent(_) => {
                "`plan`, `apply` and `verify` write one; name the folder they wrote to".to_owned()
            }
            Self::Malformed { .. } => {
                "it was changed by hand, or written by another version of ra-deploy: use that one"
                    .to_owned()
            }
            Self::Serialise(_) => "this is a fault of ra-deploy: please report it".to_owned(),
        }
    }
}

/// Writes a run's record while it happens.
#[derive(Debug)]
pub struct Recorder {
    folder: PathBuf,
    events: File,
    account: Account,
    /// The first failure; after it nothing more is written, so that no line is missing between
    /// two others.
    trouble: Option<RecordError>,
}

impl Recorder {
    /// Makes the run's folder, and its parents, for its owner alone (0700; files 0600).
    pub fn create(folder: impl Into<PathBuf>) -> Result<Self, RecordError> {
        let folder = folder.into();
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder)
            .map_err(failed("create", &folder))?;
        let path = folder.join(EVENTS);
        let events = private()
            .create_new(true)
            .open(&path)
            .map_err(failed("create", &path))?;
        Ok(Self {
            folder,
            events,
            account: Account::default(),
            trouble: None,
        })
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The first failure to write, if there was one.
    pub fn finish(&mut self) -> Result<(), RecordError> {
        self.trouble.take().map_or(Ok(()), Err)
    }

    fn write(&mut self, event: &Event) -> Result<(), RecordError> {
        let mut line = serde_json::to_vec(event).map_err(RecordError::Serialise)?;
        line.push(b'\n');
        let path = self.folder.join(EVENTS);
        self.events
            .write_all(&line)
            .map_err(failed("write", &path))?;
        // What a person will want to read after a power cut is on the disk at once.
        let last = matches!(event.what, What::RunFinished(_));
        if last
            || matches!(
                event.what,
                What::TaskFailed { .. } | What::HostFailed { .. }
            )
        {
            self.events.sync_data().map_err(failed("write", &path))?;
        }
        if last {
            self.summarise()?;
        }
        Ok(())
    }

    fn summarise(&self) -> Result<(), RecordError> {
        let document = self.account.document();
        let mut text = serde_json::to_vec_pretty(&document).map_err(RecordError::Serialise)?;
        text.push(b'\n');
        let beside = self.folder.join(format!(".{SUMMARY}.part"));
        let path = self.folder.join(SUMMARY);
        let write = || {
            let mut file = private().create(true).truncate(true).open(&beside)?;
            file.write_all(&text)?;
            file.sync_data()?;
            fs::rename(&beside, &path)
        };
        write().map_err(failed("write", &path))
    }
}

impl Listener for Recorder {
    fn hear(&mut self, event: &Event) {
        self.account.hear(event);
        if self.trouble.is_none()
            && let Err(error) = self.write(event)
        {
            tracing::warn!(%error, "the run record is cut off");
            self.trouble = Some(error);
        }
    }
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).mode(0o600);
    options
}

fn failed(act: &'static str, path: &Path) -> impl FnOnce(io::Error) -> RecordError {
    let path = path.to_owned();
    move |source| RecordError::Storage { act, path, source }
}

/// How a record ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// With the run's own end.
    Finished,
    /// The run was cut off: killed, or its machine stopped.
    CutOff,
}

/// Tells a recorded run again. A last line that was never finished is left out.
pub fn replay(folder: &Path, listener: &mut dyn Listener) -> Result<Ending, RecordError> {
    let path = folder.join(EVENTS);
    let file = match File::open(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(RecordError::Absent(folder.to_owned()));
        }
        opened => opened.map_err(failed("read", &path))?,
    };
    let mut reader = BufReader::new(file);
    let mut ending = Ending::CutOff;
    let mut text = Vec::new();
    for line in 1.. {
        text.clear();
        reader
            .read_until(b'\n', &mut text)
            .map_err(failed("read", &path))?;
        if text.last() != Some(&b'\n') {
            break;
        }
        let event: Event = serde_json::from_slice(&text).map_err(|source| {
            let path = path.clone();
            RecordError::Malformed { path, line, source }
        })?;
        listener.hear(&event);
        if matches!(event.what, What::RunFinished(_)) {
            ending = Ending::Finished;
        }
    }
    Ok(ending)
}

/// The newest record of a folder of records. Their names begin with the time, so the last name
/// is the newest.
pub fn latest(records: &Path) -> Result<PathBuf, RecordError> {
    let absent = || RecordError::Absent(records.to_owned());
    let entries = match fs::read_dir(records) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(absent()),
        read => read.map_err(failed("read", records))?,
    };
    let folders = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let recorded = folders.filter(|folder| folder.join(EVENTS).is_file());
    recorded.max().ok_or_else(absent)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::report::tests::{Paper, stream};
    use crate::report::{Options, Reporter, Shared, Tee};

    #[derive(Default)]
    struct Heard(Vec<Event>);

    impl Listener for Heard {
        fn hear(&mut self, event: &Event) {
            self.0.push(event.clone());
        }
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    fn record(name: &str, folder: &Path) {
        let mut recorder = Recorder::create(folder).unwrap();
        stream(name).iter().for_each(|event| recorder.hear(event));
        recorder.finish().unwrap();
    }

    #[test]
    fn a_recorded_run_is_told_again_in_the_same_words() {
        for name in ["plan", "apply", "failure", "hundred", "verify"] {
            let place = tempfile::tempdir().unwrap();
            let folder = place.path().join("runs/1");
            let live = Paper::default();
            let recorder = Shared::new(Recorder::create(&folder).unwrap());
            let show = |paper: &Paper| {
                let (out, err) = (Box::new(paper.clone()), Box::new(paper.clone()));
                Reporter::new(Options::default(), out, err)
            };
            let mut tee = Tee(vec![Box::new(recorder.clone()), Box::new(show(&live))]);
            stream(name).iter().for_each(|event| tee.hear(event));
            recorder.with(Recorder::finish).unwrap();

            let again = Paper::default();
            assert_eq!(
                replay(&folder, &mut show(&again)).unwrap(),
                Ending::Finished
            );
            assert!(!live.text().is_empty());
            assert_eq!(live.text(), again.text(), "{name}");

            let summary = fs::read_to_string(folder.join(SUMMARY)).unwrap();
            let summary: serde_json::Value = serde_json::from_str(&summary).unwrap();
            assert_eq!(summary["run"]["command"], stream_command(name));
            assert_eq!(mode(&folder), 0o700);
            assert_eq!(mode(&folder.join(EVENTS)), 0o600);
            assert_eq!(mode(&folder.join(SUMMARY)), 0o600);
        }
    }

    fn stream_command(name: &str) -> &str {
        match name {
            "plan" | "verify" => name,
            _ => "apply",
        }
    }

    #[test]
    fn a_record_that_was_cut_off_is_true_as_far_as_it_goes() {
        let place = tempfile::tempdir().unwrap();
        record("apply", place.path());
        let path = place.path().join(EVENTS);
        let whole = fs::read(&path).unwrap();
        fs::write(&path, &whole[..whole.len() - 40]).unwrap();
        let mut heard = Heard::default();
        assert_eq!(replay(place.path(), &mut heard).unwrap(), Ending::CutOff);
        let events = stream("apply");
        assert_eq!(heard.0, events[..events.len() - 1]);
    }

    #[test]
    fn a_spoilt_line_is_named() {
        let place = tempfile::tempdir().unwrap();
        record("apply", place.path());
        let path = place.path().join(EVENTS);
        let text = fs::read_to_string(&path)
            .unwrap()
            .replacen("\"plan-ready\"", "\"later\"", 1);
        let expected = 1 + text
            .lines()
            .position(|line| line.contains("\"later\""))
            .unwrap();
        fs::write(&path, text).unwrap();
        let error = replay(place.path(), &mut Heard::default()).unwrap_err();
        assert!(
            matches!(error, RecordError::Malformed { line, .. } if line == expected),
            "{error}"
        );
        assert!(error.hint().contains("another version"));
    }

    #[test]
    fn two_runs_never_share_a_record() {
        let place = tempfile::tempdir().unwrap();
        record("plan", place.path());
        let error = Recorder::create(place.path()).unwrap_err();
        assert!(error.hint().contains("another run"), "{error}");
    }

    #[test]
    fn the_newest_record_is_found() {
        let place = tempfile::tempdir().unwrap();
        let error = latest(&place.path().join("nowhere")).unwrap_err();
        assert!(matches!(error, RecordError::Absent(_)));
        assert!(matches!(latest(place.path()), Err(RecordError::Absent(_))));
        for name in ["2026-05-04T01", "2026-05-06T01", "2026-05-05T01"] {
            record("plan", &place.path().join(name));
        }
        fs::create_dir(place.path().join("2027-empty")).unwrap();
        assert_eq!(
            latest(place.path()).unwrap(),
            place.path().join("2026-05-06T01")
        );
    }
}
