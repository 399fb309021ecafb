//! `ra-deploy status`

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;

use super::session;
use super::{Common, exit};
use crate::report::{Reporter, record};

#[derive(Debug, Args)]
pub struct Status {
    /// The inventory file.
    inventory: PathBuf,
    /// A run to tell again, by the name of its record; the latest when not given.
    #[arg(long, value_name = "RUN")]
    run: Option<String>,
}

impl Status {
    pub fn run(self, common: &Common) -> anyhow::Result<i32> {
        let runs = session::state_folder(&self.inventory, common).join("runs");
        let folder = match &self.run {
            Some(run) => runs.join(run),
            None => record::latest(&runs)?,
        };
        let mut options = session::report_options(common);
        options.record = Some(folder.clone());
        let mut reporter = Reporter::new(
            options,
            Box::new(std::io::stdout()),
            Box::new(std::io::stderr()),
        );
        record::replay(&folder, &mut reporter)
            .with_context(|| format!("the run {} cannot be told", folder.display()))?;
        reporter.finish()?;
        Ok(exit::DONE)
    }
}
