//! `ra-deploy bios snapshot|diff|restore`, the real program against all profiles at once.

use std::path::Path;
use std::process::{Command, Output};

use ra_deploy::lab::bmc::Profile;
use ra_deploy::model::Trust;
use serde_json::{Value, json};

use super::emulator::{Emulated, start};

/// The attribute that stands for SR-IOV in each profile, with both of its values.
const SRIOV: [(Profile, &str, [&str; 2]); 7] = [
    (Profile::Generic, "Sriov", ["Disabled", "Enabled"]),
    (Profile::Idrac, "SriovGlobalEnable", ["Disabled", "Enabled"]),
    (Profile::Ilo, "Sriov", ["Disabled", "Enabled"]),
    (
        Profile::Xcc,
        "DevicesandIOPorts_SRIOV",
        ["Disabled", "Enabled"],
    ),
    (
        Profile::Supermicro,
        "SR_IOVSupport_002B",
        ["Disabled", "Enabled"],
    ),
    (Profile::Ami, "PCIS007", ["Disabled", "Enabled"]),
    (
        Profile::Openbmc,
        "PCIS007",
        ["PCIS007Disabled", "PCIS007Enabled"],
    ),
];

fn run(folder: &Path, words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ra-deploy"))
        .current_dir(folder)
        .args(words)
        .stdin(std::process::Stdio::null())
        .output()
        .expect("it runs")
}

/// What it printed, once it ended as expected.
fn told(folder: &Path, words: &[&str], code: i32) -> String {
    let output = run(folder, words);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{words:?}\n{out}\n{err}");
    format!("{out}{err}")
}

async fn site(folder: &Path) -> Vec<Emulated> {
    let mut emulated = Vec::new();
    let mut hosts = serde_json::Map::new();
    for (profile, ..) in SRIOV {
        let one = start(profile, &[]).await;
        let Trust::Pin(pin) = &one.endpoint.trust else {
            panic!("a pin")
        };
        let bmc = json!({"address": one.endpoint.url, "pin": pin});
        hosts.insert(profile.name().to_owned(), json!({ "bmc": bmc }));
        emulated.push(one);
    }
    let inventory = json!({
        "defaults": {"bmc": {"user": "admin", "password": {"file": "password.txt"}}},
        "hosts": hosts,
    });
    std::fs::write(folder.join("site.yaml"), inventory.to_string()).unwrap();
    std::fs::write(folder.join("password.txt"), "password\n").unwrap();
    emulated
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_written_down_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let _emulated = site(folder).await;
    let said = told(
        folder,
        &["bios", "snapshot", "site.yaml", "--out", "a.json"],
        0,
    );
    assert!(said.contains("a.json: 7 servers"), "{said}");
    let first: Value =
        serde_json::from_slice(&std::fs::read(folder.join("a.json")).unwrap()).unwrap();
    assert_eq!(first["hosts"]["idrac"]["bios-version"], "1.8.2");

    // Another value for the same wish everywhere, and one that cannot be written.
    let mut other = first.clone();
    for (profile, name, values) in SRIOV {
        let host = &mut other["hosts"][profile.name()];
        let value = &mut host["attributes"][name];
        let now = value.as_str().expect(name).to_owned();
        *value = json!(if now == values[0] {
            values[1]
        } else {
            values[0]
        });
    }
    other["hosts"]["idrac"]["attributes"]["TpmInfo"] = json!("Type: 1.2");
    other["hosts"]["ami"]["attributes"]["GoneWithAnUpdate"] = json!("Enabled");
    std::fs::write(folder.join("b.json"), other.to_string()).unwrap();
    let said = told(
        folder,
        &["bios", "diff", "a.json", "b.json", "--detailed-exitcode"],
        2,
    );
    assert!(said.contains("SriovGlobalEnable"), "{said}");

    let said = told(
        folder,
        &["bios", "restore", "b.json", "site.yaml", "all"],
        64,
    );
    assert!(said.contains("say --yes"), "{said}");
    let said = told(
        folder,
        &["bios", "restore", "b.json", "site.yaml", "all", "--yes"],
        0,
    );
    assert!(
        said.contains("next boot: run this again with --reboot"),
        "{said}"
    );
    assert!(said.contains("left as they are: TpmInfo"), "{said}");
    assert!(
        said.contains("left as they are: GoneWithAnUpdate"),
        "{said}"
    );
    // Staged, and nothing is in force yet.
    let said = told(folder, &["bios", "diff", "a.json", "site.yaml"], 0);
    assert!(said.contains("nothing differs"), "{said}");
    told(
        folder,
        &[
            "bios",
            "restore",
            "b.json",
            "site.yaml",
            "all",
            "--yes",
            "--reboot",
        ],
        0,
    );
    let said = told(
        folder,
        &["bios", "diff", "site.yaml", "b.json", "--output", "json"],
        0,
    );
    let found: Value = serde_json::from_str(said.split("\n[").next().unwrap()).expect(&said);
    let left: Vec<&Value> = found["differences"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| &row["attribute"])
        .collect();
    assert_eq!(left, ["GoneWithAnUpdate", "TpmInfo"]);
    // And back again, with nothing to do the second time.
    let back = [
        "bios",
        "restore",
        "a.json",
        "site.yaml",
        "all",
        "--yes",
        "--reboot",
    ];
    told(folder, &back, 0);
    let said = told(folder, &back, 0);
    assert!(said.contains("nothing to do"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_files_and_wrong_servers_change_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let _emulated = site(folder).await;
    told(
        folder,
        &[
            "bios",
            "snapshot",
            "site.yaml",
            "--out",
            "a.yaml",
            "--limit",
            "idrac,ilo",
        ],
        0,
    );
    let said = told(
        folder,
        &["bios", "restore", "a.yaml", "site.yaml", "xcc", "--yes"],
        64,
    );
    assert!(said.contains("a.yaml holds nothing of xcc"), "{said}");
    let text = std::fs::read_to_string(folder.join("a.yaml")).unwrap();
    std::fs::write(
        folder.join("b.yaml"),
        text.replace("PowerEdge R750", "PowerEdge R650"),
    )
    .unwrap();
    let said = told(
        folder,
        &["bios", "restore", "b.yaml", "site.yaml", "idrac", "--yes"],
        1,
    );
    assert!(
        said.contains("idrac is a PowerEdge R750, and was a PowerEdge R650"),
        "{said}"
    );
    std::fs::write(
        folder.join("c.yaml"),
        text.replace("SriovGlobalEnable: Disabled", "SriovGlobalEnable: Enabeld"),
    )
    .unwrap();
    let said = told(
        folder,
        &["bios", "restore", "c.yaml", "site.yaml", "idrac", "--yes"],
        1,
    );
    assert!(
        said.contains("SriovGlobalEnable cannot be Enabeld (did you mean Enabled?)"),
        "{said}"
    );
    let said = told(
        folder,
        &[
            "bios",
            "restore",
            "site.yaml",
            "site.yaml",
            "idrac",
            "--yes",
        ],
        1,
    );
    assert!(said.contains("site.yaml is no BIOS snapshot"), "{said}");
    let said = told(
        folder,
        &[
            "bios",
            "diff",
            "a.yaml",
            "site.yaml",
            "--limit",
            "idrac,ilo",
        ],
        0,
    );
    assert!(said.contains("nothing differs (2 compared)"), "{said}");
}
