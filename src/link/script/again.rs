//! Calls of the Kubernetes API that are made again when only the way to it failed: the endpoint's
//! address moves for some seconds when a control plane goes, and etcd elects a leader. Every act
//! can use the function, as the manifests' do; it is not part of their text, which people read
//! when an act has failed.

/// A shell function `again COMMAND…`: the command with the same standard input, which has to be a
/// file, until it succeeds, is refused for a reason of its own, or two minutes are over.
pub(super) const AGAIN: &str = r#"again() {
end=$(($(date +%s) + ${AGAIN_SECONDS:-120}))
while :; do
status=0
said=$("$@" 2>&1 </proc/self/fd/0) || status=$?
if [ "$status" = 0 ]; then printf '%s\n' "$said"; return 0; fi
case $said in
*'connection refused'*|*'was refused'*|*'i/o timeout'*|*'no route to host'*|*'connection reset'*|*': EOF'*|*'unexpected EOF'*|*'TLS handshake timeout'*|*'client connection lost'*|*'leader changed'*|*'etcdserver: request timed out'*|*'etcdserver: no leader'*|*'unable to handle the request'*|*'Unable to connect to the server'*) ;;
*) printf '%s\n' "$said" >&2; return "$status";;
esac
if [ "$(date +%s)" -ge "$end" ]; then printf '%s\n' "$said" >&2; return "$status"; fi
sleep 2
done
}
"#;

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::process::{Command, Stdio};

    use super::*;

    /// Status, output and how often a command was made, that says something until its third time.
    fn made(says: &str, seconds: u64) -> (i32, String, usize) {
        let folder = tempfile::tempdir().expect("made");
        let mut input = tempfile::tempfile().expect("made");
        input.write_all(b"manifest").expect("written");
        std::io::Seek::rewind(&mut input).expect("rewound");
        let script = format!(
            "AGAIN_SECONDS={seconds}\nsleep() {{ :; }}\n{AGAIN}\
             call() {{ echo >>{log}; input=$(cat); [ \"$(wc -l <{log})\" -ge 3 ] && {{ echo \"took $input\"; return 0; }}; echo '{says}' >&2; return 7; }}\n\
             set -e; again call",
            log = folder.path().join("log").display(),
        );
        let output = Command::new("sh")
            .args(["-c", &script])
            .stdin(Stdio::from(input))
            .output()
            .expect("sh starts");
        let log = std::fs::read_to_string(folder.path().join("log")).unwrap_or_default();
        (
            output.status.code().expect("ends"),
            String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned(),
            log.lines().count(),
        )
    }

    #[test]
    fn goes_again_over_a_way_that_failed_and_over_nothing_else() {
        let moving = "dial tcp 10.77.0.10:6443: connect: no route to host";
        assert_eq!(made(moving, 60), (0, "took manifest\n".to_owned(), 3));
        let wrong = "error: unknown field spec.foo";
        assert_eq!(made(wrong, 60), (7, format!("{wrong}\n"), 1));
        assert_eq!(made(moving, 0), (7, format!("{moving}\n"), 1));
    }
}
