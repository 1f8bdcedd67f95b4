//! Cells in columns, for people.

use crate::visible::visible;

/// A longer cell is cut: nobody reads it in a table, and JSON has all of it.
const MOST_CHARACTERS: usize = 200;

/// One line a row, each column as wide as its widest cell, control characters escaped; no space at the end of a line.
pub(crate) fn columns(rows: &[Vec<String>]) -> Vec<String> {
    let rows: Vec<Vec<String>> =
        rows.iter().map(|row| row.iter().map(|cell| clipped(visible(cell))).collect()).collect();
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let most = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..most).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

fn clipped(cell: String) -> String {
    match cell.char_indices().nth(MOST_CHARACTERS) {
        Some((end, _)) => format!("{}…", &cell[..end]),
        None => cell,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_stand_below_each_other_and_are_cut() {
        let row = |cells: [&str; 2]| cells.map(str::to_owned).to_vec();
        assert_eq!(columns(&[row(["A", "B"]), row(["é\n", "b"])]), ["A        B", "é\\u000a  b"]);
        let long = columns(&[row([&"é".repeat(70_000), ""])]);
        assert_eq!(long, ["é".repeat(200) + "…"]);
    }
}
