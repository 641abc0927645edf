-- How well commitments were used beside what they saved, by day, provider, product and series of savings. utilization is
-- the plain average, the other two are weighted by committed spend (Savings Plans, if in units of one kind) and by
-- normalized units (reservations). Amounts are brought to one scale: cents are told in dollars. A day that only one of the
-- two tables has is there with nulls for the other.
CREATE OR REPLACE VIEW `datadog_commitments_and_datadog_savings` AS
SELECT * FROM (
WITH committed AS (
  SELECT
    usage_date,
    provider,
    product,
    utilization,
    number_of_nfus,
    committed_spend_per_hour * (CASE WHEN CASE WHEN toFloat64OrNull(substringIndex(committed_spend_unit, ' ', 1)) IS NULL THEN committed_spend_unit ELSE substr(committed_spend_unit, length(substringIndex(committed_spend_unit, ' ', 1)) + 2) END IN ('dollar', 'dollars', '$', 'cent', 'cents', '¢', 'millidollar', 'microdollar', 'nanodollar', 'percent', '%') THEN coalesce(toFloat64OrNull(substringIndex(committed_spend_unit, ' ', 1)), 1) ELSE 1 END * CASE CASE WHEN toFloat64OrNull(substringIndex(committed_spend_unit, ' ', 1)) IS NULL THEN committed_spend_unit ELSE substr(committed_spend_unit, length(substringIndex(committed_spend_unit, ' ', 1)) + 2) END WHEN 'cent' THEN 1e-2 WHEN 'cents' THEN 1e-2 WHEN '¢' THEN 1e-2 WHEN 'millidollar' THEN 1e-3 WHEN 'microdollar' THEN 1e-6 WHEN 'nanodollar' THEN 1e-9 ELSE 1e0 END) AS spend,
    CASE CASE WHEN toFloat64OrNull(substringIndex(committed_spend_unit, ' ', 1)) IS NULL THEN committed_spend_unit ELSE substr(committed_spend_unit, length(substringIndex(committed_spend_unit, ' ', 1)) + 2) END WHEN 'dollar' THEN 'dollar' WHEN 'dollars' THEN 'dollar' WHEN '$' THEN 'dollar' WHEN 'cent' THEN 'dollar' WHEN 'cents' THEN 'dollar' WHEN '¢' THEN 'dollar' WHEN 'millidollar' THEN 'dollar' WHEN 'microdollar' THEN 'dollar' WHEN 'nanodollar' THEN 'dollar' WHEN 'percent' THEN 'percent' WHEN '%' THEN 'percent' ELSE committed_spend_unit END AS spend_unit
  FROM `datadog_commitments`
),
used AS (
  SELECT
    usage_date,
    provider,
    product,
    count(*) AS commitments,
    avg(utilization) AS utilization,
    CASE WHEN count(DISTINCT spend_unit) <= 1
      THEN sum(utilization * spend)
        / nullif(sum(CASE WHEN utilization IS NOT NULL THEN spend END), 0) END AS utilization_by_spend,
    sum(utilization * number_of_nfus)
      / nullif(sum(CASE WHEN utilization IS NOT NULL THEN number_of_nfus END), 0) AS utilization_by_units
  FROM committed
  GROUP BY usage_date, provider, product
),
saved AS (
  SELECT
    usage_date,
    provider,
    product,
    series,
    actual_cost * (CASE WHEN CASE WHEN toFloat64OrNull(substringIndex(actual_cost_unit, ' ', 1)) IS NULL THEN actual_cost_unit ELSE substr(actual_cost_unit, length(substringIndex(actual_cost_unit, ' ', 1)) + 2) END IN ('dollar', 'dollars', '$', 'cent', 'cents', '¢', 'millidollar', 'microdollar', 'nanodollar', 'percent', '%') THEN coalesce(toFloat64OrNull(substringIndex(actual_cost_unit, ' ', 1)), 1) ELSE 1 END * CASE CASE WHEN toFloat64OrNull(substringIndex(actual_cost_unit, ' ', 1)) IS NULL THEN actual_cost_unit ELSE substr(actual_cost_unit, length(substringIndex(actual_cost_unit, ' ', 1)) + 2) END WHEN 'cent' THEN 1e-2 WHEN 'cents' THEN 1e-2 WHEN '¢' THEN 1e-2 WHEN 'millidollar' THEN 1e-3 WHEN 'microdollar' THEN 1e-6 WHEN 'nanodollar' THEN 1e-9 ELSE 1e0 END) AS actual_cost,
    on_demand_equivalent_cost * (CASE WHEN CASE WHEN toFloat64OrNull(substringIndex(on_demand_equivalent_cost_unit, ' ', 1)) IS NULL THEN on_demand_equivalent_cost_unit ELSE substr(on_demand_equivalent_cost_unit, length(substringIndex(on_demand_equivalent_cost_unit, ' ', 1)) + 2) END IN ('dollar', 'dollars', '$', 'cent', 'cents', '¢', 'millidollar', 'microdollar', 'nanodollar', 'percent', '%') THEN coalesce(toFloat64OrNull(substringIndex(on_demand_equivalent_cost_unit, ' ', 1)), 1) ELSE 1 END * CASE CASE WHEN toFloat64OrNull(substringIndex(on_demand_equivalent_cost_unit, ' ', 1)) IS NULL THEN on_demand_equivalent_cost_unit ELSE substr(on_demand_equivalent_cost_unit, length(substringIndex(on_demand_equivalent_cost_unit, ' ', 1)) + 2) END WHEN 'cent' THEN 1e-2 WHEN 'cents' THEN 1e-2 WHEN '¢' THEN 1e-2 WHEN 'millidollar' THEN 1e-3 WHEN 'microdollar' THEN 1e-6 WHEN 'nanodollar' THEN 1e-9 ELSE 1e0 END) AS on_demand_equivalent_cost,
    realized_savings * (CASE WHEN CASE WHEN toFloat64OrNull(substringIndex(realized_savings_unit, ' ', 1)) IS NULL THEN realized_savings_unit ELSE substr(realized_savings_unit, length(substringIndex(realized_savings_unit, ' ', 1)) + 2) END IN ('dollar', 'dollars', '$', 'cent', 'cents', '¢', 'millidollar', 'microdollar', 'nanodollar', 'percent', '%') THEN coalesce(toFloat64OrNull(substringIndex(realized_savings_unit, ' ', 1)), 1) ELSE 1 END * CASE CASE WHEN toFloat64OrNull(substringIndex(realized_savings_unit, ' ', 1)) IS NULL THEN realized_savings_unit ELSE substr(realized_savings_unit, length(substringIndex(realized_savings_unit, ' ', 1)) + 2) END WHEN 'cent' THEN 1e-2 WHEN 'cents' THEN 1e-2 WHEN '¢' THEN 1e-2 WHEN 'millidollar' THEN 1e-3 WHEN 'microdollar' THEN 1e-6 WHEN 'nanodollar' THEN 1e-9 ELSE 1e0 END) AS realized_savings,
    effective_savings_rate,
    CASE CASE WHEN toFloat64OrNull(substringIndex(actual_cost_unit, ' ', 1)) IS NULL THEN actual_cost_unit ELSE substr(actual_cost_unit, length(substringIndex(actual_cost_unit, ' ', 1)) + 2) END WHEN 'dollar' THEN 'dollar' WHEN 'dollars' THEN 'dollar' WHEN '$' THEN 'dollar' WHEN 'cent' THEN 'dollar' WHEN 'cents' THEN 'dollar' WHEN '¢' THEN 'dollar' WHEN 'millidollar' THEN 'dollar' WHEN 'microdollar' THEN 'dollar' WHEN 'nanodollar' THEN 'dollar' WHEN 'percent' THEN 'percent' WHEN '%' THEN 'percent' ELSE actual_cost_unit END AS actual_cost_unit,
    CASE CASE WHEN toFloat64OrNull(substringIndex(on_demand_equivalent_cost_unit, ' ', 1)) IS NULL THEN on_demand_equivalent_cost_unit ELSE substr(on_demand_equivalent_cost_unit, length(substringIndex(on_demand_equivalent_cost_unit, ' ', 1)) + 2) END WHEN 'dollar' THEN 'dollar' WHEN 'dollars' THEN 'dollar' WHEN '$' THEN 'dollar' WHEN 'cent' THEN 'dollar' WHEN 'cents' THEN 'dollar' WHEN '¢' THEN 'dollar' WHEN 'millidollar' THEN 'dollar' WHEN 'microdollar' THEN 'dollar' WHEN 'nanodollar' THEN 'dollar' WHEN 'percent' THEN 'percent' WHEN '%' THEN 'percent' ELSE on_demand_equivalent_cost_unit END AS on_demand_equivalent_cost_unit,
    CASE CASE WHEN toFloat64OrNull(substringIndex(realized_savings_unit, ' ', 1)) IS NULL THEN realized_savings_unit ELSE substr(realized_savings_unit, length(substringIndex(realized_savings_unit, ' ', 1)) + 2) END WHEN 'dollar' THEN 'dollar' WHEN 'dollars' THEN 'dollar' WHEN '$' THEN 'dollar' WHEN 'cent' THEN 'dollar' WHEN 'cents' THEN 'dollar' WHEN '¢' THEN 'dollar' WHEN 'millidollar' THEN 'dollar' WHEN 'microdollar' THEN 'dollar' WHEN 'nanodollar' THEN 'dollar' WHEN 'percent' THEN 'percent' WHEN '%' THEN 'percent' ELSE realized_savings_unit END AS realized_savings_unit
  FROM `datadog_savings`
)
SELECT
  coalesce(u.usage_date, s.usage_date) AS usage_date,
  coalesce(u.provider, s.provider) AS provider,
  coalesce(u.product, s.product) AS product,
  s.series AS series,
  u.commitments AS commitments,
  u.utilization AS utilization,
  u.utilization_by_spend AS utilization_by_spend,
  u.utilization_by_units AS utilization_by_units,
  s.actual_cost AS actual_cost,
  s.on_demand_equivalent_cost AS on_demand_equivalent_cost,
  s.realized_savings AS realized_savings,
  s.effective_savings_rate AS effective_savings_rate,
  s.actual_cost_unit AS actual_cost_unit,
  s.on_demand_equivalent_cost_unit AS on_demand_equivalent_cost_unit,
  s.realized_savings_unit AS realized_savings_unit
FROM used u
FULL JOIN saved s ON s.usage_date = u.usage_date AND s.provider = u.provider AND s.product = u.product
)
SETTINGS prefer_column_name_to_alias = 1, cast_keep_nullable = 1, join_use_nulls = 1;
