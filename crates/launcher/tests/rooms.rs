//! The house has one direction: no two modules of a crate use each other, and no crate uses another that ARCHITECTURE.md
//! does not list.
//!
//! Modules are compared with their siblings, at every depth: what a module holds counts as part of it, and what a parent
//! says itself is no part of its children. Tests may look into any room.
#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test that can't go on has no other way to say so"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use syn::visit::{self, Visit};
use syn::{Attribute, File, ItemMod, ItemUse, Macro, UseTree};

/// The names of a module from the root of its crate; the root itself has none.
type Module = Vec<String>;

fn crates() -> Vec<(String, PathBuf)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut crates: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), entry.path()))
        .collect();
    crates.sort();
    crates
}

#[test]
fn no_two_modules_of_a_crate_use_each_other() {
    let mut circles = Vec::new();
    for (name, folder) in crates() {
        let modules = read(&folder.join("src"));
        for circle in arrows(&modules).circles() {
            circles.push(format!("{name}: {circle}"));
        }
    }
    assert!(circles.is_empty(), "\n{}", circles.join("\n"));
}

#[test]
fn the_finder_sees_circles_through_any_spelling() {
    let source = |text: &str| syn::parse_file(text).unwrap();
    let module = |names: &str| names.split("::").map(str::to_owned).collect::<Module>();
    let modules = BTreeMap::from([
        (Module::new(), source("mod a; mod b; mod c; pub use a::Thing;")),
        (module("a"), source("mod x; mod y; use crate::{b::Other, c};")),
        (module("a::x"), source("use super::y::Y;")),
        (
            module("a::y"),
            source("fn f() { super::x::g(); } #[cfg(test)] mod t { use crate::c; }"),
        ),
        (module("b"), source("fn f() -> crate::Thing { println!(\"{}\", 1) }")),
        (module("c"), source("use std::fmt; struct C(u8);")),
    ]);
    let found: Vec<_> = arrows(&modules).circles();
    assert_eq!(
        found,
        ["a (a.rs) -> b (b.rs) -> a", "a::x (a/x.rs) -> a::y (a/y.rs) -> a::x"]
    );
}

/// What each crate may use of ours stands in a table, and nothing else is used.
#[test]
fn crates_use_what_architecture_lists() {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../ARCHITECTURE.md")).unwrap();
    let mut listed = BTreeMap::new();
    for line in text.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
        if let [name, _, uses] = cells[..] {
            let uses = uses.trim_matches('–').split(',').map(str::trim);
            let uses = uses.filter(|uses| !uses.is_empty()).map(str::to_owned);
            listed.insert(name.trim_matches('`').to_owned(), uses.collect::<BTreeSet<_>>());
        }
    }
    let all: BTreeSet<String> = crates().into_iter().map(|(name, _)| name).collect();
    for (name, folder) in crates() {
        let manifest: toml::Table = fs::read_to_string(folder.join("Cargo.toml")).unwrap().parse().unwrap();
        let used = manifest["dependencies"].as_table().unwrap().keys();
        let used: BTreeSet<_> = used.filter(|used| all.contains(*used)).cloned().collect();
        let mut listed = listed
            .remove(&name)
            .unwrap_or_else(|| panic!("ARCHITECTURE.md does not list {name}"));
        if listed.remove("all") {
            listed = used.clone();
        }
        assert!(!used.contains("testing"), "{name} uses what is for tests only");
        assert_eq!(used, listed, "what {name} uses, and what ARCHITECTURE.md lists");
    }
}

/// Every module of a crate that has a file of its own.
fn read(src: &Path) -> BTreeMap<Module, File> {
    let mut modules = BTreeMap::new();
    let mut folders = vec![src.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let within = path.strip_prefix(src).unwrap().with_extension("");
                let mut module: Module = within.iter().map(|part| part.to_str().unwrap().to_owned()).collect();
                match module.last().map(String::as_str) {
                    Some("main") if module.len() == 1 => continue,
                    Some("lib") if module.len() == 1 => module.clear(),
                    _ => {}
                }
                modules.insert(module, syn::parse_file(&fs::read_to_string(&path).unwrap()).unwrap());
            }
        }
    }
    let tests: Vec<Module> = modules
        .iter()
        .flat_map(|(module, file)| test_modules(module, file))
        .collect();
    modules.retain(|module, _| !tests.iter().any(|test| module.starts_with(test)));
    modules
}

fn is_test(attributes: &[Attribute]) -> bool {
    attributes
        .iter()
        .any(|attribute| attribute.path().is_ident("cfg") && quoted(&attribute.meta).contains("test"))
}

fn quoted(meta: &syn::Meta) -> String {
    meta.require_list()
        .map(|list| list.tokens.to_string())
        .unwrap_or_default()
}

fn test_modules(module: &Module, file: &File) -> Vec<Module> {
    let items = file.items.iter().filter_map(|item| match item {
        syn::Item::Mod(inner) if is_test(&inner.attrs) => Some(inner.ident.to_string()),
        _ => None,
    });
    items.map(|name| joined(module, &[name])).collect()
}

fn joined(module: &[String], more: &[String]) -> Module {
    module.iter().chain(more).cloned().collect()
}

/// Who uses whom among siblings, each with one place where it does.
#[derive(Default)]
struct Arrows(BTreeMap<Module, BTreeMap<Module, String>>);

fn arrows(modules: &BTreeMap<Module, File>) -> Arrows {
    let mut arrows = Arrows::default();
    for (module, file) in modules {
        let mut paths = Paths::default();
        paths.visit_file(file);
        for path in paths.0 {
            let Some(used) = resolve(modules, module, &path) else {
                continue;
            };
            let common = module.iter().zip(&used).take_while(|(a, b)| a == b).count();
            // A parent that uses its child, and a child its parent, are one room.
            if common < module.len() && common < used.len() {
                let (from, to) = (module[..=common].to_vec(), used[..=common].to_vec());
                let place = format!("{}.rs", module.join("/"));
                arrows.0.entry(from).or_default().entry(to).or_insert(place);
            }
        }
    }
    arrows
}

/// The module in which the path of a name ends.
fn resolve(modules: &BTreeMap<Module, File>, from: &Module, path: &[String]) -> Option<Module> {
    let mut at = match path.first()?.as_str() {
        "crate" => Module::new(),
        "self" => from.clone(),
        "super" => from[..from.len().checked_sub(1)?].to_vec(),
        child if modules.contains_key(&joined(from, &[child.to_owned()])) => joined(from, &path[..1]),
        _ => return None,
    };
    for name in &path[1..] {
        if name == "super" {
            at.pop();
            continue;
        }
        let inner = joined(&at, std::slice::from_ref(name));
        if modules.contains_key(&inner) {
            at = inner;
        } else {
            return Some(reexported(modules, &at, name, 0).unwrap_or(at));
        }
    }
    Some(at)
}

/// The module from which `at` has the name.
fn reexported(modules: &BTreeMap<Module, File>, at: &Module, name: &str, depth: u8) -> Option<Module> {
    let mut uses = Uses::default();
    modules.get(at)?.items.iter().for_each(|item| {
        if let syn::Item::Use(item) = item {
            uses.collect(&item.tree, &mut Vec::new());
        }
    });
    let (path, _) = uses.0.iter().find(|(_, as_name)| as_name == name)?;
    // A name that is used under itself would never end.
    (depth < 8).then(|| resolve(modules, at, path)).flatten()
}

impl Arrows {
    /// For each module that is in a circle, the shortest one through it, told once.
    fn circles(&self) -> Vec<String> {
        let mut told = BTreeSet::new();
        let mut circles = Vec::new();
        for start in self.0.keys() {
            if let Some(circle) = self.shortest(start)
                && told.insert(circle.iter().cloned().collect::<BTreeSet<_>>())
            {
                let mut text = String::new();
                for (i, module) in circle.iter().enumerate() {
                    let next = &circle[(i + 1) % circle.len()];
                    text.push_str(&format!("{} ({}) -> ", module.join("::"), self.0[module][next]));
                }
                circles.push(text + &start.join("::"));
            }
        }
        circles
    }

    fn shortest(&self, start: &Module) -> Option<Vec<Module>> {
        let mut reached: BTreeMap<&Module, Vec<Module>> = BTreeMap::from([(start, vec![start.clone()])]);
        let mut edge = vec![start];
        while !edge.is_empty() {
            let mut next = Vec::new();
            for at in edge {
                for to in self.0.get(at).into_iter().flat_map(BTreeMap::keys) {
                    if to == start {
                        return reached.remove(at);
                    }
                    if !reached.contains_key(to) {
                        let mut way = reached[at].clone();
                        way.push(to.clone());
                        reached.insert(to, way);
                        next.push(to);
                    }
                }
            }
            edge = next;
        }
        None
    }
}

/// Every path that the code of a file spells.
#[derive(Default)]
struct Paths(Vec<Vec<String>>);

impl<'ast> Visit<'ast> for Paths {
    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        if !is_test(&item.attrs) {
            let mut uses = Uses::default();
            uses.collect(&item.tree, &mut Vec::new());
            self.0.extend(uses.0.into_iter().map(|(path, _)| path));
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let names: Vec<_> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        if names.len() > 1 {
            self.0.push(names);
        }
        visit::visit_path(self, path);
    }

    /// What stands in a macro is tokens; a path in them begins with `crate`.
    fn visit_macro(&mut self, item: &'ast Macro) {
        let text = item.tokens.to_string();
        for rest in text.split("crate :: ").skip(1) {
            let names = rest
                .split(" :: ")
                .map(|name| name.split(' ').next().unwrap_or_default());
            let names: Vec<_> = names.map(str::to_owned).collect();
            self.0.push(joined(&["crate".to_owned()], &names[..names.len().min(2)]));
        }
        visit::visit_macro(self, item);
    }

    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        if !is_test(&item.attrs) {
            visit::visit_item_mod(self, item);
        }
    }
}

/// The names that `use` brings in, each with its path.
#[derive(Default)]
struct Uses(Vec<(Vec<String>, String)>);

impl Uses {
    fn collect(&mut self, tree: &UseTree, path: &mut Vec<String>) {
        match tree {
            UseTree::Path(inner) => {
                path.push(inner.ident.to_string());
                self.collect(&inner.tree, path);
                path.pop();
            }
            UseTree::Name(name) => self.note(path, &name.ident.to_string(), &name.ident.to_string()),
            UseTree::Rename(name) => self.note(path, &name.ident.to_string(), &name.rename.to_string()),
            UseTree::Glob(_) => self.note(path, "*", "*"),
            UseTree::Group(group) => group.items.iter().for_each(|inner| self.collect(inner, path)),
        }
    }

    fn note(&mut self, path: &[String], name: &str, as_name: &str) {
        let name = if name == "self" { None } else { Some(name.to_owned()) };
        let as_name = if as_name == "self" {
            path.last().cloned().unwrap_or_default()
        } else {
            as_name.to_owned()
        };
        self.0.push((path.iter().cloned().chain(name).collect(), as_name));
    }
}
