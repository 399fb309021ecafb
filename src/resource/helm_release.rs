//! A Helm release: a chart of the catalogue, or one that is on the host, with its values.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::archive::artifact;
use super::file::absolute;
use super::words::file_name;
use super::{Fault, Kind, Resource, Surroundings};
use crate::model::{
    Action, Answers, ArtifactInfo, Change, Difference, Payload, Query, Text, Unread, shell,
};
use crate::probe::Probe;

/// A release that Helm installs or upgrades, on a host that has `helm` and the administrator's
/// kubeconfig.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Parameters {
    /// The release's name.
    name: String,
    namespace: String,
    /// An artifact that is a packed chart.
    artifact: Option<String>,
    /// Absolute path of a chart on the host.
    path: Option<String>,
    /// A file of the role's `templates/` folder that renders to the values.
    values: Option<String>,
    /// Seconds until everything in it is ready.
    #[serde(default = "timeout_default")]
    timeout: u32,
    /// `true`: the release is uninstalled.
    #[serde(default)]
    absent: bool,
}

fn timeout_default() -> u32 {
    300
}

#[derive(Debug)]
pub struct HelmRelease {
    name: String,
    namespace: String,
    wish: Wish,
    timeout: u32,
}

#[derive(Debug)]
enum Wish {
    Absent,
    Present {
        chart: Chart,
        values: Text,
        /// Digest of chart and values, told to Helm as the release's description, by which it is
        /// known again; `None` while a late value is still to be made.
        identity: Option<String>,
    },
}

#[derive(Debug)]
enum Chart {
    Artifact(ArtifactInfo),
    Path(String),
}

impl Kind for HelmRelease {
    const NAME: &'static str = "helm-release";
    const SUMMARY: &'static str = "a Helm release: its chart and values";
    const EXAMPLE: &'static str =
        "{name: metrics, namespace: monitoring, path: /opt/charts/metrics, values: values.yaml}";

    type Parameters = Parameters;

    fn build(parameters: Parameters, around: &dyn Surroundings) -> Result<Self, Fault> {
        file_name(&parameters.name, "/name")?;
        file_name(&parameters.namespace, "/namespace")?;
        let wish = if parameters.absent {
            Wish::Absent
        } else {
            let chart = match (parameters.artifact, parameters.path) {
                (Some(name), None) => Chart::Artifact(artifact(&name, "/artifact", around)?),
                (None, Some(path)) => Chart::Path(absolute(path, "/path")?),
                _ => {
                    return Err(Fault::at(
                        "",
                        "a release takes exactly one of `artifact` and `path`",
                    ));
                }
            };
            let values = match &parameters.values {
                None => Text::default(),
                Some(template) => around.render(template)?,
            };
            let of = match &chart {
                Chart::Artifact(info) => &info.identity,
                Chart::Path(path) => path,
            };
            let identity = around
                .digest(&Text::new(format!("{of}\n{}", values.raw())))
                .map(|digest| format!("ra-deploy {digest}"));
            Wish::Present {
                chart,
                values,
                identity,
            }
        };
        Ok(Self {
            name: parameters.name,
            namespace: parameters.namespace,
            wish,
            timeout: parameters.timeout,
        })
    }
}

const KUBECONFIG: &str = "export KUBECONFIG=/etc/kubernetes/admin.conf\n";

impl HelmRelease {
    /// The newest revision as JSON; an empty list where there is no release.
    fn history(&self) -> String {
        format!(
            "{KUBECONFIG}if said=$(helm history {name} -n {namespace} --max 1 -o json 2>&1); then printf '%s\\n' \"$said\"\n\
             else case $said in *'not found'*) echo '[]';; *) printf '%s\\n' \"$said\" >&2; exit 1;; esac; fi",
            name = self.name,
            namespace = self.namespace,
        )
    }

    /// Where the chart and the values lie while Helm works.
    fn folder(&self) -> String {
        format!("/run/ra-deploy/helm-{}-{}", self.namespace, self.name)
    }

    fn upgrade(&self, chart: &Chart, values: &Text, identity: &str) -> Vec<Action> {
        let folder = self.folder();
        let mut actions = Vec::new();
        let place = match chart {
            Chart::Path(path) => path.clone(),
            Chart::Artifact(info) => {
                let packed = format!("{folder}/chart.tgz");
                actions.push(Action::Write {
                    path: packed.clone(),
                    content: Payload::Artifact {
                        artifact: info.name.clone(),
                        file: None,
                    },
                    mode: 0o600,
                    owner: "root".to_owned(),
                    group: "root".to_owned(),
                });
                packed
            }
        };
        // Values may hold secrets, so they never become a file.
        actions.push(Action::Feed {
            script: format!(
                "{KUBECONFIG}trap 'rm -rf -- {folder}' EXIT\n\
                 helm upgrade --install {name} {chart} -n {namespace} --create-namespace \
                 --wait --timeout {timeout}s --description {identity} -f - >/dev/null || {{\n\
                 kubectl -n {namespace} get pods -o wide >&2 || :\n\
                 kubectl -n {namespace} get events --sort-by=.lastTimestamp 2>/dev/null | tail -n 15 >&2 || :\n\
                 exit 1; }}",
                name = self.name,
                chart = shell::quote(&place),
                namespace = self.namespace,
                timeout = self.timeout,
                identity = shell::quote(identity),
            )
            .into(),
            payload: Payload::Text(values.clone()),
        });
        actions
    }
}

impl Probe for HelmRelease {
    type Finding = Change;

    fn ask(&self) -> Vec<Query> {
        vec![Query::Run(self.history())]
    }

    fn read(&self, answers: &Answers) -> Result<Change, Unread> {
        let output = answers.output(&self.history())?;
        if output.status != 0 {
            return Err(Unread::Unreadable(format!(
                "helm does not tell the release's history: {}",
                output.stderr.trim()
            )));
        }
        let revisions: Vec<Value> = serde_json::from_str(output.stdout.trim())
            .map_err(|error| Unread::Unreadable(format!("helm's answer is no JSON: {error}")))?;
        let last = revisions.last();
        let word = |key: &str| last.and_then(|last| last.get(key)).and_then(Value::as_str);
        match (&self.wish, last) {
            (Wish::Absent, None) => Ok(Change::settled()),
            (Wish::Absent, Some(_)) => Ok(Change::from(
                vec![Difference::value(
                    "release",
                    word("chart").map(str::to_owned),
                    None,
                )],
                vec![Action::Run(
                    format!(
                        "{KUBECONFIG}helm uninstall {} -n {} --wait --timeout {}s >/dev/null",
                        self.name, self.namespace, self.timeout
                    )
                    .into(),
                )],
            )),
            (
                Wish::Present {
                    chart,
                    values,
                    identity,
                },
                _,
            ) => {
                let status = word("status");
                let same = identity.is_some() && word("description") == identity.as_deref();
                if same && status == Some("deployed") {
                    return Ok(Change::settled());
                }
                let found = last.map(|_| match (same, status) {
                    (true, Some(status)) => status.to_owned(),
                    _ => "another chart or other values".to_owned(),
                });
                let version = match chart {
                    Chart::Artifact(info) => format!("{} {}", info.name, info.version),
                    Chart::Path(path) => path.clone(),
                };
                let identity = identity.as_deref().unwrap_or("ra-deploy");
                Ok(Change::from(
                    vec![Difference::value("release", found, version)],
                    self.upgrade(chart, values, identity),
                ))
            }
        }
    }
}

impl Resource for HelmRelease {
    fn title(&self) -> String {
        format!("helm-release {}/{}", self.namespace, self.name)
    }

    fn artifacts(&self) -> Vec<String> {
        match &self.wish {
            Wish::Present {
                chart: Chart::Artifact(info),
                ..
            } => vec![info.name.clone()],
            _ => Vec::new(),
        }
    }
}
