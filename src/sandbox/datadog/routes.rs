//! The routes of Datadog's endpoints: both keys are required but not verified, and every answer has rate-limit headers.
//! The API key `sandbox-<name>` is that of another organisation than the company.

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use bytes::Bytes;
use chrono::Timelike;
use serde_json::{Value, json};

use crate::sandbox::Sandbox;
use crate::sandbox::organisations::Payer;
use crate::sandbox::server::{count, text};

use super::{Company, Parameters, Refusal};
use super::{anomalies, budgets, commitments, cost_accounts, coverage, integration, query, tags};

type Pairs = Query<Vec<(String, String)>>;

/// All of Datadog's endpoints.
pub(in crate::sandbox) fn router() -> Router<Sandbox> {
    let commitments = "/api/v2/cost/commitments";
    let accounts = "/api/v2/integration/aws/accounts";
    let costs = Router::new()
        .route("/api/v2/query/timeseries", posted(query::timeseries))
        .route("/api/v2/query/scalar", posted(query::scalar))
        .route("/api/v2/cost/budgets", asked(budgets::list))
        .route("/api/v2/cost/budget/{id}", asked_of_one(budgets::one))
        .route("/api/v2/cost/anomalies", asked(anomalies::list))
        .route("/api/v2/cost/tag_keys", asked(tags::keys));
    let configurations = Router::new()
        .route("/api/v2/cost/cloud_accounts", asked(cost_accounts::cloud_accounts))
        .route("/api/v2/cost/aws_cur_config", asked(cost_accounts::aws_cur_config))
        .route("/api/v2/cost/azure_uc_config", asked(cost_accounts::azure_uc_config))
        .route("/api/v2/cost/gcp_uc_config", asked(cost_accounts::gcp_uc_config))
        .route(accounts, asked(integration::accounts))
        .route(&format!("{accounts}/{{id}}/ccm_config"), asked_of_one(integration::ccm_config));
    let commitments = [
        ("commitment-list", asked(commitments::list)),
        ("savings/timeseries", asked(commitments::savings)),
        ("savings/scalar", asked(commitments::savings_in_all)),
        ("utilization/timeseries", asked(commitments::utilization)),
        ("utilization/scalar", asked(commitments::utilization_in_all)),
        ("coverage/timeseries", asked(coverage::timeseries)),
        ("coverage/scalar", asked(coverage::scalar)),
        ("on-demand-hot-spots/scalar", asked(coverage::hot_spots)),
    ]
    .into_iter()
    .fold(Router::new(), |router, (path, method)| router.route(&format!("{commitments}/{path}"), method));
    costs.merge(configurations).merge(commitments)
}

fn asked(question: fn(Company<'_>, &Parameters) -> Result<Value, Refusal>) -> MethodRouter<Sandbox> {
    get(async move |State(sandbox): State<Sandbox>, headers: HeaderMap, Query(pairs): Pairs| {
        answer(&sandbox, &headers, |company| question(company, &by_name(pairs)))
    })
}

fn asked_of_one(question: fn(Company<'_>, &str, &Parameters) -> Result<Value, Refusal>) -> MethodRouter<Sandbox> {
    get(async move |State(sandbox): State<Sandbox>, headers: HeaderMap, Path(id): Path<String>, Query(pairs): Pairs| {
        answer(&sandbox, &headers, |company| question(company, &id, &by_name(pairs)))
    })
}

fn posted(question: fn(Company<'_>, &[u8]) -> Result<Value, Refusal>) -> MethodRouter<Sandbox> {
    post(async move |State(sandbox): State<Sandbox>, headers: HeaderMap, body: Bytes| {
        answer(&sandbox, &headers, |company| question(company, &body))
    })
}

fn by_name(pairs: Vec<(String, String)>) -> Parameters {
    let mut parameters = Parameters::new();
    for (name, value) in pairs {
        let known = parameters.entry(name).or_default();
        *known = if known.is_empty() { value } else { format!("{known},{value}") };
    }
    parameters
}

fn answer(
    sandbox: &Sandbox,
    headers: &HeaderMap,
    question: impl FnOnce(Company<'_>) -> Result<Value, Refusal>,
) -> Response {
    let number = count(&sandbox.shared.datadog_requests);
    let now = sandbox.now();
    let (status, content_type, body) =
        if text(headers, "dd-api-key").is_empty() || text(headers, "dd-application-key").is_empty() {
            (403, "application/json", json!({ "errors": ["Forbidden"] }))
        } else {
            let organisation = sandbox.shared.organisations.of(&Payer::of_key(text(headers, "dd-api-key")));
            match question(Company { bill: &organisation.bill, now }) {
                Ok(body) => (200, "application/vnd.api+json", body),
                Err(refusal) => (refusal.status, "application/vnd.api+json", refusal.body()),
            }
        };
    let limit = 600;
    let limits = [
        ("x-ratelimit-limit", limit.to_string()),
        ("x-ratelimit-period", "60".to_owned()),
        ("x-ratelimit-remaining", (limit - 1 - number % limit).to_string()),
        ("x-ratelimit-reset", (60 - now.second()).to_string()),
        ("x-ratelimit-name", "cloud_cost_commitments".to_owned()),
    ];
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, [(header::CONTENT_TYPE, content_type)], limits, body.to_string()).into_response()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use axum::body::Body;
    use axum::http::Request;
    use tower::ServiceExt;

    use super::by_name;
    use crate::sandbox::reader::{NOW, at};
    use crate::sandbox::{Sandbox, Settings};

    /// The status of an answer, and its rate limit.
    fn answered(method: &str, path: &str, with_keys: bool, body: &'static str) -> (u16, String) {
        let mut request = Request::builder().method(method).uri(path).header("dd-api-key", "k");
        if with_keys {
            request = request.header("dd-application-key", "k");
        }
        let router = Sandbox::new(Settings::new(at(NOW))).router();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let answer = runtime.block_on(router.oneshot(request.body(Body::from(body)).unwrap())).unwrap();
        let limit = answer.headers().get("x-ratelimit-limit").map_or("", |limit| limit.to_str().unwrap());
        (answer.status().as_u16(), limit.to_owned())
    }

    #[test]
    fn every_endpoint_asks_for_both_keys_and_tells_its_limit() {
        let commitments = "?provider=aws&product=ec2&start=1790812800000&end=1793491200000";
        let query = r#"{"data":{"type":"timeseries_request","attributes":{"from":1790812800000,"to":1790899200000,
            "queries":[{"data_source":"cloud_cost","query":"sum:all.cost{*}"}]}}}"#;
        for (method, path, status) in [
            ("GET", format!("/api/v2/cost/commitments/commitment-list{commitments}"), 200),
            ("GET", format!("/api/v2/cost/commitments/savings/timeseries{commitments}"), 200),
            ("GET", format!("/api/v2/cost/commitments/savings/scalar{commitments}"), 200),
            ("GET", format!("/api/v2/cost/commitments/utilization/timeseries{commitments}"), 200),
            ("GET", format!("/api/v2/cost/commitments/utilization/scalar{commitments}"), 200),
            ("GET", format!("/api/v2/cost/commitments/coverage/timeseries{commitments}"), 200),
            ("GET", format!("/api/v2/cost/commitments/coverage/scalar{commitments}"), 200),
            ("GET", format!("/api/v2/cost/commitments/on-demand-hot-spots/scalar{commitments}"), 200),
            ("GET", "/api/v2/cost/commitments/coverage/timeseries".to_owned(), 400),
            ("POST", "/api/v2/query/timeseries".to_owned(), 200),
            ("POST", "/api/v2/query/scalar".to_owned(), 400),
            ("GET", "/api/v2/cost/budgets".to_owned(), 200),
            ("GET", "/api/v2/cost/budget/00000000-0000-4000-a000-000000000000?actual=true".to_owned(), 404),
            ("GET", "/api/v2/cost/anomalies?provider_ids=gcp&provider_ids=aws".to_owned(), 200),
            ("GET", "/api/v2/cost/tag_keys?filter%5Bmetric%5D=all.cost".to_owned(), 200),
            ("GET", "/api/v2/cost/cloud_accounts?filter[cloud]=aws_cur2".to_owned(), 200),
            ("GET", "/api/v2/cost/aws_cur_config".to_owned(), 200),
            ("GET", "/api/v2/cost/azure_uc_config".to_owned(), 200),
            ("GET", "/api/v2/cost/gcp_uc_config".to_owned(), 200),
            ("GET", "/api/v2/integration/aws/accounts".to_owned(), 200),
            ("GET", "/api/v2/integration/aws/accounts/x/ccm_config".to_owned(), 400),
        ] {
            assert_eq!(answered(method, &path, true, query), (status, "600".to_owned()), "{path}");
            assert_eq!(answered(method, &path, false, query), (403, "600".to_owned()), "{path} with one key");
        }
    }

    #[test]
    fn the_values_of_a_repeated_parameter_are_joined() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let parameters = by_name(vec![pair("a", "1"), pair("b", ""), pair("a", "2")]);
        assert_eq!((parameters["a"].as_str(), parameters["b"].as_str()), ("1,2", ""));
    }
}
