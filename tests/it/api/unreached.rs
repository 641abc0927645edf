//! Unreachable addresses: the report names the address, the proxy and the cause.

use std::io::{Read, Write};
use std::net::TcpListener;

use super::floods::SAVINGS;
use crate::support::cost_explorer::{DAILY, NOW};
use crate::support::lakehouse::Lakehouse;

/// A port without a listener.
fn closed() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").to_string()
}

/// A proxy that answers every CONNECT with `answer`.
fn proxy(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    address
}

/// The messages about an address, from a run stopped at its first attempt or from `status` on a bucket.
fn said(house: &Lakehouse, what: &str) -> String {
    match what {
        "bucket" => house.costlake(&["status", "--lake", "s3://bills/x"]).stderr,
        job => {
            house.job("table", job);
            let mut child = house.begin(&["run"]);
            let mut stderr = child.stderr.take().expect("a pipe");
            let mut text = Vec::new();
            let mut part = [0; 4096];
            // The first attempt is enough to see.
            while !String::from_utf8_lossy(&text).contains("cause ") {
                match stderr.read(&mut part).expect("the pipe") {
                    0 => break,
                    count => text.extend_from_slice(&part[..count]),
                }
            }
            child.kill().expect("it runs");
            child.wait().expect("it ends");
            String::from_utf8(text).expect("text")
        }
    }
}

fn house_at(url: &str) -> Lakehouse {
    let mut house = Lakehouse::new(url, NOW);
    house.set("AWS_ENDPOINT_URL_S3", url);
    house
}

#[test]
fn an_address_that_cannot_be_reached_is_named_with_the_cause() {
    let refused = format!("http://{}", closed());
    for (url, cause) in [
        (refused.as_str(), "cause connection refused"),
        ("https://nobody.invalid:8443", "cause its name cannot be resolved (DNS)"),
    ] {
        let house = house_at(url);
        for what in [DAILY, SAVINGS, "bucket"] {
            let text = said(&house, what);
            assert!(text.contains(&format!("address {url}")) && text.contains(cause), "{what}: {text}");
        }
    }
}

#[test]
fn a_proxy_that_refuses_is_named_without_its_password() {
    let no = "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n";
    let password = "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n";
    for (proxy, cause) in [
        (proxy(no), "cause the proxy refuses to connect"),
        (proxy(password), "cause the proxy asks for a user and password (407)"),
        (closed(), "cause the proxy cannot be reached, connection refused"),
    ] {
        let mut house = house_at("https://nobody.invalid");
        house.set("HTTPS_PROXY", &format!("http://somebody:hushhush-1@{proxy}"));
        for what in [DAILY, SAVINGS, "bucket"] {
            let text = said(&house, what);
            let named = format!("(address https://nobody.invalid, proxy http://{proxy}, {cause}");
            assert!(text.contains(&named), "{what}: {text}");
            assert!(!text.contains("hushhush"), "{what}: {text}");
        }
    }
}

#[test]
fn the_alias_of_an_access_point_is_a_host_and_a_bucket_is_in_the_path() {
    let proxy = proxy("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n");
    let mut house = Lakehouse::new("https://nobody.invalid", NOW);
    house.set("HTTPS_PROXY", &format!("http://{proxy}"));
    house.job("table", DAILY);
    for (bucket, host) in [("bills-a1b2-s3alias", "bills-a1b2-s3alias.s3.us-east-1"), ("bills", "s3.us-east-1")] {
        let done = house.costlake(&["status", "--lake", &format!("s3://{bucket}/x")]);
        done.exits(1).says(&format!("(address https://{host}.amazonaws.com"));
    }
}

#[test]
fn a_proxy_that_wants_a_password_is_asked_once() {
    let proxy = proxy("HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n");
    let mut house = house_at("https://nobody.invalid");
    house.set("HTTPS_PROXY", &format!("http://{proxy}"));
    for job in [DAILY, SAVINGS] {
        house.job("table", job);
        let done = house.costlake(&["run"]);
        done.exits(2).hides("; retrying in ").says("put the user and password of the proxy into HTTPS_PROXY");
    }
}

#[test]
fn a_proxy_that_no_client_understands_is_told_before_anything_is_asked() {
    let mut house = house_at("https://nobody.invalid");
    for (name, value, words) in [
        ("HTTPS_PROXY", "http://bad host:3128", "HTTPS_PROXY holds a space, which is in no address of a proxy"),
        ("https_proxy", "::::", "https_proxy is no address of a proxy: requests would go past it"),
        ("ALL_PROXY", "http://somebody:hush-hush#1@proxy:3128", "ALL_PROXY has no port that a proxy could have"),
    ] {
        house.set(name, value);
        for job in [DAILY, SAVINGS] {
            house.job("table", job);
            house.costlake(&["run"]).exits(2).says(words).hides("hush-hush").hides("nobody.invalid");
        }
        house.costlake(&["status", "--lake", "s3://bills/x"]).exits(2).says(words).hides("hush-hush");
        house.set("COSTLAKE_WEBHOOK_URL", "https://nobody.invalid/hush-hush");
        house.costlake(&["serve", "--listen", "127.0.0.1:0"]).exits(2).says(words).hides("hush-hush");
        house.unset("COSTLAKE_WEBHOOK_URL");
        house.unset(name);
    }
}

#[test]
fn a_proxy_without_a_scheme_is_asked() {
    let closed = closed();
    let mut house = house_at("https://nobody.invalid");
    house.set("HTTPS_PROXY", &closed);
    for what in [DAILY, SAVINGS, "bucket"] {
        let text = said(&house, what);
        assert!(text.contains(&format!("proxy http://{closed}, cause the proxy cannot be reached")), "{what}: {text}");
    }
}
