//! What a task or a requirement sees of the site while it is built for one host.

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::Walk;
use crate::config::Site;
use crate::config::scope::{RenderFault, Scope};
use crate::config::site::Role;
use crate::model::artifact::Artifacts;
use crate::model::{ArtifactInfo, Text};
use crate::resource::{Fault, Surroundings};

/// The site and the catalogue, the same for all hosts of a run.
#[derive(Clone, Copy)]
pub struct Setting<'a> {
    pub site: &'a Site,
    pub artifacts: &'a dyn Artifacts,
}

/// One host's view.
pub struct Scene<'a> {
    setting: Setting<'a>,
    scope: Scope,
    has_bmc: bool,
}

impl<'a> Scene<'a> {
    /// What a task of a role sees on the walk's host.
    pub fn of_role(setting: Setting<'a>, walk: &Walk, role: &Role, facts: Option<&Value>) -> Self {
        let scope = Scope::for_role(setting.site, &role.name, &walk.host);
        Self::new(setting, walk, scope, facts)
    }

    /// What a requirement sees on the walk's host.
    pub fn of_requirement(setting: Setting<'a>, walk: &Walk, facts: Option<&Value>) -> Self {
        let scope = Scope::for_requirement(setting.site, Some(&walk.host));
        Self::new(setting, walk, scope, facts)
    }

    fn new(setting: Setting<'a>, walk: &Walk, scope: Scope, facts: Option<&Value>) -> Self {
        Self {
            setting,
            scope: match facts {
                Some(facts) => scope.with_facts(facts),
                None => scope,
            },
            has_bmc: walk.host.bmc.is_some(),
        }
    }

    /// Whether a bare expression is true.
    pub fn holds(&self, expression: &str) -> Result<bool, Fault> {
        Ok(self.scope.holds(expression)?)
    }

    /// Whether a bare expression over answers is true.
    pub fn judge(&self, expression: &str, values: &Map<String, Value>) -> Result<bool, Fault> {
        Ok(self.with(values).holds(expression)?)
    }

    /// A task's parameters with all their texts rendered, each of the type that its kind wants.
    pub fn task_parameters(&self, kind: &str, written: &Value) -> Result<Value, Fault> {
        Ok(self.scope.render_parameters(kind, written)?)
    }

    /// A question with all its texts rendered.
    pub fn parameters(&self, written: &Value) -> Result<Value, Fault> {
        Ok(self.scope.render_value(written)?)
    }

    /// A template over answers.
    pub fn text(&self, template: &str, values: &Map<String, Value>) -> Result<String, Fault> {
        Ok(self.with(values).render_text(template)?.to_string())
    }

    fn with(&self, values: &Map<String, Value>) -> Scope {
        values
            .iter()
            .fold(self.scope.clone(), |scope, (name, value)| {
                scope.with(name, value)
            })
    }
}

impl Surroundings for Scene<'_> {
    fn render(&self, template: &str) -> Result<Text, Fault> {
        Ok(self.scope.render_template(template)?)
    }

    fn digest(&self, text: &Text) -> Option<String> {
        let revealed = self.setting.site.vault.reveal(text).ok()?;
        Some(hex::encode(Sha256::digest(revealed.as_bytes())))
    }

    fn artifact(&self, name: &str) -> Option<ArtifactInfo> {
        self.setting.artifacts.info(name)
    }

    fn artifact_names(&self) -> Vec<String> {
        self.setting.artifacts.names()
    }

    fn has_bmc(&self) -> bool {
        self.has_bmc
    }
}

impl From<RenderFault> for Fault {
    fn from(fault: RenderFault) -> Self {
        let hint = fault.hint().to_owned();
        let place = match (&fault.file, fault.line) {
            (Some(file), Some(line)) => format!(" (template {file}, line {line})"),
            (Some(file), None) => format!(" (template {file})"),
            _ => String::new(),
        };
        Self {
            message: format!("{}{place}", fault.message),
            pointer: fault.pointer,
            hint: Some(hint),
            needs_facts: fault.needs_facts,
        }
    }
}
