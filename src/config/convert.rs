//! Values of files to values of templates, and back.

use std::fmt;
use std::sync::Arc;

use minijinja::value::{Object, ObjectRepr, ValueKind};
use minijinja::{Error, ErrorKind, Value};
use serde_json::{Map, Number, Value as Json};

use crate::model::Text;

/// A sealed value: it can be written into a text, as its mark, and nothing else.
#[derive(Debug)]
pub(super) struct Sealed(pub String);

impl Object for Sealed {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn render(self: &Arc<Self>, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&Text::mark(&self.0))
    }
}

/// A value of a file, an answer or a fact as templates see it.
pub(super) fn to_template(value: &Json) -> Value {
    match value {
        Json::Null => Value::from(()),
        Json::Bool(value) => Value::from(*value),
        Json::Number(number) => match (number.as_u64(), number.as_i64()) {
            (Some(value), _) => Value::from(value),
            (None, Some(value)) => Value::from(value),
            (None, None) => Value::from(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => Value::from(text.as_str()),
        Json::Array(items) => Value::from(items.iter().map(to_template).collect::<Vec<_>>()),
        Json::Object(fields) => Value::from_pairs(
            fields
                .iter()
                .map(|(name, value)| (Value::from(name.as_str()), to_template(value))),
        ),
    }
}

/// What a template yielded as a value of a file.
pub(super) fn from_template(value: &Value) -> Result<Json, Error> {
    Ok(match value.kind() {
        ValueKind::Undefined => {
            return Err(Error::new(
                ErrorKind::UndefinedError,
                "the value is undefined",
            ));
        }
        ValueKind::None => Json::Null,
        ValueKind::Bool => Json::Bool(value.is_true()),
        ValueKind::Number => number(value),
        ValueKind::Seq | ValueKind::Iterable => {
            let items: Result<Vec<_>, _> =
                value.try_iter()?.map(|item| from_template(&item)).collect();
            Json::Array(items?)
        }
        ValueKind::Map => {
            let mut fields = Map::new();
            for key in value.try_iter()? {
                let inner = value.get_item(&key)?;
                fields.insert(key.to_string(), from_template(&inner)?);
            }
            Json::Object(fields)
        }
        // An invalid value carries its error, which `get_attr` gives back.
        ValueKind::Invalid => match value.get_attr("") {
            Err(error) => return Err(error),
            Ok(_) => Json::Null,
        },
        _ => Json::String(value.to_string()),
    })
}

fn number(value: &Value) -> Json {
    let text = value.to_string();
    let whole = text
        .parse::<u64>()
        .map(Number::from)
        .or_else(|_| text.parse::<i64>().map(Number::from));
    let number = match whole {
        Ok(number) => Some(number),
        Err(_) => text.parse::<f64>().ok().and_then(Number::from_f64),
    };
    number.map_or(Json::Null, Json::Number)
}
