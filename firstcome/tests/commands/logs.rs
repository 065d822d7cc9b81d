//! A receipt in an address is a secret: no log of gateway and signup service holds one, not even with everything logged.

use std::path::Path;
use std::time::Duration;

use serde_json::json;
use testkit::{ChildProcess, HttpClient, HttpResponse, TempFolder};

use super::PROGRAM;

const SOON: Duration = Duration::from_secs(20);
const PHONE: &str = "01012345678";

/// All parts in one process, with every log line there is. The shop behind the gateway does not answer.
async fn start(folder: &Path) -> (ChildProcess, HttpClient) {
    let port = testkit::free_port();
    let config = folder.join("firstcome.toml");
    let text = format!(
        "data.folder = \"{}\"\nsignup.listen = \"127.0.0.1:0\"\nadmin.listen = \"127.0.0.1:0\"\nlog.filter = \"trace\"\n\
         [gateway]\nlisten = \"127.0.0.1:{port}\"\nupstream.shop.url = \"http://127.0.0.1:9\"\n\
         access_log.lines = \"all\"\n\
         [[gateway.route]]\nprefix = \"/\"\nupstream = \"shop\"\n\
         [[event]]\nid = \"spring\"\ntitle_ko = \"봄\"\ntitle_en = \"Spring\"\ncapacity = 10\nopens_at = \"+0s\"\ncloses_at = \"+1h\"\n\
         pace = \"10\"\nin_flight_max = 10\n",
        folder.join("data").display()
    );
    std::fs::write(&config, text).unwrap();
    let args = ["serve", "--config", config.to_str().unwrap()];
    let mut running = ChildProcess::start(Path::new(PROGRAM), &args, &[], &folder.join("log")).unwrap();
    running.wait_for_line("serving on", SOON).await.unwrap();
    (running, HttpClient::new(format!("http://127.0.0.1:{port}")))
}

async fn apply(gateway: &HttpClient) -> HttpResponse {
    let body = json!({"name": "홍길동", "phone": PHONE, "consent": true});
    let path = "/application/com/v1/create/application/spring";
    for _ in 0..200 {
        let answer = gateway.post_json(path, &body, &[("idempotency-key", "first-try")]).await.unwrap();
        if answer.status == 201 {
            return answer;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("the application was not accepted");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_log_line_holds_a_receipt_a_recovery_code_or_a_phone_number() {
    let folder = TempFolder::new("logs");
    let (mut running, gateway) = start(folder.path()).await;
    let applied = apply(&gateway).await.json();
    let text = |field: &str| applied[field].as_str().unwrap().to_owned();
    let (receipt, code) = (text("receipt"), text("recovery_code"));
    let status = |path: String| {
        let gateway = &gateway;
        async move { gateway.get(&path).await.unwrap().status }
    };
    assert_eq!(status(format!("/a/{receipt}")).await, 200);
    assert_eq!(status(format!("//a/{receipt}?lang=en")).await, 200);
    assert_eq!(status(format!("/a/{receipt}x")).await, 404);
    assert_eq!(status(format!("/application/com/v1/get/application/{receipt}")).await, 200);
    assert_eq!(status(format!("/shop/{receipt}")).await, 503);
    let find = json!({"event": "spring", "phone": PHONE, "code": code});
    gateway.post_json("/application/com/v1/find/application", &find, &[]).await.unwrap();
    let cancel = format!("/application/com/v1/cancel/application/{receipt}");
    assert_eq!(gateway.post_json(&cancel, &json!({}), &[]).await.unwrap().status, 202);
    assert!(running.stop(SOON).await.unwrap().success());
    let log = running.log();
    assert!(log.contains("/a/{receipt}") && log.contains("cannot connect to an upstream"), "{log}");
    assert!(log.contains("\"path\":\"/a/-\""), "the access log is among it: {log}");
    for secret in [&receipt, &code, &code.replace('-', ""), PHONE] {
        let line = log.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "{secret}");
    }
}
