//! Every key of a job file, in one slice: the check for unknown keys, the published JSON Schema and the table in the
//! README are all generated from it.

use serde_json::{Value, json};

/// Which sources accept a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum For {
    /// All of them.
    All,
    /// All but snapshot sources.
    AllButSnapshots,
    /// These, by `source.type`.
    Only(&'static [&'static str]),
}

/// The JSON shape of a key's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Text.
    Text,
    /// One of these texts.
    OneOf(&'static [&'static str]),
    /// true or false.
    Boolean,
    /// A number.
    Number,
    /// A whole number.
    Whole,
    /// A list of texts.
    Texts,
    /// A list of tables.
    Tables,
    /// A table.
    Table,
}

/// One key.
#[derive(Debug)]
pub struct Key {
    /// Dotted path.
    pub path: &'static str,
    /// Sources that read it.
    pub sources: For,
    /// Shape of the value.
    pub shape: Shape,
    /// The default, as the README shows it.
    pub default: &'static str,
    /// What it means.
    pub doc: &'static str,
}

const CE: For = For::Only(&["aws_cost_and_usage"]);
const DATADOG: For = For::Only(&["datadog_commitments", "datadog_savings", "datadog_ccm_config"]);
const QUERIED: For = For::Only(&["datadog_commitments", "datadog_savings"]);

const fn key(path: &'static str, sources: For, shape: Shape, default: &'static str, doc: &'static str) -> Key {
    Key { path, sources, shape, default, doc }
}

/// Every key, in the usual order of a job file.
pub static KEYS: &[Key] = &[
    key("description", For::All, Shape::Text, "none", "what the table is for, in one line"),
    key("schedule.cron", For::All, Shape::Text, "none: by hand only", "five-field cron expression of the trigger"),
    key("schedule.timezone", For::All, Shape::Text, "`UTC`", "IANA time zone of the trigger; windows stay UTC days"),
    key("source.type", For::All, Shape::Text, "required", "which source: its name in `schemas/`"),
    key("source.granularity", CE, Shape::OneOf(&["DAILY", "MONTHLY", "HOURLY"]), "required", "how fine the rows are"),
    key("source.metrics", CE, Shape::Texts, "required", "one to seven metrics, CamelCase as the API names them"),
    key(
        "source.group_by",
        CE,
        Shape::Tables,
        "none: totals",
        "up to two of `{ dimension = … }`, `{ tag = … }`, `{ cost_category = … }`",
    ),
    key("source.filter", CE, Shape::Table, "none", "the API's `Expression`, same names"),
    key(
        "source.queries",
        QUERIED,
        Shape::Tables,
        "required",
        "`{ provider, product, commitment_type }`, passed through as written",
    ),
    key("source.filter_by", QUERIED, Shape::Text, "none", "Datadog's `filterBy` expression, passed through"),
    key(
        "source.aws_account_ids",
        For::Only(&["datadog_ccm_config"]),
        Shape::Texts,
        "all",
        "AWS accounts to look at, twelve digits each",
    ),
    key("window.begin", For::AllButSnapshots, Shape::Text, "required", "first day of the table"),
    key(
        "window.refresh",
        For::AllButSnapshots,
        Shape::Text,
        "`\"probe\"`; HOURLY `\"2 days\"`, Datadog `\"7 days\"`",
        "which days are read again: `\"probe\"`, `\"billing-close\"` or `\"N days\"`",
    ),
    key(
        "window.control",
        CE,
        Shape::OneOf(&["enforce", "report"]),
        "`\"enforce\"`",
        "whether rows that miss the API's totals are refused or reported",
    ),
    key(
        "window.full_read_every",
        CE,
        Shape::Text,
        "`\"7 days\"`; `\"1 day\"` with tags or cost categories",
        "how often open months are read in full under equal totals",
    ),
    key(
        "window.full_read_settled_every",
        CE,
        Shape::Text,
        "`\"never\"`; `\"90 days\"` with tags or cost categories",
        "how often settled months are read in full under equal totals, one a day: `\"N days\"` or `\"never\"`",
    ),
    key(
        "window.settle_day",
        For::All,
        Shape::Whole,
        "15",
        "day of the next month after which a month counts as settled",
    ),
    key("window.include_today", For::All, Shape::Boolean, "false", "whether the table reaches to today's partial day"),
    key(
        "window.quarantine_share",
        For::All,
        Shape::Number,
        "0.2",
        "change of a settled month, or shrinking of Datadog's lists, that needs `--accept`",
    ),
    key(
        "window.quarantine_floor",
        CE,
        Shape::Number,
        "1",
        "change of a settled month that never needs it, in the currency of the rows",
    ),
    key("budget.max_requests_per_run", CE, Shape::Whole, "500", "requests a run may send, 0.01 USD each"),
    key(
        "budget.max_usd_per_month",
        CE,
        Shape::Number,
        "none",
        "dollars the runs of a calendar month may spend on requests",
    ),
    key("limits.requests_per_second", For::All, Shape::Number, "5", "pace per account"),
    key("limits.fetches_in_flight", For::All, Shape::Whole, "4", "partitions fetched side by side"),
    key("aws.profile", CE, Shape::Text, "the chain's", "profile of `~/.aws/config`"),
    key("aws.role_arn", CE, Shape::Text, "none", "role to assume"),
    key("aws.external_id", CE, Shape::Text, "none", "external id for the role"),
    key("aws.region", CE, Shape::Text, "the chain's, else `us-east-1`", "region; its partition decides the endpoint"),
    key("aws.account_id", CE, Shape::Text, "what the credentials say", "account the table belongs to, verified"),
    key(
        "aws.verify_account",
        CE,
        Shape::Boolean,
        "true",
        "whether AWS STS is asked for the account where the credentials do not tell it",
    ),
    key("aws.billing_view_arn", CE, Shape::Text, "none", "billing view to read"),
    key("datadog.site", DATADOG, Shape::Text, "`DD_SITE`, else `datadoghq.com`", "Datadog site"),
    key(
        "lake.keep_raw",
        For::All,
        Shape::Boolean,
        "true for Datadog, false for Cost Explorer",
        "keep the raw answers beside the table",
    ),
    key("lake.keep_history", For::All, Shape::Boolean, "false", "keep replaced generations"),
    key(
        "lake.keep_history_for",
        For::All,
        Shape::Text,
        "`\"400 days\"`",
        "how long revisions and replaced generations are kept",
    ),
];

/// Finds a key by its dotted path.
#[must_use]
pub fn find(path: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.path == path)
}

/// The sections of a job file.
#[must_use]
pub fn sections() -> Vec<&'static str> {
    let mut names: Vec<&'static str> =
        KEYS.iter().filter_map(|key| key.path.split_once('.').map(|(name, _)| name)).collect();
    names.dedup();
    names
}

/// The JSON Schema (draft 2020-12) of a job file, published as `schemas/job.schema.json`.
#[must_use]
pub fn json_schema() -> Value {
    let mut properties = serde_json::Map::new();
    for key in KEYS {
        let described = describe(key);
        match key.path.split_once('.') {
            None => {
                properties.insert(key.path.to_owned(), described);
            }
            Some((section, name)) => {
                let entry = properties
                    .entry(section)
                    .or_insert_with(|| json!({ "type": "object", "additionalProperties": false, "properties": {} }));
                entry["properties"][name] = described;
            }
        }
    }
    properties["source"]["required"] = json!(["type"]);
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "costlake job",
        "description": "One job file in jobs/; its stem names the table.",
        "type": "object",
        "required": ["source"],
        "additionalProperties": false,
        "properties": properties,
    })
}

fn describe(key: &Key) -> Value {
    let mut shape = match key.shape {
        Shape::Text => json!({ "type": "string" }),
        Shape::OneOf(names) => json!({ "type": "string", "enum": names }),
        Shape::Boolean => json!({ "type": "boolean" }),
        Shape::Number => json!({ "type": "number" }),
        Shape::Whole => json!({ "type": "integer" }),
        Shape::Texts => json!({ "type": "array", "items": { "type": "string" } }),
        Shape::Tables => json!({ "type": "array", "items": { "type": "object" } }),
        Shape::Table => json!({ "type": "object" }),
    };
    shape["description"] = json!(format!("{}. Default: {}.", key.doc, key.default));
    shape
}
