CREATE OR REPLACE VIEW "hostile" AS
  SELECT CAST(NULL AS date) AS "usage_date", CAST(NULL AS boolean) AS "estimated", CAST(NULL AS varchar) AS "tag_bob_s_team", CAST(NULL AS varchar) AS "linked_account", CAST(NULL AS varchar) AS "linked_account_name", CAST(NULL AS decimal(38,12)) AS "unblended_cost", CAST(NULL AS decimal(38,12)) AS "usage_quantity", CAST(NULL AS varchar) AS "currency", CAST(NULL AS varchar) AS "usage_quantity_unit", CAST(NULL AS varchar) AS "billing_period" WHERE false
  UNION ALL BY NAME
  SELECT * EXCLUDE ("costlake file"), split_part(string_split("costlake file", '/')[-2], '=', 2) AS "billing_period"
  FROM read_parquet('/lakes/it''s "here"/hostile/*/data.parquet', union_by_name = true, hive_partitioning = false, filename = 'costlake file');
COMMENT ON VIEW "hostile" IS 'it''s "quoted" `ticked` \ ; -- DROP TABLE costs; /* */ ${partition}
and goes on. One row per usage_date, tag_bob_s_team, linked_account; granularity DAILY; metrics UnblendedCost,UsageQuantity; group_by ["TAG:Bob''s `team\"; --","DIMENSION:LINKED_ACCOUNT"]; filter {"Tags":{"Key":"a''b\\","Values":["'');--"]}}. Never add it up with a table of another grouping.';
COMMENT ON COLUMN "hostile"."usage_date" IS 'UTC day the costs belong to; the 1st of the month for MONTHLY. Not in HOURLY tables.';
COMMENT ON COLUMN "hostile"."estimated" IS 'True while AWS still calls the period an estimate; set per billing month, not per day.';
COMMENT ON COLUMN "hostile"."tag_bob_s_team" IS 'Value of a cost allocation tag; the empty string where a cost is untagged. (Bob''s `team"; --)';
COMMENT ON COLUMN "hostile"."linked_account" IS 'Dimension LINKED_ACCOUNT. AWS account id, twelve digits with leading zeros.';
COMMENT ON COLUMN "hostile"."linked_account_name" IS 'Name of the account as of the read; not part of a row''s identity, so a rename alone rewrites nothing.';
COMMENT ON COLUMN "hostile"."unblended_cost" IS 'UnblendedCost: what was charged at the time of use. Exactly as answered, digit for digit.';
COMMENT ON COLUMN "hostile"."usage_quantity" IS 'UsageQuantity: meaningful only within one unit. Exactly as answered, digit for digit.';
COMMENT ON COLUMN "hostile"."currency" IS 'Unit of the cost metrics, such as USD; one per answer.';
COMMENT ON COLUMN "hostile"."usage_quantity_unit" IS 'Unit of usage_quantity; N/A where a group mixes units.';

CREATE OR REPLACE VIEW "hourly" AS
  SELECT CAST(NULL AS timestamp with time zone) AS "period_start", CAST(NULL AS boolean) AS "estimated", CAST(NULL AS varchar) AS "service", CAST(NULL AS decimal(38,12)) AS "unblended_cost", CAST(NULL AS varchar) AS "currency", CAST(NULL AS varchar) AS "usage_date" WHERE false
  UNION ALL BY NAME
  SELECT * EXCLUDE ("costlake file"), split_part(string_split("costlake file", '/')[-2], '=', 2) AS "usage_date"
  FROM read_parquet('/lakes/it''s "here"/hourly/*/data.parquet', union_by_name = true, hive_partitioning = false, filename = 'costlake file');
COMMENT ON VIEW "hourly" IS 'One row per period_start, service; granularity HOURLY; metrics UnblendedCost; group_by ["DIMENSION:SERVICE"]. Never add it up with a table of another grouping.';
COMMENT ON COLUMN "hourly"."period_start" IS 'Start of the UTC hour the costs belong to. HOURLY tables only.';
COMMENT ON COLUMN "hourly"."estimated" IS 'True while AWS still calls the period an estimate; set per billing month, not per day.';
COMMENT ON COLUMN "hourly"."service" IS 'Dimension SERVICE. AWS service by its display name; names change over time.';
COMMENT ON COLUMN "hourly"."unblended_cost" IS 'UnblendedCost: what was charged at the time of use. Exactly as answered, digit for digit.';
COMMENT ON COLUMN "hourly"."currency" IS 'Unit of the cost metrics, such as USD; one per answer.';

CREATE OR REPLACE VIEW "commitments" AS
  SELECT CAST(NULL AS date) AS "usage_date", CAST(NULL AS varchar) AS "provider", CAST(NULL AS varchar) AS "product", CAST(NULL AS varchar) AS "commitment_type", CAST(NULL AS varchar) AS "commitment_id", CAST(NULL AS varchar) AS "instance_type", CAST(NULL AS varchar) AS "region", CAST(NULL AS varchar) AS "purchase_option", CAST(NULL AS varchar) AS "offering_class", CAST(NULL AS varchar) AS "operating_system", CAST(NULL AS varchar) AS "database_engine", CAST(NULL AS boolean) AS "is_multi_az", CAST(NULL AS varchar) AS "cache_engine", CAST(NULL AS varchar) AS "savings_plan_type", CAST(NULL AS varchar) AS "benefit_name", CAST(NULL AS varchar) AS "meter_sub_category", CAST(NULL AS varchar) AS "status", CAST(NULL AS varchar) AS "availability_zone", CAST(NULL AS double) AS "number_of_nfus", CAST(NULL AS double) AS "number_of_reservations", CAST(NULL AS double) AS "committed_spend_per_hour", CAST(NULL AS varchar) AS "start_date", CAST(NULL AS varchar) AS "expiration_date", CAST(NULL AS double) AS "term_length", CAST(NULL AS double) AS "utilization", CAST(NULL AS varchar) AS "committed_spend_unit", CAST(NULL AS varchar) AS "extra", CAST(NULL AS varchar) AS "billing_period" WHERE false;
COMMENT ON VIEW "commitments" IS 'One row per usage_date, provider, product, commitment_type, commitment_id. Never add it up with a table of another grouping.';
COMMENT ON COLUMN "commitments"."usage_date" IS 'UTC day the list was asked for: the request''s start, its end being the next midnight.';
COMMENT ON COLUMN "commitments"."provider" IS 'Cloud provider as the job''s query writes it, such as aws or azure.';
COMMENT ON COLUMN "commitments"."product" IS 'Cloud product as the job''s query writes it, such as ec2, rds or virtualmachines.';
COMMENT ON COLUMN "commitments"."commitment_type" IS 'Type of commitment as the job''s query writes it: ri for Reserved Instances, sp for Savings Plans.';
COMMENT ON COLUMN "commitments"."commitment_id" IS 'Identifier of the commitment: an id, an ARN or an Azure resource path. Once per day and query.';
COMMENT ON COLUMN "commitments"."instance_type" IS 'Instance type, such as m5.xlarge, db.m5.xlarge, cache.m5.xlarge or Standard_D4s_v3. Reserved Instances only.';
COMMENT ON COLUMN "commitments"."region" IS 'Cloud region, such as us-east-1 or eastus. Reserved Instances only.';
COMMENT ON COLUMN "commitments"."purchase_option" IS 'Payment option, such as All Upfront. AWS only.';
COMMENT ON COLUMN "commitments"."offering_class" IS 'Offering class, such as standard. EC2 Reserved Instances only.';
COMMENT ON COLUMN "commitments"."operating_system" IS 'Operating system, such as Linux. EC2 Reserved Instances only.';
COMMENT ON COLUMN "commitments"."database_engine" IS 'Database engine, such as MySQL. RDS Reserved Instances only.';
COMMENT ON COLUMN "commitments"."is_multi_az" IS 'Whether the Reserved Instance is Multi-AZ; null where the API does not say. RDS Reserved Instances only.';
COMMENT ON COLUMN "commitments"."cache_engine" IS 'Cache engine, such as Redis. ElastiCache reserved nodes only.';
COMMENT ON COLUMN "commitments"."savings_plan_type" IS 'Type of Savings Plan, such as ComputeSavingsPlans. AWS Savings Plans only.';
COMMENT ON COLUMN "commitments"."benefit_name" IS 'Display name of the reservation or Savings Plan. Azure only.';
COMMENT ON COLUMN "commitments"."meter_sub_category" IS 'Azure meter sub-category, such as D4s v3. Azure VM reservations only.';
COMMENT ON COLUMN "commitments"."status" IS 'State of the reservation: running, expired, cancelled; an open set. Azure VM reservations only.';
COMMENT ON COLUMN "commitments"."availability_zone" IS 'Availability zone of a zonal reservation. EC2 Reserved Instances only.';
COMMENT ON COLUMN "commitments"."number_of_nfus" IS 'Normalized capacity units. AWS Reserved Instances only.';
COMMENT ON COLUMN "commitments"."number_of_reservations" IS 'Reserved instances in the commitment. AWS Reserved Instances only.';
COMMENT ON COLUMN "commitments"."committed_spend_per_hour" IS 'Committed spend per hour in committed_spend_unit. Savings Plans only.';
COMMENT ON COLUMN "commitments"."start_date" IS 'Start of the commitment, the API''s text as it came, such as 2023-01-01T00:00:00Z; its format is not promised.';
COMMENT ON COLUMN "commitments"."expiration_date" IS 'Expiry of the commitment, the API''s text as it came; its format is not promised.';
COMMENT ON COLUMN "commitments"."term_length" IS 'Term in years.';
COMMENT ON COLUMN "commitments"."utilization" IS 'Utilization as it came: a ratio, 0.85 for 85 percent.';
COMMENT ON COLUMN "commitments"."committed_spend_unit" IS 'Name of the unit of committed_spend_per_hour, such as dollar, or 0.01 dollar where the answer gives it another scale than its own; null when the answer has none.';
COMMENT ON COLUMN "commitments"."extra" IS 'JSON object of the fields that have no column or do not fit theirs, keys sorted; null when there are none.';
