//! What is known so far, and how a pure reading says what it still has to know.

use std::collections::BTreeMap;

use serde_json::Value;

use super::query::{
    ArchiveState, FileState, ImageState, KubeAnswer, Output, PackageState, PodQuery, UnitState,
};
use super::{Answer, BmcQuery, Query};

/// The answers known for one host.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Answers(BTreeMap<Query, Answer>);

/// Why a reading could not be made.
#[derive(Debug, Clone, PartialEq)]
pub enum Unread {
    /// It needs these answers too; ask them and read again.
    Wants(Vec<Query>),
    /// The answer is there and cannot be understood, or the question failed.
    Unreadable(String),
}

impl Answers {
    pub fn insert(&mut self, query: Query, answer: Answer) {
        self.0.insert(query, answer);
    }

    pub fn extend(&mut self, more: impl IntoIterator<Item = (Query, Answer)>) {
        self.0.extend(more);
    }

    pub fn get(&self, query: &Query) -> Option<&Answer> {
        self.0.get(query)
    }

    pub fn forget(&mut self, query: &Query) {
        self.0.remove(query);
    }

    pub fn retain(&mut self, keep: impl Fn(&Query) -> bool) {
        self.0.retain(|query, _| keep(query));
    }

    pub fn iter(&self) -> impl Iterator<Item = (&Query, &Answer)> {
        self.0.iter()
    }

    /// Those of `queries` that have no answer yet.
    pub fn missing(&self, queries: impl IntoIterator<Item = Query>) -> Vec<Query> {
        queries
            .into_iter()
            .filter(|query| !self.0.contains_key(query))
            .collect()
    }

    /// Fails with all missing queries at once, so that they cost one round trip together.
    pub fn want(&self, queries: impl IntoIterator<Item = Query>) -> Result<(), Unread> {
        let missing = self.missing(queries);
        if missing.is_empty() {
            Ok(())
        } else {
            Err(Unread::Wants(missing))
        }
    }

    pub fn file(&self, path: &str) -> Result<&FileState, Unread> {
        match self.find(Query::File(path.to_owned()))? {
            Answer::File(state) => Ok(state),
            other => Err(mismatch("file", path, other)),
        }
    }

    pub fn digest(&self, path: &str) -> Result<Option<&str>, Unread> {
        match self.find(Query::Digest(path.to_owned()))? {
            Answer::Digest(digest) => Ok(digest.as_deref()),
            other => Err(mismatch("digest", path, other)),
        }
    }

    pub fn content(&self, path: &str) -> Result<Option<&str>, Unread> {
        match self.find(Query::Content(path.to_owned()))? {
            Answer::Content(content) => Ok(content.as_deref()),
            other => Err(mismatch("content", path, other)),
        }
    }

    pub fn unit(&self, name: &str) -> Result<&UnitState, Unread> {
        match self.find(Query::Unit(name.to_owned()))? {
            Answer::Unit(state) => Ok(state),
            other => Err(mismatch("unit", name, other)),
        }
    }

    pub fn package(&self, name: &str) -> Result<&PackageState, Unread> {
        match self.find(Query::Package(name.to_owned()))? {
            Answer::Package(state) => Ok(state),
            other => Err(mismatch("package", name, other)),
        }
    }

    pub fn archive(&self, name: &str) -> Result<&ArchiveState, Unread> {
        match self.find(Query::Archive(name.to_owned()))? {
            Answer::Archive(state) => Ok(state),
            other => Err(mismatch("archive", name, other)),
        }
    }

    pub fn images(&self) -> Result<&[ImageState], Unread> {
        match self.find(Query::Images)? {
            Answer::Images(images) => Ok(images),
            other => Err(mismatch("images", "", other)),
        }
    }

    pub fn output(&self, script: &str) -> Result<&Output, Unread> {
        match self.find(Query::Run(script.to_owned()))? {
            Answer::Output(output) => Ok(output),
            other => Err(mismatch("output of", script, other)),
        }
    }

    pub fn pod(&self, pod: &PodQuery) -> Result<&Output, Unread> {
        match self.find(Query::Pod(pod.clone()))? {
            Answer::Output(output) => Ok(output),
            other => Err(mismatch("output of pod", &pod.script, other)),
        }
    }

    pub fn kube(&self, path: &str) -> Result<&KubeAnswer, Unread> {
        match self.find(Query::Kube(path.to_owned()))? {
            Answer::Kube(answer) => Ok(answer),
            other => Err(mismatch("API path", path, other)),
        }
    }

    pub fn bmc(&self, query: &BmcQuery) -> Result<&Value, Unread> {
        match self.find(Query::Bmc(query.clone()))? {
            Answer::Bmc(value) => Ok(value),
            other => Err(mismatch("BMC", "", other)),
        }
    }

    /// A BMC's answer as its state type.
    pub fn bmc_state<T: serde::de::DeserializeOwned>(&self, query: &BmcQuery) -> Result<T, Unread> {
        serde_json::from_value(self.bmc(query)?.clone()).map_err(|error| {
            Unread::Unreadable(format!("the BMC's answer is not understood: {error}"))
        })
    }

    fn find(&self, query: Query) -> Result<&Answer, Unread> {
        match self.0.get(&query) {
            Some(Answer::Failed(reason)) => Err(Unread::Unreadable(reason.clone())),
            Some(answer) => Ok(answer),
            None => Err(Unread::Wants(vec![query])),
        }
    }
}

impl FromIterator<(Query, Answer)> for Answers {
    fn from_iter<I: IntoIterator<Item = (Query, Answer)>>(pairs: I) -> Self {
        Self(pairs.into_iter().collect())
    }
}

fn mismatch(what: &str, of: &str, answer: &Answer) -> Unread {
    Unread::Unreadable(format!("{what} {of} was answered by {answer:?}"))
}
