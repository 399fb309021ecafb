//! Tasks and jobs: what a BMC goes on doing after it has answered.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::document::{link, text, whole};
use super::error::Error;
use super::links::{path_of, tidy};
use super::message::{Message, messages_of};
use super::options::{Listener, Progress};
use super::quirks;
use super::retry::retry_after;
use super::transport::{Client, Reply, Request};

/// How a task stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Standing {
    /// Not begun: waits for a reset, a window or its turn.
    Queued(String),
    Running(String),
    Done,
    Failed(String),
}

/// The resource to look at for what an answer set going: 202 with a `Location`, 200 or 201 with
/// the `Location` of a job (iDRAC), or a task as the body. A 202 without either is normal on
/// some BMCs; then there is nothing to look at.
pub(super) fn of_reply(client: &Client, reply: &Reply) -> Option<String> {
    let location = reply
        .header("location")
        .and_then(|place| client.address(place).ok())
        .map(|url| path_of(&url));
    match location {
        Some(path) if reply.status == 202 || names_task(&path) => Some(path),
        _ => resource(reply),
    }
}

/// The task that an answer carries as its body. Its monitor, in `Location`, says nothing but
/// 'not yet' until the task has ended.
pub(super) fn resource(reply: &Reply) -> Option<String> {
    let body = reply.json();
    let is_task = text(&body, "@odata.type").is_some_and(|kind| {
        kind.starts_with("#Task.") || kind.starts_with("#Job.") || kind.starts_with("#DellJob.")
    });
    link(&body).filter(|_| is_task)
}

fn names_task(path: &str) -> bool {
    let path = path.to_ascii_lowercase();
    ["/jobs/", "/tasks/", "/taskmonitors/"]
        .iter()
        .any(|part| path.contains(part))
}

/// The last word of a task's path: what people call it.
pub(super) fn name(path: &str) -> String {
    tidy(path).rsplit('/').next().unwrap_or_default().to_owned()
}

/// How a task or job stands by its body; none where the body is neither.
pub(super) fn standing(body: &Value) -> Option<Standing> {
    let state = text(body, "TaskState").or_else(|| text(body, "JobState"))?;
    let critical = text(body, "TaskStatus").or_else(|| text(body, "JobStatus"));
    let lower = state.to_ascii_lowercase();
    Some(match lower.as_str() {
        "completed" if critical.as_deref() == Some("Critical") => Standing::Failed(state),
        "completed" => Standing::Done,
        "exception" | "killed" | "cancelled" | "canceled" | "interrupted" | "invalid" => {
            Standing::Failed(state)
        }
        _ if lower.contains("fail") || lower.contains("error") => Standing::Failed(state),
        "new" | "pending" | "scheduled" | "suspended" | "waiting" | "rebootpending"
        | "userintervention" => Standing::Queued(state),
        _ => Standing::Running(state),
    })
}

pub(super) fn percent(body: &Value) -> Option<u8> {
    whole(body, "PercentComplete").map(|percent| percent.min(100) as u8)
}

/// The messages of a task, which stand in `Messages`, or in `Message` on iDRAC.
pub(super) fn task_messages(body: &Value) -> Vec<Message> {
    let mut found = messages_of(body);
    if let Some(list) = body.get("Messages") {
        let wrapped = serde_json::json!({"@Message.ExtendedInfo": list});
        found.extend(messages_of(&wrapped));
    }
    if found.is_empty()
        && let Some(words) = text(body, "Message")
    {
        found.push(Message {
            id: text(body, "MessageId").unwrap_or_default(),
            text: words,
            resolution: None,
            arguments: Vec::new(),
            related: Vec::new(),
        });
    }
    found
}

/// Waits until what an answer set going has ended. A monitor that is gone, or a BMC that does not
/// answer meanwhile, is no failure: whoever asked proves the outcome by reading it.
pub(super) async fn finish(
    client: &Client,
    reply: &Reply,
    what: &str,
    listener: Listener<'_>,
) -> Result<(), Error> {
    let budget = client.options.task_budget;
    follow(
        client,
        reply,
        &Following {
            what,
            budget,
            queued: None,
        },
        listener,
    )
    .await
    .map(drop)
}

/// How a task is followed.
pub(super) struct Following<'a> {
    pub what: &'a str,
    pub budget: Duration,
    /// How long it may wait to begin until it counts as waiting for a boot; it is waited for to
    /// its end when none.
    pub queued: Option<Duration>,
}

/// Where following a task ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// There was nothing to follow.
    Untold,
    /// With success, as far as was told.
    Ended,
    /// It waits for a boot, or has ended and says that a boot has to follow.
    AwaitsBoot,
}

/// The same as [`finish`], for work that may wait for the server's next boot.
pub(super) async fn follow(
    client: &Client,
    reply: &Reply,
    following: &Following<'_>,
    listener: Listener<'_>,
) -> Result<Outcome, Error> {
    let what = following.what;
    let wants_boot = quirks::wants_boot(&reply.messages());
    let Some(path) = of_reply(client, reply) else {
        return Ok(if wants_boot {
            Outcome::AwaitsBoot
        } else {
            Outcome::Untold
        });
    };
    let start = Instant::now();
    let mut queued_since = None;
    let mut pause = retry_after(reply).unwrap_or(client.options.poll);
    let mut last = "unknown".to_owned();
    loop {
        let waited = start.elapsed();
        if waited + pause > following.budget {
            return Err(Error::NotProven {
                what: what.to_owned(),
                found: format!("task {} is {last}", name(&path)),
                waited,
            });
        }
        tokio::time::sleep(pause).await;
        pause = client.options.poll;
        let answer = match client.send(&Request::get(&path)).await {
            Ok(answer) => answer,
            Err(Error::Missing { .. }) => return Ok(Outcome::Ended),
            Err(error) if error.is_passing() => {
                listener(Progress::Waiting {
                    what: format!("the BMC to answer again ({error})"),
                    elapsed: start.elapsed(),
                });
                continue;
            }
            // A task monitor answers with the outcome of the request itself.
            Err(Error::Refused {
                status, messages, ..
            }) => {
                return Err(Error::Task {
                    what: what.to_owned(),
                    state: format!("status {status}"),
                    messages,
                });
            }
            Err(error) => return Err(error),
        };
        pause = retry_after(&answer).unwrap_or(pause);
        let body = answer.json();
        let ended = |messages: &[Message]| match wants_boot || quirks::wants_boot(messages) {
            true => Outcome::AwaitsBoot,
            false => Outcome::Ended,
        };
        let state = match standing(&body) {
            Some(Standing::Done) => return Ok(ended(&task_messages(&body))),
            Some(Standing::Failed(state)) => {
                return Err(Error::Task {
                    what: what.to_owned(),
                    state,
                    messages: task_messages(&body),
                });
            }
            Some(Standing::Queued(state)) => {
                let since = *queued_since.get_or_insert_with(Instant::now);
                if following
                    .queued
                    .is_some_and(|limit| since.elapsed() >= limit)
                {
                    return Ok(Outcome::AwaitsBoot);
                }
                state
            }
            Some(Standing::Running(state)) => {
                queued_since = None;
                state
            }
            None if answer.status == 202 => "running".to_owned(),
            None => return Ok(ended(&messages_of(&body))),
        };
        listener(Progress::Task {
            state: state.clone(),
            percent: percent(&body),
        });
        last = state;
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn states_of_tasks_and_jobs_are_read_alike() {
        let of = |body: Value| standing(&body);
        assert_eq!(
            of(json!({"TaskState": "Completed", "TaskStatus": "OK"})),
            Some(Standing::Done)
        );
        assert!(matches!(
            of(json!({"TaskState": "Completed", "TaskStatus": "Critical"})),
            Some(Standing::Failed(_))
        ));
        assert!(matches!(
            of(json!({"JobState": "CompletedWithErrors"})),
            Some(Standing::Failed(_))
        ));
        assert!(matches!(
            of(json!({"JobState": "Scheduled"})),
            Some(Standing::Queued(_))
        ));
        assert!(matches!(
            of(json!({"TaskState": "Starting"})),
            Some(Standing::Running(_))
        ));
        assert_eq!(of(json!({"Name": "x"})), None);
    }

    #[test]
    fn messages_of_a_task_stand_in_several_places() {
        let standard = json!({"Messages": [{"MessageId": "Update.1.0.X", "Message": "no"}]});
        assert_eq!(task_messages(&standard)[0].text, "no");
        let dell = json!({"Message": "Job failed.", "MessageId": "PR21"});
        assert_eq!(task_messages(&dell)[0].id, "PR21");
    }
}
