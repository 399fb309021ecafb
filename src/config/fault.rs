//! What is wrong in the files: each fault with its place, and how all of them are shown.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write;
use std::sync::Arc;

use serde_json::{Value, json};

use super::source::{Place, Source, Spot};

/// How many faults are shown in full; a wrong line in a template of a thousand hosts is not more
/// helpful a thousand times.
const SHOWN: usize = 100;

/// One thing that is wrong, where, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    pub spot: Spot,
    /// Lower-case, one line.
    pub message: String,
    /// What to do, in the order to try.
    pub help: Vec<String>,
    /// Other places that belong to it, each with what is there.
    pub related: Vec<(Spot, String)>,
    /// The place holds what should be a secret: it is never shown.
    pub conceal: bool,
}

impl Fault {
    pub fn new(spot: Spot, message: impl Into<String>) -> Self {
        Self {
            spot,
            message: message.into(),
            help: Vec::new(),
            related: Vec::new(),
            conceal: false,
        }
    }

    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help.push(help.into());
        self
    }

    /// Shows dots where the wrong text stands, also in what other faults show of its line.
    pub fn conceal(mut self) -> Self {
        self.conceal = true;
        self
    }

    pub fn related(mut self, spot: Spot, what: impl Into<String>) -> Self {
        self.related.push((spot, what.into()));
        self
    }
}

/// Every fault of every file. Never empty where it is an error.
#[derive(Debug, Clone, Default, thiserror::Error)]
#[error("{} in the files", count(faults.len(), "fault"))]
pub struct Faults {
    /// By file in the order they were read, then by line.
    pub faults: Vec<Fault>,
    sources: BTreeMap<Arc<Place>, Source>,
}

/// Whether text is for a terminal that shows colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    Plain,
    Colour,
}

impl Faults {
    /// Sorts the faults and drops those said twice.
    pub(super) fn new(mut faults: Vec<Fault>, sources: &[Source]) -> Self {
        let order: BTreeMap<&Arc<Place>, usize> = sources
            .iter()
            .enumerate()
            .map(|(index, source)| (&source.place, index))
            .collect();
        faults.sort_by_key(|fault| {
            (
                order.get(&fault.spot.place).copied(),
                fault.spot.line,
                fault.spot.column,
            )
        });
        let mut said = HashSet::new();
        faults.retain(|fault| said.insert((fault.spot.clone(), fault.message.clone())));
        Self {
            faults,
            sources: sources
                .iter()
                .map(|source| (source.place.clone(), source.clone()))
                .collect(),
        }
    }

    /// The next thing to do about all of them.
    pub fn hint(&self) -> &'static str {
        "correct the files and run `ra-deploy check`; nothing was touched"
    }

    /// All faults as a person reads them, each with its line and a caret, ending with how many
    /// there are.
    pub fn render(&self, style: Style) -> String {
        let paint = Paint(style);
        let mut text = String::new();
        for fault in self.faults.iter().take(SHOWN) {
            let head = paint.red("error");
            let _ = writeln!(
                text,
                "{head}{}",
                paint.bold(&format!(": {}", fault.message))
            );
            self.show(&mut text, fault, paint);
            text.push('\n');
        }
        if self.faults.len() > SHOWN {
            let more = self.faults.len() - SHOWN;
            let _ = writeln!(text, "… and {more} more\n");
        }
        let mut places: Vec<_> = self.faults.iter().map(|fault| &fault.spot.place).collect();
        places.sort();
        places.dedup();
        let _ = writeln!(
            text,
            "{} in {}",
            count(self.faults.len(), "fault"),
            count(places.len(), "file")
        );
        text
    }

    /// The same for warnings: faults that stop nobody.
    pub fn render_warnings(&self, style: Style) -> String {
        let paint = Paint(style);
        let mut text = String::new();
        for fault in &self.faults {
            let head = paint.yellow("warning");
            let _ = writeln!(
                text,
                "{head}{}",
                paint.bold(&format!(": {}", fault.message))
            );
            self.show(&mut text, fault, paint);
            text.push('\n');
        }
        text
    }

    /// A list of `{file, line, column, length, message, help, related}` for programs.
    pub fn to_json(&self) -> Value {
        let place = |spot: &Spot| {
            json!({
                "file": spot.place.to_string(),
                "line": spot.line,
                "column": spot.column,
                "length": spot.length,
            })
        };
        self.faults
            .iter()
            .map(|fault| {
                let mut row = place(&fault.spot);
                row["message"] = json!(fault.message);
                row["help"] = json!(fault.help);
                row["related"] = fault
                    .related
                    .iter()
                    .map(|(spot, what)| {
                        let mut row = place(spot);
                        row["message"] = json!(what);
                        row
                    })
                    .collect();
                row
            })
            .collect()
    }

    fn show(&self, text: &mut String, fault: &Fault, paint: Paint) {
        let lines = [&fault.spot]
            .into_iter()
            .chain(fault.related.iter().map(|(spot, _)| spot));
        let width = lines.map(|spot| spot.line).max().unwrap_or(0);
        let width = width.to_string().len();
        self.show_spot(text, &fault.spot, width, '^', "", paint);
        for (spot, what) in &fault.related {
            self.show_spot(text, spot, width, '-', what, paint);
        }
        for help in &fault.help {
            let mark = paint.blue(&format!("{:width$} =", ""));
            let _ = writeln!(text, "{mark} help: {help}");
        }
    }

    /// The line with dots for what must not be shown.
    fn concealed(&self, line: &str, shown: &Spot) -> String {
        let mut letters: Vec<char> = line.chars().collect();
        let hidden = self.faults.iter().filter(|fault| {
            fault.conceal && fault.spot.place == shown.place && fault.spot.line == shown.line
        });
        for fault in hidden {
            let start = fault.spot.column - 1;
            let place = letters.iter_mut().skip(start).take(fault.spot.length);
            place.for_each(|letter| *letter = '•');
        }
        letters.into_iter().collect()
    }

    /// `--> file:line:column`, the line, and what the caret underlines.
    fn show_spot(
        &self,
        text: &mut String,
        spot: &Spot,
        width: usize,
        caret: char,
        label: &str,
        paint: Paint,
    ) {
        let arrow = match caret {
            '^' => paint.blue(&format!("{:width$}-->", "")),
            _ => paint.blue(&format!("{:width$}:::", "")),
        };
        if spot.line == 0 {
            let _ = writeln!(text, "{arrow} {}", spot.place);
            return;
        }
        let _ = writeln!(text, "{arrow} {}:{}:{}", spot.place, spot.line, spot.column);
        let line = self
            .sources
            .get(&spot.place)
            .and_then(|source| source.text.lines().nth(spot.line - 1));
        let Some(line) = line else {
            return;
        };
        let line = &self.concealed(line, spot);
        let (line, skipped) = window(line, spot.column);
        let bar = paint.blue(&format!("{:width$} |", ""));
        let number = paint.blue(&format!("{:width$} |", spot.line));
        let offset: String = line
            .chars()
            .take(spot.column - 1 - skipped)
            .map(|letter| if letter == '\t' { '\t' } else { ' ' })
            .collect();
        let room = line
            .chars()
            .count()
            .saturating_sub(spot.column - 1 - skipped);
        let carets = caret.to_string().repeat(spot.length.min(room).max(1));
        let carets = match caret {
            '^' => paint.red(&carets),
            _ => paint.blue(&carets),
        };
        let label = if label.is_empty() {
            String::new()
        } else {
            format!(" {label}")
        };
        let _ = writeln!(text, "{bar}");
        let _ = writeln!(text, "{number} {line}");
        let _ = writeln!(text, "{bar} {offset}{carets}{label}");
    }
}

/// At most some 160 characters around the column, and how many characters of the line are left
/// out before them.
fn window(line: &str, column: usize) -> (String, usize) {
    let skipped = (column - 1).saturating_sub(80);
    let shown = line.chars().skip(skipped).take(160);
    // Control characters must not reach a terminal.
    let shown = shown.map(|letter| match letter {
        '\t' => '\t',
        letter if letter.is_control() || ('\u{E000}'..='\u{F8FF}').contains(&letter) => '\u{FFFD}',
        letter => letter,
    });
    (shown.collect(), skipped)
}

/// `1 fault`, `2 faults`.
fn count(number: usize, what: &str) -> String {
    match number {
        1 => format!("1 {what}"),
        number => format!("{number} {what}s"),
    }
}

#[derive(Clone, Copy)]
struct Paint(Style);

impl Paint {
    fn with(self, code: &str, text: &str) -> String {
        match self.0 {
            Style::Plain => text.to_owned(),
            Style::Colour => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
        }
    }

    fn red(self, text: &str) -> String {
        self.with("1;31", text)
    }

    fn yellow(self, text: &str) -> String {
        self.with("1;33", text)
    }

    fn blue(self, text: &str) -> String {
        self.with("1;34", text)
    }

    fn bold(self, text: &str) -> String {
        self.with("1", text)
    }
}
