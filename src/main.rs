//! The program: arguments in, exit code out. Everything else is the library's.

use std::process::ExitCode;

use clap::Parser;
use ra_deploy::cli;

fn main() -> ExitCode {
    let arguments = match cli::Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let _ = error.print();
            return exit(if error.use_stderr() {
                cli::exit::USAGE
            } else {
                cli::exit::DONE
            });
        }
    };
    cli::trace(&arguments);
    match cli::run(arguments) {
        Ok(code) => exit(code),
        Err(error) => {
            cli::show(&error);
            exit(cli::exit::RUN_FAILED)
        }
    }
}

fn exit(code: i32) -> ExitCode {
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}
