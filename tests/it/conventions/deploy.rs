//! Files for deployment have the version of the program.

use super::source::read;

/// What stands between `before` and the end of its line.
fn after<'t>(text: &'t str, before: &str) -> Option<&'t str> {
    text.lines().find_map(|line| line.trim().strip_prefix(before))
}

#[test]
fn the_image_has_the_version_of_the_program() {
    let version = Some(env!("CARGO_PKG_VERSION"));
    assert_eq!(after(&read("Dockerfile"), "ARG VERSION="), version);
    assert_eq!(after(&read("deploy/kubernetes/kustomization.yaml"), "newTag: "), version);
}

#[test]
fn an_older_version_is_seen() {
    assert_eq!(after("FROM scratch\nARG VERSION=0.0.9\n", "ARG VERSION="), Some("0.0.9"));
    assert_eq!(after("FROM scratch\n", "ARG VERSION="), None);
}
