//! Secrets are read from where the inventory says when a site is loaded to act on machines; no
//! file of the site ever holds one.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::fault::Fault;
use super::file_inventory::SecretSource;
use super::source::Spot;
use crate::model::{Secret, Vault};

/// Whether secrets are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Secrets {
    Read,
    /// Left where they are: each is an empty text. For `check` and `schema`.
    Leave,
}

pub(super) struct SecretReader {
    mode: Secrets,
    /// The inventory's folder: file paths are relative to it.
    folder: PathBuf,
    read: HashMap<SecretSource, Secret>,
    pub vault: Vault,
    pub faults: Vec<Fault>,
}

impl SecretReader {
    pub(super) fn new(mode: Secrets, folder: PathBuf) -> Self {
        Self {
            mode,
            folder,
            read: HashMap::new(),
            vault: Vault::default(),
            faults: Vec::new(),
        }
    }

    /// The secret, and an empty one after a fault. It is put into the vault under a name of its
    /// source, so that whatever machines print can be cleaned of it.
    pub(super) fn get(&mut self, source: &SecretSource, spot: &Spot) -> Secret {
        if self.mode == Secrets::Leave {
            return Secret::new("");
        }
        if let Some(secret) = self.read.get(source) {
            return secret.clone();
        }
        let secret = match read(source, &self.folder) {
            Ok(text) => Secret::new(text),
            Err((message, help)) => {
                self.faults
                    .push(Fault::new(spot.clone(), message).help(help));
                Secret::new("")
            }
        };
        if !secret.reveal().is_empty() {
            self.vault.put(name_of(source), secret.clone());
        }
        self.read.insert(source.clone(), secret.clone());
        secret
    }
}

/// How the vault calls a secret that the inventory gives no name.
fn name_of(source: &SecretSource) -> String {
    match (&source.env, &source.file, &source.command) {
        (Some(name), _, _) => name.clone(),
        (_, Some(path), _) => path.clone(),
        (_, _, Some(command)) => command.join(" "),
        _ => "secret".to_owned(),
    }
}

fn read(source: &SecretSource, folder: &Path) -> Result<String, (String, String)> {
    let text = if let Some(name) = &source.env {
        std::env::var(name).map_err(|_| {
            (
                format!("the environment variable `{name}` is not set"),
                format!("set it: `read -rs {name} && export {name}`"),
            )
        })?
    } else if let Some(path) = &source.file {
        let path = place(path, folder);
        std::fs::read_to_string(&path).map_err(|error| {
            (
                format!(
                    "the secret's file {} cannot be read: {error}",
                    path.display()
                ),
                "create it with mode 0600, readable by you".to_owned(),
            )
        })?
    } else {
        let command = source.command.as_deref().unwrap_or_default();
        run(command, folder)?
    };
    let text = text.strip_suffix('\n').unwrap_or(&text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    if text.is_empty() {
        return Err((
            format!("the secret of `{}` is empty", name_of(source)),
            "give it a value".to_owned(),
        ));
    }
    Ok(text.to_owned())
}

fn run(command: &[String], folder: &Path) -> Result<String, (String, String)> {
    let shown = command.join(" ");
    let help = || "run it by hand to see why".to_owned();
    let Some((program, arguments)) = command.split_first() else {
        return Err((
            "the secret's command is empty".to_owned(),
            "write `{command: [pass, show, NAME]}`".to_owned(),
        ));
    };
    // A password manager may ask on the terminal, so standard input and error stay the user's.
    let output = Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::inherit())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| {
            (
                format!("the secret's command `{shown}` does not start: {error}"),
                help(),
            )
        })?;
    if !output.status.success() {
        return Err((
            format!("the secret's command `{shown}` failed: {}", output.status),
            help(),
        ));
    }
    String::from_utf8(output.stdout)
        .map_err(|_| (format!("what `{shown}` printed is no text"), help()))
}

/// A path as written: `~` is the home folder, what is relative is beside the inventory.
pub(super) fn place(path: &str, folder: &Path) -> PathBuf {
    if let Some(rest) = path.strip_prefix("~/")
        && let Some(home) = std::env::home_dir()
    {
        return home.join(rest);
    }
    if Path::new(path).is_absolute() || folder == Path::new(".") {
        PathBuf::from(path)
    } else {
        folder.join(path)
    }
}
