//! A gateway that terminates TLS itself.

use testkit::{Certificate, TempFolder, free_port};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::client::Client;
use crate::harness::GatewayHarness;

#[tokio::test]
async fn the_shop_is_told_of_tls_and_plain_http_leads_to_https() {
    let (certificate, folder) = (Certificate::default(), TempFolder::new("gateway-tls"));
    let files = certificate.write(folder.path()).map(|file| file.display().to_string());
    let redirect = format!("127.0.0.1:{}", free_port());
    let harness = GatewayHarness::with(&[
        ("tls.certificate", &files[0]),
        ("tls.key", &files[1]),
        ("redirect_listen", &redirect),
    ])
    .await;
    let mut stream = certificate.connect(harness.address, &["http/1.1"]).await.unwrap();
    let request =
        b"GET /x HTTP/1.1\r\nhost: localhost\r\nx-forwarded-proto: http\r\nconnection: close\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).await.unwrap();
    assert!(response.starts_with("HTTP/1.1 200"), "{response}");
    let received = harness.shop.received().remove(0);
    assert_eq!(received.headers("x-forwarded-proto"), ["https"]);
    assert_eq!(received.headers("forwarded"), ["for=127.0.0.1;proto=https"]);

    let mut plain = Client::to(redirect.parse().unwrap()).await;
    let response = plain.get("/e/spring?x=1").await;
    assert_eq!((response.status, response.header("location")), (308, Some("https://shop/e/spring?x=1")));
    assert_eq!(harness.shop.received().len(), 1, "nothing is forwarded from plain HTTP");
}
