//! What one stream can show: its colours and its width; and texts fitted to it.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// One output stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Canvas {
    pub colour: Colour,
    /// Columns; `None` where lines may be as long as they like (a file, a pipe).
    pub width: Option<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Colour {
    #[default]
    Plain,
    Ansi,
}

/// What a colour means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    Plain,
    Good,
    Change,
    Bad,
    Quiet,
    Strong,
}

impl Canvas {
    pub fn paint(&self, tone: Tone, text: &str) -> String {
        let code = match tone {
            Tone::Plain => "",
            Tone::Good => "32",
            Tone::Change => "33",
            Tone::Bad => "1;31",
            Tone::Quiet => "2",
            Tone::Strong => "1",
        };
        if self.colour == Colour::Plain || code.is_empty() || text.is_empty() {
            text.to_owned()
        } else {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        }
    }

    /// Columns that are left beside `used` ones; never fewer than a word needs.
    pub fn left(&self, used: usize) -> usize {
        self.width
            .map_or(usize::MAX, |width| width.saturating_sub(used).max(16))
    }
}

/// Columns that a text takes; a tab counts to the next multiple of eight.
pub fn width(text: &str) -> usize {
    if !text.contains('\t') {
        return text.width();
    }
    text.chars().fold(0, |column, character| match character {
        '\t' => (column / 8 + 1) * 8,
        _ => column + character.width().unwrap_or(0),
    })
}

/// The text and the spaces that it lacks to be as wide as the column.
pub fn pad(text: &str, columns: usize) -> String {
    format!("{text}{}", " ".repeat(columns.saturating_sub(width(text))))
}

/// The text with its end cut where it is wider than the column.
pub fn cut(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut kept = String::new();
    for character in text.chars() {
        kept.push(character);
        if width(&kept) >= columns {
            kept.pop();
            break;
        }
    }
    // A wide character may have left room for less than itself.
    while width(&kept) >= columns && kept.pop().is_some() {}
    kept.push('…');
    kept
}

/// The text in lines no wider than the column, broken at spaces where there are some.
pub fn wrap(text: &str, columns: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for paragraph in text.split('\n') {
        let mut line = String::new();
        for word in paragraph.split(' ') {
            let gap = usize::from(!line.is_empty());
            if width(&line) + gap + width(word) <= columns {
                if gap == 1 {
                    line.push(' ');
                }
                line.push_str(word);
                continue;
            }
            if !line.is_empty() {
                lines.push(std::mem::take(&mut line));
            }
            for character in word.chars() {
                if width(&line) + character.width().unwrap_or(0) > columns {
                    lines.push(std::mem::take(&mut line));
                }
                line.push(character);
            }
        }
        lines.push(line);
    }
    lines
}

/// One cell of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    pub text: String,
    pub tone: Tone,
    pub side: Side,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Left,
    Right,
}

impl Cell {
    pub fn left(text: impl Into<String>, tone: Tone) -> Self {
        Self {
            text: text.into(),
            tone,
            side: Side::Left,
        }
    }

    pub fn right(text: impl Into<String>, tone: Tone) -> Self {
        Self {
            text: text.into(),
            tone,
            side: Side::Right,
        }
    }
}

/// Rows as aligned lines, columns two spaces apart, no spaces at the ends. A line that is wider
/// than the canvas has its last cell cut.
pub fn table(canvas: &Canvas, indent: usize, rows: &[Vec<Cell>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widest: Vec<usize> = (0..columns)
        .map(|column| {
            let cells = rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| width(&cell.text)).max().unwrap_or(0)
        })
        .collect();
    let mut text = String::new();
    for row in rows {
        let mut line = " ".repeat(indent);
        let mut used = indent;
        let mut owed = 0;
        for (column, cell) in row.iter().enumerate() {
            let gap = if column == 0 { 0 } else { 2 };
            let last = column + 1 == row.len();
            let shown = if last {
                cut(&cell.text, canvas.left(used + gap))
            } else {
                cell.text.clone()
            };
            let missing = widest[column].saturating_sub(width(&shown));
            let (before, after) = match cell.side {
                Side::Left => (0, missing),
                Side::Right => (missing, 0),
            };
            used += gap + widest[column];
            if !shown.is_empty() {
                line.push_str(&" ".repeat(owed + gap + before));
                line.push_str(&canvas.paint(cell.tone, &shown));
                owed = after;
            } else {
                owed += gap + widest[column];
            }
        }
        text.push_str(&line);
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fits_wide_characters() {
        assert_eq!(cut("漢字漢字", 8), "漢字漢字");
        assert_eq!(cut("漢字漢字", 7), "漢字漢…");
        assert_eq!(cut("漢字漢字", 6), "漢字…");
        assert_eq!(pad("漢", 4), "漢  ");
        assert_eq!(wrap("one two  three", 7), ["one two", "three"]);
        assert_eq!(wrap("abcdefgh ij", 3), ["abc", "def", "gh", "ij"]);
    }

    #[test]
    fn aligns() {
        let canvas = Canvas {
            colour: Colour::Plain,
            width: Some(29),
        };
        let rows = [
            vec![
                Cell::left("w07", Tone::Plain),
                Cell::right("1", Tone::Plain),
                Cell::left("ok", Tone::Plain),
            ],
            vec![
                Cell::left("größer", Tone::Plain),
                Cell::right("123", Tone::Plain),
                Cell::left("a text that is far too long", Tone::Plain),
            ],
        ];
        assert_eq!(
            table(&canvas, 0, &rows),
            "w07       1  ok\ngrößer  123  a text that is …\n"
        );
    }
}
