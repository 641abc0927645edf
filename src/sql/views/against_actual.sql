-- Budgets of the newest snapshot beside what was spent and what is expected, by month and tags. forecast is the one that
-- someone set, else the forecast of the answer, else the one that Datadog made itself. Shares are of the budgeted amount,
-- null where it is 0 or unknown.
{create} {view} AS{open}
WITH newest AS (
  SELECT {of_account}max(usage_date) AS usage_date
  FROM {table}
  GROUP BY account -- if accounts
),
entries AS (
  SELECT
    b.account AS account, -- if accounts
    b.usage_date AS usage_date,
    b.budget_id AS budget_id,
    b.name AS name,
    b.month AS month,
    b.tag_filters AS tag_filters,
    b.unit AS unit,
    b.amount AS amount,
    b.actual AS actual,
    coalesce(b.custom_forecast, b.forecast, b.ootb_forecast) AS forecast
  FROM {table} b
  JOIN newest n ON n.usage_date = b.usage_date
    AND n.account = b.account -- if accounts
)
SELECT
  account, -- if accounts
  usage_date,
  budget_id,
  name,
  month,
  tag_filters,
  unit,
  amount,
  actual,
  forecast,
  actual / nullif(amount, 0) AS used_share,
  forecast / nullif(amount, 0) AS forecast_share,
  actual > amount AS is_over,
  forecast > amount AS will_be_over
FROM entries{close}
