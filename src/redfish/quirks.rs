//! What single vendors do otherwise than the standard says, each with where it was seen. The
//! code elsewhere is written for the standard and asks here.

use serde_json::Value;

use super::document::{Document, text, truth};
use super::error::Error;
use super::message::Message;
use crate::model::bmc::MediaDevice;

/// An entry of `Members` that holds more than its link is taken for the member itself only with
/// all three properties that the standard demands of a resource: AMI leaves properties out of
/// expanded members (nv-redfish), others add single ones beside the link.
pub(super) fn expanded_member_is_whole(entry: &Value) -> bool {
    ["@odata.id", "@odata.type", "Id", "Name"]
        .iter()
        .all(|key| text(entry, key).is_some())
}

/// Whether the service root offers `$expand` of members, and is believed: AMI leaves properties
/// out of expanded members (nv-redfish), also where the tray's vendor is another (`Oem.Ami`).
pub(super) fn expands_truly(root: &Document) -> bool {
    let offers = root
        .at("/ProtocolFeaturesSupported/ExpandQuery")
        .is_some_and(|expand| {
            ["NoLinks", "ExpandAll"]
                .iter()
                .any(|key| truth(expand, key) == Some(true))
                && truth(expand, "Levels") != Some(false)
        });
    offers && !is_ami(root)
}

fn is_ami(root: &Document) -> bool {
    root.text("Vendor")
        .is_some_and(|vendor| vendor.starts_with("AMI"))
        || root
            .at("/Oem")
            .and_then(Value::as_object)
            .is_some_and(|oem| oem.keys().any(|key| key.eq_ignore_ascii_case("ami")))
}

/// The ETags to try for a write, in order. A document's own comes first; AMI refuses its own and
/// takes only `*` (nv-redfish, libredfish); HPE refuses `*` with 412 (nv-redfish); some know no
/// `If-Match` at all.
pub(super) fn etags(document: &Document) -> Vec<Option<String>> {
    match &document.etag {
        Some(etag) => vec![Some(etag.clone()), Some("*".into()), None],
        None => vec![None, Some("*".into())],
    }
}

/// Whether a refusal may be about the ETag: precondition failed or required.
pub(super) fn etag_refused(error: &Error) -> bool {
    matches!(
        error,
        Error::Refused {
            status: 412 | 428,
            ..
        }
    )
}

/// The state of HPE's power-on self-test, where neither `BootProgress` nor `LastResetTime` is
/// told (seen in the captured iLO 5 tree): `PowerOff`, `InPost`, `InPostDiscoveryComplete`,
/// `FinishedPost`.
pub(super) fn post_state(system: &Document) -> Option<String> {
    system
        .at("/Oem/Hpe")
        .or_else(|| system.at("/Oem/Hp"))
        .and_then(|oem| text(oem, "PostState"))
}

/// iDRAC links its job queue from the settings resource (seen in the captured tree); jobs for
/// BIOS settings are created there where the firmware knows no apply time (badfish, libredfish).
pub(super) fn job_queue(settings: &Document) -> Option<String> {
    settings
        .at("/Oem/Dell/Jobs")
        .and_then(super::document::link)
}

/// iDRAC's job queue as its manager links it (seen in the captured tree).
pub(super) fn manager_jobs(manager: &Document) -> Option<String> {
    manager
        .at("/Links/Oem/Dell/Jobs")
        .and_then(super::document::link)
}

/// iDRAC's service that empties the whole job queue (badfish, ironic, libredfish).
pub(super) fn job_service(manager: &Document) -> Option<String> {
    manager
        .at("/Links/Oem/Dell/DellJobService")
        .and_then(super::document::link)
}

/// HPE keeps time servers in a resource of its own, and none with the network protocols (seen in
/// the captured iLO 5 tree).
pub(super) fn clock_service(manager: &Document) -> Option<String> {
    [
        "/Oem/Hpe/Links/DateTimeService",
        "/Oem/Hp/Links/DateTimeService",
    ]
    .iter()
    .find_map(|place| manager.at(place).and_then(super::document::link))
}

/// Time servers as HPE's resource takes them: always two places.
pub(super) fn clock_servers(servers: &[String]) -> Value {
    let place = |index: usize| servers.get(index).cloned().unwrap_or_default();
    serde_json::json!({"StaticNTPServers": [place(0), place(1)]})
}

/// What stands in a list of time servers where there is none: HPE and iDRAC list empty places.
pub(super) fn is_no_server(server: &str) -> bool {
    server.is_empty() || matches!(server, "0.0.0.0" | "::")
}

/// What iDRAC's `DeleteJobQueue` takes for all jobs, mild and by force (badfish).
pub(super) const ALL_JOBS: [&str; 2] = ["JID_CLEARALL", "JID_CLEARALL_FORCE"];

/// iDRAC's way to empty the pending area of BIOS settings (seen in the captured tree).
pub(super) fn clear_pending(settings: &Document) -> Option<String> {
    let actions = settings.at("/Actions/Oem")?.as_object()?;
    actions
        .iter()
        .find(|(key, _)| key.ends_with("DellManager.ClearPending"))
        .and_then(|(_, action)| text(action, "target"))
}

/// A refused reset that only says that the server already is, or is about to be, in the state
/// that is asked for: iDRAC answers 409 (libredfish), and iDRAC10 so just after a power-off
/// (ironic). The state itself is what counts, so it is looked at.
pub(super) fn reset_refused_for_state(error: &Error) -> bool {
    matches!(error, Error::Refused { status: 409, .. })
}

/// Placeholders for 'never' or 'unknown' that iDRAC gives as a time (nv-redfish).
pub(super) fn is_no_time(time: &str) -> bool {
    time.starts_with("0000-") || time.starts_with("00:00:00")
}

/// Supermicro's older way to virtual media: a resource with `Host` and `Path` and the actions
/// `IsoConfig.Mount` and `IsoConfig.UnMount`, linked from the collection's OEM part (badfish).
pub(super) fn iso_config(collection: &Document) -> Option<String> {
    collection
        .at("/Oem/Supermicro/VirtualMediaConfig")
        .and_then(super::document::link)
}

/// Of Lenovo's ten devices `EXT1` to `EXT4` take an address; `Remote` and `RDOC` belong to its
/// remote console and its own storage (seen in a captured tree).
pub(super) fn media_rank(device: &MediaDevice) -> u8 {
    let name = device.name.to_ascii_uppercase();
    u8::from(name.starts_with("RDOC") || name.starts_with("REMOTE"))
}

/// Whether a refused insert says that the BMC cannot get the image, so that another form of the
/// request is no help: identifiers of the Base registry, and iDRAC's `RAC0720`, which says that
/// it cannot locate the file.
pub(super) fn image_unreachable(messages: &[Message]) -> bool {
    messages.iter().any(|message| {
        [
            "ResourceAtUriUnauthorized",
            "ResourceAtUriInUnknownFormat",
            "CouldNotEstablishConnection",
            "ResourceMissingAtURI",
            "SourceDoesNotSupportProtocol",
            "AccessDenied",
            "RAC0720",
        ]
        .contains(&message.short())
    })
}

/// Messages of work that has ended and takes effect only with the server's next boot: of the Base
/// registry and of HPE (nv-redfish).
pub(super) fn wants_boot(messages: &[Message]) -> bool {
    messages.iter().any(|message| {
        ["SystemResetRequired", "ResetRequired", "RebootRequired"].contains(&message.short())
    })
}

/// iDRAC lists firmware that it could go back to, or that waits in its store, beside what runs
/// (seen in the captured tree).
pub(super) fn is_kept_firmware(id: &str) -> bool {
    id.starts_with("Previous-") || id.starts_with("Available-")
}

/// AMI serves its address for multipart images and does not tell it (nv-redfish).
pub(super) fn untold_multipart(root: &Document, service: &Document) -> Option<String> {
    is_ami(root).then(|| format!("{}/upload", service.path))
}

/// HPE's place for images takes a form of its own: the session's key as a cookie and a field,
/// where the image goes, and the file (ilorest).
pub(super) fn is_upload_form(path: &str) -> bool {
    path.to_ascii_lowercase().starts_with("/cgi-bin/")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_a_whole_member_counts_as_expanded() {
        let link = json!({"@odata.id": "/x"});
        let part = json!({"@odata.id": "/x", "Name": "x"});
        let whole = json!({"@odata.id": "/x", "@odata.type": "#X", "Id": "x", "Name": "x"});
        assert!(!expanded_member_is_whole(&link));
        assert!(!expanded_member_is_whole(&part));
        assert!(expanded_member_is_whole(&whole));
    }
}
