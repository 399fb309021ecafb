//! YAML as a tree that knows where each of its parts stands in the file.

use std::collections::HashMap;

use serde_json::{Map, Number, Value};
use serde_saphyr::options::DuplicateKeyPolicy;
use serde_saphyr::{Location, Spanned};

use super::fault::Fault;
use super::node_raw::Raw;
use super::source::{Source, Spot};

/// How deep lists and maps may nest.
const DEEPEST: usize = 40;
/// How many values one file may hold.
const MOST_NODES: usize = 200_000;

/// A file with its tree.
#[derive(Debug, Clone)]
pub struct Document {
    pub source: Source,
    pub root: Node,
}

/// Where a node stands: line and column from 1 in characters, and its bytes in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Mark {
    pub line: u32,
    pub column: u32,
    /// Characters.
    pub length: u32,
    pub start: u32,
    pub end: u32,
}

#[derive(Debug, Clone)]
pub struct Node {
    pub mark: Mark,
    pub content: Content,
}

#[derive(Debug, Clone)]
pub enum Content {
    Scalar(Scalar),
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
}

#[derive(Debug, Clone)]
pub struct Key {
    pub mark: Mark,
    pub name: String,
}

/// A scalar as it was written, and what it is where no type is stated.
#[derive(Debug, Clone, PartialEq)]
pub struct Scalar {
    pub text: String,
    pub natural: Natural,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Natural {
    Null,
    Boolean(bool),
    Number(Number),
    String,
}

impl Document {
    /// The tree with the faults that it was mended of (keys written twice), or everything that
    /// keeps the text from being one.
    pub fn parse(source: Source) -> Result<(Self, Vec<Fault>), Vec<Fault>> {
        if let Some(offset) = source.text.find(['\u{E000}', '\u{E001}']) {
            let fault = Fault::new(
                source.spot(offset..offset + 3),
                "this character of Unicode's private use area is not allowed",
            )
            .help("remove it: ra-deploy marks sealed values with it");
            return Err(vec![fault]);
        }
        let budget = serde_saphyr::budget! {
            max_depth: DEEPEST,
            max_nodes: MOST_NODES,
            max_events: MOST_NODES * 3,
        };
        let options = serde_saphyr::options! {
            budget: budget,
            duplicate_keys: DuplicateKeyPolicy::PassThrough,
            strict_booleans: true,
            leading_zero_numbers_as_strings: true,
            underscored_numbers_as_strings: true,
            non_finite_float_policy: serde_saphyr::options::NonFiniteFloatPolicy::AsString,
            alias_limits: serde_saphyr::alias_limits! {
                max_total_replayed_events: MOST_NODES / 2,
            },
            with_snippet: false,
            emit_comments: false,
        };
        let parsed: Result<Spanned<Raw>, _> =
            serde_saphyr::from_str_with_options(&source.text, options);
        let raw = parsed.map_err(|error| vec![syntax(&source, &error)])?;
        let root = Node::from_raw(raw, &source.text);
        let mut document = Self { source, root };
        let mut root = std::mem::replace(&mut document.root, Node::nothing());
        let mut faults = Vec::new();
        document.first_of_each_key(&mut root, &mut faults);
        document.root = root;
        Ok((document, faults))
    }

    pub fn spot(&self, mark: Mark) -> Spot {
        Spot {
            place: self.source.place.clone(),
            line: mark.line as usize,
            column: mark.column as usize,
            length: (mark.length as usize).max(1),
        }
    }

    /// The place of a byte range of a scalar's text, where it can be told; else of the whole scalar.
    /// Quotes, escapes and folding can move it, so the words are looked up.
    pub fn spot_within(&self, mark: Mark, words: &str) -> Spot {
        let written = self.source.text.get(mark.start as usize..mark.end as usize);
        match written.and_then(|written| written.find(words)) {
            Some(offset) if !words.is_empty() => {
                let start = mark.start as usize + offset;
                self.source.spot(start..start + words.len())
            }
            _ => self.spot(mark),
        }
    }

    /// Drops keys that were written before in the same map, each with a fault.
    fn first_of_each_key(&self, node: &mut Node, faults: &mut Vec<Fault>) {
        match &mut node.content {
            Content::Scalar(_) => {}
            Content::List(nodes) => {
                for node in nodes {
                    self.first_of_each_key(node, faults);
                }
            }
            Content::Map(pairs) => {
                let mut seen: HashMap<String, Mark> = HashMap::new();
                pairs.retain_mut(|(key, value)| {
                    if let Some(first) = seen.get(&key.name) {
                        faults.push(
                            Fault::new(
                                self.spot(key.mark),
                                format!("the key `{}` is here twice", key.name),
                            )
                            .related(self.spot(*first), "first here")
                            .help("keep one of them"),
                        );
                        return false;
                    }
                    seen.insert(key.name.clone(), key.mark);
                    self.first_of_each_key(value, faults);
                    true
                });
            }
        }
    }
}

/// The parser's error in our words and with our place.
fn syntax(source: &Source, error: &serde_saphyr::Error) -> Fault {
    use serde_saphyr::Error;
    let error = error.without_snippet();
    let spot = match error.location() {
        Some(location) if location.line() > 0 => Spot {
            place: source.place.clone(),
            line: location.line() as usize,
            column: location.column() as usize,
            length: 1,
        },
        _ => source.whole(),
    };
    let said = error.render_with_formatter(&serde_saphyr::UserMessageFormatter);
    let said = said.lines().next().unwrap_or_default();
    let said = match said.rfind(" at line ") {
        Some(end) => &said[..end],
        None => said,
    };
    let said = said.trim_end_matches(['.', ':', ',']);
    let here = source
        .text
        .lines()
        .nth(spot.line.saturating_sub(1))
        .unwrap_or_default();
    let fault = |message: String| Fault::new(spot.clone(), message);
    match error {
        Error::Budget { .. } => {
            let what = match format!("{error:?}") {
                text if text.contains("Depth") => "lists and maps nest too deep",
                text if text.contains("Alias") || text.contains("Anchor") => {
                    "anchors and aliases stand for too much"
                }
                _ => "the file holds too many values",
            };
            fault(what.to_owned()).help(format!(
                "a file may nest {DEEPEST} levels deep and hold {MOST_NODES} values"
            ))
        }
        Error::AliasReplayLimitExceeded { .. } => {
            fault("anchors and aliases stand for too much".to_owned())
                .help(format!("a file may hold {MOST_NODES} values"))
        }
        Error::MultipleDocuments { .. } => {
            fault("a second document begins here".to_owned()).help("one file holds one document")
        }
        _ if here.starts_with('\t') || here.trim_start_matches(' ').starts_with('\t') => {
            fault("a tab indents this line".to_owned()).help("YAML indents with spaces")
        }
        _ => {
            let said = lower_first(said);
            let help = if here.contains(": {{") {
                "a text that begins with `{{` needs quotes: `\"{{ … }}\"`"
            } else if said.contains("flow") {
                "a `{` or `[` before this place is not closed"
            } else if said.contains("quote") {
                "close it, or double a `'` that belongs to the text"
            } else if said.contains("unknown value") {
                "an alias `*name` needs its anchor `&name`; a text that begins with `*` needs quotes"
            } else if said.contains("mapping values") {
                "a text with `: ` in it needs quotes; keys of one map stand in one column"
            } else {
                "a text with `: `, ` #`, `{` or `[` in it, or with a leading `*`, `&`, `!`, `%` or `@`, needs quotes"
            };
            fault(format!("not valid YAML: {said}")).help(help)
        }
    }
}

fn lower_first(text: &str) -> String {
    let mut letters = text.chars();
    match letters.next() {
        Some(first) => first.to_lowercase().chain(letters).collect(),
        None => String::new(),
    }
}

impl Node {
    fn nothing() -> Self {
        Self {
            mark: Mark::default(),
            content: Content::List(Vec::new()),
        }
    }

    /// The value below a key.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.pair(key).map(|(_, node)| node)
    }

    pub fn pair(&self, key: &str) -> Option<(&Key, &Node)> {
        self.pairs()
            .iter()
            .find(|(candidate, _)| candidate.name == key)
            .map(|(key, node)| (key, node))
    }

    /// Keys and values, or nothing for what is no map.
    pub fn pairs(&self) -> &[(Key, Node)] {
        match &self.content {
            Content::Map(pairs) => pairs,
            _ => &[],
        }
    }

    /// The list's values, or nothing for what is no list.
    pub fn items(&self) -> &[Node] {
        match &self.content {
            Content::List(items) => items,
            _ => &[],
        }
    }

    /// The values of a list, or the one value that stands where a list could.
    pub fn one_or_many(&self) -> &[Node] {
        match &self.content {
            Content::List(items) => items,
            _ => std::slice::from_ref(self),
        }
    }

    /// The scalar's text as written.
    pub fn text(&self) -> Option<&str> {
        match &self.content {
            Content::Scalar(scalar) => Some(&scalar.text),
            _ => None,
        }
    }

    /// Nothing was written, or `null`.
    pub fn is_null(&self) -> bool {
        matches!(&self.content, Content::Scalar(scalar) if scalar.natural == Natural::Null)
    }

    /// The node at a JSON pointer.
    pub fn at(&self, pointer: &str) -> Option<&Node> {
        pointer
            .split('/')
            .skip(1)
            .try_fold(self, |node, step| match &node.content {
                Content::List(items) => items.get(step.parse::<usize>().ok()?),
                _ => node.get(&step.replace("~1", "/").replace("~0", "~")),
            })
    }

    /// The value where no type is stated.
    pub fn natural(&self) -> Value {
        match &self.content {
            Content::Scalar(scalar) => scalar.value(),
            Content::List(items) => items.iter().map(Node::natural).collect(),
            Content::Map(pairs) => Value::Object(
                pairs
                    .iter()
                    .map(|(key, node)| (key.name.clone(), node.natural()))
                    .collect::<Map<_, _>>(),
            ),
        }
    }

    fn from_raw(raw: Spanned<Raw>, text: &str) -> Self {
        let mark = Mark::from(raw.defined);
        let written = || {
            let range = mark.start as usize..mark.end as usize;
            text.get(range).unwrap_or_default().trim().to_owned()
        };
        let scalar = |natural, text| Content::Scalar(Scalar { text, natural });
        let content = match raw.value {
            Raw::Null => scalar(Natural::Null, written()),
            Raw::Boolean(value) => scalar(Natural::Boolean(value), value.to_string()),
            Raw::Number(number) => {
                let written = written();
                let text = if written.is_empty() {
                    number.to_string()
                } else {
                    written
                };
                scalar(Natural::Number(number), text)
            }
            Raw::String(value) => scalar(Natural::String, value),
            Raw::List(items) => Content::List(
                items
                    .into_iter()
                    .map(|item| Node::from_raw(item, text))
                    .collect(),
            ),
            Raw::Map(pairs) => Content::Map(
                pairs
                    .into_iter()
                    .map(|(key, value)| {
                        let key = Key {
                            mark: Mark::from(key.defined),
                            name: key.value,
                        };
                        (key, Node::from_raw(value, text))
                    })
                    .collect(),
            ),
        };
        Self { mark, content }
    }
}

impl Scalar {
    pub fn value(&self) -> Value {
        match &self.natural {
            Natural::Null => Value::Null,
            Natural::Boolean(value) => Value::Bool(*value),
            Natural::Number(number) => Value::Number(number.clone()),
            Natural::String => Value::String(self.text.clone()),
        }
    }
}

impl From<Location> for Mark {
    fn from(location: Location) -> Self {
        let number = |value: u64| u32::try_from(value).unwrap_or(u32::MAX);
        let span = location.span();
        let start = span.byte_offset().unwrap_or_default();
        Self {
            line: number(location.line()),
            column: number(location.column()),
            length: number(span.len()),
            start: number(start),
            end: number(start + span.byte_len().unwrap_or_default()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::config::source::Place;

    fn parse(text: &str) -> Result<(Document, Vec<Fault>), Vec<Fault>> {
        Document::parse(Source {
            place: Arc::new(Place::Embedded("test.yaml".to_owned())),
            text: text.into(),
        })
    }

    #[test]
    fn keeps_what_was_written_and_where() {
        let (document, _) = parse(
            "a: 1.30\nb: [0644, on, \"x\", 0x10]\n\"c d\":\n  - &n {e: ~}\n  - *n\nf: |\n  two\n  lines\n",
        )
        .expect("it is valid");
        let root = &document.root;
        let a = root.get("a").expect("a");
        assert_eq!(a.text(), Some("1.30"));
        assert_eq!((a.mark.line, a.mark.column, a.mark.length), (1, 4, 4));
        let b: Vec<_> = root.get("b").expect("b").items().iter().collect();
        assert_eq!(b[0].natural(), Value::from("0644"));
        assert_eq!(b[1].natural(), Value::from("on"));
        assert_eq!((b[2].mark.column, b[2].mark.length), (15, 3));
        assert_eq!(b[3].text(), Some("0x10"));
        assert_eq!(b[3].natural(), Value::from(16));
        let (key, list) = root.pair("c d").expect("c d");
        assert_eq!((key.mark.line, key.mark.column), (3, 1));
        assert!(list.items()[1].get("e").expect("e").is_null());
        assert_eq!(root.get("f").expect("f").text(), Some("two\nlines\n"));
    }

    #[test]
    fn names_both_places_of_a_key_written_twice() {
        let (document, faults) = parse("a: 1\nb: {c: 1, c: 2}\na: 2\n").expect("it is a tree");
        assert_eq!(document.root.get("a").and_then(Node::text), Some("1"));
        assert_eq!(faults.len(), 2);
        assert_eq!(faults[0].spot.line, 2);
        assert_eq!(faults[1].related[0].0.line, 1);
    }

    #[test]
    fn deep_and_large_files_end_in_words() {
        let deep = "a: ".to_owned() + &"[".repeat(100) + &"]".repeat(100);
        assert!(
            parse(&deep).expect_err("too deep")[0]
                .message
                .contains("too deep")
        );
        let bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n".to_owned()
            + &(b'b'..=b'i')
                .map(|letter| {
                    let (this, last) = (letter as char, (letter - 1) as char);
                    format!(
                        "{this}: &{this} [{}]\n",
                        vec![format!("*{last}"); 9].join(", ")
                    )
                })
                .collect::<String>();
        assert!(parse(&bomb).is_err());
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let scalar = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            "[ -~äß]{0,12}".prop_map(Value::from),
            "(0[0-7]{3}|on|no|~|1e3|1_0|a: b|- x|#|\\*a|x\ny)".prop_map(Value::from),
        ];
        scalar.prop_recursive(4, 40, 5, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                proptest::collection::hash_map("[a-z -]{1,6}", inner, 0..5)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn reads_what_was_written(value in any_value()) {
            let text = serde_saphyr::to_string(&value).expect("it is written");
            let (document, faults) = parse(&text).expect("it is read");
            prop_assert!(faults.is_empty());
            prop_assert_eq!(document.root.natural(), value, "{}", text);
        }

        #[test]
        fn never_panics(text in "[ -~\\n\\tä]{0,80}") {
            let _ = parse(&text);
        }
    }
}
