//! A real browser for tests of pages: headless Chromium as a phone, controlled through chromedriver (W3C `WebDriver`).
//! It can reach only loopback addresses, so that a page that loads anything else fails its test.

mod conditions;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use hyper::Method;
use rustix::process::Pid;
use serde_json::{Value, json};

use crate::folder::TempFolder;
use crate::http::HttpClient;
use crate::process::{ChildProcess, kill_tree};

pub use conditions::{ENTER, TAB};

/// The command that installs the browser.
pub const INSTALL: &str =
    "apt-get install -y --no-install-recommends chromium chromium-driver fontconfig fonts-noto-cjk";

/// The key of an element in `WebDriver` responses (section 12.1).
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";
/// Scrolls an element into view and returns its center, or null if a click there would not hit it.
const HIT: &str = "const e = arguments[0]; e.scrollIntoView({block: 'center'}); const r = e.getBoundingClientRect();
    const at = [r.x + r.width / 2, r.y + r.height / 2]; return r.width > 0 && e.contains(document.elementFromPoint(...at)) ? at : null";
const COMMAND_TIMEOUT: Duration = Duration::from_secs(30);
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// The properties of the browser.
#[derive(Debug, Clone)]
pub struct Options {
    /// The value of `Accept-Language`, first choice first.
    pub language: String,
    /// Width of the screen in CSS pixels.
    pub width: u32,
    /// Height of the screen in CSS pixels.
    pub height: u32,
    /// Whether it is a phone: touch input, and a viewport set by `<meta name="viewport">`.
    pub mobile: bool,
    /// Whether pages may run scripts.
    pub javascript: bool,
    /// Whether dark pages are preferred.
    pub dark: bool,
}

impl Default for Options {
    /// A small Korean phone.
    fn default() -> Self {
        Self {
            language: "ko-KR".into(),
            width: 360,
            height: 740,
            mobile: true,
            javascript: true,
            dark: false,
        }
    }
}

/// One browser window, closed on drop.
#[derive(Debug)]
pub struct Browser {
    http: HttpClient,
    session: String,
    javascript: bool,
    /// Fields drop in this order: the browser, then its driver, then the folder of both.
    _process: BrowserProcess,
    _driver: ChildProcess,
    _folder: TempFolder,
}

/// The process of the browser: it outlives a driver that was killed.
#[derive(Debug)]
struct BrowserProcess(Option<Pid>);

impl Drop for BrowserProcess {
    fn drop(&mut self) {
        if let Some(pid) = self.0 {
            kill_tree(pid);
        }
    }
}

impl Browser {
    /// Starts chromedriver on a free port and a browser with a fresh profile.
    pub async fn start(options: Options) -> Result<Self> {
        let folder = TempFolder::new("web");
        let mut driver = start_driver(&folder)?;
        let line = driver.wait_for_line("started successfully on port ", COMMAND_TIMEOUT).await?;
        let port = line.rsplit(' ').next().unwrap_or_default().trim_end_matches('.');
        let http = HttpClient::new(format!("http://127.0.0.1:{port}")).with_timeout(COMMAND_TIMEOUT);
        let wanted = capabilities(&options, folder.path());
        let session =
            command(&http, Method::POST, "/session", &wanted).await.context("cannot start chromium")?;
        let pid = session["capabilities"]["goog:processID"].as_i64().and_then(|pid| i32::try_from(pid).ok());
        let session = session["sessionId"].as_str().context("chromedriver returned no session")?.to_owned();
        let process = BrowserProcess(pid.and_then(Pid::from_raw));
        let javascript = options.javascript;
        let browser = Self { http, session, javascript, _process: process, _driver: driver, _folder: folder };
        let scheme = if options.dark { "dark" } else { "light" };
        browser.prefer(&[("prefers-color-scheme", scheme)]).await?;
        Ok(browser)
    }

    /// Opens a URL and waits until the page is loaded.
    pub async fn open(&self, url: &str) -> Result<()> {
        self.post("url", &json!({ "url": url })).await.map(drop)
    }

    /// The visible text of the first element that matches.
    pub async fn text(&self, css: &str) -> Result<String> {
        let element = self.find(css).await?;
        text_of(&self.get(&format!("element/{element}/text")).await?)
    }

    /// An attribute; `None` if it is missing.
    pub async fn attribute(&self, css: &str, name: &str) -> Result<Option<String>> {
        let element = self.find(css).await?;
        let value = self.get(&format!("element/{element}/attribute/{name}")).await?;
        Ok(value.as_str().map(str::to_owned))
    }

    /// Whether any element matches.
    pub async fn exists(&self, css: &str) -> Result<bool> {
        let found = self.post("elements", &json!({"using": "css selector", "value": css})).await?;
        Ok(found.as_array().is_some_and(|all| !all.is_empty()))
    }

    /// Clicks the first element that matches. An error if it is hidden or covered.
    pub async fn click(&self, css: &str) -> Result<()> {
        let element = self.find(css).await?;
        if self.javascript {
            return self.post(&format!("element/{element}/click"), &json!({})).await.map(drop);
        }
        // chromedriver's click waits for a timer of the page, which never fires without scripts.
        let at = self.post("execute/sync", &json!({"script": HIT, "args": [{ ELEMENT: element }]})).await?;
        ensure!(at.is_array(), "{css} is hidden or covered");
        for kind in ["mousePressed", "mouseReleased"] {
            let event = json!({"type": kind, "x": at[0], "y": at[1], "button": "left", "clickCount": 1});
            self.devtools("Input.dispatchMouseEvent", &event).await?;
        }
        Ok(())
    }

    /// Replaces the content of a field by typing.
    pub async fn fill(&self, css: &str, text: &str) -> Result<()> {
        let element = self.find(css).await?;
        self.post(&format!("element/{element}/clear"), &json!({})).await?;
        self.post(&format!("element/{element}/value"), &json!({ "text": text })).await.map(drop)
    }

    /// Waits until an element matches.
    pub async fn wait_for(&self, css: &str, timeout: Duration) -> Result<()> {
        let found = tokio::time::timeout(timeout, async {
            while !self.exists(css).await? {
                tokio::time::sleep(POLL_INTERVAL).await;
            }
            Ok(())
        });
        let Ok(result) = found.await else {
            bail!("no {css} within {timeout:?} in {}", self.describe().await)
        };
        result
    }

    /// Waits until the page shows a text.
    pub async fn wait_for_text(&self, text: &str, timeout: Duration) -> Result<()> {
        let found = tokio::time::timeout(timeout, async {
            // Between two pages there is no body, or one that is being discarded.
            while !self.text("body").await.is_ok_and(|body| body.contains(text)) {
                tokio::time::sleep(POLL_INTERVAL).await;
            }
        });
        let Ok(()) = found.await else {
            bail!("no {text:?} within {timeout:?} in {}", self.describe().await)
        };
        Ok(())
    }

    /// The current HTML of the page.
    pub async fn source(&self) -> Result<String> {
        text_of(&self.get("source").await?)
    }

    /// The URL of the page.
    pub async fn url(&self) -> Result<String> {
        text_of(&self.get("url").await?)
    }

    /// Writes a screenshot to a PNG file, and creates its folder.
    pub async fn screenshot(&self, path: &Path) -> Result<()> {
        write_picture(path, &text_of(&self.get("screenshot").await?)?)
    }

    /// Writes a screenshot of the page down to a height, beyond the screen: as PNG, or as a much smaller WebP if the file is named so.
    pub async fn screenshot_of_height(&self, path: &Path, height: u64) -> Result<()> {
        let width = self.script("return innerWidth").await?;
        let clip = json!({"x": 0, "y": 0, "width": width, "height": height, "scale": 1});
        let format = if path.extension().is_some_and(|end| end == "webp") { "webp" } else { "png" };
        let params = json!({"format": format, "quality": 35, "captureBeyondViewport": true, "clip": clip});
        let shot = self.devtools("Page.captureScreenshot", &params).await?;
        write_picture(path, &text_of(&shot["data"])?)
    }

    /// Runs a function body in the page and returns its result. Works also if the page may not run scripts.
    pub async fn script(&self, js: &str) -> Result<Value> {
        self.post("execute/sync", &json!({"script": js, "args": []})).await
    }

    /// Runs a script in each page that is opened from now on, before the page's own.
    pub async fn run_before_pages(&self, js: &str) -> Result<()> {
        let params = json!({ "source": js });
        self.devtools("Page.addScriptToEvaluateOnNewDocument", &params).await.map(drop)
    }

    /// Shows the page as it is printed.
    pub async fn show_as_printed(&self) -> Result<()> {
        self.devtools("Emulation.setEmulatedMedia", &json!({ "media": "print" })).await.map(drop)
    }

    /// Reloads the page.
    pub async fn reload(&self) -> Result<()> {
        self.post("refresh", &json!({})).await.map(drop)
    }

    async fn find(&self, css: &str) -> Result<String> {
        let found = self.post("element", &json!({"using": "css selector", "value": css})).await?;
        text_of(&found[ELEMENT]).with_context(|| format!("{css} is not an element"))
    }

    async fn devtools(&self, method: &str, params: &Value) -> Result<Value> {
        self.post("goog/cdp/execute", &json!({"cmd": method, "params": params})).await
    }

    async fn get(&self, endpoint: &str) -> Result<Value> {
        command(&self.http, Method::GET, &format!("/session/{}/{endpoint}", self.session), &Value::Null).await
    }

    async fn post(&self, endpoint: &str, body: &Value) -> Result<Value> {
        let path = format!("/session/{}/{endpoint}", self.session);
        let result = command(&self.http, Method::POST, &path, body).await;
        result.with_context(|| format!("{endpoint} {body}"))
    }

    /// The URL and the text of the page, for a message.
    async fn describe(&self) -> String {
        let url = self.url().await.unwrap_or_default();
        format!("{url}:\n{}", self.text("body").await.unwrap_or_default())
    }
}

/// The path of a screenshot in `target/screens` of the workspace.
pub fn screen_path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/screens").join(format!("{name}.png"))
}

fn write_picture(path: &Path, base64: &str) -> Result<()> {
    let picture = data_encoding::BASE64.decode(base64.as_bytes())?;
    std::fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
    std::fs::write(path, picture).with_context(|| format!("cannot write {}", path.display()))
}

fn start_driver(folder: &TempFolder) -> Result<ChildProcess> {
    let at = path(folder.path());
    // Chromium writes to its home folder, whatever its profile.
    let env = [("HOME", at), ("TMPDIR", at), ("LANG", "C.UTF-8")];
    ChildProcess::start(&installed("chromedriver"), &["--port=0"], &env, &folder.path().join("driver.log"))
}

fn installed(name: &str) -> PathBuf {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&paths).map(|folder| folder.join(name)).find(|file| file.is_file());
    found.unwrap_or_else(|| panic!("{name} is not in PATH. As root: {INSTALL}"))
}

fn capabilities(options: &Options, folder: &Path) -> Value {
    let Options { width, height, language, .. } = options;
    let mut chrome = json!({
        "binary": path(&installed("chromium")),
        "args": [
            "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic",
            "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-breakpad", "--disable-crash-reporter",
            "--no-proxy-server", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1",
            format!("--user-data-dir={}", path(&folder.join("profile"))),
            format!("--window-size={width},{height}"),
            format!("--lang={language}"),
        ],
        "prefs": {
            "intl.accept_languages": language,
            "profile.managed_default_content_settings.javascript": if options.javascript { 1 } else { 2 },
        },
    });
    if options.mobile {
        let metrics =
            json!({"width": width, "height": height, "pixelRatio": 2, "mobile": true, "touch": true});
        chrome["mobileEmulation"] = json!({ "deviceMetrics": metrics });
    }
    json!({"capabilities": {"alwaysMatch": {"browserName": "chrome", "goog:chromeOptions": chrome}}})
}

async fn command(http: &HttpClient, method: Method, path: &str, body: &Value) -> Result<Value> {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let response = http.send(method, path, &[("content-type", "application/json")], body.into()).await?;
    let mut reply = response.json();
    let message = reply["value"]["message"].as_str().unwrap_or_default();
    ensure!(response.status == 200, "chromedriver: {}", message.lines().next().unwrap_or_default());
    Ok(reply["value"].take())
}

fn text_of(value: &Value) -> Result<String> {
    Ok(value.as_str().with_context(|| format!("chromedriver returned {value}, not a text"))?.to_owned())
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap_or_else(|| panic!("{} is not UTF-8", path.display()))
}
