//! Webhooks: signing, the addresses that may be called, and one delivery.

mod address;
mod client;
mod secret;
mod signature;
mod url;

pub use address::AllowedNetworks;
pub use client::{SignedRequest, WebhookAnswer, WebhookClient};
pub use secret::{SecretKey, WebhookSecret};
pub use signature::sign;
pub use url::{BadWebhookUrl, WebhookUrl};
