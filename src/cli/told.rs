//! One question to the BMCs of all chosen hosts, and their answers as a table or as JSON.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, json};

use super::session::{self, Session};
use super::table::Table;
use super::{Chosen, Common, Format, exit};
use crate::model::{BmcQuery, Query};

/// One question's answers of all chosen hosts, in inventory order.
pub struct Told<T> {
    session: Session,
    states: Vec<(String, Result<T, String>)>,
}

/// `Ok(Err(code))` when the files are faulty and that was told.
pub async fn ask<T: DeserializeOwned>(
    command: &'static str,
    question: BmcQuery,
    chosen: &Chosen,
    common: &Common,
) -> anyhow::Result<Result<Told<T>, i32>> {
    let mut session = match Session::open(command, chosen, common)? {
        Ok(session) => session,
        Err(code) => return Ok(Err(code)),
    };
    let answers = session.fleet.ask(&[Query::Bmc(question.clone())]).await;
    session.run.hub.settle();
    let states = answers
        .into_iter()
        .map(|(host, answers)| {
            let state = answers.bmc_state(&question).map_err(session::reason);
            (host, state)
        })
        .collect();
    Ok(Ok(Told { session, states }))
}

impl<T: Serialize> Told<T> {
    /// Leaves out of the answers what is not wanted.
    pub fn narrow(&mut self, narrow: impl Fn(&mut T)) {
        for (_, state) in &mut self.states {
            if let Ok(state) = state {
                narrow(state);
            }
        }
    }

    /// Prints the answers, `rows` putting a host's into the table, and ends the run.
    pub async fn show<const N: usize>(
        self,
        common: &Common,
        heading: [&'static str; N],
        rows: impl Fn(&str, &T, &mut Table<N>),
    ) -> anyhow::Result<i32> {
        let mut table = Table::new(heading);
        let mut hosts = Map::new();
        let mut lost = 0;
        for (host, state) in &self.states {
            let value = match state {
                Ok(state) => {
                    rows(host, state, &mut table);
                    serde_json::to_value(state)?
                }
                Err(reason) => {
                    lost += 1;
                    table.failed(host.clone(), reason);
                    json!({ "error": reason })
                }
            };
            hosts.insert(host.clone(), value);
        }
        match common.output {
            Format::Text => table.print(),
            Format::Json => say!("{:#}", json!({ "hosts": hosts })),
            Format::Jsonl => say!("{}", json!({ "hosts": hosts })),
        }
        let code = exit::of_lost(lost, self.states.len());
        self.session.finish_quietly(code).await
    }
}

/// What stands for a word that the BMC does not tell.
pub fn word(text: Option<&String>) -> String {
    text.cloned().unwrap_or_else(|| "-".to_owned())
}
