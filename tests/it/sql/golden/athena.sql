CREATE EXTERNAL TABLE IF NOT EXISTS `hostile` (
  `usage_date` date COMMENT 'UTC day the costs belong to; the 1st of the month for MONTHLY. Not in HOURLY tables.',
  `estimated` boolean COMMENT 'True while AWS still calls the period an estimate; set per billing month, not per day.',
  `tag_bob_s_team` string COMMENT 'Value of a cost allocation tag; the empty string where a cost is untagged. (Bob\'s `team"; --)',
  `linked_account` string COMMENT 'Dimension LINKED_ACCOUNT. AWS account id, twelve digits with leading zeros.',
  `linked_account_name` string COMMENT 'Name of the account as of the read; not part of a row\'s identity, so a rename alone rewrites nothing.',
  `unblended_cost` decimal(38,12) COMMENT 'UnblendedCost: what was charged at the time of use. Exactly as answered, digit for digit.',
  `usage_quantity` decimal(38,12) COMMENT 'UsageQuantity: meaningful only within one unit. Exactly as answered, digit for digit.',
  `currency` string COMMENT 'Unit of the cost metrics, such as USD; one per answer.',
  `usage_quantity_unit` string COMMENT 'Unit of usage_quantity; N/A where a group mixes units.'
)
COMMENT 'it\'s "quoted" `ticked` \\ ; -- DROP TABLE costs; /* */ ${partition}\nand goes on. One row per usage_date, tag_bob_s_team, linked_account; granularity DAILY; metrics UnblendedCost,UsageQuantity; group_by ["TAG:Bob\'s `team\\"; --","DIMENSION:LINKED_ACCOUNT"]; filter {"Tags":{"Key":"a\'b\\\\","Values":["\');--"]}}. Never add it up with a table of another grouping.'
PARTITIONED BY (`billing_period` string)
STORED AS PARQUET
LOCATION 's3://bucket/it\'s/${here}/hostile/'
TBLPROPERTIES (
  'projection.enabled' = 'true',
  'projection.billing_period.type' = 'date',
  'projection.billing_period.format' = 'yyyy-MM',
  'projection.billing_period.range' = '2025-11,NOW',
  'projection.billing_period.interval' = '1',
  'projection.billing_period.interval.unit' = 'MONTHS',
  'storage.location.template' = 's3://bucket/it\'s/${here}/hostile/billing_period=${billing_period}/'
);

CREATE EXTERNAL TABLE IF NOT EXISTS `hourly` (
  `period_start` timestamp COMMENT 'Start of the UTC hour the costs belong to. HOURLY tables only.',
  `estimated` boolean COMMENT 'True while AWS still calls the period an estimate; set per billing month, not per day.',
  `service` string COMMENT 'Dimension SERVICE. AWS service by its display name; names change over time.',
  `unblended_cost` decimal(38,12) COMMENT 'UnblendedCost: what was charged at the time of use. Exactly as answered, digit for digit.',
  `currency` string COMMENT 'Unit of the cost metrics, such as USD; one per answer.'
)
COMMENT 'One row per period_start, service; granularity HOURLY; metrics UnblendedCost; group_by ["DIMENSION:SERVICE"]. Never add it up with a table of another grouping.'
PARTITIONED BY (`usage_date` string)
STORED AS PARQUET
LOCATION 's3://bucket/it\'s/${here}/hourly/'
TBLPROPERTIES (
  'projection.enabled' = 'true',
  'projection.usage_date.type' = 'date',
  'projection.usage_date.format' = 'yyyy-MM-dd',
  'projection.usage_date.range' = '2026-11-05,NOW',
  'projection.usage_date.interval' = '1',
  'projection.usage_date.interval.unit' = 'DAYS',
  'storage.location.template' = 's3://bucket/it\'s/${here}/hourly/usage_date=${usage_date}/'
);

CREATE EXTERNAL TABLE IF NOT EXISTS `commitments` (
  `usage_date` date COMMENT 'UTC day the list was asked for: the request\'s start, its end being the next midnight.',
  `provider` string COMMENT 'Cloud provider as the job\'s query writes it, such as aws or azure.',
  `product` string COMMENT 'Cloud product as the job\'s query writes it, such as ec2, rds or virtualmachines.',
  `commitment_type` string COMMENT 'Type of commitment as the job\'s query writes it: ri for Reserved Instances, sp for Savings Plans.',
  `commitment_id` string COMMENT 'Identifier of the commitment: an id, an ARN or an Azure resource path. Once per day and query.',
  `instance_type` string COMMENT 'Instance type, such as m5.xlarge, db.m5.xlarge, cache.m5.xlarge or Standard_D4s_v3. Reserved Instances only.',
  `region` string COMMENT 'Cloud region, such as us-east-1 or eastus. Reserved Instances only.',
  `purchase_option` string COMMENT 'Payment option, such as All Upfront. AWS only.',
  `offering_class` string COMMENT 'Offering class, such as standard. EC2 Reserved Instances only.',
  `operating_system` string COMMENT 'Operating system, such as Linux. EC2 Reserved Instances only.',
  `database_engine` string COMMENT 'Database engine, such as MySQL. RDS Reserved Instances only.',
  `is_multi_az` boolean COMMENT 'Whether the Reserved Instance is Multi-AZ; null where the API does not say. RDS Reserved Instances only.',
  `cache_engine` string COMMENT 'Cache engine, such as Redis. ElastiCache reserved nodes only.',
  `savings_plan_type` string COMMENT 'Type of Savings Plan, such as ComputeSavingsPlans. AWS Savings Plans only.',
  `benefit_name` string COMMENT 'Display name of the reservation or Savings Plan. Azure only.',
  `meter_sub_category` string COMMENT 'Azure meter sub-category, such as D4s v3. Azure VM reservations only.',
  `status` string COMMENT 'State of the reservation: running, expired, cancelled; an open set. Azure VM reservations only.',
  `availability_zone` string COMMENT 'Availability zone of a zonal reservation. EC2 Reserved Instances only.',
  `number_of_nfus` double COMMENT 'Normalized capacity units. AWS Reserved Instances only.',
  `number_of_reservations` double COMMENT 'Reserved instances in the commitment. AWS Reserved Instances only.',
  `committed_spend_per_hour` double COMMENT 'Committed spend per hour in committed_spend_unit. Savings Plans only.',
  `start_date` string COMMENT 'Start of the commitment, the API\'s text as it came, such as 2023-01-01T00:00:00Z; its format is not promised.',
  `expiration_date` string COMMENT 'Expiry of the commitment, the API\'s text as it came; its format is not promised.',
  `term_length` double COMMENT 'Term in years.',
  `utilization` double COMMENT 'Utilization as it came: a ratio, 0.85 for 85 percent.',
  `committed_spend_unit` string COMMENT 'Name of the unit of committed_spend_per_hour, such as dollar, or 0.01 dollar where the answer gives it another scale than its own; null when the answer has none.',
  `extra` string COMMENT 'JSON object of the fields that have no column or do not fit theirs, keys sorted; null when there are none.'
)
COMMENT 'One row per usage_date, provider, product, commitment_type, commitment_id. Never add it up with a table of another grouping.'
PARTITIONED BY (`billing_period` string)
STORED AS PARQUET
LOCATION 's3://bucket/it\'s/${here}/commitments/'
TBLPROPERTIES (
  'projection.enabled' = 'true',
  'projection.billing_period.type' = 'date',
  'projection.billing_period.format' = 'yyyy-MM',
  'projection.billing_period.range' = '2025-11,NOW',
  'projection.billing_period.interval' = '1',
  'projection.billing_period.interval.unit' = 'MONTHS',
  'storage.location.template' = 's3://bucket/it\'s/${here}/commitments/billing_period=${billing_period}/'
);
