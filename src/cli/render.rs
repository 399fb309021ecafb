//! `ra-deploy render`

use anyhow::{Context, bail};
use clap::Args;

use super::session::{self, Session};
use super::{Chosen, Common, Hint, exit};
use crate::engine;
use crate::plan::{Scene, Setting};
use crate::resource::Surroundings;

/// What a role's template reads like on one host, for whoever writes it.
#[derive(Debug, Args)]
pub struct Render {
    /// The inventory file.
    inventory: std::path::PathBuf,
    /// The host that it is rendered for; asked for its facts.
    host: String,
    /// The role.
    role: String,
    /// A file of the role's `templates/` folder.
    template: String,
}

impl Render {
    pub fn run(self, common: &Common) -> anyhow::Result<i32> {
        let chosen = Chosen {
            inventory: self.inventory.clone(),
            limit: Some(self.host.clone()),
            tags: Vec::new(),
        };
        session::block(async {
            let mut session = match Session::open("render", &chosen, common)? {
                Ok(session) => session,
                Err(code) => return Ok(code),
            };
            session.fleet.greet().await;
            session.run.hub.settle();
            let text = self.text(&session);
            let code = match &text {
                Ok(text) => {
                    say!("{}", text.trim_end_matches('\n'));
                    exit::DONE
                }
                Err(error) => {
                    super::show(error);
                    exit::USAGE
                }
            };
            session.finish_quietly(code).await
        })
    }

    /// Secrets and late values stand in it as `‹name›`.
    fn text(&self, session: &Session) -> anyhow::Result<String> {
        let site = &session.site;
        let Some(role) = site.roles.get(&self.role) else {
            bail!(
                "the profile assigns no role `{}`: it has {}",
                self.role,
                site.roles.keys().cloned().collect::<Vec<_>>().join(", ")
            );
        };
        if !role.templates.contains_key(&self.template) {
            let names: Vec<&str> = role.templates.keys().map(String::as_str).collect();
            bail!(
                "role {} has no template `{}`: it has {}",
                self.role,
                self.template,
                names.join(", ")
            );
        }
        let [member] = session.fleet.members() else {
            bail!("{} is not one host", self.host);
        };
        let facts = engine::facts(&session.fleet);
        let scene = Scene::of_role(
            Setting {
                site,
                artifacts: &*session.run.supply,
            },
            member.walk(),
            role,
            facts.get(member.host()),
        );
        scene
            .render(&self.template)
            .map(|text| text.to_string())
            .map_err(|fault| {
                let hint = fault.hint.clone().unwrap_or_default();
                anyhow::Error::new(fault).context(Hint(hint))
            })
            .with_context(|| format!("{} cannot be rendered for {}", self.template, self.host))
    }
}
