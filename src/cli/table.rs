//! Plain tables on standard output: columns as wide as they need to be, no frames.

use unicode_width::UnicodeWidthStr;

use crate::report::clean;

/// Rows below a heading; a row that failed has its reason in place of the columns.
pub struct Table<const N: usize> {
    heading: [&'static str; N],
    rows: Vec<Row<N>>,
}

enum Row<const N: usize> {
    Cells([String; N]),
    Failed { name: String, reason: String },
}

impl<const N: usize> Table<N> {
    pub fn new(heading: [&'static str; N]) -> Self {
        Self {
            heading,
            rows: Vec::new(),
        }
    }

    pub fn row(&mut self, cells: [String; N]) {
        self.rows
            .push(Row::Cells(cells.map(|cell| clean::line(&cell))));
    }

    pub fn failed(&mut self, name: String, reason: &str) {
        self.rows.push(Row::Failed {
            name,
            reason: clean::line(reason),
        });
    }

    pub fn print(&self) {
        say!("{}", self.lines().join("\n"));
    }

    fn lines(&self) -> Vec<String> {
        let mut widths = self.heading.map(UnicodeWidthStr::width);
        for row in &self.rows {
            match row {
                Row::Cells(cells) => {
                    for (width, cell) in widths.iter_mut().zip(cells) {
                        *width = (*width).max(cell.width());
                    }
                }
                Row::Failed { name, .. } => widths[0] = widths[0].max(name.width()),
            }
        }
        let heading = self.heading.map(|word| word.to_uppercase());
        let mut lines = vec![joined(&heading, &widths)];
        lines.extend(self.rows.iter().map(|row| match row {
            Row::Cells(cells) => joined(cells, &widths),
            Row::Failed { name, reason } => {
                format!("{}  {reason}", padded(name, widths[0]))
            }
        }));
        lines
    }
}

fn joined(cells: &[String], widths: &[usize]) -> String {
    let cells: Vec<String> = cells
        .iter()
        .zip(widths)
        .map(|(cell, width)| padded(cell, *width))
        .collect();
    cells.join("  ").trim_end().to_owned()
}

fn padded(text: &str, width: usize) -> String {
    let missing = width.saturating_sub(text.width());
    format!("{text}{}", " ".repeat(missing))
}

#[cfg(test)]
mod tests {
    use super::Table;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell_and_failures_say_why() {
        let mut table = Table::new(["host", "power"]);
        table.row(["worker-1".to_owned(), "On".to_owned()]);
        table.failed("w2".to_owned(), "the BMC gave\nno answer");
        assert_eq!(
            table.lines(),
            [
                "HOST      POWER",
                "worker-1  On",
                "w2        the BMC gave\\nno answer",
            ]
        );
    }
}
