//! The shipped files, loaded as the program loads them.

use std::path::Path;

use ra_deploy::config::{self, KindShape, Options, Secrets, Site, Style};
use ra_deploy::model::artifact::Artifacts as _;
use ra_deploy::{artifact, check, fact, resource};

/// Loads as the program does for `check`.
pub fn load(inventory: &Path) -> Site {
    let kinds: Vec<KindShape> = resource::KINDS
        .iter()
        .map(|kind| KindShape {
            name: kind.name,
            summary: kind.summary,
            example: kind.example,
            schema: kind.schema,
        })
        .collect();
    let catalogue = artifact::Catalogue::embedded().expect("the catalogue");
    let artifacts = catalogue.names();
    let versions = catalogue.versions();
    let checks: Vec<String> = check::NATIVE
        .iter()
        .map(|check| check.name.to_owned())
        .collect();
    let facts = fact::names();
    let options = Options {
        secrets: Secrets::Leave,
        kinds: &kinds,
        artifacts: &artifacts,
        versions: &versions,
        facts: &facts,
        checks: &checks,
        today: None,
    };
    config::load(inventory, &options).unwrap_or_else(|faults| {
        panic!("{}:\n{}", inventory.display(), faults.render(Style::Plain))
    })
}
