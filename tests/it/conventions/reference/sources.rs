//! The pages of sources and prices: the registry.

use costlake::request::Operation;
use costlake::sources::provider::{COST_EXPLORER, DATADOG};
use costlake::sources::{Entry, History, Provider, REGISTRY};
use costlake::table::parse_schema;
use costlake::window::Grain;

use super::{codes, head, is_kept, row, wrapped};

fn of(provider: &'static Provider) -> impl Iterator<Item = &'static Entry> {
    REGISTRY.iter().copied().filter(move |entry| std::ptr::eq(entry.provider, provider))
}

/// A link to the columns of a source.
fn linked(entry: &Entry) -> String {
    format!("[`{0}`](columns.md#{0})", entry.name)
}

fn span(history: History) -> String {
    match history {
        History::Days(count) => format!("{count} days"),
        History::Months(count) => format!("{count} months"),
    }
}

/// Whether jobs of the source may be HOURLY.
fn has_hours(entry: &Entry) -> bool {
    use costlake::job::keys::Shape;
    entry.keys().any(|key| matches!(key.shape, Shape::OneOf(names) if names.contains(&"HOURLY")))
}

fn history(entry: &Entry) -> String {
    if entry.rules.snapshot {
        return "today's state".to_owned();
    }
    let days = format!("{} and this one", span(entry.rules.history_of(Grain::Daily)));
    if has_hours(entry) {
        format!("{days}; HOURLY {} and today", span(entry.rules.history_of(Grain::Hourly)))
    } else {
        days
    }
}

/// What tells the rows of a source apart.
fn key(entry: &Entry) -> String {
    let columns = parse_schema(entry.schema).expect("a schema");
    let mut keys: Vec<(u8, &str)> = columns.iter().filter_map(|column| Some((column.key?, &*column.name))).collect();
    keys.sort_unstable();
    if keys.is_empty() {
        return "the period and what `source.group_by` names".to_owned();
    }
    codes(keys.into_iter().map(|(_, name)| name))
}

const NOTES: &str = "A table by a product attribute (`provider`, `model`, `inferenceType`, `feature`) holds only costs of services that \
    have them, which is Amazon Bedrock so far: its rows add up to the total of these services, not to that of the account. A filter \
    of `SERVICE` beside it must bind the whole request.\n\n\
    One table is one grouping: never add up tables of different groupings.";

#[test]
fn the_page_of_sources_is_the_registry() {
    let mut page = format!(
        "# Sources\n\n{}",
        wrapped(
            "What `source.type` of a job may be. Each source has a job in `jobs/` to begin with, or \
             `costlake init NAME --source TYPE` writes one. The name links to the columns. What the API charges is in [prices](prices.md), what it must \
             permit in [permissions](permissions.md)."
        )
    );
    for (title, provider) in [("AWS Cost Explorer", &COST_EXPLORER), ("Datadog Cloud Cost Management", &DATADOG)] {
        page += &format!("\n## {title}\n\n");
        page += &head(&["`source.type`", "what it is", "a row", "a night costs"]);
        for entry in of(provider) {
            page += &row(&[&linked(entry), entry.summary, entry.row, entry.night]);
        }
        if provider.is_paid() {
            page += &format!("\n{}", wrapped(NOTES));
        }
    }
    page += &format!(
        "\n## History and keys\n\n{}\n",
        wrapped(
            "How far back the API's documented history reaches, and which columns tell rows apart. A source with today's \
             state is a snapshot: each day's run adds the state of that day, and days without a run stay empty."
        )
    );
    page += &head(&["`source.type`", "history", "a table may reach to today", "key of the rows"]);
    for entry in REGISTRY {
        let today = if entry.rules.snapshot || entry.rules.has_today { "yes" } else { "no" };
        page += &row(&[&format!("`{}`", entry.name), &history(entry), today, &key(entry)]);
    }
    page += "\n## What is asked\n\n";
    page += &head(&["`source.type`", "operation or path", "jobs in `jobs/`"]);
    for entry in REGISTRY {
        let jobs = codes(entry.jobs.iter().map(|(name, _)| *name));
        page += &row(&[&format!("`{}`", entry.name), &codes(entry.operations.iter().copied()), &jobs]);
    }
    is_kept("sources", &page);
}

#[test]
fn the_page_of_prices_is_what_requests_cost() {
    let price = Operation::PRICE;
    let mut page = format!(
        "# Prices\n\n{}\n",
        wrapped(&format!(
            "What requests cost, as costlake counts them. Cost Explorer charges {price} USD for each request that it answers, \
             and each page of a long answer is a request. `costlake plan` says what a run will cost before it runs."
        ))
    );
    page += &head(&["API", "a request costs", "budget applies", "used by"]);
    for provider in [&COST_EXPLORER, &DATADOG] {
        let price = provider.price.map_or_else(|| "nothing".to_owned(), |price| format!("{price} USD a page"));
        let budget = if provider.is_paid() { "yes" } else { "no" };
        let used = format!("{} sources", of(provider).count());
        page += &row(&[provider.name, &price, budget, &used]);
    }
    let values = format!("{price} USD a page");
    page += &row(&["Cost Explorer, for `costlake values`", &values, "asks first, see below", "`costlake values`"]);
    page += &row(&["AWS STS", "nothing", "no", "finding out the account of the credentials"]);
    page += &row(&["S3", "by the bucket's provider", "no", "the lake, if it is a bucket"]);
    page += &format!(
        "\n{}\n## What a night costs\n\n",
        wrapped(
            "A request without an answer (refused, throttled, no connection) is not counted as paid, but it is one of \
             `budget.max_requests_per_run`. What a night asks of a bucket is in [many accounts](../accounts.md#what-a-night-asks-of-the-store)."
        )
    );
    page += &head(&["`source.type`", "a night costs"]);
    for entry in of(&COST_EXPLORER) {
        page += &row(&[&format!("`{}`", entry.name), entry.night]);
    }
    page += "\n## Limits\n\n";
    page += &head(&["limit", "of", "then"]);
    for (limit, of, then) in [
        ("`budget.max_requests_per_run`", "requests of a run of one job (and account)", "the run ends with 4"),
        (
            "`budget.max_usd_per_month`",
            "dollars of all runs of a job (and account) in a calendar month",
            "the run ends with 4",
        ),
        ("`costlake run --max-usd`", "dollars of this process, over all jobs and accounts", "the run ends with 4"),
        ("`costlake backfill`", "asks on a terminal before it spends, unless `--yes` says so", "nothing is requested"),
        (
            "`costlake values`",
            "100 pages, and what the budget of its job leaves for a run; it says the price first",
            "it ends with an error",
        ),
    ] {
        page += &row(&[limit, of, then]);
    }
    page += &format!(
        "\n{}",
        wrapped(
            "Finished months are kept when a budget ends a run; the next run goes on from there. Keys: [budget](keys.md#budget)."
        )
    );
    is_kept("prices", &page);
}

/// The first requests of each shipped job name an operation that its source lists.
#[test]
fn the_operations_of_a_source_are_those_it_asks() {
    let (jobs, _) = costlake::job::load_all(&crate::conventions::source::root().join("jobs")).expect("the jobs");
    let day: chrono::NaiveDate = "2026-11-01".parse().expect("a day");
    for job in jobs {
        let window = job.source.grain().slot_window(day);
        let requests = job.source.requests(&[window]);
        assert!(!requests.is_empty(), "{}", job.unit.table);
        for request in requests {
            let asked = request.to_string();
            let is_listed = |listed: &&str| asked.split(' ').next() == Some(listed) || asked == **listed;
            assert!(job.entry.operations.iter().any(is_listed), "{asked}: {:?}", job.entry.operations);
        }
    }
}
