//! The lasting boot order, and the options that it orders.

use serde::{Deserialize, Serialize};

/// Where the system looks for a loader, one after the other.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct BootOrderState {
    /// References of boot options, the first first.
    pub order: Vec<String>,
    /// The order that waits for the next boot, where it differs.
    pub pending: Option<Vec<String>>,
    pub options: Vec<BootOption>,
    /// A queued job of the BMC that may hold an order which is not shown, by its identifier.
    #[serde(default)]
    pub job: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct BootOption {
    /// What the order names: `Boot0003`.
    pub reference: String,
    pub name: Option<String>,
    /// The kind of target, where it is told: `Pxe`, `Hdd`, `UefiHttp`.
    pub alias: Option<String>,
    pub path: Option<String>,
    pub enabled: Option<bool>,
}

/// Kinds of boot options that a wish may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BootClass {
    /// By PXE or HTTP.
    Network,
    Pxe,
    Http,
    Disk,
    /// Optical drives, virtual ones too.
    Cd,
    Usb,
}

impl BootClass {
    pub const NAMES: [(&str, Self); 6] = [
        ("network", Self::Network),
        ("pxe", Self::Pxe),
        ("http", Self::Http),
        ("disk", Self::Disk),
        ("cd", Self::Cd),
        ("usb", Self::Usb),
    ];

    pub fn named(name: &str) -> Option<Self> {
        let mut rows = Self::NAMES.iter();
        rows.find(|row| row.0.eq_ignore_ascii_case(name))
            .map(|row| row.1)
    }
}

impl BootOption {
    /// What it boots from: by its alias, else by its device path, else by its name. HPE's aliases
    /// are `None`, and Dell has none (captured trees).
    pub fn class(&self) -> Option<BootClass> {
        match self.alias.as_deref() {
            Some("Pxe") => return Some(BootClass::Pxe),
            Some("UefiHttp") => return Some(BootClass::Http),
            Some("Hdd" | "RemoteDrive") => return Some(BootClass::Disk),
            Some("Cd" | "UsbCd") => return Some(BootClass::Cd),
            Some("Usb" | "UsbHdd") => return Some(BootClass::Usb),
            _ => {}
        }
        let path = self.path.as_deref().unwrap_or_default();
        let name = self.name.as_deref().unwrap_or_default().to_lowercase();
        let holds = |part: &str| path.contains(part);
        let says = |part: &str| name.contains(part);
        if holds("Uri(") {
            Some(BootClass::Http)
        } else if holds("MAC(") {
            Some(BootClass::Pxe)
        } else if holds("CDROM(") || says("cd/dvd") || says("dvd") || says("virtual cd") {
            Some(BootClass::Cd)
        } else if holds("USB(") {
            Some(BootClass::Usb)
        } else if ["HD(", "NVMe(", "Sata(", "SAS(", "Scsi(", "SasEx("]
            .iter()
            .any(|part| holds(part))
        {
            Some(BootClass::Disk)
        } else if says("http") {
            Some(BootClass::Http)
        } else if says("pxe") || says("network") {
            Some(BootClass::Pxe)
        } else if says("usb") {
            Some(BootClass::Usb)
        } else if says("hard drive") || says("hard disk") || says("disk") || says("ssd") {
            Some(BootClass::Disk)
        } else {
            None
        }
    }

    pub fn is_of(&self, class: BootClass) -> bool {
        match (self.class(), class) {
            (Some(BootClass::Pxe | BootClass::Http), BootClass::Network) => true,
            (Some(own), class) => own == class,
            (None, _) => false,
        }
    }
}
