//! The BIOS attribute registry, found although identifiers differ.
//!
//! The identifier in `Bios`, that of the registry's file and that in its body may all differ
//! (seen in captured trees), and some registries live outside `/redfish` (Supermicro). So files
//! are tried in the order of their likeness, and what is in a file decides.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::bios;
use super::document::{Document, link, real, text, truth, whole};
use super::error::Error;
use super::links::tidy;
use super::survey::Survey;
use crate::model::bmc::{
    BiosAttribute, BiosDependency, BiosRegistry, BiosTerm, Condition, DependentProperty, Joined,
};

/// The registry's body, or why there is none.
pub(super) async fn find(
    survey: &Survey<'_>,
    wanted: Option<&str>,
) -> Result<Arc<Document>, String> {
    let root = survey.root().await.map_err(|error| error.to_string())?;
    let Some(path) = root.link("Registries") else {
        return Err("the service root links no Registries".into());
    };
    let collection = survey.get(&path).await.map_err(|error| error.to_string())?;
    let (mut links, fault) = survey.member_links(&collection.body).await;
    // A stable sort: the likest first, else in the BMC's order. Only files whose path looks like
    // a BIOS registry are opened, unless no path tells anything.
    links.sort_by_key(|path| {
        likeness(
            path.rsplit('/')
                .find(|part| !part.is_empty())
                .unwrap_or(path),
            wanted,
        )
    });
    let likely: Vec<String> = links
        .iter()
        .filter(|path| {
            likeness(
                path.trim_end_matches('/')
                    .rsplit('/')
                    .next()
                    .unwrap_or(path),
                wanted,
            ) < UNLIKE
        })
        .cloned()
        .collect();
    let candidates = if likely.is_empty() { links } else { likely };
    let mut reason = match (&fault, wanted) {
        (Some((_, error)), _) => error.to_string(),
        (None, Some(name)) => format!("no registry matches {name}"),
        (None, None) => "no registry is one of BIOS attributes".into(),
    };
    for path in candidates {
        let file = match survey.get(&path).await {
            Ok(file) => file,
            Err(error) => {
                reason = error.to_string();
                continue;
            }
        };
        match open(survey, &file, wanted).await {
            Some(Ok(body)) => return Ok(body),
            Some(Err(error)) => reason = error,
            None => {}
        }
    }
    Err(reason)
}

const UNLIKE: u8 = 9;

/// How unlike a name is to the wanted one: 0 is equal.
fn likeness(name: &str, wanted: Option<&str>) -> u8 {
    let name = name.to_ascii_lowercase();
    if let Some(wanted) = wanted {
        let wanted = wanted.to_ascii_lowercase();
        if name == wanted {
            return 0;
        }
        if stem(&name) == stem(&wanted) {
            return 1;
        }
        if name.starts_with(stem(&wanted)) || wanted.starts_with(stem(&name)) {
            return 2;
        }
    }
    match (name.contains("bios"), name.contains("attributeregistry")) {
        (true, true) => 3,
        (true, false) => 4,
        // Other parts have attribute registries too (seen in the Dell tree: the manager's).
        _ => UNLIKE,
    }
}

/// A registry's name without its version: `BiosAttributeRegistryP89.v1_0_0`, `….1.0.0`, `….json`.
fn stem(name: &str) -> &str {
    let end = name
        .char_indices()
        .find(|(index, letter)| {
            *letter == '.'
                && name[index + 1..]
                    .trim_start_matches('v')
                    .starts_with(|next: char| next.is_ascii_digit())
        })
        .map_or(name.len(), |(index, _)| index);
    name[..end].trim_end_matches(".json")
}

/// The body behind a registry's file: the English one, if there are several. None where the file
/// is no registry of BIOS attributes.
async fn open(
    survey: &Survey<'_>,
    file: &Document,
    wanted: Option<&str>,
) -> Option<Result<Arc<Document>, String>> {
    // Some list the registry itself instead of a file that locates it.
    if is_bios(&file.body, wanted) {
        return Some(Ok(Arc::new(file.clone())));
    }
    let names = [file.text("Registry"), file.text("Id")];
    if names
        .iter()
        .flatten()
        .all(|name| likeness(name, wanted) == UNLIKE)
    {
        return None;
    }
    let locations = file.body.get("Location")?.as_array()?;
    let mut places: Vec<&Value> = locations.iter().collect();
    places.sort_by_key(|place| {
        let language = text(place, "Language")
            .unwrap_or_default()
            .to_ascii_lowercase();
        !language.starts_with("en")
    });
    let mut failure = None;
    for place in places {
        let Some(uri) = place.get("Uri").and_then(link) else {
            continue;
        };
        match survey.get(&uri).await {
            Ok(body) if is_bios(&body.body, wanted) => return Some(Ok(body)),
            Ok(_) => {}
            Err(error) => failure = Some(Err(error.to_string())),
        }
    }
    failure
}

fn is_bios(body: &Value, wanted: Option<&str>) -> bool {
    let listed = body
        .pointer("/RegistryEntries/Attributes")
        .is_some_and(Value::is_array);
    let named = ["Id", "Name", "@odata.id"]
        .iter()
        .filter_map(|key| text(body, key))
        .any(|name| {
            let name = tidy(&name);
            likeness(name.rsplit('/').next().unwrap_or(&name), wanted) < UNLIKE
        });
    listed && named
}

pub(super) async fn read(survey: &Survey<'_>) -> Result<BiosRegistry, Error> {
    let bios = bios::read(survey).await?;
    let wanted = bios.current.text("AttributeRegistry");
    let document = match find(survey, wanted.as_deref()).await {
        Ok(document) => document,
        Err(reason) => {
            return Ok(BiosRegistry {
                attributes: BTreeMap::new(),
                dependencies: Vec::new(),
                absent: Some(reason),
            });
        }
    };
    let entries = document
        .at("/RegistryEntries/Attributes")
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default();
    let attributes = entries
        .iter()
        .filter_map(|entry| Some((text(entry, "AttributeName")?, attribute(entry))))
        .collect();
    let dependencies = document
        .at("/RegistryEntries/Dependencies")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(dependency)
        .collect();
    Ok(BiosRegistry {
        attributes,
        dependencies,
        absent: None,
    })
}

/// None for one that hangs on something else than values, or concerns what is only shown.
fn dependency(entry: &Value) -> Option<BiosDependency> {
    let inner = entry.get("Dependency")?;
    let property = match text(inner, "MapToProperty")?.as_str() {
        "ReadOnly" => DependentProperty::ReadOnly,
        "Hidden" => DependentProperty::Hidden,
        "CurrentValue" => DependentProperty::CurrentValue,
        "LowerBound" => DependentProperty::LowerBound,
        "UpperBound" => DependentProperty::UpperBound,
        _ => return None,
    };
    let terms: Option<Vec<BiosTerm>> = inner.get("MapFrom")?.as_array()?.iter().map(term).collect();
    Some(BiosDependency {
        attribute: text(inner, "MapToAttribute").or_else(|| text(entry, "DependencyFor"))?,
        property,
        value: inner.get("MapToValue")?.clone(),
        terms: terms.filter(|terms| !terms.is_empty())?,
    })
}

fn term(entry: &Value) -> Option<BiosTerm> {
    if text(entry, "MapFromProperty").is_some_and(|property| property != "CurrentValue") {
        return None;
    }
    let condition = match text(entry, "MapFromCondition").as_deref() {
        Some("EQU") | None => Condition::Equal,
        Some("NEQ") => Condition::NotEqual,
        Some("GTR") => Condition::Greater,
        Some("GEQ") => Condition::GreaterOrEqual,
        Some("LSS") => Condition::Less,
        Some("LEQ") => Condition::LessOrEqual,
        Some(_) => return None,
    };
    Some(BiosTerm {
        attribute: text(entry, "MapFromAttribute")?,
        condition,
        value: entry.get("MapFromValue")?.clone(),
        joined: match text(entry, "MapTerms").as_deref() {
            Some("AND") => Joined::And,
            _ => Joined::Or,
        },
    })
}

fn attribute(entry: &Value) -> BiosAttribute {
    let allowed = entry
        .get("Value")
        .and_then(Value::as_array)
        .map(|values| {
            values
                .iter()
                .filter_map(|value| text(value, "ValueName"))
                .collect()
        })
        .unwrap_or_default();
    BiosAttribute {
        kind: text(entry, "Type"),
        display_name: text(entry, "DisplayName"),
        read_only: truth(entry, "ReadOnly").unwrap_or(false)
            || truth(entry, "Immutable").unwrap_or(false),
        allowed,
        lower_bound: real(entry, "LowerBound"),
        upper_bound: real(entry, "UpperBound"),
        min_length: whole(entry, "MinLength"),
        max_length: whole(entry, "MaxLength"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_do_not_hide_a_likeness() {
        let wanted = Some("BiosAttributeRegistry.v1_0_3");
        assert_eq!(likeness("BiosAttributeRegistry.v1_0_3", wanted), 0);
        assert_eq!(likeness("BiosAttributeRegistry.v1_0_0", wanted), 1);
        assert_eq!(likeness("BiosAttributeRegistry.1.0.0.json", wanted), 1);
        assert_eq!(likeness("ManagerAttributeRegistry.v1_0_0", wanted), UNLIKE);
        assert_eq!(likeness("Base.1.8.1", wanted), UNLIKE);
        assert_eq!(likeness("SMC_BIOS_Registry", None), 4);
    }
}
