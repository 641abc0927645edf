//! The page of views has every view of the shipped jobs. Its columns come from DuckDB: `tests/peers/run.sh views_page`.

use std::collections::BTreeSet;

use costlake::job;
use costlake::sql::Dialect;
use costlake::sql::views::{Subject, api_spend, changed_since, views};

use crate::conventions::source::{read, root};

/// The views and macros of a job folder that are no table of its jobs.
pub(in crate::conventions) fn names() -> BTreeSet<String> {
    let (jobs, _) = job::load_all(&root().join("jobs")).expect("the jobs");
    let account = |job: &job::Job| job.entry.name.starts_with("aws").then(|| "000123456789".to_owned());
    let subjects: Vec<Subject<'_>> = jobs.iter().map(|job| Subject { job, account: account(job) }).collect();
    let mut names: BTreeSet<String> = views(Dialect::Duckdb, &subjects).into_iter().map(|view| view.name).collect();
    names.extend(api_spend(Dialect::Duckdb).map(|view| view.name));
    names.insert(changed_since().name);
    names.extend(["costlake_runs", "cost_revisions", "costlake_generations"].map(str::to_owned));
    names
}

/// The names that the page lists: those of the shipped jobs, and those that begin a section.
fn listed(page: &str) -> BTreeSet<String> {
    let names = |text: &str| text.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
    let parts = || page.split("\n\n");
    let of_jobs = parts().filter_map(|part| part.strip_prefix("With the shipped jobs: ")).flat_map(names);
    let own = parts().filter(|part| part.starts_with('`')).filter_map(|part| names(part).into_iter().next());
    of_jobs.chain(own.filter(|name| !name.contains('<'))).collect()
}

#[test]
fn the_page_of_views_has_every_view_of_the_shipped_jobs() {
    let page = read("docs/reference/views.md");
    let of_tables: BTreeSet<String> = listed(&page).into_iter().filter(|name| !name.ends_with("_as_of")).collect();
    assert_eq!(of_tables, names(), "COSTLAKE_BLESS=1 tests/peers/run.sh views_page");
    let found = listed("a `v`\n\nWith the shipped jobs: `x`,\n`y`.\n\n`z`: `w`\n\n`<u>_t`");
    assert_eq!(found, BTreeSet::from(["x", "y", "z"].map(str::to_owned)));
}
