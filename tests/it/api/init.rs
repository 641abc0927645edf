//! `init`: the job file of every source, what is asked and refused, and what is never overwritten.

use std::io::Write;
use std::process::{Command, Stdio};

use costlake::sources::REGISTRY;

use crate::support::lakehouse::Lakehouse;
use crate::support::sandbox::SandboxServer;

const NOW: &str = "2026-11-10T06:00:00Z";

fn house() -> Lakehouse {
    Lakehouse::new("http://127.0.0.1:9", NOW)
}

#[test]
fn the_job_of_every_source_passes_check() {
    let house = house();
    for (number, entry) in REGISTRY.iter().enumerate() {
        let name = format!("job_{number}");
        let done = house.costlake(&["init", &name, "--source", entry.name]);
        done.exits(0).says(&format!("wrote jobs/{name}.toml")).says(&format!("costlake check {name} --online"));
        let text = std::fs::read_to_string(house.folder().join(format!("jobs/{name}.toml"))).expect("a file");
        assert!(text.starts_with("#:schema ./job.schema.json\n"), "{text}");
    }
    house.costlake(&["check"]).exits(0).says(&format!("{} jobs", REGISTRY.len())).hides("warning");
    let published = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/schemas/job.schema.json")).expect("a file");
    assert!(std::fs::read(house.folder().join("jobs/job.schema.json")).expect("a file") == published);
}

#[test]
fn flags_are_in_the_file() {
    let house = house();
    let groups = ["--group-by", "service", "--group-by", "tag:team"];
    let document = house.json(&[&["init", "costs", "--source", "aws_cost_and_usage"], &groups[..]].concat());
    let document = document.exits(0).document();
    assert_eq!((&document["job"], &document["file"]), (&"costs".into(), &"jobs/costs.toml".into()), "{document}");
    let checked = house.json(&["check", "costs"]).exits(0).document();
    let columns = ["usage_date", "estimated", "service", "tag_team", "unblended_cost", "currency"];
    assert_eq!(checked["jobs"][0]["columns"], serde_json::json!(columns));
    let typed =
        ["init", "--name", "clouds", "--source", "datadog_cost", "--group-by", "team,env", "--metric", "aws.cost"];
    house.costlake(&[&typed[..], &["--jobs", "others"]].concat()).exits(0).says("costlake run clouds --jobs others");
    let text = std::fs::read_to_string(house.folder().join("others/clouds.toml")).expect("a file");
    assert!(
        text.contains("\nmetric = \"aws.cost\"\n") && text.contains("\ngroup_by = [\"team\", \"env\"]\n"),
        "{text}"
    );
}

#[test]
fn what_is_missing_or_wrong_is_said_and_nothing_written() {
    let house = house();
    const COSTS: [&str; 2] = ["--source", "aws_cost_and_usage"];
    for (arguments, words) in [
        (&["init", "costs"][..], "--source is missing"),
        (&["init", COSTS[0], COSTS[1]], "NAME is missing"),
        (&["init", "costs", "--source", "aws_costs_and_usage"], "did you mean `aws_cost_and_usage`?"),
        (&["init", "AWS-costs", COSTS[0], COSTS[1]], "call it aws_costs"),
        (&["init", "../costs", COSTS[0], COSTS[1]], "call it costs"),
        (&["init", "costs", COSTS[0], COSTS[1], "--group-by", "services"], "did you mean `SERVICE`?"),
        (&["init", "costs", COSTS[0], COSTS[1], "--group-by", "tags:x"], "did you mean `tag`?"),
        (&["init", "costs", COSTS[0], COSTS[1], "--metric", "UnblendedCosts"], "did you mean `UnblendedCost`?"),
        (&["init", "costs", "--source", "datadog_budgets", "--group-by", "x"], "has no `group_by` (flag --group-by)"),
        (&["init", "costs", "--source", "aws_cost_forecast", "--metric", "A,B"], "one metric (flag --metric)"),
    ] {
        house.costlake(arguments).exits(2).says(words);
    }
    assert_eq!(std::fs::read_dir(house.folder().join("jobs")).expect("a folder").count(), 0, "something was written");
}

#[test]
fn a_job_file_is_replaced_only_if_asked_for() {
    let house = house();
    house.job("costs", "# mine\n");
    let again = ["init", "costs", "--source", "datadog_budgets"];
    house.costlake(&again).exits(2).says("already there (file jobs/costs.toml)").says("--force");
    let (elsewhere, link) = (house.folder().join("elsewhere"), house.folder().join("jobs/link.toml"));
    std::fs::write(&elsewhere, "mine").expect("a file");
    std::os::unix::fs::symlink(&elsewhere, link).expect("a link");
    let through = ["init", "link", "--source", "aws_cost_and_usage", "--force"];
    house.costlake(&through).exits(2).says("is a link to another file");
    assert_eq!(std::fs::read_to_string(&elsewhere).expect("a file"), "mine");
    let text = || std::fs::read_to_string(house.folder().join("jobs/costs.toml")).expect("a file");
    assert_eq!(text(), "# mine\n");
    house.costlake(&[&again[..], &["--force"]].concat()).exits(0).says("replaced jobs/costs.toml");
    assert!(text().contains("datadog_budgets"));
}

#[test]
fn in_a_clone_the_schema_is_that_of_the_clone() {
    let house = house();
    std::fs::create_dir(house.folder().join("schemas")).expect("a folder");
    std::fs::write(house.folder().join("schemas/job.schema.json"), "{}").expect("a file");
    house.costlake(&["init", "costs", "--source", "datadog_budgets"]).exits(0);
    let text = std::fs::read_to_string(house.folder().join("jobs/costs.toml")).expect("a file");
    assert!(text.starts_with("#:schema ../schemas/job.schema.json\n"), "{text}");
    assert!(!house.folder().join("jobs/job.schema.json").exists());
}

/// What a person sees who types `answers` on a terminal; `None` without the `script` of util-linux.
fn on_a_terminal(house: &Lakehouse, command: &str, answers: &str) -> Option<String> {
    let version = Command::new("script").arg("--version").output().ok()?;
    if !String::from_utf8_lossy(&version.stdout).contains("util-linux") {
        return None;
    }
    let line = format!("{} {command}", env!("CARGO_BIN_EXE_costlake"));
    let mut child = Command::new("script")
        .args(["-qec", &line, "/dev/null"])
        .current_dir(house.folder())
        .envs(house.command(&[]).get_envs().filter_map(|(name, value)| Some((name, value?))))
        .env("TERM", "xterm-256color")
        .env_remove("NO_COLOR")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("script");
    child.stdin.take().expect("stdin").write_all(answers.as_bytes()).expect("answers");
    Some(String::from_utf8_lossy(&child.wait_with_output().expect("an end").stdout).into_owned())
}

#[test]
fn on_a_terminal_it_asks() {
    let house = house();
    let answers = "1\nby-team\n\ntag:team\n\n";
    let Some(seen) = on_a_terminal(&house, "init", answers) else { return println!("skipped: no script") };
    assert!(seen.contains("Source, by number or name [aws_cost_and_usage]: "), "{seen}");
    assert!(seen.contains("Name of the job and its table [aws_cost_by_service]: "), "{seen}");
    assert!(
        seen.contains("call it by_team") && seen.contains("table [by_team]: "),
        "a wrong name is asked again: {seen}"
    );
    assert!(seen.contains("Group by, with commas, or none [service, usage_type]: "), "{seen}");
    assert!(seen.contains("wrote jobs/by_team.toml"), "{seen}");
    let text = std::fs::read_to_string(house.folder().join("jobs/by_team.toml")).expect("a file");
    assert!(
        text.contains("\ngroup_by = [{ tag = \"team\" }]\n") && text.contains("    \"UsageQuantity\",\n"),
        "{text}"
    );
}

#[test]
fn a_wrong_answer_is_asked_for_again() {
    let house = house();
    house.job("costs", "# mine\n");
    let answers = "99\naws_costs\n1\ncosts\nothers\nservices\nservice\nCost\nUnblendedCost\n";
    let Some(seen) = on_a_terminal(&house, "init", answers) else { return println!("skipped: no script") };
    for (words, times) in [
        ("Source, by number or name", 3),
        ("unknown source `99`", 1),
        ("Name of the job and its table", 2),
        ("already there", 1),
        ("Group by, with commas", 2),
        ("did you mean `SERVICE`?", 1),
        ("Metrics, with commas", 2),
        ("wrote jobs/others.toml", 1),
    ] {
        assert_eq!(seen.matches(words).count(), times, "{words}: {seen}");
    }
    let text = std::fs::read_to_string(house.folder().join("jobs/others.toml")).expect("a file");
    assert!(text.contains("\nmetrics = [\"UnblendedCost\"]\n"), "{text}");
    let seen = on_a_terminal(&house, "init", "x\ny\nz\n1\n").expect("script");
    assert_eq!(seen.matches("Source, by number or name").count(), 3, "three times at most: {seen}");
    assert!(seen.contains("unknown source `z`") && !seen.contains("Name of the job"), "{seen}");
}

#[test]
fn colours_are_as_asked_for() {
    let house = house();
    house.job("costs", "[source]\ntype = \"datadog_budgets\"\n");
    let is_coloured = |arguments: &[&str], variables: &[(&str, &str)]| {
        let mut command = house.command(arguments);
        let output = command.envs(variables.iter().copied()).output().expect("the binary runs");
        [output.stdout, output.stderr].concat().contains(&0x1b)
    };
    assert!(!is_coloured(&["check"], &[]));
    assert!(is_coloured(&["check", "--color", "always"], &[]));
    assert!(is_coloured(&["check", "--color=always"], &[("NO_COLOR", "1")]));
    assert!(is_coloured(&["check"], &[("CLICOLOR_FORCE", "1")]));
    assert!(!is_coloured(&["check"], &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]));
    assert!(!is_coloured(&["check", "--color", "never"], &[("CLICOLOR_FORCE", "1")]));
    assert!(is_coloured(&["--color", "always", "fly"], &[]), "an error in the arguments");
    assert!(!is_coloured(&["--color", "never", "fly"], &[("CLICOLOR_FORCE", "1")]));
    house.costlake(&["check", "--color", "sometimes"]).exits(2).says("possible values: auto, always, never");
}

#[test]
fn the_log_is_as_loud_as_asked_for() {
    let house = house();
    house.costlake(&["check", "-v", "--quiet"]).exits(2).says("cannot be used with");
    let sandbox = SandboxServer::new(NOW, 1_000);
    let house = Lakehouse::new(&sandbox.url(), NOW);
    house.job("budgets", "[source]\ntype = \"datadog_budgets\"\n");
    let Some(usual) = on_a_terminal(&house, "run", "") else { return println!("skipped: no script") };
    let louder = on_a_terminal(&house, "run -v", "").unwrap_or_default();
    assert!(!usual.contains("INFO") && louder.contains("INFO"), "{usual}\n{louder}");
    house.costlake(&["run", "-vv"]).exits(0).says("INFO");
}
