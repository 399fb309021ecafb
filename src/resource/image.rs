//! Container images in containerd's store, as the kubelet sees them.

use schemars::JsonSchema;
use serde::Deserialize;

use super::archive::artifact;
use super::words::{listed, one_or_many};
use super::{Fault, Kind, Resource, Surroundings};
use crate::model::{Action, Answer, Answers, Change, Difference, Payload, Query, Unread, shell};
use crate::probe::Probe;

/// Images imported from artifacts, so that nothing has to be pulled.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Parameters {
    /// One artifact that is an image.
    artifact: Option<String>,
    /// Several of them.
    #[serde(default)]
    artifacts: Vec<String>,
}

#[derive(Debug)]
pub struct Image {
    images: Vec<Wanted>,
}

#[derive(Debug)]
struct Wanted {
    artifact: String,
    identity: String,
    /// `registry.k8s.io/pause:3.10`
    reference: String,
}

/// The label of an image that says from which artifact it was imported.
const LABEL: &str = "ra-deploy/identity";

impl Kind for Image {
    const NAME: &'static str = "image";
    const SUMMARY: &'static str = "container images, imported into containerd for the kubelet";
    const EXAMPLE: &'static str = "{artifacts: [image-pause, image-kube-proxy]}";

    type Parameters = Parameters;

    fn build(parameters: Parameters, around: &dyn Surroundings) -> Result<Self, Fault> {
        let images = one_or_many(parameters.artifact, parameters.artifacts, "artifact")?
            .iter()
            .enumerate()
            .map(|(index, name)| {
                let pointer = format!("/artifacts/{index}");
                let info = artifact(name, &pointer, around)?;
                let reference = info.image.ok_or_else(|| {
                    Fault::at(&pointer, format!("the artifact `{name}` is no image"))
                        .hint("an archive is unpacked by an `archive` task")
                })?;
                Ok(Wanted {
                    artifact: info.name,
                    identity: info.identity,
                    reference,
                })
            })
            .collect::<Result<_, Fault>>()?;
        Ok(Self { images })
    }
}

impl Probe for Image {
    type Finding = Change;

    fn ask(&self) -> Vec<Query> {
        vec![Query::Images]
    }

    fn read(&self, answers: &Answers) -> Result<Change, Unread> {
        let found = match answers.get(&Query::Images) {
            // A runtime that is not there yet, or does not run yet, holds no images.
            Some(Answer::Failed(_)) => &[],
            _ => answers.images()?,
        };
        let mut differences = Vec::new();
        let mut actions = Vec::new();
        for image in &self.images {
            let there = found.iter().find(|one| one.name == image.reference);
            let state = match there {
                Some(one) if one.labels.get(LABEL) == Some(&image.identity) => continue,
                Some(_) => Some("of another origin".to_owned()),
                None => None,
            };
            differences.push(Difference::value(
                &image.reference,
                state,
                "imported".to_owned(),
            ));
            actions.push(Action::Feed {
                script: format!(
                    "ctr -n k8s.io images import --no-unpack - >/dev/null\n\
                     ctr -n k8s.io images label {} {} >/dev/null",
                    shell::quote(&image.reference),
                    shell::quote(&format!("{LABEL}={}", image.identity)),
                )
                .into(),
                payload: Payload::Artifact {
                    artifact: image.artifact.clone(),
                    file: None,
                },
            });
        }
        Ok(Change::from(differences, actions))
    }
}

impl Resource for Image {
    fn title(&self) -> String {
        let names: Vec<&str> = self
            .images
            .iter()
            .map(|one| one.artifact.as_str())
            .collect();
        format!("image {}", listed(&names))
    }

    fn artifacts(&self) -> Vec<String> {
        self.images.iter().map(|one| one.artifact.clone()).collect()
    }
}
