//! Certificates: a private authority is trusted if configured; every other certificate error is reported at once.

use std::time::{Duration, Instant};

use super::floods::SAVINGS;
use crate::support::bucket::bucket;
use crate::support::cost_explorer::{DAILY, NOW, two_days};
use crate::support::done::Done;
use crate::support::lakehouse::Lakehouse;
use crate::support::script::{Reply, Script};
use crate::support::tls::Authority;

const HERE: &str = "IP:127.0.0.1,DNS:localhost";
const STATUS: [&str; 3] = ["status", "--lake", "s3://bills/x"];

/// Fails without a retry: the second of eight attempts would come after a fifth of a second, the last after a minute.
#[track_caller]
fn at_once(house: &Lakehouse, arguments: &[&str]) -> Done {
    let begun = Instant::now();
    let done = house.costlake(arguments);
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}: {done}", begun.elapsed());
    done.hides("; retrying in ").hides("failed to verify");
    done
}

/// A lakehouse whose APIs and bucket are behind TLS.
fn open(authority: &Authority, api: &Script, bucket: &Script) -> (Lakehouse, String, String) {
    let (api, store) = (authority.in_front_of(api.url(), HERE, None), authority.in_front_of(bucket.url(), HERE, None));
    let mut house = Lakehouse::new(&api, NOW);
    house.set("AWS_ENDPOINT_URL_S3", &store);
    (house, api, store)
}

#[test]
fn an_authority_of_ones_own_is_trusted_where_it_is_named() {
    let authority = Authority::new();
    let (api, store) = (Script::answering(|_| Reply::good(&two_days())), bucket());
    let (mut house, _, _) = open(&authority, &api, &store);
    house.job("costs", DAILY);
    let file = authority.file().display().to_string();
    let config = house.folder().join("aws-config");
    std::fs::write(&config, format!("[default]\nca_bundle = {file}\n")).unwrap();
    for (variable, value) in
        [("AWS_CA_BUNDLE", file.as_str()), ("SSL_CERT_FILE", &file), ("AWS_CONFIG_FILE", &config.display().to_string())]
    {
        let before = if variable == "AWS_CONFIG_FILE" { "nothing-here" } else { "" };
        house.set(variable, value);
        house.costlake(&["run", "--lake", &format!("lake-{variable}")]).exits(0);
        house.costlake(&["run", "--lake", &format!("s3://bills/{variable}")]).exits(0);
        house.set(variable, before);
        if before.is_empty() {
            house.unset(variable);
        }
    }
}

#[test]
fn datadog_and_the_token_service_trust_it_as_well() {
    let authority = Authority::new();
    let api = Script::answering(|asked| match asked.path.contains("/api/") {
        true => Reply::new(200, r#"{"data":[]}"#),
        false => Reply::new(
            200,
            "<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>a</Arn><UserId>X</UserId>\
             <Account>111111111111</Account></GetCallerIdentityResult></GetCallerIdentityResponse>",
        )
        .with("content-type", "text/xml"),
    });
    let (mut house, url, _) = open(&authority, &api, &bucket());
    house.set("AWS_ENDPOINT_URL_STS", &url);
    house.job("costs", DAILY);
    house.job("config", "[source]\ntype = \"datadog_ccm_config\"\n");
    house.set("AWS_CA_BUNDLE", &authority.file().display().to_string());
    house.costlake(&["check", "--online"]).exits(0);
    house.unset("AWS_CA_BUNDLE");
    at_once(&house, &["check", "--online"]).exits(2).says("AWS_CA_BUNDLE");
}

#[test]
fn what_is_not_trusted_is_said_at_once_with_the_way_out() {
    let authority = Authority::new();
    let (api, store) = (Script::new(), bucket());
    let (house, url, s3) = open(&authority, &api, &store);
    for (job, what) in [(DAILY, "cannot reach Cost Explorer"), (SAVINGS, "cannot connect to Datadog")] {
        house.job("table", job);
        let done = at_once(&house, &["run"]);
        done.exits(2).says(what).says(&format!("address {url}")).says("AWS_CA_BUNDLE").says("SSL_CERT_FILE");
        done.says("cause certificate not trusted, its authority is unknown here");
    }
    let done = at_once(&house, &STATUS);
    done.exits(2).says(&format!("address {s3}")).says("its authority is unknown here").says("AWS_CA_BUNDLE");
    assert!(api.take_asked().is_empty() && store.take_asked().is_empty());
}

#[test]
fn a_certificate_of_another_name_or_time_has_its_own_advice() {
    let authority = Authority::new();
    let api = Script::new();
    let past = Some(("20200101000000Z", "20200201000000Z"));
    let future = Some(("20900101000000Z", "20900201000000Z"));
    for (name, span, words, advice) in [
        ("DNS:elsewhere.example", None, "it is of another name", "another host answers there"),
        (HERE, past, "it has expired", "check this machine's clock"),
        (HERE, future, "it is not valid yet", "check this machine's clock"),
    ] {
        let mut house = Lakehouse::new(&authority.in_front_of(api.url(), name, span), NOW);
        house.set("AWS_CA_BUNDLE", &authority.file().display().to_string());
        for job in [DAILY, SAVINGS] {
            house.job("table", job);
            at_once(&house, &["run"]).exits(2).says(words).says(advice);
        }
    }
    assert!(api.take_asked().is_empty());
}

#[test]
fn a_bundle_that_is_none_is_said_before_anything_is_asked() {
    let api = Script::new();
    let mut house = Lakehouse::new(api.url(), NOW);
    let odd = house.folder().join("odd.pem");
    std::fs::write(&odd, "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n").unwrap();
    let config = house.folder().join("aws-config");
    std::fs::write(&config, "[default]\nca_bundle = /nowhere/ca.pem\n").unwrap();
    for job in [DAILY, SAVINGS] {
        house.job("table", job);
        house.set("AWS_CA_BUNDLE", "/nowhere/ca.pem");
        house.costlake(&["run"]).exits(2).says("AWS_CA_BUNDLE names a file that cannot be read (file /nowhere/ca.pem");
        house.set("AWS_CA_BUNDLE", &odd.display().to_string());
        house
            .costlake(&["run"])
            .exits(2)
            .says("AWS_CA_BUNDLE names a file with a certificate that is cut off or damaged");
        house.unset("AWS_CA_BUNDLE");
    }
    house.job("table", DAILY);
    house.set("AWS_CONFIG_FILE", &config.display().to_string());
    house.costlake(&["run"]).exits(2).says("ca_bundle of the AWS profile names a file that cannot be read");
    assert!(api.take_asked().is_empty());
}

#[test]
fn a_file_of_authorities_that_is_none_is_told_by_its_variable() {
    let api = Script::new();
    let mut house = Lakehouse::new(api.url(), NOW);
    house.set("AWS_ENDPOINT_URL_S3", api.url());
    let empty = house.folder().join("empty");
    std::fs::create_dir(&empty).unwrap();
    for (variable, value, words) in [
        ("SSL_CERT_FILE", "/nowhere", "SSL_CERT_FILE names a file that cannot be read (file /nowhere"),
        ("SSL_CERT_DIR", &empty.display().to_string(), "SSL_CERT_DIR names no folder with certificates"),
    ] {
        house.set(variable, value);
        for job in [DAILY, SAVINGS] {
            house.job("table", job);
            house.costlake(&["run"]).exits(2).says(words).hides("panicked");
        }
        house.costlake(&STATUS).exits(2).says(words);
        house.set("COSTLAKE_WEBHOOK_URL", "https://nobody.invalid/x");
        house.costlake(&["serve", "--listen", "127.0.0.1:0"]).exits(2).says(words);
        house.unset("COSTLAKE_WEBHOOK_URL");
        house.unset(variable);
    }
    assert!(api.take_asked().is_empty());
}
