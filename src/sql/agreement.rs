//! `costlake_agreement`: whether the daily tables of one account and filter have the same totals, day by day.

use crate::job::Job;
use crate::window::Grain;

use super::Dialect;
use super::views::{Subject, View, Whose, any_true, begin, by_account, costs, whose};

const NAME: &str = "costlake_agreement";

/// What tables must share to be compared: the account (if unknown, the `[aws]` settings) and the request, apart from
/// metrics and grouping.
#[derive(Debug, PartialEq, Eq)]
struct Scope<'a> {
    whose: Whose<'a>,
    question: String,
}

fn scope<'a>(subject: &'a Subject<'_>) -> Option<Scope<'a>> {
    let job = subject.job;
    let question = job.source.totals().filter(|_| job.source.grain() == Grain::Daily)?.key();
    Some(Scope { whose: whose(subject), question })
}

/// The view; `None` if no two tables can be compared.
pub(super) fn view(dialect: Dialect, subjects: &[Subject<'_>]) -> Option<View> {
    let mut scopes: Vec<(Scope<'_>, Vec<&Job>)> = Vec::new();
    for subject in subjects {
        let Some(scope) = scope(subject) else { continue };
        match scopes.iter_mut().find(|(known, _)| *known == scope) {
            Some((_, jobs)) => jobs.push(subject.job),
            None => scopes.push((scope, vec![subject.job])),
        }
    }
    let parts: Vec<String> = scopes.iter().flat_map(|(scope, jobs)| parts(dialect, scope, jobs)).collect();
    let words = begin(dialect, NAME).with("parts", parts.join("\nUNION ALL\n"));
    (!parts.is_empty()).then(|| super::views::view("agreement", NAME, &words, include_str!("views/agreement.sql")))
}

/// A `SELECT` for every metric that two or more of the tables have.
fn parts(dialect: Dialect, scope: &Scope<'_>, jobs: &[&Job]) -> Vec<String> {
    let mut metrics: Vec<String> = Vec::new();
    for metric in jobs.iter().flat_map(|job| costs(job)) {
        if !metrics.contains(&metric) {
            metrics.push(metric);
        }
    }
    let having =
        |metric: &String| -> Vec<&Job> { jobs.iter().copied().filter(|job| costs(job).contains(metric)).collect() };
    let compared = metrics.iter().map(|metric| (metric, having(metric))).filter(|(_, jobs)| jobs.len() > 1);
    compared.map(|(metric, jobs)| part(dialect, scope, metric, &jobs)).collect()
}

fn part(dialect: Dialect, scope: &Scope<'_>, metric: &str, jobs: &[&Job]) -> String {
    let absent: Vec<String> = jobs
        .iter()
        .map(|job| {
            let (name, shown) = (dialect.literal(&job.unit.table), dialect.literal(&format!(", {}", job.unit.table)));
            format!("CASE WHEN count(CASE WHEN table_name = {name} THEN 1 END) = 0 THEN {shown} ELSE '' END")
        })
        .collect();
    let has_accounts = scope.whose == Whose::Column;
    let of_account = if has_accounts { "account, " } else { "" };
    let account = match scope.whose {
        Whose::Account(account) => dialect.literal(account),
        Whose::Column => "account".to_owned(),
        Whose::Unknown(_) => super::tables_view::text(dialect, None),
    };
    let totals: Vec<String> = jobs
        .iter()
        .map(|job| {
            format!(
                "SELECT {} AS table_name, {of_account}usage_date, currency, CAST(sum({}) AS decimal(37, 12)) AS total, \
                 count(*) AS row_count, {}(estimated) AS estimated FROM {} GROUP BY {of_account}usage_date, currency",
                dialect.literal(&job.unit.table),
                dialect.identifier(metric),
                any_true(dialect),
                dialect.identifier(&job.unit.table)
            )
        })
        .collect();
    let names: Vec<&str> = jobs.iter().map(|job| job.unit.table.as_str()).collect();
    let filter = jobs.first().and_then(|job| super::tables_view::fingerprint(job, "filter"));
    by_account(begin(dialect, NAME), has_accounts)
        .with("metric", dialect.literal(metric))
        .with("tables", dialect.literal(&names.join(", ")))
        .with("count", jobs.len().to_string())
        .with("account", account)
        .with("filter", super::tables_view::text(dialect, filter.as_deref()))
        .with("absent", absent.join(",\n      "))
        .with("totals", totals.join("\n    UNION ALL\n    "))
        .fill(include_str!("views/agreement_part.sql"))
}
