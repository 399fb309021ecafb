//! What a certificate says of itself: just enough of X.509's DER for a person to recognise it.

use rustls_pki_types::CertificateDer;
use sha2::{Digest, Sha256};

/// A certificate as a BMC shows it. Nothing in it is believed; it is for a person to compare.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// `sha256:` and the hexadecimal digest of the DER form.
    pub fingerprint: String,
    /// `CN=idrac-ABC, O=Dell Inc.`; empty where it has none or cannot be read.
    pub subject: String,
    /// As `2026-01-31T00:00:00Z`; none where it cannot be read.
    pub valid_from: Option<String>,
    pub valid_until: Option<String>,
}

pub(super) fn fingerprint_of(der: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(der)))
}

impl Shown {
    pub(super) fn of(certificate: &CertificateDer<'_>) -> Self {
        let (subject, valid_from, valid_until) = read(certificate.as_ref()).unwrap_or_default();
        Self {
            fingerprint: fingerprint_of(certificate.as_ref()),
            subject,
            valid_from,
            valid_until,
        }
    }
}

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const OBJECT: u8 = 0x06;
const UTC_TIME: u8 = 0x17;
const BMP_STRING: u8 = 0x1e;

/// The parts of a name that people know, by their object identifiers (X.520).
const NAMES: [(&[u8], &str); 4] = [
    (&[0x55, 4, 3], "CN"),
    (&[0x55, 4, 10], "O"),
    (&[0x55, 4, 11], "OU"),
    (&[0x55, 4, 5], "serialNumber"),
];

type Validity = (String, Option<String>, Option<String>);

/// Subject and validity (RFC 5280, 4.1).
fn read(der: &[u8]) -> Option<Validity> {
    let (certificate, _) = element(der, SEQUENCE)?;
    let (mut rest, _) = element(certificate, SEQUENCE)?;
    // The version is absent in certificates of version 1.
    if let Some((_, after)) = element(rest, 0xa0) {
        rest = after;
    }
    // Serial number, signature algorithm, issuer.
    for _ in 0..3 {
        rest = any(rest)?.2;
    }
    let (validity, rest) = element(rest, SEQUENCE)?;
    let (kind, from, after) = any(validity)?;
    let valid_from = time(kind, from);
    let (kind, until, _) = any(after)?;
    let valid_until = time(kind, until);
    let (subject, _) = element(rest, SEQUENCE)?;
    Some((name(subject), valid_from, valid_until))
}

fn name(mut rest: &[u8]) -> String {
    let mut parts = Vec::new();
    while let Some((set, after)) = element(rest, SET) {
        rest = after;
        let Some((pair, _)) = element(set, SEQUENCE) else {
            continue;
        };
        let Some((object, value)) = element(pair, OBJECT) else {
            continue;
        };
        let known = NAMES.iter().find(|(bytes, _)| *bytes == object);
        if let (Some((_, word)), Some((kind, value, _))) = (known, any(value)) {
            let text = match kind {
                BMP_STRING => {
                    let units = value.chunks_exact(2);
                    let units: Vec<u16> = units
                        .map(|pair| u16::from_be_bytes([pair[0], pair[1]]))
                        .collect();
                    String::from_utf16_lossy(&units)
                }
                _ => String::from_utf8_lossy(value).into_owned(),
            };
            parts.push(format!("{word}={text}"));
        }
    }
    parts.join(", ")
}

/// `YYMMDDHHMMSSZ`, or with four digits of the year.
fn time(kind: u8, bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok()?;
    if !text.is_ascii() {
        return None;
    }
    let (year, rest) = if kind == UTC_TIME {
        let short: u32 = text.get(..2)?.parse().ok()?;
        let century = if short >= 50 { 1900 } else { 2000 };
        (century + short, text.get(2..)?)
    } else {
        (text.get(..4)?.parse().ok()?, text.get(4..)?)
    };
    let digits = rest.strip_suffix('Z')?;
    if digits.len() < 10 || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    Some(format!(
        "{year:04}-{}-{}T{}:{}:{}Z",
        &digits[..2],
        &digits[2..4],
        &digits[4..6],
        &digits[6..8],
        &digits[8..10]
    ))
}

/// The content of an element of that kind, and what follows it.
fn element(bytes: &[u8], kind: u8) -> Option<(&[u8], &[u8])> {
    let (found, content, rest) = any(bytes)?;
    (found == kind).then_some((content, rest))
}

/// Kind, content, and what follows.
fn any(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&kind, rest) = bytes.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x84 => {
            let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            let length = digits
                .iter()
                .fold(0_usize, |length, digit| length << 8 | usize::from(*digit));
            (length, rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((kind, content, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_tells_its_subject_and_validity() {
        super::super::trust::provider();
        let key = rcgen::KeyPair::generate().unwrap();
        let mut parameters = rcgen::CertificateParams::new(vec!["bmc".into()]).unwrap();
        parameters.not_before = rcgen::date_time_ymd(2024, 2, 3);
        parameters.not_after = rcgen::date_time_ymd(2061, 12, 31);
        let mut subject = rcgen::DistinguishedName::new();
        subject.push(rcgen::DnType::CommonName, "idrac-ABC");
        subject.push(rcgen::DnType::OrganizationName, "Example");
        parameters.distinguished_name = subject;
        let certificate = parameters.self_signed(&key).unwrap();
        let shown = Shown::of(certificate.der());
        assert_eq!(shown.subject, "CN=idrac-ABC, O=Example");
        assert_eq!(shown.valid_from.as_deref(), Some("2024-02-03T00:00:00Z"));
        assert_eq!(shown.valid_until.as_deref(), Some("2061-12-31T00:00:00Z"));
        // Cut anywhere, it is unreadable and no panic.
        for end in 0..certificate.der().len() {
            let _ = read(&certificate.der()[..end]);
        }
    }
}
