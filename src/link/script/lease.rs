//! The lease of a run on a host, as shell text: two operators do not act on one host at once.
//!
//! One line, `RUN UNTIL PROCESS HOLDER`, in memory, so that a boot frees the host. A script that
//! acts takes it and renews it at its end; in between, the script's own process is the sign of
//! life, however long an act takes and whoever has gone away meanwhile. Between two scripts the
//! engine renews it, and a run that is dead is found out when `UNTIL` is past.

use super::{Lease, STATUS_TAKEN, Section, Writer};
use crate::link::wire::START_MARK;
use crate::model::shell::quote;

const LEASE: &str = "/run/ra-deploy/lease";

/// Not where the run has given the host back meanwhile.
const KEEP: &str = "lease_read 2>/dev/null\n[ \"$until\" = 0 ] || lease_write\n";

/// Takes or renews the lease, or stops the script and names the holder.
pub(super) fn take(writer: &mut Writer, lease: &Lease) {
    writer.section(Section::Lease, &taking(lease, LEASE));
}

fn taking(lease: &Lease, path: &str) -> String {
    let run = quote(&lease.run);
    let folder = path.rsplit_once('/').map_or(".", |(folder, _)| folder);
    format!(
        "{functions}\
         mkdir -p {folder}\n\
         ( set -C; lease_line >{path} ) 2>/dev/null || {{\n\
         lease_read\n\
         if [ \"$run\" != {run} ]; then\n\
         if lease_lives; then step=$process; else step=0; fi\n\
         if [ \"$step\" != 0 ] || [ \"${{until:-0}}\" -gt \"$(date +%s)\" ]; then\n\
         printf '%s\\n' \"$until $step $run $holder\"; frame {STATUS_TAKEN}; exit {STATUS_TAKEN}\n\
         fi\n\
         fi\n\
         lease_write\n\
         }}",
        functions = functions(lease, path),
    )
}

/// At the end of the acts: from here on the time counts, not the process.
pub(super) fn keep(writer: &mut Writer) {
    writer.text.push_str(KEEP);
}

/// The text that a run sends while a host of its waits.
pub(super) fn renew(lease: &Lease) -> String {
    format!(
        "{}lease_read 2>/dev/null\nif [ \"$run\" = {} ] && ! lease_lives; then lease_write; fi\n",
        functions(lease, LEASE),
        quote(&lease.run)
    )
}

/// The text that gives the lease back; to the end of a step that still goes on there, only that
/// step holds the host.
pub(super) fn release(lease: &Lease) -> String {
    releasing(lease, LEASE)
}

fn releasing(lease: &Lease, path: &str) -> String {
    format!(
        "{}lease_read 2>/dev/null\n\
         if [ \"$run\" = {} ]; then\n\
         if lease_lives; then\n\
         printf '%s\\n' \"$run 0 $process $holder\" >{path}.$$ && mv -f {path}.$$ {path}\n\
         else rm -f {path}; fi\n\
         fi\n",
        functions(lease, path),
        quote(&lease.run)
    )
}

/// A process counts only while its command line is that of one of our shells: numbers are used
/// again.
fn functions(lease: &Lease, path: &str) -> String {
    format!(
        "lease_line() {{ printf '%s\\n' {run}\" $(($(date +%s) + {seconds})) $$ \"{holder}; }}\n\
         lease_write() {{ lease_line >{path}.$$ && mv -f {path}.$$ {path}; }}\n\
         lease_read() {{ run=; read -r run until process holder <{path} || :; }}\n\
         lease_lives() {{ [ \"$process\" != $$ ] && grep -q {mark} \"/proc/$process/cmdline\" 2>/dev/null; }}\n",
        run = quote(&lease.run),
        holder = quote(&lease.holder),
        seconds = lease.seconds,
        mark = quote(START_MARK.trim_matches(':')),
    )
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command, Stdio};

    use super::*;

    fn lease(run: &str, seconds: u64) -> Lease {
        Lease {
            run: run.to_owned(),
            holder: format!("{run}@controller"),
            seconds,
        }
    }

    /// Status and output of a script that takes the lease.
    fn takes(run: &str, seconds: u64, path: &str) -> (i32, String) {
        let text = format!("frame() {{ :; }}\n{}", taking(&lease(run, seconds), path));
        let output = Command::new("sh")
            .args(["-c", &text])
            .output()
            .expect("sh starts");
        (
            output.status.code().expect("ends"),
            String::from_utf8_lossy(&output.stdout).into_owned(),
        )
    }

    /// A script like ours that holds the lease and has not ended.
    fn acting(run: &str, seconds: u64, path: &str) -> Child {
        let text = format!(
            ": ra-deploy-start\nframe() {{ :; }}\n{}\necho held; read -r end; {KEEP}",
            taking(&lease(run, seconds), path)
        );
        let mut child = Command::new("sh")
            .args(["-c", &text])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("sh starts");
        let mut said = [0; 5];
        std::io::Read::read_exact(child.stdout.as_mut().expect("piped"), &mut said)
            .expect("it says that it holds the lease");
        child
    }

    #[test]
    fn one_run_holds_a_host_until_its_time_is_over_or_it_gives_it_back() {
        let folder = tempfile::tempdir().expect("made");
        let path = folder.path().join("lease").display().to_string();
        assert_eq!(takes("first", 600, &path).0, 0);
        assert_eq!(takes("first", 600, &path).0, 0, "its own run renews it");
        let (status, said) = takes("second", 600, &path);
        assert_eq!(status, STATUS_TAKEN);
        assert!(said.trim().ends_with(" 0 first first@controller"), "{said}");
        let gives = |run| {
            let text = releasing(&lease(run, 600), &path);
            let status = Command::new("sh").args(["-c", &text]).status();
            assert!(status.expect("sh starts").success());
        };
        gives("second");
        assert_eq!(takes("second", 600, &path).0, STATUS_TAKEN);
        gives("first");
        assert_eq!(takes("second", 0, &path).0, 0);
        assert_eq!(takes("third", 0, &path).0, 0, "its time was over");
    }

    #[test]
    fn a_step_that_still_runs_holds_the_host_beyond_the_time() {
        let folder = tempfile::tempdir().expect("made");
        let path = folder.path().join("lease").display().to_string();
        let mut first = acting("first", 600, &path);
        // Its operator hangs up while the step goes on.
        let text = releasing(&lease("first", 600), &path);
        let status = Command::new("sh").args(["-c", &text]).status();
        assert!(status.expect("sh starts").success());
        let (status, said) = takes("second", 600, &path);
        assert_eq!(status, STATUS_TAKEN);
        assert!(
            said.contains(&format!("0 {} first first@", first.id())),
            "{said}"
        );
        drop(first.stdin.take());
        first.wait().expect("ends");
        assert_eq!(takes("second", 600, &path).0, 0);
    }
}
