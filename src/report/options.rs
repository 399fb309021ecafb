//! How a run is shown: chosen once, from what was asked for and from what the streams can do.

use std::path::PathBuf;

use super::canvas::{Canvas, Colour};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    #[default]
    Text,
    /// One document at the end.
    Json,
    /// Each event as one line, as it happens.
    JsonLines,
}

/// How a run is followed on the error stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Terminal {
    /// Redrawn in place.
    Bars,
    /// One line for each thing that happens.
    #[default]
    Lines,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Options {
    pub format: Format,
    pub terminal: Terminal,
    /// How often `-v` was given.
    pub verbosity: u8,
    /// The standard output: what was asked for.
    pub out: Canvas,
    /// The standard error: everything else.
    pub err: Canvas,
    /// The run's record, for sentences that point there.
    pub record: Option<PathBuf>,
}

/// What a stream is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stream {
    /// Columns of the terminal behind it; `None` for a file or a pipe.
    pub terminal: Option<usize>,
}

impl Options {
    /// From the environment's customs: `NO_COLOR` (no colour where it is not empty),
    /// `CLICOLOR_FORCE` (colour even in a file), `CLICOLOR=0`, and `TERM=dumb` (neither colour
    /// nor bars), in this order.
    pub fn detect(
        format: Format,
        verbosity: u8,
        out: Stream,
        err: Stream,
        environment: impl Fn(&str) -> Option<String>,
    ) -> Self {
        let dumb = environment("TERM").as_deref() == Some("dumb");
        let colour = |stream: Stream| {
            let set = |name| environment(name).filter(|value| !value.is_empty());
            let wanted = if set("NO_COLOR").is_some() {
                false
            } else if set("CLICOLOR_FORCE").is_some_and(|value| value != "0") {
                true
            } else {
                stream.terminal.is_some() && !dumb && set("CLICOLOR").as_deref() != Some("0")
            };
            if wanted { Colour::Ansi } else { Colour::Plain }
        };
        let canvas = |stream: Stream| Canvas {
            colour: colour(stream),
            width: stream.terminal,
        };
        let bars = err.terminal.is_some() && !dumb;
        Self {
            format,
            terminal: if bars {
                Terminal::Bars
            } else {
                Terminal::Lines
            },
            verbosity,
            out: canvas(out),
            err: canvas(err),
            record: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn customs() {
        let terminal = Stream { terminal: Some(80) };
        let pipe = Stream { terminal: None };
        use Colour::{Ansi, Plain};
        use Terminal::{Bars, Lines};
        for (environment, out, err, colours, following) in [
            (vec![], terminal, terminal, (Ansi, Ansi), Bars),
            (vec![], pipe, terminal, (Plain, Ansi), Bars),
            (vec![], terminal, pipe, (Ansi, Plain), Lines),
            (
                vec![("NO_COLOR", "1")],
                terminal,
                terminal,
                (Plain, Plain),
                Bars,
            ),
            (
                vec![("NO_COLOR", "")],
                terminal,
                terminal,
                (Ansi, Ansi),
                Bars,
            ),
            (
                vec![("CLICOLOR", "0")],
                terminal,
                terminal,
                (Plain, Plain),
                Bars,
            ),
            (
                vec![("TERM", "dumb")],
                terminal,
                terminal,
                (Plain, Plain),
                Lines,
            ),
            (
                vec![("CLICOLOR_FORCE", "1")],
                pipe,
                pipe,
                (Ansi, Ansi),
                Lines,
            ),
            (
                vec![("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")],
                terminal,
                pipe,
                (Plain, Plain),
                Lines,
            ),
        ] {
            let options = Options::detect(Format::Text, 0, out, err, |name| {
                let mut set = environment.iter();
                set.find(|(key, _)| *key == name)
                    .map(|(_, value)| value.to_string())
            });
            assert_eq!(
                (options.out.colour, options.err.colour),
                colours,
                "{environment:?}"
            );
            assert_eq!(options.terminal, following, "{environment:?}");
        }
    }
}
