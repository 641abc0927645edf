-- How well commitments were used beside what they saved, by day, provider, product and series of savings. utilization is
-- the plain average, the other two are weighted by committed spend (Savings Plans, if in units of one kind) and by
-- normalized units (reservations). Amounts are brought to one scale: cents are told in dollars. A day that only one of the
-- two tables has is there with nulls for the other.
{create} {view} AS{open}
WITH committed AS (
  SELECT
    account, -- if accounts
    usage_date,
    provider,
    product,
    utilization,
    number_of_nfus,
    committed_spend_per_hour * {spend_scale} AS spend,
    {spend_unit} AS spend_unit
  FROM {table}
),
used AS (
  SELECT
    account, -- if accounts
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
  GROUP BY {of_account}usage_date, provider, product
),
saved AS (
  SELECT
    account, -- if accounts
    usage_date,
    provider,
    product,
    series,
    actual_cost * {actual_scale} AS actual_cost,
    on_demand_equivalent_cost * {on_demand_scale} AS on_demand_equivalent_cost,
    realized_savings * {realized_scale} AS realized_savings,
    effective_savings_rate,
    {actual_unit} AS actual_cost_unit,
    {on_demand_unit} AS on_demand_equivalent_cost_unit,
    {realized_unit} AS realized_savings_unit
  FROM {other}
)
SELECT
  coalesce(u.account, s.account) AS account, -- if accounts
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
FULL JOIN saved s ON {of_saved}s.usage_date = u.usage_date AND s.provider = u.provider AND s.product = u.product{close}
