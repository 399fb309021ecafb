//! `ra-deploy check`

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::session::{self, Secrets};
use super::{Common, Format, exit};
use crate::config::Style;
use crate::report::words;

#[derive(Debug, Args)]
pub struct Check {
    /// The inventory file.
    inventory: PathBuf,
    /// Then looks at the machines: whether their BMCs will do what the site asks. Only reads.
    #[arg(long)]
    online: bool,
    /// With --online, only these hosts: names, ranges, groups, joined by commas; `!` takes away.
    #[arg(long, value_name = "HOSTS", requires = "online")]
    limit: Option<String>,
}

impl Check {
    pub fn run(self, common: &Common) -> anyhow::Result<i32> {
        let site = match session::load(&self.inventory, common, Secrets::Leave) {
            Ok(site) => site,
            Err(code) => return Ok(code),
        };
        if !site.warnings.faults.is_empty() {
            eprintln!("{}", site.warnings.render_warnings(Style::Plain));
        }
        if self.online {
            drop(site);
            return session::block(super::online::check(&self.inventory, self.limit, common));
        }
        let roles = site.roles.len();
        let requirements = site
            .profile
            .as_ref()
            .map_or(0, |profile| profile.requirements.len());
        if common.output == Format::Text {
            say!(
                "{} is right: {}, {}, {}.",
                self.inventory.display(),
                words::count(site.hosts.len(), "host"),
                words::count(roles, "role"),
                words::count(requirements, "requirement"),
            );
        } else {
            say!(
                "{}",
                json!({"faults": [], "hosts": site.hosts.len(), "roles": roles, "requirements": requirements})
            );
        }
        Ok(exit::DONE)
    }
}
