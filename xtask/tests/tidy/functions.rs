//! The distribution of function lengths. Clippy limits the length of each function (`clippy.toml`).

use syn::visit::{self, Visit};

use crate::modules;

/// Nine of ten functions have at most this many lines, from `fn` to the closing brace.
const P90_MAX: usize = 20;

#[test]
fn nine_of_ten_functions_have_at_most_20_lines() {
    let mut functions = Functions::default();
    for source in modules::module_trees().iter().flat_map(|tree| &tree.sources) {
        functions.visit_file(&source.syntax);
    }
    let mut lengths = functions.lengths;
    lengths.sort_unstable();
    assert!(lengths.len() >= 100, "too few functions were found");
    let [median, p90, max] = [50, 90, 100].map(|percent| percentile(&lengths, percent));
    println!(
        "{} functions outside tests, in lines: median {median}, p90 {p90}, longest {max}",
        lengths.len()
    );
    assert!(p90 <= P90_MAX, "p90 is {p90} lines, above {P90_MAX}");
}

/// The smallest value that `percent` of the values do not exceed.
fn percentile(sorted: &[usize], percent: usize) -> usize {
    sorted[(sorted.len() * percent).div_ceil(100) - 1]
}

#[derive(Default)]
struct Functions {
    lengths: Vec<usize>,
}

impl Functions {
    fn add(&mut self, signature: &syn::Signature, body: &syn::Block) {
        let first = signature.fn_token.span.start().line;
        let last = body.brace_token.span.close().end().line;
        self.lengths.push(last - first + 1);
    }
}

impl<'ast> Visit<'ast> for Functions {
    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        self.add(&function.sig, &function.block);
        visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        self.add(&function.sig, &function.block);
        visit::visit_impl_item_fn(self, function);
    }

    fn visit_trait_item_fn(&mut self, function: &'ast syn::TraitItemFn) {
        if let Some(body) = &function.default {
            self.add(&function.sig, body);
        }
        visit::visit_trait_item_fn(self, function);
    }
}

#[test]
fn the_length_of_a_function_is_from_its_signature_to_its_brace() {
    let text = "/// Doc\n#[inline]\npub fn f(\n  a: u8,\n) {\n  g();\n}\nimpl A {\n  fn g() {}\n}\ntrait B {\n  fn h();\n  fn i() {\n  }\n}\n";
    let mut functions = Functions::default();
    functions.visit_file(&syn::parse_file(text).expect("valid Rust"));
    assert_eq!(functions.lengths, [5, 1, 2]);
}

#[test]
fn a_percentile_is_a_value_of_the_list() {
    let lengths: Vec<usize> = (1..=10).collect();
    assert_eq!([50, 90, 100].map(|percent| percentile(&lengths, percent)), [5, 9, 10]);
}
