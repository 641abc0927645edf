//! Completions in real shells: names of jobs and tables, asked for when the key is pressed. A shell that is not
//! installed is skipped.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::support::lakehouse::Lakehouse;

/// A folder with two jobs, a broken third, and a lake with a table of no job.
fn house() -> Lakehouse {
    let house = Lakehouse::new("http://127.0.0.1:9", "2026-11-10T06:00:00Z");
    house.job("aws_cost", "[source]\ntype = \"datadog_budgets\"\n");
    house.job("aws_team", "[source]\ntype = \"datadog_budgets\"\n");
    house.job("broken", "[source");
    house.job("No-Name", "");
    fs::create_dir_all(house.lake().join("old_table")).expect("a table");
    fs::create_dir_all(house.lake().join("_costlake")).expect("a folder");
    house
}

/// What a shell prints that runs `script` with the completions in `$1`; `None` if it is not installed.
fn in_shell(house: &Lakehouse, shell: &str, script: &str) -> Option<String> {
    let file = house.folder().join(format!("completions.{shell}"));
    fs::write(&file, house.costlake(&["completions", shell]).exits(0).stdout.as_bytes()).expect("a file");
    let bin = PathBuf::from(env!("CARGO_BIN_EXE_costlake"));
    let path = format!("{}:{}", bin.parent()?.display(), std::env::var("PATH").unwrap_or_default());
    let output = Command::new(shell)
        .args(["-c", &script.replace("$1", &file.display().to_string())])
        .current_dir(house.folder())
        .env("PATH", path)
        .env("HOME", house.folder())
        .output();
    let Ok(output) = output else {
        println!("skipped: {shell} is not installed");
        return None;
    };
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{shell} prints an error");
    Some(String::from_utf8_lossy(&output.stdout).split_whitespace().collect::<Vec<_>>().join(" "))
}

/// A line that is half typed, and what is offered for its last word.
const LINES: [(&str, &str); 8] = [
    ("run aws", "aws_cost aws_team"),
    ("run aws_cost b", "broken"),
    ("--quiet status aws_t", "aws_team"),
    ("values x --job aws_c", "aws_cost"),
    ("show old", "old_table"),
    ("--jobs nowhere run a", ""),
    ("rebuild aws_cost a", ""),
    ("plan --from a", ""),
];

#[test]
fn bash_completes_names() {
    let house = house();
    for (line, wanted) in LINES {
        let words = format!("costlake {line}");
        let count = words.split(' ').count() - 1;
        let script = format!(
            "source $1; COMP_WORDS=({words}); COMP_CWORD={count}; _costlake_and_names costlake \
             \"${{COMP_WORDS[{count}]}}\" \"${{COMP_WORDS[{count}-1]}}\"; echo \"${{COMPREPLY[@]}}\""
        );
        let Some(found) = in_shell(&house, "bash", &script) else { return };
        let offered: Vec<&str> = found.split(' ').filter(|word| !word.starts_with(['-', '[', '<'])).collect();
        assert_eq!(offered.join(" "), wanted, "{line}");
    }
    let flags = "source $1; COMP_WORDS=(costlake run --dr); COMP_CWORD=2; _costlake_and_names costlake --dr run; \
                 echo \"${COMPREPLY[@]}\"";
    assert_eq!(in_shell(&house, "bash", flags).as_deref(), Some("--dry-run"));
}

#[test]
fn fish_completes_names() {
    let house = house();
    for (line, wanted) in LINES {
        let script = format!("source $1; complete -C 'costlake {line}' | string replace -r '\\t.*' ''");
        let Some(found) = in_shell(&house, "fish", &script) else { return };
        // Folders are fish's own idea, where a flag takes any text.
        let offered: Vec<&str> = found.split(' ').filter(|word| !word.ends_with('/')).collect();
        assert_eq!(offered.join(" "), wanted, "{line}");
    }
}

#[test]
fn zsh_completes_names() {
    let house = house();
    for (line, wanted) in
        [("run", "aws_cost aws_team broken"), ("show", "aws_cost aws_team broken old_table"), ("fly", "")]
    {
        let script = format!(
            "function compdef _default {{ : }}; source $1; function compadd {{ print -l -- $found }}; \
             words=({line} ''); CURRENT=2; _costlake_names"
        );
        let Some(found) = in_shell(&house, "zsh", &script) else { return };
        assert_eq!(found, wanted, "{line}");
    }
    let script = house.costlake(&["completions", "zsh"]).stdout;
    for place in ["'*:jobs -- Jobs", "':job -- The job", "':table -- The table", "'--job=[Use", "'*--accept=[Accept"] {
        let lines: Vec<&str> = script.lines().filter(|line| line.starts_with(place)).collect();
        assert!(!lines.is_empty(), "no argument begins with {place}");
        assert!(lines.iter().all(|line| line.contains(":_costlake_names'")), "{lines:?}");
    }
    assert!(!script.contains(":JOB:YYYY"), "a colon in a message ends it");
}

#[test]
fn nothing_disturbs_what_is_typed() {
    let house = house();
    for words in [&["--jobs", "nowhere", "run"][..], &["show", "--lake", "s3://bucket/x"], &["fly"], &[]] {
        let done = house.costlake(&[&["names", "--"], words].concat());
        assert_eq!((done.exits(0).stderr.as_str(), done.stdout.contains("error")), ("", false), "{done}");
    }
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        house.costlake(&["completions", shell]).exits(0).hides("'names'").hides("for completions");
    }
}
