//! What an operator orders by name and no wish describes: asked about once, told to every BMC.

use super::session::Session;
use super::{Common, Servers, exit};
use crate::model::BmcAct;
use crate::plan::Errand;
use crate::report::words;

/// `question` is asked with the hosts' names in words.
pub async fn order(
    command: &'static str,
    servers: &Servers,
    common: &Common,
    title: &str,
    act: BmcAct,
    question: impl FnOnce(&str) -> String,
) -> anyhow::Result<i32> {
    let errand = Errand {
        name: command,
        tasks: Vec::new(),
    };
    let mut session = match Session::open_errand(&errand, &servers.chosen(), common)? {
        Ok(session) => session,
        Err(code) => return Ok(code),
    };
    let members = session.fleet.members().iter();
    let names: Vec<String> = members.map(|one| one.host().to_owned()).collect();
    let question = question(&words::list(&names));
    if let Some(code) = session.confirm(servers.consent(), &question)? {
        return session.finish(code, None).await;
    }
    session.fleet.order(command, title, &[act]).await;
    session.finish(exit::DONE, None).await
}
