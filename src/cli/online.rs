//! `ra-deploy check --online`: a look at the machines before anything is touched.

use std::path::Path;

use jiff::Timestamp;
use serde_json::{Map, json};

use super::session::Session;
use super::table::Table;
use super::{Chosen, Common, Format, exit};
use crate::check::preflight::{self, Finding, Level, Needs};
use crate::engine::{Member, Reach};
use crate::event::Outcome;
use crate::model::bmc::BmcAct;
use crate::model::{Action, Trust};
use crate::plan;
use crate::redfish;

pub async fn check(
    inventory: &Path,
    limit: Option<String>,
    common: &Common,
) -> anyhow::Result<i32> {
    let chosen = Chosen {
        inventory: inventory.to_owned(),
        limit,
        tags: Vec::new(),
    };
    let mut session = match Session::open("check", &chosen, common)? {
        Ok(session) => session,
        Err(code) => return Ok(code),
    };
    session.fleet.survey().await;
    session.fleet.ask(&preflight::questions()).await;
    session.run.hub.settle();
    let mut table = Table::new(["host", "level", "what", "found", "what to do"]);
    let mut hosts = Map::new();
    let (mut problems, mut warnings, mut silent) = (0, 0, 0);
    for member in session.fleet.members() {
        let found = look(member).await;
        silent += usize::from(found.iter().any(is_silence));
        for one in &found {
            problems += usize::from(one.level == Level::Problem);
            warnings += usize::from(one.level == Level::Warning);
            // What is right is told in full to programs, and to people who ask for it.
            if one.level > Level::Ok || common.verbose > 0 {
                table.row([
                    member.host().to_owned(),
                    word(one.level).to_owned(),
                    one.topic.to_owned(),
                    one.text.clone(),
                    one.mend.clone().unwrap_or_default(),
                ]);
            }
        }
        hosts.insert(member.host().to_owned(), serde_json::to_value(&found)?);
    }
    let count = hosts.len();
    match common.output {
        Format::Text => {
            if problems + warnings > 0 || common.verbose > 0 {
                table.print();
            }
            say!(
                "{}: {}, {}. Nothing was touched.",
                crate::report::words::count(count, "host"),
                crate::report::words::count(problems, "problem"),
                crate::report::words::count(warnings, "warning"),
            );
        }
        Format::Json => say!("{:#}", json!({ "hosts": hosts })),
        Format::Jsonl => say!("{}", json!({ "hosts": hosts })),
    }
    let code = match problems {
        0 => exit::DONE,
        _ if silent == count => exit::UNREACHABLE,
        _ => exit::NOT_CONFORMANT,
    };
    session.end(code).await
}

fn word(level: Level) -> &'static str {
    match level {
        Level::Ok => "ok",
        Level::Warning => "warning",
        Level::Problem => "problem",
    }
}

/// A host of which nothing else can be said.
fn is_silence(found: &Finding) -> bool {
    found.topic == "bmc" && found.level == Level::Problem
}

async fn look(member: &Member) -> Vec<Finding> {
    let wanted = |kind: &str| {
        member
            .weighed()
            .any(|(step, weighed)| step.task.kind == kind && weighed.outcome != Outcome::Skipped)
    };
    let mut found = match &member.walk().host.bmc {
        Some(endpoint) => {
            let needs = Needs {
                media: wanted("virtual-media"),
                firmware: wanted("firmware"),
            };
            let trust: &Trust = &endpoint.trust;
            preflight::findings(trust, &needs, member.answers(), Timestamp::now())
        }
        None => Vec::new(),
    };
    if !found.iter().any(is_silence) {
        found.extend(tasks(member));
        found.extend(images(member).await);
    }
    found.extend(shell(member));
    found
}

/// Tasks that this host cannot carry out: an attribute, a boot target or a role that it lacks.
fn tasks(member: &Member) -> Vec<Finding> {
    member
        .weighed()
        .filter(|(_, weighed)| weighed.outcome == Outcome::Failed)
        .map(|(step, weighed)| {
            let (reason, hint) = match &weighed.finding {
                plan::Finding::Unread(unread) => (super::session::reason(unread.clone()), None),
                plan::Finding::Faulty(failure) => {
                    (failure.message.clone(), failure.hints.first().cloned())
                }
                _ => (String::new(), None),
            };
            Finding::problem(
                "task",
                format!("{}: {reason}", step.name.title),
                hint.unwrap_or_else(|| "correct the site's parameters for this host".to_owned()),
            )
        })
        .collect()
}

/// Whether the images that are to be inserted can be fetched; from here, which is not the BMC's
/// place in the network.
async fn images(member: &Member) -> Vec<Finding> {
    let mut found = Vec::new();
    for (_, weighed) in member.weighed() {
        let actions = weighed.change().map(|change| change.actions.as_slice());
        for action in actions.unwrap_or_default() {
            let Action::Bmc(BmcAct::InsertMedia(medium)) = action else {
                continue;
            };
            let url = medium.image.to_string();
            if !url.starts_with("http") {
                continue;
            }
            found.push(match redfish::fetchable(&url).await {
                Ok(()) => Finding::ok("image", url),
                Err(reason) => Finding::problem(
                    "image",
                    format!("{url}: {reason}"),
                    "check the address, and that the server of the image runs and is reached from the BMCs",
                ),
            });
        }
    }
    found
}

fn shell(member: &Member) -> Option<Finding> {
    let target = member.walk().host.target.as_ref();
    target?;
    Some(match member.reach() {
        Reach::Lost(failure) => Finding::warning(
            "shell",
            failure.message.clone(),
            failure
                .hints
                .first()
                .cloned()
                .unwrap_or_else(|| "apply waits for it where it has to boot first".to_owned()),
        ),
        Reach::Up => Finding::ok("shell", "it answers"),
        _ => Finding::ok("shell", "not tried: the server is off"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::bmc::{BmcConfig, EmulatorConfig, Profile, Timing, serve};

    fn common(folder: &Path) -> Common {
        Common {
            output: Format::Json,
            verbose: 0,
            parallel: 8,
            state: Some(folder.to_owned()),
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn every_profile_passes_and_a_wrong_password_is_a_problem() {
        let folder = tempfile::tempdir().expect("a folder");
        let bmcs = Profile::all()
            .map(|profile| BmcConfig {
                profile: Some(profile),
                timing: Timing::brisk(),
                ..BmcConfig::named(profile.name())
            })
            .collect();
        let config = EmulatorConfig {
            listen: "127.0.0.1".parse().expect("an address"),
            certificate: None,
            key: None,
            state_dir: folder.path().join("state"),
            seed: 1,
            bmcs,
        };
        let (_stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let running = serve(config, async { drop(stopped.await) })
            .await
            .expect("it starts");
        let inventory = folder.path().join("east.yaml");
        let write = |password: &str| {
            std::fs::write(folder.path().join("pw.txt"), password).expect("written");
            let mut text = format!(
                "defaults: {{bmc: {{user: admin, password: {{file: pw.txt}}, pin: \"{}\"}}}}\nhosts:\n",
                running.fingerprint
            );
            for (name, address) in &running.addresses {
                text.push_str(&format!("  {name}: {{bmc: \"https://{address}\"}}\n"));
            }
            std::fs::write(&inventory, text).expect("written");
        };
        write("password");
        let records = |name: &str| common(&folder.path().join(name));
        let code = check(&inventory, None, &records("first"))
            .await
            .expect("a code");
        assert_eq!(code, exit::DONE);
        write("another");
        let one = check(&inventory, Some("ilo".into()), &records("second")).await;
        assert_eq!(one.expect("a code"), exit::UNREACHABLE);
    }
}
