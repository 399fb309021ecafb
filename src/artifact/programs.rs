//! A project's programs: fetched from upstream, built from its Go module, or compiled from C.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::catalogue::{Catalogue, Go, Sources};
use super::error::ArtifactError;
use super::fetch;
use super::store::{Progress, Tell, at, make_folder};

/// Programs by name, and which way they came.
pub(super) struct Made {
    pub files: BTreeMap<String, PathBuf>,
    pub took: String,
}

pub(super) fn make(
    catalogue: &Catalogue,
    project: &str,
    sources: Sources,
    downloads: &Path,
    work: &Path,
    tell: Tell<'_>,
) -> Result<Made, ArtifactError> {
    let programs = catalogue.programs(project)?;
    let subject = format!("{project} {}", programs.version);
    if let Some(upstream) = &programs.upstream
        && (sources == Sources::Upstream
            || (sources == Sources::Any && fetch::reachable(&upstream.url)))
    {
        let wanted: Vec<String> = programs
            .go
            .iter()
            .flat_map(|go| go.packages.keys().cloned())
            .collect();
        let files = fetch::programs(upstream, &wanted, &subject, downloads, work, tell)?;
        return Ok(Made {
            files,
            took: "upstream release".to_owned(),
        });
    }
    if let Some(go) = &programs.go {
        return build_go(catalogue, project, go, &subject, work, tell);
    }
    if let Some(c) = &programs.c {
        return compile_c(catalogue, c, work);
    }
    Err(ArtifactError::NoSource {
        name: project.to_owned(),
        reason: "the catalogue names no Go module, and upstream cannot be reached".to_owned(),
    })
}

fn build_go(
    catalogue: &Catalogue,
    project: &str,
    go: &Go,
    subject: &str,
    work: &Path,
    tell: Tell<'_>,
) -> Result<Made, ArtifactError> {
    let module = work.join("module");
    make_folder(Some(&module))?;
    for file in ["go.mod", "go.sum"] {
        let path = module.join(file);
        at(
            &path,
            std::fs::write(&path, catalogue.aside(&format!("go/{project}/{file}"))?),
        )?;
    }
    let mut files = BTreeMap::new();
    let mut compiled = 0;
    for (program, package) in &go.packages {
        let output = work.join(program);
        let mut command = go_command(&module, go);
        command
            .args([
                "build",
                "-v",
                "-trimpath",
                "-mod=readonly",
                "-tags",
                &go.tags,
            ])
            .arg("-ldflags")
            .arg(format!("-s -w {}", go.ldflags))
            .arg("-o")
            .arg(&output)
            .arg(package);
        run_told(command, |line| {
            // One line for each package that had to be compiled; lines of downloads as well.
            if !line.starts_with("go: ") {
                compiled += 1;
            }
            tell(Progress {
                subject: subject.to_owned(),
                state: if line.starts_with("go: downloading") {
                    "fetching its Go modules".to_owned()
                } else {
                    format!("building {program} from its Go module, {compiled} packages compiled")
                },
                done: None,
                total: None,
            });
        })?;
        files.insert(program.clone(), output);
    }
    for (name, from) in &go.module_files {
        let output = work.join(name);
        copy_module_file(&module, go, from, &output)?;
        files.insert(name.clone(), output);
    }
    Ok(Made {
        files,
        took: "Go module".to_owned(),
    })
}

fn go_command(module: &Path, go: &Go) -> Command {
    let mut command = Command::new("go");
    command
        .current_dir(module)
        .env("CGO_ENABLED", if go.cgo { "1" } else { "0" })
        .env("GOFLAGS", "-buildvcs=false")
        .env("GOWORK", "off")
        .stdin(Stdio::null());
    command
}

fn copy_module_file(module: &Path, go: &Go, from: &str, to: &Path) -> Result<(), ArtifactError> {
    let (name, path) = from
        .split_once(':')
        .ok_or_else(|| ArtifactError::Catalogue(format!("`{from}` is not MODULE:PATH")))?;
    let mut command = go_command(module, go);
    command.args(["list", "-mod=readonly", "-m", "-f", "{{.Dir}}", name]);
    let output = command.output().map_err(|error| no_program("go", &error))?;
    let folder = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if !output.status.success() || folder.is_empty() {
        return Err(ArtifactError::Program {
            program: format!("go list -m {name}"),
            said: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        });
    }
    let source = Path::new(&folder).join(path);
    at(&source, std::fs::copy(&source, to))?;
    Ok(())
}

fn compile_c(
    catalogue: &Catalogue,
    c: &BTreeMap<String, String>,
    work: &Path,
) -> Result<Made, ArtifactError> {
    let mut files = BTreeMap::new();
    for (program, file) in c {
        let source = work.join(file);
        at(&source, std::fs::write(&source, catalogue.aside(file)?))?;
        let output = work.join(program);
        let mut command = Command::new("gcc");
        command
            .args(["-Os", "-Wall", "-static", "-s", "-o"])
            .arg(&output)
            .arg(&source);
        run_told(command, |_| {})?;
        files.insert(program.clone(), output);
    }
    Ok(Made {
        files,
        took: "C source".to_owned(),
    })
}

/// Runs a program and hands on what it says on its error stream, line by line.
pub(super) fn run_told(
    mut command: Command,
    mut line: impl FnMut(&str),
) -> Result<(), ArtifactError> {
    let program = command.get_program().to_string_lossy().into_owned();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| no_program(&program, &error))?;
    let mut last: Vec<String> = Vec::new();
    if let Some(stderr) = child.stderr.take() {
        for said in BufReader::new(stderr).lines().map_while(Result::ok) {
            line(&said);
            last.push(said);
            if last.len() > 30 {
                last.remove(0);
            }
        }
    }
    let status = child.wait().map_err(|error| no_program(&program, &error))?;
    if status.success() {
        Ok(())
    } else {
        Err(ArtifactError::Program {
            program,
            said: last.join("\n"),
        })
    }
}

pub(super) fn no_program(program: &str, error: &std::io::Error) -> ArtifactError {
    if error.kind() == std::io::ErrorKind::NotFound {
        let package = if program == "go" {
            "golang-go"
        } else {
            program
        };
        return ArtifactError::Missing {
            program: program.to_owned(),
            package: package.to_owned(),
        };
    }
    ArtifactError::Program {
        program: program.to_owned(),
        said: format!("it could not be run: {error}"),
    }
}
