//! The client of webhook endpoints: which addresses it calls, and how long it waits.
#![expect(clippy::unwrap_used, reason = "a test fails at the first unexpected result")]

use std::time::Duration;

use messaging::{AllowedNetworks, SignedRequest, WebhookAnswer, WebhookClient, WebhookConfig};
use testkit::{Certificate, TempFolder, WebhookReceiver, WebhookReply};

fn config(allowed: &[&str]) -> WebhookConfig {
    WebhookConfig {
        allowed: AllowedNetworks(allowed.iter().map(|network| network.parse().unwrap()).collect()),
        timeout: Duration::from_secs(2),
        ..WebhookConfig::new("5".repeat(64).parse().unwrap())
    }
}

async fn send(config: &WebhookConfig, url: &str) -> Result<WebhookAnswer, String> {
    let request =
        SignedRequest { id: "a-1".into(), timestamp_s: 1, signature: "v1,x".into(), body: "{}".into() };
    WebhookClient::new(config).unwrap().send(&url.parse().unwrap(), request).await
}

fn answer(status: u16) -> WebhookAnswer {
    WebhookAnswer { status, retry_after_s: None }
}

#[tokio::test]
async fn an_address_that_is_not_public_gets_no_connection() {
    let receiver = WebhookReceiver::start().await;
    let port = receiver.address().port();
    let config = WebhookConfig { ports: vec![port], ..config(&[]) };
    let hosts = [
        "127.0.0.1",
        "0.0.0.0",
        // Names to the URL, addresses to the resolver.
        "127.1",
        "2130706433",
        "0x7f000001",
        "localhost",
        "localhost.",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[64:ff9b::7f00:1]",
        "169.254.169.254",
        "10.0.0.1",
    ];
    for host in hosts {
        for scheme in ["http", "https"] {
            let refused = send(&config, &format!("{scheme}://{host}:{port}/hook")).await.unwrap_err();
            // A resolver may refuse the unusual forms itself.
            let is_refused = refused.contains("no address of this host may be called");
            assert!(is_refused || refused.contains("cannot be resolved"), "{scheme} {host}: {refused}");
        }
    }
    assert_eq!(receiver.connections(), 0);
}

#[tokio::test]
async fn an_allowed_network_is_called_by_http_and_on_any_port() {
    let receiver = WebhookReceiver::start().await;
    let port = receiver.address().port();
    let config = config(&["127.0.0.0/8"]);
    for host in ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]"] {
        assert_eq!(
            send(&config, &format!("http://{host}:{port}/hook?a=1")).await.unwrap(),
            answer(204),
            "{host}"
        );
    }
    let webhook = receiver.received().remove(0);
    assert_eq!((webhook.path.as_str(), webhook.body.as_slice()), ("/hook?a=1", &b"{}"[..]));
    let host = format!("127.0.0.1:{port}");
    for (name, value) in [
        ("host", host.as_str()),
        ("content-type", "application/cloudevents+json"),
        ("webhook-id", "a-1"),
        ("webhook-timestamp", "1"),
        ("webhook-signature", "v1,x"),
        ("content-length", "2"),
    ] {
        assert_eq!(webhook.header(name), value, "{name}");
    }
    assert!(webhook.header("user-agent").starts_with("firstcome/"));
}

#[tokio::test]
async fn plain_http_and_other_ports_are_refused_outside_allowed_networks() {
    // Never connected to, since they are refused: an address of a public name server.
    for url in ["http://1.1.1.1/", "https://1.1.1.1:8443/", "http://1.1.1.1:443/"] {
        let refused = send(&config(&["127.0.0.0/8"]), url).await.unwrap_err();
        assert!(refused.contains("no address of this host may be called"), "{url}: {refused}");
    }
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let (receiver, other) = (WebhookReceiver::start().await, WebhookReceiver::start().await);
    let location = other.url();
    receiver.reply(move |_| WebhookReply {
        headers: vec![("location", location.clone()), ("retry-after", "7".into())],
        ..WebhookReply::status(307)
    });
    let answer = send(&config(&["127.0.0.1"]), &receiver.url()).await;
    assert_eq!(answer, Ok(WebhookAnswer { status: 307, retry_after_s: Some(7) }));
    assert_eq!(other.connections(), 0);
}

#[tokio::test]
async fn a_slow_response_is_given_up_and_a_slow_body_is_not_waited_for() {
    let receiver = WebhookReceiver::start().await;
    receiver.reply(|_| WebhookReply { delay: Duration::from_mins(10), ..WebhookReply::status(200) });
    let config = config(&["127.0.0.1"]);
    assert_eq!(send(&config, &receiver.url()).await, Err("no response within 2 s".into()));
    receiver.reply(|_| WebhookReply { is_endless: true, ..WebhookReply::status(200) });
    assert_eq!(send(&config, &receiver.url()).await.unwrap(), answer(200));
}

#[tokio::test]
async fn a_response_that_is_not_http_or_has_a_huge_head_is_an_error() {
    let receiver = WebhookReceiver::start().await;
    receiver.reply(|_| WebhookReply {
        headers: vec![("x-large", "x".repeat(40_000))],
        ..WebhookReply::status(200)
    });
    let error = send(&config(&["127.0.0.1"]), &receiver.url()).await.unwrap_err();
    assert!(error.contains("the connection broke"), "{error}");
    let error = send(&config(&["127.0.0.1"]), &format!("https://{}/", receiver.address())).await.unwrap_err();
    assert!(error.contains("TLS"), "{error}");
}

#[tokio::test]
async fn a_certificate_is_checked_against_the_name_and_the_trusted_ones() {
    let (folder, certificate) = (TempFolder::new("webhook-tls"), Certificate::default());
    let [file, _] = certificate.write(folder.path());
    let receiver = WebhookReceiver::start_tls(&certificate).await;
    let port = receiver.address().port();
    let (named, unnamed) = (format!("https://localhost:{port}/"), format!("https://127.0.0.1:{port}/"));
    let trusting = WebhookConfig { ca_file: Some(file), ..config(&["127.0.0.0/8"]) };
    assert_eq!(send(&trusting, &named).await.unwrap(), answer(204));
    for (config, url) in [(&trusting, &unnamed), (&config(&["127.0.0.0/8"]), &named)] {
        let refused = send(config, url).await.unwrap_err();
        assert!(refused.contains("TLS"), "{url}: {refused}");
    }
    assert_eq!(receiver.received().len(), 1);
    let missing = WebhookConfig { ca_file: Some("/nowhere".into()), ..config(&[]) };
    assert!(WebhookClient::new(&missing).unwrap_err().to_string().contains("/nowhere cannot be read"));
}
