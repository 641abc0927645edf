//! More canaries: the token cache of `aws sso login`, panics, a bucket's traffic.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::secrets::{CANARIES, canary, clean, nothing_leaked, repeats, with_canaries};
use crate::support::bucket::bucket;
use crate::support::sandbox::SandboxServer;
use crate::support::script::{Asked, Reply, Script};

const NOW: &str = "2026-11-03T06:00:00Z";

/// The session's file in the token cache, named by the SHA-1 of `corp`.
const CACHED: &str = "ee0bfd2552fbd840c02cc48b6e823320543c450f.json";
const PROFILE: &str = "[profile p]\nsso_session = corp\nsso_account_id = 123456789012\nsso_role_name = reader\n\
    [sso-session corp]\nsso_region = us-east-1\nsso_start_url = https://corp.awsapps.com/start\n";

fn cached(expires: &str) -> Value {
    json!({
        "accessToken": canary("single sign-on: access"), "expiresAt": expires, "region": "us-east-1",
        "startUrl": "https://corp.awsapps.com/start", "clientId": "an id of a client",
        "clientSecret": canary("single sign-on: client"), "refreshToken": canary("single sign-on: refresh"),
        "registrationExpiresAt": "2036-01-01T00:00:00Z",
    })
}

fn corp(home: &Path, cached: &str) {
    fs::create_dir_all(home.join(".aws/sso/cache")).expect("a folder");
    fs::write(home.join(".aws/config"), PROFILE).expect("a file");
    fs::write(home.join(".aws/sso/cache").join(CACHED), cached).expect("a file");
}

/// The SSO portal and its token service; both echo whatever they are sent.
fn portal(asked: &Asked) -> Reply {
    let sent: Vec<&str> = asked.headers.iter().map(|(_, value)| value.as_str()).collect();
    let words = format!("{} {} {}", sent.join(" "), asked.path, asked.body);
    Reply::new(401, json!({ "message": words, "error_description": words }).to_string())
        .with("x-amzn-errortype", "UnauthorizedException")
        .with("x-amzn-requestid", canary("single sign-on: access"))
}

#[test]
fn tokens_of_single_sign_on() {
    let api = Script::answering(repeats).with_totals();
    let (good, expired) = (cached("2036-01-01T00:00:00Z").to_string(), cached("2020-01-01T00:00:00Z").to_string());
    let cut = good[..good.len() - 40].to_owned();
    let odd = good.replace("2036-01-01T00:00:00Z", canary("single sign-on: refresh"));
    let missing = good.replace("expiresAt", "expires");
    for (text, is_asked) in [(&good, true), (&expired, true), (&cut, false), (&odd, false), (&missing, false)] {
        let there = Script::answering(portal);
        let (mut house, files) = with_canaries(api.url());
        corp(files.path(), text);
        ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"].iter().for_each(|name| house.unset(name));
        house.set("HOME", &files.path().to_string_lossy());
        house.unset("AWS_CONFIG_FILE");
        house.set("AWS_PROFILE", "p");
        house.set("AWS_ENDPOINT_URL_SSO", there.url());
        house.set("AWS_ENDPOINT_URL_SSO_OIDC", there.url());
        for command in [&["run", "costs"][..], &["--log-format", "json", "check", "--online", "costs"]] {
            let done = house.costlake(command);
            done.exits(3).says("there are no AWS credentials to use");
            nothing_leaked(&house, &done);
        }
        let asked = there.take_asked();
        let token = canary("single sign-on: access");
        let sent =
            |asked: &Asked| asked.header("x-amz-sso_bearer_token") == Some(token) || asked.body.contains("refresh");
        assert_eq!(asked.iter().any(sent), is_asked, "{asked:#?}");
    }
}

#[test]
fn what_a_panic_says() {
    let sandbox = SandboxServer::new(NOW, 1_000);
    let secrets: Vec<&str> = CANARIES[..4].iter().map(|(_, secret)| *secret).collect();
    for place in ["after_plan", "after_encode"] {
        for format in ["text", "json"] {
            let (mut house, _files) = with_canaries(&sandbox.url());
            house.set("COSTLAKE_CRASH", &format!("{place}:1:panic:it held {}", secrets.join(" and ")));
            house.set("RUST_BACKTRACE", "1");
            let done = house.costlake(&["--log-format", format, "--output", format, "run"]);
            done.exits(1).says("it held [secret] and [secret] and [secret] and [secret]");
            nothing_leaked(&house, &done);
            if format == "json" {
                done.document();
                let mut log = done.stderr.lines().filter(|line| !line.starts_with("crash point"));
                assert!(log.all(|line| serde_json::from_str::<Value>(line).is_ok()), "{done}");
            }
        }
    }
}

#[test]
fn the_traffic_of_a_bucket() {
    let sandbox = SandboxServer::new(NOW, 1_000);
    let there = bucket();
    let (mut house, _files) = with_canaries(&sandbox.url());
    house.set("AWS_ENDPOINT_URL_S3", there.url());
    for format in ["text", "json"] {
        for command in [&["run"][..], &["status"], &["verify", "--full"], &["connect"]] {
            let flags = ["--lake", "s3://bucket/some/where", "--log-format", format, "--output", format];
            let done = house.costlake(&[&flags[..], command].concat());
            nothing_leaked(&house, done.exits(0));
        }
    }
    let asked = there.take_asked();
    assert!(asked.iter().any(|asked| asked.method == "PUT" && asked.path.ends_with("data.parquet")), "nothing was put");
    for asked in &asked {
        assert!(!asked.path.contains("X-Amz-"), "a signature in an address: {}", asked.path);
        clean("a key", asked.path.as_bytes());
        clean("a body", &asked.bytes);
        clean("a packed body", &zstd::stream::decode_all(&asked.bytes[..]).unwrap_or_default());
        for (name, value) in &asked.headers {
            let own = name == "x-amz-security-token" && value == canary("session token");
            assert!(own || name != "x-amz-security-token", "another token");
            clean(name, if own { b"" } else { value.as_bytes() });
        }
    }
}

/// The bucket echoes every header it is sent.
#[test]
fn a_bucket_that_repeats_what_it_is_sent() {
    let said = |asked: &Asked| {
        let sent: Vec<String> = asked.headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        let words = format!("{} {}", sent.join(" "), canary("access key"));
        let body = format!("<Error><Code>AccessDenied</Code><Message>{words}</Message></Error>");
        Reply::new(403, body).with("x-amz-request-id", canary("session token"))
    };
    let there = Script::answering(said);
    let (mut house, _files) = with_canaries("http://127.0.0.1:9");
    house.set("AWS_ENDPOINT_URL_S3", there.url());
    for format in ["text", "json"] {
        for command in [&["run"][..], &["status"], &["verify"]] {
            let flags = ["--lake", "s3://bucket/x", "--log-format", format, "--output", format];
            let done = house.costlake(&[&flags[..], command].concat());
            assert_ne!(done.code, Some(0), "{done}");
            nothing_leaked(&house, &done);
        }
    }
    assert!(there.take_asked().len() >= 6, "nothing was asked");
}
