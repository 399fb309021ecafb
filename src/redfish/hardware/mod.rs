//! The hardware summary.

use serde_json::Value;

use super::error::Error;
use super::survey::Survey;

pub(super) async fn read(_survey: &Survey<'_>) -> Result<Value, Error> {
    Err(Error::Unsupported {
        what: "tell its hardware".into(),
        reason: "not written".into(),
    })
}
