//! The lab's own network: a bridge on the box, and nothing beyond it.

use std::fs;
use std::path::Path;

use super::base::text;
use super::command::{holds, run};
use super::{LabError, LabSpec};

/// Makes the bridge, or finds the one that belongs to the lab.
pub(super) async fn make(spec: &LabSpec) -> Result<(), LabError> {
    let bridge = spec.bridge();
    let owner = text(&spec.state_dir);
    match owner_of(&bridge) {
        Some(found) if found == owner => return Ok(()),
        Some(_) => {
            return Err(LabError::BridgeTaken {
                bridge,
                state_dir: spec.state_dir.clone(),
            });
        }
        None => {}
    }
    let doing = "making the lab's network";
    let address = format!("{}/{}", spec.subnet.router(), spec.subnet.prefix());
    let address_6 = format!("{}/64", spec.subnet.beside(spec.subnet.router()));
    run(doing, &["ip", "link", "add", &bridge, "type", "bridge"]).await?;
    let rest: [&[&str]; 4] = [
        // The alias says whose it is.
        &["ip", "link", "set", &bridge, "alias", &owner],
        &["ip", "address", "add", &address, "dev", &bridge],
        // Without duplicate address detection, which waits for a carrier.
        &["ip", "address", "add", &address_6, "dev", &bridge, "nodad"],
        &["ip", "link", "set", &bridge, "up"],
    ];
    for words in rest {
        run(doing, words).await?;
    }
    if firewall_drops().await {
        run(doing, &rule("--insert", &bridge)).await?;
    }
    Ok(())
}

/// Removes the bridge if it belongs to the lab.
pub(super) async fn remove(spec: &LabSpec) -> Result<(), LabError> {
    let bridge = spec.bridge();
    if owner_of(&bridge).as_deref() != Some(text(&spec.state_dir).as_str()) {
        return Ok(());
    }
    let doing = "removing the lab's network";
    if holds(&rule("--check", &bridge)).await {
        run(doing, &rule("--delete", &bridge)).await?;
    }
    run(doing, &["ip", "link", "delete", &bridge]).await?;
    Ok(())
}

/// The alias of an interface, empty where it has none; `None` where there is no such interface.
fn owner_of(bridge: &str) -> Option<String> {
    let path = Path::new("/sys/class/net").join(bridge);
    path.exists().then(|| {
        let alias = fs::read_to_string(path.join("ifalias")).unwrap_or_default();
        alias.trim().to_owned()
    })
}

/// Where Docker is at home, the firewall drops what it forwards, and with br_netfilter also what a
/// bridge passes on.
async fn firewall_drops() -> bool {
    let bridged = fs::read_to_string("/proc/sys/net/bridge/bridge-nf-call-iptables")
        .is_ok_and(|text| text.trim() == "1");
    bridged
        && run("", &["iptables", "--wait", "--list-rules", "FORWARD"])
            .await
            .is_ok_and(|rules| rules.lines().any(|line| line == "-P FORWARD DROP"))
}

fn rule<'a>(action: &'a str, bridge: &'a str) -> [&'a str; 10] {
    [
        "iptables",
        "--wait",
        action,
        "FORWARD",
        "--in-interface",
        bridge,
        "--out-interface",
        bridge,
        "--jump",
        "ACCEPT",
    ]
}
