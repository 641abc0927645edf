//! Forecasts beside what came: two views for every daily forecast and every daily table that has its metric and holds all
//! costs of the same account.
//!
//! | view | a row is |
//! |---|---|
//! | `<forecast>_against_<costs>` | a day of the forecast and a predicted day |
//! | `<forecast>_against_<costs>_by_horizon` | a number of days ahead |

use crate::job::Job;
use crate::window::Grain;

use super::tables_view::fingerprint;
use super::views::{ATTRIBUTE, Subject, View, begin, by_account, costs, days_between, has, view, whose};
use super::{Dialect, ddl};

/// The columns of a forecast.
const FORECAST: [&str; 6] = ["usage_date", "period_start", "mean", "lower_bound", "upper_bound", "level"];

/// The views of every such pair.
pub(super) fn views(dialect: Dialect, subjects: &[Subject<'_>]) -> Vec<View> {
    let mut found = Vec::new();
    for forecast in subjects.iter().filter(|subject| has(subject.job, &FORECAST)) {
        let Some(cost) = predicted(forecast.job) else { continue };
        for actual in subjects.iter().filter(|subject| has_all_costs(subject.job)) {
            if whose(forecast) == whose(actual) && costs(actual.job).contains(&cost) {
                found.extend(of_pair(dialect, forecast.job, actual.job, &cost));
            }
        }
    }
    found
}

/// The column of the metric that a daily forecast predicts: `UnblendedCost` is `unblended_cost`.
fn predicted(job: &Job) -> Option<String> {
    let metric = fingerprint(job, "metric")?;
    let mut column = String::new();
    for letter in metric.chars() {
        if letter.is_ascii_uppercase() && !column.is_empty() {
            column.push('_');
        }
        column.push(letter.to_ascii_lowercase());
    }
    (fingerprint(job, "granularity").as_deref() == Some(Grain::Daily.name())).then_some(column)
}

/// Whether the rows of a day add up to the account's costs of that day: product attributes are those of some services.
fn has_all_costs(job: &Job) -> bool {
    job.source.grain() == Grain::Daily
        && has(job, &["usage_date", "currency", "estimated"])
        && ["filter", "billing_view_arn"].iter().all(|name| fingerprint(job, name).is_none())
        && !ddl::key(job).iter().any(|column| column.starts_with(ATTRIBUTE))
}

fn of_pair(dialect: Dialect, forecast: &Job, actual: &Job, cost: &str) -> [View; 2] {
    let of = |kind: &'static str, suffix: &str, by_horizon: bool| {
        let name = format!("{}_against_{}{suffix}", forecast.unit.table, actual.unit.table);
        let words = by_account(begin(dialect, &name), forecast.accounts.is_some())
            .with("table", dialect.identifier(&forecast.unit.table))
            .with("costs", dialect.identifier(&actual.unit.table))
            .with("cost", dialect.identifier(cost))
            .with("horizon", days_between(dialect, "f.usage_date", "f.period_start"))
            .when("by_horizon", by_horizon);
        view(kind, &name, &words, include_str!("views/forecast.sql"))
    };
    [of("forecast", "", false), of("forecast_by_horizon", "_by_horizon", true)]
}
