//! A row of the profile as a probe: its questions, and a pure reading that yields a verdict with
//! evidence.

use serde_json::{Map, Value};

use super::native::{self, Native};
use super::question;
use crate::config::site::{Pass, Requirement};
use crate::event::{CheckFinding, Verdict};
use crate::model::{Answer, Answers, Query, Unread};
use crate::plan::Scene;
use crate::probe::Probe;
use crate::resource::Fault;

/// Evidence is cut here, in characters: enough to judge by, not a dump.
const EVIDENCE_LENGTH: usize = 600;

/// One requirement asked of one host, or of the cluster through one host.
pub struct Row<'a> {
    requirement: &'a Requirement,
    scene: &'a Scene<'a>,
    subject: String,
    questions: Vec<(String, Query)>,
    native: Option<&'static Native>,
    /// It was decided without asking: not applicable, or the row itself is wrong.
    decided: Option<(Verdict, String)>,
}

impl<'a> Row<'a> {
    /// Renders the row's questions for the scene's host. `subject` is the host or `cluster`.
    pub fn new(requirement: &'a Requirement, scene: &'a Scene<'a>, subject: &str) -> Self {
        let mut row = Self {
            requirement,
            scene,
            subject: subject.to_owned(),
            questions: Vec::new(),
            native: None,
            decided: None,
        };
        if let Err((verdict, evidence)) = row.prepare() {
            row.decided = Some((verdict, evidence));
        }
        row
    }

    fn prepare(&mut self) -> Result<(), (Verdict, String)> {
        let unknown = |fault: Fault| (Verdict::Unknown, fault.message);
        if let Some(when) = &self.requirement.when
            && !self.scene.holds(when).map_err(unknown)?
        {
            return Err((Verdict::NotApplicable, format!("it applies when {when}")));
        }
        for (name, written) in &self.requirement.asks {
            let rendered = self.scene.parameters(written).map_err(unknown)?;
            let query = question::parse(&rendered)
                .map_err(|message| (Verdict::Unknown, format!("{name}: {message}")))?;
            self.questions.push((name.clone(), query));
        }
        if let Pass::Check(name) = &self.requirement.pass {
            self.native =
                Some(native::find(name).ok_or_else(|| {
                    (Verdict::Unknown, format!("there is no check named {name}"))
                })?);
        }
        Ok(())
    }

    fn finding(&self, verdict: Verdict, evidence: impl Into<String>) -> CheckFinding {
        CheckFinding {
            subject: self.subject.clone(),
            verdict,
            evidence: cut(&evidence.into()),
            asked: self
                .questions
                .iter()
                .map(|(_, query)| question::in_words(query))
                .collect(),
        }
    }

    /// The answers by the names that the row gives them, or why one has no value.
    fn values(&self, answers: &Answers) -> Result<Map<String, Value>, String> {
        let mut values = Map::new();
        for (name, query) in &self.questions {
            let answer = answers.get(query).ok_or("the question was not put")?;
            let value = question::value(answer).map_err(|reason| format!("{name}: {reason}"))?;
            values.insert(name.replace('-', "_"), value);
        }
        Ok(values)
    }

    fn evidence(&self, values: &Map<String, Value>, answers: &Answers) -> String {
        match &self.requirement.evidence {
            Some(template) => self
                .scene
                .text(template, values)
                .unwrap_or_else(|fault| format!("the evidence cannot be shown: {}", fault.message)),
            None => self
                .questions
                .iter()
                .filter_map(|(_, query)| answers.get(query))
                .map(plain)
                .collect::<Vec<_>>()
                .join("; "),
        }
    }
}

impl Probe for Row<'_> {
    type Finding = CheckFinding;

    fn ask(&self) -> Vec<Query> {
        if self.decided.is_some() {
            return Vec::new();
        }
        let mut queries: Vec<Query> = self
            .questions
            .iter()
            .map(|(_, query)| query.clone())
            .collect();
        if let Some(native) = self.native {
            queries.extend((native.ask)());
        }
        queries
    }

    fn read(&self, answers: &Answers) -> Result<CheckFinding, Unread> {
        if let Some((verdict, evidence)) = &self.decided {
            return Ok(self.finding(*verdict, evidence));
        }
        answers.want(self.ask())?;
        if let Some(native) = self.native {
            return match (native.read)(answers) {
                Ok((verdict, evidence)) => Ok(self.finding(verdict, evidence)),
                Err(Unread::Wants(queries)) => Err(Unread::Wants(queries)),
                Err(Unread::Unreadable(reason)) => Ok(self.finding(Verdict::Unknown, reason)),
            };
        }
        let values = match self.values(answers) {
            Ok(values) => values,
            Err(reason) => return Ok(self.finding(Verdict::Unknown, reason)),
        };
        let Pass::Expression(expression) = &self.requirement.pass else {
            return Ok(self.finding(Verdict::Unknown, "it has no expression"));
        };
        let evidence = self.evidence(&values, answers);
        Ok(match self.scene.judge(expression, &values) {
            Ok(true) => self.finding(Verdict::Passed, evidence),
            Ok(false) => self.finding(Verdict::Failed, evidence),
            // An expression that trips over an answer of another shape has not judged it.
            Err(fault) => self.finding(
                Verdict::Unknown,
                format!("{}; answered: {evidence}", fault.message),
            ),
        })
    }
}

/// An answer as plain evidence.
fn plain(answer: &Answer) -> String {
    match question::value(answer) {
        Err(reason) => reason,
        Ok(Value::String(text)) => text.trim().to_owned(),
        Ok(Value::Object(map)) => match map.get("stdout").and_then(Value::as_str) {
            Some(stdout) => stdout.trim().to_owned(),
            None => Value::Object(map).to_string(),
        },
        Ok(other) => other.to_string(),
    }
}

fn cut(text: &str) -> String {
    let text = text.trim();
    match text.char_indices().nth(EVIDENCE_LENGTH) {
        Some((at, _)) => format!("{} …", &text[..at]),
        None => text.to_owned(),
    }
}
