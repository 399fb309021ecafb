//! What the expression language has beyond minijinja's own filters and tests: the few words
//! that infrastructure needs, and the methods that people who know Jinja write.

use std::cmp::Ordering;
use std::net::IpAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use minijinja::value::{ValueKind, from_args};
use minijinja::{Environment, Error, ErrorKind, State, Value};

use super::convert::{from_template, to_template};
use super::words::Network;
use crate::model::bmc::{BiosState, intents};
use crate::model::{Text, shell};

pub(super) fn install(environment: &mut Environment<'static>) {
    environment.add_filter("to_yaml", to_yaml);
    environment.add_filter("from_json", from_json);
    environment.add_filter("b64encode", base64_encode);
    environment.add_filter("b64decode", base64_decode);
    environment.add_filter("quote", quote);
    environment.add_filter("family", family);
    environment.add_filter("of_family", of_family);
    environment.add_filter("one_a_family", one_a_family);
    environment.add_filter("bracketed", bracketed);
    environment.add_filter("nth_address", nth_address);
    environment.add_filter("minor", minor);
    environment.add_filter("quantity", quantity);
    environment.add_filter("unmet_intents", unmet_intents);
    environment.add_test("at_least", at_least);
    environment.add_test("within", within);
    environment.set_unknown_method_callback(method);
}

fn wrong(message: String) -> Error {
    Error::new(ErrorKind::InvalidOperation, message)
}

/// A sealed value must not be computed with: the result would not be its value's.
fn open(text: &str, filter: &str) -> Result<(), Error> {
    match Text::new(text).names().first() {
        Some(name) => Err(wrong(format!(
            "the sealed value `{name}` cannot pass through `{filter}`"
        ))),
        None => Ok(()),
    }
}

/// What of the wished BIOS intents a BIOS's attributes (the answer to `bmc: bios`) do not have.
fn unmet_intents(state: &Value, wishes: &Value) -> Result<Vec<String>, Error> {
    let state: BiosState = serde_json::from_value(from_template(state)?)
        .map_err(|error| wrong(format!("no BIOS attributes: {error}")))?;
    let wishes = match from_template(wishes)? {
        serde_json::Value::Object(map) => map,
        _ => return Err(wrong("the intents are no map".to_owned())),
    };
    let wishes = wishes.iter().map(|(name, value)| {
        let word = match value {
            serde_json::Value::Bool(true) => "on".to_owned(),
            serde_json::Value::Bool(false) => "off".to_owned(),
            other => intents::spelt(other),
        };
        (name.clone(), word)
    });
    Ok(intents::unmet(&state, &wishes.collect()))
}

/// A value as YAML, without a newline at its end.
fn to_yaml(value: Value) -> Result<String, Error> {
    let json = from_template(&value)?;
    let text = serde_saphyr::to_string(&json).map_err(|error| wrong(error.to_string()))?;
    Ok(text.trim_end().to_owned())
}

fn from_json(text: &str) -> Result<Value, Error> {
    let json = serde_json::from_str(text).map_err(|error| wrong(format!("not JSON: {error}")))?;
    Ok(to_template(&json))
}

fn base64_encode(text: &str) -> Result<String, Error> {
    open(text, "b64encode")?;
    Ok(STANDARD.encode(text))
}

fn base64_decode(text: &str) -> Result<String, Error> {
    let bytes = STANDARD
        .decode(text.trim())
        .map_err(|error| wrong(format!("not base64: {error}")))?;
    String::from_utf8(bytes).map_err(|_| wrong("the decoded bytes are no text".to_owned()))
}

/// The text as one word of a POSIX shell.
fn quote(text: &str) -> String {
    shell::quote(text)
}

/// `ipv4` or `ipv6`, of an address or a network.
fn family(text: &str) -> Result<&'static str, Error> {
    let address = text.split('/').next().unwrap_or_default();
    match address.parse::<IpAddr>() {
        Ok(IpAddr::V4(_)) => Ok("ipv4"),
        Ok(IpAddr::V6(_)) => Ok("ipv6"),
        Err(_) => Err(wrong(format!(
            "`{text}` is neither an address nor a network"
        ))),
    }
}

/// Those addresses or networks of a list that are of a family: `pods | of_family("ipv6")`.
fn of_family(texts: Vec<String>, wanted: &str) -> Result<Vec<String>, Error> {
    if !["ipv4", "ipv6"].contains(&wanted) {
        return Err(wrong(format!("`{wanted}` is neither ipv4 nor ipv6")));
    }
    let mut found = Vec::new();
    for text in texts {
        if family(&text)? == wanted {
            found.push(text);
        }
    }
    Ok(found)
}

/// The first address of each family, in the order of the list: what a node of a dual-stack
/// cluster is called by.
fn one_a_family(texts: Vec<String>) -> Result<Vec<String>, Error> {
    let mut seen = Vec::new();
    let mut found = Vec::new();
    for text in texts {
        let family = family(&text)?;
        if !seen.contains(&family) {
            seen.push(family);
            found.push(text);
        }
    }
    Ok(found)
}

/// An address as it stands in a URL: an IPv6 address in brackets.
fn bracketed(text: &str) -> String {
    match text.parse::<IpAddr>() {
        Ok(IpAddr::V6(_)) => format!("[{text}]"),
        _ => text.to_owned(),
    }
}

/// The address at an offset in a network: `"10.96.0.0/16" | nth_address(10)` is `10.96.0.10`.
fn nth_address(network: &str, offset: u64) -> Result<String, Error> {
    let parsed = Network::parse(network)
        .ok_or_else(|| wrong(format!("`{network}` is no network in CIDR notation")))?;
    let found = parsed.at(offset);
    found
        .map(|address| address.to_string())
        .ok_or_else(|| wrong(format!("`{network}` has no address {offset}")))
}

/// `1.33.13` is `1.33`.
fn minor(version: &str) -> String {
    let version = version.trim_start_matches('v');
    version.splitn(3, '.').take(2).collect::<Vec<_>>().join(".")
}

/// A Kubernetes quantity as a number: `8Gi`, `500m`, `2`.
fn quantity(value: Value) -> Result<f64, Error> {
    let text = value.to_string();
    let digits = text
        .find(|letter: char| !letter.is_ascii_digit() && !".-+".contains(letter))
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor = match unit {
        "" => 1.0,
        "m" => 1e-3,
        "k" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "T" => 1e12,
        "P" => 1e15,
        "Ki" => 1024.0,
        "Mi" => 1024f64.powi(2),
        "Gi" => 1024f64.powi(3),
        "Ti" => 1024f64.powi(4),
        "Pi" => 1024f64.powi(5),
        _ => return Err(wrong(format!("`{text}` is no quantity"))),
    };
    let number: f64 = number
        .parse()
        .map_err(|_| wrong(format!("`{text}` is no quantity")))?;
    Ok(number * factor)
}

/// `"1.33.2" is at_least("1.31")`: number by number, whatever follows a `-`, `+` or `~` left out.
fn at_least(version: &str, least: &str) -> bool {
    let numbers = |text: &str| -> Vec<u64> {
        text.trim_start_matches('v')
            .split(['-', '+', '~'])
            .next()
            .unwrap_or_default()
            .split('.')
            .map(|part| {
                let digits = part.find(|letter: char| !letter.is_ascii_digit());
                part[..digits.unwrap_or(part.len())].parse().unwrap_or(0)
            })
            .collect()
    };
    numbers(version).cmp(&numbers(least)) != Ordering::Less
}

/// `host.address is within("192.0.2.0/24")`.
fn within(address: &str, network: &str) -> Result<bool, Error> {
    let network = Network::parse(network)
        .ok_or_else(|| wrong(format!("`{network}` is no network in CIDR notation")))?;
    Ok(address
        .parse()
        .is_ok_and(|address| network.contains(address)))
}

/// The methods of Jinja's Python values that people reach for.
fn method(
    _state: &mut State<'_, '_>,
    value: &Value,
    name: &str,
    arguments: &[Value],
) -> Result<Value, Error> {
    let unknown = || {
        Error::new(
            ErrorKind::UnknownMethod,
            format!("there is no method `{name}`"),
        )
    };
    if let Some(text) = value.as_str() {
        let one =
            || -> Result<String, Error> { from_args::<(String,)>(arguments).map(|one| one.0) };
        return Ok(match name {
            "startswith" => Value::from(text.starts_with(&one()?)),
            "endswith" => Value::from(text.ends_with(&one()?)),
            "strip" => Value::from(text.trim()),
            "lower" => Value::from(text.to_lowercase()),
            "upper" => Value::from(text.to_uppercase()),
            "splitlines" => Value::from(text.lines().map(Value::from).collect::<Vec<_>>()),
            "split" if arguments.is_empty() => {
                Value::from(text.split_whitespace().map(Value::from).collect::<Vec<_>>())
            }
            "split" => Value::from(text.split(&one()?).map(Value::from).collect::<Vec<_>>()),
            "replace" => {
                let (from, to): (String, String) = from_args(arguments)?;
                Value::from(text.replace(&from, &to))
            }
            _ => return Err(unknown()),
        });
    }
    if value.kind() != ValueKind::Map {
        return Err(unknown());
    }
    match name {
        "keys" => Ok(Value::from(value.try_iter()?.collect::<Vec<_>>())),
        "values" | "items" => {
            let mut found = Vec::new();
            for key in value.try_iter()? {
                let inner = value.get_item(&key)?;
                found.push(match name {
                    "items" => Value::from(vec![key, inner]),
                    _ => inner,
                });
            }
            Ok(Value::from(found))
        }
        "get" => {
            let (key, other): (Value, Option<Value>) = from_args(arguments)?;
            let found = value.get_item(&key)?;
            Ok(match found.is_undefined() {
                true => other.unwrap_or_else(|| Value::from(())),
                false => found,
            })
        }
        _ => Err(unknown()),
    }
}
