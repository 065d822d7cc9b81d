//! No file of a crate uses a file that uses it, directly or through others.
//!
//! An arrow leads from a file to the file that defines what it names: in `use`, in paths, in macros and attributes, and in calls of
//! `self.method()` that an `impl` in another file defines. A re-export is no arrow: a name is traced to its definition. Calls of
//! methods on other values than `self` are not seen.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};

use crate::modules::{self, FileTexts, ModuleId, ModuleTree, ResolvedPath};
use crate::workspace::assert_none;

/// From a file to another, with the first name that makes the arrow. Files are indices of [`ModuleTree::sources`].
type Arrows = BTreeMap<(usize, usize), String>;

#[test]
fn no_file_uses_a_file_that_uses_it() {
    let trees = modules::module_trees();
    assert!(trees.len() >= 8, "too few crates were found");
    let loops: Vec<Loop> = trees.iter().flat_map(loops).collect();
    assert_none(&loops.iter().map(Loop::message).collect::<Vec<_>>());
}

/// Files of a crate that use each other in a circle.
#[derive(Debug, PartialEq, Eq)]
struct Loop {
    package: String,
    files: BTreeSet<String>,
    /// Each arrow between them, for the message.
    arrows: Vec<String>,
}

impl Loop {
    fn message(&self) -> String {
        let files: Vec<_> = self.files.iter().collect();
        format!(
            "{}: these files use each other: {files:?}\n  {}\n  Move the shared items to a file that both may use.",
            self.package,
            self.arrows.join("\n  ")
        )
    }
}

fn loops(tree: &ModuleTree) -> Vec<Loop> {
    let arrows = arrows(tree);
    let reach: Vec<BTreeSet<usize>> = (0..tree.sources.len()).map(|from| reachable(&arrows, from)).collect();
    let mut found = Vec::new();
    for (from, reached) in reach.iter().enumerate().filter(|(from, reached)| reached.contains(from)) {
        let members: BTreeSet<usize> =
            reached.iter().copied().filter(|to| reach[*to].contains(&from)).collect();
        if members.first() == Some(&from) {
            found.push(describe(tree, &arrows, &members));
        }
    }
    found
}

fn reachable(arrows: &Arrows, from: usize) -> BTreeSet<usize> {
    let mut found = BTreeSet::new();
    let mut open = vec![from];
    while let Some(at) = open.pop() {
        let next = arrows.range((at, 0)..=(at, usize::MAX)).map(|((_, to), _)| *to);
        open.extend(next.filter(|to| found.insert(*to)));
    }
    found
}

fn describe(tree: &ModuleTree, arrows: &Arrows, members: &BTreeSet<usize>) -> Loop {
    let inside = arrows.iter().filter(|((from, to), _)| members.contains(from) && members.contains(to));
    Loop {
        package: tree.folder.clone(),
        files: members.iter().map(|file| short(tree, *file)).collect(),
        arrows: inside
            .map(|((from, to), name)| format!("{} -> {}: {name}", short(tree, *from), short(tree, *to)))
            .collect(),
    }
}

/// The path of a file in `src/`.
fn short(tree: &ModuleTree, source: usize) -> String {
    tree.sources[source].path.iter().skip(2).collect::<std::path::PathBuf>().display().to_string()
}

fn arrows(tree: &ModuleTree) -> Arrows {
    let mut methods = Methods { tree, module: 0, found: BTreeMap::new() };
    for source in &tree.sources {
        methods.module = source.module;
        methods.visit_file(&source.syntax);
    }
    let mut arrows = Arrows::new();
    for (index, source) in tree.sources.iter().enumerate() {
        let file = index;
        let module = source.module;
        let mut names = Names {
            tree,
            methods: &methods.found,
            file,
            module,
            of: None,
            in_function: false,
            arrows: &mut arrows,
        };
        names.visit_file(&source.syntax);
    }
    arrows
}

/// The files in which a method of a type is defined, by the type and the method.
type MethodFiles = BTreeMap<(ModuleId, String, String), usize>;

/// Collects the methods of `impl` blocks.
struct Methods<'a> {
    tree: &'a ModuleTree,
    module: ModuleId,
    found: MethodFiles,
}

impl<'ast> Visit<'ast> for Methods<'_> {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        let outer = self.module;
        self.module = child(self.tree, outer, item);
        visit::visit_item_mod(self, item);
        self.module = outer;
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        let Some(ResolvedPath { module, item: Some(name), .. }) = implemented(self.tree, self.module, item)
        else {
            return;
        };
        let file = self.tree.modules[self.module].source;
        for member in &item.items {
            if let syn::ImplItem::Fn(function) = member {
                self.found.insert((module, name.clone(), function.sig.ident.to_string()), file);
            }
        }
    }
}

/// Collects the arrows that lead from one file.
struct Names<'a> {
    tree: &'a ModuleTree,
    methods: &'a MethodFiles,
    file: usize,
    module: ModuleId,
    /// The type that the `impl` around implements.
    of: Option<ResolvedPath>,
    in_function: bool,
    arrows: &'a mut Arrows,
}

impl Names<'_> {
    fn arrow(&mut self, to: usize, name: &str) {
        if to != self.file {
            self.arrows.entry((self.file, to)).or_insert_with(|| name.to_owned());
        }
    }

    fn path(&mut self, path: &[String]) {
        let place = match (&self.of, path) {
            (Some(of), [own, member]) if own == "Self" => {
                Some(ResolvedPath { member: Some(member.clone()), ..of.clone() })
            }
            _ => self.tree.resolve(self.module, path),
        };
        if let Some(ResolvedPath { module, item: Some(item), member }) = place {
            let name = path.join("::");
            self.arrow(self.tree.modules[module].source, &name);
            if let Some(member) = member {
                self.method(&(module, item, member), &name);
            }
        }
    }

    fn method(&mut self, method: &(ModuleId, String, String), name: &str) {
        if let Some(file) = self.methods.get(method) {
            self.arrow(*file, name);
        }
    }

    fn import(&mut self, import: &modules::Import) {
        let is_module = |place: &ResolvedPath| place.item.is_none();
        match self.tree.resolve(self.module, &import.path) {
            // The paths that begin with the module's name are traced instead.
            Some(place) if is_module(&place) && import.name.is_some() && !self.in_function => {}
            Some(place) => self.arrow(self.tree.modules[place.module].source, &import.path.join("::")),
            None => {}
        }
    }

    /// Paths in tokens that are not parsed.
    fn tokens(&mut self, tokens: &TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let mut before = String::new();
        for token in tokens.clone() {
            let text = match &token {
                TokenTree::Group(group) => {
                    self.tokens(&group.stream());
                    String::new()
                }
                token => token.to_string(),
            };
            match &token {
                TokenTree::Ident(_) if before == "::" => path.push(text.clone()),
                TokenTree::Ident(_) => {
                    self.path(&std::mem::take(&mut path));
                    path.extend((before != ".").then(|| text.clone()));
                }
                _ if text == ":" => {}
                _ => self.path(&std::mem::take(&mut path)),
            }
            before = if text == ":" && before == ":" { "::".into() } else { text };
        }
        self.path(&path);
    }
}

impl<'ast> Visit<'ast> for Names<'_> {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        let outer = self.module;
        self.module = child(self.tree, outer, item);
        visit::visit_item_mod(self, item);
        self.module = outer;
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        for import in modules::imports(&item.tree, &item.vis).iter().filter(|import| !import.reexport) {
            self.import(import);
        }
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        let outer = self.of.take();
        self.of = implemented(self.tree, self.module, item);
        visit::visit_item_impl(self, item);
        self.of = outer;
    }

    fn visit_block(&mut self, block: &'ast syn::Block) {
        let outer = std::mem::replace(&mut self.in_function, true);
        visit::visit_block(self, block);
        self.in_function = outer;
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        self.path(&segments(path));
        visit::visit_path(self, path);
    }

    fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
        let on_self = matches!(&*call.receiver, syn::Expr::Path(receiver) if receiver.path.is_ident("self"));
        if let Some(ResolvedPath { module, item: Some(item), .. }) = self.of.clone().filter(|_| on_self) {
            let name = call.method.to_string();
            self.method(&(module, item, name.clone()), &format!("self.{name}()"));
        }
        visit::visit_expr_method_call(self, call);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        self.visit_path(&call.path);
        self.tokens(&call.tokens);
    }

    fn visit_attribute(&mut self, attribute: &'ast syn::Attribute) {
        if let syn::Meta::List(list) = &attribute.meta {
            self.tokens(&list.tokens);
        }
    }
}

fn child(tree: &ModuleTree, module: ModuleId, item: &syn::ItemMod) -> ModuleId {
    tree.modules[module].children[&item.ident.to_string()]
}

/// The type of this crate that an `impl` is for.
fn implemented(tree: &ModuleTree, module: ModuleId, item: &syn::ItemImpl) -> Option<ResolvedPath> {
    match &*item.self_ty {
        syn::Type::Path(of) => tree.resolve(module, &segments(&of.path)),
        _ => None,
    }
}

fn segments(path: &syn::Path) -> Vec<String> {
    path.segments.iter().map(|segment| segment.ident.to_string()).collect()
}

/// The loops of a crate of these files.
fn loops_of(files: &[(&str, &str)]) -> Vec<Vec<String>> {
    let files: FileTexts =
        files.iter().map(|(path, text)| (Path::new("x/src").join(path), (*text).to_owned())).collect();
    let tree = ModuleTree::read(Path::new("x/src/lib.rs"), &files);
    loops(&tree).into_iter().map(|found| found.files.into_iter().collect()).collect()
}

const NONE: [Vec<String>; 0] = [];

#[test]
fn a_loop_of_two_files_is_found_by_use_and_by_path() {
    let lib = ("lib.rs", "mod a; mod b;");
    let both = [vec!["a.rs".to_owned(), "b.rs".to_owned()]];
    let b = ("b.rs", "use super::a::{self, f}; pub fn g() {}");
    assert_eq!(loops_of(&[lib, ("a.rs", "use crate::b::g; pub fn f() {}"), b]), both);
    assert_eq!(loops_of(&[lib, ("a.rs", "pub fn f() { crate::b::g() }"), b]), both);
    assert_eq!(loops_of(&[lib, ("a.rs", "use crate::b; pub fn f() { b::g() }"), b]), both);
    assert_eq!(loops_of(&[lib, ("a.rs", "pub fn f() { use crate::b; }"), b]), both);
    assert_eq!(loops_of(&[lib, ("a.rs", "use crate::b::*; pub fn f() {}"), b]), both);
    assert_eq!(loops_of(&[lib, ("a.rs", "pub fn f() { println!(\"{}\", crate::b::g()); }"), b]), both);
    assert_eq!(loops_of(&[lib, ("a.rs", "#[path(of = crate::b::g)] pub fn f() {}"), b]), both);
    assert_eq!(loops_of(&[lib, ("a.rs", "pub fn f() { x.g(); y.b; }"), b]), NONE);
    assert_eq!(loops_of(&[lib, ("a.rs", "use other::b::g; pub fn f() {}"), b]), NONE);
}

#[test]
fn a_loop_of_three_files_is_one_loop() {
    let files = [
        ("lib.rs", "mod a; mod b; mod c; mod d;"),
        ("a.rs", "use crate::b::B; pub struct A;"),
        ("b.rs", "use crate::c::C; pub struct B;"),
        ("c.rs", "use crate::a::A; pub struct C;"),
        ("d.rs", "use crate::a::A;"),
    ];
    assert_eq!(loops_of(&files), [["a.rs", "b.rs", "c.rs"].map(str::to_owned).to_vec()]);
}

#[test]
fn a_reexport_is_traced_to_the_definition() {
    let lib = ("lib.rs", "mod a; mod b; pub use a::A; pub use b::{B as Bee}; pub fn own() {}");
    assert_eq!(loops_of(&[lib, ("a.rs", "pub struct A;"), ("b.rs", "use crate::A; pub struct B;")]), NONE);
    let both = [vec!["a.rs".to_owned(), "b.rs".to_owned()]];
    assert_eq!(
        loops_of(&[lib, ("a.rs", "use crate::Bee; pub struct A;"), ("b.rs", "use crate::A; pub struct B;")]),
        both
    );
    let own = ("a.rs", "pub struct A; fn f() { crate::own() }");
    assert_eq!(loops_of(&[lib, own, ("b.rs", "pub struct B;")]), NONE);
    let uses = ("lib.rs", "mod a; mod b; pub use a::A; pub fn own(a: A) {}");
    assert_eq!(loops_of(&[uses, own, ("b.rs", "")]), [["a.rs", "lib.rs"].map(str::to_owned).to_vec()]);
}

#[test]
fn a_parent_and_its_child_are_a_loop() {
    let lib = ("lib.rs", "mod a;");
    let child = ("a/b.rs", "use super::Shared; pub struct B(Shared);");
    let loops = |parent| loops_of(&[lib, ("a.rs", parent), child]);
    assert_eq!(loops("mod b; pub use b::B; pub struct Shared;"), NONE);
    let both = [["a.rs", "a/b.rs"].map(str::to_owned).to_vec()];
    assert_eq!(loops("mod b; use b::B; pub struct Shared;"), both);
    assert_eq!(loops("mod b; pub use b::B; pub struct Shared; fn f(b: B) {}"), both);
    assert_eq!(loops("mod b; mod inline { fn f(b: super::b::B) {} } pub struct Shared;"), both);
}

#[test]
fn a_method_in_another_file_is_an_arrow() {
    let lib = ("lib.rs", "mod a; mod b;");
    let b = ("b.rs", "use crate::a::A; impl A { pub fn g(&self) {} pub fn new() {} }");
    let loops = |a| loops_of(&[lib, ("a.rs", a), b]);
    let both = [vec!["a.rs".to_owned(), "b.rs".to_owned()]];
    assert_eq!(loops("pub struct A; impl A { fn f(&self) { self.g() } }"), both);
    assert_eq!(loops("pub struct A; fn f() { A::new(); }"), both);
    assert_eq!(loops("pub struct A; impl A { fn f() { Self::new(); } }"), both);
    assert_eq!(loops("pub struct A; impl A { fn f(&self) { self.f() } }"), NONE);
}

#[test]
fn code_for_tests_is_left_out() {
    let lib = ("lib.rs", "mod a; mod b; #[cfg(test)] mod only_tests;");
    let b = ("b.rs", "use crate::a::f; pub fn g() {}");
    let a = "pub fn f() {} #[cfg(test)] use crate::b::g; #[cfg(test)] mod tests { use crate::b::g; }";
    assert_eq!(loops_of(&[lib, ("a.rs", a), b]), NONE);
}
