//! A TOML file as flat values with their lines. All syntax errors of the file are reported together.

use std::collections::BTreeMap;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::state::{Mistakes, Origin, RawValue, join};

/// Reads the file.
pub(super) fn read(path: &Path) -> Result<BTreeMap<String, RawValue>, Mistakes> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path)
        .map_err(|error| Mistakes(vec![format!("cannot read the settings: {error} ({name})")]))?;
    parse(&name, &text)
}

fn parse(name: &str, text: &str) -> Result<BTreeMap<String, RawValue>, Mistakes> {
    let (root, errors) = DeTable::parse_recoverable(text);
    let mut reader = TomlReader { name, text, values: BTreeMap::new(), mistakes: Vec::new() };
    for error in &errors {
        let line = error.span().map_or(1, |span| reader.line(span.start));
        reader.mistakes.push(format!("{} ({name}:{line})", error.message()));
    }
    if errors.is_empty() {
        reader.add_table("", root.get_ref());
    }
    if reader.mistakes.is_empty() { Ok(reader.values) } else { Err(Mistakes(reader.mistakes)) }
}

struct TomlReader<'a> {
    name: &'a str,
    text: &'a str,
    values: BTreeMap<String, RawValue>,
    mistakes: Vec<String>,
}

impl TomlReader<'_> {
    fn line(&self, at: usize) -> usize {
        self.text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
    }

    fn add_table(&mut self, path: &str, table: &DeTable<'_>) {
        for (key, value) in table {
            let name: &str = key.get_ref();
            if name.contains('.') || name.is_empty() {
                let line = self.line(key.span().start);
                self.mistakes.push(format!("'{name}' is not a valid key ({}:{line})", self.name));
            } else {
                self.add_value(join(path, name), value);
            }
        }
    }

    fn add_value(&mut self, path: String, value: &Spanned<DeValue<'_>>) {
        let text = match value.get_ref() {
            DeValue::Table(table) => return self.add_table(&path, table),
            DeValue::Array(array) => {
                for (index, element) in array.iter().enumerate() {
                    self.add_value(join(&path, &index.to_string()), element);
                }
                return;
            }
            DeValue::String(text) => text.to_string(),
            DeValue::Integer(number) => decimal(number.as_str(), number.radix()),
            DeValue::Float(number) => number.to_string(),
            DeValue::Boolean(flag) => flag.to_string(),
            DeValue::Datetime(time) => time.to_string(),
        };
        let origin = Origin::File { name: self.name.to_owned(), line: self.line(value.span().start) };
        self.values.insert(path, RawValue { text, origin });
    }
}

/// Converts an integer to decimal. One outside `i64` is kept as text; [`Part`](super::part::Part) rejects it later and names file and
/// line.
fn decimal(digits: &str, radix: u32) -> String {
    i64::from_str_radix(digits, radix).map_or_else(|_| digits.to_owned(), |number| number.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_keeps_its_path_and_line() {
        let values = parse("f.toml", "a = 0x10\n[b]\nc = 'x'\n[[e]]\nid = 1.5\n[[e]]\nid = true\n").unwrap();
        let flat: Vec<_> = values.iter().map(|(k, v)| format!("{k}={} {}", v.text, v.origin)).collect();
        assert_eq!(flat, ["a=16 f.toml:1", "b.c=x f.toml:3", "e.0.id=1.5 f.toml:5", "e.1.id=true f.toml:7"]);
    }

    #[test]
    fn every_syntax_error_is_reported_with_its_line() {
        let mistakes = parse("f.toml", "a = \nb = 1\nc = @\n").unwrap_err();
        let lines = mistakes.lines();
        assert!(lines.iter().any(|line| line.ends_with("(f.toml:1)")), "{lines:?}");
        assert!(lines.iter().any(|line| line.ends_with("(f.toml:3)")), "{lines:?}");
    }
}
