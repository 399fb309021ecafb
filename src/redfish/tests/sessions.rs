//! Connecting, trusting, logging in and out, and repeating requests.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use super::super::testing::{Answer, Fake, Tree, swift};
use super::super::{Bmc, Error};
use crate::model::{BmcQuery, LinkPath};

async fn serve(tree: &Arc<Tree>) -> Fake {
    let tree = Arc::clone(tree);
    Fake::start(move |seen| tree.serve(seen)).await
}

#[tokio::test]
async fn one_session_serves_all_questions_and_is_logged_out() {
    let tree = Tree::host();
    let fake = serve(&tree).await;
    let bmc = Bmc::connect(fake.endpoint(), swift()).await.unwrap();
    let system = bmc.answer(&BmcQuery::System).await.unwrap();
    assert_eq!(system["serial"], "437XR");
    bmc.answer(&BmcQuery::Bios).await.unwrap();
    bmc.answer(&BmcQuery::System).await.unwrap();
    assert_eq!(tree.sessions.lock().unwrap().len(), 1);
    bmc.close().await;
    assert!(tree.sessions.lock().unwrap().is_empty());
    let requests = bmc.requests();
    assert_eq!((requests.sessions, requests.writes), (1, 0));
    // Root, Systems, system, BIOS and its settings: each document once.
    assert_eq!(requests.gets, 5, "{:?}", fake.lines());
    bmc.forget().await;
    assert!(matches!(
        bmc.answer(&BmcQuery::System).await,
        Err(Error::Closed { .. })
    ));
}

#[tokio::test]
async fn a_drop_without_close_logs_out_too() {
    let tree = Tree::host();
    let fake = serve(&tree).await;
    let bmc = Bmc::connect(fake.endpoint(), swift()).await.unwrap();
    assert_eq!(tree.sessions.lock().unwrap().len(), 1);
    drop(bmc);
    assert!(tree.sessions.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_panic_and_a_question_cut_short_log_out_too() {
    let tree = Tree::host();
    let fake = serve(&tree).await;
    let bmc = Bmc::connect(fake.endpoint(), swift()).await.unwrap();
    let panicking = tokio::spawn(async move {
        bmc.answer(&BmcQuery::System).await.unwrap();
        std::panic::panic_any("as a fault of ours would");
    });
    assert!(panicking.await.unwrap_err().is_panic());
    assert!(tree.sessions.lock().unwrap().is_empty());
    let bmc = Bmc::connect(fake.endpoint(), swift()).await.unwrap();
    let asking = tokio::spawn(async move { bmc.answer(&BmcQuery::Hardware).await });
    tokio::task::yield_now().await;
    asking.abort();
    assert!(asking.await.is_err_and(|error| error.is_cancelled()));
    assert!(tree.sessions.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_lost_session_is_renewed_once() {
    let tree = Tree::host();
    let fake = serve(&tree).await;
    let bmc = Bmc::connect(fake.endpoint(), swift()).await.unwrap();
    tree.sessions.lock().unwrap().clear();
    bmc.answer(&BmcQuery::System).await.unwrap();
    assert_eq!(bmc.requests().sessions, 2);
    bmc.close().await;
    assert!(tree.sessions.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_wrong_password_is_told_once_and_without_the_password() {
    let tree = Tree::host();
    let fake = serve(&tree).await;
    let mut endpoint = fake.endpoint();
    endpoint.password = crate::model::Secret::new("guess");
    let error = Bmc::connect(endpoint, swift()).await.err().unwrap();
    assert!(matches!(error, Error::Login { .. }), "{error}");
    assert!(!format!("{error} {error:?} {}", error.hint()).contains("guess"));
    let logins = fake
        .lines()
        .iter()
        .filter(|line| line.starts_with("POST"))
        .count();
    assert_eq!(logins, 1, "a second try would help to lock the account");
}

#[tokio::test]
async fn without_a_session_service_or_a_free_session_the_password_goes_along() {
    for (status, id) in [
        (404, "Base.1.8.ResourceMissingAtURI"),
        (503, "Base.1.8.SessionLimitExceeded"),
    ] {
        let tree = Tree::host();
        let served = Arc::clone(&tree);
        let fake = Fake::start(move |seen| {
            if seen.path.ends_with("/Sessions") {
                return Answer::message(status, id, "no");
            }
            served.serve(seen)
        })
        .await;
        let bmc = Bmc::connect(fake.endpoint(), swift()).await.unwrap();
        bmc.answer(&BmcQuery::System).await.unwrap();
        let last = fake.seen().pop().unwrap();
        assert_eq!(last.headers["authorization"], "Basic YWRtaW46Y2FuYXJ5");
    }
}

#[tokio::test]
async fn a_password_that_must_be_changed_is_said_so() {
    let tree = Tree::host();
    let served = Arc::clone(&tree);
    let fake = Fake::start(move |seen| match seen.path.ends_with("/Systems") {
        true => Answer::message(403, "Base.1.8.PasswordChangeRequired", "change it"),
        false => served.serve(seen),
    })
    .await;
    let bmc = Bmc::connect(fake.endpoint(), swift()).await.unwrap();
    let error = bmc.answer(&BmcQuery::System).await.unwrap_err();
    assert!(matches!(error, Error::PasswordChange { .. }), "{error}");
}

/// Serves the host, but answers the first `count` requests of a kind otherwise.
async fn stumbling(count: usize, of: &'static str, answer: Answer) -> (Fake, Arc<Tree>) {
    let tree = Tree::host();
    let served = Arc::clone(&tree);
    let left = AtomicUsize::new(count);
    let fake = Fake::start(move |seen| {
        let due = seen.line().starts_with(of)
            && left
                .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
                    left.checked_sub(1)
                })
                .is_ok();
        if due {
            answer.clone()
        } else {
            served.serve(seen)
        }
    })
    .await;
    (fake, tree)
}

#[tokio::test]
async fn reads_are_repeated_by_meaning() {
    let faults = [
        Answer::hang_up(),
        Answer::empty(503).with("Retry-After", "0"),
        Answer::empty(503).with("Retry-After", "Wed, 21 Oct 2015 07:28:00 GMT"),
        Answer::empty(504),
        Answer::message(400, "IDRAC.2.4.SWC0700", "iDRAC is not ready"),
        Answer::message(500, "IDRAC.2.8.SYS518", "iDRAC is not ready"),
    ];
    for fault in faults {
        let shown = format!("{fault:?}");
        let (fake, _) = stumbling(3, "GET /redfish/v1/Systems/1", fault).await;
        let bmc = Bmc::connect(fake.endpoint(), swift()).await.unwrap();
        bmc.answer(&BmcQuery::System).await.expect(&shown);
    }
}

#[tokio::test]
async fn a_bmc_that_stays_busy_is_given_up_within_the_budget() {
    let (fake, _) = stumbling(usize::MAX, "GET /redfish/v1/Systems", Answer::empty(503)).await;
    let bmc = Bmc::connect(fake.endpoint(), swift()).await.unwrap();
    let error = bmc.answer(&BmcQuery::System).await.unwrap_err();
    assert!(matches!(error, Error::NotReady { .. }), "{error}");
}

#[tokio::test]
async fn an_empty_collection_of_systems_is_waited_for() {
    let empty = Answer::json(
        200,
        json!({"@odata.id": "/redfish/v1/Systems", "Members": []}),
    );
    let nothing = Answer::json(
        200,
        json!({"@odata.id": "/redfish/v1/Systems", "Members": null}),
    );
    for answer in [empty, nothing] {
        let (fake, _) = stumbling(3, "GET /redfish/v1/Systems", answer.clone()).await;
        let bmc = Bmc::connect(fake.endpoint(), swift()).await.unwrap();
        bmc.answer(&BmcQuery::System).await.unwrap();
        let (fake, _) = stumbling(usize::MAX, "GET /redfish/v1/Systems", answer).await;
        let bmc = Bmc::connect(fake.endpoint(), swift()).await.unwrap();
        let error = bmc.answer(&BmcQuery::System).await.unwrap_err();
        assert!(matches!(error, Error::NoSystem { .. }), "{error}");
    }
}

#[tokio::test]
async fn wrong_answers_are_told_for_what_they_are() {
    let page = Answer {
        body: b"<html><title>403 - Forbidden</title></html>".to_vec(),
        ..Answer::empty(403)
    };
    let cases = [
        (page.clone(), "403 - Forbidden"),
        (
            Answer {
                status: 200,
                ..page
            },
            "web page",
        ),
        (Answer::empty(200), "empty"),
        (Answer::json(200, json!([1])), "no JSON object"),
        (
            Answer::message(200, "iLO.0.10.X", "went wrong"),
            "went wrong",
        ),
        (
            Answer::empty(302).with("Location", "https://192.0.2.1/login"),
            "192.0.2.1",
        ),
    ];
    for (answer, words) in cases {
        let (fake, _) = stumbling(usize::MAX, "GET /redfish/v1/Systems", answer).await;
        let bmc = Bmc::connect(fake.endpoint(), swift()).await.unwrap();
        let error = bmc.answer(&BmcQuery::System).await.unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[tokio::test]
async fn a_redirect_within_the_bmc_is_followed() {
    let redirect = Answer::empty(308).with("Location", "/redfish/v1/Systems/");
    let (fake, _) = stumbling(1, "GET /redfish/v1/Systems", redirect).await;
    let bmc = Bmc::connect(fake.endpoint(), swift()).await.unwrap();
    bmc.answer(&BmcQuery::System).await.unwrap();
    assert!(
        fake.lines()
            .contains(&"GET /redfish/v1/Systems/".to_owned())
    );
}

#[tokio::test]
async fn compressed_registries_are_unpacked() {
    use std::io::Write;
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer
        .write_all(br#"{"@odata.id": "/redfish/v1/Systems/1/Bios", "Attributes": {"A": 1}}"#)
        .unwrap();
    let packed = packer.finish().unwrap();
    let tree = Tree::host();
    let served = Arc::clone(&tree);
    let fake = Fake::start(move |seen| {
        if !seen.path.ends_with("/Bios") {
            return served.serve(seen);
        }
        if seen.headers["accept-encoding"] == "identity" {
            return Answer::empty(406);
        }
        Answer {
            body: packed.clone(),
            ..Answer::empty(200).with("Content-Encoding", "gzip")
        }
    })
    .await;
    let bmc = Bmc::connect(fake.endpoint(), swift()).await.unwrap();
    let bios = bmc.answer(&BmcQuery::Bios).await.unwrap();
    assert_eq!(bios["current"], json!({"A": 1}));
}

#[tokio::test]
async fn link_paths_are_walked_and_their_gaps_shown() {
    let tree = Tree::host();
    tree.set(
        "/redfish/v1/Managers",
        "/Members",
        json!([
        {"@odata.id": "/redfish/v1/Managers/1"}, {"@odata.id": "/redfish/v1/Managers/1/"},
        null, {"@odata.id": "/redfish/v1/Managers/gone"}]),
    );
    let fake = serve(&tree).await;
    let bmc = Bmc::connect(fake.endpoint(), swift()).await.unwrap();
    let ask = async |path: &str| {
        bmc.answer(&BmcQuery::Documents(LinkPath(path.into())))
            .await
            .map(|answer| answer.as_array().unwrap().clone())
    };
    assert_eq!(
        ask("system/Bios").await.unwrap()[0]["Attributes"]["Smt"],
        "Off"
    );
    assert_eq!(ask("manager").await.unwrap()[0]["ManagerType"], "BMC");
    assert_eq!(
        ask("system/Links/Chassis/*").await.unwrap()[0]["ChassisType"],
        "RackMount"
    );
    assert_eq!(ask("system/Nothing/*").await.unwrap(), Vec::<Value>::new());
    let managers = ask("root/Managers/*").await.unwrap();
    assert_eq!(managers.len(), 2, "{managers:?}");
    assert!(
        managers[1]["unreadable"]
            .as_str()
            .unwrap()
            .contains("Managers/gone")
    );
    assert!(ask("elsewhere").await.is_err());
}

#[tokio::test]
async fn pages_are_followed_but_not_in_a_circle() {
    let tree = Tree::host();
    let mut first = super::super::testing::members(&["/redfish/v1/Managers/1"]);
    first["Members@odata.nextLink"] = json!("/redfish/v1/Managers/page2");
    let mut second = super::super::testing::members(&["/redfish/v1/Chassis/1"]);
    second["Members@odata.nextLink"] = json!("/redfish/v1/Managers/page2");
    tree.documents.lock().unwrap().extend([
        ("/redfish/v1/Managers".to_owned(), first),
        ("/redfish/v1/Managers/page2".to_owned(), second),
    ]);
    let fake = serve(&tree).await;
    let bmc = Bmc::connect(fake.endpoint(), swift()).await.unwrap();
    let answer = bmc
        .answer(&BmcQuery::Documents(LinkPath("root/Managers/*".into())))
        .await
        .unwrap();
    let answer = answer.as_array().unwrap();
    assert_eq!(answer.len(), 3);
    assert!(answer[2]["unreadable"].as_str().unwrap().contains("circle"));
}
