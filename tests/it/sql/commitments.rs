//! Views over new kinds of tables: which tables have them, and what their text asks of them.

use costlake::job::Job;
use costlake::sql::Dialect;
use costlake::sql::views::{Subject, View, views};
use costlake::window::Grain;

use super::hand_made;
use super::views::{cost, job, names, of};

const TOTALS: &str = "granularity = \"DAILY\"\nmetrics = [\"UnblendedCost\"]";

fn services(source: &str) -> String {
    format!("type = \"{source}\"\nservices = [\"Amazon ElastiCache\"]")
}

fn plans() -> Job {
    job("plans", "type = \"aws_savings_plans_utilization\"")
}

fn forecast(rest: &str) -> Job {
    job("forecast", &format!("type = \"aws_cost_forecast\"\n{rest}"))
}

fn statement<'a>(views: &'a [View], name: &str) -> &'a str {
    views.iter().find(|view| view.name == name).map_or("", |view| view.statement.as_str())
}

#[test]
fn a_view_follows_from_columns_whatever_the_source() {
    let jobs = [hand_made::models(), hand_made::savings(), hand_made::budgets(), hand_made::told()];
    let all = of(Dialect::Duckdb, &jobs);
    assert_eq!(
        names(&all),
        [
            "models_by_month",
            "models_movers",
            "models_focus_1_2",
            "models_tokens",
            "savings_by_month",
            "savings_movers",
            "savings_savings_rate",
            "budgets_against_actual",
            "costlake_tables"
        ]
    );
    let tokens = statement(&all, "models_tokens");
    assert!(
        tokens.contains("GROUP BY billing_period, \"product_attribute_model\", \"product_attribute_inferencetype\"")
    );
    assert!(tokens.contains("\"unblended_cost\" AS cost"), "{tokens}");
}

#[test]
fn plans_meet_every_table_that_tells_of_their_use() {
    let jobs = [plans(), hand_made::told()];
    for dialect in Dialect::ALL {
        let all = of(dialect, &jobs);
        let text = statement(&all, "plans_and_told");
        assert!(text.contains("lower(provider) = 'aws' AND lower(commitment_type) = 'sp'"), "{text}");
        assert!(text.contains("WHEN 'cent' THEN 1e-2"), "{text}");
    }
}

#[test]
fn plans_and_reservations_of_one_account_share_a_view() {
    let jobs = [
        plans(),
        job("reservations", &services("aws_reservation_utilization")),
        job("plans_coverage", "type = \"aws_savings_plans_coverage\""),
        job("coverage", &services("aws_reservation_coverage")),
    ];
    let made = |accounts: [Option<&str>; 4]| {
        let subjects = jobs.iter().zip(accounts);
        let subjects: Vec<Subject<'_>> =
            subjects.map(|(job, account)| Subject { job, account: account.map(str::to_owned) }).collect();
        let mut all = views(Dialect::Trino, &subjects);
        all.retain(|view| view.kind != "tables");
        all.into_iter().map(|view| view.name).collect::<Vec<_>>()
    };
    let (unused, gap) = ("plans_and_reservations_unused", "plans_coverage_and_coverage_gap");
    let (one, two) = (Some("000000000001"), Some("000000000002"));
    assert_eq!(made([None; 4]), [unused, gap]);
    assert_eq!(made([one, one, one, two]), [unused]);
    assert_eq!(made([one, two, two, two]), [gap]);
    assert_eq!(made([one, None, None, one]), Vec::<String>::new(), "whether it is the same account is not known");
}

#[test]
fn a_forecast_meets_daily_tables_of_its_metric_that_hold_all_costs() {
    let filter = r#"filter = { Dimensions = { Key = "RECORD_TYPE", Values = ["Usage"] } }"#;
    let jobs = |granularity: &str, metric: &str| {
        [
            forecast(&format!("granularity = \"{granularity}\"\nmetric = \"{metric}\"")),
            cost("whole", TOTALS),
            cost("filtered", &format!("{TOTALS}\n{filter}")),
            cost(
                "viewed",
                &format!("{TOTALS}\n[aws]\nbilling_view_arn = \"arn:aws:billing::000000000001:billingview/x\""),
            ),
            cost("monthly", &TOTALS.replace("DAILY", "MONTHLY")),
            cost("hourly", &TOTALS.replace("DAILY", "HOURLY")),
            cost("net", &TOTALS.replace("Unblended", "NetAmortized")),
            hand_made::models(),
        ]
    };
    let against = |jobs: &[Job]| -> Vec<String> {
        let all = of(Dialect::Spark, jobs);
        names(&all).into_iter().filter(|name| name.starts_with("forecast_")).map(str::to_owned).collect()
    };
    let both = |costs: &str| [format!("forecast_against_{costs}"), format!("forecast_against_{costs}_by_horizon")];
    assert_eq!(against(&jobs("DAILY", "UnblendedCost")), both("whole"));
    assert_eq!(against(&jobs("DAILY", "NetAmortizedCost")), both("net"));
    assert_eq!(against(&jobs("MONTHLY", "UnblendedCost")), Vec::<String>::new());
    let all = of(Dialect::Spark, &jobs("DAILY", "UnblendedCost"));
    assert!(statement(&all, "forecast_against_whole").contains("date_diff(f.period_start, f.usage_date)"));
    let of_others = jobs("DAILY", "UnblendedCost");
    let subjects = [(&of_others[0], "000000000001"), (&of_others[1], "000000000002")]
        .map(|(job, account)| Subject { job, account: Some(account.to_owned()) });
    assert!(views(Dialect::Spark, &subjects).iter().all(|view| view.kind != "forecast"), "another account's costs");
}

#[test]
fn only_daily_tables_are_compared_with_the_same_days_of_the_month_before() {
    for (grain, has) in [("DAILY", true), ("MONTHLY", false), ("HOURLY", false)] {
        let all = of(Dialect::Duckdb, &[cost("a", &TOTALS.replace("DAILY", grain))]);
        let text = statement(&all, "a_by_month");
        for column in ["previous_same_days_cost", "cost_per_day", "previous_cost_per_day"] {
            assert_eq!(text.contains(column), has, "{grain}: {column}: {text}");
        }
    }
}

#[test]
fn hourly_tables_have_no_savings_rate() {
    let columns = "period_start date, estimated boolean, amortized_cost decimal, public_on_demand_cost decimal, \
        currency string";
    let hourly = hand_made::table("hourly", Grain::Hourly, &["period_start"], columns);
    let all = of(Dialect::Duckdb, &[hourly]);
    assert_eq!(names(&all), ["hourly_by_month", "costlake_tables"]);
}
