//! All hosts of a run.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use super::contact::Contact;
use super::gates::Gates;
use super::member::{Member, Reach};
use super::run::Run;
use super::stop::Will;
use super::walker;
use crate::event::{HostSummary, Outcome, Preparation, What};
use crate::model::{Answers, BmcAct, Query};
use crate::plan::{Finding, SavedPlan, SavedStep, Walk};

/// How often a run says that it still holds its hosts.
pub const HEARTBEAT: Duration = Duration::from_secs(30);

/// The hosts of a run with what is known of each.
pub struct Fleet {
    run: Arc<Run>,
    contacts: Arc<BTreeMap<String, Arc<Contact>>>,
    members: Vec<Member>,
}

#[derive(Debug, thiserror::Error)]
#[error("{0} is not part of the inventory")]
pub struct Stranger(String);

impl Fleet {
    /// Nothing is opened yet. Every host of the site has a contact, also those outside `--limit`:
    /// a late value may have to be made there.
    pub fn new(run: Arc<Run>, walks: Vec<Walk>) -> Self {
        let contacts: BTreeMap<String, Arc<Contact>> = run
            .site
            .hosts
            .iter()
            .map(|host| {
                let contact = Contact::new(run.clone(), Arc::new(host.clone()));
                (host.name.clone(), Arc::new(contact))
            })
            .collect();
        let members = walks
            .into_iter()
            .map(|walk| {
                let contact = contacts[&walk.host.name].clone();
                Member::new(run.clone(), contact, walk)
            })
            .collect();
        Self {
            run,
            contacts: Arc::new(contacts),
            members,
        }
    }

    pub fn run(&self) -> &Arc<Run> {
        &self.run
    }

    pub fn members(&self) -> &[Member] {
        &self.members
    }

    pub(super) fn contact(&self, host: &str) -> Result<Arc<Contact>, Stranger> {
        self.contacts
            .get(host)
            .cloned()
            .ok_or_else(|| Stranger(host.to_owned()))
    }

    /// A view for tasks that run beside each other: the contacts, no members.
    fn shared(&self) -> Arc<Fleet> {
        Arc::new(Self {
            run: self.run.clone(),
            contacts: self.contacts.clone(),
            members: Vec::new(),
        })
    }

    /// Asks every host everything that is known to be needed, all side by side.
    pub async fn survey(&mut self) {
        self.members = side_by_side(std::mem::take(&mut self.members), |mut member| async move {
            // Asking changes nothing: the first wish to stop ends it.
            let stop = member.run.stop.clone();
            tokio::select! {
                () = member.survey() => {}
                () = stop.reached(Will::Finish) => {}
            }
            member
        })
        .await;
    }

    /// Asks every host that was not asked yet what it is.
    pub async fn greet(&mut self) {
        self.members = side_by_side(std::mem::take(&mut self.members), |mut member| async move {
            if *member.reach() == Reach::Untried {
                member.survey_facts().await;
            }
            member
        })
        .await;
    }

    pub(super) fn take_members(&mut self) -> Vec<Member> {
        std::mem::take(&mut self.members)
    }

    pub(super) fn put_members(&mut self, members: Vec<Member>) {
        self.members = members;
    }

    /// Tells the plan as events, in inventory order.
    pub fn tell_plan(&self) {
        for member in &self.members {
            member.tell_plan();
        }
        self.run.hub.tell(What::PlanReady);
    }

    /// The plan as a value.
    pub fn saved_plan(&self) -> SavedPlan {
        SavedPlan {
            form: SavedPlan::FORM,
            site: self.run.site.name.clone(),
            digest: self.run.site.digest.clone(),
            made: jiff::Timestamp::now().to_string(),
            steps: self.pending_steps(),
        }
    }

    /// Steps that are to be done, or cannot be known yet.
    pub fn pending_steps(&self) -> Vec<SavedStep> {
        self.members
            .iter()
            .filter(|member| member.takes_part())
            .flat_map(Member::weighed)
            .filter(|(_, weighed)| weighed.outcome == Outcome::WouldChange)
            .map(|(step, weighed)| SavedStep {
                task: step.name.clone(),
                outcome: weighed.outcome,
                differences: weighed
                    .change()
                    .map(|change| change.differences.clone())
                    .unwrap_or_default(),
                unknown: !matches!(weighed.finding, Finding::Known(_)),
            })
            .collect()
    }

    /// Names of the artifacts that the steps still to be done send.
    fn artifacts(&self) -> Vec<String> {
        let mut names: Vec<String> = self
            .members
            .iter()
            .filter(|member| member.takes_part())
            .flat_map(Member::weighed)
            .filter(|(_, weighed)| weighed.outcome == Outcome::WouldChange)
            .flat_map(|(step, _)| named_artifacts(&step.task.parameters))
            .collect();
        names.sort();
        names.dedup();
        // A template in place of a name is resolved when the step is due.
        names.retain(|name| self.run.supply.info(name).is_some());
        names
    }

    /// Makes ready what the plan will send. A failure is told and ends the run before anything
    /// is touched.
    pub async fn prepare(&self) -> Result<(), crate::event::Failure> {
        let names = self.artifacts();
        if names.is_empty() {
            return Ok(());
        }
        let hub = self.run.hub.clone();
        let tell = move |preparation: Preparation| hub.tell(What::Preparing(preparation));
        self.run.supply.ensure(&names, &tell).await
    }

    /// Carries the plan out: hosts side by side, waiting for each other only where a task says
    /// so.
    pub async fn apply(&mut self) {
        let walks: Vec<Walk> = self
            .members
            .iter()
            .map(|member| member.walk().clone())
            .collect();
        let gates = Arc::new(Gates::of(&walks));
        let shared = self.shared();
        let walking = side_by_side(std::mem::take(&mut self.members), |member| {
            walker::walk(member, shared.clone(), gates.clone())
        });
        let members = tokio::select! {
            members = walking => members,
            never = self.beat() => match never {},
        };
        self.members = members;
    }

    /// Keeps the hosts that this run has acted on: they may wait for others for long.
    async fn beat(&self) -> std::convert::Infallible {
        loop {
            tokio::time::sleep(HEARTBEAT).await;
            let mut keeping = JoinSet::new();
            for contact in self.contacts.values() {
                let contact = contact.clone();
                keeping.spawn(async move { contact.keep_lease().await });
            }
            while keeping.join_next().await.is_some() {}
        }
    }

    /// Whether a task is wrong for a host that it is meant for: a fault of the files, which ends
    /// a run before anything is touched.
    pub fn has_faults(&self) -> bool {
        self.members
            .iter()
            .flat_map(Member::weighed)
            .any(|(_, weighed)| matches!(weighed.finding, Finding::Faulty(_)))
    }

    /// Takes hosts whose state cannot be read out of the run; the others go on.
    pub fn quarantine(&mut self) {
        for member in &mut self.members {
            member.quarantine();
        }
    }

    /// Puts the same questions to every chosen host; answers by host name.
    pub async fn ask(&mut self, queries: &[Query]) -> Vec<(String, Answers)> {
        let queries = queries.to_vec();
        let members = side_by_side(self.take_members(), |mut member| {
            let queries = queries.clone();
            async move {
                member.put(&queries).await;
                member
            }
        })
        .await;
        self.members = members;
        self.members
            .iter()
            .map(|member| (member.host().to_owned(), member.answers().clone()))
            .collect()
    }

    /// Has every chosen host's BMC do the same, side by side: what an operator orders by name and
    /// no wish describes, such as a restart. Hosts without a BMC fail.
    pub async fn order(&mut self, command: &'static str, title: &str, acts: &[BmcAct]) {
        self.members = side_by_side(self.take_members(), |mut member| {
            let (title, acts) = (title.to_owned(), acts.to_vec());
            async move {
                member.order(command, &title, &acts).await;
                member
            }
        })
        .await;
    }

    /// Asks every host what a reset has to take back and tells it as a plan; how many things.
    pub async fn survey_removals(&mut self) -> usize {
        self.members = side_by_side(std::mem::take(&mut self.members), |mut member| async move {
            member.survey_removals().await;
            member
        })
        .await;
        self.run.hub.tell(What::PlanReady);
        self.members
            .iter()
            .map(|member| member.removals.len())
            .sum()
    }

    /// Takes back what [`Fleet::survey_removals`] found, last first.
    pub async fn undo(&mut self) {
        self.members = side_by_side(self.take_members(), |mut member| async move {
            member.undo().await;
            member
        })
        .await;
    }

    /// Logs out and hangs up everywhere.
    pub async fn close(&self) {
        let mut closing = JoinSet::new();
        for contact in self.contacts.values() {
            let contact = contact.clone();
            closing.spawn(async move { contact.close().await });
        }
        while closing.join_next().await.is_some() {}
    }

    pub async fn summaries(&self) -> Vec<HostSummary> {
        let mut summaries = Vec::with_capacity(self.members.len());
        for member in &self.members {
            summaries.push(member.summary().await);
        }
        summaries
    }
}

/// Does something with every member at once and gives them back in their order.
pub(super) async fn side_by_side<F, Fut>(members: Vec<Member>, act: F) -> Vec<Member>
where
    F: Fn(Member) -> Fut,
    Fut: Future<Output = Member> + Send + 'static,
{
    let mut running = JoinSet::new();
    let count = members.len();
    for (index, member) in members.into_iter().enumerate() {
        let future = act(member);
        running.spawn(async move { (index, future.await) });
    }
    let mut done: Vec<Option<Member>> = (0..count).map(|_| None).collect();
    while let Some(joined) = running.join_next().await {
        match joined {
            Ok((index, member)) => done[index] = Some(member),
            // A defect of ours must not pass for a host that is done.
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }
    done.into_iter().flatten().collect()
}

/// Artifacts that a task's parameters name, as written: the same closure for what is made ready
/// here and for a bundle.
pub fn named_artifacts(parameters: &serde_json::Value) -> Vec<String> {
    let one = parameters.get("artifact").and_then(|value| value.as_str());
    let many = parameters
        .get("artifacts")
        .and_then(|value| value.as_array())
        .into_iter()
        .flatten()
        .filter_map(|value| value.as_str());
    one.into_iter().chain(many).map(str::to_owned).collect()
}
