//! A threshold may name a reason, and a reason that can't occur is refused: so the list of them has to be whole.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use fleet_protocol::reason::REASONS;
use syn::visit::{self, Visit};
use syn::{Expr, ExprAssign, ExprCall, ExprMethodCall, FieldValue, ImplItemFn, Item, ItemFn, ItemMod, Lit};

/// The words that the sources of devices give as reasons.
#[derive(Default)]
struct Words {
    found: BTreeSet<String>,
    /// How many functions and calls around us take or return a reason.
    inside: usize,
}

impl Words {
    fn within(&mut self, is_reason: bool, visit: impl FnOnce(&mut Self)) {
        self.inside += usize::from(is_reason);
        visit(self);
        self.inside -= usize::from(is_reason);
    }
}

impl<'ast> Visit<'ast> for Words {
    fn visit_lit(&mut self, lit: &'ast Lit) {
        if let Lit::Str(text) = lit
            && self.inside > 0
            && text
                .value()
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte == b'_' || byte.is_ascii_digit())
            && !text.value().is_empty()
        {
            self.found.insert(text.value());
        }
    }

    fn visit_impl_item_fn(&mut self, item: &'ast ImplItemFn) {
        self.within(item.sig.ident == "reason", |words| {
            visit::visit_impl_item_fn(words, item)
        });
    }

    fn visit_item_fn(&mut self, item: &'ast ItemFn) {
        self.within(item.sig.ident == "reason", |words| visit::visit_item_fn(words, item));
    }

    fn visit_expr_call(&mut self, call: &'ast ExprCall) {
        let is_error = matches!(&*call.func, Expr::Path(path) if path.path.segments[0].ident == "DeviceError");
        self.within(is_error, |words| visit::visit_expr_call(words, call));
    }

    fn visit_expr_method_call(&mut self, call: &'ast ExprMethodCall) {
        let takes_one = ["give_up", "drop_outstanding", "count_reason"]
            .iter()
            .any(|name| call.method == name);
        self.within(takes_one, |words| visit::visit_expr_method_call(words, call));
    }

    fn visit_field_value(&mut self, field: &'ast FieldValue) {
        let is_reason = matches!(&field.member, syn::Member::Named(name) if name == "reason");
        self.within(is_reason, |words| visit::visit_field_value(words, field));
    }

    fn visit_expr_assign(&mut self, assign: &'ast ExprAssign) {
        let is_reason = matches!(&*assign.left, Expr::Field(field)
            if matches!(&field.member, syn::Member::Named(name) if name == "reason"));
        // A line may carry a word that is never counted, in `Some`.
        let is_word = matches!(&*assign.right, Expr::Lit(_));
        self.within(is_reason && is_word, |words| visit::visit_expr_assign(words, assign));
    }

    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        if item.ident != "tests" {
            visit::visit_item_mod(self, item);
        }
    }
}

#[test]
fn every_reason_that_a_device_gives_is_in_the_list() {
    let mut words = Words::default();
    for folder in [
        "mqtt-link/src/error",
        "provisioning/src/register",
        "device-sim/src/device",
        "launcher/src/run/operator",
    ] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(folder);
        let inner = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
        for file in inner.chain([folder.with_extension("rs")]) {
            if file.extension().is_some_and(|extension| extension == "rs") {
                let file = syn::parse_file(&fs::read_to_string(&file).unwrap()).unwrap();
                file.items.iter().for_each(|item: &Item| words.visit_item(item));
            }
        }
    }
    assert!(words.found.len() > 40, "{:?}", words.found);
    let missing: Vec<_> = words
        .found
        .iter()
        .filter(|word| !REASONS.contains(&word.as_str()))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
    assert!(REASONS.is_sorted());
}
