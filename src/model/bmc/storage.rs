//! Drives and volumes: what there is, and which drives serve a wish.

use serde::{Deserialize, Serialize};

/// The storage that the BMC shows.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct StorageState {
    pub controllers: Vec<Controller>,
    /// Resources that could not be read, with the reason.
    pub unreadable: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Controller {
    pub path: String,
    pub name: String,
    /// The collection of its volumes; none where it makes none.
    pub volumes_path: Option<String>,
    /// `RAID1`, …; empty where the BMC does not say.
    pub raid_types: Vec<String>,
    pub drives: Vec<Disk>,
    pub volumes: Vec<Volume>,
    /// Names of volumes that this run has ordered and that the next boot makes.
    pub coming: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Disk {
    pub path: String,
    pub name: String,
    /// `SATA`, `SAS`, `NVMe`.
    pub protocol: Option<String>,
    /// `SSD` or `HDD`.
    pub media: Option<String>,
    pub bytes: Option<u64>,
    /// Why no volume may be put on it; none where it is free.
    pub taken: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Volume {
    pub path: String,
    pub name: String,
    pub raid: Option<String>,
    pub bytes: Option<u64>,
    /// Paths of its drives.
    pub drives: Vec<String>,
    /// The next boot removes it, as this run has ordered.
    pub going: bool,
}

/// Which drives a volume is to be made of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DriveWish {
    pub count: usize,
    pub protocol: Option<String>,
    pub media: Option<String>,
    pub min_bytes: u64,
}

/// A volume to be made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VolumeOrder {
    pub name: String,
    pub raid: String,
    /// Paths of drives that were free when they were chosen.
    pub drives: Vec<String>,
    /// The collection to make it in.
    pub volumes_path: String,
    /// Bytes; the whole capacity when none.
    pub bytes: Option<u64>,
}

impl DriveWish {
    /// Whether a drive is of the wished kind, whoever uses it.
    pub fn suits(&self, disk: &Disk) -> bool {
        let same = |wish: &Option<String>, is: &Option<String>| {
            wish.as_deref().is_none_or(|wish| {
                is.as_deref()
                    .is_some_and(|is| is.eq_ignore_ascii_case(wish))
            })
        };
        same(&self.protocol, &disk.protocol)
            && same(&self.media, &disk.media)
            && disk.bytes.unwrap_or(0) >= self.min_bytes
    }

    /// The free drives of a controller that serve best: the smallest that are large enough, and
    /// of one size where there are as many. None where there are too few.
    pub fn choose<'a>(&self, controller: &'a Controller) -> Option<Vec<&'a Disk>> {
        let mut free: Vec<&Disk> = controller
            .drives
            .iter()
            .filter(|disk| disk.taken.is_none() && self.suits(disk))
            .collect();
        free.sort_by_key(|disk| disk.bytes);
        let alike = free
            .chunk_by(|left, right| left.bytes == right.bytes)
            .find(|alike| alike.len() >= self.count);
        let from = alike.unwrap_or(&free);
        from.get(..self.count).map(<[&Disk]>::to_vec)
    }

    /// In words: `2 × NVMe SSD of at least 400 GB`.
    pub fn words(&self) -> String {
        let kind: Vec<&str> = [self.protocol.as_deref(), self.media.as_deref()]
            .into_iter()
            .flatten()
            .collect();
        let kind = match kind.is_empty() {
            true => "drive".to_owned(),
            false => kind.join(" "),
        };
        match self.min_bytes {
            0 => format!("{} × {kind}", self.count),
            bytes => format!("{} × {kind} of at least {}", self.count, size(bytes)),
        }
    }
}

/// A capacity as drives are sold: powers of ten.
pub fn size(bytes: u64) -> String {
    let real = bytes as f64;
    if real >= 1e12 {
        format!("{:.2} TB", real / 1e12)
    } else {
        format!("{:.0} GB", real / 1e9)
    }
}

/// `RAID1` and its fellows: the fewest drives, and the step by which their number grows.
pub const RAID: [(&str, usize, usize); 6] = [
    ("RAID0", 1, 1),
    ("RAID1", 2, 1),
    ("RAID5", 3, 1),
    ("RAID6", 4, 1),
    ("RAID10", 4, 2),
    ("RAID50", 6, 2),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn disk(name: &str, bytes: u64, taken: Option<&str>) -> Disk {
        Disk {
            path: format!("/d/{name}"),
            name: name.into(),
            protocol: Some("NVMe".into()),
            media: Some("SSD".into()),
            bytes: Some(bytes),
            taken: taken.map(str::to_owned),
        }
    }

    #[test]
    fn the_smallest_free_drives_of_one_size_are_taken() {
        let controller = Controller {
            path: "/c".into(),
            name: "c".into(),
            volumes_path: None,
            raid_types: vec![],
            drives: vec![
                disk("a", 800, None),
                disk("b", 400, None),
                disk("c", 800, None),
                disk("d", 500, None),
                disk("e", 400, Some("volume x")),
            ],
            volumes: vec![],
            coming: vec![],
        };
        let wish = |count, min_bytes| DriveWish {
            count,
            protocol: Some("nvme".into()),
            media: None,
            min_bytes,
        };
        let names = |wish: DriveWish| -> Option<Vec<&str>> {
            Some(
                wish.choose(&controller)?
                    .iter()
                    .map(|disk| &*disk.name)
                    .collect(),
            )
        };
        assert_eq!(names(wish(1, 0)), Some(vec!["b"]));
        assert_eq!(names(wish(2, 0)), Some(vec!["a", "c"]));
        assert_eq!(names(wish(1, 450)), Some(vec!["d"]));
        assert_eq!(names(wish(4, 0)), Some(vec!["b", "d", "a", "c"]));
        assert_eq!(names(wish(5, 0)), None);
        assert_eq!(names(wish(3, 450)), Some(vec!["d", "a", "c"]));
    }
}
