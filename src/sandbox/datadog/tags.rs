//! The tag keys of the company's costs, and their values on a line of the bill.
//!
//! How Datadog shows a cost without a value for a tag is not documented; here it is [`NONE`].

use serde_json::{Value, json};

use crate::sandbox::catalog::NOWHERE;
use crate::sandbox::lines::{Charge, Line};

use super::cube::{Filter, Metric};
use super::{Company, Parameters, Refusal, optional};

/// The value of a tag on costs that have none.
pub(super) const NONE: &str = "N/A";

/// A tag key.
pub(super) struct Tag {
    key: &'static str,
    source: &'static str,
    description: &'static str,
    value: for<'a> fn(&'a Line) -> &'a str,
}

const fn tag(
    key: &'static str,
    source: &'static str,
    description: &'static str,
    value: for<'a> fn(&'a Line) -> &'a str,
) -> Tag {
    Tag { key, source, description, value }
}

#[rustfmt::skip]
static TAGS: [Tag; 18] = [
    tag("providername", "focus", "The cloud provider.", |_| "AWS"),
    tag("servicename", "focus", "The service, as the provider's bill names it.", |line| line.service),
    tag("subaccountid", "focus", "The account that used the service.", |line| &line.account.id),
    tag("subaccountname", "focus", "The name of that account.", |line| &line.account.name),
    tag("billingaccountid", "focus", "The account that pays.", |line| &line.account.payer),
    tag("regionname", "focus", "The region.", region),
    tag("chargecategory", "focus", "What kind of charge it is.", category),
    tag("billingcurrency", "focus", "The currency of the bill.", |_| "USD"),
    tag("region", "aws", "The region.", region),
    tag("aws_product", "aws", "The service in one word.", product),
    tag("service", "aws", "The service in one word.", product),
    tag("aws_cost_type", "aws", "The type of the line.", |line| line.record_type()),
    tag("line_item/line_item_type", "aws", "The type of the line.", |line| line.record_type()),
    tag("line_item/usage_type", "aws", "The usage type.", |line| &line.usage_type),
    tag("line_item/operation", "aws", "The operation.", |line| line.operation),
    tag("line_item/usage_account_id", "aws", "The account that used the service.", |line| &line.account.id),
    tag("team", "user", "The team that owns the resource.", |line| line.team),
    tag("env", "user", "The environment of the resource.", |line| line.env),
];

/// The value of the key on a line, [`NONE`] without one or for an unknown key.
pub(super) fn value<'a>(key: &str, line: &'a Line) -> &'a str {
    let known = TAGS.iter().find(|tag| tag.key.eq_ignore_ascii_case(key));
    known.map(|tag| (tag.value)(line)).filter(|value| !value.is_empty()).unwrap_or(NONE)
}

fn region(line: &Line) -> &str {
    if line.region == NOWHERE.name { "" } else { line.region }
}

/// FOCUS's category of a charge.
fn category(line: &Line) -> &str {
    match line.charge {
        Charge::PlanFee(_) | Charge::ReservationFee { .. } => "Purchase",
        Charge::Tax => "Tax",
        Charge::Credit | Charge::LateCredit => "Credit",
        Charge::Refund => "Adjustment",
        _ => "Usage",
    }
}

fn product(line: &Line) -> &str {
    match line.service {
        "Amazon Elastic Compute Cloud - Compute" => "ec2",
        "EC2 - Other" => "ec2_other",
        "Amazon Relational Database Service" => "rds",
        "Amazon Simple Storage Service" => "s3",
        "AWS Lambda" => "lambda",
        "Amazon Bedrock" => "bedrock",
        "Amazon ElastiCache" => "elasticache",
        "AmazonCloudWatch" => "cloudwatch",
        "Amazon DynamoDB" => "dynamodb",
        "AWS Key Management Service" => "kms",
        "Amazon Elastic Load Balancing" => "elb",
        "AWS Data Transfer" => "datatransfer",
        "Amazon Route 53" => "route53",
        "Amazon Elastic Container Service" => "ecs",
        "Savings Plans for AWS Compute usage" => "savingsplans",
        "AWS Support (Business)" => "support",
        _ => "",
    }
}

/// `cost/tag_keys`: the keys with values, of one metric or of costs with certain tags if asked so.
pub(super) fn keys(company: Company<'_>, parameters: &Parameters) -> Result<Value, Refusal> {
    let metric = optional(parameters, "filter[metric]");
    let filter = Filter::read(optional(parameters, "filter[tags]").unwrap_or("*"))
        .map_err(|words| Refusal::invalid(format!("invalid parameter \"filter[tags]\" in \"query\"; {words}")))?;
    let lines: Vec<&Line> = match metric {
        Some(name) if Metric::named(name).is_none() => Vec::new(),
        _ => company.bill.lines.iter().filter(|line| filter.takes(line)).collect(),
    };
    let found = TAGS.iter().filter(|tag| lines.iter().any(|line| !(tag.value)(line).is_empty()));
    let data: Vec<Value> = found
        .map(|tag| {
            json!({
                "id": tag.key,
                "type": "cost_tag_key",
                "attributes": {
                    "value": tag.key,
                    "sources": [tag.source],
                    "details": { "description": tag.description, "tag_values": examples(tag, &lines) },
                },
            })
        })
        .collect();
    Ok(json!({ "data": data }))
}

/// The first three values in the order of the bill.
fn examples<'a>(tag: &Tag, lines: &[&'a Line]) -> Vec<&'a str> {
    let mut examples: Vec<&str> = Vec::new();
    for value in lines.iter().map(|line| (tag.value)(line)).filter(|value| !value.is_empty()) {
        if examples.len() < 3 && !examples.contains(&value) {
            examples.push(value);
        }
    }
    examples
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::collections::BTreeSet;

    use super::{TAGS, keys, product, value};
    use crate::sandbox::datadog::tests::{company, parameters};
    use crate::sandbox::reader::{NOW, service};

    #[test]
    fn every_key_is_listed_with_its_source_and_examples() {
        let ce = service(1_000);
        let listed = |pairs: &[(&str, &str)]| {
            let answer = keys(company(&ce, NOW), &parameters(pairs)).unwrap();
            answer["data"].as_array().unwrap().clone()
        };
        let all = listed(&[("filter[metric]", "aws.cost.amortized")]);
        assert_eq!(all.len(), TAGS.len());
        for key in &all {
            assert_eq!((&key["type"], &key["id"]), (&"cost_tag_key".into(), &key["attributes"]["value"]));
            assert!(key["attributes"]["sources"][0].is_string(), "{key}");
            assert!(key["attributes"]["details"]["tag_values"][0].is_string(), "{key}");
        }
        assert_eq!(listed(&[]), all);
        assert!(listed(&[("filter[metric]", "gcp.cost.amortized")]).is_empty());
        let of_tax: Vec<_> = listed(&[("filter[tags]", "servicename:Tax")]);
        assert!(of_tax.len() < all.len() && !of_tax.iter().any(|key| key["id"] == "team"), "{of_tax:?}");
        let wrong = keys(company(&ce, NOW), &parameters(&[("filter[tags]", "team")])).unwrap_err();
        assert_eq!(wrong.status, 400);
    }

    #[test]
    fn every_service_has_a_word_of_its_own_and_an_unknown_key_no_value() {
        let ce = service(1_000);
        let lines = &ce.bill.lines;
        let words: BTreeSet<_> = lines.iter().map(|line| (line.service, product(line))).collect();
        let distinct: BTreeSet<_> = words.iter().map(|(_, word)| word).collect();
        assert_eq!(distinct.len(), words.len(), "{words:?}");
        assert_eq!(words.iter().filter(|(_, word)| word.is_empty()).count(), 1, "only tax is no product");
        assert_eq!((value("ServiceName", &lines[0]), value("planet", &lines[0])), (lines[0].service, "N/A"));
    }
}
