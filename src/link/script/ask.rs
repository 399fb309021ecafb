//! Questions as shell text, batched by kind.

use super::{STAMPS, Section, Writer, pod};
use crate::model::Query;
use crate::model::shell::quote;

/// Writes one section for each kind of question that occurs.
pub(super) fn write(writer: &mut Writer, queries: &[Query]) {
    let mut files = Vec::new();
    let mut digests = Vec::new();
    let mut contents = Vec::new();
    let mut units = Vec::new();
    let mut packages = Vec::new();
    let mut archives = Vec::new();
    let mut images = false;
    let mut runs = Vec::new();
    let mut paths = Vec::new();
    let mut pods = Vec::new();
    for query in queries {
        match query {
            Query::File(path) => files.push(path.clone()),
            Query::Digest(path) => digests.push(path.clone()),
            Query::Content(path) => contents.push(path.clone()),
            Query::Unit(name) => units.push(name.clone()),
            Query::Package(name) => packages.push(name.clone()),
            Query::Archive(name) => archives.push(name.clone()),
            Query::Images => images = true,
            Query::Run(script) => runs.push(script.clone()),
            Query::Kube(path) => paths.push(path.clone()),
            Query::Pod(query) => pods.push(query.clone()),
            // Put to the BMC, not to the host.
            Query::Bmc(_) => {}
        }
    }
    // A content needs its file's size to tell an empty file from none, and whether its last line
    // ends with a line feed.
    files.extend(contents.iter().cloned());
    files.sort();
    files.dedup();
    if !files.is_empty() {
        let body = format!(
            "stat --printf='%f %a %U %G %s %.9Y %n\\0%N\\0' -- {}",
            words(&files)
        );
        writer.section(Section::Files(files), &body);
    }
    if !digests.is_empty() {
        let body = format!("sha256sum -z -- {}", words(&digests));
        writer.section(Section::Digests(digests), &body);
    }
    if !contents.is_empty() {
        // `grep` reads any number of files in one process and prefixes each line with its file.
        let body = format!(
            "grep -s -a -H -Z -d skip -D skip -e '' -- {}",
            words(&contents)
        );
        writer.section(Section::Contents(contents), &body);
    }
    if !units.is_empty() {
        writer.section(
            Section::Clock,
            "read -r up rest </proc/uptime; echo \"$up $(date +%s.%N)\"",
        );
        let body = format!(
            "systemctl show -p LoadState,ActiveState,SubState,UnitFileState,NeedDaemonReload,\
             ExecMainStartTimestampMonotonic,ActiveEnterTimestampMonotonic,StateChangeTimestampMonotonic -- {}",
            words(&units)
        );
        writer.section(Section::Units(units), &body);
    }
    if !packages.is_empty() {
        let names = words(&packages);
        let body = format!(
            "if command -v dpkg-query >/dev/null; then\n\
             dpkg-query -W -f '${{Package}}\\t${{Version}}\\t${{db:Status-Abbrev}}\\n' -- {names}\n\
             elif command -v rpm >/dev/null; then\n\
             rpm -q --qf '%{{NAME}}\\t%{{VERSION}}-%{{RELEASE}}\\tii\\n' -- {names}\n\
             else echo 'neither dpkg-query nor rpm is here' >&2; (exit 127); fi"
        );
        writer.section(Section::Packages(packages), &body);
    }
    if !archives.is_empty() {
        let stamps: Vec<String> = archives
            .iter()
            .map(|name| format!("{STAMPS}/{name}"))
            .collect();
        let stamps = words(&stamps);
        writer.section(
            Section::Stamps(archives),
            &format!("grep -s -a -H -Z -e '' -- {stamps}"),
        );
        writer.section(
            Section::StampedFiles,
            &format!(
                "cat -- {stamps} 2>/dev/null | sed -n 's/^[0-9][0-9]* [0-9][0-9]* \\//\\//p' | xargs -r -d '\\n' stat --printf='%s %Y %n\\0' --"
            ),
        );
    }
    if images {
        writer.section(
            Section::Images,
            "if command -v ctr >/dev/null; then ctr -n k8s.io images ls; fi",
        );
    }
    for script in runs {
        // In a subshell of its own and through `eval`, so that neither `exit` nor a syntax error
        // reaches the other questions.
        let body = format!("( eval {} ) </dev/null", quote(&script));
        writer.section(Section::Run(script), &body);
    }
    if !paths.is_empty() {
        let body = kube(&paths, &writer.frames.inner());
        writer.section(Section::Kube(paths), &body);
    }
    if !pods.is_empty() {
        let body = pod::script(&pods, &writer.frames.inner());
        writer.section(Section::Pods(pods), &body);
    }
}

fn words(names: &[String]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| quote(name)).collect();
    quoted.join(" ")
}

/// All API paths in one process: `curl` with the administrator's certificate, or one `kubectl`
/// each where there is no curl. The key is in memory, for root only, while that lasts. The host's
/// own API server is asked, also while the endpoint's address moves.
fn kube(paths: &[String], inner: &str) -> String {
    let kubectl: String = paths
        .iter()
        .map(|path| {
            format!(
                "if out=$(kubectl --kubeconfig \"$conf\" get --raw {path} 2>&1); then code=200; else case \"$out\" in \
                 *NotFound*|*'could not find'*) code=404;; *Forbidden*) code=403;; *) code=0;; esac; fi\n\
                 printf '%s\\n{inner} %s %s\\n' \"$out\" $code \"$out\"\n",
                path = quote(path),
            )
        })
        .collect();
    let urls: String = paths
        .iter()
        .map(|path| format!(" \"$server\"{}", quote(path)))
        .collect();
    format!(
        "conf=/etc/kubernetes/admin.conf\n\
         if ! [ -r $conf ]; then echo 'there is no Kubernetes API to ask on this host yet' >&2; (exit 3)\n\
         elif command -v curl >/dev/null; then\n\
         eval \"$(sed -n 's/^ *server: */server=/p; s/^ *certificate-authority-data: */authority=/p; s/^ *client-certificate-data: */certificate=/p; s/^ *client-key-data: */key=/p' $conf)\"\n\
         ( umask 077; mkdir -p /run/ra-deploy; pem=/run/ra-deploy/api.$$; trap 'rm -f $pem.*' EXIT\n\
         printf %s \"$authority\" | base64 -d >$pem.ca; printf %s \"$certificate\" | base64 -d >$pem.crt; printf %s \"$key\" | base64 -d >$pem.key\n\
         curl -sS -g --max-time 30 --connect-to ::127.0.0.1: --retry 5 --retry-connrefused --retry-delay 1 --cacert $pem.ca --cert $pem.crt --key $pem.key \
         -w '\\n{inner} %{{http_code}} %{{errormsg}}\\n'{urls} )\n\
         else\n{kubectl}fi"
    )
}
