//! For tests only: private folders and servers, a manual clock, seeded randomness, child processes, HTTP clients and a browser.
//! It uses none of the product's crates, so that each of them can use it in its tests.

pub mod axe;
pub mod bench;
pub mod blackhole_proxy;
pub mod browser;
pub mod clock;
pub mod eventually;
pub mod folder;
pub mod http;
pub mod order_stub;
pub mod peer_proxy;
pub mod port;
pub mod process;
pub mod raw_client;
pub mod rng;
pub mod servers;
pub mod small_disk;
pub mod tls;
pub mod webhook_receiver;

pub use blackhole_proxy::BlackholeProxy;
pub use browser::Browser;
pub use clock::ManualClock;
pub use eventually::{until, until_some};
pub use folder::TempFolder;
pub use http::{HttpClient, HttpError, HttpResponse};
pub use order_stub::OrderStub;
pub use port::{free_port, free_ports, listens_soon};
pub use process::{ChildProcess, cpu_time};
pub use raw_client::{RawClient, RawResponse};
pub use rng::seeded;
pub use servers::postgres::Postgres;
pub use servers::redis::{RedisKind, RedisServer};
pub use small_disk::SmallDisk;
pub use tls::Certificate;
pub use webhook_receiver::{ReceivedWebhook, WebhookReceiver, WebhookReply};
