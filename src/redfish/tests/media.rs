//! Virtual media on BMCs that ask for what the standard leaves open.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use super::super::testing::{Answer, Fake, Seen, Tree, members, swift};
use super::super::{Bmc, Error};
use crate::model::bmc::{BmcAct, Drive, Medium};
use crate::model::{Secret, Text, Vault};

const MEDIA: &str = "/redfish/v1/Managers/1/VirtualMedia";
const CD: &str = "/redfish/v1/Managers/1/VirtualMedia/CD1";
const IMAGE: &str = "http://192.0.2.1/a/b.iso";

fn device(path: &str) -> Value {
    json!({
        "Id": "CD1", "MediaTypes": ["CD"], "Image": null, "Inserted": false,
        "ConnectedVia": "NotConnected",
        "Actions": {
            "#VirtualMedia.InsertMedia": {"target": format!("{path}/insert")},
            "#VirtualMedia.EjectMedia": {"target": format!("{path}/eject")},
        },
    })
}

/// The host with a CD.
fn host(extra: impl IntoIterator<Item = (&'static str, Value)>) -> Arc<Tree> {
    let tree = Tree::host();
    {
        let mut documents = tree.documents.lock().unwrap();
        documents.get_mut("/redfish/v1/Managers/1").unwrap()["VirtualMedia"] =
            json!({"@odata.id": MEDIA});
        documents.insert(MEDIA.into(), members(&[CD]));
        documents.insert(CD.into(), device(CD));
        for (path, body) in extra {
            documents.insert(path.into(), body);
        }
    }
    tree
}

async fn serve(
    tree: &Arc<Tree>,
    special: impl Fn(&Seen, &Tree) -> Option<Answer> + Send + Sync + 'static,
) -> Fake {
    let tree = Arc::clone(tree);
    Fake::start(move |seen| special(seen, &tree).unwrap_or_else(|| tree.serve(seen))).await
}

async fn insert(fake: &Fake, user: Option<&str>) -> Result<(), Error> {
    let mut options = swift();
    let vault = Vault::default();
    vault.put("share", Secret::new("canary-of-the-share"));
    options.vault = Arc::new(vault);
    let bmc = Bmc::connect(fake.endpoint(), options).await.unwrap();
    let medium = Medium {
        image: IMAGE.into(),
        drive: Drive::Cd,
        write_protected: true,
        user: user.map(Text::new),
        password: user.map(|_| Text::new(Text::mark("share"))),
    };
    let outcome = bmc.act(&BmcAct::InsertMedia(medium), &|_| {}).await;
    bmc.close().await;
    outcome
}

fn put_in(tree: &Tree) -> Answer {
    tree.set(CD, "/Image", json!(IMAGE));
    tree.set(CD, "/Inserted", json!(true));
    tree.set(CD, "/ConnectedVia", json!("URI"));
    Answer::empty(204)
}

#[tokio::test]
async fn parameters_are_added_and_left_out_as_the_refusals_say() {
    // Wants the transfer's words, refuses the state's, as Supermicro; wants credentials, as AMI.
    let tree = host([]);
    let fake = serve(&tree, |seen, tree| {
        if !seen.path.ends_with("/insert") {
            return None;
        }
        let has = |name: &str| seen.body.get(name).is_some();
        Some(if has("Inserted") {
            Answer::message(
                400,
                "Base.1.8.ActionParameterNotSupported",
                "Inserted is not",
            )
        } else if !has("TransferProtocolType") {
            Answer::message(
                400,
                "Base.1.8.ActionParameterMissing",
                "TransferProtocolType",
            )
        } else if !has("UserName") {
            Answer::message(400, "Base.1.8.GeneralError", "something is wrong")
        } else {
            put_in(tree)
        })
    })
    .await;
    insert(&fake, None).await.unwrap();
    let last = fake.writes().pop().unwrap().body;
    assert_eq!(
        last,
        json!({"Image": IMAGE, "TransferMethod": "Stream", "TransferProtocolType": "HTTP",
               "UserName": "none", "Password": "none"})
    );
}

#[tokio::test]
async fn the_actions_own_list_of_parameters_is_heeded_at_once() {
    let info = json!({"Parameters": [
        {"Name": "Image", "Required": true},
        {"Name": "TransferProtocolType", "Required": true},
    ]});
    let tree = host([("/redfish/v1/InsertInfo", info)]);
    tree.set(
        CD,
        "/Actions/#VirtualMedia.InsertMedia",
        json!({"target": format!("{CD}/insert"), "@Redfish.ActionInfo": "/redfish/v1/InsertInfo"}),
    );
    let fake = serve(&tree, |seen, tree| {
        seen.path.ends_with("/insert").then(|| put_in(tree))
    })
    .await;
    insert(&fake, None).await.unwrap();
    let writes = fake.writes();
    assert_eq!(writes.len(), 1);
    assert!(writes[0].body.get("Inserted").is_none());
    assert_eq!(writes[0].body["TransferProtocolType"], "HTTP");
}

#[tokio::test]
async fn sealed_credentials_reach_the_bmc_and_nothing_else() {
    let tree = host([]);
    let fake = serve(&tree, |seen, _| {
        seen.path
            .ends_with("/insert")
            .then(|| Answer::message(400, "Base.1.8.AccessDenied", "the share says no"))
    })
    .await;
    let error = insert(&fake, Some("me")).await.unwrap_err();
    let sent = &fake.writes()[0].body;
    assert_eq!(sent["Password"], "canary-of-the-share");
    assert_eq!(fake.writes().len(), 1, "another form is no help");
    assert!(!format!("{error} {error:?} {}", error.hint()).contains("canary"));
}

#[tokio::test]
async fn supermicros_older_way_is_taken_where_it_is_the_only_one() {
    const CONFIG: &str = "/redfish/v1/Managers/1/VM1/CfgCD";
    let config = json!({
        "Host": "", "Path": "",
        "Actions": {
            "#IsoConfig.Mount": {"target": format!("{CONFIG}/mount")},
            "#IsoConfig.UnMount": {"target": format!("{CONFIG}/unmount")},
        },
    });
    let tree = host([(CONFIG, config)]);
    // The device appears while something is mounted only.
    let mut collection = members(&[]);
    collection["Oem"] = json!({"Supermicro": {"VirtualMediaConfig": {"@odata.id": CONFIG}}});
    tree.documents
        .lock()
        .unwrap()
        .insert(MEDIA.into(), collection);
    let fake = serve(&tree, |seen, tree| {
        let listed = if seen.path.ends_with("/mount") {
            assert_eq!(tree.get(CONFIG)["Host"], "http://192.0.2.1");
            assert_eq!(tree.get(CONFIG)["Path"], "/a/b.iso");
            put_in(tree);
            tree.documents.lock().unwrap().get_mut(CD).unwrap()["Actions"] = json!({});
            vec![json!({"@odata.id": CD})]
        } else if seen.path.ends_with("/unmount") {
            vec![]
        } else {
            return None;
        };
        tree.documents.lock().unwrap().get_mut(MEDIA).unwrap()["Members"] = json!(listed);
        Some(Answer::empty(200))
    })
    .await;
    insert(&fake, None).await.unwrap();
    let lines: Vec<String> = fake.writes().iter().map(Seen::line).collect();
    assert_eq!(
        lines,
        [format!("PATCH {CONFIG}"), format!("POST {CONFIG}/mount")]
    );
    insert(&fake, None).await.unwrap();
    assert_eq!(fake.writes().len(), 2, "it is in already");
    let bmc = Bmc::connect(fake.endpoint(), swift()).await.unwrap();
    bmc.act(&BmcAct::EjectMedia(None), &|_| {}).await.unwrap();
    bmc.close().await;
    assert!(fake.lines().contains(&format!("POST {CONFIG}/unmount")));
}

#[tokio::test]
async fn an_eject_that_is_not_heeded_is_repeated_and_an_insert_waits_for_it() {
    let tree = host([]);
    put_in(&tree);
    tree.set(CD, "/Image", json!("http://192.0.2.1/old.iso"));
    let (ejects, inserts) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let fake = serve(&tree, move |seen, tree| {
        if seen.path.ends_with("/eject") {
            assert_eq!(seen.body, json!({}));
            if ejects.fetch_add(1, Ordering::SeqCst) == 1 {
                tree.set(CD, "/Image", Value::Null);
                tree.set(CD, "/Inserted", json!(false));
            }
            return Some(Answer::empty(204));
        }
        if !seen.path.ends_with("/insert") {
            return None;
        }
        Some(match inserts.fetch_add(1, Ordering::SeqCst) {
            0 | 1 => Answer::message(500, "IDRAC.2.8.VRM0012", "the device is busy"),
            _ => put_in(tree),
        })
    })
    .await;
    insert(&fake, None).await.unwrap();
    let count = |end: &str| {
        let lines = fake.lines();
        lines.iter().filter(|line| line.ends_with(end)).count()
    };
    assert_eq!((count("/eject"), count("/insert")), (2, 3));
}

#[tokio::test]
async fn accepted_and_nothing_in_is_not_believed() {
    let tree = host([]);
    let fake = serve(&tree, |seen, _| {
        seen.path.ends_with("/insert").then(|| Answer::empty(204))
    })
    .await;
    let error = insert(&fake, None).await.unwrap_err();
    assert!(matches!(error, Error::Image { .. }), "{error}");
    assert!(error.to_string().contains("CD1 shows no image"), "{error}");
}
