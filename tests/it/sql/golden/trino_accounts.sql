CREATE TABLE IF NOT EXISTS "two" (
  "period_start" timestamp(3) COMMENT 'Start of the UTC hour the costs belong to. HOURLY tables only.',
  "estimated" boolean COMMENT 'True while AWS still calls the period an estimate; set per billing month, not per day.',
  "service" varchar COMMENT 'Dimension SERVICE. AWS service by its display name; names change over time.',
  "unblended_cost" decimal(38,12) COMMENT 'UnblendedCost: what was charged at the time of use. Exactly as answered, digit for digit.',
  "currency" varchar COMMENT 'Unit of the cost metrics, such as USD; one per answer.',
  "account" varchar WITH (
    partition_projection_type = 'ENUM',
    partition_projection_values = ARRAY['000000000000', '007000000001']
  ),
  "usage_date" varchar WITH (
    partition_projection_type = 'DATE',
    partition_projection_format = 'yyyy-MM-dd',
    partition_projection_range = ARRAY['2026-11-05', 'NOW'],
    partition_projection_interval = 1,
    partition_projection_interval_unit = 'DAYS'
  )
)
COMMENT 'One row per account, period_start, service; granularity HOURLY; metrics UnblendedCost; group_by ["DIMENSION:SERVICE"]. Never add it up with a table of another grouping.'
WITH (
  external_location = 's3://bucket/lake/two/',
  format = 'PARQUET',
  partitioned_by = ARRAY['account', 'usage_date'],
  partition_projection_enabled = true,
  partition_projection_location_template = 's3://bucket/lake/two/account=${account}/usage_date=${usage_date}/'
);

-- The accounts are not named here: every query must say WHERE account = '...'. docs/accounts.md has the ways round it.
CREATE TABLE IF NOT EXISTS "many" (
  "period_start" timestamp(3) COMMENT 'Start of the UTC hour the costs belong to. HOURLY tables only.',
  "estimated" boolean COMMENT 'True while AWS still calls the period an estimate; set per billing month, not per day.',
  "service" varchar COMMENT 'Dimension SERVICE. AWS service by its display name; names change over time.',
  "unblended_cost" decimal(38,12) COMMENT 'UnblendedCost: what was charged at the time of use. Exactly as answered, digit for digit.',
  "currency" varchar COMMENT 'Unit of the cost metrics, such as USD; one per answer.',
  "account" varchar WITH (
    partition_projection_type = 'INJECTED'
  ),
  "usage_date" varchar WITH (
    partition_projection_type = 'DATE',
    partition_projection_format = 'yyyy-MM-dd',
    partition_projection_range = ARRAY['2026-11-05', 'NOW'],
    partition_projection_interval = 1,
    partition_projection_interval_unit = 'DAYS'
  )
)
COMMENT 'One row per account, period_start, service; granularity HOURLY; metrics UnblendedCost; group_by ["DIMENSION:SERVICE"]. Never add it up with a table of another grouping.'
WITH (
  external_location = 's3://bucket/lake/many/',
  format = 'PARQUET',
  partitioned_by = ARRAY['account', 'usage_date'],
  partition_projection_enabled = true,
  partition_projection_location_template = 's3://bucket/lake/many/account=${account}/usage_date=${usage_date}/'
);

CREATE TABLE IF NOT EXISTS "empty" (
  "period_start" timestamp(3) COMMENT 'Start of the UTC hour the costs belong to. HOURLY tables only.',
  "estimated" boolean COMMENT 'True while AWS still calls the period an estimate; set per billing month, not per day.',
  "service" varchar COMMENT 'Dimension SERVICE. AWS service by its display name; names change over time.',
  "unblended_cost" decimal(38,12) COMMENT 'UnblendedCost: what was charged at the time of use. Exactly as answered, digit for digit.',
  "currency" varchar COMMENT 'Unit of the cost metrics, such as USD; one per answer.',
  "account" varchar WITH (
    partition_projection_type = 'ENUM',
    partition_projection_values = ARRAY['000000000000']
  ),
  "usage_date" varchar WITH (
    partition_projection_type = 'DATE',
    partition_projection_format = 'yyyy-MM-dd',
    partition_projection_range = ARRAY['2026-11-05', 'NOW'],
    partition_projection_interval = 1,
    partition_projection_interval_unit = 'DAYS'
  )
)
COMMENT 'One row per account, period_start, service; granularity HOURLY; metrics UnblendedCost; group_by ["DIMENSION:SERVICE"]. Never add it up with a table of another grouping.'
WITH (
  external_location = 's3://bucket/lake/empty/',
  format = 'PARQUET',
  partitioned_by = ARRAY['account', 'usage_date'],
  partition_projection_enabled = true,
  partition_projection_location_template = 's3://bucket/lake/empty/account=${account}/usage_date=${usage_date}/'
);
