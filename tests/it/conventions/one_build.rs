//! `cargo run` and `cargo test` share one build of every crate: dev-dependencies change the features of none.

use std::collections::BTreeSet;
use std::process::Command;

/// Each crate with its version and features, as `cargo build` (and `cargo test`, with `dev`) resolves them.
fn resolved(edges: &str) -> BTreeSet<String> {
    let tree = Command::new(env!("CARGO"))
        .args(["tree", "--offline", "--locked", "--prefix", "none", "--edges", edges, "--format", "{p} [{f}]"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo tree");
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    let text = String::from_utf8(tree.stdout).expect("text");
    text.lines().map(|line| line.trim_end_matches(" (*)").to_owned()).collect()
}

fn name_of(line: &str) -> String {
    line.split_whitespace().take(2).collect::<Vec<_>>().join(" ")
}

#[test]
fn tests_change_the_features_of_no_crate() {
    let (built, tested) = (resolved("normal,build"), resolved("normal,build,dev"));
    assert!(built.len() > 100, "cargo tree says next to nothing: {built:?}");
    let names: BTreeSet<String> = built.iter().map(|line| name_of(line)).collect();
    let others: Vec<&String> = tested.difference(&built).filter(|line| names.contains(&name_of(line))).collect();
    assert!(
        others.is_empty(),
        "cargo test compiles these once more, with other features than cargo build; name the features in [dependencies]: \
         {others:#?}"
    );
}
