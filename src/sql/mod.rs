//! SQL text of table definitions and views for the engines that query a lake. Nothing here is executed.
//!
//! | dialect | a table is | partitions are found by |
//! |---|---|---|
//! | Athena | an external table over the folder | projection: no crawler, nothing to repair when a month begins |
//! | Trino (Hive connector) | an external table over the folder | projection |
//! | ClickHouse | a view over the objects, by `file` or `s3` | the names of the objects, at every query |
//! | DuckDB | a view over the objects | the names of the objects, at every query |
//! | Spark | a temporary view over the folder | a listing when the view is created: recreate it after a month begins |
//!
//! Views over the tables are templates in `views/`, the same text for all dialects except for a few words; [`views`]
//! decides which table has which. What only DuckDB gets is in [`duckdb`].
//!
//! Names and texts from a bill are untrusted: they enter a statement only through [`Dialect::identifier`] and
//! [`Dialect::literal`]. So is the path of a lake: glob characters in it are escaped by [`Dialect::in_pattern`], or
//! refused where that is not possible, and partition discovery is off, because DuckDB would take a folder such as `/data/service=x/lake` for the column; the
//! partition comes from [`FILE`] instead.

use crate::table::ColumnType;

mod agreement;
mod commitments;
pub mod ddl;
pub mod duckdb;
mod focus;
mod forecast;
pub mod runs;
mod tables_view;
mod template;
mod units;
pub mod views;

/// The column in which DuckDB returns the file of a row; no table column has a space in its name.
pub const FILE: &str = "costlake file";

/// Which tables have files of one sort: some without accounts, some with, or both. A pattern that no file fits is an error
/// in DuckDB, so that a list of files names only those folders that have some.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Having {
    /// A table without accounts.
    pub plain: bool,
    /// A table with accounts.
    pub of_accounts: bool,
}

impl Having {
    /// Whether any table has them.
    #[must_use]
    pub fn any(self) -> bool {
        self.plain || self.of_accounts
    }

    /// The folders of all units below `_costlake`, as patterns.
    fn units(self) -> Vec<&'static str> {
        let all = [(self.plain, "*"), (self.of_accounts, "*/account=*")];
        all.into_iter().filter(|(has, _)| *has).map(|(_, folder)| folder).collect()
    }
}

/// A literal of one file, or a list of several, as DuckDB's readers take it.
fn files(list: &[String]) -> String {
    let literals: Vec<String> = list.iter().map(|file| Dialect::Duckdb.literal(file)).collect();
    if let [one] = &literals[..] { one.clone() } else { format!("[{}]", literals.join(", ")) }
}

/// Most bytes of a column comment in the Glue catalog.
const GLUE_COMMENT: usize = 255;

/// A text of which the Glue catalog takes all, cut if need be.
fn glue_comment(text: &str) -> String {
    if text.len() <= GLUE_COMMENT {
        return text.to_owned();
    }
    let cut = (0..=GLUE_COMMENT - 3).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    format!("{}…", &text[..cut])
}

/// The SQL dialect of a query engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Amazon Athena: definitions in Hive's grammar.
    Athena,
    /// ClickHouse.
    Clickhouse,
    /// DuckDB.
    Duckdb,
    /// Spark SQL.
    Spark,
    /// Trino with the Hive connector.
    Trino,
}

impl Dialect {
    /// Every dialect.
    pub const ALL: [Self; 5] = [Self::Athena, Self::Clickhouse, Self::Duckdb, Self::Spark, Self::Trino];

    /// The name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Athena => "athena",
            Self::Clickhouse => "clickhouse",
            Self::Duckdb => "duckdb",
            Self::Spark => "spark",
            Self::Trino => "trino",
        }
    }

    /// The dialect of queries: Athena uses Hive's grammar for tables and Trino's for queries and views.
    #[must_use]
    pub fn of_queries(self) -> Self {
        if self == Self::Athena { Self::Trino } else { self }
    }

    /// A quoted name of a table or column.
    #[must_use]
    pub fn identifier(self, name: &str) -> String {
        match self {
            Self::Athena | Self::Spark => format!("`{}`", name.replace('`', "``")),
            Self::Clickhouse => format!("`{}`", name.replace('\\', "\\\\").replace('`', "\\`")),
            Self::Duckdb | Self::Trino => format!("\"{}\"", name.replace('"', "\"\"")),
        }
    }

    /// A string literal. A backslash is an escape in Hive, ClickHouse and Spark, and literal elsewhere; Spark substitutes `${…}`
    /// with settings before parsing, even inside quotes.
    #[must_use]
    pub fn literal(self, text: &str) -> String {
        let escaped = || text.replace('\\', "\\\\").replace('\'', "\\'").replace('\n', "\\n");
        match self {
            Self::Athena | Self::Clickhouse => format!("'{}'", escaped()),
            Self::Spark => format!("'{}'", escaped().replace("${", "\\u0024{")),
            Self::Duckdb | Self::Trino => format!("'{}'", text.replace('\'', "''")),
        }
    }

    /// A folder escaped for use in a glob pattern. Athena and Trino take locations, which are not patterns; ClickHouse has
    /// no escape, see [`Self::no_pattern`].
    #[must_use]
    pub fn in_pattern(self, folder: &str) -> String {
        match self {
            Self::Duckdb => escaped(folder, &['*', '?', '[', '{'], |c| format!("[{c}]")),
            Self::Spark => escaped(folder, &['*', '?', '[', ']', '{', '}', '\\'], |c| format!("\\{c}")),
            Self::Athena | Self::Clickhouse | Self::Trino => folder.to_owned(),
        }
    }

    /// What a folder holds that this engine would take for something else, and cannot be told not to.
    #[must_use]
    pub fn no_pattern(self, folder: &str) -> Option<&'static str> {
        let signs: &[&str] = match self {
            Self::Clickhouse => &["*", "?", "{", "}", "::"],
            Self::Duckdb => &["\\"],
            Self::Athena | Self::Spark | Self::Trino => &[],
        };
        signs.iter().copied().find(|sign| folder.contains(sign))
    }

    /// A quoted comment on a column. The Glue catalog behind Athena, and often behind Trino, takes 255 bytes.
    #[must_use]
    pub fn column_comment(self, text: &str) -> String {
        if matches!(self, Self::Athena | Self::Trino) { self.literal(&glue_comment(text)) } else { self.literal(text) }
    }

    /// The name of a column type.
    #[must_use]
    pub fn type_name(self, kind: ColumnType) -> &'static str {
        match (kind, self) {
            (ColumnType::Boolean, Self::Clickhouse) => "Nullable(Bool)",
            (ColumnType::Int, Self::Clickhouse) => "Nullable(Int32)",
            (ColumnType::Bigint, Self::Clickhouse) => "Nullable(Int64)",
            (ColumnType::Double, Self::Clickhouse) => "Nullable(Float64)",
            (ColumnType::String, Self::Clickhouse) => "Nullable(String)",
            (ColumnType::Date, Self::Clickhouse) => "Nullable(Date32)",
            (ColumnType::Timestamp, Self::Clickhouse) => "Nullable(DateTime64(3, 'UTC'))",
            (ColumnType::Decimal, Self::Clickhouse) => "Nullable(Decimal(38, 12))",
            (ColumnType::Boolean, _) => "boolean",
            (ColumnType::Int, Self::Athena | Self::Spark) => "int",
            (ColumnType::Int, _) => "integer",
            (ColumnType::Bigint, _) => "bigint",
            (ColumnType::Double, _) => "double",
            (ColumnType::String, Self::Athena | Self::Spark) => "string",
            (ColumnType::String, _) => "varchar",
            (ColumnType::Date, _) => "date",
            (ColumnType::Timestamp, Self::Athena | Self::Spark) => "timestamp",
            (ColumnType::Timestamp, Self::Duckdb) => "timestamp with time zone",
            (ColumnType::Timestamp, Self::Trino) => "timestamp(3)",
            (ColumnType::Decimal, _) => "decimal(38,12)",
        }
    }

    /// `NULL` of a type.
    #[must_use]
    pub fn typed_null(self, kind: ColumnType) -> String {
        format!("CAST(NULL AS {})", self.type_name(kind))
    }
}

/// The text with every character of `special` replaced.
fn escaped(text: &str, special: &[char], with: impl Fn(char) -> String) -> String {
    text.chars().map(|c| if special.contains(&c) { with(c) } else { c.to_string() }).collect()
}

#[cfg(test)]
mod tests {
    use super::Dialect::{Athena, Clickhouse, Duckdb, Spark, Trino};

    #[test]
    fn a_folder_is_no_pattern() {
        let folder = "/a*b/[c]/{d,e}?/f=g/it's";
        assert_eq!(Duckdb.in_pattern(folder), "/a[*]b/[[]c]/[{]d,e}[?]/f=g/it's");
        assert_eq!(Spark.in_pattern(folder), "/a\\*b/\\[c\\]/\\{d,e\\}\\?/f=g/it's");
        assert_eq!(Spark.in_pattern("a\\b"), "a\\\\b");
        assert_eq!((Trino.in_pattern(folder).as_str(), Athena.in_pattern(folder).as_str()), (folder, folder));
    }

    #[test]
    fn comments_fit_the_catalog() {
        let long = "é".repeat(200);
        assert_eq!(Athena.column_comment(&long).len(), 2 + 252 + "…".len());
        assert_eq!(Duckdb.column_comment(&long).len(), 402);
        assert_eq!(Trino.column_comment("short"), "'short'");
    }

    #[test]
    fn hostile_names_and_texts_stay_inside_their_quotes() {
        assert_eq!(Duckdb.identifier("a\"; DROP TABLE b"), "\"a\"\"; DROP TABLE b\"");
        assert_eq!(Trino.literal("it's \\"), "'it''s \\'");
        assert_eq!(Athena.identifier("a`b"), "`a``b`");
        assert_eq!(Spark.literal("it's \\' --\n"), "'it\\'s \\\\\\' --\\n'");
        assert_eq!(Spark.literal("${x}"), "'\\u0024{x}'");
        assert_eq!(Clickhouse.identifier("a`b\\"), "`a\\`b\\\\`");
        assert_eq!(Clickhouse.literal("it's \\' --\n"), "'it\\'s \\\\\\' --\\n'");
    }
}
