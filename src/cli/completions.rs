//! `ra-deploy completions`

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::{Arguments, Common, exit};

#[derive(Debug, Args)]
pub struct Completions {
    /// The shell to complete for.
    #[arg(value_enum)]
    shell: Shell,
}

impl Completions {
    pub fn run(self, _: &Common) -> anyhow::Result<i32> {
        let mut command = Arguments::command();
        clap_complete::generate(
            self.shell,
            &mut command,
            "ra-deploy",
            &mut std::io::stdout(),
        );
        Ok(exit::DONE)
    }
}
