//! Framed output back to answers.

use std::collections::BTreeMap;

use serde_json::Value;

use super::frame::{Framed, find};
use super::{STATUS_TAKEN, Script, Section};
use crate::model::query::{
    ArchiveState, FileKind, FileState, ImageState, KubeAnswer, Metadata, Output, PackageState,
    UnitState,
};
use crate::model::{Answer, Query};

/// What came of a batch.
#[derive(Debug, Default)]
pub struct Reply {
    pub answers: Vec<(Query, Answer)>,
    /// How many acts were done.
    pub acted: usize,
    pub failure: Option<ActFailure>,
    /// Another run holds the host: until when, its step's process or 0, its name, who.
    pub taken: Option<String>,
    /// What was printed outside any frame: the shell's own complaints.
    pub stray: String,
}

/// An act that failed.
#[derive(Debug, PartialEq)]
pub struct ActFailure {
    /// Position in the batch.
    pub index: usize,
    /// The act as people read it, secrets as their names.
    pub shown: String,
    pub status: i32,
    pub output: String,
}

impl Script {
    /// Reads what the host printed. Questions whose frame is missing are answered as failed.
    pub fn read(&self, stdout: &[u8], stderr: &[u8]) -> Reply {
        let (frames, stray) = self.frames.split(stdout, stderr);
        let mut reply = Reply {
            stray: text(&stray).trim().to_owned(),
            ..Reply::default()
        };
        let mut files = BTreeMap::new();
        let mut clock = None;
        let mut stamps: Vec<(String, Vec<String>)> = Vec::new();
        let mut frames = frames.into_iter();
        for section in &self.sections {
            let Some(frame) = frames.next() else {
                self.unanswered(section, &mut reply);
                continue;
            };
            match section {
                Section::Lease => {
                    if frame.status == STATUS_TAKEN {
                        reply.taken = Some(text(&frame.stdout).trim().to_owned());
                        return reply;
                    }
                }
                Section::Act { index, shown } => {
                    if frame.status != 0 {
                        reply.failure = Some(ActFailure {
                            index: *index,
                            shown: shown.clone(),
                            status: frame.status,
                            output: both(&frame),
                        });
                        return reply;
                    }
                    reply.acted += 1;
                }
                Section::Files(paths) => {
                    files = read_files(paths, &frame);
                    for (path, answer) in &files {
                        reply
                            .answers
                            .push((Query::File(path.clone()), answer.clone()));
                    }
                }
                Section::Digests(paths) => reply.answers.extend(read_digests(paths, &frame)),
                Section::Contents(paths) => {
                    reply.answers.extend(read_contents(paths, &frame, &files));
                }
                Section::Clock => clock = read_clock(&frame),
                Section::Units(names) => reply.answers.extend(read_units(names, &frame, clock)),
                Section::Packages(names) => reply.answers.extend(read_packages(names, &frame)),
                Section::Stamps(names) => stamps = read_stamps(names, &frame),
                Section::StampedFiles => {
                    reply.answers.extend(read_archives(&stamps, &frame));
                }
                Section::Images => reply.answers.push((Query::Images, read_images(&frame))),
                Section::Run(script) => reply.answers.push((
                    Query::Run(script.clone()),
                    Answer::Output(Output {
                        status: frame.status,
                        stdout: text(&frame.stdout),
                        stderr: text(&frame.stderr),
                    }),
                )),
                Section::Kube(paths) => {
                    let inner = self.frames.inner();
                    reply.answers.extend(read_kube(paths, &frame, &inner));
                }
                Section::Pods(pods) => {
                    let parts = inner_frames(&frame.stdout, &self.frames.inner());
                    for (index, pod) in pods.iter().enumerate() {
                        let answer = match parts.get(index) {
                            Some((log, state)) => read_pod(log, state),
                            None => failed(&frame, "the pod gave no answer"),
                        };
                        reply.answers.push((Query::Pod(pod.clone()), answer));
                    }
                }
            }
        }
        reply
    }

    fn unanswered(&self, section: &Section, reply: &mut Reply) {
        let mut fail = |query| {
            let reason = "the host's shell ended before it answered".to_owned();
            reply.answers.push((query, Answer::Failed(reason)));
        };
        match section {
            Section::Lease | Section::Act { .. } | Section::Clock | Section::StampedFiles => {}
            Section::Files(names) => names.iter().cloned().map(Query::File).for_each(fail),
            Section::Digests(names) => names.iter().cloned().map(Query::Digest).for_each(fail),
            Section::Contents(names) => names.iter().cloned().map(Query::Content).for_each(fail),
            Section::Units(names) => names.iter().cloned().map(Query::Unit).for_each(fail),
            Section::Packages(names) => names.iter().cloned().map(Query::Package).for_each(fail),
            Section::Stamps(names) => names.iter().cloned().map(Query::Archive).for_each(fail),
            Section::Images => fail(Query::Images),
            Section::Run(script) => fail(Query::Run(script.clone())),
            Section::Kube(paths) => paths.iter().cloned().map(Query::Kube).for_each(fail),
            Section::Pods(pods) => pods.iter().cloned().map(Query::Pod).for_each(fail),
        }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Standard output, then standard error.
fn both(frame: &Framed) -> String {
    let mut output = text(&frame.stdout);
    if !output.is_empty() && !output.ends_with('\n') {
        output.push('\n');
    }
    output.push_str(&text(&frame.stderr));
    output.trim().to_owned()
}

fn failed(frame: &Framed, otherwise: &str) -> Answer {
    let said = both(frame);
    Answer::Failed(if said.is_empty() {
        otherwise.to_owned()
    } else {
        said
    })
}

/// What standard error says of one path, when it is not that nothing is there.
fn complaint<'text>(stderr: &'text str, path: &str) -> Option<&'text str> {
    stderr.lines().find(|line| {
        line.contains(path)
            && !line.ends_with("No such file or directory")
            && !line.ends_with("Not a directory")
    })
}

fn read_files(paths: &[String], frame: &Framed) -> BTreeMap<String, Answer> {
    let mut found = BTreeMap::new();
    let fields: Vec<&[u8]> = frame.stdout.split(|byte| *byte == 0).collect();
    for pair in fields.chunks_exact(2) {
        let line = text(pair[0]);
        let named = text(pair[1]);
        if let Some((path, metadata)) = metadata(&line, &named) {
            found.insert(path, Answer::File(FileState::Present(metadata)));
        }
    }
    let stderr = text(&frame.stderr);
    for path in paths {
        found
            .entry(path.clone())
            .or_insert_with(|| match complaint(&stderr, path) {
                _ if frame.status == 127 => Answer::Failed(stderr.trim().to_owned()),
                Some(line) => Answer::Failed(line.to_owned()),
                None => Answer::File(FileState::Absent),
            });
    }
    found
}

/// One file of `stat --printf='%f %a %U %G %s %.9Y %n\0%N\0'`.
fn metadata(line: &str, named: &str) -> Option<(String, Metadata)> {
    let mut fields = line.splitn(7, ' ');
    let raw = u32::from_str_radix(fields.next()?, 16).ok()?;
    let mode = u32::from_str_radix(fields.next()?, 8).ok()?;
    let owner = fields.next()?.to_owned();
    let group = fields.next()?.to_owned();
    let size = fields.next()?.parse().ok()?;
    let modified = fields.next()?.parse().ok()?;
    let path = fields.next()?.to_owned();
    let kind = match raw & 0o170000 {
        0o100000 => FileKind::File,
        0o040000 => FileKind::Directory,
        0o120000 => FileKind::Link,
        _ => FileKind::Other,
    };
    let link = named
        .strip_prefix(&path)
        .and_then(|rest| rest.strip_prefix(" -> "))
        .map(str::to_owned);
    Some((
        path,
        Metadata {
            kind,
            mode,
            owner,
            group,
            size,
            modified,
            link,
        },
    ))
}

fn read_digests(paths: &[String], frame: &Framed) -> Vec<(Query, Answer)> {
    let mut found = BTreeMap::new();
    for line in frame.stdout.split(|byte| *byte == 0) {
        let line = text(line);
        if let Some((digest, path)) = line.split_once("  ") {
            found.insert(path.to_owned(), digest.to_owned());
        }
    }
    let stderr = text(&frame.stderr);
    paths
        .iter()
        .map(|path| {
            let answer = match (found.remove(path), complaint(&stderr, path)) {
                (Some(digest), _) => Answer::Digest(Some(digest)),
                (None, Some(line)) if !line.ends_with("Is a directory") => {
                    Answer::Failed(line.to_owned())
                }
                (None, _) if frame.status == 127 => Answer::Failed(stderr.trim().to_owned()),
                _ => Answer::Digest(None),
            };
            (Query::Digest(path.clone()), answer)
        })
        .collect()
}

/// Lines of `grep -H -Z`: the path, a NUL, the line.
fn prefixed_lines(stdout: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let mut contents: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    for line in stdout.split_inclusive(|byte| *byte == b'\n') {
        if let Some(at) = line.iter().position(|byte| *byte == 0) {
            let content = contents.entry(text(&line[..at])).or_default();
            content.extend_from_slice(&line[at + 1..]);
        }
    }
    contents
}

fn read_contents(
    paths: &[String],
    frame: &Framed,
    files: &BTreeMap<String, Answer>,
) -> Vec<(Query, Answer)> {
    let mut contents = prefixed_lines(&frame.stdout);
    paths
        .iter()
        .map(|path| {
            let answer = match (files.get(path), contents.remove(path)) {
                (Some(Answer::File(FileState::Present(metadata))), Some(mut bytes)) => {
                    // `grep` ends every line; the size tells whether the file does.
                    if metadata.size > 0 && bytes.len() as u64 == metadata.size + 1 {
                        bytes.pop();
                    }
                    Answer::Content(Some(text(&bytes)))
                }
                (Some(Answer::File(FileState::Present(metadata))), None)
                    if metadata.kind == FileKind::Directory =>
                {
                    Answer::Content(None)
                }
                (Some(Answer::File(FileState::Present(metadata))), None) => {
                    if metadata.size > 0 && metadata.kind == FileKind::File {
                        // Files of /proc/sys can refuse a read and say so.
                        Answer::Failed(format!("{path} cannot be read"))
                    } else {
                        Answer::Content(Some(String::new()))
                    }
                }
                (Some(Answer::Failed(reason)), _) => Answer::Failed(reason.clone()),
                _ => Answer::Content(None),
            };
            (Query::Content(path.clone()), answer)
        })
        .collect()
}

/// Wall clock time of the boot clock's zero, seconds since the epoch.
fn read_clock(frame: &Framed) -> Option<f64> {
    let line = text(&frame.stdout);
    let (uptime, now) = line.trim().split_once(' ')?;
    Some(now.parse::<f64>().ok()? - uptime.parse::<f64>().ok()?)
}

fn read_units(names: &[String], frame: &Framed, clock: Option<f64>) -> Vec<(Query, Answer)> {
    let stdout = text(&frame.stdout);
    let blocks: Vec<&str> = stdout
        .split("\n\n")
        .map(str::trim)
        .filter(|block| !block.is_empty())
        .collect();
    let whole = blocks.len() == names.len();
    names
        .iter()
        .enumerate()
        .map(|(index, name)| {
            let answer = if whole {
                Answer::Unit(unit(blocks[index], clock))
            } else {
                failed(frame, "systemctl gave no answer")
            };
            (Query::Unit(name.clone()), answer)
        })
        .collect()
}

fn unit(block: &str, clock: Option<f64>) -> UnitState {
    let mut state = UnitState::default();
    let mut started = 0u64;
    let mut entered = 0u64;
    let mut changed = 0u64;
    for line in block.lines() {
        let Some((key, value)) = line.split_once('=') else {
            continue;
        };
        match key {
            "LoadState" => state.load = value.to_owned(),
            "ActiveState" => state.active = value.to_owned(),
            "SubState" => state.sub = value.to_owned(),
            "UnitFileState" => state.enabled = value.to_owned(),
            "NeedDaemonReload" => state.needs_daemon_reload = value == "yes",
            "ExecMainStartTimestampMonotonic" => started = value.parse().unwrap_or(0),
            "StateChangeTimestampMonotonic" => changed = value.parse().unwrap_or(0),
            "ActiveEnterTimestampMonotonic" => entered = value.parse().unwrap_or(0),
            _ => {}
        }
    }
    // Units without a process of their own only have the time they became active.
    let microseconds = if started > 0 { started } else { entered };
    let at = |microseconds: u64| {
        clock
            .filter(|_| microseconds > 0)
            .map(|zero| zero + microseconds as f64 / 1e6)
    };
    state.started = at(microseconds);
    state.changed = at(changed);
    state
}

fn read_packages(names: &[String], frame: &Framed) -> Vec<(Query, Answer)> {
    let stdout = text(&frame.stdout);
    let mut found = BTreeMap::new();
    for line in stdout.lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        if let [name, version, status] = fields[..]
            && let [wish, state] = status.as_bytes()[..2]
            && state == b'i'
        {
            found.insert(
                name.to_owned(),
                PackageState {
                    version: Some(version.to_owned()),
                    held: wish == b'h',
                },
            );
        }
    }
    names
        .iter()
        .map(|name| {
            // A name may carry an architecture that the answer leaves out.
            let bare = name.split(':').next().unwrap_or(name);
            let answer = if frame.status == 127 {
                failed(frame, "no package manager")
            } else {
                Answer::Package(found.get(bare).cloned().unwrap_or_default())
            };
            (Query::Package(name.clone()), answer)
        })
        .collect()
}

/// Stamp lines by archive.
fn read_stamps(names: &[String], frame: &Framed) -> Vec<(String, Vec<String>)> {
    let mut contents = prefixed_lines(&frame.stdout);
    names
        .iter()
        .map(|name| {
            let lines = contents
                .remove(&format!("{}/{name}", super::STAMPS))
                .map(|bytes| text(&bytes).lines().map(str::to_owned).collect())
                .unwrap_or_default();
            (name.clone(), lines)
        })
        .collect()
}

fn read_archives(stamps: &[(String, Vec<String>)], frame: &Framed) -> Vec<(Query, Answer)> {
    let present: std::collections::BTreeSet<String> =
        frame.stdout.split(|byte| *byte == 0).map(text).collect();
    stamps
        .iter()
        .map(|(name, lines)| {
            let damaged = lines
                .iter()
                .skip(1)
                .filter(|line| !present.contains(*line))
                .map(|line| line.splitn(3, ' ').nth(2).unwrap_or(line).to_owned())
                .collect();
            let state = ArchiveState {
                identity: lines.first().cloned(),
                damaged,
            };
            (Query::Archive(name.clone()), Answer::Archive(state))
        })
        .collect()
}

/// The table of `ctr images ls`: reference, type, digest, size with its unit, platforms, labels.
fn read_images(frame: &Framed) -> Answer {
    if frame.status != 0 {
        return failed(frame, "the container runtime gave no answer");
    }
    let images = text(&frame.stdout)
        .lines()
        .skip(1)
        .filter_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let labels = fields.last()?;
            Some(ImageState {
                name: (*fields.first()?).to_owned(),
                digest: fields
                    .iter()
                    .find(|field| field.starts_with("sha256:"))?
                    .to_string(),
                labels: labels
                    .split(',')
                    .filter_map(|label| label.split_once('='))
                    .map(|(key, value)| (key.to_owned(), value.to_owned()))
                    .collect(),
            })
        })
        .collect();
    Answer::Images(images)
}

/// Stretches that end with a line `INNER REST`.
fn inner_frames(stdout: &[u8], inner: &str) -> Vec<(Vec<u8>, String)> {
    let mark = format!("\n{inner} ");
    let mut parts = Vec::new();
    let mut rest = stdout;
    while let Some(at) = find(rest, mark.as_bytes()) {
        let after = &rest[at + mark.len()..];
        let end = after
            .iter()
            .position(|byte| *byte == b'\n')
            .unwrap_or(after.len());
        parts.push((rest[..at].to_vec(), text(&after[..end])));
        rest = &after[(end + 1).min(after.len())..];
    }
    parts
}

fn read_kube(paths: &[String], frame: &Framed, inner: &str) -> Vec<(Query, Answer)> {
    let parts = inner_frames(&frame.stdout, inner);
    paths
        .iter()
        .enumerate()
        .map(|(index, path)| {
            let answer = match parts.get(index) {
                None => failed(frame, "the API gave no answer"),
                Some((body, state)) => {
                    let (code, said) = state.split_once(' ').unwrap_or((state, ""));
                    match code.parse::<u16>() {
                        Ok(status) if status > 0 => Answer::Kube(KubeAnswer {
                            status,
                            body: serde_json::from_slice(body)
                                .unwrap_or_else(|_| Value::String(text(body).trim().to_owned())),
                        }),
                        _ => Answer::Failed(format!("the Kubernetes API did not answer: {said}")),
                    }
                }
            };
            (Query::Kube(path.clone()), answer)
        })
        .collect()
}

/// `PHASE EXITCODE WAITINGREASON` of a pod and its log.
fn read_pod(log: &[u8], state: &str) -> Answer {
    let mut words = state.split_whitespace();
    let phase = words.next().unwrap_or_default();
    let code = words.next().and_then(|word| word.parse::<i32>().ok());
    match (phase, code) {
        ("Succeeded" | "Failed", Some(status)) => Answer::Output(Output {
            status,
            stdout: text(log),
            stderr: String::new(),
        }),
        _ => Answer::Failed(format!(
            "the probe pod did not finish: {} {}",
            state.trim(),
            text(log).trim()
        )),
    }
}
