//! What can go wrong with artifacts.

use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    #[error("the catalogue is wrong: {0}")]
    Catalogue(String),
    #[error("the catalogue has no artifact called {name}")]
    Unknown {
        name: String,
        nearest: Option<String>,
    },
    #[error("{} cannot be used", path.display())]
    File {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{program} failed")]
    Program { program: String, said: String },
    #[error("{program} is not on this machine")]
    Missing { program: String, package: String },
    #[error("{url} could not be fetched")]
    Fetch {
        url: String,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("{url} has the digest {got}, not {expected}")]
    Digest {
        url: String,
        expected: String,
        got: String,
    },
    #[error("{} has the digest {got}, not {expected}", path.display())]
    Damaged {
        path: PathBuf,
        expected: String,
        got: String,
    },
    #[error("{what} holds no {missing}")]
    Incomplete { what: String, missing: String },
    #[error("there is no way to get {name}: {reason}")]
    NoSource { name: String, reason: String },
}

impl ArtifactError {
    /// What to do next.
    pub fn hint(&self) -> String {
        match self {
            Self::Catalogue(_) => "compare it with artifacts/catalogue.yaml".to_owned(),
            Self::Unknown {
                nearest: Some(nearest),
                ..
            } => format!("did you mean {nearest}?"),
            Self::Unknown { .. } => "artifacts/catalogue.yaml names them all".to_owned(),
            Self::File { .. } => "look at the path, its rights and the disk's room".to_owned(),
            Self::Program { said, .. } => format!("it said: {said}"),
            Self::Missing { package, .. } => {
                format!(
                    "install it (Debian's package {package}), or bring what it makes in a bundle"
                )
            }
            Self::Fetch { .. } => {
                "run it again: it goes on where it stopped; RA_DEPLOY_SOURCES=go builds instead"
                    .to_owned()
            }
            Self::Digest { .. } => {
                "nothing of it was kept; a proxy may have put a page of its own in its place"
                    .to_owned()
            }
            Self::Damaged { .. } => "copy the bundle again, from where it was packed".to_owned(),
            Self::Incomplete { .. } => {
                "upstream may have moved it: correct the catalogue".to_owned()
            }
            Self::NoSource { .. } => {
                "install Go 1.26 or newer, or give this machine a way to upstream".to_owned()
            }
        }
    }
}
