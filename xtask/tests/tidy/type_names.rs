//! Each type name has one meaning in the workspace.

use std::collections::{BTreeMap, BTreeSet};

use syn::visit::{self, Visit};

use crate::modules::{self, ModuleTree};
use crate::workspace::assert_none;

/// Names of the same thing in several crates. `Now` and `Rng` are the same function types in `domain` and `service`, neither of which
/// uses the other.
const ALLOWED: [&str; 4] = ["Config", "Error", "Now", "Rng"];

/// The files that define a type of each name, once for each definition.
type Definitions = BTreeMap<String, Vec<String>>;

#[test]
fn each_type_name_is_defined_once() {
    let definitions = definitions(&modules::module_trees());
    assert!(definitions.len() >= 100, "too few types were found");
    assert_none(&repeated(&definitions));
}

/// The structs, enums, unions, traits and type aliases of all crates, without those for tests.
fn definitions(trees: &[ModuleTree]) -> Definitions {
    let mut types = Types::default();
    for source in trees.iter().flat_map(|tree| &tree.sources) {
        types.file = source.path.display().to_string();
        types.visit_file(&source.syntax);
    }
    types.found
}

fn repeated(definitions: &Definitions) -> Vec<String> {
    let wrong =
        definitions.iter().filter(|(name, files)| files.len() > 1 && !ALLOWED.contains(&name.as_str()));
    wrong.map(|(name, files)| format!("{name} has {} meanings: {}", files.len(), files.join(", "))).collect()
}

#[derive(Default)]
struct Types {
    file: String,
    found: Definitions,
}

impl Types {
    fn add(&mut self, name: &syn::Ident) {
        self.found.entry(name.to_string()).or_default().push(self.file.clone());
    }
}

impl<'ast> Visit<'ast> for Types {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        match item {
            syn::Item::Enum(item) => self.add(&item.ident),
            syn::Item::Struct(item) => self.add(&item.ident),
            syn::Item::Trait(item) => self.add(&item.ident),
            syn::Item::Type(item) => self.add(&item.ident),
            syn::Item::Union(item) => self.add(&item.ident),
            _ => {}
        }
        visit::visit_item(self, item);
    }
}

#[test]
fn a_name_that_is_defined_twice_is_found() {
    let defined = |text: &str| {
        let mut types = Types::default();
        types.visit_file(&syn::parse_file(text).expect("valid Rust"));
        types.found
    };
    let twice = defined(
        "struct A; mod m { enum A {} } struct Error; type B = A; fn f() { type Error = (); trait C {} }",
    );
    assert_eq!(
        twice.keys().collect::<BTreeSet<_>>(),
        BTreeSet::from([&"A".into(), &"B".into(), &"C".into(), &"Error".into()])
    );
    assert_eq!(repeated(&twice).len(), 1);
}
