//! Volumes: created and deleted by tasks.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::http::header;
use serde_json::{Value, json};

use super::answer::{Answer, Message, refuse};
use super::machine::{Bmc, Inner};
use super::model::healthy;
use super::profile::BiosAnswer;
use super::state::{Task, TaskEffect, TaskState};
use super::tasks::Order;
use super::tree::normal;
use super::update::names;

/// RAID type, fewest drives, and share of the drives' capacity as numerator and denominator, where
/// the count of drives stands for 0.
const RAID: [(&str, usize); 5] = [
    ("RAID0", 1),
    ("RAID1", 2),
    ("RAID5", 3),
    ("RAID6", 4),
    ("RAID10", 4),
];

impl Bmc {
    pub fn create_volume(self: &Arc<Self>, collection: &str, body: &Value) -> Answer {
        let raid = body["RAIDType"].as_str().unwrap_or("RAID0").to_owned();
        let Some((_, fewest)) = RAID.iter().find(|row| row.0 == raid) else {
            return refuse(
                400,
                Message::new("PropertyValueNotInList").arguments([&raid, "RAIDType"]),
            );
        };
        let links = body["Links"]["Drives"]
            .as_array()
            .or(body["Drives"].as_array())
            .cloned()
            .unwrap_or_default();
        let drives: Vec<String> = links
            .iter()
            .filter_map(|drive| drive["@odata.id"].as_str())
            .map(|path| normal(path).to_owned())
            .collect();
        if drives.len() < *fewest {
            return refuse(
                400,
                Message::new("PropertyMissing").arguments(["Links/Drives"]),
            );
        }
        let mut inner = self.lock();
        let time = body["@Redfish.OperationApplyTime"].as_str();
        let support = self
            .stored(&inner, collection)
            .map(|document| document["@Redfish.OperationApplyTimeSupport"].clone())
            .unwrap_or_default();
        if time.is_some_and(|time| !names(&support, time)) {
            return refuse(
                400,
                Message::new("PropertyUnknown").arguments(["@Redfish.OperationApplyTime"]),
            );
        }
        let mut sizes = Vec::new();
        for path in &drives {
            let Some(drive) = self.stored(&inner, path) else {
                return refuse(400, Message::new("ResourceMissingAtURI").arguments([path]));
            };
            if drive["Links"]["Volumes"]
                .as_array()
                .is_some_and(|volumes| !volumes.is_empty())
            {
                return refuse(409, Message::new("ResourceInUse").related("#/Links/Drives"));
            }
            sizes.push(drive["CapacityBytes"].as_u64().unwrap_or(0));
        }
        let whole = capacity(&raid, &sizes);
        let wanted = body["CapacityBytes"].as_u64().unwrap_or(whole);
        if wanted > whole || wanted == 0 {
            return refuse(
                400,
                Message::new("PropertyValueOutOfRange")
                    .arguments([&wanted.to_string(), "CapacityBytes"]),
            );
        }
        let number = inner.state.next() + 1;
        let path = format!("{collection}/{number}");
        let name = body["Name"]
            .as_str()
            .or(body["DisplayName"].as_str())
            .unwrap_or("Volume");
        let document = json!({
            "@odata.id": path,
            "@odata.type": "#Volume.v1_10_0.Volume",
            "Id": number.to_string(),
            "Name": name,
            "Status": healthy(),
            "RAIDType": raid,
            "CapacityBytes": wanted,
            "BlockSizeBytes": 512,
            "Links": {"Drives": drives.iter().map(|drive| json!({"@odata.id": drive})).collect::<Vec<_>>(), "Drives@odata.count": drives.len()},
            "Actions": {"#Volume.Initialize": {
                "target": format!("{path}/Actions/Volume.Initialize"),
                "InitializeType@Redfish.AllowableValues": ["Fast", "Slow"],
            }},
        });
        self.link_drives(&mut inner, &drives, &path, true);
        let effect =
            TaskEffect::Documents(BTreeMap::from([(path.clone(), Some(document.clone()))]));
        let order = Order {
            name: "Create a volume",
            kind: "RealTimeNoRebootConfiguration",
            state: match time {
                Some("OnReset") => TaskState::Scheduled,
                _ => TaskState::Running,
            },
            target: Some(path),
            effect,
            outcome: Some(document),
        };
        let task = self.start_task(&mut inner, order);
        // iDRAC answers with its own job.
        if self.dialect.bios_answer == BiosAnswer::VendorJob {
            return Answer::json(201, json!({})).with(header::LOCATION, self.job_path(&task));
        }
        self.accepted(&task)
    }

    pub fn delete_volume(self: &Arc<Self>, path: &str) -> Answer {
        let mut inner = self.lock();
        let drives: Vec<String> = self
            .stored(&inner, path)
            .and_then(|volume| volume["Links"]["Drives"].as_array().cloned())
            .into_iter()
            .flatten()
            .filter_map(|drive| {
                drive["@odata.id"]
                    .as_str()
                    .map(|path| normal(path).to_owned())
            })
            .collect();
        self.link_drives(&mut inner, &drives, path, false);
        let effect = TaskEffect::Documents(BTreeMap::from([(path.to_owned(), None)]));
        let task = self.work(
            &mut inner,
            "Delete a volume",
            effect,
            Some(path.to_owned()),
            None,
        );
        self.accepted(&task)
    }

    /// Work on a drive or volume that leaves the documents as they are.
    pub fn erase(self: &Arc<Self>, resource: &str, name: &str) -> Answer {
        let mut inner = self.lock();
        let task = self.work(
            &mut inner,
            name,
            TaskEffect::Nothing,
            Some(resource.to_owned()),
            None,
        );
        self.accepted(&task)
    }

    fn link_drives(&self, inner: &mut Inner, drives: &[String], volume: &str, present: bool) {
        for path in drives {
            let Some(mut drive) = self.stored(inner, path) else {
                continue;
            };
            let Some(volumes) = drive["Links"]["Volumes"].as_array_mut() else {
                continue;
            };
            volumes.retain(|link| link["@odata.id"].as_str() != Some(volume));
            if present {
                volumes.push(json!({"@odata.id": volume}));
            }
            let count = volumes.len();
            drive["Links"]["Volumes@odata.count"] = json!(count);
            self.put(inner, path, drive);
        }
    }

    pub fn work(
        self: &Arc<Self>,
        inner: &mut Inner,
        name: &str,
        effect: TaskEffect,
        target: Option<String>,
        outcome: Option<Value>,
    ) -> Task {
        self.start_task(
            inner,
            Order {
                name,
                kind: "RealTimeNoRebootConfiguration",
                state: TaskState::Running,
                target,
                effect,
                outcome,
            },
        )
    }

    /// 202 with the task and where to follow it.
    pub fn accepted(&self, task: &Task) -> Answer {
        Answer::json(202, self.task_document(task))
            .with(header::LOCATION, self.monitor_path(task))
            .with(header::RETRY_AFTER, "1")
    }
}

fn capacity(raid: &str, sizes: &[u64]) -> u64 {
    let smallest = sizes.iter().copied().min().unwrap_or(0);
    let count = sizes.len() as u64;
    match raid {
        "RAID1" => smallest,
        "RAID5" => smallest * count.saturating_sub(1),
        "RAID6" => smallest * count.saturating_sub(2),
        "RAID10" => smallest * (count / 2),
        _ => smallest * count,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capacities_follow_the_raid_type() {
        let sizes = [100, 120, 100, 100];
        for (raid, expected) in [
            ("RAID0", 400),
            ("RAID1", 100),
            ("RAID5", 300),
            ("RAID6", 200),
            ("RAID10", 200),
        ] {
            assert_eq!(capacity(raid, &sizes), expected, "{raid}");
        }
    }
}
