//! Views over two tables of commitments: one for every pair of tables that have the columns.
//!
//! | view | the left table has | the right table has |
//! |---|---|---|
//! | `commitments_and_savings` | Datadog's commitments | what they saved |
//! | `plans_on_both_sides` | AWS's utilization of Savings Plans | Datadog's utilization of commitments |
//! | `reservations_on_both_sides` | AWS's utilization of reservations | Datadog's utilization of commitments |
//! | `unused_commitment` | utilization of Savings Plans | utilization of reservations |
//! | `coverage_gap` | coverage by Savings Plans | coverage by reservations |
//!
//! The last two have both tables from AWS, and are made for tables of one account only.

use super::template::Words;
use super::views::{Subject, View, Whose, begin, by_account, has, view, whose};
use super::{Dialect, units};

/// A view over two tables.
struct Pair {
    kind: &'static str,
    /// What its name ends in, after the names of both tables.
    suffix: &'static str,
    template: &'static str,
    left: &'static [&'static str],
    right: &'static [&'static str],
    /// Whether the tables must be of one account.
    of_one_account: bool,
    /// Whether two tables with accounts have the same ones: an AWS account is never an organisation of Datadog.
    has_accounts: bool,
}

const PAIRS: [Pair; 5] = [
    Pair {
        kind: "commitments_and_savings",
        suffix: "",
        template: include_str!("views/commitments_and_savings.sql"),
        left: &["commitment_id", "utilization", "number_of_nfus", "committed_spend_per_hour"],
        right: &["series", "realized_savings", "on_demand_equivalent_cost"],
        of_one_account: false,
        has_accounts: true,
    },
    Pair {
        kind: "plans_on_both_sides",
        suffix: "",
        template: include_str!("views/plans_on_both_sides.sql"),
        left: &["used_commitment", "unused_commitment"],
        right: &["provider", "commitment_type", "series", "value", "value_unit"],
        of_one_account: false,
        has_accounts: false,
    },
    Pair {
        kind: "reservations_on_both_sides",
        suffix: "",
        template: include_str!("views/reservations_on_both_sides.sql"),
        left: &["service", "ri_cost_for_unused_hours", "total_amortized_fee"],
        right: &["provider", "commitment_type", "series", "value", "value_unit"],
        of_one_account: false,
        has_accounts: false,
    },
    Pair {
        kind: "unused_commitment",
        suffix: "_unused",
        template: include_str!("views/unused_commitment.sql"),
        left: &["unused_commitment", "total_commitment"],
        right: &["service", "ri_cost_for_unused_hours", "total_amortized_fee"],
        of_one_account: true,
        has_accounts: true,
    },
    Pair {
        kind: "coverage_gap",
        suffix: "_gap",
        template: include_str!("views/coverage_gap.sql"),
        left: &["spend_covered_by_savings_plans", "on_demand_cost", "coverage_percentage"],
        right: &["service", "reserved_hours", "on_demand_hours", "on_demand_cost", "coverage_hours_percentage"],
        of_one_account: true,
        has_accounts: true,
    },
];

/// The columns of units that are brought to one scale, each with the words for its factor and its base unit.
const SCALED: [(&str, &str, &str); 5] = [
    ("committed_spend_unit", "spend_scale", "spend_unit"),
    ("actual_cost_unit", "actual_scale", "actual_unit"),
    ("on_demand_equivalent_cost_unit", "on_demand_scale", "on_demand_unit"),
    ("realized_savings_unit", "realized_scale", "realized_unit"),
    ("value_unit", "value_scale", "value_unit"),
];

/// The views of every pair.
pub(super) fn views(dialect: Dialect, subjects: &[Subject<'_>]) -> Vec<View> {
    PAIRS.iter().flat_map(|pair| of_pair(dialect, subjects, pair)).collect()
}

fn of_pair(dialect: Dialect, subjects: &[Subject<'_>], pair: &Pair) -> Vec<View> {
    let mut found = Vec::new();
    for left in subjects.iter().filter(|subject| has(subject.job, pair.left)) {
        for right in subjects.iter().filter(|subject| has(subject.job, pair.right)) {
            let (of_left, of_right) = (whose(left), whose(right));
            if pair.of_one_account && of_left != of_right {
                continue;
            }
            let name = format!("{}_and_{}{}", left.job.unit.table, right.job.unit.table, pair.suffix);
            let has_accounts = [&of_left, &of_right].map(|whose| *whose == Whose::Column);
            let is_comparable = has_accounts == [false; 2] || has_accounts == [true; 2] && pair.has_accounts;
            if !is_comparable {
                found.push(left_out(pair.kind, name));
                continue;
            }
            let words = by_account(begin(dialect, &name), has_accounts == [true; 2])
                .with("table", dialect.identifier(&left.job.unit.table))
                .with("other", dialect.identifier(&right.job.unit.table));
            found.push(view(pair.kind, &name, &scaled(dialect, words), pair.template));
        }
    }
    found
}

/// In place of a view that would compare different accounts.
fn left_out(kind: &'static str, name: String) -> View {
    let statement = format!("-- {name} is left out: its two tables are not by the same accounts");
    View { kind, name, statement }
}

fn scaled(dialect: Dialect, words: Words) -> Words {
    SCALED.iter().fold(words, |words, (column, scale, unit)| {
        words.with(scale, units::scale(dialect, column)).with(unit, units::base(dialect, column))
    })
}
