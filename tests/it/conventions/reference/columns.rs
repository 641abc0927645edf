//! The page of columns: what the schemas say.

use std::fmt::Write;

use costlake::sources::REGISTRY;
use serde_json::Value;

use super::{head, is_kept, row, wrapped};
use crate::conventions::source::read;

#[test]
fn the_page_of_columns_is_what_the_schemas_say() {
    let mut page = format!(
        "# Columns\n\n{}",
        wrapped(
            "The columns of every [source](sources.md), in the order of the files. The folders add a column: \
             `billing_period`, the month (`usage_date`, the day, for HOURLY), and before it `account` in a table with \
             accounts. `<…>` stands for any number of columns, named by the job. \"Adds up over\" says which values may be \
             added up: those of all `rows`, those of one `unit`, or `never`."
        )
    );
    for entry in REGISTRY {
        write!(page, "\n## {}\n\n", entry.name).expect("text");
        page += &head(&["column", "type", "null", "adds up over", "meaning"]);
        let columns: Vec<Value> =
            serde_json::from_str(&read(format!("schemas/{}.json", entry.name))).expect("a schema");
        for column in columns {
            let text = |name: &str| column[name].as_str().unwrap_or("-").to_owned();
            let null = if column["nullable"] == true { "yes" } else { "no" };
            page += &row(&[&format!("`{}`", text("name")), &text("type"), null, &text("sums"), &text("doc")]);
        }
    }
    is_kept("columns", &page);
}
