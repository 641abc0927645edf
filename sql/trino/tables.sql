-- Every table: its source, what its rows are by, its filter and account, and which columns may be added up over rows:
-- money of one currency, quantities only within one unit, savings only within one unit and series. Never add up tables of
-- different groupings.
CREATE OR REPLACE VIEW "costlake_tables" AS
SELECT 'aws_ai_cost_by_model' AS "table_name", 'aws_cost_and_usage' AS "source", 'DAILY' AS "granularity", 'product_attribute_model, product_attribute_inferencetype' AS "grouping_columns", CAST(NULL AS varchar) AS "filter", CAST(NULL AS varchar) AS "account", 'unblended_cost, public_on_demand_cost' AS "adds_up", 'usage_quantity' AS "adds_up_within_one_unit", CAST(NULL AS varchar) AS "never_adds_up"
UNION ALL
SELECT 'aws_cost_by_account' AS "table_name", 'aws_cost_and_usage' AS "source", 'DAILY' AS "granularity", 'linked_account, record_type' AS "grouping_columns", CAST(NULL AS varchar) AS "filter", CAST(NULL AS varchar) AS "account", 'unblended_cost, amortized_cost' AS "adds_up", CAST(NULL AS varchar) AS "adds_up_within_one_unit", CAST(NULL AS varchar) AS "never_adds_up"
UNION ALL
SELECT 'aws_cost_by_service' AS "table_name", 'aws_cost_and_usage' AS "source", 'DAILY' AS "granularity", 'service, usage_type' AS "grouping_columns", CAST(NULL AS varchar) AS "filter", CAST(NULL AS varchar) AS "account", 'unblended_cost, amortized_cost, net_unblended_cost, net_amortized_cost' AS "adds_up", 'usage_quantity' AS "adds_up_within_one_unit", CAST(NULL AS varchar) AS "never_adds_up"
UNION ALL
SELECT 'aws_cost_by_team' AS "table_name", 'aws_cost_and_usage' AS "source", 'DAILY' AS "granularity", 'tag_team, service' AS "grouping_columns", '{"Not":{"Dimensions":{"Key":"RECORD_TYPE","Values":["Credit","Refund"]}}}' AS "filter", CAST(NULL AS varchar) AS "account", 'unblended_cost, amortized_cost' AS "adds_up", CAST(NULL AS varchar) AS "adds_up_within_one_unit", CAST(NULL AS varchar) AS "never_adds_up"
UNION ALL
SELECT 'aws_cost_monthly' AS "table_name", 'aws_cost_and_usage' AS "source", 'MONTHLY' AS "granularity", 'service' AS "grouping_columns", CAST(NULL AS varchar) AS "filter", CAST(NULL AS varchar) AS "account", 'unblended_cost, blended_cost, amortized_cost, net_unblended_cost, net_amortized_cost' AS "adds_up", CAST(NULL AS varchar) AS "adds_up_within_one_unit", CAST(NULL AS varchar) AS "never_adds_up"
UNION ALL
SELECT 'datadog_ccm_config' AS "table_name", 'datadog_ccm_config' AS "source", 'DAILY' AS "granularity", 'aws_account_id, aws_account_config_id, report_name, report_prefix, bucket_name' AS "grouping_columns", CAST(NULL AS varchar) AS "filter", CAST(NULL AS varchar) AS "account", CAST(NULL AS varchar) AS "adds_up", CAST(NULL AS varchar) AS "adds_up_within_one_unit", CAST(NULL AS varchar) AS "never_adds_up"
UNION ALL
SELECT 'datadog_commitments' AS "table_name", 'datadog_commitments' AS "source", 'DAILY' AS "granularity", 'provider, product, commitment_type, commitment_id' AS "grouping_columns", CAST(NULL AS varchar) AS "filter", CAST(NULL AS varchar) AS "account", CAST(NULL AS varchar) AS "adds_up", CAST(NULL AS varchar) AS "adds_up_within_one_unit", 'number_of_nfus, number_of_reservations, committed_spend_per_hour, term_length, utilization' AS "never_adds_up"
UNION ALL
SELECT 'datadog_savings' AS "table_name", 'datadog_savings' AS "source", 'DAILY' AS "granularity", 'provider, product, series' AS "grouping_columns", CAST(NULL AS varchar) AS "filter", CAST(NULL AS varchar) AS "account", CAST(NULL AS varchar) AS "adds_up", 'actual_cost, on_demand_equivalent_cost, realized_savings' AS "adds_up_within_one_unit", 'effective_savings_rate' AS "never_adds_up";
