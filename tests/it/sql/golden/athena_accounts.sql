CREATE EXTERNAL TABLE IF NOT EXISTS `two` (
  `period_start` timestamp COMMENT 'Start of the UTC hour the costs belong to. HOURLY tables only.',
  `estimated` boolean COMMENT 'True while AWS still calls the period an estimate; set per billing month, not per day.',
  `service` string COMMENT 'Dimension SERVICE. AWS service by its display name; names change over time.',
  `unblended_cost` decimal(38,12) COMMENT 'UnblendedCost: what was charged at the time of use. Exactly as answered, digit for digit.',
  `currency` string COMMENT 'Unit of the cost metrics, such as USD; one per answer.'
)
COMMENT 'One row per account, period_start, service; granularity HOURLY; metrics UnblendedCost; group_by ["DIMENSION:SERVICE"]. Never add it up with a table of another grouping.'
PARTITIONED BY (`account` string, `usage_date` string)
STORED AS PARQUET
LOCATION 's3://bucket/lake/two/'
TBLPROPERTIES (
  'projection.enabled' = 'true',
  'projection.account.type' = 'enum',
  'projection.account.values' = '000000000000,007000000001',
  'projection.usage_date.type' = 'date',
  'projection.usage_date.format' = 'yyyy-MM-dd',
  'projection.usage_date.range' = '2026-11-05,NOW',
  'projection.usage_date.interval' = '1',
  'projection.usage_date.interval.unit' = 'DAYS',
  'storage.location.template' = 's3://bucket/lake/two/account=${account}/usage_date=${usage_date}/'
);

-- The accounts are not named here: every query must say WHERE account = '...'. docs/accounts.md has the ways round it.
CREATE EXTERNAL TABLE IF NOT EXISTS `many` (
  `period_start` timestamp COMMENT 'Start of the UTC hour the costs belong to. HOURLY tables only.',
  `estimated` boolean COMMENT 'True while AWS still calls the period an estimate; set per billing month, not per day.',
  `service` string COMMENT 'Dimension SERVICE. AWS service by its display name; names change over time.',
  `unblended_cost` decimal(38,12) COMMENT 'UnblendedCost: what was charged at the time of use. Exactly as answered, digit for digit.',
  `currency` string COMMENT 'Unit of the cost metrics, such as USD; one per answer.'
)
COMMENT 'One row per account, period_start, service; granularity HOURLY; metrics UnblendedCost; group_by ["DIMENSION:SERVICE"]. Never add it up with a table of another grouping.'
PARTITIONED BY (`account` string, `usage_date` string)
STORED AS PARQUET
LOCATION 's3://bucket/lake/many/'
TBLPROPERTIES (
  'projection.enabled' = 'true',
  'projection.account.type' = 'injected',
  'projection.usage_date.type' = 'date',
  'projection.usage_date.format' = 'yyyy-MM-dd',
  'projection.usage_date.range' = '2026-11-05,NOW',
  'projection.usage_date.interval' = '1',
  'projection.usage_date.interval.unit' = 'DAYS',
  'storage.location.template' = 's3://bucket/lake/many/account=${account}/usage_date=${usage_date}/'
);

CREATE EXTERNAL TABLE IF NOT EXISTS `empty` (
  `period_start` timestamp COMMENT 'Start of the UTC hour the costs belong to. HOURLY tables only.',
  `estimated` boolean COMMENT 'True while AWS still calls the period an estimate; set per billing month, not per day.',
  `service` string COMMENT 'Dimension SERVICE. AWS service by its display name; names change over time.',
  `unblended_cost` decimal(38,12) COMMENT 'UnblendedCost: what was charged at the time of use. Exactly as answered, digit for digit.',
  `currency` string COMMENT 'Unit of the cost metrics, such as USD; one per answer.'
)
COMMENT 'One row per account, period_start, service; granularity HOURLY; metrics UnblendedCost; group_by ["DIMENSION:SERVICE"]. Never add it up with a table of another grouping.'
PARTITIONED BY (`account` string, `usage_date` string)
STORED AS PARQUET
LOCATION 's3://bucket/lake/empty/'
TBLPROPERTIES (
  'projection.enabled' = 'true',
  'projection.account.type' = 'enum',
  'projection.account.values' = '000000000000',
  'projection.usage_date.type' = 'date',
  'projection.usage_date.format' = 'yyyy-MM-dd',
  'projection.usage_date.range' = '2026-11-05,NOW',
  'projection.usage_date.interval' = '1',
  'projection.usage_date.interval.unit' = 'DAYS',
  'storage.location.template' = 's3://bucket/lake/empty/account=${account}/usage_date=${usage_date}/'
);
