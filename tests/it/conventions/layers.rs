//! Imports only go down the layers. The order is that of the table in `src/lib.rs`: layer by layer, and within a layer
//! in the order of its modules.

use std::collections::BTreeSet;
use std::path::Path;

use super::source::{read, rust_files};

/// Permitted imports that go up: (file, module), and why.
const EXCEPTIONS: [(&str, &str); 3] = [
    // A job builds the source it names, and a source reads its own section of the job file.
    ("job/mod.rs", "sources"),
    ("job/read.rs", "sources"),
    ("job/accounts.rs", "sources"),
];

/// The modules in order, each with its layer, from the table in the docs of `lib.rs`.
fn layers(lib: &str) -> Vec<(u32, String)> {
    let mut found = Vec::new();
    for row in lib.lines().filter_map(|line| line.strip_prefix("//! | ")) {
        let Some((title, modules)) = row.split_once(" | ") else { continue };
        let Some(layer) = title.split(' ').next().and_then(|number| number.parse().ok()) else { continue };
        let names = modules.split("[`").skip(1).filter_map(|part| part.split_once("`]"));
        found.extend(names.map(|(name, _)| (layer, name.to_owned())));
    }
    found
}

/// The module of a file: `clients` of `src/clients/aws.rs`.
fn module_of(path: &Path) -> String {
    let first = path.components().nth(1).expect("a file below src").as_os_str().to_string_lossy().into_owned();
    first.trim_end_matches(".rs").to_owned()
}

/// The code without comments; string literals do not matter here.
fn code(text: &str) -> String {
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// The modules that `crate::` paths of `text` lead to, also those of `use crate::{a, b::c}`.
fn imports(text: &str) -> BTreeSet<String> {
    let code = code(text);
    let word = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let mut found = BTreeSet::new();
    for after in code.split("crate::").skip(1) {
        let Some(group) = after.strip_prefix('{') else {
            found.insert(word(after));
            continue;
        };
        let mut depth = 0;
        let mut item = String::new();
        for c in group.chars() {
            match c {
                '}' if depth == 0 => break,
                ',' if depth == 0 => found.extend(Some(word(std::mem::take(&mut item).trim()))),
                _ => {
                    depth += i32::from(c == '{') - i32::from(c == '}');
                    item.push(c);
                }
            }
        }
        found.insert(word(item.trim()));
    }
    found.remove("");
    found
}

/// Whether a file may import a module, by the order of `layers`.
fn may_import(layers: &[(u32, String)], file: &Path, module: &str) -> bool {
    let rank = |name: &str| layers.iter().position(|(_, known)| known == name);
    let own = module_of(file);
    match (rank(&own), rank(module)) {
        (Some(from), Some(to)) => to <= from,
        _ => false,
    }
}

fn is_exception(file: &Path, module: &str) -> bool {
    EXCEPTIONS.iter().any(|(path, to)| file == Path::new("src").join(path) && module == *to)
}

#[test]
fn the_map_names_every_module_once() {
    let lib = read("src/lib.rs");
    let mut mapped: Vec<String> = layers(&lib).into_iter().map(|(_, name)| name).collect();
    let mut declared: Vec<String> = lib
        .lines()
        .filter_map(|line| line.strip_prefix("pub mod ").or_else(|| line.strip_prefix("mod ")))
        .map(|name| name.trim_end_matches(';').to_owned())
        .collect();
    mapped.sort();
    declared.sort();
    assert_eq!(mapped, declared);
    let numbers: Vec<u32> = layers(&lib).into_iter().map(|(layer, _)| layer).collect();
    assert!(numbers.is_sorted() && numbers.first() == Some(&0), "{numbers:?}");
}

#[test]
fn imports_only_go_down() {
    let layers = layers(&read("src/lib.rs"));
    let mut wrong = Vec::new();
    let mut used = BTreeSet::new();
    for (path, text) in rust_files() {
        let is_module = path.starts_with("src") && !path.ends_with("lib.rs") && !path.ends_with("main.rs");
        for module in imports(&text).into_iter().filter(|_| is_module) {
            if is_exception(&path, &module) {
                used.insert(path.clone());
            } else if !may_import(&layers, &path, &module) {
                wrong.push(format!("{} imports {module}", path.display()));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new(), "these imports go up; the order is {layers:?}");
    assert_eq!(used.len(), EXCEPTIONS.len(), "an exception that nothing needs: {used:?}");
}

#[test]
fn only_the_command_line_and_tests_know_the_sandbox() {
    let knowing = rust_files().into_iter().filter(|(path, text)| {
        path.starts_with("src") && module_of(path) != "sandbox" && imports(text).contains("sandbox")
    });
    let wrong: Vec<_> = knowing.map(|(path, _)| path).filter(|path| !path.starts_with("src/cli")).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}

/// The longest chain of `super::`.
fn supers(code: &str) -> usize {
    (1..).take_while(|count| code.contains(&"super::".repeat(*count))).count()
}

#[test]
fn the_top_is_not_reached_through_super() {
    for (path, text) in rust_files().into_iter().filter(|(path, _)| path.starts_with("src")) {
        // `src/a/b.rs` is two deep, `src/a/mod.rs` and `src/a.rs` one; the module of tests inside is one more.
        let depth = path.components().count() - 1 - usize::from(path.ends_with("mod.rs"));
        let code = code(&text);
        let (plain, tests) = code.split_once("#[cfg(test)]\nmod tests {").unwrap_or((&code, ""));
        let reaches = supers(plain) >= depth || supers(tests) > depth;
        assert!(!reaches, "{}: use a `crate::` path", path.display());
    }
}

#[test]
fn the_check_can_fail() {
    let lib = "//! | 0 nouns: pure | [`error`], [`window`] |\n//! | 1 the seam | [`job`] |\n";
    let layers = layers(lib);
    assert_eq!(layers, [(0, "error".to_owned()), (0, "window".to_owned()), (1, "job".to_owned())]);
    let found = imports("use crate::{job::Job, window::{self, Window}};\n// crate::lake\nlet x = crate::error::f();");
    assert_eq!(found.into_iter().collect::<Vec<_>>(), ["error", "job", "window"]);
    let file = Path::new("src/window.rs");
    assert!(may_import(&layers, file, "error") && !may_import(&layers, file, "job"));
    assert!(!may_import(&layers, file, "unheard_of"));
    assert!(may_import(&layers, Path::new("src/job/keys.rs"), "window"));
    assert_eq!((supers("self::a"), supers("super::a"), supers("super::b; super::super::c")), (0, 1, 2));
}
