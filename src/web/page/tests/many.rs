//! The overview: what needs a person first, many tables, a search, and one request for all of them.

use super::*;

fn order(html: &str) -> Vec<&str> {
    html.split(" id=\"job-").skip(1).filter_map(|rest| rest.split('"').next()).collect()
}

#[test]
fn what_needs_a_person_comes_first() {
    let mut held = sound_job("d_held");
    let mut ledger = (*held.ledger).clone();
    let (at, why) = (DateTime::UNIX_EPOCH, String::new());
    let first =
        Quarantined { at, since: at, why, totals: Sums::default(), currency: None, estimated: false, figures: None };
    ledger.quarantined.insert(day("2026-11-01"), first);
    held.ledger = Arc::new(ledger);
    let stale = renamed(
        &JobFacts { look: Look::default(), file_error: None, runs: Arc::default(), ..hostile_job() },
        "c_stale",
    );
    let unread = JobFacts { lake_error: Some("torn".to_owned()), ..sound_job("e_unread") };
    let empty = JobFacts { ledger: Arc::new(Ledger::empty("b_never")), ..sound_job("b_never") };
    let edited = JobFacts { file_error: Some("no such key".to_owned()), ..sound_job("f_edited") };
    let all = [sound_job("a_good"), empty, stale, held, unread, edited, sound_job("z_good")];
    let wanted = ["e_unread", "d_held", "c_stale", "b_never", "f_edited", "a_good", "z_good"];
    let many = (0..20).map(|number| sound_job(&format!("m{number:02}")));
    for (kind, jobs) in [("cards", all.to_vec()), ("rows", all.iter().cloned().chain(many).collect())] {
        let html = overview(&facts(jobs), "").into_string();
        let found: Vec<&str> = order(&html).into_iter().filter(|name| !name.starts_with('m')).collect();
        assert_eq!(found, wanted, "{kind}");
        let place = |text: &str| html.find(text).unwrap_or_else(|| panic!("{kind}: {text}"));
        assert!(place("1 job file has errors") < place("5 tables need attention"), "{kind}");
        assert!(html.contains("Fix the file; it is reloaded automatically."), "{kind}");
        for part in ["1 failed, 1 held for review, 1 stale, 1 never read", "torn", "no such key", "5 listed above"] {
            assert!(html.contains(part), "{kind}: {part}");
        }
    }
}

#[test]
fn a_table_that_is_read_for_the_first_time_needs_nobody() {
    let empty = JobFacts { ledger: Arc::new(Ledger::empty("costs")), ..sound_job("costs") };
    assert!(overview(&facts(vec![empty.clone()]), "").into_string().contains("1 table needs attention"));
    assert!(!overview(&facts(vec![running(empty)]), "").into_string().contains("attention"));
}

#[test]
fn two_hundred_tables_fit_a_page() {
    let text = "[source]\ntype = \"datadog_ccm_config\"\n";
    let snapshot = Arc::new(job::parse(Path::new("jobs/config.toml"), text).unwrap());
    let jobs = (0..200).map(|number| match number % 20 {
        0 => JobFacts { job: snapshot.clone(), ..sound_job("x") },
        _ => sound_job("x"),
    });
    let jobs = jobs.enumerate().map(|(number, job)| renamed(&job, &format!("aws_cost_of_team_{number:03}")));
    let html = overview(&facts(jobs.collect()), "").into_string();
    assert_eq!((order(&html).len(), html.matches("<article").count()), (200, 0));
    assert!(html.len() < 300_000, "{} bytes", html.len());
    for part in [
        "<details id=\"fold-aws_cost_and_usage\" data-folded><summary>",
        "190 current",
        "<details id=\"fold-datadog_ccm_config\"",
    ] {
        assert!(html.contains(part), "{part}");
    }
    assert_eq!(html.matches("data-live=").count(), 1, "one poll for all of them");
    let found = overview(&facts((0..30).map(|n| sound_job(&format!("t{n:02}"))).collect()), "t1").into_string();
    assert!(found.contains("<details id=\"fold-aws_cost_and_usage\" open>"), "what was searched for is not folded");
}

#[test]
fn a_search_needs_no_script() {
    let jobs = ["bill_by_team", "bill_by_service", "forecast"].map(sound_job);
    let all = facts(jobs.to_vec());
    let found = |search: &str| order(&overview(&all, search).into_string()).join(" ");
    assert_eq!(found("  TEAM "), "bill_by_team");
    assert_eq!(found("bill cost_and_usage current"), "bill_by_service bill_by_team", "source and state are words, too");
    assert_eq!(found("team forecast"), "");
    assert_eq!(found("alert(1)"), "bill_by_service bill_by_team forecast", "of the description");
    let html = overview(&all, "team\"><b>").into_string();
    assert!(html.contains("value=\"team&quot;&gt;&lt;b&gt;\"") && html.contains("0 of 3 tables found."), "{html}");
    assert!(html.contains("<label for=\"search\">") && html.contains("href=\"/\">Show all"));
    assert!(!overview(&all, " ").into_string().contains("found."));
}

#[test]
fn a_note_of_many_tables_is_said_once() {
    let look = |notes: &[&str]| Look { origin: notes.iter().map(ToString::to_string).collect(), refused: None };
    let told = |name: &str, notes: &[&str]| JobFacts { look: look(notes), ..sound_job(name) };
    let all = facts(vec![told("a", &["made up", "by proxy"]), told("b", &["made up"])]);
    let html = overview(&all, "").into_string();
    assert!(html.contains("all tables: made up") && html.contains("a: by proxy"), "{html}");
    assert_eq!(html.matches("made up").count(), 1);
}

#[test]
fn the_script_asks_once_for_all_and_not_while_the_page_is_hidden() {
    let script = super::super::SCRIPT;
    assert_eq!((script.matches("fetch(").count(), script.matches("setTimeout(").count()), (1, 1));
    assert!(!script.contains("querySelectorAll(\"[data-live]\")"), "a poll for each table");
    assert!(script.contains("if (isAsking || document.hidden) return;") && script.contains("\"visibilitychange\""));
}

#[test]
fn what_runs_is_listed_up_to_a_bound() {
    let jobs: Vec<JobFacts> = (0..10).map(|number| running(sound_job(&format!("t{number}")))).collect();
    let runs: Vec<Run<'_>> = jobs.iter().map(run_of).collect();
    let html = running_list(&runs, "7f", now()).into_string();
    for part in ["data-running=\"yes\" data-mark=\"7f\"", "10 tables are being updated", "and 2 more", "id=\"run-t7\""]
    {
        assert!(html.contains(part), "{part}\n{html}");
    }
    assert_eq!(html.matches("<li>").count(), 8);
    let none = running_list(&[], "7f", now()).into_string();
    assert_eq!(none, "<div class=\"now\" data-running=\"no\" data-mark=\"7f\"></div>");
}
