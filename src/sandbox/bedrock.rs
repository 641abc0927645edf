//! The company's use of Amazon Bedrock: models, kinds of tokens, and the product attributes of each line.
//!
//! The company began on 2026-09-01, the first day for which Cost Explorer has product attributes, so that the bill of
//! earlier days is without them. Prices are made up, in the order of magnitude of public ones.

use std::sync::Arc;

use chrono::NaiveDate;

use super::amount::ONE;
use super::catalog::{Account, TEAMS, product};
use super::dice::{chance, mix};
use super::lines::{Charge, Line};
use super::meters::{Meter, Rhythm};

/// Name of the service.
pub(super) const SERVICE: &str = "Amazon Bedrock";

/// First day with product attributes.
pub(super) const FIRST_DAY: NaiveDate = match NaiveDate::from_ymd_opt(2026, 9, 1) {
    Some(day) => day,
    None => NaiveDate::MIN,
};

/// The product attributes of a line, and its meter; an attribute without a value is empty.
#[derive(Debug)]
pub(super) struct Model {
    provider: &'static str,
    name: &'static str,
    inference_type: &'static str,
    feature: &'static str,
    meter: Meter,
}

impl Model {
    /// The value of an attribute; keys are case-sensitive, and a wrong key has no value.
    pub(super) fn value(&self, key: &str) -> &'static str {
        match key {
            "provider" => self.provider,
            "model" => self.name,
            "inferenceType" => self.inference_type,
            "feature" => self.feature,
            _ => "",
        }
    }
}

const INPUT: &str = "Input tokens";
const OUTPUT: &str = "Output tokens";
const CACHED: &str = "Cache read input tokens";

/// A kind of tokens of a model: thousands of tokens a day, and millionths of a dollar per thousand.
const fn tokens(
    who: (&'static str, &'static str),
    inference_type: &'static str,
    usage_type: &'static str,
    thousands: i64,
    price: i64,
) -> Model {
    let meter = Meter {
        usage_type,
        operation: "InvokeModelInference",
        unit: "1K tokens",
        quantity: thousands * 1_000,
        price: price * (ONE / 1_000_000),
        rhythm: Rhythm::Busy,
    };
    Model { provider: who.0, name: who.1, inference_type, feature: "On-demand inference", meter }
}

const SONNET: (&str, &str) = ("Anthropic", "Claude Sonnet 5");
const HAIKU: (&str, &str) = ("Anthropic", "Claude Haiku 4.5");
const NOVA: (&str, &str) = ("Amazon", "Nova Pro");
const LLAMA: (&str, &str) = ("Meta", "Llama 3.3 70B Instruct");
const TITAN: (&str, &str) = ("Amazon", "Titan Text Embeddings V2");

/// All lines of an account that uses everything. The guardrail is no model: only its feature has a value.
#[rustfmt::skip]
static MODELS: [Model; 11] = [
    tokens(SONNET, INPUT, "ClaudeSonnet5-input-tokens", 3_400, 3_000),
    tokens(SONNET, OUTPUT, "ClaudeSonnet5-output-tokens", 640, 15_000),
    tokens(SONNET, CACHED, "ClaudeSonnet5-cache-read-input-tokens", 9_700, 300),
    tokens(HAIKU, INPUT, "ClaudeHaiku4.5-input-tokens", 5_100, 1_000),
    tokens(HAIKU, OUTPUT, "ClaudeHaiku4.5-output-tokens", 820, 5_000),
    tokens(NOVA, INPUT, "NovaPro-input-tokens", 4_300, 800),
    tokens(NOVA, OUTPUT, "NovaPro-output-tokens", 510, 3_200),
    tokens(LLAMA, INPUT, "Llama3-3-70B-input-tokens", 1_900, 720),
    tokens(LLAMA, OUTPUT, "Llama3-3-70B-output-tokens", 330, 720),
    tokens(TITAN, INPUT, "TitanEmbeddingsV2-Text-input-tokens", 22_000, 20),
    Model {
        provider: "",
        name: "",
        inference_type: "",
        feature: "Guardrails",
        meter: Meter {
            usage_type: "Guardrail-ContentPolicyUnitsConsumed",
            operation: "ApplyGuardrail",
            unit: "1K text units",
            quantity: 61_000,
            price: 150_000 * (ONE / 1_000_000),
            rhythm: Rhythm::Busy,
        },
    },
];

/// Adds the lines of an account: a part of the models, each with all its kinds of tokens, for one team.
pub(super) fn draw(account: &Arc<Account>, salt: u64, lines: &mut Vec<Line>) {
    if account.unit.weight < 400 {
        return;
    }
    let team = TEAMS[usize::try_from(mix(&[salt, 5]) % TEAMS.len() as u64).unwrap_or(0)];
    let region = account.unit.region;
    let used = MODELS.iter().filter(|model| chance(mix(&[salt, super::dice::of_text(model.name)]), 75));
    lines.extend(used.map(|model| Line {
        account: Arc::clone(account),
        service: SERVICE,
        usage_type: format!("{}{}", region.prefix, model.meter.usage_type),
        region: region.name,
        operation: model.meter.operation,
        team,
        env: if team.is_empty() { "" } else { account.unit.env },
        product: product(team),
        unit: model.meter.unit,
        charge: Charge::Usage,
        meter: Some(&model.meter),
        planned: 0,
        reserved: 0,
        model: Some(model),
        salt: mix(&[salt, super::dice::of_text(model.meter.usage_type)]),
        corrected: None,
        correction: false,
    }));
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::sandbox::reader::{NOW, query, read, service};

    #[test]
    fn the_bill_of_the_models_is_believable_and_begins_in_september() {
        let ce = service(1_000);
        let mut query = query("2026-06-01", "2026-11-01", "MONTHLY", &json!([]));
        query["Filter"] = json!({ "Dimensions": { "Key": "SERVICE", "Values": ["Amazon Bedrock"] } });
        let months: Vec<i128> =
            read(&ce, &query, NOW).values().map(|sums| sums["UnblendedCost"] / 10_000_000_000).collect();
        assert_eq!(months[..3], [0, 0, 0]);
        assert!(months[3..].iter().all(|dollars| (3_000..30_000).contains(dollars)), "{months:?}");
    }
}
