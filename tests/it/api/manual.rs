//! The manual pages that packages carry.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;

use crate::support::lakehouse::Lakehouse;

const NOW: &str = "2026-11-10T06:00:00Z";

/// The pages by their file names, without the backslashes that roff wants before a hyphen.
fn pages(house: &Lakehouse) -> BTreeMap<String, String> {
    house.costlake(&["man", "manual/pages"]).exits(0);
    let files = fs::read_dir(house.folder().join("manual/pages")).expect("a folder");
    let page = |file: fs::DirEntry| {
        let text = fs::read_to_string(file.path()).expect("a page").replace("\\-", "-");
        (file.file_name().into_string().expect("a name"), text)
    };
    files.map(|file| page(file.expect("a file"))).collect()
}

/// What `--help` lists of a command: flags, or names of commands.
fn listed(house: &Lakehouse, arguments: &[&str], is_wanted: impl Fn(&str) -> bool) -> BTreeSet<String> {
    let help = house.costlake(&[arguments, &["--help"]].concat()).exits(0).stdout.clone();
    let words = help.lines().filter(|line| line.starts_with("  ")).flat_map(str::split_whitespace);
    words.map(|word| word.trim_end_matches([',', '.']).to_owned()).filter(|word| is_wanted(word)).collect()
}

fn commands(house: &Lakehouse) -> Vec<String> {
    let help = house.costlake(&["--help"]).stdout;
    let list = help.split("Commands:\n").nth(1).and_then(|rest| rest.split("\n\n").next()).expect("a list of commands");
    let names = list.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    names.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help").map(str::to_owned).collect()
}

#[test]
fn the_manual_has_a_page_for_each_command_that_help_lists() {
    let house = Lakehouse::new("http://127.0.0.1:9", NOW);
    let pages = pages(&house);
    let commands = commands(&house);
    assert!(commands.len() > 10, "{commands:?}");
    let mut wanted: BTreeSet<String> = commands.iter().map(|name| format!("costlake-{name}.1")).collect();
    wanted.insert("costlake.1".to_owned());
    assert_eq!(pages.keys().cloned().collect::<BTreeSet<_>>(), wanted);
    let own = &pages["costlake.1"];
    for name in &commands {
        assert!(own.contains(&format!("costlake-{name}(1)")), "costlake(1) does not name {name}");
    }
    for text in ["exact, always-current Parquet", "EXIT STATUS", "interrupted", "inclusive UTC days"] {
        assert!(own.contains(text), "costlake(1) does not say `{text}`");
    }
}

#[test]
fn a_page_has_every_flag_of_its_command() {
    let house = Lakehouse::new("http://127.0.0.1:9", NOW);
    let pages = pages(&house);
    let is_flag = |word: &str| word.starts_with("--") && word.len() > 2;
    for name in commands(&house) {
        let page = &pages[&format!("costlake-{name}.1")];
        let flags = listed(&house, &[&name], is_flag);
        assert!(flags.len() > 5, "{name}: {flags:?}");
        let left_out: Vec<&String> = flags.iter().filter(|flag| !page.contains(flag.as_str())).collect();
        assert!(left_out.is_empty(), "costlake-{name}(1) leaves out {left_out:?}");
        assert!(page.contains("SEE ALSO"), "{name}");
    }
}

#[test]
fn a_folder_that_cannot_be_made_is_told() {
    let house = Lakehouse::new("http://127.0.0.1:9", NOW);
    fs::write(house.folder().join("file"), "").expect("a file");
    house.costlake(&["man", "file/pages"]).exits(2).says("cannot write the manual pages").says("file/pages");
}

#[test]
fn pages_are_without_warnings_of_groff() {
    let house = Lakehouse::new("http://127.0.0.1:9", NOW);
    for file in pages(&house).keys() {
        let path = house.folder().join("manual/pages").join(file);
        let output = Command::new("groff").args(["-man", "-ww", "-z"]).arg(&path).output();
        let Ok(output) = output else {
            println!("skipped: groff is not installed");
            return;
        };
        assert_eq!((output.status.success(), String::from_utf8_lossy(&output.stderr).as_ref()), (true, ""), "{file}");
    }
}
