//! `ra-deploy schema`

use clap::{Args, ValueEnum};

use super::{Common, exit, supply};
use crate::config::{self, FileKind, Secrets};

#[derive(Debug, Args)]
pub struct Schema {
    /// Whose schema.
    #[arg(value_enum)]
    file: File,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum File {
    Inventory,
    Profile,
    Role,
}

impl Schema {
    pub fn run(self, _: &Common) -> anyhow::Result<i32> {
        let kind = match self.file {
            File::Inventory => FileKind::Inventory,
            File::Profile => FileKind::Profile,
            File::Role => FileKind::Role,
        };
        let schema = config::schema(kind, &supply::known(Secrets::Leave)?.kinds);
        say!("{schema:#}");
        Ok(exit::DONE)
    }
}
