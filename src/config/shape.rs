//! Checks a tree against a JSON Schema and reports everything that is wrong, then hands over the
//! value with each scalar as the type that the schema states: where a text belongs, `1.30` is the
//! text `1.30`. Parts that are wrong are left out, so that the rest can be checked further.

use serde_json::{Map, Value};

use super::fault::Fault;
use super::nearest::{list, nearest, suggestion};
use super::node::{Content, Document, Key, Mark, Node};
use super::scalar::{fits, is_required, is_template, one_of, scalar_as};
use super::shape_words::{belongs, describe, example, found};

/// Whether texts that hold a template stand for any type.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Templates {
    Texts,
    Anywhere,
    /// All of them are rendered: what looks like one is a text.
    Rendered,
}

/// What of a document has the right shape.
pub(super) struct Read {
    /// The document as a value of the schema; `None` where nothing of it is usable.
    pub value: Option<Value>,
    /// Where list items stood that were left out: the first byte of each.
    pub dropped: Vec<u32>,
}

/// The document as a value of the schema, as far as it is right, and all faults of its shape.
pub(super) fn read(document: &Document, schema: &Value, faults: &mut Vec<Fault>) -> Read {
    let mut reader = Reader {
        document,
        root: schema,
        faults,
        dropped: Vec::new(),
    };
    let value = reader.read(&document.root, schema, document.root.mark, Templates::Texts);
    Read {
        value,
        dropped: reader.dropped,
    }
}

/// The document's root as a value of a part of the schema.
pub(super) fn read_part<'a>(
    document: &'a Document,
    root: &'a Value,
    schema: &'a Value,
    faults: &'a mut Vec<Fault>,
) -> Option<Value> {
    let mut reader = Reader {
        document,
        root,
        faults,
        dropped: Vec::new(),
    };
    reader.read(
        &document.root,
        schema,
        document.root.mark,
        Templates::Rendered,
    )
}

pub(super) struct Reader<'a> {
    pub(super) document: &'a Document,
    root: &'a Value,
    pub(super) faults: &'a mut Vec<Fault>,
    dropped: Vec<u32>,
}

impl<'a> Reader<'a> {
    /// `at` is where a fault of the node as a whole is shown: its key, where it has one.
    fn read(
        &mut self,
        node: &Node,
        schema: &'a Value,
        at: Mark,
        templates: Templates,
    ) -> Option<Value> {
        let marked = schema.get("x-templates").is_some();
        let templates = if marked && templates != Templates::Rendered {
            Templates::Anywhere
        } else {
            templates
        };
        let outer = schema;
        let schema = self.resolve(schema);
        if templates == Templates::Anywhere && is_template(node) {
            return Some(node.natural());
        }
        if let Some(choices) = self.choices(schema) {
            return self.choose(node, &choices);
        }
        if schema.get("properties").is_none()
            && let Some(Value::Array(alternatives)) =
                schema.get("anyOf").or_else(|| schema.get("oneOf"))
        {
            return self.alternative(node, alternatives, outer, at, templates);
        }
        match schema.get("type") {
            Some(Value::String(name)) => self.typed(node, name, schema, outer, at, templates),
            Some(Value::Array(names)) => {
                let names: Vec<&str> = names.iter().filter_map(Value::as_str).collect();
                match names.iter().find(|name| fits(node, name)) {
                    Some(name) => self.typed(node, name, schema, outer, at, templates),
                    None => self.wrong_type(node, &[schema], outer),
                }
            }
            _ if schema.get("properties").is_some() => {
                self.typed(node, "object", schema, outer, at, templates)
            }
            _ => Some(node.natural()),
        }
    }

    fn resolve(&self, mut schema: &'a Value) -> &'a Value {
        while let Some(Value::String(reference)) = schema.get("$ref") {
            match self.root.pointer(reference.trim_start_matches('#')) {
                Some(target) => schema = target,
                None => break,
            }
        }
        schema
    }

    /// The only values that the schema allows, where it lists them.
    fn choices(&self, schema: &'a Value) -> Option<Vec<&'a Value>> {
        let schema = self.resolve(schema);
        if let Some(Value::Array(values)) = schema.get("enum") {
            return Some(values.iter().collect());
        }
        if let Some(value) = schema.get("const") {
            return Some(vec![value]);
        }
        let alternatives = schema.get("oneOf").or_else(|| schema.get("anyOf"))?;
        if schema.get("properties").is_some() {
            return None;
        }
        let mut all = Vec::new();
        for alternative in alternatives.as_array()? {
            if alternative.get("type") == Some(&Value::from("null")) {
                all.push(&Value::Null);
            } else {
                all.extend(self.choices(alternative)?);
            }
        }
        (!all.is_empty()).then_some(all)
    }

    fn alternative(
        &mut self,
        node: &Node,
        alternatives: &'a [Value],
        outer: &'a Value,
        at: Mark,
        templates: Templates,
    ) -> Option<Value> {
        let resolved: Vec<&'a Value> = alternatives
            .iter()
            .map(|alternative| self.resolve(alternative))
            .collect();
        let fitting: Vec<&'a Value> = resolved
            .iter()
            .copied()
            .filter(|schema| self.could_be(node, schema))
            .collect();
        match fitting.as_slice() {
            [] => self.wrong_type(node, &resolved, outer),
            [only] => self.read(node, only, at, templates),
            many => {
                // Of several maps the one whose required key is there was meant.
                let meant = many.iter().copied().find(|schema| {
                    let required = schema.get("required").and_then(Value::as_array);
                    required.is_some_and(|keys| {
                        !keys.is_empty()
                            && keys
                                .iter()
                                .filter_map(Value::as_str)
                                .all(|key| node.get(key).is_some())
                    })
                });
                let natural = many.iter().copied().find(|schema| {
                    let name = schema.get("type").and_then(Value::as_str);
                    name.is_some_and(|name| name != "string" && fits(node, name))
                });
                let first = meant.or(natural).unwrap_or(many[0]);
                self.read(node, first, at, templates)
            }
        }
    }

    /// Whether the node's form lets it be a value of the schema.
    fn could_be(&self, node: &Node, schema: &'a Value) -> bool {
        let schema = self.resolve(schema);
        if let Some(choices) = self.choices(schema) {
            let scalar = matches!(node.content, Content::Scalar(_));
            return scalar && (!node.is_null() || choices.contains(&&Value::Null));
        }
        match schema.get("type") {
            Some(Value::String(name)) => fits(node, name),
            Some(Value::Array(names)) => names
                .iter()
                .filter_map(Value::as_str)
                .any(|name| fits(node, name)),
            _ => match schema.get("anyOf").or_else(|| schema.get("oneOf")) {
                Some(Value::Array(inner)) => inner.iter().any(|schema| self.could_be(node, schema)),
                _ => true,
            },
        }
    }

    fn typed(
        &mut self,
        node: &Node,
        name: &str,
        schema: &'a Value,
        outer: &'a Value,
        at: Mark,
        templates: Templates,
    ) -> Option<Value> {
        match (&node.content, name) {
            (Content::Map(pairs), "object") => self.object(node, pairs, schema, at, templates),
            (Content::List(items), "array") => {
                let inner = schema.get("items").unwrap_or(&Value::Bool(true));
                let mut values = Vec::with_capacity(items.len());
                for item in items {
                    match self.read(item, inner, item.mark, templates) {
                        Some(value) => values.push(value),
                        None => self.dropped.push(item.mark.start),
                    }
                }
                Some(Value::Array(values))
            }
            (Content::Scalar(scalar), _) => match scalar_as(scalar, name) {
                Some(value) => self.bounded(node, value, schema),
                None => self.wrong_type(node, &[schema], outer),
            },
            _ => self.wrong_type(node, &[schema], outer),
        }
    }

    fn object(
        &mut self,
        node: &Node,
        pairs: &[(Key, Node)],
        schema: &'a Value,
        at: Mark,
        templates: Templates,
    ) -> Option<Value> {
        let none = Map::new();
        let properties = schema.get("properties").and_then(Value::as_object);
        let known: Vec<&str> = properties
            .unwrap_or(&none)
            .keys()
            .map(String::as_str)
            .collect();
        let additional = schema.get("additionalProperties");
        let one = one_of(schema);
        let mut usable = self.exactly_one(pairs, &one, &known, schema, at);
        let mut object = Map::new();
        for (key, value) in pairs {
            let inner = properties.and_then(|properties| properties.get(&key.name));
            let inner = match (inner, additional) {
                (Some(inner), _) => inner,
                (None, Some(Value::Bool(false))) => {
                    if usable || one.is_empty() {
                        self.unknown_key(key, &known);
                    }
                    continue;
                }
                (None, Some(inner)) => inner,
                (None, None) => &Value::Bool(true),
            };
            match self.read(value, inner, key.mark, templates) {
                Some(value) => {
                    object.insert(key.name.clone(), value);
                }
                None if is_required(schema, &key.name) || one.contains(&key.name.as_str()) => {
                    usable = false;
                }
                None => {}
            }
        }
        for key in schema
            .get("required")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            let Some(key) = key.as_str().filter(|key| node.get(key).is_none()) else {
                continue;
            };
            usable = false;
            let property = properties.and_then(|properties| properties.get(key));
            let mut fault = Fault::new(self.document.spot(at), format!("missing key `{key}`"));
            if let Some(property) = property {
                let description = describe(property).or_else(|| describe(self.resolve(property)));
                let shown = example(property).or_else(|| example(self.resolve(property)));
                let shown = shown.unwrap_or_else(|| "…".to_owned());
                let description = description.map_or(String::new(), |text| format!(": {text}"));
                fault = fault.help(format!("add `{key}: {shown}`{description}"));
            }
            self.faults.push(fault);
        }
        usable.then_some(Value::Object(object))
    }

    fn unknown_key(&mut self, key: &Key, known: &[&str]) {
        self.faults.push(
            Fault::new(
                self.document.spot(key.mark),
                format!("unknown key `{}`", key.name),
            )
            .help(suggestion(&key.name, "known here", known.iter().copied())),
        );
    }

    /// Reports where not exactly one of the keys is there, and says whether one is.
    fn exactly_one(
        &mut self,
        pairs: &[(Key, Node)],
        one: &[&str],
        known: &[&str],
        schema: &'a Value,
        at: Mark,
    ) -> bool {
        if one.is_empty() {
            return true;
        }
        let words = schema.get("x-one").and_then(Value::as_array);
        let word = |index: usize| {
            words
                .and_then(|words| words.get(index))
                .and_then(Value::as_str)
                .unwrap_or("one")
        };
        let (whole, part) = (word(0), word(1));
        let there: Vec<&Key> = pairs
            .iter()
            .map(|(key, _)| key)
            .filter(|key| one.contains(&key.name.as_str()))
            .collect();
        match there.as_slice() {
            [_] => true,
            [first, second, ..] => {
                self.faults.push(
                    Fault::new(
                        self.document.spot(second.mark),
                        format!(
                            "a {whole} has exactly one {part}, this one has `{}` and `{}`",
                            first.name, second.name
                        ),
                    )
                    .related(self.document.spot(first.mark), format!("the first {part}"))
                    .help(format!("make two {whole}s of it, or remove one")),
                );
                false
            }
            [] => {
                let unknown: Vec<&Key> = pairs
                    .iter()
                    .map(|(key, _)| key)
                    .filter(|key| !known.contains(&key.name.as_str()))
                    .collect();
                if unknown.is_empty() {
                    self.faults.push(
                        Fault::new(
                            self.document.spot(at),
                            format!("this {whole} has no {part}"),
                        )
                        .help(list(&format!("give it one {part}"), one.iter().copied())),
                    );
                }
                for key in unknown {
                    self.faults.push(
                        Fault::new(
                            self.document.spot(key.mark),
                            format!("unknown {part} of {whole} `{}`", key.name),
                        )
                        .help(
                            match nearest(&key.name, known.iter().copied()) {
                                Some(near) => format!("did you mean `{near}`?"),
                                None => list(&format!("{part}s of {whole}"), one.iter().copied()),
                            },
                        ),
                    );
                }
                false
            }
        }
    }

    fn wrong_type(
        &mut self,
        node: &Node,
        schemas: &[&'a Value],
        outer: &'a Value,
    ) -> Option<Value> {
        let expected: Vec<String> = schemas
            .iter()
            .map(|schema| belongs(schema, &|schema| self.resolve(schema)))
            .filter(|words| words != "nothing")
            .collect();
        let secret = [outer]
            .into_iter()
            .chain(schemas.iter().copied())
            .any(|schema| schema.get("x-secret").is_some());
        let what = match secret && node.text().is_some() {
            true => "a plain text".to_owned(),
            false => found(node),
        };
        let mut fault = Fault::new(
            self.document.spot(node.mark),
            format!("{what} stands where {} belongs", expected.join(" or ")),
        );
        fault.conceal = secret;
        let said = |key: &str| {
            [outer]
                .into_iter()
                .chain(schemas.iter().copied())
                .find_map(|schema| schema.get(key))
        };
        if let Some(Value::String(help)) = said("x-help") {
            fault = fault.help(help.clone());
        } else if let Some(example) = [outer]
            .into_iter()
            .chain(schemas.iter().copied())
            .find_map(example)
        {
            fault = fault.help(format!("such as `{example}`"));
        } else if let Some(text) = node.text().filter(|text| !text.is_empty())
            && expected.iter().all(|words| words.starts_with("a list"))
        {
            let words: Vec<&str> = text.split_whitespace().collect();
            fault = fault.help(format!("write `[{}]`", words.join(", ")));
        } else if let Some(text) = node.text()
            && text.parse::<f64>().is_ok()
        {
            fault = fault.help("write it without quotes");
        }
        self.faults.push(fault);
        None
    }
}
