//! Tables made by hand: jobs of any columns, to show that views follow from columns and never from the name of a source.

use std::path::Path;
use std::sync::Arc;

use costlake::job::{Job, parse};
use costlake::request::Request;
use costlake::sources::{Learnt, Reader, Source};
use costlake::table::{Column, ColumnType, Sums, Table};
use costlake::window::{Grain, Window};

/// A source of the columns of a table, which reads nothing.
#[derive(Debug)]
struct HandMade {
    table: Arc<Table>,
    grain: Grain,
    fingerprint: Vec<(&'static str, String)>,
}

impl Source for HandMade {
    fn table(&self) -> &Arc<Table> {
        &self.table
    }

    fn grain(&self) -> Grain {
        self.grain
    }

    fn fingerprint(&self) -> Vec<(&'static str, String)> {
        self.fingerprint.clone()
    }

    fn expected_requests(&self, _windows: &[Window], _learnt: &Learnt) -> u64 {
        0
    }

    fn requests(&self, _windows: &[Window]) -> Vec<Request> {
        Vec::new()
    }

    fn reader(&self, _windows: &[Window]) -> Box<dyn Reader> {
        unreachable!("nothing is read in these tests")
    }
}

/// A column from `name type`; decimals add up over rows, quantities within one unit.
fn column(text: &str) -> Column {
    let (name, told) = text.split_once(' ').expect("a name and a type");
    let kind = match told {
        "boolean" => ColumnType::Boolean,
        "date" => ColumnType::Date,
        "decimal" | "quantity" => ColumnType::Decimal,
        "double" => ColumnType::Double,
        "string" => ColumnType::String,
        other => unreachable!("{other} is no type of these tests"),
    };
    let sums = match told {
        "decimal" => Some(Sums::Rows),
        "quantity" => Some(Sums::Unit),
        _ => None,
    };
    Column {
        name: name.to_owned(),
        kind,
        nullable: true,
        key: None,
        doc: String::new(),
        sums,
        chart: None,
        assigned: false,
    }
}

/// A job of a table of these columns, `name type` separated by commas; `key` are those that identify a row.
pub(super) fn table(name: &str, grain: Grain, key: &[&str], columns: &str) -> Job {
    let text = "source = { type = \"datadog_ccm_config\" }\n";
    let job = parse(Path::new(&format!("{name}.toml")), text).expect("a sound job");
    let columns = columns.split(',').map(|text| column(text.trim())).collect();
    let table = Arc::new(Table::new(columns, key, &[]));
    let fingerprint = vec![("granularity", grain.name().to_owned())];
    Job { source: Arc::new(HandMade { table, grain, fingerprint }), ..job }
}

/// Costs and usage of AI models by model and kind of inference.
pub(super) fn models() -> Job {
    let key = ["usage_date", "product_attribute_model", "product_attribute_inferencetype"];
    let columns = "usage_date date, estimated boolean, product_attribute_model string, \
        product_attribute_inferencetype string, unblended_cost decimal, public_on_demand_cost decimal, \
        currency string, usage_quantity_unit string, usage_quantity quantity";
    table("models", Grain::Daily, &key, columns)
}

/// Costs by service with what they would be on demand.
pub(super) fn savings() -> Job {
    let columns = "usage_date date, estimated boolean, service string, amortized_cost decimal, \
        public_on_demand_cost decimal, currency string";
    table("savings", Grain::Daily, &["usage_date", "service"], columns)
}

/// Utilization of commitments as Datadog tells it.
pub(super) fn told() -> Job {
    let key = ["usage_date", "provider", "product", "commitment_type", "series"];
    let columns = "usage_date date, provider string, product string, commitment_type string, series string, \
        value double, value_unit string";
    table("told", Grain::Daily, &key, columns)
}

/// Budgets of every day.
pub(super) fn budgets() -> Job {
    let columns = "usage_date date, budget_id string, name string, month date, tag_filters string, amount double, \
        actual double, forecast double, ootb_forecast double, custom_forecast double, unit string";
    table("budgets", Grain::Daily, &["usage_date", "budget_id", "month", "tag_filters"], columns)
}
