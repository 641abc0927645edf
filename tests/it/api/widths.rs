//! Output for people fits 80 columns, says each cause once, and failures last.

use unicode_width::UnicodeWidthStr;

use crate::support::cost_explorer::NOW;
use crate::support::done::Done;
use crate::support::lakehouse::Lakehouse;
use crate::support::sandbox::SandboxServer;

const COSTS: &str = "[source]\ntype = \"aws_cost_and_usage\"\ngranularity = \"DAILY\"\n\
    group_by = [{ dimension = \"SERVICE\" }]\nmetrics = [\"UnblendedCost\"]\n[window]\nbegin = \"2026-10-25\"\n";

/// A name of 60 characters.
fn long() -> String {
    "a_name_of_sixty_characters_".repeat(3).chars().take(60).collect()
}

/// 22 jobs, one with a long name, and a file with errors.
fn open() -> (SandboxServer, Lakehouse) {
    let sandbox = SandboxServer::new(NOW, 1000);
    let mut house = Lakehouse::new(&sandbox.url(), NOW);
    house.set("COLUMNS", "80");
    house.job(&long(), COSTS);
    for number in 1..22 {
        house.job(&format!("costs_by_service_of_team_{number:02}"), COSTS);
    }
    house.job("broken", "[source]\ntype = \"aws_cost_and_usag\"\n");
    (sandbox, house)
}

/// A command in backticks and a word that is too long stay whole.
fn is_whole(line: &str) -> bool {
    let line = line.trim();
    !line.contains(' ') || (line.starts_with('`') && line.trim_end_matches([';', '.', ',']).ends_with('`'))
}

/// The lines that are too wide.
fn wide(done: &Done) -> Vec<String> {
    let is_said = |line: &&str| !(line.starts_with("20") && (line.contains(" INFO ") || line.contains(" WARN ")));
    let lines = done.stdout.lines().chain(done.stderr.lines().filter(is_said));
    lines.filter(|line| line.width() > 80 && !is_whole(line)).map(str::to_owned).collect()
}

#[test]
fn every_line_of_every_command_fits_eighty_columns() {
    let (_sandbox, mut house) = open();
    let long = long();
    let all = |house: &Lakehouse| {
        let commands: [&[&str]; 14] = [
            &["check"],
            &["plan"],
            &["plan", &long],
            &["status"],
            &["status", "--calendar"],
            &["status", "--check"],
            &["status", &long],
            &["run"],
            &["backfill", &long, "--since", "2d"],
            &["verify", "--full"],
            &["rebuild", &long],
            &["show", &long, "--by", "service,month,day", "--top", "4"],
            &["show", &long, "--where", "service=AmazonS4"],
            &["values", "aws_cost_and_usage.SERVICE", "--yes"],
        ];
        commands.iter().flat_map(|command| wide(&house.costlake(command))).collect::<Vec<_>>()
    };
    house.unset("AWS_ACCESS_KEY_ID");
    let denied = all(&house);
    house.set("AWS_ACCESS_KEY_ID", "AKIATESTTESTTESTTEST");
    assert_eq!([denied, all(&house)].concat(), Vec::<String>::new());
}

#[test]
fn one_cause_is_one_text_and_failures_are_last() {
    let (_sandbox, mut house) = open();
    house.unset("AWS_ACCESS_KEY_ID");
    let done = house.costlake(&["run", "--quiet"]);
    done.exits(2).says("no credentials").says("errors in file").hides("exit 3").says("22 jobs: ");
    assert_eq!(done.stderr.matches("there are no AWS credentials").count(), 1, "{done}");
    let last = done.stderr.rfind("error: ").map(|at| &done.stderr[at..]);
    assert!(last.is_some_and(|last| last.starts_with("error: jobs/broken.toml")), "{done}");
    let named = done.stderr.split_whitespace().filter(|word| word.starts_with("costs_by_service_of_team_")).count();
    assert_eq!(named, 21, "each job once: {done}");
}

#[test]
fn status_is_a_line_for_each_table_and_what_is_not_well_is_first() {
    let (_sandbox, house) = open();
    house.costlake(&["run", "costs_*"]).exits(0);
    let done = house.costlake(&["status"]);
    let lines: Vec<&str> = done.stdout.lines().collect();
    assert!(lines.len() < 35, "{done}");
    let place = |words: &str| lines.iter().position(|line| line.contains(words)).unwrap_or(usize::MAX);
    assert!(place("not read yet") < place("current"), "{done}");
    done.exits(2).says("22 tables: 21 current, 1 not").says("2026-11-").hides("~~~");
    house.costlake(&["status", "--calendar"]).exits(2).says("~~~");
    house.costlake(&["status", "costs_by_service_of_team_01"]).exits(0).says("~~~");
}

#[test]
fn a_lake_that_is_not_there_is_said() {
    let (_sandbox, house) = open();
    let elsewhere = ["--lake", "nowhere"];
    for command in [&["status"][..], &["show", "costs_by_service_of_team_01"]] {
        house.costlake(&[command, &elsewhere].concat()).says("nowhere does not exist yet").hides("no data yet");
    }
    assert!(!house.folder().join("nowhere").exists());
}

#[test]
fn a_value_that_no_row_has_is_told() {
    let (_sandbox, house) = open();
    house.costlake(&["run", "costs_by_service_of_team_01"]).exits(0);
    let asked = ["show", "costs_by_service_of_team_01", "--where", "service=AmazonCloudWatchh"];
    house.costlake(&asked).exits(0).says("no rows match").says("did you mean `AmazonCloudWatch`?");
}
