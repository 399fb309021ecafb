//! The power button and the power lamp of a real machine: programs that the emulator runs.

use std::process::Stdio;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Programs to run, as argument vectors with placeholders. Empty vectors: power is only simulated.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Hook {
    /// Run with `{action}` one of `On`, `ForceOff`, `GracefulShutdown`, `Nmi`. A restart is an off,
    /// the self-test and an on, so that a machine is on only while its BMC says so. `{boot}` is
    /// the device it boots from (`Hdd`, `Pxe`, `Cd`, `UefiHttp`, …), `{image}` the inserted medium
    /// or HTTP boot address or nothing, `{state}` the BMC's state file, `{machine}` the machine.
    pub power: Vec<String>,
    /// Prints `on` or `off`; a second word, where there is one, names the boot (a process id, a
    /// start time): when it changes, the machine has booted by itself.
    pub state: Vec<String>,
    pub timeout_seconds: u64,
}

impl Default for Hook {
    fn default() -> Self {
        Self {
            power: Vec::new(),
            state: Vec::new(),
            timeout_seconds: 60,
        }
    }
}

/// What stands for the placeholders.
#[derive(Debug, Clone, Default)]
pub struct HookValues<'a> {
    pub machine: &'a str,
    pub action: &'a str,
    pub boot: &'a str,
    pub image: &'a str,
    pub state: &'a str,
}

/// What the machine itself says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lamp {
    On { boot: Option<String> },
    Off,
}

const PLACEHOLDERS: [&str; 5] = ["{machine}", "{action}", "{boot}", "{image}", "{state}"];

impl Hook {
    /// The problem, if a word holds a placeholder that does not exist.
    pub fn check(&self) -> Result<(), String> {
        for word in self.power.iter().chain(&self.state) {
            let mut rest = word.clone();
            for placeholder in PLACEHOLDERS {
                rest = rest.replace(placeholder, "");
            }
            if let Some(start) = rest.find('{') {
                let end = rest[start..]
                    .find('}')
                    .map_or(rest.len(), |length| start + length + 1);
                return Err(format!("unknown placeholder {}", &rest[start..end]));
            }
        }
        Ok(())
    }

    /// Presses the button. An error is a sentence for the BMC's log.
    pub async fn press(&self, values: &HookValues<'_>) -> Result<(), String> {
        if self.power.is_empty() {
            return Ok(());
        }
        self.run(&self.power, values).await.map(drop)
    }

    /// Looks at the lamp; `None` where there is no state hook.
    pub async fn look(&self, values: &HookValues<'_>) -> Result<Option<Lamp>, String> {
        if self.state.is_empty() {
            return Ok(None);
        }
        let output = self.run(&self.state, values).await?;
        parse_lamp(&output).map(Some)
    }

    async fn run(&self, template: &[String], values: &HookValues<'_>) -> Result<String, String> {
        let words: Vec<String> = template.iter().map(|word| fill(word, values)).collect();
        let child = tokio::process::Command::new(&words[0])
            .args(&words[1..])
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        let output = tokio::time::timeout(Duration::from_secs(self.timeout_seconds), child)
            .await
            .map_err(|_| format!("{} did not end within {} s", words[0], self.timeout_seconds))?
            .map_err(|error| format!("{} could not be run: {error}", words[0]))?;
        if !output.status.success() {
            let complaint = String::from_utf8_lossy(&output.stderr);
            return Err(format!(
                "{} ended with {}: {}",
                words.join(" "),
                output.status,
                complaint.trim()
            ));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

fn fill(word: &str, values: &HookValues<'_>) -> String {
    let texts = [
        values.machine,
        values.action,
        values.boot,
        values.image,
        values.state,
    ];
    PLACEHOLDERS
        .iter()
        .zip(texts)
        .fold(word.to_owned(), |word, (placeholder, text)| {
            word.replace(placeholder, text)
        })
}

fn parse_lamp(output: &str) -> Result<Lamp, String> {
    let mut words = output.split_whitespace();
    match words.next() {
        Some("on") => Ok(Lamp::On {
            boot: words.next().map(str::to_owned),
        }),
        Some("off") => Ok(Lamp::Off),
        _ => Err(format!(
            "the state hook printed '{}', neither 'on' nor 'off'",
            output.trim()
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn fills_placeholders_and_reads_the_lamp() {
        let hook = Hook {
            power: Vec::new(),
            state: vec!["/bin/echo".into(), "on".into(), "{machine}-{boot}".into()],
            timeout_seconds: 5,
        };
        let values = HookValues {
            machine: "w01",
            boot: "Pxe",
            ..HookValues::default()
        };
        assert_eq!(
            hook.look(&values).await,
            Ok(Some(Lamp::On {
                boot: Some("w01-Pxe".into())
            }))
        );
    }

    #[tokio::test]
    async fn tells_why_a_hook_failed() {
        let hook = Hook {
            power: vec!["/bin/false".into()],
            ..Hook::default()
        };
        let error = hook
            .press(&HookValues::default())
            .await
            .expect_err("it fails");
        assert!(
            error.contains("/bin/false ended with exit status: 1"),
            "{error}"
        );
        assert_eq!(
            parse_lamp("maybe\n"),
            Err("the state hook printed 'maybe', neither 'on' nor 'off'".into())
        );
    }
}
