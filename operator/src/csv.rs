//! Comma-separated values, as spreadsheets read them (RFC 4180).

/// Marks a text as UTF-8 for spreadsheets that would otherwise take it for another encoding, such as Excel in Korea.
pub(crate) const BYTE_ORDER_MARK: &str = "\u{feff}";

/// A line. A cell that a spreadsheet would take for a formula gets an apostrophe in front.
pub(crate) fn line<'a>(cells: impl IntoIterator<Item = &'a str>) -> String {
    let cells: Vec<String> = cells.into_iter().map(cell).collect();
    format!("{}\r\n", cells.join(","))
}

fn cell(text: &str) -> String {
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']);
    let text = if is_formula { format!("'{text}") } else { text.to_owned() };
    let is_plain = !text.contains(['"', ',', '\r', '\n']);
    if is_plain { text } else { format!("\"{}\"", text.replace('"', "\"\"")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_quoted_where_it_must_be() {
        assert_eq!(line(["a", "", "1,2", "say \"hi\"", "가"]), "a,,\"1,2\",\"say \"\"hi\"\"\",가\r\n");
        assert_eq!(line(["two\r\nlines"]), "\"two\r\nlines\"\r\n");
    }

    #[test]
    fn no_cell_is_a_formula() {
        for text in ["=1+1", "+82", "-1", "@SUM(A1)", "\t=1", "=HYPERLINK(\"x\",\"y\")"] {
            let cell = line([text]);
            assert!(cell.trim_start_matches('"').starts_with('\''), "{cell}");
        }
        assert_eq!(line(["A-1", "2026-11-29"]), "A-1,2026-11-29\r\n");
    }
}
