//! Writes the schemas and docs/events.md from the catalogue.

use std::path::Path;

use messaging::{CATALOGUE, events_page, schema};

fn main() -> std::io::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for entry in CATALOGUE {
        let text = format!("{:#}\n", schema(entry.kind));
        std::fs::write(root.join(format!("schemas/{}.v1.json", entry.kind)), text)?;
    }
    std::fs::write(root.join("../docs/events.md"), events_page())
}
