//! Accounts and the first change of a password, by this crate's own client, on every profile.

use std::sync::Arc;

use super::Bench;
use super::bench::swift;
use crate::lab::bmc::{Fault, Profile};
use crate::model::bmc::{AccountState, AccountWish, BmcAct, LoginState};
use crate::model::{BmcQuery, Endpoint, Secret, Text, Vault};
use crate::redfish::{Bmc, Error, FirstLogin, Options};

fn sealed() -> Options {
    let vault = Vault::default();
    vault.put("ops", Secret::new("canary-Pass1"));
    vault.put("other", Secret::new("canary-Pass2"));
    Options {
        vault: Arc::new(vault),
        ..swift()
    }
}

fn wish(password: &str) -> AccountWish {
    AccountWish {
        name: "ops".into(),
        role: Some("Operator".into()),
        password: Some(Text::new(Text::mark(password))),
        enabled: true,
    }
}

async fn login(bmc: &Bmc, password: &str) -> LoginState {
    let query = BmcQuery::Login {
        user: "ops".into(),
        password: Text::new(Text::mark(password)),
    };
    bmc.forget().await;
    let answer = bmc.answer(&query).await.expect("an answer");
    serde_json::from_value(answer).expect("its state")
}

async fn act(bmc: &Bmc, wish: AccountWish) -> Result<(), Error> {
    bmc.act(&BmcAct::SetAccount(wish), &|_| {}).await
}

#[tokio::test]
async fn an_account_is_made_changed_and_proven_by_its_login() {
    for profile in Profile::all() {
        let bench = Bench::start(|bmc| bmc.profile = Some(profile)).await;
        let bmc = Bmc::connect(bench.endpoint(), sealed()).await.expect("in");
        act(&bmc, wish("ops"))
            .await
            .unwrap_or_else(|error| panic!("{profile:?}: {error}"));
        assert_eq!(
            login(&bmc, "ops").await,
            LoginState::Accepted,
            "{profile:?}"
        );
        assert!(matches!(login(&bmc, "other").await, LoginState::Refused(_)));
        // Another password and role of the same account; nothing is made twice.
        let changed = AccountWish {
            role: Some("ReadOnly".into()),
            ..wish("other")
        };
        act(&bmc, changed).await.expect("changed");
        let state: AccountState = serde_json::from_value({
            bmc.forget().await;
            bmc.answer(&BmcQuery::Accounts).await.expect("an answer")
        })
        .expect("its state");
        let mine: Vec<_> = state
            .accounts
            .iter()
            .filter(|one| one.name == "ops")
            .collect();
        assert_eq!(mine.len(), 1, "{profile:?}");
        assert_eq!(mine[0].role.as_deref(), Some("ReadOnly"));
        let writes = bmc.requests().writes;
        assert_eq!(
            login(&bmc, "other").await,
            LoginState::Accepted,
            "{profile:?}"
        );
        assert_eq!(bmc.requests().writes, writes, "asking changes nothing");
        bmc.close().await;
    }
}

#[tokio::test]
async fn the_accounts_own_password_is_not_pulled_from_under_the_run() {
    let bench = Bench::start(|_| {}).await;
    let bmc = Bmc::connect(bench.endpoint(), sealed()).await.expect("in");
    let own = AccountWish {
        name: "admin".into(),
        role: None,
        ..wish("ops")
    };
    let error = act(&bmc, own).await.expect_err("refused");
    assert!(matches!(error, Error::OwnAccount { .. }), "{error}");
    assert!(error.hint().contains("first-password"));
    bmc.close().await;
}

#[tokio::test]
async fn the_first_password_is_replaced_once() {
    for profile in Profile::all() {
        let bench = Bench::start(|bmc| {
            bmc.profile = Some(profile);
            bmc.faults = vec!["password-expired".parse::<Fault>().expect("a fault")];
        })
        .await;
        let old = bench.endpoint();
        let error = Bmc::connect(old.clone(), swift())
            .await
            .err()
            .expect("refused");
        assert!(matches!(error, Error::PasswordChange { .. }), "{error}");
        assert!(
            error.hint().contains("`first-password`"),
            "{}",
            error.hint()
        );
        let new = Endpoint {
            password: Secret::new("canary-New1"),
            first_password: Some(old.password.clone()),
            ..old.clone()
        };
        let only_look = Options {
            first_login: FirstLogin::Leave,
            ..swift()
        };
        let error = Bmc::connect(new.clone(), only_look)
            .await
            .err()
            .expect("refused");
        assert!(matches!(error, Error::FirstPasswordLeft { .. }), "{error}");
        let bmc = Bmc::connect(new.clone(), swift())
            .await
            .unwrap_or_else(|error| panic!("{profile:?}: {error}"));
        // So nothing that only looks had set it before.
        assert!(bmc.password_was_set());
        bmc.answer(&BmcQuery::System).await.expect("an answer");
        bmc.close().await;
        // Again: it is known to be set.
        let bmc = Bmc::connect(new, swift()).await.expect("in");
        assert!(!bmc.password_was_set());
        bmc.close().await;
        let neither = Endpoint {
            password: Secret::new("canary-Wrong"),
            first_password: Some(Secret::new("canary-Wrong2")),
            ..old
        };
        let error = Bmc::connect(neither, swift()).await.err().expect("refused");
        assert!(matches!(error, Error::FirstLogin { .. }), "{error}");
        assert!(!format!("{error:?} {error}").contains("canary"));
    }
}
