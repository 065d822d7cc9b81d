//! Domain events as other systems get them: the catalogue, the schemas, the envelope, and the targets. It uses neither queue nor ledger;
//! the worker carries domain events from the ledger's outbox to the targets.

mod asyncapi;
mod catalogue;
mod config;
mod docs;
mod envelope;
mod field;
mod schema;
mod target;
mod webhook;

pub use asyncapi::asyncapi;
pub use catalogue::{CATALOGUE, CatalogueEntry, entry, validate};
pub use config::{Config, WebhookConfig};
pub use docs::events_page;
pub use envelope::{CONTENT_TYPE, CloudEvent, test_event};
pub use field::{Field, FieldType};
pub use schema::{schema, schema_id};
pub use target::{ChannelBatch, PublishError, Target};
pub use webhook::{
    AllowedNetworks, BadWebhookUrl, SecretKey, SignedRequest, WebhookAnswer, WebhookClient, WebhookSecret,
    WebhookUrl, sign,
};
