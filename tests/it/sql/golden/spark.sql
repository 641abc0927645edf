CREATE OR REPLACE TEMPORARY VIEW `hostile` (
  `usage_date` date COMMENT 'UTC day the costs belong to; the 1st of the month for MONTHLY. Not in HOURLY tables.',
  `estimated` boolean COMMENT 'True while AWS still calls the period an estimate; set per billing month, not per day.',
  `tag_bob_s_team` string COMMENT 'Value of a cost allocation tag; the empty string where a cost is untagged. (Bob\'s `team"; --)',
  `linked_account` string COMMENT 'Dimension LINKED_ACCOUNT. AWS account id, twelve digits with leading zeros.',
  `linked_account_name` string COMMENT 'Name of the account as of the read; not part of a row\'s identity, so a rename alone rewrites nothing.',
  `unblended_cost` decimal(38,12) COMMENT 'UnblendedCost: what was charged at the time of use. Exactly as answered, digit for digit.',
  `usage_quantity` decimal(38,12) COMMENT 'UsageQuantity: meaningful only within one unit. Exactly as answered, digit for digit.',
  `currency` string COMMENT 'Unit of the cost metrics, such as USD; one per answer.',
  `usage_quantity_unit` string COMMENT 'Unit of usage_quantity; N/A where a group mixes units.',
  `billing_period` string COMMENT 'partition of the lake'
)
USING parquet
OPTIONS (path 's3a://bucket/it\'s/$\\{here\\}/hostile');

CREATE OR REPLACE TEMPORARY VIEW `hourly` (
  `period_start` timestamp COMMENT 'Start of the UTC hour the costs belong to. HOURLY tables only.',
  `estimated` boolean COMMENT 'True while AWS still calls the period an estimate; set per billing month, not per day.',
  `service` string COMMENT 'Dimension SERVICE. AWS service by its display name; names change over time.',
  `unblended_cost` decimal(38,12) COMMENT 'UnblendedCost: what was charged at the time of use. Exactly as answered, digit for digit.',
  `currency` string COMMENT 'Unit of the cost metrics, such as USD; one per answer.',
  `usage_date` string COMMENT 'partition of the lake'
)
USING parquet
OPTIONS (path 's3a://bucket/it\'s/$\\{here\\}/hourly');

CREATE OR REPLACE TEMPORARY VIEW `commitments` AS
  SELECT CAST(NULL AS date) AS `usage_date`, CAST(NULL AS string) AS `provider`, CAST(NULL AS string) AS `product`, CAST(NULL AS string) AS `commitment_type`, CAST(NULL AS string) AS `commitment_id`, CAST(NULL AS string) AS `instance_type`, CAST(NULL AS string) AS `region`, CAST(NULL AS string) AS `purchase_option`, CAST(NULL AS string) AS `offering_class`, CAST(NULL AS string) AS `operating_system`, CAST(NULL AS string) AS `database_engine`, CAST(NULL AS boolean) AS `is_multi_az`, CAST(NULL AS string) AS `cache_engine`, CAST(NULL AS string) AS `savings_plan_type`, CAST(NULL AS string) AS `benefit_name`, CAST(NULL AS string) AS `meter_sub_category`, CAST(NULL AS string) AS `status`, CAST(NULL AS string) AS `availability_zone`, CAST(NULL AS double) AS `number_of_nfus`, CAST(NULL AS double) AS `number_of_reservations`, CAST(NULL AS double) AS `committed_spend_per_hour`, CAST(NULL AS string) AS `start_date`, CAST(NULL AS string) AS `expiration_date`, CAST(NULL AS double) AS `term_length`, CAST(NULL AS double) AS `utilization`, CAST(NULL AS string) AS `committed_spend_unit`, CAST(NULL AS string) AS `extra`, CAST(NULL AS string) AS `billing_period` WHERE false;
