//! The page docs/events.md, made from the catalogue.

use std::fmt::Write as _;

use crate::catalogue::{CATALOGUE, CatalogueEntry};
use crate::field::Field;
use crate::schema::schema_id;

const INTRODUCTION: &str = include_str!("docs/introduction.md");
const RECIPES: &str = include_str!("docs/recipes.md");

/// The page of the domain events.
pub fn events_page() -> String {
    let mut page = format!("{INTRODUCTION}\n## Catalogue\n");
    for entry in &CATALOGUE {
        describe(&mut page, entry);
    }
    page + "\n" + RECIPES
}

fn describe(page: &mut String, entry: &CatalogueEntry) {
    let _ = writeln!(page, "\n### `firstcome.{}.v1`\n\n{}\n", entry.kind, entry.when);
    let _ =
        writeln!(page, "Schema: `{}`\n\n| field | type | meaning |\n|---|---|---|", schema_id(entry.kind));
    for field in entry.all_fields() {
        let Field { name, kind, may_be_null, about } = field;
        let null = if may_be_null { " or null" } else { "" };
        let _ = writeln!(page, "| `{name}` | {}{null} | {about} |", kind.words());
    }
}
