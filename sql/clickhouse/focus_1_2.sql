-- The table under names of FOCUS 1.2, as far as Cost Explorer can fill them: a row is an aggregate and no charge, and
-- nothing here claims conformance. Everything FOCUS has no name for begins with x_.
CREATE OR REPLACE VIEW `aws_ai_cost_by_model_focus_1_2` AS
SELECT * FROM (
SELECT
  CAST(`usage_date` AS DateTime64(3, 'UTC')) AS `ChargePeriodStart`,
  CAST(`usage_date` AS DateTime64(3, 'UTC')) + INTERVAL '1' DAY AS `ChargePeriodEnd`,
  CAST(CAST(concat(substr(`billing_period`, 1, 7), '-01') AS date) AS DateTime64(3, 'UTC')) AS `BillingPeriodStart`,
  CAST(CAST(concat(substr(`billing_period`, 1, 7), '-01') AS date) AS DateTime64(3, 'UTC')) + INTERVAL '1' MONTH AS `BillingPeriodEnd`,
  `estimated` AS `x_Estimated`,
  `product_attribute_model` AS `x_ProductAttributeModel`,
  `product_attribute_inferencetype` AS `x_ProductAttributeInferencetype`,
  `unblended_cost` AS `BilledCost`,
  `public_on_demand_cost` AS `x_PublicOnDemandCost`,
  `usage_quantity` AS `x_UsageQuantity`,
  `currency` AS `BillingCurrency`,
  `usage_quantity_unit` AS `x_UsageQuantityUnit`
FROM `aws_ai_cost_by_model`
)
SETTINGS prefer_column_name_to_alias = 1, cast_keep_nullable = 1, join_use_nulls = 1;

-- The table under names of FOCUS 1.2, as far as Cost Explorer can fill them: a row is an aggregate and no charge, and
-- nothing here claims conformance. Everything FOCUS has no name for begins with x_.
CREATE OR REPLACE VIEW `aws_cost_by_account_focus_1_2` AS
SELECT * FROM (
SELECT
  CAST(`usage_date` AS DateTime64(3, 'UTC')) AS `ChargePeriodStart`,
  CAST(`usage_date` AS DateTime64(3, 'UTC')) + INTERVAL '1' DAY AS `ChargePeriodEnd`,
  CAST(CAST(concat(substr(`billing_period`, 1, 7), '-01') AS date) AS DateTime64(3, 'UTC')) AS `BillingPeriodStart`,
  CAST(CAST(concat(substr(`billing_period`, 1, 7), '-01') AS date) AS DateTime64(3, 'UTC')) + INTERVAL '1' MONTH AS `BillingPeriodEnd`,
  `estimated` AS `x_Estimated`,
  `linked_account` AS `SubAccountId`,
  CASE WHEN `record_type` IN ('Usage', 'DiscountedUsage', 'SavingsPlanCoveredUsage') THEN 'Usage' WHEN `record_type` IN ('RIFee', 'SavingsPlanRecurringFee', 'SavingsPlanUpfrontFee') THEN 'Purchase' WHEN `record_type` IN ('Tax') THEN 'Tax' WHEN `record_type` IN ('Credit') THEN 'Credit' END AS `ChargeCategory`,
  `record_type` AS `x_RecordType`,
  `linked_account_name` AS `SubAccountName`,
  `unblended_cost` AS `BilledCost`,
  `amortized_cost` AS `EffectiveCost`,
  `currency` AS `BillingCurrency`
FROM `aws_cost_by_account`
)
SETTINGS prefer_column_name_to_alias = 1, cast_keep_nullable = 1, join_use_nulls = 1;

-- The table under names of FOCUS 1.2, as far as Cost Explorer can fill them: a row is an aggregate and no charge, and
-- nothing here claims conformance. Everything FOCUS has no name for begins with x_.
CREATE OR REPLACE VIEW `aws_cost_by_service_focus_1_2` AS
SELECT * FROM (
SELECT
  CAST(`usage_date` AS DateTime64(3, 'UTC')) AS `ChargePeriodStart`,
  CAST(`usage_date` AS DateTime64(3, 'UTC')) + INTERVAL '1' DAY AS `ChargePeriodEnd`,
  CAST(CAST(concat(substr(`billing_period`, 1, 7), '-01') AS date) AS DateTime64(3, 'UTC')) AS `BillingPeriodStart`,
  CAST(CAST(concat(substr(`billing_period`, 1, 7), '-01') AS date) AS DateTime64(3, 'UTC')) + INTERVAL '1' MONTH AS `BillingPeriodEnd`,
  `estimated` AS `x_Estimated`,
  `service` AS `ServiceName`,
  `usage_type` AS `x_UsageType`,
  `unblended_cost` AS `BilledCost`,
  `amortized_cost` AS `EffectiveCost`,
  `net_unblended_cost` AS `x_NetUnblendedCost`,
  `net_amortized_cost` AS `x_NetAmortizedCost`,
  `usage_quantity` AS `x_UsageQuantity`,
  `currency` AS `BillingCurrency`,
  `usage_quantity_unit` AS `x_UsageQuantityUnit`
FROM `aws_cost_by_service`
)
SETTINGS prefer_column_name_to_alias = 1, cast_keep_nullable = 1, join_use_nulls = 1;

-- The table under names of FOCUS 1.2, as far as Cost Explorer can fill them: a row is an aggregate and no charge, and
-- nothing here claims conformance. Everything FOCUS has no name for begins with x_.
CREATE OR REPLACE VIEW `aws_cost_by_team_focus_1_2` AS
SELECT * FROM (
SELECT
  CAST(`usage_date` AS DateTime64(3, 'UTC')) AS `ChargePeriodStart`,
  CAST(`usage_date` AS DateTime64(3, 'UTC')) + INTERVAL '1' DAY AS `ChargePeriodEnd`,
  CAST(CAST(concat(substr(`billing_period`, 1, 7), '-01') AS date) AS DateTime64(3, 'UTC')) AS `BillingPeriodStart`,
  CAST(CAST(concat(substr(`billing_period`, 1, 7), '-01') AS date) AS DateTime64(3, 'UTC')) + INTERVAL '1' MONTH AS `BillingPeriodEnd`,
  `estimated` AS `x_Estimated`,
  `tag_team` AS `x_TagTeam`,
  `service` AS `ServiceName`,
  `unblended_cost` AS `BilledCost`,
  `amortized_cost` AS `EffectiveCost`,
  `currency` AS `BillingCurrency`
FROM `aws_cost_by_team`
)
SETTINGS prefer_column_name_to_alias = 1, cast_keep_nullable = 1, join_use_nulls = 1;

-- The table under names of FOCUS 1.2, as far as Cost Explorer can fill them: a row is an aggregate and no charge, and
-- nothing here claims conformance. Everything FOCUS has no name for begins with x_.
CREATE OR REPLACE VIEW `aws_cost_monthly_focus_1_2` AS
SELECT * FROM (
SELECT
  CAST(`usage_date` AS DateTime64(3, 'UTC')) AS `ChargePeriodStart`,
  CAST(`usage_date` AS DateTime64(3, 'UTC')) + INTERVAL '1' MONTH AS `ChargePeriodEnd`,
  CAST(CAST(concat(substr(`billing_period`, 1, 7), '-01') AS date) AS DateTime64(3, 'UTC')) AS `BillingPeriodStart`,
  CAST(CAST(concat(substr(`billing_period`, 1, 7), '-01') AS date) AS DateTime64(3, 'UTC')) + INTERVAL '1' MONTH AS `BillingPeriodEnd`,
  `estimated` AS `x_Estimated`,
  `service` AS `ServiceName`,
  `unblended_cost` AS `BilledCost`,
  `blended_cost` AS `x_BlendedCost`,
  `amortized_cost` AS `EffectiveCost`,
  `net_unblended_cost` AS `x_NetUnblendedCost`,
  `net_amortized_cost` AS `x_NetAmortizedCost`,
  `currency` AS `BillingCurrency`
FROM `aws_cost_monthly`
)
SETTINGS prefer_column_name_to_alias = 1, cast_keep_nullable = 1, join_use_nulls = 1;
