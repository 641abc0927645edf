//! AWS Cost Explorer `GetCostForecast`: what each coming day or month is expected to cost, as of today.
//!
//! <https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_GetCostForecast.html>
//!
//! A snapshot: nobody keeps old forecasts, so the table has one per day, and what was expected when can be compared
//! with what came. One request a day. The checks of an answer:
//!
//! | what | must be |
//! |---|---|
//! | a period | a day or month that was asked for, once; the first month may be the whole one |
//! | a refusal for want of data, as for accounts younger than a month | a day without rows, and a note |
//! | a bound that the API leaves out | NULL |

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::{Days, NaiveDate};
use serde_json::json;

use crate::error::Result;
use crate::job::keys::{Key, Shape, key};
use crate::job::section::{Section, nearest};
use crate::request::{Answer, Request};
use crate::sources::cost_explorer::{
    as_operation, bad_answer, flat, objects, operation, read_json, take_period, text_of,
};
use crate::sources::list::{self, Cell, Endpoint, Fields, Page, Row, read_table};
use crate::sources::provider::{AWS_STATE, COST_EXPLORER};
use crate::sources::{Entry, Source};
use crate::window::{Grain, Window, first_of_month};

const SCHEMA: &str = include_str!("../../../schemas/aws_cost_forecast.json");
/// The metrics that can be predicted: the name in answers of costs, and the one this operation takes.
const METRICS: [(&str, &str); 5] = [
    ("UnblendedCost", "UNBLENDED_COST"),
    ("BlendedCost", "BLENDED_COST"),
    ("AmortizedCost", "AMORTIZED_COST"),
    ("NetUnblendedCost", "NET_UNBLENDED_COST"),
    ("NetAmortizedCost", "NET_AMORTIZED_COST"),
];
/// Members of a period and the columns they fill.
const MEMBERS: [(&str, &str); 3] = [
    ("mean_value", "mean"),
    ("prediction_interval_lower_bound", "lower_bound"),
    ("prediction_interval_upper_bound", "upper_bound"),
];

/// The registry entry.
pub static ENTRY: Entry = Entry {
    name: "aws_cost_forecast",
    summary: "AWS's forecast of the coming days or months with its bounds, as of each day",
    operations: &["GetCostForecast"],
    row: "predicted day or month",
    night: "0.01 USD",
    schema: SCHEMA,
    provider: &COST_EXPLORER,
    rules: &AWS_STATE,
    keys: KEYS,
    values: None,
    jobs: &[("aws_cost_forecast", include_str!("../../../jobs/aws_cost_forecast.toml"))],
    build,
};

static KEYS: &[Key] = &[
    key(
        "source.metric",
        Shape::Text,
        "`\"UnblendedCost\"`",
        "the cost to predict: one of the first five metrics, `UnblendedCost` to `NetAmortizedCost`",
    ),
    key("source.granularity", Shape::OneOf(&["DAILY", "MONTHLY"]), "`\"DAILY\"`", "days or months"),
    key("source.horizon_days", Shape::Whole, "90", "days ahead: 1 to 90, MONTHLY up to 510"),
    key("source.level", Shape::Whole, "80", "probability in percent that the bounds hold the cost, 51 to 99"),
];

/// The parameters of a job.
#[derive(Debug)]
struct Forecast {
    metric: (&'static str, &'static str),
    grain: Grain,
    horizon_days: u64,
    level: i64,
}

fn build(section: &Section<'_>) -> Option<Arc<dyn Source>> {
    let table = read_table(section, SCHEMA);
    let metric = read_metric(section);
    let grain = match section.text("granularity") {
        None | Some("DAILY") => Some(Grain::Daily),
        Some("MONTHLY") => Some(Grain::Monthly),
        Some(other) => {
            section.note("granularity", format!("must be \"DAILY\" or \"MONTHLY\", not \"{other}\""));
            None
        }
    };
    let most = if grain == Some(Grain::Monthly) { 510 } else { 90 };
    let horizon_days = section.whole("horizon_days", 1, most).unwrap_or(90);
    let level = section.whole("level", 51, 99).and_then(|level| i64::try_from(level).ok()).unwrap_or(80);
    Some(list::snapshot(Forecast { metric: metric?, grain: grain?, horizon_days, level }, table?))
}

fn read_metric(section: &Section<'_>) -> Option<(&'static str, &'static str)> {
    let name = if section.value("metric").is_none() { METRICS[0].0 } else { section.text("metric")? };
    let found = METRICS.into_iter().find(|(known, _)| *known == name);
    if found.is_none() {
        let known = METRICS.map(|(known, _)| known);
        let hint = nearest(name, known);
        section.note("metric", format!("`{name}` cannot be predicted{hint}; the API predicts {}", known.join(", ")));
    }
    found
}

impl Forecast {
    /// What distinguishes this forecast from others of one day, so that kept answers are never read as another's.
    fn subject(&self) -> String {
        format!("{} {} of {} days at {} %", self.grain.name(), self.metric.0, self.horizon_days, self.level)
    }

    /// Whether a period is one of those that were asked for. The first month is what is left of it, or the whole month.
    fn is_asked(&self, today: NaiveDate, start: NaiveDate, end: NaiveDate) -> bool {
        let slot = self.grain.slot_window(self.grain.slot_of(start));
        let begins = start >= today || (self.grain == Grain::Monthly && start == first_of_month(today));
        begins && end == slot.end() && end <= self.end(today)
    }

    /// The day before which the forecast ends; months are whole.
    fn end(&self, today: NaiveDate) -> NaiveDate {
        let end = today.checked_add_days(Days::new(self.horizon_days)).unwrap_or(NaiveDate::MAX);
        if self.grain == Grain::Monthly { self.grain.slot_window(first_of_month(end)).end() } else { end }
    }
}

impl Endpoint for Forecast {
    type State = BTreeSet<NaiveDate>;

    fn fingerprint(&self) -> Vec<(&'static str, String)> {
        vec![("granularity", self.grain.name().to_owned()), ("metric", self.metric.0.to_owned())]
    }

    fn requests(&self, windows: &[Window]) -> Vec<Request> {
        let request = |window: &Window| {
            let today = window.start();
            let body = json!({
                "TimePeriod": { "Start": today.to_string(), "End": self.end(today).to_string() },
                "Metric": self.metric.1,
                "Granularity": self.grain.name(),
                "PredictionIntervalLevel": self.level,
            });
            operation("GetCostForecast", body, *window, &self.subject())
        };
        windows.iter().map(request).collect()
    }

    fn read<'a>(&self, seen: &mut Self::State, request: &'a Request, answer: &'a Answer) -> Result<Page<'a>> {
        let today = as_operation(request)?.purpose.window.start();
        let mut page = Page::default();
        let Some(members) = read_json(answer)? else {
            page.remarks.say("AWS has no forecast: it needs about a month of costs");
            return Ok(page);
        };
        let total: Option<Fields<'_>> = match members.get("Total") {
            None => None,
            Some(raw) => {
                serde_json::from_str(raw.get()).map_err(|error| bad_answer("`Total` cannot be read").because(error))?
            }
        };
        let currency = total.map(|total| text_of(&total, "Unit")).transpose()?.flatten();
        for mut period in objects(&members, "ForecastResultsByTime")? {
            let (start, end) = take_period(&mut period)?;
            if !self.is_asked(today, start, end) {
                return Err(bad_answer(format!(
                    "the forecast has a period from {start} to {end}, which was not asked for"
                )));
            }
            if !seen.insert(start) {
                return Err(bad_answer(format!("the forecast has the period {start} twice")));
            }
            page.rows.push(self.row(today, start, currency.clone(), flat(period)?));
        }
        if page.rows.is_empty() {
            page.remarks.say("the forecast has no periods");
        }
        Ok(page)
    }
}

impl Forecast {
    fn row<'a>(&self, today: NaiveDate, start: NaiveDate, currency: Option<String>, mut fields: Fields<'a>) -> Row<'a> {
        for (member, column) in MEMBERS {
            if let Some(raw) = fields.remove(member) {
                fields.insert(column.to_owned(), raw);
            }
        }
        Row::new(fields)
            .numbers_are_texts()
            .labelled("period", &start.to_string())
            .day("usage_date", today)
            .day("period_start", start)
            .give("granularity", self.grain.name())
            .give("metric", self.metric.0)
            .give("level", Cell::Whole(self.level))
            .give("currency", currency)
    }
}

#[cfg(test)]
mod tests;
