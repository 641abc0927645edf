-- What each AI model costs, and what a million of its tokens costs, by month and product attributes. Tokens are the usage
-- whose unit counts them (Tokens, 1K tokens, 1M tokens), brought to single tokens. Usage in every other unit (images, hours,
-- N/A where a group mixes units) is never added: its cost is in cost and not in token_cost, which the rate is made of.
{create} {view} AS{open}
WITH entries AS (
  SELECT
    substr({partition}, 1, 7) AS billing_period,
    account, -- if accounts
    {attributes},
    currency,
    {cost} AS cost,
    CASE
      WHEN lower(usage_quantity_unit) IN ('token', 'tokens') THEN CAST(1 AS decimal(7, 0))
      WHEN lower(usage_quantity_unit) LIKE '1k%tokens' THEN CAST(1000 AS decimal(7, 0))
      WHEN lower(usage_quantity_unit) LIKE '1m%tokens' THEN CAST(1000000 AS decimal(7, 0)) END AS tokens_per_unit,
    usage_quantity
  FROM {table}
),
counted AS (
  SELECT
    billing_period,
    account, -- if accounts
    {attributes},
    currency,
    cost,
    CASE WHEN tokens_per_unit IS NOT NULL THEN cost END AS token_cost,
    CASE WHEN tokens_per_unit IS NOT NULL THEN CAST(usage_quantity AS decimal(28, 12)) * tokens_per_unit END AS tokens
  FROM entries
),
sums AS (
  SELECT
    billing_period,
    account, -- if accounts
    {attributes},
    currency,
    CAST(sum(cost) AS decimal(38, 12)) AS cost,
    CAST(sum(token_cost) AS decimal(38, 12)) AS token_cost,
    CAST(sum(tokens) AS decimal(38, 12)) AS tokens
  FROM counted
  GROUP BY {of_account}billing_period, {attributes}, currency
)
SELECT
  billing_period,
  account, -- if accounts
  {attributes},
  currency,
  cost,
  token_cost,
  tokens,
  CASE WHEN tokens <> 0
    THEN CAST(token_cost AS double) / CAST(tokens AS double) * 1e6 END AS cost_per_million_tokens
FROM sums{close}
