//! The conditions in which a page is shown: the user's preferences, the network, the keyboard, and other tabs.

use anyhow::Result;
use hyper::Method;
use serde_json::json;

use super::{Browser, ELEMENT, command, text_of};

/// The Tab key, as text for [`Browser::press`].
pub const TAB: &str = "\u{e004}";
/// The Enter key.
pub const ENTER: &str = "\u{e007}";

impl Browser {
    /// Shows pages as with these preferences, such as `("prefers-color-scheme", "dark")`.
    pub async fn prefer(&self, features: &[(&str, &str)]) -> Result<()> {
        let features: Vec<_> =
            features.iter().map(|(name, value)| json!({"name": name, "value": value})).collect();
        self.devtools("Emulation.setEmulatedMedia", &json!({ "features": features })).await.map(drop)
    }

    /// Cuts the network of the shown tab, or connects it again.
    pub async fn set_offline(&self, offline: bool) -> Result<()> {
        self.set_network(offline, 0, -1).await
    }

    /// Slows the network down: the time to the first byte, and the bytes per second.
    pub async fn throttle(&self, latency_ms: u32, bytes_per_s: i32) -> Result<()> {
        self.set_network(false, latency_ms, bytes_per_s).await
    }

    async fn set_network(&self, offline: bool, latency_ms: u32, bytes_per_s: i32) -> Result<()> {
        let conditions = json!({
            "offline": offline, "latency": latency_ms,
            "download_throughput": bytes_per_s, "upload_throughput": bytes_per_s,
        });
        self.post("chromium/network_conditions", &json!({ "network_conditions": conditions })).await.map(drop)
    }

    /// Sends text or keys to the focused element.
    pub async fn press(&self, keys: &str) -> Result<()> {
        let focused = text_of(&self.get("element/active").await?[ELEMENT])?;
        self.post(&format!("element/{focused}/value"), &json!({ "text": keys })).await.map(drop)
    }

    /// Opens an empty tab in front of the others and returns its handle.
    pub async fn open_tab(&self) -> Result<String> {
        let tab = self.new_window("tab").await?;
        self.show_tab(&tab).await?;
        Ok(tab)
    }

    /// Opens an empty window beside the others and returns the handle of its tab.
    pub async fn open_window(&self) -> Result<String> {
        let tab = self.new_window("window").await?;
        self.switch_to(&tab).await?;
        Ok(tab)
    }

    async fn new_window(&self, kind: &str) -> Result<String> {
        text_of(&self.post("window/new", &json!({ "type": kind })).await?["handle"])
    }

    /// Sends the next commands to a tab, wherever it is.
    pub async fn switch_to(&self, tab: &str) -> Result<()> {
        self.post("window", &json!({ "handle": tab })).await.map(drop)
    }

    /// The handle of the tab that the commands go to.
    pub async fn tab(&self) -> Result<String> {
        text_of(&self.get("window").await?)
    }

    /// Brings a tab to the front. The commands go to it from now on; the others are hidden.
    pub async fn show_tab(&self, tab: &str) -> Result<()> {
        self.switch_to(tab).await?;
        self.devtools("Page.bringToFront", &json!({})).await.map(drop)
    }

    /// Closes the tab that the commands go to, and shows another one.
    pub async fn close_tab(&self, then: &str) -> Result<()> {
        let path = format!("/session/{}/window", self.session);
        command(&self.http, Method::DELETE, &path, &serde_json::Value::Null).await?;
        self.show_tab(then).await
    }

    /// Goes back in the history of the tab.
    pub async fn back(&self) -> Result<()> {
        self.post("back", &json!({})).await.map(drop)
    }
}
