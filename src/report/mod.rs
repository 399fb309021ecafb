//! The one consumer of events: plan text, lines or bars, the summary, conformance reports and the
//! run record. Only here and in cli is anything printed.
