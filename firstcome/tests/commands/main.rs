//! The commands as a new user runs them: their output and exit codes.
#![expect(clippy::unwrap_used, reason = "a failed step fails the test")]

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use testkit::{ChildProcess, HttpClient, TempFolder, until_some};

mod described;
mod logs;
mod operating;
mod restarting;
mod units;
mod webhooks;

const PROGRAM: &str = env!("CARGO_BIN_EXE_firstcome");
const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../firstcome.toml");

fn run(args: &[&str]) -> Output {
    Command::new(PROGRAM).args(args).output().unwrap()
}

fn output_text(out: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr))
}

#[test]
fn the_sample_settings_are_fine_and_can_be_printed_with_their_origins() {
    let checked = run(&["config", "check", "--config", SAMPLE]);
    assert!(checked.status.success(), "{}", output_text(&checked));
    let printed = run(&["config", "print", "--config", SAMPLE, "--set", "worker.calls_max=7"]);
    let text = output_text(&printed);
    assert!(
        printed.status.success() && text.contains("calls_max = 7") && text.contains("firstcome.toml"),
        "{text}"
    );
}

#[test]
fn the_sample_settings_of_each_role_are_fine_and_show_no_address() {
    let folder = TempFolder::new("roles");
    let url = folder.path().join("store.url");
    let stores: [(&str, &[&str]); 4] = [
        ("signup", &["queue.url_file"]),
        ("worker", &["queue.url_file", "ledger.url_file"]),
        ("operator", &["ledger.url_file"]),
        ("gateway", &["queue.url_file"]),
    ];
    for (role, keys) in stores {
        std::fs::write(&url, "redis://user:hush@127.0.0.1/0").unwrap();
        let file = format!("{}/../ops/{role}.toml", env!("CARGO_MANIFEST_DIR"));
        let urls: Vec<String> = keys.iter().map(|key| format!("{key}={}", url.display())).collect();
        let mut args = vec!["config", "print", "--role", role, "--config", &file];
        args.extend(urls.iter().flat_map(|url| ["--set", url]));
        let printed = run(&args);
        assert!(
            printed.status.success() && !output_text(&printed).contains("hush"),
            "{}",
            output_text(&printed)
        );
    }
}

#[test]
fn a_role_of_its_own_needs_servers_and_says_so() {
    for role in ["signup", "worker"] {
        let out = run(&["config", "check", "--role", role]);
        assert_eq!(out.status.code(), Some(2));
        assert!(output_text(&out).contains("queue.url: is missing"), "{}", output_text(&out));
    }
    let out = run(&["config", "check", "--role", "operator"]);
    let text = output_text(&out);
    assert!(text.contains("ledger.url: is missing") && text.contains("operator.token: is missing"), "{text}");
    assert!(!text.contains("queue.url"), "{text}");
    let out = run(&["config", "check", "--set", "queue.url=redis://127.0.0.1"]);
    assert!(output_text(&out).contains("goes together with ledger.url"), "{}", output_text(&out));
}

#[test]
fn a_key_file_is_made_once() {
    let folder = TempFolder::new("keys");
    let file = folder.path().join("keys.toml");
    let make = || run(&["keys", "make", file.to_str().unwrap()]);
    assert!(make().status.success());
    let again = make();
    assert_eq!(again.status.code(), Some(1));
    assert!(output_text(&again).contains("never overwritten"), "{}", output_text(&again));
    let public = output_text(&run(&["keys", "passes", file.to_str().unwrap()]));
    assert!(public.contains("\"kid\":\"k1\"") && public.contains("Ed25519"), "{public}");
    let secret = std::fs::read_to_string(&file).unwrap();
    let secret = secret.split("k1 = \"").nth(1).unwrap().trim_end().trim_end_matches('"').to_owned();
    assert!(secret.len() == 64 && !public.contains(&secret));
}

#[test]
fn every_mistake_in_the_settings_is_told_at_once_and_ends_with_2() {
    let folder = TempFolder::new("config");
    let file = folder.path().join("bad.toml");
    let text = "signup.lissten = \"x\"\nworker.calls_max = 0\n[[event]]\nid = \"Spring\"\ntitle_en = \"Spring\"\nopens_at = \"soon\"\ncloses_at = \"+1h\"\n";
    std::fs::write(&file, text).unwrap();
    for args in [["config", "check"].as_slice(), &["serve"], &["verify"]] {
        let out = run(&[args, &["--config", file.to_str().unwrap()]].concat());
        let text = output_text(&out);
        assert_eq!(out.status.code(), Some(2), "{text}");
        for part in ["did you mean", "listen", "calls_max", "title_ko", "opens_at", "event ID"] {
            assert!(text.contains(part), "'{part}' is not in:\n{text}");
        }
    }
}

#[test]
fn verify_without_data_says_what_to_name() {
    let folder = TempFolder::new("nothing");
    let out = run(&["verify", "--data", folder.path().to_str().unwrap()]);
    assert_eq!(out.status.code(), Some(1));
    assert!(output_text(&out).contains("--data"), "{}", output_text(&out));
}

#[test]
fn fresh_removes_nothing_that_a_demo_did_not_make() {
    let folder = TempFolder::new("fresh");
    std::fs::write(folder.path().join("diary.txt"), "dear diary").unwrap();
    let out = run(&["demo", "--fresh", "--seconds", "1", "--data", folder.path().to_str().unwrap()]);
    assert_eq!(out.status.code(), Some(1), "{}", output_text(&out));
    assert!(output_text(&out).contains("diary.txt") && folder.path().join("diary.txt").exists());
}

/// The product that the demo's event is about.
const PRODUCT: &str = "/products/4";

/// Runs a line as a reader pastes it, with the program in the path. What it prints, if it ends well.
fn shell(line: &str) -> String {
    let folder = Path::new(PROGRAM).parent().unwrap().display();
    let path = format!("{folder}:{}", env!("PATH"));
    let out = Command::new("sh").args(["-c", line]).env("PATH", path).output().unwrap();
    assert!(out.status.success(), "{line}: {}", output_text(&out));
    String::from_utf8(out.stdout).unwrap()
}

fn both((one, other): (&str, &str)) -> (String, String) {
    (one.to_owned(), other.to_owned())
}

/// The README's first command: what it prints is true.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_demo_prints_links_that_answer_and_lines_that_can_be_pasted() {
    let folder = TempFolder::new("demo");
    let (data, log) = (folder.path().join("data"), folder.path().join("log"));
    let args = ["demo", "--data", data.to_str().unwrap(), "--listen", "127.0.0.1:0", "--crowd", "40"];
    let mut demo = ChildProcess::start(Path::new(PROGRAM), &args, &[], &log).unwrap();
    demo.wait_for_line("Stop ", Duration::from_secs(20)).await.unwrap();
    let log = demo.log();
    let after =
        |label: &str| log.lines().find_map(|line| line.trim().strip_prefix(label)).unwrap().trim().to_owned();
    let link = |label: &str| after(label).split_whitespace().next().unwrap().to_owned();
    let gateway = HttpClient::new(link("Shop").trim_end_matches('/'));
    assert_eq!(link("Event page"), format!("{}/e/demo", gateway.base()));
    for path in ["/", "/e/demo", PRODUCT] {
        assert_eq!(gateway.get(path).await.unwrap().status, 200, "{path}");
    }
    assert_eq!(
        gateway.get("/order/int/v1/get/figure").await.unwrap().status,
        404,
        "no order bypasses the event"
    );
    let health = HttpClient::new(link("Health").strip_suffix("/readyz?verbose").unwrap());
    assert_eq!(health.get("/readyz").await.unwrap().status, 200);
    let (operator, token) = after("Operator console").split_once("/#token=").map(both).unwrap();
    // A browser takes the token behind the '#' along to the login.
    let console = HttpClient::new(&operator);
    assert_eq!(console.get("/").await.unwrap().status, 303);
    assert_eq!(console.get("/login").await.unwrap().status, 200);
    let operate = after("Operate");
    assert!(
        operate.contains(&format!("FIRSTCOME_OPERATOR_URL={operator} FIRSTCOME_TOKEN={token} ")),
        "{operate}"
    );
    let paced = shell(&operate);
    assert!(paced.contains("pace 4 -> 2"), "{paced}");

    let curl = log.split("Apply").nth(1).unwrap().split("Operator console").next().unwrap().trim();
    demo.wait_for_line("open  ", Duration::from_secs(20)).await.unwrap();
    let receipt: serde_json::Value = serde_json::from_str(&shell(curl)).unwrap();
    assert_eq!(receipt["standing"], "in_range", "{receipt}");
    let product = gateway.get(PRODUCT).await.unwrap();
    assert_eq!((product.status, product.header("location")), (303, Some("/e/demo")));
    let ordered = |line: &str| line.split("ordered").nth(1)?.split_whitespace().next()?.parse::<u32>().ok();
    let has_orders = async || demo.log().lines().filter_map(ordered).any(|orders| orders >= 4).then_some(());
    until_some("four orders", has_orders).await;

    // A second one finds the folder in use, and says so; the first stops in order, and each application has its number.
    let second = run(&["demo", "--data", data.to_str().unwrap(), "--seconds", "1"]);
    assert!(output_text(&second).contains("another process"), "{}", output_text(&second));
    demo.stop(Duration::from_secs(20)).await.unwrap();
    let verified = run(&["verify", "--data", data.to_str().unwrap()]);
    assert!(verified.status.success(), "{}", output_text(&verified));
    assert!(
        output_text(&verified).contains("I4  no seat is given while a lower number waits"),
        "{}",
        output_text(&verified)
    );
}
