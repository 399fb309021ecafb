//! A user of the host's own: groups, shell, home, and the keys that may log in.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Fault, Kind, Resource, Surroundings};
use crate::model::{Action, Answers, Change, Difference, Query, Unread, shell};
use crate::probe::Probe;

/// A user in /etc/passwd. What is not stated is left alone.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Parameters {
    name: String,
    /// Further groups that the user belongs to; those not named are kept.
    #[serde(default)]
    groups: Vec<String>,
    /// Absolute path of the login shell.
    shell: Option<String>,
    /// Absolute path of the home folder.
    home: Option<String>,
    /// `true`: an account for a service, without a home folder and with a low number.
    #[serde(default)]
    system: bool,
    /// Public keys that may log in, a line each; those not named are kept.
    #[serde(default)]
    authorized_keys: Vec<String>,
    /// `true`: there is no such user. The home folder stays.
    #[serde(default)]
    absent: bool,
}

#[derive(Debug)]
pub struct User {
    name: String,
    groups: Vec<String>,
    shell: Option<String>,
    home: Option<String>,
    system: bool,
    keys: Vec<String>,
    absent: bool,
}

const PASSWD: &str = "/etc/passwd";
const GROUP: &str = "/etc/group";

impl Kind for User {
    const NAME: &'static str = "user";
    const SUMMARY: &'static str = "a user with groups, shell, home and authorized keys";
    const EXAMPLE: &'static str = "{name: ops, groups: [sudo], shell: /bin/bash}";

    type Parameters = Parameters;

    fn build(parameters: Parameters, _: &dyn Surroundings) -> Result<Self, Fault> {
        let plain = |name: &str| {
            let start = |first: u8| first.is_ascii_lowercase() || first == b'_';
            name.bytes().next().is_some_and(start)
                && name
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
        };
        for (pointer, name) in std::iter::once(("/name", &parameters.name))
            .chain(parameters.groups.iter().map(|group| ("/groups", group)))
        {
            if !plain(name) {
                return Err(Fault::at(
                    pointer,
                    format!("`{name}` is no name of a user or group"),
                ));
            }
        }
        for (pointer, path) in [("/shell", &parameters.shell), ("/home", &parameters.home)] {
            if let Some(path) = path {
                super::file::absolute(path.clone(), pointer)?;
            }
        }
        let keys: Vec<String> = parameters
            .authorized_keys
            .iter()
            .map(|key| key.trim().to_owned())
            .collect();
        if let Some(index) = keys
            .iter()
            .position(|key| key.is_empty() || key.contains('\n'))
        {
            return Err(Fault::at(
                &format!("/authorized-keys/{index}"),
                "a key is one line",
            ));
        }
        if parameters.absent && parameters.name == "root" {
            return Err(Fault::at("/absent", "root cannot go"));
        }
        Ok(Self {
            name: parameters.name,
            groups: parameters.groups,
            shell: parameters.shell,
            home: parameters.home,
            system: parameters.system,
            keys,
            absent: parameters.absent,
        })
    }
}

/// The user's line in /etc/passwd.
struct Account {
    home: String,
    shell: String,
}

impl User {
    fn account(&self, answers: &Answers) -> Result<Option<Account>, Unread> {
        let text = answers
            .content(PASSWD)?
            .ok_or_else(|| Unread::Unreadable(format!("there is no {PASSWD}")))?;
        Ok(text.lines().find_map(|line| {
            let fields: Vec<&str> = line.split(':').collect();
            match fields.as_slice() {
                [name, _, _, _, _, home, shell] if *name == self.name => Some(Account {
                    home: (*home).to_owned(),
                    shell: (*shell).to_owned(),
                }),
                _ => None,
            }
        }))
    }

    /// Where the home is, or will be.
    fn home(&self) -> String {
        self.home
            .clone()
            .unwrap_or_else(|| match self.name.as_str() {
                "root" => "/root".to_owned(),
                name => format!("/home/{name}"),
            })
    }

    /// Groups that exist and hold the user.
    fn lacks(&self, answers: &Answers) -> Result<Vec<&str>, Unread> {
        let text = answers.content(GROUP)?.unwrap_or_default();
        let holds = |group: &str| {
            text.lines().any(|line| {
                let mut fields = line.split(':');
                fields.next() == Some(group)
                    && fields
                        .nth(2)
                        .is_some_and(|members| members.split(',').any(|one| one == self.name))
            })
        };
        Ok(self
            .groups
            .iter()
            .map(String::as_str)
            .filter(|group| !holds(group))
            .collect())
    }

    fn create(&self) -> String {
        let mut words = vec!["useradd".to_owned()];
        words.push(
            if self.system {
                "--system"
            } else {
                "--create-home"
            }
            .to_owned(),
        );
        if let Some(home) = &self.home {
            words.push(format!("--home-dir {}", shell::quote(home)));
        }
        if let Some(login) = &self.shell {
            words.push(format!("--shell {}", shell::quote(login)));
        }
        words.push(self.name.clone());
        words.join(" ") + "\n"
    }

    /// Adds the keys that are missing, with the modes that sshd insists on.
    fn add_keys(&self, home: &str, missing: &[&str]) -> String {
        let lines: Vec<String> = missing.iter().map(|key| shell::quote(key)).collect();
        format!(
            "home={home}\n\
             group=$(id -gn {name})\n\
             install -d -m 0700 -o {name} -g \"$group\" \"$home/.ssh\"\n\
             keys=$home/.ssh/authorized_keys\n\
             [ -e \"$keys\" ] || install -m 0600 -o {name} -g \"$group\" /dev/null \"$keys\"\n\
             # A last line without its end would swallow the next key.\n\
             [ -z \"$(tail -c 1 \"$keys\")\" ] || echo >>\"$keys\"\n\
             printf '%s\\n' {lines} >>\"$keys\"\n",
            home = shell::quote(home),
            name = self.name,
            lines = lines.join(" "),
        )
    }
}

impl Probe for User {
    type Finding = Change;

    fn ask(&self) -> Vec<Query> {
        let mut queries = vec![
            Query::Content(PASSWD.to_owned()),
            Query::Content(GROUP.to_owned()),
        ];
        if !self.keys.is_empty() {
            queries.push(Query::Content(keys_file(&self.home())));
        }
        queries
    }

    fn read(&self, answers: &Answers) -> Result<Change, Unread> {
        answers.want(self.ask())?;
        let account = self.account(answers)?;
        if self.absent {
            return Ok(match account {
                None => Change::settled(),
                Some(_) => Change::from(
                    vec![Difference::value("user", "present".to_owned(), None)],
                    vec![Action::Run(format!("userdel {}", self.name).into())],
                ),
            });
        }
        let mut differences = Vec::new();
        let mut script = String::new();
        let home = match &account {
            Some(account) => account.home.clone(),
            None => {
                differences.push(Difference::value("user", None, "present".to_owned()));
                script.push_str(&self.create());
                self.home()
            }
        };
        if let Some(account) = &account {
            for (what, wish, is, option) in [
                ("shell", &self.shell, &account.shell, "--shell"),
                ("home", &self.home, &account.home, "--home"),
            ] {
                if let Some(wish) = wish.as_ref().filter(|wish| *wish != is) {
                    differences.push(Difference::value(what, is.clone(), wish.clone()));
                    script.push_str(&format!(
                        "usermod {option} {} {}\n",
                        shell::quote(wish),
                        self.name
                    ));
                }
            }
        }
        let lacks = self.lacks(answers)?;
        if !lacks.is_empty() {
            let list = lacks.join(",");
            differences.push(Difference::value("groups", None, format!("+{list}")));
            script.push_str(&format!("usermod --append --groups {list} {}\n", self.name));
        }
        if !self.keys.is_empty() {
            let home = self.home.clone().unwrap_or(home);
            let found = match account {
                Some(_) => answers.content(&keys_file(&home))?.unwrap_or_default(),
                None => "",
            };
            let missing: Vec<&str> = self
                .keys
                .iter()
                .map(String::as_str)
                .filter(|key| !found.lines().any(|line| body(line) == body(key)))
                .collect();
            for key in &missing {
                let name = key.split_whitespace().nth(2).unwrap_or("without a comment");
                differences.push(Difference::value("authorized key", None, name.to_owned()));
            }
            if !missing.is_empty() {
                script.push_str(&self.add_keys(&home, &missing));
            }
        }
        Ok(Change::from(differences, vec![Action::Run(script.into())]))
    }
}

fn keys_file(home: &str) -> String {
    format!("{home}/.ssh/authorized_keys")
}

/// The key itself, which options before it and a comment behind it do not change.
fn body(line: &str) -> &str {
    line.split_whitespace()
        .find(|word| word.starts_with("AAAA"))
        .unwrap_or_else(|| line.trim())
}

impl Resource for User {
    fn title(&self) -> String {
        format!("user {}", self.name)
    }
}
