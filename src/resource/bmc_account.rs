//! An account of the server's BMC.

use schemars::JsonSchema;
use serde::Deserialize;

use super::bios::need_bmc;
use super::words::nearest;
use super::{Fault, Kind, Resource, Surroundings};
use crate::model::bmc::{AccountState, AccountWish, LoginState};
use crate::model::{Action, Answers, BmcAct, BmcQuery, Change, Difference, Query, Text, Unread};
use crate::probe::Probe;

/// An account of the BMC: its role, its password, and whether it may log in.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Parameters {
    /// The user's name.
    name: String,
    /// A role of the BMC: `Administrator`, `Operator`, `ReadOnly`, or one of its own.
    #[serde(default = "administrator")]
    role: String,
    /// A secret of the inventory: `"{{ secrets.bmc_ops }}"`. It cannot be read back, so it is tried.
    password: String,
    #[serde(default = "yes")]
    enabled: bool,
}

fn administrator() -> String {
    "Administrator".to_owned()
}

fn yes() -> bool {
    true
}

#[derive(Debug)]
pub struct BmcAccount {
    name: String,
    role: String,
    password: Text,
    enabled: bool,
}

impl Kind for BmcAccount {
    const NAME: &'static str = "bmc-account";
    const SUMMARY: &'static str = "an account of the server's BMC";
    const EXAMPLE: &'static str =
        "{name: ops, role: Operator, password: \"{{ secrets.bmc_ops }}\"}";

    type Parameters = Parameters;

    fn build(parameters: Parameters, around: &dyn Surroundings) -> Result<Self, Fault> {
        need_bmc(around)?;
        if parameters.name.trim().is_empty() {
            return Err(Fault::at("/name", "the account's name is empty"));
        }
        let password = Text::new(parameters.password);
        if !password.is_sealed() {
            return Err(
                Fault::at("/password", "a password stands in no file of the site")
                    .hint("add it to the inventory's `secrets` and write `\"{{ secrets.NAME }}\"`"),
            );
        }
        Ok(Self {
            name: parameters.name,
            role: parameters.role,
            password,
            enabled: parameters.enabled,
        })
    }
}

impl BmcAccount {
    fn login(&self) -> BmcQuery {
        BmcQuery::Login {
            user: self.name.clone(),
            password: self.password.clone(),
        }
    }

    fn change(&self, differences: Vec<Difference>, password: Option<Text>) -> Change {
        let wish = AccountWish {
            name: self.name.clone(),
            role: Some(self.role.clone()),
            password,
            enabled: self.enabled,
        };
        Change::from(differences, vec![Action::Bmc(BmcAct::SetAccount(wish))])
    }
}

impl Probe for BmcAccount {
    type Finding = Change;

    fn ask(&self) -> Vec<Query> {
        vec![Query::Bmc(BmcQuery::Accounts)]
    }

    fn read(&self, answers: &Answers) -> Result<Change, Unread> {
        let state: AccountState = answers.bmc_state(&BmcQuery::Accounts)?;
        if !state.roles.is_empty() && !state.roles.contains(&self.role) {
            let near = nearest(&self.role, state.roles.iter().map(String::as_str))
                .map(|near| format!(" (did you mean {near}?)"))
                .unwrap_or_default();
            return Err(Unread::Unreadable(format!(
                "this BMC has no role {}{near}: it has {}",
                self.role,
                state.roles.join(", ")
            )));
        }
        let found = state.accounts.iter().find(|one| one.name == self.name);
        let Some(found) = found else {
            if let Some(reason) = state.unreadable.first() {
                return Err(Unread::Unreadable(format!(
                    "not all accounts can be read: {reason}"
                )));
            }
            let made = Difference::value("account", None::<String>, self.role.clone());
            return Ok(self.change(vec![made], Some(self.password.clone())));
        };
        let mut differences = Vec::new();
        if let Some(role) = &found.role
            && *role != self.role
        {
            differences.push(Difference::value("role", role.clone(), self.role.clone()));
        }
        let word = |on: bool| if on { "enabled" } else { "disabled" }.to_owned();
        let on = found.enabled.unwrap_or(true);
        if on != self.enabled {
            differences.push(Difference::value("account", word(on), word(self.enabled)));
        }
        // An account that is off lets nobody in; its password is set when it is switched on.
        if !self.enabled {
            return Ok(match differences.is_empty() {
                true => Change::settled(),
                false => self.change(differences, None),
            });
        }
        if !on {
            return Ok(self.change(differences, Some(self.password.clone())));
        }
        let login: LoginState = answers.bmc_state(&self.login())?;
        let password = match login {
            LoginState::Accepted | LoginState::ChangeDemanded => None,
            LoginState::Refused(_) => {
                differences.push(Difference::value(
                    "password",
                    "another".to_owned(),
                    self.password.to_string(),
                ));
                Some(self.password.clone())
            }
        };
        Ok(match differences.is_empty() {
            true => Change::settled(),
            false => self.change(differences, password),
        })
    }
}

impl Resource for BmcAccount {
    fn title(&self) -> String {
        format!("bmc-account {}", self.name)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::{Answer, Standing};

    fn account() -> BmcAccount {
        BmcAccount {
            name: "ops".into(),
            role: "Operator".into(),
            password: Text::new(Text::mark("bmc-ops")),
            enabled: true,
        }
    }

    fn answers(accounts: serde_json::Value, login: Option<LoginState>) -> Answers {
        let state =
            json!({"accounts": accounts, "roles": ["Administrator", "Operator"], "unreadable": []});
        let mut pairs = vec![(Query::Bmc(BmcQuery::Accounts), Answer::Bmc(state))];
        pairs.extend(login.map(|login| {
            let login = serde_json::to_value(login).expect("JSON");
            (Query::Bmc(account().login()), Answer::Bmc(login))
        }));
        pairs.into_iter().collect()
    }

    fn one(role: &str, enabled: bool) -> serde_json::Value {
        json!([{"path": "/a/1", "name": "ops", "role": role, "enabled": enabled, "locked": null}])
    }

    #[test]
    fn a_right_account_is_settled_by_a_login_and_a_wrong_one_says_what_differs() {
        let read = |answers: &Answers| account().read(answers);
        let change = read(&answers(one("Operator", true), Some(LoginState::Accepted))).unwrap();
        assert_eq!(change.standing, Standing::Settled);
        // The login is asked only of an account that is there and on.
        assert!(matches!(
            read(&answers(one("Operator", true), None)),
            Err(Unread::Wants(_))
        ));
        let change = read(&answers(json!([]), None)).unwrap();
        assert_eq!(change.differences.len(), 1);
        let wrong = LoginState::Refused("no".into());
        let change = read(&answers(one("Administrator", true), Some(wrong))).unwrap();
        assert_eq!(change.differences.len(), 2);
        let shown = format!("{change:?}");
        assert!(shown.contains("‹bmc-ops›"), "{shown}");
        let misspelt = BmcAccount {
            role: "Operater".into(),
            ..account()
        };
        let Err(Unread::Unreadable(reason)) = misspelt.read(&answers(json!([]), None)) else {
            panic!("the role does not exist");
        };
        assert!(reason.contains("did you mean Operator?"), "{reason}");
    }
}
