//! The shop of this repository passes, and the examination leaves only tombstones there.

use service::Context;
use shop::Config;
use testkit::{HttpClient, TempFolder};

use crate::harness::{examine, run};

struct DoctorHarness {
    base: String,
    _folder: TempFolder,
}

async fn shop() -> DoctorHarness {
    let (folder, ctx) = (TempFolder::new("doctor"), Context::system());
    let listener = service::http::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let config = Config { database: folder.path().join("shop.db"), ..Config::default() };
    let shop = shop::start(config, listener, &ctx).await.unwrap();
    DoctorHarness { base: format!("http://{}/order/int/v1", shop.address), _folder: folder }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_shop_passes_and_keeps_no_live_order() {
    let harness = shop().await;
    let run_result = examine(&harness.base, &["--event", "spring"]).await;
    assert_eq!((run_result.code, run_result.wrong()), (Some(0), vec![]), "{:#}", run_result.report);
    assert_eq!(run_result.report["checks"].as_array().unwrap().len(), 13);
    assert!(
        run_result.report["ok"] == true && run_result.report["leftovers"]["live"] == serde_json::json!([])
    );
    let speed = &run_result.report["speed"];
    assert!(speed["calls"] == 3 && speed["p99_ms"].as_f64() > Some(40.0), "{speed}");
    let live = HttpClient::new(&harness.base).get("/list/order/spring").await.unwrap();
    assert_eq!((live.status, live.text().as_str()), (200, ""));
    // Every key of the examination: one order, two at once, one without a name, one never made, two bodies, three in a row.
    assert_eq!(run_result.report["leftovers"]["tombstones"], 9);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_text_report_has_a_line_for_each_check() {
    let harness = shop().await;
    let (code, out, error) =
        run(&["doctor", "order-service", &harness.base, "--calls", "2", "--pace", "20"]).await;
    assert_eq!((code, error.as_str()), (Some(0), ""), "{out}");
    assert!(out.lines().next().unwrap().contains("orders of the event doctor-"), "{out}");
    assert_eq!(out.lines().filter(|line| line.starts_with("ok ")).count(), 13, "{out}");
    for part in ["rule 2", "at a pace of 20/s", "in_flight_max = ", "8 tombstones, no live order"] {
        assert!(out.contains(part), "'{part}' is not in {out}");
    }
}
