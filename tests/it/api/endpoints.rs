//! Which AWS endpoints are used: the environment, the profile and its services, the region's partition; and that DuckDB
//! is configured with the same ones.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use crate::support::bucket::bucket;
use crate::support::cost_explorer::{DAILY, NOW, two_days};
use crate::support::lakehouse::Lakehouse;
use crate::support::sandbox::SandboxServer;
use crate::support::script::{Reply, Script};

const LAKE: &str = "s3://bills/x";

/// A lakehouse without any endpoint in its environment, and with this profile.
fn house_with(profile: &str) -> Lakehouse {
    let mut house = Lakehouse::new("", NOW);
    ["AWS_ENDPOINT_URL_COST_EXPLORER", "AWS_REGION"].iter().for_each(|name| house.unset(name));
    let file = house.folder().join("aws-config");
    std::fs::write(&file, profile).expect("a file");
    house.set("AWS_CONFIG_FILE", &file.display().to_string());
    house.job("costs", DAILY);
    house
}

fn api() -> Script {
    Script::answering(|_| Reply::good(&two_days()))
}

/// The `CREATE SECRET` line, which gives DuckDB the bucket's endpoint.
fn secret(house: &Lakehouse, lake: &str) -> String {
    let done = house.costlake(&["connect", "--lake", lake]);
    let line = done.exits(0).stdout.lines().find(|line| line.contains("SECRET")).map(str::to_owned);
    line.unwrap_or_else(|| panic!("no secret: {done}"))
}

#[test]
fn the_addresses_of_a_profile_are_asked() {
    let (costs, store) = (api(), bucket());
    let (at_costs, at_store) = (costs.url().to_owned(), store.url().to_owned());
    for services in [
        format!(
            "services = here\n[services here]\ns3 =\n  endpoint_url = {at_store}\ncost_explorer =\n  endpoint_url = {at_costs}\n"
        ),
        format!("endpoint_url = {at_costs}\nservices = here\n[services here]\ns3 =\n  endpoint_url = {at_store}\n"),
        format!(
            "endpoint_url = {at_store}\nservices = here\n[services here]\ncost_explorer =\n  endpoint_url = {at_costs}\n"
        ),
    ] {
        let house = house_with(&format!("[default]\nregion = eu-west-1\n{services}"));
        house.costlake(&["run", "--lake", LAKE]).exits(0);
        assert!(!store.take_asked().is_empty());
        let host = at_store.trim_start_matches("http://");
        let wanted = format!("ENDPOINT '{host}', USE_SSL false, URL_STYLE 'path', REGION 'eu-west-1'");
        assert!(secret(&house, LAKE).contains(&wanted), "{}", secret(&house, LAKE));
    }
}

#[test]
fn the_environment_comes_before_the_profile() {
    let (costs, store) = (api(), bucket());
    let nobody = "http://127.0.0.1:9";
    let mut house = house_with(&format!(
        "[default]\nendpoint_url = {nobody}\nservices = here\n[services here]\ns3 =\n  endpoint_url = {nobody}\n"
    ));
    house.set("AWS_ENDPOINT_URL_COST_EXPLORER", costs.url());
    for (variable, other) in [("AWS_ENDPOINT_URL", ""), ("AWS_ENDPOINT_URL_S3", nobody)] {
        house.set("AWS_ENDPOINT_URL", other);
        house.set(variable, store.url());
        house.costlake(&["run", "--lake", LAKE]).exits(0);
        assert!(!store.take_asked().is_empty(), "{variable}");
    }
}

#[test]
fn configured_addresses_can_be_left_alone() {
    let store = bucket();
    for (profile, variable) in [("", "true"), ("ignore_configured_endpoint_urls = true\n", "")] {
        let mut house =
            house_with(&format!("[default]\nregion = eu-west-1\nendpoint_url = {}\n{profile}", store.url()));
        house.set("AWS_ENDPOINT_URL_S3", store.url());
        if !variable.is_empty() {
            house.set("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", variable);
        }
        let (proxy, asked) = proxy();
        house.set("HTTPS_PROXY", &proxy);
        house.costlake(&["status", "--lake", LAKE]).exits(2).says("address https://s3.eu-west-1.amazonaws.com");
        assert_eq!(asked.lock().expect("a list").first().map(String::as_str), Some("s3.eu-west-1.amazonaws.com:443"));
    }
    assert!(store.take_asked().is_empty());
}

#[test]
fn an_address_that_is_none_is_told_with_what_names_it() {
    let section = |service: &str| format!("services = here\n[services here]\n{service} =\n  endpoint_url = nonsense\n");
    let general = "endpoint_url = nonsense\n".to_owned();
    let in_section = |service: &str| {
        format!("write endpoint_url of {service} in [services here] of the AWS profile `work` as https")
    };
    let of_profile = "write endpoint_url of the AWS profile `work` as https://host[:port], or unset it".to_owned();
    let (costs, status) = (&["run"][..], &["status", "--lake", LAKE][..]);
    for (command, what, profile, variable, advice) in [
        (costs, "Cost Explorer", &general, "", of_profile.clone()),
        (costs, "Cost Explorer", &section("cost_explorer"), "", in_section("cost_explorer")),
        (costs, "Cost Explorer", &general, "AWS_ENDPOINT_URL", "write AWS_ENDPOINT_URL as ".to_owned()),
        (costs, "AWS STS", &section("sts"), "", in_section("sts")),
        (status, "S3", &general, "", of_profile.clone()),
        (status, "S3", &section("s3"), "", in_section("s3")),
        (status, "S3", &section("s3"), "AWS_ENDPOINT_URL_S3", "write AWS_ENDPOINT_URL_S3 as ".to_owned()),
    ] {
        let mut house = house_with(&format!("[profile work]\nregion = eu-west-1\n{profile}"));
        house.set("AWS_PROFILE", "work");
        if !variable.is_empty() {
            house.set(variable, "nonsense");
        }
        let done = house.costlake(command);
        done.exits(2).says(&format!("the address of {what} is no https URL (endpoint nonsense")).says(&advice);
    }
    let mut house = house_with("[profile work]\nregion = eu-west-1\nendpoint_url = http://192.0.2.1:9\n");
    house.set("AWS_PROFILE", "work");
    for command in [costs, status] {
        let done = house.costlake(command);
        done.exits(2).says("endpoint is plain http and not on this machine (endpoint http://192.0.2.1:9");
        done.says("use https in endpoint_url of the AWS profile `work`, or pass --allow-http");
    }
}

/// A proxy that refuses every request, and the hosts requested from it.
fn proxy() -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let asked: Arc<Mutex<Vec<String>>> = Arc::default();
    let told = asked.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let mut lines = BufReader::new(&stream).lines().map_while(Result::ok).take_while(|line| !line.is_empty());
            let first = lines.next().unwrap_or_default();
            lines.for_each(drop);
            told.lock().expect("a list").extend(first.split(' ').nth(1).map(str::to_owned));
            let _ = std::io::Write::write_all(&mut &stream, b"HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n");
        }
    });
    (url, asked)
}

#[test]
fn a_bucket_is_looked_for_where_the_region_has_it() {
    for (region, extra, lake, host) in [
        ("eu-central-1", "", "s3://bills", "s3.eu-central-1.amazonaws.com"),
        ("eu-central-1", "", "s3://bills.example", "s3.eu-central-1.amazonaws.com"),
        ("cn-north-1", "", "s3://bills", "bills.s3.cn-north-1.amazonaws.com.cn"),
        ("cn-north-1", "", "s3://bills.example", "s3.cn-north-1.amazonaws.com.cn"),
        ("us-gov-west-1", "use_fips_endpoint = true\n", "s3://bills", "bills.s3-fips.us-gov-west-1.amazonaws.com"),
        (
            "us-east-1",
            "use_dualstack_endpoint = true\nuse_fips_endpoint = true\n",
            "s3://bills",
            "bills.s3-fips.dualstack.us-east-1.amazonaws.com",
        ),
    ] {
        let (proxy, asked) = proxy();
        let mut house = house_with(&format!("[default]\nregion = {region}\n{extra}"));
        house.set("HTTPS_PROXY", &proxy);
        house.costlake(&["status", "--lake", lake]).exits(2).says(&format!("address https://{host}"));
        assert_eq!(asked.lock().expect("a list").first(), Some(&format!("{host}:443")), "{region} {extra}");
    }
}

/// Cost by service and savings, both requested from a custom endpoint.
const BOTH: [(&str, &str); 2] = [
    ("costs", DAILY),
    (
        "savings",
        "[source]\ntype = \"datadog_savings\"\nqueries = [{ provider = \"aws\", product = \"ec2\" }]\n[window]\nbegin = \"2026-11-01\"\n[limits]\nrequests_per_second = 1000\n",
    ),
];

#[test]
fn figures_of_a_sandbox_are_marked_by_what_it_says_of_itself_and_never_mixed() {
    let sandbox = SandboxServer::new(NOW, 1_000);
    let made_up = Lakehouse::new(&sandbox.url(), NOW);
    BOTH.iter().for_each(|(name, job)| made_up.job(name, job));
    let first = made_up.json(&["run"]).exits(0).says("the figures are made up by a sandbox").document();
    assert_eq!(first["jobs"].as_array().map(Vec::len), Some(2));
    for (name, _) in BOTH {
        let record = std::fs::read_to_string(made_up.lake().join(format!("_costlake/{name}/table.json")));
        assert!(record.expect("a record").contains("made up by the sandbox"), "{name}");
    }
    made_up.json(&["run"]).exits(0);
    made_up.json(&["plan"]).exits(0);
    made_up.json(&["verify", "--full"]).exits(0);
    made_up.costlake(&["status", "--check"]).exits(0).says("the figures are made up by a sandbox");

    // The server at the endpoint is no longer a sandbox, or does not identify as one.
    let real = Script::answering(|asked| match asked.method.as_str() {
        "POST" => Reply::good(&two_days()),
        _ => Reply::good(&serde_json::json!({ "data": [] })),
    });
    let mut moved = made_up;
    for name in ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_COST_EXPLORER", "AWS_ENDPOINT_URL_STS", "COSTLAKE_DATADOG_URL"] {
        moved.set(name, real.url());
    }
    let before = moved.objects();
    let backfill = ["backfill", "costs", "savings", "--from", "2026-11-01", "--to", "2026-11-02"];
    let refused = moved.json(&backfill);
    refused.exits(2).says("the figures of the table are made up by a sandbox, and those of the answer are not");
    assert_eq!(moved.objects(), before);
}

#[test]
fn a_table_of_real_figures_takes_none_of_a_sandbox() {
    let script = Script::new();
    script.then([Reply::good(&two_days())]);
    let mut house = Lakehouse::new(script.url(), NOW);
    house.job("costs", DAILY);
    house.run_well();
    let before = house.objects();
    let sandbox = SandboxServer::new(NOW, 1_000);
    for name in ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_COST_EXPLORER"] {
        house.set(name, &sandbox.url());
    }
    let refused = house.json(&["run"]);
    refused.exits(2).says("the figures of the answer are made up by a sandbox, and those of the table are not");
    refused.says("choose another --lake");
    assert_eq!(house.objects(), before);
}

#[test]
fn every_output_says_which_address_is_asked_where_it_is_none_of_the_apis_own() {
    let sandbox = SandboxServer::new(NOW, 1_000);
    let house = Lakehouse::new(&sandbox.url(), NOW);
    BOTH.iter().for_each(|(name, job)| house.job(name, job));
    let costs = format!("Cost Explorer is asked at {}, which is not AWS's own address", sandbox.url());
    let savings = format!("Datadog is asked at {}, which is not its own address", sandbox.url());
    for arguments in [
        &["plan"][..],
        &["run"],
        &["check", "--online"],
        &["status"],
        &["backfill", "costs", "savings", "--from", "2026-11-01", "--to", "2026-11-02"],
        &["check"],
    ] {
        for done in [house.json(arguments), house.costlake(arguments)] {
            done.exits(0).says(&costs).says(&savings);
        }
    }
}

#[test]
fn a_table_without_its_record_takes_no_figures_of_the_other_kind() {
    let sandbox = SandboxServer::new(NOW, 1_000);
    for (name, job) in BOTH {
        let script = Script::answering(|asked| match asked.method.as_str() {
            "POST" => Reply::good(&two_days()),
            _ => {
                let metric = |value: f64| serde_json::json!({ "times": [1_793_491_200_000_i64], "series": { "total": [value] } });
                Reply::good(&serde_json::json!({
                    "actual_cost": metric(1.0), "on_demand_equivalent_cost": metric(2.0),
                    "realized_savings": metric(1.0), "effective_savings_rate": metric(0.5),
                }))
            }
        });
        let mut house = Lakehouse::new(script.url(), NOW);
        house.job(name, job);
        house.json(&["run"]).exits(0);
        let before = house.objects();
        std::fs::remove_file(house.lake().join(format!("_costlake/{name}/table.json"))).expect("a record");
        for variable in ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_COST_EXPLORER", "COSTLAKE_DATADOG_URL"] {
            house.set(variable, &sandbox.url());
        }
        let backfill = ["backfill", name, "--from", "2026-11-01", "--to", "2026-11-02"];
        let done = house.json(&backfill);
        assert_ne!(done.code, Some(0), "{done}");
        assert_eq!(house.objects(), before, "{name}");
        for variable in ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_COST_EXPLORER", "COSTLAKE_DATADOG_URL"] {
            house.set(variable, script.url());
        }
        house.json(&backfill).exits(0);
    }
}

#[test]
fn a_table_of_an_earlier_costlake_keeps_to_the_figures_that_it_was_first_given_since() {
    let script = Script::answering(|_| Reply::good(&two_days()));
    let mut house = Lakehouse::new(script.url(), NOW);
    house.job("costs", DAILY);
    house.run_well();
    let path = house.lake().join("_costlake/costs/table.json");
    let mut record: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(&path).expect("a record")).expect("JSON");
    record.as_object_mut().expect("members").remove("made_up");
    std::fs::write(&path, record.to_string()).expect("a record");
    house.run_well();
    let before = house.objects();
    let sandbox = SandboxServer::new(NOW, 1_000);
    for variable in ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_COST_EXPLORER"] {
        house.set(variable, &sandbox.url());
    }
    house.json(&["run"]).exits(2).says("are made up by a sandbox, and those of the table are not");
    assert_eq!(house.objects(), before);
}
