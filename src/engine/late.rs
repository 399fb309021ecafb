//! Late values: made on the host that can make them, when the first act needs them, and kept in
//! the vault only.

use std::time::Duration;

use super::fleet::Fleet;
use super::hub::failure;
use crate::config::scope::Scope;
use crate::event::{Failure, What};
use crate::model::{Action, Payload, Secret, Text};

const TIMEOUT: Duration = Duration::from_secs(120);

/// The endpoint's address moves within seconds when a control plane goes.
const TRIES: u32 = 4;
const PAUSE: Duration = Duration::from_secs(3);

/// Whether only the way to the Kubernetes API failed.
fn is_passing(failure: &Failure) -> bool {
    const WORDS: [&str; 7] = [
        "connection refused",
        "no route to host",
        "i/o timeout",
        "connection reset",
        "EOF",
        "TLS handshake timeout",
        "etcdserver:",
    ];
    let said = failure.output.as_deref().unwrap_or_default();
    WORDS.iter().any(|words| said.contains(words))
}

/// Makes every late value that the acts name and that is not known yet.
pub(super) async fn provide(fleet: &Fleet, actions: &[Action]) -> Result<(), Failure> {
    for name in actions.iter().flat_map(texts).flat_map(Text::names) {
        make(fleet, name).await?;
    }
    Ok(())
}

fn texts(action: &Action) -> Vec<&Text> {
    fn payload(payload: &Payload) -> Option<&Text> {
        match payload {
            Payload::Text(text) => Some(text),
            _ => None,
        }
    }
    match action {
        Action::Run(script) => vec![script],
        Action::Feed {
            script,
            payload: bytes,
        } => std::iter::once(script).chain(payload(bytes)).collect(),
        Action::Write { content, .. } => payload(content).into_iter().collect(),
        Action::Bmc(_) | Action::Reboot => Vec::new(),
    }
}

async fn make(fleet: &Fleet, name: &str) -> Result<(), Failure> {
    let run = fleet.run();
    let vault = &run.site.vault;
    let lock = run.late_lock(name);
    let _making = lock.lock().await;
    if vault.holds(name) {
        return Ok(());
    }
    let mut roles = run.site.roles.values();
    let declared = roles.find_map(|role| Some((role, role.late.get(name)?)));
    let Some((role, late)) = declared else {
        return Err(Failure {
            message: format!("no role says how the value ‹{name}› is made"),
            ..Failure::default()
        });
    };
    let hosts = late.on.hosts(&run.site);
    let Some(host) = hosts.first() else {
        return Err(Failure {
            message: format!("no host is there to make the value ‹{name}›"),
            hints: vec![format!(
                "its `on` in the role chooses none; see {}:{}",
                late.spot.place, late.spot.line
            )],
            ..Failure::default()
        });
    };
    let contact = fleet.contact(host).map_err(|error| failure(&error, None))?;
    let scope = Scope::for_role(&run.site, &role.name, &contact.host);
    let script = scope.render_text(late.run.raw()).map_err(|fault| Failure {
        message: format!("the value ‹{name}› cannot be made: {}", fault.message),
        hints: vec![fault.hint().to_owned()],
        ..Failure::default()
    })?;
    // A value may be made of others.
    for inner in script.names() {
        Box::pin(make(fleet, inner)).await?;
    }
    let mut tries = TRIES;
    let value = loop {
        match contact.value(&script, TIMEOUT).await {
            // Making one more token, or uploading the certificates once more, harms nobody.
            Err(failure) if tries > 1 && is_passing(&failure) => {
                tries -= 1;
                run.hub.tell(What::Retrying {
                    host: (*host).to_owned(),
                    reason: format!("making ‹{name}›: the Kubernetes API was not to be reached"),
                    attempt: TRIES - tries,
                    wait_seconds: PAUSE.as_secs_f64(),
                });
                tokio::time::sleep(PAUSE).await;
            }
            ended => break ended?,
        }
    };
    if value.is_empty() {
        return Err(Failure {
            message: format!("{host} made an empty value for ‹{name}›"),
            command: Some(script.to_string()),
            ..Failure::default()
        });
    }
    vault.put(name, Secret::new(value));
    Ok(())
}
