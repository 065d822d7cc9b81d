//! For tests only: private folders, a hand-set clock, seeded chance, child processes, servers, HTTP and a browser.
//! Knows none of the product's crates, so that each of them may use it in its tests.

pub mod bench;
pub mod browser;
pub mod clock;
pub mod eventually;
pub mod folder;
pub mod http;
pub mod order_stub;
pub mod process;
pub mod raw_client;
pub mod rng;
pub mod servers;

pub use browser::Browser;
pub use clock::HandClock;
pub use eventually::{until, until_some};
pub use folder::TempFolder;
pub use http::{Answer, Http, HttpError};
pub use order_stub::OrderStub;
pub use process::{Running, cpu_time};
pub use raw_client::{RawClient, RawResponse};
pub use rng::seeded;
pub use servers::postgres::Postgres;
pub use servers::redis::{RedisKind, RedisServer};
