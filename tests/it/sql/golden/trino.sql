CREATE TABLE IF NOT EXISTS "hostile" (
  "usage_date" date COMMENT 'UTC day the costs belong to; the 1st of the month for MONTHLY. Not in HOURLY tables.',
  "estimated" boolean COMMENT 'True while AWS still calls the period an estimate; set per billing month, not per day.',
  "tag_bob_s_team" varchar COMMENT 'Value of a cost allocation tag; the empty string where a cost is untagged. (Bob''s `team"; --)',
  "linked_account" varchar COMMENT 'Dimension LINKED_ACCOUNT. AWS account id, twelve digits with leading zeros.',
  "linked_account_name" varchar COMMENT 'Name of the account as of the read; not part of a row''s identity, so a rename alone rewrites nothing.',
  "unblended_cost" decimal(38,12) COMMENT 'UnblendedCost: what was charged at the time of use. Exactly as answered, digit for digit.',
  "usage_quantity" decimal(38,12) COMMENT 'UsageQuantity: meaningful only within one unit. Exactly as answered, digit for digit.',
  "currency" varchar COMMENT 'Unit of the cost metrics, such as USD; one per answer.',
  "usage_quantity_unit" varchar COMMENT 'Unit of usage_quantity; N/A where a group mixes units.',
  "billing_period" varchar WITH (
    partition_projection_type = 'DATE',
    partition_projection_format = 'yyyy-MM',
    partition_projection_range = ARRAY['2025-11', 'NOW'],
    partition_projection_interval = 1,
    partition_projection_interval_unit = 'MONTHS'
  )
)
COMMENT 'it''s "quoted" `ticked` \ ; -- DROP TABLE costs; /* */ ${partition}
and goes on. One row per usage_date, tag_bob_s_team, linked_account; granularity DAILY; metrics UnblendedCost,UsageQuantity; group_by ["TAG:Bob''s `team\"; --","DIMENSION:LINKED_ACCOUNT"]; filter {"Tags":{"Key":"a''b\\","Values":["'');--"]}}. Never add it up with a table of another grouping.'
WITH (
  external_location = 's3://bucket/it''s/${here}/hostile/',
  format = 'PARQUET',
  partitioned_by = ARRAY['billing_period'],
  partition_projection_enabled = true,
  partition_projection_location_template = 's3://bucket/it''s/${here}/hostile/billing_period=${billing_period}/'
);

CREATE TABLE IF NOT EXISTS "hourly" (
  "period_start" timestamp(3) COMMENT 'Start of the UTC hour the costs belong to. HOURLY tables only.',
  "estimated" boolean COMMENT 'True while AWS still calls the period an estimate; set per billing month, not per day.',
  "service" varchar COMMENT 'Dimension SERVICE. AWS service by its display name; names change over time.',
  "unblended_cost" decimal(38,12) COMMENT 'UnblendedCost: what was charged at the time of use. Exactly as answered, digit for digit.',
  "currency" varchar COMMENT 'Unit of the cost metrics, such as USD; one per answer.',
  "usage_date" varchar WITH (
    partition_projection_type = 'DATE',
    partition_projection_format = 'yyyy-MM-dd',
    partition_projection_range = ARRAY['2026-11-05', 'NOW'],
    partition_projection_interval = 1,
    partition_projection_interval_unit = 'DAYS'
  )
)
COMMENT 'One row per period_start, service; granularity HOURLY; metrics UnblendedCost; group_by ["DIMENSION:SERVICE"]. Never add it up with a table of another grouping.'
WITH (
  external_location = 's3://bucket/it''s/${here}/hourly/',
  format = 'PARQUET',
  partitioned_by = ARRAY['usage_date'],
  partition_projection_enabled = true,
  partition_projection_location_template = 's3://bucket/it''s/${here}/hourly/usage_date=${usage_date}/'
);

CREATE TABLE IF NOT EXISTS "commitments" (
  "usage_date" date COMMENT 'UTC day the list was asked for: the request''s start, its end being the next midnight.',
  "provider" varchar COMMENT 'Cloud provider as the job''s query writes it, such as aws or azure.',
  "product" varchar COMMENT 'Cloud product as the job''s query writes it, such as ec2, rds or virtualmachines.',
  "commitment_type" varchar COMMENT 'Type of commitment as the job''s query writes it: ri for Reserved Instances, sp for Savings Plans.',
  "commitment_id" varchar COMMENT 'Identifier of the commitment: an id, an ARN or an Azure resource path. Once per day and query.',
  "instance_type" varchar COMMENT 'Instance type, such as m5.xlarge, db.m5.xlarge, cache.m5.xlarge or Standard_D4s_v3. Reserved Instances only.',
  "region" varchar COMMENT 'Cloud region, such as us-east-1 or eastus. Reserved Instances only.',
  "purchase_option" varchar COMMENT 'Payment option, such as All Upfront. AWS only.',
  "offering_class" varchar COMMENT 'Offering class, such as standard. EC2 Reserved Instances only.',
  "operating_system" varchar COMMENT 'Operating system, such as Linux. EC2 Reserved Instances only.',
  "database_engine" varchar COMMENT 'Database engine, such as MySQL. RDS Reserved Instances only.',
  "is_multi_az" boolean COMMENT 'Whether the Reserved Instance is Multi-AZ; null where the API does not say. RDS Reserved Instances only.',
  "cache_engine" varchar COMMENT 'Cache engine, such as Redis. ElastiCache reserved nodes only.',
  "savings_plan_type" varchar COMMENT 'Type of Savings Plan, such as ComputeSavingsPlans. AWS Savings Plans only.',
  "benefit_name" varchar COMMENT 'Display name of the reservation or Savings Plan. Azure only.',
  "meter_sub_category" varchar COMMENT 'Azure meter sub-category, such as D4s v3. Azure VM reservations only.',
  "status" varchar COMMENT 'State of the reservation: running, expired, cancelled; an open set. Azure VM reservations only.',
  "availability_zone" varchar COMMENT 'Availability zone of a zonal reservation. EC2 Reserved Instances only.',
  "number_of_nfus" double COMMENT 'Normalized capacity units. AWS Reserved Instances only.',
  "number_of_reservations" double COMMENT 'Reserved instances in the commitment. AWS Reserved Instances only.',
  "committed_spend_per_hour" double COMMENT 'Committed spend per hour in committed_spend_unit. Savings Plans only.',
  "start_date" varchar COMMENT 'Start of the commitment, the API''s text as it came, such as 2023-01-01T00:00:00Z; its format is not promised.',
  "expiration_date" varchar COMMENT 'Expiry of the commitment, the API''s text as it came; its format is not promised.',
  "term_length" double COMMENT 'Term in years.',
  "utilization" double COMMENT 'Utilization as it came: a ratio, 0.85 for 85 percent.',
  "committed_spend_unit" varchar COMMENT 'Name of the unit of committed_spend_per_hour, such as dollar, or 0.01 dollar where the answer gives it another scale than its own; null when the answer has none.',
  "extra" varchar COMMENT 'JSON object of the fields that have no column or do not fit theirs, keys sorted; null when there are none.',
  "billing_period" varchar WITH (
    partition_projection_type = 'DATE',
    partition_projection_format = 'yyyy-MM',
    partition_projection_range = ARRAY['2025-11', 'NOW'],
    partition_projection_interval = 1,
    partition_projection_interval_unit = 'MONTHS'
  )
)
COMMENT 'One row per usage_date, provider, product, commitment_type, commitment_id. Never add it up with a table of another grouping.'
WITH (
  external_location = 's3://bucket/it''s/${here}/commitments/',
  format = 'PARQUET',
  partitioned_by = ARRAY['billing_period'],
  partition_projection_enabled = true,
  partition_projection_location_template = 's3://bucket/it''s/${here}/commitments/billing_period=${billing_period}/'
);
