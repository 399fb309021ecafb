//! `ra-deploy verify`

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;

use super::session::{self, Session};
use super::{Chosen, Common, exit};
use crate::engine;
use crate::event::CheckResult;
use crate::report::conformance::{self, Meta};

#[derive(Debug, Args)]
pub struct Verify {
    #[command(flatten)]
    chosen: Chosen,
    /// Also writes the report as JUnit XML.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Also writes the report as one HTML page.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

impl Verify {
    pub fn run(self, common: &Common) -> anyhow::Result<i32> {
        session::block(async {
            let mut session = match Session::open("verify", &self.chosen, common)? {
                Ok(session) => session,
                Err(code) => return Ok(code),
            };
            if session.site.profile.is_none() {
                session
                    .run
                    .hub
                    .warn(None, "the inventory names no profile to verify against");
                return session.finish(exit::USAGE, None).await;
            }
            let results = session.fleet.verify().await;
            write_reports(&session, &results, self.junit.as_ref(), self.html.as_ref())?;
            let code = if engine::conforms(&results) {
                exit::DONE
            } else {
                exit::NOT_CONFORMANT
            };
            session.finish(code, Some(engine::count(&results))).await
        })
    }
}

/// The report in every form beside the run's record, and where else it was asked for.
pub fn write_reports(
    session: &Session,
    results: &[CheckResult],
    junit: Option<&PathBuf>,
    html: Option<&PathBuf>,
) -> anyhow::Result<()> {
    let meta = Meta {
        site: session.site.name.clone(),
        profile: session
            .site
            .profile
            .as_ref()
            .map(|profile| profile.name.clone()),
        at: jiff::Timestamp::now().to_string(),
        run: session
            .record
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default(),
        hosts: session
            .fleet
            .members()
            .iter()
            .map(|member| member.host().to_owned())
            .collect(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    let write = |path: PathBuf, text: String| {
        super::write_private(&path, text.as_bytes())
            .with_context(|| format!("{} cannot be written", path.display()))
    };
    let beside = |name: &str| session.record.join(name);
    write(
        beside("conformance.json"),
        conformance::json(results, &meta),
    )?;
    write(
        beside("conformance.xml"),
        conformance::junit(results, &meta),
    )?;
    write(
        beside("conformance.html"),
        conformance::html(results, &meta),
    )?;
    if let Some(path) = junit {
        write(path.clone(), conformance::junit(results, &meta))?;
    }
    if let Some(path) = html {
        write(path.clone(), conformance::html(results, &meta))?;
    }
    Ok(())
}
