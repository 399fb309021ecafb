//! `ra-deploy firmware`

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::session::{self, Session};
use super::told::{self, word};
use super::{Chosen, Common, Hint, Servers, exit};
use crate::model::bmc::{FirmwareState, WaitingState};
use crate::model::{BmcAct, BmcQuery, Query};
use crate::plan::Errand;
use crate::report::words;

#[derive(Debug, Args)]
pub struct Firmware {
    #[command(subcommand)]
    order: Order,
}

#[derive(Debug, Subcommand)]
enum Order {
    /// Tells which firmware runs.
    Status(Chosen),
    /// Brings components to a version, and reads it back; servers that run it already are left
    /// alone.
    Update(Update),
}

#[derive(Debug, Args)]
struct Update {
    #[command(flatten)]
    servers: Servers,
    /// The component as `firmware status` names it; `*` stands for any stretch.
    #[arg(long, value_name = "NAME")]
    component: String,
    /// The version that is to run.
    #[arg(long, value_name = "VERSION")]
    to: String,
    /// Where the BMCs fetch the image: http://ADDRESS/PATH.
    #[arg(long, value_name = "URL", required_unless_present = "file")]
    image: Option<String>,
    /// A file of this machine, sent to each BMC.
    #[arg(long, conflicts_with = "image")]
    file: Option<PathBuf>,
    /// How the BMCs fetch; by the address when not given.
    #[arg(long, requires = "image")]
    protocol: Option<String>,
    /// A resource to update, by its path; the BMC decides by the image when not given.
    #[arg(long, value_name = "PATH")]
    target: Vec<String>,
    /// Allows a version older than the one that runs.
    #[arg(long)]
    downgrade: bool,
    /// Boots servers whose update waits for it.
    #[arg(long)]
    reboot: bool,
}

impl Firmware {
    pub fn run(self, common: &Common) -> anyhow::Result<i32> {
        session::block(async {
            match self.order {
                Order::Status(chosen) => status(&chosen, common).await,
                Order::Update(update) => update.run(common).await,
            }
        })
    }
}

impl Update {
    fn parameters(&self) -> Value {
        let mut parameters = Map::new();
        parameters.insert("component".into(), json!(self.component));
        parameters.insert("version".into(), json!(self.to));
        let image = match (&self.image, &self.file) {
            (Some(image), _) => image.clone(),
            (None, Some(file)) => file.to_string_lossy().into_owned(),
            (None, None) => String::new(),
        };
        parameters.insert("image".into(), json!(image));
        if let Some(protocol) = &self.protocol {
            parameters.insert("protocol".into(), json!(protocol));
        }
        parameters.insert("targets".into(), json!(self.target));
        parameters.insert("downgrade".into(), json!(self.downgrade));
        Value::Object(parameters)
    }

    async fn run(self, common: &Common) -> anyhow::Result<i32> {
        if let Some(file) = self.file.as_ref().filter(|file| !file.is_file()) {
            return Err(anyhow::anyhow!("there is no file {}", file.display())
                .context(Hint("name the image by its path on this machine".into())));
        }
        let errand = Errand {
            name: "firmware",
            tasks: vec![("firmware", self.parameters())],
        };
        let mut session = match Session::open_errand(&errand, &self.servers.chosen(), common)? {
            Ok(session) => session,
            Err(code) => return Ok(code),
        };
        let question = match self.reboot {
            true => "Update as shown, and boot the servers that need it?",
            false => "Update as shown?",
        };
        let mut changes = false;
        let ended = session
            .carry_out(|session, pending| {
                if pending.is_empty() {
                    return Ok(None);
                }
                changes = true;
                session.confirm(self.servers.consent(), question)
            })
            .await?;
        if changes && ended.is_none() && !self.reboot {
            tell_waiting(&mut session).await;
        }
        if changes && ended.is_none() && self.reboot {
            session
                .fleet
                .order("firmware", "boot for the firmware", &[BmcAct::BootStaged])
                .await;
        }
        session.finish(ended.unwrap_or(exit::DONE), None).await
    }
}

/// Names the servers whose update takes effect with a boot that nobody has asked for.
async fn tell_waiting(session: &mut Session) {
    let answers = session.fleet.ask(&[Query::Bmc(BmcQuery::Waiting)]).await;
    let waiting: Vec<String> = answers
        .into_iter()
        .filter(|(_, answers)| {
            answers
                .bmc_state::<WaitingState>(&BmcQuery::Waiting)
                .is_ok_and(|state| !state.what.is_empty())
        })
        .map(|(host, _)| host)
        .collect();
    if !waiting.is_empty() {
        session.run.hub.warn(
            None,
            format!(
                "{}: written, and in force with the next boot; --reboot boots at once, `ra-deploy \
                 power cycle` later",
                words::list(&waiting)
            ),
        );
    }
}

async fn status(chosen: &Chosen, common: &Common) -> anyhow::Result<i32> {
    let question = BmcQuery::Firmware;
    let told = match told::ask::<FirmwareState>("firmware", question, chosen, common).await? {
        Ok(told) => told,
        Err(code) => return Ok(code),
    };
    let heading = ["host", "component", "version", "id"];
    told.show(common, heading, |host, state, table| {
        for one in &state.components {
            table.row([
                host.to_owned(),
                one.name.clone(),
                word(one.version.as_ref()),
                one.id.clone(),
            ]);
        }
        for fault in &state.unreadable {
            table.failed(host.to_owned(), fault);
        }
    })
    .await
}
