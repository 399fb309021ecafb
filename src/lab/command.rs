//! Programs of the box that the lab runs, with what they complained about kept whole.

use std::process::Stdio;

use tokio::process::Command;

use super::LabError;

/// Runs a program to its end and returns what it printed. `doing` completes '… failed'.
pub(super) async fn run(doing: &str, words: &[&str]) -> Result<String, LabError> {
    let output = Command::new(words[0])
        .args(&words[1..])
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .map_err(|source| LabError::Start {
            program: words[0].to_owned(),
            source,
        })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(LabError::Command {
        doing: doing.to_owned(),
        program: words[0].to_owned(),
        status: output.status.to_string(),
        complaint: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
    })
}

/// Whether a program that answers by its exit code says yes.
pub(super) async fn holds(words: &[&str]) -> bool {
    run("", words).await.is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_failed_program_says_what_it_complained_about() {
        let error = run("seeding", &["sh", "-c", "echo no room >&2; exit 4"])
            .await
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "seeding failed: sh ended with exit status: 4: no room"
        );
        let error = run("x", &["/no/such/program"]).await.unwrap_err();
        assert_eq!(error.to_string(), "/no/such/program could not be run");
    }
}
