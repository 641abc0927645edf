//! Clients that are too slow or too many.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use costlake::web::server::{CONNECTIONS, Timeouts, serve};
use tokio_util::sync::CancellationToken;

/// A server of one page.
fn start(timeouts: Timeouts) -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.set_nonblocking(true).expect("a socket");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).expect("a socket");
            let router = Router::new().route("/", get(async || "well"));
            serve(listener, router, timeouts, CancellationToken::new()).await;
        });
    });
    address
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a socket");
    stream
}

/// Everything until the server closes.
fn rest(mut stream: TcpStream) -> String {
    let mut text = String::new();
    // A reset counts as closed; a connection that is still open at the read timeout does not.
    if let Err(error) = stream.read_to_string(&mut text) {
        assert!(!matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "it is left open");
    }
    text
}

const SHORT: Timeouts =
    Timeouts { headers: Duration::from_secs(1), connection: Duration::from_secs(300), end: Duration::from_secs(1) };

#[test]
fn a_client_that_never_finishes_its_question_is_left() {
    let address = start(SHORT);
    let mut slow = connect(address);
    slow.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow:").expect("a socket");
    assert!(!rest(slow).contains("200 OK"));
    // A connection may not stay idle between two requests or without one either.
    let mut idle = connect(address);
    idle.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("a socket");
    assert!(rest(idle).contains("well"));
    assert_eq!(rest(connect(address)), "");
}

#[test]
fn so_many_connections_and_no_more() {
    let long = Timeouts { headers: Duration::from_secs(60), ..SHORT };
    let address = start(long);
    let mut taken: Vec<TcpStream> = (0..CONNECTIONS).map(|_| connect(address)).collect();
    for stream in &mut taken {
        stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("a socket");
        let mut some = [0; 64];
        assert!(stream.read(&mut some).expect("an answer") > 0);
    }
    let mut waiting = connect(address);
    waiting.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").expect("a socket");
    waiting.set_read_timeout(Some(Duration::from_millis(400))).expect("a socket");
    let mut some = [0; 64];
    assert!(waiting.read(&mut some).is_err(), "there is no room for it");
    drop(taken);
    waiting.set_read_timeout(Some(Duration::from_secs(30))).expect("a socket");
    assert!(rest(waiting).contains("well"), "it is answered when there is");
}

#[test]
fn a_head_without_end_is_refused() {
    let address = start(Timeouts { headers: Duration::from_secs(60), ..SHORT });
    let mut greedy = connect(address);
    let head = format!("GET / HTTP/1.1\r\nHost: localhost\r\nX-Long: {}\r\n\r\n", "x".repeat(64 << 10));
    let _ = greedy.write_all(head.as_bytes());
    assert!(!rest(greedy).contains("200 OK"));
}
