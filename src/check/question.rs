//! Questions as a profile writes them, and answers as its expressions see them.

use serde_json::{Map, Value, json};

use crate::config::words::duration;
use crate::model::query::{FileKind, FileState, Output, PodQuery};
use crate::model::{Answer, BmcQuery, LinkPath, Query};

/// How long a probe pod may take when the row does not say.
const POD_SECONDS: u32 = 60;

/// The question that a rendered row writes, such as `{run: uname -r}` or `{kube: /api/v1/nodes}`.
///
/// # Errors
/// What is wrong with it, lower-case.
pub fn parse(written: &Value) -> Result<Query, String> {
    let Some(map) = written.as_object().filter(|map| map.len() == 1) else {
        return Err("a question has exactly one key, such as `run` or `kube`".to_owned());
    };
    let (kind, value) = map.iter().next().ok_or("an empty question")?;
    let text = || {
        value
            .as_str()
            .map(str::to_owned)
            .ok_or_else(|| format!("`{kind}` takes a text"))
    };
    Ok(match kind.as_str() {
        "run" => Query::Run(text()?),
        "file" => Query::File(text()?),
        "digest" => Query::Digest(text()?),
        "content" => Query::Content(text()?),
        "unit" => Query::Unit(text()?),
        "package" => Query::Package(text()?),
        "images" => Query::Images,
        "kube" => Query::Kube(text()?),
        "bmc" => Query::Bmc(bmc(&text()?)),
        "pod" => Query::Pod(pod(value)?),
        other => return Err(format!("there is no question of kind `{other}`")),
    })
}

/// A word for a composed state, else a link path.
fn bmc(written: &str) -> BmcQuery {
    match written {
        "system-state" => BmcQuery::System,
        "bios" => BmcQuery::Bios,
        "bios-registry" => BmcQuery::BiosRegistry,
        "secure-boot" => BmcQuery::SecureBoot,
        "boot-order" => BmcQuery::BootOrder,
        "hardware" => BmcQuery::Hardware,
        path => BmcQuery::Documents(LinkPath(path.to_owned())),
    }
}

fn pod(value: &Value) -> Result<PodQuery, String> {
    let text = |key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
    let timeout = match value.get("timeout") {
        None => POD_SECONDS,
        Some(timeout) => timeout
            .as_str()
            .and_then(duration)
            .and_then(|timeout| u32::try_from(timeout.as_secs()).ok())
            .ok_or("a pod's `timeout` is a duration such as 60s")?,
    };
    Ok(PodQuery {
        image: text("image").ok_or("a pod needs an `image`")?,
        script: text("script").ok_or("a pod needs a `script`")?,
        node: text("node"),
        overrides: value.get("overrides").map(Value::to_string),
        timeout_seconds: timeout,
    })
}

/// The question as a person would repeat it.
pub fn in_words(query: &Query) -> String {
    match query {
        Query::File(path) => format!("stat {path}"),
        Query::Digest(path) => format!("sha256sum {path}"),
        Query::Content(path) => format!("cat {path}"),
        Query::Unit(name) => format!("systemctl show {name}"),
        Query::Package(name) => format!("package {name}"),
        Query::Archive(name) => format!("archive {name}"),
        Query::Images => "ctr -n k8s.io images ls".to_owned(),
        Query::Run(script) => script.trim().to_owned(),
        Query::Kube(path) => format!("kubectl get --raw {path}"),
        Query::Pod(pod) => format!("in a pod of {}: {}", pod.image, pod.script.trim()),
        Query::Bmc(BmcQuery::Documents(path)) => format!("BMC: {path}"),
        Query::Bmc(query) => format!("BMC: {query:?}").to_lowercase(),
    }
}

/// The answer as an expression sees it. A failed answer has no value.
///
/// | question | value |
/// |---|---|
/// | `run`, `pod` | `{status, stdout, stderr, lines}` |
/// | `file` | `{exists, kind, mode, owner, group, size, link}`; mode as `"0644"` |
/// | `digest`, `content` | text, or none when there is no file |
/// | `unit` | `{load, active, sub, enabled}` |
/// | `package` | `{installed, version}` |
/// | `images` | list of `{name, digest}` |
/// | `kube` | `{status, body, items}` |
/// | `bmc` | list of documents, or the composed state |
pub fn value(answer: &Answer) -> Result<Value, String> {
    Ok(match answer {
        Answer::Failed(reason) => return Err(reason.clone()),
        Answer::File(FileState::Absent) => json!({ "exists": false }),
        Answer::File(FileState::Present(metadata)) => json!({
            "exists": true,
            "kind": match metadata.kind {
                FileKind::File => "file",
                FileKind::Directory => "directory",
                FileKind::Link => "link",
                FileKind::Other => "other",
            },
            "mode": format!("{:04o}", metadata.mode),
            "owner": metadata.owner,
            "group": metadata.group,
            "size": metadata.size,
            "link": metadata.link,
        }),
        Answer::Digest(text) | Answer::Content(text) => json!(text),
        Answer::Unit(unit) => json!({
            "load": unit.load, "active": unit.active, "sub": unit.sub, "enabled": unit.enabled,
        }),
        Answer::Package(package) => json!({
            "installed": package.version.is_some(), "version": package.version,
        }),
        Answer::Archive(archive) => json!({
            "identity": archive.identity, "damaged": archive.damaged,
        }),
        Answer::Images(images) => images
            .iter()
            .map(|image| json!({"name": image.name, "digest": image.digest}))
            .collect(),
        Answer::Output(output) => self::output(output),
        Answer::Kube(kube) => {
            let mut map = Map::new();
            map.insert("status".to_owned(), kube.status.into());
            if let Some(items) = kube.body.get("items").filter(|items| items.is_array()) {
                map.insert("items".to_owned(), items.clone());
            }
            map.insert("body".to_owned(), kube.body.clone());
            Value::Object(map)
        }
        Answer::Bmc(value) => value.clone(),
    })
}

fn output(output: &Output) -> Value {
    json!({
        "status": output.status,
        "stdout": output.stdout,
        "stderr": output.stderr,
        "lines": output.stdout.lines().collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_written_kind_is_a_query() {
        for written in [
            json!({"run": "true"}),
            json!({"file": "/x"}),
            json!({"digest": "/x"}),
            json!({"content": "/x"}),
            json!({"unit": "x"}),
            json!({"package": "x"}),
            json!({"images": {}}),
            json!({"kube": "/api"}),
            json!({"bmc": "system/Bios"}),
            json!({"pod": {"image": "i", "script": "true"}}),
        ] {
            assert!(parse(&written).is_ok(), "{written}");
        }
        for wrong in [
            json!({"run": "a", "kube": "b"}),
            json!({"ran": "a"}),
            json!({"run": 1}),
            json!({"pod": {"image": "i"}}),
        ] {
            assert!(parse(&wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_failed_question_has_no_value() {
        assert_eq!(
            value(&Answer::Failed("no shell".to_owned())),
            Err("no shell".to_owned())
        );
    }
}
