CREATE OR REPLACE VIEW `hostile` (
  `usage_date` Nullable(Date32) COMMENT 'UTC day the costs belong to; the 1st of the month for MONTHLY. Not in HOURLY tables.',
  `estimated` Nullable(Bool) COMMENT 'True while AWS still calls the period an estimate; set per billing month, not per day.',
  `tag_bob_s_team` Nullable(String) COMMENT 'Value of a cost allocation tag; the empty string where a cost is untagged. (Bob\'s `team"; --)',
  `linked_account` Nullable(String) COMMENT 'Dimension LINKED_ACCOUNT. AWS account id, twelve digits with leading zeros.',
  `linked_account_name` Nullable(String) COMMENT 'Name of the account as of the read; not part of a row\'s identity, so a rename alone rewrites nothing.',
  `unblended_cost` Nullable(Decimal(38, 12)) COMMENT 'UnblendedCost: what was charged at the time of use. Exactly as answered, digit for digit.',
  `usage_quantity` Nullable(Decimal(38, 12)) COMMENT 'UsageQuantity: meaningful only within one unit. Exactly as answered, digit for digit.',
  `currency` Nullable(String) COMMENT 'Unit of the cost metrics, such as USD; one per answer.',
  `usage_quantity_unit` Nullable(String) COMMENT 'Unit of usage_quantity; N/A where a group mixes units.',
  `billing_period` Nullable(String) COMMENT 'partition of the lake'
) AS
SELECT *, splitByChar('=', splitByChar('/', _path)[-2])[2] AS `billing_period`
FROM s3('s3://bucket/it\'s/$here/hostile/*/data.parquet', 'Parquet', '`usage_date` Nullable(Date32), `estimated` Nullable(Bool), `tag_bob_s_team` Nullable(String), `linked_account` Nullable(String), `linked_account_name` Nullable(String), `unblended_cost` Nullable(Decimal(38, 12)), `usage_quantity` Nullable(Decimal(38, 12)), `currency` Nullable(String), `usage_quantity_unit` Nullable(String)')
SETTINGS use_hive_partitioning = 0
COMMENT 'it\'s "quoted" `ticked` \\ ; -- DROP TABLE costs; /* */ ${partition}\nand goes on. One row per usage_date, tag_bob_s_team, linked_account; granularity DAILY; metrics UnblendedCost,UsageQuantity; group_by ["TAG:Bob\'s `team\\"; --","DIMENSION:LINKED_ACCOUNT"]; filter {"Tags":{"Key":"a\'b\\\\","Values":["\');--"]}}. Never add it up with a table of another grouping.';

CREATE OR REPLACE VIEW `hourly` (
  `period_start` Nullable(DateTime64(3, 'UTC')) COMMENT 'Start of the UTC hour the costs belong to. HOURLY tables only.',
  `estimated` Nullable(Bool) COMMENT 'True while AWS still calls the period an estimate; set per billing month, not per day.',
  `service` Nullable(String) COMMENT 'Dimension SERVICE. AWS service by its display name; names change over time.',
  `unblended_cost` Nullable(Decimal(38, 12)) COMMENT 'UnblendedCost: what was charged at the time of use. Exactly as answered, digit for digit.',
  `currency` Nullable(String) COMMENT 'Unit of the cost metrics, such as USD; one per answer.',
  `usage_date` Nullable(String) COMMENT 'partition of the lake'
) AS
SELECT *, splitByChar('=', splitByChar('/', _path)[-2])[2] AS `usage_date`
FROM s3('s3://bucket/it\'s/$here/hourly/*/data.parquet', 'Parquet', '`period_start` Nullable(DateTime64(3, \'UTC\')), `estimated` Nullable(Bool), `service` Nullable(String), `unblended_cost` Nullable(Decimal(38, 12)), `currency` Nullable(String)')
SETTINGS use_hive_partitioning = 0
COMMENT 'One row per period_start, service; granularity HOURLY; metrics UnblendedCost; group_by ["DIMENSION:SERVICE"]. Never add it up with a table of another grouping.';

CREATE OR REPLACE VIEW `commitments` (
  `usage_date` Nullable(Date32) COMMENT 'UTC day the list was asked for: the request\'s start, its end being the next midnight.',
  `provider` Nullable(String) COMMENT 'Cloud provider as the job\'s query writes it, such as aws or azure.',
  `product` Nullable(String) COMMENT 'Cloud product as the job\'s query writes it, such as ec2, rds or virtualmachines.',
  `commitment_type` Nullable(String) COMMENT 'Type of commitment as the job\'s query writes it: ri for Reserved Instances, sp for Savings Plans.',
  `commitment_id` Nullable(String) COMMENT 'Identifier of the commitment: an id, an ARN or an Azure resource path. Once per day and query.',
  `instance_type` Nullable(String) COMMENT 'Instance type, such as m5.xlarge, db.m5.xlarge, cache.m5.xlarge or Standard_D4s_v3. Reserved Instances only.',
  `region` Nullable(String) COMMENT 'Cloud region, such as us-east-1 or eastus. Reserved Instances only.',
  `purchase_option` Nullable(String) COMMENT 'Payment option, such as All Upfront. AWS only.',
  `offering_class` Nullable(String) COMMENT 'Offering class, such as standard. EC2 Reserved Instances only.',
  `operating_system` Nullable(String) COMMENT 'Operating system, such as Linux. EC2 Reserved Instances only.',
  `database_engine` Nullable(String) COMMENT 'Database engine, such as MySQL. RDS Reserved Instances only.',
  `is_multi_az` Nullable(Bool) COMMENT 'Whether the Reserved Instance is Multi-AZ; null where the API does not say. RDS Reserved Instances only.',
  `cache_engine` Nullable(String) COMMENT 'Cache engine, such as Redis. ElastiCache reserved nodes only.',
  `savings_plan_type` Nullable(String) COMMENT 'Type of Savings Plan, such as ComputeSavingsPlans. AWS Savings Plans only.',
  `benefit_name` Nullable(String) COMMENT 'Display name of the reservation or Savings Plan. Azure only.',
  `meter_sub_category` Nullable(String) COMMENT 'Azure meter sub-category, such as D4s v3. Azure VM reservations only.',
  `status` Nullable(String) COMMENT 'State of the reservation: running, expired, cancelled; an open set. Azure VM reservations only.',
  `availability_zone` Nullable(String) COMMENT 'Availability zone of a zonal reservation. EC2 Reserved Instances only.',
  `number_of_nfus` Nullable(Float64) COMMENT 'Normalized capacity units. AWS Reserved Instances only.',
  `number_of_reservations` Nullable(Float64) COMMENT 'Reserved instances in the commitment. AWS Reserved Instances only.',
  `committed_spend_per_hour` Nullable(Float64) COMMENT 'Committed spend per hour in committed_spend_unit. Savings Plans only.',
  `start_date` Nullable(String) COMMENT 'Start of the commitment, the API\'s text as it came, such as 2023-01-01T00:00:00Z; its format is not promised.',
  `expiration_date` Nullable(String) COMMENT 'Expiry of the commitment, the API\'s text as it came; its format is not promised.',
  `term_length` Nullable(Float64) COMMENT 'Term in years.',
  `utilization` Nullable(Float64) COMMENT 'Utilization as it came: a ratio, 0.85 for 85 percent.',
  `committed_spend_unit` Nullable(String) COMMENT 'Name of the unit of committed_spend_per_hour, such as dollar, or 0.01 dollar where the answer gives it another scale than its own; null when the answer has none.',
  `extra` Nullable(String) COMMENT 'JSON object of the fields that have no column or do not fit theirs, keys sorted; null when there are none.',
  `billing_period` Nullable(String) COMMENT 'partition of the lake'
) AS
SELECT CAST(NULL AS Nullable(Date32)) AS `usage_date`, CAST(NULL AS Nullable(String)) AS `provider`, CAST(NULL AS Nullable(String)) AS `product`, CAST(NULL AS Nullable(String)) AS `commitment_type`, CAST(NULL AS Nullable(String)) AS `commitment_id`, CAST(NULL AS Nullable(String)) AS `instance_type`, CAST(NULL AS Nullable(String)) AS `region`, CAST(NULL AS Nullable(String)) AS `purchase_option`, CAST(NULL AS Nullable(String)) AS `offering_class`, CAST(NULL AS Nullable(String)) AS `operating_system`, CAST(NULL AS Nullable(String)) AS `database_engine`, CAST(NULL AS Nullable(Bool)) AS `is_multi_az`, CAST(NULL AS Nullable(String)) AS `cache_engine`, CAST(NULL AS Nullable(String)) AS `savings_plan_type`, CAST(NULL AS Nullable(String)) AS `benefit_name`, CAST(NULL AS Nullable(String)) AS `meter_sub_category`, CAST(NULL AS Nullable(String)) AS `status`, CAST(NULL AS Nullable(String)) AS `availability_zone`, CAST(NULL AS Nullable(Float64)) AS `number_of_nfus`, CAST(NULL AS Nullable(Float64)) AS `number_of_reservations`, CAST(NULL AS Nullable(Float64)) AS `committed_spend_per_hour`, CAST(NULL AS Nullable(String)) AS `start_date`, CAST(NULL AS Nullable(String)) AS `expiration_date`, CAST(NULL AS Nullable(Float64)) AS `term_length`, CAST(NULL AS Nullable(Float64)) AS `utilization`, CAST(NULL AS Nullable(String)) AS `committed_spend_unit`, CAST(NULL AS Nullable(String)) AS `extra`, CAST(NULL AS Nullable(String)) AS `billing_period` WHERE false
COMMENT 'One row per usage_date, provider, product, commitment_type, commitment_id. Never add it up with a table of another grouping.';
