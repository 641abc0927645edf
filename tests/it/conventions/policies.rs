//! The policies of the README are the files of the Terraform module, letter for letter. `COSTLAKE_BLESS=1` writes them into
//! the README.

use std::fs;

use super::source::{read, root};

/// The files, in the README's order.
const FILES: [&str; 3] = ["costs", "lake", "reader"];
const FENCE: &str = "```json\n";

/// The README with the policies of the files in its blocks, and how many blocks there were.
fn with_policies(readme: &str, files: &[String]) -> (String, usize) {
    let mut found = 0;
    let mut parts = readme.split(FENCE);
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (block, rest) = part.split_once("```").expect("a block that ends");
        let policy = if block.contains("\"Statement\"") {
            found += 1;
            files.get(found - 1).map_or(block, String::as_str)
        } else {
            block
        };
        text.extend([FENCE, policy, "```", rest]);
    }
    (text, found)
}

#[test]
fn the_policies_of_the_readme_are_those_of_the_module() {
    let readme = read("README.md");
    let files = FILES.map(|name| read(format!("deploy/terraform/policies/{name}.json")));
    let (expected, found) = with_policies(&readme, &files);
    if std::env::var_os("COSTLAKE_BLESS").is_some() {
        fs::write(root().join("README.md"), &expected).expect("a written file");
    }
    assert_eq!(found, FILES.len(), "policies in the README");
    assert!(read("README.md") == expected, "a policy of the README is not its file; COSTLAKE_BLESS=1 writes it there");
    let others = files.map(|text| text.replace("PutObject", "PutObjectAcl"));
    assert_ne!(with_policies(&readme, &others).0, readme, "another policy is not seen");
}
