//! The modules of a crate, and the file that defines the target of a path. Code for tests is left out.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use syn::{Attribute, ImplItem, Item, Meta, UseTree, Visibility};

use crate::workspace::files;

/// A file by its path in the repository, with its text.
pub(crate) type FileTexts = BTreeMap<PathBuf, String>;
/// An index into [`ModuleTree::modules`].
pub(crate) type ModuleId = usize;
/// The deepest chain of imports that is followed: imports may be cyclic.
const CHAIN_MAX: u32 = 16;

/// The modules under one root: `lib.rs`, or the `main.rs` of a program.
pub(crate) struct ModuleTree {
    /// The folder of the crate.
    pub(crate) folder: String,
    pub(crate) modules: Vec<Module>,
    pub(crate) sources: Vec<Source>,
}

/// A file of a crate.
pub(crate) struct Source {
    pub(crate) path: PathBuf,
    pub(crate) module: ModuleId,
    pub(crate) syntax: syn::File,
}

/// A module, in a file of its own or inline.
#[derive(Default)]
pub(crate) struct Module {
    /// An index into [`ModuleTree::sources`].
    pub(crate) source: usize,
    pub(crate) children: BTreeMap<String, ModuleId>,
    parent: Option<ModuleId>,
    items: BTreeSet<String>,
    imports: Vec<Import>,
}

/// One name that a `use` brings into scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Import {
    /// `None` for `*`.
    pub(crate) name: Option<String>,
    pub(crate) path: Vec<String>,
    /// Whether the `use` has a visibility (`pub`, `pub(crate)`, …).
    pub(crate) reexport: bool,
}

/// What a path names: a module, or an item in it with what follows the item (a variant, an associated function).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ResolvedPath {
    pub(crate) module: ModuleId,
    pub(crate) item: Option<String>,
    pub(crate) member: Option<String>,
}

/// The module trees of all crates of the workspace.
pub(crate) fn module_trees() -> Vec<ModuleTree> {
    let sources: FileTexts = files(&|path| path.iter().nth(1).is_some_and(|folder| folder == "src"))
        .into_iter()
        .filter(|(path, _)| path.extension().is_some_and(|end| end == "rs"))
        .collect();
    let is_root = |path: &&PathBuf| path.ends_with("src/lib.rs") || path.ends_with("src/main.rs");
    sources.keys().filter(is_root).map(|root| ModuleTree::read(root, &sources)).collect()
}

impl ModuleTree {
    pub(crate) fn read(root: &Path, files: &FileTexts) -> Self {
        let crate_folder = root.iter().next().unwrap_or_default().to_string_lossy().into_owned();
        let mut tree = Self { folder: crate_folder, modules: vec![], sources: vec![] };
        let folder = root.parent().unwrap_or(root);
        tree.add_file(root, folder, None, files);
        tree
    }

    /// Adds the module that is the file at `path`; its child modules lie in `folder`.
    fn add_file(
        &mut self,
        path: &Path,
        folder: &Path,
        parent: Option<ModuleId>,
        files: &FileTexts,
    ) -> ModuleId {
        let text = files.get(path).unwrap_or_else(|| panic!("there is no {}", path.display()));
        let mut syntax = syn::parse_file(text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        remove_tests(&mut syntax.items);
        let module = self.modules.len();
        let source = self.sources.len();
        let items = syntax.items.clone();
        self.modules.push(Module { source, parent, ..Module::default() });
        self.sources.push(Source { path: path.to_owned(), module, syntax });
        self.add_items(module, &items, folder, files);
        module
    }

    fn add_items(&mut self, module: ModuleId, items: &[Item], folder: &Path, files: &FileTexts) {
        for item in items {
            if let Item::Mod(child) = item {
                let name = child.ident.to_string();
                let id = match &child.content {
                    Some((_, items)) => self.add_inline(module, items, &folder.join(&name), files),
                    None => self.add_child_file(module, &name, folder, files),
                };
                self.modules[module].children.insert(name, id);
            } else if let Item::Use(import) = item {
                self.modules[module].imports.extend(imports(&import.tree, &import.vis));
            } else if let Some(name) = item_name(item) {
                self.modules[module].items.insert(name);
            }
        }
    }

    fn add_inline(&mut self, parent: ModuleId, items: &[Item], folder: &Path, files: &FileTexts) -> ModuleId {
        let source = self.modules[parent].source;
        let module = self.modules.len();
        self.modules.push(Module { source, parent: Some(parent), ..Module::default() });
        self.add_items(module, items, folder, files);
        module
    }

    fn add_child_file(&mut self, parent: ModuleId, name: &str, folder: &Path, files: &FileTexts) -> ModuleId {
        let path = folder.join(format!("{name}.rs"));
        self.add_file(&path, &folder.join(name), Some(parent), files)
    }

    /// What a path in the module names; `None` if it is nothing of this crate.
    pub(crate) fn resolve(&self, module: ModuleId, path: &[String]) -> Option<ResolvedPath> {
        self.resolve_in(module, path, CHAIN_MAX)
    }

    fn resolve_in(&self, module: ModuleId, path: &[String], chain: u32) -> Option<ResolvedPath> {
        let (first, rest) = path.split_first()?;
        match first.as_str() {
            "crate" => self.walk(0, rest, chain),
            "self" => self.walk(module, rest, chain),
            "super" => self.walk(self.modules[module].parent?, rest, chain),
            _ => self.in_scope(module, path, chain),
        }
    }

    /// Follows a path that begins in the module. Returns `None` if a name is not found (a macro, for instance).
    fn walk(&self, module: ModuleId, path: &[String], chain: u32) -> Option<ResolvedPath> {
        match path.split_first() {
            None => Some(ResolvedPath { module, item: None, member: None }),
            Some((first, rest)) if first == "super" => self.walk(self.modules[module].parent?, rest, chain),
            Some(_) => self.in_scope(module, path, chain),
        }
    }

    fn in_scope(&self, module: ModuleId, path: &[String], chain: u32) -> Option<ResolvedPath> {
        let (first, rest) = path.split_first()?;
        let here = &self.modules[module];
        let is_item = here.items.contains(first);
        if let Some(child) = here.children.get(first).filter(|_| !(is_item && rest.is_empty())) {
            return self.walk(*child, rest, chain);
        }
        if is_item {
            return Some(ResolvedPath { module, item: Some(first.clone()), member: rest.first().cloned() });
        }
        let chain = chain.checked_sub(1)?;
        let named = here.imports.iter().find(|import| import.name.as_ref() == Some(first));
        if let Some(import) = named {
            return self.resolve_in(module, &[&import.path, rest].concat(), chain);
        }
        let mut globs = here.imports.iter().filter(|import| import.name.is_none());
        globs.find_map(|import| self.through_glob(module, import, path, chain))
    }

    fn through_glob(
        &self,
        module: ModuleId,
        glob: &Import,
        path: &[String],
        chain: u32,
    ) -> Option<ResolvedPath> {
        let from = self.resolve_in(module, &glob.path, chain)?;
        if from.item.is_some() { None } else { self.in_scope(from.module, path, chain) }
    }
}

/// The names that a `use` brings into scope.
pub(crate) fn imports(tree: &UseTree, visibility: &Visibility) -> Vec<Import> {
    let mut found = Vec::new();
    flatten(tree, &[], !matches!(visibility, Visibility::Inherited), &mut found);
    found
}

fn flatten(tree: &UseTree, before: &[String], reexport: bool, found: &mut Vec<Import>) {
    let with = |name: String| [before, &[name]].concat();
    let leaf = |name: String, ident: String| {
        // `use a::{self}` names `a`.
        let path = if ident == "self" && !before.is_empty() { before.to_vec() } else { with(ident) };
        let name = if name == "self" { path.last().cloned().unwrap_or_default() } else { name };
        Import { name: Some(name), path, reexport }
    };
    match tree {
        UseTree::Path(path) => flatten(&path.tree, &with(path.ident.to_string()), reexport, found),
        UseTree::Name(name) => found.push(leaf(name.ident.to_string(), name.ident.to_string())),
        UseTree::Rename(name) => found.push(leaf(name.rename.to_string(), name.ident.to_string())),
        UseTree::Glob(_) => found.push(Import { name: None, path: before.to_vec(), reexport }),
        UseTree::Group(group) => {
            group.items.iter().for_each(|tree| flatten(tree, before, reexport, found));
        }
    }
}

fn item_name(item: &Item) -> Option<String> {
    let ident = match item {
        Item::Const(item) => &item.ident,
        Item::Enum(item) => &item.ident,
        Item::Fn(item) => &item.sig.ident,
        Item::Macro(item) => item.ident.as_ref()?,
        Item::Static(item) => &item.ident,
        Item::Struct(item) => &item.ident,
        Item::Trait(item) => &item.ident,
        Item::Type(item) => &item.ident,
        Item::Union(item) => &item.ident,
        _ => return None,
    };
    Some(ident.to_string())
}

/// Removes items that are compiled for tests: `cfg(test)`, also at the start of `any` or `all`.
fn remove_tests(items: &mut Vec<Item>) {
    items.retain(|item| !is_for_tests(attributes(item)));
    for item in items {
        match item {
            Item::Mod(module) => {
                if let Some((_, items)) = &mut module.content {
                    remove_tests(items);
                }
            }
            Item::Impl(item) => item
                .items
                .retain(|item| !matches!(item, ImplItem::Fn(function) if is_for_tests(&function.attrs))),
            _ => {}
        }
    }
}

fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        Meta::List(list) if list.path.is_ident("cfg") => {
            let condition = list.tokens.to_string();
            condition == "test" || condition.starts_with("any (test") || condition.starts_with("all (test")
        }
        meta => meta.path().is_ident("test"),
    })
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}
