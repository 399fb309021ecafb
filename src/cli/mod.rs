//! The command line: one command a file. Only here and in the report room anything is printed.

/// Prints what was asked for. A reader who has gone (`| head`) is no error.
macro_rules! say {
    ($($argument:tt)*) => {{
        use std::io::Write;
        let _ = writeln!(std::io::stdout(), $($argument)*);
    }};
}

mod apply;
mod bios;
mod bmc;
mod bundle;
mod check;
mod completions;
pub mod exit;
mod facts;
mod firmware;
mod lab;
mod media;
mod online;
mod order;
mod plan;
mod power;
mod render;
mod reset;
mod schema;
mod session;
mod signals;
mod status;
mod supply;
mod table;
mod told;
mod verify;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Takes bare-metal servers to a Kubernetes cluster that provably matches a reference profile.
#[derive(Debug, Parser)]
#[command(name = "ra-deploy", version, about, max_term_width = 100)]
#[command(
    after_help = "Exit codes: 0 done, 1 run failed, 2 changes pending (plan --detailed-exitcode), \
3 files faulty, 4 not conformant, 5 unreachable, 6 some hosts left behind, 64 usage, 130 interrupted."
)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
pub struct Common {
    /// How results are given: text for people, json as one document, jsonl as events while they
    /// happen.
    #[arg(long, global = true, value_enum, default_value_t = Format::Text)]
    output: Format,
    /// More detail: also what is unchanged (-v), and developers' tracing (-vv, or RUST_LOG).
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
    /// Execs at once over all hosts.
    #[arg(long, global = true, default_value_t = 64, value_name = "N")]
    parallel: usize,
    /// Folder of the run records; beside the inventory when not given.
    #[arg(long, global = true, value_name = "DIR")]
    state: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
    Jsonl,
}

/// An inventory and which of its hosts and tasks.
#[derive(Debug, Args)]
pub struct Chosen {
    /// The inventory file.
    inventory: PathBuf,
    /// Only these hosts: names, ranges, groups, `first GROUP`, joined by commas; `!` takes away.
    #[arg(long, value_name = "HOSTS")]
    limit: Option<String>,
    /// Only tasks with one of these tags, or of roles with these names.
    #[arg(long, value_delimiter = ',', value_name = "TAGS")]
    tags: Vec<String>,
}

/// Servers that an operator names for an order to their BMCs.
#[derive(Debug, Args)]
pub struct Servers {
    /// The inventory file.
    inventory: PathBuf,
    /// Which hosts: names, ranges, groups, `all`, joined by commas; `!` takes away.
    hosts: String,
    /// Does not ask before changing anything.
    #[arg(short, long)]
    yes: bool,
}

impl Servers {
    fn chosen(&self) -> Chosen {
        Chosen {
            inventory: self.inventory.clone(),
            limit: Some(self.hosts.clone()),
            tags: Vec::new(),
        }
    }

    fn consent(&self) -> session::Consent {
        self.yes.into()
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Reads the files and reports every fault, touching nothing.
    Check(check::Check),
    /// Asks the hosts what they are.
    Facts(facts::Facts),
    /// Shows what apply would change, from BIOS to Pod.
    Plan(plan::Plan),
    /// Brings the hosts to the profile, after showing the plan.
    Apply(apply::Apply),
    /// Checks the cluster against the profile, requirement by requirement.
    Verify(verify::Verify),
    /// Tells the last run again, and where its records are.
    Status(status::Status),
    /// BMCs themselves: trust, logs, jobs, restart.
    Bmc(bmc::Bmc),
    /// BIOS attributes: snapshots, differences, and setting them back.
    Bios(bios::Bios),
    /// Switches servers on and off through their BMCs.
    Power(power::Power),
    /// Firmware: which versions run, and bringing components to one.
    Firmware(firmware::Firmware),
    /// Virtual drives: which image is in, put one in, take it out.
    Media(media::Media),
    /// Machines and BMCs on this box, to try everything without hardware.
    Lab(lab::Lab),
    /// Takes Kubernetes off the hosts again.
    Reset(reset::Reset),
    /// Packs what the hosts get into a folder, for sites without a network.
    Bundle(bundle::Bundle),
    /// Prints a role's template as it reads on a host.
    Render(render::Render),
    /// JSON Schema of the inventory, profile and role files, for editors.
    Schema(schema::Schema),
    /// Shell completions.
    Completions(completions::Completions),
}

/// Developers' tracing, on standard error: by `RUST_LOG`, or with -vv.
pub fn trace(arguments: &Arguments) {
    use tracing_subscriber::EnvFilter;
    let filter = match std::env::var("RUST_LOG") {
        Ok(filter) => EnvFilter::new(filter),
        Err(_) if arguments.common.verbose > 1 => EnvFilter::new("ra_deploy=debug"),
        Err(_) => return,
    };
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
}

/// Runs the command and gives its exit code.
///
/// # Errors
/// What kept the command from starting; a run that failed tells so itself and gives its code.
pub fn run(arguments: Arguments) -> anyhow::Result<i32> {
    let common = &arguments.common;
    match arguments.command {
        Command::Check(command) => command.run(common),
        Command::Facts(command) => command.run(common),
        Command::Plan(command) => command.run(common),
        Command::Apply(command) => command.run(common),
        Command::Verify(command) => command.run(common),
        Command::Status(command) => command.run(common),
        Command::Bmc(command) => command.run(common),
        Command::Bios(command) => command.run(common),
        Command::Power(command) => command.run(common),
        Command::Firmware(command) => command.run(common),
        Command::Media(command) => command.run(common),
        Command::Lab(command) => command.run(common),
        Command::Reset(command) => command.run(common),
        Command::Bundle(command) => command.run(common),
        Command::Render(command) => command.run(common),
        Command::Schema(command) => command.run(common),
        Command::Completions(command) => command.run(common),
    }
}

/// What to do next, as a context of an error: shown as a `help:` line.
#[derive(Debug)]
pub struct Hint(pub String);

impl std::fmt::Display for Hint {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Shows an error as kind, causes and hints on standard error.
pub fn show(error: &anyhow::Error) {
    let hint = error.downcast_ref::<Hint>().map(|hint| hint.0.clone());
    let mut causes: Vec<String> = error.chain().map(ToString::to_string).collect();
    if let Some(hint) = &hint {
        causes.retain(|cause| cause != hint);
    }
    let mut causes = causes.into_iter();
    eprintln!("error: {}", causes.next().unwrap_or_default());
    for cause in causes {
        eprintln!("  caused by: {cause}");
    }
    if let Some(hint) = hint.filter(|hint| !hint.is_empty()) {
        eprintln!("help: {hint}");
    }
}

/// Writes a file that only its owner reads, whole or not at all.
fn write_private(path: &std::path::Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write;
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => std::path::Path::new("."),
    };
    // A temporary file is the owner's alone from the start.
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}
