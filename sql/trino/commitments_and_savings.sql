-- How well commitments were used beside what they saved, by day, provider, product and series of savings. utilization is
-- the plain average, the other two are weighted by committed spend (Savings Plans, if in one unit) and by normalized
-- units (reservations). A day that only one of the two tables has is there with nulls for the other.
CREATE OR REPLACE VIEW "datadog_commitments_and_datadog_savings" AS
WITH used AS (
  SELECT
    usage_date,
    provider,
    product,
    count(*) AS commitments,
    avg(utilization) AS utilization,
    CASE WHEN count(DISTINCT committed_spend_unit) <= 1
      THEN sum(utilization * committed_spend_per_hour)
        / nullif(sum(CASE WHEN utilization IS NOT NULL THEN committed_spend_per_hour END), 0) END AS utilization_by_spend,
    sum(utilization * number_of_nfus)
      / nullif(sum(CASE WHEN utilization IS NOT NULL THEN number_of_nfus END), 0) AS utilization_by_units
  FROM "datadog_commitments"
  GROUP BY usage_date, provider, product
)
SELECT
  coalesce(u.usage_date, s.usage_date) AS usage_date,
  coalesce(u.provider, s.provider) AS provider,
  coalesce(u.product, s.product) AS product,
  s.series,
  u.commitments,
  u.utilization,
  u.utilization_by_spend,
  u.utilization_by_units,
  s.actual_cost,
  s.on_demand_equivalent_cost,
  s.realized_savings,
  s.effective_savings_rate,
  s.actual_cost_unit,
  s.on_demand_equivalent_cost_unit,
  s.realized_savings_unit
FROM used u
FULL JOIN "datadog_savings" s ON s.usage_date = u.usage_date AND s.provider = u.provider AND s.product = u.product;
