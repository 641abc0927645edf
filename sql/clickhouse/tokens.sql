-- What each AI model costs, and what a million of its tokens costs, by month and product attributes. Tokens are the usage
-- whose unit counts them (Tokens, 1K tokens, 1M tokens), brought to single tokens. Usage in every other unit (images, hours,
-- N/A where a group mixes units) is never added: its cost is in cost and not in token_cost, which the rate is made of.
CREATE OR REPLACE VIEW `aws_ai_cost_by_model_tokens` AS
SELECT * FROM (
WITH entries AS (
  SELECT
    substr(`billing_period`, 1, 7) AS billing_period,
    `product_attribute_model`, `product_attribute_inferencetype`,
    currency,
    `unblended_cost` AS cost,
    CASE
      WHEN lower(usage_quantity_unit) IN ('token', 'tokens') THEN CAST(1 AS decimal(7, 0))
      WHEN lower(usage_quantity_unit) LIKE '1k%tokens' THEN CAST(1000 AS decimal(7, 0))
      WHEN lower(usage_quantity_unit) LIKE '1m%tokens' THEN CAST(1000000 AS decimal(7, 0)) END AS tokens_per_unit,
    usage_quantity
  FROM `aws_ai_cost_by_model`
),
counted AS (
  SELECT
    billing_period,
    `product_attribute_model`, `product_attribute_inferencetype`,
    currency,
    cost,
    CASE WHEN tokens_per_unit IS NOT NULL THEN cost END AS token_cost,
    CASE WHEN tokens_per_unit IS NOT NULL THEN CAST(usage_quantity AS decimal(28, 12)) * tokens_per_unit END AS tokens
  FROM entries
),
sums AS (
  SELECT
    billing_period,
    `product_attribute_model`, `product_attribute_inferencetype`,
    currency,
    CAST(sum(cost) AS decimal(38, 12)) AS cost,
    CAST(sum(token_cost) AS decimal(38, 12)) AS token_cost,
    CAST(sum(tokens) AS decimal(38, 12)) AS tokens
  FROM counted
  GROUP BY billing_period, `product_attribute_model`, `product_attribute_inferencetype`, currency
)
SELECT
  billing_period,
  `product_attribute_model`, `product_attribute_inferencetype`,
  currency,
  cost,
  token_cost,
  tokens,
  CASE WHEN tokens <> 0
    THEN CAST(token_cost AS double) / CAST(tokens AS double) * 1e6 END AS cost_per_million_tokens
FROM sums
)
SETTINGS prefer_column_name_to_alias = 1, cast_keep_nullable = 1, join_use_nulls = 1;
