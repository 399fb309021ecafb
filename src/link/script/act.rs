//! Acts as shell text.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::{Around, CompileError, STATUS_ACT_FAILED, Section, Writer};
use crate::link::Payload as Bytes;
use crate::model::shell::quote;
use crate::model::{Action, Payload, Text, Vault};

/// Below this size compressing costs more than it saves.
const WORTH_COMPRESSING: usize = 4096;

/// One act. A failed act ends the script: what follows would rest on it.
pub(super) fn write(
    writer: &mut Writer,
    index: usize,
    action: &Action,
    around: &Around<'_>,
) -> Result<(), CompileError> {
    let body = match action {
        Action::Run(script) => {
            let script = reveal(around.vault, script)?;
            format!("( set -e\neval {} ) </dev/null", quote(&script))
        }
        Action::Feed { script, payload } => {
            let script = reveal(around.vault, script)?;
            let source = feed(writer, payload, around)?;
            let script = quote(&script);
            match source.plain_size {
                // A text is taken whole first: half a manifest, cut off with the connection,
                // must never be acted on.
                Some(size) => format!(
                    "( set -e; umask 077; mkdir -p /run/ra-deploy\n\
                     payload=/run/ra-deploy/payload.$$\n\
                     trap 'rm -f -- \"$payload\"' EXIT\n\
                     {take} >\"$payload\"\n\
                     [ \"$(stat -c %s -- \"$payload\")\" = {size} ]\n\
                     umask 022\n\
                     eval {script} <\"$payload\" )",
                    take = source.take,
                ),
                // Archives and images tell by themselves when they are cut off. Whatever the
                // script leaves unread is drained, so that the next payload begins where it
                // should.
                None => format!(
                    "{take} | {{ ( set -e\neval {script} ); status=$?; cat >/dev/null; (exit $status); }}",
                    take = source.take,
                ),
            }
        }
        Action::Write {
            path,
            content,
            mode,
            owner,
            group,
        } => {
            let source = feed(writer, content, around)?;
            let path = quote(path);
            let size = source.size;
            let take = source.take;
            // The folder of the file itself, so that the rename cannot cross file systems.
            format!(
                "( path={path}; dir=${{path%/*}}; [ -n \"$dir\" ] || dir=/\n\
                 [ -d \"$dir\" ] || mkdir -p -- \"$dir\"\n\
                 beside=$dir/.${{path##*/}}.ra-deploy.$$\n\
                 trap 'rm -f -- \"$beside\"' EXIT\n\
                 umask 077\n\
                 set -e\n\
                 {take} >\"$beside\"\n\
                 [ \"$(stat -c %s -- \"$beside\")\" = {size} ] || {{ echo 'the content did not arrive whole' >&2; exit 1; }}\n\
                 chown {owner}:{group} -- \"$beside\"\n\
                 chmod {mode:04o} -- \"$beside\"\n\
                 mv -f -T -- \"$beside\" \"$path\"\n\
                 trap - EXIT )",
                owner = quote(owner),
                group = quote(group),
            )
        }
        // These go another way: through the BMC, or through the engine that waits for the boot.
        Action::Bmc(_) | Action::Reboot => return Ok(()),
    };
    writer.section(
        Section::Act {
            index,
            shown: shown(action),
        },
        &body,
    );
    // `frame $?` has printed the status of the act; `$?` is now that of printing.
    writer.text.truncate(writer.text.len() - "frame $?\n".len());
    writer.text.push_str(&format!(
        "status=$?; frame $status; [ $status = 0 ] || exit {STATUS_ACT_FAILED}\n"
    ));
    Ok(())
}

/// The act as people read it, secrets as their names.
fn shown(action: &Action) -> String {
    match action {
        Action::Run(script) => script.to_string(),
        Action::Feed { script, .. } => script.to_string(),
        Action::Write { path, .. } => format!("write {path}"),
        Action::Bmc(act) => format!("{act:?}"),
        Action::Reboot => "reboot".to_owned(),
    }
}

fn reveal(vault: &Vault, text: &Text) -> Result<String, CompileError> {
    vault.reveal(text).map_err(CompileError::Missing)
}

/// How a script takes a payload from its standard input.
struct Source {
    take: String,
    /// Bytes that `take` yields when all of it arrived.
    size: u64,
    /// The same, for a payload that is text.
    plain_size: Option<u64>,
}

/// Queues the payload's bytes behind the script.
fn feed(
    writer: &mut Writer,
    payload: &Payload,
    around: &Around<'_>,
) -> Result<Source, CompileError> {
    let path = match payload {
        Payload::Text(text) => {
            let plain = reveal(around.vault, text)?.into_bytes();
            let size = plain.len() as u64;
            let (bytes, unpack) = if plain.len() < WORTH_COMPRESSING {
                (plain, "")
            } else {
                (compress(&plain), " | gzip -dc")
            };
            let take = format!("head -c {}{unpack}", bytes.len());
            writer.payloads.push(Bytes::Bytes(bytes));
            return Ok(Source {
                take,
                size,
                plain_size: Some(size),
            });
        }
        Payload::Artifact { artifact, file } => {
            (around.find)(artifact, file.as_deref()).map_err(CompileError::Payload)?
        }
        Payload::Local(path) => path.clone(),
    };
    let size = std::fs::metadata(&path)
        .map_err(|error| {
            CompileError::Payload(format!("{} cannot be read: {error}", path.display()))
        })?
        .len();
    writer.payloads.push(Bytes::File { path, size });
    Ok(Source {
        take: format!("head -c {size}"),
        size,
        plain_size: None,
    })
}

fn compress(plain: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    // Writing to memory cannot fail.
    let _ = encoder.write_all(plain);
    encoder.finish().unwrap_or_default()
}
